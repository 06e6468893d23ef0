//! The `llm-bandit` command.

fn main() {}
