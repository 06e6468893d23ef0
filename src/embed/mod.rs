//! Prompt embeddings from the prompts' texts, or from a file that was made elsewhere.
//!
//! `hashed` is the encoder inside the program, `text_block` features of texts that a router may see beside an embedding, `transformer` runs sentence-transformer folders (cargo feature `encoder`). Another tool's
//! vectors are read here from NumPy arrays, safetensors, CSV, and JSON lines, each row joined to its prompt by id:
//!
//! | ending | holds |
//! |---|---|
//! | `.csv` | a column `prompt_id`, every other column a number of the embedding, in file order |
//! | `.jsonl` | `{"prompt_id": "p7", "embedding": [0.1, ...]}` a line |
//! | `.npy` | an array of float16 or float32, one row a prompt |
//! | `.safetensors` | one such array |
//!
//! An array names no prompt, so its ids stand in another file, one a line; or the caller says that its rows are those of the
//! suite, in that order. That row counts agree is no proof of it. What all give is scaled to unit length and written as float16, with
//! a note beside it that says who made it.

mod hashed;
mod text_block;
#[cfg(feature = "encoder")]
mod transformer;

use std::path::{Path, PathBuf};

use half::f16;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::error::{Error, Result, suggestion};
use crate::fs::{self, Claim};
use crate::hash::sha256;
use crate::linalg::Matrix;
use crate::linalg::kernels::dot;
use crate::npy;
use crate::suite::{self, EMBEDDINGS, Embeddings, EncodedBy, Prompt, Suite, VECTORS_OF};
pub use hashed::DEFAULT_DIMENSIONS;
pub(crate) use hashed::Hashed;
pub(crate) use text_block::TextBlock;

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
            let rows = Hashed::fit(&texts(), *n_dimensions).encode(&texts());
            let card = hashed::card(rows.n_columns(), *n_dimensions);
            (rows, card)
        }
        Encoder::Folder(folder) => {
            let transformer = Transformer::read(folder)?;
            (transformer.encode(&texts(), progress)?, transformer.card)
        }
        Encoder::File(file, rows) => {
            let (rows, encoder) = read(file, rows, prompts)?;
            return Ok(rounded(rows).encoded_by(encoder));
        }
    };
    let mut place = vec![0; prompts.len()];
    order.iter().enumerate().for_each(|(at, &prompt)| place[prompt] = at);
    Ok(rounded(rows).select(&place).encoded_by(encoder))
}

#[cfg(feature = "encoder")]
use self::transformer::Transformer;

/// No model, where the program cannot run one.
#[cfg(not(feature = "encoder"))]
struct Transformer {
    card: EncodedBy,
}

#[cfg(not(feature = "encoder"))]
impl Transformer {
    fn read(folder: &Path) -> Result<Self> {
        Err(Error::file(
            folder,
            "sentence-transformers need the cargo feature `encoder`: `cargo install --path . --features encoder`",
        ))
    }

    fn encode(&self, _: &[&str], _: &(dyn Fn(usize, usize) + Sync)) -> Result<Matrix> {
        unreachable!("none can be read")
    }
}

/// An encoder that embeds the texts of prompts as they come.
pub(crate) struct TextEncoder<'a>(Kind<'a>);

enum Kind<'a> {
    /// The one inside the program, fitted to other texts before.
    BuiltIn(&'a Hashed),
    /// A sentence-transformer.
    Folder(Box<Transformer>),
}

impl<'a> TextEncoder<'a> {
    /// The one inside the program.
    pub(crate) fn built_in(fitted: &'a Hashed) -> Self {
        TextEncoder(Kind::BuiltIn(fitted))
    }

    /// The sentence-transformer in a folder.
    ///
    /// # Errors
    /// A folder that cannot be used, or that holds another encoder than the one that is asked for.
    pub(crate) fn in_folder(folder: &Path, asked: &EncodedBy) -> Result<Self> {
        let transformer = Transformer::read(folder)?;
        if transformer.card.sha256 != asked.sha256 {
            let problem = format!("holds {}; the router needs {asked}", transformer.card);
            return Err(Error::file(folder, problem));
        }
        Ok(TextEncoder(Kind::Folder(Box::new(transformer))))
    }

    /// The embedding of a text, the same to the bit whatever else is embedded; zeros of an empty one.
    ///
    /// # Errors
    /// A tokenizer that is not that of the model.
    pub(crate) fn encode(&self, text: &str) -> Result<Vec<f32>> {
        let row = match &self.0 {
            Kind::BuiltIn(fitted) => fitted.encode(&[text]),
            Kind::Folder(transformer) => transformer.encode(&[text], &|_, _| {})?,
        };
        Ok(rounded(row).values().to_vec())
    }
}

/// The encoder inside the program as it was fitted to the texts of these prompts, where it is what made their embeddings; `None` where
/// others did, or from other texts.
pub(crate) fn refitted(prompts: &[Prompt], embeddings: &Embeddings) -> Option<Hashed> {
    let encoder = embeddings.encoder()?;
    let asked = [encoder.dimensions, DEFAULT_DIMENSIONS];
    let asked = asked.into_iter().find(|&asked| hashed::card(encoder.dimensions, asked) == *encoder)?;
    let order = suite::order_of(prompts, |prompt| &prompt.id);
    let texts: Vec<&str> = order.iter().map(|&prompt| prompts[prompt].text.as_str()).collect();
    let fitted = Hashed::fit(&texts, asked);
    let again = rounded(fitted.encode(&texts));
    let is_same = again.n_dimensions() == embeddings.n_dimensions()
        && order.iter().enumerate().all(|(at, &prompt)| again.row(at) == embeddings.row(prompt));
    is_same.then_some(fitted)
}

/// The rows of a file of embeddings with their ids: those that it names, else their numbers.
///
/// # Errors
/// A file that cannot be read, rows of different lengths, or a number that is not finite.
pub fn read_rows(file: &Path) -> Result<(Vec<String>, Vec<Vec<f32>>)> {
    let bytes = fs::read(file)?;
    let array = match ending(file).as_str() {
        "csv" | "jsonl" => {
            let rows = if ending(file) == "csv" { csv(file, &bytes)? } else { json_lines(file, &bytes)? };
            return Ok(rows.into_iter().map(|row| (row.id, row.values)).unzip());
        }
        "npy" => npy(file, &bytes)?,
        "safetensors" => safetensors(file, &bytes)?,
        _ => return Err(unknown_ending(file)),
    };
    let ids = file.with_extension("ids");
    let ids: Vec<String> = match ids.exists() {
        true => fs::read_text(&ids)?.lines().map(str::to_owned).collect(),
        false => (0..array.n_rows()).map(|row| row.to_string()).collect(),
    };
    if ids.len() != array.n_rows() {
        let problem = format!(
            "has {} rows, but the file of the same name ending in `.ids` {}",
            array.n_rows(),
            ids.len()
        );
        return Err(Error::file(file, problem));
    }
    Ok((ids, array.rows().map(<[f32]>::to_vec).collect()))
}

fn ending(file: &Path) -> String {
    file.extension().unwrap_or_default().to_string_lossy().to_lowercase()
}

fn unknown_ending(file: &Path) -> Error {
    Error::file(file, "ends in none of `.npy`, `.safetensors`, `.csv`, and `.jsonl`")
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

/// How the rows of an array are identified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rows {
    /// By the ids in the file of the same name with the ending `.ids`.
    Ids,
    /// By the ids in this file.
    IdsOf(PathBuf),
    /// They are those of the suite, in its order.
    InSuiteOrder,
}

/// Embeddings of the prompts, in their order, and what is known of who made them.
///
/// # Errors
/// An ending that is not known, a file that cannot be read, a value that is not finite, rows of different lengths, ids that are
/// unknown or stand twice, a prompt with a text but without a row.
fn read(file: &Path, rows: &Rows, prompts: &[Prompt]) -> Result<(Matrix, EncodedBy)> {
    let bytes = fs::read(file)?;
    let ending = ending(file);
    let is_table = matches!(ending.as_str(), "csv" | "jsonl");
    if is_table && *rows != Rows::Ids {
        return Err(Error::file(
            file,
            "names its prompts itself: neither `--ids` nor `--in-suite-order` goes with it",
        ));
    }
    let (named_by, found) = match ending.as_str() {
        "csv" => (file.to_owned(), csv(file, &bytes)?),
        "jsonl" => (file.to_owned(), json_lines(file, &bytes)?),
        "npy" => named(file, npy(file, &bytes)?, rows, prompts)?,
        "safetensors" => named(file, safetensors(file, &bytes)?, rows, prompts)?,
        _ => return Err(unknown_ending(file)),
    };
    let matrix = joined(&named_by, found, prompts)?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let encoder = EncodedBy {
        encoder: format!("{VECTORS_OF}`{name}`"),
        version: String::new(),
        dimensions: matrix.n_columns(),
        sha256: sha256(&bytes),
        learned_from: None,
    };
    Ok((matrix, encoder))
}

/// Gives the rows of an array their ids; says which file these come from.
fn named(file: &Path, array: Matrix, rows: &Rows, prompts: &[Prompt]) -> Result<(PathBuf, Vec<Row>)> {
    let ids_file = match rows {
        Rows::InSuiteOrder => None,
        Rows::IdsOf(ids) => Some(ids.clone()),
        Rows::Ids => Some(file.with_extension("ids")),
    };
    let ids: Vec<String> = match &ids_file {
        None => prompts.iter().map(|prompt| prompt.id.clone()).collect(),
        Some(ids) if !ids.exists() && *rows == Rows::Ids => {
            let problem = format!(
                "does not tell which row is which prompt: write their ids to `{}`, one a line, name such a file by `--ids`, or \
                 say `--in-suite-order`",
                ids.display()
            );
            return Err(Error::file(file, problem));
        }
        Some(ids) => {
            let text = fs::read_text(ids)?;
            text.lines().map(str::to_owned).collect()
        }
    };
    if ids.len() != array.n_rows() {
        let whose =
            ids_file.as_ref().map_or("the suite has".into(), |ids| format!("`{}` has", ids.display()));
        let problem = format!("has {} rows but {whose} {} ids", array.n_rows(), ids.len());
        return Err(Error::file(file, problem));
    }
    // Rows in the suite's order stand on no line.
    let first_line = u64::from(ids_file.is_some());
    let lines = (0..).map(|at| first_line * (at + 1));
    let rows = ids.into_iter().zip(lines).zip(array.rows());
    let rows = rows.map(|((id, line), values)| Row { id, line, values: values.to_vec() }).collect();
    Ok((ids_file.unwrap_or_else(|| file.to_owned()), rows))
}

/// The rows in the order of the prompts; zeros for a prompt that has neither text nor row.
fn joined(file: &Path, rows: Vec<Row>, prompts: &[Prompt]) -> Result<Matrix> {
    let fault = |row: &Row, problem: String| match row.line {
        0 => Error::file(file, format!("the row of prompt `{}` {problem}", row.id)),
        line => Error::line(file, line, format!("prompt `{}` {problem}", row.id)),
    };
    let width = rows.first().map_or(0, |row| row.values.len());
    if width == 0 {
        return Err(Error::file(file, "holds no embedding"));
    }
    let mut order: Vec<usize> = (0..prompts.len()).collect();
    order.sort_by_key(|&at| prompts[at].id.as_str());
    let mut matrix = Matrix::zeros(prompts.len(), width);
    let mut is_there = vec![false; prompts.len()];
    for row in &rows {
        let Ok(found) = order.binary_search_by_key(&row.id.as_str(), |&at| prompts[at].id.as_str()) else {
            let near = suggestion(&row.id, prompts.iter().map(|prompt| prompt.id.as_str()));
            return Err(fault(row, format!("is not in the suite{near}")));
        };
        if row.values.len() != width {
            return Err(fault(row, format!("has {} numbers where the first has {width}", row.values.len())));
        }
        if row.values.iter().any(|value| !value.is_finite()) {
            return Err(fault(row, "has a number that is not finite".into()));
        }
        if std::mem::replace(&mut is_there[order[found]], true) {
            return Err(fault(row, "stands twice".into()));
        }
        matrix.row_mut(order[found]).copy_from_slice(&row.values);
    }
    let missing = |at: &usize| !is_there[*at] && !prompts[*at].text.is_empty();
    match (0..prompts.len()).find(missing) {
        None => Ok(matrix),
        Some(first) => {
            let n_missing = (0..prompts.len()).filter(missing).count();
            let id = &prompts[first].id;
            Err(Error::file(
                file,
                format!("has no embedding of {n_missing} prompts with a text, the first `{id}`"),
            ))
        }
    }
}

/// The rows of a NumPy file.
fn npy(path: &Path, bytes: &[u8]) -> Result<Matrix> {
    let array = npy::parse(path, bytes, &[("<f2", 2), ("<f4", 4)])?;
    let [n_rows, width] = array.shape[..] else {
        return Err(Error::file(
            path,
            format!("has {} axes; rows and columns are needed", array.shape.len()),
        ));
    };
    let values = if array.kind == "<f2" { halves(array.data) } else { floats(array.data) };
    Ok(Matrix::new(values, n_rows, width))
}

/// The rows of the only tensor of a safetensors file or, of several, of that named `embeddings`.
fn safetensors(path: &Path, bytes: &[u8]) -> Result<Matrix> {
    let fault = |problem: String| Error::file(path, problem);
    let file =
        SafeTensors::deserialize(bytes).map_err(|error| fault(format!("is no safetensors file: {error}")))?;
    let tensors = file.tensors();
    let chosen = match &tensors[..] {
        [only] => Some(only),
        several => several.iter().find(|(name, _)| name == "embeddings"),
    };
    let Some((name, tensor)) = chosen else {
        return Err(fault(format!("holds {} tensors, none of which is named `embeddings`", tensors.len())));
    };
    let &[n_rows, width] = tensor.shape() else {
        return Err(fault(format!("has {} axes; rows and columns are needed", tensor.shape().len())));
    };
    Ok(Matrix::new(values(path, name, tensor)?, n_rows, width))
}

/// A vector, and the line that it or its id stands on; 0 where the suite's order tells.
struct Row {
    id: String,
    line: u64,
    values: Vec<f32>,
}

/// The rows of a CSV file with a column `prompt_id`.
fn csv(path: &Path, bytes: &[u8]) -> Result<Vec<Row>> {
    if let Some(problem) = fs::stand_in(path, bytes) {
        return Err(Error::file(path, problem));
    }
    let mut reader = ::csv::Reader::from_reader(bytes);
    let fault = |error: ::csv::Error| {
        let line = error.position().map_or(1, ::csv::Position::line);
        Error::line(path, line, error.to_string())
    };
    let header = reader.headers().map_err(fault)?.clone();
    if let Some(used) = fs::other_delimiter(header.iter().map(str::as_bytes), b',') {
        return Err(Error::line(path, 1, fs::used_instead(path, used)));
    }
    let Some(id) = header.iter().position(|name| name.trim() == "prompt_id") else {
        return Err(Error::line(path, 1, "column `prompt_id` is missing"));
    };
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(fault)?;
        let line = record.position().map_or(1, ::csv::Position::line);
        let numbers = record.iter().enumerate().filter(|(column, _)| *column != id);
        let values = numbers.map(|(column, text)| {
            text.trim().parse::<f32>().map_err(|_| {
                Error::line(path, line, format!("column `{}`: `{text}` is not a number", &header[column]))
            })
        });
        rows.push(Row { id: record[id].to_owned(), line, values: values.collect::<Result<_>>()? });
    }
    Ok(rows)
}

/// A line of a JSON lines file.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    prompt_id: String,
    embedding: Vec<f32>,
}

/// The rows of a file of one JSON object a line; empty lines are passed over.
fn json_lines(path: &Path, bytes: &[u8]) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (line, text) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        if text.trim_ascii().is_empty() {
            continue;
        }
        let parsed: Line =
            serde_json::from_slice(text).map_err(|error| Error::line(path, line, error.to_string()))?;
        rows.push(Row { id: parsed.prompt_id, line, values: parsed.embedding });
    }
    Ok(rows)
}
