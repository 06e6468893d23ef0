//! How long an online learner takes per step, choice and update together, on 11 arms and contexts of 26 numbers.
//!
//! Arithmetic bounds the linear ones: 11 quadratic forms and one rank-one update of 26 x 26 inverses, some 9,000
//! multiply-adds a step; Thompson sampling draws from the posterior besides. Everything stays in the cache.
#![expect(clippy::unwrap_used, reason = "a bench may stop at a fault")]

use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use llm_bandit::run::online::run;
use llm_bandit::scenario::online::OnlineScenario;
use llm_bandit::suite::synthetic::SyntheticSettings;

const N_STEPS: usize = 2000;

fn online(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("online");
    group.sample_size(10).throughput(Throughput::Elements(2 * N_STEPS as u64));
    let settings = SyntheticSettings { n_prompts: N_STEPS, n_models: 11, ..SyntheticSettings::default() };
    let suite = settings.generate().unwrap().suite;
    // What `random` takes is what the replay costs without any learner.
    for kind in ["random", "linucb", "lin-thompson", "epsilon-greedy"] {
        let text = format!(
            "mode = \"online\"\ndescription = \"d\"\nsuite = \"s\"\n[online]\norders = 2\n[[router]]\nkind = \"{kind}\"\n"
        );
        let scenario = OnlineScenario::parse(Path::new("s.toml"), &text).unwrap();
        let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        group.bench_function(kind, |bencher| {
            bencher.iter_batched(
                || suite.clone(),
                |suite| one_thread.install(|| run(&scenario, suite, &|_| {}).unwrap()),
                criterion::BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, online);
criterion_main!(benches);
