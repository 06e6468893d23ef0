//! A policy per pool and per preference, the upper rival of the LLM Bandit paper (arXiv 2502.02743): what the same policy
//! gradient learns where nothing has to generalise over pools, preferences, or unseen models.
//!
//! For each of [`ANCHORS`] preferences, evenly spaced in ln w over the declared distribution, a network of its own maps the
//! prompt to logits over the models of the pool,
//!
//! ```text
//! l = U relu(P x + p) + u,     x: embedding along its longest directions, over its root mean square
//! ```
//!
//! without identity vectors, prices, or predicted scores. It is trained by one-step PPO with the losses of
//! `llm_bandit::objective`, clip 0.2, and 4 epochs a rollout: the advantage of a sampled model is its reward
//! (score - w cost) / (1 + w) less what a value network expects, over the batch's deviation; entropy
//! counts 0.03. Models that did not answer a
//! prompt are no actions. Any preference is answered by the nearest anchor in ln w.
//!
//! Tuned for each anchor by the utility on validation prompts: the step of Adam, and after how many steps to stop. It knows
//! a model by its place in the pool, so that an unseen one cannot be chosen; where a prompt's pool holds no seen model, the
//! cheapest is called. A pool that is cut down is answered by the best of what is left, for which it was not trained.

use std::collections::BTreeMap;

use dfdx::prelude::*;

use super::llm_bandit::objective::{Sampled, clipped_surrogate, ln_probabilities, negative_entropy};
use super::{Choices, Policy, Router, RouterKind, Trained, Training, Traits, model_number};
use crate::error::{Error, Result};
use crate::linalg::{Matrix, kernels, multiply, principal_directions};
use crate::network::{
    Activation, Adam, Kept, Linear, Owned, Parameters, Parts, Tensor2, back_propagate, kept, untaped, view,
};
use crate::preference::Preference;
use crate::random::{ChaCha8Rng, categorical, index_below};
use crate::router::prompts::Prompts;
use crate::router::training_data::DevelopmentOutcomes;
use crate::seed::Stream;

/// Preferences with a policy of their own.
const ANCHORS: usize = 10;
const DIRECTIONS: usize = 64;
const HIDDEN: usize = 64;
const BATCH: usize = 256;
/// Steps between two looks at the validation prompts.
const WATCH_EVERY: usize = 20;
const LEARNING_RATES: [f32; 2] = [3e-3, 1e-2];
const CLIP: f32 = 0.2;
const EPOCHS: usize = 4;
const ENTROPY_WEIGHT: f32 = 0.03;

/// Settings of `kind = "ppo-fixed"`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct PpoFixedSettings {
    /// Rollouts of each policy.
    pub(crate) steps: usize,
}

impl Default for PpoFixedSettings {
    fn default() -> Self {
        PpoFixedSettings { steps: 300 }
    }
}

/// Two dense layers.
struct Network {
    parameters: Parameters,
    layers: [Linear; 2],
}

pub(super) struct PpoFixed {
    view: EmbeddingView,
    anchors: Vec<(f64, Network)>,
    /// The models that the outputs stand for.
    seen: Vec<usize>,
    /// All models from the cheapest to the most expensive.
    price_order: Vec<usize>,
}

/// What a network sees of an embedding.
struct EmbeddingView {
    directions: Matrix,
    scale: f32,
}

kept!(EmbeddingView { directions, scale }, |it, shape| it.directions.n_rows() == shape.width);

impl Kept for PpoFixed {
    fn keep(&self, parts: &mut Parts) {
        parts.keep("view", &self.view);
        parts.keep("seen", &self.seen);
        parts.keep("price_order", &self.price_order);
        let (weights, networks): (Vec<f64>, Vec<&Network>) =
            self.anchors.iter().map(|(weight, network)| (*weight, network)).unzip();
        parts.keep("anchors", &weights);
        for (at, network) in networks.into_iter().enumerate() {
            parts.within(&at.to_string(), |parts| network.parameters.keep(parts, |_| true));
        }
    }

    fn restore(parts: &mut Parts) -> Result<Self> {
        let (view, seen): (EmbeddingView, Vec<usize>) = (parts.take("view")?, parts.take("seen")?);
        let (price_order, weights): (Vec<usize>, Vec<f64>) =
            (parts.take("price_order")?, parts.take("anchors")?);
        let is_known = |&model: &usize| model < parts.shape().n_models;
        let is_sound = !seen.is_empty() && !weights.is_empty() && seen.iter().all(is_known);
        parts.check(is_sound && parts.shape().is_order(&price_order))?;
        let mut anchors = Vec::new();
        for (at, weight) in weights.into_iter().enumerate() {
            let mut network =
                Network::new(view.directions.n_columns(), seen.len(), &mut Stream::root(0).generator());
            parts.within(&at.to_string(), |parts| network.parameters.fill(parts))?;
            anchors.push((weight, network));
        }
        Ok(PpoFixed { view, anchors, seen, price_order })
    }
}

/// What the policies of all anchors learn from.
struct Experience<'a> {
    inputs: Matrix,
    outcomes: &'a DevelopmentOutcomes,
    seen: &'a [usize],
    training: Vec<usize>,
    validation: Vec<usize>,
}

/// Sampled actions, as positions among the seen models.
struct Rollout {
    rows: Vec<usize>,
    sampled: Vec<Sampled>,
    rewards: Vec<f32>,
}

/// A trained policy with its mean utility on validation prompts, and how it came about.
struct Attempt {
    network: Network,
    utility: f64,
    step: usize,
}

impl RouterKind for PpoFixedSettings {
    fn traits(&self) -> Traits {
        // Prices went into what it was rewarded for, and a new model has no output.
        Traits { follows_prices: false, takes_unseen: false, ..Traits::default() }
    }

    fn check(&self) -> Result<()> {
        if !(WATCH_EVERY..=1_000_000).contains(&self.steps) {
            return Err(Error::setting("steps", format!("`steps` must be from {WATCH_EVERY} to 1000000")));
        }
        Ok(())
    }

    fn train(&self, training: &Training<'_>) -> Result<Trained> {
        let (data, outcomes, stream) = (training.data(), training.valued(), training.stream());
        let view = EmbeddingView::new(&data.prompts.embeddings, &mut stream.named("directions").generator());
        let seen: Vec<usize> = (0..data.n_models()).filter(|&model| !data.unseen[model]).collect();
        let is_choice =
            |prompt: &usize| seen.iter().filter(|&&m| outcomes.score.get(*prompt, m).is_some()).count() >= 2;
        let experience = Experience {
            inputs: view.of(&data.prompts.embeddings),
            outcomes,
            seen: &seen,
            training: (0..data.n_training).filter(is_choice).collect(),
            validation: (data.n_training..data.prompts.len()).filter(is_choice).collect(),
        };
        if experience.training.is_empty() || experience.validation.is_empty() {
            return Err(Error::Usage("no training or no validation prompt that two models answered".into()));
        }
        let (mut anchors, mut steps) = (Vec::new(), Vec::new());
        for (at, preference) in anchors_of(training).into_iter().enumerate() {
            let stream = stream.named("anchor").numbered(at);
            let mut best: Option<Attempt> = None;
            for (trial, &rate) in LEARNING_RATES.iter().enumerate() {
                let attempt = experience.learn(preference, rate, self.steps, &stream.numbered(trial))?;
                if best.as_ref().is_none_or(|best| attempt.utility > best.utility) {
                    best = Some(attempt);
                }
            }
            let best = best.expect("at least one learning rate is tried");
            steps.push(best.step.to_string());
            anchors.push((preference.weight().ln(), best.network));
        }
        let mut price_order: Vec<usize> = (0..data.n_models()).collect();
        // A stable sort: ties go to the lowest number.
        price_order.sort_by(|&a, &b| outcomes.mean_cost_units[a].total_cmp(&outcomes.mean_cost_units[b]));
        let notes = BTreeMap::from([
            ("steps-by-anchor".to_owned(), steps.join(" ")),
            ("settings-tried".to_owned(), (LEARNING_RATES.len() * (self.steps / WATCH_EVERY)).to_string()),
        ]);
        let router = PpoFixed { view, anchors, seen, price_order };
        Ok(Trained { router: Policy::Direct(Box::new(router)), notes })
    }
}

impl Router for PpoFixed {
    fn route(&self, prompts: &Prompts, preferences: &[Preference]) -> Choices {
        let inputs = self.view.of(&prompts.embeddings);
        let rows: Vec<usize> = (0..prompts.len()).collect();
        let mut chosen: Vec<Option<Vec<u16>>> = vec![None; self.anchors.len()];
        let mut models = Vec::with_capacity(prompts.len() * preferences.len());
        for &preference in preferences {
            let anchor = self.nearest_anchor(preference);
            models.extend_from_slice(chosen[anchor].get_or_insert_with(|| {
                let logits = self.anchors[anchor].1.forward::<NoneTape>(&inputs, &rows);
                let by_prompt = view(&logits).chunks_exact(self.seen.len()).enumerate();
                by_prompt.map(|(prompt, logits)| self.choose(prompts, prompt, logits)).collect()
            }));
        }
        Choices::new(prompts.len(), models)
    }
}

impl PpoFixed {
    /// The nearest in ln w; w = 0 is nearest to the lowest.
    fn nearest_anchor(&self, preference: Preference) -> usize {
        let distance = |(at, _): &(f64, Network)| (at - preference.weight().ln().max(-1e9)).abs();
        let mut best = 0;
        for at in 1..self.anchors.len() {
            if distance(&self.anchors[at]) < distance(&self.anchors[best]) {
                best = at;
            }
        }
        best
    }

    fn choose(&self, prompts: &Prompts, prompt: usize, logits: &[f32]) -> u16 {
        let mut best = (f32::NEG_INFINITY, None);
        for (&model, &logit) in self.seen.iter().zip(logits) {
            if logit > best.0 && prompts.is_available(prompt, model) {
                best = (logit, Some(model));
            }
        }
        let cheapest = || self.price_order.iter().copied().find(|&model| prompts.is_available(prompt, model));
        model_number(best.1.or_else(cheapest).expect("the pool of a prompt is never empty"))
    }
}

/// Evenly spaced in ln w between the ends of the declared distribution.
fn anchors_of(training: &Training<'_>) -> Vec<Preference> {
    let grid = &training.data().preferences;
    let weighted = grid.preferences().iter().zip(grid.weights());
    let asked: Vec<f64> = weighted
        .filter(|(preference, weight)| preference.weight() > 0.0 && **weight > 0.0)
        .map(|(preference, _)| preference.weight())
        .collect();
    let (low, high) = (asked[0], asked[asked.len() - 1]);
    let anchor = |at: usize| low * ((high / low).ln() * at as f64 / (ANCHORS - 1) as f64).exp();
    (0..ANCHORS).filter_map(|at| Preference::new(anchor(at))).collect()
}

impl EmbeddingView {
    fn new(embeddings: &Matrix, rng: &mut ChaCha8Rng) -> Self {
        let directions = principal_directions(embeddings, DIRECTIONS, rng);
        let mut seen = EmbeddingView { directions, scale: 1.0 };
        let values = seen.of(embeddings);
        let mean_square =
            kernels::dot(values.values(), values.values()) / values.values().len().max(1) as f32;
        if mean_square > 0.0 {
            seen.scale = 1.0 / mean_square.sqrt();
        }
        seen
    }

    fn of(&self, embeddings: &Matrix) -> Matrix {
        let mut values = vec![0.0; embeddings.n_rows() * self.directions.n_columns()];
        multiply(embeddings.as_strided(), self.directions.as_strided(), &mut values);
        values.iter_mut().for_each(|value| *value *= self.scale);
        Matrix::new(values, embeddings.n_rows(), self.directions.n_columns())
    }
}

impl Network {
    /// Starts with outputs of zero, so that a fresh policy draws evenly.
    fn new(n_in: usize, n_out: usize, rng: &mut ChaCha8Rng) -> Self {
        let mut parameters = Parameters::new();
        let layers = [
            parameters.add_linear("hidden", n_in, HIDDEN, rng),
            parameters.add_zero_linear("output", HIDDEN, n_out),
        ];
        Network { parameters, layers }
    }

    fn forward<T: Tape<f32, Cpu>>(&self, inputs: &Matrix, rows: &[usize]) -> Tensor2<T> {
        let rows = inputs.rows_at(rows);
        let (n_rows, n_columns) = (rows.n_rows(), rows.n_columns());
        let rows = untaped(self.parameters.device(), rows.values().to_vec(), n_rows, n_columns);
        let hidden = self.layers[0].of_data::<T>(&self.parameters, &rows, Activation::Relu);
        self.layers[1].forward(&self.parameters, hidden, Activation::None)
    }
}

impl Experience<'_> {
    /// Trains a policy for one preference and keeps it where it earned most on validation prompts.
    fn learn(
        &self,
        preference: Preference,
        learning_rate: f32,
        steps: usize,
        stream: &Stream,
    ) -> Result<Attempt> {
        let mut rng = stream.generator();
        let n_in = self.inputs.n_columns();
        let mut policy = Network::new(n_in, self.seen.len(), &mut rng);
        let mut value = Network::new(n_in, 1, &mut rng);
        let mut adams = [&policy, &value].map(|network| Adam::new(&network.parameters, learning_rate, 0.0));
        let mut best: Option<(f64, usize, Vec<Vec<f32>>)> = None;
        for step in 1..=steps {
            let diverged = || {
                let weight = preference.weight();
                let problem =
                    format!("the policy for w = {weight:.4} diverged at step {step}: not a finite number");
                Error::Usage(problem)
            };
            // The learning rate falls to a tenth.
            let share = 1.0 - 0.9 * (step as f32 / steps as f32);
            adams.iter_mut().for_each(|adam| adam.learning_rate = learning_rate * share);
            let rollout = self.roll_out(&policy, &value, preference, &mut rng);
            for _ in 0..EPOCHS {
                self.improve(&mut policy, &mut adams[0], &rollout).ok_or_else(diverged)?;
                self.improve_value(&mut value, &mut adams[1], &rollout).ok_or_else(diverged)?;
            }
            if step.is_multiple_of(WATCH_EVERY) {
                let utility = self.utility(&policy, preference);
                if best.as_ref().is_none_or(|(most, ..)| utility > *most) {
                    best = Some((utility, step, policy.parameters.snapshot()));
                }
            }
        }
        let (utility, step, snapshot) = best.expect("the policy was looked at");
        policy.parameters.restore(&snapshot);
        Ok(Attempt { network: policy, utility, step })
    }

    /// Score and cost of a model's answer; `None` where it is not in the prompt's pool.
    fn answer(&self, prompt: usize, action: usize) -> Option<(f64, f64)> {
        let model = self.seen[action];
        Some((self.outcomes.score.get(prompt, model)?, self.outcomes.cost_units.get(prompt, model)?))
    }

    fn reward(&self, preference: Preference, prompt: usize, action: usize) -> f32 {
        let (score, cost) = self.answer(prompt, action).expect("only answers that were given are sampled");
        (preference.utility(score, cost) / (1.0 + preference.weight())) as f32
    }

    fn roll_out(
        &self,
        policy: &Network,
        value: &Network,
        preference: Preference,
        rng: &mut ChaCha8Rng,
    ) -> Rollout {
        let rows: Vec<usize> =
            (0..BATCH).map(|_| self.training[index_below(rng, self.training.len())]).collect();
        let logits = policy.forward::<NoneTape>(&self.inputs, &rows);
        let values = value.forward::<NoneTape>(&self.inputs, &rows);
        let (mut sampled, mut rewards) = (Vec::with_capacity(BATCH), Vec::with_capacity(BATCH));
        for ((&row, logits), value) in
            rows.iter().zip(view(&logits).chunks_exact(self.seen.len())).zip(view(&values))
        {
            let actions = self.actions(row);
            let logits: Vec<f32> = actions.iter().map(|&action| logits[action]).collect();
            let mut probabilities = logits.clone();
            kernels::softmax(&mut probabilities);
            // A policy that has diverged is found out by its loss.
            let is_sound = probabilities.iter().all(|p| p.is_finite());
            let at = if is_sound { categorical(rng, &probabilities) } else { 0 };
            let reward = self.reward(preference, row, actions[at]);
            let old_ln_p = ln_probabilities(&logits)[at];
            sampled.push(Sampled { action: at, old_ln_p, advantage: reward - value });
            rewards.push(reward);
        }
        let square: f32 = sampled.iter().map(|sampled| sampled.advantage.powi(2)).sum();
        let deviation = (square / BATCH as f32).sqrt().max(1e-6);
        sampled.iter_mut().for_each(|sampled| sampled.advantage /= deviation);
        Rollout { rows, sampled, rewards }
    }

    /// The seen models that answered a prompt, as positions among all seen ones.
    fn actions(&self, prompt: usize) -> Vec<usize> {
        (0..self.seen.len()).filter(|&action| self.answer(prompt, action).is_some()).collect()
    }

    /// One step of the policy on a rollout.
    fn improve(&self, policy: &mut Network, adam: &mut Adam, rollout: &Rollout) -> Option<()> {
        let logits = policy.forward::<Owned>(&self.inputs, &rollout.rows);
        let n_actions = self.seen.len();
        let weight = 1.0 / rollout.rows.len() as f32;
        let (mut loss, mut gradient) = (0.0, vec![0.0; rollout.rows.len() * n_actions]);
        for (at, (&row, &sampled)) in rollout.rows.iter().zip(&rollout.sampled).enumerate() {
            let actions = self.actions(row);
            let all = &view(&logits)[at * n_actions..][..n_actions];
            let logits: Vec<f32> = actions.iter().map(|&action| all[action]).collect();
            let mut slopes = vec![0.0; actions.len()];
            loss += clipped_surrogate(&logits, sampled, CLIP, weight, &mut slopes)
                + negative_entropy(&logits, ENTROPY_WEIGHT * weight, &mut slopes);
            actions.iter().zip(slopes).for_each(|(action, slope)| gradient[at * n_actions + action] = slope);
        }
        if !loss.is_finite() {
            return None;
        }
        let gradients = back_propagate(logits, gradient);
        adam.update(&mut policy.parameters, gradients).map(|_| ())
    }

    /// One step of the value network down the mean of half the squared error.
    fn improve_value(&self, value: &mut Network, adam: &mut Adam, rollout: &Rollout) -> Option<()> {
        let values = value.forward::<Owned>(&self.inputs, &rollout.rows);
        let n = rollout.rows.len() as f32;
        let gradient: Vec<f32> =
            view(&values).iter().zip(&rollout.rewards).map(|(v, r)| (v - r) / n).collect();
        let gradients = back_propagate(values, gradient);
        adam.update(&mut value.parameters, gradients).map(|_| ())
    }

    /// The mean utility of the most probable actions on validation prompts.
    fn utility(&self, policy: &Network, preference: Preference) -> f64 {
        let logits = policy.forward::<NoneTape>(&self.inputs, &self.validation);
        let by_prompt = self.validation.iter().zip(view(&logits).chunks_exact(self.seen.len()));
        let earned = by_prompt.map(|(&prompt, logits)| {
            let better =
                |best: usize, action: usize| if logits[action] > logits[best] { action } else { best };
            let best = self.actions(prompt).into_iter().reduce(better).expect("two models answered");
            let (score, cost) = self.answer(prompt, best).expect("it is among the answers");
            preference.utility(score, cost)
        });
        earned.sum::<f64>() / self.validation.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::uniform_f32;
    use crate::suite::CellTable;

    /// Model 0 is right where the first element is positive, model 1 always, at ten times the price.
    fn outcomes(inputs: &Matrix) -> DevelopmentOutcomes {
        let n = inputs.n_rows();
        let (mut score, mut cost_units) = (CellTable::missing(n, 2), CellTable::missing(n, 2));
        for prompt in 0..n {
            let is_easy = inputs.row(prompt)[0] > 0.0;
            for (model, right, cost) in [(0, is_easy, 0.1), (1, true, 1.0)] {
                score.set(prompt, model, Some(f64::from(u8::from(right))));
                cost_units.set(prompt, model, Some(cost));
            }
        }
        DevelopmentOutcomes {
            score,
            cost_units,
            mean_score: vec![0.5, 1.0],
            mean_cost_units: vec![0.1, 1.0],
            comparisons: Vec::new(),
        }
    }

    #[test]
    fn a_policy_learns_what_its_preference_asks_for() {
        let mut rng = Stream::root(8).generator();
        let values = (0..1200).map(|_| uniform_f32(&mut rng, -1.7, 1.7)).collect();
        let inputs = Matrix::new(values, 400, 3);
        let outcomes = outcomes(&inputs);
        let experience = Experience {
            inputs,
            outcomes: &outcomes,
            seen: &[0, 1],
            training: (0..300).collect(),
            validation: (300..400).collect(),
        };
        // The best is the cheap model where it is right and, as a wrong answer costs more than the dear model, else the other.
        let preference = Preference::new(0.5).unwrap();
        let attempt = experience.learn(preference, 3e-3, 200, &Stream::root(9)).unwrap();
        let best = |prompt: &usize| match outcomes.score.get(*prompt, 0) {
            Some(1.0) => preference.utility(1.0, 0.1),
            _ => preference.utility(1.0, 1.0),
        };
        let best = experience.validation.iter().map(best).sum::<f64>() / 100.0;
        assert!(attempt.utility > best - 0.03, "{} where {best} is best", attempt.utility);
        // Where costs rule, the cheap one everywhere.
        let dear = Preference::new(10.0).unwrap();
        let attempt = experience.learn(dear, 3e-3, 200, &Stream::root(9)).unwrap();
        let logits = attempt.network.forward::<NoneTape>(&experience.inputs, &experience.validation);
        assert!(view(&logits).chunks_exact(2).all(|row| row[0] > row[1]));
    }

    #[test]
    fn the_nearest_anchor_answers() {
        let network = || Network::new(1, 1, &mut Stream::root(1).generator());
        let anchors = [0.01_f64, 0.1, 1.0].map(|w| (w.ln(), network())).into();
        let directions = Matrix::new(vec![1.0], 1, 1);
        let view = EmbeddingView { directions, scale: 1.0 };
        let router = PpoFixed { view, anchors, seen: vec![0], price_order: vec![0] };
        let nearest = |w: f64| router.nearest_anchor(Preference::new(w).unwrap());
        assert_eq!([0.0, 0.02, 0.05, 0.3, 0.4, 1000.0].map(nearest), [0, 0, 1, 1, 2, 2]);
    }
}
