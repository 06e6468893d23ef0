//! Online runs: the same bytes for any number of threads, one outcome a prompt, and learners that learn.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

#[path = "common/program.rs"]
mod program;
#[path = "common/snapshot.rs"]
mod snapshot;

use std::fs;
use std::path::Path;

use llm_bandit::online::{OnlineRecord, OnlineScenario, run, summarise};
use llm_bandit::suite::synthetic::{Synthetic, SyntheticSettings};

const SCENARIO: &str = "mode = \"online\"\ndescription = \"d\"\nsuite = \"s\"\n[online]\norders = 6\npreference = [0.3]\n\
    [[router]]\nkind = \"linucb\"\n[[router]]\nkind = \"lin-thompson\"\n[[router]]\nkind = \"random\"\n";

/// The preference of the scenario.
const PREFERENCE: f64 = 0.3;

fn suite() -> Synthetic {
    let settings = SyntheticSettings { n_prompts: 1500, n_models: 4, ..SyntheticSettings::default() };
    settings.generate().unwrap()
}

fn record() -> OnlineRecord {
    let scenario = OnlineScenario::parse(Path::new("s.toml"), SCENARIO).unwrap();
    run(&scenario, suite().suite, &|_| {}).unwrap()
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
fn regret_against_what_can_be_known_grows_ever_more_slowly() {
    let record = record();
    let truth = suite().truth;
    let (phase, unit) = (&record.phases[0], record.manifest.cost_unit_usd);
    // By how much even a router that knows every probability stays below the oracle, which knows outcomes.
    let models = 0..record.manifest.suite.models.len();
    let floor = |prompt: usize| {
        let realised = |model: usize| {
            let cost = phase.cost_usd.get(prompt, model).unwrap();
            phase.score.get(prompt, model).unwrap() - PREFERENCE * cost / unit
        };
        let expected = |model: usize| truth.utility(prompt, model, PREFERENCE / unit);
        let most = models.clone().max_by(|a, b| expected(*a).total_cmp(&expected(*b))).unwrap();
        models.clone().map(realised).fold(f64::NEG_INFINITY, f64::max) - realised(most)
    };
    let n_prompts = record.prompts.len();
    let floor = (0..n_prompts).map(floor).sum::<f64>() / n_prompts as f64;
    let summary = summarise(&record);
    for learner in ["linucb", "lin-thompson"] {
        let series = summary.series.iter().find(|series| series.policy == learner).unwrap();
        let above = |at: usize| series.regret[at].mean - floor * summary.checkpoints[at] as f64;
        let last = series.regret.len() - 1;
        let quarter = summary.checkpoints.partition_point(|steps| *steps < n_prompts / 4);
        let most = summary.checkpoints.partition_point(|steps| *steps < n_prompts * 3 / 4);
        let (first_quarter, last_quarter) = (above(quarter), above(last) - above(most));
        // Measured: below 0.6 for linucb, 0.68 for lin-thompson, which explores more; 1 where nothing is learned.
        assert!(last_quarter < 0.8 * first_quarter, "{learner}: {first_quarter} {last_quarter}");
    }
}

#[test]
fn unclipped_estimates_of_other_policies_are_unbiased_over_many_orders_of_a_random_logger() {
    let settings = SyntheticSettings { n_prompts: 150, n_models: 5, ..SyntheticSettings::default() };
    let text = "mode = \"online\"\ndescription = \"d\"\nsuite = \"s\"\n[online]\norders = 600\n[[router]]\nkind = \"random\"\n";
    let scenario = OnlineScenario::parse(Path::new("s.toml"), text).unwrap();
    let summary = summarise(&run(&scenario, settings.generate().unwrap().suite, &|_| {}).unwrap());
    let unclipped = summary.off_policy.iter().filter(|row| row.clip.is_infinite());
    let unbiased: Vec<_> = unclipped.filter(|row| ["IPS", "DR"].contains(&row.estimator.name())).collect();
    assert_eq!(unbiased.len(), 6, "two estimators of three targets");
    for row in unbiased {
        // An interval is 1.96 standard errors to each side; six looks make 3 standard errors a fair bound.
        let standard_error = (row.error.high - row.error.mean) / 1.96;
        assert!(
            row.error.mean.abs() < 3.0 * standard_error,
            "{} of {}: {:?}",
            row.estimator.name(),
            row.target,
            row.error
        );
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
    let report = fs::read_to_string(folder.path().join("r/report.md")).unwrap();
    snapshot::assert_snapshot("online-report.md", &report);
    assert_eq!(code(&["report", "r"]), Some(0));
    assert_eq!(fs::read_to_string(folder.path().join("r/report.md")).unwrap(), report);
    assert_eq!(code(&["verify", "r"]), Some(0));
    let summary = folder.path().join("r/summary.csv");
    let changed = fs::read_to_string(&summary).unwrap().replacen("0.", "1.", 1);
    fs::write(&summary, changed).unwrap();
    let verified = llm_bandit(&["verify", "r"]);
    assert_eq!(verified.status.code(), Some(2));
    let problem = String::from_utf8(verified.stderr).unwrap();
    assert!(problem.starts_with("error: r/summary.csv:"), "{problem}");
}
