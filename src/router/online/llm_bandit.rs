//! The LLM Bandit router goes online: trained on the warm start as offline, then its policy follows the gradient of the
//! rewards of its own choices. The network is [`OnlinePolicy`](crate::router::OnlinePolicy).

use std::sync::Arc;

use super::learner::{LearnerInputs, OnlineRouter, Outcome, Ready, Situation};
use crate::error::Result;
use crate::random::ChaCha8Rng;
use crate::router::{LlmBanditSettings, OnlinePolicy, OnlineSchedule, Pretrained, Training};
use crate::seed::Stream;

/// Settings of `kind = "llm-bandit-online"`; what is trained before the first step is the preset "best".
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct OnlineBanditSettings {
    /// Of Adam, while learning online.
    pub learning_rate: f64,
    /// Choices after which the policy is changed: a step through the network for each would cost as much as all of them.
    pub batch: usize,
    /// Clipped steps on each batch.
    pub epochs: usize,
    /// Steps of the training on the warm start; absent, those of the preset.
    pub steps: Option<usize>,
}

impl Default for OnlineBanditSettings {
    fn default() -> Self {
        OnlineBanditSettings { learning_rate: 3e-4, batch: 32, epochs: 4, steps: None }
    }
}

struct OnlineBandit(OnlinePolicy);

impl OnlineBanditSettings {
    pub(super) fn check(&self) -> std::result::Result<(), String> {
        if !(0.0..=1.0).contains(&self.learning_rate) {
            return Err(format!("`learning-rate` {} is not from 0 to 1", self.learning_rate));
        }
        if !(1..=10_000).contains(&self.batch) || !(1..=100).contains(&self.epochs) {
            return Err("`batch` must be from 1 to 10000 and `epochs` from 1 to 100".into());
        }
        Ok(())
    }

    pub(super) fn ready<'a>(&self, inputs: LearnerInputs<'a>, stream: &Stream) -> Result<Ready<'a>> {
        let warm = inputs.warm.expect("a scenario with this router has a warm start: this was checked");
        let training = Training::new(&warm.data, &warm.cost_models, stream.named("warm-start"));
        let settings = LlmBanditSettings { steps: self.steps, ..LlmBanditSettings::default() };
        let (pretrained, notes) = Pretrained::new(&settings, &training, &warm.replayed)?;
        let (pretrained, paid) = (Arc::new(pretrained), training.meter());
        let schedule = OnlineSchedule {
            learning_rate: self.learning_rate as f32,
            batch: self.batch,
            epochs: self.epochs,
        };
        let start = move |_: &Stream| -> Box<dyn OnlineRouter> {
            Box::new(OnlineBandit(OnlinePolicy::new(Arc::clone(&pretrained), schedule)))
        };
        Ok(Ready { start: Box::new(start), notes, paid })
    }
}

impl OnlineRouter for OnlineBandit {
    fn choose(&mut self, situation: &Situation<'_>, rng: &mut ChaCha8Rng) -> (usize, f64) {
        self.0.choose(situation.prompt, situation.pool, situation.preference, rng)
    }

    fn learn(&mut self, situation: &Situation<'_>, arm: usize, outcome: Outcome) {
        let utility = situation.preference.utility(outcome.score, outcome.cost_units);
        self.0.learn(situation.prompt, situation.pool, situation.preference, (arm, utility));
    }
}
