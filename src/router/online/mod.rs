//! Learners: they choose an arm for each prompt and learn from what that arm did, nothing else.
//!
//! `learner` says what a learner is, `contexts` what it sees of a prompt. `arms` holds ridge regressions that are updated by
//! rank-one steps; `linear` chooses by them (LinUCB, Thompson sampling, epsilon-greedy, PILOT) and finds out how much each
//! explores. `barp` and `llm_bandit` are policies that follow the gradient of their own rewards.

mod arms;
mod barp;
mod contexts;
mod learner;
mod linear;
mod llm_bandit;

use std::collections::BTreeMap;

pub use arms::{Arms, Estimate};
pub use barp::BarpSettings;
pub use contexts::Contexts;
pub(crate) use contexts::Reduction;
pub(crate) use learner::{LearnerInputs, Ready, WarmStart};
pub use learner::{OnlineRouter, Outcome, Situation};
pub use linear::{
    EpsilonGreedySettings, Linear, LinucbSettings, PilotSettings, Rule, Start, ThompsonSettings,
};
pub use llm_bandit::OnlineBanditSettings;

use crate::error::Result;
use crate::random::{ChaCha8Rng, index_below};
use crate::router::Meter;
use crate::seed::Stream;

/// A router of an online scenario: its kind and settings.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum OnlineRouterSettings {
    /// Any arm of the pool with equal probability.
    Random(RandomSettings),
    /// The arm with the highest upper confidence bound (Li et al. 2010, arXiv 1003.0146), disjoint models.
    Linucb(LinucbSettings),
    /// The arm that is best under a draw from the posterior (Agrawal and Goyal 2013, arXiv 1209.3352).
    LinThompson(ThompsonSettings),
    /// The arm that looks best, but now and then any.
    EpsilonGreedy(EpsilonGreedySettings),
    /// LinUCB that starts from what it learned before the first step (arXiv 2508.21141).
    Pilot(PilotSettings),
    /// A preference-conditioned policy that follows the gradient of its rewards (arXiv 2510.07429).
    Barp(BarpSettings),
    /// The LLM Bandit router, trained on the warm start, that goes on learning from its own choices.
    LlmBanditOnline(OnlineBanditSettings),
}

impl OnlineRouterSettings {
    /// Its name in a scenario.
    pub fn kind(&self) -> &'static str {
        match self {
            OnlineRouterSettings::Random(_) => "random",
            OnlineRouterSettings::Linucb(_) => "linucb",
            OnlineRouterSettings::LinThompson(_) => "lin-thompson",
            OnlineRouterSettings::EpsilonGreedy(_) => "epsilon-greedy",
            OnlineRouterSettings::Pilot(_) => "pilot",
            OnlineRouterSettings::Barp(_) => "barp",
            OnlineRouterSettings::LlmBanditOnline(_) => "llm-bandit-online",
        }
    }

    /// Whether its probabilities are those of a policy that explores by chance, so that its log can be used to estimate
    /// other policies.
    pub fn explores_by_chance(&self) -> bool {
        !matches!(self, OnlineRouterSettings::Linucb(_) | OnlineRouterSettings::Pilot(_))
    }

    /// Whether every setting is in its range.
    ///
    /// # Errors
    /// A setting that is not, in words.
    pub fn check(&self, has_warm_start: bool) -> std::result::Result<(), String> {
        let needs = |start: Start| start == Start::Warm;
        let needs_warm_start = match self {
            OnlineRouterSettings::Random(_) => false,
            OnlineRouterSettings::Linucb(settings) => needs(settings.start),
            OnlineRouterSettings::LinThompson(settings) => needs(settings.start),
            OnlineRouterSettings::EpsilonGreedy(settings) => needs(settings.start),
            OnlineRouterSettings::Barp(settings) => needs(settings.start),
            OnlineRouterSettings::Pilot(_) | OnlineRouterSettings::LlmBanditOnline(_) => true,
        };
        if needs_warm_start && !has_warm_start {
            let kind = self.kind();
            return Err(format!(
                "`{kind}` learns before the first step and needs a `warm-start` in `[online]`"
            ));
        }
        match self {
            OnlineRouterSettings::Random(_) => Ok(()),
            OnlineRouterSettings::Linucb(settings) => settings.check(),
            OnlineRouterSettings::LinThompson(settings) => settings.check(),
            OnlineRouterSettings::EpsilonGreedy(settings) => settings.check(),
            OnlineRouterSettings::Pilot(settings) => settings.check(),
            OnlineRouterSettings::Barp(settings) => settings.check(),
            OnlineRouterSettings::LlmBanditOnline(settings) => settings.check(),
        }
    }

    /// Tunes and pretrains on the warm start alone.
    ///
    /// # Errors
    /// Training that diverges.
    pub(crate) fn ready<'a>(&'a self, inputs: LearnerInputs<'a>, stream: &Stream) -> Result<Ready<'a>> {
        match self {
            OnlineRouterSettings::Random(_) => Ok(Ready {
                start: Box::new(|_| Box::new(Random)),
                notes: BTreeMap::new(),
                paid: Meter::default(),
            }),
            OnlineRouterSettings::Linucb(settings) => Ok(settings.ready(inputs, stream)),
            OnlineRouterSettings::LinThompson(settings) => Ok(settings.ready(inputs, stream)),
            OnlineRouterSettings::EpsilonGreedy(settings) => Ok(settings.ready(inputs, stream)),
            OnlineRouterSettings::Pilot(settings) => Ok(settings.ready(inputs, stream)),
            OnlineRouterSettings::Barp(settings) => Ok(settings.ready(inputs, stream)),
            OnlineRouterSettings::LlmBanditOnline(settings) => settings.ready(inputs, stream),
        }
    }
}

/// Settings of `kind = "random"`: there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomSettings {}

/// A uniform choice: the floor for every learner, and the best of loggers.
struct Random;

impl OnlineRouter for Random {
    fn choose(&mut self, situation: &Situation<'_>, rng: &mut ChaCha8Rng) -> (usize, f64) {
        let pool = situation.pool;
        (pool[index_below(rng, pool.len())], 1.0 / pool.len() as f64)
    }

    fn learn(&mut self, _situation: &Situation<'_>, _arm: usize, _outcome: Outcome) {}
}
