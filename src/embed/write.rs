//! Embeddings and the note on them as two files, of which neither is ever half written.

use std::fs;
use std::path::Path;

use crate::error::{Error, Result};
use crate::suite::format_embeddings;
use crate::suite::{Embeddings, EncodedBy};

/// Whether embeddings may be written to a file.
///
/// # Errors
/// A name that does not end in `.npy`, or a file that is there already, unless `is_forced`.
pub(super) fn check_target(out: &Path, is_forced: bool) -> Result<()> {
    if out.extension().is_none_or(|extension| extension != "npy") {
        return Err(Error::file(out, "the name of the embeddings must end in `.npy`"));
    }
    if out.exists() && !is_forced {
        return Err(Error::file(out, "is there already; `--force` replaces it"));
    }
    Ok(())
}

/// Writes both files. Where this is cut short between the two, the note does not fit the embeddings, and their reader says so.
pub(super) fn write(out: &Path, embeddings: &Embeddings) -> Result<()> {
    let bytes = format_embeddings(embeddings);
    let name = out.file_name().unwrap_or_default().to_string_lossy().into_owned();
    replace(out, &bytes)?;
    match embeddings.encoder() {
        Some(encoder) => {
            replace(&out.with_file_name(EncodedBy::note_of(&name)), encoder.format(&bytes).as_bytes())
        }
        None => Ok(()),
    }
}

fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let staged = path.with_file_name(format!(".{name}.partial"));
    fs::write(&staged, bytes).map_err(Error::io(&staged, "write"))?;
    fs::rename(&staged, path).map_err(Error::io(path, "write"))
}
