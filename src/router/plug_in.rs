//! The plug-in rule: take the model with the highest predicted `score - w * cost`; and how settings are tuned by the utility
//! that it earns on development prompts they were not fitted on.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::cost_model::{CostModel, CostModelKind, FittedCosts};
use super::{Choices, Policy, Router, Training, model_number};
use crate::linalg::Matrix;
use crate::network::kept;
use crate::preference::Preference;
use crate::router::prompts::Prompts;

/// Predicts the score of every model on every prompt.
pub(crate) trait ScorePredictor: Any + Send + Sync {
    /// Scores, prompts x models.
    fn predict(&self, prompts: &Prompts) -> Matrix;

    /// Whether a score can be read as the probability of a right answer; false where only differences between models mean
    /// anything.
    fn predicts_probabilities(&self) -> bool {
        true
    }

    /// As [`Router::believed_mean`].
    fn believed_mean(&self, _prompts: &Prompts, _model: usize) -> Option<[f64; 2]> {
        None
    }
}

/// A score predictor and a cost model under the plug-in rule.
pub(crate) struct PlugIn {
    pub(crate) scores: Box<dyn ScorePredictor>,
    pub(crate) costs: CostModel,
}

kept!(PlugIn { scores, costs });

impl PlugIn {
    /// The policy of these scores and costs.
    pub(crate) fn policy(scores: Box<dyn ScorePredictor>, costs: &FittedCosts) -> Policy {
        Policy::Direct(Box::new(PlugIn { scores, costs: costs.model.clone() }))
    }
}

impl Router for PlugIn {
    fn route(&self, prompts: &Prompts, preferences: &[Preference]) -> Choices {
        self.route_by_scores(prompts, preferences).0
    }

    fn route_by_scores(&self, prompts: &Prompts, preferences: &[Preference]) -> (Choices, Option<Matrix>) {
        let scores = self.scores.predict(prompts);
        let choices = route(prompts, preferences, &scores, &self.costs.predict(prompts));
        (choices, self.scores.predicts_probabilities().then_some(scores))
    }

    fn believed_mean(&self, prompts: &Prompts, model: usize) -> Option<[f64; 2]> {
        self.scores.believed_mean(prompts, model)
    }
}

/// Every prompt's model at every preference, by predicted scores and costs, prompts x models.
pub(crate) fn route(
    prompts: &Prompts,
    preferences: &[Preference],
    scores: &Matrix,
    costs: &Matrix,
) -> Choices {
    let mut models = vec![0; prompts.len() * preferences.len()];
    for (preference, models) in preferences.iter().zip(models.chunks_exact_mut(prompts.len())) {
        choose(prompts, scores, costs, *preference, models);
    }
    Choices::new(prompts.len(), models)
}

/// Fills in each prompt's model at one preference; ties go to the lowest number. Does not allocate.
///
/// # Panics
/// If a prompt has an empty pool.
pub(crate) fn choose(
    prompts: &Prompts,
    scores: &Matrix,
    costs: &Matrix,
    preference: Preference,
    models: &mut [u16],
) {
    let whole_pool = prompts.has_whole_pool();
    for (prompt, (model, (scores, costs))) in
        models.iter_mut().zip(scores.rows().zip(costs.rows())).enumerate()
    {
        let mut best = (f64::NEG_INFINITY, usize::MAX);
        for (candidate, (&score, &cost)) in scores.iter().zip(costs).enumerate() {
            let utility = preference.utility(f64::from(score), f64::from(cost));
            // The first is taken whatever its utility, so that one that is no number, as a spoilt file may give, stops nothing.
            if (utility > best.0 || best.1 == usize::MAX)
                && (whole_pool || prompts.is_available(prompt, candidate))
            {
                best = (utility, candidate);
            }
        }
        *model = model_number(best.1);
    }
}

/// A score predictor and its predictions for development prompts it was not fitted on.
pub(super) struct FittedScores<P> {
    pub(super) predictor: P,
    pub(super) out_of_fold: Matrix,
    pub(super) notes: BTreeMap<String, String>,
}

/// What all routers fit once, tuned to these costs.
pub(super) fn shared<P: Send + Sync + 'static>(
    name: &str,
    training: &Training<'_>,
    cost: Option<CostModelKind>,
    fit: impl FnOnce(&Training<'_>, &Matrix) -> FittedScores<P>,
) -> Arc<FittedScores<P>> {
    let name = format!("{name} at {} cost", training.cost_kind(cost).name());
    training.shared_fit(&name, |training| fit(training, &training.costs(cost).out_of_fold))
}

/// The mean utility over the declared distribution of preferences when the plug-in rule follows these out-of-sample
/// predictions on the development prompts.
pub(crate) fn utility(training: &Training<'_>, scores: &Matrix, costs: &Matrix) -> f64 {
    let utilities = prompt_utilities(training, scores, costs);
    utilities.iter().sum::<f64>() / utilities.len() as f64
}

/// As [`utility`], over the validation prompts alone.
pub(crate) fn validated_utility(training: &Training<'_>, scores: &Matrix, costs: &Matrix) -> f64 {
    prompt_utilities(training, scores, costs)[training.data().n_training..].iter().sum()
}

/// As [`utility`], for each development prompt; where a log shows the outcome of one model a prompt, an unbiased estimate but for
/// truncated weights ([`super::log`]).
pub(crate) fn prompt_utilities(training: &Training<'_>, scores: &Matrix, costs: &Matrix) -> Vec<f64> {
    let (data, outcomes) = (training.data(), training.valued());
    let mut models = vec![0; data.prompts.len()];
    let mut utilities = vec![0.0; data.prompts.len()];
    let weighted = data.preferences.preferences().iter().zip(data.preferences.weights());
    for (preference, weight) in weighted.filter(|(_, weight)| **weight > 0.0) {
        choose(&data.prompts, scores, costs, *preference, &mut models);
        for (prompt, (&model, utility)) in models.iter().zip(&mut utilities).enumerate() {
            let cell = |table: &crate::suite::CellTable| table.get(prompt, usize::from(model));
            *utility += weight
                * match (cell(&outcomes.score), cell(&outcomes.cost_units)) {
                    (Some(score), Some(cost)) => preference.utility(score, cost),
                    _ => unreachable!(
                        "every model of the pool of a development prompt has an outcome or a value"
                    ),
                };
        }
    }
    utilities
}
