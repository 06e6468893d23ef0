//! The metrics of online runs: entries as those of [`METRICS`](super::METRICS), with a function of the steps of one order.
//!
//! The regret of a step against a reference is the reference's utility less that of the arm chosen.

use super::entry::{Better, Metric, PLAIN, Table, Unit};
use crate::statistics::Interval;

/// What a policy, and those it is compared with, got in one order.
pub struct Steps<'a> {
    /// The policy's utility at each step.
    pub utility: &'a [f64],
    /// Its mean score.
    pub score: f64,
    /// Its mean cost in US dollars.
    pub cost_usd: f64,
    /// The utility oracle's utility at each step.
    pub oracle: &'a [f64],
    /// That of the best single arm; `None` where no arm is there at every step.
    pub best_single: Option<&'a [f64]>,
    /// That of the zero router.
    pub zero_router: &'a [f64],
}

/// A metric of a policy over orders.
pub struct OnlineMetric {
    /// All but its function.
    pub metric: Metric,
    /// Whether it is a sum over all steps; else it is a mean over steps.
    pub is_sum: bool,
    /// Its value in one order.
    pub of: fn(&Steps<'_>) -> Option<f64>,
}

/// A regret, of which the lowest is best.
const REGRET: Metric = Metric { better: Better::Lower, is_headline: true, needs: &[], ..PLAIN };

/// Every metric but those of windows around changes, in the order of files.
pub static ONLINE_METRICS: &[OnlineMetric] = &[
    OnlineMetric {
        metric: Metric {
            name: "score",
            title: "mean score",
            range: Interval::SHARES,
            shown: &[(Table::Main, 4), (Table::Gate, 1)],
            needs: &[],
            ..PLAIN
        },
        is_sum: false,
        of: |steps| Some(steps.score),
    },
    OnlineMetric {
        metric: Metric {
            name: "cost-usd",
            title: "cost, USD per 1,000",
            unit: Unit::UsdPerPrompt,
            better: Better::Lower,
            range: Interval::FROM_ZERO,
            shown: &[(Table::Main, 5), (Table::Gate, 2)],
            ..PLAIN
        },
        is_sum: false,
        of: |steps| Some(steps.cost_usd),
    },
    OnlineMetric {
        metric: Metric {
            name: "mean-utility",
            title: "mean utility",
            range: Interval::UP_TO_ONE,
            needs: &[],
            ..PLAIN
        },
        is_sum: false,
        of: |steps| Some(steps.utility.iter().sum::<f64>() / steps.utility.len() as f64),
    },
    OnlineMetric {
        metric: Metric {
            name: "regret",
            title: "regret",
            range: Interval::FROM_ZERO,
            shown: &[(Table::Main, 0), (Table::Gate, 0)],
            ..REGRET
        },
        is_sum: true,
        of: |steps| Some(regret(steps.oracle, steps.utility)),
    },
    OnlineMetric {
        metric: Metric {
            name: "regret-to-best-single",
            title: "to best single",
            shown: &[(Table::Main, 1)],
            ..REGRET
        },
        is_sum: true,
        of: |steps| Some(regret(steps.best_single?, steps.utility)),
    },
    OnlineMetric {
        metric: Metric {
            name: "regret-to-zero-router",
            title: "to zero router",
            shown: &[(Table::Main, 2)],
            ..REGRET
        },
        is_sum: true,
        of: |steps| Some(regret(steps.zero_router, steps.utility)),
    },
    OnlineMetric {
        metric: Metric {
            name: "last-quarter-regret",
            title: "last quarter",
            range: Interval::FROM_ZERO,
            shown: &[(Table::Main, 3), (Table::Gate, 3)],
            ..REGRET
        },
        is_sum: false,
        of: |steps| {
            let n_steps = steps.utility.len();
            let first = n_steps - n_steps.div_ceil(4);
            Some(regret(&steps.oracle[first..], &steps.utility[first..]) / (n_steps - first) as f64)
        },
    },
];

/// The sum of a reference's utilities less a policy's.
pub fn regret(reference: &[f64], utility: &[f64]) -> f64 {
    reference.iter().zip(utility).map(|(reference, own)| reference - own).sum()
}

/// The metrics of a table, in its order.
pub fn shown_in(table: Table) -> Vec<&'static OnlineMetric> {
    let place = |online: &&OnlineMetric| {
        online.metric.shown.iter().find(|(t, _)| *t == table).map(|(_, place)| *place)
    };
    let mut metrics: Vec<&OnlineMetric> =
        ONLINE_METRICS.iter().filter(|online| place(online).is_some()).collect();
    metrics.sort_by_key(place);
    metrics
}
