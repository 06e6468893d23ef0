//! Feedback as it comes: conditions of an online run, on suites whose best choice is known.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

use std::fs;
use std::path::Path;

use crate::common::program;
use llm_bandit::evaluate::online::{Effect, OnlineSummary, summarise};
use llm_bandit::record::online::{OnlineRecord, log_commitment};
use llm_bandit::run::online::run;
use llm_bandit::scenario::online::OnlineScenario;
use llm_bandit::suite::Suite;
use llm_bandit::suite::synthetic::SyntheticSettings;

/// One model is always right, one is worth 0.6, one nothing; they cost nothing.
const WORTH: [f64; 3] = [1.0, 0.6, 0.0];

const ROUTERS: &str = "[[router]]\nkind = \"linucb\"\nalpha = 0.5\n[[router]]\nkind = \"pilot\"\nalpha = 0.01\nprior-weight = 1e9\n\
    [[router]]\nkind = \"random\"\n";

fn suite(worth: Option<[f64; 3]>) -> Suite {
    let settings = SyntheticSettings { n_prompts: 400, n_models: 3, n_dimensions: 10, ..Default::default() };
    let mut suite = settings.generate().unwrap().suite;
    for (model, named) in suite.models.iter_mut().enumerate() {
        named.id = ["good", "fair", "bad"][model].to_owned();
    }
    for (model, worth) in worth.into_iter().flatten().enumerate() {
        for prompt in 0..suite.prompts.len() {
            suite.outcomes.score.set(prompt, model, Some(worth));
            suite.outcomes.cost_usd.set(prompt, model, Some(0.0));
        }
    }
    suite
}

fn scenario(online: &str, rest: &str) -> OnlineScenario {
    let head = "mode = \"online\"\ndescription = \"d\"\nsuite = \"s\"\n[online]\norders = 6\nwarm-start = 0.25\ndimensions = 3\n";
    OnlineScenario::parse(Path::new("s.toml"), &format!("{head}{online}\n{rest}\n")).unwrap()
}

fn condition(name: &str, keys: &str) -> String {
    format!("[[online.condition]]\nname = \"{name}\"\n{keys}\n")
}

fn known(conditions: &[(&str, &str)]) -> (OnlineRecord, OnlineSummary) {
    let conditions: String = conditions.iter().map(|(name, keys)| condition(name, keys)).collect();
    let scenario = scenario("preference = [0.0]", &format!("{conditions}{ROUTERS}"));
    let record = run(&scenario, suite(Some(WORTH)), &|_| {}).unwrap();
    let summary = summarise(&record);
    (record, summary)
}

#[test]
fn who_trusts_poisoned_feedback_loses_and_who_does_not_survives() {
    let (record, summary) = known(&[
        ("poison", "feedback = { poison = { model = \"good\", share = 1.0 } }"),
        ("delay", "feedback = { delay = { fixed = 20 } }"),
        ("silence", "feedback = { scored = 0.0 }"),
    ]);
    let last_quarter = |record: &OnlineRecord, learner: &str| {
        summarise(record).find(learner, "last-quarter-regret").unwrap().spread().mean
    };
    // With clean feedback, late or not, the optimum is found.
    assert!(last_quarter(&record, "linucb") < 0.02);
    assert!(last_quarter(&record.conditions[1], "linucb") < 0.02);
    // Told that the best model is worth nothing, it takes the second.
    assert!((last_quarter(&record.conditions[0], "linucb") - 0.4).abs() < 0.03);
    // Told nothing, it takes the first model of the pool; the order of ids is `bad`, `fair`, `good`.
    assert_eq!(last_quarter(&record.conditions[2], "linucb"), 1.0);
    // Whoever believes the warm start alone cannot be lied to.
    assert!(record.conditions.iter().all(|record| last_quarter(record, "pilot") == 0.0));
    let effects: Vec<Vec<Option<Effect>>> = (summary.survival.under.iter())
        .map(|learners| learners.iter().map(|cell| cell.effect).collect())
        .collect();
    assert_eq!(effects[0], [Some(Effect::Broken), Some(Effect::Unharmed), None]);
    assert_eq!(effects[1], [Some(Effect::Weakened), Some(Effect::Unharmed), None]);
    assert_eq!(effects[2], [Some(Effect::Broken), Some(Effect::Unharmed), None]);
}

#[test]
fn a_quota_and_an_outage_hold_for_learners_and_references_alike() {
    let (record, summary) = known(&[
        ("quota", "quota = { model = \"good\", calls = 2, window = 10 }"),
        ("outage", "change = [{ at = 0.4, outage = { model = \"good\", until = 0.6 } }]"),
    ]);
    let good = record.manifest.suite.models.iter().position(|model| model == "good").unwrap();
    let n_steps = record.manifest.n_steps;
    let calls = |record: &OnlineRecord, from: usize, to: usize| -> usize {
        let arms = record.logs.iter().flatten().map(|log| &log.arms[from..to]);
        arms.map(|arms| arms.iter().filter(|&&arm| usize::from(arm) == good).count()).max().unwrap()
    };
    let [quota, outage] = &record.conditions[..] else { panic!("two conditions") };
    for first in (0..n_steps).step_by(10) {
        assert!(calls(quota, first, (first + 10).min(n_steps)) <= 2);
    }
    let [from, to] = [0.4, 0.6].map(|share| (share * n_steps as f64) as usize);
    assert!(
        calls(outage, from, to) == 0 && calls(outage, from - 1, from) == 1 && calls(outage, to, to + 1) == 1
    );
    // Pilot knows who is best and cannot do better than the quota lets it: that is what the oracle does too.
    for record in &record.conditions {
        assert_eq!(summarise(record).find("pilot", "regret").unwrap().spread().mean, 0.0);
    }
    assert!(summary.survival.under.iter().all(|learners| learners[1].effect == Some(Effect::Unharmed)));
}

#[test]
fn a_random_choice_in_expectation_is_that_of_many_under_a_quota() {
    let rest = "[online.quota]\nmodel = \"good\"\ncalls = 3\nwindow = 25\n[[router]]\nkind = \"random\"\n";
    let mut scenario = scenario("preference = [0.5]", rest);
    scenario.online.orders = 100;
    let summary = summarise(&run(&scenario, suite(None), &|_| {}).unwrap());
    for metric in ["regret", "score", "cost-usd"] {
        let [drawn, expected] =
            ["random", "uniform"].map(|policy| &summary.find(policy, metric).unwrap().values);
        let n = drawn.len() as f64;
        let differences: Vec<f64> =
            drawn.iter().zip(expected).map(|(drawn, expected)| drawn - expected).collect();
        let mean = differences.iter().sum::<f64>() / n;
        let variance =
            differences.iter().map(|difference| (difference - mean).powi(2)).sum::<f64>() / (n - 1.0);
        assert!(mean.abs() < 3.0 * (variance / n).sqrt(), "{metric}: {mean}");
        assert!(drawn.iter().all(|value| *value >= 0.0), "nobody beats the oracle");
    }
}

#[test]
fn what_is_told_at_once_of_everything_is_the_plain_run_and_a_condition_is_a_run_of_its_own() {
    let routers =
        "[[router]]\nkind = \"linucb\"\n[[router]]\nkind = \"lin-thompson\"\n[[router]]\nkind = \"barp\"\n";
    let noisy = "feedback = { delay = { geometric = 9.0 }, scored = 0.5, noise = 0.2 }\nquota = { model = \"fair\", calls = 1, window = 3 }\n\
        change = [{ at = 0.5, preference = [0.1, 2.0] }]";
    let conditions = [
        condition(
            "at once",
            "feedback = { delay = { fixed = 0 }, scored = 1.0, noise = 0.0, poison = { model = \"bad\", share = 0.0 } }",
        ),
        condition("geometric", "feedback = { delay = { geometric = 0.0 } }"),
        condition("noisy", noisy),
    ];
    let mut many = scenario("steps = 120", &format!("{}{routers}", conditions.concat()));
    many.online.orders = 2;
    let pool = |n| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
    let record = pool(1).install(|| run(&many, suite(None), &|_| {}).unwrap());
    assert!(record == pool(3).install(|| run(&many, suite(None), &|_| {}).unwrap()));
    assert!(record.conditions[0].logs == record.logs && record.conditions[1].logs == record.logs);
    assert!(record.conditions[2].logs != record.logs);

    // As a scenario that has the same keys itself.
    let mut own = scenario(&format!("steps = 120\n{noisy}"), routers);
    own.online.orders = 2;
    assert!(run(&own, suite(None), &|_| {}).unwrap() == record.conditions[2]);

    // Written and read, and a log that calls more often than it may is refused.
    let folder = tempfile::tempdir().unwrap();
    record.write(folder.path()).unwrap();
    assert!(OnlineRecord::read(folder.path()).unwrap() == record);
    let mut forged = record.clone();
    let fair = record.manifest.suite.models.iter().position(|model| model == "fair").unwrap();
    forged.conditions[2].logs[0][0].arms.fill(fair as u16);
    forged.manifest.conditions[2].routers[0].choices_hashes[0] =
        log_commitment("linucb", &forged.conditions[2].logs[0][0]);
    let folder = tempfile::tempdir().unwrap();
    forged.write(folder.path()).unwrap();
    let refused = OnlineRecord::read(folder.path()).unwrap_err().to_string();
    assert!(
        refused.contains("condition-2-choices-linucb.npy.gz")
            && refused.ends_with("which is not in the pool"),
        "{refused}"
    );
}

#[test]
fn the_report_says_who_survives_what_is_verified_and_is_taken_up_again() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let text = format!(
        "mode = \"online\"\ndescription = \"d\"\nsuite = \"simulated-open-suite\"\n[pool]\nbenchmarks = [\"gsm8k\"]\n\
         models = [\"gpt-4o\", \"gpt-4o-mini\", \"mistral-7b\"]\n[online]\norders = 3\ndimensions = 4\npreference = [0.3]\n{}{}[[router]]\n\
         kind = \"linucb\"\n[[router]]\nkind = \"random\"\n",
        condition("noise 30 %", "feedback = { noise = 0.3 }"),
        condition("out", "change = [{ at = 0.4, outage = { model = \"gpt-4o-mini\", until = 0.6 } }]"),
    );
    fs::write(folder.join("s.toml"), &text).unwrap();
    let code = |arguments: &[&str]| program::llm_bandit(folder, arguments).status.code();
    assert_eq!(code(&["run", "s.toml", "--quiet", "--out", "r"]), Some(0));
    assert_eq!(code(&["verify", "r"]), Some(0));
    let report = fs::read_to_string(folder.join("r/report.md")).unwrap();
    for words in [
        "## Under each condition",
        "noise 30 %",
        "- noise 30 %: 30 % of the scores are told turned around.",
        "- out: after 40 % of the steps `gpt-4o-mini` leaves; after 60 % of the steps `gpt-4o-mini` arrives.",
        "| random |",
    ] {
        assert!(report.contains(words), "{words}: {report}");
    }
    let table = fs::read_to_string(folder.join("r/conditions.csv")).unwrap();
    assert_eq!(table.lines().count(), 1 + 2 * 2);
    // Cells of the run as it is are those of the same scenario without conditions.
    let plain = text.split("[[online.condition]]").next().unwrap().to_owned()
        + text.split_at(text.find("[[router]]").unwrap()).1;
    fs::write(folder.join("plain.toml"), plain).unwrap();
    assert_eq!(code(&["run", "plain.toml", "--quiet", "--out", "plain"]), Some(0));
    let bytes = |path: &str| fs::read(folder.join(path)).unwrap();
    assert!(bytes("plain/record/choices-linucb.npy.gz") == bytes("r/record/choices-linucb.npy.gz"));
    fs::remove_file(folder.join("r/record/condition-1-choices-linucb.npy.gz")).unwrap();
    assert_eq!(code(&["verify", "r"]), Some(2));
}

#[test]
fn conditions_that_cannot_be_name_their_line() {
    let fault = |keys: &str| {
        let text = "mode = \"online\"\ndescription = \"d\"\nsuite = \"s\"\n[online]\norders = 3\n";
        let text =
            format!("{text}[[online.condition]]\nname = \"c\"\n{keys}\n[[router]]\nkind = \"random\"\n");
        match OnlineScenario::parse(Path::new("s.toml"), &text) {
            Err(error) => error.to_string(),
            Ok(scenario) => run(&scenario, suite(None), &|_| {}).unwrap_err().to_string(),
        }
    };
    for (keys, expected) in [
        ("", "a condition needs `feedback`, `quota`, or `change`"),
        ("feedback = { scored = 1.5 }", "`scored` 1.5 is not a share from 0 to 1"),
        ("feedback = { delay = { normal = 3 } }", "unknown variant `normal`"),
        ("quota = { model = \"good\", calls = 5, window = 5 }", "`calls` must be below `window`"),
        (
            "quota = { model = \"goood\", calls = 1, window = 5 }",
            "`goood` is no candidate; did you mean `good`?",
        ),
        (
            "change = [{ at = 0.5, outage = { model = \"good\", until = 0.4 } }]",
            "does not end after it begins",
        ),
        ("change = [{ at = 0.5, preference = [] }]", "`preference` is a list of weights from 0 up"),
        (
            "change = [{ at = 0.5, arrive = { model = \"good\" } }]",
            "a condition has the arms of the run as it is",
        ),
    ] {
        let found = fault(keys);
        assert!(found.contains(expected), "{keys}: {found}");
    }
}
