//! How long a trained LLM Bandit router takes per decision: one prompt at one preference, everything included (three score
//! predictors, costs, policy), alone and in batches of 1,024, over pools of 11 and 100.
//!
//! Arithmetic bounds the batches: of some 0.45 million multiply-adds a decision at K = 11 half are the kernel smoother's
//! inner products with 2,200 prompts, and its 2,200 exponentials are as dear as all other predictors; at K = 100 the
//! response network's hidden layer over all pairs adds as much again. Memory bounds a lone decision: it reads the router,
//! 2 MB of weights and projected prompts, once, from the cache beyond the core's own.
#![expect(clippy::unwrap_used, reason = "a bench may stop at a fault")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use llm_bandit::index::SuitePrompt;
use llm_bandit::preference::{PreferenceGrid, PreferenceSettings};
use llm_bandit::router::{CostModelKind, CostModels, LlmBanditSettings, Policy, RouterKind, Training};
use llm_bandit::router::{Prompts, TrainingData};
use llm_bandit::scenario::split::text_groups;
use llm_bandit::seed::Stream;
use llm_bandit::suite::synthetic::SyntheticSettings;

const N_DEVELOPMENT: usize = 2200;
const N_TEST: usize = 1024;

fn route(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("route");
    for (n_models, sizes) in [(11, &[1, N_TEST][..]), (100, &[N_TEST])] {
        let settings = SyntheticSettings {
            n_prompts: N_DEVELOPMENT + N_TEST,
            n_models,
            n_dimensions: 384,
            ..SyntheticSettings::default()
        };
        let suite = settings.generate().unwrap().suite;
        let groups = text_groups(&suite);
        let development = SuitePrompt::of(N_TEST..N_TEST + N_DEVELOPMENT);
        let grid = PreferenceGrid::new(&PreferenceSettings::default()).unwrap();
        let parts = development.split_at(N_DEVELOPMENT * 85 / 100);
        let data = TrainingData::new(&suite, &groups, parts, grid.clone());
        let costs = CostModels::new(CostModelKind::PerPrompt, Stream::root(0));
        // How well it was trained is no matter of speed.
        let settings =
            LlmBanditSettings { steps: Some(10), out_of_fold: Some(false), ..LlmBanditSettings::default() };
        let training = Training::new(&data, &costs, Stream::root(1));
        let trained = settings.train(&training).unwrap();
        let Policy::Direct(router) = trained.router else { unreachable!("it asks no judge") };
        let preference = &grid.preferences()[grid.preferences().len() / 2..][..1];
        for &size in sizes {
            let prompts = Prompts::new(&suite, &groups, &SuitePrompt::of(0..size));
            group.throughput(Throughput::Elements(size as u64));
            group.bench_function(BenchmarkId::new(format!("{n_models}-candidates"), size), |bencher| {
                bencher.iter(|| router.route(&prompts, preference));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, route);
criterion_main!(benches);
