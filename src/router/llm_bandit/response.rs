//! The response network of the identity vectors: f and g for pairs of a prompt and an identity, and the gradient of f.
//!
//! ```text
//! h_1 = relu(P e + Q I + b_1)    h_2 = relu(W h_1 + b_2)    (f, g) = (u . h_2, v . h_2) + b_3
//! ```
//!
//! `identity` trains it; afterwards it is frozen.

use dfdx::prelude::*;

use crate::linalg::{Matrix, Strided, multiply};
use crate::network::{
    Activation, Linear, ParameterId, Parameters, Tensor2, linear, outer_add_relu, untaped, view,
};
use crate::random::ChaCha8Rng;
use crate::seed::Stream;

/// The response network f, frozen.
#[derive(Clone)]
pub(crate) struct ResponseNetwork {
    pub(super) parameters: Parameters,
    pub(super) layers: Layers,
}

#[derive(Clone, Copy)]
pub(super) struct Layers {
    prompt: Linear,
    identity: ParameterId,
    hidden: Linear,
    heads: Linear,
}

/// Prompts whose pairs are computed at once when serving: their hidden layers stay in the cache.
pub(super) const SERVING_BLOCK: usize = 32;

/// What one model's answers, spread over prompts, tell about its identity: f and its gradient.
pub(crate) struct Responses {
    /// f for each prompt.
    pub(crate) logits: Vec<f32>,
    /// The gradient of f in I, prompts x dimensions.
    pub(crate) gradients: Matrix,
}

impl Layers {
    pub(super) fn new(
        parameters: &mut Parameters,
        width: usize,
        d: usize,
        [first, second]: [usize; 2],
        rng: &mut ChaCha8Rng,
    ) -> Self {
        let prompt = parameters.add_linear("response.prompt", width.max(1), first, rng);
        // The identity's part of the first layer shares the prompt's bias.
        let identity = parameters.add_linear("response.identity", d, first, rng).weight;
        let hidden = parameters.add_linear("response.hidden", first, second, rng);
        let heads = parameters.add_linear("response.heads", second, 2, rng);
        Layers { prompt, identity, hidden, heads }
    }

    /// (f, g) for every pair, prompts x models rows, the models of the first prompt first.
    pub(super) fn forward<T: Tape<f32, Cpu>>(
        self,
        parameters: &Parameters,
        embeddings: &Tensor2,
        identities: Tensor2<T>,
    ) -> Tensor2<T> {
        let p = self.prompt.of_data(parameters, embeddings, Activation::None);
        let q = linear(identities, parameters.get(self.identity), None, Activation::None, true);
        let first = outer_add_relu(p, q);
        let second = self.hidden.forward(parameters, first, Activation::Relu);
        self.heads.forward(parameters, second, Activation::None)
    }

    /// f for every pair, prompts x models.
    pub(super) fn logits(self, parameters: &Parameters, embeddings: &Matrix, identities: &Matrix) -> Matrix {
        let (n_prompts, n_models) = (embeddings.n_rows(), identities.n_rows());
        let device = parameters.device();
        let identities = untaped(device, identities.values().to_vec(), n_models, identities.n_columns());
        let mut logits = Vec::with_capacity(n_prompts * n_models);
        let rows: Vec<usize> = (0..n_prompts).collect();
        for rows in rows.chunks(SERVING_BLOCK) {
            let heads = self.forward::<NoneTape>(
                parameters,
                &block(parameters, embeddings, rows),
                identities.clone(),
            );
            logits.extend(view(&heads).as_chunks::<2>().0.iter().map(|[f, _]| *f));
        }
        Matrix::new(logits, n_prompts, n_models)
    }
}

pub(super) fn block(parameters: &Parameters, embeddings: &Matrix, rows: &[usize]) -> Tensor2 {
    let mut values = Vec::with_capacity(rows.len() * embeddings.n_columns());
    rows.iter().for_each(|&row| values.extend_from_slice(embeddings.row(row)));
    untaped(parameters.device(), values, rows.len(), embeddings.n_columns())
}

impl ResponseNetwork {
    /// Dimensions of an identity vector.
    pub(crate) fn dimensions(&self) -> usize {
        self.parameters.get(self.layers.identity).shape().1
    }

    /// f for every prompt and identity vector: prompts x models.
    pub(crate) fn logits(&self, embeddings: &Matrix, identities: &Matrix) -> Matrix {
        self.layers.logits(&self.parameters, embeddings, identities)
    }

    /// f of one model on every prompt, with its gradient in the identity vector.
    pub(crate) fn responses(&self, embeddings: &Matrix, identity: &[f32]) -> Responses {
        let d = identity.len();
        let mut logits = Vec::with_capacity(embeddings.n_rows());
        let mut gradients = Vec::with_capacity(embeddings.n_rows() * d);
        self.each_response(embeddings, &Matrix::new(identity.to_vec(), 1, d), |_, _, responses| {
            logits.extend(responses.logits);
            gradients.extend_from_slice(responses.gradients.values());
        });
        Responses { logits, gradients: Matrix::new(gradients, embeddings.n_rows(), d) }
    }

    /// f and its gradient for several models, block of prompts by block: `visit` is told the first prompt of the block,
    /// the model, and its responses to the block. A prompt's part of the first layer is made once for all models.
    pub(crate) fn each_response(
        &self,
        embeddings: &Matrix,
        identities: &Matrix,
        mut visit: impl FnMut(usize, usize, Responses),
    ) {
        let (network, layers, d) = (&self.parameters, self.layers, identities.n_columns());
        let device = network.device();
        let output = &view(network.get(layers.heads.weight))[..network.get(layers.heads.weight).shape().1];
        let of_identity = |identity: &[f32]| {
            let identity = untaped(device, identity.to_vec(), 1, d);
            linear(identity, network.get(layers.identity), None, Activation::None, false)
        };
        let of_identities: Vec<Tensor2> = identities.rows().map(of_identity).collect();
        let rows: Vec<usize> = (0..embeddings.n_rows()).collect();
        for rows in rows.chunks(SERVING_BLOCK * 8) {
            let p: Tensor2 =
                layers.prompt.of_data(network, &block(network, embeddings, rows), Activation::None);
            for (model, q) in of_identities.iter().enumerate() {
                let first = outer_add_relu(p.clone(), q.clone());
                let second = layers.hidden.forward(network, first.clone(), Activation::Relu);
                let heads = layers.heads.forward(network, second.clone(), Activation::None);
                let logits = view(&heads).as_chunks::<2>().0.iter().map(|[f, _]| *f).collect();
                // Back through the two hidden layers: u where h_2 > 0, then W where h_1 > 0, then Q.
                let width = second.shape().1;
                let back: Vec<f32> = view(&second)
                    .chunks_exact(width)
                    .flat_map(|row| row.iter().zip(output).map(|(h, u)| if *h > 0.0 { *u } else { 0.0 }))
                    .collect();
                let back = untaped(device, back, rows.len(), width);
                let back = times(&back, network.get(layers.hidden.weight));
                let back: Vec<f32> =
                    back.iter().zip(view(&first)).map(|(g, h)| if *h > 0.0 { *g } else { 0.0 }).collect();
                let back = untaped(device, back, rows.len(), first.shape().1);
                let gradients = Matrix::new(times(&back, network.get(layers.identity)), rows.len(), d);
                visit(rows[0], model, Responses { logits, gradients });
            }
        }
    }

    /// A network of these widths, whose weights are yet to be loaded.
    pub(crate) fn blank(embedding_width: usize, dimensions: usize, hidden: [usize; 2]) -> Self {
        let mut parameters = Parameters::new();
        let mut rng = Stream::root(0).generator();
        let layers = Layers::new(&mut parameters, embedding_width, dimensions, hidden, &mut rng);
        ResponseNetwork { parameters, layers }
    }

    /// The network's parameters, to be replaced.
    pub(crate) fn parameters_mut(&mut self) -> &mut Parameters {
        &mut self.parameters
    }

    /// The network's parameters.
    pub(crate) fn parameters(&self) -> &Parameters {
        &self.parameters
    }
}

/// x w, rows x n_in, for x rows x n_out and w n_out x n_in.
fn times(x: &Tensor2, w: &Tensor2) -> Vec<f32> {
    let ((n_rows, n_out), (_, n_in)) = (*x.shape(), *w.shape());
    let mut product = vec![0.0; n_rows * n_in];
    let (x, w) = (Strided::row_major(view(x), n_rows, n_out), Strided::row_major(view(w), n_out, n_in));
    multiply(x, w, &mut product);
    product
}
