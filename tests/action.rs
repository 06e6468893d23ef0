//! The steps of `action.yml` as a runner would take them: the gate of a repository with one scenario.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const ACTION: &str = include_str!("../action.yml");
const SCENARIO: &str = "description = \"d\"\nsuite = \"routellm-part\"\nreplicates = 2\n[[router]]\nlabel = \"mine\"\nkind = \"predictor\"\n\
    model = \"linear\"\n[[router]]\nkind = \"random\"\n";

/// The script of a step.
fn script(step: &str) -> String {
    let step = ACTION.split(&format!("- name: {step}\n")).nth(1).unwrap();
    let lines = step.split("run: |\n").nth(1).unwrap().lines();
    let lines = lines.take_while(|line| line.starts_with("        ") || line.is_empty());
    lines.map(|line| format!("{}\n", line.trim_start_matches("        "))).collect()
}

fn gate(at: &Path, arguments: &str) -> (Option<i32>, String) {
    let output: Output = Command::new("bash")
        .args(["-e", "-o", "pipefail", "-c", &script("run and check")])
        .current_dir(at)
        .env("PROGRAM", env!("CARGO_BIN_EXE_llm-bandit"))
        .envs([
            ("SCENARIOS", "scenarios"),
            ("BASELINES", "baselines"),
            ("OUT", "out"),
            ("ARGUMENTS", arguments),
        ])
        .env("LLM_BANDIT_DATASETS", "")
        .env("GITHUB_STEP_SUMMARY", at.join("summary.md"))
        .output()
        .unwrap();
    let [out, aside] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (output.status.code(), out + &aside)
}

#[test]
fn the_first_run_asks_for_a_baseline_the_next_passes_and_a_worse_router_fails() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::create_dir(at.join("scenarios")).unwrap();
    let (code, said) = gate(at, "");
    assert!(code == Some(2) && said.contains("::error::no scenario (*.toml) in 'scenarios'"), "{said}");
    for inner in ["a", "b"] {
        fs::create_dir_all(at.join("scenarios").join(inner)).unwrap();
        fs::write(at.join(format!("scenarios/{inner}/mine.toml")), SCENARIO).unwrap();
    }
    let (code, said) = gate(at, "");
    assert!(code == Some(2) && said.contains("two scenarios of one name"), "{said}");
    ["a", "b"].iter().for_each(|inner| fs::remove_dir_all(at.join("scenarios").join(inner)).unwrap());
    fs::write(at.join("scenarios/mine.toml"), SCENARIO).unwrap();
    let (code, said) = gate(at, "");
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("::error::no folder 'baselines'"), "{said}");
    fs::create_dir(at.join("baselines")).unwrap();
    let (code, said) = gate(at, "");
    assert_eq!(code, Some(0), "{said}");
    let notice =
        "::notice::mine has no baseline yet: llm-bandit check out/mine --against baselines/mine --accept";
    assert!(said.contains(notice), "{said}");
    let accept = notice.split("llm-bandit ").nth(1).unwrap().split(' ');
    let accepted =
        Command::new(env!("CARGO_BIN_EXE_llm-bandit")).args(accept.clone()).current_dir(at).output().unwrap();
    assert!(accepted.status.success() && at.join("baselines/mine/record").is_dir());
    let (code, said) = gate(at, "");
    assert_eq!(code, Some(0), "{said}");
    fs::write(
        at.join("scenarios/mine.toml"),
        SCENARIO.replace("kind = \"predictor\"\nmodel = \"linear\"", "kind = \"random\""),
    )
    .unwrap();
    let (code, said) = gate(at, "--allow-changed");
    assert_eq!(code, Some(1), "{said}");
    assert_eq!(said.lines().filter(|line| line.starts_with("::error")).count(), 1, "{said}");
    assert!(fs::read_to_string(at.join("summary.md")).unwrap().contains("REGRESSED"));
    // What is meant is accepted.
    let accepted = Command::new(env!("CARGO_BIN_EXE_llm-bandit"))
        .args(accept)
        .arg("--allow-changed")
        .current_dir(at)
        .output()
        .unwrap();
    assert!(accepted.status.success(), "{}", String::from_utf8_lossy(&accepted.stderr));
    let (code, said) = gate(at, "");
    assert_eq!(code, Some(0), "{said}");
}
