//! Feedback as it comes to an online learner: late, of a share of the answers, noisy, or poisoned; and a quota of calls of a model.
//!
//! Chance is drawn by step from streams that are named by what is drawn, so that every learner meets the same delays and the same
//! lies at the same steps of an order, and a smaller share is a part of a larger one. What an answer is worth does not change: regret
//! is of true scores. The warm start is told as it was.

use serde::{Deserialize, Serialize};

use super::change::{Change, WrittenChange, changes_in_words, percent, read_changes};
use crate::error::{Error, Result, suggestion};
use crate::random::{ChaCha8Rng, uniform};
use crate::seed::Stream;

/// More steps than this are no delay within an order.
const LONGEST_DELAY: usize = 1_000_000;

/// Settings `[online.feedback]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Feedback {
    /// How many choices later the outcome of a choice is told: `{ fixed = 50 }`, or `{ geometric = 50.0 }` with a mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<Delay>,
    /// The share of the answers that are scored at all; nothing is learned from the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scored: Option<f64>,
    /// The share of the scores that are told turned around: 1 less the score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noise: Option<f64>,
    /// Who is spoken ill of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub poison: Option<Poison>,
}

/// A distribution of delays, in steps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Delay {
    /// Always so many steps; 0 is at once, before the next choice.
    Fixed(usize),
    /// Geometric from 0 up, with this mean.
    Geometric(f64),
}

/// An attack on one model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Poison {
    /// The model.
    pub model: String,
    /// The share of its answers whose score is told as 0.
    pub share: f64,
}

/// Settings `[online.quota]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// The model.
    pub model: String,
    /// At most so many calls of it in each window; after them it is out of the pool, except for prompts that no other model answers,
    /// which do not count.
    pub calls: usize,
    /// Steps of a window; windows follow one another from the first step on.
    pub window: usize,
}

/// An `[[online.condition]]`: the scenario once more under other feedback, another quota, or more changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Condition {
    /// Its name in tables.
    pub name: String,
    /// What it says of feedback; what it leaves out is as without it.
    pub feedback: Feedback,
    /// In the place of the scenario's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<Quota>,
    /// What happens besides what the scenario lets happen.
    pub changes: Vec<Change>,
}

/// A [`Condition`] as written.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct WrittenCondition {
    /// Its name in tables.
    name: String,
    /// What it says of feedback; what it leaves out is as without it.
    #[serde(default)]
    feedback: Feedback,
    /// In the place of the scenario's own.
    quota: Option<Quota>,
    /// What happens besides what the scenario lets happen.
    #[serde(default)]
    change: Vec<WrittenChange>,
}

impl Feedback {
    /// Whether every answer is told as it is, at once.
    pub(crate) fn is_plain(&self) -> bool {
        *self == Feedback::default()
    }

    /// These settings, with those of another in the place of what they leave out.
    pub(super) fn or(&self, other: &Feedback) -> Feedback {
        Feedback {
            delay: self.delay.or(other.delay),
            scored: self.scored.or(other.scored),
            noise: self.noise.or(other.noise),
            poison: self.poison.clone().or_else(|| other.poison.clone()),
        }
    }

    pub(super) fn check(&self, key: &str) -> Result<()> {
        let fault = |name: &str, problem: String| Err(Error::setting(format!("{key}.{name}"), problem));
        match self.delay {
            Some(Delay::Fixed(steps)) if steps > LONGEST_DELAY => {
                return fault("delay", format!("`delay` is at most {LONGEST_DELAY} steps"));
            }
            Some(Delay::Geometric(mean)) if !(0.0..=LONGEST_DELAY as f64).contains(&mean) => {
                return fault(
                    "delay",
                    format!("the mean `delay` {mean} is not from 0 to {LONGEST_DELAY} steps"),
                );
            }
            _ => {}
        }
        let poison = self.poison.as_ref().map(|poison| poison.share);
        for (name, share) in [("scored", self.scored), ("noise", self.noise), ("poison", poison)] {
            if let Some(share) = share.filter(|share| !(0.0..=1.0).contains(share)) {
                return fault(name, format!("`{name}` {share} is not a share from 0 to 1"));
            }
        }
        Ok(())
    }

    /// In words, one for each setting.
    fn words(&self) -> Vec<String> {
        let delay = self.delay.map(|delay| match delay {
            Delay::Fixed(steps) => format!("outcomes are told {steps} steps later"),
            Delay::Geometric(mean) => {
                format!("outcomes are told later, by a geometric delay of {mean} steps in the mean")
            }
        });
        let scored = self.scored.map(|share| format!("{} of the answers are scored", percent(share)));
        let noise =
            self.noise.map(|share| format!("{} of the scores are told turned around", percent(share)));
        let poison = self.poison.as_ref();
        let poison = poison.map(|Poison { model, share }| {
            format!("{} of the scores of `{model}` are told as 0", percent(*share))
        });
        [delay, scored, noise, poison].into_iter().flatten().collect()
    }
}

impl Quota {
    pub(super) fn check(&self, key: &str) -> Result<()> {
        if self.calls >= self.window {
            let problem = format!(
                "{} calls in {} steps are no quota: `calls` must be below `window`",
                self.calls, self.window
            );
            return Err(Error::setting(format!("{key}.calls"), problem));
        }
        Ok(())
    }
}

impl Condition {
    /// What it is, in words.
    pub fn words(&self) -> String {
        let mut words = self.feedback.words();
        words.extend(self.quota.as_ref().map(quota_in_words));
        words.extend(changes_in_words(&self.changes));
        words.join("; ")
    }
}

/// Feedback and quota of a scenario, in words; none where everything is told as it is.
pub(crate) fn feedback_in_words(feedback: &Feedback, quota: Option<&Quota>) -> Vec<String> {
    feedback.words().into_iter().chain(quota.map(quota_in_words)).collect()
}

fn quota_in_words(Quota { model, calls, window }: &Quota) -> String {
    format!("`{model}` can be called {calls} times in each {window} steps")
}

impl WrittenCondition {
    pub(super) fn read(self, key: &str) -> Result<Condition> {
        let WrittenCondition { name, feedback, quota, change } = self;
        feedback.check(&format!("{key}.feedback"))?;
        if let Some(quota) = &quota {
            quota.check(&format!("{key}.quota"))?;
        }
        let changes = read_changes(change, &format!("{key}.change"))?;
        let condition = Condition { name, feedback, quota, changes };
        if condition.words().is_empty() {
            let problem =
                "a condition needs `feedback`, `quota`, or `change`: without any it is the run as it is";
            return Err(Error::setting(key, problem));
        }
        Ok(condition)
    }
}

/// The position of a model.
fn place(models: &[String], name: &str, key: &str) -> Result<usize> {
    models.iter().position(|model| model == name).ok_or_else(|| {
        let near = suggestion(name, models.iter().map(String::as_str));
        Error::setting(key, format!("`{name}` is no candidate{near}"))
    })
}

/// That feedback and quota name arms.
pub(crate) fn check_names(feedback: &Feedback, quota: Option<&Quota>, models: &[String]) -> Result<()> {
    if let Some(poison) = &feedback.poison {
        place(models, &poison.model, "online.feedback.poison")?;
    }
    quota.map_or(Ok(()), |quota| place(models, &quota.model, "online.quota").map(drop))
}

/// What becomes of the outcome of each step of one order.
pub(crate) struct Deliveries {
    /// The step after whose choice it is told; `None` where it never is.
    due: Vec<Option<usize>>,
    is_turned: Vec<bool>,
    is_denied: Vec<bool>,
    poisoned: Option<usize>,
}

impl Deliveries {
    /// Draws them. What would be told after the last step is never told.
    pub(crate) fn new(
        feedback: &Feedback,
        models: &[String],
        n_steps: usize,
        (seed, order): (u64, usize),
    ) -> Deliveries {
        let stream = Stream::root(seed).named("feedback").numbered(order);
        let happens = |name: &str, share: Option<f64>| -> Vec<bool> {
            let mut rng = stream.named(name).generator();
            share.map_or_else(Vec::new, |share| (0..n_steps).map(|_| uniform(&mut rng) < share).collect())
        };
        let is_scored = happens("scored", feedback.scored);
        let mut rng = stream.named("delay").generator();
        let due = |step: usize| {
            let due = step.saturating_add(feedback.delay.map_or(0, |delay| delay.draw(&mut rng)));
            (due < n_steps && is_scored.get(step) != Some(&false)).then_some(due)
        };
        let poison = feedback.poison.as_ref();
        Deliveries {
            due: (0..n_steps).map(due).collect(),
            is_turned: happens("noise", feedback.noise),
            is_denied: happens("poison", poison.map(|poison| poison.share)),
            poisoned: poison.and_then(|poison| models.iter().position(|model| *model == poison.model)),
        }
    }

    /// The step after whose choice the outcome of a step is told.
    pub(crate) fn due(&self, step: usize) -> Option<usize> {
        self.due[step]
    }

    /// The score that is told of an arm's answer.
    pub(crate) fn told(&self, step: usize, arm: usize, score: f64) -> f64 {
        if self.poisoned == Some(arm) && self.is_denied[step] {
            return 0.0;
        }
        if self.is_turned.get(step) == Some(&true) { 1.0 - score } else { score }
    }
}

impl Delay {
    fn draw(self, rng: &mut ChaCha8Rng) -> usize {
        match self {
            Delay::Fixed(steps) => steps,
            // P(delay >= k) = (mean / (1 + mean))^k.
            Delay::Geometric(mean) => ((1.0 - uniform(rng)).ln() / (mean / (1.0 + mean)).ln()) as usize,
        }
    }
}

/// Counts the calls of the model that has a quota, in the window under way.
pub(crate) struct Calls {
    /// The arm, its calls, and the steps of a window.
    quota: Option<(usize, usize, usize)>,
    window: usize,
    n: usize,
}

impl Calls {
    /// Nobody has called yet.
    pub(crate) fn new(quota: Option<&Quota>, models: &[String]) -> Calls {
        let arm = |name: &str| models.iter().position(|model| model == name);
        let quota = quota.and_then(|quota| Some((arm(&quota.model)?, quota.calls, quota.window)));
        Calls { quota, window: 0, n: 0 }
    }

    /// The arm, its calls, and the steps of a window.
    pub(crate) fn quota(&self) -> Option<(usize, usize, usize)> {
        self.quota
    }

    /// Takes the arm out of the pool of a step where its calls are used up and somebody else is there.
    pub(crate) fn close(&mut self, step: usize, pool: &mut Vec<usize>) {
        let Some((arm, calls, window)) = self.quota else { return };
        if step / window != self.window {
            (self.window, self.n) = (step / window, 0);
        }
        if self.n >= calls && pool.len() > 1 {
            pool.retain(|&other| other != arm);
        }
    }

    /// Counts a call; one that nobody else could have answered does not count.
    pub(crate) fn count(&mut self, arm: usize, pool: &[usize]) {
        if pool.len() > 1 && self.quota.is_some_and(|(own, ..)| own == arm) {
            self.n += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn models() -> Vec<String> {
        ["a", "b"].map(str::to_owned).to_vec()
    }

    #[test]
    fn delays_have_their_mean_and_a_delay_of_zero_is_at_once() {
        let drawn = |delay: Delay| {
            let feedback = Feedback { delay: Some(delay), ..Feedback::default() };
            Deliveries::new(&feedback, &models(), 20_000, (1, 0))
        };
        for delay in [Delay::Fixed(0), Delay::Geometric(0.0)] {
            assert!((0..20_000).all(|step| drawn(delay).due[step] == Some(step)));
        }
        let fixed = drawn(Delay::Fixed(7));
        assert_eq!([fixed.due(0), fixed.due(19_992), fixed.due(19_993)], [Some(7), Some(19_999), None]);
        let geometric = drawn(Delay::Geometric(10.0));
        let delays: Vec<f64> = (0..10_000).map(|step| (geometric.due(step).unwrap() - step) as f64).collect();
        // The deviation is sqrt(10 * 11), that of the mean a hundredth; the share of 0 is 1 / 11.
        assert!((delays.iter().sum::<f64>() / 1e4 - 10.0).abs() < 0.4);
        let at_once = delays.iter().filter(|delay| **delay == 0.0).count() as f64 / 1e4;
        assert!((at_once - 1.0 / 11.0).abs() < 0.012, "{at_once}");
    }

    #[test]
    fn shares_are_shares_and_a_smaller_one_is_a_part_of_a_larger() {
        let drawn = |scored: f64, noise: f64| {
            let poison = Some(Poison { model: "b".into(), share: noise });
            let feedback =
                Feedback { scored: Some(scored), noise: Some(noise), poison, ..Feedback::default() };
            Deliveries::new(&feedback, &models(), 10_000, (1, 3))
        };
        let (few, many, all) = (drawn(0.2, 0.1), drawn(0.5, 0.4), drawn(1.0, 1.0));
        let n_scored = few.due.iter().flatten().count() as f64;
        assert!((n_scored / 1e4 - 0.2).abs() < 0.016, "{n_scored}");
        for step in 0..10_000 {
            assert!(few.due(step).is_none() || many.due(step).is_some());
            assert!(few.told(step, 0, 0.8) == 0.8 || many.told(step, 0, 0.8) == 1.0 - 0.8);
            assert_eq!(
                (all.due(step), all.told(step, 0, 0.8), all.told(step, 1, 0.8)),
                (Some(step), 1.0 - 0.8, 0.0)
            );
        }
        let plain = Deliveries::new(&Feedback::default(), &models(), 10, (1, 3));
        assert!((0..10).all(|step| plain.due(step) == Some(step) && plain.told(step, 1, 0.3) == 0.3));
    }

    #[test]
    fn a_quota_closes_an_arm_until_the_window_ends_but_never_the_last() {
        let mut calls = Calls::new(Some(&Quota { model: "b".into(), calls: 2, window: 4 }), &models());
        let mut pools = Vec::new();
        for step in 0..8 {
            let mut pool = if step == 3 { vec![1] } else { vec![0, 1] };
            calls.close(step, &mut pool);
            calls.count(*pool.last().unwrap(), &pool);
            pools.push(pool.contains(&1));
        }
        assert_eq!(pools, [true, true, false, true, true, true, false, false]);
    }
}
