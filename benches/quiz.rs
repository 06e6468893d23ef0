//! How long it takes to choose a quiz of 20 among 12,000 prompts: D-optimal design over 32 dimensions, per pick, and the
//! other strategies on the answers of 30 seen models, per quiz.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use llm_bandit::linalg::Matrix;
use llm_bandit::random::{bernoulli, uniform_f32};
use llm_bandit::router::quiz::{ItemBank, ItemInformation, QuizSettings, QuizStrategy, c_optimal, select};
use llm_bandit::seed::Stream;
use llm_bandit::suite::CellTable;

const N_PROMPTS: usize = 12_000;
const N_SEEN: usize = 30;
const SIZE: usize = 20;

fn quiz(criterion: &mut Criterion) {
    let mut rng = Stream::root(0).generator();
    let mut uniform = |n_columns: usize| {
        let values = (0..N_PROMPTS * n_columns).map(|_| uniform_f32(&mut rng, -1.0, 1.0)).collect();
        Matrix::new(values, N_PROMPTS, n_columns)
    };
    let (gradients, embeddings) = (uniform(32), uniform(384));
    let weights: Vec<f32> = (0..N_PROMPTS).map(|_| uniform_f32(&mut rng, 0.0, 0.25)).collect();
    let mut scores = CellTable::missing(N_PROMPTS, N_SEEN);
    for prompt in 0..N_PROMPTS {
        for model in 0..N_SEEN {
            let ease = (prompt + model) as f64 / (N_PROMPTS + N_SEEN) as f64;
            scores.set(prompt, model, Some(f64::from(u8::from(bernoulli(&mut rng, ease)))));
        }
    }
    let mut group = criterion.benchmark_group("quiz");
    group.sample_size(20).throughput(Throughput::Elements(SIZE as u64));
    let information = ItemInformation { gradients, weights, prior_precision: 1.0 };
    group.bench_function("fisher/20-picks", |bencher| {
        bencher.iter(|| {
            let ItemInformation { gradients, weights, prior_precision } = black_box(&information);
            c_optimal(gradients, weights, &information.of_mean_score(), *prior_precision, SIZE)
        });
    });
    let has_embedding = vec![true; N_PROMPTS];
    let bank = ItemBank {
        embeddings: &embeddings,
        has_embedding: &has_embedding,
        scores: &scores,
        information: None,
    };
    let can_answer = [vec![true; N_PROMPTS]];
    group.sample_size(10);
    for strategy in [QuizStrategy::Random, QuizStrategy::Stratified, QuizStrategy::Anchor] {
        let settings = QuizSettings { strategy, size: Some(SIZE) };
        group.bench_function(strategy.name(), |bencher| {
            bencher.iter(|| select(&settings, black_box(bank), &can_answer, &Stream::root(1)));
        });
    }
    group.finish();
}

criterion_group!(benches, quiz);
criterion_main!(benches);
