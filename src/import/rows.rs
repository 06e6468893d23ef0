//! Rows with named fields, from CSV, TSV, JSON lines, a JSON array of objects, a JSON document that holds one, or Parquet.

use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::json::{elements, is_blank, lines, score_of_text};
use super::layout::{Finder, Layout};
use super::parquet;
use super::records::{Fields, Record, each_of_list, records_of, spread_text, unzipped};
use super::slips::{self, shortened};
use super::source::{At, Input, Sources, Spot, io_fault};
use crate::error::{Error, Result};
use crate::fs;

/// Endings of the files that hold rows.
pub(super) const ENDINGS: [&str; 5] = [".csv", ".tsv", ".jsonl", ".json", ".parquet"];

/// Before a text that stands for itself on every row, in the place of a column's name.
const CONSTANT: char = '=';

/// One row; what is absent is an empty text.
pub(super) struct Row<'r> {
    path: &'r Path,
    at: At,
    /// Where it stands within its record, as in `candidates[1]`; empty where it is the record.
    within: &'r str,
    columns: &'r BTreeMap<String, usize>,
    fields: &'r [&'r str],
}

impl Row<'_> {
    /// The columns, by name.
    pub(super) fn columns(&self) -> impl Iterator<Item = &str> {
        self.columns.keys().map(String::as_str)
    }

    /// Whether a column is an object that other columns are parts of.
    pub(super) fn has_parts(&self, column: &str) -> bool {
        let part = format!("{column}.");
        self.columns.range(part.clone()..).next().is_some_and(|(name, _)| name.starts_with(&part))
    }

    /// A field; empty where the row does not have it.
    pub(super) fn text<'c>(&'c self, column: &'c str) -> &'c str {
        if let Some(constant) = column.strip_prefix(CONSTANT) {
            return constant;
        }
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
        score.map(Some).ok_or_else(|| self.no_value(column, "score"))
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
            _ => Err(self.no_value(column, "finite number")),
        }
    }

    /// A field that is not what it should be.
    pub(super) fn no_value(&self, column: &str, wanted: &str) -> Error {
        let text = self.text(column);
        self.fault(format!(
            "column `{column}`: `{}` is no {wanted}{}",
            shortened(text),
            slips::of_number(text)
        ))
    }

    /// A fault of this row.
    pub(super) fn fault(&self, problem: impl Into<String>) -> Error {
        let spot = Spot { path: self.path.to_owned(), at: self.at };
        match self.within {
            "" => spot.fault(problem),
            within => spot.fault(format!("`{within}`: {}", problem.into())),
        }
    }

    /// Where its record stands in its file.
    pub(super) fn at(&self) -> At {
        self.at
    }

    /// Where it stands within its record; empty where it is the record.
    pub(super) fn within(&self) -> &str {
        self.within
    }
}

/// Whether a column is the number of the row, as pandas writes it.
pub(super) fn is_index(column: &str) -> bool {
    column.is_empty() || column.starts_with("Unnamed: ") || ["index", "level_0"].contains(&column)
}

/// The rows of a file, and how they are taken out of it.
pub(super) struct Rows<'a> {
    sources: &'a Sources<'a>,
    pub(super) path: &'a Path,
    /// Objects are spread over columns called `object.part`.
    is_spread: bool,
    /// Keys, from the top of the file or of each record, to the list whose elements are the rows; empty where there is none.
    keys: Vec<String>,
    /// A column of lists whose elements are rows, as are those of lists beside it.
    unzipped: Option<String>,
    /// Columns by which a list of records is told from others.
    marks: &'a [&'a str],
    layout: OnceCell<Layout>,
    /// Columns by which was decided what is what.
    known: OnceCell<BTreeSet<String>>,
    /// Other columns, with where the first row stands that has them.
    late: RefCell<BTreeMap<String, Spot>>,
}

impl<'a> Rows<'a> {
    /// The rows of a file as they lie.
    pub(super) fn plain(sources: &'a Sources<'a>, path: &'a Path) -> Self {
        let (keys, unzipped, layout) = (Vec::new(), None, OnceCell::new());
        let (known, late) = (OnceCell::new(), RefCell::default());
        Rows { sources, path, is_spread: false, keys, unzipped, marks: &[], layout, known, late }
    }

    /// The rows of a file with objects spread over columns, found under a path such as `results.results`. Where none is given
    /// and a document holds several lists, the only one with one of the columns in `marks` counts.
    pub(super) fn spread(
        sources: &'a Sources<'a>,
        path: &'a Path,
        records: Option<&str>,
        marks: &'a [&'a str],
    ) -> Self {
        let keys = records.map_or_else(Vec::new, |path| path.split('.').map(str::to_owned).collect());
        Rows { is_spread: true, keys, marks, ..Rows::plain(sources, path) }
    }

    /// The elements of a list within each of these rows.
    pub(super) fn within(mut self, list: &str) -> Self {
        if let Some(Layout::Document(keys, ..)) = self.layout.get().filter(|_| self.keys.is_empty()) {
            self.keys.clone_from(keys);
        }
        self.keys.extend(list.split('.').map(str::to_owned));
        self
    }

    /// The elements of lists of equal length that stand side by side in each of these rows.
    pub(super) fn unzipped(mut self, list: &str) -> Self {
        self.unzipped = Some(list.to_owned());
        self
    }

    /// Says by which columns was decided what is what; from now on others are noticed.
    pub(super) fn know<'c>(&self, columns: impl Iterator<Item = &'c String>) {
        self.known.get_or_init(|| columns.cloned().collect());
    }

    /// Columns that were not known and were met since, with where they first stand.
    pub(super) fn late(&self) -> BTreeMap<String, Spot> {
        self.late.borrow().clone()
    }

    /// Whether the rows are the same parts of a file.
    pub(super) fn is_same(&self, other: &Rows<'_>) -> bool {
        (&self.keys, &self.unzipped) == (&other.keys, &other.unzipped)
    }

    /// What to say of a file that has no rows.
    pub(super) fn of_none(&self) -> &'static str {
        match fs::n_bytes(self.path) {
            0 => "is empty",
            _ if self.are_delimited() => "holds a header and no row below it",
            _ => "holds no row",
        }
    }

    /// Whether they stand below a header, known once they were read.
    pub(super) fn are_delimited(&self) -> bool {
        matches!(self.layout.get(), Some(Layout::Delimited(_)))
    }

    /// The list within each record whose elements are the rows; empty where the records are.
    pub(super) fn list(&self) -> String {
        self.keys.strip_prefix(self.above().0).unwrap_or_default().join(".")
    }

    /// Whether columns that begin so and go on with a dot are parts of what is no column itself: of a list whose elements are
    /// the rows, or of what holds for all of them.
    pub(super) fn is_above(&self, name: &str) -> bool {
        let is_start = |text: &str| text.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
        self.list() == name || self.above().1.iter().any(|(text, _)| is_start(text))
    }

    /// The keys to the list of a document, and the texts that hold for all records.
    fn above(&self) -> (&[String], &[(String, String)]) {
        match self.layout.get() {
            Some(Layout::Document(keys, _, texts)) => (keys, texts),
            Some(Layout::Lines(texts)) => (&[], texts),
            _ => (&[], &[]),
        }
    }

    /// Calls `each` with every row.
    ///
    /// # Errors
    /// A file that is not of the kind its name says; several lists that the rows could be; whatever `each` finds.
    pub(super) fn each(&self, each: &mut dyn FnMut(&Row<'_>) -> Result<()>) -> Result<()> {
        if self.layout.get().is_none() {
            let Rows { sources, path, is_spread, keys, marks, .. } = self;
            let finder = Finder { sources, path, keys, marks, is_spread: *is_spread };
            let found = finder.find()?;
            self.layout.get_or_init(|| found);
        }
        let mut sheet = Sheet { rows: self, names: Vec::new(), columns: BTreeMap::new() };
        let mut of_record = |at: At, record: Record| self.rows_of(&mut sheet, at, &record, each);
        match self.layout.get() {
            Some(Layout::Parquet) => {
                parquet::rows(self.sources, self.path, |number, record| of_record(At::Record(number), record))
            }
            Some(Layout::Lines(_)) => lines(self.open()?, |line, record| of_record(At::Line(line), record)),
            Some(Layout::Array) => {
                elements(self.open()?, |number, record| of_record(At::Record(number), record))
            }
            Some(Layout::Document(keys, is_dictionary, _)) => {
                records_of(self.open()?, keys, *is_dictionary, |number, record| {
                    of_record(At::Record(number), record)
                })
            }
            Some(Layout::Delimited(delimiter)) => self.each_delimited(*delimiter, &mut sheet, each),
            None => Ok(()),
        }
    }

    /// Calls `each` with the first rows.
    ///
    /// # Errors
    /// As [`Rows::each`].
    pub(super) fn first(&self, n_rows: usize, each: &mut dyn FnMut(&Row<'_>) -> Result<()>) -> Result<()> {
        let mut left = n_rows;
        let read = self.each(&mut |row| {
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

    fn open(&self) -> Result<Input<'a>> {
        self.sources.open(self.path)
    }

    /// The rows of a record.
    fn rows_of(
        &self,
        sheet: &mut Sheet<'_>,
        at: At,
        record: &Record,
        each: &mut dyn FnMut(&Row<'_>) -> Result<()>,
    ) -> Result<()> {
        let (above, texts) = self.above();
        let mut of_fields = |own: Fields<'_>, within: &str| {
            let mut fields = own;
            for (name, text) in texts {
                if !fields.iter().any(|(known, _)| known == name) {
                    fields.push((Cow::Borrowed(name), Cow::Borrowed(text)));
                }
            }
            sheet.row(at, within, &fields, each)
        };
        let keys = self.keys.strip_prefix(above).unwrap_or_default();
        match &self.unzipped {
            _ if !self.is_spread => of_fields(texts_of(record), ""),
            None => each_of_list(record, keys, &mut of_fields),
            Some(list) => unzipped(record, list).iter().enumerate().try_for_each(|(number, part)| {
                let place = format!("{list}[{number}]");
                each_of_list(part, keys, &mut |fields, _| of_fields(fields, &place))
            }),
        }
    }

    fn each_delimited(
        &self,
        delimiter: u8,
        sheet: &mut Sheet<'_>,
        each: &mut dyn FnMut(&Row<'_>) -> Result<()>,
    ) -> Result<()> {
        let (path, input) = (self.path, self.open()?);
        let budget = input.budget();
        let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(input.into_reader());
        let header = reader.byte_headers().map_err(|error| csv_fault(path, &error))?;
        let used = fs::other_delimiter(header.iter(), delimiter);
        let mut names: Vec<String> = Vec::new();
        for name in header {
            let name = std::str::from_utf8(name).map_err(|_| Error::line(path, 1, fs::NOT_UTF8))?;
            names.push(name.trim().to_owned());
        }
        let mut known = BTreeSet::new();
        let twice = |name: &String| {
            slips::of_header(std::iter::once(name.as_str()))
                .unwrap_or_else(|| format!("column `{}` stands twice", shortened(name)))
        };
        let problem = (slips::of_first_line(&names))
            .or_else(|| used.map(|used| fs::used_instead(path, used)))
            .or_else(|| names.iter().find(|name| !known.insert(name.as_str())).map(twice));
        if let Some(problem) = problem {
            return Err(Error::line(path, 1, problem));
        }
        let mut record = csv::ByteRecord::new();
        loop {
            budget.renew();
            let line = reader.position().line();
            match reader.read_byte_record(&mut record) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) if matches!(error.kind(), csv::ErrorKind::UnequalLengths { .. }) => {
                    let line = error.position().map_or(line, csv::Position::line);
                    let (line, problem) = slips::of_ragged(&names, &record, line);
                    return Err(Error::line(path, line, problem));
                }
                Err(error) => return Err(csv_fault(path, &error)),
            }
            let line = record.position().map_or(line, csv::Position::line);
            let mut fields = Fields::with_capacity(names.len());
            for (name, field) in names.iter().zip(&record) {
                let text = std::str::from_utf8(field).map_err(|_| Error::line(path, line, fs::NOT_UTF8))?;
                fields.push((Cow::Borrowed(name), Cow::Borrowed(text)));
            }
            for at in 0..if self.is_spread { names.len() } else { 0 } {
                let (name, text) = fields[at].clone();
                spread_text(&name, &text, &mut fields);
            }
            sheet.row(At::Line(line), "", &fields, each)?;
        }
    }
}

/// More columns than models anybody compares; what looks for groups among them compares names with names.
const MOST_COLUMNS: usize = 20_000;

/// The rows of one file; their columns are told apart anew only where they change.
struct Sheet<'p> {
    rows: &'p Rows<'p>,
    names: Vec<String>,
    columns: BTreeMap<String, usize>,
}

impl Sheet<'_> {
    fn row(
        &mut self,
        at: At,
        within: &str,
        fields: &Fields<'_>,
        each: &mut dyn FnMut(&Row<'_>) -> Result<()>,
    ) -> Result<()> {
        let path = self.rows.path;
        if self.names.len() != fields.len()
            || self.names.iter().zip(fields).any(|(known, (name, _))| known != name)
        {
            if MOST_COLUMNS < fields.len() {
                let row = Row { path, at, within, columns: &self.columns, fields: &[] };
                return Err(row.fault(format!(
                    "{} columns, where {MOST_COLUMNS} are the most; each row is a prompt, or a prompt and a model: does this table \
                     lie on its side?",
                    fields.len()
                )));
            }
            self.names = fields.iter().map(|(name, _)| name.clone().into_owned()).collect();
            self.columns.clear();
            if let Some(known) = self.rows.known.get() {
                let mut late = self.rows.late.borrow_mut();
                for name in self.names.iter().filter(|name| !known.contains(*name)) {
                    late.entry(name.clone()).or_insert_with(|| Spot { path: path.to_owned(), at });
                }
            }
            for (at, name) in self.names.iter().enumerate() {
                self.columns.entry(name.clone()).or_insert(at);
            }
        }
        let texts: Vec<&str> = fields.iter().map(|(_, text)| text.as_ref()).collect();
        each(&Row { path, at, within, columns: &self.columns, fields: &texts })
    }
}

/// The fields of a record as they lie.
fn texts_of(record: &Record) -> Fields<'_> {
    let text = |value: &Value| match value {
        Value::Null => Cow::Borrowed(""),
        other => Cow::Owned(other.as_str().map_or_else(|| other.to_string(), str::to_owned)),
    };
    record.iter().map(|(name, value)| (Cow::Borrowed(name.as_str()), text(value))).collect()
}

fn csv_fault(path: &Path, error: &csv::Error) -> Error {
    let line = error.position().map_or(1, csv::Position::line);
    match error.kind() {
        csv::ErrorKind::Io(source) => io_fault(path, source),
        _ => Error::line(path, line, error.to_string()),
    }
}
