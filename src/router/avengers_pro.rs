//! Avengers-Pro (arXiv 2508.12631): prompts lie in clusters, each with a balance of score and cost for every model.
//!
//! In cluster j model k has the mean score p_jk and the mean cost q_jk, each brought to [0, 1] by the least and the most of
//! any model there, and
//!
//! ```text
//! x_jk = alpha p~_jk + (1 - alpha) (1 - q~_jk)
//! ```
//!
//! A prompt goes to the model with the largest sum of x_jk over its nearest clusters. alpha in [0, 1] is the method's own trade-off:
//! our preference w has no fixed place on it, since each cluster has a scale of its own. So alpha(w) is the one of [`alphas`] that
//! earns most on development prompts out of fold, the largest S(alpha) - w C(alpha) with S and C the mean score and cost.
//! Any preference, any pool; an unseen model gets p and q from its quiz (shrunk as `cluster_means` says; the paper takes
//! them as they are). Costs are those of the clusters, so that there is no `cost` to choose.
//!
//! Tuned by the utility out of fold: the number of clusters (60 in the paper) and of nearest clusters (4 in its code).

use std::collections::BTreeMap;

use super::cluster_means::{ClusterTally, Clustering};
use super::cross_validation::{N_FOLDS, best, folds};
use super::difference_estimator::BesideSeen;
use super::{Choices, Policy, Router, RouterKind, Trained, Training, Traits, model_number};
use crate::error::Result;
use crate::linalg::Matrix;
use crate::network::kept;
use crate::preference::Preference;
use crate::router::prompts::Prompts;

/// Settings of `kind = "avengers-pro"`.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct AvengersProSettings {}

/// The numbers of clusters, and of nearest clusters, that are tried.
const CLUSTERS: [usize; 5] = [8, 16, 32, 60, 120];
const NEAREST: [usize; 3] = [1, 2, 4];
/// Steps of the logit of alpha, from -[`MOST_LOGIT`] to [`MOST_LOGIT`].
const LOGIT_STEP: f64 = 0.25;
const MOST_LOGIT: f64 = 7.0;

/// The trained policy.
pub(super) struct AvengersPro {
    clustering: Clustering,
    n_nearest: usize,
    balance: Balance,
    curve: Vec<Trade>,
}

/// p~ and 1 - q~, clusters x models and one row more for prompts without an embedding.
struct Balance {
    score: Matrix,
    cheapness: Matrix,
}

/// What one alpha earned and paid on development prompts.
#[derive(Clone, Copy, Debug)]
struct Trade {
    alpha: f32,
    score: f64,
    cost_units: f64,
}

kept!(AvengersPro { clustering, n_nearest, balance, curve }, |it, shape| {
    let n_rows = it.clustering.centres.n_rows() + 1;
    let fits = |table: &Matrix| table.n_rows() == n_rows && shape.is_of_models(table);
    fits(&it.balance.score) && fits(&it.balance.cheapness) && !it.curve.is_empty()
});
kept!(Balance { score, cheapness });
kept!(Trade { alpha, score, cost_units });

impl RouterKind for AvengersProSettings {
    fn traits(&self) -> Traits {
        // The balance of a cluster is made of costs as they were.
        Traits { follows_prices: false, ..Traits::default() }
    }

    fn train(&self, training: &Training<'_>) -> Result<Trained> {
        let data = training.data();
        let stream = training.stream().named("clusters");
        let folds = folds(&data.prompts.text_groups, &training.stream().named("folds"));
        let outcomes = training.outcomes();
        let known = [
            BesideSeen::new(&outcomes.score, &outcomes.mean_score, &data.unseen),
            BesideSeen::plain(&outcomes.cost_units, &outcomes.mean_cost_units),
        ];
        let mut fits: Vec<(f64, AvengersPro)> = Vec::new();
        for n_clusters in CLUSTERS {
            let smallest = n_clusters == CLUSTERS[0];
            let clustering = Clustering::new(&data.prompts, n_clusters, &stream)
                .or_else(|| if smallest { Clustering::new(&data.prompts, 1, &stream) } else { None });
            let Some(clustering) = clustering else { continue };
            for n_nearest in NEAREST.into_iter().filter(|&n| n == 1 || n <= clustering.centres.n_rows()) {
                fits.push(fit(training, &known, &clustering, n_nearest, &folds));
            }
        }
        let chosen = best(&fits.iter().map(|(utility, _)| *utility).collect::<Vec<_>>());
        let n_tried = fits.len();
        let (_, router) = fits.swap_remove(chosen);
        let notes = BTreeMap::from([
            ("clusters".to_owned(), router.clustering.centres.n_rows().to_string()),
            ("nearest-clusters".to_owned(), router.n_nearest.to_string()),
            ("settings-tried".to_owned(), n_tried.to_string()),
        ]);
        Ok(Trained { router: Policy::Direct(Box::new(router)), notes })
    }
}

impl Router for AvengersPro {
    fn route(&self, prompts: &Prompts, preferences: &[Preference]) -> Choices {
        let nearest = self.clustering.nearest(prompts, self.n_nearest);
        let n_models = self.balance.score.n_columns();
        let mut models = vec![0; prompts.len() * preferences.len()];
        let alphas: Vec<f32> = preferences.iter().map(|&preference| alpha(&self.curve, preference)).collect();
        let (mut score, mut cheapness) = (vec![0.0; n_models], vec![0.0; n_models]);
        for (prompt, nearest) in nearest.iter().enumerate() {
            self.balance.sum(nearest, &mut score, &mut cheapness);
            for (at, &alpha) in alphas.iter().enumerate() {
                models[at * prompts.len() + prompt] =
                    model_number(choose(prompts, prompt, alpha, &score, &cheapness));
            }
        }
        Choices::new(prompts.len(), models)
    }
}

/// The alphas that are tried: the ends, and evenly spaced logits between.
fn alphas() -> Vec<f32> {
    let n_steps = (2.0 * MOST_LOGIT / LOGIT_STEP) as usize;
    let inner = (0..=n_steps).map(|step| {
        let logit = -MOST_LOGIT + LOGIT_STEP * step as f64;
        crate::linalg::kernels::sigmoid(logit as f32)
    });
    std::iter::once(0.0).chain(inner).chain([1.0]).collect()
}

/// The alpha that earns most at a preference; of equals the smallest.
fn alpha(curve: &[Trade], preference: Preference) -> f32 {
    let utilities: Vec<f64> =
        curve.iter().map(|trade| preference.utility(trade.score, trade.cost_units)).collect();
    curve[best(&utilities)].alpha
}

/// The available model with the best balance; of equals the first.
fn choose(prompts: &Prompts, prompt: usize, alpha: f32, score: &[f32], cheapness: &[f32]) -> usize {
    let mut best = (f32::NEG_INFINITY, usize::MAX);
    for (model, (score, cheapness)) in score.iter().zip(cheapness).enumerate() {
        let balance = alpha * score + (1.0 - alpha) * cheapness;
        if (balance > best.0 || best.1 == usize::MAX) && prompts.is_available(prompt, model) {
            best = (balance, model);
        }
    }
    best.1
}

impl Balance {
    fn new(score: Matrix, cost: &Matrix) -> Self {
        let mut cheapness = spread(cost);
        cheapness.values_mut().iter_mut().for_each(|value| *value = 1.0 - *value);
        Balance { score: spread(&score), cheapness }
    }

    /// The sums over the nearest clusters; over the row of all prompts where there is none.
    fn sum(&self, nearest: &[usize], score: &mut [f32], cheapness: &mut [f32]) {
        let whole = [self.score.n_rows() - 1];
        let rows = if nearest.is_empty() { &whole[..] } else { nearest };
        for (table, sums) in [(&self.score, score), (&self.cheapness, cheapness)] {
            sums.fill(0.0);
            rows.iter().for_each(|&row| crate::linalg::kernels::add_assign(table.row(row), sums));
        }
    }
}

/// Every row from 0 for its least to 1 for its most value; zeros where all are equal.
fn spread(table: &Matrix) -> Matrix {
    let mut spread = table.clone();
    for row in 0..table.n_rows() {
        let values = spread.row_mut(row);
        let least = values.iter().copied().fold(f32::INFINITY, f32::min);
        let most = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let range = if most > least { most - least } else { 1.0 };
        values.iter_mut().for_each(|value| *value = (*value - least) / range);
    }
    spread
}

/// The router with these clusters and its expected utility out of fold, from what is known of scores and of costs.
fn fit(
    training: &Training<'_>,
    known: &[BesideSeen; 2],
    clustering: &Clustering,
    n_nearest: usize,
    folds: &[usize],
) -> (f64, AvengersPro) {
    let (data, outcomes) = (training.data(), training.valued());
    let nearest = clustering.nearest(&data.prompts, n_nearest);
    let clusters: Vec<Option<usize>> = nearest.iter().map(|nearest| nearest.first().copied()).collect();
    let n_clusters = clustering.centres.n_rows();
    let [score, cost] =
        known.each_ref().map(|known| ClusterTally::new(known, &data.unseen, n_clusters, &clusters, folds));
    let balance = |without| Balance::new(score.means(without), &cost.means(without));
    let by_fold: Vec<Balance> = (0..N_FOLDS).map(|fold| balance(Some(fold))).collect();
    let mut curve: Vec<Trade> =
        alphas().into_iter().map(|alpha| Trade { alpha, score: 0.0, cost_units: 0.0 }).collect();
    let (mut scores, mut cheapness_sums) = (vec![0.0; data.n_models()], vec![0.0; data.n_models()]);
    for (prompt, nearest) in nearest.iter().enumerate() {
        by_fold[folds[prompt]].sum(nearest, &mut scores, &mut cheapness_sums);
        for trade in &mut curve {
            let model = choose(&data.prompts, prompt, trade.alpha, &scores, &cheapness_sums);
            trade.score += outcomes.score.get(prompt, model).unwrap_or(0.0);
            trade.cost_units += outcomes.cost_units.get(prompt, model).unwrap_or(0.0);
        }
    }
    let n = data.prompts.len() as f64;
    for trade in &mut curve {
        trade.score /= n;
        trade.cost_units /= n;
    }
    let weighted = data.preferences.preferences().iter().zip(data.preferences.weights());
    let utility = weighted
        .map(|(preference, weight)| {
            let utilities = curve.iter().map(|trade| preference.utility(trade.score, trade.cost_units));
            weight * utilities.fold(f64::NEG_INFINITY, f64::max)
        })
        .sum();
    let router = AvengersPro { clustering: clustering.clone(), n_nearest, balance: balance(None), curve };
    (utility, router)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_balance_is_that_of_the_paper() {
        let balance = Balance::new(
            Matrix::new(vec![0.9, 0.5, 0.7, 0.2, 0.2, 0.2], 2, 3),
            &Matrix::new(vec![1.0, 0.0, 0.25, 1.0, 0.5, 0.0], 2, 3),
        );
        let close = |found: &[f32], known: [f32; 3]| {
            found.iter().zip(known).for_each(|(found, known)| assert!((found - known).abs() < 1e-6));
        };
        close(balance.score.row(0), [1.0, 0.0, 0.5]);
        close(balance.cheapness.row(0), [0.0, 1.0, 0.75]);
        close(balance.score.row(1), [0.0, 0.0, 0.0]);
        let (mut score, mut cheapness) = ([0.0; 3], [0.0; 3]);
        balance.sum(&[0, 1], &mut score, &mut cheapness);
        close(&cheapness, [0.0, 1.5, 1.75]);
    }

    #[test]
    fn a_higher_cost_never_asks_for_a_larger_alpha() {
        let trade = |alpha, score, cost_units| Trade { alpha, score, cost_units };
        let curve = [trade(0.0, 0.5, 0.1), trade(0.5, 0.7, 0.3), trade(1.0, 0.8, 1.0)];
        let at = |weight| Preference::new(weight).map(|preference| alpha(&curve, preference));
        assert_eq!([0.0, 0.5, 5.0].map(at), [Some(1.0), Some(0.5), Some(0.0)]);
    }
}
