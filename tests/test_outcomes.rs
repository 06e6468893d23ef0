//! No router of any kind has a path to the outcomes of test prompts: whatever they are, the choices are the same.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

use std::path::Path;

use llm_bandit::index::RecordPrompt;
use llm_bandit::record::Record;
use llm_bandit::run::run;
use llm_bandit::scenario::Scenario;
use llm_bandit::suite::Suite;
use llm_bandit::suite::synthetic::SyntheticSettings;

use crate::common::kinds::{Form, forms};

/// A program that chooses by the checksum of all it is told of a prompt, so that no outcome could slip in unseen.
const PROGRAM: &str = r#"at-once = true
batch = 1
command = ["sh", "-c", '''
read -r greeting; echo '{"version": "1"}'
while read -r line; do
    [ -z "$line" ] && continue
    models=${line#*\"models\":[\"}
    rest=${models#*\",\"}
    sum=$(printf %s "$line" | cksum)
    if [ $((${sum%% *} % 2)) = 0 ]; then model=${models%%\"*}; else model=${rest%%\"*}; fi
    name="\"$model\""
    echo "{\"models\": [$name, $name, $name, $name, $name, $name]}"
done
''']
"#;

/// Every kind of router, but decisions of a file: they are what stands in it, whatever comes out. A cascade's simulated judge is
/// there to tell it whether an answer that it paid for is right; its predicted judge knows no outcome.
fn routers() -> String {
    let is_deaf = |form: &Form| {
        let traits = form.entry.settings.traits();
        traits.is_self_contained && !traits.asks_judge
    };
    let built_in = forms().into_iter().filter(is_deaf).map(|form| format!("[[router]]\n{}", form.text));
    built_in.chain([format!("[[router]]\nkind = \"command\"\n{PROGRAM}")]).collect()
}

fn record(suite: &Suite) -> Record {
    let head = "description = \"d\"\nsuite = \"s\"\n[preferences]\nlow = 0.01\nhigh = 100.0\ncount = 5\n";
    let text = format!("{head}{}", routers());
    run(&Scenario::parse(Path::new("s.toml"), &text).unwrap(), suite.clone(), &|_| {}).unwrap()
}

#[test]
fn permuted_test_outcomes_change_no_choice_of_any_kind_of_router() {
    // Two models, so that routers of pairs take part.
    let settings = SyntheticSettings { n_prompts: 200, n_models: 2, seed: 4, ..SyntheticSettings::default() };
    let suite = settings.generate().unwrap().suite;
    let before = record(&suite);
    let place = |position: &RecordPrompt| {
        let id = &before.prompts[position.at()].id;
        suite.prompts.iter().position(|prompt| prompt.id == *id).unwrap()
    };
    let tested: Vec<usize> = before.test_prompts[0].iter().map(place).collect();
    let mut changed = suite.clone();
    for (at, &prompt) in tested.iter().enumerate() {
        // Each test prompt gets the outcomes of another one, and the models change places.
        let other = tested[(at + 1) % tested.len()];
        for model in 0..2 {
            let outcomes = &mut changed.outcomes;
            outcomes.score.set(prompt, model, suite.outcomes.score.get(other, 1 - model));
            outcomes.cost_usd.set(prompt, model, suite.outcomes.cost_usd.get(other, 1 - model));
        }
    }
    let after = record(&changed);
    let told = before.manifest.scenario.routers.iter().position(|entry| entry.label == "command").unwrap();
    assert!((0..2).all(|model| before.choices[0][told].models().contains(&model)));
    assert!(before.score != after.score && before.cost_usd != after.cost_usd);
    for (router, entry) in before.manifest.scenario.routers.iter().enumerate() {
        let label = &entry.label;
        assert!(before.choices[0][router] == after.choices[0][router], "{label} sees test outcomes");
        let hashes =
            [&before, &after].map(|record| &record.manifest.replicates[0].routers[router].choices_hash);
        assert_eq!(hashes[0], hashes[1], "{label}");
    }
}
