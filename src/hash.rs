//! SHA-256 as lower-case hexadecimal; and gzip without name or time, so that equal bytes pack to equal bytes and hash alike.

use std::io::{Read, Write};
use std::path::Path;

use flate2::{Compression, GzBuilder};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// The hash of some bytes.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Bytes as hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A hash over texts, each closed off by its length, so that no two different lists hash the same bytes.
pub(crate) fn sha256_of_texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    }
    hex(&hash.finalize())
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_the_standard_and_texts_are_told_apart() {
        // FIPS 180-2, appendix B.1.
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_ne!(sha256_of_texts(["ab", "c"]), sha256_of_texts(["a", "bc"]));
    }
}
