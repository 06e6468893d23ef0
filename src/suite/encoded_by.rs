//! Who made the embeddings: a note beside the file, `embeddings.toml` beside `embeddings.npy`.
//!
//! Not a part of `suite.toml`: a suite may have several files of embeddings, some outside its folder, and what people wrote by
//! hand is not to be rewritten by a program.

use std::fmt;
use std::path::Path;

use crate::error::{Error, Result};
use crate::hash::sha256;
use crate::toml_file;

/// An encoder and all that its embeddings depend on.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct EncodedBy {
    /// Its name.
    pub encoder: String,
    /// Its version.
    pub version: String,
    /// Numbers in an embedding.
    pub dimensions: usize,
    /// SHA-256 of its files or, where it has none, of its settings.
    pub sha256: String,
    /// Which texts it learned from, where it is fitted to the suite; never outcomes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learned_from: Option<String>,
}

/// The note: who made a file, and the hash by which the file is known.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Note {
    embeddings_sha256: String,
    encoded_by: EncodedBy,
}

impl EncodedBy {
    /// The name of the note on a file.
    pub(crate) fn note_of(file: &str) -> String {
        format!("{}.toml", file.strip_suffix(".npy").unwrap_or(file))
    }

    /// The text of the note on a file of these bytes.
    pub(crate) fn format(&self, embeddings: &[u8]) -> String {
        let note = Note { embeddings_sha256: sha256(embeddings), encoded_by: self.clone() };
        toml::to_string(&note).expect("a note is plain data")
    }

    /// Reads the note on a file of these bytes.
    ///
    /// # Errors
    /// A note that cannot be read, or that is on another file.
    pub(super) fn parse(path: &Path, text: &[u8], embeddings: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(text).map_err(|_| Error::file(path, "is not UTF-8"))?;
        let note: Note = toml_file::parse(path, text)?;
        if note.embeddings_sha256 != sha256(embeddings) {
            let problem = "`embeddings-sha256` is not the hash of the file beside it; remove the note, or run `embed --force`";
            return Err(toml_file::located(path, text, Error::setting("embeddings-sha256", problem)));
        }
        Ok(note.encoded_by)
    }
}

impl fmt::Display for EncodedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let EncodedBy { encoder, version, dimensions, sha256, learned_from } = self;
        let short = sha256.get(..12).unwrap_or(sha256);
        let version = if version.is_empty() { String::new() } else { format!(" {version}") };
        write!(f, "{encoder}{version}, {dimensions} dimensions, SHA-256 {short}")?;
        match learned_from {
            Some(texts) => write!(f, ", fitted to {texts}"),
            None => Ok(()),
        }
    }
}
