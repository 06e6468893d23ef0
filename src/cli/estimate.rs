//! `estimate`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use llm_bandit::error::{Error, Result};
use llm_bandit::estimate::{EstimateSettings, estimate_log};
use llm_bandit::preference::Preference;
use llm_bandit::router::SavedRouter;
use llm_bandit::suite::Suite;

use super::output::say;
use super::route::preference;

/// Arguments of `estimate`.
#[derive(Args)]
pub(super) struct EstimateArguments {
    /// The log: a suite folder as `import logs` makes it, with embeddings
    log: PathBuf,
    /// A router's file, as `train` writes it
    #[arg(long, value_name = "FILE")]
    router: PathBuf,
    /// The weight of cost against score that the router is asked with, from 0 up
    #[arg(long, value_name = "W", value_parser = preference)]
    preference: Preference,
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
    let suite = Suite::read(&arguments.log)?.in_order_of_ids();
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
