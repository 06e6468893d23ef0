//! Batches of decisions: prompts, candidate pools, and preferences as the rows that the policy network takes.

use super::policy::{InputWidths, Inputs, Pairs};
use super::predictors::{Candidates, Situations};
use super::settings::{Context, PolicySettings, Rewards};
use crate::linalg::Matrix;
use crate::network::{Parameters, Sets, untaped};

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
