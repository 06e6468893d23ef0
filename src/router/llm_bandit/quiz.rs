//! Where an unseen model lies: its identity vector from the few prompts it answered, with the response network frozen.
//!
//! The posterior of I given answers y_i is proportional to prior(I) prod_i p_i^y_i (1 - p_i)^(1 - y_i) with
//! p_i = sigmoid(f(e_i, I)). Its mode is found by damped Newton steps with the Fisher information
//!
//! ```text
//! H = 1 + sum_i p_i (1 - p_i) g_i g_i^T,   g_i = df(e_i, I)/dI
//! ```
//!
//! and the posterior is taken as normal around it with covariance H^-1 (Laplace's approximation). The network is piecewise
//! linear in I, so that its own curvature adds nothing almost everywhere.
//!
//! The paper's prior is N(0, 1) and its score sigmoid(f) at the mode. Ours are N(mean of the seen models, 1) and the mean of
//! the score under the posterior ([`mean_score`]). Root mean squared error of predicted scores over held-out models of four
//! suites (protocol in `docs/src/experiments.md`) after 10, 20, and 50 random prompts:
//!
//! | prior | score | 10 | 20 | 50 |
//! |---|---|---|---|---|
//! | N(0, 1) | at the mode | 0.4143 | 0.4072 | 0.4006 |
//! | N(0, 1) | mean | 0.4119 | 0.4056 | 0.4000 |
//! | N(mean, 1) | at the mode | 0.4142 | 0.4070 | 0.4005 |
//! | **N(mean, 1)** | **mean** | **0.4116** | **0.4054** | **0.3999** |
//! | N(mean, 0.3) | mean | 0.4136 | 0.4071 | 0.4010 |
//! | N(mean, covariance of the seen models) | at the mode | 0.4151 | 0.4084 | 0.4023 |
//! | N(mean, covariance of the seen models) | mean | 0.4140 | 0.4077 | 0.4020 |
//! | N(mean, 4 x that covariance) | mean | 0.4129 | 0.4065 | 0.4006 |
//!
//! The spread of the seen models' means understates how far a new one may lie: the identities are themselves shrunk. Of the
//! covariance its diagonal is not enough for the mean: answers fix sums of elements, not elements (alpacaeval2 after 20:
//! 0.2742 with the diagonal, 0.2568 with all of it).

use super::response::ResponseNetwork;
use crate::linalg::{Cholesky, Matrix, Strided, kernels, multiply};

/// What is believed of an identity vector before its model has answered anything: normal with variance 1 per element, as
/// when the seen models' identities were learned (appendix B.1).
#[derive(Clone, Debug)]
pub(crate) struct Prior {
    mean: Vec<f64>,
}

/// The normal approximation of a posterior.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Placed {
    /// The mode.
    pub(crate) mean: Vec<f32>,
    /// The diagonal of the covariance.
    pub(crate) variance: Vec<f32>,
    /// The lower triangular factor of the covariance, d x d.
    pub(crate) deviation: Matrix,
}

/// Newton steps at the most; each halves its length until the posterior rises.
const STEPS: usize = 30;
const HALVINGS: usize = 12;
/// A step that raises the log-posterior by less ends the search.
const LEAST_GAIN: f64 = 1e-7;

impl Prior {
    /// 1 / the variance of each element.
    pub(crate) const PRECISION: f32 = 1.0;

    /// Around zero.
    pub(crate) fn standard(dimensions: usize) -> Self {
        Prior { mean: vec![0.0; dimensions] }
    }

    /// Around the mean of the seen models, the rows of `identities`.
    pub(crate) fn around(identities: &Matrix) -> Self {
        let n_models = identities.n_rows() as f64;
        let mean_of = |j: usize| identities.rows().map(|row| f64::from(row[j])).sum::<f64>() / n_models;
        Prior { mean: (0..identities.n_columns()).map(mean_of).collect() }
    }

    /// I - mean.
    fn offset(&self, identity: &[f64]) -> Vec<f64> {
        identity.iter().zip(&self.mean).map(|(x, mean)| x - mean).collect()
    }
}

/// The mean of sigmoid(l) for l normal, approximated: sigmoid(l / sqrt(1 + pi/8 v)) with the mean and variance of l
/// (MacKay 1992).
pub(crate) fn mean_score(logit: f32, variance: f32) -> f32 {
    kernels::sigmoid(logit / (1.0 + std::f32::consts::PI / 8.0 * variance).sqrt())
}

/// Fits the identity of a model to its answers: `embeddings` and `answers` row by row.
pub(crate) fn place(
    network: &ResponseNetwork,
    embeddings: &Matrix,
    answers: &[f32],
    prior: &Prior,
) -> Placed {
    let d = prior.mean.len();
    let mut identity = prior.mean.clone();
    let mut at = Posterior::at(network, embeddings, answers, prior, &identity);
    for _ in 0..STEPS {
        let factor = Cholesky::factor(at.information.clone(), d).expect("a precision plus squares");
        let step = factor.solve(&at.gradient);
        let mut length = 1.0;
        let mut next = None;
        for _ in 0..HALVINGS {
            let moved: Vec<f64> = identity.iter().zip(&step).map(|(x, step)| x + length * step).collect();
            let there = Posterior::at(network, embeddings, answers, prior, &moved);
            if there.ln_density > at.ln_density {
                next = Some((moved, there));
                break;
            }
            length /= 2.0;
        }
        let Some((moved, there)) = next else { break };
        let gain = there.ln_density - at.ln_density;
        (identity, at) = (moved, there);
        if gain < LEAST_GAIN {
            break;
        }
    }
    let covariance = Cholesky::factor(at.information, d).expect("a precision plus squares").inverse();
    let variance = (0..d).map(|j| covariance[j * d + j] as f32).collect();
    let factor = Cholesky::factor(covariance, d).expect("the inverse of a positive definite matrix");
    let deviation = factor.lower().iter().map(|&value| value as f32).collect();
    Placed {
        mean: identity.iter().map(|&value| value as f32).collect(),
        variance,
        deviation: Matrix::new(deviation, d, d),
    }
}

/// The log-posterior at one identity, up to a constant, with its gradient and information.
struct Posterior {
    ln_density: f64,
    gradient: Vec<f64>,
    /// H, d x d.
    information: Vec<f64>,
}

impl Posterior {
    fn at(
        network: &ResponseNetwork,
        embeddings: &Matrix,
        answers: &[f32],
        prior: &Prior,
        identity: &[f64],
    ) -> Self {
        let d = identity.len();
        let single: Vec<f32> = identity.iter().map(|&value| value as f32).collect();
        let responses = network.responses(embeddings, &single);
        let mut gradient: Vec<f64> = prior.offset(identity).iter().map(|offset| -offset).collect();
        let mut ln_density = -0.5 * kernels::dot(&gradient, &gradient);
        let mut scaled = Vec::with_capacity(answers.len() * d);
        for ((logit, answer), g) in responses.logits.iter().zip(answers).zip(responses.gradients.rows()) {
            let p = kernels::sigmoid(*logit);
            ln_density -= f64::from(kernels::softplus(*logit) - answer * logit);
            let residual = f64::from(answer - p);
            gradient.iter_mut().zip(g).for_each(|(sum, g)| *sum += residual * f64::from(*g));
            let weight = f64::from(p * (1.0 - p)).sqrt();
            scaled.extend(g.iter().map(|g| weight * f64::from(*g)));
        }
        let mut information = vec![0.0; d * d];
        let rows = Strided::row_major(&scaled, answers.len(), d);
        multiply(rows.transposed(), rows, &mut information);
        (0..d).for_each(|j| information[j * d + j] += f64::from(Prior::PRECISION));
        Posterior { ln_density, gradient, information }
    }
}

#[cfg(test)]
mod tests {
    use super::super::identity::{Identities, Observations, fit};
    use super::super::settings::IdentitySettings;
    use super::*;
    use crate::random::{bernoulli, uniform};
    use crate::seed::Stream;

    /// One ability, prompts of one difficulty each: P(right) = sigmoid(3 (ability - difficulty)).
    fn abilities(n_prompts: usize, abilities: &[f64], seed: u64) -> (Matrix, Matrix) {
        let mut rng = Stream::root(seed).generator();
        let (mut embeddings, mut labels) = (Vec::new(), Vec::new());
        for _ in 0..n_prompts {
            let difficulty = 2.0 * uniform(&mut rng) - 1.0;
            embeddings.extend([difficulty as f32, 1.0]);
            for ability in abilities {
                let p = 1.0 / (1.0 + (-3.0 * (ability - difficulty)).exp());
                labels.push(f32::from(bernoulli(&mut rng, p)));
            }
        }
        (Matrix::new(embeddings, n_prompts, 2), Matrix::new(labels, n_prompts, abilities.len()))
    }

    fn trained() -> (ResponseNetwork, Identities, Matrix, Matrix) {
        let seen: Vec<f64> = (0..9).map(|k| f64::from(k) / 4.0 - 1.0).collect();
        let (embeddings, labels) = abilities(400, &seen, 1);
        let comparisons = vec![Vec::new(); 400];
        let observations =
            Observations { embeddings: &embeddings, labels: &labels, comparisons: &comparisons };
        let settings = IdentitySettings { dimensions: 3, learning_rate: 5e-3, ..Default::default() };
        let rows: Vec<usize> = (0..400).collect();
        let fitted = fit(&observations, &rows, &[], &settings, 15, &Stream::root(2)).unwrap();
        (fitted.network, fitted.identities, embeddings, labels)
    }

    fn mean_score(network: &ResponseNetwork, embeddings: &Matrix, identity: &[f32]) -> f32 {
        let logits = network.logits(embeddings, &Matrix::new(identity.to_vec(), 1, identity.len()));
        logits.values().iter().map(|logit| kernels::sigmoid(*logit)).sum::<f32>() / embeddings.n_rows() as f32
    }

    #[test]
    fn a_short_quiz_finds_a_new_models_ability() {
        let (network, identities, embeddings, _) = trained();
        let prior = Prior::around(&identities.mean);
        for (ability, seed) in [(-0.8, 11), (0.1, 12), (0.9, 13)] {
            let (quiz, answers) = abilities(40, &[ability], seed);
            let placed = place(&network, &quiz, answers.values(), &prior);
            let (_, truth) = abilities(4000, &[ability], 14);
            let truth = truth.values().iter().sum::<f32>() / 4000.0;
            let found = mean_score(&network, &embeddings, &placed.mean);
            assert!((found - truth).abs() < 0.1, "ability {ability}: {found}, truth {truth}");
        }
    }

    #[test]
    fn without_answers_a_model_stays_at_the_prior_and_answers_narrow_it() {
        let (network, identities, _, _) = trained();
        for prior in [Prior::standard(3), Prior::around(&identities.mean)] {
            let nothing = place(&network, &Matrix::zeros(0, 2), &[], &prior);
            assert!(nothing.mean.iter().zip(&prior.mean).all(|(found, mean)| *found == *mean as f32));
            let (quiz, answers) = abilities(60, &[0.3], 15);
            let some = place(&network, &quiz, answers.values(), &prior);
            let total = |placed: &Placed| placed.variance.iter().sum::<f32>();
            assert!(total(&some) < total(&nothing));
        }
    }

    #[test]
    fn the_mean_of_a_score_is_near_the_integral() {
        for (logit, variance) in [(0.0_f32, 4.0_f32), (1.5, 0.5), (-3.0, 2.0), (2.0, 9.0)] {
            let deviation = f64::from(variance).sqrt();
            let (mut total, mut mass) = (0.0, 0.0);
            for step in -400..=400 {
                let z = f64::from(step) / 50.0;
                let density = (-0.5 * z * z).exp();
                total += density / (1.0 + (-(f64::from(logit) + deviation * z)).exp());
                mass += density;
            }
            let found = f64::from(super::mean_score(logit, variance));
            assert!((found - total / mass).abs() < 0.02, "{logit} {variance}: {found}, {}", total / mass);
        }
        assert_eq!(super::mean_score(0.7, 0.0), kernels::sigmoid(0.7));
    }

    #[test]
    fn the_deviation_is_a_root_of_the_covariance() {
        let (network, identities, _, _) = trained();
        let (quiz, answers) = abilities(30, &[0.2], 16);
        let placed = place(&network, &quiz, answers.values(), &Prior::around(&identities.mean));
        for (row, variance) in placed.deviation.rows().zip(&placed.variance) {
            assert!((kernels::dot(row, row) / variance - 1.0).abs() < 1e-4);
        }
        // Nothing is known: the prior's variance is left.
        let nothing = place(&network, &Matrix::zeros(0, 2), &[], &Prior::standard(3));
        assert_eq!(nothing.deviation.values(), [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
    }
}
