//! The metrics that the gate watches, from the operating points of one router in one replicate.

use crate::metrics::area::aiq;
use crate::metrics::curve::Point;
use crate::metrics::preference::{Weighted, weighted_mean};

/// A watched metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// The mean score at w = 0.
    ScoreAtW0,
    /// The mean score over the declared preferences: sum over w of weight(w) * Q(w).
    MeanScore,
    /// The mean cost over the declared preferences, in US dollars per 1,000 prompts: 1000 * sum over w of weight(w) * C(w).
    MeanCost,
    /// The mean height of the hull between the cheapest and the dearest single model of the test pool, which are told by
    /// their mean costs over the paired test prompts; see [`aiq`].
    Aiq,
    /// The mean utility over the declared preferences: sum over w of weight(w) * (Q(w) - w * C(w) / unit).
    ExpectedUtility,
}

impl Metric {
    /// All, in the order of the report.
    pub const ALL: [Metric; 5] =
        [Metric::ScoreAtW0, Metric::MeanScore, Metric::MeanCost, Metric::Aiq, Metric::ExpectedUtility];

    /// Its name; where `summary.csv` has the metric, its name there.
    pub fn name(self) -> &'static str {
        match self {
            Metric::ScoreAtW0 => "score-at-w0",
            Metric::MeanScore => "mean-score",
            Metric::MeanCost => "mean-cost-usd-per-1000",
            Metric::Aiq => "aiq",
            Metric::ExpectedUtility => "expected-utility",
        }
    }

    /// Whether it needs costs.
    pub fn needs_cost(self) -> bool {
        !matches!(self, Metric::ScoreAtW0 | Metric::MeanScore)
    }

    /// +1 where more is better, -1 where less is.
    pub fn good_direction(self) -> f64 {
        if self == Metric::MeanCost { -1.0 } else { 1.0 }
    }
}

/// What operating points are measured against.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Yardstick {
    /// The preferences, ascending from 0.
    pub(super) preferences: Vec<f64>,
    /// Their weights.
    pub(super) weights: Vec<f64>,
    /// US dollars in one cost unit.
    pub(super) cost_unit_usd: f64,
}

impl Yardstick {
    /// Every metric, in the order of [`Metric::ALL`], of the operating points at each preference, between the cheapest and
    /// the dearest single model.
    pub(super) fn measure(&self, points: &[Point], [cheapest, dearest]: [Point; 2]) -> [f64; 5] {
        let mean = |value: &dyn Fn(f64, Point) -> f64| {
            let weighted = |((&preference, &weight), &point): ((&f64, &f64), &Point)| Weighted {
                value: value(preference, point),
                weight,
            };
            let values: Vec<Weighted> =
                self.preferences.iter().zip(&self.weights).zip(points).map(weighted).collect();
            weighted_mean(&values).expect("the weights of a preference grid sum to 1")
        };
        [
            points[0].score,
            mean(&|_, point| point.score),
            mean(&|_, point| 1000.0 * point.cost_usd),
            aiq(points, cheapest, dearest.cost_usd),
            mean(&|preference, point| point.score - preference * point.cost_usd / self.cost_unit_usd),
        ]
    }
}
