//! A router from outside the crate: in one scenario with built-in ones, in the record, the summary, and the report.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

use std::collections::BTreeMap;
use std::path::Path;

use llm_bandit::error::{Error, Result};
use llm_bandit::evaluate::summarise;
use llm_bandit::preference::Preference;
use llm_bandit::record::Record;
use llm_bandit::report::{claim, read_record, write_run};
use llm_bandit::router::{Choices, Policy, Prompts, Registry, Router, RouterKind, Trained, Training, Traits};
use llm_bandit::run::run;
use llm_bandit::scenario::Scenario;
use llm_bandit::suite::synthetic::SyntheticSettings;

/// Settings of `kind = "good-enough"`.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct GoodEnough {
    /// What share of the best model's mean score is good enough.
    share: f64,
}

/// All models: the cheapest that is good enough, then the others.
struct Order(Vec<u16>);

impl RouterKind for GoodEnough {
    fn traits(&self) -> Traits {
        Traits { needs_embeddings: false, takes_unseen: false, ..Traits::default() }
    }

    fn check(&self) -> Result<()> {
        let problem = "`share` must be from 0 to 1";
        if (0.0..=1.0).contains(&self.share) { Ok(()) } else { Err(Error::Usage(problem.into())) }
    }

    fn train(&self, training: &Training<'_>) -> Result<Trained> {
        let (score, cost) = (&training.outcomes().mean_score, &training.outcomes().mean_cost_units);
        let enough = self.share * score.iter().copied().fold(0.0, f64::max);
        let mut order: Vec<u16> = (0..score.len() as u16).collect();
        let key = |model: u16| (score[usize::from(model)] < enough, cost[usize::from(model)]);
        order.sort_by(|&a, &b| key(a).partial_cmp(&key(b)).unwrap());
        Ok(Trained { router: Policy::Direct(Box::new(Order(order))), notes: BTreeMap::new() })
    }
}

impl Router for Order {
    fn route(&self, prompts: &Prompts, preferences: &[Preference]) -> Choices {
        let first = |prompt| self.0.iter().find(|&&model| prompts.is_available(prompt, usize::from(model)));
        let chosen: Vec<u16> = (0..prompts.len()).map(|prompt| *first(prompt).unwrap()).collect();
        Choices::new(prompts.len(), chosen.repeat(preferences.len()))
    }
}

const SCENARIO: &str = "description = \"d\"\nsuite = \"s\"\nevidence = { resamples = 200 }\n[[router]]\nkind = \"single\"\nchoose = \"best\"\n\
    [[router]]\nkind = \"good-enough\"\nshare = 0.5\n[[router]]\nlabel = \"as-good\"\nkind = \"good-enough\"\nshare = 1.0\n";

fn scenario(text: &str) -> Result<Scenario> {
    let registry = Registry::built_in().with::<GoodEnough>("good-enough");
    Scenario::parse_with(Path::new("mine.toml"), text, &registry)
}

fn record() -> Record {
    let suite = SyntheticSettings { n_prompts: 60, n_models: 5, ..SyntheticSettings::default() };
    run(&scenario(SCENARIO).unwrap(), suite.generate().unwrap().suite, &|_| {}).unwrap()
}

#[test]
fn a_router_from_outside_competes_with_those_inside() {
    let record = record();
    let [best, enough, as_good] = [0, 1, 2].map(|router| &record.choices[0][router]);
    assert!(as_good == best && enough != best);
    let summary = summarise(&record);
    let of = |policy: &str, metric: &str| summary.named(policy, metric).unwrap().aggregate().unwrap().mean;
    assert!(of("good-enough", "aiq") > 0.0);
    let evaluated = &summary.replicates[0].policies;
    assert!(evaluated[1].points[0].cost_usd < evaluated[0].points[0].cost_usd);
}

#[test]
fn its_settings_are_read_with_the_same_care() {
    let fault = |from: &str, to: &str| scenario(&SCENARIO.replace(from, to)).unwrap_err().to_string();
    assert_eq!(fault("share = 0.5", "share = 2.0"), "mine.toml:7: `share` must be from 0 to 1");
    assert_eq!(
        fault("share = 0.5", "shore = 0.5"),
        "mine.toml:9: unknown field `shore`; did you mean `share`?"
    );
    assert_eq!(
        fault("\"good-enough\"\nshare = 0.5", "\"good-enouhg\"\nshare = 0.5"),
        "mine.toml:8: unknown variant `good-enouhg`; did you mean `good-enough`?"
    );
    let unknown = Scenario::parse(Path::new("mine.toml"), SCENARIO).unwrap_err().to_string();
    assert!(unknown.starts_with("mine.toml:8: unknown variant `good-enough`"), "{unknown}");
}

#[test]
fn a_program_without_it_reads_its_record_and_makes_the_same_report() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = ["first", "second"].map(|name| folder.path().join(name));
    let record = record();
    write_run(&claim(&first).unwrap(), &record, &summarise(&record), &[]).unwrap();
    // What is read knows nothing of `GoodEnough`.
    let read = read_record(&first).unwrap();
    let settings = &read.manifest.scenario.routers[1].settings;
    assert_eq!((settings.kind(), settings.traits().takes_unseen), ("good-enough", false));
    write_run(&claim(&second).unwrap(), &read, &summarise(&read), &[]).unwrap();
    for file in ["record/manifest.json", "report.md", "summary.csv", "report.html"] {
        let bytes = |folder: &Path| std::fs::read(folder.join(file)).unwrap();
        assert!(bytes(&first) == bytes(&second), "{file}");
    }
    let mut again = read.manifest.scenario;
    again.routers.remove(0);
    let suite = SyntheticSettings { n_prompts: 60, n_models: 5, ..SyntheticSettings::default() };
    let error = run(&again, suite.generate().unwrap().suite, &|_| {}).unwrap_err().to_string();
    assert!(error.contains("this program has no router of kind `good-enough` to train"), "{error}");
}
