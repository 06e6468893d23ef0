//! CARROT (arXiv 2502.03261): predicts from the embedding what every model will score and what its answer will cost, and
//! takes the best (1 - mu) s_k - mu c_k. With mu = w / (1 + w) that is our s_k - w c_k, so that it takes any preference.
//!
//! `heads = "knn"`: both are means over the nearest prompts, each with a k of its own; the score's is the one that earns most
//! leaving each prompt out, the cost's the one with the least squared error relative to each model's variance.
//! `heads = "network"`: two perceptrons as `mlp` with shared heads, tuned as there, in the place of the paper's fine-tuned
//! RoBERTa: suites have embeddings. The network of costs learns cost over the model's mean cost, minus 1, by squared error; no
//! predicted cost is below 0.
//!
//! The paper predicts output tokens and multiplies by prices; a recorded cost is that product with the input's added, and it
//! is predicted whole. Every other router of ours reckons with the costs of the scenario's cost model, this one with its own.
//! Any pool: an unseen model's neighbours and vectors come from its quiz, its mean cost from there or from list prices.

use std::collections::BTreeMap;

use super::cross_validation::squared_errors;
use super::difference_estimator::BesideSeen;
use super::pair_network::{Output, PairPredictor, Targets};
use super::plug_in::{ScorePredictor, route};
use super::predictor::knn::{Searched, fit_to_scores, numbers_of_neighbours};
use super::predictor::mlp::{self, Heads, Perceptron, tune_perceptron};
use super::{Choices, Policy, Router, RouterKind, Trained, Training, Traits};
use crate::error::Result;
use crate::linalg::Matrix;
use crate::network::kept;
use crate::preference::Preference;
use crate::router::prompts::Prompts;

/// Settings of `kind = "carrot"`.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct CarrotSettings {
    /// What predicts.
    pub(crate) heads: CarrotHeads,
}

/// What predicts scores and costs.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CarrotHeads {
    /// Nearest neighbours.
    #[default]
    Knn,
    /// Perceptrons.
    Network,
}

/// The trained policy.
pub(super) struct Carrot {
    scores: Box<dyn ScorePredictor>,
    costs: Box<dyn ScorePredictor>,
}

/// Costs as a network predicts them: relative to means.
pub(super) struct CostNetwork {
    network: PairPredictor<Perceptron>,
    means: Vec<f32>,
}

kept!(Carrot { scores, costs });
kept!(CostNetwork { network, means }, |it, shape| it.means.len() == shape.n_models);

impl RouterKind for CarrotSettings {
    fn traits(&self) -> Traits {
        let label = match self.heads {
            CarrotHeads::Knn => "carrot-knn",
            CarrotHeads::Network => "carrot-network",
        };
        Traits { label: Some(label), ..Traits::default() }
    }

    fn train(&self, training: &Training<'_>) -> Result<Trained> {
        let (router, notes) = match self.heads {
            CarrotHeads::Knn => fit_neighbours(training),
            CarrotHeads::Network => fit_networks(training)?,
        };
        Ok(Trained { router: Policy::Direct(Box::new(router)), notes })
    }
}

impl Router for Carrot {
    fn route(&self, prompts: &Prompts, preferences: &[Preference]) -> Choices {
        self.route_by_scores(prompts, preferences).0
    }

    fn route_by_scores(&self, prompts: &Prompts, preferences: &[Preference]) -> (Choices, Option<Matrix>) {
        let scores = self.scores.predict(prompts);
        let costs = prompts.at_known_prices(self.costs.predict(prompts));
        let choices = route(prompts, preferences, &scores, &costs);
        (choices, Some(scores))
    }
}

impl ScorePredictor for CostNetwork {
    fn predict(&self, prompts: &Prompts) -> Matrix {
        let mut costs = self.network.predict(prompts);
        for row in 0..costs.n_rows() {
            let cells = costs.row_mut(row).iter_mut().zip(&self.means);
            cells.for_each(|(cost, mean)| *cost = (mean * (1.0 + *cost)).max(0.0));
        }
        costs
    }
}

fn fit_neighbours(training: &Training<'_>) -> (Carrot, BTreeMap<String, String>) {
    let (data, outcomes) = (training.data(), training.outcomes());
    let candidates = numbers_of_neighbours(data.prompts.len());
    let means: Vec<f32> = outcomes.mean_cost_units.iter().map(|&mean| mean as f32).collect();
    let of_means = Matrix::new(means.repeat(data.prompts.len()), data.prompts.len(), means.len());
    let spread = squared_errors(&outcomes.cost_units, &of_means);
    let relative = |costs: &Matrix| -> f64 {
        let errors = squared_errors(&outcomes.cost_units, costs).into_iter().zip(&spread);
        -errors.map(|(error, spread)| if *spread > 0.0 { error / spread } else { 0.0 }).sum::<f64>()
    };
    let costs = BesideSeen::plain(&outcomes.cost_units, &outcomes.mean_cost_units);
    let n_candidates = candidates.len();
    let costs = Searched::new(costs, candidates, training).best(relative);
    let scores = fit_to_scores(training, &costs.out_of_fold);
    let notes = BTreeMap::from([
        ("neighbours".to_owned(), scores.notes["neighbours"].clone()),
        ("neighbours-of-cost".to_owned(), costs.notes["neighbours"].clone()),
        ("settings-tried".to_owned(), (2 * n_candidates).to_string()),
    ]);
    (Carrot { scores: Box::new(scores.predictor), costs: Box::new(costs.predictor) }, notes)
}

fn fit_networks(training: &Training<'_>) -> Result<(Carrot, BTreeMap<String, String>)> {
    let (data, outcomes) = (training.data(), training.outcomes());
    let scores = mlp::fit(Heads::Shared, training)?;
    let mut notes = scores.notes.clone();
    let means = &outcomes.mean_cost_units;
    let relative = |(cost, &mean): (Option<f64>, &f64)| match cost {
        Some(cost) if mean > 0.0 => (cost / mean - 1.0) as f32,
        Some(_) => 0.0,
        None => f32::NAN,
    };
    let cells =
        (0..data.prompts.len()).flat_map(|prompt| outcomes.cost_units.row(prompt).zip(means).map(relative));
    let targets = Targets {
        name: "carrot",
        embeddings: &data.prompts.embeddings,
        values: Matrix::new(cells.collect(), data.prompts.len(), data.n_models()),
        output: Output::Value,
        stream: training.stream().named("costs"),
    };
    let costs = tune_perceptron(Heads::Shared, training, &targets)?;
    for name in ["hidden-width", "noise", "epochs", "validation-loss"] {
        notes.insert(format!("{name}-of-cost"), costs.notes[name].clone());
    }
    let means = means.iter().map(|&mean| mean as f32).collect();
    let costs = CostNetwork { network: costs.tuned.predictor, means };
    Ok((Carrot { scores: Box::new(scores.tuned.predictor.clone()), costs: Box::new(costs) }, notes))
}
