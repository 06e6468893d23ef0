//! What a few well-chosen prompts say about a new model's mean scores, against the level that tinyBenchmarks reports
//! (arXiv 2402.14992). Needs a folder of suites in `LLM_BANDIT_DATASETS`; without it, it is reported as ignored.
//!
//! The suite has no texts and so no embeddings: prompts are known by how the seen models did on them. With m_i the mean score
//! of prompt i over these and G_i its place along the principal directions of the deviations from it, in units in which a
//! model's own place z has variance 1, a new model's score is m_i + G_i z plus noise of the variance left over. The quiz
//! gives z by ridge regression; the estimate of a mean takes answers where there are some and predictions elsewhere.
//!
//! Of 100 new models among 400, mean of three draws: 100 prompts by `fisher` give each of five benchmark means to 0.022 (random
//! ones: 0.028) and rank the models with Kendall's tau 0.88 (0.83); 30 prompts with 0.81 (0.69), 20 with 0.79 (0.65). A D-optimal
//! design, which asks as much about every direction of a model's place, had 0.85, 0.77, and 0.71.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

#[path = "common/outside.rs"]
mod outside;

use std::path::Path;
use std::process::ExitCode;

use llm_bandit::linalg::{Cholesky, Matrix};
use llm_bandit::random::{sample_indices, standard_normal};
use llm_bandit::router::quiz::c_optimal;
use llm_bandit::seed::Stream;
use llm_bandit::suite::{Suite, find};

use outside::Outside;

const SUITE: &str = "openllm_v1_tiny";
const DIMENSIONS: usize = 8;
const N_NEW: usize = 100;
/// No prompt is believed to have less noise than this.
const LEAST_NOISE: f64 = 0.02;

fn main() -> ExitCode {
    let name = "a_hundred_prompts_tell_a_new_model_s_means_and_rank_the_new_ones";
    let test = a_hundred_prompts_tell_a_new_model_s_means_and_rank_the_new_ones;
    outside::run("LLM_BANDIT_DATASETS", [Outside { name, folders: &[SUITE], test }])
}

/// What the seen models say of every prompt.
struct Bank {
    mean: Vec<f64>,
    /// Prompts x dimensions.
    places: Matrix,
    noise: Vec<f64>,
}

impl Bank {
    fn new(scores: &[Vec<f64>], seen: &[usize]) -> Self {
        let n_seen = seen.len() as f64;
        let mean: Vec<f64> =
            scores.iter().map(|row| seen.iter().map(|&m| row[m]).sum::<f64>() / n_seen).collect();
        let deviations: Vec<Vec<f64>> = scores
            .iter()
            .zip(&mean)
            .map(|(row, mean)| seen.iter().map(|&m| row[m] - mean).collect())
            .collect();
        let places = principal_places(&deviations);
        let noise = deviations.iter().zip(&places).map(|(own, place)| {
            let spread = |values: &[f64]| values.iter().map(|value| value * value).sum::<f64>();
            (spread(own) / n_seen - spread(place)).max(LEAST_NOISE)
        });
        Bank {
            noise: noise.collect(),
            places: Matrix::new(
                places.iter().flatten().map(|&value| value as f32).collect(),
                scores.len(),
                DIMENSIONS,
            ),
            mean,
        }
    }

    /// The mean score by a model's place: the mean of all places.
    fn of_mean_score(&self) -> Vec<f32> {
        let n = self.mean.len() as f32;
        (0..DIMENSIONS).map(|d| self.places.rows().map(|place| place[d] / n).sum()).collect()
    }

    fn weights(&self) -> Vec<f32> {
        self.noise.iter().map(|noise| (1.0 / noise) as f32).collect()
    }

    /// Scores of a model on all prompts, from its answers to some.
    fn estimate(&self, quiz: &[usize], answer: impl Fn(usize) -> f64) -> Vec<f64> {
        let d = DIMENSIONS;
        let mut information = vec![0.0; d * d];
        (0..d).for_each(|i| information[i * d + i] = 1.0);
        let mut sums = vec![0.0; d];
        for &prompt in quiz {
            let place: Vec<f64> = self.places.row(prompt).iter().map(|&value| f64::from(value)).collect();
            for i in 0..d {
                sums[i] += place[i] * (answer(prompt) - self.mean[prompt]) / self.noise[prompt];
                (0..d).for_each(|j| information[i * d + j] += place[i] * place[j] / self.noise[prompt]);
            }
        }
        let z = Cholesky::factor(information, d).unwrap().solve(&sums);
        let predicted = |prompt: usize| {
            let along: f64 = self.places.row(prompt).iter().zip(&z).map(|(g, z)| f64::from(*g) * z).sum();
            (self.mean[prompt] + along).clamp(0.0, 1.0)
        };
        (0..self.mean.len())
            .map(|prompt| if quiz.contains(&prompt) { answer(prompt) } else { predicted(prompt) })
            .collect()
    }
}

/// The place of each row along the principal directions of all, over the root of the number of columns: by orthogonal
/// iteration.
fn principal_places(rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let n_columns = rows[0].len();
    let mut rng = Stream::root(1).generator();
    let mut directions: Vec<Vec<f64>> =
        (0..DIMENSIONS).map(|_| (0..n_columns).map(|_| standard_normal(&mut rng)).collect()).collect();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    for _ in 0..60 {
        for at in 0..DIMENSIONS {
            let along: Vec<f64> = rows.iter().map(|row| dot(row, &directions[at])).collect();
            let mut next = vec![0.0; n_columns];
            for (row, along) in rows.iter().zip(&along) {
                next.iter_mut().zip(row).for_each(|(next, value)| *next += along * value);
            }
            for earlier in &directions[..at] {
                let overlap = dot(&next, earlier);
                next.iter_mut().zip(earlier).for_each(|(next, value)| *next -= overlap * value);
            }
            let length = dot(&next, &next).sqrt();
            directions[at] = next.into_iter().map(|value| value / length).collect();
        }
    }
    let scale = (n_columns as f64).sqrt();
    rows.iter().map(|row| directions.iter().map(|direction| dot(row, direction) / scale).collect()).collect()
}

/// Kendall's tau-b.
fn kendall(a: &[f64], b: &[f64]) -> f64 {
    let (mut agree, mut n_a, mut n_b) = (0.0, 0.0, 0.0);
    for i in 0..a.len() {
        for j in 0..i {
            let sign = |x: f64| if x == 0.0 { 0.0 } else { x.signum() };
            let (x, y) = (sign(a[i] - a[j]), sign(b[i] - b[j]));
            agree += x * y;
            n_a += x.abs();
            n_b += y.abs();
        }
    }
    agree / f64::sqrt(n_a * n_b)
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    values.iter().sum::<f64>() / values.len() as f64
}

/// Mean absolute error of the mean of a benchmark, over benchmarks and new models, and Kendall's tau of the overall means.
fn judge(suite: &Suite, scores: &[Vec<f64>], bank: &Bank, new: &[usize], quiz: &[usize]) -> [f64; 2] {
    let estimates: Vec<Vec<f64>> =
        new.iter().map(|&model| bank.estimate(quiz, |prompt| scores[prompt][model])).collect();
    let of_benchmark = |benchmark: usize, score: &dyn Fn(usize) -> f64| {
        let prompts = (0..scores.len()).filter(|&prompt| suite.prompts[prompt].benchmark == benchmark);
        mean(prompts.map(score))
    };
    let errors = new.iter().zip(&estimates).flat_map(|(&model, estimate)| {
        (0..suite.benchmarks.len()).map(move |benchmark| {
            let truth = of_benchmark(benchmark, &|prompt| scores[prompt][model]);
            (of_benchmark(benchmark, &|prompt| estimate[prompt]) - truth).abs()
        })
    });
    let errors: Vec<f64> = errors.collect();
    let truths: Vec<f64> = new.iter().map(|&model| mean(scores.iter().map(|row| row[model]))).collect();
    let found: Vec<f64> = estimates.iter().map(|estimate| mean(estimate.iter().copied())).collect();
    [mean(errors.into_iter()), kendall(&found, &truths)]
}

#[expect(clippy::print_stdout, reason = "the figures of the documentation")]
fn a_hundred_prompts_tell_a_new_model_s_means_and_rank_the_new_ones(all: &Path) {
    let suite = find(SUITE, &[all.to_owned()]).unwrap();
    let n_models = suite.models.len();
    let row =
        |prompt: usize| (0..n_models).map(|m| suite.outcomes.score.get(prompt, m).unwrap_or(0.0)).collect();
    let scores: Vec<Vec<f64>> = (0..suite.prompts.len()).map(row).collect();
    let mut all = Vec::new();
    for replicate in 0..3 {
        let stream = Stream::root(5).numbered(replicate);
        let new = sample_indices(&mut stream.generator(), n_models, N_NEW);
        let seen: Vec<usize> = (0..n_models).filter(|model| !new.contains(model)).collect();
        let bank = Bank::new(&scores, &seen);
        let fisher = |size| c_optimal(&bank.places, &bank.weights(), &bank.of_mean_score(), 1.0, size);
        let random = |size| sample_indices(&mut stream.named("quiz").generator(), scores.len(), size);
        let quizzes = [fisher(20), random(20), fisher(30), random(30), fisher(100), random(100)];
        all.push(quizzes.map(|quiz| judge(&suite, &scores, &bank, &new, &quiz)));
    }
    let figure = |quiz: usize, which: usize| mean(all.iter().map(|figures| figures[quiz][which]));
    for (quiz, name) in
        ["fisher 20", "random 20", "fisher 30", "random 30", "fisher 100", "random 100"].iter().enumerate()
    {
        println!("{name}: error {:.4}, tau {:.3}", figure(quiz, 0), figure(quiz, 1));
    }
    assert!(figure(4, 0) < 0.03, "100 prompts by fisher: {}", figure(4, 0));
    assert!(figure(5, 0) < 0.03, "100 random prompts: {}", figure(5, 0));
    assert!(figure(2, 1) > 0.8, "30 prompts by fisher: tau {}", figure(2, 1));
    assert!(figure(0, 1) > 0.75, "20 prompts by fisher: tau {}", figure(0, 1));
    for random in [1, 3, 5] {
        assert!(figure(random - 1, 1) > figure(random, 1), "fisher ranks no better than chance");
    }
}
