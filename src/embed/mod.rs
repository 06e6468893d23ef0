//! Prompt embeddings from the prompts' texts, or from a file that was made elsewhere.
//!
//! `hashed` is the encoder inside the program, `transformer` runs sentence-transformer folders (cargo feature `encoder`),
//! `external` reads vectors of other tools. What they give is scaled to unit length and written as float16, with a note beside
//! it that says who made it.

mod external;
mod hashed;
#[cfg(feature = "encoder")]
mod transformer;

use std::path::{Path, PathBuf};

use half::f16;
use safetensors::tensor::{Dtype, TensorView};

use crate::error::{Error, Result};
use crate::fs::{self, Claim};
use crate::linalg::Matrix;
use crate::linalg::kernels::dot;
use crate::suite::{self, EMBEDDINGS, Embeddings, EncodedBy, Prompt, Suite};

pub use self::external::Rows;
pub use self::hashed::DEFAULT_DIMENSIONS;

/// What a scenario calls the embeddings of the encoder inside the program, made when it is run.
pub const BUILT_IN: &str = "built-in";

/// Where embeddings come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encoder {
    /// The encoder inside the program, with so many dimensions.
    BuiltIn(usize),
    /// A folder with a sentence-transformer.
    Folder(PathBuf),
    /// A file that was made elsewhere, and how its rows are identified.
    File(PathBuf, Rows),
}

/// Embeds the prompts of a suite folder and writes them to a file, `embeddings.npy` in that folder unless another is named,
/// together with the note beside it. Nothing is left half written. `progress` is told how many texts of how many are done.
///
/// Returns the file.
///
/// # Errors
/// A suite without prompts that can be read, or without any text; an encoder or a file that cannot be used; a target that is there
/// already, unless `is_forced`.
pub fn embed(
    folder: &Path,
    encoder: &Encoder,
    (out, is_forced): (Option<&Path>, bool),
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<PathBuf> {
    let out = out.map_or_else(|| folder.join(EMBEDDINGS), Path::to_owned);
    if !folder.is_dir() {
        return Err(Error::file(folder, "is not a folder"));
    }
    let claims = claim(&out, is_forced)?;
    let prompts = Suite::read_prompts(folder)?;
    let embeddings = encoded(&prompts, encoder, progress).map_err(|error| match error {
        Error::Usage(problem) => Error::file(folder, problem),
        other => other,
    })?;
    write(&claims, &embeddings)?;
    Ok(out)
}

/// Claims a file of embeddings and the note on it.
fn claim(out: &Path, is_forced: bool) -> Result<[Claim; 2]> {
    if out.extension().is_none_or(|extension| extension != "npy") {
        return Err(Error::file(out, "the name of the embeddings must end in `.npy`"));
    }
    let name = out.file_name().unwrap_or_default().to_string_lossy();
    let claims = [Claim::new(out)?, Claim::new(&out.with_file_name(EncodedBy::note_of(&name)))?];
    if out.exists() && !is_forced {
        return Err(Error::file(out, "is there already; `--force` replaces it"));
    }
    Ok(claims)
}

/// Writes both files. Where this is cut short between the two, the note does not fit the embeddings, and their reader says so.
fn write([file, note]: &[Claim; 2], embeddings: &Embeddings) -> Result<()> {
    let bytes = suite::format_embeddings(embeddings);
    let text = embeddings.encoder().map(|encoder| encoder.format(&bytes));
    let text = text.as_ref().map(|text| (note, text.as_bytes()));
    fs::replace_files(&[(file, &bytes[..])].into_iter().chain(text).collect::<Vec<_>>())
}

/// Embeddings as they would be read from a file. What an encoder learns from texts does not depend on the order of the prompts.
pub(crate) fn encoded(
    prompts: &[Prompt],
    encoder: &Encoder,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Embeddings> {
    if prompts.iter().all(|prompt| prompt.text.is_empty()) && !matches!(encoder, Encoder::File(..)) {
        return Err(Error::Usage("no prompt has a text that could be embedded".into()));
    }
    let order = suite::order_of(prompts, |prompt| &prompt.id);
    let texts = || -> Vec<&str> { order.iter().map(|&prompt| prompts[prompt].text.as_str()).collect() };
    let (rows, encoder) = match encoder {
        Encoder::BuiltIn(n_dimensions) => {
            let rows = hashed::encode(&texts(), *n_dimensions);
            let card = hashed::card(rows.n_columns(), *n_dimensions);
            (rows, card)
        }
        Encoder::Folder(folder) => from_folder(folder, &texts(), progress)?,
        Encoder::File(file, rows) => {
            let (rows, encoder) = external::read(file, rows, prompts)?;
            return Ok(rounded(rows).encoded_by(encoder));
        }
    };
    let mut place = vec![0; prompts.len()];
    order.iter().enumerate().for_each(|(at, &prompt)| place[prompt] = at);
    Ok(rounded(rows).select(&place).encoded_by(encoder))
}

#[cfg(feature = "encoder")]
use self::transformer::encode as from_folder;

#[cfg(not(feature = "encoder"))]
fn from_folder(
    folder: &Path,
    _: &[&str],
    _: &(dyn Fn(usize, usize) + Sync),
) -> Result<(Matrix, suite::EncodedBy)> {
    Err(Error::file(
        folder,
        "sentence-transformers need the cargo feature `encoder`: `cargo install --path . --features encoder`",
    ))
}

/// Rows of unit length, and zeros as they are, rounded to what float16 holds.
fn rounded(mut rows: Matrix) -> Embeddings {
    let width = rows.n_columns();
    for row in rows.values_mut().chunks_exact_mut(width.max(1)) {
        let length = dot(row, row).sqrt();
        let scale = if length > 0.0 { 1.0 / length } else { 0.0 };
        row.iter_mut().for_each(|value| *value = f16::from_f32(*value * scale).to_f32());
    }
    Embeddings::new(width, rows.values().to_vec())
}

/// The values of a tensor of 32-bit or 16-bit floats.
///
/// # Errors
/// Another type.
fn values(path: &Path, name: &str, tensor: &TensorView<'_>) -> Result<Vec<f32>> {
    match tensor.dtype() {
        Dtype::F32 => Ok(floats(tensor.data())),
        Dtype::F16 => Ok(halves(tensor.data())),
        other => {
            Err(Error::file(path, format!("tensor `{name}` holds `{other:?}`; `F32` or `F16` is needed")))
        }
    }
}

/// Little-endian 32-bit floats.
fn floats(data: &[u8]) -> Vec<f32> {
    data.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

/// Little-endian 16-bit floats.
fn halves(data: &[u8]) -> Vec<f32> {
    data.as_chunks::<2>().0.iter().map(|bytes| f16::from_le_bytes(*bytes).to_f32()).collect()
}
