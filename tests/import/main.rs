//! Results of other tools become suites that say what the raw files say, and run; faults are one line and leave nothing behind.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

mod cases;
mod counted;
mod faults;
mod fixtures;
mod formats;
mod garbled;
mod models;
mod nested;
mod prompts;
mod published;
mod routing;
mod scores;
mod tables;

use std::fs;

use llm_bandit::error::Result;
use llm_bandit::import::{Coverage, ImportSettings, ScoreRange};
use llm_bandit::suite::Suite;

use counted::{Counts, assert_same, counts, imported, means, runs, settings};

/// Files by their path within a folder.
type Files = Vec<(String, Vec<u8>)>;

/// A file of a text.
fn file(name: &str, text: &str) -> (String, Vec<u8>) {
    (name.to_owned(), text.as_bytes().to_vec())
}

/// Imports files, with settings changed.
fn of_files(
    format: &str,
    files: &[(String, Vec<u8>)],
    change: impl FnOnce(&mut ImportSettings),
) -> Result<(Coverage, Suite)> {
    let folder = folder(files);
    let mut settings = settings(format, &folder.path().join("raw"));
    change(&mut settings);
    imported(&settings)
}

/// A range for all benchmarks or for one.
fn range(benchmark: Option<&str>, zero: f64, one: f64) -> ScoreRange {
    ScoreRange { benchmark: benchmark.map(str::to_owned), zero, one }
}

/// A folder with these files in `raw`.
fn folder(files: &[(String, Vec<u8>)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join("raw").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    folder
}
