//! `check`: a report compared with a baseline.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use llm_bandit::error::{Error, Result};
use llm_bandit::fs;
use llm_bandit::gate::{self, Gate, GateSettings, format};
use llm_bandit::record::Recorded;
use llm_bandit::report;

use super::output::{print, say};
use super::use_threads;

/// Arguments of `check`.
#[derive(Args)]
pub(super) struct CheckArguments {
    /// The folder of the report under test
    current: PathBuf,
    /// The report it is compared with; its `record` folder is enough
    #[arg(long, value_name = "BASELINE")]
    against: PathBuf,
    /// The least difference that matters in scores, AIQ, utility, and regret a step
    #[arg(long, value_name = "X", default_value_t = GateSettings::default().least_score, value_parser = amount)]
    min_effect: f64,
    /// The least difference that matters in costs, as a share of the baseline's
    #[arg(long, value_name = "SHARE", default_value_t = GateSettings::default().least_cost_share, value_parser = amount)]
    min_cost_effect: f64,
    /// Compares what the two share although suite, scenario, or prices are not the same
    #[arg(long)]
    allow_changed: bool,
    /// Intervals also cover what other splits and training seeds would change; needs several replicates
    #[arg(long)]
    across_splits: bool,
    /// Inconclusive lines fail too
    #[arg(long)]
    strict: bool,
    /// Makes the report under test the baseline, whatever the comparison says; the first one where there is none
    #[arg(long)]
    accept: bool,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    format: CheckFormat,
    /// A file to which `--format github` appends the result as Markdown
    #[arg(long, value_name = "FILE", env = "GITHUB_STEP_SUMMARY")]
    summary: Option<OsString>,
    /// Threads; the result does not depend on them [default: all cores]
    #[arg(long)]
    threads: Option<usize>,
}

/// How the result is printed.
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum CheckFormat {
    /// Aligned for a terminal
    #[default]
    Text,
    /// For a pull request
    Markdown,
    /// For other programs
    Json,
    /// Test results as most CI systems show them
    Junit,
    /// Annotations of GitHub Actions
    Github,
}

fn amount(text: &str) -> std::result::Result<f64, String> {
    let amount: f64 = text.parse().map_err(|_| "is no number".to_owned())?;
    (amount.is_finite() && amount >= 0.0).then_some(amount).ok_or_else(|| "must be a number from 0 up".into())
}

pub(super) fn check(arguments: &CheckArguments) -> Result<ExitCode> {
    use_threads(arguments.threads)?;
    let current = report::read_recorded(&arguments.current)?;
    if arguments.accept && !arguments.against.exists() {
        report::write_baseline(&arguments.against, &current)?;
        say(&format!("{}: the first baseline", arguments.against.display()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let baseline = report::read_recorded(&arguments.against)?;
    let settings = GateSettings {
        least_score: arguments.min_effect,
        least_cost_share: arguments.min_cost_effect,
        allow_changed: arguments.allow_changed,
        across_splits: arguments.across_splits,
        strict: arguments.strict,
        ..GateSettings::default()
    };
    let gate = match (&current, &baseline) {
        (Recorded::Offline(current), Recorded::Offline(baseline)) => gate::check(current, baseline, settings),
        (Recorded::Online(current), Recorded::Online(baseline)) => {
            gate::check_online(current, baseline, settings)
        }
        _ => Err(Error::Usage(
            "and its baseline are not of one mode: an online run is compared with an online one".into(),
        )),
    };
    let gate = gate.map_err(|error| match error {
        Error::Usage(problem) | Error::Setting { problem, .. } => Error::file(&arguments.current, problem),
        other => other,
    })?;
    match arguments.format {
        CheckFormat::Text => say(&format::text(&gate)),
        CheckFormat::Markdown => print(&format::markdown(&gate)),
        CheckFormat::Json => print(&format::json(&gate)),
        CheckFormat::Junit => print(&format::junit(&gate)),
        CheckFormat::Github => print(&format::github(&gate)),
    }?;
    let summary = arguments.summary.as_ref().filter(|summary| !summary.is_empty());
    if let Some(summary) = summary.filter(|_| arguments.format == CheckFormat::Github) {
        append(Path::new(summary), &gate)?;
    }
    if arguments.accept {
        report::write_baseline(&arguments.against, &current)?;
        say(&format!("{}: the new baseline", arguments.against.display()))?;
        return Ok(ExitCode::SUCCESS);
    }
    Ok(if gate.is_failure() { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

fn append(path: &Path, gate: &Gate) -> Result<()> {
    fs::append(path, &format!("{}\n", format::markdown(gate)))
}
