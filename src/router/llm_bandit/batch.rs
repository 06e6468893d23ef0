//! Batches of decisions: prompts, candidate pools, and preferences as the rows that the policy network takes; and
//! [`Experience`], which they are drawn from: development prompts, the recorded outcomes of the seen models on them, and random
//! pools. Where a log shows the outcome of one model a prompt, doubly robust values of all stand for outcomes (`super::super::log`);
//! what the log shows itself serves those who learn from sampled actions.

use super::policy::{InputWidths, Inputs, Pairs};
use super::predictors::{Candidates, Situations};
use super::settings::{Context, PolicySettings, Rewards};
use crate::linalg::Matrix;
use crate::network::{Parameters, Sets, untaped};
use crate::random::{ChaCha8Rng, bernoulli, index_below, sample_indices, uniform};
use crate::router::{DevelopmentOutcomes, Log, Training};
use crate::suite::CellTable;

/// One decision to take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Decision {
    /// The prompt, as a row of the situations.
    pub(crate) prompt: usize,
    /// Another prompt blended into it, and the weight of `prompt` itself (on-manifold mixup).
    pub(crate) blend: Option<(usize, f32)>,
    /// The pool, as a place in the batch's list.
    pub(crate) pool: usize,
    /// The preference w.
    pub(crate) preference: f32,
}

impl Decision {
    fn has_same_prompt(&self, other: &Decision) -> bool {
        (self.prompt, self.blend) == (other.prompt, other.blend)
    }

    fn has_same_set(&self, other: &Decision) -> bool {
        self.has_same_prompt(other) && self.pool == other.pool
    }
}

/// What decisions are about.
#[derive(Clone, Copy)]
pub(crate) struct World<'a> {
    pub(crate) situations: &'a Situations,
    pub(crate) candidates: &'a Candidates,
    pub(crate) settings: &'a PolicySettings,
    pub(crate) rewards: Rewards,
}

/// A batch of decisions, ready for the network.
pub(crate) struct Batch {
    pub(crate) inputs: Inputs,
    /// The candidates of each decision, packed as the logits are.
    pub(crate) candidates: Vec<usize>,
}

impl World<'_> {
    /// The widths of the rows that [`World::batch`] makes.
    pub(crate) fn widths(&self) -> InputWidths {
        let n_uncertain = usize::from(self.settings.uncertainty);
        InputWidths {
            token: self.candidates.identities.n_columns() + 2 + n_uncertain,
            identity: self.candidates.identities.n_columns(),
            embedding: self.situations.embeddings.n_columns(),
            pair: 2 + self.situations.sources.len() + n_uncertain,
        }
    }

    /// Lays out decisions. `is_available` says who can be chosen on which prompt; every pool has at least one such.
    pub(crate) fn batch(
        &self,
        parameters: &Parameters,
        pools: &[Vec<usize>],
        decisions: &[Decision],
        is_available: &dyn Fn(usize, usize) -> bool,
    ) -> Batch {
        let widths = self.widths();
        let mut tokens = Rows::new(widths.token);
        let mut identities = Rows::new(widths.identity);
        let (mut set_lengths, mut set_of) = (Vec::new(), Vec::new());
        let (mut members, mut lengths, mut chosen) = (Vec::new(), Vec::new(), Vec::new());
        let mut embeddings = Rows::new(widths.embedding);
        let mut embedding_of = Vec::with_capacity(decisions.len());
        let mut preferences = Rows::new(2);
        let mut pairs = Rows::new(widths.pair);
        let mut plug_in = Vec::new();
        if self.settings.context == Context::Pool {
            for pool in pools {
                let cost_scale = self.cost_scale(pool.iter().map(|&model| self.candidates.cost[model]));
                for &model in pool {
                    let cost = self.candidates.cost[model] * cost_scale;
                    let (score, variance) = (self.candidates.score[model], self.candidates.variance[model]);
                    self.token(&mut tokens, model, cost, score, variance);
                    identities.values.extend_from_slice(self.candidates.identities.row(model));
                }
                set_lengths.push(pool.len());
            }
        }
        let starts = starts(pools);
        let mut before: Option<&Decision> = None;
        for decision in decisions {
            let pool = &pools[decision.pool];
            let available = || (0..pool.len()).filter(|&at| is_available(decision.prompt, pool[at]));
            let first = chosen.len();
            chosen.extend(available().map(|at| pool[at]));
            lengths.push(chosen.len() - first);
            match self.settings.context {
                Context::Pool => {
                    set_of.push(decision.pool);
                    members.extend(available().map(|at| starts[decision.pool] + at));
                }
                // The same prompt and pool at another preference.
                Context::Prompt if before.is_some_and(|before| before.has_same_set(decision)) => {
                    set_of.push(set_lengths.len() - 1);
                    members.extend(tokens.n_rows() - (chosen.len() - first)..tokens.n_rows());
                }
                Context::Prompt => {
                    set_of.push(set_lengths.len());
                    set_lengths.push(chosen.len() - first);
                    members.extend(tokens.n_rows()..tokens.n_rows() + chosen.len() - first);
                    let cost = |model: usize| self.blended(&self.situations.costs, decision, model);
                    let cost_scale = self.cost_scale(chosen[first..].iter().map(|&model| cost(model)));
                    for &model in &chosen[first..] {
                        let score = self.blended(&self.situations.scores, decision, model);
                        let variance = self.variance(decision, model);
                        self.token(&mut tokens, model, cost(model) * cost_scale, score, variance);
                        identities.values.extend_from_slice(self.candidates.identities.row(model));
                    }
                }
            }
            if !before.is_some_and(|before| before.has_same_prompt(decision)) {
                self.embedding(&mut embeddings, decision);
            }
            embedding_of.push(embeddings.n_rows() - 1);
            // On the unit simplex: w itself has no upper end.
            let share = 1.0 / (1.0 + decision.preference);
            preferences.values.extend([share, 1.0 - share]);
            before = Some(decision);
            if self.settings.residual {
                for &model in &chosen[first..] {
                    let score = self.blended(&self.situations.scores, decision, model);
                    let cost = self.blended(&self.situations.costs, decision, model);
                    plug_in.push(score - decision.preference * cost);
                    self.pair(&mut pairs, decision, model, score, cost);
                }
            }
        }
        let tensor = |rows: Rows| {
            let n_rows = rows.n_rows();
            untaped(parameters.device(), rows.values, n_rows, rows.width)
        };
        let inputs = Inputs {
            tokens: tensor(tokens),
            identities: tensor(identities),
            set_lengths: set_lengths.into(),
            set_of: set_of.into(),
            embeddings: tensor(embeddings),
            embedding_of: embedding_of.into(),
            preferences: tensor(preferences),
            sets: Sets { members: members.into(), lengths: lengths.into() },
            pairs: self.settings.residual.then(|| Pairs {
                plug_in: tensor(Rows { values: plug_in, width: 1 }),
                features: tensor(pairs),
            }),
        };
        Batch { inputs, candidates: chosen }
    }

    /// A value of a decision's prompt, blended with that of its partner.
    fn blended(&self, matrix: &Matrix, decision: &Decision, model: usize) -> f32 {
        let own = matrix.row(decision.prompt)[model];
        match decision.blend {
            Some((partner, weight)) => weight * own + (1.0 - weight) * matrix.row(partner)[model],
            None => own,
        }
    }

    fn variance(&self, decision: &Decision, model: usize) -> f32 {
        self.situations.variance.as_ref().map_or(0.0, |variance| self.blended(variance, decision, model))
    }

    fn cost_scale(&self, costs: impl Iterator<Item = f32>) -> f32 {
        let most = costs.fold(0.0, f32::max);
        if self.rewards == Rewards::PoolMaximum && most > 0.0 { 1.0 / most } else { 1.0 }
    }

    fn token(&self, tokens: &mut Rows, model: usize, cost: f32, score: f32, variance: f32) {
        tokens.values.extend_from_slice(self.candidates.identities.row(model));
        tokens.values.extend([cost, score]);
        if self.settings.uncertainty {
            tokens.values.push(variance.sqrt());
        }
    }

    fn embedding(&self, embeddings: &mut Rows, decision: &Decision) {
        let own = self.situations.embeddings.row(decision.prompt);
        match decision.blend {
            Some((partner, weight)) => {
                let partner = self.situations.embeddings.row(partner);
                embeddings
                    .values
                    .extend(own.iter().zip(partner).map(|(a, b)| weight * a + (1.0 - weight) * b));
            }
            None => embeddings.values.extend_from_slice(own),
        }
    }

    /// Score, cost on a logarithmic scale, what each source says beside the mixture, and the spread.
    fn pair(&self, pairs: &mut Rows, decision: &Decision, model: usize, score: f32, cost: f32) {
        // A thousandth of a cost unit and less count as nothing.
        pairs.values.extend([score, 0.2 * crate::linalg::kernels::ln(1e-3 + cost.max(0.0))]);
        for source in &self.situations.sources {
            // Predictors differ by a few hundredths.
            pairs.values.push(10.0 * (self.blended(source, decision, model) - score));
        }
        if self.settings.uncertainty {
            pairs.values.push(10.0 * self.variance(decision, model).sqrt());
        }
    }
}

/// Rows under way.
struct Rows {
    values: Vec<f32>,
    width: usize,
}

impl Rows {
    fn new(width: usize) -> Self {
        Rows { values: Vec::new(), width }
    }

    fn n_rows(&self) -> usize {
        self.values.len() / self.width
    }
}

fn starts(pools: &[Vec<usize>]) -> Vec<usize> {
    let start = |end: &mut usize, pool: &Vec<usize>| {
        let start = *end;
        *end += pool.len();
        Some(start)
    };
    pools.iter().scan(0, start).collect()
}

/// Outcomes by prompt and model, or values where a log shows one outcome a prompt; NaN where unknown. Unseen models are unknown
/// throughout.
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
    logged: Option<(&'a Log, &'a DevelopmentOutcomes)>,
}

/// What a log shows of a prompt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    pub(super) model: usize,
    /// Score and minus cost.
    pub(super) rewards: [f32; 2],
    /// How probable the model was among the candidates in question.
    pub(super) propensity: f64,
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
    pub(super) fn new(world: World<'a>, training: &Training<'a>) -> Self {
        let (data, outcomes) = (training.data(), training.valued());
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
            logged: data.log().map(|log| (log, training.outcomes())),
        }
    }

    /// What a log shows of a prompt, among these candidates; `None` where all outcomes are known. A log that shows another model than
    /// they are is of no use to them.
    pub(super) fn shown(&self, prompt: usize, candidates: &[usize]) -> Option<Shown> {
        let (log, outcomes) = self.logged?;
        let model = log.shown(prompt);
        let total: f64 = candidates.iter().map(|&candidate| log.propensity(prompt, candidate)).sum();
        let of = |table: &CellTable| table.get(prompt, model).expect("what a log shows is known") as f32;
        let rewards = [of(&outcomes.score), -of(&outcomes.cost_units)];
        Some(Shown { model, rewards, propensity: log.propensity(prompt, model) / total })
    }

    /// No weight of what a log shows is larger.
    pub(super) fn most_weight(&self) -> f64 {
        self.logged.map_or(1.0, |(log, _)| log.most_weight())
    }

    /// Whether an action among these candidates can be sampled for a prompt with what came of it known: at least two of them are in its
    /// pool, and the one that a log shows is among them.
    pub(super) fn can_sample(&self, prompt: usize, candidates: &[usize]) -> bool {
        let is_shown = self.logged.is_none_or(|(log, _)| candidates.contains(&log.shown(prompt)));
        is_shown && candidates.iter().filter(|&&model| self.is_known(prompt, model)).count() >= 2
    }

    /// Whether a model's outcome on a prompt is known, or valued.
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
    /// candidates, the one that a log shows among them, if need be from the pool of all seen models. Where every prompt has a set of its own, it is asked at
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
            if !self.can_sample(prompt, &pools[pool]) {
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
            if self.world.rewards != Rewards::PoolMaximum {
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

    /// The two rewards that the predictors expect, in absolute units, where candidates are chosen so often.
    pub(super) fn predicted(&self, prompt: usize, candidates: &[usize], probabilities: &[f32]) -> [f32; 2] {
        let of = |matrix: &Matrix| {
            let row = matrix.row(prompt);
            candidates.iter().zip(probabilities).map(|(&model, p)| p * row[model]).sum::<f32>()
        };
        [of(&self.world.situations.scores), -of(&self.world.situations.costs)]
    }

    /// The utility of two rewards at a preference, as it counts in training.
    pub(super) fn utility(&self, rewards: [f32; 2], preference: f32) -> f32 {
        let utility = utility(rewards, preference);
        if self.world.rewards == Rewards::Balanced { utility / (1.0 + preference) } else { utility }
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
