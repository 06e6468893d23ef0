//! `run` and `report`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use llm_bandit::date::Date;
use llm_bandit::error::{Error, Result};
use llm_bandit::evaluate::{Verdict, judge, summarise};
use llm_bandit::fs::{self, Claim};
use llm_bandit::record::Record;
use llm_bandit::report;
use llm_bandit::run::CellCache;
use llm_bandit::run::{stress, suite_of};
use llm_bandit::scenario::{CostSettings, MOST_REPLICATES, Scenario};
use sha2::{Digest, Sha256};

use super::output::{say, say_aside};
use super::progress::Progress;
use super::timings::Timings;
use super::{DatasetArguments, use_threads};

/// Arguments of `run`.
#[derive(Args)]
pub(super) struct RunArguments {
    /// Scenario files, or folders of them; `quickstart` is built in
    #[arg(required = true)]
    scenarios: Vec<PathBuf>,
    #[command(flatten)]
    datasets: DatasetArguments,
    /// The report's folder; several scenarios get one each inside it [default: reports/<scenario>, or reports/<folder>/<scenario>]
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
    /// Train every cell anew: take up nothing that an interrupted run has finished
    #[arg(long)]
    fresh: bool,
    /// Write `timings.csv` beside the report; use `--threads 1` for clean numbers
    #[arg(long)]
    timings: bool,
    /// No progress
    #[arg(long)]
    quiet: bool,
}

impl RunArguments {
    /// Puts the price book of the command line in the place of the scenario's.
    fn put_prices(&self, cost: &mut CostSettings) {
        if let Some(prices) = &self.prices {
            cost.prices = Some(prices.clone());
            cost.prices_date = self.prices_date;
        }
    }
}

pub(super) fn run(arguments: &RunArguments) -> Result<ExitCode> {
    use_threads(arguments.threads)?;
    let paths = scenario_files(&arguments.scenarios)?;
    let (paths, mut online) = super::online::part(paths, arguments.seed)?;
    online.iter_mut().for_each(|(_, scenario)| arguments.put_prices(&mut scenario.cost));
    // All are read before the first is run: a slip in the last should not cost an hour.
    let scenarios = paths.iter().map(|path| read(path, arguments)).collect::<Result<Vec<_>>>()?;
    let base = base(arguments);
    let is_one = scenarios.len() + online.len() == 1;
    let out_of = |name: &str| match &arguments.out {
        Some(out) if is_one => out.clone(),
        _ => base.join(name),
    };
    let claim = |name: &String| report::claim(&out_of(name));
    let claims = scenarios.iter().map(|scenario| claim(&scenario.name)).collect::<Result<Vec<_>>>()?;
    let online_claims =
        online.iter().map(|(_, scenario)| claim(&scenario.name)).collect::<Result<Vec<_>>>()?;
    let mut code = ExitCode::SUCCESS;
    for ((path, scenario), claim) in paths.iter().zip(&scenarios).zip(&claims) {
        if !run_one(path, scenario, claim, arguments)? {
            code = ExitCode::from(1);
        }
    }
    for ((path, scenario), claim) in online.iter().zip(&online_claims) {
        let settings = (arguments.datasets.datasets.as_slice(), arguments.quiet);
        if !super::online::run(path, scenario, claim, settings)? {
            code = ExitCode::from(1);
        }
    }
    if scenarios.len() > 1 {
        let reports: Vec<PathBuf> = scenarios.iter().map(|scenario| out_of(&scenario.name)).collect();
        super::compare::write_all(&base, &reports)?;
    }
    Ok(code)
}

/// The folder of several reports: `--out`, or below `reports` that of the folder of scenarios that was named.
fn base(arguments: &RunArguments) -> PathBuf {
    let reports = PathBuf::from("reports");
    match (&arguments.out, &arguments.scenarios[..]) {
        (Some(out), _) => out.clone(),
        (None, [folder]) if folder.is_dir() => {
            folder.file_name().map_or_else(|| reports.clone(), |name| reports.join(name))
        }
        _ => reports,
    }
}

/// Arguments of `report`.
#[derive(Args)]
pub(super) struct ReportArguments {
    /// A report's folder, or a folder of reports
    folder: PathBuf,
    /// Puts the overall table into a text between `<!-- llm-bandit:overall -->` and `<!-- /llm-bandit:overall -->`, of the
    /// suites whose licence allows publishing figures
    #[arg(long, value_name = "FILE")]
    splice: Option<PathBuf>,
}

/// Rebuilds a report, or all reports of a folder and their overall table.
pub(super) fn report(arguments: &ReportArguments) -> Result<ExitCode> {
    let ReportArguments { folder, splice } = arguments;
    let is_one = report::is_report(folder) || !folder.is_dir();
    let reports = if is_one { vec![folder.clone()] } else { report::overall::report_folders(folder)? };
    let (mut code, mut offline) = (ExitCode::SUCCESS, Vec::new());
    for report in reports {
        let is_met = if let Some(is_met) = super::online::report(&report)? {
            is_met
        } else {
            let is_met = rebuild(&report)?;
            offline.push(report);
            is_met
        };
        if !is_met {
            code = ExitCode::from(1);
        }
    }
    if !is_one && !offline.is_empty() {
        super::compare::write_all(folder, &offline)?;
    }
    if let Some(text) = splice {
        super::compare::splice_into(text, folder)?;
    }
    Ok(code)
}

fn rebuild(folder: &Path) -> Result<bool> {
    let record = report::read_record(folder)?;
    let summary = summarise(&record);
    let verdicts = judge(&record, &summary)?;
    report::rebuild(folder, &record, &summary, &verdicts)?;
    tell(&record, folder, &verdicts)
}

fn read(path: &Path, arguments: &RunArguments) -> Result<Scenario> {
    let mut scenario = Scenario::read(path)?;
    scenario.seed = arguments.seed.unwrap_or(scenario.seed);
    scenario.replicates = arguments.replicates.unwrap_or(scenario.replicates);
    arguments.put_prices(&mut scenario.cost);
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
fn run_one(path: &Path, scenario: &Scenario, claim: &Claim, arguments: &RunArguments) -> Result<bool> {
    let named = |error: Error| Scenario::place(path, error);
    let suite = suite_of(scenario, &arguments.datasets.datasets).map_err(named)?;
    let progress = Progress::new(&scenario.name, arguments.quiet);
    let timings = Timings::default();
    let kept = program().map(|program| CellCache::new(report::partial_folder(claim), program));
    if let Some(kept) = kept.as_ref().filter(|_| arguments.fresh) {
        kept.clear()?;
    }
    let watch = |event| {
        timings.note(&event);
        progress.show(&event);
    };
    let stressed = stress(scenario, suite, kept.as_ref(), &watch);
    progress.finish();
    let stressed = stressed.map_err(named)?;
    let record = &stressed.twin;
    let summary = summarise(record);
    let verdicts = judge(record, &summary).map_err(named)?;
    report::write_stressed_run(claim, &stressed, &summary, &verdicts)?;
    if let Some(kept) = kept {
        kept.clear()?;
    }
    if arguments.timings {
        timings.write(claim.path(), record)?;
    }
    if !arguments.quiet {
        say_aside(&report::overview(record, &summary));
    }
    tell(record, claim.path(), &verdicts)
}

/// What tells this build from any other: the version and the hash of the executable. A program that cannot read itself
/// keeps no cells.
fn program() -> Option<String> {
    let bytes = fs::read(&std::env::current_exe().ok()?).ok()?;
    let hash: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    Some(format!("{} {hash}", env!("CARGO_PKG_VERSION")))
}

/// Says where the report is and which expectations are not met; true where all are.
pub(super) fn tell(record: &Record, folder: &Path, verdicts: &[Verdict]) -> Result<bool> {
    say(&format!("{}", folder.join("report.md").display()))?;
    let unmet: Vec<&Verdict> = verdicts.iter().filter(|verdict| !verdict.holds).collect();
    for verdict in &unmet {
        say_aside(&format!("{}: expectation not met: {}", record.manifest.scenario.name, verdict.words));
    }
    Ok(unmet.is_empty())
}
