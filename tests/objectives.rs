//! Latency as an objective, and limits on seconds and calls: worlds whose optimum is known, what is refused, and the files of a report.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

use std::path::Path;

use llm_bandit::error::Result;
use llm_bandit::evaluate::{Latencies, Resource, budgets, judge, latencies, summarise_without_evidence};
use llm_bandit::record::Record;
use llm_bandit::report::render;
use llm_bandit::run::run;
use llm_bandit::scenario::Scenario;
use llm_bandit::suite::synthetic::SyntheticSettings;
use llm_bandit::suite::{CellTable, LATENCY, Suite};

const ROUTER: &str = "[[router]]\nkind = \"predictor\"\nmodel = \"linear\"\n";

fn scenario(more: &str) -> Result<Scenario> {
    let text = format!("description = \"d\"\nsuite = \"s\"\n{more}{ROUTER}[[router]]\nkind = \"random\"\n");
    Scenario::parse(Path::new("s.toml"), &text)
}

/// Two models that are always right: one costs 1 dollar per 1,000 prompts and takes 4 seconds, the other 2 dollars and 1 second; with
/// costs or without. Waiting longer by 3 seconds saves 0.001 dollars, so a second is worth the switch from a third of a thousandth on.
fn slow_or_expensive(has_costs: bool) -> Suite {
    let settings = SyntheticSettings { n_prompts: 300, n_models: 2, ..SyntheticSettings::default() };
    let mut suite = settings.generate().unwrap().suite;
    let mut seconds = CellTable::missing(300, 2);
    for prompt in 0..300 {
        for (model, (usd, latency)) in [(0.001, 4.0), (0.002, 1.0)].into_iter().enumerate() {
            suite.outcomes.score.set(prompt, model, Some(1.0));
            suite.outcomes.cost_usd.set(prompt, model, has_costs.then_some(usd));
            seconds.set(prompt, model, Some(latency));
        }
    }
    suite.outcomes.extra.insert(LATENCY.to_owned(), seconds);
    suite
}

/// Score, dollars, and seconds of the router, at a preference in the middle.
fn routed(record: &Record) -> [f64; 3] {
    let Latencies { routers, .. } = latencies(record).unwrap();
    let waited = routers[0][record.manifest.preferences.len() / 2];
    [waited.score, waited.usd, waited.seconds]
}

#[test]
fn what_a_second_counts_for_decides_between_a_slow_and_an_expensive_model() {
    for (usd_per_second, expected) in
        [(0.0, [1.0, 0.001, 4.0]), (0.0003, [1.0, 0.001, 4.0]), (0.0004, [1.0, 0.002, 1.0])]
    {
        let objectives = format!("[objectives]\nusd-per-second = {usd_per_second}\n");
        let record = run(&scenario(&objectives).unwrap(), slow_or_expensive(true), &|_| {}).unwrap();
        let found = routed(&record);
        let is_near = found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-9);
        assert!(is_near, "{usd_per_second} dollars a second: {found:?}");
        // Elsewhere a cost is of both.
        let weighed = record.cost_usd.get(0, 0).unwrap();
        assert!((weighed - (0.001 + 4.0 * usd_per_second)).abs() < 1e-12);
        let models = latencies(&record).unwrap().models;
        let p95: Vec<f64> = models.into_iter().map(|model| model.unwrap().p95_seconds).collect();
        assert_eq!(p95, [4.0, 1.0]);
    }
}

#[test]
fn where_nothing_is_known_of_costs_waiting_alone_is_weighed() {
    let objectives = "[objectives]\nusd-per-second = 0.01\n";
    let record = run(&scenario(objectives).unwrap(), slow_or_expensive(false), &|_| {}).unwrap();
    assert_eq!(routed(&record), [1.0, 0.0, 1.0]);
}

/// The second model is always right and takes 3 seconds; the first is right where an embedding's sign says so, and takes 1.
fn worth_the_wait(n_prompts: usize) -> Suite {
    let settings = SyntheticSettings { n_prompts, n_models: 2, ..SyntheticSettings::default() };
    let mut suite = settings.generate().unwrap().suite;
    let mut seconds = CellTable::missing(n_prompts, 2);
    for prompt in 0..n_prompts {
        let is_easy = suite.embeddings.as_ref().unwrap().row(prompt)[0] > 0.0;
        for (model, score) in [f64::from(u8::from(is_easy)), 1.0].into_iter().enumerate() {
            suite.outcomes.score.set(prompt, model, Some(score));
            suite.outcomes.cost_usd.set(prompt, model, Some(0.0));
            seconds.set(prompt, model, Some([1.0, 3.0][model]));
        }
    }
    suite.outcomes.extra.insert(LATENCY.to_owned(), seconds);
    suite
}

#[test]
fn limits_on_seconds_and_on_calls_are_kept_and_come_near_the_optimum() {
    // A quarter of the prompts may have the second model: with 1 + 2 / 4 seconds, or by a share of calls. Spent on hard prompts alone, it
    // makes that many more right.
    let limits = "[objectives]\nusd-per-second = 0.001\n[budget]\nseconds = [1.5]\n[[budget.calls]]\nmodel = \"model-1\"\nshares = [0.25]\n";
    let suite = worth_the_wait(2000);
    let names: Vec<String> = suite.models.iter().map(|model| model.id.clone()).collect();
    let limits = limits.replace("model-1", &names[1]);
    let record = run(&scenario(&limits).unwrap(), suite, &|_| {}).unwrap();
    let n = record.test_prompts[0].len() as f64;
    let easy =
        (record.test_prompts[0].iter()).filter(|&&at| record.score.get(at.at(), 0) == Some(1.0)).count();
    let optimum = easy as f64 / n + 0.25;
    let all = budgets(&record, &summarise_without_evidence(&record));
    assert_eq!(
        all.iter().map(|at| at.resource).collect::<Vec<_>>(),
        [Resource::Seconds, Resource::CallsOf(1)]
    );
    for at in &all {
        let streamed = at.routers[0][0];
        assert_eq!((streamed.over, streamed.most_over), (0.0, 0.0), "{streamed:?}");
        let hindsight = streamed.hindsight.unwrap();
        assert!(hindsight > optimum - 0.06 && hindsight < optimum + 1e-9, "{hindsight} of {optimum}");
        assert!(
            streamed.score > hindsight - 0.05 && streamed.score < hindsight + 0.02,
            "{streamed:?} of {hindsight}"
        );
    }
}

#[test]
fn the_report_tells_objectives_apart_and_is_the_same_when_it_is_made_again() {
    let more = "[objectives]\nusd-per-second = 0.0004\n[budget]\nseconds = [2.0]\n";
    let record = run(&scenario(more).unwrap(), slow_or_expensive(true), &|_| {}).unwrap();
    let folder = tempfile::tempdir().unwrap();
    record.write(folder.path()).unwrap();
    let read = Record::read(folder.path()).unwrap();
    assert!(read == record);
    let render = |record: &Record| {
        let summary = summarise_without_evidence(record);
        render(record, &summary, &judge(record, &summary).unwrap())
    };
    let files = render(&record);
    assert!(files == render(&read));
    let text = |wanted: &str| {
        let (_, bytes) = files.iter().find(|(name, _)| *name == wanted).unwrap();
        String::from_utf8(bytes.clone()).unwrap()
    };
    assert!(text("report.md").contains("**Waiting counts too**: $0.0004 for each second of latency"));
    assert!(text("report.md").contains("## Score, dollars, and seconds"));
    assert!(text("report.html").contains("Seconds against dollars"));
    let n_preferences = record.manifest.preferences.len();
    assert_eq!(text("latency.csv").lines().count(), 1 + 2 * n_preferences + 2);
    for figure in ["score-dollars.svg", "score-seconds.svg", "seconds-dollars.svg"] {
        assert!(text(figure).starts_with("<svg"), "{figure}");
    }
    // A record that lost them is refused.
    let lost = folder.path().join("latency_s.npy.gz");
    std::fs::remove_file(&lost).unwrap();
    assert!(Record::read(folder.path()).unwrap_err().to_string().contains("latency_s.npy.gz"));
}

#[test]
fn what_cannot_be_weighed_is_one_line() {
    let fault = |more: &str| scenario(more).unwrap_err().to_string();
    assert_eq!(
        fault("[objectives]\nusd-per-second = -1.0\n"),
        "s.toml:4: `usd-per-second` must be from 0 to 1000 US dollars"
    );
    assert_eq!(
        fault("[budget]\nseconds = [1.0]\n"),
        "s.toml:4: `seconds` needs `[objectives]`, which says where latencies are and what a second counts for"
    );
    assert_eq!(
        fault("[budget]\norders = 3\n"),
        "s.toml:3: [budget] names no limit: `usd-per-1000`, `seconds`, or `[[budget.calls]]`"
    );
    assert_eq!(
        fault("[[budget.calls]]\nmodel = \"a\"\nshares = [1.0]\n"),
        "s.toml:5: `shares` lists 1 to 20 shares of prompts, each above 0 and below 1"
    );
    let unseen = "[unseen]\nshare = 0.5\n[quiz]\nstrategy = \"none\"\n[objectives]\nusd-per-second = 0.1\n";
    assert!(fault(unseen).contains("a quiz must ask something"), "{}", fault(unseen));
    // Where nothing is weighed nothing needs to be known.
    assert!(scenario(&unseen.replace("usd-per-second = 0.1", "usd-per-second = 0.0")).is_ok());

    let refused = |more: &str, suite: Suite| {
        let scenario = scenario(more).unwrap();
        run(&scenario, suite, &|_| {}).unwrap_err().to_string()
    };
    let weighed = "[objectives]\nusd-per-second = 0.1\n";
    let mut suite = slow_or_expensive(true);
    let latency = suite.outcomes.extra.remove(LATENCY).unwrap();
    assert!(
        refused(weighed, suite.clone()).contains("needs a column `latency_s`, which the outcomes of suite")
    );
    suite.outcomes.extra.insert("latency_sec".into(), latency);
    assert!(refused(weighed, suite.clone()).contains("; did you mean `latency_sec`?"));
    let named = format!("{weighed}latency = \"latency_sec\"\n");
    run(&scenario(&named).unwrap(), suite.clone(), &|_| {}).unwrap();
    suite.outcomes.extra.get_mut("latency_sec").unwrap().set(7, 1, None);
    assert!(refused(&named, suite).contains(": 1 of 300 of `"));
    let first = slow_or_expensive(true).models[0].id.clone();
    let price = format!("{weighed}[[shift]]\nkind = \"price\"\nmodel = \"{first}\"\nfactor = 2.0\n");
    assert!(refused(&price, slow_or_expensive(true)).contains("`[objectives]` has added waiting to"));
    let nobody = "[[budget.calls]]\nmodel = \"nobody\"\nshares = [0.5]\n";
    assert!(
        refused(nobody, slow_or_expensive(true)).contains("limits calls of `nobody`, which is no candidate")
    );
}
