//! Arrays of NumPy, `.npz`, as RouterEval's baselines keep them: `train_score`, `val_score`, `test_score` with a row a prompt
//! and a column a model, and with the same beginnings `_embed`, `_cost`, `_prompt`; `models` may name the columns.
//!
//! Arrays of Python objects are pickles, programs that are never run here.

use std::io::{BufReader, Read};
use std::path::Path;

use zip::ZipArchive;

use super::cells::{Answer, Cells, PromptFacts};
use super::importer::{Importer, Job};
use super::inspect_files::open_member;
use super::source::{At, Progress, ZIP, is_named, stem};
use crate::error::{Error, Result};
use crate::fs;
use crate::npy;
use crate::suite::Part;

/// The parts of a file, and what the suite calls each.
const SPLITS: [(&str, Option<Part>); 4] = [
    ("train_", Some(Part::Training)),
    ("val_", Some(Part::Validation)),
    ("test_", Some(Part::Test)),
    ("", None),
];

/// Names under which the models may stand.
const MODELS: [&str; 3] = ["models", "model_names", "model"];

/// A member may hold as many bytes: 200 million cells of 8 bytes.
const MOST_BYTES: u64 = 1_600_000_000;

/// RouterEval, or anybody's arrays under the same names.
pub(super) struct Npz;

impl Importer for Npz {
    fn name(&self) -> &'static str {
        "npz"
    }

    fn wanted(&self) -> &'static str {
        "`.npz` file"
    }

    fn is_wanted(&self, path: &Path) -> bool {
        is_named(path, "", &[".npz"])
    }

    fn read(&self, path: &Path, job: &Job<'_>, cells: &mut Cells) -> Result<()> {
        let file = job.sources.open_binary(path, ZIP)?;
        let n_bytes = file.n_bytes().map_err(Error::io(path, "read"))?;
        let archive = ZipArchive::new(BufReader::new(file))
            .map_err(|error| Error::file(path, format!("is no `.npz` archive: {error}")))?;
        let mut arrays = Arrays { path, archive };
        let names = MODELS.iter().find_map(|name| arrays.texts(name).transpose()).transpose()?;
        cells.reads("prompt", "the number of the row");
        cells.reads(
            "model",
            if names.is_some() { "the names in the file" } else { "the number of the column" },
        );
        cells.reads("score", "`train_score`, `val_score`, `test_score`, or `score`");
        let mut n_read = 0;
        for (start, part) in SPLITS {
            if let Some(scores) = arrays.table(&format!("{start}score"))? {
                n_read += 1;
                read_split(&mut arrays, start, part, &scores, names.as_deref(), cells)?;
            }
        }
        if n_read == 0 {
            let known: Vec<String> =
                arrays.archive.file_names().filter_map(|name| Some(name.ok()?.into_owned())).collect();
            return Err(Error::file(
                path,
                format!(
                    "has none of `train_score`, `val_score`, `test_score`, `score`; there are `{}`",
                    known.join("`, `")
                ),
            ));
        }
        job.sources.say(Progress::Bytes(n_bytes));
        Ok(())
    }
}

fn read_split(
    arrays: &mut Arrays<'_>,
    start: &str,
    part: Option<Part>,
    scores: &Table,
    names: Option<&[String]>,
    cells: &mut Cells,
) -> Result<()> {
    let path = arrays.path;
    let fault = |problem: String| Error::file(path, problem);
    let name = |what: &str| format!("{start}{what}");
    let of_rows = |what: &str, n_rows: Option<usize>| match n_rows {
        Some(n_rows) if n_rows != scores.n_rows => Err(fault(format!(
            "`{}` has {n_rows} rows, but `{}` has {}",
            name(what),
            name("score"),
            scores.n_rows
        ))),
        _ => Ok(()),
    };
    let costs = arrays.table(&name("cost"))?;
    let embeddings = arrays.table(&name("embed"))?;
    let texts = arrays.texts(&name("prompt"))?;
    of_rows("cost", costs.as_ref().map(|costs| costs.n_rows))?;
    of_rows("embed", embeddings.as_ref().map(|embeddings| embeddings.n_rows))?;
    of_rows("prompt", texts.as_ref().map(Vec::len))?;
    if costs.as_ref().is_some_and(|costs| costs.n_columns != scores.n_columns) {
        return Err(fault(format!(
            "`{}` has another number of models than `{}`",
            name("cost"),
            name("score")
        )));
    }
    if names.is_some_and(|names| names.len() != scores.n_columns) {
        let n_names = names.map_or(0, <[String]>::len);
        return Err(fault(format!(
            "names {n_names} models, but `{}` has {} columns",
            name("score"),
            scores.n_columns
        )));
    }
    let models: Vec<usize> = (0..scores.n_columns)
        .map(|at| match names {
            Some(names) => cells.model(&names[at]),
            None => cells.model(&format!("model-{at:04}")),
        })
        .collect::<std::result::Result<_, _>>()
        .map_err(fault)?;
    let benchmark = stem(path);
    for row in 0..scores.n_rows {
        // Rows have no name of their own; arrays keep their order.
        let id = format!("{benchmark}/{start}{row}");
        let text = texts.as_ref().map_or("", |texts| texts[row].as_str());
        let facts = PromptFacts { id: &id, benchmark: &benchmark, task: "", text, is_sent_text: false };
        cells.at(At::Record(row));
        let prompt = cells.prompt(facts).map_err(fault)?;
        cells.extras.give(prompt, part);
        if let Some(embeddings) = &embeddings {
            cells.extras.embed(prompt, embeddings.row(row)).map_err(|problem| {
                Error::file(path, format!("`{}` row {row} (from 0): {problem}", name("embed")))
            })?;
        }
        for (at, &model) in models.iter().enumerate() {
            let answer = Answer {
                score: scores.get(row, at),
                cost_usd: costs.as_ref().and_then(|costs| costs.get(row, at)),
                ..Answer::default()
            };
            if answer.score.is_none() {
                cells.skip("without a score");
                continue;
            }
            cells.within(|| format!("{}[{row}, {at}]", name("score")));
            cells.answer(prompt, model, answer).map_err(|problem| {
                Error::file(path, format!("`{}` row {row} (from 0): {problem}", name("score")))
            })?;
        }
    }
    Ok(())
}

/// A two-dimensional array of numbers.
struct Table {
    n_rows: usize,
    n_columns: usize,
    values: Vec<f64>,
}

impl Table {
    fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.n_columns..][..self.n_columns]
    }

    /// A number; none where NumPy has NaN.
    fn get(&self, row: usize, column: usize) -> Option<f64> {
        Some(self.values[row * self.n_columns + column]).filter(|value| !value.is_nan())
    }
}

/// The members of an archive.
struct Arrays<'a> {
    path: &'a Path,
    archive: ZipArchive<BufReader<fs::Input>>,
}

impl Arrays<'_> {
    /// The bytes of an array; none where there is no such.
    fn bytes(&mut self, name: &str) -> Result<Option<Vec<u8>>> {
        let name = format!("{name}.npy");
        if self.archive.index_for_name(&name).is_none() {
            return Ok(None);
        }
        let inner = self.path.join(&name);
        let (stream, checksum) = open_member(self.path, &mut self.archive, &name)?;
        let mut bytes = Vec::new();
        let mut stream = stream.take(MOST_BYTES);
        stream
            .read_to_end(&mut bytes)
            .map_err(|error| Error::file(&inner, format!("cannot be read: {error}")))?;
        if stream.into_inner().crc().sum() != checksum {
            return Err(Error::file(&inner, "is damaged: its checksum differs"));
        }
        let kind = npy::kind(&bytes).unwrap_or_default();
        if kind.contains('O') {
            return Err(Error::file(
                &inner,
                "holds Python objects, which are a pickle and never run here; save plain numbers: numpy.savez(..., numpy.asarray(x, dtype=float))",
            ));
        }
        Ok(Some(bytes))
    }

    fn table(&mut self, name: &str) -> Result<Option<Table>> {
        let Some(bytes) = self.bytes(name)? else { return Ok(None) };
        let inner = self.path.join(format!("{name}.npy"));
        let kinds = [
            ("<f8", 8),
            ("<f4", 4),
            ("<f2", 2),
            ("<i8", 8),
            ("<i4", 4),
            ("<i2", 2),
            ("|i1", 1),
            ("|u1", 1),
            ("|b1", 1),
        ];
        let array = npy::parse(&inner, &bytes, &kinds)?;
        let [n_rows, n_columns] = array.shape[..] else {
            let n_axes = array.shape.len();
            return Err(Error::file(
                &inner,
                format!("has {n_axes} dimensions where two are needed: a row a prompt, a column a model"),
            ));
        };
        let values = match array.kind {
            "<f8" => numbers(array.data, f64::from_le_bytes),
            "<f4" => numbers(array.data, |b| f32::from_le_bytes(b).into()),
            "<f2" => numbers(array.data, |b| half::f16::from_le_bytes(b).into()),
            "<i8" => numbers(array.data, |b| i64::from_le_bytes(b) as f64),
            "<i4" => numbers(array.data, |b| i32::from_le_bytes(b).into()),
            "<i2" => numbers(array.data, |b| i16::from_le_bytes(b).into()),
            "|i1" => numbers(array.data, |b| i8::from_le_bytes(b).into()),
            _ => numbers(array.data, |b: [u8; 1]| b[0].into()),
        };
        Ok(Some(Table { n_rows, n_columns, values }))
    }

    /// A one-dimensional array of texts, `<U..`.
    fn texts(&mut self, name: &str) -> Result<Option<Vec<String>>> {
        let Some(bytes) = self.bytes(name)? else { return Ok(None) };
        let inner = self.path.join(format!("{name}.npy"));
        let kind = npy::kind(&bytes).unwrap_or_default().to_owned();
        let width = kind
            .strip_prefix("<U")
            .and_then(|width| width.parse::<usize>().ok())
            .and_then(|n| n.checked_mul(4));
        let Some(width) = width.filter(|&width| 0 < width) else {
            return Err(Error::file(&inner, format!("holds `{kind}` where texts are needed")));
        };
        let array = npy::parse(&inner, &bytes, &[(&kind, width)])?;
        if array.shape.len() != 1 {
            return Err(Error::file(&inner, "has not one dimension"));
        }
        let text = |field: &[u8]| -> Option<String> {
            let characters = field.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
            characters.take_while(|&character| character != 0).map(char::from_u32).collect()
        };
        let texts: Option<Vec<String>> = array.data.chunks_exact(width).map(text).collect();
        texts.map(Some).ok_or_else(|| Error::file(&inner, "holds what is no text"))
    }
}

fn numbers<const N: usize>(data: &[u8], number: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    data.as_chunks::<N>().0.iter().map(|bytes| number(*bytes)).collect()
}
