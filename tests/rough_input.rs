//! Input of any size and kind, and output that cannot be written, end in one clear line within seconds.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::common::program::llm_bandit;

const SCENARIO: &str = "description = \"d\"\nsuite = \"simulated-open-suite\"\n[pool]\nbenchmarks = [\"gsm8k\"]\n\
    [preferences]\nlow = 0.01\nhigh = 10.0\ncount = 3\n[[router]]\nkind = \"random\"\n";

/// The one line of a failure.
fn refused(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.chars().count() < 600, "{text}");
    text.trim_end().strip_prefix("error: ").unwrap().to_owned()
}

fn suite(folder: &Path, prompts: &str, models: &str, outcomes: &str) {
    fs::create_dir_all(folder.join("s")).unwrap();
    for (name, text) in [("prompts.csv", prompts), ("models.csv", models), ("outcomes.csv", outcomes)] {
        fs::write(folder.join("s").join(name), text).unwrap();
    }
}

#[test]
fn sizes_beyond_any_suite_are_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let verified = || refused(&llm_bandit(folder, &["verify", "s"]));
    let numbered = |header: &str, n: usize, row: &dyn Fn(usize) -> String| -> String {
        format!("{header}\n{}", (0..n).map(|at| row(at) + "\n").collect::<String>())
    };
    let (good_prompts, good_models) = ("prompt_id,benchmark\np,b\n", "model_id\nm\n");
    let many_models = numbered("model_id", 20_001, &|at| format!("m{at}"));
    let many_prompts = numbered("prompt_id,benchmark", 10_000, &|at| format!("p{at},b"));
    suite(folder, &many_prompts, &many_models, "prompt_id,model_id,score\np0,m0,1\n");
    assert!(verified().starts_with("s/outcomes.csv: asks for 10000 prompts x 20001 models in 4 columns"));
    let columns = numbered("prompt_id,model_id,score", 0, &|_| String::new()).trim_end().to_owned();
    let columns = columns + &(0..300_000).map(|at| format!(",c{at}")).collect::<String>() + "\np,m,1\n";
    suite(folder, good_prompts, good_models, &columns);
    assert_eq!(verified(), "s/outcomes.csv:1: has 300003 columns; a suite has at most 1000");
    let benchmarks = numbered("prompt_id,benchmark", 300_000, &|at| format!("p{at},b{at}"));
    suite(folder, &benchmarks, good_models, "prompt_id,model_id,score\np0,m,1\n");
    let said =
        "s/prompts.csv:10002: column `benchmark` names more than 10000 benchmarks; is it another column?";
    assert_eq!(verified(), said);
}

#[cfg(unix)]
#[test]
fn pipes_and_devices_are_no_files() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    suite(folder, "prompt_id,benchmark\np,b\n", "model_id\nm\n", "");
    fs::remove_file(folder.join("s/outcomes.csv")).unwrap();
    assert!(Command::new("mkfifo").arg(folder.join("s/outcomes.csv")).status().unwrap().success());
    let is_no_file = "s/outcomes.csv: is a device or a pipe; save what it gives as a file";
    assert_eq!(refused(&llm_bandit(folder, &["verify", "s"])), is_no_file);
    fs::remove_file(folder.join("s/outcomes.csv")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", folder.join("s/outcomes.csv")).unwrap();
    assert_eq!(refused(&llm_bandit(folder, &["verify", "s"])), is_no_file);
    assert_eq!(
        refused(&llm_bandit(folder, &["import", "table", "/dev/zero", "--out", "t", "--quiet"])),
        "/dev/zero: is a device or a pipe; save what it gives as a file"
    );
}

#[test]
fn what_does_not_go_together_on_a_command_line_is_said_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let said = |arguments: &[&str]| refused(&llm_bandit(folder, arguments));
    assert!(
        said(&["run", "quickstart", "--threads", "100000"]).starts_with("`--threads` must be from 1 to ")
    );
    assert!(said(&["run", "--nope"]).starts_with("unexpected argument '--nope' found; tip: "));
    assert!(said(&["synth"]).starts_with("the following required arguments were not provided: --out <OUT>"));
    let long = "x".repeat(100_000);
    assert!(said(&["run", "quickstart", "--replicates", &long]).contains("xxx\u{2026}' for '--replicates"));
    assert!(said(&["verify", &long]).len() < 600);
    // As a CI system sets what it does not know.
    let mut list = Command::new(env!("CARGO_BIN_EXE_llm-bandit"));
    let listed = list.arg("list").current_dir(folder).env("LLM_BANDIT_DATASETS", "").output().unwrap();
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let help = llm_bandit(folder, &["run", "--help"]);
    assert!(help.status.success() && !help.stdout.is_empty());
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written_is_an_error_and_a_reader_who_leaves_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("r.toml"), SCENARIO).unwrap();
    let run = llm_bandit(folder, &["run", "r.toml", "--quiet", "--out", "out"]);
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    for arguments in [
        &["--help"][..],
        &["run", "--help"],
        &["--version"],
        &["list"],
        &["prices"],
        &["verify", "out"],
        &["report", "out"],
        &["compare", "out"],
        &["decisions", "out", "--router", "random"],
        &["diff", "out", "out"],
        &["check", "out", "--against", "out"],
        &["check", "out", "--against", "out", "--format", "json"],
        &["plan", "r.toml", "--pilot", "out"],
    ] {
        let command = |stdout: Stdio| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_llm-bandit"));
            command.args(arguments).current_dir(folder).env_remove("LLM_BANDIT_DATASETS").stdout(stdout);
            command.stderr(Stdio::piped());
            command
        };
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let said = refused(&command(full.into()).output().unwrap());
        assert_eq!(
            said, "standard output: cannot write: No space left on device (os error 28)",
            "{arguments:?}"
        );
        let mut child = command(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        assert_ne!(child.wait().unwrap().code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn names_neither_move_the_cursor_nor_give_commands() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let name = "::error file=x::boom \u{1b}[2J\u{202e}";
    suite(
        folder,
        &format!("prompt_id,benchmark\np,{name}\nq,{name}\n"),
        &format!("model_id\n{name}\nm\n"),
        &format!("prompt_id,model_id,score\np,{name},1\nq,m,0\np,m,1\n"),
    );
    let verified = llm_bandit(folder, &["verify", "s"]);
    let text = String::from_utf8([verified.stdout, verified.stderr].concat()).unwrap();
    assert!(text.contains("boom \\u{1b}[2J\\u{202e}"), "{text}");
    assert!(!text.contains(['\u{1b}', '\u{202e}']));
    assert!(!text.lines().any(|line| line.trim_start().starts_with("::")), "{text}");
}

#[test]
fn what_would_fail_after_training_is_refused_before() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let long = "k".repeat(250);
    let label = format!("kind = \"random\"\nlabel = \"{long}\"");
    for (from, to, expected) in [
        ("high = 10.0", "high = 1e308", "r.toml:7: [preferences]: 1e-12 <= low < high <= 1e12"),
        ("low = 0.01", "low = 1e-320", "r.toml:6: [preferences]: 1e-12 <= low < high <= 1e12"),
        ("[preferences]", "[split]\ntest = 1.5\n[preferences]", "r.toml:6: [split]: "),
        ("kind = \"random\"", label.as_str(), "r.toml:11: label `kkk"),
        // 2^32, which as a number of 32 bits would be 0.
        (
            "[preferences]",
            "[split]\ntest = 4294967296\n[preferences]",
            "r.toml:6: [split]: `test` 4294967296 and ",
        ),
        (
            "[preferences]",
            "[evidence]\nprimary = \"apgr\"\n[preferences]",
            "r.toml:6: `primary` is `apgr`, which needs a pool of two candidates",
        ),
    ] {
        fs::write(folder.join("r.toml"), SCENARIO.replace(from, to)).unwrap();
        for arguments in [&["verify", "r.toml"][..], &["run", "r.toml", "--out", "out"]] {
            let said = refused(&llm_bandit(folder, arguments));
            assert!(said.starts_with(expected), "{said}");
        }
        assert!(!folder.join("out").exists());
    }
}
