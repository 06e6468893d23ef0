//! The values a suite is made of: prompts, models, outcomes with missing cells, embeddings and who made them, and comparisons.
//!
//! Who made embeddings is a note beside the file, `embeddings.toml` beside `embeddings.npy`, and not a part of `suite.toml`: a suite may
//! have several files of embeddings, some outside its folder, and what people wrote by hand is not to be rewritten by a program.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use crate::date::Date;
use crate::error::{Error, Result};
use crate::hash::sha256;
use crate::network::{Kept, Parts};
use crate::text::Text;
use crate::toml_file;

/// Where a suite comes from and how it may be used; all optional (`suite.toml`).
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct SuiteInfo {
    /// A readable name; the folder's name where absent.
    pub name: String,
    /// What it holds, in a sentence or two.
    pub description: String,
    /// The licence of the data.
    pub licence: String,
    /// Where it was taken from.
    pub source: String,
    /// What a score measures, for example `exact match` or `judge preference`.
    pub primary_metric: String,
    /// True where the outcomes were drawn by a simulation instead of recorded from models; every report then says so.
    pub simulated: bool,
    /// What it was imported from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub import: Option<ImportInfo>,
}

/// How a suite was imported from the results of another tool.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ImportInfo {
    /// The tool, as on the command line.
    pub format: String,
    /// Version of the program that imported it.
    pub program_version: String,
    /// Every file that was read, in order.
    pub files: Vec<ImportedFile>,
}

/// A file that a suite was imported from.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportedFile {
    /// Its path as it was given; of an absolute one only the name.
    pub path: String,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
}

/// One prompt.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prompt {
    /// Unique within the suite.
    pub id: String,
    /// Index into [`Suite::benchmarks`](super::Suite::benchmarks).
    pub benchmark: usize,
    /// A finer label within the benchmark, or empty.
    pub task: String,
    /// The text, or empty where unknown.
    pub text: Text,
    /// The part of a split that its source puts it in, where it says so.
    pub given_part: Option<Part>,
    /// Its place in a session; `None` of a prompt that is asked alone.
    pub turn: Option<Turn>,
    /// The id of the prompt that it says in other words.
    pub variant_of: Option<String>,
}

/// Where a prompt stands in its session.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    /// The session's id.
    pub session: String,
    /// Its place: unique in the session, ascending in time.
    pub number: u32,
    /// When it was asked, in seconds from any time that is the same for the whole session.
    pub asked_at_seconds: Option<f64>,
}

/// A part of a split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// What routers are fitted on.
    Training,
    /// What tuning and early stopping may look at besides.
    Validation,
    /// What is replayed.
    Test,
}

impl Part {
    /// The part that a column `split` names; none for a name that is no part's.
    pub fn named(name: &str) -> Option<Part> {
        match name.trim().to_ascii_lowercase().as_str() {
            "train" | "training" => Some(Part::Training),
            "validation" | "valid" | "val" | "dev" | "development" => Some(Part::Validation),
            "test" | "testing" => Some(Part::Test),
            _ => None,
        }
    }

    /// Its name in a column `split`.
    pub fn name(self) -> &'static str {
        match self {
            Part::Training => "train",
            Part::Validation => "validation",
            Part::Test => "test",
        }
    }
}

/// One model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Model {
    /// Unique within the suite.
    pub id: String,
    /// Who made it, or empty.
    pub vendor: String,
    /// Its family, or empty.
    pub family: String,
    /// List price in US dollars per million input tokens.
    pub price_in_usd_per_1m: Option<f64>,
    /// List price in US dollars per million output tokens.
    pub price_out_usd_per_1m: Option<f64>,
    /// List price in US dollars per million input tokens that the host has kept from the turn before.
    pub price_cached_in_usd_per_1m: Option<f64>,
    /// Where the price was taken from, or empty.
    pub price_source: String,
    /// The day it became available, where known.
    pub released: Option<Date>,
    /// A remark, or empty.
    pub note: String,
}

impl Model {
    /// A model of which nothing else is known.
    pub fn named(id: impl Into<String>) -> Self {
        Model { id: id.into(), ..Model::default() }
    }

    /// The dollars that many tokens cost at list price, where the prices are known.
    pub fn list_cost_usd(&self, input_tokens: f64, output_tokens: f64) -> Option<f64> {
        Some((self.price_in_usd_per_1m? * input_tokens + self.price_out_usd_per_1m? * output_tokens) / 1e6)
    }
}

/// A pairwise judgement of two models' answers to one prompt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// Index of the prompt.
    pub prompt: usize,
    /// Index of the first model.
    pub model_a: usize,
    /// Index of the second model.
    pub model_b: usize,
    /// 1 where `model_a` won, 0 where `model_b` won, 0.5 for a tie.
    pub score_a: f64,
}

/// One number per (prompt, model) cell, where known; prompt-major. A missing cell is absent, never zero.
#[derive(Clone, Debug)]
pub struct CellTable {
    n_models: usize,
    /// NaN marks a missing cell; it never leaves this type.
    cells: Vec<f64>,
}

impl Kept for CellTable {
    fn keep(&self, parts: &mut Parts) {
        let known: Vec<bool> = self.cells.iter().map(|value| !value.is_nan()).collect();
        parts.keep("columns", &self.n_models);
        parts.keep("known", &known);
        parts.keep(
            "cells",
            &self.cells.iter().map(|value| if value.is_nan() { 0.0 } else { *value }).collect::<Vec<f64>>(),
        );
    }

    fn restore(parts: &mut Parts) -> Result<Self> {
        let n_models: usize = parts.take("columns")?;
        let (known, mut cells): (Vec<bool>, Vec<f64>) = (parts.take("known")?, parts.take("cells")?);
        parts.check(0 < n_models && cells.len().is_multiple_of(n_models) && known.len() == cells.len())?;
        cells.iter_mut().zip(known).filter(|(_, is_known)| !is_known).for_each(|(cell, _)| *cell = f64::NAN);
        Ok(CellTable { n_models, cells })
    }
}

impl PartialEq for CellTable {
    /// Missing cells are equal to each other.
    fn eq(&self, other: &Self) -> bool {
        self.n_models == other.n_models && self.bytes().eq(other.bytes())
    }
}

impl CellTable {
    /// A table in which every cell is missing.
    pub fn missing(n_prompts: usize, n_models: usize) -> Self {
        CellTable { n_models, cells: vec![f64::NAN; n_prompts * n_models] }
    }

    /// Number of rows.
    pub fn n_prompts(&self) -> usize {
        self.cells.len().checked_div(self.n_models).unwrap_or(0)
    }

    /// Number of columns.
    pub fn n_models(&self) -> usize {
        self.n_models
    }

    /// The value of a cell, if known.
    #[inline]
    pub fn get(&self, prompt: usize, model: usize) -> Option<f64> {
        let value = self.cells[prompt * self.n_models + model];
        (!value.is_nan()).then_some(value)
    }

    /// Sets a cell.
    ///
    /// # Panics
    /// If the value is not finite: readers check before they store.
    #[inline]
    pub fn set(&mut self, prompt: usize, model: usize, value: Option<f64>) {
        assert!(value.is_none_or(f64::is_finite), "a cell holds a finite number or is missing");
        self.cells[prompt * self.n_models + model] = value.unwrap_or(f64::NAN);
    }

    /// The cells of one prompt, in model order.
    pub fn row(&self, prompt: usize) -> impl Iterator<Item = Option<f64>> + '_ {
        let row = &self.cells[prompt * self.n_models..][..self.n_models];
        row.iter().map(|value| (!value.is_nan()).then_some(*value))
    }

    /// How many cells are known.
    pub fn n_known(&self) -> usize {
        self.cells.iter().filter(|value| !value.is_nan()).count()
    }

    /// The table with only these prompts and models, in this order.
    pub fn select(&self, prompts: &[usize], models: &[usize]) -> Self {
        let cells = prompts
            .iter()
            .flat_map(|&prompt| models.iter().map(move |&model| self.cells[prompt * self.n_models + model]))
            .collect();
        CellTable { n_models: models.len(), cells }
    }

    /// The bits of all cells, for hashing.
    pub(super) fn bytes(&self) -> impl Iterator<Item = [u8; 8]> + '_ {
        // Every missing cell is one and the same NaN, so equal tables have equal bytes.
        self.cells.iter().map(|value| value.to_le_bytes())
    }
}

/// The further column of outcomes that importers keep latencies in, and scenarios look for: seconds from question to answer.
pub const LATENCY: &str = "latency_s";

/// The outcomes of every model on every prompt, where recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcomes {
    /// Scores in [0, 1].
    pub score: CellTable,
    /// Realised cost in US dollars: as recorded, else tokens times list price, else missing.
    pub cost_usd: CellTable,
    /// Prompt tokens.
    pub input_tokens: CellTable,
    /// Answer tokens.
    pub output_tokens: CellTable,
    /// Further numeric columns of the file by name, for example `latency_s`.
    pub extra: BTreeMap<String, CellTable>,
}

/// How the cells that have a score came to their cost; counts of cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CostBasis {
    /// The file's own `cost_usd`.
    pub recorded: usize,
    /// Tokens times list price.
    pub list_price: usize,
    /// No cost known.
    pub unknown: usize,
}

/// Prompt embeddings, one row a prompt. A prompt without text has an all-zero row, which means "unknown".
#[derive(Clone, Debug, PartialEq)]
pub struct Embeddings {
    n_dimensions: usize,
    values: Vec<f32>,
    encoded_by: Option<EncodedBy>,
}

impl Embeddings {
    /// Rows of `n_dimensions` finite numbers each, one after another.
    ///
    /// # Panics
    /// If the values do not fill whole rows.
    pub fn new(n_dimensions: usize, values: Vec<f32>) -> Self {
        assert!(
            if n_dimensions == 0 { values.is_empty() } else { values.len().is_multiple_of(n_dimensions) },
            "embeddings fill whole rows"
        );
        Embeddings { n_dimensions, values, encoded_by: None }
    }

    /// The same, with who made them.
    pub fn encoded_by(self, encoder: EncodedBy) -> Self {
        Embeddings { encoded_by: Some(encoder), ..self }
    }

    /// Who made them, where it is known.
    pub fn encoder(&self) -> Option<&EncodedBy> {
        self.encoded_by.as_ref()
    }

    /// Width of a row.
    pub fn n_dimensions(&self) -> usize {
        self.n_dimensions
    }

    /// Number of rows.
    pub fn n_prompts(&self) -> usize {
        self.values.len().checked_div(self.n_dimensions).unwrap_or(0)
    }

    /// The embedding of one prompt.
    pub fn row(&self, prompt: usize) -> &[f32] {
        &self.values[prompt * self.n_dimensions..][..self.n_dimensions]
    }

    /// Whether the prompt has an embedding at all.
    pub fn is_known(&self, prompt: usize) -> bool {
        self.row(prompt).iter().any(|&value| value != 0.0)
    }

    /// Only these rows, in this order.
    pub fn select(&self, prompts: &[usize]) -> Self {
        let values = prompts.iter().flat_map(|&prompt| self.row(prompt)).copied().collect();
        Embeddings { values, encoded_by: self.encoded_by.clone(), ..*self }
    }

    /// All rows, one after another.
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}

/// An encoder and all that its embeddings depend on.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct EncodedBy {
    /// Its name.
    pub encoder: String,
    /// Its version.
    pub version: String,
    /// Numbers in an embedding.
    pub dimensions: usize,
    /// SHA-256 of its files or, where it has none, of its settings.
    pub sha256: String,
    /// Which texts it learned from, where it is fitted to the suite; never outcomes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learned_from: Option<String>,
}

/// How the name of an encoder begins of which nothing but a file of vectors is known.
pub(crate) const VECTORS_OF: &str = "vectors of ";

/// The note: who made a file, and the hash by which the file is known.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Note {
    embeddings_sha256: String,
    encoded_by: EncodedBy,
}

impl EncodedBy {
    /// Whether all that is known is which file the vectors stood in.
    pub(crate) fn is_of_vectors(&self) -> bool {
        self.encoder.starts_with(VECTORS_OF)
    }

    /// The name of the note on a file.
    pub(crate) fn note_of(file: &str) -> String {
        format!("{}.toml", file.strip_suffix(".npy").unwrap_or(file))
    }

    /// The text of the note on a file of these bytes.
    pub(crate) fn format(&self, embeddings: &[u8]) -> String {
        let note = Note { embeddings_sha256: sha256(embeddings), encoded_by: self.clone() };
        toml::to_string(&note).expect("a note is plain data")
    }

    /// Reads the note on a file of these bytes.
    ///
    /// # Errors
    /// A note that cannot be read, or that is on another file.
    pub(super) fn parse(path: &Path, text: &[u8], embeddings: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(text).map_err(|_| Error::file(path, crate::fs::NOT_UTF8))?;
        let note: Note = toml_file::parse(path, text)?;
        if note.embeddings_sha256 != sha256(embeddings) {
            let problem = "`embeddings-sha256` is not the hash of the file beside it; remove the note, or run `embed --force`";
            return Err(toml_file::located(path, text, Error::setting("embeddings-sha256", problem)));
        }
        Ok(note.encoded_by)
    }
}

impl fmt::Display for EncodedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let EncodedBy { encoder, version, dimensions, sha256, learned_from } = self;
        let short = sha256.get(..12).unwrap_or(sha256);
        let version = if version.is_empty() { String::new() } else { format!(" {version}") };
        write!(f, "{encoder}{version}, {dimensions} dimensions, SHA-256 {short}")?;
        match learned_from {
            Some(texts) => write!(f, ", fitted to {texts}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_cell_is_absent_and_never_zero() {
        let mut table = CellTable::missing(2, 3);
        table.set(1, 2, Some(0.0));
        assert_eq!(table.get(1, 2), Some(0.0));
        assert_eq!(table.get(0, 0), None);
        assert_eq!(table.n_known(), 1);
        assert_eq!(table.row(1).collect::<Vec<_>>(), [None, None, Some(0.0)]);
        assert_eq!(table.select(&[1], &[2, 0]).row(0).collect::<Vec<_>>(), [Some(0.0), None]);
    }

    #[test]
    fn an_all_zero_embedding_is_unknown() {
        let embeddings = Embeddings::new(2, vec![0.0, 0.0, 0.0, 1.0]);
        assert!(!embeddings.is_known(0));
        assert!(embeddings.is_known(1));
    }

    #[test]
    fn the_list_cost_needs_both_prices() {
        let prices = (Some(2.0), Some(8.0));
        let mut model =
            Model { price_in_usd_per_1m: prices.0, price_out_usd_per_1m: prices.1, ..Model::named("m") };
        assert_eq!(model.list_cost_usd(1000.0, 500.0), Some(0.006));
        model.price_out_usd_per_1m = None;
        assert_eq!(model.list_cost_usd(1000.0, 500.0), None);
    }
}
