//! Learners on linear [`Arms`]: with the expected utility u_k = s_k - w c_k and the variance v_k of each arm,
//!
//! - LinUCB takes the highest u_k + alpha sqrt(v_k). The bonus is on the scale of scores: costs are nearly known after a
//!   few answers.
//! - Thompson sampling draws each u_k from a normal distribution of deviation `spread` sqrt(v_k), which is the posterior of
//!   x . theta_k with a noise of that deviation, and takes the highest; arms are independent, so nothing else needs to be
//!   drawn. The probability of a choice is the integral of the other arms' distribution functions over the chosen arm's
//!   density.
//! - epsilon-greedy takes the highest u_k, and with probability epsilon any arm.
//!
//! PILOT is LinUCB with a prior: theta starts as the ridge regression on the warm start, A as a multiple of the identity.
//! Of the method of arXiv 2508.21141 this is the bandit; its embeddings learned from human preferences and its budget are
//! left out, because here there are recorded outcomes and preferences instead.
//!
//! What is not set is tuned on the warm start alone: candidates replay its prompts under the same feedback as later, and the
//! one that earns most is taken. Learners that start warm see the outcomes of one half first and replay the other half.
//! Without a warm start it has the defaults below.

use std::collections::BTreeMap;

use statrs::function::erf::erf;

use super::arms::{Arms, Estimate};
use super::{LearnerInputs, OnlineRouter, Outcome, Ready, Situation, WarmStart};
use crate::preference::Preference;
use crate::random::{ChaCha8Rng, index_below, shuffle, standard_normal, uniform};
use crate::router::Meter;
use crate::seed::Stream;

/// Orders of the warm-start prompts that every candidate replays while it is tuned.
const TUNING_ORDERS: usize = 4;
const ALPHAS: [f64; 6] = [0.01, 0.03, 0.1, 0.2, 0.5, 1.0];
const SPREADS: [f64; 5] = [0.01, 0.03, 0.1, 0.2, 0.5];
const EPSILONS: [f64; 4] = [0.01, 0.03, 0.1, 0.2];
const PRIOR_WEIGHTS: [f64; 5] = [0.1, 1.0, 10.0, 100.0, 1000.0];
const DEFAULT_ALPHA: f64 = 0.2;
const DEFAULT_SPREAD: f64 = 0.2;
const DEFAULT_EPSILON: f64 = 0.1;

/// What a learner knows at the first step.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// Nothing.
    #[default]
    Cold,
    /// All outcomes of the warm start.
    Warm,
}

/// Settings of `kind = "linucb"`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct LinucbSettings {
    /// How many deviations the bound lies above the estimate.
    pub alpha: Option<f64>,
    /// lambda.
    pub ridge: f64,
    /// gamma: how much an answer counts after the next one of the same arm.
    pub discount: f64,
    /// What is known at first.
    pub start: Start,
}

/// Settings of `kind = "lin-thompson"`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ThompsonSettings {
    /// The deviation of the noise that the posterior assumes.
    pub spread: Option<f64>,
    /// lambda.
    pub ridge: f64,
    /// gamma: how much an answer counts after the next one of the same arm.
    pub discount: f64,
    /// What is known at first.
    pub start: Start,
}

/// Settings of `kind = "epsilon-greedy"`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct EpsilonGreedySettings {
    /// How often any arm is taken.
    pub epsilon: Option<f64>,
    /// lambda.
    pub ridge: f64,
    /// gamma: how much an answer counts after the next one of the same arm.
    pub discount: f64,
    /// What is known at first.
    pub start: Start,
}

/// Settings of `kind = "pilot"`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PilotSettings {
    /// How many deviations the bound lies above the estimate.
    pub alpha: Option<f64>,
    /// lambda of the regression on the warm start.
    pub ridge: f64,
    /// How many answers in every direction the prior counts for.
    pub prior_weight: Option<f64>,
    /// gamma: how much an answer counts after the next one of the same arm.
    pub discount: f64,
}

impl Default for LinucbSettings {
    fn default() -> Self {
        LinucbSettings { alpha: None, ridge: 1.0, discount: 1.0, start: Start::Cold }
    }
}

impl Default for ThompsonSettings {
    fn default() -> Self {
        ThompsonSettings { spread: None, ridge: 1.0, discount: 1.0, start: Start::Cold }
    }
}

impl Default for EpsilonGreedySettings {
    fn default() -> Self {
        EpsilonGreedySettings { epsilon: None, ridge: 1.0, discount: 1.0, start: Start::Cold }
    }
}

impl Default for PilotSettings {
    fn default() -> Self {
        PilotSettings { alpha: None, ridge: 1.0, prior_weight: None, discount: 1.0 }
    }
}

/// How a linear learner explores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// LinUCB.
    UpperBound {
        /// Deviations above the estimate.
        alpha: f64,
    },
    /// Thompson sampling.
    Thompson {
        /// Deviation of the assumed noise.
        spread: f64,
    },
    /// Epsilon-greedy.
    EpsilonGreedy {
        /// How often any arm is taken.
        epsilon: f64,
    },
}

/// A linear learner.
#[derive(Clone, Debug)]
pub struct Linear {
    arms: Arms,
    rule: Rule,
    /// Expected utility and deviation of each arm of the pool.
    beliefs: Vec<(f64, f64)>,
}

impl Linear {
    /// A learner on these arms.
    pub fn new(arms: Arms, rule: Rule) -> Self {
        Linear { arms, rule, beliefs: Vec::new() }
    }
}

impl OnlineRouter for Linear {
    fn choose(&mut self, situation: &Situation<'_>, rng: &mut ChaCha8Rng) -> (usize, f64) {
        let Situation { context, pool, preference, .. } = *situation;
        self.beliefs.clear();
        for &arm in pool {
            let Estimate { score, cost_units, variance } = self.arms.estimate(arm, context);
            self.beliefs.push((preference.utility(score, cost_units), variance.sqrt()));
        }
        let n = pool.len();
        let (chosen, propensity) = match self.rule {
            Rule::UpperBound { alpha } => {
                (highest(self.beliefs.iter().map(|(mean, deviation)| mean + alpha * deviation)), 1.0)
            }
            Rule::Thompson { spread } => {
                self.beliefs.iter_mut().for_each(|(_, deviation)| *deviation *= spread);
                let draw = |(mean, deviation): &(f64, f64)| mean + deviation * standard_normal(rng);
                let chosen = highest(self.beliefs.iter().map(draw));
                (chosen, probability_of_highest(&self.beliefs, chosen))
            }
            Rule::EpsilonGreedy { epsilon } => {
                let greedy = highest(self.beliefs.iter().map(|(mean, _)| *mean));
                let explores = uniform(rng) < epsilon;
                let chosen = if explores { index_below(rng, n) } else { greedy };
                let share = epsilon / n as f64;
                (chosen, if chosen == greedy { 1.0 - epsilon + share } else { share })
            }
        };
        (pool[chosen], propensity)
    }

    fn learn(&mut self, situation: &Situation<'_>, arm: usize, outcome: Outcome) {
        self.arms.learn(arm, situation.context, outcome.score, outcome.cost_units);
    }
}

/// The position of the highest value; ties go to the first.
fn highest(values: impl Iterator<Item = f64>) -> usize {
    let mut best = (f64::NEG_INFINITY, 0);
    for (at, value) in values.enumerate() {
        if value > best.0 {
            best = (value, at);
        }
    }
    best.1
}

/// The probability that one of several independent normal variables, given by mean and deviation, is the highest: the
/// integral over its own standardised value z of phi(z) prod_j Phi(...), by the trapezoidal rule on [-6, 6].
fn probability_of_highest(beliefs: &[(f64, f64)], chosen: usize) -> f64 {
    const STEPS: i32 = 96;
    const REACH: f64 = 6.0;
    let (mean, deviation) = beliefs[chosen];
    let step = 2.0 * REACH / f64::from(STEPS);
    let density = |z: f64| (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let below = |value: f64, (mean, deviation): &(f64, f64)| {
        // Scores are known to a billionth at best.
        0.5 * (1.0 + erf((value - mean) / (deviation.max(1e-9) * std::f64::consts::SQRT_2)))
    };
    let others = || beliefs.iter().enumerate().filter(|(at, _)| *at != chosen).map(|(_, belief)| belief);
    let mut total = 0.0;
    for at in 0..=STEPS {
        let z = -REACH + step * f64::from(at);
        let value = mean + deviation * z;
        let mut product = density(z);
        for other in others() {
            product *= below(value, other);
            if product < 1e-12 {
                break;
            }
        }
        total += product;
    }
    (total * step).clamp(1e-6, 1.0)
}

/// A learner that is tried.
struct Candidate {
    /// Arms that have answered nothing.
    arms: Arms,
    rule: Rule,
    /// What the answers of the first half count for, if not what they are.
    prior_weight: Option<f64>,
}

/// The position of the candidate that earns most; ties go to the first.
fn most_earning(
    inputs: LearnerInputs<'_>,
    warm: &WarmStart,
    candidates: &[Candidate],
    start: Start,
    stream: &Stream,
) -> usize {
    let total = |candidate: &Candidate| -> f64 {
        let order = |order| earned(inputs, warm, candidate, start, &stream.named("tuning").numbered(order));
        (0..TUNING_ORDERS).map(order).sum()
    };
    highest(candidates.iter().map(total))
}

/// Shows all known outcomes of a warm-start prompt.
fn teach(arms: &mut Arms, warm: &WarmStart, row: usize) {
    for arm in 0..warm.data.n_models() {
        if let Some(Outcome { score, cost_units }) = warm.outcome(row, arm) {
            arms.learn(arm, warm.contexts.row(row), score, cost_units);
        }
    }
}

fn earned(
    inputs: LearnerInputs<'_>,
    warm: &WarmStart,
    candidate: &Candidate,
    start: Start,
    stream: &Stream,
) -> f64 {
    let mut rows: Vec<usize> = (0..warm.contexts.n_rows()).collect();
    shuffle(&mut stream.named("prompts").generator(), &mut rows);
    let (seen, replayed) = rows.split_at(if start == Start::Warm { rows.len() / 2 } else { 0 });
    let mut arms = candidate.arms.clone();
    seen.iter().for_each(|&row| teach(&mut arms, warm, row));
    if let Some(weight) = candidate.prior_weight {
        arms.set_prior_weight(weight);
    }
    let mut learner = Linear::new(arms, candidate.rule);
    let (mut rng, mut preferences) =
        (stream.named("choices").generator(), stream.named("preferences").generator());
    let mut total = 0.0;
    for &row in replayed {
        let preference = Preference::new((inputs.draw_preference)(&mut preferences));
        let preference = preference.expect("declared preferences are not negative");
        let pool = warm.pool(row);
        let situation = Situation { prompt: row, context: warm.contexts.row(row), pool: &pool, preference };
        let (arm, _) = learner.choose(&situation, &mut rng);
        let outcome = warm.outcome(row, arm).expect("a chosen arm is in the pool of its prompt");
        learner.learn(&situation, arm, outcome);
        total += preference.utility(outcome.score, outcome.cost_units);
    }
    total
}

/// A rule for each value tried.
type Rules<'a> = (&'static str, &'a [f64], Option<f64>, f64, fn(f64) -> Rule);

/// Settles how much a learner explores and what it starts from.
fn ready<'a>(
    inputs: LearnerInputs<'a>,
    stream: &Stream,
    (ridge, discount, start): (f64, f64, Start),
    (name, tried, set, default, rule): Rules<'_>,
) -> Ready<'a> {
    let fresh = || Arms::new(inputs.n_arms, inputs.context_width, ridge, discount);
    let mut notes = BTreeMap::new();
    let mut paid = Meter::default();
    let chosen = match (set, inputs.warm) {
        (Some(value), _) => value,
        (None, Some(warm)) => {
            let candidate = |&value: &f64| Candidate { arms: fresh(), rule: rule(value), prior_weight: None };
            let candidates: Vec<Candidate> = tried.iter().map(candidate).collect();
            paid = warm.data.price_of_all;
            tried[most_earning(inputs, warm, &candidates, start, stream)]
        }
        (None, None) => default,
    };
    notes.insert(name.to_owned(), chosen.to_string());
    let mut arms = fresh();
    if let (Start::Warm, Some(warm)) = (start, inputs.warm) {
        (0..warm.contexts.n_rows()).for_each(|row| teach(&mut arms, warm, row));
        paid = warm.data.price_of_all;
    }
    let learner = Linear::new(arms, rule(chosen));
    Ready { start: Box::new(move |_| Box::new(learner.clone())), notes, paid }
}

fn check_positive(name: &str, value: Option<f64>, most: f64) -> Result<(), String> {
    match value {
        Some(value) if !(0.0..=most).contains(&value) => {
            Err(format!("`{name}` {value} is not from 0 to {most}"))
        }
        _ => Ok(()),
    }
}

fn check_regression(ridge: f64, discount: f64) -> Result<(), String> {
    if !(1e-6..=1e9).contains(&ridge) {
        return Err(format!("`ridge` {ridge} is not a number from 0.000001 up"));
    }
    if !(0.5..=1.0).contains(&discount) {
        return Err(format!("`discount` {discount} is not between 0.5 and 1"));
    }
    Ok(())
}

impl LinucbSettings {
    pub(super) fn check(&self) -> Result<(), String> {
        check_positive("alpha", self.alpha, 1e6)?;
        check_regression(self.ridge, self.discount)
    }

    pub(super) fn ready<'a>(&self, inputs: LearnerInputs<'a>, stream: &Stream) -> Ready<'a> {
        let rules: Rules<'_> =
            ("alpha", &ALPHAS, self.alpha, DEFAULT_ALPHA, |alpha| Rule::UpperBound { alpha });
        ready(inputs, stream, (self.ridge, self.discount, self.start), rules)
    }
}

impl ThompsonSettings {
    pub(super) fn check(&self) -> Result<(), String> {
        check_positive("spread", self.spread, 1e6)?;
        check_regression(self.ridge, self.discount)
    }

    pub(super) fn ready<'a>(&self, inputs: LearnerInputs<'a>, stream: &Stream) -> Ready<'a> {
        let rules: Rules<'_> =
            ("spread", &SPREADS, self.spread, DEFAULT_SPREAD, |spread| Rule::Thompson { spread });
        ready(inputs, stream, (self.ridge, self.discount, self.start), rules)
    }
}

impl EpsilonGreedySettings {
    pub(super) fn check(&self) -> Result<(), String> {
        check_positive("epsilon", self.epsilon, 1.0)?;
        check_regression(self.ridge, self.discount)
    }

    pub(super) fn ready<'a>(&self, inputs: LearnerInputs<'a>, stream: &Stream) -> Ready<'a> {
        let rules: Rules<'_> =
            ("epsilon", &EPSILONS, self.epsilon, DEFAULT_EPSILON, |epsilon| Rule::EpsilonGreedy { epsilon });
        ready(inputs, stream, (self.ridge, self.discount, self.start), rules)
    }
}

impl PilotSettings {
    pub(super) fn check(&self) -> Result<(), String> {
        check_positive("alpha", self.alpha, 1e6)?;
        if self.prior_weight.is_some_and(|weight| !(1e-6..=1e9).contains(&weight)) {
            return Err("`prior-weight` is a number from 0.000001 up".into());
        }
        check_regression(self.ridge, self.discount)
    }

    pub(super) fn ready<'a>(&self, inputs: LearnerInputs<'a>, stream: &Stream) -> Ready<'a> {
        let warm = inputs.warm.expect("a scenario with `pilot` has a warm start: this was checked");
        let fresh = || Arms::new(inputs.n_arms, inputs.context_width, self.ridge, self.discount);
        let alphas = self.alpha.map_or(ALPHAS.to_vec(), |alpha| vec![alpha]);
        let weights = self.prior_weight.map_or(PRIOR_WEIGHTS.to_vec(), |weight| vec![weight]);
        let pairs: Vec<(f64, f64)> =
            alphas.iter().flat_map(|&alpha| weights.iter().map(move |&weight| (alpha, weight))).collect();
        let candidate = |&(alpha, weight): &(f64, f64)| Candidate {
            arms: fresh(),
            rule: Rule::UpperBound { alpha },
            prior_weight: Some(weight),
        };
        let candidates: Vec<Candidate> = pairs.iter().map(candidate).collect();
        let (alpha, weight) = pairs[most_earning(inputs, warm, &candidates, Start::Warm, stream)];
        let mut arms = fresh();
        (0..warm.contexts.n_rows()).for_each(|row| teach(&mut arms, warm, row));
        arms.set_prior_weight(weight);
        let learner = Linear::new(arms, Rule::UpperBound { alpha });
        let notes = BTreeMap::from([
            ("alpha".to_owned(), alpha.to_string()),
            ("prior-weight".to_owned(), weight.to_string()),
        ]);
        let start = Box::new(move |_: &Stream| Box::new(learner.clone()) as Box<dyn OnlineRouter>);
        Ready { start, notes, paid: warm.data.price_of_all }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SeedableRng;

    #[test]
    fn the_probability_of_a_draw_agrees_with_its_frequency() {
        let beliefs = [(0.1, 0.3), (0.2, 0.1), (-0.1, 0.6), (0.15, 1e-4)];
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut counts = [0_u32; 4];
        for _ in 0..200_000 {
            counts[highest(beliefs.iter().map(|(mean, d)| mean + d * standard_normal(&mut rng)))] += 1;
        }
        let known: Vec<f64> = (0..4).map(|arm| probability_of_highest(&beliefs, arm)).collect();
        for (count, known) in counts.iter().zip(&known) {
            // Four standard errors.
            assert!((f64::from(*count) / 2e5 - known).abs() < 0.0045, "{counts:?} {known:?}");
        }
        assert!((known.iter().sum::<f64>() - 1.0).abs() < 0.01);
    }

    #[test]
    fn epsilon_greedy_says_how_probable_its_choices_are() {
        let mut arms = Arms::new(4, 1, 1.0, 1.0);
        arms.learn(2, &[1.0], 1.0, 0.0);
        let mut learner = Linear::new(arms, Rule::EpsilonGreedy { epsilon: 0.2 });
        let preference = Preference::new(0.0).unwrap();
        let situation = Situation { prompt: 0, context: &[1.0], pool: &[0, 2, 3], preference };
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut n_greedy = 0;
        for _ in 0..10_000 {
            let (arm, propensity) = learner.choose(&situation, &mut rng);
            n_greedy += u32::from(arm == 2);
            let expected = if arm == 2 { 0.8 + 0.2 / 3.0 } else { 0.2 / 3.0 };
            assert!(arm != 1 && (propensity - expected).abs() < 1e-12);
        }
        assert!((f64::from(n_greedy) / 1e4 - 0.8667).abs() < 0.015);
    }
}
