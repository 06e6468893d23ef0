//! Arguments and their meaning; the only place that prints. Exit codes: 0 fine, 1 a regression, an unmet expectation, or an unmet goal, 2 an
//! error.

mod advise;
mod cells;
mod check;
mod compare;
mod diff;
mod embed;
mod explain;
mod import;
mod inspect;
mod output;
mod plan;
mod prices;
mod run;
mod shell;
mod starter;
mod train;
mod try_out;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};
use llm_bandit::error::{Error, Result, shortened};

use output::{is_read, say_aside};

/// Replays recorded LLM-routing benchmarks, trains and compares routers on them, and writes Pareto tables and plots.
#[derive(Parser)]
#[command(version, arg_required_else_help = true, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Lists suites and scenarios, or the names of routers, metrics, or shifts
    #[command(after_help = "Examples:\n  llm-bandit list --datasets ~/suites\n  llm-bandit list metrics")]
    List {
        /// Names instead of suites and scenarios
        subject: Option<explain::Subject>,
        #[command(flatten)]
        datasets: DatasetArguments,
    },
    /// Explains a metric, a kind of router, or a shift: formula, how to read it, options, source
    #[command(after_help = "Example:\n  llm-bandit explain aiq knn price-book")]
    Explain(explain::ExplainArguments),
    /// Checks suites and scenarios and prints what is in them; checks that reports are what their records give
    #[command(
        after_help = "Example:\n  llm-bandit verify ~/suites/mmlu_pro scenarios/quickstart.toml reports/quickstart"
    )]
    Verify {
        /// Suite folders, scenario files, and report folders
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        #[command(flatten)]
        datasets: DatasetArguments,
    },
    /// Runs scenarios, or suites that have none, and writes their reports
    #[command(
        after_help = "Examples:\n  llm-bandit run scenarios/quickstart.toml --out reports/first --threads 2\n  \
            llm-bandit run ~/suites/mine\n  \
            llm-bandit run scenarios/paper --cells /shared/cells --shard 3/16\n  \
            llm-bandit run scenarios/paper --cells /shared/cells --gather --out reports/paper"
    )]
    Run(run::RunArguments),
    /// Says what cells are in a shared folder; with `--prune` removes those that no scenario named needs
    #[command(
        after_help = "Examples:\n  llm-bandit cells /shared/cells\n  llm-bandit cells /shared/cells scenarios/paper --datasets ~/suites --prune"
    )]
    Cells(cells::CellsArguments),
    /// Prints a scenario to begin with, made for a suite
    #[command(after_help = "Example:\n  llm-bandit init ~/suites/mine > mine.toml")]
    Init(starter::InitArguments),
    /// Rebuilds the tables and plots of reports from their records, without training anything
    #[command(
        after_help = "Examples:\n  llm-bandit report reports/quickstart\n  llm-bandit report reports/paper --splice README.md\n  \
            llm-bandit report reports/mine --format parquet"
    )]
    Report(run::ReportArguments),
    /// Says which router to take, and at which weight of cost: for a budget, for a score, or to save; exit code 1 if none does
    #[command(
        after_help = "Examples:\n  llm-bandit advise reports/mine --budget 0.20\n  llm-bandit advise reports/mine --score 0.85\n  \
            llm-bandit advise reports/mine --save"
    )]
    Advise(advise::AdviseArguments),
    /// Puts several runs into one table and page: mean ranks, scores, costs, and times of every router; two runs of one scenario
    /// side by side, with paired differences
    #[command(
        after_help = "Examples:\n  llm-bandit compare reports/paper --out reports/paper\n  llm-bandit compare reports/before reports/after"
    )]
    Compare(compare::CompareArguments),
    /// Writes the tables, figures, and numbers of reports for LaTeX: a macro for every number, figures as PDF
    #[command(after_help = "Example:\n  llm-bandit paper reports/paper --out tables")]
    Paper(compare::PaperArguments),
    /// Says how many prompts and replicates it takes to see a difference, by the report of a pilot
    #[command(
        after_help = "Example:\n  llm-bandit run scenarios/quickstart.toml --replicates 3\n  llm-bandit plan scenarios/quickstart.toml --difference 0.01"
    )]
    Plan(plan::PlanArguments),
    /// Holds a report against a baseline: same prompts, same splits; exit code 1 if it got worse
    #[command(after_help = "Example:\n  llm-bandit check reports/mine --against reports/baselines/mine")]
    Check(check::CheckArguments),
    /// Shows which prompts went to another model, what each gained, and what it cost
    #[command(
        after_help = "Examples:\n  llm-bandit diff reports/before reports/after --router knn --at 0.5\n  \
            llm-bandit diff golden.txt reports/after --exit-code"
    )]
    Diff(diff::DiffArguments),
    /// Prints the decisions of a router as a small file to commit and to compare by `diff`
    #[command(after_help = "Examples:\n  llm-bandit decisions reports/mine --router knn > golden.txt\n  \
            llm-bandit decisions reports/mine --router knn --format parquet > choices.parquet")]
    Decisions(diff::DecisionsArguments),
    /// Embeds the prompts of a suite: built in, by a sentence-transformer, or from vectors made elsewhere
    #[command(
        after_help = "Examples:\n  llm-bandit embed ~/suites/mine\n  llm-bandit embed ~/suites/mine --encoder ~/all-MiniLM-L6-v2 --force\n  \
            llm-bandit embed ~/suites/mine --from vectors.jsonl --out ~/suites/mine/embeddings-other.npy"
    )]
    Embed(embed::EmbedArguments),
    /// Trains one router of a scenario and writes it to a file
    #[command(
        after_help = "Example:\n  llm-bandit train scenarios/paper/mmlu-pro.toml --router knn --out router.safetensors --datasets ~/suites"
    )]
    Train(train::TrainArguments),
    /// Routes prompts by a trained router: one JSON decision a line
    #[command(
        after_help = "Examples:\n  llm-bandit route --router router.safetensors --preference 0.5 --text 'What is 17 squared?'\n  \
            llm-bandit route --router router.safetensors --preference 0.5 --suite ~/suites/mmlu_pro\n  \
            llm-bandit route --router router.safetensors --preference 0.5 < prompts.jsonl\n\n\
            A line of prompts.jsonl; all but the text, or an `embedding` in its place, may be left out:\n  \
            {\"id\": 7, \"text\": \"What is ...\", \"input_tokens\": 120, \"preference\": 2.0, \"models\": [\"a\", \"b\"]}\n\
            and what comes of it:\n  \
            {\"id\": 7, \"model\": \"b\", \"probabilities\": {\"a\": 0.2, \"b\": 0.8}}"
    )]
    Route(train::RouteArguments),
    /// Estimates what a trained router would have earned on the requests of a log (IPS, SNIPS, doubly robust)
    #[command(
        after_help = "Example:\n  llm-bandit import logs requests.jsonl --out ~/suites/log\n  llm-bandit embed ~/suites/log\n  \
            llm-bandit estimate ~/suites/log --router router.safetensors --preference 0.5"
    )]
    Estimate(train::EstimateArguments),
    /// Looks prices of models up in a price book
    #[command(
        after_help = "Examples:\n  llm-bandit prices gpt-4o claude-3-haiku\n  llm-bandit prices --date 2024-06-01"
    )]
    Prices(prices::PricesArguments),
    /// Computes a finished report anew under another price book, without training: the choices stay
    #[command(
        after_help = "Example:\n  llm-bandit reprice reports/quickstart --prices mine.toml --date 2025-01-31 --out reports/repriced"
    )]
    Reprice(prices::RepriceArguments),
    /// Makes a suite of the results of another tool, and says what is in it
    #[command(after_help = import::examples())]
    Import(Box<import::ImportArguments>),
    /// Makes a smaller suite of a part of another: fewer prompts, fewer dimensions, no texts
    #[command(
        after_help = "Example:\n  llm-bandit subset ~/suites/mmlu_pro_cot --prompts 4000 --dimensions 48 --without-texts --out ~/suites/mmlu-pro-part"
    )]
    Subset(inspect::SubsetArguments),
    /// From results to a decision: imports, embeds, runs, and says which router to take
    #[command(
        after_help = "Examples:\n  llm-bandit try results.csv\n  llm-bandit try logs/ --format inspect --out reports/mine"
    )]
    Try(Box<try_out::TryArguments>),
    /// Prints what a scenario or a price book may hold, as a JSON Schema for editors
    #[command(after_help = "Example:\n  llm-bandit schema scenario > scenario.schema.json")]
    Schema(shell::SchemaArguments),
    /// Prints the completions of a shell
    #[command(
        after_help = "Example:\n  llm-bandit completions bash > ~/.local/share/bash-completion/completions/llm-bandit"
    )]
    Completions(shell::CompletionsArguments),
    /// Writes manual pages, one a command
    #[command(after_help = "Example:\n  llm-bandit man --out ~/.local/share/man/man1")]
    Man(shell::ManArguments),
    /// Makes a synthetic suite from a settings file
    #[command(
        after_help = "Example:\n  llm-bandit synth datasets/simulated-open-suite/synth.toml --out suites/simulated"
    )]
    Synth {
        /// The settings
        settings: PathBuf,
        /// The folder of the suite
        #[arg(long)]
        out: PathBuf,
        /// Another seed than that of the settings
        #[arg(long)]
        seed: Option<u64>,
        /// Replace a suite that is there
        #[arg(long)]
        force: bool,
    },
}

/// Where suites are looked for.
#[derive(Args, Default)]
struct DatasetArguments {
    /// Folders of suites; looked through in order, then `datasets`, then the suite built in
    #[arg(long, value_name = "DIR", env = "LLM_BANDIT_DATASETS", value_delimiter = ':')]
    datasets: Vec<OsString>,
}

impl DatasetArguments {
    /// The folders; a variable that is set to nothing names none.
    fn folders(&self) -> Vec<PathBuf> {
        self.datasets.iter().filter(|folder| !folder.is_empty()).map(PathBuf::from).collect()
    }
}

/// More threads than these wait for each other.
const THREADS_PER_CORE: usize = 4;
const MOST_THREADS: usize = 1024;

/// Does what was asked and says how it went.
pub(crate) fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error)
            if error.use_stderr() && error.kind() != ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand =>
        {
            say_aside(&one_line(&error.to_string()));
            return ExitCode::from(2);
        }
        Err(help) => return told(&help),
    };
    let done = match arguments.command {
        Command::List { subject: Some(subject), .. } => explain::list(subject),
        Command::List { subject: None, datasets } => inspect::list(&datasets.folders()),
        Command::Explain(arguments) => explain::explain(&arguments),
        Command::Verify { paths, datasets } => inspect::verify(&paths, &datasets.folders()),
        Command::Run(arguments) => run::run(&arguments),
        Command::Cells(arguments) => cells::cells(&arguments),
        Command::Init(arguments) => starter::init(&arguments),
        Command::Report(arguments) => run::report(&arguments),
        Command::Advise(arguments) => advise::advise(&arguments),
        Command::Compare(arguments) => compare::compare(&arguments),
        Command::Paper(arguments) => compare::paper(&arguments),
        Command::Plan(arguments) => plan::plan(&arguments),
        Command::Check(arguments) => check::check(&arguments),
        Command::Diff(arguments) => diff::diff(&arguments),
        Command::Decisions(arguments) => diff::decisions(&arguments),
        Command::Embed(arguments) => embed::embed(&arguments),
        Command::Train(arguments) => train::train(&arguments),
        Command::Route(arguments) => train::route(&arguments),
        Command::Estimate(arguments) => train::estimate(&arguments),
        Command::Prices(arguments) => prices::prices(&arguments),
        Command::Reprice(arguments) => prices::reprice(&arguments),
        Command::Import(arguments) => import::import(&arguments),
        Command::Subset(arguments) => inspect::subset(&arguments),
        Command::Try(arguments) => try_out::try_out(&arguments),
        Command::Schema(arguments) => shell::schema(&arguments),
        Command::Completions(arguments) => shell::completions(&arguments),
        Command::Man(arguments) => shell::man(&arguments),
        Command::Synth { settings, out, seed, force } => inspect::synth(&settings, &out, seed, force),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            say_aside(&format!("error: {error}"));
            ExitCode::from(2)
        }
    }
}

/// Prints help or the version, which were asked for, or the help on what to ask for.
fn told(help: &clap::Error) -> ExitCode {
    let code = u8::from(help.use_stderr()) * 2;
    match is_read(help.print().and_then(|()| io::stdout().flush())) {
        Ok(_) => ExitCode::from(code),
        Err(error) => {
            say_aside(&format!("error: {error}"));
            ExitCode::from(2)
        }
    }
}

/// What clap says in several paragraphs, without the usage.
fn one_line(message: &str) -> String {
    let lines = message.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:"));
    let mut text = String::new();
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with("For more information")) {
        let between = if text.is_empty() || text.ends_with(':') { "" } else { ";" };
        let blank = if text.is_empty() { "" } else { " " };
        text.push_str(&format!("{between}{blank}{line}"));
    }
    format!("{}; see `--help`", shortened(&text, '\''))
}

/// Runs on so many threads; all cores where nothing is said.
fn use_threads(threads: Option<usize>) -> Result<()> {
    let Some(threads) = threads else { return Ok(()) };
    let n_cores = std::thread::available_parallelism().map_or(1, usize::from);
    let most = (THREADS_PER_CORE * n_cores).min(MOST_THREADS);
    if !(1..=most).contains(&threads) {
        let problem = format!("`--threads` must be from 1 to {most} on {n_cores} cores, not {threads}");
        return Err(Error::Usage(problem));
    }
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()
        .map_err(|error| Error::Usage(format!("cannot start {threads} threads: {error}")))
}
