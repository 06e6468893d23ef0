//! Rows with named fields, from CSV, TSV, JSON lines, a JSON array of objects, a JSON document that holds one, or Parquet.

use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;
use std::path::Path;

use serde_json::Value;

use super::json::{elements, is_blank, lines, parsed, score_of_text};
use super::parquet;
use super::records::{Document, Fields, Kind, List, Record, each_of_list, records_of, spread_text, unzipped};
use super::source::{At, Input, Sources, Spot, io_fault, is_named};
use crate::error::{Error, Result};
use crate::fs;

/// Endings of the files that hold rows.
pub(super) const ENDINGS: [&str; 5] = [".csv", ".tsv", ".jsonl", ".json", ".parquet"];

/// Lists named in a message.
const N_NAMED: usize = 20;

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

/// A literal for a message.
pub(super) fn shortened(text: &str) -> String {
    let mut characters = text.chars();
    let head: String = characters.by_ref().take(60).collect();
    if characters.next().is_some() { format!("{head}...") } else { head }
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

/// Texts that hold for all records, by their names.
type Texts = Vec<(String, String)>;

/// How the records of a file follow each other.
enum Layout {
    Delimited(u8),
    Parquet,
    /// Lines, and the texts of a first one that tells of the others.
    Lines(Texts),
    Array,
    /// A document: the keys to its list, whether that is a dictionary, and the texts that hold for all records.
    Document(Vec<String>, bool, Texts),
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
            let found = self.found_layout()?;
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

    fn found_layout(&self) -> Result<Layout> {
        let is = |endings: &[&str]| is_named(self.path, "", endings);
        if parquet::is_parquet(self.path) {
            return Ok(Layout::Parquet);
        }
        if is(&[".jsonl", ".ndjson"]) {
            return self.of_lines();
        }
        if !is(&[".json"]) {
            return Ok(Layout::Delimited(if is(&[".tsv"]) { b'\t' } else { b',' }));
        }
        if !self.begins_with_object()? || !self.is_spread {
            return Ok(Layout::Array);
        }
        if self.is_of_lines()? {
            return self.of_lines();
        }
        let Document { texts, lists } = Document::survey(self.open()?, &self.keys)?;
        let wanted = |keys: &[String]| self.keys.starts_with(keys) || keys == self.keys;
        let mut fitting: Vec<_> =
            lists.iter().filter(|list| self.keys.is_empty() || wanted(&list.keys)).collect();
        // An object beside a list is rather a summary than a dictionary of records.
        if fitting.iter().any(|list| list.kind == Kind::List) {
            fitting.retain(|list| list.kind == Kind::List);
        }
        if self.keys.is_empty() && 1 < fitting.len() {
            let has_mark = |name: &String| self.marks.contains(&name.to_lowercase().as_str());
            let marked: Vec<_> =
                fitting.iter().copied().filter(|list| list.columns.iter().any(has_mark)).collect();
            if marked.len() == 1 {
                fitting = marked;
            }
        }
        match fitting[..] {
            [list] if list.kind == Kind::OfDictionaries => {
                Err(Error::file(self.path, self.of_dictionaries(list)))
            }
            [list] => Ok(Layout::Document(list.keys.clone(), list.kind == Kind::Dictionary, texts)),
            _ => Err(Error::file(self.path, self.no_single_list(&lists))),
        }
    }

    fn no_single_list(&self, lists: &[List]) -> String {
        let named = |list: &List| format!("`{}` ({})", list.keys.join("."), list.n_records);
        let all = lists.iter().take(N_NAMED).map(named).collect::<Vec<_>>().join(", ");
        match (lists, &self.keys[..]) {
            ([], _) => "is an object that holds no list of records".into(),
            ([first, ..], []) => format!(
                "is an object with several lists of records: {all}; choose one, as in `--records {}`",
                first.keys.join(".")
            ),
            (_, keys) => {
                format!("holds no list of records at `--records {}`; there are {all}", keys.join("."))
            }
        }
    }

    fn of_dictionaries(&self, list: &List) -> String {
        let path: String = list.keys.iter().map(|key| format!(".\"{key}\"")).collect();
        format!(
            "holds {} objects of objects; which level are the prompts, and which the models? Write a row for each pair, where the \
             outer level are the models with: jq -c '{}|to_entries[]|.key as $m|.value|to_entries[]|.value+{{model: $m, id: .key}}' \
             {} > rows.jsonl",
            list.n_records,
            if path.is_empty() { "." } else { &path },
            self.path.display()
        )
    }

    fn begins_with_object(&self) -> Result<bool> {
        let mut reader = self.open()?.into_reader();
        loop {
            let bytes = reader.fill_buf().map_err(|error| io_fault(self.path, &error))?;
            match (bytes.iter().find(|byte| !byte.is_ascii_whitespace()), bytes.len()) {
                (Some(byte), _) => return Ok(*byte == b'{'),
                (None, 0) => return Ok(false),
                (None, n_blank) => reader.consume(n_blank),
            }
        }
    }

    /// Lines; where the first has no column of the second, as the head of a log, its texts hold for all.
    fn of_lines(&self) -> Result<Layout> {
        let mut first: Vec<Record> = Vec::new();
        let read = lines(self.open()?, |_, record| {
            first.push(record);
            if first.len() < 2 { Ok(()) } else { Err(Error::Usage("enough lines".into())) }
        });
        // A fault is told where the lines are read.
        let is_head =
            matches!(read, Err(Error::Usage(_))) && first[0].keys().all(|key| !first[1].contains_key(key));
        let texts = if is_head && self.is_spread { Document::of(&first[0]).texts } else { Vec::new() };
        Ok(Layout::Lines(texts))
    }

    /// Whether a file called JSON holds lines of it: its first line is a whole object, and another one begins.
    fn is_of_lines(&self) -> Result<bool> {
        let mut reader = self.open()?.into_reader();
        let mut line = Vec::new();
        if reader.read_until(b'\n', &mut line).is_err()
            || std::str::from_utf8(&line).ok().and_then(|line| parsed::<Record>(line).ok()).is_none()
        {
            return Ok(false);
        }
        let next = reader.fill_buf().map_err(|error| io_fault(self.path, &error))?;
        Ok(next.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{'))
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
        if let Some(used) = fs::other_delimiter(header.iter(), delimiter) {
            return Err(Error::line(path, 1, fs::used_instead(path, used)));
        }
        let mut names: Vec<String> = Vec::new();
        for name in header {
            let name = std::str::from_utf8(name).map_err(|_| Error::line(path, 1, "is not UTF-8"))?;
            names.push(name.trim().to_owned());
        }
        let mut known = BTreeSet::new();
        if let Some(twice) = names.iter().find(|name| !known.insert(name.as_str())) {
            return Err(Error::line(path, 1, format!("column `{}` stands twice", shortened(twice))));
        }
        let mut record = csv::ByteRecord::new();
        loop {
            budget.renew();
            if !reader.read_byte_record(&mut record).map_err(|error| csv_fault(path, &error))? {
                return Ok(());
            }
            let line = record.position().map_or(1, csv::Position::line);
            let mut fields = Fields::with_capacity(names.len());
            for (name, field) in names.iter().zip(&record) {
                let text = std::str::from_utf8(field).map_err(|_| Error::line(path, line, "is not UTF-8"))?;
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
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            Error::line(path, line, format!("{len} fields where the header has {expected_len}"))
        }
        _ => Error::line(path, line, error.to_string()),
    }
}
