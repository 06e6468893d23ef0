//! The bound that is told what models outside of the pool scored: it finds what there is to win, and sees no outcome of a model that it
//! may choose.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

use std::path::Path;

use llm_bandit::evaluate::summarise;
use llm_bandit::record::Record;
use llm_bandit::run::run;
use llm_bandit::scenario::Scenario;
use llm_bandit::suite::Suite;
use llm_bandit::suite::synthetic::SyntheticSettings;

const POOL: &str = "pool = \"seen-only\"\n[quiz]\nstrategy = \"all\"\n";

fn scenario(unseen: &str) -> String {
    format!(
        "description = \"d\"\nsuite = \"s\"\n{unseen}[[router]]\nkind = \"predictor\"\nmodel = \"linear\"\n\
         [[router]]\nkind = \"peers\"\n[[router]]\nkind = \"peers\"\nprompt = false\n"
    )
}

fn record(suite: &Suite) -> Record {
    let names: Vec<String> = suite.models[..4].iter().map(|model| format!("{:?}", model.id)).collect();
    let text = scenario(&format!("[unseen]\nmodels = [{}]\n{POOL}", names.join(", ")));
    run(&Scenario::parse(Path::new("s.toml"), &text).unwrap(), suite.clone(), &|_| {}).unwrap()
}

/// Eight models at one price, each of one of two kinds; a coin that no embedding knows says for each prompt which kind is right.
fn suite() -> Suite {
    let settings = SyntheticSettings { n_prompts: 400, n_models: 8, ..SyntheticSettings::default() };
    let mut suite = settings.generate().unwrap().suite;
    for prompt in 0..400_usize {
        let coin = prompt.wrapping_mul(0x9E37_79B9) >> 7 & 1;
        for model in 0..8 {
            suite.outcomes.score.set(prompt, model, Some(f64::from(u8::from(model % 2 == coin))));
            suite.outcomes.cost_usd.set(prompt, model, Some(0.001 * (1 + model / 2) as f64));
        }
    }
    suite
}

#[test]
fn peers_that_share_what_makes_a_prompt_hard_reach_the_oracle_where_embeddings_say_nothing() {
    let summary = summarise(&record(&suite()));
    let won = |router: &str| summary.named(router, "aiq-to-oracle").unwrap().aggregate().unwrap().mean;
    assert!(won("linear") < 0.2, "{}", won("linear"));
    assert!(won("peers") > 0.95 && won("peers-alone") > 0.95, "{} {}", won("peers"), won("peers-alone"));
    assert!((won("utility-oracle") - 1.0).abs() < 1e-12 && won("zero-router").abs() < 1e-12);
}

#[test]
fn outcomes_of_models_that_may_be_chosen_change_no_choice_of_it() {
    let suite = suite();
    let before = record(&suite);
    let mut changed = suite.clone();
    for prompt in &before.test_prompts[0] {
        let id = &before.prompts[prompt.at()].id;
        let prompt = suite.prompts.iter().position(|prompt| prompt.id == *id).unwrap();
        for model in 4..8 {
            let score = suite.outcomes.score.get(prompt, model).unwrap();
            changed.outcomes.score.set(prompt, model, Some(1.0 - score));
        }
    }
    let after = record(&changed);
    assert!(before.score != after.score && before.choices == after.choices);
    let in_pool = before.manifest.test_pool(0);
    let chosen = before.choices[0].iter().flat_map(|choices| choices.models());
    assert!(chosen.clone().all(|&model| in_pool[usize::from(model)]));
}

#[test]
fn what_it_needs_is_said_before_anything_is_trained() {
    let fault = |unseen: &str| {
        let scenario = Scenario::parse(Path::new("s.toml"), &scenario(unseen)).unwrap();
        run(&scenario, suite(), &|_| panic!("trained")).unwrap_err().to_string()
    };
    let needs = "router `peers` is told the scores of models that may not be chosen: it needs `[unseen]` with `pool = \"seen-only\"`";
    assert!(fault("").contains(needs), "{}", fault(""));
    assert!(fault("[unseen]\nshare = 0.5\n").contains(needs));
    let features = scenario("").replace("kind = \"peers\"\n[[", "kind = \"peers\"\nfeatures = \"both\"\n[[");
    let error = Scenario::parse(Path::new("s.toml"), &features).unwrap_err().to_string();
    assert!(error.contains("`features` is for routers that learn from prompts alone"), "{error}");
}
