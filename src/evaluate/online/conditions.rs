//! Which learner survives what: regret under each condition beside that of the run as it is, order by order.
//!
//! Regrets are shares of a random choice's under the same condition, 0 the utility oracle and 1 a random choice, because a condition
//! changes what can be had: an oracle under a quota, or without a model that is out, has less too. Every learner meets the same prompts,
//! preferences, delays, and lies in an order, so that differences are paired by order.

use super::references::regrets;
use crate::record::online::OnlineRecord;
use crate::statistics::interval::Spread;

/// What a condition did to a learner that has a lead over a random choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// No loss beyond chance: the interval of the change holds 0 or lies below it.
    Unharmed,
    /// A loss beyond chance; at least half of the lead is kept.
    Weakened,
    /// A loss beyond chance of more than half of the lead.
    Broken,
}

impl Effect {
    /// In tables.
    pub fn name(self) -> &'static str {
        match self {
            Effect::Unharmed => "unharmed",
            Effect::Weakened => "weakened",
            Effect::Broken => "broken",
        }
    }
}

/// One learner under one condition.
#[derive(Clone, Debug, PartialEq)]
pub struct UnderCondition {
    /// Its regret as a share of a random choice's.
    pub share: Spread,
    /// That less its share in the run as it is; above 0 is worse.
    pub change: Spread,
    /// `None` where it has no lead over a random choice to lose.
    pub effect: Option<Effect>,
}

/// All learners under all conditions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Survival {
    /// Of each learner its regret in the run as it is, as a share of a random choice's.
    pub plain: Vec<Spread>,
    /// By condition, then by learner.
    pub under: Vec<Vec<UnderCondition>>,
}

/// Computes the matrix; empty without conditions.
pub(super) fn survival(record: &OnlineRecord) -> Survival {
    if record.conditions.is_empty() {
        return Survival::default();
    }
    let plain = shares(record);
    let cell = |(plain, under): (&Vec<f64>, Vec<f64>)| {
        let changes: Vec<f64> = under.iter().zip(plain).map(|(under, plain)| under - plain).collect();
        let (before, change) = (Spread::of(plain), Spread::of(&changes));
        let lead = 1.0 - before.mean;
        let effect = match () {
            () if before.high >= 1.0 => None,
            () if change.low <= 0.0 => Some(Effect::Unharmed),
            () if change.mean <= 0.5 * lead => Some(Effect::Weakened),
            () => Some(Effect::Broken),
        };
        UnderCondition { share: Spread::of(&under), change, effect }
    };
    let under = |condition: &OnlineRecord| plain.iter().zip(shares(condition)).map(cell).collect();
    Survival {
        plain: plain.iter().map(|shares| Spread::of(shares)).collect(),
        under: record.conditions.iter().map(under).collect(),
    }
}

/// By learner, then by order. Where a random choice has no regret, there is nothing to lose.
fn shares(record: &OnlineRecord) -> Vec<Vec<f64>> {
    let by_order: Vec<(Vec<f64>, f64)> =
        (0..record.orders.len()).map(|order| regrets(record, &record.orders[order], order)).collect();
    let share = |(own, of_random): (f64, f64)| if of_random > 0.0 { own / of_random } else { 0.0 };
    let of_learner =
        |at: usize| by_order.iter().map(|(own, of_random)| share((own[at], *of_random))).collect();
    (0..record.logs.len()).map(of_learner).collect()
}
