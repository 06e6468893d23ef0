//! The tables of a report as values, so that every format shows the same digits and the same winners; and the numbers behind every table
//! and plot, for programs: `points.csv`, `summary.csv`, `comparisons.csv`, and `summary.json`, of which `docs/src/report-files.md` says what a
//! field means.

use std::collections::BTreeMap;

use maud::Markup;
use serde::Serialize;

use super::markup::{Cell, Column, Spread, Table, Types, cells};
use crate::evaluate::{Comparison, Evaluated, Evidence, PolicyKind, Row, Summary, Verdict};
use crate::metrics::entry::{Better, Missing, Need, Table as Group};
use crate::metrics::table::shown_in;
use crate::metrics::{self, Metric};
use crate::record::Record;
use crate::statistics::Interval;
use crate::statistics::paired::WinTieLoss;

/// The columns of the main table: the metric that the scenario declares primary first. A headline is about the first.
pub(super) fn main_columns(record: &Record) -> Vec<&'static Metric> {
    let has_cost = record.manifest.suite.has_cost;
    let mut columns = shown_in(if has_cost { Group::Main } else { Group::WithoutCosts });
    let declared = record.manifest.scenario.evidence.primary.as_deref().filter(|_| has_cost);
    if let Some(primary) = declared.and_then(metrics::metric) {
        columns.retain(|column| *column != primary);
        columns.insert(0, primary);
    }
    columns
}

/// What other benchmarks publish, as far as the suite has what it needs.
pub(super) fn published_columns(record: &Record) -> Vec<&'static Metric> {
    let has_cost = record.manifest.suite.has_cost;
    let has_variants = record.prompts.iter().any(|prompt| prompt.variant_of.is_some());
    let is_there = |metric: &&Metric| {
        metric.needs.iter().all(|need| match need {
            Need::Costs => has_cost,
            Need::Variants => has_variants,
            _ => true,
        })
    };
    shown_in(Group::Published).into_iter().filter(is_there).collect()
}

/// The bounds of an interval in a metric's unit and decimals.
pub(super) fn bounds(metric: &Metric, interval: Interval) -> [String; 2] {
    [metric.shown(interval.low), metric.shown(interval.high)]
}

fn cell(metric: &Metric, row: Option<&Row>, best: Option<f64>, is_tested: bool) -> Cell {
    let Some((row, aggregate)) = row.and_then(|row| Some((row, row.aggregate()?))) else {
        let can_be_reached = row.is_some() && metric.missing != Missing::Undefined;
        return if can_be_reached { Cell::placeholder("not reached") } else { Cell::absent() };
    };
    let interval = row.interval.map(|interval| Spread::Interval(bounds(metric, interval)));
    let deviation = (aggregate.n > 1).then(|| Spread::Deviation(metric.shown(aggregate.deviation)));
    let cell = Cell::from(metric.shown(aggregate.mean)).exact(aggregate.mean).spread(interval.or(deviation));
    let is_everywhere = aggregate.n == row.values.len();
    let cell = if is_everywhere { cell } else { cell.note(format!("{}/{}", aggregate.n, row.values.len())) };
    // The best value where not all routers share it or are as good as it; else whether it is not distinguished from the best.
    match (best.is_some() && comparable(row) == best, row.is_among_best) {
        (true, true) => cell.strong_if(true),
        (true, false) if !is_tested => cell.strong_if(true),
        (false, true) => cell.mark("\u{2020}"),
        _ => cell,
    }
}

/// Policies of these kinds by some metrics, in the order of the record; on a page with their marks.
pub(super) fn policies(
    summary: &Summary,
    metrics: &[&Metric],
    kinds: &[PolicyKind],
    marks: Option<&[Markup]>,
) -> Table {
    let titles = metrics.iter().map(|metric| Column::number(metric.title));
    let mut table = Table::new(std::iter::once(Column::text("router")).chain(titles));
    for &kind in kinds {
        let is_router = kind == PolicyKind::Router;
        table.heading((!is_router).then(|| kind.heading()));
        let best = |metric: &&Metric| if is_router { winner(summary, metric) } else { None };
        let winners: Vec<Option<f64>> = metrics.iter().map(best).collect();
        for (position, policy) in summary.replicates[0].policies.iter().enumerate() {
            if policy.kind != kind {
                continue;
            }
            let cell = |(metric, best): (&&Metric, &Option<f64>)| {
                let is_tested = summary.evidence.is_some() && metric.is_headline;
                let best = best.filter(|_| can_win(summary, position, metric));
                cell(metric, summary.find(policy.id, metric.name), best, is_tested)
            };
            let name = Cell::from(&policy.name);
            let name = if let Some(marks) = marks { name.after(marks[position].clone()) } else { name };
            table.row(std::iter::once(name).chain(metrics.iter().zip(&winners).map(cell)).collect());
        }
    }
    table
}

/// The mean of a metric that every replicate reached: one over some of them only is not comparable.
pub(super) fn comparable(row: &Row) -> Option<f64> {
    let aggregate = row.aggregate()?;
    (aggregate.n == row.values.len()).then_some(aggregate.mean)
}

/// Whether a policy can be the best by a metric: of those about the preference only one that it moves.
fn can_win(summary: &Summary, position: usize, metric: &Metric) -> bool {
    let is_moved = |evaluated: &Evaluated| {
        let points = &evaluated.policies[position].points;
        points.iter().any(|point| point.cost_usd != points[0].cost_usd)
    };
    !metric.is_of_dial || summary.replicates.iter().any(is_moved)
}

/// The best comparable mean among routers; `None` where all share it.
pub(super) fn winner(summary: &Summary, column: &Metric) -> Option<f64> {
    let routers = summary.replicates[0].policies.iter().enumerate();
    let routers = routers.filter(|(_, policy)| policy.kind == PolicyKind::Router);
    let routers =
        routers.filter(|(position, _)| can_win(summary, *position, column)).map(|(_, policy)| policy);
    let means: Vec<Option<f64>> =
        routers.map(|policy| summary.find(policy.id, column.name).and_then(comparable)).collect();
    let known = means.iter().flatten().copied();
    let best = match column.better {
        Better::Higher => known.max_by(f64::total_cmp),
        Better::Lower => known.min_by(f64::total_cmp),
        Better::Neither => None,
    };
    best.filter(|_| means.iter().any(|mean| *mean != best))
}

/// A candidate used for every prompt: means over replicates.
pub(super) struct ModelLine<'a> {
    pub(super) name: &'a str,
    /// Its place among the candidates.
    pub(super) model: usize,
    pub(super) score: f64,
    /// In US dollars per 1,000 prompts; `None` where the suite has no costs.
    pub(super) cost_usd: Option<f64>,
}

/// The candidates, the best first.
pub(super) fn model_lines<'a>(record: &'a Record, summary: &Summary) -> Vec<ModelLine<'a>> {
    let n_replicates = summary.replicates.len() as f64;
    let over_replicates = |value: &dyn Fn(&Evaluated) -> f64| -> f64 {
        summary.replicates.iter().map(value).sum::<f64>() / n_replicates
    };
    let line = |(model, name): (usize, &'a String)| ModelLine {
        name,
        model,
        score: over_replicates(&|evaluated| evaluated.models[model].score),
        cost_usd: (record.manifest.suite.has_cost)
            .then(|| over_replicates(&|evaluated| evaluated.models[model].cost_usd * 1000.0)),
    };
    let mut lines: Vec<ModelLine> = record.manifest.suite.models.iter().enumerate().map(line).collect();
    lines.sort_by(|a, b| b.score.total_cmp(&a.score));
    lines
}

/// Every operating point of every policy in every replicate. Costs are in US dollars per 1,000 prompts.
pub(super) fn points(record: &Record, summary: &Summary) -> Table {
    let mut table = Table::of_names(&[
        "scenario",
        "router",
        "kind",
        "replicate",
        "preference",
        "score",
        "cost_usd_per_1000",
    ]);
    let scenario = &record.manifest.scenario.name;
    for (replicate, evaluated) in summary.replicates.iter().enumerate() {
        for policy in &evaluated.policies {
            for point in &policy.points {
                let cost_usd = record.manifest.suite.has_cost.then_some(point.cost_usd * 1000.0);
                let kind = kind(policy.kind);
                table.row(cells![
                    scenario,
                    &policy.name,
                    kind,
                    replicate,
                    point.preference,
                    point.score,
                    cost_usd
                ]);
            }
        }
    }
    table
}

/// Every metric in every replicate, and its mean over the replicates that reached it as replicate `all`, with its 95 %
/// interval where it has one; an infinite bound is `inf`. An empty value means "not reached" or "not defined".
pub(super) fn summary_table(record: &Record, summary: &Summary) -> Table {
    let mut table = Table::of_names(&SUMMARY_COLUMNS);
    let scenario = &record.manifest.scenario.name;
    for row in &summary.rows {
        let kind = kind(summary.kind_of(row.id));
        let mut push = |replicate: String, value: Option<f64>, interval: Option<Interval>| {
            let [low, high] = ends(interval);
            table.row(cells![scenario, &row.policy, kind, row.metric.name, replicate, value, low, high]);
        };
        for (replicate, value) in row.values.iter().enumerate() {
            push(replicate.to_string(), *value, None);
        }
        push("all".to_owned(), row.aggregate().map(|aggregate| aggregate.mean), row.interval);
    }
    table
}

/// [`points`] and [`summary_table`] as Parquet, by the names of the files.
pub(super) fn parquet_files(record: &Record, summary: &Summary) -> Vec<(&'static str, Vec<u8>)> {
    let of_points = Types { numbers: &["preference", "score", "cost_usd_per_1000"], wholes: &["replicate"] };
    let facts = [("suite", record.manifest.suite.info.name.clone())];
    vec![
        ("points.parquet", points(record, summary).parquet(of_points, &facts)),
        ("summary.parquet", summary_table(record, summary).parquet(SUMMARY, &facts)),
    ]
}

/// The columns of a `summary` of either mode.
pub(super) const SUMMARY_COLUMNS: [&str; 8] =
    ["scenario", "router", "kind", "metric", "replicate", "value", "low", "high"];

/// The numbers among them; a replicate is a number or `all`.
pub(super) const SUMMARY: Types<'_> = Types { numbers: &["value", "low", "high"], wholes: &[] };

/// Every router against the rival on every metric that both have.
pub(super) fn comparisons_csv(record: &Record, summary: &Summary) -> Vec<u8> {
    let mut table = Table::of_names(&[
        "scenario",
        "router",
        "against",
        "metric",
        "is_primary",
        "difference",
        "low",
        "high",
        "p",
        "adjusted_p",
        "overlap_p",
        "smallest_detectable",
        "wins",
        "ties",
        "losses",
        "effect",
    ]);
    if let Some(evidence) = &summary.evidence {
        for comparison in &evidence.comparisons {
            let [low, high] = ends(Some(comparison.interval));
            let WinTieLoss { wins, ties, losses } = comparison.prompts;
            table.row(cells![
                &record.manifest.scenario.name,
                &comparison.router,
                &evidence.against,
                comparison.metric.name,
                comparison.is_primary,
                comparison.difference,
                low,
                high,
                comparison.p,
                comparison.adjusted_p,
                comparison.overlap_p,
                Some(comparison.smallest_detectable).filter(|smallest| smallest.is_finite()),
                wins,
                ties,
                losses,
                comparison.effect,
            ]);
        }
    }
    table.csv()
}

/// The ends of an interval, for two cells.
pub(super) fn ends(interval: Option<Interval>) -> [Option<f64>; 2] {
    [interval.map(|interval| interval.low), interval.map(|interval| interval.high)]
}

/// Rises when a field changes its meaning or goes away; new fields may come at any time.
const SCHEMA_VERSION: u32 = 1;

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Document<'a> {
    schema_version: u32,
    program_version: &'a str,
    scenario: &'a str,
    description: &'a str,
    seed: u64,
    replicates: usize,
    suite: Suite<'a>,
    test_prompts: Vec<usize>,
    policies: Vec<Policy<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<Compared<'a>>,
    expectations: Vec<Expectation<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Suite<'a> {
    name: &'a str,
    content_hash: &'a str,
    simulated: bool,
    has_cost: bool,
    candidates: &'a [String],
}

#[derive(Serialize)]
struct Policy<'a> {
    name: &'a str,
    kind: &'static str,
    metrics: BTreeMap<&'static str, RowOfMetric<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct RowOfMetric<'a> {
    mean: Option<f64>,
    deviation: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval: Option<Interval>,
    is_among_best: bool,
    reached: usize,
    values: &'a [Option<f64>],
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Compared<'a> {
    against: &'a str,
    primary: &'a str,
    resamples: usize,
    comparisons: Vec<Difference<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Difference<'a> {
    router: &'a str,
    metric: &'static str,
    is_primary: bool,
    difference: f64,
    interval: Interval,
    p: f64,
    adjusted_p: f64,
    overlap_p: Option<f64>,
    smallest_detectable: f64,
    prompts: WinTieLoss,
    effect: Option<f64>,
}

#[derive(Serialize)]
struct Expectation<'a> {
    holds: bool,
    words: &'a str,
}

pub(super) fn summary_json(record: &Record, summary: &Summary, verdicts: &[Verdict]) -> Vec<u8> {
    let manifest = &record.manifest;
    let policies = summary.replicates[0].policies.iter().map(|policy| Policy {
        name: &policy.name,
        kind: kind(policy.kind),
        metrics: (summary.rows.iter())
            .filter(|row| row.id == policy.id)
            .map(|row| (row.metric.name, metric(row)))
            .collect(),
    });
    let document = Document {
        schema_version: SCHEMA_VERSION,
        program_version: &manifest.program_version,
        scenario: &manifest.scenario.name,
        description: &manifest.scenario.description,
        seed: manifest.scenario.seed,
        replicates: manifest.replicates.len(),
        suite: Suite {
            name: &manifest.suite.info.name,
            content_hash: &manifest.suite.content_hash,
            simulated: manifest.suite.info.simulated,
            has_cost: manifest.suite.has_cost,
            candidates: &manifest.suite.models,
        },
        test_prompts: manifest.replicates.iter().map(|replicate| replicate.n_test).collect(),
        policies: policies.collect(),
        evidence: summary.evidence.as_ref().map(compared),
        expectations: (verdicts.iter())
            .map(|verdict| Expectation { holds: verdict.holds, words: &verdict.words })
            .collect(),
    };
    let mut text = serde_json::to_string_pretty(&document).expect("a summary is plain data");
    text.push('\n');
    text.into_bytes()
}

fn metric(row: &Row) -> RowOfMetric<'_> {
    let aggregate = row.aggregate();
    RowOfMetric {
        mean: aggregate.map(|aggregate| aggregate.mean),
        deviation: aggregate.filter(|aggregate| aggregate.n > 1).map(|aggregate| aggregate.deviation),
        interval: row.interval,
        is_among_best: row.is_among_best,
        reached: aggregate.map_or(0, |aggregate| aggregate.n),
        values: &row.values,
    }
}

fn compared(evidence: &Evidence) -> Compared<'_> {
    Compared {
        against: &evidence.against,
        primary: evidence.primary.name,
        resamples: evidence.n_resamples,
        comparisons: evidence.comparisons.iter().map(difference).collect(),
    }
}

fn difference(comparison: &Comparison) -> Difference<'_> {
    Difference {
        router: &comparison.router,
        metric: comparison.metric.name,
        is_primary: comparison.is_primary,
        difference: comparison.difference,
        interval: comparison.interval,
        p: comparison.p,
        adjusted_p: comparison.adjusted_p,
        overlap_p: comparison.overlap_p,
        smallest_detectable: comparison.smallest_detectable,
        prompts: comparison.prompts,
        effect: comparison.effect,
    }
}

/// The name of a kind of policy in files for programs.
pub(super) fn kind(kind: PolicyKind) -> &'static str {
    match kind {
        PolicyKind::Router => "router",
        PolicyKind::Told => "told-router",
        PolicyKind::Bound => "bound",
        PolicyKind::Model => "model",
    }
}
