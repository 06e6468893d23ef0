//! Unseen models: every router learns of them what their quizzes say, and nothing else.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

use std::path::Path;

use llm_bandit::evaluate::{Row, summarise};
use llm_bandit::index::RecordPrompt;
use llm_bandit::record::{Record, RecordedUnseen};
use llm_bandit::report::render;
use llm_bandit::run::run;
use llm_bandit::scenario::Scenario;
use llm_bandit::suite::Suite;
use llm_bandit::suite::synthetic::SyntheticSettings;

use crate::common::kinds::{Form, forms};

const HEAD: &str = "description = \"d\"\nsuite = \"s\"\n[pool]\nmin-coverage = 0.1\ngaps = \"vary-pool\"\n\
    [preferences]\nlow = 0.01\nhigh = 100.0\ncount = 10\n";
/// The form of the nearest neighbours among [`quick`].
const KNN: usize = 2;

/// Every router that takes a pool of any size and a new model, and is trained in no time; a quiz is put at the end of each.
fn quick() -> Vec<String> {
    texts(|form| {
        form.entry.settings.traits().takes_unseen && (form.is_steady || form.entry.label == "random")
    })
}

/// The rest: those that train networks.
fn networks() -> Vec<String> {
    texts(|form| form.entry.settings.traits().takes_unseen && !form.is_steady && form.entry.label != "random")
}

/// Those that cannot take a new model without training anew.
fn bound_to_seen() -> Vec<String> {
    texts(|form| !form.entry.settings.traits().takes_unseen)
}

/// The forms that can be tried here: pairs have no room for an unseen model beside two seen ones, and external routers are
/// not ours to promise for. Labels are numbers here.
fn texts(is_wanted: impl Fn(&Form) -> bool) -> Vec<String> {
    let is_tried = |form: &Form| {
        let traits = form.entry.settings.traits();
        traits.is_self_contained && traits.needs_pool_of.is_none()
    };
    let forms = forms().into_iter().filter(|form| is_tried(form) && is_wanted(form));
    let unlabelled = |text: &str| -> String {
        text.lines().filter(|line| !line.starts_with("label")).flat_map(|line| [line, "\n"]).collect()
    };
    forms.map(|form| unlabelled(&form.text)).collect()
}

/// A scenario with every router at every one of these quizzes.
fn scenario(unseen: &str, quizzes: &[&str]) -> Scenario {
    scenario_of(&quick(), unseen, quizzes)
}

/// A scenario with these routers at every one of these quizzes.
fn scenario_of(routers: &[String], unseen: &str, quizzes: &[&str]) -> Scenario {
    let mut text = format!("{HEAD}[unseen]\n{unseen}\n");
    for (at, quiz) in quizzes.iter().enumerate() {
        for (router, settings) in routers.iter().enumerate() {
            text.push_str(&format!(
                "[[router]]\nlabel = \"{router}-{at}\"\n{settings}\nquiz = {{ {quiz} }}\n"
            ));
        }
    }
    Scenario::parse(Path::new("s.toml"), &text).unwrap()
}

fn suite(n_models: usize, missing: f64) -> Suite {
    suite_of(300, n_models, missing)
}

fn suite_of(n_prompts: usize, n_models: usize, missing: f64) -> Suite {
    let settings = SyntheticSettings { n_prompts, n_models, missing, ..SyntheticSettings::default() };
    settings.generate().unwrap().suite
}

fn record(scenario: &Scenario, suite: &Suite) -> Record {
    run(scenario, suite.clone(), &|_| {}).unwrap()
}

fn unseen(record: &Record) -> &RecordedUnseen {
    record.manifest.replicates[0].unseen.as_ref().unwrap()
}

/// The suite with these models' outcomes turned around on the prompts that are told by id.
fn turned(suite: &Suite, models: &[usize], is_turned: impl Fn(&str) -> bool) -> Suite {
    let mut turned = suite.clone();
    let prompts = suite.prompts.iter().enumerate().filter(|(_, card)| is_turned(&card.id));
    for (prompt, _) in prompts {
        for &model in models {
            let outcomes = &mut turned.outcomes;
            let score = outcomes.score.get(prompt, model).map(|score| 1.0 - score);
            outcomes.score.set(prompt, model, score);
            let cost = outcomes.cost_usd.get(prompt, model).map(|cost| 7.0 * cost);
            outcomes.cost_usd.set(prompt, model, cost);
            let tokens = outcomes.output_tokens.get(prompt, model).map(|tokens| 3.0 * tokens);
            outcomes.output_tokens.set(prompt, model, tokens);
        }
    }
    turned
}

const QUIZZES: [&str; 5] = [
    "strategy = \"none\"",
    "strategy = \"random\", size = 12",
    "strategy = \"stratified\", size = 12",
    "strategy = \"anchor\", size = 12",
    FISHER,
];
const FISHER: &str = "strategy = \"fisher\", size = 12";

/// Turns the outcomes of models 1 and 4 around on every development prompt outside their quiz: nothing may change.
fn assert_deaf_outside_the_quiz(routers: &[String], quiz: &str, missing: f64) {
    let suite = suite(7, missing);
    let names: Vec<String> =
        [1, 4].iter().map(|&model: &usize| format!("{:?}", suite.models[model].id)).collect();
    let scenario = scenario_of(routers, &format!("models = [{}]", names.join(", ")), &[quiz]);
    let before = record(&scenario, &suite);
    let is_test = |id: &str| before.prompts.iter().any(|prompt| prompt.id == id);
    let asked = &unseen(&before).quizzes[0].prompts;
    let outside = |id: &str| !is_test(id) && !asked.iter().any(|asked| asked == id);
    let after = record(&scenario, &turned(&suite, &[1, 4], outside));
    let development = |record: &Record| record.manifest.replicates[0].development_score.clone();
    assert_ne!(development(&before), development(&after), "the reference points see what was changed");
    assert!(before.choices == after.choices, "{quiz} with {missing} missing");
    assert_eq!(before.manifest.replicates[0].routers, after.manifest.replicates[0].routers);
    assert_eq!(asked, &unseen(&after).quizzes[0].prompts);
}

#[test]
fn no_router_learns_of_an_unseen_model_what_its_quiz_does_not_say() {
    for missing in [0.0, 0.15] {
        QUIZZES.iter().for_each(|quiz| assert_deaf_outside_the_quiz(&quick(), quiz, missing));
    }
}

#[test]
fn a_router_that_cannot_take_a_new_model_chooses_seen_ones_and_the_report_says_so() {
    assert_deaf_outside_the_quiz(&bound_to_seen(), "strategy = \"random\", size = 12", 0.0);
    let suite = suite(7, 0.0);
    let scenario = scenario_of(&bound_to_seen(), "share = 0.3", &["strategy = \"all\""]);
    let record = record(&scenario, &suite);
    let is_unseen =
        |model: &u16| unseen(&record).models.contains(&record.manifest.suite.models[usize::from(*model)]);
    assert!(record.choices[0].iter().all(|choices| !choices.models().iter().any(is_unseen)));
    let files = render(&record, &summarise(&record), &[]);
    let (_, report) = files.iter().find(|(name, _)| *name == "report.md").unwrap();
    let labels: Vec<String> = (0..bound_to_seen().len()).map(|at| format!("{at}-0")).collect();
    let labels = labels.join(", ");
    let said =
        format!("Without training anew {labels} cannot take a new model and choose among the seen ones.");
    assert!(String::from_utf8_lossy(report).contains(&said));
}

#[test]
fn no_network_learns_of_an_unseen_model_what_its_quiz_does_not_say() {
    let with_folds = "kind = \"llm-bandit\"\nsteps = 20\n".to_owned();
    let identified = networks().into_iter().filter(|text| text.contains("\"irt\"")).chain([with_folds]);
    assert_deaf_outside_the_quiz(&identified.collect::<Vec<_>>(), FISHER, 0.15);
    assert_deaf_outside_the_quiz(&networks(), "strategy = \"random\", size = 12", 0.15);
    assert_deaf_outside_the_quiz(&networks(), "strategy = \"none\"", 0.0);
}

#[test]
fn networks_hear_what_the_quiz_says_and_the_same_run_gives_the_same_record() {
    // Fewer prompts teach some networks that all prompts are alike.
    let suite = suite_of(500, 7, 0.0);
    // After a few steps the paper's preset may choose as it did before.
    let networks: Vec<String> =
        networks().into_iter().filter(|text| !text.contains("preset = \"paper\"")).collect();
    let scenario = scenario_of(&networks, "share = 0.3", &[FISHER]);
    let before = record(&scenario, &suite);
    assert!(before == record(&scenario, &suite));
    let models: Vec<usize> =
        (0..7).filter(|&model| unseen(&before).models.contains(&suite.models[model].id)).collect();
    let asked = &unseen(&before).quizzes[0].prompts;
    let after = record(&scenario, &turned(&suite, &models, |id| asked.iter().any(|asked| asked == id)));
    assert_eq!(asked, &unseen(&after).quizzes[0].prompts, "no answer moves what is asked");
    for (router, (before, after)) in before.choices[0].iter().zip(&after.choices[0]).enumerate() {
        assert!(before != after, "{}", networks[router]);
    }
}

#[test]
fn a_fisher_quiz_asks_answered_training_prompts_and_a_smaller_one_begins_a_larger_one() {
    let suite = suite(7, 0.3);
    let quizzes = ["strategy = \"fisher\", size = 5", FISHER, "strategy = \"all\""];
    let scenario = scenario_of(&quick()[KNN..=KNN], "share = 0.3", &quizzes);
    let record = record(&scenario, &suite);
    let [small, large, all] = &unseen(&record).quizzes[..] else { panic!("three quizzes") };
    let models = &unseen(&record).models;
    let columns: Vec<usize> = (0..7).filter(|&model| models.contains(&suite.models[model].id)).collect();
    assert_eq!((small.price.outcomes_seen, large.price.outcomes_seen), (2 * 5, 2 * 12));
    assert!(all.price.outcomes_seen > 2 * 12 && large.prompts.len() < 2 * 12);
    for id in &large.prompts {
        let prompt = suite.prompts.iter().position(|card| &card.id == id).unwrap();
        assert!(columns.iter().any(|&model| suite.outcomes.score.get(prompt, model).is_some()));
        assert!(record.prompts.iter().all(|test| &test.id != id), "{id} is a test prompt");
    }
    assert!(small.prompts.iter().all(|prompt| large.prompts.contains(prompt)));
}

#[test]
fn a_fisher_quiz_needs_no_embeddings() {
    let mut suite = suite(5, 0.0);
    suite.embeddings = None;
    let record = record(&scenario_of(&quick()[..1], "share = 0.3", &[FISHER]), &suite);
    assert_eq!(unseen(&record).quizzes[0].prompts.len(), 12);
}

#[test]
fn what_the_quiz_says_is_heard_by_every_router_that_listens() {
    let suite = suite_of(500, 7, 0.0);
    let scenario = scenario("share = 0.3", &QUIZZES);
    let before = record(&scenario, &suite);
    let models: Vec<usize> =
        (0..7).filter(|&model| unseen(&before).models.contains(&suite.models[model].id)).collect();
    let is_asked =
        |id: &str| unseen(&before).quizzes.iter().any(|quiz| quiz.prompts.iter().any(|asked| asked == id));
    let after = record(&scenario, &turned(&suite, &models, is_asked));
    for (at, entry) in scenario.routers.iter().enumerate() {
        let kind = entry.settings.kind();
        let is_deaf = kind == "random" || entry.label.ends_with("-0");
        // The best and the cheapest single model may stay the same ones, and so may an incumbent that nothing surely beats. On the prompts
        // of a fisher quiz, which differ most, a lower bound may keep clear of models with a dozen answers, whatever these are.
        let is_cautious = kind == "gp" && entry.label.ends_with("-4");
        if !["single", "guarded"].contains(&kind) && !is_cautious {
            assert_eq!(before.choices[0][at] == after.choices[0][at], is_deaf, "{}", entry.label);
        }
    }
}

#[test]
fn a_quiz_costs_its_answers_from_none_to_all_training_prompts() {
    let suite = suite(6, 0.0);
    let quizzes = ["strategy = \"none\"", "size = 4", "size = 9", "strategy = \"all\""];
    let scenario = scenario("share = 0.33", &quizzes);
    let record = record(&scenario, &suite);
    let replicate = &record.manifest.replicates[0];
    let answers: Vec<usize> = unseen(&record).quizzes.iter().map(|quiz| quiz.price.outcomes_seen).collect();
    assert_eq!(answers, [0, 2 * 4, 2 * 9, 2 * replicate.n_training]);
    let dollars: Vec<f64> = unseen(&record).quizzes.iter().map(|quiz| quiz.price.dollars).collect();
    assert!(dollars.windows(2).all(|pair| pair[0] < pair[1]), "{dollars:?}");
    let [none, small, large, _] = &unseen(&record).quizzes[..] else { panic!("four quizzes") };
    assert!(none.prompts.is_empty() && small.prompts.iter().all(|prompt| large.prompts.contains(prompt)));
    // The nearest-neighbour routers, by quiz: each pays for all seen outcomes and its own quiz.
    let n_seen_outcomes = 4 * (replicate.n_training + replicate.n_validation);
    for (at, answers) in answers.iter().enumerate() {
        let paid = replicate.routers[at * quick().len() + KNN].paid;
        assert_eq!(paid.outcomes_seen, n_seen_outcomes + answers);
    }
}

#[test]
fn reference_points_are_the_same_for_every_quiz() {
    let suite = suite(6, 0.0);
    let [short, long] =
        ["size = 3", "strategy = \"all\""].map(|quiz| record(&scenario("share = 0.33", &[quiz]), &suite));
    let (a, b) = (summarise(&short), summarise(&long));
    // How far a point lies from the front of all policies is no matter of the point alone.
    let is_own = |row: &&Row| !row.kind.is_router() && !row.metric.name.starts_with("pareto-");
    for (a, b) in a.rows.iter().zip(&b.rows).filter(|(row, _)| is_own(row)) {
        assert_eq!(a, b);
    }
}

#[test]
fn where_only_unseen_models_may_be_chosen_bounds_choose_among_them_too() {
    let suite = suite(6, 0.1);
    let record = record(&scenario("share = 0.5\npool = \"unseen-only\"", &["size = 20"]), &suite);
    let in_pool = record.manifest.test_pool(0);
    assert_eq!(in_pool.iter().filter(|&&flag| flag).count(), 3);
    for choices in &record.choices[0] {
        assert!(choices.models().iter().all(|&model| in_pool[usize::from(model)]));
    }
    let evaluated = &summarise(&record).replicates[0];
    assert!(in_pool[evaluated.best_single]);
    // The oracle's score by hand, over the unseen models alone.
    let best = |prompt: &RecordPrompt| {
        let scores = record.score.row(prompt.at()).zip(&in_pool).filter(|(_, in_pool)| **in_pool);
        scores.filter_map(|(score, _)| score).fold(f64::NEG_INFINITY, f64::max)
    };
    let prompts = &record.test_prompts[0];
    let oracle = evaluated.policies.iter().find(|policy| policy.name == "oracle").unwrap();
    let by_hand = prompts.iter().map(best).sum::<f64>() / prompts.len() as f64;
    assert!((oracle.points[0].score - by_hand).abs() < 1e-12);
    let folder = tempfile::tempdir().unwrap();
    record.write(folder.path()).unwrap();
    assert!(Record::read(folder.path()).unwrap() == record);
}

#[test]
fn prompts_that_nobody_in_question_answered_are_left_out_and_counted() {
    let suite = suite(4, 0.5);
    let scenario = scenario("share = 0.5\npool = \"unseen-only\"", &["size = 5", "strategy = \"none\""]);
    let record = record(&scenario, &suite);
    let replicate = &record.manifest.replicates[0];
    let n_left_out = unseen(&record).prompts_left_out;
    let n_kept = replicate.n_training + replicate.n_validation + replicate.n_test;
    let n_pooled = 300 - record.manifest.suite.left_out.prompts_with_gaps;
    assert_eq!(n_kept + n_left_out, n_pooled);
    assert!(n_left_out > 0);
}

#[test]
fn a_longer_quiz_makes_a_router_no_worse_on_a_suite_whose_models_differ() {
    let settings = SyntheticSettings { n_prompts: 2000, n_models: 8, ..SyntheticSettings::default() };
    let suite = settings.generate().unwrap().suite;
    let mut scenario = scenario("share = 0.375", &["strategy = \"none\"", "size = 40", "strategy = \"all\""]);
    scenario.replicates = 4;
    let summary = summarise(&record(&scenario, &suite));
    let utility = |router: &str| {
        let row = summary.named(router, "expected-utility").unwrap();
        row.aggregate().unwrap().mean
    };
    // Nearest neighbours (3) and the linear predictor (4): full answers beat none, and a short quiz lies near or between.
    for router in ["3", "4"] {
        let [none, some, all] = [0, 1, 2].map(|quiz| utility(&format!("{router}-{quiz}")));
        assert!(all > none && some > none - 0.01, "{router}: {none}, {some}, {all}");
    }
}
