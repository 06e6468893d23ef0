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
    fs::write(&folder.join(SUMS), text(&hashes(folder)?).as_bytes())
}

fn text(hashes: &BTreeMap<String, String>) -> String {
    hashes.iter().map(|(name, hash)| format!("{hash}  {name}\n")).collect()
}

/// Checks every file of a record against its hash; the hash of the hashes is returned, which stands for the whole record.
///
/// # Errors
/// A file that is missing, changed, or not listed; sums that are right but not written as they were.
pub(crate) fn check(folder: &Path) -> Result<String> {
    let path = folder.join(SUMS);
    let text = fs::read_text(&path)?;
    let mut found = hashes(folder)?;
    let as_written = self::text(&found);
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
        None if text != as_written => {
            Err(Error::file(&path, "is not as it was written: other line ends, another order, or blanks"))
        }
        None => Ok(sha256(text.as_bytes())),
    }
}

/// The hash of each file but the sums themselves, by name.
fn hashes(folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut hashes = BTreeMap::new();
    for path in fs::entries(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !path.is_file() || path.is_symlink() {
            return Err(Error::file(&path, "is no file of a record; another program left it there"));
        }
        if name != SUMS {
            hashes.insert(name, sha256(&fs::read(&path)?));
        }
    }
    Ok(hashes)
}
