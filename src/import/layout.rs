//! How the records of a file follow each other: by its name and, of JSON, by what it begins with or holds.

use std::io::BufRead;
use std::path::Path;

use super::json::{lines, parsed};
use super::parquet;
use super::records::{Document, Kind, List, Record};
use super::slips;
use super::source::{Sources, io_fault, is_named};
use crate::error::{Error, Result};

/// Texts that hold for all records, by their names.
pub(super) type Texts = Vec<(String, String)>;

/// How the records of a file follow each other.
pub(super) enum Layout {
    Delimited(u8),
    Parquet,
    /// Lines, and the texts of a first one that tells of the others.
    Lines(Texts),
    Array,
    /// A document: the keys to its list, whether that is a dictionary, and the texts that hold for all records.
    Document(Vec<String>, bool, Texts),
}

/// Lists named in a message.
const N_NAMED: usize = 20;

/// What a layout is found with.
pub(super) struct Finder<'a> {
    pub(super) sources: &'a Sources<'a>,
    pub(super) path: &'a Path,
    /// Keys under which the records are asked for; empty where they are not.
    pub(super) keys: &'a [String],
    /// Columns by which a list of records is told from others.
    pub(super) marks: &'a [&'a str],
    /// Documents are gone through, and heads of logs count.
    pub(super) is_spread: bool,
}

impl Finder<'_> {
    /// Looks at a file's name and, of JSON, at what it holds.
    ///
    /// # Errors
    /// A document without a list of records, or with several.
    pub(super) fn find(&self) -> Result<Layout> {
        let is = |endings: &[&str]| is_named(self.path, "", endings);
        if parquet::is_parquet(self.path) {
            return Ok(Layout::Parquet);
        }
        if is(&[".jsonl", ".ndjson"]) {
            return self.of_lines();
        }
        let first = self.first_byte()?;
        if !is(&[".json"]) {
            if let Some(problem) = slips::of_json(self.path, first) {
                return Err(Error::file(self.path, problem));
            }
            return Ok(Layout::Delimited(if is(&[".tsv"]) { b'\t' } else { b',' }));
        }
        if !matches!(first, b'{' | b'[' | 0) {
            let problem =
                "is no JSON, which begins with `[` or `{`; call a table with delimiters `.csv` or `.tsv`";
            return Err(Error::file(self.path, problem));
        }
        if first != b'{' || !self.is_spread {
            return Ok(Layout::Array);
        }
        if self.is_of_lines()? {
            return self.of_lines();
        }
        let Document { texts, lists } = Document::survey(self.sources.open(self.path)?, self.keys)?;
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
        match (lists, self.keys) {
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

    /// The first byte that is no blank; 0 where there is none.
    fn first_byte(&self) -> Result<u8> {
        let mut reader = self.sources.open(self.path)?.into_reader();
        loop {
            let bytes = reader.fill_buf().map_err(|error| io_fault(self.path, &error))?;
            match (bytes.iter().find(|byte| !byte.is_ascii_whitespace()), bytes.len()) {
                (Some(byte), _) => return Ok(*byte),
                (None, 0) => return Ok(0),
                (None, n_blank) => reader.consume(n_blank),
            }
        }
    }

    /// Lines; where the first has no column of the second, as the head of a log, its texts hold for all.
    fn of_lines(&self) -> Result<Layout> {
        let mut first: Vec<Record> = Vec::new();
        let read = lines(self.sources.open(self.path)?, |_, record| {
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
        let mut reader = self.sources.open(self.path)?.into_reader();
        let mut line = Vec::new();
        if reader.read_until(b'\n', &mut line).is_err()
            || std::str::from_utf8(&line).ok().and_then(|line| parsed::<Record>(line).ok()).is_none()
        {
            return Ok(false);
        }
        let next = reader.fill_buf().map_err(|error| io_fault(self.path, &error))?;
        Ok(next.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{'))
    }
}
