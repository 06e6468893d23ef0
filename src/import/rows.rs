//! Rows with named fields, from CSV, TSV, JSON lines, one JSON array of objects, or Parquet.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::json::{elements, is_blank, lines, score_of_text};
use super::parquet;
use super::source::{At, Input, Sources, Spot, is_named};
use crate::error::{Error, Result, suggestion};
use crate::fs;

/// Endings of the files that hold rows.
pub(super) const ENDINGS: [&str; 5] = [".csv", ".tsv", ".jsonl", ".json", ".parquet"];

/// One row; what is absent is an empty text.
pub(super) struct Row<'r> {
    path: &'r Path,
    at: At,
    columns: &'r BTreeMap<String, usize>,
    fields: &'r [&'r str],
}

impl Row<'_> {
    /// The columns, by name.
    pub(super) fn columns(&self) -> impl Iterator<Item = &str> {
        self.columns.keys().map(String::as_str)
    }

    /// A field; empty where the row does not have it.
    pub(super) fn text(&self, column: &str) -> &str {
        self.columns.get(column).and_then(|&at| self.fields.get(at)).copied().unwrap_or("")
    }

    /// A field as a score: a number, or true and false.
    ///
    /// # Errors
    /// Anything else but an empty field.
    pub(super) fn score(&self, column: &str) -> Result<Option<f64>> {
        let text = self.text(column).trim();
        if is_blank(text) {
            return Ok(None);
        }
        let score = score_of_text(text);
        score
            .map(Some)
            .ok_or_else(|| self.fault(format!("column `{column}`: `{}` is no score", shortened(text))))
    }

    /// A field as a number.
    ///
    /// # Errors
    /// Anything else but an empty field.
    pub(super) fn number(&self, column: &str) -> Result<Option<f64>> {
        let text = self.text(column).trim();
        if is_blank(text) {
            return Ok(None);
        }
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Some(number)),
            _ => Err(self.fault(format!("column `{column}`: `{}` is no finite number", shortened(text)))),
        }
    }

    /// A fault of this row.
    pub(super) fn fault(&self, problem: impl Into<String>) -> Error {
        Spot { path: self.path.to_owned(), at: self.at }.fault(problem)
    }

    /// Where it stands in its file.
    pub(super) fn at(&self) -> At {
        self.at
    }
}

/// Whether a column is the number of the row, as pandas writes it.
pub(super) fn is_index(column: &str) -> bool {
    column.is_empty() || column.starts_with("Unnamed: ") || ["index", "level_0"].contains(&column)
}

/// A literal for a message.
pub(super) fn shortened(text: &str) -> String {
    let mut characters = text.chars();
    let head: String = characters.by_ref().take(60).collect();
    if characters.next().is_some() { format!("{head}...") } else { head }
}

/// Calls `each` with every row of a file.
///
/// # Errors
/// A file that is not of the kind its name says; whatever `each` finds.
pub(super) fn each_row(
    sources: &Sources<'_>,
    path: &Path,
    each: &mut dyn FnMut(&Row<'_>) -> Result<()>,
) -> Result<()> {
    if parquet::is_parquet(path) {
        return parquet::rows(sources, path, |number, record: BTreeMap<String, Value>| {
            each_record(path, At::Record(number), record, each)
        });
    }
    let input = sources.open(path)?;
    if is_named(path, "", &[".jsonl", ".ndjson"]) {
        let owned = path.to_owned();
        return lines(input, |line, record: BTreeMap<String, Value>| {
            each_record(&owned, At::Line(line), record, each)
        });
    }
    if is_named(path, "", &[".json"]) {
        let owned = path.to_owned();
        return elements(input, |number, record: BTreeMap<String, Value>| {
            each_record(&owned, At::Record(number), record, each)
        });
    }
    each_delimited(input, if is_named(path, "", &[".tsv"]) { b'\t' } else { b',' }, each)
}

/// Calls `each` with the first rows of a file.
///
/// # Errors
/// As [`each_row`].
pub(super) fn first_rows(
    sources: &Sources<'_>,
    path: &Path,
    n_rows: usize,
    each: &mut dyn FnMut(&Row<'_>) -> Result<()>,
) -> Result<()> {
    let mut left = n_rows;
    let read = each_row(sources, path, &mut |row| {
        if left == 0 {
            return Err(Error::Usage("enough rows".into()));
        }
        each(row)?;
        left -= 1;
        Ok(())
    });
    match read {
        Err(Error::Usage(_)) if left == 0 => Ok(()),
        other => other,
    }
}

/// A column that must be there.
///
/// # Errors
/// Where it is not, with the nearest name.
pub(super) fn required(row: &Row<'_>, column: &str) -> Result<()> {
    if row.columns.contains_key(column) {
        return Ok(());
    }
    let near = suggestion(column, row.columns());
    let known: Vec<&str> = row.columns().take(40).collect();
    let list = if near.is_empty() { format!("; there are `{}`", known.join("`, `")) } else { near };
    Err(row.fault(format!("there is no column `{column}`{list}")))
}

fn each_record(
    path: &Path,
    at: At,
    record: BTreeMap<String, Value>,
    each: &mut dyn FnMut(&Row<'_>) -> Result<()>,
) -> Result<()> {
    let mut columns = BTreeMap::new();
    let texts: Vec<String> = (record.into_iter().enumerate())
        .map(|(at, (name, value))| {
            columns.insert(name, at);
            match value {
                Value::Null => String::new(),
                Value::String(text) => text,
                other => other.to_string(),
            }
        })
        .collect();
    let fields: Vec<&str> = texts.iter().map(String::as_str).collect();
    each(&Row { path, at, columns: &columns, fields: &fields })
}

fn each_delimited(
    input: Input<'_>,
    delimiter: u8,
    each: &mut dyn FnMut(&Row<'_>) -> Result<()>,
) -> Result<()> {
    let (path, budget) = (input.path().to_owned(), input.budget());
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(input.into_reader());
    let header = reader.byte_headers().map_err(|error| csv_fault(&path, &error))?;
    if let Some(used) = fs::other_delimiter(header.iter(), delimiter) {
        return Err(Error::line(&path, 1, fs::used_instead(&path, used)));
    }
    let mut columns = BTreeMap::new();
    for (at, name) in header.iter().enumerate() {
        let name = std::str::from_utf8(name).map_err(|_| Error::line(&path, 1, "is not UTF-8"))?;
        if columns.insert(name.trim().to_owned(), at).is_some() {
            return Err(Error::line(&path, 1, format!("column `{}` stands twice", shortened(name))));
        }
    }
    let mut record = csv::ByteRecord::new();
    loop {
        budget.renew();
        if !reader.read_byte_record(&mut record).map_err(|error| csv_fault(&path, &error))? {
            return Ok(());
        }
        let line = record.position().map_or(1, csv::Position::line);
        let fields = record.iter().map(std::str::from_utf8).collect::<std::result::Result<Vec<&str>, _>>();
        let fields = fields.map_err(|_| Error::line(&path, line, "is not UTF-8"))?;
        each(&Row { path: &path, at: At::Line(line), columns: &columns, fields: &fields })?;
    }
}

fn csv_fault(path: &Path, error: &csv::Error) -> Error {
    let line = error.position().map_or(1, csv::Position::line);
    match error.kind() {
        csv::ErrorKind::Io(source) => super::source::io_fault(path, source),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            Error::line(path, line, format!("{len} fields where the header has {expected_len}"))
        }
        _ => Error::line(path, line, error.to_string()),
    }
}
