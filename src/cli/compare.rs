//! Runs and decisions compared: `check` with a baseline, `diff` and `decisions` prompt by prompt, and `compare`, with what `run` and
//! `report` do with several runs at once.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::output::{print, print_bytes, say, say_aside};
use super::use_threads;
use llm_bandit::decisions::{self, Comparison, Decisions, compare_online};
use llm_bandit::error::{Error, Result};
use llm_bandit::fs::{self, Claim};
use llm_bandit::gate::{self, Gate, GateSettings, format};
use llm_bandit::preference::Preference;
use llm_bandit::record::online::OnlineRecord;
use llm_bandit::record::{Record, Recorded};
use llm_bandit::report;
use llm_bandit::report::overall::{Published, Runs, read_reports, runs_md, splice, write_overall};

/// Arguments of `diff`.
#[derive(Args)]
pub(super) struct DiffArguments {
    /// A report's folder or a file of decisions: before
    before: PathBuf,
    /// Another: after
    after: PathBuf,
    /// How many of the largest flips of each router the text names
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,
    /// Only this router; a file of decisions has one anyway [default: all that both have]
    #[arg(long, value_name = "LABEL")]
    router: Option<String>,
    /// Only at the preference nearest to this weight of cost against score [default: all that both have]
    #[arg(long, value_name = "W", value_parser = weight)]
    at: Option<f64>,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    format: DiffFormat,
    /// Ends with exit code 1 if any choice differs
    #[arg(long)]
    exit_code: bool,
}

/// How the result is printed.
#[derive(Clone, Copy, Default, ValueEnum)]
enum DiffFormat {
    /// Aligned for a terminal
    #[default]
    Text,
    /// Everything, for other programs
    Json,
    /// A row a flip
    Csv,
}

fn weight(text: &str) -> std::result::Result<f64, String> {
    let weight: f64 = text.parse().map_err(|_| "is no number".to_owned())?;
    Preference::new(weight).map(Preference::weight).ok_or_else(|| "must be a number from 0 up".into())
}

/// Why the choices of an online run stand beside those of another online run alone.
const ONE_ONLINE: &str = "is of an online run, whose learner decides each prompt after what it saw before, at a preference of its \
                          own; `diff` compares it with another online run";

/// What a path holds.
enum Side {
    Report(Box<Record>),
    Online(Box<OnlineRecord>),
    File(Decisions),
}

impl Side {
    fn read(path: &Path) -> Result<Side> {
        if path.is_dir() {
            return Ok(match report::read_recorded(path)? {
                Recorded::Offline(record) => Side::Report(record),
                Recorded::Online(record) => Side::Online(record),
            });
        }
        Ok(Side::File(Decisions::read(path)?))
    }

    fn labels(&self) -> Vec<String> {
        match self {
            Side::Report(record) => {
                record.manifest.scenario.routers.iter().map(|entry| entry.label.clone()).collect()
            }
            Side::Online(record) => {
                record.manifest.scenario.routers.iter().map(|entry| entry.label.clone()).collect()
            }
            Side::File(decisions) => vec![decisions.router.clone()],
        }
    }

    /// The decisions of a router; those of a file are whose they are.
    fn decisions(&self, label: &str) -> Result<Decisions> {
        match self {
            Side::Report(record) => Decisions::of(record, label),
            Side::Online(_) => Err(Error::Usage(ONE_ONLINE.into())),
            Side::File(decisions) => Ok(decisions.clone()),
        }
    }
}

pub(super) fn diff(arguments: &DiffArguments) -> Result<ExitCode> {
    let [before, after] = [Side::read(&arguments.before)?, Side::read(&arguments.after)?];
    let labels = match (&arguments.router, &before, &after) {
        (Some(label), ..) => vec![label.clone()],
        (None, _, Side::File(_)) => after.labels(),
        (None, Side::File(_), _) => before.labels(),
        (None, ..) => {
            let others = after.labels();
            before.labels().into_iter().filter(|label| others.contains(label)).collect()
        }
    };
    if labels.is_empty() {
        return Err(Error::file(&arguments.after, "has no router of the same label"));
    }
    let side =
        |side: &Side, path: &Path, label: &str| side.decisions(label).map_err(|error| named(path, error));
    let compared = |label: &String| -> Result<Comparison> {
        if let (Side::Online(before), Side::Online(after)) = (&before, &after) {
            if arguments.at.is_some() {
                let problem =
                    "is of an online run, where each prompt has a preference of its own: leave out `--at`";
                return Err(Error::file(&arguments.after, problem));
            }
            return compare_online(before, after, label).map_err(|error| named(&arguments.after, error));
        }
        let before = side(&before, &arguments.before, label)?;
        let after = side(&after, &arguments.after, label)?;
        decisions::compare(&before, &after, arguments.at).map_err(|error| named(&arguments.after, error))
    };
    let comparisons = labels.iter().map(compared).collect::<Result<Vec<_>>>()?;
    match arguments.format {
        DiffFormat::Text => say(&decisions::text(&comparisons, arguments.top)),
        DiffFormat::Json => print(&decisions::json(&comparisons)),
        DiffFormat::Csv => print(&decisions::csv(&comparisons)),
    }?;
    let differs = comparisons.iter().any(|comparison| comparison.n_flipped() > 0);
    Ok(if arguments.exit_code && differs { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// Arguments of `decisions`.
#[derive(Args)]
pub(super) struct DecisionsArguments {
    /// The report's folder
    folder: PathBuf,
    /// The label of the router
    #[arg(long, value_name = "LABEL")]
    router: String,
    /// How the decisions are printed
    #[arg(long, value_enum, default_value_t)]
    format: DecisionsFormat,
}

/// How decisions are printed.
#[derive(Clone, Copy, Default, ValueEnum)]
enum DecisionsFormat {
    /// A text to commit and to compare by `diff`: a header, then CSV
    #[default]
    Csv,
    /// The same rows for pandas, DuckDB, and the like; `diff` does not read it
    Parquet,
}

/// Prints the decisions of a router as a file to keep.
pub(super) fn decisions(arguments: &DecisionsArguments) -> Result<ExitCode> {
    let DecisionsArguments { folder, router, format } = arguments;
    let decisions = Side::read(folder)?.decisions(router).map_err(|error| named(folder, error))?;
    match format {
        DecisionsFormat::Csv => print(decisions.to_text().trim_end()),
        DecisionsFormat::Parquet => print_bytes(&decisions.to_parquet()),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn named(path: &Path, error: Error) -> Error {
    match error {
        Error::Usage(problem) => Error::file(path, problem),
        other => other,
    }
}

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

/// Arguments of `compare`.
#[derive(Args)]
pub(super) struct CompareArguments {
    /// Folders of reports, or folders of such folders
    #[arg(required = true, value_name = "DIR")]
    reports: Vec<PathBuf>,
    /// Writes overall.md, overall.csv, and critical-difference.svg into this folder instead of printing the table
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) fn compare(arguments: &CompareArguments) -> Result<ExitCode> {
    let runs = read_reports(&arguments.reports)?;
    match &arguments.out {
        Some(out) => write(out, &runs)?,
        None => print(runs_md(&runs).trim_end())?,
    }
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
