//! `plan`.

use std::fmt::Write;
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

/// Numbers of replicates that are looked at.
const REPLICATES: [usize; 5] = [1, 3, 5, 10, 30];
/// Smaller numbers of prompts are not distinguished.
const FEWEST: usize = 30;
/// Nobody plans by larger numbers.
const MOST: usize = 100_000_000;

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
    say(in_words(&plan).trim_end())?;
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
    let mut text = format!(
        "Pilot: {} orders of {} steps. Orders needed to find a true difference of {difference} in {metric} against {} with a \
         probability of {:.0} % (two-sided test at 5 %):\n\n{:<24}{:>12}{:>12}{:>9}\n",
        record.orders.len(),
        record.manifest.n_steps,
        plan.against,
        100.0 * power,
        "learner",
        "pilot saw",
        "error now",
        "orders"
    );
    for (label, observed, error, needed) in &plan.lines {
        let _ = writeln!(text, "{label:<24}{observed:>+12.4}{error:>12.4}{:>9}", number(Some(*needed), 0));
    }
    let most = plan.lines.iter().map(|(_, _, _, needed)| *needed).max().unwrap_or(0);
    let _ = writeln!(
        text,
        "\nRun about {} orders to find a difference of {difference} for every learner.",
        number(Some(most), 2)
    );
    text.push_str(
        "\nOrders hold the same prompts in another order, at other preferences: more of them say nothing of other prompts.",
    );
    say(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// How many are needed, as it is shown.
fn number(needed: Option<usize>, fewest: usize) -> String {
    match needed {
        None => "none".to_owned(),
        Some(needed) if needed < fewest => format!("<{fewest}"),
        Some(needed) if needed > MOST => ">1e8".to_owned(),
        Some(needed) => needed.to_string(),
    }
}

fn in_words(plan: &Plan) -> String {
    let Plan { metric, against, difference, power, n_replicates, n_prompts, .. } = plan;
    let mut text = format!(
        "Pilot: {n_replicates} replicates, {n_prompts} distinct test prompts. Distinct test prompts needed to find a true \
         difference of {difference} in {metric} against {against} with a probability of {:.0} % (two-sided test at 5 %), by \
         number of replicates, and replicates needed with the pilot's prompts:\n\n",
        100.0 * power
    );
    let _ = write!(text, "{:<24}{:>12}{:>12}", "router", "pilot saw", "error now");
    for n in REPLICATES {
        let _ = write!(text, "{n:>9}");
    }
    let _ = writeln!(text, "{:>14}", "replicates");
    for line in &plan.lines {
        let now = line.components.standard_error(*n_prompts, *n_replicates);
        let _ = write!(text, "{:<24}{:>+12.4}{now:>12.4}", line.router, line.observed);
        for n in REPLICATES {
            let needed = line.components.prompts_for(plan.standard_error, n);
            // The normal distribution behind the plan holds from some dozens of prompts on.
            let _ = write!(text, "{:>9}", number(needed, FEWEST));
        }
        let _ = writeln!(text, "{:>14}", number(line.components.replicates_for(plan.standard_error), 0));
    }
    text.push_str(
        "\nnone: no number is enough, since training (for prompts) or prompts (for replicates) add more noise than that. ",
    );
    text.push_str(if *n_replicates == 1 {
        "One replicate cannot tell what training adds: it counts as nothing here, so run the pilot with at least 3."
    } else {
        "What training adds is itself estimated from the pilot's replicates, and is uncertain with few of them."
    });
    text + "\n\n" + &to_do(plan)
}

/// What to do, in a sentence.
fn to_do(plan: &Plan) -> String {
    let (n, difference) = (plan.n_replicates, plan.difference);
    let needed = plan.lines.iter().map(|line| line.components.prompts_for(plan.standard_error, n));
    let needed: Vec<usize> = needed.flatten().collect();
    let plural = if n == 1 { "" } else { "s" };
    let Some(most) = needed.iter().max() else {
        return format!("With {n} replicate{plural} no number of prompts is enough: run more replicates.");
    };
    let whom = if needed.len() == plan.lines.len() {
        "every router".to_owned()
    } else {
        format!("{} of {} routers; the others need more replicates", needed.len(), plan.lines.len())
    };
    format!(
        "Collect about {} distinct test prompts and run {n} replicate{plural} to find a difference of {difference} for {whom}.",
        (*most).max(FEWEST)
    )
}
