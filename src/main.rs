//! The `llm-bandit` command: arguments, one library call, exit code.
#![cfg_attr(not(test), warn(clippy::disallowed_methods, clippy::disallowed_types))]

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
