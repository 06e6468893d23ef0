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

use std::collections::BTreeMap;

use dfdx::prelude::*;

use super::cost_model::CostModelKind;
use super::pair_network::{PairNetwork, Trial, score_targets, tune};
use super::plug_in::PlugIn;
use super::{RouterKind, Trained, Training};
use crate::error::{Error, Result};
use crate::network::{
    Activation, Linear, Offset, Parameters, Tensor2, bilinear, interaction, softplus_columns,
};
use crate::random::ChaCha8Rng;

/// Settings of `kind = "mirt"`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct MirtSettings {
    /// Length of an ability vector; 25 in the paper's code.
    pub dimensions: usize,
    /// How costs are estimated; the scenario's choice where absent.
    pub cost: Option<CostModelKind>,
}

/// Settings of `kind = "nirt"`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct NirtSettings {
    /// Length of an ability vector; 25 in the paper's code.
    pub dimensions: usize,
    /// How costs are estimated; the scenario's choice where absent.
    pub cost: Option<CostModelKind>,
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
    fn kind(&self) -> &'static str {
        "mirt"
    }

    fn check(&self) -> Result<()> {
        check(self.dimensions)
    }

    fn train(&self, training: &Training<'_>) -> Result<Trained> {
        train::<Mirt>("mirt", self.dimensions, &MIRT_RATES, self.cost, training)
    }
}

impl RouterKind for NirtSettings {
    fn kind(&self) -> &'static str {
        "nirt"
    }

    fn check(&self) -> Result<()> {
        check(self.dimensions)
    }

    fn train(&self, training: &Training<'_>) -> Result<Trained> {
        train::<Nirt>("nirt", self.dimensions, &NIRT_RATES, self.cost, training)
    }
}

fn check(dimensions: usize) -> Result<()> {
    if !(1..=1024).contains(&dimensions) {
        return Err(Error::Usage("`dimensions` must be from 1 to 1024".into()));
    }
    Ok(())
}

fn train<N: PairNetwork<Design = usize>>(
    name: &'static str,
    dimensions: usize,
    learning_rates: &[f64],
    cost: Option<CostModelKind>,
    training: &Training<'_>,
) -> Result<Trained> {
    let trial = |noise, &learning_rate: &f64| Trial { design: dimensions, noise, learning_rate };
    let trials: Vec<_> =
        NOISES.iter().flat_map(|&noise| learning_rates.iter().map(move |rate| trial(noise, rate))).collect();
    let tuned = tune::<N>(training, &score_targets(name, training), &trials)?;
    let notes = BTreeMap::from([
        ("noise".to_owned(), tuned.trial.noise.to_string()),
        ("learning-rate".to_owned(), tuned.trial.learning_rate.to_string()),
        ("epochs".to_owned(), tuned.epochs.to_string()),
        ("validation-loss".to_owned(), format!("{:.4}", tuned.validation_loss)),
        ("settings-tried".to_owned(), trials.len().to_string()),
    ]);
    let router = PlugIn::policy(Box::new(tuned.predictor), training.costs(cost));
    Ok(Trained { router, notes })
}

/// a(e) and -b(e) side by side.
#[derive(Clone)]
struct Mirt {
    item: Linear,
    dimensions: usize,
}

impl PairNetwork for Mirt {
    type Design = usize;

    fn build(
        &dimensions: &usize,
        width: usize,
        _n_models: usize,
        parameters: &mut Parameters,
        rng: &mut ChaCha8Rng,
    ) -> Self {
        Mirt { item: parameters.add_linear("item", width, dimensions + 1, rng), dimensions }
    }

    fn vector_length(&self) -> usize {
        self.dimensions
    }

    fn first_spread(&self) -> f32 {
        FIRST_ABILITIES
    }

    fn of_prompts<T: Tape<f32, Cpu>>(&self, parameters: &Parameters, embeddings: &Tensor2) -> Tensor2<T> {
        softplus_columns(self.item.of_data(parameters, embeddings, Activation::None), self.dimensions)
    }

    fn outputs<T: Tape<f32, Cpu>>(
        &self,
        _parameters: &Parameters,
        prompts: Tensor2<T>,
        vectors: &Tensor2,
    ) -> Tensor2<T> {
        bilinear(prompts, vectors, Offset::Prompt)
    }
}

/// Fresh abilities are small, so that fresh logits are.
const FIRST_ABILITIES: f32 = 0.1;

/// a(e) and b(e) side by side, then the layers over their meeting with theta_k.
#[derive(Clone)]
struct Nirt {
    item: Linear,
    hidden: Linear,
    head: Linear,
    dimensions: usize,
}

impl PairNetwork for Nirt {
    type Design = usize;

    fn build(
        &dimensions: &usize,
        width: usize,
        _n_models: usize,
        parameters: &mut Parameters,
        rng: &mut ChaCha8Rng,
    ) -> Self {
        let item = parameters.add_linear("item", width, 2 * dimensions, rng);
        let hidden = parameters.add_linear("hidden", dimensions, HIDDEN, rng);
        let head = parameters.add_linear("head", HIDDEN, 1, rng);
        Nirt { item, hidden, head, dimensions }
    }

    fn vector_length(&self) -> usize {
        self.dimensions
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
        let met = interaction(prompts, vectors);
        let hidden = self.hidden.forward(parameters, met, Activation::Relu);
        self.head.forward(parameters, hidden, Activation::None)
    }
}
