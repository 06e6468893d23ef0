//! The tables of a report as values, so that every format shows the same digits and the same winners.

use crate::evaluate::{Evaluated, PolicyKind, Row, Summary};
use crate::metrics::HEADLINE;
use crate::record::Record;
use crate::statistics::Interval;

/// A column of a table of policies.
pub(super) struct Column {
    pub(super) title: &'static str,
    /// Its name in `summary.csv`.
    pub(super) metric: &'static str,
    /// Which end is best.
    pub(super) best: Best,
    /// Shown times this, with so many decimals.
    scale: f64,
    decimals: usize,
}

/// Which end of a column is best.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Best {
    Highest,
    Lowest,
}

/// Stands where a metric is not defined.
pub(super) const ABSENT: &str = "\u{2013}";

/// Where a suite has no costs.
pub(super) const QUALITY: [Column; 2] = [
    column("score at w = 0", "score-at-w0", Best::Highest, 1.0, 4),
    column("best score", "best-score", Best::Highest, 1.0, 4),
];

/// Where it has.
pub(super) const MAIN: [Column; 6] = [
    column("AIQ", "aiq", Best::Highest, 1.0, 4),
    column("normalised utility", "normalised-utility", Best::Highest, 1.0, 4),
    column("score at w = 0", "score-at-w0", Best::Highest, 1.0, 4),
    column("QNC, %", "qnc", Best::Lowest, 100.0, 1),
    column("cost at 99 % score, %", "cost-share-at-99", Best::Lowest, 100.0, 1),
    column("saving at 99 % score, %", "saving-at-99", Best::Highest, 100.0, 1),
];

/// Lower scores, and whether w does what it should.
pub(super) const FURTHER: [Column; 5] = [
    column("cost at 95 % score, %", "cost-share-at-95", Best::Lowest, 100.0, 1),
    column("largest utility loss", "maximum-utility-loss", Best::Lowest, 1.0, 4),
    column("rank correlation of w and cost", "cost-preference-rho", Best::Lowest, 1.0, 3),
    column("inversions", "cost-inversions", Best::Lowest, 1.0, 1),
    column("points on the front", "distinct-points", Best::Highest, 1.0, 1),
];

/// Of two candidates.
pub(super) const PAIR: [Column; 4] = [
    column("APGR", "apgr", Best::Highest, 1.0, 4),
    column("CPT(20 %), %", "cpt-20", Best::Lowest, 100.0, 1),
    column("CPT(50 %), %", "cpt-50", Best::Lowest, 100.0, 1),
    column("CPT(80 %), %", "cpt-80", Best::Lowest, 100.0, 1),
];

/// Headline metrics that have no column of a table, but are compared.
const COMPARED: [Column; 4] = [
    column("expected utility", "expected-utility", Best::Highest, 1.0, 4),
    column("cost at w = 0, USD per 1,000 prompts", "cost-at-w0-usd", Best::Lowest, 1000.0, 4),
    column("hypervolume, score x USD per 1,000 prompts", "hypervolume-usd", Best::Highest, 1000.0, 4),
    column("saving at 95 % score, %", "saving-at-95", Best::Highest, 100.0, 1),
];

/// How a metric is shown.
pub(super) fn column_of(metric: &str) -> Option<&'static Column> {
    let columns = [&COMPARED[..], &MAIN, &QUALITY, &FURTHER, &PAIR];
    columns.into_iter().flatten().find(|column| column.metric == metric)
}

const fn column(
    title: &'static str,
    metric: &'static str,
    best: Best,
    scale: f64,
    decimals: usize,
) -> Column {
    Column { title, metric, best, scale, decimals }
}

/// The columns of the main table.
pub(super) fn main_columns(record: &Record) -> &'static [Column] {
    if record.manifest.suite.has_cost { &MAIN } else { &QUALITY }
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

impl Column {
    /// A value in the column's unit and decimals.
    pub(super) fn shown(&self, value: f64) -> String {
        let scaled = value * self.scale;
        if scaled.is_infinite() {
            return if scaled > 0.0 { "\u{221e}" } else { "-\u{221e}" }.to_owned();
        }
        let shown = format!("{scaled:.*}", self.decimals);
        // What rounds to zero has no sign.
        if shown.bytes().all(|letter| b"-0.".contains(&letter)) { shown.replace('-', "") } else { shown }
    }

    /// The bounds of an interval in the column's unit and decimals.
    pub(super) fn bounds(&self, interval: Interval) -> [String; 2] {
        [self.shown(interval.low), self.shown(interval.high)]
    }

    fn cell(&self, row: Option<&Row>, best: Option<f64>, is_tested: bool) -> Cell {
        let starts = |prefix: &&str| self.metric.starts_with(prefix);
        let can_be_reached = row.is_some() && ["qnc", "cost-share-", "saving-", "cpt-"].iter().any(starts);
        let value = row.and_then(|row| self.value(row));
        let has_most = best.is_some() && row.and_then(comparable) == best;
        let is_among_best = row.is_some_and(|row| row.is_among_best);
        let standing = match (has_most, is_among_best) {
            (true, true) => Standing::Best,
            (true, false) if !is_tested => Standing::Best,
            (false, true) => Standing::Alike,
            _ => Standing::Other,
        };
        Cell { value, standing, can_be_reached }
    }

    fn value(&self, row: &Row) -> Option<Value> {
        let aggregate = row.aggregate()?;
        let interval = row.interval.map(|interval| Spread::Interval(self.bounds(interval)));
        let deviation = (aggregate.n > 1).then(|| Spread::Deviation(self.shown(aggregate.deviation)));
        Some(Value {
            exact: aggregate.mean,
            mean: self.shown(aggregate.mean),
            spread: interval.or(deviation),
            reached: (aggregate.n < row.values.len()).then_some((aggregate.n, row.values.len())),
        })
    }
}

/// The policies of one kind, in the order of the record.
pub(super) fn lines<'a>(summary: &'a Summary, columns: &[Column], kind: PolicyKind) -> Vec<Line<'a>> {
    let best = |column: &Column| if kind == PolicyKind::Router { winner(summary, column) } else { None };
    let winners: Vec<Option<f64>> = columns.iter().map(best).collect();
    let policies = summary.replicates[0].policies.iter().enumerate();
    let line = |(position, policy): (usize, &'a crate::evaluate::Policy)| {
        let cell = |(column, best): (&Column, &Option<f64>)| {
            let is_tested = summary.evidence.is_some() && HEADLINE.contains(&column.metric);
            column.cell(summary.find(&policy.name, column.metric), *best, is_tested)
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
fn winner(summary: &Summary, column: &Column) -> Option<f64> {
    let routers = summary.replicates[0].policies.iter().filter(|policy| policy.kind == PolicyKind::Router);
    let means: Vec<Option<f64>> =
        routers.map(|policy| summary.find(&policy.name, column.metric).and_then(comparable)).collect();
    let known = means.iter().flatten().copied();
    let best = match column.best {
        Best::Highest => known.max_by(f64::total_cmp),
        Best::Lowest => known.min_by(f64::total_cmp),
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
