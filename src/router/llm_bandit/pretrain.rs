//! Supervised pretraining of the policy (arXiv 2502.02743, algorithm 1, lines 2 to 10, and appendix E.4): cross-entropy
//! towards the best action by the predictor's own word.
//!
//! The target is argmax_k p'_k - w c'_k with costs and calibrated scores over their maxima in the pool; the calibrated
//! score is Platt's sigmoid(a f + b), fitted to who won comparisons of two models (Platt 1999): P(k beats j) =
//! sigmoid(a (f_k - f_j)), so that differences of f mean what comparisons say, and b so that the mean calibrated score is
//! the mean score. The policy's input keeps the unscaled score.

use super::experience::{Experience, utility};
use super::learning::{Diverged, Schedule, descend, first_best};
use super::objective::cross_entropy;
use super::policy::Policy;
use crate::linalg::{Matrix, kernels};
use crate::network::Adam;
use crate::random::{ChaCha8Rng, index_below};

/// Platt's scaling of a logit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Platt {
    slope: f64,
    offset: f64,
}

/// Comparisons drawn for the fit of a slope.
const COMPARISONS: usize = 20_000;
/// Newton's rounds.
const ROUNDS: usize = 25;

impl Platt {
    /// Fits to outcomes: `logits` are prompts x models, comparisons are derived from the scores of two random models.
    pub(super) fn fit(logits: &Matrix, experience: &Experience<'_>, rng: &mut ChaCha8Rng) -> Self {
        let mut comparisons = Vec::with_capacity(COMPARISONS);
        for _ in 0..COMPARISONS {
            let prompt = experience.training[index_below(rng, experience.training.len())];
            let [a, b] = [0; 2].map(|_| experience.seen[index_below(rng, experience.seen.len())]);
            if a != b && experience.is_known(prompt, a) && experience.is_known(prompt, b) {
                let scores = experience.scores.row(prompt);
                let difference = f64::from(logits.row(prompt)[a] - logits.row(prompt)[b]);
                comparisons.push((difference, 0.5 + 0.5 * f64::from(scores[a] - scores[b])));
            }
        }
        let mut answers = Vec::new();
        for &prompt in &experience.training {
            for &model in experience.seen.iter().filter(|&&model| experience.is_known(prompt, model)) {
                answers.push((
                    f64::from(logits.row(prompt)[model]),
                    f64::from(experience.scores.row(prompt)[model]),
                ));
            }
        }
        let slope = newton(1.0, |slope| {
            let terms = comparisons.iter().map(|&(difference, a_wins)| {
                let p = sigmoid(slope * difference);
                [(a_wins - p) * difference, p * (1.0 - p) * difference * difference]
            });
            terms.fold([0.0, 1e-9], |[s, c], [slope, curvature]| [s + slope, c + curvature])
        });
        let offset = newton(0.0, |offset| {
            let terms = answers.iter().map(|&(logit, score)| {
                let p = sigmoid(slope * logit + offset);
                [score - p, p * (1.0 - p)]
            });
            terms.fold([0.0, 1e-9], |[s, c], [slope, curvature]| [s + slope, c + curvature])
        });
        Platt { slope, offset }
    }

    fn score(self, logit: f32) -> f32 {
        kernels::sigmoid((self.slope * f64::from(logit) + self.offset) as f32)
    }
}

/// Climbs a concave function given its slope and minus its curvature, at most one unit a round.
fn newton(mut x: f64, slope_and_curvature: impl Fn(f64) -> [f64; 2]) -> f64 {
    for _ in 0..ROUNDS {
        let [slope, curvature] = slope_and_curvature(x);
        x += (slope / curvature).clamp(-1.0, 1.0);
    }
    x
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Teaches the policy the predictor's best actions.
///
/// # Errors
/// A loss or gradient that is no finite number.
pub(super) fn pretrain(
    policy: &mut Policy,
    experience: &Experience<'_>,
    logits: &Matrix,
    schedule: Schedule,
    rng: &mut ChaCha8Rng,
) -> Result<(), Diverged> {
    let platt = Platt::fit(logits, experience, rng);
    let mut adam = Adam::new(&policy.parameters, schedule.learning_rate, schedule.weight_decay);
    for step in 0..schedule.steps {
        adam.learning_rate = schedule.learning_rate_at(step);
        let (pools, decisions) = experience.draw(schedule.pools, schedule.batch, schedule.preferences, rng);
        let is_known = |prompt, model| experience.is_known(prompt, model);
        let batch = experience.world.batch(&policy.parameters, &pools, &decisions, &is_known);
        let weight = 1.0 / decisions.len() as f32;
        let loss = |at: usize, candidates: &[usize], policy_logits: &[f32], gradient: &mut [f32]| {
            let row = logits.row(decisions[at].prompt);
            let scores: Vec<f32> = candidates.iter().map(|&model| platt.score(row[model])).collect();
            let costs = experience.world.situations.costs.row(decisions[at].prompt);
            let most = |values: &mut dyn Iterator<Item = f32>| values.fold(f32::MIN_POSITIVE, f32::max);
            let most_score = most(&mut scores.iter().copied());
            let most_cost = most(&mut candidates.iter().map(|&model| costs[model]));
            let utilities: Vec<f32> = (candidates.iter().zip(&scores))
                .map(|(&model, score)| {
                    utility([score / most_score, -costs[model] / most_cost], decisions[at].preference)
                })
                .collect();
            cross_entropy(policy_logits, first_best(&utilities), weight, gradient)
        };
        descend(policy, &mut adam, &batch, loss).ok_or(Diverged { step })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newton_finds_the_root_of_the_slope() {
        // -(x - 3)^2 / 2
        assert!((newton(0.0, |x| [3.0 - x, 1.0]) - 3.0).abs() < 1e-9);
    }

    #[test]
    fn scores_rise_with_logits() {
        let platt = Platt { slope: 2.0, offset: -0.5 };
        assert!(platt.score(1.0) > platt.score(0.0) && platt.score(0.25) == 0.5);
    }
}
