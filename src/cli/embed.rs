//! `embed`.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use indicatif::ProgressBar;
use llm_bandit::embed::{self, DEFAULT_DIMENSIONS, Encoder, Rows};
use llm_bandit::error::{Error, Result};
use llm_bandit::suite::{self, SuitePlace};

use super::output::say;
use super::{DatasetArguments, use_threads};

/// Arguments of `embed`.
#[derive(Args)]
pub(super) struct EmbedArguments {
    /// A suite's name, or its folder
    suite: String,
    #[command(flatten)]
    datasets: DatasetArguments,
    /// A folder with a sentence-transformer: config.json, tokenizer.json, model.safetensors [default: the encoder built in]
    #[arg(long, value_name = "DIR", conflicts_with = "from")]
    encoder: Option<PathBuf>,
    /// Vectors made elsewhere: a `.csv`, `.jsonl`, `.npy`, or `.safetensors`
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// The prompt ids of the rows of a `.npy` or `.safetensors`, one a line [default: the same name ending in `.ids`]
    #[arg(long, value_name = "FILE", requires = "from", conflicts_with = "in_suite_order")]
    ids: Option<PathBuf>,
    /// The rows of a `.npy` or `.safetensors` are the suite's prompts, in that order
    #[arg(long, requires = "from")]
    in_suite_order: bool,
    /// Numbers in an embedding of the encoder built in
    #[arg(long, value_name = "N", default_value_t = DEFAULT_DIMENSIONS, conflicts_with_all = ["encoder", "from"])]
    dimensions: usize,
    /// The file to write [default: embeddings.npy in the suite's folder]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
    /// Threads; the result does not depend on them [default: all cores]
    #[arg(long)]
    threads: Option<usize>,
    /// No progress
    #[arg(long)]
    quiet: bool,
}

pub(super) fn embed(arguments: &EmbedArguments) -> Result<ExitCode> {
    use_threads(arguments.threads)?;
    super::starter::refuse_results(Path::new(&arguments.suite))?;
    let folder = match suite::locate(&arguments.suite, &arguments.datasets.folders())? {
        SuitePlace::Folder(folder) => folder,
        SuitePlace::Embedded => {
            return Err(Error::Usage(format!("suite `{}` is built in and has no texts", arguments.suite)));
        }
    };
    let encoder = encoder(arguments)?;
    let is_shown = !arguments.quiet && std::io::stderr().is_terminal();
    let bar = if is_shown { ProgressBar::new(0) } else { ProgressBar::hidden() };
    let show = |done: usize, total: usize| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    };
    let written = embed::embed(&folder, &encoder, (arguments.out.as_deref(), arguments.force), &show);
    bar.finish_and_clear();
    say(&format!("{}", written?.display()))?;
    Ok(ExitCode::SUCCESS)
}

fn encoder(arguments: &EmbedArguments) -> Result<Encoder> {
    let rows = match &arguments.ids {
        Some(ids) => Rows::IdsOf(ids.clone()),
        None if arguments.in_suite_order => Rows::InSuiteOrder,
        None => Rows::Ids,
    };
    match (&arguments.encoder, &arguments.from) {
        (Some(folder), _) => Ok(Encoder::Folder(folder.clone())),
        (None, Some(file)) => Ok(Encoder::File(file.clone(), rows)),
        (None, None) if !(1..=4096).contains(&arguments.dimensions) => {
            Err(Error::Usage("`--dimensions` must be from 1 to 4096".into()))
        }
        (None, None) => Ok(Encoder::BuiltIn(arguments.dimensions)),
    }
}
