//! Tests on data that are not part of the repository: where they are not at hand a test is reported as ignored, never as passed.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

/// A test that needs folders from outside.
pub(crate) struct Outside {
    /// As `cargo test` prints it.
    pub(crate) name: &'static str,
    /// The folders it is about; any where none is named.
    pub(crate) folders: &'static [&'static str],
    /// Panics at a fault; gets the folder that holds them.
    pub(crate) test: fn(&Path),
}

/// Runs the tests whose folders lie in the one that the variable names, and says which did not run, and why.
#[expect(clippy::print_stderr, reason = "what did not run must say so")]
pub(crate) fn run(variable: &str, tests: impl IntoIterator<Item = Outside>) -> ExitCode {
    let all = std::env::var_os(variable).map(PathBuf::from);
    let trial = |Outside { name, folders, test }: Outside| {
        let is_missing = |folder: &&&str| !all.as_ref().is_some_and(|all| all.join(folder).is_dir());
        let missing: Vec<&&str> = folders.iter().filter(is_missing).collect();
        let is_ignored = all.is_none() || !missing.is_empty();
        if is_ignored {
            let what = if missing.is_empty() { "data".to_owned() } else { format!("{missing:?}") };
            eprintln!("NOT RUN: {name} needs {what} in the folder that {variable} names");
        }
        let all = all.clone();
        let run = move || {
            all.iter().for_each(|all| test(all));
            Ok(())
        };
        Trial::test(name, run).with_ignored_flag(is_ignored)
    };
    libtest_mimic::run(&Arguments::from_args(), tests.into_iter().map(trial).collect()).exit_code()
}
