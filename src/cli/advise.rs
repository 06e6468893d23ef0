//! `advise`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{ArgGroup, Args};
use llm_bandit::error::{Error, Result};
use llm_bandit::evaluate::{Advice, Goal, Summary, advise as found, summarise_without_evidence};
use llm_bandit::record::Record;
use llm_bandit::report;

use super::explain::wrapped;
use super::output::say;

/// Arguments of `advise`.
#[derive(Args)]
#[command(group = ArgGroup::new("goal").required(true))]
pub(super) struct AdviseArguments {
    /// The report's folder
    folder: PathBuf,
    /// The highest score for so many US dollars per 1,000 prompts
    #[arg(long, value_name = "USD", group = "goal", allow_negative_numbers = true)]
    budget: Option<f64>,
    /// The lowest cost at this score or more
    #[arg(long, value_name = "SCORE", group = "goal", allow_negative_numbers = true)]
    score: Option<f64>,
    /// The lowest cost at 99 % of the score of the best single model or more
    #[arg(long, group = "goal")]
    save: bool,
}

pub(super) fn advise(arguments: &AdviseArguments) -> Result<ExitCode> {
    let goal = match *arguments {
        AdviseArguments { budget: Some(budget), .. } if !(0.0..=1e12).contains(&budget) => {
            return Err(Error::Usage(format!("`--budget` must be a number of US dollars, not {budget}")));
        }
        AdviseArguments { score: Some(score), .. } if !(0.0..=1.0).contains(&score) => {
            return Err(Error::Usage(format!("`--score` must be from 0 to 1, not {score}")));
        }
        AdviseArguments { budget: Some(budget), .. } => Goal::Budget(budget),
        AdviseArguments { score: Some(score), .. } => Goal::Score(score),
        _ => Goal::Save,
    };
    let folder = &arguments.folder;
    let record = report::read_record(folder)?;
    let summary = summarise_without_evidence(&record);
    summary.check()?;
    let advice =
        found(&record, &summary, goal).ok_or_else(|| Error::file(folder, without_advice(&record, goal)))?;
    say(&in_lines(&record, &advice, goal, folder).join("\n"))?;
    Ok(if advice.is_met { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Why there is nothing to advise by, and what to do.
fn without_advice(record: &Record, goal: Goal) -> &'static str {
    if matches!(goal, Goal::Budget(_)) && !record.manifest.suite.has_cost {
        return report::without_costs(record);
    }
    "has no router that competes, only bounds: add a `[[router]]` to its scenario and run it again"
}

/// The advice of a report.
pub(super) fn lines(folder: &Path, goal: Goal) -> Result<Option<Vec<String>>> {
    let record = report::read_record(folder)?;
    let summary = summarise_without_evidence(&record);
    summary.check()?;
    Ok(of(&record, &summary, goal, folder))
}

/// The advice of what came of a run.
pub(super) fn of(record: &Record, summary: &Summary, goal: Goal, folder: &Path) -> Option<Vec<String>> {
    found(record, summary, goal).map(|advice| in_lines(record, &advice, goal, folder))
}

/// An advice in lines that a terminal has room for.
fn in_lines(record: &Record, advice: &Advice, goal: Goal, folder: &Path) -> Vec<String> {
    let lines = report::advice_lines(record, advice, goal, &folder.display().to_string());
    // Commands are not broken.
    let fitted = |line: String| if line.contains('\n') { line } else { wrapped([0, 2], &line) };
    lines.into_iter().map(fitted).collect()
}
