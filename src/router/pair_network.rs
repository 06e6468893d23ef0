//! Networks that predict an outcome for every pair of a prompt and a model, from the prompt's embedding and a vector of the
//! model: how they are trained, tuned, and how a model that was not trained with joins them.
//!
//! A network says what it makes of a prompt and how that meets a model's vector; the rest is common to `mlp`, `embedllm`,
//! `mirt`, `nirt`, and the network heads of `carrot`. Training minimises the mean loss over the known cells of minibatches of
//! prompts with all seen models, by Adam, with normal noise on the embeddings, which acts as a ridge (Bishop 1995). Of the
//! designs tried the one with the least loss on validation prompts is kept, with the epochs after which it was least; then the
//! network is trained anew on all development prompts for as many epochs.
//!
//! An unseen model's vector is the mode of its posterior given its quiz, with the network frozen. The prior is normal, element
//! by element, with the mean and the spread of the seen models' vectors. Without any answer the model is an average one.

use dfdx::prelude::*;

use super::Training;
use super::plug_in::ScorePredictor;
use super::tuning::{N_FOLDS, best, folds};
use crate::data::Prompts;
use crate::error::{Error, Result};
use crate::linalg::{Matrix, kernels};
use crate::network::{Adam, Owned, ParameterId, Parameters, Tensor2, back_propagate, untaped, view};
use crate::random::{ChaCha8Rng, shuffle, standard_normal};
use crate::seed::Stream;

/// A network over pairs.
pub(super) trait PairNetwork: Clone + Send + Sync + 'static {
    /// What there is to choose of it.
    type Design: Clone + Send + Sync;

    /// Adds fresh layers for embeddings of that width.
    fn build(
        design: &Self::Design,
        width: usize,
        n_models: usize,
        parameters: &mut Parameters,
        rng: &mut ChaCha8Rng,
    ) -> Self;

    /// Length of a model's vector.
    fn vector_length(&self) -> usize;

    /// The spread of the elements of fresh vectors.
    fn first_spread(&self) -> f32;

    /// What the network makes of prompts, one row each.
    fn of_prompts<T: Tape<f32, Cpu>>(&self, parameters: &Parameters, embeddings: &Tensor2) -> Tensor2<T>;

    /// The outputs of all pairs, prompt-major.
    fn outputs<T: Tape<f32, Cpu>>(
        &self,
        parameters: &Parameters,
        prompts: Tensor2<T>,
        vectors: &Tensor2,
    ) -> Tensor2<T>;

    /// As [`of_prompts`](Self::of_prompts), for models that join a trained network.
    fn for_joining(&self, parameters: &Parameters, embeddings: &Tensor2, _seen: &Tensor2) -> Tensor2 {
        self.of_prompts(parameters, embeddings)
    }

    /// As [`outputs`](Self::outputs), for models that join a trained network.
    fn outputs_of_joined<T: Tape<f32, Cpu>>(
        &self,
        parameters: &Parameters,
        prompts: Tensor2<T>,
        vectors: &Tensor2,
    ) -> Tensor2<T> {
        self.outputs(parameters, prompts, vectors)
    }

    /// Mean and standard deviation of every element of the vector of a model that joins.
    fn prior(&self, seen: &Matrix) -> [Vec<f32>; 2] {
        moments(seen)
    }
}

/// What an output means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// The logit of a score; the loss is cross-entropy, with the score as a soft label.
    Logit,
    /// The value itself; the loss is half the squared error.
    Value,
}

/// One design and how it is trained.
#[derive(Clone, Debug)]
pub(super) struct Trial<D> {
    pub(super) design: D,
    /// Deviation of the noise on every element of an embedding.
    pub(super) noise: f64,
    pub(super) learning_rate: f64,
}

/// A trained network with the vectors of all candidates.
#[derive(Clone)]
pub(super) struct PairPredictor<N> {
    network: N,
    parameters: Parameters,
    output: Output,
    /// The seen models, as numbers of the pool, and their vectors.
    seen: Vec<usize>,
    vectors: Matrix,
    /// Likewise of the unseen models.
    joined: Vec<usize>,
    joined_vectors: Matrix,
}

/// A tuned network, and all that is needed to train its like again.
pub(super) struct Tuned<N: PairNetwork> {
    pub(super) predictor: PairPredictor<N>,
    pub(super) trial: Trial<N::Design>,
    pub(super) epochs: usize,
    pub(super) validation_loss: f64,
}

/// What is learned: embeddings and targets of the development prompts, prompts x models, NaN where unknown.
pub(super) struct Targets<'a> {
    /// Whose training is to blame if it diverges.
    pub(super) name: &'static str,
    pub(super) embeddings: &'a Matrix,
    pub(super) values: Matrix,
    pub(super) output: Output,
    pub(super) stream: Stream,
}

const MOST_EPOCHS: usize = 40;
/// Epochs without a lower validation loss after which training stops.
const PATIENCE: usize = 5;
/// Prompts in a minibatch.
const BATCH: usize = 64;
/// The learning rate is multiplied by this after each epoch.
const DECAY: f32 = 0.95;
/// No element of the prior is narrower.
const LEAST_DEVIATION: f32 = 1e-3;
/// Steps of Adam that place a model that joins, and their first length in units of the prior's deviation.
const JOINING_STEPS: usize = 150;
const JOINING_RATE: f32 = 0.1;
const JOINING_DECAY: f32 = 0.98;
/// Prompts that are served at once.
const SERVING_BLOCK: usize = 256;

/// Mean and standard deviation of each column.
pub(super) fn moments(rows: &Matrix) -> [Vec<f32>; 2] {
    let n = rows.n_rows() as f32;
    let column = |j: usize| rows.rows().map(move |row| row[j]);
    let mean: Vec<f32> = (0..rows.n_columns()).map(|j| column(j).sum::<f32>() / n).collect();
    let deviation = |j: usize| {
        let squares: f32 = column(j).map(|value| (value - mean[j]).powi(2)).sum();
        (squares / (n - 1.0).max(1.0)).sqrt().max(LEAST_DEVIATION)
    };
    let deviations = (0..rows.n_columns()).map(deviation).collect();
    [mean, deviations]
}

/// The scores of development prompts as targets.
pub(super) fn score_targets<'a>(name: &'static str, training: &Training<'a>) -> Targets<'a> {
    let (data, outcomes) = (training.data(), training.outcomes());
    let cells = (0..data.prompts.len()).flat_map(|prompt| outcomes.score.row(prompt));
    let values = cells.map(|score| score.map_or(f32::NAN, |score| score as f32)).collect();
    Targets {
        name,
        embeddings: &data.prompts.embeddings,
        values: Matrix::new(values, data.prompts.len(), data.n_models()),
        output: Output::Logit,
        stream: training.stream().named(name),
    }
}

/// Tries the designs, keeps the best, trains it on all development prompts, and lets the unseen models join.
///
/// # Errors
/// Training that diverges.
pub(super) fn tune<N: PairNetwork>(
    training: &Training<'_>,
    targets: &Targets<'_>,
    trials: &[Trial<N::Design>],
) -> Result<Tuned<N>> {
    let data = training.data();
    let rows: Vec<usize> = (0..data.n_training).collect();
    let watched: Vec<usize> = (data.n_training..data.prompts.len()).collect();
    let mut results = Vec::new();
    for (at, trial) in trials.iter().enumerate() {
        let stream = targets.stream.named("trial").numbered(at);
        let fitted = fit::<N>(targets, &data.unseen, trial, &rows, &watched, MOST_EPOCHS, &stream)?;
        results.push((fitted.watched_loss, fitted.epochs));
    }
    let chosen = best(&results.iter().map(|(loss, _)| -loss).collect::<Vec<_>>());
    let (validation_loss, epochs) = results[chosen];
    let all: Vec<usize> = (0..data.prompts.len()).collect();
    let stream = targets.stream.named("development");
    let fitted = fit::<N>(targets, &data.unseen, &trials[chosen], &all, &[], epochs, &stream)?;
    let predictor = fitted.with_unseen(targets, &data.unseen);
    Ok(Tuned { predictor, trial: trials[chosen].clone(), epochs, validation_loss })
}

impl<N: PairNetwork> Tuned<N> {
    /// Predictions for the development prompts, each by a network that has not seen its fold; those of unseen models, of
    /// which no network has seen anything, as they are.
    ///
    /// # Errors
    /// Training that diverges.
    pub(super) fn out_of_fold(&self, training: &Training<'_>, targets: &Targets<'_>) -> Result<Matrix> {
        let data = training.data();
        let stream = targets.stream.named("folds");
        let folds = folds(&data.prompts.text_groups, &stream);
        let mut predictions = self.predictor.predict_rows(targets.embeddings);
        for fold in 0..N_FOLDS {
            let in_fold = |wanted: bool| -> Vec<usize> {
                (0..folds.len()).filter(|&prompt| (folds[prompt] == fold) == wanted).collect()
            };
            let (rows, held_out) = (in_fold(false), in_fold(true));
            let fitted = fit::<N>(
                targets,
                &data.unseen,
                &self.trial,
                &rows,
                &[],
                self.epochs,
                &stream.numbered(fold),
            )?;
            let of_fold = fitted.predictor.predict_rows(&targets.embeddings.rows_at(&held_out));
            for (&prompt, of_fold) in held_out.iter().zip(of_fold.rows()) {
                for &model in &fitted.predictor.seen {
                    predictions.row_mut(prompt)[model] = of_fold[model];
                }
            }
        }
        Ok(predictions)
    }
}

impl<N: PairNetwork> ScorePredictor for PairPredictor<N> {
    fn predict(&self, prompts: &Prompts) -> Matrix {
        self.predict_rows(&prompts.embeddings)
    }
}

impl<N: PairNetwork> PairPredictor<N> {
    /// Predictions for embeddings, rows x candidates.
    pub(super) fn predict_rows(&self, embeddings: &Matrix) -> Matrix {
        let device = self.parameters.device();
        let tensor = |m: &Matrix| untaped(device, m.values().to_vec(), m.n_rows(), m.n_columns());
        let (seen, joined) = (tensor(&self.vectors), tensor(&self.joined_vectors));
        let mut predictions = Matrix::zeros(embeddings.n_rows(), self.seen.len() + self.joined.len());
        let rows: Vec<usize> = (0..embeddings.n_rows()).collect();
        for rows in rows.chunks(SERVING_BLOCK) {
            let block = tensor(&embeddings.rows_at(rows));
            let prompts = self.network.of_prompts::<NoneTape>(&self.parameters, &block);
            let outputs = self.network.outputs(&self.parameters, prompts, &seen);
            scatter(view(&outputs), &self.seen, rows, self.output, &mut predictions);
            if !self.joined.is_empty() {
                let prompts = self.network.for_joining(&self.parameters, &block, &seen);
                let outputs = self.network.outputs_of_joined(&self.parameters, prompts, &joined);
                scatter(view(&outputs), &self.joined, rows, self.output, &mut predictions);
            }
        }
        predictions
    }
}

/// Puts the outputs of some prompts and models where they belong.
fn scatter(outputs: &[f32], models: &[usize], rows: &[usize], output: Output, predictions: &mut Matrix) {
    for (&row, outputs) in rows.iter().zip(outputs.chunks_exact(models.len())) {
        for (&model, &value) in models.iter().zip(outputs) {
            predictions.row_mut(row)[model] =
                if output == Output::Logit { kernels::sigmoid(value) } else { value };
        }
    }
}

/// A network trained with the seen models.
struct Fitted<N> {
    predictor: PairPredictor<N>,
    epochs: usize,
    /// NaN where nothing was watched.
    watched_loss: f64,
}

/// Trains on the prompts of `rows`. With `watched` prompts the epoch with the least loss on them is kept; without, the last.
fn fit<N: PairNetwork>(
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
    let (length, spread) = (network.vector_length(), network.first_spread());
    let first = (0..seen.len() * length).map(|_| spread * standard_normal(&mut rng) as f32).collect();
    let vectors = parameters.add("vectors", first, seen.len(), length);
    let mut adam = Adam::new(&parameters, trial.learning_rate as f32, 0.0);
    let mut rows = rows.to_vec();
    let mut least: Option<(f64, usize, Vec<Vec<f32>>)> = None;
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
        if least.as_ref().is_none_or(|(least, ..)| loss < *least) {
            least = Some((loss, epoch, parameters.snapshot()));
        }
        if least.as_ref().is_some_and(|(_, best, _)| epoch - best >= PATIENCE) {
            break;
        }
    }
    let (watched_loss, epochs) = match least {
        Some((loss, epoch, snapshot)) => {
            parameters.restore(&snapshot);
            (loss, epoch)
        }
        None => (f64::NAN, most_epochs),
    };
    let vectors = Matrix::new(view(parameters.get(vectors)).to_vec(), seen.len(), length);
    let joined: Vec<usize> = (0..unseen.len()).filter(|&model| unseen[model]).collect();
    let joined_vectors = Matrix::zeros(joined.len(), network.prior(&vectors)[0].len());
    let predictor =
        PairPredictor { network, parameters, output: targets.output, seen, vectors, joined, joined_vectors };
    Ok(Fitted { predictor, epochs, watched_loss })
}

pub(super) fn diverged(name: &str, epoch: usize) -> Error {
    Error::Usage(format!(
        "training of the network of {name} diverged in epoch {epoch}: the loss is not a finite number"
    ))
}

/// Rows of the embeddings with noise.
pub(super) fn noisy(embeddings: &Matrix, rows: &[usize], noise: f32, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let mut values = embeddings.rows_at(rows).values().to_vec();
    if noise > 0.0 {
        values.iter_mut().for_each(|value| *value += noise * standard_normal(rng) as f32);
    }
    values
}

/// The mean loss over known cells and its gradient in the outputs.
pub(super) fn mean_loss(
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

impl<N: PairNetwork> Fitted<N> {
    /// The predictor with the vectors of the unseen models.
    fn with_unseen(self, targets: &Targets<'_>, unseen: &[bool]) -> PairPredictor<N> {
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
