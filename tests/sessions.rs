//! Sessions and prompt caches: the suite's columns, what is refused, bounds, and routers that stay on the model of the turn before.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

use std::fs;
use std::path::Path;

use llm_bandit::evaluate::{Summary, summarise, summarise_without_evidence};
use llm_bandit::index::{SuiteModel, SuitePrompt};
use llm_bandit::metrics::{Bound, PolicyId};
use llm_bandit::random::shuffle;
use llm_bandit::record::{Record, reprice};
use llm_bandit::run::{check, run, train};
use llm_bandit::scenario::Scenario;
use llm_bandit::scenario::file::Experiment;
use llm_bandit::seed::Stream;
use llm_bandit::suite::Suite;
use llm_bandit::suite::prices::PriceBook;
use llm_bandit::suite::synthetic::{SynthesizedSessions, SyntheticSettings};

use crate::common::program::llm_bandit;

/// Four models on sessions of three to ten turns whose cached input costs this share of the price.
fn suite(cached_price_share: f64) -> Suite {
    let settings = SyntheticSettings {
        n_prompts: 1200,
        n_models: 4,
        n_dimensions: 8,
        sessions: Some(SynthesizedSessions {
            least_turns: 3,
            most_turns: 10,
            cached_price_share,
            ..SynthesizedSessions::default()
        }),
        ..SyntheticSettings::default()
    };
    settings.generate().unwrap().suite
}

const HEAD: &str = "description = \"d\"\nsuite = \"s\"\nreplicates = 2\n[evidence]\nresamples = 200\n\
    [preferences]\nlow = 0.01\nhigh = 30.0\ncount = 12\n";
const SESSION: &str = "[session]\nleast-prefix-tokens = 200.0\n";
const LINEAR: &str = "[[router]]\nkind = \"predictor\"\nmodel = \"linear\"\n";

fn scenario(session: &str, routers: &str) -> Scenario {
    Scenario::parse(Path::new("s.toml"), &format!("{HEAD}{session}{routers}")).unwrap()
}

fn record(scenario: &Scenario, suite: Suite) -> Record {
    run(scenario, suite, &|_| {}).unwrap()
}

fn value(summary: &Summary, policy: &str, metric: &str) -> f64 {
    summary.named(policy, metric).unwrap().aggregate().unwrap().mean
}

#[test]
fn a_suite_of_sessions_is_read_as_it_was_written_and_told_of() {
    let (folder, suite) = (tempfile::tempdir().unwrap(), suite(0.1));
    suite.write(folder.path()).unwrap();
    assert_eq!(Suite::read(folder.path()).unwrap(), suite);
    let output = llm_bandit(folder.path(), &["verify", "."]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("sessions") && text.contains(" turns on average"), "{text}");
}

#[test]
fn faults_of_turns_are_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("models.csv"), "model_id\nm\nn\n").unwrap();
    fs::write(folder.path().join("outcomes.csv"), "prompt_id,model_id,score\na,m,1\n").unwrap();
    let fault = |prompts: &str| {
        fs::write(folder.path().join("prompts.csv"), prompts).unwrap();
        Suite::read(folder.path()).err().unwrap().to_string().rsplit_once("prompts.csv").unwrap().1.to_owned()
    };
    assert_eq!(
        fault("prompt_id,benchmark,turn\na,b,1\n"),
        ":1: column `session_id` is missing: a session takes both `session_id` and `turn`"
    );
    assert_eq!(
        fault("prompt_id,benchmark,session_id,turn\na,b,s,1.5\n"),
        ":2: column `turn`: `1.5` is no whole number from 0 up, as a turn of session `s` has"
    );
    assert_eq!(
        fault("prompt_id,benchmark,session_id,turn\na,b,s,1\nc,b,,\nd,b,s,1\n"),
        ": prompts `a` and `d` are both turn 1 of session `s`"
    );
    assert_eq!(
        fault("prompt_id,benchmark,session_id,turn,asked_at_seconds\na,b,s,1,9\nd,b,s,2,3\n"),
        ": turn 2 of session `s` (prompt `d`) was asked at 3 seconds, before the turn before it, at 9"
    );
}

#[test]
fn what_no_session_can_be_replayed_with_is_refused_with_a_way_out() {
    let with_session = scenario(SESSION, LINEAR);
    let fault = |suite: Suite| check(&with_session, suite).unwrap_err().to_string();
    let alone = SyntheticSettings { n_prompts: 60, n_models: 3, ..SyntheticSettings::default() };
    let found = fault(alone.generate().unwrap().suite);
    assert!(found.contains("its prompts.csv takes columns `session_id` and `turn`"), "{found}");
    let mut recorded = suite(0.1);
    recorded.cost_basis.recorded = 3;
    assert!(fault(recorded).contains("name a price book in `[cost]`"));
    let mut without = suite(0.1);
    without.models.iter_mut().for_each(|model| model.price_cached_in_usd_per_1m = None);
    assert!(fault(without).contains("whose prices say `cached-input`"));
    let parse = |text: &str| Experiment::parse(Path::new("s.toml"), text).unwrap_err().to_string();
    let stick = format!("{LINEAR}stick = \"cost-aware\"\n");
    assert_eq!(
        parse(&format!("{HEAD}{stick}")),
        "s.toml:13: `stick` needs `[session]`: else no prompt follows another"
    );
    assert!(
        parse(&format!("{HEAD}{SESSION}[[router]]\nkind = \"cascade\"\nstick = \"always\"\n"))
            .contains("calls several")
    );
    assert!(parse(&format!("{HEAD}{SESSION}{LINEAR}stick = \"alway\"\n")).contains("did you mean `always`?"));
    assert!(
        parse(&format!("{HEAD}[session]\ntime-to-live-seconds = -1.0\n{LINEAR}"))
            .contains("`time-to-live-seconds` must be")
    );
    assert_eq!(
        parse("mode = \"online\"\ndescription = \"d\"\nsuite = \"s\"\n[session]\n"),
        "s.toml:4: `session` is a setting of offline scenarios, and this one has `mode = \"online\"`; its settings are in `[online]`"
    );
    let expect = "[[expect]]\nrouter = \"linear\"\nmetric = \"switches-per-session\"\nat-least = 0.0\n";
    let found = check(&scenario("", &format!("{LINEAR}{expect}")), suite(0.1)).unwrap_err().to_string();
    assert!(found.contains("needs a scenario with `[session]`"), "{found}");
    let stuck = scenario(SESSION, &stick);
    let found = train(&stuck, suite(0.1), "linear-cost-aware", 0).err().unwrap().to_string();
    assert!(found.contains("which no single question tells"), "{found}");
    let found = reprice(&record(&stuck, suite(0.1)), PriceBook::built_in(), None).unwrap_err().to_string();
    assert!(found.contains("run its scenario with the book"), "{found}");
}

#[test]
fn caches_change_what_choices_cost_and_no_choice_of_a_plain_router() {
    let routers = format!("[[router]]\nkind = \"random\"\n{LINEAR}");
    let (with, without) =
        (record(&scenario(SESSION, &routers), suite(0.1)), record(&scenario("", &routers), suite(0.1)));
    assert_eq!(with.choices, without.choices);
    let full = record(&scenario(SESSION, &routers), suite(1.0));
    let [with, without, full] = [&with, &without, &full].map(summarise_without_evidence);
    for policy in ["linear", "random", "model-3"] {
        let metric = if policy == "model-3" { "cost-at-w0-usd" } else { "mean-cost-usd-per-1000" };
        let [saved, alone, unsaved] = [&with, &without, &full]
            .map(|summary| summary.named(policy, metric).map_or(0.0, |row| row.aggregate().unwrap().mean));
        assert!(
            saved < alone && (unsaved - alone).abs() < 1e-9 * alone,
            "{policy}: {saved} {alone} {unsaved}"
        );
    }
    // Bounds may choose what costs more once it costs less.
    for bound in ["utility-oracle", "zero-router", "benchmark-oracle"] {
        let [saved, alone, unsaved] =
            [&with, &without, &full].map(|summary| value(summary, bound, "expected-utility"));
        assert!(saved > alone && (unsaved - alone).abs() < 1e-9, "{bound}: {saved} {alone} {unsaved}");
    }
    assert!(without.named("linear", "switches-per-session").is_none());
    assert_eq!(value(&full, "linear", "cache-savings-usd-per-1000"), 0.0);
    assert!(value(&with, "linear", "cache-savings-usd-per-1000") > 0.0);
}

#[test]
fn no_router_and_no_model_is_above_the_optimum_of_the_sessions() {
    let routers = format!("{LINEAR}{LINEAR}stick = \"cost-aware\"\n{LINEAR}stick = \"always\"\n");
    let summary = summarise_without_evidence(&record(&scenario(SESSION, &routers), suite(0.1)));
    for evaluated in &summary.replicates {
        let unit = evaluated.cost_unit_usd;
        let oracle = evaluated.policy(PolicyId::Bound(Bound::UtilityOracle)).unwrap();
        for (at, &w) in evaluated.preferences.iter().enumerate() {
            let best = oracle.points[at].point().utility(w, unit);
            for policy in &evaluated.policies {
                let point = policy.points[if policy.points.len() > 1 { at } else { 0 }].point();
                assert!(point.utility(w, unit) <= best + 1e-9, "{} at {w}", policy.name);
            }
        }
    }
}

#[test]
fn knowing_what_a_switch_costs_pays_where_caches_matter_and_changes_nothing_elsewhere() {
    let routers = format!("{LINEAR}{LINEAR}stick = \"cost-aware\"\n{LINEAR}stick = \"always\"\n");
    let scenario = scenario(SESSION, &routers);
    let cheap = record(&scenario, suite(0.1));
    let summary = summarise_without_evidence(&cheap);
    let [plain, aware, always] = ["linear", "linear-cost-aware", "linear-always"]
        .map(|policy| value(&summary, policy, "expected-utility"));
    assert!(aware > plain + 0.002 && aware > always, "{plain} {aware} {always}");
    let switches = |policy| value(&summary, policy, "switches-per-session");
    assert!(switches("linear-always") == 0.0 && switches("linear-cost-aware") < switches("linear"));
    assert!(cheap.manifest.replicates[0].routers[1].notes["stick"].starts_with("cost-aware, "));
    let full = record(&scenario, suite(1.0));
    for choices in &full.choices {
        assert_eq!(choices[0], choices[1], "no switch costs anything");
    }
    for choices in &cheap.choices {
        assert_eq!(choices[0].at_preference(0), choices[1].at_preference(0), "nor at w = 0");
    }
}

#[test]
fn neither_the_order_of_rows_nor_the_number_of_threads_changes_a_byte() {
    let scenario = scenario(SESSION, &format!("{LINEAR}{LINEAR}stick = \"cost-aware\"\n"));
    let (first, mut order) = (suite(0.1), SuitePrompt::of(0..1200));
    shuffle(&mut Stream::root(5).generator(), &mut order);
    let shuffled = first.select(&order, &SuiteModel::of([2, 0, 3, 1]));
    let with_threads = |n_threads: usize, suite: Suite| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        pool.install(|| {
            let record = record(&scenario, suite);
            (summarise(&record), record)
        })
    };
    let (summary, record) = with_threads(1, first);
    assert!(with_threads(4, shuffled) == (summary, record.clone()));
    let folder = tempfile::tempdir().unwrap();
    record.write(folder.path()).unwrap();
    assert_eq!(Record::read(folder.path()).unwrap(), record);
}

#[test]
fn variants_stay_with_their_original_and_tell_how_robust_a_router_is() {
    let settings =
        SyntheticSettings { n_prompts: 300, n_models: 3, n_dimensions: 8, ..SyntheticSettings::default() };
    let mut suite = settings.generate().unwrap().suite;
    for at in (1..300).step_by(2) {
        suite.prompts[at].variant_of = Some(suite.prompts[at - 1].id.clone());
    }
    let folder = tempfile::tempdir().unwrap();
    suite.write(folder.path()).unwrap();
    assert_eq!(Suite::read(folder.path()).unwrap(), suite);
    let routers =
        format!("[[router]]\nkind = \"single\"\nchoose = \"best\"\n[[router]]\nkind = \"random\"\n{LINEAR}");
    let found = record(&scenario("", &routers), suite.clone());
    for tested in &found.test_prompts {
        let ids: Vec<&str> = tested.iter().map(|prompt| found.prompts[prompt.at()].id.as_str()).collect();
        for prompt in tested {
            let original = found.prompts[prompt.at()].variant_of.as_deref();
            assert!(original.is_none_or(|original| ids.contains(&original)));
        }
    }
    let summary = summarise(&found);
    assert_eq!(value(&summary, "best-single", "robustness"), 1.0);
    let by_chance = value(&summary, "random", "robustness");
    assert!((0.2..0.47).contains(&by_chance), "{by_chance}");
    let again = tempfile::tempdir().unwrap();
    found.write(again.path()).unwrap();
    assert_eq!(Record::read(again.path()).unwrap(), found);
    suite.prompts[1].variant_of = Some("nobody".into());
    suite.write(folder.path()).unwrap();
    let fault = Suite::read(folder.path()).err().unwrap().to_string();
    assert!(fault.contains("is a variant of `nobody`, which is no prompt"), "{fault}");
}

/// Conversations of two turns as a gateway logs them, with the input tokens that were cached; they cost so much of the full price.
fn logged(cached_share: f64) -> String {
    let mut table =
        "question,model,score,session_id,turn,prompt_tokens,cached_tokens,completion_tokens,cost_usd\n"
            .to_owned();
    for asked in 0..24 {
        let (session, turn) = (asked / 2, asked % 2 + 1);
        let (input, cached) = if turn == 1 { (800.0, 0.0) } else { (1700.0, 1500.0) };
        for (at, (model, price, of_answer)) in
            [("gpt-4o-mini", 0.15, 0.6), ("gpt-4o", 5.0, 15.0)].into_iter().enumerate()
        {
            let score = u8::from((session + turn) % 3 == at);
            let usd = (price * (input - cached + cached_share * cached) + of_answer * 100.0) / 1e6;
            table += &format!(
                "turn {turn} of {session},{model},{score},s{session},{turn},{input},{cached},100,{usd}\n"
            );
        }
    }
    table
}

#[test]
fn logged_conversations_come_in_with_their_turns_and_what_was_cached() {
    let folder = tempfile::tempdir().unwrap();
    for (name, cached_share, is_far) in [("logged", 0.5, false), ("wrong", 100.0, true)] {
        fs::write(folder.path().join("log.csv"), logged(cached_share)).unwrap();
        let output = llm_bandit(folder.path(), &["import", "table", "log.csv", "--out", name]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{said}");
        assert!(said.contains("output `completion_tokens`, cached `cached_tokens`\n"), "{said}");
        let suite = Suite::read(&folder.path().join(name)).unwrap();
        let turns = suite.prompts.iter().filter_map(|prompt| prompt.turn.as_ref());
        assert_eq!((suite.prompts.len(), turns.count()), (24, 24));
        let cached = &suite.outcomes.extra["cached_input_tokens"];
        assert_eq!((0..24).filter(|&prompt| cached.get(prompt, 0) == Some(1500.0)).count(), 12);
        // Costs are compared with what cached input costs.
        assert_eq!(said.contains("its costs are"), is_far, "{said}");
    }
}
