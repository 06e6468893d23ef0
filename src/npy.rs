//! NumPy array files (`.npy`): little-endian, row-major, of one or two dimensions.

use std::path::Path;

use crate::error::{Error, Result};

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

/// NumPy's name of the element type of an `.npy` file, for example `<f4`.
pub(crate) fn kind(bytes: &[u8]) -> Option<&str> {
    quoted_after(split(bytes)?.0, "'descr':")
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
