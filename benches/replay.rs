//! How fast a trained router decides: the linear predictor, which needs no neighbour search, over pools of 11 and 100.
//!
//! One iteration is 1,024 prompts at 61 preferences: predict scores and costs once, then choose at every preference.
//!
//! Arithmetic bounds it: choosing reads 8 bytes a candidate, 0.8 MB in all at K = 100, which stay in the cache over the 61
//! passes, and takes about 1.2 ns a candidate (6 GB/s, far below any cache), the latency of the serial chain of compare
//! and select in which the best so far is carried along; the two matrix products are an eighth of the time each, and
//! memory is allocated per call, never per decision.
#![expect(clippy::unwrap_used, reason = "a bench may stop at a fault")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use llm_bandit::index::SuitePrompt;
use llm_bandit::preference::{PreferenceGrid, PreferenceSettings};
use llm_bandit::router::{
    CostModelKind, CostModels, Policy, PredictorModel, PredictorSettings, RouterKind, Training,
};
use llm_bandit::router::{Prompts, TrainingData};
use llm_bandit::scenario::split::text_groups;
use llm_bandit::seed::Stream;
use llm_bandit::suite::synthetic::SyntheticSettings;

const N_TEST: usize = 1024;

fn replay(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("replay");
    for n_models in [11, 100] {
        let settings = SyntheticSettings {
            n_prompts: 2 * N_TEST,
            n_models,
            n_dimensions: 384,
            ..SyntheticSettings::default()
        };
        let suite = settings.generate().unwrap().suite;
        let groups = text_groups(&suite);
        let development = SuitePrompt::of(N_TEST..2 * N_TEST);
        let test = SuitePrompt::of(0..N_TEST);
        let grid = PreferenceGrid::new(&PreferenceSettings::default()).unwrap();
        let data =
            TrainingData::new(&suite, &groups, (&development[..800], &development[800..]), grid.clone());
        let prompts = Prompts::new(&suite, &groups, &test);
        for (name, cost) in
            [("mean-cost", CostModelKind::Mean), ("per-prompt-cost", CostModelKind::PerPrompt)]
        {
            let costs = CostModels::new(cost, Stream::root(0));
            let predictor = PredictorSettings {
                model: PredictorModel::Linear,
                cost: None,
                neighbours: None,
                correction: None,
                ridge: Some(10.0),
                heads: None,
                placement: None,
            };
            let training = Training::new(&data, &costs, Stream::root(1));
            let trained = predictor.train(&training).unwrap();
            let Policy::Direct(router) = trained.router else { unreachable!("it asks no judge") };
            group.throughput(Throughput::Elements((N_TEST * grid.preferences().len()) as u64));
            group.bench_function(BenchmarkId::new(name, n_models), |bencher| {
                bencher.iter(|| router.route(&prompts, grid.preferences()));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, replay);
criterion_main!(benches);
