//! Stacked predictors (Wolpert 1992; Breiman, "Stacked regressions", 1996): nearest neighbours, ridge regression, clusters,
//! kernel smoother, and perceptron, in one weighted mean.
//!
//! ```text
//! s_k(x) = sum_m v_m s_mk(x),     v = argmin sum over known cells of (sum_m v_m s_mk(x) - s_k)^2,   v_m >= 0, sum_m v_m = 1
//! ```
//!
//! with predictions s_mk of development prompts by members that have not seen them. One set of weights serves all models, so
//! that an unseen model has its own from the start; every member learns of it from its quiz alone. Each member is tuned as it
//! is on its own. Then the plug-in rule; any preference, any pool.

use std::collections::BTreeMap;

use super::cost_model::CostModelKind;
use super::pair_network::score_targets;
use super::placement::Placement;
use super::plug_in::{FittedScores, PlugIn, ScorePredictor};
use super::predictor::mlp::{self, Heads};
use super::predictor::{self, clusters, kernel, knn};
use super::{RouterKind, Trained, Training};
use crate::error::Result;
use crate::linalg::Matrix;
use crate::linalg::kernels::axpy;
use crate::network::kept;
use crate::router::prompts::Prompts;

/// Settings of `kind = "hybrid-ensemble"`.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct HybridEnsembleSettings {
    /// How costs are estimated; the scenario's choice where absent.
    pub(crate) cost: Option<CostModelKind>,
    /// How unseen models are scored.
    pub(crate) placement: Placement,
}

/// Steps of projected gradient descent; a step costs a few dozen multiplications.
const STEPS: usize = 20_000;

/// Members with their weights.
pub(super) struct Ensemble {
    members: Vec<(Box<dyn ScorePredictor>, f32)>,
}

kept!(Ensemble { members });

/// A member, its name, and its predictions out of fold.
struct Member {
    name: &'static str,
    predictor: Box<dyn ScorePredictor>,
    out_of_fold: Matrix,
    n_tried: usize,
}

impl RouterKind for HybridEnsembleSettings {
    fn train(&self, training: &Training<'_>) -> Result<Trained> {
        let costs = training.costs(self.cost);
        let targets = score_targets("mlp", training);
        let perceptron = mlp::fit(Heads::Shared, training)?;
        let members = [
            member("knn", &*knn::fit(training, self.cost)),
            member("linear", &*predictor::fit_linear(training, self.cost)),
            member("clusters", &*clusters::fit(training, self.cost)),
            member("kernel", &*kernel::fit(training, self.cost)),
            member(
                "mlp",
                &FittedScores {
                    out_of_fold: perceptron.tuned.out_of_fold(training, &targets)?,
                    predictor: perceptron.tuned.predictor.clone(),
                    notes: perceptron.notes.clone(),
                },
            ),
        ];
        let weights = weights(&error_products(&members, training), members.len());
        let words: Vec<String> = members
            .iter()
            .zip(&weights)
            .map(|(member, weight)| format!("{} {weight:.2}", member.name))
            .collect();
        let n_tried: usize = members.iter().map(|member| member.n_tried).sum();
        let notes = BTreeMap::from([
            ("weights".to_owned(), words.join(", ")),
            ("settings-tried".to_owned(), n_tried.to_string()),
        ]);
        let mut out_of_fold = Matrix::zeros(training.data().prompts.len(), training.data().n_models());
        for (member, &weight) in members.iter().zip(&weights) {
            axpy(weight as f32, member.out_of_fold.values(), out_of_fold.values_mut());
        }
        let weighted =
            members.into_iter().zip(&weights).map(|(member, &weight)| (member.predictor, weight as f32));
        let scores = Box::new(Ensemble { members: weighted.filter(|(_, weight)| *weight > 0.0).collect() });
        let scores = self.placement.of(training, scores, &out_of_fold);
        Ok(Trained { router: PlugIn::policy(scores, costs), notes })
    }
}

fn member<P: ScorePredictor + Clone + 'static>(name: &'static str, fitted: &FittedScores<P>) -> Member {
    let n_tried = fitted.notes.get("settings-tried").and_then(|n| n.parse().ok()).unwrap_or(1);
    Member {
        name,
        predictor: Box::new(fitted.predictor.clone()),
        out_of_fold: fitted.out_of_fold.clone(),
        n_tried,
    }
}

impl ScorePredictor for Ensemble {
    fn predict(&self, prompts: &Prompts) -> Matrix {
        let mut mean = Matrix::zeros(prompts.len(), prompts.n_models());
        for (member, weight) in &self.members {
            axpy(*weight, member.predict(prompts).values(), mean.values_mut());
        }
        mean
    }
}

/// The mean product of the errors of every two members over the known cells, members x members.
fn error_products(members: &[Member], training: &Training<'_>) -> Vec<f64> {
    let outcomes = training.outcomes();
    let n = members.len();
    let mut sums = vec![0.0; n * n];
    let mut n_cells = 0.0;
    let mut errors = vec![0.0; n];
    for prompt in 0..outcomes.score.n_prompts() {
        for (model, score) in outcomes.score.row(prompt).enumerate() {
            let Some(score) = score else { continue };
            for (error, member) in errors.iter_mut().zip(members) {
                *error = f64::from(member.out_of_fold.row(prompt)[model]) - score;
            }
            for (row, a) in sums.chunks_exact_mut(n).zip(&errors) {
                row.iter_mut().zip(&errors).for_each(|(sum, b)| *sum += a * b);
            }
            n_cells += 1.0;
        }
    }
    sums.iter_mut().for_each(|sum| *sum /= f64::max(n_cells, 1.0));
    sums
}

/// The weights v on the simplex with the least v' E v: since they sum to 1, that is the squared error of the mean.
fn weights(error_products: &[f64], n: usize) -> Vec<f64> {
    let trace: f64 = (0..n).map(|member| error_products[member * n + member]).sum();
    let mut weights = vec![1.0 / n as f64; n];
    if trace <= 0.0 {
        return weights;
    }
    for _ in 0..STEPS {
        let slope = |row: &[f64]| row.iter().zip(&weights).map(|(e, weight)| e * weight).sum::<f64>();
        let slopes: Vec<f64> = error_products.chunks_exact(n).map(slope).collect();
        weights.iter_mut().zip(slopes).for_each(|(weight, slope)| *weight -= slope / trace);
        project(&mut weights);
    }
    weights
}

/// The nearest point of the simplex (Held, Wolfe, and Crowder 1974).
fn project(point: &mut [f64]) {
    let mut sorted = point.to_vec();
    sorted.sort_unstable_by(|a, b| b.total_cmp(a));
    let (mut sum, mut threshold) = (0.0, 0.0);
    for (at, value) in sorted.iter().enumerate() {
        sum += value;
        let candidate = (sum - 1.0) / (at + 1) as f64;
        if *value > candidate {
            threshold = candidate;
        }
    }
    point.iter_mut().for_each(|value| *value = (*value - threshold).max(0.0));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_inverse_to_independent_errors_and_nothing_for_what_adds_nothing() {
        let close = |found: Vec<f64>, known: &[f64]| {
            found
                .iter()
                .zip(known)
                .for_each(|(found, known)| assert!((found - known).abs() < 1e-6, "{found}"));
        };
        close(weights(&[0.1, 0.0, 0.0, 0.3], 2), &[0.75, 0.25]);
        // The second is the first with noise of its own.
        close(weights(&[0.1, 0.1, 0.1, 0.2], 2), &[1.0, 0.0]);
        close(weights(&[0.0; 4], 2), &[0.5, 0.5]);
    }

    #[test]
    fn a_projection_is_the_nearest_point_of_the_simplex() {
        let mut point = [0.5, 1.5, -1.0];
        project(&mut point);
        assert_eq!(point, [0.0, 1.0, 0.0]);
        let mut inside = [0.2, 0.8];
        project(&mut inside);
        assert!((inside[0] - 0.2).abs() < 1e-12 && (inside[1] - 0.8).abs() < 1e-12);
    }
}
