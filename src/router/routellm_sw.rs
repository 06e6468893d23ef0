//! RouteLLM's similarity-weighted ranking for a strong and a weak model (arXiv 2406.18665, section 4.2): a Bradley-Terry
//! model fitted anew for every prompt x, to all comparisons, each weighted by how near its prompt x_i is,
//!
//! ```text
//! v_i = gamma^(1 + s_i / max_j s_j),     s_i = cosine of x and x_i
//! ```
//!
//! With two models the fit has a closed form: the loss sum_i v_i [-l_i ln P - (1 - l_i) ln(1 - P)] is least at the weighted
//! win rate P = sum_i v_i l_i / sum_i v_i. Only ratios of weights matter, so that a common factor is left out:
//! v_i = exp((s_i / max_j s_j - 1) ln gamma). It is a kernel smoother whose bandwidth grows with the nearest prompt's
//! similarity.
//!
//! The paper has gamma = 10, so that the nearest prompt weighs at most ten times as much as one at a right angle. Set
//! `gamma = 10.0` for that; where it is absent, it is chosen by the utility on development prompts, each left out in turn
//! with its like. Labels, and what a win rate is to the plug-in rule, are those of `routellm_mf`. A prompt without
//! embedding gets the mean of the labels.

use std::collections::BTreeMap;

use super::cost_model::CostModelKind;
use super::cross_validation::best;
use super::plug_in::utility;
use super::plug_in::{PlugIn, ScorePredictor};
use super::routellm_mf::{Pair, scores};
use super::{RouterKind, Trained, Training, Traits};
use crate::error::{Error, Result};
use crate::linalg::{Matrix, kernels, multiply};
use crate::network::kept;
use crate::router::prompts::Prompts;

/// The values of gamma tried.
const GAMMAS: [f64; 7] = [1e1, 1e2, 1e3, 1e4, 1e6, 1e8, 1e12];
/// How many prompts are compared with all others at once.
const BLOCK: usize = 128;

/// Settings of `kind = "routellm-sw"`.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RoutellmSwSettings {
    /// A fixed gamma, 10 in the paper; tuned where absent.
    pub(crate) gamma: Option<f64>,
    /// How costs are estimated; the scenario's choice where absent.
    pub(crate) cost: Option<CostModelKind>,
}

pub(super) struct SimilarityWeighted {
    gamma: f64,
    /// Of unit length, one row a comparison.
    directions: Matrix,
    /// The strong model's share of each win.
    labels: Vec<f32>,
    mean_label: f32,
    strong: usize,
}

kept!(SimilarityWeighted { gamma, directions, labels, mean_label, strong }, |it, shape| {
    it.gamma >= 1.0
        && it.directions.n_columns() == shape.width
        && it.directions.n_rows() == it.labels.len()
        && it.strong < 2
        && shape.n_models == 2
});

impl RouterKind for RoutellmSwSettings {
    fn traits(&self) -> Traits {
        Traits { needs_pool_of: Some(2), ..Traits::default() }
    }

    fn check(&self) -> Result<()> {
        if self.gamma.is_some_and(|gamma| !(1.0..=1e30).contains(&gamma)) {
            return Err(Error::setting("gamma", "`gamma` must be a number from 1 to 1e30"));
        }
        Ok(())
    }

    fn needs_full_feedback(&self) -> Option<&'static str> {
        Some("it learns from two answers to one prompt")
    }

    fn train(&self, training: &Training<'_>) -> Result<Trained> {
        let (data, costs) = (training.data(), training.costs(self.cost));
        let pair = Pair::new(training.outcomes());
        let labelled: Vec<(usize, f32)> = (0..data.prompts.len())
            .filter_map(|prompt| pair.label(prompt).map(|label| (prompt, label)))
            .collect();
        if labelled.is_empty() {
            return Err(Error::Usage("no prompt that both models answered".into()));
        }
        let mean_label =
            labelled.iter().map(|(_, label)| f64::from(*label)).sum::<f64>() / labelled.len() as f64;
        let compared: Vec<(usize, f32)> =
            labelled.into_iter().filter(|(prompt, _)| data.prompts.has_embedding[*prompt]).collect();
        let rows: Vec<usize> = compared.iter().map(|(prompt, _)| *prompt).collect();
        let gammas = self.gamma.map_or(GAMMAS.to_vec(), |gamma| vec![gamma]);
        let mut weighted = SimilarityWeighted {
            gamma: gammas[0],
            directions: directions(&data.prompts.embeddings.rows_at(&rows)),
            labels: compared.iter().map(|(_, label)| *label).collect(),
            mean_label: mean_label as f32,
            strong: pair.strong,
        };
        let groups = &data.prompts.text_groups;
        let is_excluded = |query: usize, comparison: usize| groups[query] == groups[rows[comparison]];
        let chosen = if gammas.len() == 1 {
            0
        } else {
            let rates = weighted.win_rates(&data.prompts, &gammas, is_excluded);
            let worth = |rates: &Vec<f32>| utility(training, &weighted.scores(rates), &costs.out_of_fold);
            best(&rates.iter().map(worth).collect::<Vec<_>>())
        };
        weighted.gamma = gammas[chosen];
        let notes = BTreeMap::from([
            ("gamma".to_owned(), gammas[chosen].to_string()),
            ("settings-tried".to_owned(), gammas.len().to_string()),
            ("comparisons".to_owned(), "derived from scores".to_owned()),
        ]);
        Ok(Trained { router: PlugIn::policy(Box::new(weighted), costs), notes })
    }
}

impl ScorePredictor for SimilarityWeighted {
    fn predicts_probabilities(&self) -> bool {
        false
    }

    fn predict(&self, prompts: &Prompts) -> Matrix {
        self.scores(&self.win_rates(prompts, &[self.gamma], |_, _| false)[0])
    }
}

impl SimilarityWeighted {
    fn scores(&self, win_rates: &[f32]) -> Matrix {
        let gains: Vec<f32> = win_rates.iter().map(|rate| 2.0 * rate - 1.0).collect();
        scores(&gains, self.strong)
    }

    /// The strong model's win rate on every prompt at each gamma; excluded comparisons have no say.
    fn win_rates(
        &self,
        prompts: &Prompts,
        gammas: &[f64],
        is_excluded: impl Fn(usize, usize) -> bool,
    ) -> Vec<Vec<f32>> {
        let mut rates = vec![vec![self.mean_label; prompts.len()]; gammas.len()];
        let n_others = self.labels.len();
        let mut similarities = vec![0.0; BLOCK.min(prompts.len()) * n_others];
        let mut weights = vec![0.0; n_others];
        for start in (0..prompts.len()).step_by(BLOCK) {
            let rows: Vec<usize> = (start..prompts.len().min(start + BLOCK)).collect();
            let similarities = &mut similarities[..rows.len() * n_others];
            let queries = directions(&prompts.embeddings.rows_at(&rows));
            multiply(queries.as_strided(), self.directions.as_strided().transposed(), similarities);
            for (&query, similarities) in rows.iter().zip(similarities.chunks_exact_mut(n_others.max(1))) {
                if !prompts.has_embedding[query] {
                    continue;
                }
                for (comparison, similarity) in similarities.iter_mut().enumerate() {
                    if is_excluded(query, comparison) {
                        *similarity = f32::NEG_INFINITY;
                    }
                }
                for (rates, gamma) in rates.iter_mut().zip(gammas) {
                    weigh(similarities, gamma.ln() as f32, &mut weights);
                    let total = kernels::sum(&weights);
                    if total > 0.0 {
                        rates[query] = kernels::dot(&weights, &self.labels) / total;
                    }
                }
            }
        }
        rates
    }
}

/// gamma^(s_i / max s - 1); where no comparison is on the same side, all weigh alike. One at minus infinity weighs nothing.
fn weigh(similarities: &[f32], ln_gamma: f32, weights: &mut [f32]) {
    let largest = kernels::maximum(similarities);
    let scale = if largest > 0.0 { ln_gamma / largest } else { 0.0 };
    for (weight, &similarity) in weights.iter_mut().zip(similarities) {
        *weight =
            if similarity == f32::NEG_INFINITY { 0.0 } else { kernels::exp((similarity - largest) * scale) };
    }
}

/// Every row over its length; zeros stay.
fn directions(rows: &Matrix) -> Matrix {
    let mut rows = rows.clone();
    for row in 0..rows.n_rows() {
        let row = rows.row_mut(row);
        let length = kernels::dot(row, row).sqrt();
        if length > 0.0 {
            row.iter_mut().for_each(|value| *value /= length);
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_gamma_to_the_similarity_over_the_largest() {
        let mut weights = [0.0; 4];
        weigh(&[0.5, 0.25, 0.0, f32::NEG_INFINITY], 10_f32.ln(), &mut weights);
        // 10^(1 + s / max s), over the largest of them.
        for (weight, known) in weights.iter().zip([1.0, 10_f32.powf(1.5) / 100.0, 0.1, 0.0]) {
            assert!((weight - known).abs() < 1e-6, "{weight} where {known} is known");
        }
        weigh(&[-0.5, -0.1, -0.2, f32::NEG_INFINITY], 10_f32.ln(), &mut weights);
        assert_eq!(weights, [1.0, 1.0, 1.0, 0.0]);
    }

    /// The weighted win rate is where the weighted Bradley-Terry loss is least.
    #[test]
    fn the_win_rate_solves_the_weighted_fit() {
        let similarities = [0.9, 0.3, -0.2, 0.6];
        let labels = [1.0, 0.0, 1.0, 0.5];
        let weighted = SimilarityWeighted {
            gamma: 10.0,
            directions: Matrix::new(
                similarities.iter().flat_map(|s: &f32| [*s, (1.0 - s * s).sqrt()]).collect(),
                4,
                2,
            ),
            labels: labels.to_vec(),
            mean_label: 0.625,
            strong: 0,
        };
        let prompts = Prompts::unrecorded(Matrix::new(vec![2.0, 0.0, 0.0, 0.0], 2, 2), vec![1.0; 2], None, 2);
        let rates = weighted.win_rates(&prompts, &[10.0], |_, _| false);
        let loss = |rate: f64| -> f64 {
            let of = |(s, l): (&f32, &f32)| {
                let (weight, l) = (10_f64.powf(1.0 + f64::from(s / 0.9)), f64::from(*l));
                -weight * (l * rate.ln() + (1.0 - l) * (1.0 - rate).ln())
            };
            similarities.iter().zip(&labels).map(of).sum()
        };
        let rate = f64::from(rates[0][0]);
        assert!(loss(rate) < loss(rate - 1e-3) && loss(rate) < loss(rate + 1e-3), "{rate}");
        assert_eq!(rates[0][1], 0.625, "without an embedding it is the mean");
    }
}
