//! The tables of a report as values, so that every format shows the same digits and the same winners.

use crate::evaluate::{Evaluated, PolicyKind, Row, Summary};
use crate::metrics::Metric;
use crate::metrics::table::{Better, Missing, Need, Table, shown_in};
use crate::record::Record;
use crate::statistics::Interval;

/// Stands where a metric is not defined.
pub(super) const ABSENT: &str = "\u{2013}";

/// The columns of the main table.
pub(super) fn main_columns(record: &Record) -> Vec<&'static Metric> {
    shown_in(if record.manifest.suite.has_cost { Table::Main } else { Table::WithoutCosts })
}

/// What other benchmarks publish, as far as the suite has what it needs.
pub(super) fn published_columns(record: &Record) -> Vec<&'static Metric> {
    let has_cost = record.manifest.suite.has_cost;
    let is_there = |metric: &&Metric| has_cost || !metric.needs.contains(&Need::Costs);
    shown_in(Table::Published).into_iter().filter(is_there).collect()
}

/// The bounds of an interval in a metric's unit and decimals.
pub(super) fn bounds(metric: &Metric, interval: Interval) -> [String; 2] {
    [metric.shown(interval.low), metric.shown(interval.high)]
}

/// One policy in a table.
pub(super) struct Line<'a> {
    pub(super) policy: &'a str,
    /// The position among the policies of the record; of a router, that in the scenario.
    pub(super) position: usize,
    /// One a column.
    pub(super) cells: Vec<Cell>,
}

/// One metric of one policy.
pub(super) struct Cell {
    pub(super) value: Option<Value>,
    /// Its standing among the routers.
    pub(super) standing: Standing,
    /// Where there is no value: whether that means "not reached" rather than "not defined".
    can_be_reached: bool,
}

/// What may be said of a router in a column.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Standing {
    /// The best value, and not all routers share it or are as good as it.
    Best,
    /// Not the best value, and not told from it beyond chance.
    Alike,
    /// Neither, or no router.
    Other,
}

/// A mean over replicates, as it is shown.
pub(super) struct Value {
    /// As in `summary.csv`.
    pub(super) exact: f64,
    /// In the column's unit and decimals.
    pub(super) mean: String,
    pub(super) spread: Option<Spread>,
    /// Replicates with a value and all replicates, where these differ.
    pub(super) reached: Option<(usize, usize)>,
}

/// How sure a mean is.
pub(super) enum Spread {
    /// The bounds of the 95 % interval.
    Interval([String; 2]),
    /// The standard deviation between replicates, where a metric gets no interval and there are several.
    Deviation(String),
}

impl Cell {
    /// What stands in place of a value.
    pub(super) fn placeholder(&self) -> &'static str {
        if self.can_be_reached { "not reached" } else { ABSENT }
    }
}

fn cell(metric: &Metric, row: Option<&Row>, best: Option<f64>, is_tested: bool) -> Cell {
    let has_most = best.is_some() && row.and_then(comparable) == best;
    let is_among_best = row.is_some_and(|row| row.is_among_best);
    let standing = match (has_most, is_among_best) {
        (true, true) => Standing::Best,
        (true, false) if !is_tested => Standing::Best,
        (false, true) => Standing::Alike,
        _ => Standing::Other,
    };
    let can_be_reached = row.is_some() && metric.missing != Missing::Undefined;
    Cell { value: row.and_then(value), standing, can_be_reached }
}

fn value(row: &Row) -> Option<Value> {
    let aggregate = row.aggregate()?;
    let interval = row.interval.map(|interval| Spread::Interval(bounds(row.metric, interval)));
    let deviation = (aggregate.n > 1).then(|| Spread::Deviation(row.metric.shown(aggregate.deviation)));
    Some(Value {
        exact: aggregate.mean,
        mean: row.metric.shown(aggregate.mean),
        spread: interval.or(deviation),
        reached: (aggregate.n < row.values.len()).then_some((aggregate.n, row.values.len())),
    })
}

/// The policies of one kind, in the order of the record.
pub(super) fn lines<'a>(summary: &'a Summary, columns: &[&Metric], kind: PolicyKind) -> Vec<Line<'a>> {
    let best = |column: &&Metric| if kind == PolicyKind::Router { winner(summary, column) } else { None };
    let winners: Vec<Option<f64>> = columns.iter().map(best).collect();
    let policies = summary.replicates[0].policies.iter().enumerate();
    let line = |(position, policy): (usize, &'a crate::evaluate::Policy)| {
        let cell = |(column, best): (&&Metric, &Option<f64>)| {
            let is_tested = summary.evidence.is_some() && column.is_headline;
            cell(column, summary.find(policy.id, column.name), *best, is_tested)
        };
        let cells = columns.iter().zip(&winners).map(cell).collect();
        Line { policy: &policy.name, position, cells }
    };
    policies.filter(|(_, policy)| policy.kind == kind).map(line).collect()
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
