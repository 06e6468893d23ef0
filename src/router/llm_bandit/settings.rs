//! Settings of the LLM Bandit router: two presets and what may be changed in them.
//!
//! Where the paper names a value (arXiv 2502.02743, appendix E), `preset = "paper"` has it; what it leaves open is said
//! to be our choice.

use super::super::cost_model::CostModelKind;
use crate::error::{Error, Result};

pub(super) const MOST_DIMENSIONS: usize = 1024;
const MOST_STEPS: usize = 1_000_000;
/// Appendix E.4.
const PRETRAINING_STEPS: usize = 500;

/// Settings of `kind = "llm-bandit"`. What is absent is as in the preset.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct LlmBanditSettings {
    /// What everything else starts from.
    pub preset: Preset,
    /// What a candidate is scored by.
    pub key: Option<Key>,
    /// What the set encoder sees of a candidate's score and cost.
    pub context: Option<Context>,
    /// Whether the policy corrects the plug-in rule instead of replacing it.
    pub residual: Option<bool>,
    /// Whether the variance of the predicted score is an input, and its mean the mean under the posterior.
    pub uncertainty: Option<bool>,
    /// Whether the predicted scores that the policy learns from come from predictors that have not seen the prompt.
    pub out_of_fold: Option<bool>,
    /// Which predictors the policy sees; their mixture is what the plug-in rule uses.
    pub predictors: Option<Vec<Source>>,
    /// Whether the policy is first taught the best action of the predictor.
    pub pretraining: Option<bool>,
    /// Steps of that; 500 in the paper.
    pub pretraining_steps: Option<usize>,
    /// What the policy is trained for.
    pub objective: Option<Objective>,
    /// Steps of that training; 0 leaves it out.
    pub steps: Option<usize>,
    /// Adam's step at the start of that training, and of pretraining.
    pub learning_rate: Option<f64>,
    /// The units of rewards in training, and of the costs that a policy sees.
    pub rewards: Option<Rewards>,
    /// Which preferences it is trained for.
    pub preferences: Option<TrainedFor>,
    /// Weight of the entropy bonus of reinforcement learning; 0.01 where absent.
    pub entropy: Option<f64>,
    /// What a sampled action's reward is compared with in reinforcement learning.
    pub baseline: Option<Baseline>,
    /// Whether reinforcement learning blends each prompt with its nearest neighbour.
    pub mixup: Option<bool>,
    /// Whether the step with the highest utility on validation prompts is kept, if it is clearly above that before training.
    pub early_stopping: Option<bool>,
    /// Length of an identity vector.
    pub dimensions: Option<usize>,
    /// What graded scores become when identities are learned.
    pub labels: Option<Labels>,
    /// How unseen models are scored.
    pub placement: Option<UnseenPlacement>,
    /// How costs are estimated.
    pub cost: Option<CostModelKind>,
}

/// Where settings start.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// A faithful reconstruction, nothing added.
    Paper,
    /// What did best on validation prompts of the suites that it was made on.
    #[default]
    Best,
}

/// What a candidate is scored by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Key {
    /// Its identity vector, as in the paper: two candidates of one identity and different price get equal probability.
    Identity,
    /// Its encoded token: identity, cost, and predicted score.
    Full,
}

/// What the set encoder sees of a candidate's score and cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Context {
    /// Those predicted for the prompt, as in the paper; every decision has a set of its own.
    Prompt,
    /// Their means over prompts; a pool is encoded once for all prompts.
    Pool,
}

/// What the policy is trained for, on recorded outcomes of every candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Objective {
    /// Clipped policy gradient on sampled actions (arXiv 1707.06347), as in the paper.
    Ppo,
    /// The plain policy gradient on sampled actions: only the chosen model's outcome is ever looked at.
    Reinforce,
    /// The expected utility, summed over all actions: the gradient that the other two estimate.
    Exact,
    /// Cross-entropy towards the action of the highest utility: supervised learning.
    Imitation,
}

/// The units of the rewards that a policy is trained with, and of the costs that it sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Rewards {
    /// Scores and costs over their maxima within the pool, as in the paper: one expensive, useless candidate changes every
    /// other's cost.
    PoolMaximum,
    /// Scores as they are, costs in cost units.
    Absolute,
    /// As `absolute`, with utility over 1 + w: no preference outweighs the others.
    Balanced,
}

/// Which preferences a policy is trained for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TrainedFor {
    /// Even from 0 to 2, as in the paper.
    Uniform,
    /// Mostly even in ln w over those that the scenario asks, sometimes 0.
    Asked,
}

/// What a sampled action's reward is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Baseline {
    /// What a network expects of the prompt and the pool, as in the paper.
    Value,
    /// What the predictors expect of the policy.
    PlugIn,
}

/// A predictor of scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The response network of the identity vectors, the paper's only one.
    Irt,
    /// Ridge regression on soft cluster memberships and the embedding.
    Clusters,
    /// The mean over all development prompts, weighted by nearness.
    Kernel,
    /// Ridge regression on text features too, beside all that `clusters` sees.
    Text,
}

/// How unseen models are scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UnseenPlacement {
    /// By an identity vector fitted to its answers; the other predictors see how these differ from the seen models' mean.
    Identity,
    /// As `placement = "factor"` of the predictors, from the scores that the mixture gives to seen models.
    Factor,
}

impl Source {
    /// Its name in a scenario.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Source::Irt => "irt",
            Source::Clusters => "clusters",
            Source::Kernel => "kernel",
            Source::Text => "text",
        }
    }
}

/// What graded scores become as targets of a cross-entropy. Scores of 0 and 1 are the same either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Labels {
    /// The score itself.
    Soft,
    /// 1 from a threshold on, chosen per benchmark so that the share of ones is the mean score.
    Binary,
}

/// How identity vectors are learned.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct IdentitySettings {
    /// Length of an identity vector; the paper does not say.
    pub(crate) dimensions: usize,
    /// Widths of the two hidden layers of the response network; the paper does not say.
    pub(crate) hidden: [usize; 2],
    /// Most epochs; fewer where the loss on validation prompts is least earlier.
    pub(crate) epochs: usize,
    /// At least so many updates are allowed, in more epochs where there are few prompts.
    pub(crate) least_updates: usize,
    /// Answers in a minibatch.
    pub(crate) batch: usize,
    /// Adam's step in the first epoch.
    pub(crate) learning_rate: f64,
    /// The step is multiplied by this after each epoch.
    pub(crate) decay: f64,
    /// Weight of the comparisons' cross-entropy beside that of the answers; 0 leaves them out.
    pub(crate) comparison_weight: f64,
    /// What graded scores become.
    pub(crate) labels: Labels,
}

impl Default for IdentitySettings {
    /// The paper's (appendix E.3) where it names a value.
    fn default() -> Self {
        IdentitySettings {
            dimensions: 32,
            hidden: [64, 32],
            epochs: 10,
            least_updates: 0,
            batch: 256,
            learning_rate: 1e-3,
            decay: 0.95,
            comparison_weight: 1.0,
            labels: Labels::Soft,
        }
    }
}

/// The architecture of the policy.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PolicySettings {
    pub(crate) key: Key,
    pub(crate) context: Context,
    pub(crate) residual: bool,
    pub(crate) uncertainty: bool,
}

/// Settings with nothing left open.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Resolved {
    pub(crate) identity: IdentitySettings,
    pub(crate) policy: PolicySettings,
    pub(crate) sources: Vec<Source>,
    pub(crate) out_of_fold: bool,
    pub(crate) rewards: Rewards,
    pub(crate) preferences: TrainedFor,
    pub(crate) learning_rate: f32,
    pub(crate) entropy: f32,
    pub(crate) baseline: Baseline,
    /// Steps of supervised pretraining; 0 leaves it out.
    pub(crate) pretraining_steps: usize,
    pub(crate) objective: Objective,
    pub(crate) steps: usize,
    pub(crate) mixup: bool,
    /// Whether the step with the highest utility on validation prompts is kept, the untrained residual among them.
    pub(crate) early_stopping: bool,
    pub(crate) placement: UnseenPlacement,
    pub(crate) cost: Option<CostModelKind>,
}

impl LlmBanditSettings {
    pub(super) fn check_ranges(&self) -> Result<()> {
        let fault = |problem: &str| Err(Error::Usage(problem.into()));
        if self.dimensions.is_some_and(|dimensions| !(1..=MOST_DIMENSIONS).contains(&dimensions)) {
            return fault(&format!("`dimensions` must be from 1 to {MOST_DIMENSIONS}"));
        }
        for (name, steps) in [("steps", self.steps), ("pretraining-steps", self.pretraining_steps)] {
            if steps.is_some_and(|steps| steps > MOST_STEPS) {
                return fault(&format!("`{name}` must be at most {MOST_STEPS}"));
            }
        }
        if self.pretraining_steps.is_some() && self.resolve().pretraining_steps == 0 {
            return fault("`pretraining-steps` is of no use without `pretraining`");
        }
        if self.learning_rate.is_some_and(|rate| !(rate > 0.0 && rate <= 1.0)) {
            return Err(Error::setting(
                "learning-rate",
                "`learning-rate` must be a number above 0, and at most 1",
            ));
        }
        if self.entropy.is_some_and(|weight| !(0.0..=1.0).contains(&weight)) {
            return Err(Error::setting("entropy", "`entropy` must be a number from 0 to 1"));
        }
        let resolved = self.resolve();
        if resolved.baseline == Baseline::PlugIn && resolved.rewards == Rewards::PoolMaximum {
            let problem = "`baseline = \"plug-in\"` needs rewards in the units of the predictions: `absolute` or `balanced`";
            return Err(Error::setting("baseline", problem));
        }
        if let Some(predictors) = &self.predictors {
            let is_repeated = (1..predictors.len()).any(|at| predictors[..at].contains(&predictors[at]));
            if predictors.is_empty() || is_repeated {
                return fault("`predictors` names each predictor once, and at least one");
            }
        }
        Ok(())
    }

    pub(crate) fn resolve(&self) -> Resolved {
        let is_paper = self.preset == Preset::Paper;
        let choose = |paper, best| if is_paper { paper } else { best };
        let identity = IdentitySettings::default();
        let residual = self.residual.unwrap_or(!is_paper);
        Resolved {
            identity: IdentitySettings {
                dimensions: self.dimensions.unwrap_or(identity.dimensions),
                labels: self.labels.unwrap_or(if is_paper { Labels::Binary } else { Labels::Soft }),
                least_updates: if is_paper { 0 } else { TUNED_UPDATES },
                ..identity
            },
            policy: PolicySettings {
                key: self.key.unwrap_or(if is_paper { Key::Identity } else { Key::Full }),
                context: self.context.unwrap_or(if is_paper { Context::Prompt } else { Context::Pool }),
                residual,
                uncertainty: self.uncertainty.unwrap_or(false),
            },
            sources: self.predictors.clone().unwrap_or_else(|| {
                if is_paper { vec![Source::Irt] } else { vec![Source::Kernel, Source::Clusters, Source::Irt] }
            }),
            out_of_fold: self.out_of_fold.unwrap_or(choose(false, true)),
            rewards: self.rewards.unwrap_or(if is_paper { Rewards::PoolMaximum } else { Rewards::Absolute }),
            preferences: self.preferences.unwrap_or(if is_paper {
                TrainedFor::Uniform
            } else {
                TrainedFor::Asked
            }),
            learning_rate: self.learning_rate.map_or(if residual { 3e-4 } else { 1e-3 }, |rate| rate as f32),
            entropy: self.entropy.unwrap_or(0.01) as f32,
            baseline: self.baseline.unwrap_or(Baseline::Value),
            pretraining_steps: if self.pretraining.unwrap_or(choose(true, false)) {
                self.pretraining_steps.unwrap_or(PRETRAINING_STEPS)
            } else {
                0
            },
            objective: self.objective.unwrap_or(if is_paper { Objective::Ppo } else { Objective::Exact }),
            steps: self.steps.unwrap_or(500),
            mixup: self.mixup.unwrap_or(choose(true, false)),
            early_stopping: self.early_stopping.unwrap_or(!is_paper),
            placement: self.placement.unwrap_or(UnseenPlacement::Identity),
            cost: self.cost.or(is_paper.then_some(CostModelKind::Mean)),
        }
    }
}

/// Updates that a tuned response network may take at the least before its loss on validation prompts decides.
pub(crate) const TUNED_UPDATES: usize = 2000;
