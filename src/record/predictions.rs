//! Predicted scores in a record: what a router thought every model's answer to a test prompt would be worth.

use crate::linalg::Matrix;

/// Predicted scores of one router in one replicate, test prompts x candidates, in steps of 1 / 255: half a step is nothing to
/// a reliability diagram, and a record stays small.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Predictions {
    n_models: usize,
    steps: Vec<u8>,
}

impl Predictions {
    /// The nearest steps to these scores; what lies outside of [0, 1] counts as the nearest end.
    pub fn new(scores: &Matrix) -> Self {
        let step = |score: &f32| (score.clamp(0.0, 1.0) * 255.0).round() as u8;
        Predictions { n_models: scores.n_columns(), steps: scores.values().iter().map(step).collect() }
    }

    /// From steps, row by row.
    ///
    /// # Panics
    /// If they do not fill whole rows.
    pub(super) fn from_steps(n_models: usize, steps: Vec<u8>) -> Self {
        assert!(n_models > 0 && steps.len().is_multiple_of(n_models), "predictions fill whole rows");
        Predictions { n_models, steps }
    }

    /// The predicted score of a model on a test prompt, by place.
    pub fn get(&self, prompt: usize, model: usize) -> f64 {
        f64::from(self.steps[prompt * self.n_models + model]) / 255.0
    }

    /// The number of test prompts.
    pub fn n_prompts(&self) -> usize {
        self.steps.len() / self.n_models
    }

    /// The steps, row by row.
    pub(super) fn steps(&self) -> &[u8] {
        &self.steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prediction_is_kept_to_half_a_step_and_within_its_range() {
        let scores = Matrix::new(vec![0.0, 0.5, 1.0, 0.123_4, -3.0, 1.7], 2, 3);
        let kept = Predictions::new(&scores);
        assert_eq!(kept.n_prompts(), 2);
        for (at, expected) in [0.0, 0.5, 1.0, 0.1234, 0.0, 1.0].into_iter().enumerate() {
            assert!((kept.get(at / 3, at % 3) - expected).abs() <= 0.5 / 255.0 + 1e-6);
        }
    }
}
