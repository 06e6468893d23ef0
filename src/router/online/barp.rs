//! BARP (arXiv 2510.07429): one small network for all preferences, trained by REINFORCE on its own choices.
//!
//! ```text
//! z = [context, 1/(1+w), w/(1+w)]     h = tanh(W1 z + b1)     pi(k) = softmax over the pool of (W2 h + b2)_k
//! ```
//!
//! The reward is (score - w cost) / (1 + w), the scalarisation by weights that sum to 1; dividing by 1 + w changes no
//! preference between arms. The baseline is a linear function of z that learns along. Gradients of a small batch of choices
//! go into one step of Adam, with a bonus on the entropy. Of the paper this is the policy and its training; its encoder of
//! prompts is replaced by the contexts that all learners here share. Widths, rates, and the bonus are our choices.

use std::collections::BTreeMap;

use super::linear::Start;
use super::{LearnerInputs, OnlineRouter, Outcome, Ready, Situation, WarmStart};
use crate::preference::Preference;
use crate::random::{ChaCha8Rng, shuffle, standard_normal, uniform};
use crate::router::Meter;
use crate::seed::Stream;

const HIDDEN: usize = 32;
const BASELINE_RATE: f64 = 0.05;
const BETA_MEAN: f64 = 0.9;
const BETA_SQUARE: f64 = 0.999;

/// Settings of `kind = "barp"`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct BarpSettings {
    /// Of Adam.
    pub learning_rate: f64,
    /// Choices that make one step.
    pub batch: usize,
    /// Weight of the entropy bonus.
    pub entropy: f64,
    /// Warm: the policy is first trained by its own choices on the warm-start prompts.
    pub start: Start,
    /// How often it passes over them.
    pub epochs: usize,
}

impl Default for BarpSettings {
    fn default() -> Self {
        BarpSettings { learning_rate: 0.01, batch: 8, entropy: 0.01, start: Start::Cold, epochs: 10 }
    }
}

#[derive(Clone)]
struct Barp {
    settings: BarpSettings,
    n_arms: usize,
    n_in: usize,
    /// W1 row by row, b1, W2 row by row, b2.
    weights: Vec<f64>,
    gradient: Vec<f64>,
    moments: Vec<[f64; 2]>,
    n_pending: usize,
    n_updates: i32,
    baseline: Vec<f64>,
    input: Vec<f64>,
    hidden: Vec<f64>,
    /// Of each arm; 0 outside of the pool.
    probabilities: Vec<f64>,
}

impl BarpSettings {
    pub(super) fn check(&self) -> Result<(), String> {
        if !(0.0 < self.learning_rate && self.learning_rate <= 1.0) {
            return Err(format!("`learning-rate` {} is not between 0 and 1", self.learning_rate));
        }
        if !(1..=10_000).contains(&self.batch) {
            return Err("`batch` must be from 1 to 10000".into());
        }
        if !(0.0..=10.0).contains(&self.entropy) {
            return Err(format!("`entropy` {} is not from 0 to 10", self.entropy));
        }
        if self.epochs > 1000 {
            return Err("`epochs` must be at most 1000".into());
        }
        Ok(())
    }

    pub(super) fn ready<'a>(&self, inputs: LearnerInputs<'a>, stream: &Stream) -> Ready<'a> {
        let settings = self.clone();
        let pretrained = inputs.warm.filter(|_| self.start == Start::Warm).map(|warm| {
            let mut policy = Barp::new(&settings, inputs, &stream.named("weights"));
            policy.pretrain(inputs, warm, &stream.named("pretraining"));
            policy
        });
        let mut notes = BTreeMap::new();
        let mut paid = Meter::default();
        if let (Some(_), Some(warm)) = (&pretrained, inputs.warm) {
            notes.insert("passes over the warm start".to_owned(), self.epochs.to_string());
            paid = warm.data.price_of_all;
        }
        let start = move |stream: &Stream| -> Box<dyn OnlineRouter> {
            Box::new(
                pretrained.clone().unwrap_or_else(|| Barp::new(&settings, inputs, &stream.named("weights"))),
            )
        };
        Ready { start: Box::new(start), notes, paid }
    }
}

impl Barp {
    fn new(settings: &BarpSettings, inputs: LearnerInputs<'_>, stream: &Stream) -> Self {
        let (n_arms, n_in) = (inputs.n_arms, inputs.context_width + 2);
        let mut rng = stream.generator();
        let n_weights = (n_in + 1) * HIDDEN + (HIDDEN + 1) * n_arms;
        let mut weights = vec![0.0; n_weights];
        // The output layer starts at zero: every arm is equally probable.
        let scale = 1.0 / (n_in as f64).sqrt();
        weights[..n_in * HIDDEN].iter_mut().for_each(|weight| *weight = scale * standard_normal(&mut rng));
        Barp {
            settings: settings.clone(),
            n_arms,
            n_in,
            weights,
            gradient: vec![0.0; n_weights],
            moments: vec![[0.0; 2]; n_weights],
            n_pending: 0,
            n_updates: 0,
            baseline: vec![0.0; n_in],
            input: vec![0.0; n_in],
            hidden: vec![0.0; HIDDEN],
            probabilities: vec![0.0; n_arms],
        }
    }

    /// Fills in the hidden layer and the probabilities.
    fn forward(&mut self, situation: &Situation<'_>) {
        let (n_in, n_arms) = (self.n_in, self.n_arms);
        let share = 1.0 / (1.0 + situation.preference.weight());
        self.input[..n_in - 2].copy_from_slice(situation.context);
        self.input[n_in - 2..].copy_from_slice(&[share, 1.0 - share]);
        let (first, rest) = self.weights.split_at(n_in * HIDDEN);
        let (first_bias, rest) = rest.split_at(HIDDEN);
        let (second, second_bias) = rest.split_at(HIDDEN * n_arms);
        for ((hidden, row), bias) in self.hidden.iter_mut().zip(first.chunks_exact(n_in)).zip(first_bias) {
            *hidden = (bias + dot(row, &self.input)).tanh();
        }
        self.probabilities.fill(0.0);
        let logit = |arm: usize| second_bias[arm] + dot(&second[arm * HIDDEN..][..HIDDEN], &self.hidden);
        let mut most = f64::NEG_INFINITY;
        for &arm in situation.pool {
            self.probabilities[arm] = logit(arm);
            most = most.max(self.probabilities[arm]);
        }
        let mut total = 0.0;
        for &arm in situation.pool {
            self.probabilities[arm] = (self.probabilities[arm] - most).exp();
            total += self.probabilities[arm];
        }
        situation.pool.iter().for_each(|&arm| self.probabilities[arm] /= total);
    }

    /// Adds the gradient of -A ln pi(arm) - entropy bonus, which are those of the forward pass.
    fn backward(&mut self, pool: &[usize], arm: usize, advantage: f64) {
        let (n_in, n_arms) = (self.n_in, self.n_arms);
        let ln = |p: f64| p.max(1e-12).ln();
        let negative_entropy: f64 =
            pool.iter().map(|&k| self.probabilities[k] * ln(self.probabilities[k])).sum();
        let second = &self.weights[(n_in + 1) * HIDDEN..][..HIDDEN * n_arms];
        let (first_gradient, second_gradient) = self.gradient.split_at_mut((n_in + 1) * HIDDEN);
        let mut of_hidden = [0.0; HIDDEN];
        for &k in pool {
            let p = self.probabilities[k];
            let slope = advantage * (p - f64::from(u8::from(k == arm)))
                + self.settings.entropy * p * (ln(p) - negative_entropy);
            for at in 0..HIDDEN {
                second_gradient[k * HIDDEN + at] += slope * self.hidden[at];
                of_hidden[at] += slope * second[k * HIDDEN + at];
            }
            second_gradient[HIDDEN * n_arms + k] += slope;
        }
        for (at, slope) in of_hidden.iter().enumerate() {
            let slope = slope * (1.0 - self.hidden[at] * self.hidden[at]);
            let row = &mut first_gradient[at * n_in..][..n_in];
            row.iter_mut().zip(&self.input).for_each(|(gradient, input)| *gradient += slope * input);
            first_gradient[n_in * HIDDEN + at] += slope;
        }
    }

    /// One step of Adam (arXiv 1412.6980) on the mean gradient of the batch.
    fn update(&mut self) {
        self.n_updates += 1;
        let correction = [BETA_MEAN, BETA_SQUARE].map(|beta| 1.0 - beta.powi(self.n_updates));
        for ((weight, gradient), [mean, square]) in
            self.weights.iter_mut().zip(&mut self.gradient).zip(&mut self.moments)
        {
            let slope = *gradient / self.n_pending as f64;
            *gradient = 0.0;
            *mean += (1.0 - BETA_MEAN) * (slope - *mean);
            *square += (1.0 - BETA_SQUARE) * (slope * slope - *square);
            let step = (*mean / correction[0]) / ((*square / correction[1]).sqrt() + 1e-8);
            *weight -= self.settings.learning_rate * step;
        }
        self.n_pending = 0;
    }

    fn pretrain(&mut self, inputs: LearnerInputs<'_>, warm: &WarmStart, stream: &Stream) {
        let mut rows: Vec<usize> = (0..warm.contexts.n_rows()).collect();
        let mut rng = stream.generator();
        for _ in 0..self.settings.epochs {
            shuffle(&mut rng, &mut rows);
            for &row in &rows {
                let preference = Preference::new((inputs.draw_preference)(&mut rng));
                let preference = preference.expect("declared preferences are not negative");
                let pool = warm.pool(row);
                let situation =
                    Situation { prompt: row, context: warm.contexts.row(row), pool: &pool, preference };
                let (arm, _) = self.choose(&situation, &mut rng);
                let outcome = warm.outcome(row, arm);
                self.learn(&situation, arm, outcome.expect("a chosen arm is in the pool of its prompt"));
            }
        }
    }
}

impl OnlineRouter for Barp {
    fn choose(&mut self, situation: &Situation<'_>, rng: &mut ChaCha8Rng) -> (usize, f64) {
        self.forward(situation);
        let (mut left, pool) = (uniform(rng), situation.pool);
        for &arm in &pool[..pool.len() - 1] {
            left -= self.probabilities[arm];
            if left < 0.0 {
                return (arm, self.probabilities[arm]);
            }
        }
        let last = pool[pool.len() - 1];
        (last, self.probabilities[last])
    }

    fn learn(&mut self, situation: &Situation<'_>, arm: usize, outcome: Outcome) {
        // Other prompts may have come between the choice and its outcome, and other outcomes have changed the weights.
        self.forward(situation);
        let weight = situation.preference.weight();
        let reward = situation.preference.utility(outcome.score, outcome.cost_units) / (1.0 + weight);
        let advantage = reward - dot(&self.baseline, &self.input);
        let length = dot(&self.input, &self.input);
        let step = BASELINE_RATE * advantage / length;
        self.baseline.iter_mut().zip(&self.input).for_each(|(value, input)| *value += step * input);
        self.backward(situation.pool, arm, advantage);
        self.n_pending += 1;
        if self.n_pending == self.settings.batch {
            self.update();
        }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SeedableRng;

    #[test]
    fn gradients_agree_with_finite_differences() {
        let inputs =
            LearnerInputs { n_arms: 4, context_width: 6, warm: None, draw_preference: &|rng| uniform(rng) };
        let context = [0.3, -0.2, 0.5, 0.1, -0.7, 1.0];
        let mut policy = Barp::new(&BarpSettings::default(), inputs, &Stream::root(1));
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        policy.weights.iter_mut().for_each(|weight| *weight = 0.3 * standard_normal(&mut rng));
        let pool = [0, 1, 3];
        let preference = Preference::new(0.7).unwrap();
        let situation = Situation { prompt: 0, context: &context, pool: &pool, preference };
        let loss = |policy: &mut Barp| {
            policy.forward(&situation);
            let p = |arm: usize| policy.probabilities[arm];
            let negative_entropy: f64 = pool.iter().map(|&arm| p(arm) * p(arm).ln()).sum();
            -0.8 * p(1).ln() + policy.settings.entropy * negative_entropy
        };
        policy.forward(&situation);
        policy.backward(&pool, 1, 0.8);
        let gradient = policy.gradient.clone();
        for at in (0..gradient.len()).step_by(17) {
            let moved = |step: f64| {
                let mut policy = policy.clone();
                policy.weights[at] += step;
                loss(&mut policy)
            };
            let expected = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert!((gradient[at] - expected).abs() < 1e-7, "{at}: {} {expected}", gradient[at]);
        }
    }
}
