//! Learners: they choose an arm for each prompt and learn from what that arm did, nothing else.
//!
//! `arms` holds ridge regressions that are updated by rank-one steps; `linear` chooses by them (LinUCB, Thompson sampling,
//! epsilon-greedy, PILOT), `tuning` finds out how much each explores. `barp` and `llm_bandit` are policies that follow the
//! gradient of their own rewards; `random` knows nothing.

mod arms;
mod barp;
mod linear;
mod llm_bandit;
mod random;
mod tuning;

use std::collections::BTreeMap;

pub use arms::{Arms, Estimate};
pub use barp::BarpSettings;
pub use linear::{
    EpsilonGreedySettings, Linear, LinucbSettings, PilotSettings, Rule, Start, ThompsonSettings,
};
pub use llm_bandit::OnlineBanditSettings;
pub use random::RandomSettings;

use super::feedback::{Outcome, Situation};
use super::scenario::OnlineScenario;
use super::world::World;
use crate::error::Result;
use crate::random::ChaCha8Rng;
use crate::router::Meter;
use crate::seed::Stream;

/// A learner under way in one order.
pub trait OnlineRouter: Send {
    /// The arm for a prompt, and the probability with which this arm was to be chosen here: 1 where chance has no say.
    fn choose(&mut self, situation: &Situation<'_>, rng: &mut ChaCha8Rng) -> (usize, f64);

    /// Takes in what the arm that was chosen for the prompt did.
    fn learn(&mut self, situation: &Situation<'_>, arm: usize, outcome: Outcome);
}

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

/// Makes a fresh learner.
type Learner<'a> = Box<dyn Fn(&Stream) -> Box<dyn OnlineRouter> + Send + Sync + 'a>;

/// A router, ready to start an order.
pub(crate) struct Ready<'a> {
    /// A fresh learner; its chance comes from the stream.
    pub(crate) start: Learner<'a>,
    /// What was found out beforehand.
    pub(crate) notes: BTreeMap<String, String>,
    /// What that took.
    pub(crate) paid: Meter,
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
    pub(crate) fn ready<'a>(
        &'a self,
        scenario: &OnlineScenario,
        world: &'a World,
        stream: &Stream,
    ) -> Result<Ready<'a>> {
        match self {
            OnlineRouterSettings::Random(_) => Ok(random::ready()),
            OnlineRouterSettings::Linucb(settings) => Ok(settings.ready(scenario, world, stream)),
            OnlineRouterSettings::LinThompson(settings) => Ok(settings.ready(scenario, world, stream)),
            OnlineRouterSettings::EpsilonGreedy(settings) => Ok(settings.ready(scenario, world, stream)),
            OnlineRouterSettings::Pilot(settings) => Ok(settings.ready(scenario, world, stream)),
            OnlineRouterSettings::Barp(settings) => Ok(settings.ready(scenario, world, stream)),
            OnlineRouterSettings::LlmBanditOnline(settings) => settings.ready(world, stream),
        }
    }
}
