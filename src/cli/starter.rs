//! `init`, and what `run` and `try` do with a suite that has no scenario.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use llm_bandit::error::{Error, Result};
use llm_bandit::report;
use llm_bandit::scenario::starter;
use llm_bandit::suite::{self, find, is_suite};

use super::DatasetArguments;
use super::output::say;

/// Arguments of `init`.
#[derive(Args)]
pub(super) struct InitArguments {
    /// A suite's folder, or its name
    suite: PathBuf,
    #[command(flatten)]
    datasets: DatasetArguments,
}

pub(super) fn init(arguments: &InitArguments) -> Result<ExitCode> {
    let folders = arguments.datasets.folders();
    refuse_results(&arguments.suite)?;
    let name = name_of_suite(&arguments.suite, &folders)?;
    let name = name.unwrap_or_else(|| arguments.suite.to_string_lossy().into_owned());
    let text = starter(&name, &find(&name, &folders)?);
    say(text.trim_end())?;
    Ok(ExitCode::SUCCESS)
}

/// Points from a file of results to the commands that make a suite of it.
///
/// # Errors
/// The path is a file.
pub(super) fn refuse_results(path: &Path) -> Result<()> {
    if !path.is_file() {
        return Ok(());
    }
    let shown = path.display();
    let problem = format!(
        "is a file and no suite; `llm-bandit import table {shown} --out SUITE` makes one of results, and `llm-bandit try {shown}` leads \
         from them to a decision"
    );
    Err(Error::file(path, problem))
}

/// Whether a path is a suite's folder, and no report.
pub(super) fn is_suite_folder(path: &Path) -> bool {
    path.is_dir() && is_suite(path) && !report::is_report(path)
}

/// What a scenario calls the suite that is named in the place of a scenario; `None` for anything else.
///
/// # Errors
/// A bare word that is neither a file nor a suite.
pub(super) fn name_of_suite(path: &Path, folders: &[PathBuf]) -> Result<Option<String>> {
    let Some(text) = path.to_str() else { return Ok(None) };
    let is_bare = path.components().count() == 1 && !text.contains(std::path::MAIN_SEPARATOR);
    if is_suite_folder(path) {
        // A name without a separator would be looked up among the suites.
        return Ok(Some(if is_bare { format!("./{text}") } else { text.to_owned() }));
    }
    if path.exists() || !is_bare || path.extension().is_some() || text == "quickstart" {
        return Ok(None);
    }
    let located = suite::locate(text, folders);
    located.map(|_| Some(text.to_owned())).map_err(|error| match error {
        Error::Usage(problem) => Error::Usage(format!("there is no file `{text}`, and it is an {problem}")),
        other => other,
    })
}
