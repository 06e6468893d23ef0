//! How long the LLM Bandit router takes to train on 2,200 prompts and 11 models: the identity vectors alone, with 500 steps
//! of the policy on top, and the whole of the preset `best`.
//!
//! Arithmetic bounds it: a step goes a few times over weights, moments, and activations of some 100 kB (identities) or 1 MB
//! (policy) that stay in the cache, and spends most of its time in products. The identity vectors take up to 2,000 steps of
//! 253 pairs, the policy 500 steps of 256 decisions; `best` fits the former seven times (once to find when to stop, once on
//! all prompts, five times out of fold), beside two predictors whose ridge and bandwidth are tuned.
//!
//! And how long ridge regression with its cost model takes on 40 models, with all answers and with 5 % of them missing at random: at
//! most twice as long, for products with what each model lacks in the place of one system for all.
#![expect(clippy::unwrap_used, reason = "a bench may stop at a fault")]

use criterion::{Criterion, criterion_group, criterion_main};
use llm_bandit::index::SuitePrompt;
use llm_bandit::preference::{PreferenceGrid, PreferenceSettings};
use llm_bandit::router::TrainingData;
use llm_bandit::router::{
    BanditSource, CostModelKind, CostModels, LlmBanditSettings, PredictorModel, PredictorSettings,
    RouterKind, Training,
};
use llm_bandit::scenario::split::text_groups;
use llm_bandit::seed::Stream;
use llm_bandit::suite::synthetic::SyntheticSettings;

const N_PROMPTS: usize = 2200;
const N_MODELS: usize = 11;

fn data(n_models: usize, missing: f64) -> TrainingData {
    let settings = SyntheticSettings {
        n_prompts: N_PROMPTS,
        n_models,
        n_dimensions: 384,
        missing,
        ..SyntheticSettings::default()
    };
    let suite = settings.generate().unwrap().suite;
    let groups = text_groups(&suite);
    let prompts = SuitePrompt::of(0..N_PROMPTS);
    let grid = PreferenceGrid::new(&PreferenceSettings::default()).unwrap();
    TrainingData::new(&suite, &groups, prompts.split_at(N_PROMPTS * 85 / 100), grid)
}

fn training(criterion: &mut Criterion) {
    let data = data(N_MODELS, 0.0);
    let lean = |steps| LlmBanditSettings {
        predictors: Some(vec![BanditSource::Irt]),
        out_of_fold: Some(false),
        steps: Some(steps),
        ..LlmBanditSettings::default()
    };
    let kinds = [
        ("identities", lean(0)),
        ("identities-and-policy", lean(500)),
        ("best", LlmBanditSettings::default()),
    ];
    let mut group = criterion.benchmark_group("train");
    group.sample_size(10);
    for (name, settings) in kinds {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                // Made anew, or the first run alone would fit the cost model.
                let costs = CostModels::new(CostModelKind::PerPrompt, Stream::root(0));
                settings.train(&Training::new(&data, &costs, Stream::root(1))).unwrap().notes
            });
        });
    }
    group.finish();
}

fn ridge(criterion: &mut Criterion) {
    let settings = PredictorSettings {
        model: PredictorModel::Linear,
        cost: None,
        neighbours: None,
        correction: None,
        ridge: None,
        heads: None,
        placement: None,
    };
    let mut group = criterion.benchmark_group("ridge");
    group.sample_size(10);
    for (name, missing) in [("all-answers", 0.0), ("gaps", 0.05)] {
        let data = data(40, missing);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let costs = CostModels::new(CostModelKind::PerPrompt, Stream::root(0));
                settings.train(&Training::new(&data, &costs, Stream::root(1))).unwrap().notes
            });
        });
    }
    group.finish();
}

criterion_group!(benches, training, ridge);
criterion_main!(benches);
