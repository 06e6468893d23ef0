//! `train`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use llm_bandit::error::{Error, Result};
use llm_bandit::report;
use llm_bandit::router::SavedRouter;
use llm_bandit::run as simulation;
use llm_bandit::scenario::Scenario;
use llm_bandit::scenario::file::Experiment;

use super::DatasetArguments;
use super::output::{say, say_aside};

/// Arguments of `train`.
#[derive(Args)]
pub(super) struct TrainArguments {
    /// The scenario file, or the folder of a report, whose scenario is taken
    scenario: PathBuf,
    /// The label of the router in the scenario; any but those made elsewhere can be kept
    #[arg(long, value_name = "LABEL")]
    router: String,
    /// The router's file; a copy of the settings inside it goes beside it, with the ending `.toml`
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    datasets: DatasetArguments,
    /// Another root seed than the scenario's
    #[arg(long)]
    seed: Option<u64>,
    /// The replicate whose development prompts it learns from
    #[arg(long, default_value_t = 0)]
    replicate: usize,
    /// No summary of what training found out
    #[arg(long)]
    quiet: bool,
}

pub(super) fn train(arguments: &TrainArguments) -> Result<ExitCode> {
    let path = &arguments.scenario;
    let read = if report::is_report(path) { super::run::of_report(path)? } else { Experiment::read(path)? };
    let Experiment::Offline(mut scenario) = read else {
        let problem = "has `mode = \"online\"`: its learners learn from their own choices while they answer, so nothing is trained before; `run` it";
        return Err(Error::file(path, problem));
    };
    scenario.seed = arguments.seed.unwrap_or(scenario.seed);
    let target = SavedRouter::claim(&arguments.out)?;
    let named = |error: Error| Scenario::place(path, error);
    let suite =
        simulation::suite_of(&scenario.suite, scenario.embeddings.as_deref(), &arguments.datasets.folders())
            .map_err(named)?;
    let router =
        simulation::train(&scenario, suite, &arguments.router, arguments.replicate).map_err(named)?;
    router.write(&target)?;
    if !arguments.quiet {
        router.notes().iter().for_each(|(name, value)| say_aside(&format!("{name}: {value}")));
    }
    say(&format!("{}", arguments.out.display()))?;
    Ok(ExitCode::SUCCESS)
}
