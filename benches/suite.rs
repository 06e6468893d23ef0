//! How quickly a suite of 4,000 prompts and 32 models is read and checked, in cells per second.
//!
//! Arithmetic bounds both: reading inflates and parses some 30 bytes of text a cell at 4 million cells a second (130 MB/s,
//! a hundredth of what memory delivers), and checking goes over 1 MB tables that stay in the cache.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use llm_bandit::suite::synthetic::SyntheticSettings;
use llm_bandit::suite::{Suite, SuiteCheck};

const N_PROMPTS: usize = 4000;
const N_MODELS: usize = 32;

fn suite(criterion: &mut Criterion) {
    let settings =
        SyntheticSettings { n_prompts: N_PROMPTS, n_models: N_MODELS, ..SyntheticSettings::default() };
    let suite = settings.generate().expect("the settings are good").suite;
    let folder = tempfile::tempdir().expect("the system has room for a temporary folder");
    suite.write(folder.path()).expect("the folder takes files");
    let mut group = criterion.benchmark_group("suite");
    group.throughput(Throughput::Elements((N_PROMPTS * N_MODELS) as u64)).sample_size(20);
    group.bench_function("read", |bencher| {
        bencher.iter(|| Suite::read(black_box(folder.path())).expect("the suite reads back"));
    });
    group.bench_function("check", |bencher| bencher.iter(|| SuiteCheck::new(black_box(&suite))));
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    suite(&mut criterion);
    criterion.final_summary();
}
