//! `diff` and `decisions`: choices compared prompt by prompt, and as a file.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use llm_bandit::decisions::{self, Comparison, Decisions, compare_online};
use llm_bandit::error::{Error, Result};
use llm_bandit::preference::Preference;
use llm_bandit::record::online::OnlineRecord;
use llm_bandit::record::{Record, Recorded};
use llm_bandit::report;

use super::output::{print, print_bytes, say};

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
    Text,
    /// The rows alone, for a spreadsheet and the like; `diff` does not read it
    Csv,
    /// The same rows for pandas, DuckDB, and the like; `diff` does not read it
    Parquet,
}

/// Prints the decisions of a router as a file to keep.
pub(super) fn decisions(arguments: &DecisionsArguments) -> Result<ExitCode> {
    let DecisionsArguments { folder, router, format } = arguments;
    let decisions = Side::read(folder)?.decisions(router).map_err(|error| named(folder, error))?;
    match format {
        DecisionsFormat::Text => print(decisions.to_text().trim_end()),
        DecisionsFormat::Csv => print(decisions.to_csv().trim_end()),
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
