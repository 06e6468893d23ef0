//! Choices of a policy: for many prompts and preferences the candidate with the highest logit.

use std::collections::BTreeMap;

use dfdx::prelude::NoneTape;

use super::batch::{Decision, World};
use super::learning::first_best;
use super::policy::Policy;
use crate::linalg::kernels;
use crate::network::view;
use crate::preference::Preference;
use crate::router::{Routed, model_number};

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
