//! `try`: import, embed, run, and advise in one command.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use llm_bandit::error::{Error, Result};
use llm_bandit::evaluate::Goal;
use llm_bandit::import::Format;

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
    /// The folder of the suite and the report; must not exist [default: reports/NAME]
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
    if out.exists() {
        return Err(Error::file(&out, "is there already; choose another `--out`"));
    }
    let [suite, report] = [out.join(&*stem), out.join("report")];
    import_into(*format, sources, reading, &suite, *quiet)?;
    let code = super::run::run_suite(suite.clone(), report.clone(), *quiet)?;
    match super::advise::lines(&report, Goal::Save)? {
        Some(lines) => say(&lines.join("\n"))?,
        None => say(&format!(
            "The answers have no costs, so the best router is the one of the highest score: see {}. With token counts, \
             `llm-bandit run {} --prices built-in` makes costs of list prices.",
            report.join("report.html").display(),
            suite.display()
        ))?,
    };
    Ok(code)
}
