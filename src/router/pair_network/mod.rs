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

mod fit;

use std::collections::BTreeMap;

use dfdx::prelude::*;

use super::cost_model::CostModelKind;
use super::cross_validation::{N_FOLDS, folds};
use super::epochs::{Tried, Tuning, train};
use super::plug_in::{PlugIn, ScorePredictor};
use super::{Trained, Training};
use crate::error::Result;
use crate::linalg::{Matrix, kernels};
use crate::network::{Kept, Parameters, Parts, Tensor2, kept_as_word, untaped, view};
use crate::random::ChaCha8Rng;
use crate::router::prompts::Prompts;
use crate::seed::Stream;

use self::fit::Fitting;
pub(in crate::router) use self::fit::{mean_loss, noisy};

/// A network over pairs.
pub(in crate::router) trait PairNetwork: Clone + Send + Sync + 'static {
    /// What there is to choose of it.
    type Design: Clone + Send + Sync + Kept;

    /// Adds fresh layers for embeddings of that width.
    fn build(
        design: &Self::Design,
        width: usize,
        n_models: usize,
        parameters: &mut Parameters,
        rng: &mut ChaCha8Rng,
    ) -> Self;

    /// Length of a model's vector.
    fn vector_length(design: &Self::Design) -> usize;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(in crate::router) enum Output {
    /// The logit of a score; the loss is cross-entropy, with the score as a soft label.
    Logit,
    /// The value itself; the loss is half the squared error.
    Value,
}

kept_as_word!(Output);

/// One design and how it is trained.
#[derive(Clone, Debug)]
pub(in crate::router) struct Trial<D> {
    pub(in crate::router) design: D,
    /// Deviation of the noise on every element of an embedding.
    pub(in crate::router) noise: f64,
    pub(in crate::router) learning_rate: f64,
}

/// A trained network with the vectors of all candidates.
#[derive(Clone)]
pub(in crate::router) struct PairPredictor<N: PairNetwork> {
    design: N::Design,
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

impl<N: PairNetwork> Kept for PairPredictor<N> {
    fn keep(&self, parts: &mut Parts) {
        parts.keep("design", &self.design);
        parts.keep("output", &self.output);
        parts.keep("seen", &self.seen);
        parts.keep("vectors", &self.vectors);
        parts.keep("joined", &self.joined);
        parts.keep("joined_vectors", &self.joined_vectors);
        // Those of the models that were trained with are above.
        self.parameters.keep(parts, |name| name != VECTORS);
    }

    fn restore(parts: &mut Parts) -> Result<Self> {
        let (design, output) = (parts.take("design")?, parts.take("output")?);
        let (seen, vectors): (Vec<usize>, Matrix) = (parts.take("seen")?, parts.take("vectors")?);
        let (joined, joined_vectors): (Vec<usize>, Matrix) =
            (parts.take("joined")?, parts.take("joined_vectors")?);
        let models = [&seen[..], &joined].concat();
        parts.check(
            parts.shape().is_order(&models)
                && (vectors.n_rows(), joined_vectors.n_rows()) == (seen.len(), joined.len())
                && vectors.n_columns() == N::vector_length(&design),
        )?;
        let mut parameters = Parameters::new();
        let mut rng = Stream::root(0).generator();
        let network = N::build(&design, parts.shape().width, seen.len(), &mut parameters, &mut rng);
        parts.check(joined_vectors.n_columns() == network.prior(&vectors)[0].len())?;
        parameters.fill(parts)?;
        Ok(PairPredictor { design, network, parameters, output, seen, vectors, joined, joined_vectors })
    }
}

/// The vectors of the models that are trained with, among the parameters of a network.
const VECTORS: &str = "vectors";

/// A tuned network, and all that is needed to train its like again.
pub(in crate::router) struct Tuned<N: PairNetwork> {
    pub(in crate::router) predictor: PairPredictor<N>,
    pub(in crate::router) trial: Trial<N::Design>,
    pub(in crate::router) epochs: usize,
    pub(in crate::router) validation_loss: f64,
}

/// What is learned: embeddings and targets of the development prompts, prompts x models, NaN where unknown.
pub(in crate::router) struct Targets<'a> {
    /// Whose training is to blame if it diverges.
    pub(in crate::router) name: &'static str,
    pub(in crate::router) embeddings: &'a Matrix,
    pub(in crate::router) values: Matrix,
    pub(in crate::router) output: Output,
    pub(in crate::router) stream: Stream,
}

/// Epochs without a lower validation loss after which training stops, and the most there are.
const PATIENCE: usize = 5;
const MOST_EPOCHS: usize = 40;
/// No element of the prior is narrower.
const LEAST_DEVIATION: f32 = 1e-3;
/// Prompts that are served at once.
const SERVING_BLOCK: usize = 256;

/// Mean and standard deviation of each column.
pub(in crate::router) fn moments(rows: &Matrix) -> [Vec<f32>; 2] {
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
pub(in crate::router) fn score_targets<'a>(name: &'static str, training: &Training<'a>) -> Targets<'a> {
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

/// A design with every noise and every learning rate.
pub(in crate::router) fn grid<D: Clone>(design: D, noises: &[f64], learning_rates: &[f64]) -> Vec<Trial<D>> {
    let pairs = noises.iter().flat_map(|&noise| learning_rates.iter().map(move |&rate| (noise, rate)));
    pairs.map(|(noise, learning_rate)| Trial { design: design.clone(), noise, learning_rate }).collect()
}

/// A router of the tuned network's scores under the plug-in rule.
///
/// # Errors
/// Training that diverges.
pub(in crate::router) fn train_plug_in<N: PairNetwork>(
    name: &'static str,
    trials: &[Trial<N::Design>],
    costs: Option<CostModelKind>,
    training: &Training<'_>,
) -> Result<Trained> {
    let tuned = tune::<N>(training, &score_targets(name, training), trials)?;
    let notes = tuned.notes(trials.len());
    Ok(Trained { router: PlugIn::policy(Box::new(tuned.predictor), training.costs(costs)), notes })
}

/// Tries the designs, keeps the best, trains it on all development prompts, and lets the unseen models join.
///
/// # Errors
/// Training that diverges.
pub(in crate::router) fn tune<N: PairNetwork>(
    training: &Training<'_>,
    targets: &Targets<'_>,
    trials: &[Trial<N::Design>],
) -> Result<Tuned<N>> {
    let data = training.data();
    let all: Vec<usize> = (0..data.prompts.len()).collect();
    let (rows, watched) = all.split_at(data.n_training);
    let learners = trials.iter().enumerate().map(|(at, trial)| {
        let stream = targets.stream.named("trial").numbered(at);
        Fitting::<N>::new(targets, &data.unseen, trial, [rows, watched], &stream)
    });
    let tuning = Tuning { name: targets.name, patience: PATIENCE, most_epochs: MOST_EPOCHS };
    let Tried { design, epochs, loss: validation_loss, losses } = tuning.best(learners)?;
    if targets.output == Output::Logit {
        training.note_curve("validation loss, nats an answer", "epoch", losses);
    }
    let trial = trials[design].clone();
    let stream = targets.stream.named("development");
    let predictor = fit::<N>(targets, &data.unseen, &trial, &all, epochs, &stream)?;
    Ok(Tuned { predictor: predictor.with_unseen(targets, &data.unseen), trial, epochs, validation_loss })
}

/// Trains on the prompts of `rows` for so many epochs.
fn fit<N: PairNetwork>(
    targets: &Targets<'_>,
    unseen: &[bool],
    trial: &Trial<N::Design>,
    rows: &[usize],
    epochs: usize,
    stream: &Stream,
) -> Result<PairPredictor<N>> {
    let fitting = Fitting::<N>::new(targets, unseen, trial, [rows, &[]], stream);
    Ok(train(targets.name, fitting, epochs)?.predictor(unseen))
}

impl<N: PairNetwork> Tuned<N> {
    /// What the choice among so many trials came to.
    pub(in crate::router) fn notes(&self, n_trials: usize) -> BTreeMap<String, String> {
        BTreeMap::from([
            ("noise".to_owned(), self.trial.noise.to_string()),
            ("learning-rate".to_owned(), self.trial.learning_rate.to_string()),
            ("epochs".to_owned(), self.epochs.to_string()),
            ("validation-loss".to_owned(), format!("{:.4}", self.validation_loss)),
            ("settings-tried".to_owned(), n_trials.to_string()),
        ])
    }

    /// Predictions for the development prompts, each by a network that has not seen its fold; those of unseen models, of
    /// which no network has seen anything, as they are.
    ///
    /// # Errors
    /// Training that diverges.
    pub(in crate::router) fn out_of_fold(
        &self,
        training: &Training<'_>,
        targets: &Targets<'_>,
    ) -> Result<Matrix> {
        let data = training.data();
        let stream = targets.stream.named("folds");
        let folds = folds(&data.prompts.text_groups, &stream);
        let mut predictions = self.predictor.predict_rows(targets.embeddings);
        for fold in 0..N_FOLDS {
            let in_fold = |wanted: bool| -> Vec<usize> {
                (0..folds.len()).filter(|&prompt| (folds[prompt] == fold) == wanted).collect()
            };
            let (rows, held_out) = (in_fold(false), in_fold(true));
            let stream = stream.numbered(fold);
            let fitted = fit::<N>(targets, &data.unseen, &self.trial, &rows, self.epochs, &stream)?;
            let of_fold = fitted.predict_rows(&targets.embeddings.rows_at(&held_out));
            for (&prompt, of_fold) in held_out.iter().zip(of_fold.rows()) {
                for &model in &fitted.seen {
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
    pub(in crate::router) fn predict_rows(&self, embeddings: &Matrix) -> Matrix {
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
