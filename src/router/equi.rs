//! EquiRouter (arXiv 2602.03478): scores are learned for the decisions that they lead to, by a loss on the ranking of models,
//! against routing collapse: where regression sees small differences alone, it hands everything to the model that is best in the mean.
//!
//! ```text
//! s^_k(x) = r_k(x) + w_k . z(x)
//! loss = mean over n and preferences w of -sum_k p_nk(w) ln p^_nk(w),
//! p_n(w) = softmax_k((s_nk - w c_nk) / t),      p^_n(w) = softmax_k((s^_k(x_n) - w c^_k(x_n)) / t)
//! ```
//!
//! the listwise loss of ListNet (Cao et al. 2007) on utilities. r is the ridge regression of `linear`, out of fold where it is learned from,
//! z are the 64 leading directions of the embedding and the constant, and c^ the predicted costs. w enters as it does in every plug-in rule,
//! at five even quantiles of the declared preferences, so that one set of scores decides at any w. The paper trains a cross-attention network
//! over learned embeddings of queries and models for decisions at fixed budgets; a correction of ridge regression can be zero, and is where
//! ranking earns nothing.
//!
//! Fitted by `majorised`: t (p^ - p) are the slopes of t^2 times the loss, whose second derivative is at most 1/2. Tuned: t and the penalty, four
//! settings and none at all, by the utility on validation prompts after a fit to training prompts; then all development prompts are fitted.
//! Unseen models keep r. A step costs 5 N K exponentials and 4 N 65 K.

use std::collections::BTreeMap;

use super::cost_model::CostModelKind;
use super::cross_validation::{LAMBDAS, best};
use super::majorised::Majorised;
use super::plug_in::{PlugIn, ScorePredictor, validated_utility};
use super::predictor::{Linear, fit_linear};
use super::principal::Principal;
use super::{RouterKind, Trained, Training};
use crate::error::Result;
use crate::linalg::{Matrix, kernels::softmax, multiply_add};
use crate::network::kept;
use crate::router::prompts::Prompts;

/// Settings of `kind = "equi"`.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct EquiSettings {
    /// How costs are estimated; the scenario's choice where absent.
    pub(crate) cost: Option<CostModelKind>,
}

const DIRECTIONS: usize = 64;
const N_PREFERENCES: usize = 5;
/// Temperatures and penalties; the first stands for no correction.
const SETTINGS: [(f32, f64); 5] =
    [(1.0, f64::INFINITY), (0.1, 100.0), (0.1, 10.0), (0.3, 100.0), (0.3, 10.0)];
const STEPS: usize = 20;

pub(super) struct Equi {
    linear: Linear,
    principal: Principal,
    /// Features x models.
    corrections: Matrix,
}

kept!(Equi { linear, principal, corrections }, |it, shape| {
    it.corrections.n_rows() == it.principal.width() && shape.is_of_models(&it.corrections)
});

impl RouterKind for EquiSettings {
    fn needs_full_feedback(&self) -> Option<&'static str> {
        Some("it learns how the answers to one prompt rank")
    }

    fn train(&self, training: &Training<'_>) -> Result<Trained> {
        let (data, costs) = (training.data(), training.costs(self.cost));
        let linear = fit_linear(training, self.cost);
        let principal = Principal::new(&data.prompts, DIRECTIONS, &training.stream().named("directions"));
        let features = principal.of(&data.prompts);
        let ranking = Ranking { training, scores: &linear.out_of_fold, costs: &costs.out_of_fold };
        let corrected = |(temperature, penalty): (f32, f64), n_rows: usize| {
            let start = Matrix::zeros(principal.width(), data.n_models());
            if penalty.is_infinite() {
                return start;
            }
            let learned_from = features.rows_at(&(0..n_rows).collect::<Vec<_>>());
            let targets = ranking.targets(temperature, n_rows);
            let fit = Majorised::new(&learned_from, &vec![0.5; n_rows]);
            fit.fit(penalty, STEPS, &start, |outputs| ranking.slopes(temperature, &targets, outputs))
        };
        let earned = |setting: &(f32, f64)| {
            let mut scores = linear.out_of_fold.clone();
            add_corrections(&features, &corrected(*setting, data.n_training), &mut scores);
            validated_utility(training, &scores, &costs.out_of_fold)
        };
        let chosen = SETTINGS[best(&SETTINGS.iter().map(earned).collect::<Vec<_>>())];
        let corrections = corrected(chosen, data.prompts.len());
        let mut notes: BTreeMap<String, String> = linear.notes.clone();
        let in_words = match chosen.1 {
            penalty if penalty.is_finite() => format!("temperature {}, penalty {penalty}", chosen.0),
            _ => "none".to_owned(),
        };
        notes.insert("ranking".to_owned(), in_words);
        notes.insert("settings-tried".to_owned(), (LAMBDAS.len() + SETTINGS.len()).to_string());
        let scores = Equi { linear: linear.predictor.clone(), principal, corrections };
        Ok(Trained { router: PlugIn::policy(Box::new(scores), costs), notes })
    }
}

impl ScorePredictor for Equi {
    fn predict(&self, prompts: &Prompts) -> Matrix {
        let mut scores = self.linear.predict(prompts);
        add_corrections(&self.principal.of(prompts), &self.corrections, &mut scores);
        scores
    }

    fn predicts_probabilities(&self) -> bool {
        false
    }
}

fn add_corrections(features: &Matrix, corrections: &Matrix, scores: &mut Matrix) {
    multiply_add(features.as_strided(), corrections.as_strided(), scores.values_mut());
}

/// What rankings are learned from.
struct Ranking<'a> {
    training: &'a Training<'a>,
    /// Predicted out of fold, prompts x models.
    scores: &'a Matrix,
    costs: &'a Matrix,
}

/// A logit of a model that is not in the ranking of a prompt.
const OUT: f32 = -1e30;

impl Ranking<'_> {
    /// Even quantiles of the declared preferences.
    fn weights(&self) -> [f32; N_PREFERENCES] {
        let grid = &self.training.data().preferences;
        std::array::from_fn(|at| {
            let share = (at as f64 + 0.5) / N_PREFERENCES as f64;
            let mut passed = 0.0;
            let reaches = |weight: &f64| {
                passed += weight;
                passed >= share
            };
            let place = grid.weights().iter().position(reaches).unwrap_or(grid.weights().len() - 1);
            grid.preferences()[place].weight() as f32
        })
    }

    fn is_ranked(&self, prompt: usize, model: usize) -> bool {
        let data = self.training.data();
        !data.unseen[model] && data.prompts.is_available(prompt, model)
    }

    /// p of the first prompts, prompts x preferences x models.
    fn targets(&self, temperature: f32, n_rows: usize) -> Vec<f32> {
        let outcomes = self.training.outcomes();
        let (weights, n_models) = (self.weights(), self.scores.n_columns());
        let mut targets = vec![OUT; n_rows * N_PREFERENCES * n_models];
        for (at, row) in targets.chunks_exact_mut(n_models).enumerate() {
            let (prompt, weight) = (at / N_PREFERENCES, weights[at % N_PREFERENCES]);
            for (model, value) in
                row.iter_mut().enumerate().filter(|(model, _)| self.is_ranked(prompt, *model))
            {
                let known = outcomes.score.get(prompt, model).zip(outcomes.cost_units.get(prompt, model));
                let (score, cost) =
                    known.expect("only models with an outcome are in the pool of a development prompt");
                *value = (score as f32 - weight * cost as f32) / temperature;
            }
            softmax(row);
        }
        targets
    }

    /// Replaces corrections by the slopes in them.
    fn slopes(&self, temperature: f32, targets: &[f32], outputs: &mut Matrix) {
        let (weights, n_models) = (self.weights(), outputs.n_columns());
        let mut predicted = vec![0.0; n_models];
        let (mut corrected, mut is_ranked) = (vec![0.0; n_models], vec![false; n_models]);
        for (prompt, targets) in targets.chunks_exact(N_PREFERENCES * n_models).enumerate() {
            let row = outputs.row_mut(prompt);
            let scores = row.iter().zip(self.scores.row(prompt));
            corrected
                .iter_mut()
                .zip(scores)
                .for_each(|(value, (correction, score))| *value = correction + score);
            is_ranked.iter_mut().enumerate().for_each(|(model, is)| *is = self.is_ranked(prompt, model));
            row.fill(0.0);
            for (weight, targets) in weights.iter().zip(targets.chunks_exact(n_models)) {
                for (model, value) in predicted.iter_mut().enumerate() {
                    let utility = (corrected[model] - weight * self.costs.row(prompt)[model]) / temperature;
                    *value = if is_ranked[model] { utility } else { OUT };
                }
                softmax(&mut predicted);
                for ((slope, predicted), target) in row.iter_mut().zip(&predicted).zip(targets) {
                    *slope += temperature / N_PREFERENCES as f32 * (predicted - target);
                }
            }
        }
    }
}
