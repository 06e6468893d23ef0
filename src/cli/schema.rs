//! `schema`: what a scenario or a price book may hold, for editors.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use llm_bandit::error::{Error, Result};
use llm_bandit::scenario::{file, price_book_schema};

use super::output::say;

/// Arguments of `schema`.
#[derive(Args)]
pub(super) struct SchemaArguments {
    /// Which files
    of: Of,
    /// Scenarios alone: the page of all keys, in the place of the JSON Schema
    #[arg(long)]
    markdown: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Of {
    /// Scenarios
    Scenario,
    /// Price books
    Prices,
}

pub(super) fn schema(arguments: &SchemaArguments) -> Result<ExitCode> {
    say(&match (arguments.of, arguments.markdown) {
        (Of::Scenario, false) => format!("{:#}", file::schema()),
        (Of::Scenario, true) => file::keys().trim_end().to_owned(),
        (Of::Prices, false) => format!("{:#}", price_book_schema()),
        (Of::Prices, true) => return Err(Error::Usage("`--markdown` is for scenarios".into())),
    })?;
    Ok(ExitCode::SUCCESS)
}
