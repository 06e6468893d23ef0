//! What the policy learns from: development prompts, the recorded outcomes of the seen models on them, and random pools.

use super::batch::{Decision, World};
use super::settings::{Context, Rewards};
use crate::linalg::Matrix;
use crate::random::{ChaCha8Rng, bernoulli, index_below, sample_indices, uniform};
use crate::router::Training;

/// Outcomes by prompt and model; NaN where unknown. Unseen models are unknown throughout.
pub(super) struct Experience<'a> {
    pub(super) world: World<'a>,
    pub(super) scores: Matrix,
    pub(super) costs: Matrix,
    /// The models that may be met in training.
    pub(super) seen: Vec<usize>,
    /// The prompts the policy learns from.
    pub(super) training: Vec<usize>,
    /// The prompts that decide when to stop.
    pub(super) validation: Vec<usize>,
}

/// From which preferences are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum PreferenceDraw {
    /// U(0, 2) on costs over the pool's maximum, as in the paper.
    Paper,
    /// Mostly evenly in ln w between these ends, sometimes 0: every switch point between two models gets its share,
    /// however far apart their prices are.
    Logarithmic { low: f64, high: f64 },
}

/// Preferences at which a prompt with a set of its own is asked.
const PREFERENCES_IN_A_ROW: usize = 8;
/// How often a logarithmic draw is 0.
const ZERO_SHARE: f64 = 0.1;

impl<'a> Experience<'a> {
    pub(super) fn new(world: World<'a>, training: &Training<'_>) -> Self {
        let (data, outcomes) = (training.data(), training.outcomes());
        let n_models = data.n_models();
        let table = |cell: &dyn Fn(usize, usize) -> Option<f64>| {
            let cells =
                (0..data.prompts.len()).flat_map(|prompt| (0..n_models).map(move |model| (prompt, model)));
            let known = cells.map(|(prompt, model)| {
                cell(prompt, model).filter(|_| !data.unseen[model]).map_or(f32::NAN, |value| value as f32)
            });
            Matrix::new(known.collect(), data.prompts.len(), n_models)
        };
        let scores = table(&|prompt, model| outcomes.score.get(prompt, model));
        // A choice among one is none.
        let is_choice =
            |prompt: &usize| scores.row(*prompt).iter().filter(|score| !score.is_nan()).count() >= 2;
        Experience {
            world,
            costs: table(&|prompt, model| outcomes.cost_units.get(prompt, model)),
            seen: (0..n_models).filter(|&model| !data.unseen[model]).collect(),
            training: (0..data.n_training).filter(is_choice).collect(),
            validation: (data.n_training..data.prompts.len()).filter(is_choice).collect(),
            scores,
        }
    }

    /// Whether a model's outcome on a prompt is known.
    pub(super) fn is_known(&self, prompt: usize, model: usize) -> bool {
        !self.scores.row(prompt)[model].is_nan()
    }

    /// Candidate pools of random size, from two to all seen models, with random members. Where they are shared by many
    /// decisions, every second one is of all seen models.
    fn pools(&self, n_pools: usize, rng: &mut ChaCha8Rng) -> Vec<Vec<usize>> {
        let is_shared = self.world.settings.context == Context::Pool;
        let pool = |at: usize| {
            if (is_shared && at % 2 == 1) || self.seen.len() <= 2 {
                return self.seen.clone();
            }
            let size = 2 + index_below(rng, self.seen.len() - 1);
            let mut members: Vec<usize> =
                sample_indices(rng, self.seen.len(), size).into_iter().map(|at| self.seen[at]).collect();
            members.sort_unstable();
            members
        };
        (0..n_pools).map(pool).collect()
    }

    /// Random pools, and random training prompts with random preferences spread over them; every decision has at least two known
    /// candidates, if need be from the pool of all seen models. Where every prompt has a set of its own, it is asked at
    /// several preferences in a row, so that the set is encoded once for all of them.
    pub(super) fn draw(
        &self,
        n_pools: usize,
        n_decisions: usize,
        draw: PreferenceDraw,
        rng: &mut ChaCha8Rng,
    ) -> (Vec<Vec<usize>>, Vec<Decision>) {
        let mut pools = self.pools(n_pools, rng);
        let n_preferences =
            if self.world.settings.context == Context::Prompt { PREFERENCES_IN_A_ROW } else { 1 };
        let mut decisions = Vec::with_capacity(n_decisions);
        for row in 0..n_decisions.div_ceil(n_preferences) {
            let prompt = self.training[index_below(rng, self.training.len())];
            let mut pool = row % n_pools;
            if pools[pool].iter().filter(|&&model| self.is_known(prompt, model)).count() < 2 {
                if pools.len() == n_pools {
                    pools.push(self.seen.clone());
                }
                pool = n_pools;
            }
            let n_left = n_preferences.min(n_decisions - decisions.len());
            let ask = |_| Decision { prompt, blend: None, pool, preference: draw.preference(rng) };
            decisions.extend((0..n_left).map(ask));
        }
        (pools, decisions)
    }

    /// The two rewards of each candidate of a decision: score and minus cost, in the units of training.
    pub(super) fn rewards(&self, prompt: usize, candidates: &[usize]) -> Vec<[f32; 2]> {
        let (scores, costs) = (self.scores.row(prompt), self.costs.row(prompt));
        let inverse = |values: &[f32]| {
            let most = candidates.iter().map(|&model| values[model]).fold(0.0, f32::max);
            // Where every candidate fails, no score tells them apart: 0 for all.
            if self.world.rewards == Rewards::Absolute {
                1.0
            } else if most > 0.0 {
                1.0 / most
            } else {
                0.0
            }
        };
        let (score_scale, cost_scale) = (inverse(scores), inverse(costs));
        candidates.iter().map(|&model| [scores[model] * score_scale, -costs[model] * cost_scale]).collect()
    }
}

impl PreferenceDraw {
    pub(super) fn preference(self, rng: &mut ChaCha8Rng) -> f32 {
        match self {
            PreferenceDraw::Paper => (2.0 * uniform(rng)) as f32,
            PreferenceDraw::Logarithmic { low, high } => {
                if bernoulli(rng, ZERO_SHARE) {
                    0.0
                } else {
                    (low * ((high / low).ln() * uniform(rng)).exp()) as f32
                }
            }
        }
    }
}

/// The utility of two rewards at a preference.
pub(super) fn utility([score, minus_cost]: [f32; 2], preference: f32) -> f32 {
    score + preference * minus_cost
}
