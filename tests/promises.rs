//! Promises that every router keeps, tested once over all kinds, on pools without and with gaps.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

use std::path::Path;
use std::sync::OnceLock;

use llm_bandit::evaluate::summarise;
use llm_bandit::index::SuitePrompt;
use llm_bandit::metrics::curve::{hull, score_at};
use llm_bandit::preference::{Preference, PreferenceGrid, PreferenceSettings};
use llm_bandit::record::Record;
use llm_bandit::router::{
    Choices, CostModels, Judge, Policy, PredictorModel, Prompts, Training, TrainingData,
};
use llm_bandit::run::run;
use llm_bandit::scenario::Scenario;
use llm_bandit::scenario::split::text_groups;
use llm_bandit::seed::Stream;
use llm_bandit::suite::Suite;
use llm_bandit::suite::synthetic::SyntheticSettings;
use proptest::prelude::*;

use crate::common::kinds::{Form, forms};

/// A scenario over every router that can take a pool of that size.
fn scenario(n_models: usize) -> Scenario {
    let head = "description = \"d\"\nsuite = \"s\"\n[pool]\nmin-coverage = 0.1\ngaps = \"vary-pool\"\n\
        [preferences]\nlow = 0.01\nhigh = 100.0\ncount = 10\n";
    // External routers keep no promise of ours; `external.rs` tests them.
    let takes_part = |form: &Form| {
        let traits = form.entry.settings.traits();
        traits.is_self_contained && traits.needs_pool_of.is_none_or(|needed| needed == n_models)
    };
    let forms = forms().into_iter().filter(takes_part).map(|form| format!("[[router]]\n{}", form.text));
    Scenario::parse(Path::new("s.toml"), &format!("{head}{}", forms.collect::<String>())).unwrap()
}

fn suite(n_models: usize, missing: f64, seed: u64) -> Suite {
    let settings =
        SyntheticSettings { n_prompts: 240, n_models, missing, seed, ..SyntheticSettings::default() };
    settings.generate().unwrap().suite
}

/// Pools of many models without and with gaps, and a pair.
fn suites() -> [Suite; 3] {
    [suite(5, 0.0, 1), suite(5, 0.15, 2), suite(2, 0.0, 3)]
}

fn record(suite: &Suite) -> Record {
    run(&scenario(suite.models.len()), suite.clone(), &|_| {}).unwrap()
}

/// The suites with what comes of them, once for all that compare with it.
fn recorded() -> &'static [(Suite, Record)] {
    static RECORDED: OnceLock<Vec<(Suite, Record)>> = OnceLock::new();
    RECORDED.get_or_init(|| suites().map(|suite| (suite.clone(), record(&suite))).into())
}

#[test]
fn no_model_of_a_predictor_is_forgotten_here() {
    #[derive(Debug, serde::Deserialize)]
    struct Model {
        #[serde(rename = "model")]
        _model: PredictorModel,
    }
    let listed = scenario(2);
    let message = toml::from_str::<Model>("model = \"?\"").unwrap_err().to_string();
    let (_, names) = message.split_once("expected one of ").unwrap();
    for model in names.split('`').skip(1).step_by(2) {
        assert!(listed.routers.iter().any(|entry| entry.label == model), "{model}");
    }
}

type Labelled = (String, Policy);

/// Every router, trained on the second half of a suite, and the prompts of the first half.
fn trained(suite: &Suite) -> (Vec<Labelled>, Prompts, PreferenceGrid) {
    let scenario = scenario(suite.models.len());
    let groups = text_groups(suite);
    let half = suite.prompts.len() / 2;
    let development = SuitePrompt::of(half..suite.prompts.len());
    let grid =
        PreferenceGrid::new(&PreferenceSettings { count: 10, ..PreferenceSettings::default() }).unwrap();
    let data = TrainingData::new(suite, &groups, development.split_at(half * 4 / 5), grid.clone());
    let costs = CostModels::new(scenario.cost.model, Stream::root(1));
    let train = |entry: &llm_bandit::scenario::RouterEntry| {
        let training = Training::new(&data, &costs, Stream::root(2).named(&entry.label));
        (entry.label.clone(), entry.settings.as_kind().train(&training).unwrap().router)
    };
    let routers = scenario.routers.iter().map(train).collect();
    (routers, Prompts::new(suite, &groups, &SuitePrompt::of(0..half)), grid)
}

/// Routes with a judge that knows the outcomes of these prompts of the suite, where the policy asks one.
fn route(suite: &Suite, policy: &Policy, prompts: &Prompts, preferences: &[Preference]) -> Choices {
    match policy {
        Policy::Direct(router) => router.route(prompts, preferences),
        Policy::External(_) | Policy::Told(_) => unreachable!("none of them is asked"),
        Policy::Cascade(cascade) => {
            let place = |at: usize| suite.prompts.iter().position(|p| p.id == prompts.ids[at]).unwrap();
            let is_right = |at: usize, model: usize| suite.outcomes.score.get(place(at), model) == Some(1.0);
            let judge = Judge::new(&prompts.ids, &is_right, cascade.judge_error(), Stream::root(3));
            cascade.route(prompts, preferences, &judge)
        }
    }
}

#[test]
fn every_choice_is_in_the_pool_of_its_prompt() {
    for (_, record) in recorded() {
        for choices in &record.choices[0] {
            for preference in 0..choices.n_preferences() {
                for (&model, prompt) in choices.at_preference(preference).iter().zip(&record.test_prompts[0])
                {
                    assert!(record.score.get(prompt.at(), usize::from(model)).is_some());
                }
            }
        }
    }
}

#[test]
fn a_choice_depends_on_its_prompt_and_preference_alone() {
    for suite in suites() {
        let (routers, prompts, grid) = trained(&suite);
        let reversed: Vec<usize> = (0..prompts.len()).rev().step_by(3).collect();
        for (label, policy) in routers {
            let route = |prompts: &Prompts, preferences| route(&suite, &policy, prompts, preferences);
            let all = route(&prompts, grid.preferences());
            assert!(all == route(&prompts, grid.preferences()), "{label} is not deterministic");
            let some = route(&prompts.select(&reversed), grid.preferences());
            let alone = route(&prompts, &grid.preferences()[4..5]);
            for preference in 0..grid.preferences().len() {
                for (&model, &prompt) in some.at_preference(preference).iter().zip(&reversed) {
                    assert_eq!(model, all.at_preference(preference)[prompt], "{label} looks at the batch");
                }
            }
            assert_eq!(
                alone.at_preference(0),
                all.at_preference(4),
                "{label} looks at the other preferences"
            );
        }
    }
}

#[test]
fn no_router_sees_a_test_outcome() {
    for (suite, before) in recorded() {
        let mut changed = suite.clone();
        for position in &before.test_prompts[0] {
            let prompt = suite.prompts.iter().position(|p| p.id == before.prompts[position.at()].id).unwrap();
            for model in 0..suite.models.len() {
                let outcomes = &mut changed.outcomes;
                let flipped = outcomes.score.get(prompt, model).map(|score| 1.0 - score);
                outcomes.score.set(prompt, model, flipped);
                let costlier = outcomes.cost_usd.get(prompt, model).map(|cost| 7.0 * cost);
                outcomes.cost_usd.set(prompt, model, costlier);
            }
        }
        let after = record(&changed);
        assert!(before.score != after.score);
        let routers = &before.manifest.scenario.routers;
        for (entry, (before, after)) in routers.iter().zip(before.choices[0].iter().zip(&after.choices[0])) {
            // The judge of a cascade is the one that looks: what it says goes into the choices, and nothing else.
            let asks_a_judge = entry.label == "cascade";
            assert_eq!(before == after, !asks_a_judge, "{}", entry.label);
            assert!(before.orders() == after.orders(), "{}", entry.label);
        }
    }
}

#[test]
fn the_unit_of_money_changes_no_choice() {
    for (suite, before) in recorded() {
        let mut dear = suite.clone();
        for prompt in 0..suite.prompts.len() {
            for model in 0..suite.models.len() {
                // A power of two: exact in floating point.
                let cost = suite.outcomes.cost_usd.get(prompt, model).map(|cost| 1024.0 * cost);
                dear.outcomes.cost_usd.set(prompt, model, cost);
            }
        }
        assert!(before.choices == record(&dear).choices);
    }
}

/// The variance of the score of a model drawn uniformly from a prompt's pool.
fn uniform_variance(record: &Record, prompt: usize) -> f64 {
    let scores: Vec<f64> = record.score.row(prompt).flatten().collect();
    let mean = scores.iter().sum::<f64>() / scores.len() as f64;
    scores.iter().map(|score| (score - mean).powi(2)).sum::<f64>() / scores.len() as f64
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]
    #[test]
    fn bounds_bound_and_random_is_flat(seed in 0_u64..1000, missing in prop_oneof![Just(0.0), Just(0.2)]) {
        let mut scenario = scenario(4);
        // The claims are about bounds: a few routers are enough.
        scenario.routers.retain(|entry| ["random", "single", "predictor"].contains(&entry.settings.kind()));
        scenario.routers.retain(|entry| !["clusters", "kernel", "irt", "mlp", "mlp-per-model"].contains(&entry.label.as_str()));
        let record = run(&scenario, suite(4, missing, seed), &|_| {}).unwrap();
        let summary = summarise(&record);
        let evaluated = &summary.replicates[0];
        let n_test = record.test_prompts[0].len() as f64;
        for policy in &evaluated.policies {
            let points: Vec<_> = policy.points.iter().map(|point| point.point()).collect();
            let hull = hull(&points);
            for point in &points {
                prop_assert!(score_at(&hull, point.cost_usd).unwrap() >= point.score - 1e-12);
            }
            for (point, oracle) in policy.points.iter().zip(&evaluated.utility_oracle) {
                let Some(preference) = point.preference else { continue };
                if policy.name == "zero-router" || policy.name == "benchmark-oracle" && missing > 0.0 { continue }
                let utility = |p: llm_bandit::metrics::curve::Point| p.score - preference * p.cost_usd / evaluated.cost_unit_usd;
                prop_assert!(utility(*oracle) >= utility(point.point()) - 1e-9, "{} beats the oracle", policy.name);
            }
        }
        // One draw a prompt: the curve is a point, whatever the preference.
        let random = evaluated.policies.iter().find(|policy| policy.name == "random").unwrap();
        prop_assert!(random.points.iter().all(|point| point.point() == random.points[0].point()));
        // It lies where a uniform choice does, give or take five standard errors of such a choice.
        let variance: f64 = record.test_prompts[0].iter().map(|prompt| uniform_variance(&record, prompt.at())).sum();
        let error = variance.sqrt() / n_test;
        prop_assert!((random.points[0].score - evaluated.random.score).abs() < 5.0 * error);
    }
}
