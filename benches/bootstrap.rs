//! How long intervals and tests take for 12 routers, 10,000 test prompts, and 61 preferences: 2,000 resamples and as many
//! exchanges of every router with its rival. Takes 1.55 s on two cores (without evidence: 0.09 s).
#![expect(clippy::unwrap_used, reason = "a bench may stop at a fault")]

use std::fmt::Write;
use std::path::Path;

use criterion::{Criterion, criterion_group, criterion_main};
use llm_bandit::evaluate::{summarise, summarise_without_evidence};
use llm_bandit::record::Record;
use llm_bandit::run::run;
use llm_bandit::scenario::Scenario;
use llm_bandit::suite::synthetic::SyntheticSettings;

fn record() -> Record {
    let mut text = "description = \"d\"\nsuite = \"s\"\n[split]\ntest = 0.8\n".to_owned();
    for router in 0..12 {
        let ridge = 10.0_f64.powi(router - 3).max(0.01) + f64::from(router);
        let _ = write!(
            text,
            "[[router]]\nlabel = \"linear-{router}\"\nkind = \"predictor\"\nmodel = \"linear\"\nridge = {ridge:.2}\n"
        );
    }
    let settings = SyntheticSettings {
        n_prompts: 12_500,
        n_models: 11,
        n_dimensions: 32,
        ..SyntheticSettings::default()
    };
    run(&Scenario::parse(Path::new("s.toml"), &text).unwrap(), settings.generate().unwrap().suite, &|_| {})
        .unwrap()
}

fn bootstrap(criterion: &mut Criterion) {
    let record = record();
    assert_eq!(record.test_prompts[0].len(), 10_000);
    let mut group = criterion.benchmark_group("bootstrap");
    group.sample_size(10);
    group.bench_function("without-evidence", |bencher| bencher.iter(|| summarise_without_evidence(&record)));
    group.bench_function("summarise", |bencher| bencher.iter(|| summarise(&record)));
    group.finish();
}

criterion_group!(benches, bootstrap);
criterion_main!(benches);
