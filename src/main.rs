//! The `llm-bandit` command: arguments, one library call, exit code.

mod cli;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    cli::main(cli::Arguments::parse())
}
