//! `SHA256SUMS`: a hash of every other file of the record, in the format of `sha256sum --check`.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::{Error, Result};
use crate::fs;
use crate::hash::sha256;

/// The file's name.
const SUMS: &str = "SHA256SUMS";

/// Hashes the files of a folder as they lie there.
pub(crate) fn write(folder: &Path) -> Result<()> {
    let lines = hashes(folder)?.into_iter().map(|(name, hash)| format!("{hash}  {name}\n"));
    let path = folder.join(SUMS);
    fs::write(&path, lines.collect::<String>().as_bytes())
}

/// Checks every file of a record against its hash; the hash of the hashes is returned, which stands for the whole record.
///
/// # Errors
/// A file that is missing, changed, or not listed.
pub(crate) fn check(folder: &Path) -> Result<String> {
    let path = folder.join(SUMS);
    let text = fs::read_text(&path)?;
    let mut found = hashes(folder)?;
    for (at, line) in text.lines().enumerate() {
        let Some((hash, name)) = line.split_once("  ") else {
            return Err(Error::line(&path, at as u64 + 1, "is not a hash and a name"));
        };
        match found.remove(name) {
            None => return Err(Error::file(&folder.join(name), format!("is missing; `{SUMS}` lists it"))),
            Some(other) if other != hash => {
                let problem =
                    format!("is not as it was recorded: its SHA-256 is {other}, `{SUMS}` says {hash}");
                return Err(Error::file(&folder.join(name), problem));
            }
            Some(_) => {}
        }
    }
    match found.into_keys().next() {
        Some(name) => Err(Error::file(&folder.join(name), format!("is not listed in `{SUMS}`"))),
        None => Ok(sha256(text.as_bytes())),
    }
}

/// The hash of each file but the sums themselves, by name.
fn hashes(folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut hashes = BTreeMap::new();
    for path in fs::entries(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name != SUMS && path.is_file() {
            hashes.insert(name, sha256(&fs::read(&path)?));
        }
    }
    Ok(hashes)
}
