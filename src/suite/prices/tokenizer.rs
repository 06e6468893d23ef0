//! Tokens of prompts, counted by a tokenizer where a suite does not tell them: an estimate, since every model has its own.

use std::path::Path;

use crate::error::{Error, Result};
use crate::suite::Prompt;

/// The tokens of every prompt's text by a `tokenizer.json`, without the marks that a model puts around it, and the file's name
/// and hash for the report.
///
/// # Errors
/// A file that is no tokenizer.
#[cfg(feature = "encoder")]
pub(crate) fn count_tokens(file: &Path, prompts: &[Prompt]) -> Result<(Vec<f64>, String)> {
    use rayon::prelude::*;
    use tokenizers::Tokenizer;

    let unusable = |error: tokenizers::Error| Error::file(file, format!("cannot be used: {error}"));
    let bytes = crate::fs::read(file)?;
    let hash = crate::hash::sha256(&bytes);
    let mut tokenizer = Tokenizer::from_bytes(bytes).map_err(unusable)?;
    tokenizer.with_padding(None).with_truncation(None).map_err(unusable)?;
    let count = |prompt: &Prompt| {
        let tokens = tokenizer.encode_fast(prompt.text.as_str(), false).map_err(unusable)?;
        Ok(tokens.len() as f64)
    };
    let counts = prompts.par_iter().map(count).collect::<Result<Vec<f64>>>()?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    Ok((counts, format!("the tokenizer `{name}` (SHA-256 {})", &hash[..12])))
}

/// Without the feature there is no tokenizer.
#[cfg(not(feature = "encoder"))]
pub(crate) fn count_tokens(file: &Path, _: &[Prompt]) -> Result<(Vec<f64>, String)> {
    Err(Error::file(
        file,
        "tokenizers need the cargo feature `encoder`; without `tokenizer` tokens are a quarter of the text's bytes",
    ))
}
