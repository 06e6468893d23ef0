//! `list`, `verify`, `synth`, and `subset`: suites as they are, made, and cut down.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use llm_bandit::error::{Error, Result};
use llm_bandit::fs;
use llm_bandit::record::Recorded;
use llm_bandit::report;
use llm_bandit::run::{self, suite_of};
use llm_bandit::scenario::Scenario;
use llm_bandit::scenario::file::Experiment;
use llm_bandit::suite::synthetic::SyntheticSettings;
use llm_bandit::suite::{self, SubsetSettings, Suite, SuiteCheck, find, is_suite};

use super::DatasetArguments;
use super::output::{say, say_aside};
use super::starter::name_of_suite;

/// Where scenarios are listed from.
const SCENARIOS: &str = "scenarios";

pub(super) fn list(folders: &[PathBuf]) -> Result<ExitCode> {
    say("suites:")?;
    for (name, place) in suite::list(folders)? {
        say(&format!("  {name:<28} {place}"))?;
    }
    say("scenarios:")?;
    let mut paths = vec![PathBuf::from("quickstart")];
    if Path::new(SCENARIOS).is_dir() {
        let mut inner: Vec<PathBuf> =
            fs::entries(Path::new(SCENARIOS))?.into_iter().filter(|path| path.is_dir()).collect();
        inner.insert(0, SCENARIOS.into());
        paths.clear();
        for folder in inner {
            paths.extend(scenarios_in(&folder)?);
        }
    }
    for path in paths {
        match Experiment::read(&path) {
            Ok(experiment) => {
                say(&format!("  {:<40} {}", path.display().to_string(), experiment.description()))?;
            }
            Err(error) => say_aside(&format!("  {error}")),
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn verify(paths: &[PathBuf], folders: &[PathBuf]) -> Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for path in paths {
        let checked = if report::is_report(path) {
            verify_report(path)
        } else if let Some(problem) = misplaced(path) {
            Err(Error::file(path, problem))
        } else if path.is_dir() {
            verify_suite(Suite::read(path))
        } else if let Some(name) = name_of_suite(path, folders).ok().flatten() {
            verify_suite(suite::find(&name, folders))
        } else {
            verify_scenario(path, folders)
        };
        if let Err(error) = checked {
            say_aside(&format!("error: {error}"));
            code = ExitCode::from(2);
        }
    }
    Ok(code)
}

/// Where the report is that a path means which is neither suite nor scenario.
fn misplaced(path: &Path) -> Option<String> {
    let is_scenario = path.extension().is_some_and(|ending| ending == "toml");
    if is_suite(path) || is_scenario { None } else { report::nearby(path) }
}

fn verify_suite(suite: Result<Suite>) -> Result<()> {
    say(&SuiteCheck::new(&suite?.in_order_of_ids()).to_string())?;
    Ok(())
}

fn verify_report(folder: &Path) -> Result<()> {
    let report::Verified { record, record_hash, n_files } = report::verify(folder)?;
    let (n_cells, theirs) = match &record {
        Recorded::Offline(record) => {
            (record.choices.iter().map(Vec::len).sum::<usize>(), &record.manifest.program_version)
        }
        Recorded::Online(record) => {
            (record.logs.iter().map(Vec::len).sum::<usize>(), &record.manifest.program_version)
        }
    };
    let ours = env!("CARGO_PKG_VERSION");
    let version = if theirs == ours {
        String::new()
    } else {
        format!(", though by version {theirs} and not {ours} of the program")
    };
    say(&format!(
        "{}: verified; choices of {n_cells} cells are those committed to, {n_files} files are what the record gives\
         {version}; record {record_hash}",
        folder.display()
    ))?;
    Ok(())
}

fn verify_scenario(path: &Path, folders: &[PathBuf]) -> Result<()> {
    let experiment = Experiment::read(path)?;
    let named = |error: Error| Scenario::place(path, error);
    let (suite, embeddings) = experiment.suite();
    let suite = suite_of(suite, embeddings, folders).map_err(named)?;
    let words = match &experiment {
        Experiment::Offline(scenario) => {
            let words = run::check(scenario, suite).map_err(named)?;
            format!("{} routers, {} replicates; {words}", scenario.routers.len(), scenario.replicates)
        }
        Experiment::Online(scenario) => {
            let words = run::online::check(scenario, suite).map_err(named)?;
            format!("online, {} routers, {} orders; {words}", scenario.routers.len(), scenario.online.orders)
        }
    };
    say(&format!("{}: sound; {words}", path.display()))?;
    Ok(())
}

pub(super) fn synth(settings: &Path, out: &Path, seed: Option<u64>, is_forced: bool) -> Result<ExitCode> {
    let mut settings = SyntheticSettings::read(settings)?;
    settings.seed = seed.unwrap_or(settings.seed);
    let claim = Suite::claim(out, is_forced)?;
    let suite = settings.generate()?.suite;
    suite.write_over(&claim)?;
    say(&format!("{}", out.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// The scenario files of a folder, by name.
pub(super) fn scenarios_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = fs::entries(folder)?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    Ok(files)
}

/// Arguments of `subset`.
#[derive(Args)]
pub(super) struct SubsetArguments {
    /// A suite's name, or its folder
    suite: String,
    #[command(flatten)]
    datasets: DatasetArguments,
    /// The folder of the smaller suite
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// So many prompts, each benchmark and task in its share [default: all]
    #[arg(long, value_name = "N")]
    prompts: Option<usize>,
    /// Only these benchmarks
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    benchmarks: Vec<String>,
    /// Embeddings cut to their leading directions, so many
    #[arg(long, value_name = "N")]
    dimensions: Option<usize>,
    /// Leaves the texts out, and of prompts with the same text all but one
    #[arg(long)]
    without_texts: bool,
    /// Of the draw
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Replace a suite that is there
    #[arg(long)]
    force: bool,
}

pub(super) fn subset(arguments: &SubsetArguments) -> Result<ExitCode> {
    let claim = Suite::claim(&arguments.out, arguments.force)?;
    let settings = SubsetSettings {
        benchmarks: arguments.benchmarks.clone(),
        n_prompts: arguments.prompts,
        n_dimensions: arguments.dimensions,
        without_texts: arguments.without_texts,
        seed: arguments.seed,
    };
    let named = |error| match error {
        Error::Usage(problem) => Error::Usage(format!("{}: {problem}", arguments.suite)),
        other => other,
    };
    let suite = find(&arguments.suite, &arguments.datasets.folders())?;
    suite.subset(&settings).map_err(named)?.write_over(&claim)?;
    say(&format!("{}", arguments.out.display()))?;
    Ok(ExitCode::SUCCESS)
}
