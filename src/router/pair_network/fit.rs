//! One training of a network over pairs, and how a model that was not trained with gets its vector.

use dfdx::prelude::*;

use super::{Output, PairNetwork, PairPredictor, SERVING_BLOCK, Targets, Trial, VECTORS};
use crate::linalg::{Matrix, add_normals, kernels};
use crate::network::{Adam, Owned, ParameterId, Parameters, back_propagate, untaped, view};
use crate::random::{ChaCha8Rng, shuffle, standard_normal};
use crate::router::epochs::Learner;
use crate::seed::Stream;

/// Steps of Adam that place a model that joins, and their first length in units of the prior's deviation.
const JOINING_STEPS: usize = 150;
const JOINING_RATE: f32 = 0.1;
const JOINING_DECAY: f32 = 0.98;

impl<N: PairNetwork> PairPredictor<N> {
    /// With the vectors of the unseen models.
    pub(super) fn with_unseen(mut self, targets: &Targets<'_>, unseen: &[bool]) -> Self {
        let [mean, deviation] = self.network.prior(&self.vectors);
        let mut vectors = Vec::new();
        for model in (0..unseen.len()).filter(|&model| unseen[model]) {
            let asked: Vec<usize> = (0..targets.values.n_rows())
                .filter(|&prompt| !targets.values.row(prompt)[model].is_nan())
                .collect();
            let answers: Vec<f32> = asked.iter().map(|&prompt| targets.values.row(prompt)[model]).collect();
            vectors.extend(self.place(&targets.embeddings.rows_at(&asked), &answers, &mean, &deviation));
        }
        self.joined_vectors = Matrix::new(vectors, self.joined.len(), mean.len());
        self
    }

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

/// Prompts in a minibatch.
const BATCH: usize = 64;
/// The learning rate is multiplied by this after each epoch.
const DECAY: f32 = 0.95;

/// A network in training with the seen models.
pub(super) struct Fitting<'a, N: PairNetwork> {
    targets: &'a Targets<'a>,
    trial: &'a Trial<N::Design>,
    network: N,
    parameters: Parameters,
    vectors: ParameterId,
    seen: Vec<usize>,
    rows: Vec<usize>,
    watched: &'a [usize],
    adam: Adam,
    rng: ChaCha8Rng,
}

impl<'a, N: PairNetwork> Fitting<'a, N> {
    /// Begins to learn from the prompts of `rows`.
    pub(super) fn new(
        targets: &'a Targets<'a>,
        unseen: &[bool],
        trial: &'a Trial<N::Design>,
        [rows, watched]: [&'a [usize]; 2],
        stream: &Stream,
    ) -> Self {
        let seen: Vec<usize> = (0..unseen.len()).filter(|&model| !unseen[model]).collect();
        let mut rng = stream.generator();
        let mut parameters = Parameters::new();
        let width = targets.embeddings.n_columns();
        let network = N::build(&trial.design, width, seen.len(), &mut parameters, &mut rng);
        let (length, spread) = (N::vector_length(&trial.design), network.first_spread());
        let first = (0..seen.len() * length).map(|_| spread * standard_normal(&mut rng) as f32).collect();
        let vectors = parameters.add(VECTORS, first, seen.len(), length);
        let adam = Adam::new(&parameters, trial.learning_rate as f32, 0.0);
        let rows = rows.to_vec();
        Fitting { targets, trial, network, parameters, vectors, seen, rows, watched, adam, rng }
    }

    /// The network as it is, without vectors of the unseen models.
    pub(super) fn predictor(self, unseen: &[bool]) -> PairPredictor<N> {
        let length = N::vector_length(&self.trial.design);
        let vectors = Matrix::new(view(self.parameters.get(self.vectors)).to_vec(), self.seen.len(), length);
        let joined: Vec<usize> = (0..unseen.len()).filter(|&model| unseen[model]).collect();
        let joined_vectors = Matrix::zeros(joined.len(), self.network.prior(&vectors)[0].len());
        PairPredictor {
            design: self.trial.design.clone(),
            network: self.network,
            parameters: self.parameters,
            output: self.targets.output,
            seen: self.seen,
            vectors,
            joined,
            joined_vectors,
        }
    }

    fn labels<'b>(&'b self, rows: &'b [usize]) -> impl Iterator<Item = f32> + 'b {
        rows.iter().flat_map(|&row| {
            let labels = self.targets.values.row(row);
            self.seen.iter().map(|&model| labels[model])
        })
    }
}

impl<N: PairNetwork> Learner for Fitting<'_, N> {
    fn epoch(&mut self) -> Option<()> {
        let Targets { embeddings, output, .. } = self.targets;
        let mut rows = std::mem::take(&mut self.rows);
        shuffle(&mut self.rng, &mut rows);
        for batch in rows.chunks(BATCH) {
            let block = noisy(embeddings, batch, self.trial.noise as f32, &mut self.rng);
            let block = untaped(self.parameters.device(), block, batch.len(), embeddings.n_columns());
            let prompts = self.network.of_prompts::<Owned>(&self.parameters, &block);
            let outputs = self.network.outputs(&self.parameters, prompts, self.parameters.get(self.vectors));
            let (loss, slopes) = mean_loss(view(&outputs), self.labels(batch), *output);
            let gradients = back_propagate(outputs, slopes);
            if !loss.is_finite() {
                return None;
            }
            self.adam.update(&mut self.parameters, gradients)?;
        }
        self.rows = rows;
        self.adam.learning_rate *= DECAY;
        Some(())
    }

    fn watched_loss(&self) -> f64 {
        let Targets { embeddings, output, .. } = self.targets;
        let (mut total, mut n) = (0.0, 0);
        for rows in self.watched.chunks(SERVING_BLOCK) {
            let block = embeddings.rows_at(rows);
            let block =
                untaped(self.parameters.device(), block.values().to_vec(), rows.len(), block.n_columns());
            let prompts = self.network.of_prompts::<NoneTape>(&self.parameters, &block);
            let outputs = self.network.outputs(&self.parameters, prompts, self.parameters.get(self.vectors));
            let n_known = self.labels(rows).filter(|label| !label.is_nan()).count();
            total += n_known as f64 * mean_loss(view(&outputs), self.labels(rows), *output).0;
            n += n_known;
        }
        total / n.max(1) as f64
    }
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
