//! The adapter to RouteLLM, beside a stand-in for the package, whose weights and embeddings are not to be had offline.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};

/// A `routellm` whose strong model wins the more surely the longer the prompt.
const STAND_IN: &str = "class MatrixFactorizationRouter:\n    def __init__(self, checkpoint_path):\n        \
    self.base = {'routellm/mf_gpt4_augmented': 0.0, 'mine': 0.5}[checkpoint_path]\n    \
    def calculate_strong_win_rate(self, prompt):\n        return self.base + len(prompt) / 100\n";

fn answer(arguments: &[&str], lines: &str) -> Option<Output> {
    if std::env::var_os("LLM_BANDIT_NO_PYTHON").is_some() {
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let routers = folder.path().join("routellm/routers");
    let metadata = folder.path().join("routellm-9.9.dist-info");
    [&routers, &metadata].iter().for_each(|folder| fs::create_dir_all(folder).unwrap());
    fs::write(routers.join("routers.py"), STAND_IN).unwrap();
    fs::write(metadata.join("METADATA"), "Metadata-Version: 2.1\nName: routellm\nVersion: 9.9\n").unwrap();
    let mut program = Command::new("python3")
        .arg("examples/routers/routellm_mf.py")
        .args(arguments)
        .env("PYTHONPATH", folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that refuses may be gone before it has read everything.
    let _ = program.stdin.take().unwrap().write_all(lines.as_bytes());
    Some(program.wait_with_output().unwrap())
}

#[test]
fn win_rates_become_scores_of_both_models() {
    let lines = "{\"llm_bandit\": 1, \"models\": [\"big\", \"small\"], \"preferences\": [0.5]}\n\
        {\"id\": \"p\", \"prompt\": \"0123456789012345678901234\", \"models\": [\"big\", \"small\"], \"preference\": 0.5}\n\n";
    for (arguments, version, scores) in [
        (
            &["big", "small"][..],
            "routellm 9.9, routellm/mf_gpt4_augmented",
            r#"{"big": 0.25, "small": 0.75}"#,
        ),
        (&["big", "small", "mine"], "routellm 9.9, mine", r#"{"big": 0.75, "small": 0.25}"#),
    ] {
        let Some(output) = answer(arguments, lines) else { return };
        let expected = format!("{{\"version\": \"{version}\"}}\n{{\"id\": \"p\", \"scores\": {scores}}}\n");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
    }
}

#[test]
fn a_pool_of_other_models_is_refused() {
    let lines = "{\"llm_bandit\": 1, \"models\": [\"big\", \"small\", \"third\"], \"preferences\": [0.5]}\n";
    let Some(output) = answer(&["big", "small"], lines) else { return };
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("chooses between big and small"), "{said}");
}
