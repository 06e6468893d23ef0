//! `diff` and `decisions`: choices compared prompt by prompt, and as a file.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use llm_bandit::decisions::{self, Comparison, Decisions, Texts, compare_online};
use llm_bandit::error::{Error, Result};
use llm_bandit::evaluate::worst_decisions;
use llm_bandit::preference::Preference;
use llm_bandit::record::online::OnlineRecord;
use llm_bandit::record::{Record, Recorded};
use llm_bandit::report;
use llm_bandit::run::suite_of;
use llm_bandit::scenario::Scenario;
use llm_bandit::scenario::online::OnlineScenario;
use llm_bandit::suite::Suite;

use super::DatasetArguments;
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
    /// Compares the prompts that both have although their suites are not the same
    #[arg(long)]
    allow_changed: bool,
    #[command(flatten)]
    datasets: DatasetArguments,
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
        // A page or picture of a report stands for nothing that could be compared.
        let is_page =
            path.extension().is_some_and(|ending| ["html", "md", "svg"].iter().any(|page| ending == *page));
        if path.is_dir() || is_page || !path.exists() {
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

    /// The texts of the suite's prompts by id; none where the suite is not found, is another by now, or has no texts.
    fn texts(&self, folders: &[PathBuf]) -> Texts {
        let (found, hash) = match self {
            Side::Report(record) => {
                let Record { manifest, .. } = &**record;
                let Scenario { suite, embeddings, .. } = &manifest.scenario;
                (suite_of(suite, embeddings.as_deref(), folders), &manifest.suite.content_hash)
            }
            Side::Online(record) => {
                let OnlineRecord { manifest, .. } = &**record;
                let OnlineScenario { suite, embeddings, .. } = &manifest.scenario;
                (suite_of(suite, embeddings.as_deref(), folders), &manifest.suite.content_hash)
            }
            Side::File(decisions) => (suite_of(&decisions.suite, None, folders), &decisions.content_hash),
        };
        let suite = found.ok().map(Suite::in_order_of_ids).filter(|suite| suite.content_hash() == *hash);
        let prompts = suite.into_iter().flat_map(|suite| suite.prompts);
        prompts
            .filter(|prompt| !prompt.text.is_empty())
            .map(|prompt| (prompt.id, prompt.text.to_string()))
            .collect()
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
            let compared = compare_online(before, after, label, arguments.allow_changed);
            return compared.map_err(|error| named(&arguments.after, error));
        }
        let before = side(&before, &arguments.before, label)?;
        let after = side(&after, &arguments.after, label)?;
        decisions::compare(&before, &after, arguments.at, arguments.allow_changed)
            .map_err(|error| named(&arguments.after, error))
    };
    let comparisons = labels.iter().map(compared).collect::<Result<Vec<_>>>()?;
    let differs = comparisons.iter().any(|comparison| comparison.n_flipped() > 0);
    let texts = || if differs { after.texts(&arguments.datasets.folders()) } else { Texts::new() };
    match arguments.format {
        DiffFormat::Text => say(&decisions::text(&comparisons, arguments.top, &texts())),
        DiffFormat::Json => print(&decisions::json(&comparisons, &texts())),
        DiffFormat::Csv => print(&decisions::csv(&comparisons)),
    }?;
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
    /// Instead so many decisions that lost most, with the texts of their prompts where the suite is found and has them
    #[arg(long, value_name = "N", conflicts_with = "format")]
    worst: Option<usize>,
    /// The worst decisions at the preference nearest to this weight of cost against score
    #[arg(long, value_name = "W", value_parser = weight, default_value_t = 0.3, requires = "worst")]
    at: f64,
    #[command(flatten)]
    datasets: DatasetArguments,
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
    let DecisionsArguments { folder, router, format, worst, at, datasets } = arguments;
    if let Some(n_most) = worst {
        return worst_of(folder, router, *at, *n_most, &datasets.folders());
    }
    let decisions = Side::read(folder)?.decisions(router).map_err(|error| named(folder, error))?;
    match format {
        DecisionsFormat::Text => print(decisions.to_text().trim_end()),
        DecisionsFormat::Csv => print(decisions.to_csv().trim_end()),
        DecisionsFormat::Parquet => print_bytes(&decisions.to_parquet()),
    }?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the decisions of a router that lost most.
fn worst_of(folder: &Path, router: &str, at: f64, n_most: usize, folders: &[PathBuf]) -> Result<ExitCode> {
    let side = Side::read(folder)?;
    // Names a label that is not there, or a run that has no such decisions.
    side.decisions(router).map_err(|error| named(folder, error))?;
    let (Side::Report(record), texts) = (&side, side.texts(folders)) else { return Ok(ExitCode::SUCCESS) };
    let entries = &record.manifest.scenario.routers;
    let Some(place) = entries.iter().position(|entry| entry.label == router) else {
        return Ok(ExitCode::SUCCESS);
    };
    let preferences = &record.manifest.preferences;
    let nearest = decisions::nearest(preferences, at);
    let losses = worst_decisions(record, &[place], nearest, n_most).swap_remove(0);
    say(&decisions::worst_text(router, preferences[nearest], &losses, &texts))?;
    Ok(ExitCode::SUCCESS)
}

fn named(path: &Path, error: Error) -> Error {
    match error {
        Error::Usage(problem) => Error::file(path, problem),
        other => other,
    }
}
