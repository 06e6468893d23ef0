//! `route`: decisions of a trained router as lines of JSON.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use llm_bandit::error::Result;
use llm_bandit::preference::Preference;
use llm_bandit::route::{route_lines, route_suite};
use llm_bandit::router::SavedRouter;

use super::output::is_read;

/// Arguments of `route`.
#[derive(Args)]
pub(super) struct RouteArguments {
    /// A router's file, as `train` writes it
    #[arg(long, value_name = "FILE")]
    router: PathBuf,
    /// A suite folder, whose prompts are all routed; without it prompts are read from standard input
    #[arg(long, value_name = "DIR", requires = "preference")]
    suite: Option<PathBuf>,
    /// The weight of cost against score, from 0 up; lines that have a `preference` of their own need none
    #[arg(long, value_name = "W", value_parser = preference)]
    preference: Option<Preference>,
}

pub(super) fn preference(text: &str) -> std::result::Result<Preference, String> {
    let weight = text.parse().map_err(|_| "is no number".to_owned())?;
    Preference::new(weight).ok_or_else(|| format!("must be a number from 0 to {:e}", Preference::LARGEST))
}

pub(super) fn route(arguments: &RouteArguments) -> Result<ExitCode> {
    let router = SavedRouter::read(&arguments.router)?;
    let mut out = std::io::stdout().lock();
    let mut say = |lines: &[u8]| is_read(out.write_all(lines).and_then(|()| out.flush()));
    match (&arguments.suite, arguments.preference) {
        (Some(folder), Some(preference)) => route_suite(&router, folder, preference, &mut say),
        (_, preference) => route_lines(&router, preference, std::io::stdin().lock(), &mut say),
    }?;
    Ok(ExitCode::SUCCESS)
}
