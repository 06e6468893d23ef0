//! Gzip without name or time, so that equal bytes pack to equal bytes.

use std::io::{Read, Write};
use std::path::Path;

use flate2::{Compression, GzBuilder};

use crate::error::{Error, Result};

/// Packs bytes into one gzip member.
pub(crate) fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::new(7));
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("writing into memory does not fail")
}

/// Unpacks a gzip file of our own, of at most so many bytes; `path` is for messages only.
pub(crate) fn unpack(path: &Path, bytes: &[u8], most: usize) -> Result<Vec<u8>> {
    let mut unpacked = Vec::new();
    match flate2::read::MultiGzDecoder::new(bytes).take(most as u64 + 1).read_to_end(&mut unpacked) {
        Ok(n_bytes) if n_bytes > most => {
            Err(Error::file(path, format!("unpacks to more than {most} bytes; not read further")))
        }
        Ok(_) => Ok(unpacked),
        Err(error) => Err(Error::file(path, format!("is not a whole gzip file: {error}"))),
    }
}
