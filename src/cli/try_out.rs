//! `try`: import, embed, run, and advise in one command.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use llm_bandit::error::{Error, Result};
use llm_bandit::evaluate::Goal;
use llm_bandit::fs;
use llm_bandit::import::Format;
use llm_bandit::report;
use llm_bandit::suite::is_suite;

use super::import::{ReadingArguments, import_into, parse_format};
use super::output::say;
use super::use_threads;

/// Arguments of `try`.
#[derive(Args)]
pub(super) struct TryArguments {
    /// Files, or folders to look through
    #[arg(required = true)]
    sources: Vec<PathBuf>,
    /// The tool whose results these are; `import --help` lists all
    #[arg(long, default_value = "table", value_parser = parse_format)]
    format: Format,
    /// The folder of the suite and the report; must hold none [default: reports/NAME]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Threads; the result does not depend on them [default: all cores]
    #[arg(long)]
    threads: Option<usize>,
    /// No progress and no report of the import
    #[arg(long)]
    quiet: bool,
    #[command(flatten)]
    reading: ReadingArguments,
}

pub(super) fn try_out(arguments: &TryArguments) -> Result<ExitCode> {
    let TryArguments { sources, format, out, threads, quiet, reading } = arguments;
    use_threads(*threads)?;
    let stem = sources[0].file_stem().map_or_else(|| "try".into(), |stem| stem.to_string_lossy());
    let out = out.clone().unwrap_or_else(|| PathBuf::from("reports").join(&*stem));
    let [suite, report] = [out.join(&*stem), out.join("report")];
    let made = begin(&out, &suite, &report)?;
    let ran = import_into(*format, sources, reading, &suite, *quiet)
        .and_then(|()| super::run::run_suite(suite.clone(), report.clone(), *quiet));
    let code = match ran {
        Ok(code) => code,
        Err(error) => {
            fs::remove(&suite)?;
            for folder in
                made.iter().filter(|folder| fs::entries(folder).is_ok_and(|inside| inside.is_empty()))
            {
                fs::remove(folder)?;
            }
            return Err(error);
        }
    };
    if let Some(lines) = super::advise::lines(&report, Goal::Save)? {
        say(&lines.join("\n"))?;
    }
    Ok(code)
}

/// Makes room: what an earlier `try` left that was stopped before its report is imported anew, and the cells it finished are taken up.
/// The folders that are going to be made, innermost first.
fn begin(out: &Path, suite: &Path, report: &Path) -> Result<Vec<PathBuf>> {
    if report::is_report(report) {
        let problem = format!(
            "holds a report already: choose another `--out`, or run the same answers again by `llm-bandit run {} --out {}`",
            suite.display(),
            report.display()
        );
        return Err(Error::file(out, problem));
    }
    if out.exists() {
        let is_hidden =
            |path: &PathBuf| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        let is_own = |path: &PathBuf| (path == suite && is_suite(path)) || is_hidden(path);
        if !out.is_dir() || !fs::entries(out)?.iter().all(is_own) {
            return Err(Error::file(
                out,
                "holds something other than an unfinished `try`; choose another `--out`",
            ));
        }
        fs::remove(suite)?;
    }
    Ok(out
        .ancestors()
        .take_while(|above| !above.exists() && !above.as_os_str().is_empty())
        .map(Path::to_owned)
        .collect())
}
