//! `plan`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use llm_bandit::error::{Error, Result};
use llm_bandit::evaluate::{POWER, Plan, online, summarise};
use llm_bandit::record::Recorded;
use llm_bandit::record::online::OnlineRecord;
use llm_bandit::report;
use llm_bandit::scenario::file::Experiment;

use super::output::say;
use super::use_threads;

/// Arguments of `plan`.
#[derive(Args)]
pub(super) struct PlanArguments {
    /// The scenario; its `[evidence]` says what is compared on which metric
    scenario: PathBuf,
    /// The report of a pilot: the scenario run with a few replicates [default: reports/<scenario>]
    #[arg(long, value_name = "DIR")]
    pilot: Option<PathBuf>,
    /// The true difference that is to be found
    #[arg(long, value_name = "X", default_value_t = 0.01)]
    difference: f64,
    /// The probability of finding it
    #[arg(long, value_name = "SHARE", default_value_t = POWER)]
    power: f64,
    /// Another metric than the scenario's primary one
    #[arg(long)]
    metric: Option<String>,
    /// Threads; the result does not depend on them [default: all cores]
    #[arg(long)]
    threads: Option<usize>,
}

pub(super) fn plan(arguments: &PlanArguments) -> Result<ExitCode> {
    use_threads(arguments.threads)?;
    if report::is_report(&arguments.scenario) {
        let shown = arguments.scenario.display();
        let problem =
            format!("is a report; the scenario comes first: `llm-bandit plan SCENARIO --pilot {shown}`");
        return Err(Error::file(&arguments.scenario, problem));
    }
    let experiment = Experiment::read(&arguments.scenario)?;
    let pilot = arguments.pilot.clone().unwrap_or_else(|| Path::new("reports").join(experiment.name()));
    if !report::is_report(&pilot) && report::nearby(&pilot).is_none() {
        let problem = format!(
            "holds no report; make a pilot with `llm-bandit run {} --replicates 3`",
            arguments.scenario.display()
        );
        return Err(Error::file(&pilot, problem));
    }
    let recorded = report::read_recorded(&pilot)?;
    if recorded.name() != experiment.name() {
        let problem = format!("is a report of `{}`, not of `{}`", recorded.name(), experiment.name());
        return Err(Error::file(&pilot, problem));
    }
    let (scenario, mut record) = match (experiment, recorded) {
        (Experiment::Offline(scenario), Recorded::Offline(record)) => (scenario, record),
        (Experiment::Online(_), Recorded::Online(record)) => return plan_orders(arguments, &pilot, &record),
        _ => {
            return Err(Error::file(
                &pilot,
                "is not of the scenario's mode: one is online, the other offline",
            ));
        }
    };
    record.manifest.scenario.evidence = scenario.evidence;
    let summary = summarise(&record);
    summary.check().map_err(|error| Error::file(&pilot, error.to_string()))?;
    let evidence = summary.evidence.ok_or_else(|| Error::file(&pilot, "has no evidence to plan by"))?;
    let metric = arguments.metric.as_deref();
    let plan = Plan::new(&record, &evidence, metric, arguments.difference, arguments.power)?;
    say(&report::plan_text(&plan))?;
    Ok(ExitCode::SUCCESS)
}

/// How many orders of an online scenario are needed.
fn plan_orders(arguments: &PlanArguments, pilot: &Path, record: &OnlineRecord) -> Result<ExitCode> {
    let PlanArguments { difference, power, metric, .. } = arguments;
    let metric = metric.as_deref().unwrap_or("mean-utility");
    let plan = online::plan_orders(record, metric, *difference, *power).map_err(|error| match error {
        Error::Usage(problem) => Error::file(pilot, problem),
        other => other,
    })?;
    say(&report::orders_text(&plan))?;
    Ok(ExitCode::SUCCESS)
}
