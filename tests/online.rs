//! Online runs: the same bytes for any number of threads, one outcome a prompt, and learners that learn.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

#[path = "common/program.rs"]
mod program;

use std::fs;
use std::path::Path;

use llm_bandit::online::{OnlineRecord, OnlineScenario, run, summarise};
use llm_bandit::suite::synthetic::SyntheticSettings;

const SCENARIO: &str = "mode = \"online\"\ndescription = \"d\"\nsuite = \"s\"\n[online]\norders = 6\npreference = [0.3]\n\
    [[router]]\nkind = \"linucb\"\n[[router]]\nkind = \"lin-thompson\"\n[[router]]\nkind = \"random\"\n";

fn record() -> OnlineRecord {
    let settings = SyntheticSettings { n_prompts: 1500, n_models: 4, ..SyntheticSettings::default() };
    let scenario = OnlineScenario::parse(Path::new("s.toml"), SCENARIO).unwrap();
    run(&scenario, settings.generate().unwrap().suite, &|_| {}).unwrap()
}

#[test]
fn learners_beat_chance_and_are_shown_one_outcome_a_prompt() {
    let record = record();
    let summary = summarise(&record);
    let regret = |policy: &str| summary.find(policy, "regret").unwrap().spread();
    for learner in ["linucb", "lin-thompson"] {
        assert!(regret(learner).high < regret("random").low, "{learner}");
    }
    for learner in &record.manifest.routers {
        assert!(learner.revealed.iter().all(|meter| meter.outcomes_seen == record.manifest.n_steps));
    }
}

#[test]
fn threads_change_nothing_and_what_is_written_is_read() {
    let pool = |n| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
    let one = pool(1).install(record);
    assert!(one == pool(3).install(record));
    let folder = tempfile::tempdir().unwrap();
    one.write(folder.path()).unwrap();
    assert!(OnlineRecord::read(folder.path()).unwrap() == one);
}

#[test]
fn an_online_report_is_rebuilt_to_the_byte_and_verified_and_a_changed_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let llm_bandit = |arguments: &[&str]| program::llm_bandit(folder.path(), arguments);
    let scenario = include_str!("../scenarios/ci/online.toml");
    fs::write(folder.path().join("online.toml"), scenario).unwrap();
    let code = |arguments: &[&str]| llm_bandit(arguments).status.code();
    assert_eq!(code(&["run", "online.toml", "--quiet", "--out", "r"]), Some(0));
    let report = fs::read(folder.path().join("r/report.md")).unwrap();
    assert_eq!(code(&["report", "r"]), Some(0));
    assert_eq!(fs::read(folder.path().join("r/report.md")).unwrap(), report);
    assert_eq!(code(&["verify", "r"]), Some(0));
    let summary = folder.path().join("r/summary.csv");
    let changed = fs::read_to_string(&summary).unwrap().replacen("0.", "1.", 1);
    fs::write(&summary, changed).unwrap();
    let verified = llm_bandit(&["verify", "r"]);
    assert_eq!(verified.status.code(), Some(2));
    let problem = String::from_utf8(verified.stderr).unwrap();
    assert!(problem.starts_with("error: r/summary.csv:"), "{problem}");
}
