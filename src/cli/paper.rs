//! `paper`: tables, figures, and numbers of reports for LaTeX.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use llm_bandit::error::Result;
use llm_bandit::report::overall::read_reports;
use llm_bandit::report::paper::{FILE, write_paper};

use super::compare::commit;
use super::output::say;

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
