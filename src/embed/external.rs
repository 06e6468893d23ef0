//! Embeddings that another tool made: NumPy arrays, safetensors, CSV, and JSON lines, each row joined to its prompt by id.
//!
//! | ending | holds |
//! |---|---|
//! | `.csv` | a column `prompt_id`, every other column a number of the embedding, in file order |
//! | `.jsonl` | `{"prompt_id": "p7", "embedding": [0.1, ...]}` a line |
//! | `.npy` | an array of float16 or float32, one row a prompt |
//! | `.safetensors` | one such array |
//!
//! An array names no prompt, so its ids stand in another file, one a line; or the caller says that its rows are those of the
//! suite, in that order. That row counts agree is no proof of it.

use std::path::{Path, PathBuf};

use safetensors::tensor::SafeTensors;

use crate::embed::{floats, halves, values};
use crate::error::{Error, Result, suggestion};
use crate::hash::sha256;
use crate::linalg::Matrix;
use crate::suite::{EncodedBy, Prompt};
use crate::{fs, npy};

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
pub(super) fn read(file: &Path, rows: &Rows, prompts: &[Prompt]) -> Result<(Matrix, EncodedBy)> {
    let bytes = fs::read(file)?;
    let ending = file.extension().unwrap_or_default().to_string_lossy().to_lowercase();
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
        _ => {
            return Err(Error::file(file, "ends in none of `.npy`, `.safetensors`, `.csv`, and `.jsonl`"));
        }
    };
    let matrix = joined(&named_by, found, prompts)?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let encoder = EncodedBy {
        encoder: format!("vectors of `{name}`"),
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
