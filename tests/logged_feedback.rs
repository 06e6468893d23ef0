//! Logged bandit feedback: routers see one model's outcome a prompt, learn from it what can be learned, and are judged on all outcomes.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

use std::path::Path;

use llm_bandit::index::SuitePrompt;
use llm_bandit::preference::{Preference, PreferenceGrid, PreferenceSettings};
use llm_bandit::record::Record;
use llm_bandit::router::{
    Correction, CostModelKind, CostModels, Log, Policy, PredictorModel, PredictorSettings, Prompts,
    RouterKind, Training, TrainingData,
};
use llm_bandit::run::{Fits, check, stress};
use llm_bandit::scenario::Scenario;
use llm_bandit::seed::Stream;
use llm_bandit::suite::synthetic::SyntheticSettings;
use llm_bandit::suite::{Embeddings, Suite};

use crate::common::kinds::forms;

const HEAD: &str = "description = \"d\"\nsuite = \"s\"\n";

fn suite(n_models: usize, n_prompts: usize) -> Suite {
    let settings = SyntheticSettings { n_prompts, n_models, n_dimensions: 8, ..SyntheticSettings::default() };
    settings.generate().unwrap().suite
}

fn grid() -> PreferenceGrid {
    PreferenceGrid::new(&PreferenceSettings { count: 8, ..PreferenceSettings::default() }).unwrap()
}

/// The last sixth are validation prompts.
fn full(suite: &Suite) -> TrainingData {
    let n = suite.prompts.len();
    let groups: Vec<usize> = (0..n).collect();
    TrainingData::new(suite, &groups, SuitePrompt::of(0..n).split_at(n * 5 / 6), grid())
}

/// With propensities by prompt and model.
fn logged(suite: &Suite, propensity: impl Fn(usize, usize) -> f64) -> TrainingData {
    let (full, n_models) = (full(suite), suite.models.len());
    let cells = (0..suite.prompts.len()).flat_map(|prompt| (0..n_models).map(move |model| (prompt, model)));
    let propensities = cells.map(|(prompt, model)| propensity(prompt, model)).collect();
    let number =
        |prompt: usize| llm_bandit::random::uniform(&mut Stream::root(3).numbered(prompt).generator());
    full.logged(Log::draw(propensities, n_models, number), &Stream::root(4))
}

fn train(kind: &dyn RouterKind, data: &TrainingData) -> Policy {
    let costs = CostModels::new(CostModelKind::Mean, Stream::root(1));
    kind.train(&Training::new(data, &costs, Stream::root(2))).unwrap().router
}

#[test]
fn of_each_prompt_one_outcome_is_seen_and_paid_and_a_preference_means_what_it_did() {
    let suite = suite(4, 120);
    let (full, logged) = (full(&suite), logged(&suite, |_, model| [0.4, 0.3, 0.2, 0.1][model]));
    assert_eq!(full.cost_unit_usd, logged.cost_unit_usd);
    assert!(full.log().is_none() && logged.prompts.has_whole_pool());
    let costs = CostModels::new(CostModelKind::Mean, Stream::root(1));
    let training = Training::new(&logged, &costs, Stream::root(2));
    let outcomes = training.outcomes();
    let mut dollars = 0.0;
    for prompt in 0..120 {
        let known: Vec<usize> = (0..4).filter(|&model| outcomes.score.get(prompt, model).is_some()).collect();
        let shown = logged.log().unwrap().shown(prompt);
        assert_eq!(known, [shown]);
        assert_eq!(outcomes.score.get(prompt, shown), suite.outcomes.score.get(prompt, shown));
        dollars += suite.outcomes.cost_usd.get(prompt, shown).unwrap();
    }
    let paid = training.meter();
    assert_eq!(paid.outcomes_seen, 120);
    assert!((paid.dollars - dollars).abs() < 1e-9 * dollars);
}

/// Every kind learns from a log, or says why it cannot; here those that train no network. Kinds that have a correction have all.
#[test]
fn every_kind_learns_from_a_log_or_says_why_not() {
    let corrected = ["none", "inverse-propensity", "doubly-robust"].map(|correction| {
        let text = format!(
            "{HEAD}[[router]]\nkind = \"predictor\"\nmodel = \"linear\"\ncorrection = \"{correction}\"\n"
        );
        Scenario::parse(Path::new("s.toml"), &text).unwrap().routers.remove(0)
    });
    let rule = format!(
        "{HEAD}[[router]]\nkind = \"llm-bandit\"\npredictors = [\"kernel\", \"clusters\"]\nsteps = 0\n"
    );
    let rule = Scenario::parse(Path::new("s.toml"), &rule).unwrap().routers.remove(0);
    let steady = forms().into_iter().filter(|form| form.is_steady);
    let mut refused = Vec::new();
    for entry in steady.map(|form| form.entry).chain(corrected).chain([rule]) {
        let (kind, traits) = (entry.settings.as_kind(), entry.settings.traits());
        if kind.needs_full_feedback().is_some() {
            refused.push(entry.label);
        } else if traits.is_self_contained {
            let n_models = traits.needs_pool_of.unwrap_or(3);
            let suite = suite(n_models, 96);
            let data = logged(&suite, |_, _| 1.0 / n_models as f64);
            let Policy::Direct(router) = train(kind, &data) else { panic!("{}", entry.label) };
            let prompts = Prompts::new(&suite, &(0..96).collect::<Vec<_>>(), &SuitePrompt::of(0..3));
            assert_eq!(router.route(&prompts, grid().preferences()).n_prompts(), 3, "{}", entry.label);
        }
    }
    for label in ["cascade", "cascade-predicted", "guarded"] {
        assert!(refused.iter().any(|refused| refused == label), "{label}");
    }
}

/// Two models on two kinds of prompts that the embedding does not tell apart by a line: `steady` is right in 0.6 of all, `risky` always on
/// easy prompts and never on hard ones. Whoever logged saw which are which and asked `risky` mostly the easy ones. As any line over the
/// embedding is worth no more, the optimum is `steady` throughout: 0.6.
#[test]
fn a_biased_log_misleads_regression_and_not_doubly_robust_learning() {
    let n = 900;
    let is_easy = |prompt: usize| prompt.is_multiple_of(4) || prompt % 4 == 3;
    let mut suite = suite(2, n);
    let corners = [[1.0_f32, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]];
    let values = (0..n).flat_map(|prompt| corners[prompt % 4].map(|value| value * 0.5_f32.sqrt())).collect();
    suite.embeddings = Some(Embeddings::new(2, values));
    for prompt in 0..n {
        suite.outcomes.score.set(prompt, 0, Some(f64::from(u8::from(prompt / 4 % 5 < 3))));
        suite.outcomes.score.set(prompt, 1, Some(f64::from(u8::from(is_easy(prompt)))));
        (0..2).for_each(|model| suite.outcomes.cost_usd.set(prompt, model, Some(0.0)));
    }
    let data = logged(&suite, |prompt, model| if (model == 1) == is_easy(prompt) { 0.9 } else { 0.1 });
    let prompts = Prompts::new(&suite, &(0..n).collect::<Vec<_>>(), &SuitePrompt::of(0..n));
    let quality_alone = Preference::new(0.0).unwrap();
    let worth = |correction: Correction| -> f64 {
        let kind = PredictorSettings {
            cost: Some(CostModelKind::Mean),
            correction: Some(correction),
            ..PredictorSettings::of(PredictorModel::Linear)
        };
        let Policy::Direct(router) = train(&kind, &data) else {
            unreachable!("a predictor chooses directly")
        };
        let choices = router.route(&prompts, &[quality_alone]);
        let scores = choices
            .models()
            .iter()
            .enumerate()
            .map(|(prompt, &model)| suite.outcomes.score.get(prompt, usize::from(model)).unwrap());
        scores.sum::<f64>() / n as f64
    };
    let [naive, weighted, robust] =
        [Correction::None, Correction::InversePropensity, Correction::DoublyRobust].map(worth);
    assert!(naive < 0.52, "{naive}");
    assert!(weighted > 0.58 && robust > 0.58, "{weighted} {robust}");
}

#[test]
fn one_scenario_sets_every_log_beside_full_feedback() {
    let text = format!(
        "{HEAD}replicates = 2\n[[router]]\nkind = \"single\"\nchoose = \"best\"\n[[router]]\nkind = \"predictor\"\nmodel = \"linear\"\n\
         [[router]]\nkind = \"predictor\"\nmodel = \"linear\"\ncorrection = \"doubly-robust\"\n[[shift]]\nkind = \"feedback\"\n\
         logging = [\"full\", \"uniform\", \"mostly\", \"router\"]\nsizes = [60]\nall-sizes = true\nwarm = 20\n"
    );
    let scenario = Scenario::parse(Path::new("s.toml"), &text).unwrap();
    let stressed = stress(&scenario, suite(4, 200), Fits::Shared, None, &|_| {}).unwrap();
    let name = |record: &Record| record.manifest.shift.as_ref().unwrap().name.clone();
    let names: Vec<String> = stressed.shifted.iter().map(name).collect();
    assert_eq!(
        names,
        [
            "full-60",
            "log-uniform-60",
            "log-mostly-60",
            "log-router-60",
            "log-uniform",
            "log-mostly",
            "log-router"
        ]
    );
    let seen = |record: &Record| record.manifest.replicates[1].routers[1].paid.outcomes_seen;
    let twin = &stressed.twin;
    let n_development = seen(twin) / 4;
    assert_eq!(
        stressed.shifted.iter().map(seen).collect::<Vec<_>>(),
        [240, 60, 60, 60, n_development, n_development, n_development]
    );
    for record in &stressed.shifted {
        assert_eq!(record.test_prompts, twin.test_prompts);
        for (own, twin) in record.manifest.replicates.iter().zip(&twin.manifest.replicates) {
            assert_eq!(own.cost_unit_usd, twin.cost_unit_usd);
        }
    }
    // With all outcomes there is nothing to correct.
    assert!(
        twin.choices[0][1] == twin.choices[0][2]
            && stressed.shifted[0].choices[0][1] == stressed.shifted[0].choices[0][2]
    );
    assert!(stressed.shifted[4].choices[0][1] != stressed.shifted[4].choices[0][2]);

    // As the scenario that has the log itself.
    let own = text.split("[[shift]]").next().unwrap().replace(
        "[[router]]\nkind = \"single\"",
        "[feedback]\nlogging = \"mostly\"\nwarm = 20\n[[router]]\nkind = \"single\"",
    );
    let own = stress(
        &Scenario::parse(Path::new("s.toml"), &own).unwrap(),
        suite(4, 200),
        Fits::Shared,
        None,
        &|_| {},
    )
    .unwrap();
    assert!(own.twin.choices == stressed.shifted[5].choices);
}

#[test]
fn feedback_that_cannot_be_names_its_line() {
    let router = "[[router]]\nkind = \"predictor\"\nmodel = \"linear\"\n";
    let fault = |text: &str| {
        let path = Path::new("s.toml");
        let text = format!("{HEAD}{text}");
        let found = match Scenario::parse(path, &text) {
            Err(error) => error.to_string(),
            Ok(scenario) => check(&scenario, suite(3, 100)).unwrap_err().to_string(),
        };
        assert!(!found.contains('\n'), "{found}");
        found
    };
    for (head, tail, expected) in [
        (
            "[feedback]\nlogging = \"unifrm\"",
            "",
            "s.toml:4: unknown variant `unifrm`; did you mean `uniform`?",
        ),
        (
            "[feedback]\nlogging = \"mostly\"\nshare = 1.0",
            "",
            "s.toml:5: `share` is 1, and it must be above 0 and below 1: every model needs a chance",
        ),
        (
            "[feedback]\nlogging = \"uniform\"\nexploration = 0.2",
            "",
            "s.toml:5: `exploration` is a setting of logging = \"router\" alone",
        ),
        ("[feedback]\nlogging = \"mostly\"\nmodel = \"x\"", "", "[feedback] logs `x`, which is no candidate"),
        (
            "[feedback]\nlogging = \"uniform\"\n[unseen]\nshare = 0.3",
            "",
            "s.toml:3: a log shows one model a prompt, and a quiz asks new models the same prompts",
        ),
        (
            "[feedback]\nlogging = \"uniform\"",
            "[[router]]\nkind = \"guarded\"",
            "s.toml:9: router `guarded` cannot learn from a log that shows one model a prompt: it goes by",
        ),
        (
            "",
            "[[router]]\nkind = \"guarded\"\n[[shift]]\nkind = \"feedback\"\nlogging = [\"uniform\"]",
            "router `guarded` cannot learn from a log",
        ),
        ("", "[[shift]]\nkind = \"feedback\"\nlogging = []", "asks for nothing: its list is empty"),
    ] {
        let found = fault(&format!("{head}\n{router}{tail}\n"));
        assert!(found.contains(expected), "{found}\n{expected}");
    }
}
