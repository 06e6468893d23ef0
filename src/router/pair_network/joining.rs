//! How a model that was not trained with gets its vector.

use dfdx::prelude::*;

use super::fit::{Fitted, mean_loss};
use super::{PairNetwork, PairPredictor, Targets};
use crate::linalg::Matrix;
use crate::network::{Adam, Owned, Parameters, back_propagate, untaped, view};

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
