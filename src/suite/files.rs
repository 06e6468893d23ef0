//! The files of a suite, in a folder or inside the program: CSV, and `embeddings.npy`, prompt embeddings as f16 or f32, one row a prompt.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use half::f16;

use super::Embeddings;
use crate::error::{Error, Result, suggestion};
use crate::fs;
use crate::npy::{format, parse};

/// Products and sums of amounts up to this stay far from infinity.
pub const LARGEST_AMOUNT: f64 = 1e12;

/// A suite has a handful of columns; a table with a column for every prompt or model is another format.
const MOST_COLUMNS: usize = 1000;

/// An open CSV file: its columns by name, then its records one by one.
pub(super) struct CsvFile {
    path: PathBuf,
    header: Vec<String>,
    reader: csv::Reader<BufReader<Box<dyn Read>>>,
    record: csv::ByteRecord,
}

impl CsvFile {
    /// Opens `stem.csv.gz` or `stem.csv`; `None` where neither is there.
    pub(super) fn find(folder: &Source, stem: &str) -> Result<Option<Self>> {
        let [packed, plain] = ["csv.gz", "csv"].map(|ending| format!("{stem}.{ending}"));
        match (folder.holds(&packed), folder.holds(&plain)) {
            (true, true) => Err(Error::file(
                &folder.path().join(plain),
                format!("stands beside `{packed}`; remove one of the two"),
            )),
            (false, false) => Ok(None),
            (is_packed, _) => {
                let name = if is_packed { packed } else { plain };
                Self::open(&folder.path().join(&name), folder.open(&name)?).map(Some)
            }
        }
    }

    /// Reads from any source; `path` decides by its ending whether it is gzip, and names it in messages.
    pub(super) fn open(path: &Path, source: Box<dyn Read>) -> Result<Self> {
        let is_packed = path.extension().is_some_and(|extension| extension == "gz");
        let source: Box<dyn Read> = if is_packed {
            Box::new(flate2::read::MultiGzDecoder::new(BufReader::with_capacity(1 << 16, source)))
        } else {
            source
        };
        let mut source = BufReader::with_capacity(1 << 16, source);
        let head = source.fill_buf().map_err(|error| csv_error(path, &error.into()))?;
        if let Some(problem) = fs::stand_in(path, head) {
            return Err(Error::file(path, problem));
        }
        let mut reader = csv::ReaderBuilder::new().from_reader(source);
        let header = reader.byte_headers().map_err(|error| csv_error(path, &error))?;
        if let Some(used) = fs::other_delimiter(header.iter(), b',') {
            return Err(Error::line(path, 1, fs::used_instead(path, used)));
        }
        let header = header.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect();
        let file = CsvFile { path: path.to_owned(), header, reader, record: csv::ByteRecord::new() };
        if file.header.len() > MOST_COLUMNS {
            let problem = format!("has {} columns; a suite has at most {MOST_COLUMNS}", file.header.len());
            return Err(Error::line(path, 1, problem));
        }
        for (column, name) in file.header.iter().enumerate() {
            if file.header[..column].contains(name) {
                return Err(Error::line(path, 1, format!("column `{name}` stands twice")));
            }
        }
        Ok(file)
    }

    /// The column names, in file order.
    pub(super) fn header(&self) -> &[String] {
        &self.header
    }

    /// The index of an optional column.
    pub(super) fn optional_column(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|column| column == name)
    }

    /// The index of a column that must be there.
    pub(super) fn column(&self, name: &str) -> Result<usize> {
        self.optional_column(name).ok_or_else(|| {
            let near = suggestion(name, self.header.iter().map(String::as_str))
                .replace("did you mean", "is it called");
            Error::line(&self.path, 1, format!("column `{name}` is missing{near}"))
        })
    }

    /// Goes to the next record; false at the end.
    pub(super) fn advance(&mut self) -> Result<bool> {
        self.reader.read_byte_record(&mut self.record).map_err(|error| csv_error(&self.path, &error))
    }

    /// A field of the current record, as it stands.
    pub(super) fn bytes(&self, column: usize) -> &[u8] {
        &self.record[column]
    }

    /// A field of the current record as text.
    pub(super) fn text(&self, column: usize) -> Result<&str> {
        std::str::from_utf8(self.bytes(column))
            .map_err(|_| self.fault(format!("column `{}` {}", self.header[column], fs::NOT_UTF8)))
    }

    /// A field of the current record as a finite number; an empty field is `None`.
    pub(super) fn number(&self, column: usize) -> Result<Option<f64>> {
        let text = self.text(column)?.trim();
        if text.is_empty() {
            return Ok(None);
        }
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Some(number)),
            _ => {
                Err(self.fault(format!("column `{}`: `{text}` is not a finite number", self.header[column])))
            }
        }
    }

    /// A field of the current record as a number from 0 to [`LARGEST_AMOUNT`]; an empty field is `None`.
    pub(super) fn amount(&self, column: usize) -> Result<Option<f64>> {
        let number = self.number(column)?;
        if let Some(negative) = number.filter(|number| *number < 0.0) {
            return Err(self.fault(format!("column `{}`: {negative} is negative", self.header[column])));
        }
        if let Some(large) = number.filter(|number| *number > LARGEST_AMOUNT) {
            return Err(self.fault(format!(
                "column `{}`: {large:e} is larger than any token count, price, or cost",
                self.header[column]
            )));
        }
        Ok(number)
    }

    /// A fault on the current record.
    pub(super) fn fault(&self, problem: impl Into<String>) -> Error {
        Error::line(&self.path, self.record.position().map_or(1, csv::Position::line), problem)
    }

    /// The file's path, for messages about it as a whole.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

fn csv_error(path: &Path, error: &csv::Error) -> Error {
    let line = error.position().map_or(1, csv::Position::line);
    match error.kind() {
        csv::ErrorKind::Io(source) if source.kind() == std::io::ErrorKind::UnexpectedEof => {
            Error::file(path, "the gzip stream ends too early; the file is truncated")
        }
        csv::ErrorKind::Io(source) => Error::file(path, format!("cannot be read: {source}")),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            Error::line(path, line, format!("{len} fields where the header has {expected_len}"))
        }
        _ => Error::line(path, line, error.to_string()),
    }
}

/// A place that holds files by name.
pub(super) enum Source {
    /// A folder of the file system.
    Folder(PathBuf),
    /// Files compiled into the program, under the path they have in the repository.
    Embedded(&'static str, &'static [(&'static str, &'static [u8])]),
}

impl Source {
    /// The folder's path, for messages and as the default name.
    pub(super) fn path(&self) -> &Path {
        match self {
            Source::Folder(path) => path,
            Source::Embedded(path, _) => Path::new(path),
        }
    }

    /// Whether there is a file of that name.
    pub(super) fn holds(&self, name: &str) -> bool {
        match self {
            Source::Folder(path) => path.join(name).exists(),
            Source::Embedded(_, files) => files.iter().any(|(file, _)| *file == name),
        }
    }

    /// Opens a file that is there.
    pub(super) fn open(&self, name: &str) -> Result<Box<dyn Read>> {
        match self {
            Source::Folder(folder) => {
                let path = folder.join(name);
                Ok(Box::new(fs::open(&path)?))
            }
            Source::Embedded(_, files) => {
                let bytes = files.iter().find(|(file, _)| *file == name).map_or(&[][..], |(_, bytes)| bytes);
                Ok(Box::new(bytes))
            }
        }
    }

    /// The whole file, or `None` where it is not there.
    pub(super) fn bytes(&self, name: &str) -> Result<Option<Vec<u8>>> {
        if !self.holds(name) {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        self.open(name)?.read_to_end(&mut bytes).map_err(Error::io(&self.path().join(name), "read"))?;
        Ok(Some(bytes))
    }
}

/// Embeddings have about unit length; products of values beyond this would drown what is added to them.
pub const LARGEST_VALUE: f32 = 1000.0;

/// Reads `embeddings.npy`.
///
/// # Errors
/// As [`parse`], for f16 and f32; another number of dimensions than two; a value that is not finite or is
/// larger than [`LARGEST_VALUE`].
pub(crate) fn parse_embeddings(path: &Path, bytes: &[u8]) -> Result<Embeddings> {
    let array = parse(path, bytes, &[("<f2", 2), ("<f4", 4)])?;
    let [_, n_dimensions] = array.shape[..] else {
        let n_axes = array.shape.len();
        return Err(Error::file(
            path,
            format!("has {n_axes} dimensions where two are needed: (prompts, width)"),
        ));
    };
    if n_dimensions == 0 {
        return Err(Error::file(path, "its rows are empty"));
    }
    let values: Vec<f32> = match array.kind {
        "<f2" => array.data.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
        _ => array.data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
    };
    match values.iter().position(|value| !value.is_finite()) {
        Some(at) => {
            Err(Error::file(path, format!("row {} holds a value that is not finite", at / n_dimensions)))
        }
        None => match values.iter().position(|value| value.abs() > LARGEST_VALUE) {
            Some(at) => Err(Error::file(
                path,
                format!("row {} holds {}; values lie within {LARGEST_VALUE}", at / n_dimensions, values[at]),
            )),
            None => Ok(Embeddings::new(n_dimensions, values)),
        },
    }
}

/// The bytes of an `embeddings.npy` of f16.
pub(crate) fn format_embeddings(embeddings: &Embeddings) -> Vec<u8> {
    let data = embeddings.values().iter().flat_map(|&value| f16::from_f32(value).to_le_bytes());
    format("<f2", &[embeddings.n_prompts(), embeddings.n_dimensions()], data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_table_of_commas_is_recognised_whatever_its_name() {
        for (text, words) in [
            ("<!doctype html>\n", "suite/prompts.csv: is a web page and no data"),
            ("version https://git-lfs.github.com/spec/v1\n", "suite/prompts.csv: is a Git LFS pointer"),
            ("prompt_id;benchmark\np;b\n", "suite/prompts.csv:1: its fields are divided by `;`"),
        ] {
            let opened = CsvFile::open(Path::new("suite/prompts.csv"), Box::new(text.as_bytes()));
            let message = opened.err().map(|error| error.to_string()).unwrap_or_default();
            assert!(message.starts_with(words), "{message}");
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let embeddings = Embeddings::new(3, vec![0.0, 0.5, -1.0, 2.0, 0.25, 0.0]);
        let bytes = format_embeddings(&embeddings);
        assert_eq!((bytes.len() - 12) % 64, 0);
        assert_eq!(parse_embeddings(Path::new("e.npy"), &bytes).unwrap(), embeddings);
    }

    #[test]
    fn each_fault_is_named() {
        let embeddings = Embeddings::new(2, vec![1.0, 2.0]);
        let good = format_embeddings(&embeddings);
        let message = |bytes: &[u8]| parse_embeddings(Path::new("e.npy"), bytes).unwrap_err().to_string();
        assert_eq!(message(b"hello"), "e.npy: is not a NumPy array file");
        assert_eq!(message(&good[..good.len() - 1]), "e.npy: its shape is [1, 2] but 3 bytes of data follow");
        let text = String::from_utf8_lossy(&good[10..]).to_string();
        let with = |from: &str, to: &str| {
            assert!(text.contains(from) && from.len() == to.len());
            let at = good.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
            let mut bad = good.clone();
            bad[at..at + to.len()].copy_from_slice(to.as_bytes());
            bad
        };
        assert!(message(&with("<f2", "<i2")).contains("holds `<i2`"));
        assert!(message(&with("False", "True ")).contains("column by column"));
        let mut bad = good.clone();
        let end = bad.len();
        bad[end - 2..].copy_from_slice(&f16::NAN.to_le_bytes());
        assert_eq!(message(&bad), "e.npy: row 0 holds a value that is not finite");
        bad[end - 2..].copy_from_slice(&f16::from_f32(-2048.0).to_le_bytes());
        assert_eq!(message(&bad), "e.npy: row 0 holds -2048; values lie within 1000");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), prefix in any::<bool>()) {
            if prefix {
                bytes.splice(0..0, format_embeddings(&Embeddings::new(1, vec![1.0]))[..40].iter().copied());
            }
            let _ = parse_embeddings(Path::new("e.npy"), &bytes);
        }
    }
}
