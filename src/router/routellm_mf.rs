//! RouteLLM's matrix factorisation for a strong and a weak model (arXiv 2406.18665, section 4.1), in dfdx.
//!
//! A model m has the score delta(m, x) = c . (v_m / |v_m| * W x) on a prompt with embedding x, and the strong model wins
//! with probability P = sigmoid(delta(strong, x) - delta(weak, x)) (Bradley-Terry). Training minimises cross-entropy
//! with Adam; it stops when the loss on the validation prompts has not fallen for [`PATIENCE`] epochs and keeps the best
//! weights. Which model is strong is decided by the mean development score.
//!
//! Where this departs from RouteLLM: comparisons are derived from the recorded scores instead of human votes, with the
//! label (1 + s_strong - s_weak) / 2, so that a tie counts half for each side. Then 2 P - 1 is the expected gain in
//! score, and preference w asks for the threshold P >= (1 + w * (c_strong - c_weak)) / 2: a threshold on the win rate, as
//! in RouteLLM, that follows the preference and the predicted costs.

use std::collections::BTreeMap;

use dfdx::losses::binary_cross_entropy_with_logits_loss;
use dfdx::prelude::*;
use rand_chacha::ChaCha8Rng;

use super::cost_model::CostModelKind;
use super::plug_in::{PlugIn, ScorePredictor};
use super::{RouterKind, Trained, Training, Traits};
use crate::error::{Error, Result};
use crate::linalg::{Matrix, multiply};
use crate::network::kept;
use crate::random::{shuffle, uniform_f32};
use crate::router::prompts::Prompts;
use crate::router::training_data::DevelopmentOutcomes;

/// Epochs without a lower validation loss after which training stops.
const PATIENCE: usize = 5;
const MOST_EPOCHS: usize = 60;
const BATCH: usize = 256;

/// Settings of `kind = "routellm-mf"`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RoutellmMfSettings {
    /// Length of the model vectors; 128 in the paper.
    pub(crate) dimensions: usize,
    /// Adam's step; 3e-4 in RouteLLM's code, with batches a quarter of ours.
    pub(crate) learning_rate: f64,
    /// How costs are estimated; the scenario's choice where absent.
    pub(crate) cost: Option<CostModelKind>,
}

impl Default for RoutellmMfSettings {
    fn default() -> Self {
        RoutellmMfSettings { dimensions: 128, learning_rate: 1e-3, cost: None }
    }
}

type Weights = Tensor<(usize, usize), f32, Cpu>;

/// W (width x d), the two model vectors (1 x d each), and c (1 x d), each with Adam's moments.
struct Network {
    device: Cpu,
    parameters: [Parameter; 4],
    n_steps: i32,
}

#[derive(Clone)]
struct Parameter {
    weights: Weights,
    mean: Vec<f32>,
    square: Vec<f32>,
}

/// The trained network, folded into one vector: delta(strong, x) - delta(weak, x) = u . x.
pub(super) struct Folded {
    direction: Vec<f32>,
    strong: usize,
}

kept!(Folded { direction, strong }, |it, shape| {
    it.direction.len() == shape.width && it.strong < 2 && shape.n_models == 2
});

impl RouterKind for RoutellmMfSettings {
    fn traits(&self) -> Traits {
        Traits { needs_pool_of: Some(2), ..Traits::default() }
    }

    fn check(&self) -> Result<()> {
        if !(1..=4096).contains(&self.dimensions) {
            return Err(Error::setting("dimensions", "`dimensions` must be from 1 to 4096"));
        }
        if !(self.learning_rate > 0.0 && self.learning_rate <= 1.0) {
            return Err(Error::setting("learning-rate", "`learning-rate` must be above 0 and at most 1"));
        }
        Ok(())
    }

    fn needs_full_feedback(&self) -> Option<&'static str> {
        Some("it learns from two answers to one prompt")
    }

    fn train(&self, training: &Training<'_>) -> Result<Trained> {
        let (data, outcomes) = (training.data(), training.outcomes());
        let pair = Pair::new(outcomes);
        let labelled = |range: std::ops::Range<usize>| -> Vec<(usize, f32)> {
            range.filter_map(|prompt| pair.label(prompt).map(|label| (prompt, label))).collect()
        };
        let mut examples = labelled(0..data.n_training);
        let held_out = labelled(data.n_training..data.prompts.len());
        if examples.is_empty() || held_out.is_empty() {
            return Err(Error::Usage("no prompt that both models answered".into()));
        }
        let mut rng = training.stream().generator();
        let mut network = Network::new(data.prompts.embeddings.n_columns(), self.dimensions, &mut rng);
        let mut best = (f32::INFINITY, network.parameters.clone(), 0);
        for epoch in 1..=MOST_EPOCHS {
            shuffle(&mut rng, &mut examples);
            for batch in examples.chunks(BATCH) {
                network.step(&data.prompts.embeddings, batch, self.learning_rate as f32);
            }
            let loss = network.loss(&data.prompts.embeddings, &held_out);
            if !loss.is_finite() {
                return Err(Error::Usage(format!(
                    "training diverged in epoch {epoch}: the validation loss is {loss}"
                )));
            }
            if loss < best.0 {
                best = (loss, network.parameters.clone(), epoch);
            }
            if epoch - best.2 >= PATIENCE {
                break;
            }
        }
        network.parameters = best.1;
        let costs = training.costs(self.cost);
        let predictor = Box::new(Folded { direction: network.direction(), strong: pair.strong });
        let notes = BTreeMap::from([
            ("epochs".to_owned(), best.2.to_string()),
            ("validation-loss".to_owned(), format!("{:.4}", best.0)),
            ("comparisons".to_owned(), "derived from scores".to_owned()),
        ]);
        Ok(Trained { router: PlugIn::policy(predictor, costs), notes })
    }
}

impl ScorePredictor for Folded {
    fn predicts_probabilities(&self) -> bool {
        false
    }

    /// The expected gain is 2 P - 1.
    fn predict(&self, prompts: &Prompts) -> Matrix {
        let mut logits = vec![0.0; prompts.len()];
        let direction = Matrix::new(self.direction.clone(), self.direction.len(), 1);
        multiply(prompts.embeddings.as_strided(), direction.as_strided(), &mut logits);
        let gain = |logit| 2.0 * crate::linalg::kernels::sigmoid(logit) - 1.0;
        scores(&logits.into_iter().map(gain).collect::<Vec<_>>(), self.strong)
    }
}

impl Network {
    fn new(width: usize, dimensions: usize, rng: &mut ChaCha8Rng) -> Self {
        // Weights are drawn from our own stream; dfdx is never asked for a random number.
        let device = Cpu::seed_from_u64(0);
        let shapes = [(width, dimensions), (1, dimensions), (1, dimensions), (1, dimensions)];
        let parameters = shapes.map(|(n_rows, n_columns)| {
            let bound = 1.0 / (n_columns.max(n_rows) as f32).sqrt();
            let values = (0..n_rows * n_columns).map(|_| uniform_f32(rng, -bound, bound)).collect();
            let zeros = vec![0.0; n_rows * n_columns];
            let weights = device.tensor_from_vec(values, (n_rows, n_columns));
            Parameter { weights, mean: zeros.clone(), square: zeros }
        });
        Network { device, parameters, n_steps: 0 }
    }

    /// u = W (c * (v_strong / |v_strong| - v_weak / |v_weak|)), width x 1; the tape starts at the model vectors.
    fn fold<T: Tape<f32, Cpu>>(&self) -> Tensor<(usize, usize), f32, Cpu, T> {
        let [projection, strong, weak, head] = &self.parameters;
        let difference = unit::<T>(&strong.weights) - unit::<T>(&weak.weights);
        let scaled = difference * head.weights.retaped::<T>();
        let column = scaled.permute::<(usize, usize), Axes2<1, 0>>();
        projection.weights.retaped::<T>().matmul(column)
    }

    fn mean_loss<T: Tape<f32, Cpu>>(
        &self,
        embeddings: &Matrix,
        examples: &[(usize, f32)],
    ) -> Tensor<Rank0, f32, Cpu, T> {
        let rows: Vec<usize> = examples.iter().map(|(prompt, _)| *prompt).collect();
        let labels: Vec<f32> = examples.iter().map(|(_, label)| *label).collect();
        let batch = embeddings.rows_at(&rows);
        let shape = (batch.n_rows(), batch.n_columns());
        let batch = self.device.tensor_from_vec(batch.values().to_vec(), shape);
        let labels = self.device.tensor_from_vec(labels, (examples.len(), 1));
        let logits = batch.retaped::<T>().matmul(self.fold::<T>());
        binary_cross_entropy_with_logits_loss(logits, labels)
    }

    fn loss(&self, embeddings: &Matrix, examples: &[(usize, f32)]) -> f32 {
        self.mean_loss::<NoneTape>(embeddings, examples).array()
    }

    /// One step of Adam (beta 0.9 and 0.999).
    fn step(&mut self, embeddings: &Matrix, examples: &[(usize, f32)], learning_rate: f32) {
        let gradients = self.mean_loss::<OwnedTape<f32, Cpu>>(embeddings, examples).backward();
        self.n_steps += 1;
        let corrections = [0.9_f32, 0.999].map(|beta| 1.0 - beta.powi(self.n_steps));
        for parameter in &mut self.parameters {
            let gradient = gradients.get(&parameter.weights).as_vec();
            let mut weights = parameter.weights.as_vec();
            for (at, gradient) in gradient.into_iter().enumerate() {
                let (mean, square) = (&mut parameter.mean[at], &mut parameter.square[at]);
                *mean = 0.9 * *mean + 0.1 * gradient;
                *square = 0.999 * *square + 0.001 * gradient * gradient;
                weights[at] -=
                    learning_rate * (*mean / corrections[0]) / ((*square / corrections[1]).sqrt() + 1e-8);
            }
            parameter.weights.copy_from(&weights);
        }
    }

    fn direction(&self) -> Vec<f32> {
        self.fold::<NoneTape>().as_vec()
    }
}

/// v / |v| for one row.
fn unit<T: Tape<f32, Cpu>>(vector: &Weights) -> Tensor<(usize, usize), f32, Cpu, T> {
    let shape = *vector.shape();
    let length = vector.retaped::<T>().square().sum::<(usize,), Axis<1>>().sqrt();
    vector.retaped::<T>() / length.broadcast_like::<_, Axis<1>>(&shape)
}

/// A pair of models with their outcomes on development prompts.
#[derive(Clone, Copy)]
pub(super) struct Pair<'a> {
    outcomes: &'a DevelopmentOutcomes,
    /// The model with the higher mean development score.
    pub(super) strong: usize,
}

impl<'a> Pair<'a> {
    pub(super) fn new(outcomes: &'a DevelopmentOutcomes) -> Self {
        Pair { outcomes, strong: usize::from(outcomes.mean_score[1] > outcomes.mean_score[0]) }
    }

    /// s_strong - s_weak; `None` where one of the two did not answer.
    pub(super) fn gain(&self, prompt: usize) -> Option<f64> {
        let [strong, weak] =
            [self.strong, 1 - self.strong].map(|model| self.outcomes.score.get(prompt, model));
        Some(strong? - weak?)
    }

    /// The strong model's share of the win, (1 + gain) / 2: a tie counts half for each side.
    pub(super) fn label(&self, prompt: usize) -> Option<f32> {
        self.gain(prompt).map(|gain| ((1.0 + gain) / 2.0) as f32)
    }
}

/// 0 for the weak model and the expected gain for the strong one: only the difference matters.
pub(super) fn scores(gains: &[f32], strong: usize) -> Matrix {
    let mut scores = Matrix::zeros(gains.len(), 2);
    for (prompt, gain) in gains.iter().enumerate() {
        scores.row_mut(prompt)[strong] = *gain;
    }
    scores
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Stream;

    #[test]
    fn a_product_of_dfdx_equals_ours() {
        let mut rng = Stream::root(3).generator();
        let mut draw = |n: usize| -> Vec<f32> { (0..n).map(|_| uniform_f32(&mut rng, -1.0, 1.0)).collect() };
        let (a, b) = (Matrix::new(draw(7 * 5), 7, 5), Matrix::new(draw(5 * 3), 5, 3));
        let device = Cpu::seed_from_u64(0);
        let tensor = |m: &Matrix| device.tensor_from_vec(m.values().to_vec(), (m.n_rows(), m.n_columns()));
        let mut ours = vec![0.0; 21];
        multiply(a.as_strided(), b.as_strided(), &mut ours);
        for (theirs, ours) in tensor(&a).matmul(tensor(&b)).as_vec().iter().zip(ours) {
            assert!((theirs - ours).abs() < 1e-6);
        }
    }

    #[test]
    fn training_finds_the_direction_in_which_the_strong_model_wins() {
        let mut rng = Stream::root(5).generator();
        let values: Vec<f32> = (0..2000).map(|_| uniform_f32(&mut rng, -1.0, 1.0)).collect();
        let embeddings = Matrix::new(values, 500, 4);
        let examples: Vec<(usize, f32)> =
            (0..500).map(|row| (row, if embeddings.row(row)[2] > 0.0 { 1.0 } else { 0.0 })).collect();
        let mut network = Network::new(4, 8, &mut rng);
        let before = network.loss(&embeddings, &examples);
        (0..300).for_each(|_| network.step(&embeddings, &examples, 0.02));
        assert!(network.loss(&embeddings, &examples) < 0.5 * before);
        let direction = network.direction();
        assert!(direction[2] > 3.0 * direction[0].abs().max(direction[1].abs()).max(direction[3].abs()));
    }
}
