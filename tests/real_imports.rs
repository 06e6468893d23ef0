//! Real files of the tools against another count of them. Needs a folder of them, one folder a tool, in `LLM_BANDIT_UPSTREAM`;
//! without it, all are reported as ignored.

#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

#[path = "import/counted.rs"]
mod counted;
#[path = "common/outside.rs"]
mod outside;

use std::process::ExitCode;

use outside::Outside;

fn main() -> ExitCode {
    outside::run(
        "LLM_BANDIT_UPSTREAM",
        [
            Outside {
                name: "lm_eval",
                folders: &["lm-eval"],
                test: |all| drop(counted::lm_eval(&all.join("lm-eval"))),
            },
            Outside {
                name: "inspect",
                folders: &["inspect"],
                test: |all| drop(counted::inspect(&all.join("inspect"))),
            },
            Outside {
                name: "alpaca_eval",
                folders: &["alpaca_eval"],
                test: |all| drop(counted::alpaca_eval(&all.join("alpaca_eval"))),
            },
            Outside {
                name: "routellm",
                folders: &["routellm"],
                test: |all| drop(counted::routellm(&all.join("routellm"))),
            },
            Outside {
                name: "routerbench",
                folders: &["routerbench"],
                test: |all| drop(counted::routerbench(&all.join("routerbench"))),
            },
            Outside {
                name: "zeroeval",
                folders: &["zeroeval"],
                test: |all| drop(counted::zeroeval(&all.join("zeroeval"))),
            },
        ],
    )
}
