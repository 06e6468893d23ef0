//! `completions`, `man`, and `schema`: what shells, readers of manuals, and editors know of the program.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, ValueEnum};
use clap_complete::Shell;
use llm_bandit::error::{Error, Result};
use llm_bandit::fs;
use llm_bandit::scenario::{file, price_book_schema};

use super::Arguments;
use super::output::{print, say};

const PROGRAM: &str = "llm-bandit";

/// Arguments of `completions`.
#[derive(Args)]
pub(super) struct CompletionsArguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Arguments of `man`.
#[derive(Args)]
pub(super) struct ManArguments {
    /// The folder of the pages, one a command; made where it is not there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub(super) fn completions(arguments: &CompletionsArguments) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), PROGRAM, &mut script);
    print(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn man(arguments: &ManArguments) -> Result<ExitCode> {
    let mut program = Arguments::command().name(PROGRAM);
    // Names of subcommands and their usage are complete from here on.
    program.build();
    fs::create_folder(&arguments.out)?;
    let mut pages = Vec::new();
    for command in std::iter::once(&program).chain(program.get_subcommands()) {
        let name = match command.get_name() {
            PROGRAM => PROGRAM.to_owned(),
            inner => format!("{PROGRAM}-{inner}"),
        };
        let mut page = Vec::new();
        let file = arguments.out.join(format!("{name}.1"));
        let rendered = clap_mangen::Man::new(command.clone()).title(name).render(&mut page);
        rendered.map_err(Error::io(&file, "write"))?;
        pages.push((file, page));
    }
    fs::put_files(&pages)?;
    say(&format!("{}", arguments.out.display()))?;
    Ok(ExitCode::SUCCESS)
}

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
