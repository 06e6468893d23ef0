//! `route`: decisions of a trained router as lines of JSON.

use std::io::{BufReader, Write, stdin, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use llm_bandit::error::Result;
use llm_bandit::preference::Preference;
use llm_bandit::route::Answering;
use llm_bandit::router::SavedRouter;

use super::output::is_read;

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

pub(super) fn preference(text: &str) -> std::result::Result<Preference, String> {
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
