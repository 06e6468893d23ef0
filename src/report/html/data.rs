//! What the script knows, as compact JSON.

use serde::Serialize;

use super::charts::Charts;
use super::{Page, dial, dollars};
use crate::evaluate::{PolicyKind, Traffic};
use crate::report::figures;
use crate::report::plot::Geometry;

/// About so many numbers on benchmarks at most: where there are more, fewer preferences are kept.
const MOST_NUMBERS: usize = 120_000;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    has_cost: bool,
    preferences: &'a [f64],
    opens_at: usize,
    leader: usize,
    /// By rising cost.
    models: Vec<&'a str>,
    policies: Vec<Policy<'a>>,
    geometries: Vec<Geometry>,
    /// The policies of the figures' groups.
    in_pareto: Vec<usize>,
    in_utility: Vec<usize>,
    benchmarks: Vec<Benchmark<'a>>,
    /// The preferences of `traffic`.
    stops: Vec<usize>,
    /// By router, stop, and benchmark.
    traffic: Vec<Vec<Vec<Row>>>,
}

#[derive(Serialize)]
struct Policy<'a> {
    name: &'a str,
    /// Score and US dollars per 1,000 prompts.
    points: Vec<[f64; 2]>,
    utilities: Vec<Option<f64>>,
    /// By preference, place in the order of costs and thousandths in turn.
    mixes: Vec<Vec<usize>>,
}

#[derive(Serialize)]
struct Benchmark<'a> {
    name: &'a str,
    n: usize,
    few: usize,
}

/// Score, US dollars per 1,000 prompts, needless dollars in percent, prompts with any in percent, score where few are right, mix.
#[derive(Serialize)]
struct Row(f64, f64, f64, f64, Option<f64>, Vec<usize>);

/// The data, safe inside a script element: nothing in it can end one.
pub(super) fn json(page: &Page, charts: &Charts) -> String {
    let manifest = &page.record.manifest;
    let preferences = &manifest.preferences;
    let stops = stops(page);
    let traffic = |by_preference: &Vec<Vec<Traffic>>| {
        stops
            .iter()
            .map(|at| {
                by_preference[*at]
                    .iter()
                    .zip(&page.breakdown.benchmarks)
                    .map(|(traffic, benchmark)| row(page, traffic, benchmark))
                    .collect()
            })
            .collect()
    };
    let data = Data {
        has_cost: manifest.suite.has_cost,
        preferences,
        opens_at: page.opens_at,
        leader: page.leader,
        models: page.by_cost.iter().map(|model| manifest.suite.models[*model].as_str()).collect(),
        policies: policies(page),
        geometries: charts.geometries(),
        in_pareto: charts.in_pareto.iter().map(|shown| shown.position).collect(),
        in_utility: charts.in_utility.iter().map(|shown| shown.position).collect(),
        benchmarks: (page.breakdown.benchmarks.iter())
            .map(|benchmark| Benchmark {
                name: &benchmark.name,
                n: benchmark.n_prompts,
                few: benchmark.n_by_right_share[crate::evaluate::FEW],
            })
            .collect(),
        traffic: page.breakdown.routers.iter().map(traffic).collect(),
        stops,
    };
    let json = serde_json::to_string(&data).expect("the data of a page are plain");
    // Neither "</script" nor "<!--" can be spelled without this letter.
    json.replace('<', "\\u003c")
}

fn policies<'a>(page: &Page<'a>) -> Vec<Policy<'a>> {
    let n_preferences = page.record.manifest.preferences.len();
    let policies = page.summary.replicates[0].policies.iter().enumerate();
    let policy = |(position, policy): (usize, &'a crate::evaluate::Policy)| {
        let mix = |at| flat(&dial::mix(page, &dial::n_by_model(page, position, at)));
        let n_mixes = if policy.kind.is_router() { n_preferences } else { 0 };
        let utility = |at| figures::mean_utility(page.summary, position, at).map(|value| shown(value, 3));
        let points = figures::mean_points(page.summary, position);
        Policy {
            name: &policy.name,
            points: points
                .iter()
                .map(|point| [shown(point.score, 4), shown_dollars(point.cost_usd)])
                .collect(),
            utilities: (0..n_preferences).map(utility).collect(),
            mixes: (0..n_mixes).map(mix).collect(),
        }
    };
    policies.filter(|(_, policy)| policy.kind != PolicyKind::Model).map(policy).collect()
}

/// The preferences at which benchmarks are known to the script: all, or evenly chosen ones with the first that is shown.
fn stops(page: &Page) -> Vec<usize> {
    let numbers = |at: usize| -> usize {
        let routers = page.breakdown.routers.iter();
        let of_router =
            |traffic: &Traffic| 5 + 2 * traffic.n_by_model.iter().filter(|n| **n > 0).count().min(10);
        routers.flat_map(|by_preference| by_preference[at].iter().map(of_router)).sum()
    };
    let n_preferences = page.record.manifest.preferences.len();
    let total: usize = (0..n_preferences).map(numbers).sum();
    let step = total.div_ceil(MOST_NUMBERS).max(1);
    (0..n_preferences).filter(|at| at % step == page.opens_at % step).collect()
}

fn row(page: &Page, traffic: &Traffic, benchmark: &crate::evaluate::Benchmark) -> Row {
    let measures = super::benchmarks::Measures::of(traffic, benchmark);
    Row(
        shown(measures.score, 4),
        shown_dollars(measures.cost_usd),
        shown(100.0 * measures.needless_share, 1),
        shown(100.0 * measures.needless_prompts, 1),
        measures.score_where_few_right.map(|score| shown(score, 3)),
        flat(&dial::mix(page, &traffic.n_by_model)),
    )
}

fn flat(mix: &[(usize, usize)]) -> Vec<usize> {
    mix.iter().flat_map(|(rank, share)| [*rank, *share]).collect()
}

/// The value as the page shows it with so many decimals, so that the script writes the same digits.
fn shown(value: f64, decimals: usize) -> f64 {
    format!("{value:.decimals$}").parse().unwrap_or(value)
}

fn shown_dollars(usd: f64) -> f64 {
    dollars(usd).parse().unwrap_or(usd)
}
