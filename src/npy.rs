//! NumPy array files (`.npy`): little-endian, row-major, of one or two dimensions.

use std::path::Path;

use half::f16;

use crate::error::{Error, Result};
use crate::suite::Embeddings;

const MAGIC: &[u8] = b"\x93NUMPY";

/// An array as it lies in a file.
pub(crate) struct Array<'a> {
    /// NumPy's name of the element type, for example `<f4`.
    pub(crate) kind: &'a str,
    /// The lengths of the axes.
    pub(crate) shape: Vec<usize>,
    /// The elements, row-major.
    pub(crate) data: &'a [u8],
}

/// Takes the bytes of an `.npy` file apart; `path` is for messages only.
///
/// # Errors
/// Bytes that are no such file, an element type other than those of `kinds`, or a length unlike the shape.
pub(crate) fn parse<'a>(path: &Path, bytes: &'a [u8], kinds: &[(&str, usize)]) -> Result<Array<'a>> {
    let fault = |problem: String| Error::file(path, problem);
    let (header, data) = split(bytes).ok_or_else(|| fault("is not a NumPy array file".into()))?;
    let kind = quoted_after(header, "'descr':").ok_or_else(|| fault("its header names no type".into()))?;
    if value_after(header, "'fortran_order':").is_some_and(|value| value.starts_with("True")) {
        return Err(fault("is stored column by column; save it in C order".into()));
    }
    let shape = shape(header).ok_or_else(|| fault("its header names no shape".into()))?;
    let Some((_, width)) = kinds.iter().find(|(known, _)| *known == kind) else {
        let known: Vec<String> = kinds.iter().map(|(known, _)| format!("`{known}`")).collect();
        return Err(fault(format!("holds `{kind}`; {} is needed", known.join(" or "))));
    };
    let n_bytes = shape.iter().try_fold(*width, |product, length| product.checked_mul(*length));
    if n_bytes != Some(data.len()) {
        return Err(fault(format!("its shape is {shape:?} but {} bytes of data follow", data.len())));
    }
    Ok(Array { kind, shape, data })
}

/// The bytes of an `.npy` file with these elements.
pub(crate) fn format(kind: &str, shape: &[usize], data: impl IntoIterator<Item = u8>) -> Vec<u8> {
    let axes: Vec<String> = shape.iter().map(|length| format!("{length},")).collect();
    let mut header =
        format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({}), }}", axes.join(" "));
    // The format wants the data to start at a multiple of 64 and the header to end with a newline.
    let used = MAGIC.len() + 4 + header.len() + 1;
    header.push_str(&" ".repeat(used.next_multiple_of(64) - used));
    header.push('\n');
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    bytes.extend(u16::try_from(header.len()).expect("the header of a small array is short").to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

/// Embeddings have about unit length; products of values beyond this would drown what is added to them.
const LARGEST_VALUE: f32 = 1000.0;

/// Reads `embeddings.npy`.
///
/// # Errors
/// As [`parse`], for f16 and f32; another number of dimensions than two; a value that is not finite or is
/// larger than [`LARGEST_VALUE`].
pub(crate) fn read_embeddings(path: &Path, bytes: &[u8]) -> Result<Embeddings> {
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
        let bytes = format_embeddings(&embeddings);
        assert_eq!((bytes.len() - 12) % 64, 0);
        assert_eq!(read_embeddings(Path::new("e.npy"), &bytes).unwrap(), embeddings);
    }

    #[test]
    fn each_fault_is_named() {
        let embeddings = Embeddings::new(2, vec![1.0, 2.0]);
        let good = format_embeddings(&embeddings);
        let message = |bytes: &[u8]| read_embeddings(Path::new("e.npy"), bytes).unwrap_err().to_string();
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
            let _ = read_embeddings(Path::new("e.npy"), &bytes);
        }
    }
}
