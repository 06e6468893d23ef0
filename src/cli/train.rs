//! `train`, `route`, and `estimate`: a router in a file, its decisions as lines of JSON, and what a log says of it.

use std::io::{BufReader, Write, stdin, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use llm_bandit::error::{Error, Result};
use llm_bandit::estimate::{EstimateSettings, estimate_log};
use llm_bandit::preference::Preference;
use llm_bandit::report;
use llm_bandit::route::Answering;
use llm_bandit::router::SavedRouter;
use llm_bandit::run as simulation;
use llm_bandit::scenario::Scenario;
use llm_bandit::scenario::file::Experiment;
use llm_bandit::suite::Suite;

use super::DatasetArguments;
use super::output::{is_read, say, say_aside};

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

/// Arguments of `route`.
#[derive(Args)]
pub(super) struct RouteArguments {
    /// A router's file, as `train` writes it
    #[arg(long, value_name = "FILE")]
    router: PathBuf,
    /// A suite folder, whose prompts are all routed; without it prompts are read from standard input
    #[arg(long, value_name = "DIR", requires = "preference", conflicts_with = "text")]
    suite: Option<PathBuf>,
    /// Embeddings: a `.csv`, `.jsonl`, `.npy`, or `.safetensors`, as `embed --from` takes it; each row is routed, or each prompt of the
    /// suite. Rows without names are those of the suite, in its order
    #[arg(long, value_name = "FILE", requires = "preference", conflicts_with = "text")]
    embeddings: Option<PathBuf>,
    /// The text of a prompt to route; may be repeated
    #[arg(long, value_name = "TEXT", requires = "preference")]
    text: Vec<String>,
    /// The folder of the sentence-transformer that made the embeddings which the router learned from; texts are embedded by it. The
    /// encoder built in is in the router's file
    #[arg(long, value_name = "DIR")]
    encoder: Option<PathBuf>,
    /// The weight of cost against score, from 0 up; lines that have a `preference` of their own need none
    #[arg(long, value_name = "W", value_parser = preference)]
    preference: Option<Preference>,
}

fn preference(text: &str) -> std::result::Result<Preference, String> {
    let weight = text.parse().map_err(|_| "is no number".to_owned())?;
    Preference::new(weight).ok_or_else(|| format!("must be a number from 0 to {:e}", Preference::LARGEST))
}

pub(super) fn route(arguments: &RouteArguments) -> Result<ExitCode> {
    let router = SavedRouter::read(&arguments.router)?;
    let answering = Answering::new(&router, arguments.preference, arguments.encoder.as_deref())?;
    let mut out = stdout().lock();
    let mut say = |lines: &[u8]| is_read(out.write_all(lines).and_then(|()| out.flush()));
    match (&arguments.suite, &arguments.embeddings) {
        (Some(folder), embeddings) => answering.suite(folder, embeddings.as_deref(), &mut say),
        (None, Some(file)) => answering.rows(file, &mut say),
        (None, None) if !arguments.text.is_empty() => answering.texts(&arguments.text, &mut say),
        (None, None) => answering.lines(BufReader::new(stdin()), &mut say),
    }?;
    Ok(ExitCode::SUCCESS)
}

/// Arguments of `estimate`.
#[derive(Args)]
pub(super) struct EstimateArguments {
    /// The log: a suite folder as `import logs` makes it; its texts are embedded as the router was trained with
    log: PathBuf,
    /// A router's file, as `train` writes it
    #[arg(long, value_name = "FILE")]
    router: PathBuf,
    /// The weight of cost against score that the router is asked with, from 0 up
    #[arg(long, value_name = "W", value_parser = preference)]
    preference: Preference,
    /// Embeddings of the log's prompts, as `route --embeddings` takes them
    #[arg(long, value_name = "FILE")]
    embeddings: Option<PathBuf>,
    /// The folder of the sentence-transformer that the router was trained with; the encoder built in is in the router's file
    #[arg(long, value_name = "DIR")]
    encoder: Option<PathBuf>,
    /// Weights above this count as this; bounds the variance and costs bias
    #[arg(long, value_name = "WEIGHT", default_value_t = 100.0)]
    clip: f64,
    /// The log chose at random, without looking at the prompt: each model's share in it is the chance of choosing it
    #[arg(long)]
    shares_are_propensities: bool,
    /// The router draws a model by its probabilities, in the place of taking the most probable one
    #[arg(long)]
    draws: bool,
}

pub(super) fn estimate(arguments: &EstimateArguments) -> Result<ExitCode> {
    if arguments.clip.is_nan() || arguments.clip <= 0.0 {
        return Err(Error::Usage(format!("`--clip {}` must be above 0", arguments.clip)));
    }
    let router = SavedRouter::read(&arguments.router)?;
    let answering = Answering::new(&router, Some(arguments.preference), arguments.encoder.as_deref())?;
    let mut suite = Suite::read(&arguments.log)?;
    suite.embeddings = answering.embeddings_of(&arguments.log, &suite, arguments.embeddings.as_deref())?;
    let suite = suite.in_order_of_ids();
    let settings = EstimateSettings {
        preference: arguments.preference,
        clip: arguments.clip,
        shares_are_propensities: arguments.shares_are_propensities,
        draws: arguments.draws,
    };
    let estimates = estimate_log(&arguments.log, &suite, &router, settings)?;
    say(estimates.to_string().trim_end())?;
    Ok(ExitCode::SUCCESS)
}
