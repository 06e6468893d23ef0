//! How much a learner explores, chosen on the warm start alone: candidates replay its prompts under the same feedback as
//! later, and the one that earns most is taken. Learners that start warm see the outcomes of one half first and replay the
//! other half.

use super::OnlineRouter;
use super::arms::Arms;
use super::linear::{Linear, Rule, Start};
use crate::online::feedback::{Outcome, Situation};
use crate::online::scenario::OnlineScenario;
use crate::online::world::{WarmStart, draw_preference};
use crate::preference::Preference;
use crate::random::shuffle;
use crate::seed::Stream;

/// Orders of the warm-start prompts that every candidate replays.
const ORDERS: usize = 4;

/// A learner that is tried.
pub(super) struct Candidate {
    /// Arms that have answered nothing.
    pub(super) arms: Arms,
    pub(super) rule: Rule,
    /// What the answers of the first half count for, if not what they are.
    pub(super) prior_weight: Option<f64>,
}

/// The position of the candidate that earns most; ties go to the first.
pub(super) fn best(
    (scenario, warm): (&OnlineScenario, &WarmStart),
    candidates: &[Candidate],
    start: Start,
    stream: &Stream,
) -> usize {
    let mut best = (f64::NEG_INFINITY, 0);
    for (at, candidate) in candidates.iter().enumerate() {
        let total: f64 = (0..ORDERS)
            .map(|order| earned((scenario, warm), candidate, start, &stream.named("tuning").numbered(order)))
            .sum();
        if total > best.0 {
            best = (total, at);
        }
    }
    best.1
}

/// Shows all known outcomes of a warm-start prompt.
pub(super) fn teach(arms: &mut Arms, warm: &WarmStart, row: usize) {
    for arm in 0..warm.data.n_models() {
        if let Some(Outcome { score, cost_units }) = outcome(warm, row, arm) {
            arms.learn(arm, warm.contexts.row(row), score, cost_units);
        }
    }
}

/// The outcome of an arm on a warm-start prompt.
pub(super) fn outcome(warm: &WarmStart, row: usize, arm: usize) -> Option<Outcome> {
    let outcomes = &warm.data.outcomes;
    let score = outcomes.score.get(row, arm)?;
    Some(Outcome { score, cost_units: outcomes.cost_units.get(row, arm).unwrap_or(0.0) })
}

/// The arms that have an outcome on a warm-start prompt.
pub(super) fn pool(warm: &WarmStart, row: usize) -> Vec<usize> {
    (0..warm.data.n_models()).filter(|&arm| outcome(warm, row, arm).is_some()).collect()
}

fn earned(
    (scenario, warm): (&OnlineScenario, &WarmStart),
    candidate: &Candidate,
    start: Start,
    stream: &Stream,
) -> f64 {
    let mut rows: Vec<usize> = (0..warm.contexts.n_rows()).collect();
    shuffle(&mut stream.named("prompts").generator(), &mut rows);
    let (seen, replayed) = rows.split_at(if start == Start::Warm { rows.len() / 2 } else { 0 });
    let mut arms = candidate.arms.clone();
    seen.iter().for_each(|&row| teach(&mut arms, warm, row));
    if let Some(weight) = candidate.prior_weight {
        arms.set_prior_weight(weight);
    }
    let mut learner = Linear::new(arms, candidate.rule);
    let (mut rng, mut preferences) =
        (stream.named("choices").generator(), stream.named("preferences").generator());
    let mut total = 0.0;
    for &row in replayed {
        let preference = Preference::new(draw_preference(scenario, &mut preferences));
        let preference = preference.expect("declared preferences are not negative");
        let pool = pool(warm, row);
        let situation = Situation { prompt: row, context: warm.contexts.row(row), pool: &pool, preference };
        let (arm, _) = learner.choose(&situation, &mut rng);
        let outcome = outcome(warm, row, arm).expect("a chosen arm is in the pool of its prompt");
        learner.learn(&situation, arm, outcome);
        total += preference.utility(outcome.score, outcome.cost_units);
    }
    total
}
