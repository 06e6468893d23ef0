//! Intervals along the curves of a figure: of normalised utility at each preference, and of score at given costs.
//!
//! Each is for its place alone: that a whole curve lies within its band is less sure.

use super::policy::{Evaluated, PolicyKind};
use super::replay::Replay;
use super::summary::Row;
use crate::metrics::curve::{Point, hull, score_at};
use crate::record::Record;
use crate::router::RouterSettings;
use crate::seed::Stream;
use crate::statistics::bootstrap::estimate;
use crate::statistics::{Interval, LEVEL, mean};

/// The intervals along the curves of one router.
#[derive(Clone, Debug, PartialEq)]
pub struct Bands {
    /// The router's label.
    pub router: String,
    /// By preference; `None` where a replicate does not define the utility.
    pub utility: Vec<Option<Interval>>,
    /// By cost in US dollars a prompt, along the hull.
    pub score: Vec<(f64, Interval)>,
}

/// As many routers have bands; of more, only the best one and the rival, or nothing could be told apart.
const MOST_ROUTERS: usize = 5;

/// Costs at which the score has an interval.
const N_COSTS: usize = 24;

/// A curve whose values are resampled beside the metrics.
pub(super) struct BandedCurve {
    pub(super) position: usize,
    costs_usd: Vec<f64>,
}

impl BandedCurve {
    /// The number of values.
    pub(super) fn n_values(&self, n_preferences: usize) -> usize {
        n_preferences + self.costs_usd.len()
    }

    /// Appends the values of one replicate: normalised utilities, then scores; what is not defined is no number.
    pub(super) fn values(&self, evaluated: &Evaluated, values: &mut Vec<f64>) {
        let points = &evaluated.policies[self.position].points;
        for (at, point) in points.iter().enumerate() {
            values.push(evaluated.normalised_utility(*point, at).unwrap_or(f64::NAN));
        }
        let hull = hull(&points.iter().map(|point| point.point()).collect::<Vec<Point>>());
        values.extend(self.costs_usd.iter().map(|cost| score_at(&hull, *cost).unwrap_or(f64::NAN)));
    }
}

/// The curves that have bands.
pub(super) fn banded(record: &Record, replays: &[Replay], rows: &[Row], rival: &str) -> Vec<BandedCurve> {
    if !record.manifest.suite.has_cost {
        return Vec::new();
    }
    let n_routers = record.manifest.scenario.routers.len();
    let policies = &replays[0].evaluated.policies;
    let aiq = |row: &Row| row.aggregate().map_or(f64::NEG_INFINITY, |aggregate| aggregate.mean);
    let of_routers = rows.iter().filter(|row| row.kind == PolicyKind::Router && row.metric == "aiq");
    let best = of_routers.max_by(|a, b| aiq(a).total_cmp(&aiq(b))).map(|row| row.policy.as_str());
    // A random router is a floor to look down to, and needs no band.
    let is_floor = |position: &usize| {
        matches!(record.manifest.scenario.routers[*position].settings, RouterSettings::Random(_))
    };
    let is_drawn = |position: &usize| {
        let name = policies[*position].name.as_str();
        n_routers <= MOST_ROUTERS || name == rival || Some(name) == best
    };
    let n_preferences = record.manifest.preferences.len();
    let is_curve = |position: &usize| policies[*position].points.len() == n_preferences;
    let curve = |position: usize| BandedCurve { position, costs_usd: costs(replays, position) };
    (0..n_routers)
        .filter(|position| is_curve(position) && is_drawn(position) && !is_floor(position))
        .map(curve)
        .collect()
}

/// Costs along the mean hull of a policy, evenly spaced in their logarithm where none is 0.
fn costs(replays: &[Replay], position: usize) -> Vec<f64> {
    let hulls = replays.iter().map(|replay| {
        let points = &replay.evaluated.policies[position].points;
        hull(&points.iter().map(|point| point.point()).collect::<Vec<Point>>())
    });
    let ends: Vec<[f64; 2]> = hulls.map(|hull| [hull[0].cost_usd, hull[hull.len() - 1].cost_usd]).collect();
    let end = |at: usize| mean(&ends.iter().map(|ends| ends[at]).collect::<Vec<f64>>());
    let (low, high) = (end(0), end(1));
    if low >= high {
        return Vec::new();
    }
    let share = |at: usize| at as f64 / (N_COSTS - 1) as f64;
    let between = |share: f64| if low > 0.0 { low * (high / low).powf(share) } else { share * high };
    (0..N_COSTS).map(|at| between(share(at))).collect()
}

/// The bands from resampled values, by curve; see [`BandedCurve::values`].
pub(super) fn bands(
    replays: &[Replay],
    curves: &[BandedCurve],
    resampled: &[Vec<Vec<f64>>],
    stream: &Stream,
) -> Vec<Bands> {
    let n_preferences = replays[0].evaluated.utility_oracle.len();
    let of_curve = |(curve, columns): (&BandedCurve, &Vec<Vec<f64>>)| {
        let name = &replays[0].evaluated.policies[curve.position].name;
        let observed: Vec<Vec<f64>> = replays
            .iter()
            .map(|replay| {
                let mut values = Vec::new();
                curve.values(&replay.evaluated, &mut values);
                values
            })
            .collect();
        let interval = |at: usize| {
            let observed: Vec<f64> = observed.iter().map(|values| values[at]).collect();
            let mut rng = stream.named(name).numbered(at).generator();
            let interval = estimate(&observed, &columns[at], LEVEL, &mut rng)?.interval;
            (interval.low.is_finite() && interval.high.is_finite()).then_some(interval)
        };
        let score = curve.costs_usd.iter().enumerate();
        Bands {
            router: name.clone(),
            utility: (0..n_preferences).map(interval).collect(),
            score: score.filter_map(|(at, cost)| Some((*cost, interval(n_preferences + at)?))).collect(),
        }
    };
    curves.iter().zip(resampled).map(of_curve).collect()
}
