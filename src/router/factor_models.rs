//! Networks that know a model by a vector and a prompt by its embedding, under the plug-in rule: EmbedLLM and IRT-Router.
//!
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
//!
//! IRT-Router (arXiv 2506.01048): item response theory in several dimensions, with the discrimination and the difficulty
//! of a prompt read off its embedding e, and an ability vector theta_k per model.
//!
//! ```text
//! mirt   s_k(e) = sigmoid(a(e) . theta_k - b(e)),               a(e) = softplus(A e + a_0) in R^d, b(e) a number
//! nirt   s_k(e) = sigmoid(u . relu(W (a(e) * (theta_k - b(e))) + w) + c),      a(e) as above, b(e) in R^d
//! ```
//!
//! `mirt` is the multidimensional two-parameter model (Reckase 2009), `nirt` neural cognitive diagnosis (Wang et al. 2020).
//! Cross-entropy on masked cells; graded scores are soft labels. Where this departs from the paper: it makes theta_k from
//! an embedding of a text about the model, which suites do not have, so theta_k is learned; its warm-up of prompts unlike all
//! training prompts is left out; the weights of `nirt` may be negative.
//!
//! The paper routes by a weighted sum of predicted score and fixed price; the plug-in rule takes the best s_k - w c_k.
//! Any preference, any pool; an unseen model gets theta_k from its quiz with the network frozen, in the place of its text.
//! Tuned by validation loss: the noise on the embedding, the step of Adam, and the epochs.

use dfdx::prelude::*;

use super::cost_model::CostModelKind;
use super::pair_network::{PairNetwork, grid, train_plug_in};
use super::{RouterKind, Trained, Training};
use crate::error::{Error, Result};
use crate::network::{
    Activation, Linear, Offset, ParameterId, Parameters, Tensor2, bilinear, interaction, kept_as_word,
    linear, scale_columns, softplus_columns,
};
use crate::random::{ChaCha8Rng, uniform_f32};

/// Settings of `kind = "embedllm"`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct EmbedLlmSettings {
    /// Length of a model's vector; 232 in the paper.
    pub(crate) dimensions: usize,
    /// A fixed deviation of the noise on every element of an embedding, 0.05 in the paper's code; tuned where absent.
    pub(crate) noise: Option<f64>,
    /// How costs are estimated; the scenario's choice where absent.
    pub(crate) cost: Option<CostModelKind>,
}

impl Default for EmbedLlmSettings {
    fn default() -> Self {
        EmbedLlmSettings { dimensions: 232, noise: None, cost: None }
    }
}

const LEARNING_RATES: [f64; 2] = [1e-3, 3e-3];

#[derive(Clone)]
pub(super) struct Factorisation {
    projection: Linear,
    classifier: ParameterId,
}

impl RouterKind for EmbedLlmSettings {
    fn check(&self) -> Result<()> {
        if !(1..=4096).contains(&self.dimensions) {
            return Err(Error::setting("dimensions", "`dimensions` must be from 1 to 4096"));
        }
        if self.noise.is_some_and(|noise| !(0.0..=10.0).contains(&noise)) {
            return Err(Error::setting("noise", "`noise` must be a number from 0 to 10"));
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
        Factorisation { projection, classifier }
    }

    fn vector_length(&dimensions: &usize) -> usize {
        dimensions
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

/// Settings of `kind = "mirt"`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct MirtSettings {
    /// Length of an ability vector; 25 in the paper's code.
    pub(crate) dimensions: usize,
    /// How costs are estimated; the scenario's choice where absent.
    pub(crate) cost: Option<CostModelKind>,
}

/// Settings of `kind = "nirt"`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct NirtSettings {
    /// Length of an ability vector; 25 in the paper's code.
    pub(crate) dimensions: usize,
    /// How costs are estimated; the scenario's choice where absent.
    pub(crate) cost: Option<CostModelKind>,
}

impl Default for MirtSettings {
    fn default() -> Self {
        MirtSettings { dimensions: DIMENSIONS, cost: None }
    }
}

impl Default for NirtSettings {
    fn default() -> Self {
        NirtSettings { dimensions: DIMENSIONS, cost: None }
    }
}

const DIMENSIONS: usize = 25;
const NOISES: [f64; 2] = [0.05, 0.1];
const MIRT_RATES: [f64; 2] = [2e-3, 6e-3];
const NIRT_RATES: [f64; 2] = [3e-3, 1e-2];
/// Width of the hidden layer of `nirt`.
const HIDDEN: usize = 32;

impl RouterKind for MirtSettings {
    fn check(&self) -> Result<()> {
        check(self.dimensions)
    }

    fn train(&self, training: &Training<'_>) -> Result<Trained> {
        let trials = grid((Model::Mirt, self.dimensions), &NOISES, &MIRT_RATES);
        train_plug_in::<ItemResponse>("mirt", &trials, self.cost, training)
    }
}

impl RouterKind for NirtSettings {
    fn check(&self) -> Result<()> {
        check(self.dimensions)
    }

    fn train(&self, training: &Training<'_>) -> Result<Trained> {
        let trials = grid((Model::Nirt, self.dimensions), &NOISES, &NIRT_RATES);
        train_plug_in::<ItemResponse>("nirt", &trials, self.cost, training)
    }
}

fn check(dimensions: usize) -> Result<()> {
    if !(1..=1024).contains(&dimensions) {
        return Err(Error::Usage("`dimensions` must be from 1 to 1024".into()));
    }
    Ok(())
}

/// Fresh abilities are small, so that fresh logits are.
const FIRST_ABILITIES: f32 = 0.1;

/// Which of the two.
#[derive(Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum Model {
    Mirt,
    Nirt,
}

kept_as_word!(Model);

/// a(e) beside -b(e) for `mirt`, or beside b(e) for `nirt`.
#[derive(Clone)]
pub(super) struct ItemResponse {
    item: Linear,
    /// The layers of `nirt` over a(e) * (theta_k - b(e)).
    meeting: Option<[Linear; 2]>,
    dimensions: usize,
}

impl PairNetwork for ItemResponse {
    type Design = (Model, usize);

    fn build(
        &(model, dimensions): &Self::Design,
        width: usize,
        _n_models: usize,
        parameters: &mut Parameters,
        rng: &mut ChaCha8Rng,
    ) -> Self {
        let n_difficulties = if model == Model::Mirt { 1 } else { dimensions };
        let item = parameters.add_linear("item", width, dimensions + n_difficulties, rng);
        let meeting = (model == Model::Nirt).then(|| {
            let hidden = parameters.add_linear("hidden", dimensions, HIDDEN, rng);
            [hidden, parameters.add_linear("head", HIDDEN, 1, rng)]
        });
        ItemResponse { item, meeting, dimensions }
    }

    fn vector_length(&(_, dimensions): &Self::Design) -> usize {
        dimensions
    }

    fn first_spread(&self) -> f32 {
        FIRST_ABILITIES
    }

    fn of_prompts<T: Tape<f32, Cpu>>(&self, parameters: &Parameters, embeddings: &Tensor2) -> Tensor2<T> {
        softplus_columns(self.item.of_data(parameters, embeddings, Activation::None), self.dimensions)
    }

    fn outputs<T: Tape<f32, Cpu>>(
        &self,
        parameters: &Parameters,
        prompts: Tensor2<T>,
        vectors: &Tensor2,
    ) -> Tensor2<T> {
        let Some([hidden, head]) = self.meeting else {
            return bilinear(prompts, vectors, Offset::Prompt);
        };
        let met = hidden.forward(parameters, interaction(prompts, vectors), Activation::Relu);
        head.forward(parameters, met, Activation::None)
    }
}
