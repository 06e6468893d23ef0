//! Off-policy estimates from the logs of a record, beside the truth, which the record holds.
//!
//! Target policies are fixed: they do not depend on what was logged. `uniform` takes any arm; `best-single` the arm that is
//! best in hindsight; `linear` the arm with the highest score less w times cost by ridge regressions on the outcomes of all
//! arms in the first phase. Rewards are utilities at the preference that was logged.
//!
//! The model of rewards behind DM and DR is cross-fitted forwards: the steps are parted into ten blocks, and the model of a
//! block is a ridge regression per arm on the logged choices of the blocks before it. A model that saw later steps would, in
//! the log of a learner, depend on the very action that it is to correct. The first block has no model and is left out.

use super::off_policy::{
    Estimated, Estimator, LoggedStep, clipped_share, effective_sample_size, estimate, mean_weight,
};
use crate::record::online::{Log, OnlineRecord, Order};
use crate::router::online::Arms;
use crate::statistics::interval::Spread;

/// Weights above this are clipped in the clipped estimates.
pub const CLIP: f64 = 10.0;
const BLOCKS: usize = 10;
const RIDGE: f64 = 1.0;
/// Of the normal distribution, for intervals from one log.
const TWO_SIDED_95: f64 = 1.96;

/// One estimator of one target policy from the logs of one router.
#[derive(Clone, Debug, PartialEq)]
pub struct OffPolicyRow {
    /// The router that logged.
    pub logger: String,
    /// The target policy.
    pub target: &'static str,
    /// The estimator.
    pub estimator: Estimator,
    /// Where weights are clipped; infinite where they are not.
    pub clip: f64,
    /// The true mean utility, mean over orders.
    pub truth: f64,
    /// The mean estimate.
    pub estimate: f64,
    /// The error, over orders: the bias and its interval.
    pub error: Spread,
    /// The root mean squared error over orders.
    pub rmse: f64,
    /// The share of orders whose own 95 % interval holds the truth.
    pub coverage: f64,
    /// Mean effective sample size as a share of the steps.
    pub effective_share: f64,
    /// Mean weight over steps and orders: 1 where the log could have taken whatever the target takes.
    pub mean_weight: f64,
    /// Whether the mean weight is 1 but for chance: else an estimate that uses weights says nothing of the target.
    pub is_supported: bool,
    /// Mean share of steps whose weight is above [`CLIP`].
    pub clipped_share: f64,
}

/// A mean weight that lacks more of 1 than this, and than this many standard errors, has no support for the rest.
const LEAST_MISSING: f64 = 0.02;
const MOST_ERRORS: f64 = 4.0;

/// What a target policy would have met in one order: the logged steps, and its true mean utility.
type Seen = (Vec<LoggedStep>, f64);

/// A fixed policy.
enum Target {
    Uniform,
    Single(usize),
    Linear(Arms),
}

impl Target {
    fn name(&self) -> &'static str {
        match self {
            Target::Uniform => "uniform",
            Target::Single(_) => "best-single",
            Target::Linear(_) => "linear",
        }
    }

    /// The arm that it takes for sure; `None` where it takes any.
    fn arm(&self, context: &[f64], pool: &[usize], weight: f64) -> Option<usize> {
        match self {
            Target::Uniform => None,
            Target::Single(arm) => Some(*arm),
            Target::Linear(arms) => {
                let mut best = (f64::NEG_INFINITY, pool[0]);
                for &arm in pool {
                    let [score, cost_units] = arms.means(arm, context);
                    if score - weight * cost_units > best.0 {
                        best = (score - weight * cost_units, arm);
                    }
                }
                Some(best.1)
            }
        }
    }
}

/// Every estimate from every log of a router that explores by chance.
pub(super) fn off_policy(record: &OnlineRecord) -> Vec<OffPolicyRow> {
    let linear = linear(record);
    let mut rows = Vec::new();
    for (entry, logs) in record.manifest.scenario.routers.iter().zip(&record.logs) {
        if !entry.settings.explores_by_chance() {
            continue;
        }
        // By target, then by order.
        let mut by_target: Vec<(&'static str, Vec<Seen>)> = Vec::new();
        for (order, log) in record.orders.iter().zip(logs) {
            let mut targets = vec![Target::Uniform, Target::Linear(linear.clone())];
            targets.extend(best_single(record, order).map(Target::Single));
            for (at, seen) in views(record, order, log, &targets).into_iter().enumerate() {
                if by_target.len() == at {
                    by_target.push((targets[at].name(), Vec::new()));
                }
                by_target[at].1.push(seen);
            }
        }
        for (target, seen) in by_target {
            for estimator in Estimator::ALL {
                let clips = if estimator == Estimator::Direct {
                    &[f64::INFINITY][..]
                } else {
                    &[f64::INFINITY, CLIP]
                };
                rows.extend(clips.iter().map(|&clip| row(&entry.label, target, (estimator, clip), &seen)));
            }
        }
    }
    rows
}

fn row(
    logger: &str,
    target: &'static str,
    (estimator, clip): (Estimator, f64),
    seen: &[Seen],
) -> OffPolicyRow {
    let n = seen.len() as f64;
    let mean = |of: &dyn Fn(&Seen) -> f64| seen.iter().map(of).sum::<f64>() / n;
    let estimates: Vec<Estimated> = seen.iter().map(|(steps, _)| estimate(steps, estimator, clip)).collect();
    let errors: Vec<f64> = estimates.iter().zip(seen).map(|(e, (_, truth))| e.value - truth).collect();
    let covered = estimates.iter().zip(&errors);
    let n_covered = covered.filter(|(e, error)| error.abs() <= TWO_SIDED_95 * e.standard_error).count();
    let weights: Vec<Estimated> = seen.iter().map(|(steps, _)| mean_weight(steps)).collect();
    let mean_of_weights = weights.iter().map(|weight| weight.value).sum::<f64>() / n;
    let squares: f64 = weights.iter().map(|weight| weight.standard_error.powi(2)).sum();
    OffPolicyRow {
        logger: logger.to_owned(),
        target,
        estimator,
        clip,
        truth: mean(&|(_, truth)| *truth),
        estimate: estimates.iter().map(|estimated| estimated.value).sum::<f64>() / n,
        error: Spread::of(&errors),
        rmse: (errors.iter().map(|error| error * error).sum::<f64>() / n).sqrt(),
        coverage: n_covered as f64 / n,
        effective_share: mean(&|(steps, _)| effective_sample_size(steps) / steps.len() as f64),
        mean_weight: mean_of_weights,
        is_supported: 1.0 - mean_of_weights <= LEAST_MISSING.max(MOST_ERRORS * squares.sqrt() / n),
        clipped_share: mean(&|(steps, _)| clipped_share(steps, CLIP)),
    }
}

/// What each target policy makes of a log, and what it is truly worth on the same steps.
fn views(record: &OnlineRecord, order: &Order, log: &Log, targets: &[Target]) -> Vec<Seen> {
    let n_steps = record.manifest.n_steps;
    let n_arms = record.manifest.suite.models.len();
    let mut model = Arms::new(n_arms, record.contexts.width(), RIDGE, 1.0);
    let mut views: Vec<Seen> = targets.iter().map(|_| (Vec::new(), 0.0)).collect();
    for block in 0..BLOCKS {
        let steps = block * n_steps / BLOCKS..(block + 1) * n_steps / BLOCKS;
        for step in steps.clone().filter(|_| block > 0) {
            let (prompt, weight) = (order.prompts[step], order.preferences[step]);
            let (context, pool) = (record.contexts.row(prompt.at()), record.pool(order, step));
            let taken = usize::from(log.arms[step]);
            let expected = |arm: usize| {
                let [score, cost_units] = model.means(arm, context);
                score - weight * cost_units
            };
            for (target, (steps, truth)) in targets.iter().zip(&mut views) {
                let n = pool.len() as f64;
                let mean = |value: &dyn Fn(usize) -> f64| pool.iter().map(|&arm| value(arm)).sum::<f64>() / n;
                let (probability, expected_of_target, true_value) = match target.arm(context, &pool, weight) {
                    Some(arm) => {
                        (f64::from(u8::from(arm == taken)), expected(arm), record.utility(order, step, arm))
                    }
                    None => (1.0 / n, mean(&expected), mean(&|arm| record.utility(order, step, arm))),
                };
                steps.push(LoggedStep {
                    reward: record.utility(order, step, taken),
                    propensity: log.propensities[step],
                    target: probability,
                    expected: expected(taken),
                    expected_of_target,
                });
                *truth += true_value;
            }
        }
        for step in steps {
            let (arm, context) = (usize::from(log.arms[step]), record.contexts.row(order.prompts[step].at()));
            let (score, cost_usd) = record.outcome(order, step, arm);
            model.learn(arm, context, score, cost_usd / record.manifest.cost_unit_usd);
        }
    }
    for (steps, truth) in &mut views {
        *truth /= steps.len().max(1) as f64;
    }
    views
}

/// The regressions of the linear target.
fn linear(record: &OnlineRecord) -> Arms {
    let phase = &record.phases[0];
    let mut arms = Arms::new(phase.score.n_models(), record.contexts.width(), RIDGE, 1.0);
    for prompt in 0..phase.score.n_prompts() {
        for arm in 0..phase.score.n_models() {
            if let (Some(score), Some(usd)) = (phase.score.get(prompt, arm), phase.cost_usd.get(prompt, arm))
            {
                arms.learn(arm, record.contexts.row(prompt), score, usd / record.manifest.cost_unit_usd);
            }
        }
    }
    arms
}

/// The arm, there at every step, with the highest total utility.
pub(super) fn best_single(record: &OnlineRecord, order: &Order) -> Option<usize> {
    let steps = || 0..record.manifest.n_steps;
    let total = |arm: usize| steps().map(|step| record.utility(order, step, arm)).sum::<f64>();
    let arms = (0..record.manifest.suite.models.len()).filter(|&arm| record.is_always_there(order, arm));
    let mut best: Option<(f64, usize)> = None;
    for (value, arm) in arms.map(|arm| (total(arm), arm)) {
        if best.is_none_or(|(most, _)| value > most) {
            best = Some((value, arm));
        }
    }
    best.map(|(_, arm)| arm)
}
