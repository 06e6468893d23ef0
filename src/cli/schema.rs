//! `schema`: what a scenario or a price book may hold, for editors.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use llm_bandit::error::Result;
use llm_bandit::scenario::{file, price_book_schema};

use super::output::say;

/// Arguments of `schema`.
#[derive(Args)]
pub(super) struct SchemaArguments {
    /// Which files
    of: Of,
}

#[derive(Clone, Copy, ValueEnum)]
enum Of {
    /// Scenarios
    Scenario,
    /// Price books
    Prices,
}

pub(super) fn schema(arguments: &SchemaArguments) -> Result<ExitCode> {
    let schema = match arguments.of {
        Of::Scenario => file::schema(),
        Of::Prices => price_book_schema(),
    };
    say(&format!("{schema:#}"))?;
    Ok(ExitCode::SUCCESS)
}
