//! What a format is: a file of this folder that implements [`Importer`], and a line of `IMPORTERS`; and how one is read.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::cells::Cells;
use super::columns::ColumnNames;
use super::metric::ScoreRange;
use super::rows::ENDINGS;
use super::source::{Sources, is_named};
use crate::error::Result;

/// What is to be imported, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportSettings {
    /// The tool.
    pub format: Format,
    /// Files, or folders to look through.
    pub sources: Vec<PathBuf>,
    /// Names of metrics, of which the first that a benchmark has counts; empty: the first that there is.
    pub metrics: Vec<String>,
    /// The columns of a table.
    pub columns: ColumnNames,
    /// The model of files that name none.
    pub model_name: Option<String>,
    /// The scores that mean 0 and 1, for all benchmarks or for one; where there are none, 0 and 1.
    pub score_ranges: Vec<ScoreRange>,
    /// Less is better: where no range says otherwise, 0 is the best score and 1 the worst.
    pub lower_is_better: bool,
    /// Scores that mark an answer without one.
    pub missing: Vec<f64>,
    /// A file that cannot be read stops the import; else it is left out and named.
    pub strict: bool,
    /// The licence of the data.
    pub licence: String,
}

impl ImportSettings {
    /// Everything as the format usually has it.
    pub fn new(format: Format, sources: Vec<PathBuf>) -> Self {
        ImportSettings {
            format,
            sources,
            metrics: Vec::new(),
            columns: ColumnNames::default(),
            model_name: None,
            score_ranges: Vec::new(),
            lower_is_better: false,
            missing: Vec::new(),
            strict: false,
            licence: String::new(),
        }
    }
}

/// Finds the files of a tool, and reads one after another into cells.
pub(super) trait Importer: Sync {
    /// The name on the command line.
    fn name(&self) -> &'static str;

    /// What it looks for in a folder, in words: a table, where nothing else is said.
    fn wanted(&self) -> &'static str {
        "CSV, TSV, JSONL, JSON, or Parquet file"
    }

    /// Whether it reads a file that it finds in a folder.
    fn is_wanted(&self, path: &Path) -> bool {
        is_named(path, "", &ENDINGS)
    }

    /// Whether its columns can be named.
    fn has_columns(&self) -> bool {
        false
    }

    /// Whether its files may leave open which model they are of.
    fn may_lack_model(&self) -> bool {
        false
    }

    /// Whether its metric, scorer, or judge can be chosen.
    fn has_metrics(&self) -> bool {
        false
    }

    /// Of all files found those that count.
    ///
    /// # Errors
    /// A choice that the user has to make.
    fn selected(&self, found: Vec<PathBuf>, _settings: &ImportSettings) -> Result<Vec<PathBuf>> {
        Ok(found)
    }

    /// Reads one file.
    ///
    /// # Errors
    /// What makes the file unusable, with its place.
    fn read(&self, path: &Path, job: &Job<'_>, cells: &mut Cells) -> Result<()>;
}

/// What an importer reads with.
pub(super) struct Job<'a> {
    pub(super) settings: &'a ImportSettings,
    pub(super) sources: &'a Sources<'a>,
    /// All files that count.
    pub(super) files: &'a [PathBuf],
    /// What an importer finds out about all files before it reads the first: a label by file.
    pub(super) labels: OnceCell<BTreeMap<PathBuf, String>>,
}

/// Where results come from: the name of a tool or of a shape.
#[derive(Clone, Copy)]
pub struct Format(pub(super) &'static dyn Importer);

impl Format {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// What reads it.
    pub(super) fn importer(self) -> &'static dyn Importer {
        self.0
    }
}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl PartialEq for Format {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}
