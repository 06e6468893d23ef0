//! `embeddings.npy`: prompt embeddings as f16 or f32, one row a prompt.

use std::path::Path;

use half::f16;

use super::Embeddings;
use crate::error::{Error, Result};
use crate::npy::{format, parse};

/// Embeddings have about unit length; products of values beyond this would drown what is added to them.
pub const LARGEST_VALUE: f32 = 1000.0;

/// Reads `embeddings.npy`.
///
/// # Errors
/// As [`parse`], for f16 and f32; another number of dimensions than two; a value that is not finite or is
/// larger than [`LARGEST_VALUE`].
pub(crate) fn parse_embeddings(path: &Path, bytes: &[u8]) -> Result<Embeddings> {
    let array = parse(path, bytes, &[("<f2", 2), ("<f4", 4)])?;
    let [_, n_dimensions] = array.shape[..] else {
        let n_axes = array.shape.len();
        return Err(Error::file(
            path,
            format!("has {n_axes} dimensions where two are needed: (prompts, width)"),
        ));
    };
    if n_dimensions == 0 {
        return Err(Error::file(path, "its rows are empty"));
    }
    let values: Vec<f32> = match array.kind {
        "<f2" => array.data.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
        _ => array.data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
    };
    match values.iter().position(|value| !value.is_finite()) {
        Some(at) => {
            Err(Error::file(path, format!("row {} holds a value that is not finite", at / n_dimensions)))
        }
        None => match values.iter().position(|value| value.abs() > LARGEST_VALUE) {
            Some(at) => Err(Error::file(
                path,
                format!("row {} holds {}; values lie within {LARGEST_VALUE}", at / n_dimensions, values[at]),
            )),
            None => Ok(Embeddings::new(n_dimensions, values)),
        },
    }
}

/// The bytes of an `embeddings.npy` of f16.
pub(crate) fn format_embeddings(embeddings: &Embeddings) -> Vec<u8> {
    let data = embeddings.values().iter().flat_map(|&value| f16::from_f32(value).to_le_bytes());
    format("<f2", &[embeddings.n_prompts(), embeddings.n_dimensions()], data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_was_written_is_read() {
        let embeddings = Embeddings::new(3, vec![0.0, 0.5, -1.0, 2.0, 0.25, 0.0]);
        let bytes = format_embeddings(&embeddings);
        assert_eq!((bytes.len() - 12) % 64, 0);
        assert_eq!(parse_embeddings(Path::new("e.npy"), &bytes).unwrap(), embeddings);
    }

    #[test]
    fn each_fault_is_named() {
        let embeddings = Embeddings::new(2, vec![1.0, 2.0]);
        let good = format_embeddings(&embeddings);
        let message = |bytes: &[u8]| parse_embeddings(Path::new("e.npy"), bytes).unwrap_err().to_string();
        assert_eq!(message(b"hello"), "e.npy: is not a NumPy array file");
        assert_eq!(message(&good[..good.len() - 1]), "e.npy: its shape is [1, 2] but 3 bytes of data follow");
        let text = String::from_utf8_lossy(&good[10..]).to_string();
        let with = |from: &str, to: &str| {
            assert!(text.contains(from) && from.len() == to.len());
            let at = good.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
            let mut bad = good.clone();
            bad[at..at + to.len()].copy_from_slice(to.as_bytes());
            bad
        };
        assert!(message(&with("<f2", "<i2")).contains("holds `<i2`"));
        assert!(message(&with("False", "True ")).contains("column by column"));
        let mut bad = good.clone();
        let end = bad.len();
        bad[end - 2..].copy_from_slice(&f16::NAN.to_le_bytes());
        assert_eq!(message(&bad), "e.npy: row 0 holds a value that is not finite");
        bad[end - 2..].copy_from_slice(&f16::from_f32(-2048.0).to_le_bytes());
        assert_eq!(message(&bad), "e.npy: row 0 holds -2048; values lie within 1000");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), prefix in any::<bool>()) {
            if prefix {
                bytes.splice(0..0, format_embeddings(&Embeddings::new(1, vec![1.0]))[..40].iter().copied());
            }
            let _ = parse_embeddings(Path::new("e.npy"), &bytes);
        }
    }
}
