//! Online runs: the same bytes for any number of threads, one outcome a prompt, and learners that learn.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

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
