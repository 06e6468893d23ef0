//! The policy network (arXiv 2502.02743, equation 5 and appendix B.2): a candidate pool is a set, encoded by a permutation-
//! equivariant encoder; a query made of the prompt, the preference, and the pooled set scores its members.
//!
//! ```text
//! t_k = W [I_k, c_k, p_k]                  token of candidate k: identity, expected cost, predicted score
//! z   = block(t)                           t + attention(norm(t)), then + relu network(norm(.)), within each set
//! s   = pooling attention of a learned query over z
//! h   = network [e, 1/(1+w), w/(1+w), s]
//! l_k = scale * h . key_k                  key_k = I_k ("identity") or W' z_k ("full")
//! ```
//!
//! A residual policy adds to the plug-in rule instead of replacing it: with the score p_ik and the cost c_ik predicted for
//! candidate k on prompt i,
//!
//! ```text
//! l_ik = (p_ik + d_ik - w c_ik) / t,   d_ik = h_i . key_k / sqrt(width) + network [pair features]
//! ```
//!
//! where d starts at zero: the policy starts as the plug-in rule and learns corrections of scores, and the temperature t
//! that it draws actions with. The larger w, the less a correction weighs, so that in the limit the cheapest candidate
//! wins whatever was learned.

use std::sync::Arc;

use dfdx::prelude::*;

use super::settings::{Key, PolicySettings};
use crate::network::{
    Activation, Linear, ParameterId, Parameters, Sets, Tensor2, gathered_add_relu, layer_norm, pointer,
    pooling_attention, set_attention, stretch,
};
use crate::random::ChaCha8Rng;

/// Width of tokens and of full keys.
const WIDTH: usize = 64;
/// Width of the hidden layer of the encoder's network and of the query.
const HIDDEN: usize = 128;
/// Width of the hidden layer over pair features.
const PAIR_HIDDEN: usize = 16;
/// The temperature a residual policy starts with, in units of score: about the error of a prediction.
const TEMPERATURE: f32 = 0.03;

/// The architecture and its weights.
#[derive(Clone)]
pub(crate) struct Policy {
    pub(crate) parameters: Parameters,
    layers: Layers,
}

#[derive(Clone, Copy)]
struct Layers {
    token: Linear,
    attention: Block,
    pooling_projection: Linear,
    pooling_query: ParameterId,
    /// The first layer of the query, in the parts of prompt, set, and preference.
    query: [Linear; 3],
    query_output: Linear,
    /// `None` where the identity itself is the key.
    key: Option<Linear>,
    /// `None` for a policy that is no residual.
    residual: Option<Residual>,
}

#[derive(Clone, Copy)]
struct Residual {
    /// The network over pair features.
    network: [Linear; 2],
    /// ln of the factor on all logits, 1 x 1.
    sharpness: ParameterId,
}

#[derive(Clone, Copy)]
struct Block {
    norms: [(ParameterId, ParameterId); 2],
    projection: Linear,
    output: Linear,
    network: [Linear; 2],
}

/// What the policy looks at for a batch of decisions.
pub(crate) struct Inputs {
    /// One row a member of a set: identity, expected cost, predicted score, and what else the tokens hold; sets packed.
    pub(crate) tokens: Tensor2,
    /// The identity vectors of the same members.
    pub(crate) identities: Tensor2,
    /// How many members each set has.
    pub(crate) set_lengths: Arc<[usize]>,
    /// The set of each decision.
    pub(crate) set_of: Arc<[usize]>,
    /// Embeddings; decisions on one prompt in a row share one.
    pub(crate) embeddings: Tensor2,
    /// The row of the embeddings that each decision is about.
    pub(crate) embedding_of: Arc<[usize]>,
    /// One row a decision: 1/(1+w), w/(1+w).
    pub(crate) preferences: Tensor2,
    /// The members that each decision chooses among, as rows of the tokens.
    pub(crate) sets: Sets,
    /// The plug-in rule and the features of each (decision, member) pair; `None` for a policy that is no residual.
    pub(crate) pairs: Option<Pairs>,
}

/// What a residual policy corrects.
pub(crate) struct Pairs {
    /// p - w c, one row a pair.
    pub(crate) plug_in: Tensor2,
    /// Pairs x features.
    pub(crate) features: Tensor2,
}

/// The widths of a policy's inputs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct InputWidths {
    pub(crate) token: usize,
    pub(crate) identity: usize,
    pub(crate) embedding: usize,
    pub(crate) pair: usize,
}

impl Policy {
    /// Draws a policy.
    pub(crate) fn new(settings: &PolicySettings, widths: InputWidths, rng: &mut ChaCha8Rng) -> Self {
        let mut parameters = Parameters::new();
        let store = &mut parameters;
        let token = store.add_linear("policy.token", widths.token, WIDTH, rng);
        let attention = Block::new(store, rng);
        let pooling_projection = store.add_linear("policy.pooling", WIDTH, 2 * WIDTH, rng);
        let pooling_query = store.add_linear("policy.pooling-query", 1, WIDTH, rng).bias;
        let key_width = if settings.key == Key::Identity { widths.identity } else { WIDTH };
        let query = [("prompt", widths.embedding), ("set", WIDTH), ("preference", 2)]
            .map(|(part, n_in)| store.add_linear(&format!("policy.query.{part}"), n_in, HIDDEN, rng));
        let query_output = if settings.residual {
            store.add_zero_linear("policy.query.output", HIDDEN, key_width)
        } else {
            store.add_linear("policy.query.output", HIDDEN, key_width, rng)
        };
        let key = (settings.key == Key::Full).then(|| store.add_linear("policy.key", WIDTH, key_width, rng));
        let residual = settings.residual.then(|| Residual {
            network: [
                store.add_linear("policy.pair.0", widths.pair, PAIR_HIDDEN, rng),
                store.add_zero_linear("policy.pair.1", PAIR_HIDDEN, 1),
            ],
            sharpness: store.add("policy.ln-sharpness", vec![-TEMPERATURE.ln()], 1, 1),
        });
        let layers = Layers {
            token,
            attention,
            pooling_projection,
            pooling_query,
            query,
            query_output,
            key,
            residual,
        };
        Policy { parameters, layers }
    }

    /// The logits of every (decision, member) pair, one row each, packed by decision.
    pub(crate) fn logits<T: Tape<f32, Cpu>>(&self, inputs: &Inputs) -> Tensor2<T> {
        let encoded = self.encode::<T>(inputs);
        self.score(inputs, encoded)
    }

    /// The encoded sets: keys, one row a member, and pooled sets.
    fn encode<T: Tape<f32, Cpu>>(&self, inputs: &Inputs) -> (Tensor2<T>, Tensor2<T>) {
        let (parameters, layers) = (&self.parameters, self.layers);
        let tokens = layers.token.of_data::<T>(parameters, &inputs.tokens, Activation::None);
        let encoded = layers.attention.forward(parameters, tokens, &inputs.set_lengths);
        let keys = match layers.key {
            Some(key) => key.forward(parameters, encoded.retaped::<T>(), Activation::None),
            None => inputs.identities.retaped::<T>(),
        };
        let projected = layers.pooling_projection.forward(parameters, encoded, Activation::None);
        let query = parameters.get(layers.pooling_query);
        (keys, pooling_attention(projected, query, Arc::clone(&inputs.set_lengths)))
    }

    fn score<T: Tape<f32, Cpu>>(
        &self,
        inputs: &Inputs,
        (keys, pooled): (Tensor2<T>, Tensor2<T>),
    ) -> Tensor2<T> {
        let (parameters, layers) = (&self.parameters, self.layers);
        let [prompt, set, preference] = layers.query;
        let query = gathered_add_relu(
            (
                prompt.of_data(parameters, &inputs.embeddings, Activation::None),
                Arc::clone(&inputs.embedding_of),
            ),
            (set.forward(parameters, pooled, Activation::None), Arc::clone(&inputs.set_of)),
            preference.of_data(parameters, &inputs.preferences, Activation::None),
        );
        let query = layers.query_output.forward(parameters, query, Activation::None);
        // As in equation 5, an identity is scored by the bare inner product.
        let scale = if layers.key.is_some() { 1.0 / (WIDTH as f32).sqrt() } else { 1.0 };
        let scores = pointer(query, keys, &inputs.sets, scale);
        match (&inputs.pairs, layers.residual) {
            (Some(pairs), Some(Residual { network: [first, second], sharpness })) => {
                let hidden = first.of_data::<T>(parameters, &pairs.features, Activation::Relu);
                let correction = scores + second.forward(parameters, hidden, Activation::None);
                stretch(correction + pairs.plug_in.clone(), parameters.get(sharpness))
            }
            _ => scores,
        }
    }
}

impl Block {
    fn new(store: &mut Parameters, rng: &mut ChaCha8Rng) -> Self {
        let mut norm = |name: &str| {
            let gain = store.add(&format!("policy.block.{name}.gain"), vec![1.0; WIDTH], 1, WIDTH);
            (gain, store.add(&format!("policy.block.{name}.bias"), vec![0.0; WIDTH], 1, WIDTH))
        };
        let norms = [norm("norm.0"), norm("norm.1")];
        Block {
            norms,
            projection: store.add_linear("policy.block.attention", WIDTH, 3 * WIDTH, rng),
            output: store.add_linear("policy.block.output", WIDTH, WIDTH, rng),
            network: [
                store.add_linear("policy.block.network.0", WIDTH, HIDDEN, rng),
                store.add_linear("policy.block.network.1", HIDDEN, WIDTH, rng),
            ],
        }
    }

    fn forward<T: Tape<f32, Cpu>>(
        self,
        parameters: &Parameters,
        x: Tensor2<T>,
        lengths: &Arc<[usize]>,
    ) -> Tensor2<T> {
        let norm = |x: Tensor2<T>, (gain, bias): (ParameterId, ParameterId)| {
            layer_norm(x, parameters.get(gain), parameters.get(bias))
        };
        let projected =
            self.projection.forward(parameters, norm(x.retaped::<T>(), self.norms[0]), Activation::None);
        let attended = set_attention(projected, Arc::clone(lengths));
        let x = self.output.forward(parameters, attended, Activation::None) + x;
        let hidden =
            self.network[0].forward(parameters, norm(x.retaped::<T>(), self.norms[1]), Activation::Relu);
        self.network[1].forward(parameters, hidden, Activation::None) + x
    }
}
