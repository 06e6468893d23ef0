//! The mean score over all development prompts, each weighted by its nearness (Nadaraya 1964, Watson 1964):
//!
//! s_hat_k(x) = sum_i v_i s_ik / sum_i v_i,   v_i = exp(x . x_i / t)
//!
//! over the prompts that model k answered. Inner products are taken along the [`DIRECTIONS`] longest directions of the
//! embeddings, which keep nearly all of them. Unlike kNN it needs no search: its time is that of two products
//! (arithmetic), its size a quarter of the embeddings. The bandwidth t is tuned by leaving each prompt out in turn.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::linalg::{Matrix, kernels, multiply, principal_directions};
use crate::network::kept;
use crate::router::Training;
use crate::router::cost_model::CostModelKind;
use crate::router::cross_validation::best;
use crate::router::difference_estimator::{BesideSeen, scores_of};
use crate::router::plug_in::{FittedScores, ScorePredictor, shared, utility};
use crate::router::prompts::Prompts;

/// The bandwidths tried, for embeddings of unit length.
const BANDWIDTHS: [f32; 8] = [0.04, 0.055, 0.075, 0.1, 0.14, 0.2, 0.3, 0.5];
const DIRECTIONS: usize = 96;
/// Prompts whose weights are computed at once, so that they stay in the cache.
const BLOCK: usize = 64;

/// The fitted predictor.
#[derive(Clone)]
pub(crate) struct KernelSmoother {
    pub(crate) bandwidth: f32,
    /// Width x directions.
    pub(crate) directions: Matrix,
    /// The development prompts along the directions; zeros where a prompt has no embedding.
    pub(crate) prompts: Matrix,
    /// Scores, 0 where unknown; prompts x models.
    pub(crate) scores: Matrix,
    /// 1 where a score is known and the prompt has an embedding, else 0; `None` where all are 1.
    pub(crate) known: Option<Matrix>,
    /// What a model without any neighbour, or a prompt without embedding, gets.
    pub(crate) mean_score: Vec<f32>,
    /// Whether each model is unseen; empty where none is. Else scores and means have one column more, and those of unseen
    /// models are how they stand beside it ([`BesideSeen`]).
    pub(crate) unseen: Vec<bool>,
}

kept!(KernelSmoother { bandwidth, directions, prompts, scores, known, mean_score, unseen }, |it, shape| {
    let n_columns = shape.n_models + usize::from(!it.unseen.is_empty());
    let fits = |table: &Matrix| table.n_columns() == n_columns && table.n_rows() == it.prompts.n_rows();
    it.bandwidth > 0.0
        && it.directions.n_rows() == shape.width
        && it.prompts.n_columns() == it.directions.n_columns()
        && it.prompts.n_rows() > 0
        && fits(&it.scores)
        && it.known.as_ref().is_none_or(fits)
        && it.mean_score.len() == n_columns
        && (it.unseen.is_empty() || it.unseen.len() == shape.n_models)
});

impl ScorePredictor for KernelSmoother {
    fn predict(&self, prompts: &Prompts) -> Matrix {
        self.predict_each(prompts, &[self.bandwidth], |_, _| false).swap_remove(0)
    }
}

/// Fits with the bandwidth that earns most at these costs when each prompt is left out; once for all routers.
pub(crate) fn fit(training: &Training<'_>, cost: Option<CostModelKind>) -> Arc<FittedScores<KernelSmoother>> {
    shared("kernel", training, cost, fit_to)
}

fn fit_to(training: &Training<'_>, costs: &Matrix) -> FittedScores<KernelSmoother> {
    let (data, outcomes) = (training.data(), training.outcomes());
    let mut rng = training.stream().named("directions").generator();
    let directions = principal_directions(&data.prompts.embeddings, DIRECTIONS, &mut rng);
    let beside = BesideSeen::new(&outcomes.score, &outcomes.mean_score, &data.unseen);
    let (n_prompts, n_columns) = (beside.table.n_prompts(), beside.table.n_models());
    let table = |value: &dyn Fn(Option<f64>) -> f32| {
        let cells = (0..n_prompts).flat_map(|prompt| beside.table.row(prompt).map(value));
        Matrix::new(cells.collect(), n_prompts, n_columns)
    };
    let mut known = table(&|score| f32::from(score.is_some()));
    for prompt in (0..n_prompts).filter(|&prompt| !data.prompts.has_embedding[prompt]) {
        known.row_mut(prompt).fill(0.0);
    }
    let mut smoother = KernelSmoother {
        bandwidth: 0.0,
        prompts: along(&directions, &data.prompts.embeddings),
        directions,
        scores: table(&|score| score.unwrap_or(0.0) as f32),
        known: known.values().contains(&0.0).then_some(known),
        mean_score: beside.means.iter().map(|&mean| mean as f32).collect(),
        unseen: beside.unseen().to_vec(),
    };
    smoother.forget_unknown();
    let groups = &data.prompts.text_groups;
    let is_excluded = |query: usize, other: usize| groups[query] == groups[other];
    let mut predictions = smoother.predict_each(&data.prompts, &BANDWIDTHS, is_excluded);
    let utilities: Vec<f64> = predictions.iter().map(|scores| utility(training, scores, costs)).collect();
    let chosen = best(&utilities);
    smoother.bandwidth = BANDWIDTHS[chosen];
    FittedScores {
        predictor: smoother,
        out_of_fold: predictions.swap_remove(chosen),
        notes: BTreeMap::from([
            ("bandwidth".to_owned(), BANDWIDTHS[chosen].to_string()),
            ("settings-tried".to_owned(), BANDWIDTHS.len().to_string()),
        ]),
    }
}

impl KernelSmoother {
    /// Scores of prompts without embedding have no say.
    fn forget_unknown(&mut self) {
        if let Some(known) = &self.known {
            let cells = self.scores.values_mut().iter_mut().zip(known.values());
            cells.for_each(|(score, known)| *score *= known);
        }
    }

    /// Predictions for each of several bandwidths.
    fn predict_each(
        &self,
        prompts: &Prompts,
        bandwidths: &[f32],
        is_excluded: impl Fn(usize, usize) -> bool,
    ) -> Vec<Matrix> {
        let (n_prompts, n_columns) = (prompts.len(), self.scores.n_columns());
        let mut predictions = vec![Matrix::zeros(n_prompts, n_columns); bandwidths.len()];
        let queries = along(&self.directions, &prompts.embeddings);
        let n_others = self.prompts.n_rows();
        let mut products = vec![0.0; BLOCK.min(n_prompts) * n_others];
        let mut weights = products.clone();
        for start in (0..n_prompts).step_by(BLOCK) {
            let rows: Vec<usize> = (start..n_prompts.min(start + BLOCK)).collect();
            let (products, weights) =
                (&mut products[..rows.len() * n_others], &mut weights[..rows.len() * n_others]);
            multiply(queries.rows_at(&rows).as_strided(), self.prompts.as_strided().transposed(), products);
            for (&query, products) in rows.iter().zip(products.chunks_exact_mut(n_others)) {
                for (other, product) in products.iter_mut().enumerate() {
                    if is_excluded(query, other) {
                        *product = f32::NEG_INFINITY;
                    }
                }
            }
            for (predictions, &bandwidth) in predictions.iter_mut().zip(bandwidths) {
                for (weights, products) in
                    weights.chunks_exact_mut(n_others).zip(products.chunks_exact(n_others))
                {
                    weigh(products, bandwidth, weights);
                }
                self.average(prompts, &rows, weights, predictions);
            }
        }
        predictions.into_iter().map(|columns| scores_of(columns, &self.unseen)).collect()
    }

    /// Fills in the weighted means of some rows.
    fn average(&self, prompts: &Prompts, rows: &[usize], weights: &[f32], predictions: &mut Matrix) {
        let n_models = self.scores.n_columns();
        let weights = crate::linalg::Strided::row_major(weights, rows.len(), self.prompts.n_rows());
        let (mut sums, mut totals) = (vec![0.0; rows.len() * n_models], vec![1.0; rows.len() * n_models]);
        multiply(weights, self.scores.as_strided(), &mut sums);
        if let Some(known) = &self.known {
            multiply(weights, known.as_strided(), &mut totals);
        }
        for ((&row, sums), totals) in
            rows.iter().zip(sums.chunks_exact(n_models)).zip(totals.chunks_exact(n_models))
        {
            for (model, mean) in predictions.row_mut(row).iter_mut().enumerate() {
                // Weights sum to 1; a model whose neighbours are all far away has next to none of them.
                let is_known = prompts.has_embedding[row] && totals[model] > 1e-6;
                *mean = if is_known { sums[model] / totals[model] } else { self.mean_score[model] };
            }
        }
    }
}

/// exp(x_i / t) over their sum; an excluded prompt, at minus infinity, weighs nothing.
fn weigh(products: &[f32], bandwidth: f32, weights: &mut [f32]) {
    let largest = kernels::maximum(products);
    let scale = 1.0 / bandwidth;
    for (weight, product) in weights.iter_mut().zip(products) {
        *weight = kernels::exp((product - largest) * scale);
    }
    let inverse = 1.0 / kernels::sum(weights);
    weights.iter_mut().for_each(|weight| *weight *= inverse);
}

/// Embeddings along the directions.
fn along(directions: &Matrix, embeddings: &Matrix) -> Matrix {
    let mut values = vec![0.0; embeddings.n_rows() * directions.n_columns()];
    multiply(embeddings.as_strided(), directions.as_strided(), &mut values);
    Matrix::new(values, embeddings.n_rows(), directions.n_columns())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_favour_the_nearest_and_leave_the_excluded_out() {
        let mut weights = [0.0; 3];
        weigh(&[1.0, 0.5, f32::NEG_INFINITY], 0.1, &mut weights);
        assert!((weights[0] + weights[1] - 1.0).abs() < 1e-6);
        assert!((weights[1] / weights[0] - (-5.0_f32).exp()).abs() < 1e-6);
        assert!(weights[2] < 1e-30);
    }
}
