//! The policy goes on learning from its own choices: only the chosen candidate's reward is ever seen.
//!
//! Actions are drawn from the policy, which changes after every batch of them by a few clipped, importance-weighted steps
//! (arXiv 1707.06347). The advantage is what was earned beyond the utility that the predictors expect of the policy,
//! sum_k pi_k (p_k - w c_k), over 1 + w: a baseline that does not depend on the action, and a scale on which no preference
//! outweighs the others. Predictors and identities stay as they were trained.

use std::collections::BTreeMap;
use std::sync::Arc;

use dfdx::prelude::NoneTape;

use super::LlmBandit;
use super::batch::Decision;
use super::learning::descend;
use super::objective::{Sampled, clipped_surrogate, negative_entropy};
use super::policy::Policy;
use super::predictors::Situations;
use super::settings::LlmBanditSettings;
use crate::error::Result;
use crate::linalg::kernels;
use crate::network::{Adam, view};
use crate::preference::Preference;
use crate::random::{ChaCha8Rng, categorical};
use crate::router::Training;
use crate::router::prompts::Prompts;

const CLIP: f32 = 0.2;
const ENTROPY_WEIGHT: f32 = 0.01;

/// A router trained on recorded outcomes, and the prompts that it will meet as it sees them.
pub(crate) struct Pretrained {
    bandit: LlmBandit,
    situations: Situations,
}

/// How the policy is changed on the way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct OnlineSchedule {
    pub(crate) learning_rate: f32,
    /// Choices in a batch.
    pub(crate) batch: usize,
    /// Steps on each batch.
    pub(crate) epochs: usize,
}

/// A policy under way.
pub(crate) struct OnlinePolicy {
    pretrained: Arc<Pretrained>,
    policy: Policy,
    adam: Adam,
    schedule: OnlineSchedule,
    pending: Vec<Transition>,
    /// Of the choice under way: probabilities in pool order.
    probabilities: Vec<f32>,
}

struct Transition {
    prompt: usize,
    pool: Vec<usize>,
    preference: f32,
    sampled: Sampled,
}

impl Pretrained {
    /// Trains the router as offline.
    ///
    /// # Errors
    /// Training that diverges.
    pub(crate) fn new(
        settings: &LlmBanditSettings,
        training: &Training<'_>,
        prompts: &Prompts,
    ) -> Result<(Self, BTreeMap<String, String>)> {
        let (bandit, notes) = LlmBandit::train(settings, training)?;
        let situations = bandit.predictors.situations(prompts);
        Ok((Pretrained { bandit, situations }, notes))
    }
}

impl OnlinePolicy {
    /// The policy as it was trained.
    pub(crate) fn new(pretrained: Arc<Pretrained>, schedule: OnlineSchedule) -> Self {
        let policy = pretrained.bandit.policy.clone();
        let adam = Adam::new(&policy.parameters, schedule.learning_rate, 0.0);
        OnlinePolicy { pretrained, policy, adam, schedule, pending: Vec::new(), probabilities: Vec::new() }
    }

    /// Draws a candidate, and says how probable it was.
    pub(crate) fn choose(
        &mut self,
        prompt: usize,
        pool: &[usize],
        preference: Preference,
        rng: &mut ChaCha8Rng,
    ) -> (usize, f64) {
        let Pretrained { bandit, situations } = &*self.pretrained;
        let decision = Decision { prompt, blend: None, pool: 0, preference: preference.weight() as f32 };
        let world = bandit.world(situations);
        let batch = world.batch(&self.policy.parameters, &[pool.to_vec()], &[decision], &|_, _| true);
        self.probabilities.clear();
        self.probabilities.extend_from_slice(view(&self.policy.logits::<NoneTape>(&batch.inputs)));
        kernels::softmax(&mut self.probabilities);
        let chosen = categorical(rng, &self.probabilities);
        let total: f64 = self.probabilities.iter().map(|&p| f64::from(p)).sum();
        (pool[chosen], f64::from(self.probabilities[chosen]) / total)
    }

    /// Takes in what the candidate that was drawn for the same prompt earned.
    pub(crate) fn learn(
        &mut self,
        prompt: usize,
        pool: &[usize],
        preference: Preference,
        (model, utility): (usize, f64),
    ) {
        let Situations { scores, costs, .. } = &self.pretrained.situations;
        let weight = preference.weight();
        let expected: f64 = pool
            .iter()
            .zip(&self.probabilities)
            .map(|(&model, &p)| {
                let (score, cost) = (scores.row(prompt)[model], costs.row(prompt)[model]);
                f64::from(p) * preference.utility(f64::from(score), f64::from(cost))
            })
            .sum();
        let action = pool.iter().position(|&candidate| candidate == model);
        let action = action.expect("a chosen model is a candidate");
        let sampled = Sampled {
            action,
            old_ln_p: kernels::ln(self.probabilities[action].max(f32::MIN_POSITIVE)),
            advantage: ((utility - expected) / (1.0 + weight)) as f32,
        };
        self.pending.push(Transition { prompt, pool: pool.to_vec(), preference: weight as f32, sampled });
        if self.pending.len() == self.schedule.batch {
            self.improve();
            self.pending.clear();
        }
    }

    /// Clipped steps on the batch. A step whose loss or gradient is no finite number is left out: the policy stays as it is.
    fn improve(&mut self) {
        let Pretrained { bandit, situations } = &*self.pretrained;
        let world = bandit.world(situations);
        // Equal pools share one place, so that their set is encoded once.
        let mut pools: Vec<Vec<usize>> = Vec::new();
        let mut decisions = Vec::with_capacity(self.pending.len());
        for transition in &self.pending {
            let pool = pools.iter().position(|pool| *pool == transition.pool).unwrap_or_else(|| {
                pools.push(transition.pool.clone());
                pools.len() - 1
            });
            let (prompt, preference) = (transition.prompt, transition.preference);
            decisions.push(Decision { prompt, blend: None, pool, preference });
        }
        let weight = 1.0 / decisions.len() as f32;
        let pending = &self.pending;
        for _ in 0..self.schedule.epochs {
            let batch = world.batch(&self.policy.parameters, &pools, &decisions, &|_, _| true);
            let _ = descend(&mut self.policy, &mut self.adam, &batch, |at, _, logits, gradient| {
                clipped_surrogate(logits, pending[at].sampled, CLIP, weight, gradient)
                    + negative_entropy(logits, ENTROPY_WEIGHT * weight, gradient)
            });
        }
    }
}
