//! EmbedLLM's matrix factorisation (arXiv 2410.02223): a vector P_k per model, a linear map A of the prompt's embedding e,
//! and a linear classifier of their elementwise product,
//!
//! ```text
//! s_k(e) = sigmoid(w . (P_k * (A e + a)))
//! ```
//!
//! (two classes under softmax in the paper's code: only the difference of their weights matters, and a constant term is within
//! a). While training, e carries normal noise. Cross-entropy on masked cells; graded scores are soft labels. A prompt is
//! projected once for all models: w * (A e + a) times the matrix of all P_k.
//!
//! Then the plug-in rule takes the best s_k - w c_k: the paper routes for accuracy alone, so that costs are those that all
//! our routers share. Any preference, any pool; an unseen model gets P_k from its quiz with A and w frozen, where the paper
//! trains anew. Tuned by validation loss: the noise, unless it is set, the step of Adam, and the epochs.

use dfdx::prelude::*;

use super::cost_model::CostModelKind;
use super::pair_network::{PairNetwork, grid, train_plug_in};
use super::{RouterKind, Trained, Training};
use crate::error::{Error, Result};
use crate::network::{Activation, Linear, ParameterId, Parameters, Tensor2, linear, scale_columns};
use crate::random::{ChaCha8Rng, uniform_f32};

/// Settings of `kind = "embedllm"`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct EmbedLlmSettings {
    /// Length of a model's vector; 232 in the paper.
    pub dimensions: usize,
    /// A fixed deviation of the noise on every element of an embedding, 0.05 in the paper's code; tuned where absent.
    pub noise: Option<f64>,
    /// How costs are estimated; the scenario's choice where absent.
    pub cost: Option<CostModelKind>,
}

impl Default for EmbedLlmSettings {
    fn default() -> Self {
        EmbedLlmSettings { dimensions: 232, noise: None, cost: None }
    }
}

const NOISES: [f64; 2] = [0.05, 0.1];
const LEARNING_RATES: [f64; 2] = [1e-3, 3e-3];

#[derive(Clone)]
struct Factorisation {
    projection: Linear,
    classifier: ParameterId,
    dimensions: usize,
}

impl RouterKind for EmbedLlmSettings {
    fn check(&self) -> Result<()> {
        if !(1..=4096).contains(&self.dimensions) {
            return Err(Error::Usage("`dimensions` must be from 1 to 4096".into()));
        }
        if self.noise.is_some_and(|noise| !(0.0..=10.0).contains(&noise)) {
            return Err(Error::Usage("`noise` must be a number from 0 to 10".into()));
        }
        Ok(())
    }

    fn train(&self, training: &Training<'_>) -> Result<Trained> {
        let noises = self.noise.map_or(NOISES.to_vec(), |noise| vec![noise]);
        let trials = grid(self.dimensions, &noises, &LEARNING_RATES);
        train_plug_in::<Factorisation>("embedllm", &trials, self.cost, training)
    }
}

impl PairNetwork for Factorisation {
    type Design = usize;

    fn build(
        &dimensions: &usize,
        width: usize,
        _n_models: usize,
        parameters: &mut Parameters,
        rng: &mut ChaCha8Rng,
    ) -> Self {
        let projection = parameters.add_linear("projection", width, dimensions, rng);
        let bound = 1.0 / (dimensions as f32).sqrt();
        let classifier = (0..dimensions).map(|_| uniform_f32(rng, -bound, bound)).collect();
        let classifier = parameters.add("classifier", classifier, 1, dimensions);
        Factorisation { projection, classifier, dimensions }
    }

    fn vector_length(&self) -> usize {
        self.dimensions
    }

    fn first_spread(&self) -> f32 {
        1.0
    }

    fn of_prompts<T: Tape<f32, Cpu>>(&self, parameters: &Parameters, embeddings: &Tensor2) -> Tensor2<T> {
        let projected = self.projection.of_data(parameters, embeddings, Activation::None);
        scale_columns(projected, parameters.get(self.classifier))
    }

    fn outputs<T: Tape<f32, Cpu>>(
        &self,
        _parameters: &Parameters,
        prompts: Tensor2<T>,
        vectors: &Tensor2,
    ) -> Tensor2<T> {
        linear(prompts, vectors, None, Activation::None, true)
    }
}
