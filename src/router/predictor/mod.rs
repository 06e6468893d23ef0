//! Predictor routers: predict each model's score from the prompt, then take the best `score - w * cost`.
//!
//! Here are ridge regression of each model's score on the prompt embedding, its ridge tuned by cross-validation, and the LLM Bandit
//! paper's predictor baseline: argmax of p_hat - w c with exactly the p_hat of its identity vectors.

pub(super) mod clusters;
pub(super) mod kernel;
pub(super) mod knn;
pub(super) mod mlp;
pub(super) mod text;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::cost_model::CostModelKind;
use super::cross_validation::{LAMBDAS, Moments, Ridge, best, folds, with_constant};
use super::difference_estimator::BesideSeen;
use super::llm_bandit::{
    IdentityPlacement, IdentitySettings, LearnFrom, Learned, Stopped, TUNED_UPDATES, out_of_fold, stop,
};
use super::placement::Placement;
use super::plug_in::{FittedScores, PlugIn, ScorePredictor, shared, utility};
use super::prompts::Prompts;
use super::{RouterKind, Trained, Training, Traits};
use crate::error::{Error, Result};
use crate::linalg::Matrix;
use crate::network::kept;
pub use mlp::Heads;

/// Settings of `kind = "predictor"`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PredictorSettings {
    /// How scores are predicted.
    pub model: PredictorModel,
    /// How costs are estimated; the scenario's choice where absent.
    pub cost: Option<CostModelKind>,
    /// A fixed number of neighbours for `knn`; tuned where absent.
    pub neighbours: Option<usize>,
    /// A fixed ridge for `linear`; tuned where absent.
    pub ridge: Option<f64>,
    /// How the models share the perceptron of `mlp`; they have one in common where absent.
    pub heads: Option<Heads>,
    /// How `linear` learns from a log of one model a prompt; `none` where absent, and of no effect where all outcomes are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correction: Option<Correction>,
    /// How unseen models are scored: by `difference` where absent. Not of `irt` and `mlp`, which place them by their networks.
    pub placement: Option<Placement>,
}

/// What is done about a log that shows one model's outcome a prompt, each with a probability of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Correction {
    /// Nothing: each model is fitted to the outcomes that are known of it.
    None,
    /// Each known outcome is weighted by 1 over its propensity, at most by the square root of the number of prompts.
    InversePropensity,
    /// Each model is fitted to its doubly robust values on all prompts.
    DoublyRobust,
}

/// How scores are predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PredictorModel {
    /// The mean score among the nearest development prompts.
    Knn,
    /// Ridge regression on the embedding.
    Linear,
    /// Ridge regression on soft memberships in prompt clusters, the embedding, and the input tokens.
    Clusters,
    /// The mean score over all development prompts, weighted by nearness.
    Kernel,
    /// The response network of the LLM Bandit router's identity vectors: that paper's predictor baseline.
    Irt,
    /// A network with one hidden layer, for all models together or for each alone.
    Mlp,
}

impl PredictorSettings {
    /// Of a model, everything tuned.
    pub fn of(model: PredictorModel) -> Self {
        PredictorSettings {
            model,
            cost: None,
            neighbours: None,
            ridge: None,
            correction: None,
            heads: None,
            placement: None,
        }
    }
}

impl RouterKind for PredictorSettings {
    fn traits(&self) -> Traits {
        let label = match self.model {
            PredictorModel::Knn => "knn",
            PredictorModel::Linear => match self.correction {
                None | Some(Correction::None) => "linear",
                Some(Correction::InversePropensity) => "linear-inverse-propensity",
                Some(Correction::DoublyRobust) => "linear-doubly-robust",
            },
            PredictorModel::Clusters => "clusters",
            PredictorModel::Kernel => "kernel",
            PredictorModel::Irt => "irt",
            PredictorModel::Mlp => "mlp",
        };
        Traits { label: Some(label), ..Traits::default() }
    }

    fn check(&self) -> Result<()> {
        let fault = |key: &str, problem: &str| Err(Error::setting(key, problem));
        if self.neighbours.is_some() && self.model != PredictorModel::Knn {
            return fault("neighbours", "`neighbours` is a setting of `knn` alone");
        }
        if self.ridge.is_some() && self.model != PredictorModel::Linear {
            return fault("ridge", "`ridge` is a setting of `linear` alone");
        }
        if self.correction.is_some() && self.model != PredictorModel::Linear {
            return fault("correction", "`correction` is a setting of `linear` alone");
        }
        if self.heads.is_some() && self.model != PredictorModel::Mlp {
            return fault("heads", "`heads` is a setting of `mlp` alone");
        }
        if self.placement.is_some() && matches!(self.model, PredictorModel::Irt | PredictorModel::Mlp) {
            return fault(
                "placement",
                "`placement` is no setting of `irt` and `mlp`, whose networks place unseen models",
            );
        }
        if self.neighbours == Some(0) {
            return fault("neighbours", "`neighbours` must be at least 1");
        }
        // Below, rounding can make the equations unsolvable.
        if self.ridge.is_some_and(|ridge| !(ridge >= 0.001 && ridge.is_finite())) {
            return fault("ridge", "`ridge` must be a number from 0.001 up");
        }
        Ok(())
    }

    fn train(&self, training: &Training<'_>) -> Result<Trained> {
        let costs = training.costs(self.cost);
        let placement = self.placement.unwrap_or_default();
        let (scores, notes) = match self.model {
            PredictorModel::Knn => match self.neighbours {
                Some(neighbours) => placed(&knn::fit_with(neighbours, training), placement, training),
                None => placed(&*knn::fit(training, self.cost), placement, training),
            },
            PredictorModel::Linear => match self.ridge {
                Some(ridge) => {
                    let correction = self.correction_of(training);
                    let fitted = fit_linear_to(&[ridge], correction, training, &costs.out_of_fold);
                    placed(&fitted, placement, training)
                }
                None => match self.correction_of(training) {
                    Correction::None => placed(&*fit_linear(training, self.cost), placement, training),
                    correction => {
                        let fitted =
                            fit_linear_to(&LAMBDAS_OF_LOGS, correction, training, &costs.out_of_fold);
                        placed(&fitted, placement, training)
                    }
                },
            },
            PredictorModel::Clusters => placed(&*clusters::fit(training, self.cost), placement, training),
            PredictorModel::Kernel => placed(&*kernel::fit(training, self.cost), placement, training),
            PredictorModel::Irt => {
                let (predictor, notes) = fit_irt(training, &costs.out_of_fold)?;
                (Box::new(predictor) as Box<dyn ScorePredictor>, notes)
            }
            PredictorModel::Mlp => {
                let fitted = mlp::fit(self.heads.unwrap_or_default(), training)?;
                (Box::new(fitted.tuned.predictor.clone()) as Box<dyn ScorePredictor>, fitted.notes.clone())
            }
        };
        Ok(Trained { router: PlugIn::policy(scores, costs), notes })
    }
}

impl PredictorSettings {
    /// The correction, where there is something to correct.
    fn correction_of(&self, training: &Training<'_>) -> Correction {
        let correction = self.correction.filter(|_| training.data().log().is_some());
        correction.unwrap_or(Correction::None)
    }
}

fn placed<P: ScorePredictor + Clone + 'static>(
    fitted: &FittedScores<P>,
    placement: Placement,
    training: &Training<'_>,
) -> (Box<dyn ScorePredictor>, BTreeMap<String, String>) {
    let scores = Box::new(fitted.predictor.clone());
    (placement.of(training, scores, &fitted.out_of_fold), fitted.notes.clone())
}

#[derive(Clone)]
pub(in crate::router) struct Linear {
    ridge: Ridge,
}

kept!(Linear { ridge }, |it, shape| it.ridge.fits(shape.width + 1, shape));

impl ScorePredictor for Linear {
    fn predict(&self, prompts: &Prompts) -> Matrix {
        self.ridge.predict(&with_constant(&prompts.embeddings))
    }
}

/// Fits on all development prompts with the ridge that earns most out of fold at these costs; once for all routers.
pub(in crate::router) fn fit_linear(
    training: &Training<'_>,
    cost: Option<CostModelKind>,
) -> Arc<FittedScores<Linear>> {
    shared("linear", training, cost, |training, costs| {
        fit_linear_to(&LAMBDAS, Correction::None, training, costs)
    })
}

/// Fits on all development prompts with the one of these ridges that earns most out of fold.
fn fit_linear_to(
    lambdas: &[f64],
    correction: Correction,
    training: &Training<'_>,
    costs: &Matrix,
) -> FittedScores<Linear> {
    let data = training.data();
    let features = with_constant(&data.prompts.embeddings);
    let folds = folds(&data.prompts.text_groups, &training.stream().named("folds"));
    let outcomes =
        if correction == Correction::DoublyRobust { training.valued() } else { training.outcomes() };
    let beside = BesideSeen::new(&outcomes.score, &outcomes.mean_score, &data.unseen);
    let moments = match data.log().filter(|_| correction == Correction::InversePropensity) {
        Some(log) => {
            let weights = log.weights();
            Moments::weighted(&features, &beside.table, |prompt, _| weights[prompt], &folds, &beside.means)
        }
        None => Moments::new(&features, &beside.table, &folds, &beside.means),
    };
    let mut candidates: Vec<Matrix> =
        moments.out_of_fold(lambdas).into_iter().map(|columns| beside.scores_of(columns)).collect();
    let utilities: Vec<f64> = candidates.iter().map(|scores| utility(training, scores, costs)).collect();
    let chosen = best(&utilities);
    FittedScores {
        predictor: Linear { ridge: moments.fit(lambdas[chosen]).of_scores(&beside) },
        out_of_fold: candidates.swap_remove(chosen),
        notes: BTreeMap::from([
            ("ridge".to_owned(), lambdas[chosen].to_string()),
            ("settings-tried".to_owned(), lambdas.len().to_string()),
        ]),
    }
}

/// The penalties tried with a correction: noise of single outcomes calls for none of the smallest, and each costs a factor a model.
const LAMBDAS_OF_LOGS: [f64; 6] = [3.0, 10.0, 40.0, 160.0, 1000.0, 10000.0];

/// The steps of Adam that are tried; the paper's is the first.
const LEARNING_RATES: [f64; 2] = [1e-3, 3e-3];

impl ScorePredictor for Learned {
    fn predict(&self, prompts: &Prompts) -> Matrix {
        self.scores(&prompts.embeddings)
    }

    fn believed_mean(&self, prompts: &Prompts, model: usize) -> Option<[f64; 2]> {
        self.believed_mean(&prompts.embeddings, model)
    }
}

/// Learns identities with each step, keeps the one that earns most out of fold.
fn fit_irt(training: &Training<'_>, costs: &Matrix) -> Result<(Learned, BTreeMap<String, String>)> {
    let data = training.data();
    let learn_all = |stopped: &Stopped, settings: &IdentitySettings| {
        stopped.learn(training, settings, LearnFrom::Development, IdentityPlacement::Average)
    };
    let mut fits = Vec::new();
    for learning_rate in LEARNING_RATES {
        let settings = IdentitySettings { learning_rate, least_updates: TUNED_UPDATES, ..Default::default() };
        let stopped = stop(training, &settings)?;
        // Seen models are scored by fits to folds: only where there are others does a step that is not chosen need a fit to all.
        let learned = if data.unseen.contains(&true) { Some(learn_all(&stopped, &settings)?) } else { None };
        let zeros = || Matrix::zeros(data.prompts.len(), data.n_models());
        let scores = learned.as_ref().map_or_else(zeros, |learned| learned.scores(&data.prompts.embeddings));
        let out_of_fold = out_of_fold(training, &settings, stopped.epochs, scores)?;
        fits.push((utility(training, &out_of_fold, costs), settings, (stopped, learned)));
    }
    let chosen = best(&fits.iter().map(|(utility, ..)| *utility).collect::<Vec<_>>());
    let (_, settings, (stopped, learned)) = fits.swap_remove(chosen);
    let learned = learned.map_or_else(|| learn_all(&stopped, &settings), Ok)?;
    let notes = BTreeMap::from([
        ("epochs".to_owned(), learned.epochs.to_string()),
        ("learning-rate".to_owned(), settings.learning_rate.to_string()),
        ("validation-loss".to_owned(), format!("{:.4}", learned.validation_loss)),
        ("comparisons".to_owned(), learned.comparisons_in_words().to_owned()),
        ("settings-tried".to_owned(), LEARNING_RATES.len().to_string()),
    ]);
    Ok((learned, notes))
}
