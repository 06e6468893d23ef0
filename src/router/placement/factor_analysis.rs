//! Factor analysis of the seen models' scores, with gaps, by expectation and maximisation (Rubin and Thayer 1982).
//!
//! ```text
//! y_nk = mu_k + l_k . z_n + e_nk,   z_n ~ N(0, 1),   e_nk ~ N(0, psi_k)
//! ```
//!
//! for prompt n and model k. A cell that is not known adds nothing. Factors are found up to a rotation, which nothing that is made
//! of them here depends on.

use crate::linalg::{Cholesky, Matrix, principal_directions};
use crate::random::ChaCha8Rng;
use crate::suite::CellTable;

const ROUNDS: usize = 60;
/// No model's noise has a smaller variance: a column that the factors explain without rest would decide them alone.
const LEAST_NOISE: f64 = 1e-3;
/// Keeps the equations of a model without any cell solvable.
const LEAST_PENALTY: f64 = 1e-9;

/// The weights and noise of the models that were analysed.
#[derive(Clone, Debug)]
pub(super) struct FactorAnalysis {
    /// By model mu and then l.
    pub(super) weights: Vec<Vec<f64>>,
    /// psi by model.
    pub(super) noise: Vec<f64>,
}

/// What the known cells of a prompt say of its factors.
struct PromptFactors<'a> {
    mean: &'a [f64],
    /// Row-major.
    covariance: &'a [f64],
}

/// Sums over the cells of one model, of regressors 1 and z.
#[derive(Clone)]
struct Sums {
    /// Row-major.
    regressors: Vec<f64>,
    products: Vec<f64>,
    squares: f64,
    n_cells: f64,
}

impl FactorAnalysis {
    /// Analyses scores, prompts x models, into fewer factors than there are models; starts from the principal directions.
    pub(super) fn fit(scores: &CellTable, most_factors: usize, rng: &mut ChaCha8Rng) -> Self {
        let n_models = scores.n_models();
        let n_factors = most_factors.min(n_models.saturating_sub(1));
        let mut fitted = FactorAnalysis::start(scores, n_factors, rng);
        for _ in 0..ROUNDS {
            let size = n_factors + 1;
            let empty = Sums {
                regressors: vec![0.0; size * size],
                products: vec![0.0; size],
                squares: 0.0,
                n_cells: 0.0,
            };
            let mut sums = vec![empty; n_models];
            fitted.each_prompt(scores, |prompt, factors| {
                for (score, sums) in scores.row(prompt).zip(&mut sums) {
                    if let Some(score) = score {
                        sums.add(score, &factors);
                    }
                }
            });
            for (model, sums) in sums.into_iter().enumerate().filter(|(_, sums)| sums.n_cells > 0.0) {
                (fitted.weights[model], fitted.noise[model]) = sums.solve();
            }
        }
        fitted
    }

    /// Means, the directions in which scores vary most, and the variance that is left.
    fn start(scores: &CellTable, n_factors: usize, rng: &mut ChaCha8Rng) -> Self {
        let (n_prompts, n_models) = (scores.n_prompts(), scores.n_models());
        let mean = |model: usize| {
            let known = (0..n_prompts).filter_map(|prompt| scores.get(prompt, model));
            let (sum, n) = known.fold((0.0, 0.0), |(sum, n), score| (sum + score, n + 1.0));
            sum / f64::max(n, 1.0)
        };
        let means: Vec<f64> = (0..n_models).map(mean).collect();
        let centred = (0..n_prompts).flat_map(|prompt| {
            scores
                .row(prompt)
                .zip(&means)
                .map(|(score, mean)| score.map_or(0.0, |score| (score - mean) as f32))
        });
        let centred = Matrix::new(centred.collect(), n_prompts, n_models);
        let directions = principal_directions(&centred, n_factors, rng);
        let mut weights: Vec<Vec<f64>> = means.into_iter().map(|mean| vec![mean]).collect();
        for factor in 0..n_factors {
            let along = |row: &[f32]| -> f64 {
                let products = row.iter().enumerate().map(|(model, x)| x * directions.row(model)[factor]);
                products.map(f64::from).sum()
            };
            let variance =
                centred.rows().map(|row| along(row).powi(2)).sum::<f64>() / n_prompts.max(1) as f64;
            for (model, weights) in weights.iter_mut().enumerate() {
                weights.push(f64::from(directions.row(model)[factor]) * variance.sqrt());
            }
        }
        let noise = (0..n_models).map(|model| {
            let variance = centred.rows().map(|row| f64::from(row[model]).powi(2)).sum::<f64>();
            let explained: f64 = weights[model][1..].iter().map(|loading| loading * loading).sum();
            (variance / n_prompts.max(1) as f64 - explained).max(10.0 * LEAST_NOISE)
        });
        FactorAnalysis { noise: noise.collect(), weights }
    }

    /// 1 and the expected factors of every prompt given the known scores of the analysed models, prompts x (1 + factors).
    pub(super) fn regressors(&self, scores: &CellTable) -> Vec<Vec<f64>> {
        let mut regressors = Vec::with_capacity(scores.n_prompts());
        self.each_prompt(scores, |_, factors| regressors.push([&[1.0], factors.mean].concat()));
        regressors
    }

    /// The variance of a typical model's score around what the expected factors say: its noise, and what is not known of the
    /// factors.
    pub(super) fn residual_variance(&self, scores: &CellTable) -> f64 {
        let n_factors = self.weights[0].len() - 1;
        let mut covariance = vec![0.0; n_factors * n_factors];
        self.each_prompt(scores, |_, factors| {
            covariance.iter_mut().zip(factors.covariance).for_each(|(sum, value)| *sum += value);
        });
        covariance.iter_mut().for_each(|sum| *sum /= scores.n_prompts().max(1) as f64);
        let of_factors = |weights: &Vec<f64>| quadratic_form(&covariance, &weights[1..]);
        let total: f64 =
            self.weights.iter().zip(&self.noise).map(|(weights, noise)| noise + of_factors(weights)).sum();
        total / self.noise.len() as f64
    }

    /// Tells `visit` of every prompt what is known of its factors. Prompts in a row that the same models answered share a covariance.
    fn each_prompt(&self, scores: &CellTable, mut visit: impl FnMut(usize, PromptFactors<'_>)) {
        let n_factors = self.weights[0].len() - 1;
        let mut known: Vec<bool> = Vec::new();
        let mut covariance = Vec::new();
        let (mut products, mut mean) = (vec![0.0; n_factors], vec![0.0; n_factors]);
        for prompt in 0..scores.n_prompts() {
            let is_same = prompt > 0
                && scores.row(prompt).zip(&known).all(|(score, is_known)| score.is_some() == *is_known);
            if !is_same {
                known.clear();
                known.extend(scores.row(prompt).map(|score| score.is_some()));
                covariance = self.covariance(&known);
            }
            products.fill(0.0);
            for ((score, weights), noise) in scores.row(prompt).zip(&self.weights).zip(&self.noise) {
                let Some(score) = score else { continue };
                let residual = (score - weights[0]) / noise;
                products.iter_mut().zip(&weights[1..]).for_each(|(sum, loading)| *sum += loading * residual);
            }
            for (mean, row) in mean.iter_mut().zip(covariance.chunks_exact(n_factors.max(1))) {
                *mean = row.iter().zip(&products).map(|(c, product)| c * product).sum();
            }
            visit(prompt, PromptFactors { mean: &mean, covariance: &covariance });
        }
    }

    /// The covariance of the factors of a prompt that these models answered: (1 + sum l l' / psi)^-1.
    fn covariance(&self, known: &[bool]) -> Vec<f64> {
        let n_factors = self.weights[0].len() - 1;
        let mut precision = vec![0.0; n_factors * n_factors];
        (0..n_factors).for_each(|factor| precision[factor * n_factors + factor] = 1.0);
        for ((weights, noise), _) in
            self.weights.iter().zip(&self.noise).zip(known).filter(|(_, is_known)| **is_known)
        {
            add_outer_product(&mut precision, &weights[1..], 1.0 / noise);
        }
        Cholesky::factor(precision, n_factors).expect("one plus squares").inverse()
    }
}

impl Sums {
    fn add(&mut self, score: f64, factors: &PromptFactors<'_>) {
        let size = self.products.len();
        self.n_cells += 1.0;
        self.squares += score * score;
        self.products[0] += score;
        for (at, z) in factors.mean.iter().enumerate() {
            self.products[at + 1] += score * z;
            self.regressors[(at + 1) * size] += z;
            let row = &mut self.regressors[(at + 1) * size + 1..][..size - 1];
            let covariance = &factors.covariance[at * (size - 1)..][..size - 1];
            for ((sum, other), c) in row.iter_mut().zip(factors.mean).zip(covariance) {
                *sum += z * other + c;
            }
        }
    }

    /// The weights under which the model's cells are most likely, and the variance of the noise.
    fn solve(mut self) -> (Vec<f64>, f64) {
        let size = self.products.len();
        self.regressors[0] = self.n_cells;
        (0..size).for_each(|at| self.regressors[at * size + at] += LEAST_PENALTY);
        // The factor reads the lower triangle alone.
        let factor = Cholesky::factor(self.regressors, size).expect("moments plus a ridge");
        let weights = factor.solve(&self.products);
        let explained: f64 = weights.iter().zip(&self.products).map(|(weight, sum)| weight * sum).sum();
        let noise = ((self.squares - explained) / self.n_cells).max(LEAST_NOISE);
        (weights, noise)
    }
}

/// Adds `scale` x x' to a square matrix.
pub(super) fn add_outer_product(matrix: &mut [f64], x: &[f64], scale: f64) {
    for (row, &a) in matrix.chunks_exact_mut(x.len().max(1)).zip(x) {
        row.iter_mut().zip(x).for_each(|(cell, b)| *cell += scale * a * b);
    }
}

/// x' A x.
pub(super) fn quadratic_form(matrix: &[f64], x: &[f64]) -> f64 {
    let row = |row: &[f64]| -> f64 { row.iter().zip(x).map(|(a, b)| a * b).sum() };
    matrix.chunks_exact(x.len().max(1)).zip(x).map(|(cells, b)| row(cells) * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{bernoulli, standard_normal};
    use crate::seed::Stream;

    /// Two factors, 14 models, a share of the cells known.
    fn simulated(n_prompts: usize, share: f64) -> (CellTable, Vec<Vec<f64>>, Vec<[f64; 2]>) {
        let mut rng = Stream::root(5).generator();
        let weights: Vec<Vec<f64>> = (0..14)
            .map(|_| {
                vec![
                    0.5 + 0.1 * standard_normal(&mut rng),
                    0.2 + 0.05 * standard_normal(&mut rng),
                    0.15 * standard_normal(&mut rng),
                ]
            })
            .collect();
        let mut scores = CellTable::missing(n_prompts, weights.len());
        let mut factors = Vec::new();
        for prompt in 0..n_prompts {
            let z = [standard_normal(&mut rng), standard_normal(&mut rng)];
            for (model, weights) in weights.iter().enumerate() {
                let score =
                    weights[0] + weights[1] * z[0] + weights[2] * z[1] + 0.1 * standard_normal(&mut rng);
                scores.set(prompt, model, bernoulli(&mut rng, share).then_some(score));
            }
            factors.push(z);
        }
        (scores, weights, factors)
    }

    fn fit(scores: &CellTable) -> FactorAnalysis {
        FactorAnalysis::fit(scores, 2, &mut Stream::root(1).generator())
    }

    /// What the factors say of every cell, which no rotation changes.
    fn explained(fitted: &FactorAnalysis, scores: &CellTable) -> Vec<f64> {
        let regressors = fitted.regressors(scores);
        let of_prompt = |x: &Vec<f64>| -> Vec<f64> {
            fitted.weights.iter().map(|w| w.iter().zip(x).map(|(w, x)| w * x).sum()).collect()
        };
        regressors.iter().flat_map(of_prompt).collect()
    }

    #[test]
    fn known_weights_and_noise_are_found_again_in_spite_of_gaps() {
        for share in [1.0, 0.7] {
            let (scores, weights, factors) = simulated(1500, share);
            let fitted = fit(&scores);
            for (model, (weights, found)) in weights.iter().zip(&fitted.weights).enumerate() {
                assert!((weights[0] - found[0]).abs() < 0.03, "model {model}: {weights:?} {found:?}");
                let [length, found] = [weights, found].map(|w| w[1..].iter().map(|l| l * l).sum::<f64>());
                assert!((length - found).abs() < 0.01, "model {model}: {length} {found}");
                assert!((fitted.noise[model] - 0.01).abs() < 0.003, "{}", fitted.noise[model]);
            }
            let truth =
                factors.iter().flat_map(|z| weights.iter().map(move |w| w[0] + w[1] * z[0] + w[2] * z[1]));
            let errors = explained(&fitted, &scores).into_iter().zip(truth).map(|(a, b)| (a - b).powi(2));
            let rmse = (errors.sum::<f64>() / (1500.0 * 14.0)).sqrt();
            assert!(rmse < 0.06, "share {share}: {rmse}");
        }
    }

    #[test]
    fn the_order_of_prompts_and_models_does_not_matter() {
        let (scores, ..) = simulated(400, 0.8);
        let prompts: Vec<usize> = (0..400).map(|at| at * 7 % 400).rev().collect();
        let models: Vec<usize> = (0..14).map(|at| at * 5 % 14).collect();
        let moved = scores.select(&prompts, &models);
        let [straight, mixed] = [&scores, &moved].map(|scores| explained(&fit(scores), scores));
        for (at, prompt) in prompts.iter().enumerate() {
            for (place, model) in models.iter().enumerate() {
                let (a, b) = (mixed[at * 14 + place], straight[prompt * 14 + model]);
                assert!((a - b).abs() < 0.01, "{a} is not {b}");
            }
        }
    }

    #[test]
    fn a_model_without_a_cell_and_a_prompt_without_one_do_no_harm() {
        let (scores, ..) = simulated(200, 1.0);
        let mut gaps = CellTable::missing(201, 15);
        for prompt in 0..200 {
            (0..14).for_each(|model| gaps.set(prompt, model, scores.get(prompt, model)));
        }
        let fitted = fit(&gaps);
        assert!(fitted.weights.iter().flatten().chain(&fitted.noise).all(|value| value.is_finite()));
        assert_eq!(fitted.regressors(&gaps)[200][1..], vec![0.0; fitted.weights[0].len() - 1]);
    }
}
