//! What RouteLLM's routers for a strong and a weak model share (arXiv 2406.18665): who is strong, what is learned of a
//! prompt, and how a win rate becomes a score.
//!
//! Comparisons are derived from the recorded scores instead of human votes. A router predicts the gain s_strong - s_weak
//! that is to be expected; under the plug-in rule the strong model is called where the gain is worth its price, a
//! threshold on the win rate that follows the preference and the predicted costs.

use crate::linalg::Matrix;
use crate::router::training_data::DevelopmentOutcomes;

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
