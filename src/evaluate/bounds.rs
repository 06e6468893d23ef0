//! Policies that look at outcomes or ignore the prompt: what no router can beat, and what every router should.

use super::policy::TestTable;
use crate::metrics::BOUND_NAMES;
use crate::metrics::curve::{Point, hull};
use crate::record::{Manifest, RecordedReplicate};
use crate::router::RIGHT;

/// The reference policies of one replicate.
pub(super) struct Bounds {
    /// In the order of the report.
    pub(super) policies: Vec<Bound>,
    /// For each prompt a uniform choice from its pool, in expectation.
    pub(super) random: Vec<Point>,
}

/// One reference policy.
pub(super) struct Bound {
    pub(super) name: &'static str,
    /// Whether it takes a preference; without one it has a single operating point.
    pub(super) has_preference: bool,
    pub(super) cells: BoundCells,
}

/// What a bound comes to, preference by preference.
pub(super) enum BoundCells {
    /// An outcome for each prompt.
    Prompts(Vec<Vec<Point>>),
    /// One model for all prompts: its mean over those it answered.
    Models(Vec<usize>),
}

pub(super) fn bounds(
    table: &TestTable,
    manifest: &Manifest,
    recorded: &RecordedReplicate,
    in_pool: &[bool],
) -> Bounds {
    let unit = recorded.cost_unit_usd;
    let utility = |weight: f64, point: Point| point.score - weight * point.cost_usd / unit;
    let each = |cell: &dyn Fn(usize) -> Point| -> Vec<Point> { (0..table.cells.len()).map(cell).collect() };
    let sweep = |cells: &dyn Fn(f64) -> Vec<Point>| {
        BoundCells::Prompts(manifest.preferences.iter().map(|&weight| cells(weight)).collect())
    };
    let once = |cells: Vec<Point>| BoundCells::Prompts(vec![cells]);
    let utility_oracle = sweep(&|weight| each(&|prompt| table.best(prompt, |_, cell| utility(weight, cell))));
    // The best score; among equal ones the cheapest. Costs are far below 1e9 units.
    let oracle = each(&|prompt| {
        let most = table.best(prompt, |_, cell| cell.score).score;
        table.best(prompt, |_, cell| if cell.score == most { -cell.cost_usd } else { f64::NEG_INFINITY })
    });
    let cheapest_correct = each(&|prompt| {
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
        each(&|prompt| {
            let means = &totals[table.benchmarks[prompt]];
            table.best(prompt, |model, _| means[model].0 / f64::from(means[model].1.max(1)))
        })
    });
    let random = each(&|prompt| {
        let pool: Vec<Point> = table.cells[prompt].iter().flatten().copied().collect();
        let n = pool.len() as f64;
        Point {
            cost_usd: pool.iter().map(|cell| cell.cost_usd).sum::<f64>() / n,
            score: pool.iter().map(|cell| cell.score).sum::<f64>() / n,
        }
    });
    let zero_router = manifest.preferences.iter().map(|&weight| zero_router(recorded, in_pool, weight));
    let cells = [
        (true, utility_oracle),
        (false, once(oracle)),
        (false, once(cheapest_correct)),
        (true, benchmark_oracle),
        (true, BoundCells::Models(zero_router.collect())),
    ];
    let bound = |(name, (has_preference, cells))| Bound { name, has_preference, cells };
    Bounds { policies: BOUND_NAMES.into_iter().zip(cells).map(bound).collect(), random }
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
