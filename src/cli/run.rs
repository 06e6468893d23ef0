//! `run` and `report`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use llm_bandit::error::{Error, Result};
use llm_bandit::evaluate::{Verdict, judge, summarise};
use llm_bandit::prices::Date;
use llm_bandit::record::Record;
use llm_bandit::scenario::{MOST_REPLICATES, Scenario};
use llm_bandit::{report, run as simulation, suite};

use super::progress::Progress;
use super::{DatasetArguments, say, say_aside, use_threads};

/// Arguments of `run`.
#[derive(Args)]
pub(super) struct RunArguments {
    /// Scenario files, or folders of them; `quickstart` is built in
    #[arg(required = true)]
    scenarios: Vec<PathBuf>,
    #[command(flatten)]
    datasets: DatasetArguments,
    /// The report's folder; several scenarios get one each inside it [default: reports/<scenario>]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Another root seed than the scenario's
    #[arg(long)]
    seed: Option<u64>,
    /// Another number of replicates than the scenario's
    #[arg(long)]
    replicates: Option<usize>,
    /// A price book in the place of the scenario's, or of the suite's own prices; `built-in` is the one inside the program
    #[arg(long, value_name = "FILE")]
    prices: Option<String>,
    /// The day whose prices are taken from it [default: each model's latest]
    #[arg(long, value_name = "DATE", requires = "prices")]
    prices_date: Option<Date>,
    /// Threads; the result does not depend on them [default: all cores]
    #[arg(long)]
    threads: Option<usize>,
    /// No progress
    #[arg(long)]
    quiet: bool,
}

pub(super) fn run(arguments: &RunArguments) -> Result<ExitCode> {
    use_threads(arguments.threads)?;
    let paths = scenario_files(&arguments.scenarios)?;
    // All are read before the first is run: a slip in the last should not cost an hour.
    let scenarios = paths.iter().map(|path| read(path, arguments)).collect::<Result<Vec<_>>>()?;
    let mut code = ExitCode::SUCCESS;
    for (path, scenario) in paths.iter().zip(&scenarios) {
        let out = match &arguments.out {
            Some(out) if scenarios.len() > 1 => out.join(&scenario.name),
            Some(out) => out.clone(),
            None => Path::new("reports").join(&scenario.name),
        };
        if !run_one(path, scenario, &out, arguments)? {
            code = ExitCode::from(1);
        }
    }
    Ok(code)
}

/// Rebuilds a report.
pub(super) fn report(folder: &Path) -> Result<ExitCode> {
    let record = report::read_record(folder)?;
    let summary = summarise(&record);
    let verdicts = judge(&record, &summary)?;
    report::write_report(folder, &record, &summary, &verdicts)?;
    Ok(if tell(&record, folder, &verdicts) { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn read(path: &Path, arguments: &RunArguments) -> Result<Scenario> {
    let mut scenario = Scenario::read(path)?;
    scenario.seed = arguments.seed.unwrap_or(scenario.seed);
    scenario.replicates = arguments.replicates.unwrap_or(scenario.replicates);
    if let Some(prices) = &arguments.prices {
        scenario.cost.prices = Some(prices.clone());
        scenario.cost.prices_date = arguments.prices_date;
    }
    if !(1..=MOST_REPLICATES).contains(&scenario.replicates) {
        return Err(Error::Usage(format!("`--replicates` must be from 1 to {MOST_REPLICATES}")));
    }
    Ok(scenario)
}

/// The files named, and those in the folders named.
fn scenario_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let found = super::inspect::scenarios_in(path)?;
        if found.is_empty() {
            return Err(Error::file(path, "holds no scenario (`*.toml`)"));
        }
        files.extend(found);
    }
    Ok(files)
}

/// Runs a scenario; true where every expectation holds.
fn run_one(path: &Path, scenario: &Scenario, out: &Path, arguments: &RunArguments) -> Result<bool> {
    report::check_target(out)?;
    let named = |error: Error| Scenario::place(path, error);
    let suite = suite::find(&scenario.suite, &arguments.datasets.datasets).map_err(named)?;
    let progress = Progress::new(&scenario.name, arguments.quiet);
    let record = simulation::run(scenario, suite, &|event| progress.show(&event));
    progress.finish();
    let record = record.map_err(named)?;
    let summary = summarise(&record);
    let verdicts = judge(&record, &summary).map_err(named)?;
    report::write_run(out, &record, &summary, &verdicts)?;
    if !arguments.quiet {
        say_aside(&report::overview(&record, &summary));
    }
    Ok(tell(&record, out, &verdicts))
}

/// Says where the report is and which expectations are not met; true where all are.
pub(super) fn tell(record: &Record, folder: &Path, verdicts: &[Verdict]) -> bool {
    say(&format!("{}", folder.join("report.md").display()));
    let unmet: Vec<&Verdict> = verdicts.iter().filter(|verdict| !verdict.holds).collect();
    for verdict in &unmet {
        say_aside(&format!("{}: expectation not met: {}", record.manifest.scenario.name, verdict.words));
    }
    unmet.is_empty()
}
