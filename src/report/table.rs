//! The tables of a report as values, so that every format shows the same digits and the same winners.

use maud::Markup;

use super::markup::{Cell, Column, Spread, Table};
use crate::evaluate::{Evaluated, PolicyKind, Row, Summary};
use crate::metrics::table::{self, Better, Missing, Need, shown_in};
use crate::metrics::{self, Metric};
use crate::record::Record;
use crate::statistics::Interval;

/// The columns of the main table: the metric that the scenario declares primary first. A headline is about the first.
pub(super) fn main_columns(record: &Record) -> Vec<&'static Metric> {
    let has_cost = record.manifest.suite.has_cost;
    let mut columns = shown_in(if has_cost { table::Table::Main } else { table::Table::WithoutCosts });
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
    let is_there = |metric: &&Metric| has_cost || !metric.needs.contains(&Need::Costs);
    shown_in(table::Table::Published).into_iter().filter(is_there).collect()
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
                cell(metric, summary.find(policy.id, metric.name), *best, is_tested)
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

/// The best comparable mean among routers; `None` where all share it.
fn winner(summary: &Summary, column: &Metric) -> Option<f64> {
    let routers = summary.replicates[0].policies.iter().filter(|policy| policy.kind == PolicyKind::Router);
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
