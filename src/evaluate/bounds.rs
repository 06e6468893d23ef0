//! Policies that look at outcomes or ignore the prompt: what no router can beat, and what every router should.

use super::policy::{OperatingPoint, TestTable};
use crate::data::RIGHT;
use crate::metrics::curve::{Point, hull};
use crate::record::{Manifest, RecordedReplicate};

/// The names of the bounds, in the order of the report. No router may be labelled so.
pub const BOUND_NAMES: [&str; 5] =
    ["utility-oracle", "oracle", "cheapest-correct", "benchmark-oracle", "zero-router"];

/// The reference policies of one replicate.
pub(super) struct Bounds {
    /// By name, in the order of the report.
    pub(super) policies: Vec<(&'static str, Vec<OperatingPoint>)>,
    /// A uniform choice from each pool, in expectation.
    pub(super) random: Point,
    /// The utility oracle at each preference.
    pub(super) utility_oracle: Vec<Point>,
}

pub(super) fn bounds(
    table: &TestTable,
    manifest: &Manifest,
    recorded: &RecordedReplicate,
    in_pool: &[bool],
) -> Bounds {
    let unit = recorded.cost_unit_usd;
    let utility = |weight: f64, point: Point| point.score - weight * point.cost_usd / unit;
    let sweep = |point: &dyn Fn(f64) -> Point| -> Vec<OperatingPoint> {
        let at = |&preference: &f64| {
            let Point { cost_usd, score } = point(preference);
            OperatingPoint { preference: Some(preference), score, cost_usd }
        };
        manifest.preferences.iter().map(at).collect()
    };
    let once = |point: Point| {
        vec![OperatingPoint { preference: None, score: point.score, cost_usd: point.cost_usd }]
    };
    let utility_oracle =
        sweep(&|weight| table.mean(|prompt| table.best(prompt, |_, cell| utility(weight, cell))));
    // The best score; among equal ones the cheapest. Costs are far below 1e9 units.
    let oracle = table.mean(|prompt| {
        let most = table.best(prompt, |_, cell| cell.score).score;
        table.best(prompt, |_, cell| if cell.score == most { -cell.cost_usd } else { f64::NEG_INFINITY })
    });
    let cheapest_correct = table.mean(|prompt| {
        let is_solvable = table.best(prompt, |_, cell| cell.score).score >= RIGHT;
        let counts = |cell: Point| !is_solvable || cell.score >= RIGHT;
        table.best(prompt, |_, cell| if counts(cell) { -cell.cost_usd } else { f64::NEG_INFINITY })
    });
    let benchmark_oracle = sweep(&|weight| {
        let n_benchmarks = table.benchmarks.iter().max().map_or(0, |most| most + 1);
        let mut totals = vec![vec![(0.0, 0_u32); table.n_models()]; n_benchmarks];
        for (row, &benchmark) in table.cells.iter().zip(&table.benchmarks) {
            for (cell, (total, n)) in row.iter().zip(&mut totals[benchmark]) {
                if let Some(cell) = cell {
                    *total += utility(weight, *cell);
                    *n += 1;
                }
            }
        }
        table.mean(|prompt| {
            let means = &totals[table.benchmarks[prompt]];
            table.best(prompt, |model, _| means[model].0 / f64::from(means[model].1.max(1)))
        })
    });
    let random = table.mean(|prompt| {
        let pool: Vec<Point> = table.cells[prompt].iter().flatten().copied().collect();
        let n = pool.len() as f64;
        Point {
            cost_usd: pool.iter().map(|cell| cell.cost_usd).sum::<f64>() / n,
            score: pool.iter().map(|cell| cell.score).sum::<f64>() / n,
        }
    });
    let zero_router = sweep(&|weight| table.models[zero_router(recorded, in_pool, weight)]);
    let points =
        [utility_oracle.clone(), once(oracle), once(cheapest_correct), benchmark_oracle, zero_router];
    let policies = BOUND_NAMES.into_iter().zip(points).collect();
    Bounds {
        policies,
        random,
        utility_oracle: utility_oracle.into_iter().map(OperatingPoint::point).collect(),
    }
}

/// The zero router mixes single models without looking at the prompt: at each preference it takes the corner of the
/// development hull with the highest utility, and its own hull over test prompts holds the mixtures.
fn zero_router(recorded: &RecordedReplicate, in_pool: &[bool], weight: f64) -> usize {
    let points: Vec<(usize, Point)> = (recorded.development_score.iter().zip(&recorded.development_cost_usd))
        .map(|(&score, &cost_usd)| Point { cost_usd, score })
        .enumerate()
        .filter(|(model, _)| in_pool[*model])
        .collect();
    let corners = hull(&points.iter().map(|(_, point)| *point).collect::<Vec<_>>());
    let utility = |point: &Point| point.score - weight * point.cost_usd / recorded.cost_unit_usd;
    let (mut best, mut most) = points[0];
    for (model, point) in points.into_iter().filter(|(_, point)| corners.contains(point)) {
        if utility(&point) > utility(&most) || !corners.contains(&most) {
            (best, most) = (model, point);
        }
    }
    best
}
