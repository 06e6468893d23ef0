//! Tests on data that are not part of the repository: where they are not at hand a test is reported as ignored, never as passed.

use std::path::PathBuf;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

/// A test that needs recorded suites.
pub(crate) struct OnSuites {
    /// As `cargo test` prints it.
    pub(crate) name: &'static str,
    /// The suites it is about; any where none is named.
    pub(crate) suites: &'static [&'static str],
    /// Panics at a fault; gets the folders of suites.
    pub(crate) test: fn(&[PathBuf]),
}

/// Runs the tests whose suites lie in the folder that `LLM_BANDIT_DATASETS` names, and says which did not run, and why.
#[expect(clippy::print_stderr, reason = "what did not run must say so")]
pub(crate) fn run(tests: impl IntoIterator<Item = OnSuites>) -> ExitCode {
    let folder = std::env::var_os("LLM_BANDIT_DATASETS").map(PathBuf::from);
    let trial = |OnSuites { name, suites, test }: OnSuites| {
        let is_missing = |suite: &&&str| !folder.as_ref().is_some_and(|folder| folder.join(suite).is_dir());
        let missing: Vec<&&str> = suites.iter().filter(is_missing).collect();
        let is_ignored = folder.is_none() || !missing.is_empty();
        if is_ignored {
            let what = if missing.is_empty() { "recorded suites".to_owned() } else { format!("{missing:?}") };
            eprintln!("NOT RUN: {name} needs {what} in the folder that LLM_BANDIT_DATASETS names");
        }
        let folders: Vec<PathBuf> = folder.iter().cloned().collect();
        let run = move || {
            test(&folders);
            Ok(())
        };
        Trial::test(name, run).with_ignored_flag(is_ignored)
    };
    libtest_mimic::run(&Arguments::from_args(), tests.into_iter().map(trial).collect()).exit_code()
}
