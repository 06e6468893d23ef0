//! What the choice of a quiz may look at.

use crate::linalg::Matrix;
use crate::suite::CellTable;

/// What a choice may look at: the training prompts and how the seen models did on them.
#[derive(Clone, Copy, Debug)]
pub struct ItemBank<'a> {
    /// One row a training prompt; no columns where the suite has no embeddings.
    pub embeddings: &'a Matrix,
    /// Whether each prompt has an embedding.
    pub has_embedding: &'a [bool],
    /// Scores, training prompts x seen models.
    pub scores: &'a CellTable,
    /// What an answer to each prompt would say about an identity vector; only `fisher` needs it.
    pub information: Option<&'a ItemInformation>,
}

/// What answers would say about an identity vector.
#[derive(Clone, Debug, PartialEq)]
pub struct ItemInformation {
    /// Gradients of the predicted logits in the identity vector, prompts x dimensions, for a typical new model.
    pub gradients: Matrix,
    /// p (1 - p) of each prompt at the same vector.
    pub weights: Vec<f32>,
    /// The precision of the prior of each dimension; 1 for N(0, I).
    pub prior_precision: f32,
}

impl ItemInformation {
    /// The gradient of the mean score over all prompts: the mean of w g.
    pub fn of_mean_score(&self) -> Vec<f32> {
        let n_prompts = self.gradients.n_rows().max(1) as f64;
        let mut sums = vec![0.0; self.gradients.n_columns()];
        for (row, &weight) in self.gradients.rows().zip(&self.weights) {
            sums.iter_mut().zip(row).for_each(|(sum, &g)| *sum += f64::from(weight * g));
        }
        sums.into_iter().map(|sum| (sum / n_prompts) as f32).collect()
    }
}
