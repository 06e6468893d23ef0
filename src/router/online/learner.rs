//! What a learner is: it sees a situation, chooses an arm, and is told what that arm did, nothing else.

use std::collections::BTreeMap;

use super::contexts::Contexts;
use crate::preference::Preference;
use crate::random::ChaCha8Rng;
use crate::router::{CostModels, Meter, Prompts, TrainingData};
use crate::seed::Stream;

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

    /// Takes in what the arm that was chosen for the prompt did.
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
