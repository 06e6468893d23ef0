//! What a policy is trained for: losses of one decision and their gradients in its logits.
//!
//! All are functions of the logits l of one candidate pool, with pi = softmax(l). Each adds `weight` times the gradient
//! of its loss to `gradient` and returns `weight` times the loss.
//!
//! [`choose`] makes the choices of a policy: for many prompts and preferences the candidate with the highest logit.

use std::collections::BTreeMap;

use dfdx::prelude::NoneTape;

use super::batch::{Decision, World};
use super::policy::Policy;
use crate::linalg::kernels;
use crate::network::view;
use crate::preference::Preference;
use crate::router::model_number;

/// A decision with all that was weighed.
#[derive(Clone, Debug, PartialEq)]
pub struct Routed {
    /// The chosen model, the most probable candidate.
    pub model: usize,
    /// The candidates, ascending, and how probable each was; probabilities sum to 1.
    pub probabilities: Vec<(usize, f32)>,
    /// Of a cascade the models to call, one after another, until an answer is accepted; the chosen one is the first. Else empty.
    pub order: Vec<usize>,
}

impl Routed {
    /// A choice in which nothing was weighed.
    pub(crate) fn sure(model: usize) -> Self {
        Routed { model, probabilities: vec![(model, 1.0)], order: Vec::new() }
    }
}

/// The position of the highest value; ties go to the first.
pub(super) fn first_best(values: &[f32]) -> usize {
    (1..values.len()).fold(0, |best, at| if values[at] > values[best] { at } else { best })
}

/// ln pi of every candidate.
pub(in crate::router) fn ln_probabilities(logits: &[f32]) -> Vec<f32> {
    let total = kernels::log_sum_exp(logits);
    logits.iter().map(|logit| logit - total).collect()
}

/// The expected utility over all actions: -sum_k pi_k u_k, with gradient -pi_k (u_k - sum_j pi_j u_j).
pub(super) fn expected_utility(logits: &[f32], utilities: &[f32], weight: f32, gradient: &mut [f32]) -> f32 {
    let mut probabilities = logits.to_vec();
    kernels::softmax(&mut probabilities);
    let mean = kernels::dot(&probabilities, utilities);
    for ((gradient, p), utility) in gradient.iter_mut().zip(&probabilities).zip(utilities) {
        *gradient -= weight * p * (utility - mean);
    }
    -weight * mean
}

/// Cross-entropy towards one action: -ln pi_target.
pub(super) fn cross_entropy(logits: &[f32], target: usize, weight: f32, gradient: &mut [f32]) -> f32 {
    let ln_p = ln_probabilities(logits);
    for (gradient, ln_p) in gradient.iter_mut().zip(&ln_p) {
        *gradient += weight * kernels::exp(*ln_p);
    }
    gradient[target] -= weight;
    -weight * ln_p[target]
}

/// A sampled action and what came of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::router) struct Sampled {
    /// The action, as a position in the pool.
    pub(in crate::router) action: usize,
    /// ln pi of it when it was sampled.
    pub(in crate::router) old_ln_p: f32,
    /// How much more utility it earned than was expected.
    pub(in crate::router) advantage: f32,
}

/// The clipped surrogate (arXiv 1707.06347, equation 7): -min(r A, clip(r, 1 - c, 1 + c) A) with r = pi(a) / pi_old(a).
/// An infinite `clip` leaves the plain policy gradient.
pub(in crate::router) fn clipped_surrogate(
    logits: &[f32],
    sampled: Sampled,
    clip: f32,
    weight: f32,
    gradient: &mut [f32],
) -> f32 {
    let Sampled { action, old_ln_p, advantage } = sampled;
    let ln_p = ln_probabilities(logits);
    let ratio = kernels::exp(ln_p[action] - old_ln_p);
    let clipped = ratio.clamp(1.0 - clip, 1.0 + clip) * advantage;
    // Where the clipped branch is the lower one, the ratio has no say any more.
    if ratio * advantage <= clipped {
        let slope = -weight * ratio * advantage;
        for (gradient, ln_p) in gradient.iter_mut().zip(&ln_p) {
            *gradient -= slope * kernels::exp(*ln_p);
        }
        gradient[action] += slope;
    }
    -weight * clipped.min(ratio * advantage)
}

/// The entropy bonus: sum_k pi_k ln pi_k.
pub(in crate::router) fn negative_entropy(logits: &[f32], weight: f32, gradient: &mut [f32]) -> f32 {
    let ln_p = ln_probabilities(logits);
    let mean: f32 = ln_p.iter().map(|ln_p| kernels::exp(*ln_p) * ln_p).sum();
    for (gradient, ln_p) in gradient.iter_mut().zip(&ln_p) {
        *gradient += weight * kernels::exp(*ln_p) * (ln_p - mean);
    }
    weight * mean
}

/// Decisions laid out at once.
const BLOCK: usize = 1024;

/// The pools of prompts: those that have the same candidates share one.
pub(crate) struct Pools {
    pools: Vec<Vec<usize>>,
    /// The pool of each prompt asked about.
    pool_of: Vec<usize>,
}

impl Pools {
    /// The pools of these prompts among `n_models`, as flagged by `is_available`.
    pub(crate) fn new(
        prompts: &[usize],
        n_models: usize,
        is_available: impl Fn(usize, usize) -> bool,
    ) -> Self {
        let mut known: BTreeMap<Vec<usize>, usize> = BTreeMap::new();
        let mut pools = Vec::new();
        let mut pool_of = Vec::with_capacity(prompts.len());
        for &prompt in prompts {
            let pool: Vec<usize> = (0..n_models).filter(|&model| is_available(prompt, model)).collect();
            let at = *known.entry(pool).or_insert_with_key(|pool| {
                pools.push(pool.clone());
                pools.len() - 1
            });
            pool_of.push(at);
        }
        Pools { pools, pool_of }
    }
}

/// The chosen model of each prompt, preference by preference. `prompts` are rows of the world's situations.
pub(crate) fn choose(
    policy: &Policy,
    world: &World<'_>,
    prompts: &[usize],
    pools: &Pools,
    preferences: &[Preference],
) -> Vec<u16> {
    let mut models = vec![0; prompts.len() * preferences.len()];
    // All preferences of a prompt in a row: what is made for its pool serves all of them.
    let asked = (0..prompts.len()).flat_map(|at| preferences.iter().map(move |preference| (at, *preference)));
    let mut places =
        (0..prompts.len()).flat_map(|at| (0..preferences.len()).map(move |preference| (at, preference)));
    for_each_decision(policy, world, prompts, pools, asked, |candidates, logits| {
        let (at, preference) = places.next().expect("as many decisions as were asked for");
        models[preference * prompts.len() + at] = model_number(candidates[first_best(logits)]);
    });
    models
}

/// The choice for each prompt at its own preference, with the probabilities of all candidates.
pub(crate) fn decide(
    policy: &Policy,
    world: &World<'_>,
    prompts: &[usize],
    pools: &Pools,
    preferences: &[Preference],
) -> Vec<Routed> {
    let mut all = Vec::with_capacity(prompts.len());
    let asked = preferences.iter().copied().enumerate();
    for_each_decision(policy, world, prompts, pools, asked, |candidates, logits| {
        let mut probabilities = logits.to_vec();
        kernels::softmax(&mut probabilities);
        all.push(Routed {
            model: candidates[first_best(logits)],
            probabilities: candidates.iter().copied().zip(probabilities).collect(),
            order: Vec::new(),
        });
    });
    all
}

/// Visits the candidates and logits of every decision that is asked for: the place of a prompt, and a preference.
fn for_each_decision(
    policy: &Policy,
    world: &World<'_>,
    prompts: &[usize],
    pools: &Pools,
    mut asked: impl Iterator<Item = (usize, Preference)>,
    mut visit: impl FnMut(&[usize], &[f32]),
) {
    loop {
        let decision = |(at, preference): (usize, Preference)| Decision {
            prompt: prompts[at],
            blend: None,
            pool: pools.pool_of[at],
            preference: preference.weight() as f32,
        };
        let decisions: Vec<Decision> = asked.by_ref().take(BLOCK).map(decision).collect();
        if decisions.is_empty() {
            return;
        }
        let batch = world.batch(&policy.parameters, &pools.pools, &decisions, &|_, _| true);
        let logits = policy.logits::<NoneTape>(&batch.inputs);
        let (mut logits, mut candidates) = (view(&logits), &batch.candidates[..]);
        for &length in batch.inputs.sets.lengths.iter() {
            visit(&candidates[..length], &logits[..length]);
            (logits, candidates) = (&logits[length..], &candidates[length..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(loss: impl Fn(&[f32], &mut [f32]) -> f32) {
        let logits = [0.3_f32, -0.8, 1.1, 0.0];
        let mut gradient = [0.0; 4];
        loss(&logits, &mut gradient);
        for element in 0..4 {
            let moved = |step: f32| {
                let mut logits = logits;
                logits[element] += step;
                loss(&logits, &mut [0.0; 4])
            };
            let expected = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            assert!(
                (gradient[element] - expected).abs() < 1e-3,
                "{element}: {} {expected}",
                gradient[element]
            );
        }
    }

    #[test]
    fn gradients_of_objective_agree_with_finite_differences() {
        check(|logits, gradient| expected_utility(logits, &[0.1, 0.9, -0.4, 0.5], 2.0, gradient));
        check(|logits, gradient| cross_entropy(logits, 2, 0.5, gradient));
        check(|logits, gradient| negative_entropy(logits, 0.7, gradient));
        for (advantage, old_ln_p) in [(1.0, -1.2), (-1.0, -1.2), (1.0, -3.0), (-1.0, -0.2), (0.5, -0.6)] {
            let sampled = Sampled { action: 0, old_ln_p, advantage };
            check(|logits, gradient| clipped_surrogate(logits, sampled, 0.2, 1.5, gradient));
            check(|logits, gradient| clipped_surrogate(logits, sampled, f32::INFINITY, 1.5, gradient));
        }
    }

    #[test]
    fn a_ratio_beyond_the_clip_has_no_gradient() {
        let sampled = Sampled { action: 0, old_ln_p: -5.0, advantage: 1.0 };
        let mut gradient = [0.0; 2];
        assert_eq!(clipped_surrogate(&[0.0, 0.0], sampled, 0.2, 1.0, &mut gradient), -1.2);
        assert_eq!(gradient, [0.0; 2]);
    }
}
