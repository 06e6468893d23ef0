//! One training of a network over pairs, and how a model that was not trained with gets its vector.

use dfdx::prelude::*;

use super::{Output, PairNetwork, PairPredictor, SERVING_BLOCK, Targets, Trial, VECTORS};
use crate::error::{Error, Result};
use crate::linalg::{Matrix, add_normals, kernels};
use crate::network::{
    Adam, BestEpoch, EarlyStopping, Owned, ParameterId, Parameters, back_propagate, untaped, view,
};
use crate::random::{ChaCha8Rng, shuffle, standard_normal};
use crate::seed::Stream;

/// Steps of Adam that place a model that joins, and their first length in units of the prior's deviation.
const JOINING_STEPS: usize = 150;
const JOINING_RATE: f32 = 0.1;
const JOINING_DECAY: f32 = 0.98;

impl<N: PairNetwork> Fitted<N> {
    /// The predictor with the vectors of the unseen models.
    pub(super) fn with_unseen(self, targets: &Targets<'_>, unseen: &[bool]) -> PairPredictor<N> {
        let mut predictor = self.predictor;
        let [mean, deviation] = predictor.network.prior(&predictor.vectors);
        let mut vectors = Vec::new();
        for model in (0..unseen.len()).filter(|&model| unseen[model]) {
            let asked: Vec<usize> = (0..targets.values.n_rows())
                .filter(|&prompt| !targets.values.row(prompt)[model].is_nan())
                .collect();
            let answers: Vec<f32> = asked.iter().map(|&prompt| targets.values.row(prompt)[model]).collect();
            vectors.extend(predictor.place(&targets.embeddings.rows_at(&asked), &answers, &mean, &deviation));
        }
        predictor.joined_vectors = Matrix::new(vectors, predictor.joined.len(), mean.len());
        predictor
    }
}

impl<N: PairNetwork> PairPredictor<N> {
    /// The mode of the posterior of a joining model's vector: m + s u with u of least sum of losses plus |u|^2 / 2, by Adam
    /// from u = 0.
    fn place(&self, embeddings: &Matrix, answers: &[f32], mean: &[f32], deviation: &[f32]) -> Vec<f32> {
        let mut placing = Parameters::new();
        let offset = placing.add("offset", vec![0.0; mean.len()], 1, mean.len());
        let vector = |placing: &Parameters| -> Vec<f32> {
            let offset = view(placing.get(offset));
            mean.iter().zip(deviation).zip(offset).map(|((mean, spread), u)| mean + spread * u).collect()
        };
        if answers.is_empty() {
            return vector(&placing);
        }
        let device = self.parameters.device();
        let seen = untaped(device, self.vectors.values().to_vec(), self.seen.len(), self.vectors.n_columns());
        let embeddings = untaped(device, embeddings.values().to_vec(), answers.len(), embeddings.n_columns());
        let prompts = self.network.for_joining(&self.parameters, &embeddings, &seen);
        let mut adam = Adam::new(&placing, JOINING_RATE, 0.0);
        for _ in 0..JOINING_STEPS {
            let at = untaped(device, vector(&placing), 1, mean.len());
            let outputs = self.network.outputs_of_joined(&self.parameters, prompts.retaped::<Owned>(), &at);
            let (_, slopes) = mean_loss(view(&outputs), answers.iter().copied(), self.output);
            let gradients = back_propagate(outputs, slopes);
            let of_vector = gradients.get(&at).as_vec();
            let n = answers.len() as f32;
            let of_offset = of_vector
                .iter()
                .zip(deviation)
                .zip(view(placing.get(offset)))
                .map(|((slope, spread), u)| slope * spread + u / n)
                .collect();
            let gradients = back_propagate(placing.get(offset).leaky_trace(), of_offset);
            if adam.update(&mut placing, gradients).is_none() {
                break;
            }
            adam.learning_rate *= JOINING_DECAY;
        }
        vector(&placing)
    }
}

/// Epochs without a lower validation loss after which training stops.
const PATIENCE: usize = 5;
/// Prompts in a minibatch.
const BATCH: usize = 64;
/// The learning rate is multiplied by this after each epoch.
const DECAY: f32 = 0.95;

/// A network trained with the seen models.
pub(super) struct Fitted<N: PairNetwork> {
    pub(super) predictor: PairPredictor<N>,
    pub(super) epochs: usize,
    /// NaN where nothing was watched.
    pub(super) watched_loss: f64,
    /// Of every epoch on the watched prompts.
    pub(super) losses: Vec<(usize, f64)>,
}

/// Trains on the prompts of `rows`. With `watched` prompts the epoch with the least loss on them is kept; without, the last.
pub(super) fn fit<N: PairNetwork>(
    targets: &Targets<'_>,
    unseen: &[bool],
    trial: &Trial<N::Design>,
    rows: &[usize],
    watched: &[usize],
    most_epochs: usize,
    stream: &Stream,
) -> Result<Fitted<N>> {
    let seen: Vec<usize> = (0..unseen.len()).filter(|&model| !unseen[model]).collect();
    let mut rng = stream.generator();
    let mut parameters = Parameters::new();
    let width = targets.embeddings.n_columns();
    let network = N::build(&trial.design, width, seen.len(), &mut parameters, &mut rng);
    let (length, spread) = (N::vector_length(&trial.design), network.first_spread());
    let first = (0..seen.len() * length).map(|_| spread * standard_normal(&mut rng) as f32).collect();
    let vectors = parameters.add(VECTORS, first, seen.len(), length);
    let mut adam = Adam::new(&parameters, trial.learning_rate as f32, 0.0);
    let mut rows = rows.to_vec();
    let mut stopping = EarlyStopping::new(PATIENCE);
    for epoch in 1..=most_epochs {
        shuffle(&mut rng, &mut rows);
        for batch in rows.chunks(BATCH) {
            let embeddings = noisy(targets.embeddings, batch, trial.noise as f32, &mut rng);
            let embeddings = untaped(parameters.device(), embeddings, batch.len(), width);
            let prompts = network.of_prompts::<Owned>(&parameters, &embeddings);
            let outputs = network.outputs(&parameters, prompts, parameters.get(vectors));
            let labels = batch.iter().flat_map(|&row| {
                let labels = targets.values.row(row);
                seen.iter().map(|&model| labels[model])
            });
            let (loss, slopes) = mean_loss(view(&outputs), labels, targets.output);
            let gradients = back_propagate(outputs, slopes);
            if !loss.is_finite() || adam.update(&mut parameters, gradients).is_none() {
                return Err(diverged(targets.name, epoch));
            }
        }
        adam.learning_rate *= DECAY;
        if watched.is_empty() {
            continue;
        }
        let loss = watched_loss(targets, &network, &parameters, vectors, &seen, watched);
        if !loss.is_finite() {
            return Err(diverged(targets.name, epoch));
        }
        if stopping.is_over(epoch, loss, &parameters) {
            break;
        }
    }
    let BestEpoch { loss, epoch, losses } = stopping.restore(&mut parameters).unwrap_or(BestEpoch {
        loss: f64::NAN,
        epoch: most_epochs,
        losses: Vec::new(),
    });
    let vectors = Matrix::new(view(parameters.get(vectors)).to_vec(), seen.len(), length);
    let joined: Vec<usize> = (0..unseen.len()).filter(|&model| unseen[model]).collect();
    let joined_vectors = Matrix::zeros(joined.len(), network.prior(&vectors)[0].len());
    let predictor = PairPredictor {
        design: trial.design.clone(),
        network,
        parameters,
        output: targets.output,
        seen,
        vectors,
        joined,
        joined_vectors,
    };
    Ok(Fitted { predictor, epochs: epoch, watched_loss: loss, losses })
}

/// The error of a loss that is no number.
pub(in crate::router) fn diverged(name: &str, epoch: usize) -> Error {
    Error::Usage(format!(
        "training of the network of {name} diverged in epoch {epoch}: the loss is not a finite number"
    ))
}

/// Rows of the embeddings with noise.
pub(in crate::router) fn noisy(
    embeddings: &Matrix,
    rows: &[usize],
    noise: f32,
    rng: &mut ChaCha8Rng,
) -> Vec<f32> {
    let mut values = embeddings.rows_at(rows).values().to_vec();
    if noise > 0.0 {
        add_normals(rng, noise, &mut values);
    }
    values
}

/// The mean loss over known cells and its gradient in the outputs.
pub(in crate::router) fn mean_loss(
    outputs: &[f32],
    labels: impl Iterator<Item = f32>,
    output: Output,
) -> (f64, Vec<f32>) {
    let (mut total, mut n_known) = (0.0, 0_usize);
    let mut slopes = Vec::with_capacity(outputs.len());
    for (&value, label) in outputs.iter().zip(labels) {
        if label.is_nan() {
            slopes.push(0.0);
            continue;
        }
        let (loss, slope) = match output {
            Output::Logit => (kernels::softplus(value) - label * value, kernels::sigmoid(value) - label),
            Output::Value => ((value - label).powi(2) / 2.0, value - label),
        };
        total += f64::from(loss);
        n_known += 1;
        slopes.push(slope);
    }
    let n_known = n_known.max(1) as f64;
    slopes.iter_mut().for_each(|slope| *slope /= n_known as f32);
    (total / n_known, slopes)
}

fn watched_loss<N: PairNetwork>(
    targets: &Targets<'_>,
    network: &N,
    parameters: &Parameters,
    vectors: ParameterId,
    seen: &[usize],
    watched: &[usize],
) -> f64 {
    let (mut total, mut n) = (0.0, 0);
    for rows in watched.chunks(SERVING_BLOCK) {
        let block = targets.embeddings.rows_at(rows);
        let block = untaped(parameters.device(), block.values().to_vec(), rows.len(), block.n_columns());
        let prompts = network.of_prompts::<NoneTape>(parameters, &block);
        let outputs = network.outputs(parameters, prompts, parameters.get(vectors));
        let labels =
            || rows.iter().flat_map(|&row| seen.iter().map(move |&model| targets.values.row(row)[model]));
        let n_known = labels().filter(|label| !label.is_nan()).count();
        total += n_known as f64 * mean_loss(view(&outputs), labels(), targets.output).0;
        n += n_known;
    }
    total / n.max(1) as f64
}
