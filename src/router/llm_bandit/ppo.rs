//! Reinforcement learning of the policy from sampled actions (arXiv 2502.02743, algorithm 1, lines 11 to 21, appendices
//! B.3.2 and E.5): one-step PPO with a value per reward, or the plain policy gradient.
//!
//! A prompt, a pool, and a preference are drawn; an action is sampled from the policy; its rewards r = [score, -cost] are
//! looked up, those of no other action. The advantage is omega . (r - V) with V a network of prompt and pool that does not
//! know the preference. PPO takes several clipped steps per rollout, on it and on earlier ones from a replay buffer; the
//! plain policy gradient takes one unclipped step and forgets. Clip 0.2, 4 epochs, entropy bonus 0.01, and the length of
//! the buffer are our choices.
//!
//! On-manifold mixup blends a prompt with its nearest neighbour, lambda ~ Beta(0.2, 0.2): embedding, predictions, old
//! log-probability, advantage, and value target by lambda; action, pool, and preference of the dominating prompt.
//!
//! From a log that shows the outcome of one model a prompt the action is the one that the log shows, drawn with probability p among
//! the candidates: the advantage is multiplied by min(pi_old / p, M), with pi_old the policy at the rollout and M as in
//! `super::super::log`, and the ratio whose clip bounds a step stays that of the policy to pi_old (Hilton, Cobbe, and Schulman 2021,
//! arXiv 2110.00641). A clip of the ratio to the log itself would stop every step of a policy that begins far from it, as one that begins at
//! the plug-in rule does. For one plain step a rollout this is the policy gradient weighted by pi / p. Where the log shows a model outside of
//! the pool that was drawn, the pool is that of all seen models.
//!
//! Online the policy goes on learning from its own choices: only the chosen candidate's reward is ever seen. Actions are drawn from the policy, which changes after every batch of them by a few clipped, importance-weighted steps
//! (arXiv 1707.06347). The advantage is what was earned beyond the utility that the predictors expect of the policy,
//! sum_k pi_k (p_k - w c_k), over 1 + w: a baseline that does not depend on the action, and a scale on which no preference
//! outweighs the others. Predictors and identities stay as they were trained.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use dfdx::prelude::NoneTape;

use super::LlmBandit;
use super::batch::{Decision, Experience};
use super::learning::{Diverged, Schedule, Watch, descend};
use super::objective::{Sampled, clipped_surrogate, ln_probabilities, negative_entropy};
use super::policy::Policy;
use super::predictors::Situations;
use super::settings::{Baseline, LlmBanditSettings, Objective, Resolved};
use crate::error::Result;
use crate::linalg::{Matrix, kernels, multiply};
use crate::network::{Activation, Adam, Linear, Owned, Parameters, Tensor2, back_propagate, untaped, view};
use crate::preference::Preference;
use crate::random::{ChaCha8Rng, beta, categorical, index_below};
use crate::router::Training;
use crate::router::prompts::Prompts;

/// How rollouts are used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Reinforcement {
    clip: f32,
    epochs: usize,
    /// Rollouts that are kept; 1 keeps the newest alone.
    replay: usize,
    mixup: bool,
    /// Weight of the entropy bonus.
    entropy: f32,
    baseline: Baseline,
}

const ENTROPY_WEIGHT: f32 = 0.01;
const VALUE_HIDDEN: usize = 64;
/// Both parameters of the Beta distribution of mixup.
const MIXUP: f64 = 0.2;
/// Prompts whose neighbours are searched at once.
const BLOCK: usize = 128;

impl Reinforcement {
    /// Clipped steps on rollouts new and old, or one plain step a rollout.
    pub(super) fn new(settings: &Resolved) -> Self {
        let Resolved { mixup, entropy, baseline, .. } = *settings;
        let (clip, epochs, replay) =
            if settings.objective == Objective::Ppo { (CLIP, 4, 4) } else { (f32::INFINITY, 1, 1) };
        Reinforcement { clip, epochs, replay, mixup, entropy, baseline }
    }
}

/// What was sampled for one batch of decisions.
struct Rollout {
    pools: Vec<Vec<usize>>,
    transitions: Vec<Transition>,
}

#[derive(Clone, Copy)]
struct Transition {
    decision: Decision,
    /// The chosen model.
    model: usize,
    old_ln_p: f32,
    advantage: f32,
    /// The rewards: what the value network should have said.
    rewards: [f32; 2],
}

/// V(x, C): expected rewards of a prompt and a pool, whatever the preference.
struct Value {
    parameters: Parameters,
    layers: [Linear; 2],
    adam: Adam,
}

/// Trains the policy on sampled actions.
///
/// # Errors
/// A loss or gradient that is no finite number.
pub(super) fn reinforce(
    policy: &mut Policy,
    experience: &Experience<'_>,
    reinforcement: Reinforcement,
    schedule: Schedule,
    mut watch: Option<&mut Watch<'_>>,
    rng: &mut ChaCha8Rng,
) -> std::result::Result<(), Diverged> {
    let mut adam = Adam::new(&policy.parameters, schedule.learning_rate, schedule.weight_decay);
    let mut value = Value::new(experience, schedule.learning_rate, rng);
    let neighbours = reinforcement.mixup.then(|| Neighbours::new(experience));
    let mut buffer: VecDeque<Rollout> = VecDeque::new();
    for step in 0..schedule.steps {
        adam.learning_rate = schedule.learning_rate_at(step);
        if buffer.len() == reinforcement.replay {
            buffer.pop_front();
        }
        buffer.push_back(roll_out(
            (policy, &value, reinforcement.baseline),
            experience,
            schedule,
            neighbours.as_ref(),
            rng,
        ));
        for epoch in 0..reinforcement.epochs {
            let chosen = if epoch == 0 { buffer.len() - 1 } else { index_below(rng, buffer.len()) };
            let rollout = &buffer[chosen];
            improve(policy, &mut adam, experience, rollout, reinforcement).ok_or(Diverged { step })?;
            value.improve(experience, rollout).ok_or(Diverged { step })?;
        }
        if let Some(watch) = &mut watch {
            watch.look(policy, step + 1);
        }
    }
    Ok(())
}

/// Samples one action for each of a batch of decisions.
fn roll_out(
    sampler: (&Policy, &Value, Baseline),
    experience: &Experience<'_>,
    schedule: Schedule,
    neighbours: Option<&Neighbours>,
    rng: &mut ChaCha8Rng,
) -> Rollout {
    let (pools, decisions) = experience.draw(schedule.pools, schedule.batch, schedule.preferences, rng);
    let own = sample(sampler, experience, &pools, &decisions, rng);
    let Some(neighbours) = neighbours else { return Rollout { pools, transitions: own } };
    // The neighbour of each prompt, asked the same; where it knows too few of the pool, the prompt is its own neighbour.
    let of_neighbour = |decision: &Decision| {
        let prompt = neighbours.nearest[decision.prompt];
        if experience.can_sample(prompt, &pools[decision.pool]) {
            Decision { prompt, ..*decision }
        } else {
            *decision
        }
    };
    let partners: Vec<Decision> = decisions.iter().map(of_neighbour).collect();
    let partners = sample(sampler, experience, &pools, &partners, rng);
    let mut lambda = 0.0;
    let transitions = own.iter().zip(&partners).enumerate().map(|(at, (own, partner))| {
        // One blend for all preferences that a prompt is asked at.
        if at == 0 || own.decision.prompt != decisions[at - 1].prompt {
            lambda = beta(rng, MIXUP, MIXUP) as f32;
        }
        if lambda >= 0.5 { own.mixed(partner, lambda) } else { partner.mixed(own, 1.0 - lambda) }
    });
    Rollout { transitions: transitions.collect(), pools }
}

fn sample(
    (policy, value, baseline): (&Policy, &Value, Baseline),
    experience: &Experience<'_>,
    pools: &[Vec<usize>],
    decisions: &[Decision],
    rng: &mut ChaCha8Rng,
) -> Vec<Transition> {
    let is_known = |prompt, model| experience.is_known(prompt, model);
    let batch = experience.world.batch(&policy.parameters, pools, decisions, &is_known);
    let logits = policy.logits::<NoneTape>(&batch.inputs);
    let values = value.of(experience, pools, decisions);
    let (mut logits, mut candidates) = (view(&logits), &batch.candidates[..]);
    let mut transitions = Vec::with_capacity(decisions.len());
    for ((decision, &length), value) in decisions.iter().zip(batch.inputs.sets.lengths.iter()).zip(values) {
        let mut probabilities = logits[..length].to_vec();
        kernels::softmax(&mut probabilities);
        // A policy that has diverged is found out by its loss.
        let is_sound = probabilities.iter().all(|p| p.is_finite());
        let among = &candidates[..length];
        let (action, rewards, weight) = match experience.shown(decision.prompt, among) {
            Some(shown) => {
                let action = among.iter().position(|&candidate| candidate == shown.model);
                let action = action.expect("a pool holds the model that the log shows");
                let weight = f64::from(probabilities[action]) / shown.propensity;
                (action, shown.rewards, weight.min(experience.most_weight()) as f32)
            }
            None => {
                let action = if is_sound { categorical(rng, &probabilities) } else { 0 };
                (action, experience.rewards(decision.prompt, among)[action], 1.0)
            }
        };
        let expected = match baseline {
            Baseline::Value => value,
            Baseline::PlugIn => experience.predicted(decision.prompt, among, &probabilities),
        };
        let surprise = [rewards[0] - expected[0], rewards[1] - expected[1]];
        transitions.push(Transition {
            decision: *decision,
            model: candidates[action],
            old_ln_p: ln_probabilities(&logits[..length])[action],
            advantage: weight * experience.utility(surprise, decision.preference),
            rewards,
        });
        (logits, candidates) = (&logits[length..], &candidates[length..]);
    }
    transitions
}

impl Transition {
    /// Blended with a partner of weight 1 - `weight`.
    fn mixed(&self, partner: &Transition, weight: f32) -> Transition {
        let blend = |own: f32, other: f32| weight * own + (1.0 - weight) * other;
        Transition {
            decision: Decision { blend: Some((partner.decision.prompt, weight)), ..self.decision },
            model: self.model,
            old_ln_p: blend(self.old_ln_p, partner.old_ln_p),
            advantage: blend(self.advantage, partner.advantage),
            rewards: [0, 1].map(|i| blend(self.rewards[i], partner.rewards[i])),
        }
    }
}

/// One step on a rollout.
fn improve(
    policy: &mut Policy,
    adam: &mut Adam,
    experience: &Experience<'_>,
    rollout: &Rollout,
    Reinforcement { clip, entropy, .. }: Reinforcement,
) -> Option<()> {
    let decisions: Vec<Decision> = rollout.transitions.iter().map(|transition| transition.decision).collect();
    let is_known = |prompt, model| experience.is_known(prompt, model);
    let batch = experience.world.batch(&policy.parameters, &rollout.pools, &decisions, &is_known);
    let weight = 1.0 / decisions.len() as f32;
    descend(policy, adam, &batch, |at, candidates, logits, gradient| {
        let Transition { model, old_ln_p, advantage, .. } = rollout.transitions[at];
        let action = candidates.iter().position(|&candidate| candidate == model);
        let action = action.expect("a chosen model is a candidate");
        let sampled = Sampled { action, old_ln_p, advantage };
        clipped_surrogate(logits, sampled, clip, weight, gradient)
            + negative_entropy(logits, entropy * weight, gradient)
    })
}

impl Value {
    fn new(experience: &Experience<'_>, learning_rate: f32, rng: &mut ChaCha8Rng) -> Self {
        let mut parameters = Parameters::new();
        let n_in = experience.world.situations.embeddings.n_columns() + POOL_FEATURES;
        let layers = [
            parameters.add_linear("value.0", n_in, VALUE_HIDDEN, rng),
            parameters.add_linear("value.1", VALUE_HIDDEN, 2, rng),
        ];
        let adam = Adam::new(&parameters, learning_rate, 0.0);
        Value { parameters, layers, adam }
    }

    fn of(&self, experience: &Experience<'_>, pools: &[Vec<usize>], decisions: &[Decision]) -> Vec<[f32; 2]> {
        let inputs = value_inputs(&self.parameters, experience, pools, decisions);
        view(&self.forward::<NoneTape>(&inputs)).as_chunks::<2>().0.to_vec()
    }

    fn forward<T: dfdx::prelude::Tape<f32, dfdx::prelude::Cpu>>(&self, inputs: &Tensor2) -> Tensor2<T> {
        let [first, second] = self.layers;
        let hidden = first.of_data::<T>(&self.parameters, inputs, Activation::Relu);
        second.forward(&self.parameters, hidden, Activation::None)
    }

    /// One step down the mean squared error |V - r|^2.
    fn improve(&mut self, experience: &Experience<'_>, rollout: &Rollout) -> Option<()> {
        let decisions: Vec<Decision> =
            rollout.transitions.iter().map(|transition| transition.decision).collect();
        let inputs = value_inputs(&self.parameters, experience, &rollout.pools, &decisions);
        let values = self.forward::<Owned>(&inputs);
        let weight = 1.0 / decisions.len() as f32;
        let targets = rollout.transitions.iter().flat_map(|transition| transition.rewards);
        let (mut loss, mut gradient) = (0.0, Vec::with_capacity(2 * decisions.len()));
        for (value, target) in view(&values).iter().zip(targets) {
            loss += weight * (value - target).powi(2);
            gradient.push(2.0 * weight * (value - target));
        }
        if !loss.is_finite() {
            return None;
        }
        let gradients = back_propagate(values, gradient);
        self.adam.update(&mut self.parameters, gradients).map(|_| ())
    }
}

const POOL_FEATURES: usize = 5;

/// Embedding, and of the pool: mean and highest predicted score, mean and lowest expected cost, logarithm of its size.
fn value_inputs(
    parameters: &Parameters,
    experience: &Experience<'_>,
    pools: &[Vec<usize>],
    decisions: &[Decision],
) -> Tensor2 {
    let situations = experience.world.situations;
    let width = situations.embeddings.n_columns() + POOL_FEATURES;
    let mut values = Vec::with_capacity(decisions.len() * width);
    for decision in decisions {
        let embedding = situations.embeddings.row(decision.prompt);
        match decision.blend {
            Some((partner, weight)) => {
                let partner = situations.embeddings.row(partner);
                values.extend(embedding.iter().zip(partner).map(|(a, b)| weight * a + (1.0 - weight) * b));
            }
            None => values.extend_from_slice(embedding),
        }
        let pool = &pools[decision.pool];
        let n = pool.len() as f32;
        let of = |matrix: &Matrix, model: usize| matrix.row(decision.prompt)[model];
        let scores = || pool.iter().map(|&model| of(&situations.scores, model));
        let costs = || pool.iter().map(|&model| of(&situations.costs, model));
        values.extend([
            scores().sum::<f32>() / n,
            scores().fold(f32::NEG_INFINITY, f32::max),
            costs().sum::<f32>() / n,
            costs().fold(f32::INFINITY, f32::min),
            kernels::ln(n),
        ]);
    }
    untaped(parameters.device(), values, decisions.len(), width)
}

/// The nearest other training prompt of each, by inner product.
struct Neighbours {
    nearest: Vec<usize>,
}

impl Neighbours {
    fn new(experience: &Experience<'_>) -> Self {
        let embeddings = &experience.world.situations.embeddings;
        let others = embeddings.rows_at(&experience.training);
        let mut nearest: Vec<usize> = (0..embeddings.n_rows()).collect();
        let mut products = vec![0.0; BLOCK * others.n_rows()];
        for block in experience.training.chunks(BLOCK) {
            let products = &mut products[..block.len() * others.n_rows()];
            multiply(embeddings.rows_at(block).as_strided(), others.as_strided().transposed(), products);
            for (&prompt, products) in block.iter().zip(products.chunks_exact(others.n_rows())) {
                let mut best = (f32::NEG_INFINITY, prompt);
                for (&other, &product) in experience.training.iter().zip(products) {
                    if other != prompt && product > best.0 {
                        best = (product, other);
                    }
                }
                nearest[prompt] = best.1;
            }
        }
        Neighbours { nearest }
    }
}

const CLIP: f32 = 0.2;

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
    pending: Vec<Logged>,
    /// Of each prompt of whose choice nothing is known yet: probabilities in pool order.
    open: BTreeMap<usize, Vec<f32>>,
}

struct Logged {
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
        OnlinePolicy { pretrained, policy, adam, schedule, pending: Vec::new(), open: BTreeMap::new() }
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
        let mut probabilities = view(&self.policy.logits::<NoneTape>(&batch.inputs)).to_vec();
        kernels::softmax(&mut probabilities);
        let chosen = categorical(rng, &probabilities);
        let total: f64 = probabilities.iter().map(|&p| f64::from(p)).sum();
        let propensity = f64::from(probabilities[chosen]) / total;
        self.open.insert(prompt, probabilities);
        (pool[chosen], propensity)
    }

    /// Takes in what the candidate that was drawn for a prompt earned.
    ///
    /// # Panics
    /// If nothing was drawn for the prompt, or what came of it is known already.
    pub(crate) fn learn(
        &mut self,
        prompt: usize,
        pool: &[usize],
        preference: Preference,
        (model, utility): (usize, f64),
    ) {
        let probabilities = self.open.remove(&prompt).expect("an outcome is that of a choice");
        let Situations { scores, costs, .. } = &self.pretrained.situations;
        let weight = preference.weight();
        let expected: f64 = pool
            .iter()
            .zip(&probabilities)
            .map(|(&model, &p)| {
                let (score, cost) = (scores.row(prompt)[model], costs.row(prompt)[model]);
                f64::from(p) * preference.utility(f64::from(score), f64::from(cost))
            })
            .sum();
        let action = pool.iter().position(|&candidate| candidate == model);
        let action = action.expect("a chosen model is a candidate");
        let sampled = Sampled {
            action,
            old_ln_p: kernels::ln(probabilities[action].max(f32::MIN_POSITIVE)),
            advantage: ((utility - expected) / (1.0 + weight)) as f32,
        };
        self.pending.push(Logged { prompt, pool: pool.to_vec(), preference: weight as f32, sampled });
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
