//! `embeddings.npy`: a two-dimensional, little-endian, row-major NumPy array of f16 or f32.

use std::path::Path;

use half::f16;

use super::Embeddings;
use crate::error::{Error, Result};

const MAGIC: &[u8] = b"\x93NUMPY";

/// Reads the bytes of an `.npy` file; `path` is for messages only.
///
/// # Errors
/// Another type or shape, a length unlike the shape, or a value that is not finite.
pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<Embeddings> {
    let fault = |problem: String| Error::file(path, problem);
    let (header, data) = split(bytes).ok_or_else(|| fault("is not a NumPy array file".into()))?;
    let kind = quoted_after(header, "'descr':").ok_or_else(|| fault("its header names no type".into()))?;
    if value_after(header, "'fortran_order':").is_some_and(|value| value.starts_with("True")) {
        return Err(fault("is stored column by column; save it in C order".into()));
    }
    let shape = shape(header).ok_or_else(|| fault("its header names no shape".into()))?;
    let [n_prompts, n_dimensions] = shape[..] else {
        return Err(fault(format!("has {} dimensions where two are needed: (prompts, width)", shape.len())));
    };
    let width = match kind {
        "<f2" => 2,
        "<f4" => 4,
        other => return Err(fault(format!("holds `{other}`; float16 (`<f2`) or float32 (`<f4`) is needed"))),
    };
    if n_prompts.checked_mul(n_dimensions).and_then(|n| n.checked_mul(width)) != Some(data.len()) {
        return Err(fault(format!(
            "its shape is ({n_prompts}, {n_dimensions}) but {} bytes of data follow",
            data.len()
        )));
    }
    if n_dimensions == 0 {
        return Err(fault("its rows are empty".into()));
    }
    let values: Vec<f32> = match width {
        2 => data.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
        _ => data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
    };
    match values.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(fault(format!("row {} holds a value that is not finite", at / n_dimensions))),
        None => Ok(Embeddings::new(n_dimensions, values)),
    }
}

/// The bytes of an `.npy` file of f16 with these rows.
pub(super) fn write(embeddings: &Embeddings) -> Vec<u8> {
    let shape = (embeddings.n_prompts(), embeddings.n_dimensions());
    let mut header =
        format!("{{'descr': '<f2', 'fortran_order': False, 'shape': ({}, {}), }}", shape.0, shape.1);
    // The format wants the data to start at a multiple of 64 and the header to end with a newline.
    let used = MAGIC.len() + 4 + header.len() + 1;
    header.push_str(&" ".repeat(used.next_multiple_of(64) - used));
    header.push('\n');
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    bytes.extend(u16::try_from(header.len()).expect("the header of a matrix is short").to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(embeddings.values().iter().flat_map(|&value| f16::from_f32(value).to_le_bytes()));
    bytes
}

/// Header text and data.
fn split(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let (&[major, _minor], rest) = rest.split_first_chunk::<2>()?;
    let (length, rest) = match major {
        1 => rest.split_first_chunk::<2>().map(|(b, rest)| (usize::from(u16::from_le_bytes(*b)), rest))?,
        2 | 3 => rest.split_first_chunk::<4>().map(|(b, rest)| (u32::from_le_bytes(*b) as usize, rest))?,
        _ => return None,
    };
    let (header, data) = rest.split_at_checked(length)?;
    Some((std::str::from_utf8(header).ok()?, data))
}

fn value_after<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    header.find(key).map(|at| header[at + key.len()..].trim_start())
}

fn quoted_after<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    value_after(header, key)?.strip_prefix('\'')?.split('\'').next()
}

fn shape(header: &str) -> Option<Vec<usize>> {
    let inside = value_after(header, "'shape':")?.strip_prefix('(')?.split(')').next()?;
    inside.split(',').map(str::trim).filter(|part| !part.is_empty()).map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_was_written_is_read() {
        let embeddings = Embeddings::new(3, vec![0.0, 0.5, -1.0, 2.0, 0.25, 0.0]);
        let bytes = write(&embeddings);
        assert_eq!((bytes.len() - 12) % 64, 0);
        assert_eq!(read(Path::new("e.npy"), &bytes).unwrap(), embeddings);
    }

    #[test]
    fn each_fault_is_named() {
        let embeddings = Embeddings::new(2, vec![1.0, 2.0]);
        let good = write(&embeddings);
        let message = |bytes: &[u8]| read(Path::new("e.npy"), bytes).unwrap_err().to_string();
        assert_eq!(message(b"hello"), "e.npy: is not a NumPy array file");
        assert_eq!(message(&good[..good.len() - 1]), "e.npy: its shape is (1, 2) but 3 bytes of data follow");
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
    }

    proptest! {
        #[test]
        fn no_bytes_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), prefix in any::<bool>()) {
            if prefix {
                bytes.splice(0..0, write(&Embeddings::new(1, vec![1.0]))[..40].iter().copied());
            }
            let _ = read(Path::new("e.npy"), &bytes);
        }
    }
}
