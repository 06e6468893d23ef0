//! What a format is: a file of this folder that implements [`Importer`], and a line of [`IMPORTERS`].

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::ImportSettings;
use super::cells::Cells;
use super::source::Sources;
use crate::error::{Error, Result, suggestion};

/// Every format, in the order in which the help lists them.
static IMPORTERS: [&dyn Importer; 14] = [
    &super::lm_eval::LmEval,
    &super::inspect::Inspect,
    &super::helm::Helm,
    &super::alpaca_eval::AlpacaEval,
    &super::routellm::RouteLlm,
    &super::routerbench::RouterBench,
    &super::zeroeval::ZeroEval,
    &super::llmrouterbench::LlmRouterBench,
    &super::routerarena::RouterArena,
    &super::lighteval::LightEval,
    &super::npz::Npz,
    &super::logs::Logs,
    &super::table::Table,
    &super::pairs::Pairs,
];

/// Finds the files of a tool, and reads one after another into cells.
pub(super) trait Importer: Sync {
    /// The name on the command line.
    fn name(&self) -> &'static str;

    /// What it looks for in a folder, in words.
    fn wanted(&self) -> &'static str;

    /// Whether it reads a file that it finds in a folder.
    fn is_wanted(&self, path: &Path) -> bool;

    /// Whether its columns can be named.
    fn has_columns(&self) -> bool {
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
pub struct Format(&'static dyn Importer);

impl Format {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Format> {
        IMPORTERS.into_iter().map(Format)
    }

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// The format of that name.
    ///
    /// # Errors
    /// An unknown name.
    pub fn named(name: &str) -> Result<Format> {
        Self::all().find(|format| format.name() == name).ok_or_else(|| {
            let names: Vec<&str> = Self::all().map(Format::name).collect();
            let list = names.join("`, `");
            Error::Usage(format!("unknown format `{name}`{}; known are `{list}`", suggestion(name, names)))
        })
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
