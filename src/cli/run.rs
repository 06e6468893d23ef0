//! `run` and `report`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use llm_bandit::date::Date;
use llm_bandit::error::{Error, Result};
use llm_bandit::evaluate::{self, Goal, Verdict, judge, summarise};
use llm_bandit::fs::{self, Claim};
use llm_bandit::record::Recorded;
use llm_bandit::record::online::OnlineRecord;
use llm_bandit::report;
use llm_bandit::run::{CellCache, Fits, Stressed, online, stress, suite_of};
use llm_bandit::scenario::file::Experiment;
use llm_bandit::scenario::online::OnlineScenario;
use llm_bandit::scenario::{Scenario, starter};
use llm_bandit::suite::{Suite, find, locate};
use sha2::{Digest, Sha256};

use super::cells::{self, Sharing};
use super::output::{Progress, TimedCell, Timings};
use super::output::{say, say_aside, say_table};
use super::starter::{is_suite_folder, name_of_suite};
use super::{DatasetArguments, use_threads};

/// Where suites are, and what stands in the place of a scenario's own settings.
#[derive(Args, Default)]
pub(super) struct SettingArguments {
    #[command(flatten)]
    pub(super) datasets: DatasetArguments,
    /// Another root seed than the scenario's
    #[arg(long)]
    seed: Option<u64>,
    /// Another number of replicates than the scenario's; of orders, where it is online
    #[arg(long)]
    replicates: Option<usize>,
    /// A price book in the place of the scenario's, or of the suite's own prices; `built-in` is the one inside the program
    #[arg(long, value_name = "FILE")]
    prices: Option<String>,
    /// The day whose prices are taken from it [default: each model's latest]
    #[arg(long, value_name = "DATE", requires = "prices")]
    prices_date: Option<Date>,
}

/// Arguments of `run`.
#[derive(Args, Default)]
pub(super) struct RunArguments {
    /// Scenario files, folders of them, suites, which get a scenario of their own, or a report's folder, whose scenario is run
    /// again with every setting as it was; `quickstart` is built in
    #[arg(required = true)]
    scenarios: Vec<PathBuf>,
    #[command(flatten)]
    settings: SettingArguments,
    /// The report's folder; several scenarios get one each inside it [default: reports/<scenario>, or reports/<folder>/<scenario>]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Threads; the result does not depend on them [default: all cores]
    #[arg(long)]
    threads: Option<usize>,
    /// Train every cell anew: take up nothing that an interrupted run has finished, and remove the cells of `--cells`
    #[arg(long)]
    fresh: bool,
    #[command(flatten)]
    sharing: cells::SharingArguments,
    /// Write `timings.csv` beside the report: each router then fits everything for itself; use `--threads 1` for clean numbers
    #[arg(long)]
    timings: bool,
    /// No progress
    #[arg(long)]
    quiet: bool,
    /// Whether somebody else says what to take
    #[arg(skip)]
    is_advised: bool,
}

pub(super) fn run(arguments: &RunArguments) -> Result<ExitCode> {
    use_threads(arguments.threads)?;
    // All are read before the first is run: a slip in the last should not cost an hour.
    let (experiments, notices) = experiments(&arguments.scenarios, &arguments.settings)?;
    let base = base(arguments);
    let out_of = |name: &str| match &arguments.out {
        Some(out) if experiments.len() == 1 => out.clone(),
        _ => base.join(name),
    };
    let sharing = &arguments.sharing;
    let sharing = Sharing { arguments: sharing, settings: &arguments.settings, experiments: &experiments };
    if sharing.arguments.list_cells {
        return sharing.list(&|name| report::partial_folder(&out_of(name)));
    }
    if let Some(shard) = sharing.arguments.shard {
        return sharing.train(shard, arguments.quiet);
    }
    let shared = sharing.cache()?;
    if let Some(shared) = shared.as_ref().filter(|_| !arguments.fresh) {
        sharing.survey(shared)?;
    }
    // A suite that is not there leaves no folder behind.
    let folders = arguments.settings.datasets.folders();
    for (path, experiment) in &experiments {
        locate(experiment.suite().0, &folders)
            .map_err(|error| Scenario::place(path, error.within("suite")))?;
    }
    let claim = |(_, experiment): &(PathBuf, Experiment)| report::claim(&out_of(experiment.name()));
    let claims = experiments.iter().map(claim).collect::<Result<Vec<_>>>()?;
    if let Some(shared) = shared.as_ref().filter(|_| arguments.fresh) {
        shared.clear()?;
    }
    let mut code = ExitCode::SUCCESS;
    for (((path, experiment), notice), claim) in experiments.iter().zip(notices).zip(&claims) {
        if !run_one((path, experiment, notice), claim, shared.as_ref(), arguments)? {
            code = ExitCode::from(1);
        }
    }
    if claims.len() > 1 {
        let reports: Vec<PathBuf> = claims.iter().map(|claim| claim.path().to_owned()).collect();
        super::compare::write_all(&base, &reports)?;
    }
    Ok(code)
}

/// A scenario and its file.
type Named = (PathBuf, Experiment);

/// The scenarios that are named, each with its file, with these settings in the place of their own; and what is to be said of each
/// before it is run.
pub(super) fn experiments(
    named: &[PathBuf],
    settings: &SettingArguments,
) -> Result<(Vec<Named>, Vec<String>)> {
    let with_scenario =
        |path: PathBuf| read(&path, settings).map(|(experiment, notice)| ((path, experiment), notice));
    let read = scenario_files(named)?.into_iter().map(with_scenario).collect::<Result<Vec<_>>>()?;
    Ok(read.into_iter().unzip())
}

/// The suite of a scenario; a fault names the scenario's file.
pub(super) fn suite_for(path: &Path, experiment: &Experiment, settings: &SettingArguments) -> Result<Suite> {
    let (suite, embeddings) = experiment.suite();
    suite_of(suite, embeddings, &settings.datasets.folders()).map_err(|error| Scenario::place(path, error))
}

/// Runs a suite that has no scenario.
pub(super) fn run_suite(folder: PathBuf, out: PathBuf, quiet: bool) -> Result<ExitCode> {
    let scenarios = vec![folder];
    run(&RunArguments { scenarios, out: Some(out), quiet, is_advised: true, ..RunArguments::default() })
}

/// The folder of several reports: `--out`, or below `reports` that of the folder of scenarios that was named.
fn base(arguments: &RunArguments) -> PathBuf {
    let reports = PathBuf::from("reports");
    match (&arguments.out, &arguments.scenarios[..]) {
        (Some(out), _) => out.clone(),
        (None, [folder]) if folder.is_dir() && !report::is_report(folder) && !is_suite_folder(folder) => {
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
    /// Writes `points` and `summary` in this format too, beside the CSV files; once written they are kept up to date
    #[arg(long, value_enum)]
    format: Option<TableFormat>,
}

/// A format of tables for other programs.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TableFormat {
    /// For pandas, DuckDB, and the like
    Parquet,
}

/// Rebuilds a report, or all reports of a folder and their overall table.
pub(super) fn report(arguments: &ReportArguments) -> Result<ExitCode> {
    let ReportArguments { folder, splice, format } = arguments;
    let is_one = report::is_report(folder) || !folder.is_dir();
    let reports = if is_one { vec![folder.clone()] } else { report::overall::report_folders(folder)? };
    let mut code = ExitCode::SUCCESS;
    for report in &reports {
        if !rebuild(report, *format == Some(TableFormat::Parquet))? {
            code = ExitCode::from(1);
        }
    }
    if !is_one {
        super::compare::write_all(folder, &reports)?;
    }
    if let Some(text) = splice {
        super::compare::splice_into(text, folder)?;
    }
    Ok(code)
}

fn rebuild(folder: &Path, with_parquet: bool) -> Result<bool> {
    match report::read_recorded(folder)? {
        Recorded::Offline(record) => {
            let summary = summarise(&record);
            let verdicts = judge(&record, &summary)?;
            report::rebuild(folder, &record, &summary, &verdicts, with_parquet)?;
            tell(&record.manifest.scenario.name, folder, &verdicts)
        }
        Recorded::Online(record) => {
            let summary = evaluate::online::summarise(&record);
            let verdicts = evaluate::online::judge(&record, &summary)?;
            report::online::rebuild(folder, &record, &summary, &verdicts, with_parquet)?;
            tell(&record.manifest.scenario.name, folder, &verdicts)
        }
    }
}

/// The scenario of a report, with every setting as it was run. Paths in it were relative to where that was: the report's folder or
/// one around it.
pub(super) fn of_report(folder: &Path) -> Result<Experiment> {
    let whole = fs::canonical(folder)?;
    let find = |path: &mut String| {
        let given = Path::new(path.as_str());
        if given.components().count() == 1 || given.exists() {
            return;
        }
        if let Some(there) = whole.ancestors().map(|above| above.join(given)).find(|there| there.exists()) {
            *path = there.display().to_string();
        }
    };
    Ok(match report::read_recorded(folder)? {
        Recorded::Offline(record) => {
            let mut scenario = record.manifest.scenario;
            find(&mut scenario.suite);
            scenario.embeddings.iter_mut().for_each(find);
            Experiment::Offline(Box::new(scenario))
        }
        Recorded::Online(record) => {
            let mut scenario = record.manifest.scenario;
            find(&mut scenario.suite);
            scenario.embeddings.iter_mut().for_each(find);
            Experiment::Online(Box::new(scenario))
        }
    })
}

fn read(path: &Path, settings: &SettingArguments) -> Result<(Experiment, String)> {
    let mut notice = String::new();
    let mut experiment = if report::is_report(path) {
        of_report(path)?
    } else if let Some(name) = name_of_suite(path, &settings.datasets.folders())? {
        let text = starter(&name, &find(&name, &settings.datasets.folders())?);
        let given = path.display();
        notice = format!(
            "no scenario for `{given}`: this one is run; `llm-bandit init {given} > mine.toml` keeps it to be changed\n\n{text}"
        );
        let stem = path.file_name().unwrap_or_default();
        Experiment::parse(&PathBuf::from(stem).with_added_extension("toml"), &text)?
    } else {
        Experiment::read(path)?
    };
    let prices = settings.prices.as_deref().map(|book| (book, settings.prices_date));
    experiment.put(settings.seed, settings.replicates, prices)?;
    Ok((experiment, notice))
}

/// The files and reports named, and the files in the other folders named.
fn scenario_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() || report::is_report(path) || is_suite_folder(path) {
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

/// What is said of a run once its report is written.
struct Ran<'a> {
    verdicts: Vec<Verdict>,
    overview: String,
    /// In lines; empty where there is nothing to advise by.
    advice: Vec<String>,
    cells: Vec<TimedCell<'a>>,
}

/// Runs a scenario; true where every expectation holds.
fn run_one(
    (path, experiment, notice): (&Path, &Experiment, String),
    claim: &Claim,
    shared: Option<&CellCache>,
    arguments: &RunArguments,
) -> Result<bool> {
    let named = |error: Error| Scenario::place(path, error);
    let suite = suite_for(path, experiment, &arguments.settings)?;
    let progress = Progress::new(experiment.name(), experiment.unit(), notice, arguments.quiet);
    let timings = Timings::default();
    let own = match shared {
        Some(_) => None,
        None => program().map(|build| CellCache::new(report::partial_folder(claim.path()), build)),
    };
    if let Some(own) = own.as_ref().filter(|_| arguments.fresh) {
        own.clear()?;
    }
    let kept = shared.or(own.as_ref());
    let watch = |event| {
        timings.note(&event);
        progress.show(&event);
    };
    let ran = match experiment {
        Experiment::Offline(scenario) => {
            // A fit that is shared would count for whoever asked first.
            let fits = if arguments.timings { Fits::Alone } else { Fits::Shared };
            let stressed = stress(scenario, suite, fits, kept, &watch);
            progress.finish();
            report_offline(scenario, &stressed.map_err(named)?, claim).map_err(named)
        }
        Experiment::Online(scenario) => {
            let record = online::resume(scenario, suite, kept, &watch);
            progress.finish();
            report_online(scenario, &record.map_err(named)?, claim).map_err(named)
        }
    };
    let Ran { verdicts, overview, advice, cells } = ran?;
    if let Some(own) = own {
        own.clear()?;
    }
    if arguments.timings {
        timings.write(claim.path(), experiment.unit(), cells.into_iter())?;
    }
    if !arguments.quiet {
        say_table(&overview);
        if !arguments.is_advised && !advice.is_empty() {
            say_aside(&format!("\n{}", advice.join("\n")));
        }
        let page = claim.path().join("report.html");
        say_aside(&format!("\ndone in {}; open {}", progress.elapsed(), page.display()));
    }
    tell(experiment.name(), claim.path(), &verdicts)
}

/// Writes the report of an offline run.
fn report_offline<'a>(scenario: &'a Scenario, stressed: &Stressed, claim: &Claim) -> Result<Ran<'a>> {
    let record = &stressed.twin;
    let summary = summarise(record);
    let verdicts = judge(record, &summary)?;
    report::write_stressed_run(claim, stressed, &summary, &verdicts)?;
    let cells = record.choices.iter().enumerate().flat_map(|(number, choices)| {
        scenario.routers.iter().zip(choices).map(move |(entry, choices)| {
            let n_decisions = choices.n_prompts() * choices.n_preferences();
            TimedCell { number, router: &entry.label, n_decisions }
        })
    });
    let advice = super::advise::of(record, &summary, Goal::Save, claim.path()).unwrap_or_default();
    Ok(Ran { verdicts, overview: report::overview(record, &summary), advice, cells: cells.collect() })
}

/// Writes the report of an online run.
fn report_online<'a>(scenario: &'a OnlineScenario, record: &OnlineRecord, claim: &Claim) -> Result<Ran<'a>> {
    let summary = evaluate::online::summarise(record);
    let verdicts = evaluate::online::judge(record, &summary)?;
    report::online::write_run(claim, record, &summary, &verdicts)?;
    let n_decisions = record.manifest.n_steps;
    let cells = (0..record.orders.len()).flat_map(|number| {
        let cell = move |router| TimedCell { number, router, n_decisions };
        scenario.routers.iter().map(move |entry| cell(entry.label.as_str()))
    });
    let overview = report::online::overview(record, &summary);
    Ok(Ran { verdicts, overview, advice: Vec::new(), cells: cells.collect() })
}

/// What tells this build from any other: the version and the hash of the executable. A program that cannot read itself
/// keeps no cells.
pub(super) fn program() -> Option<String> {
    let bytes = fs::read(&std::env::current_exe().ok()?).ok()?;
    let hash: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    Some(format!("{} {hash}", env!("CARGO_PKG_VERSION")))
}

/// Says where the report is and which expectations are not met; true where all are.
pub(super) fn tell(name: &str, folder: &Path, verdicts: &[Verdict]) -> Result<bool> {
    say(&format!("{}", folder.join("report.md").display()))?;
    let unmet: Vec<&Verdict> = verdicts.iter().filter(|verdict| !verdict.holds).collect();
    for verdict in &unmet {
        say_aside(&format!("{name}: expectation not met: {}", verdict.words));
    }
    Ok(unmet.is_empty())
}
