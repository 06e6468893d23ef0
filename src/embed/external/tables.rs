//! Tables whose rows name their prompts: CSV and JSON lines.

use std::path::Path;

use crate::error::{Error, Result};
use crate::fs;

/// A vector, and the line that it or its id stands on; 0 where the suite's order tells.
pub(super) struct Row {
    pub(super) id: String,
    pub(super) line: u64,
    pub(super) values: Vec<f32>,
}

/// The rows of a CSV file with a column `prompt_id`.
pub(super) fn csv(path: &Path, bytes: &[u8]) -> Result<Vec<Row>> {
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
pub(super) fn json_lines(path: &Path, bytes: &[u8]) -> Result<Vec<Row>> {
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
