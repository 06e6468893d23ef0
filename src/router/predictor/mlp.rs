//! RouterBench's perceptron predictor (arXiv 2403.12031, section 5): a network with one hidden layer predicts the scores.
//!
//! ```text
//! heads = "shared"      s_k = sigmoid(u_k . relu(W e + b) + c_k)          one network, all models as its outputs
//! heads = "per-model"   s_k = sigmoid(u_k . relu(W_k e + b_k) + c_k)      one network per model
//! ```
//!
//! trained on masked cells with cross-entropy (graded scores as soft labels). Tuned by validation loss: the hidden width, the
//! noise on the embedding, and the epochs ([`trials`]).
//!
//! An unseen model gets (u, c) over the frozen hidden layer where it is shared. With a network per model there is nothing
//! to share: its logit is taken to be a combination of the seen models' logits plus a constant, around their mean.

use std::collections::BTreeMap;
use std::sync::Arc;

use dfdx::prelude::*;

use crate::error::Result;
use crate::linalg::Matrix;
use crate::network::{
    Activation, Linear, Offset, Parameters, Tensor2, bilinear, kept_as_word, linear, own_units, untaped, view,
};
use crate::random::ChaCha8Rng;
use crate::router::Training;
use crate::router::pair_network::{PairNetwork, Targets, Trial, Tuned, grid, moments, score_targets, tune};

/// How models share a perceptron.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Heads {
    /// One network with all models as outputs.
    #[default]
    Shared,
    /// One network for each model.
    PerModel,
}

kept_as_word!(Heads);

/// Hidden widths tried, of the shared network and of each model's own.
const SHARED_WIDTHS: [usize; 2] = [64, 192];
const OWN_WIDTHS: [usize; 2] = [8, 24];
/// Deviations of the noise tried.
const NOISES: [f64; 2] = [0.04, 0.08];
const LEARNING_RATE: f64 = 2e-3;

/// The network.
#[derive(Clone)]
pub(in crate::router) struct Perceptron {
    hidden: Linear,
    /// Units that a model looks at.
    n_units: usize,
    n_models: usize,
    heads: Heads,
}

/// A tuned perceptron and how it was tuned.
pub(in crate::router) struct TunedPerceptron {
    pub(in crate::router) tuned: Tuned<Perceptron>,
    pub(in crate::router) notes: BTreeMap<String, String>,
}

/// Tunes a perceptron to these targets.
///
/// # Errors
/// Training that diverges.
pub(in crate::router) fn tune_perceptron(
    heads: Heads,
    training: &Training<'_>,
    targets: &Targets<'_>,
) -> Result<TunedPerceptron> {
    let trials = trials(heads);
    let tuned = tune::<Perceptron>(training, targets, &trials)?;
    let mut notes = tuned.notes(trials.len());
    notes.insert("hidden-width".to_owned(), tuned.trial.design.0.to_string());
    Ok(TunedPerceptron { tuned, notes })
}

/// A perceptron tuned to the scores; once for all routers.
///
/// # Errors
/// Training that diverges.
pub(in crate::router) fn fit(heads: Heads, training: &Training<'_>) -> Result<Arc<TunedPerceptron>> {
    let name = if heads == Heads::Shared { "mlp" } else { "mlp-per-model" };
    training.shared(name, |training| tune_perceptron(heads, training, &score_targets("mlp", training)))
}

/// Every width with every noise.
fn trials(heads: Heads) -> Vec<Trial<(usize, Heads)>> {
    let widths = if heads == Heads::Shared { SHARED_WIDTHS } else { OWN_WIDTHS };
    widths.iter().flat_map(|&width| grid((width, heads), &NOISES, &[LEARNING_RATE])).collect()
}

impl PairNetwork for Perceptron {
    type Design = (usize, Heads);

    fn build(
        &(n_units, heads): &Self::Design,
        width: usize,
        n_models: usize,
        parameters: &mut Parameters,
        rng: &mut ChaCha8Rng,
    ) -> Self {
        let n_hidden = if heads == Heads::Shared { n_units } else { n_units * n_models };
        let hidden = parameters.add_linear("hidden", width, n_hidden, rng);
        Perceptron { hidden, n_units, n_models, heads }
    }

    fn vector_length((n_units, _): &Self::Design) -> usize {
        n_units.saturating_add(1)
    }

    fn first_spread(&self) -> f32 {
        1.0 / (self.n_units as f32).sqrt()
    }

    fn of_prompts<T: Tape<f32, Cpu>>(&self, parameters: &Parameters, embeddings: &Tensor2) -> Tensor2<T> {
        self.hidden.of_data(parameters, embeddings, Activation::Relu)
    }

    fn outputs<T: Tape<f32, Cpu>>(
        &self,
        _parameters: &Parameters,
        prompts: Tensor2<T>,
        vectors: &Tensor2,
    ) -> Tensor2<T> {
        match self.heads {
            Heads::Shared => bilinear(prompts, vectors, Offset::Model),
            Heads::PerModel => own_units(prompts, vectors),
        }
    }

    fn for_joining(&self, parameters: &Parameters, embeddings: &Tensor2, seen: &Tensor2) -> Tensor2 {
        let prompts = self.of_prompts::<NoneTape>(parameters, embeddings);
        if self.heads == Heads::Shared {
            return prompts;
        }
        let (n_prompts, logits) = (embeddings.shape().0, self.outputs(parameters, prompts, seen));
        let with_constant = view(&logits).chunks_exact(self.n_models);
        let with_constant = with_constant.flat_map(|row| row.iter().copied().chain([1.0])).collect();
        untaped(parameters.device(), with_constant, n_prompts, self.n_models + 1)
    }

    fn outputs_of_joined<T: Tape<f32, Cpu>>(
        &self,
        parameters: &Parameters,
        prompts: Tensor2<T>,
        vectors: &Tensor2,
    ) -> Tensor2<T> {
        match self.heads {
            Heads::Shared => self.outputs(parameters, prompts, vectors),
            Heads::PerModel => linear(prompts, vectors, None, Activation::None, true),
        }
    }

    fn prior(&self, seen: &Matrix) -> [Vec<f32>; 2] {
        if self.heads == Heads::PerModel {
            let mut mean = vec![1.0 / self.n_models as f32; self.n_models];
            mean.push(0.0);
            let mut deviation = vec![1.0 / self.n_models as f32; self.n_models];
            deviation.push(1.0);
            return [mean, deviation];
        }
        moments(seen)
    }
}
