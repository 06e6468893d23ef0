//! Logged bandit feedback: of each development prompt the outcome of one model is known, the one that a logging policy drew with
//! known probabilities.
//!
//! What another choice would have earned is estimated. With a the model that was drawn for prompt x, p its probability, y what came
//! of it (its score, or its cost), and q_k(x) a prediction of a model k that has not seen x, the doubly robust value of k is
//!
//! ```text
//! v_k(x) = q_k(x) + 1[k = a] min(1 / p, M) (y - q_a(x)),     M = sqrt(n)
//! ```
//!
//! (Robins, Rotnitzky, and Zhao 1994; for policies Dudik, Langford, and Li 2011). Where no weight reaches M, its mean over the draws
//! is what k does, whatever q; the better q, the less it varies. Weights are truncated at the square root of the number of prompts
//! (Ionides 2008): the error that this makes is that of q on models that were drawn with less than 1 / M, and vanishes as the log
//! grows, while a single rare draw cannot decide. They are not normalised by their sum, which would tie the value of one prompt to
//! the draws for others.
//!
//! A utility is linear in score and cost, so that two tables of such values, one of scores and one of costs, serve every preference,
//! and whoever asks for the outcome of a choice reads it from them as from recorded outcomes. All choices are valued with the same q,
//! ridge regression on the embedding fitted out of fold: what two of them differ by comes of the prompts on which they choose otherwise.

use super::cross_validation::{Moments, best, squared_errors, with_constant};
use super::prompts::Prompts;
use crate::linalg::Matrix;
use crate::suite::CellTable;

/// Whose outcome is known of each development prompt, and how probable every model was.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    shown: Vec<usize>,
    /// Prompts x models; 0 for models that could not be drawn.
    propensities: Vec<f64>,
}

/// The penalties that are tried for q.
const PENALTIES: [f64; 5] = [10.0, 40.0, 160.0, 1000.0, 10000.0];

impl Log {
    /// Draws a model of each prompt: `propensities` are prompts x models, those of a prompt sum to 1; `draw` gives each prompt a number
    /// from 0 to 1.
    ///
    /// # Panics
    /// If the propensities do not fill whole prompts.
    pub fn draw(propensities: Vec<f64>, n_models: usize, draw: impl Fn(usize) -> f64) -> Self {
        assert!(propensities.len().is_multiple_of(n_models), "every prompt has a propensity a model");
        let shown = propensities.chunks_exact(n_models).enumerate().map(|(prompt, propensities)| {
            let mut left = draw(prompt) * propensities.iter().sum::<f64>();
            let mut possible = (0..n_models).filter(|&model| propensities[model] > 0.0);
            let reached = possible.clone().find(|&model| {
                left -= propensities[model];
                left < 0.0
            });
            // Rounding may leave a rest after the last.
            reached.or_else(|| possible.next_back()).expect("a prompt has a model that can be drawn")
        });
        Log { shown: shown.collect(), propensities }
    }

    /// Number of prompts.
    pub(super) fn n_prompts(&self) -> usize {
        self.shown.len()
    }

    /// Number of models.
    pub(super) fn n_models(&self) -> usize {
        self.propensities.len() / self.shown.len()
    }

    /// The model whose outcome on a development prompt is known.
    pub fn shown(&self, prompt: usize) -> usize {
        self.shown[prompt]
    }

    /// How probable it was that a model would be drawn for a prompt.
    pub fn propensity(&self, prompt: usize, model: usize) -> f64 {
        self.propensities[prompt * self.n_models() + model]
    }

    /// 1 over the propensity of what was drawn.
    pub(crate) fn inverse_propensity(&self, prompt: usize) -> f64 {
        1.0 / self.propensity(prompt, self.shown[prompt])
    }

    /// The weights of what was drawn, min(1 / p, M), those of each model scaled to a mean of 1; by prompt.
    pub(super) fn weights(&self) -> Vec<f64> {
        let mut weights: Vec<f64> = (0..self.n_prompts())
            .map(|prompt| self.inverse_propensity(prompt).min(self.most_weight()))
            .collect();
        let mut sums = vec![[0.0; 2]; self.n_models()];
        for (weight, &shown) in weights.iter().zip(&self.shown) {
            sums[shown] = [sums[shown][0] + weight, sums[shown][1] + 1.0];
        }
        let of_model = |[sum, n]: [f64; 2]| sum / n;
        weights.iter_mut().zip(&self.shown).for_each(|(weight, &shown)| *weight /= of_model(sums[shown]));
        weights
    }

    /// M: no weight is larger.
    pub(crate) fn most_weight(&self) -> f64 {
        (self.shown.len() as f64).sqrt()
    }

    /// v of every model that could be drawn, prompts x models. q is ridge regression on the embedding, fitted out of these folds with the
    /// penalty of the least squared error; `means` stands for models that a fit knows nothing of.
    pub(super) fn doubly_robust(
        &self,
        prompts: &Prompts,
        observed: &CellTable,
        means: &[f64],
        folds: &[usize],
    ) -> CellTable {
        let features = with_constant(&prompts.embeddings);
        let mut candidates = Moments::new(&features, observed, folds, means).out_of_fold(&PENALTIES);
        let errors = |predicted: &Matrix| -squared_errors(observed, predicted).iter().sum::<f64>();
        let chosen = best(&candidates.iter().map(errors).collect::<Vec<_>>());
        self.values(&candidates.swap_remove(chosen), observed, self.most_weight())
    }

    /// v from what is predicted and what was observed.
    fn values(&self, predicted: &Matrix, observed: &CellTable, most_weight: f64) -> CellTable {
        let mut values = CellTable::missing(self.shown.len(), self.n_models());
        for (prompt, &shown) in self.shown.iter().enumerate() {
            for (model, &q) in predicted.row(prompt).iter().enumerate() {
                let q = f64::from(q);
                let surprise = match observed.get(prompt, model).filter(|_| model == shown) {
                    Some(y) => self.inverse_propensity(prompt).min(most_weight) * (y - q),
                    None => 0.0,
                };
                values.set(prompt, model, (self.propensity(prompt, model) > 0.0).then_some(q + surprise));
            }
        }
        values
    }

    /// The mean of each model over all prompts, each outcome weighted by 1 / p and the weights of a model normalised by their sum; of
    /// a model that was never drawn the mean of the others' means.
    pub(super) fn means(&self, observed: &CellTable) -> Vec<f64> {
        let mut sums = vec![[0.0; 2]; self.n_models()];
        for (prompt, &shown) in self.shown.iter().enumerate() {
            let weight = self.inverse_propensity(prompt);
            let y = observed.get(prompt, shown).expect("what was drawn is known");
            sums[shown] = [sums[shown][0] + weight * y, sums[shown][1] + weight];
        }
        let means: Vec<Option<f64>> =
            sums.iter().map(|[sum, weight]| (*weight > 0.0).then(|| sum / weight)).collect();
        let known: Vec<f64> = means.iter().copied().flatten().collect();
        let of_others = known.iter().sum::<f64>() / known.len() as f64;
        means.into_iter().map(|mean| mean.unwrap_or(of_others)).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A log of one prompt that drew this model.
    fn drawn(propensities: &[f64], model: usize) -> Log {
        Log { shown: vec![model], propensities: propensities.to_vec() }
    }

    fn observed(outcomes: &[f64], model: usize) -> CellTable {
        let mut table = CellTable::missing(1, outcomes.len());
        table.set(0, model, Some(outcomes[model]));
        table
    }

    proptest! {
        /// Over all draws, each as often as it is probable: the mean of a model's value is its outcome, whatever is predicted; with
        /// truncated weights it is off by the error of the prediction, in so far as the weight was cut.
        #[test]
        fn the_mean_value_over_all_draws_is_the_outcome(
            models in proptest::collection::vec((0.02..1.0_f64, 0.0..1.0_f64, -1.0..2.0_f32), 2..7),
            most_weight in 1.0..10.0_f64,
        ) {
            let total: f64 = models.iter().map(|(share, ..)| share).sum();
            let propensities: Vec<f64> = models.iter().map(|(share, ..)| share / total).collect();
            let outcomes: Vec<f64> = models.iter().map(|(_, outcome, _)| *outcome).collect();
            let predicted = Matrix::new(models.iter().map(|(_, _, q)| *q).collect(), 1, models.len());
            for most in [f64::INFINITY, most_weight] {
                for model in 0..models.len() {
                    let value = |draw: usize| {
                        let log = drawn(&propensities, draw);
                        log.values(&predicted, &observed(&outcomes, draw), most).get(0, model).unwrap()
                    };
                    let mean: f64 = (0..models.len()).map(|draw| propensities[draw] * value(draw)).sum();
                    let kept = (propensities[model] * most).min(1.0);
                    let q = f64::from(models[model].2);
                    prop_assert!((mean - (kept * outcomes[model] + (1.0 - kept) * q)).abs() < 1e-9);
                }
            }
        }

        /// With numbers from 0 to 1 that are spread evenly every model is drawn as often as it is probable.
        #[test]
        fn draws_follow_the_propensities(shares in proptest::collection::vec(0.0..1.0_f64, 2..6)) {
            prop_assume!(shares.iter().sum::<f64>() > 0.1);
            let total: f64 = shares.iter().sum();
            let propensities: Vec<f64> = shares.iter().map(|share| share / total).collect();
            let n_models = shares.len();
            let n = 2000;
            let log = Log::draw(propensities.repeat(n), n_models, |prompt| (prompt as f64 + 0.5) / n as f64);
            for (model, propensity) in propensities.iter().enumerate() {
                let drawn = (0..n).filter(|&prompt| log.shown(prompt) == model).count();
                prop_assert!((drawn as f64 / n as f64 - propensity).abs() <= 1.5 / n as f64);
            }
        }
    }

    #[test]
    fn a_mean_by_inverse_propensities_does_not_follow_who_was_asked_what() {
        // Model 0 is mostly asked the easy prompts, on which it scores 1; on the others it scores 0.
        let n = 1000;
        let is_easy = |prompt: usize| prompt.is_multiple_of(2);
        let propensity = |prompt: usize| if is_easy(prompt) { 0.9 } else { 0.1 };
        let propensities = (0..n).flat_map(|prompt| [propensity(prompt), 1.0 - propensity(prompt)]).collect();
        let log = Log::draw(propensities, 2, |prompt| (prompt / 2) as f64 / (n / 2) as f64);
        let mut scores = CellTable::missing(n, 2);
        for prompt in 0..n {
            let score = if log.shown(prompt) == 0 { f64::from(is_easy(prompt)) } else { 0.25 };
            scores.set(prompt, log.shown(prompt), Some(score));
        }
        let means = log.means(&scores);
        assert!((means[0] - 0.5).abs() < 0.01 && (means[1] - 0.25).abs() < 1e-12, "{means:?}");
        let plain = crate::router::training_data::column_means(&scores);
        assert!(plain[0] > 0.85, "{plain:?}");
        // A model that nobody drew counts as the others do.
        let never = Log::draw([1.0, 0.0].repeat(n), 2, |_| 0.5);
        let mut known = CellTable::missing(n, 2);
        (0..n).for_each(|prompt| known.set(prompt, 0, Some(0.25)));
        assert_eq!(never.means(&known), [0.25, 0.25]);
    }
}
