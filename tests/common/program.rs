//! The program under test.

use std::path::Path;
use std::process::{Command, Output};

/// The program with these arguments in a folder, without settings from the environment.
fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_llm-bandit"));
    command.args(arguments).current_dir(folder);
    command.env_remove("LLM_BANDIT_DATASETS").env_remove("GITHUB_STEP_SUMMARY");
    command
}

/// Runs it to its end.
pub(crate) fn llm_bandit(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().expect("the program starts")
}
