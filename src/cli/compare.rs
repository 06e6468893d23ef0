//! `compare` and `paper`, and what `run` and `report` do with several runs at once.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use llm_bandit::error::{Error, Result};
use llm_bandit::fs::{self, Claim};
use llm_bandit::gate::Versus;
use llm_bandit::report::overall::{
    Published, Runs, read_reports, reports_named, runs_md, splice, write_overall,
};
use llm_bandit::report::paper::{FILE, write_paper};
use llm_bandit::report::read_recorded;

use super::output::{print, say, say_aside};

/// Arguments of `compare`.
#[derive(Args)]
pub(super) struct CompareArguments {
    /// Folders of reports, or folders of such folders
    #[arg(required = true, value_name = "DIR")]
    reports: Vec<PathBuf>,
    /// Writes overall.html, overall.md, overall.csv, and critical-difference.svg into this folder instead of printing the table; of
    /// two runs of one scenario versus.html and versus.md
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) fn compare(arguments: &CompareArguments) -> Result<ExitCode> {
    if let [a, b] = &reports_named(&arguments.reports)?[..] {
        let runs = [read_recorded(a)?, read_recorded(b)?];
        if runs[0].name() == runs[1].name() {
            let names = [a, b].map(|path| path.display().to_string());
            let versus = Versus::new(names, [&runs[0], &runs[1]]).map_err(|error| match error {
                Error::Usage(problem) => Error::file(b, problem),
                other => other,
            })?;
            return put_side_by_side(&versus, arguments.out.as_deref());
        }
    }
    let runs = read_reports(&arguments.reports)?;
    match &arguments.out {
        Some(out) => write(out, &runs)?,
        None => print(runs_md(&runs).trim_end())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints or writes two runs of one scenario.
fn put_side_by_side(versus: &Versus, out: Option<&Path>) -> Result<ExitCode> {
    let Some(out) = out else {
        say(&versus.text())?;
        return Ok(ExitCode::SUCCESS);
    };
    fs::create_folder(out)?;
    let files = [("versus.md", versus.markdown()), ("versus.html", versus.html())];
    fs::put_files(&files.map(|(name, text)| (out.join(name), text.into_bytes())))?;
    say(&out.join("versus.html").display().to_string())?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the overall table of runs that were made together.
pub(super) fn write_all(folder: &Path, reports: &[PathBuf]) -> Result<()> {
    write(folder, &read_reports(reports)?)
}

/// Puts the table of the reports below a folder into a text, and writes it beside them.
pub(super) fn splice_into(text: &Path, folder: &Path) -> Result<()> {
    let claim = Claim::wait(text)?;
    let old = fs::read_text(text)?;
    let runs = read_reports(&[folder.to_owned()])?.offline;
    let new = splice(text, &old, &Published::of(runs), &commit())?;
    fs::replace_files(&[(&claim, new.as_bytes())])?;
    say_aside(&format!("{}: the overall table is up to date", text.display()));
    Ok(())
}

fn write(folder: &Path, runs: &Runs) -> Result<()> {
    write_overall(folder, runs)?;
    say(&folder.join("overall.md").display().to_string())?;
    Ok(())
}

/// The state of the source in the working directory, as git names it.
fn commit() -> String {
    let described = std::process::Command::new("git").args(["describe", "--always", "--dirty"]).output();
    let described = described.ok().filter(|output| output.status.success());
    let name = described.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| "unknown".into())
}

/// Arguments of `paper`.
#[derive(Args)]
pub(super) struct PaperArguments {
    /// Folders of reports, or folders of such folders
    #[arg(required = true, value_name = "DIR")]
    reports: Vec<PathBuf>,
    /// The folder of the files
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub(super) fn paper(arguments: &PaperArguments) -> Result<ExitCode> {
    write_paper(&arguments.out, &read_reports(&arguments.reports)?, &commit())?;
    say(&arguments.out.join(FILE).display().to_string())?;
    Ok(ExitCode::SUCCESS)
}
