//! Learners: they choose an arm for each prompt and learn from what that arm did, nothing else.
//!
//! `arms` holds ridge regressions that are updated by rank-one steps; `linear` chooses by them (LinUCB, Thompson sampling,
//! epsilon-greedy, PILOT) and finds out how much each explores. `barp` and `llm_bandit` are policies that follow the gradient of their
//! own rewards.
//!
//! What learners see of a prompt are [`Contexts`]: the principal components of the embeddings, centred, each brought to unit variance
//! and divided by the root of their number, so that a context has about unit length whatever its dimensions; the constant 1 comes last.
//! Directions, means, and variances are those of the warm-start prompts, or of all prompts where there are none. No outcome enters.

mod arms;
mod barp;
mod linear;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{
    CostModels, LlmBanditSettings, Meter, OnlinePolicy, OnlineSchedule, Pretrained, Prompts, Training,
    TrainingData,
};
use crate::error::Result;
use crate::index::SuitePrompt;
use crate::linalg::{Matrix, multiply, principal_directions};
use crate::preference::Preference;
use crate::random::{ChaCha8Rng, index_below};
use crate::seed::Stream;
use crate::suite::Suite;
pub use arms::{Arms, Estimate};
pub use barp::BarpSettings;
pub use linear::{
    EpsilonGreedySettings, Linear, LinucbSettings, PilotSettings, Rule, Start, ThompsonSettings,
};

/// A router of an online scenario: its kind and settings.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
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
#[derive(
    Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
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

/// What a learner knows when it chooses.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// The prompt, as a row of the replayed prompts.
    pub prompt: usize,
    /// Its context: principal components of its embedding, the constant 1 last.
    pub context: &'a [f64],
    /// The arms that can be chosen, ascending; never empty.
    pub pool: &'a [usize],
    /// The weight of cost against score.
    pub preference: Preference,
}

/// What a learner gets to know of its choice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// In [0, 1].
    pub score: f64,
    /// In cost units.
    pub cost_units: f64,
}

/// A learner under way in one order.
pub trait OnlineRouter: Send {
    /// The arm for a prompt, and the probability with which this arm was to be chosen here: 1 where chance has no say.
    fn choose(&mut self, situation: &Situation<'_>, rng: &mut ChaCha8Rng) -> (usize, f64);

    /// Takes in what is said of the arm that was chosen for a prompt, at once or after other choices. Of some choices nothing is said.
    fn learn(&mut self, situation: &Situation<'_>, arm: usize, outcome: Outcome);
}

/// What learners may look at before the first step.
pub(crate) struct WarmStart {
    pub(crate) contexts: Contexts,
    /// Outcomes of the first phase; costs are in cost units. Arms that arrive later are missing.
    pub(crate) data: TrainingData,
    pub(crate) cost_models: CostModels,
    /// The replayed prompts without their outcomes, for routers that read embeddings themselves.
    pub(crate) replayed: Prompts,
}

impl WarmStart {
    /// The outcome of an arm on one of its prompts.
    pub(super) fn outcome(&self, row: usize, arm: usize) -> Option<Outcome> {
        let outcomes = &self.data.outcomes;
        let score = outcomes.score.get(row, arm)?;
        Some(Outcome { score, cost_units: outcomes.cost_units.get(row, arm).unwrap_or(0.0) })
    }

    /// The arms that have an outcome on one of its prompts.
    pub(super) fn pool(&self, row: usize) -> Vec<usize> {
        (0..self.data.n_models()).filter(|&arm| self.outcome(row, arm).is_some()).collect()
    }
}

/// What learners are given before the first step.
#[derive(Clone, Copy)]
pub(crate) struct LearnerInputs<'a> {
    pub(crate) n_arms: usize,
    /// Numbers in a context, the constant included.
    pub(crate) context_width: usize,
    pub(crate) warm: Option<&'a WarmStart>,
    /// Draws a weight of cost against score as the scenario does for every prompt.
    pub(crate) draw_preference: &'a (dyn Fn(&mut ChaCha8Rng) -> f64 + Sync),
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

/// Settings of `kind = "llm-bandit-online"`; what is trained before the first step is the preset "best".
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
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

/// Directions with less than this share of the longest one's deviation hold rounding errors.
const LEAST_DEVIATION: f64 = 1e-3;

/// Rows of contexts.
#[derive(Clone, Debug, PartialEq)]
pub struct Contexts {
    values: Vec<f64>,
    width: usize,
}

impl Contexts {
    /// Rows of equal width, one after another.
    ///
    /// # Panics
    /// If the values do not fill whole rows.
    pub fn new(values: Vec<f64>, width: usize) -> Self {
        assert!(values.len().is_multiple_of(width), "contexts fill whole rows");
        Contexts { values, width }
    }

    /// The context of a prompt.
    #[inline]
    pub fn row(&self, prompt: usize) -> &[f64] {
        &self.values[prompt * self.width..][..self.width]
    }

    /// Numbers in a context, the constant included.
    pub fn width(&self) -> usize {
        self.width
    }

    /// How many contexts.
    pub fn n_rows(&self) -> usize {
        self.values.len() / self.width
    }

    /// All numbers, row after row.
    pub fn values(&self) -> &[f64] {
        &self.values
    }
}

/// From embeddings to contexts.
pub(crate) struct Reduction {
    /// Width x directions; none where the suite has no embeddings.
    directions: Option<Matrix>,
    mean: Vec<f32>,
    scale: Vec<f64>,
}

impl Reduction {
    /// Fits directions, means, and variances to the embeddings of these prompts.
    pub(crate) fn fit(
        suite: &Suite,
        prompts: &[SuitePrompt],
        n_directions: usize,
        rng: &mut ChaCha8Rng,
    ) -> Self {
        let Some(embeddings) = &suite.embeddings else {
            return Reduction { directions: None, mean: Vec::new(), scale: Vec::new() };
        };
        let width = embeddings.n_dimensions();
        let chosen = embeddings.select(&SuitePrompt::places(prompts));
        let mut rows = Matrix::new(chosen.values().to_vec(), prompts.len(), width);
        let mut mean = vec![0.0_f64; width];
        for row in rows.rows() {
            mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
        }
        let mean: Vec<f32> = mean.iter().map(|sum| (sum / prompts.len() as f64) as f32).collect();
        centre(&mut rows, &mean);
        let directions = principal_directions(&rows, n_directions, rng);
        let projected = project(&rows, &directions);
        let mut squares = vec![0.0_f64; directions.n_columns()];
        for row in projected.rows() {
            squares.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value).powi(2));
        }
        let deviation: Vec<f64> = squares.iter().map(|sum| (sum / prompts.len() as f64).sqrt()).collect();
        let longest = deviation.iter().copied().fold(0.0, f64::max);
        let n = directions.n_columns() as f64;
        let scale = |deviation: &f64| {
            if *deviation > LEAST_DEVIATION * longest { 1.0 / (deviation * n.sqrt()) } else { 0.0 }
        };
        Reduction { scale: deviation.iter().map(scale).collect(), directions: Some(directions), mean }
    }

    /// The contexts of these prompts; the constant alone where the suite has no embeddings.
    pub(crate) fn contexts(&self, suite: &Suite, prompts: &[SuitePrompt]) -> Contexts {
        let (Some(directions), Some(embeddings)) = (&self.directions, &suite.embeddings) else {
            return Contexts::new(vec![1.0; prompts.len()], 1);
        };
        let chosen = embeddings.select(&SuitePrompt::places(prompts));
        let mut rows = Matrix::new(chosen.values().to_vec(), prompts.len(), self.mean.len());
        centre(&mut rows, &self.mean);
        let projected = project(&rows, directions);
        let mut values = Vec::with_capacity(prompts.len() * (self.scale.len() + 1));
        for row in projected.rows() {
            values.extend(row.iter().zip(&self.scale).map(|(value, scale)| f64::from(*value) * scale));
            values.push(1.0);
        }
        Contexts::new(values, self.scale.len() + 1)
    }
}

fn centre(rows: &mut Matrix, mean: &[f32]) {
    for row in 0..rows.n_rows() {
        rows.row_mut(row).iter_mut().zip(mean).for_each(|(value, mean)| *value -= mean);
    }
}

fn project(rows: &Matrix, directions: &Matrix) -> Matrix {
    let mut projected = Matrix::zeros(rows.n_rows(), directions.n_columns());
    multiply(rows.as_strided(), directions.as_strided(), projected.values_mut());
    projected
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SeedableRng;
    use crate::suite::synthetic::SyntheticSettings;

    #[test]
    fn contexts_have_about_unit_length_and_end_in_one() {
        let settings = SyntheticSettings { n_prompts: 40, n_models: 4, ..SyntheticSettings::default() };
        let suite = settings.generate().unwrap().suite;
        let prompts = SuitePrompt::of(0..40);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let contexts = Reduction::fit(&suite, &prompts, 25, &mut rng).contexts(&suite, &prompts);
        let squares: f64 = contexts.values().iter().map(|value| value * value).sum();
        assert!((squares / 40.0 - 2.0).abs() < 0.05, "{}", squares / 40.0);
        assert!((0..40).all(|prompt| contexts.row(prompt).last() == Some(&1.0)));
    }
}
