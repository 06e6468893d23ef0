//! `import`.

use std::cell::RefCell;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use llm_bandit::error::{Error, Result};
use llm_bandit::import::{self, ColumnNames, Format, ImportSettings, Progress};

use super::{say, say_aside};

/// Shown below the help.
pub(super) fn examples() -> String {
    let formats: Vec<&str> = Format::all().map(Format::name).collect();
    format!("Formats: {}\n\n{EXAMPLES}", formats.join(", "))
}

const EXAMPLES: &str = "Examples:
  llm-bandit import lm-eval output/ --out datasets/mine --metric acc_norm --metric exact_match,strict-match
  llm-bandit import alpaca-eval alpaca_eval/results --out datasets/alpaca
  llm-bandit import table scores.csv --out datasets/mine --prompt-id question --model system --score correct
  llm-bandit import pairs battles.jsonl --out datasets/arena";

/// Arguments of `import`.
#[derive(Args)]
pub(super) struct ImportArguments {
    /// The tool whose results these are
    #[arg(value_parser = parse_format)]
    format: Format,
    /// Files, or folders to look through
    #[arg(required = true)]
    sources: Vec<PathBuf>,
    /// The folder of the suite; must not exist
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The metric that is the score; may be named again for benchmarks that do not have the first [default: the first there is]
    #[arg(long, value_name = "NAME")]
    metric: Vec<String>,
    /// The scores that mean 0 and 1; the larger one first where less is better
    #[arg(long, value_name = "ZERO,ONE", value_parser = parse_range, default_value = "0,1", allow_hyphen_values = true)]
    score_range: (f64, f64),
    /// The licence of the data, for suite.toml
    #[arg(long, value_name = "TEXT", default_value = "")]
    licence: String,
    /// No progress and no report
    #[arg(long)]
    quiet: bool,
    #[command(flatten)]
    columns: ColumnArguments,
}

/// What a table calls its columns.
#[derive(Args)]
#[command(next_help_heading = "Columns of a table [default: guessed, and printed]")]
struct ColumnArguments {
    /// The prompt's id
    #[arg(long, value_name = "COLUMN")]
    prompt_id: Option<String>,
    /// The prompt's text
    #[arg(long, value_name = "COLUMN")]
    prompt: Option<String>,
    /// The benchmark; without one, the file's name
    #[arg(long, value_name = "COLUMN")]
    benchmark: Option<String>,
    /// A finer label within the benchmark
    #[arg(long, value_name = "COLUMN")]
    task: Option<String>,
    /// The model, where a row is one answer
    #[arg(long, value_name = "COLUMN")]
    model: Option<String>,
    /// The score, where a row is one answer; the winner, where it is a comparison
    #[arg(long, value_name = "COLUMN")]
    score: Option<String>,
    /// The cost in US dollars
    #[arg(long, value_name = "COLUMN")]
    cost: Option<String>,
    /// Tokens of the prompt
    #[arg(long, value_name = "COLUMN")]
    input_tokens: Option<String>,
    /// Tokens of the answer
    #[arg(long, value_name = "COLUMN")]
    output_tokens: Option<String>,
}

pub(super) fn import(arguments: &ImportArguments) -> Result<ExitCode> {
    let columns = &arguments.columns;
    let settings = ImportSettings {
        format: arguments.format,
        sources: arguments.sources.clone(),
        metrics: arguments.metric.clone(),
        columns: ColumnNames {
            prompt_id: columns.prompt_id.clone(),
            prompt: columns.prompt.clone(),
            benchmark: columns.benchmark.clone(),
            task: columns.task.clone(),
            model: columns.model.clone(),
            score: columns.score.clone(),
            cost: columns.cost.clone(),
            input_tokens: columns.input_tokens.clone(),
            output_tokens: columns.output_tokens.clone(),
        },
        score_range: arguments.score_range,
        licence: arguments.licence.clone(),
    };
    let shown = Shown::new(arguments.quiet);
    let coverage = import::import(&settings, &arguments.out, &|progress| shown.show(&progress));
    shown.finish();
    let coverage = coverage?;
    if !arguments.quiet {
        say_aside(coverage.to_string().trim_end());
    }
    say(&arguments.out.display().to_string());
    Ok(ExitCode::SUCCESS)
}

fn parse_format(name: &str) -> std::result::Result<Format, Error> {
    Format::named(name)
}

fn parse_range(text: &str) -> std::result::Result<(f64, f64), String> {
    let numbers = text.split_once(',').map(|(zero, one)| (zero.trim().parse(), one.trim().parse()));
    match numbers {
        Some((Ok(zero), Ok(one))) => Ok((zero, one)),
        _ => Err("two numbers with a comma between them are needed, for example `0,100`".into()),
    }
}

/// Progress: a bar over bytes on a terminal, a line a tenth of the files elsewhere, nothing when quiet.
struct Shown {
    bar: Option<ProgressBar>,
    quiet: bool,
    /// Files found and files begun.
    files: RefCell<(usize, usize)>,
}

impl Shown {
    fn new(quiet: bool) -> Self {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let style = ProgressStyle::with_template("{wide_bar} {bytes}/{total_bytes} {msg}");
            ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Shown { bar, quiet, files: RefCell::new((0, 0)) }
    }

    fn show(&self, progress: &Progress<'_>) {
        if self.quiet {
            return;
        }
        match (progress, &self.bar) {
            (Progress::Found { n_bytes, .. }, Some(bar)) => bar.set_length(*n_bytes),
            (Progress::Found { n_files, .. }, None) => {
                self.files.borrow_mut().0 = *n_files;
                say_aside(&format!("reading {n_files} files"));
            }
            (Progress::File(path), Some(bar)) => {
                let name =
                    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
                bar.set_message(name);
            }
            (Progress::File(_), None) => {
                let (n_files, begun) = &mut *self.files.borrow_mut();
                *begun += 1;
                if 10 < *n_files && (*begun).is_multiple_of(n_files.div_ceil(10)) {
                    say_aside(&format!("file {begun} of {n_files}"));
                }
            }
            (Progress::Bytes(n_bytes), Some(bar)) => bar.inc(*n_bytes),
            (Progress::Bytes(_), None) => {}
        }
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
