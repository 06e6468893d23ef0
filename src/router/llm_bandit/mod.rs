//! The LLM Bandit router (arXiv 2502.02743): identity vectors of models, and one preference-conditioned policy over any
//! pool, trained in stages. A faithful reconstruction from published descriptions, not the official implementation.
//!
//! 1. `identity` learns a vector for each seen model by variational item response theory over `response`; `quiz` places an
//!    unseen model among them by its few answers, and says which answers would tell most; `learned` puts both together for a
//!    whole pool.
//! 2. `predictors` says what the policy is told of scores and costs; `batch` lays it out for the network in `policy`.
//! 3. `learning` teaches the policy the predictor's best actions, and improves it on recorded outcomes of all candidates; `ppo` does
//!    so from sampled actions; both with the losses of `objective`, which takes the decisions too.
//!
//! `ppo` also lets the policy learn from its own choices online; `file` is what a trained router is in a file. `settings` has the two
//! presets: "paper" is the reconstruction, "best" the default.

mod batch;
mod file;
pub(crate) mod identity;
mod learned;
mod learning;
pub(in crate::router) mod objective;
mod policy;
mod ppo;
mod predictors;
mod quiz;
mod response;
mod settings;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub(crate) use learned::{IdentityPlacement, LearnFrom, Learned, Stopped, out_of_fold, stop};
pub use objective::Routed;
pub(crate) use ppo::{OnlinePolicy, OnlineSchedule, Pretrained};
pub use settings::{
    Baseline, Context, Key, Labels, LlmBanditSettings, Objective, Preset, Rewards, Source, TrainedFor,
    UnseenPlacement,
};
pub(crate) use settings::{IdentitySettings, TUNED_UPDATES};

use self::batch::{Experience, PreferenceDraw, World};
use self::learning::{Schedule, Target, Watch};
use self::objective::{Pools, choose, decide};
use self::policy::Policy;
use self::ppo::Reinforcement;
use self::predictors::{Candidates, Predictors, Situations};
use self::settings::Resolved;
use super::{Choices, Router, RouterKind, Trained, Training};
use crate::error::{Error, Result};
use crate::linalg::Matrix;
use crate::preference::Preference;
use crate::router::prompts::Prompts;

/// A trained router.
pub(crate) struct LlmBandit {
    /// The settings as written; `settings` is what they mean.
    written: LlmBanditSettings,
    settings: Resolved,
    predictors: Predictors,
    candidates: Candidates,
    policy: Policy,
}

impl RouterKind for LlmBanditSettings {
    fn check(&self) -> Result<()> {
        self.check_ranges()
    }

    fn needs_texts(&self) -> bool {
        self.predictors.as_ref().is_some_and(|predictors| predictors.contains(&Source::Text))
    }

    fn needs_full_feedback(&self) -> Option<&'static str> {
        let settings = self.resolve();
        if settings.steps > 0 && settings.rewards == Rewards::PoolMaximum {
            return Some(
                "its rewards are shares of the best of a pool on each prompt (`rewards = \"pool-maximum\"`)",
            );
        }
        (settings.steps > 0 && settings.objective == Objective::Imitation)
            .then_some("`objective = \"imitation\"` imitates the best outcome on each prompt")
    }

    fn train(&self, training: &Training<'_>) -> Result<Trained> {
        let (router, notes) = LlmBandit::train(self, training)?;
        Ok(Trained { router: super::Policy::Direct(Box::new(router)), notes })
    }
}

impl LlmBandit {
    /// Trains the router.
    ///
    /// # Errors
    /// Training that diverges, with the stage and step.
    pub(super) fn train(
        written: &LlmBanditSettings,
        training: &Training<'_>,
    ) -> Result<(Self, BTreeMap<String, String>)> {
        let settings = written.resolve();
        let (predictors, development, mut notes) = predictors::fit(training, &settings)?;
        let candidates = predictors.candidates(&development);
        let world = World {
            situations: &development,
            candidates: &candidates,
            settings: &settings.policy,
            rewards: settings.rewards,
        };
        let experience = Experience::new(world, training);
        let policy = train_policy(&settings, training, &predictors, &experience, &mut notes)?;
        Ok((LlmBandit { written: written.clone(), settings, predictors, candidates, policy }, notes))
    }

    fn world<'a>(&'a self, situations: &'a Situations) -> World<'a> {
        World {
            situations,
            candidates: &self.candidates,
            settings: &self.settings.policy,
            rewards: self.settings.rewards,
        }
    }
}

fn pools(prompts: &Prompts, rows: &[usize]) -> Pools {
    Pools::new(rows, prompts.n_models(), |prompt, model| prompts.is_available(prompt, model))
}

fn train_policy(
    settings: &Resolved,
    training: &Training<'_>,
    predictors: &Predictors,
    experience: &Experience<'_>,
    notes: &mut BTreeMap<String, String>,
) -> Result<Policy> {
    let stream = training.stream().named("policy");
    let mut rng = stream.generator();
    let mut policy = Policy::new(&settings.policy, experience.world.widths(), &mut rng);
    let diverged = |stage: &str| {
        let stage = stage.to_owned();
        move |learning::Diverged { step }: learning::Diverged| {
            Error::Usage(format!(
                "{stage} of the policy diverged at step {step}: the loss is not a finite number"
            ))
        }
    };
    let schedule = settings.schedule(training);
    if settings.pretraining_steps > 0 {
        let embeddings = &experience.world.situations.embeddings;
        let logits = predictors.learned.network.logits(embeddings, &predictors.learned.identities.mean);
        let schedule = Schedule { steps: settings.pretraining_steps, batch: PRETRAINING_BATCH, ..schedule };
        learning::pretrain(&mut policy, experience, &logits, schedule, &mut rng)
            .map_err(diverged("pretraining"))?;
    }
    let first = policy.parameters.snapshot();
    let can_watch = settings.early_stopping && settings.steps > 0 && experience.validation.len() > 1;
    let mut watch = can_watch.then(|| Watch::new(&policy, experience, &training.data().preferences));
    let done = match settings.objective {
        Objective::Ppo | Objective::Reinforce => {
            let reinforcement = Reinforcement::new(settings);
            ppo::reinforce(&mut policy, experience, reinforcement, schedule, watch.as_mut(), &mut rng)
        }
        Objective::Exact | Objective::Imitation => {
            let target = if settings.objective == Objective::Exact {
                Target::ExpectedUtility
            } else {
                Target::BestAction
            };
            learning::learn(&mut policy, experience, target, schedule, watch.as_mut(), &mut rng)
        }
    };
    done.map_err(diverged("training"))?;
    if let Some(watch) = watch {
        training.note_curve("validation utility gained, score", "step", watch.gains().to_vec());
        let (step, gain) = watch.settle(&mut policy, &first);
        notes.insert("policy-step".to_owned(), format!("{step} of {}", settings.steps));
        notes.insert("validation-gain".to_owned(), format!("{gain:.4}"));
    }
    Ok(policy)
}

/// Batch of the supervised stage (appendix E.4).
const PRETRAINING_BATCH: usize = 1024;

impl Resolved {
    /// Steps, batch, and learning rate of appendix E.5; weight decay and shared pools are ours.
    fn schedule(&self, training: &Training<'_>) -> Schedule {
        let preferences = match self.preferences {
            TrainedFor::Uniform => PreferenceDraw::Paper,
            TrainedFor::Asked => {
                let grid = training.data().preferences.preferences();
                let weighted = grid.iter().zip(training.data().preferences.weights());
                let asked: Vec<f64> = weighted
                    .filter(|(p, weight)| p.weight() > 0.0 && **weight > 0.0)
                    .map(|(p, _)| p.weight())
                    .collect();
                PreferenceDraw::Logarithmic { low: asked[0], high: asked[asked.len() - 1] }
            }
        };
        Schedule {
            steps: self.steps,
            batch: 256,
            pools: if self.policy.context == Context::Prompt { 128 } else { 8 },
            learning_rate: self.learning_rate,
            weight_decay: if self.policy.residual { 1.0 } else { 0.0 },
            preferences,
        }
    }
}

impl Router for LlmBandit {
    fn decide(&self, prompts: &Prompts, preferences: &[Preference]) -> Vec<Routed> {
        let situations = self.predictors.situations(prompts);
        let rows: Vec<usize> = (0..prompts.len()).collect();
        let pools = pools(prompts, &rows);
        decide(&self.policy, &self.world(&situations), &rows, &pools, preferences)
    }

    fn route(&self, prompts: &Prompts, preferences: &[Preference]) -> Choices {
        self.route_by_scores(prompts, preferences).0
    }

    fn route_by_scores(&self, prompts: &Prompts, preferences: &[Preference]) -> (Choices, Option<Matrix>) {
        let situations = self.predictors.situations(prompts);
        let rows: Vec<usize> = (0..prompts.len()).collect();
        let pools = pools(prompts, &rows);
        let models = choose(&self.policy, &self.world(&situations), &rows, &pools, preferences);
        (Choices::new(prompts.len(), models), Some(situations.scores))
    }

    fn believed_mean(&self, prompts: &Prompts, model: usize) -> Option<[f64; 2]> {
        match &self.predictors.placement {
            Some(placement) => placement.believed_mean(&self.predictors.situations(prompts).scores, model),
            None => self.predictors.learned.believed_mean(&prompts.embeddings, model),
        }
    }

    fn reads_texts(&self) -> bool {
        self.predictors.text.is_some()
    }
}
