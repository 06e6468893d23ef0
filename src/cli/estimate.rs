//! `estimate`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use llm_bandit::error::{Error, Result};
use llm_bandit::estimate::{EstimateSettings, estimate_log};
use llm_bandit::preference::Preference;
use llm_bandit::route::Answering;
use llm_bandit::router::SavedRouter;
use llm_bandit::suite::Suite;

use super::output::say;
use super::route::preference;

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
