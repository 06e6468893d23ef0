//! Predictor routers: predict each model's score from the prompt, then take the best `score - w * cost`.

pub(super) mod clusters;
mod irt;
pub(super) mod kernel;
pub(super) mod knn;
pub(super) mod linear;
pub(super) mod mlp;

use std::collections::BTreeMap;

pub use mlp::Heads;

use super::cost_model::CostModelKind;
use super::plug_in::{PlugIn, ScorePredictor};
use super::{RouterKind, Trained, Training, Traits};
use crate::error::{Error, Result};
use crate::linalg::Matrix;

/// Settings of `kind = "predictor"`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
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
}

/// How scores are predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
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

impl RouterKind for PredictorSettings {
    fn traits(&self) -> Traits {
        let label = match self.model {
            PredictorModel::Knn => "knn",
            PredictorModel::Linear => "linear",
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
        if self.heads.is_some() && self.model != PredictorModel::Mlp {
            return fault("heads", "`heads` is a setting of `mlp` alone");
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
        let fitted_costs = training.costs(self.cost);
        let costs = &fitted_costs.out_of_fold;
        let (scores, notes) = match self.model {
            PredictorModel::Knn => boxed(knn::fit(self.neighbours, training, costs)),
            PredictorModel::Linear => boxed(linear::fit(self.ridge, training, costs)),
            PredictorModel::Clusters => boxed(clusters::fit(training, costs)),
            PredictorModel::Kernel => boxed(kernel::fit(training, costs)),
            PredictorModel::Irt => boxed(irt::fit(training, costs)?),
            PredictorModel::Mlp => {
                let (predictor, notes) = mlp::fit(self.heads.unwrap_or_default(), training)?;
                (Box::new(predictor) as Box<dyn ScorePredictor>, notes)
            }
        };
        Ok(Trained { router: PlugIn::policy(scores, fitted_costs), notes })
    }
}

/// A score predictor and its predictions for development prompts it was not fitted on.
pub(super) struct FittedScores<P> {
    pub(super) predictor: P,
    pub(super) out_of_fold: Matrix,
    pub(super) notes: BTreeMap<String, String>,
}

fn boxed<P: ScorePredictor + 'static>(
    fitted: FittedScores<P>,
) -> (Box<dyn ScorePredictor>, BTreeMap<String, String>) {
    (Box::new(fitted.predictor), fitted.notes)
}
