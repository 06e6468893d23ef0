//! Model identity vectors by variational item response theory over prompt embeddings (arXiv 2502.02743, section 3.1,
//! equations 2 to 4).
//!
//! A model k has a latent vector I_k with posterior N(mu_k, diag sigma_k^2) and prior N(0, 1) per element. It answers a
//! prompt with embedding e well with probability sigmoid(f(e, I_k)), and beats model j with probability
//! sigmoid(g(e, I_k) - g(e, I_j)); f and g are two outputs of one network,
//!
//! ```text
//! h_1 = relu(P e + Q I + b_1)    h_2 = relu(W h_1 + b_2)    (f, g) = (u . h_2, v . h_2) + b_3
//! ```
//!
//! trained on samples of the posteriors by cross-entropy on answers, cross-entropy on comparisons, and the divergence of
//! the posteriors from the prior with the weight of one observation, 1 / N. A minibatch is a block of prompts with all
//! their models: P e is made once a prompt and Q I once a model, so that a pair costs an addition and the rest.

use std::sync::Arc;

use super::response::{Layers, ResponseNetwork, SERVING_BLOCK, block};
use super::settings::IdentitySettings;
use crate::linalg::{Matrix, add_normals, kernels};
use crate::network::{
    Adam, EarlyStopping, Owned, ParameterId, Parameters, Tensor2, back_propagate, reparameterise, view,
};
use crate::random::{ChaCha8Rng, index_below, shuffle, standard_normal};
use crate::seed::Stream;
use dfdx::prelude::*;

/// What identity vectors are learned from.
pub(crate) struct Observations<'a> {
    /// Prompts x width.
    pub(crate) embeddings: &'a Matrix,
    /// Prompts x models, in [0, 1]; NaN where unknown.
    pub(crate) labels: &'a Matrix,
    /// For each prompt the pairs of models that were compared on it: (a, b, 1 where a won, 1/2 for a tie).
    pub(crate) comparisons: &'a [Vec<(usize, usize, f32)>],
}

/// The posterior of models' identity vectors.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Identities {
    /// Models x dimensions.
    pub(crate) mean: Matrix,
    /// Models x dimensions.
    pub(crate) variance: Matrix,
}

/// A trained network and the identity vectors of the models it was trained with.
#[derive(Clone)]
pub(crate) struct Fitted {
    pub(crate) network: ResponseNetwork,
    pub(crate) identities: Identities,
    /// The epoch whose weights were kept, counted from 1.
    pub(crate) epochs: usize,
    /// Mean cross-entropy of the answers to the watched prompts after that epoch; `None` where none were watched.
    pub(crate) watched_loss: Option<f64>,
    /// Of every epoch on the watched prompts.
    pub(crate) losses: Vec<(usize, f64)>,
}

/// Training went wrong.
#[derive(Debug)]
pub(crate) struct Diverged {
    pub(crate) step: usize,
}

/// Trains on the prompts of `rows`. With `watched` prompts the epoch with the least loss on them is kept; without, the
/// last of `epochs`.
///
/// # Errors
/// A loss or gradient that is no finite number.
pub(crate) fn fit(
    observations: &Observations<'_>,
    rows: &[usize],
    watched: &[usize],
    settings: &IdentitySettings,
    epochs: usize,
    stream: &Stream,
) -> Result<Fitted, Diverged> {
    let mut rng = stream.generator();
    let (n_models, width) = (observations.labels.n_columns(), observations.embeddings.n_columns());
    let mut training = Training::new(n_models, width, settings, &mut rng);
    let n_observations =
        rows.iter().map(|&row| known(observations.labels.row(row)).count()).sum::<usize>().max(1);
    let mut rows = rows.to_vec();
    let prompts_per_batch = (settings.batch / n_models).max(1);
    // All epochs are run: the learning rate falls over them, and late ones may still be the best.
    let mut stopping = EarlyStopping::new(epochs);
    let mut step = 0;
    for epoch in 1..=epochs {
        shuffle(&mut rng, &mut rows);
        for batch in rows.chunks(prompts_per_batch) {
            training
                .step(observations, batch, 1.0 / n_observations as f64, &mut rng)
                .ok_or(Diverged { step })?;
            step += 1;
        }
        training.adam.learning_rate *= settings.decay as f32;
        if !watched.is_empty() {
            let loss = training.loss(observations, watched);
            if !loss.is_finite() {
                return Err(Diverged { step });
            }
            stopping.is_over(epoch, loss, &training.parameters);
        }
    }
    let (watched_loss, epochs, losses) = match stopping.restore(&mut training.parameters) {
        Some(best) => (Some(best.loss), best.epoch, best.losses),
        None => (None, epochs, Vec::new()),
    };
    let identities = training.identities();
    let network = ResponseNetwork { parameters: training.parameters, layers: training.layers };
    Ok(Fitted { network, identities, epochs, watched_loss, losses })
}

/// The positions and values of known labels.
fn known(labels: &[f32]) -> impl Iterator<Item = (usize, f32)> {
    labels.iter().copied().enumerate().filter(|(_, label)| !label.is_nan())
}

struct Training {
    parameters: Parameters,
    layers: Layers,
    mean: ParameterId,
    ln_deviation: ParameterId,
    adam: Adam,
    comparison_weight: f32,
}

impl Training {
    fn new(n_models: usize, width: usize, settings: &IdentitySettings, rng: &mut ChaCha8Rng) -> Self {
        let (d, [first, second]) = (settings.dimensions, settings.hidden);
        let mut parameters = Parameters::new();
        let layers = Layers::new(&mut parameters, width, d, [first, second], rng);
        let mean = (0..n_models * d).map(|_| 0.1 * standard_normal(rng) as f32).collect();
        let mean = parameters.add("identity.mean", mean, n_models, d);
        // A narrow start, e^-2: wide samples would drown the first answers in noise.
        let ln_deviation = parameters.add("identity.ln-deviation", vec![-2.0; n_models * d], n_models, d);
        let adam = Adam::new(&parameters, settings.learning_rate as f32, 0.0);
        let comparison_weight = settings.comparison_weight as f32;
        Training { parameters, layers, mean, ln_deviation, adam, comparison_weight }
    }

    fn step(
        &mut self,
        observations: &Observations<'_>,
        batch: &[usize],
        observation_weight: f64,
        rng: &mut ChaCha8Rng,
    ) -> Option<()> {
        let (parameters, layers) = (&self.parameters, self.layers);
        let (n_models, d) = *parameters.get(self.mean).shape();
        let mut noise = vec![0.0; n_models * d];
        add_normals(rng, 1.0, &mut noise);
        let noise: Arc<[f32]> = noise.into();
        let (mean, ln_deviation) = (parameters.get(self.mean), parameters.get(self.ln_deviation));
        let prior = divergence_objective(mean, ln_deviation, observation_weight);
        let sample = reparameterise(mean.retaped::<Owned>(), ln_deviation, noise);
        let heads = layers.forward(parameters, &block(parameters, observations.embeddings, batch), sample);
        let (loss, gradient) =
            response_loss(view(&heads), n_models, batch, observations, self.comparison_weight, rng);
        if !(loss + prior.loss).is_finite() {
            return None;
        }
        let mut gradients = back_propagate(heads, gradient);
        let parameters = [(mean, prior.mean), (ln_deviation, prior.ln_deviation)];
        for (parameter, gradient) in parameters {
            let sum = gradients.get_or_alloc_mut(parameter).expect("memory for one gradient");
            kernels::add_assign(&gradient, sum);
        }
        self.adam.update(&mut self.parameters, gradients).map(|_| ())
    }

    /// Mean cross-entropy of known answers at the posterior means.
    fn loss(&self, observations: &Observations<'_>, rows: &[usize]) -> f64 {
        let identities = view(self.parameters.get(self.mean));
        let d = self.parameters.get(self.mean).shape().1;
        let identities = Matrix::new(identities.to_vec(), observations.labels.n_columns(), d);
        let (mut total, mut n) = (0.0, 0_usize);
        for rows in rows.chunks(SERVING_BLOCK) {
            let logits =
                self.layers.logits(&self.parameters, &observations.embeddings.rows_at(rows), &identities);
            for (&row, logits) in rows.iter().zip(logits.rows()) {
                for (model, label) in known(observations.labels.row(row)) {
                    total += f64::from(kernels::softplus(logits[model]) - label * logits[model]);
                    n += 1;
                }
            }
        }
        total / n.max(1) as f64
    }

    fn identities(&self) -> Identities {
        let (n_models, d) = *self.parameters.get(self.mean).shape();
        let variance =
            view(self.parameters.get(self.ln_deviation)).iter().map(|ln| kernels::exp(2.0 * ln)).collect();
        Identities {
            mean: Matrix::new(view(self.parameters.get(self.mean)).to_vec(), n_models, d),
            variance: Matrix::new(variance, n_models, d),
        }
    }
}

/// The loss of a batch and its gradient in (f, g): mean cross-entropy of known answers plus `weight` times that of
/// comparisons. Prompts without recorded comparisons get one derived from the labels of two random models.
fn response_loss(
    heads: &[f32],
    n_models: usize,
    batch: &[usize],
    observations: &Observations<'_>,
    weight: f32,
    rng: &mut ChaCha8Rng,
) -> (f32, Vec<f32>) {
    let n_answers: usize = batch.iter().map(|&row| known(observations.labels.row(row)).count()).sum();
    let scale = 1.0 / n_answers.max(1) as f32;
    let (mut loss, mut gradient) = (0.0, vec![0.0; heads.len()]);
    let blocks = heads.chunks_exact(2 * n_models).zip(gradient.chunks_exact_mut(2 * n_models));
    for (&row, (heads, gradient)) in batch.iter().zip(blocks) {
        let labels = observations.labels.row(row);
        for (model, label) in known(labels) {
            let f = heads[2 * model];
            loss += scale * (kernels::softplus(f) - label * f);
            gradient[2 * model] = scale * (kernels::sigmoid(f) - label);
        }
        if weight == 0.0 {
            continue;
        }
        let mut compare = |a: usize, b: usize, a_wins: f32, scale: f32| {
            let difference = heads[2 * a + 1] - heads[2 * b + 1];
            loss += scale * (kernels::softplus(difference) - a_wins * difference);
            let slope = scale * (kernels::sigmoid(difference) - a_wins);
            gradient[2 * a + 1] += slope;
            gradient[2 * b + 1] -= slope;
        };
        let recorded = &observations.comparisons[row];
        if recorded.is_empty() {
            // As many comparisons as half the models, so that both losses see about as many answers.
            let models: Vec<usize> = known(labels).map(|(model, _)| model).collect();
            if models.len() < 2 {
                continue;
            }
            for _ in 0..models.len() / 2 {
                let a = index_below(rng, models.len());
                let b = (a + 1 + index_below(rng, models.len() - 1)) % models.len();
                let (a, b) = (models[a], models[b]);
                let a_wins = 0.5 + 0.5 * (labels[a] - labels[b]);
                compare(a, b, a_wins, 2.0 * weight * scale);
            }
        } else {
            recorded.iter().for_each(|&(a, b, a_wins)| compare(a, b, a_wins, weight * scale));
        }
    }
    (loss, gradient)
}

/// weight x KL(N(mean, e^(2 ln_deviation)) || N(0, 1)) and its gradients.
struct Divergence {
    loss: f32,
    mean: Vec<f32>,
    ln_deviation: Vec<f32>,
}

fn divergence_objective(mean: &Tensor2, ln_deviation: &Tensor2, weight: f64) -> Divergence {
    let (mean, ln_deviation) = (view(mean), view(ln_deviation));
    Divergence {
        loss: (weight * divergence(mean, ln_deviation)) as f32,
        mean: mean.iter().map(|mean| weight as f32 * mean).collect(),
        ln_deviation: ln_deviation.iter().map(|ln| weight as f32 * (kernels::exp(2.0 * ln) - 1.0)).collect(),
    }
}

/// KL(N(mean, deviation^2) || N(0, 1)) summed over independent elements (equation 4):
/// 1/2 sum_j (sigma_j^2 + mu_j^2 - 1 - ln sigma_j^2).
fn divergence(mean: &[f32], ln_deviation: &[f32]) -> f64 {
    let element = |(mean, ln): (&f32, &f32)| {
        let (mean, ln) = (f64::from(*mean), f64::from(*ln));
        0.5 * ((2.0 * ln).exp() + mean * mean - 1.0 - 2.0 * ln)
    };
    mean.iter().zip(ln_deviation).map(element).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_divergence_has_its_known_values() {
        assert!((divergence(&[0.5], &[0.8_f32.ln()]) - 0.168_143_551).abs() < 1e-6);
        assert!((divergence(&[1.0], &[0.049_f32.ln()]) - 3.017_135_481).abs() < 1e-5);
        assert_eq!(divergence(&[0.0], &[0.0]), 0.0);
    }

    #[test]
    fn gradients_of_the_losses_agree_with_finite_differences() {
        let labels = Matrix::new(vec![1.0, 0.0, 0.3, f32::NAN, 1.0, 0.0], 2, 3);
        let embeddings = Matrix::zeros(2, 1);
        let comparisons = [vec![(0, 2, 1.0), (1, 2, 0.5)], vec![]];
        let observations =
            Observations { embeddings: &embeddings, labels: &labels, comparisons: &comparisons };
        let heads: Vec<f32> = (0..12).map(|i| (i * 7 % 5) as f32 * 0.4 - 0.7).collect();
        // The same derived comparisons at every evaluation.
        let at = |heads: &[f32]| {
            response_loss(heads, 3, &[0, 1], &observations, 0.7, &mut Stream::root(1).generator())
        };
        let (_, gradient) = at(&heads);
        for element in 0..heads.len() {
            let moved = |step: f32| {
                let mut heads = heads.clone();
                heads[element] += step;
                at(&heads).0
            };
            let expected = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            assert!(
                (gradient[element] - expected).abs() < 1e-3,
                "{element}: {} {expected}",
                gradient[element]
            );
        }
    }

    /// Prompts on a circle; model k answers those well that lie in its direction.
    fn circle(n_prompts: usize, n_models: usize, seed: u64) -> (Matrix, Matrix, Matrix) {
        let mut rng = Stream::root(seed).generator();
        let tau = std::f64::consts::TAU;
        let mut embeddings = Vec::new();
        let (mut truth, mut labels) = (Vec::new(), Vec::new());
        for _ in 0..n_prompts {
            let angle = tau * crate::random::uniform(&mut rng);
            embeddings.extend([angle.cos() as f32, angle.sin() as f32]);
            for model in 0..n_models {
                let logit = 3.0 * (angle - tau * model as f64 / n_models as f64).cos();
                let p = 1.0 / (1.0 + (-logit).exp());
                truth.push(p as f32);
                labels.push(f32::from(crate::random::bernoulli(&mut rng, p)));
            }
        }
        let matrix = |values, columns| Matrix::new(values, n_prompts, columns);
        (matrix(embeddings, 2), matrix(truth, n_models), matrix(labels, n_models))
    }

    #[test]
    fn identities_explain_answers_they_were_not_learned_from() {
        let (embeddings, truth, labels) = circle(600, 6, 3);
        let comparisons = vec![Vec::new(); 600];
        let observations =
            Observations { embeddings: &embeddings, labels: &labels, comparisons: &comparisons };
        let settings =
            IdentitySettings { dimensions: 4, hidden: [32, 16], learning_rate: 5e-3, ..Default::default() };
        let rows: Vec<usize> = (0..400).collect();
        let fitted = fit(&observations, &rows, &[], &settings, 20, &Stream::root(4)).unwrap();
        let logits = fitted.network.logits(&embeddings, &fitted.identities.mean);
        let error: f64 = (400..600)
            .flat_map(|row| logits.row(row).iter().zip(truth.row(row)))
            .map(|(logit, p)| f64::from(kernels::sigmoid(*logit) - p).abs())
            .sum::<f64>()
            / 1200.0;
        // A constant per model would be off by about 0.34.
        assert!(error < 0.1, "mean absolute error {error}");
    }

    #[test]
    fn the_gradient_in_the_identity_agrees_with_finite_differences() {
        let (embeddings, _, labels) = circle(40, 3, 5);
        let comparisons = vec![Vec::new(); 40];
        let observations =
            Observations { embeddings: &embeddings, labels: &labels, comparisons: &comparisons };
        let settings = IdentitySettings { dimensions: 3, hidden: [16, 8], ..Default::default() };
        let rows: Vec<usize> = (0..40).collect();
        let network = fit(&observations, &rows, &[], &settings, 3, &Stream::root(6)).unwrap().network;
        let identity = [0.3, -0.5, 0.8];
        let found = network.responses(&embeddings, &identity);
        for element in 0..3 {
            let moved = |step: f32| {
                let mut identity = identity;
                identity[element] += step;
                network.logits(&embeddings, &Matrix::new(identity.to_vec(), 1, 3))
            };
            let (up, down) = (moved(1e-3), moved(-1e-3));
            for row in 0..40 {
                let expected = (up.row(row)[0] - down.row(row)[0]) / 2e-3;
                let found = found.gradients.row(row)[element];
                assert!((found - expected).abs() < 2e-3, "{row}, {element}: {found} {expected}");
            }
        }
    }
}
