//! Real files of the tools. Needs a folder of them in `LLM_BANDIT_UPSTREAM`, one folder a tool; without it, nothing is tested.

use std::path::PathBuf;

use super::formats;

#[expect(clippy::disallowed_methods, reason = "results of others are not part of the repository")]
#[expect(clippy::print_stdout, reason = "says what was skipped")]
fn upstream() -> Option<PathBuf> {
    match std::env::var("LLM_BANDIT_UPSTREAM") {
        Ok(folder) => Some(folder.into()),
        Err(_) => {
            println!("skipped: LLM_BANDIT_UPSTREAM names no folder of results");
            None
        }
    }
}

#[test]
fn real_files_say_what_another_count_of_them_says() {
    let Some(folder) = upstream() else { return };
    let checks: [(&str, formats::Check); 6] = [
        ("lm-eval", formats::lm_eval),
        ("inspect", formats::inspect),
        ("alpaca_eval", formats::alpaca_eval),
        ("routellm", formats::routellm),
        ("routerbench", formats::routerbench),
        ("zeroeval", formats::zeroeval),
    ];
    for (name, check) in checks {
        let folder = folder.join(name);
        if folder.is_dir() {
            let (coverage, suite) = check(&folder);
            println!("{name}: {} files, {} prompts", coverage.n_files, suite.prompts.len());
        } else {
            println!("skipped: no folder `{name}`");
        }
    }
}
