//! The `llm-bandit` command: arguments, one library call, exit code.
#![cfg_attr(not(test), warn(clippy::disallowed_methods, clippy::disallowed_types))]

mod cli;

use std::panic;
use std::process::ExitCode;

fn main() -> ExitCode {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !llm_bandit::import::panics_are_faults() {
            hook(info);
        }
    }));
    cli::main()
}
