//! `import`.

use std::cell::RefCell;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use llm_bandit::error::{Error, Result, counted};
use llm_bandit::import::{self, ColumnNames, Format, ImportSettings, Progress, RowFilter, ScoreRange};

use super::output::{say, say_aside};

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
    /// No progress and no report
    #[arg(long)]
    quiet: bool,
    #[command(flatten)]
    reading: ReadingArguments,
}

/// How files are read.
#[derive(Args)]
pub(super) struct ReadingArguments {
    /// The metric that is the score; may be named again for benchmarks that do not have the first [default: the first there is]
    #[arg(long, value_name = "NAME")]
    metric: Vec<String>,
    /// The model of files that name none (`lm-eval`, `lighteval`)
    #[arg(long, value_name = "NAME")]
    model_name: Option<String>,
    /// The scores that mean 0 and 1, of all benchmarks or of one; the larger one first where less is better [default: 0,1]
    #[arg(long, value_name = "[BENCHMARK=]ZERO,ONE", value_parser = parse_range, allow_hyphen_values = true)]
    score_range: Vec<ScoreRange>,
    /// The metric is a loss: 0 is best and 1 is worst, where no range says otherwise
    #[arg(long)]
    lower_is_better: bool,
    /// A score that marks an answer without one, such as -1
    #[arg(long, value_name = "SCORE", allow_hyphen_values = true)]
    missing: Vec<f64>,
    /// Refuse a folder in which a file cannot be read, in the place of leaving the file out
    #[arg(long)]
    strict: bool,
    /// Show where the first three answers were read, by file and line
    #[arg(long)]
    explain: bool,
    /// The licence of the data, for suite.toml
    #[arg(long, value_name = "TEXT", default_value = "")]
    licence: String,
    #[command(flatten)]
    columns: ColumnArguments,
}

/// What a table calls its columns.
#[derive(Args)]
#[command(next_help_heading = "Columns of a table [default: guessed, and printed]")]
struct ColumnArguments {
    /// Keys to the list whose elements are the rows, as in `results.results`: from the top of a document, or within each row
    #[arg(long, value_name = "KEY.KEY")]
    records: Option<String>,
    /// The prompt's id; as everywhere, `object.part` names a part of an object, `=TEXT` stands for itself, and `-` for no column
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
    /// The part of a given split: train, validation, or test
    #[arg(long, value_name = "COLUMN")]
    split: Option<String>,
    /// Of `logs`: the chance with which the router chose the model, above 0 and up to 1
    #[arg(long, value_name = "COLUMN")]
    propensity: Option<String>,
    /// A setting of the model, such as its reasoning effort: other values are other models
    #[arg(long, value_name = "COLUMN")]
    arm: Vec<String>,
    /// A count of repetitions: rows that differ in it are averaged
    #[arg(long, value_name = "COLUMN")]
    repeat: Vec<String>,
    /// Only rows with this value, or with `!=` without it
    #[arg(long = "where", value_name = "COLUMN=VALUE", value_parser = parse_filter)]
    filter: Vec<RowFilter>,
    /// The column that names a row's metric, and the metric that is the score
    #[arg(long, value_name = "COLUMN=METRIC", value_parser = parse_pair)]
    metric_column: Option<(String, String)>,
    /// The columns of a wide table that are models
    #[arg(long, value_name = "COLUMN,...", value_delimiter = ',')]
    models: Vec<String>,
    /// The same as a pattern, as in `*_correct`; the star stands for the model's name
    #[arg(long, value_name = "PATTERN", conflicts_with = "models")]
    model_columns: Option<String>,
}

pub(super) fn import(arguments: &ImportArguments) -> Result<ExitCode> {
    let ImportArguments { format, sources, out, quiet, reading } = arguments;
    import_into(*format, sources, reading, out, *quiet)?;
    say(&out.display().to_string())?;
    Ok(ExitCode::SUCCESS)
}

/// Imports into a folder and shows what was read.
pub(super) fn import_into(
    format: Format,
    sources: &[PathBuf],
    arguments: &ReadingArguments,
    out: &Path,
    quiet: bool,
) -> Result<()> {
    let columns = &arguments.columns;
    let settings = ImportSettings {
        metrics: arguments.metric.clone(),
        columns: ColumnNames {
            records: columns.records.clone(),
            prompt_id: columns.prompt_id.clone(),
            prompt: columns.prompt.clone(),
            benchmark: columns.benchmark.clone(),
            task: columns.task.clone(),
            model: columns.model.clone(),
            score: columns.score.clone(),
            cost: columns.cost.clone(),
            input_tokens: columns.input_tokens.clone(),
            output_tokens: columns.output_tokens.clone(),
            split: columns.split.clone(),
            propensity: columns.propensity.clone(),
            arms: columns.arm.clone(),
            repeats: columns.repeat.clone(),
            filters: columns.filter.clone(),
            metric: columns.metric_column.clone(),
            models: columns.models.clone(),
            model_columns: columns.model_columns.clone(),
        },
        model_name: arguments.model_name.clone(),
        score_ranges: arguments.score_range.clone(),
        lower_is_better: arguments.lower_is_better,
        missing: arguments.missing.clone(),
        strict: arguments.strict,
        licence: arguments.licence.clone(),
        ..ImportSettings::new(format, sources.to_vec())
    };
    let shown = Shown::new(quiet);
    let coverage = import::import(&settings, out, &|progress| shown.show(&progress));
    shown.finish();
    let coverage = coverage?;
    if !quiet {
        say_aside(coverage.to_string().trim_end());
    }
    if arguments.explain {
        say_aside(coverage.explanation().trim_end());
    }
    Ok(())
}

pub(super) fn parse_format(name: &str) -> std::result::Result<Format, Error> {
    Format::named(name)
}

fn parse_range(text: &str) -> std::result::Result<ScoreRange, String> {
    let (benchmark, ends) = text.rsplit_once('=').map_or((None, text), |(name, ends)| (Some(name), ends));
    let numbers = ends.split_once(',').map(|(zero, one)| (zero.trim().parse(), one.trim().parse()));
    match numbers {
        Some((Ok(zero), Ok(one))) => Ok(ScoreRange { benchmark: benchmark.map(str::to_owned), zero, one }),
        _ => {
            Err("two numbers with a comma between them are needed, for example `0,100` or `wmt=0,100`".into())
        }
    }
}

fn parse_pair(text: &str) -> std::result::Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(column, _)| !column.is_empty());
    pair.map(|(column, value)| (column.to_owned(), value.to_owned()))
        .ok_or_else(|| "`COLUMN=VALUE` is needed".to_owned())
}

fn parse_filter(text: &str) -> std::result::Result<RowFilter, String> {
    let (column, value) = parse_pair(text)?;
    let (column, is_wanted) = match column.strip_suffix('!') {
        Some(column) => (column.to_owned(), false),
        None => (column, true),
    };
    Ok(RowFilter { column, value, is_wanted })
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
                say_aside(&format!("reading {}", counted(*n_files, "file")));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_and_ranges_are_read_as_they_are_written() {
        let filter =
            |text: &str| parse_filter(text).map(|filter| (filter.column, filter.value, filter.is_wanted));
        assert_eq!(filter("status=success"), Ok(("status".into(), "success".into(), true)));
        assert_eq!(filter("status!=a=b"), Ok(("status".into(), "a=b".into(), false)));
        assert!(filter("status").is_err() && filter("=x").is_err());
        let range = |text: &str| parse_range(text).map(|range| (range.benchmark, range.zero, range.one));
        assert_eq!(range("100, 0"), Ok((None, 100.0, 0.0)));
        assert_eq!(range("wmt=de=-1,1"), Ok((Some("wmt=de".into()), -1.0, 1.0)));
        assert!(range("100").is_err() && range("wmt=").is_err());
    }
}
