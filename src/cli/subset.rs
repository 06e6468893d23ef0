//! `subset`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use llm_bandit::error::{Error, Result};
use llm_bandit::suite::{SubsetSettings, Suite, find};

use super::DatasetArguments;
use super::output::say;

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
