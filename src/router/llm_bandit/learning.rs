//! Training the policy on recorded outcomes of all candidates: the exact expected utility, or imitation of the best
//! action; and the stop by utility on validation prompts, which every objective shares.
//!
//! Supervised pretraining of the policy (arXiv 2502.02743, algorithm 1, lines 2 to 10, and appendix E.4): cross-entropy
//! towards the best action by the predictor's own word.
//!
//! The target is argmax_k p'_k - w c'_k with costs and calibrated scores over their maxima in the pool; the calibrated
//! score is Platt's sigmoid(a f + b), fitted to who won comparisons of two models (Platt 1999): P(k beats j) =
//! sigmoid(a (f_k - f_j)), so that differences of f mean what comparisons say, and b so that the mean calibrated score is
//! the mean score. The policy's input keeps the unscaled score.

use super::batch::{Batch, Decision, Experience, PreferenceDraw, utility};
use super::objective::{Pools, choose, cross_entropy, expected_utility, first_best};
use super::policy::Policy;
use super::settings::Rewards;
use crate::linalg::{Matrix, kernels};
use crate::network::{Adam, Owned, back_propagate, view};
use crate::preference::PreferenceGrid;
use crate::random::{ChaCha8Rng, index_below};

/// Training went wrong.
#[derive(Debug)]
pub(super) struct Diverged {
    pub(super) step: usize,
}

/// How a policy is trained, whatever for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    pub(super) steps: usize,
    /// Decisions in a batch.
    pub(super) batch: usize,
    /// Pools that a batch's decisions share.
    pub(super) pools: usize,
    pub(super) learning_rate: f32,
    pub(super) weight_decay: f32,
    pub(super) preferences: PreferenceDraw,
}

/// What is learned from all outcomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    ExpectedUtility,
    BestAction,
}

/// Keeps the best policy met on validation prompts.
pub(super) struct Watch<'a> {
    experience: &'a Experience<'a>,
    grid: &'a PreferenceGrid,
    pools: Pools,
    /// The utility of each validation prompt under the policy as it was at the start.
    first: Vec<f64>,
    best: Option<Best>,
    /// Every step that was looked at, with what was earned more than at the start.
    gains: Vec<(usize, f64)>,
}

struct Best {
    gain: f64,
    step: usize,
    snapshot: Vec<Vec<f32>>,
}

/// Steps between two looks at the validation prompts.
const WATCH_EVERY: usize = 25;
/// How far above the untrained policy another must stand to be preferred: the best of some twenty looks is often one
/// standard error above it by luck.
const LEAST_STANDARD_ERRORS: f64 = 2.0;

impl<'a> Watch<'a> {
    /// Starts from the policy as it is.
    pub(super) fn new(policy: &Policy, experience: &'a Experience<'a>, grid: &'a PreferenceGrid) -> Self {
        let n_models = experience.scores.n_columns();
        let is_known = |prompt, model| experience.is_known(prompt, model);
        let pools = Pools::new(&experience.validation, n_models, is_known);
        let mut watch = Watch { experience, grid, pools, first: Vec::new(), best: None, gains: Vec::new() };
        watch.first = watch.utilities(policy);
        watch
    }

    /// Looks at the policy now and then, and keeps it where it earned most so far.
    pub(super) fn look(&mut self, policy: &Policy, step: usize) {
        if !step.is_multiple_of(WATCH_EVERY) {
            return;
        }
        let utilities = self.utilities(policy);
        let gains: Vec<f64> = utilities.iter().zip(&self.first).map(|(now, first)| now - first).collect();
        let gain = gains.iter().sum::<f64>() / gains.len() as f64;
        self.gains.push((step, gain));
        let floor = LEAST_STANDARD_ERRORS * standard_error(&gains);
        if gain > self.best.as_ref().map_or(floor, |best| best.gain) {
            self.best = Some(Best { gain, step, snapshot: policy.parameters.snapshot() });
        }
    }

    /// Every step that was looked at, with what was earned more than at the start.
    pub(super) fn gains(&self) -> &[(usize, f64)] {
        &self.gains
    }

    /// Puts the best policy back, or the first where none was clearly better. Returns the step it
    /// was met at and what it earned more than the first.
    pub(super) fn settle(self, policy: &mut Policy, first: &[Vec<f32>]) -> (usize, f64) {
        match self.best {
            Some(best) => {
                policy.parameters.restore(&best.snapshot);
                (best.step, best.gain)
            }
            None => {
                policy.parameters.restore(first);
                (0, 0.0)
            }
        }
    }

    /// The mean utility of each validation prompt over the declared distribution of preferences.
    fn utilities(&self, policy: &Policy) -> Vec<f64> {
        let prompts = &self.experience.validation;
        let (preferences, weights): (Vec<_>, Vec<f64>) =
            (self.grid.preferences().iter().zip(self.grid.weights()))
                .filter(|(_, weight)| **weight > 0.0)
                .map(|(preference, weight)| (*preference, *weight))
                .unzip();
        let models = choose(policy, &self.experience.world, prompts, &self.pools, &preferences);
        let mut utilities = vec![0.0; prompts.len()];
        for ((preference, weight), models) in
            preferences.iter().zip(weights).zip(models.chunks_exact(prompts.len().max(1)))
        {
            for ((&prompt, &model), total) in prompts.iter().zip(models).zip(&mut utilities) {
                let cell = |matrix: &crate::linalg::Matrix| f64::from(matrix.row(prompt)[usize::from(model)]);
                *total +=
                    weight * preference.utility(cell(&self.experience.scores), cell(&self.experience.costs));
            }
        }
        utilities
    }
}

fn standard_error(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n * (n - 1.0)).max(1.0)).sqrt()
}

/// Trains on all outcomes.
///
/// # Errors
/// A loss or gradient that is no finite number.
pub(super) fn learn(
    policy: &mut Policy,
    experience: &Experience<'_>,
    target: Target,
    schedule: Schedule,
    mut watch: Option<&mut Watch<'_>>,
    rng: &mut ChaCha8Rng,
) -> Result<(), Diverged> {
    let mut adam = Adam::new(&policy.parameters, schedule.learning_rate, schedule.weight_decay);
    for step in 0..schedule.steps {
        adam.learning_rate = schedule.learning_rate_at(step);
        let (pools, decisions) = experience.draw(schedule.pools, schedule.batch, schedule.preferences, rng);
        let is_known = |prompt, model| experience.is_known(prompt, model);
        let batch = experience.world.batch(&policy.parameters, &pools, &decisions, &is_known);
        let utilities = |at: usize, candidates: &[usize]| -> Vec<f32> {
            let rewards = experience.rewards(decisions[at].prompt, candidates);
            rewards.into_iter().map(|rewards| experience.utility(rewards, decisions[at].preference)).collect()
        };
        let weight = 1.0 / decisions.len() as f32;
        let loss = |at: usize, candidates: &[usize], logits: &[f32], gradient: &mut [f32]| {
            let utilities = utilities(at, candidates);
            match target {
                Target::ExpectedUtility => expected_utility(logits, &utilities, weight, gradient),
                Target::BestAction => cross_entropy(logits, first_best(&utilities), weight, gradient),
            }
        };
        descend(policy, &mut adam, &batch, loss).ok_or(Diverged { step })?;
        if let Some(watch) = &mut watch {
            watch.look(policy, step + 1);
        }
    }
    Ok(())
}

impl Schedule {
    /// The learning rate falls along half a cosine to a tenth.
    pub(super) fn learning_rate_at(&self, step: usize) -> f32 {
        let done = step as f64 / self.steps.max(1) as f64;
        let share = 0.55 + 0.45 * (std::f64::consts::PI * done).cos();
        self.learning_rate * share as f32
    }
}

/// One step down a loss that is a sum over decisions: `loss` gets a decision's place, candidates, and logits, and adds to
/// its gradient. Nothing where a number is not finite.
pub(super) fn descend(
    policy: &mut Policy,
    adam: &mut Adam,
    batch: &Batch,
    mut loss: impl FnMut(usize, &[usize], &[f32], &mut [f32]) -> f32,
) -> Option<()> {
    let logits = policy.logits::<Owned>(&batch.inputs);
    let mut gradient = vec![0.0; batch.candidates.len()];
    let (mut total, mut start) = (0.0, 0);
    for (at, &length) in batch.inputs.sets.lengths.iter().enumerate() {
        let range = start..start + length;
        total +=
            loss(at, &batch.candidates[range.clone()], &view(&logits)[range.clone()], &mut gradient[range]);
        start += length;
    }
    if !total.is_finite() {
        return None;
    }
    let gradients = back_propagate(logits, gradient);
    adam.update(&mut policy.parameters, gradients).map(|_| ())
}

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
            let utilities = expected_utilities(experience, logits, platt, &decisions[at], candidates);
            cross_entropy(policy_logits, first_best(&utilities), weight, gradient)
        };
        descend(policy, &mut adam, &batch, loss).ok_or(Diverged { step })?;
    }
    Ok(())
}

/// What the predictor says of each candidate, in the units of training: by calibrated scores over their maximum in the pool, or by
/// scores as they are.
fn expected_utilities(
    experience: &Experience<'_>,
    logits: &Matrix,
    platt: Platt,
    decision: &Decision,
    candidates: &[usize],
) -> Vec<f32> {
    let situations = experience.world.situations;
    let costs = situations.costs.row(decision.prompt);
    if experience.world.rewards != Rewards::PoolMaximum {
        let scores = situations.scores.row(decision.prompt);
        let utility = |&model: &usize| utility([scores[model], -costs[model]], decision.preference);
        return candidates.iter().map(utility).collect();
    }
    let row = logits.row(decision.prompt);
    let scores: Vec<f32> = candidates.iter().map(|&model| platt.score(row[model])).collect();
    let most = |values: &mut dyn Iterator<Item = f32>| values.fold(f32::MIN_POSITIVE, f32::max);
    let most_score = most(&mut scores.iter().copied());
    let most_cost = most(&mut candidates.iter().map(|&model| costs[model]));
    let utility = |(&model, score): (&usize, &f32)| {
        utility([score / most_score, -costs[model] / most_cost], decision.preference)
    };
    candidates.iter().zip(&scores).map(utility).collect()
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
