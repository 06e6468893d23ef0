//! Several runs in one table, as Markdown for readers and as CSV for programs: what each router came to over all of their suites,
//! and of online runs each policy's regret as a share of a random choice's.
//!
//! `files` finds the reports, writes the table beside them, and puts it into another text.

mod files;
mod page;

use std::fmt::Write;
use std::path::PathBuf;

use super::markup::{ABSENT, Cell, Column, Table, cells};
use super::online::online_kind;
use super::table::{ends, kind};
use crate::error::Result;
use crate::evaluate::online::{OnlineSummary, summarise};
use crate::evaluate::{PolicyKind, Summary};
use crate::metrics::entry::{Missing, Table as Group};
use crate::metrics::table::shown_in;
use crate::metrics::{Bound, Metric, PolicyId};
use crate::record::Record;
use crate::record::online::OnlineRecord;
use crate::statistics::Interval;
use crate::statistics::interval::Spread;
use crate::statistics::ranks::{Friedman, Ranks};
pub(in crate::report) use files::rank_chart;
pub use files::{
    Published, Runs, read_reports, read_timings, report_folders, reports_named, runs_md, splice,
    write_overall,
};

/// The bounds that an overall table shows below the routers.
const BOUNDS: [Bound; 2] = [Bound::BenchmarkOracle, Bound::ZeroRouter];

/// The metric that routers are ranked by.
pub const RANKED_BY: &str = "aiq";

/// With fewer runs there is no rank test: the chi-squared and F distributions behind it are far off, and even the same order in
/// all of them is no evidence (Demšar 2006, section 3.2.2, asks for more than ten).
pub const LEAST_RUNS: usize = 5;

/// The chance of telling any two routers apart that are alike.
pub const SIGNIFICANCE: f64 = 0.05;

/// One finished run.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Its record.
    pub record: Record,
    /// What was computed from it.
    pub summary: Summary,
    /// What its routers took, where the run was timed.
    pub timings: Vec<Timing>,
    /// The report's folder.
    pub report: PathBuf,
}

/// What one router took in one run: means over replicates.
#[derive(Clone, Debug, PartialEq)]
pub struct Timing {
    /// Its label.
    pub router: String,
    /// Seconds of training a replicate.
    pub training_seconds: f64,
    /// Microseconds for one prompt at one preference.
    pub microseconds_per_decision: f64,
    /// The kind of machine that it ran on, where the file says so.
    pub machine: Option<String>,
}

/// Every router over several runs.
#[derive(Clone, Debug)]
pub struct Overall {
    /// The scenarios, in the order given.
    pub scenarios: Vec<String>,
    /// Routers by mean rank, those that not every run has after them, then bounds.
    pub rows: Vec<OverallRow>,
    /// What the ranks are worth; absent with fewer than [`LEAST_RUNS`] runs or two routers in all of them.
    pub ranking: Option<Ranking>,
}

/// Whether mean ranks could be chance, and which cannot be distinguished.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranking {
    /// Whether the routers differ at all; absent where they are all tied.
    pub friedman: Option<Friedman>,
    /// Nemenyi's critical difference of mean ranks at [`SIGNIFICANCE`].
    pub critical_difference: f64,
    /// First and last place, by mean rank, of each group that lies within the critical difference.
    pub cliques: Vec<(usize, usize)>,
}

/// One router or bound over several runs.
#[derive(Clone, Debug, PartialEq)]
pub struct OverallRow {
    /// Its label or name.
    pub policy: String,
    /// What it is.
    pub kind: PolicyKind,
    /// In how many of the runs it took part.
    pub n_runs: usize,
    /// Its mean rank by [`RANKED_BY`] among the routers of all runs; 1 is best.
    pub mean_rank: Option<f64>,
    /// The means of the metrics that the table of metrics has for [`Group::Overall`], in that order.
    pub metrics: Vec<Estimate>,
    /// Mean seconds of training a replicate.
    pub training_seconds: Option<f64>,
    /// Mean microseconds for one prompt at one preference.
    pub microseconds_per_decision: Option<f64>,
}

/// A mean over runs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// The mean over the runs in which every replicate has a value.
    pub mean: Option<f64>,
    /// Its 95 % interval, the runs' suites held fixed.
    pub interval: Option<Interval>,
    /// How many runs have a value.
    pub n: usize,
}

impl Overall {
    /// Lines several runs up.
    pub fn new(runs: &[Finished]) -> Overall {
        let mut policies: Vec<(&str, PolicyKind)> = Vec::new();
        for kind in PolicyKind::IN_TABLES {
            for policy in runs.iter().flat_map(|run| &run.summary.replicates[0].policies) {
                let is_shown = match policy.id {
                    PolicyId::Bound(bound) => BOUNDS.contains(&bound),
                    _ => kind.is_router(),
                };
                if policy.kind == kind && is_shown && policies.iter().all(|(known, _)| *known != policy.name)
                {
                    policies.push((&policy.name, kind));
                }
            }
        }
        let mut rows: Vec<OverallRow> = policies.iter().map(|(name, kind)| row(runs, name, *kind)).collect();
        let ranking = rank(runs, &mut rows);
        let place = |row: &OverallRow| (row.kind, row.mean_rank.unwrap_or(f64::INFINITY));
        rows.sort_by(|a, b| {
            let (a, b) = (place(a), place(b));
            a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
        });
        let scenarios = runs.iter().map(|run| run.record.manifest.scenario.name.clone()).collect();
        Overall { scenarios, rows, ranking }
    }
}

fn row(runs: &[Finished], policy: &str, kind: PolicyKind) -> OverallRow {
    let timed: Vec<&Timing> =
        runs.iter().filter_map(|run| run.timings.iter().find(|timing| timing.router == policy)).collect();
    let mean_time = |value: fn(&Timing) -> f64| {
        let sum: f64 = timed.iter().map(|timing| value(timing)).sum();
        (!timed.is_empty()).then(|| sum / timed.len() as f64)
    };
    OverallRow {
        policy: policy.to_owned(),
        kind,
        n_runs: runs.iter().filter(|run| run.summary.named(policy, "score-at-w0").is_some()).count(),
        mean_rank: None,
        metrics: shown_in(Group::Overall).iter().map(|metric| estimate(runs, policy, metric.name)).collect(),
        training_seconds: mean_time(|timing| timing.training_seconds),
        microseconds_per_decision: mean_time(|timing| timing.microseconds_per_decision),
    }
}

/// The mean of a metric over the runs in which every replicate has a value: a mean over the others would be one over other
/// splits. Runs are independent, so the distances of their intervals' ends from their means add as squares; runs on the
/// same suite are not, and make the interval too narrow.
fn estimate(runs: &[Finished], policy: &str, metric: &str) -> Estimate {
    let rows = runs.iter().filter_map(|run| run.summary.named(policy, metric));
    let mut range = Interval::ANY;
    let known: Vec<(f64, Option<Interval>)> = rows
        .filter_map(|row| {
            let aggregate = row.aggregate().filter(|aggregate| aggregate.n == row.values.len())?;
            range = row.metric.range;
            Some((aggregate.mean, row.interval))
        })
        .collect();
    let n = known.len();
    if n == 0 {
        return Estimate::default();
    }
    let mean = known.iter().map(|(mean, _)| mean).sum::<f64>() / n as f64;
    let distance = |end: fn(Interval) -> f64| {
        let squares = known.iter().map(|(mean, interval)| Some((end((*interval)?) - mean).powi(2)));
        Some(squares.sum::<Option<f64>>()?.sqrt() / n as f64)
    };
    let interval = distance(|interval| interval.low)
        .zip(distance(|interval| interval.high))
        .map(|(below, above)| Interval { low: mean - below, high: mean + above }.within(range));
    Estimate { mean: Some(mean), interval, n }
}

/// Ranks the routers that every run has, in each run by its mean of [`RANKED_BY`].
fn rank(runs: &[Finished], rows: &mut [OverallRow]) -> Option<Ranking> {
    let mean = |run: &Finished, policy: &str| {
        run.summary.named(policy, RANKED_BY).and_then(|row| row.aggregate()).map(|aggregate| aggregate.mean)
    };
    let ranked: Vec<usize> = (0..rows.len())
        .filter(|&at| rows[at].kind == PolicyKind::Router)
        .filter(|&at| runs.iter().all(|run| mean(run, &rows[at].policy).is_some()))
        .collect();
    let of_run = |run: &Finished| ranked.iter().filter_map(|&at| mean(run, &rows[at].policy)).collect();
    let values: Vec<Vec<f64>> = runs.iter().map(of_run).collect();
    let ranks = Ranks::new(&values, true)?;
    for (&at, &rank) in ranked.iter().zip(&ranks.mean) {
        rows[at].mean_rank = Some(rank);
    }
    let critical_difference =
        ranks.critical_difference(SIGNIFICANCE).filter(|_| ranks.n_suites >= LEAST_RUNS)?;
    let mut order: Vec<usize> = (0..ranked.len()).collect();
    order.sort_by(|&a, &b| ranks.mean[a].total_cmp(&ranks.mean[b]));
    let place = |router: Option<&usize>| order.iter().position(|at| Some(at) == router);
    let ends = |clique: Vec<usize>| Some((place(clique.first())?, place(clique.last())?));
    let cliques = ranks.cliques(critical_difference).into_iter().filter_map(ends).collect();
    Some(Ranking { friedman: ranks.friedman(), critical_difference, cliques })
}

/// Explains the columns below the table.
const LEGEND: &str = "Means over the scenarios, each weighing the same. Rank: by AIQ among the routers that every scenario has (1 is best). \
AIQ: mean score under the hull over the cost range from the cheapest to the most expensive model, with its 95 % interval. Norm. \
utility: 0 is a random router, 1 the utility oracle. QNC: cost at which the best single model's score is reached, in % of \
that model's cost. Saving: cost saved against the zero router (the best mixture of single models that ignores the prompt) at \
99 % and 95 % of the best single model's score. In brackets in how many scenarios a value was reached in every replicate, \
where not in all; such means are over those alone and compare with nothing. Times are of the machine it was run on. Bounds, \
in italics, look at outcomes or ignore the prompt.";

/// The table and what its columns mean.
pub fn overall_md(overall: &Overall) -> String {
    let mut text = table_md(overall);
    let _ = writeln!(text, "\n{LEGEND}");
    for note in notes(overall) {
        let _ = writeln!(text, "\n{note}");
    }
    text
}

/// What the table is over, and what its ranks are worth.
fn notes(overall: &Overall) -> Vec<String> {
    let n = overall.scenarios.len();
    let plural = if n == 1 { "" } else { "s" };
    let mut notes = vec![format!("{n} scenario{plural}: {}.", overall.scenarios.join(", "))];
    let n_ranked = overall.rows.iter().filter(|row| row.mean_rank.is_some()).count();
    if n_ranked > 1 && n < LEAST_RUNS {
        notes.push(format!(
            "Ranks of {n_ranked} routers on {n} scenario{plural}: no rank test below {LEAST_RUNS} scenarios, since so few cannot tell an order \
             from chance."
        ));
    }
    if let Some(ranking) = &overall.ranking {
        let mut text = format!("Ranks of {n_ranked} routers on {n} scenarios");
        if let Some(friedman) = &ranking.friedman {
            let _ = write!(
                text,
                ": Friedman test p = {}, Iman and Davenport's F p = {}",
                probability(friedman.p),
                probability(friedman.f_p)
            );
        }
        let _ = write!(
            text,
            ". Mean ranks closer than the critical difference {:.2} (Nemenyi, 5 %) cannot be distinguished.",
            ranking.critical_difference,
        );
        notes.push(text);
    }
    notes
}

/// The table alone.
fn table_md(overall: &Overall) -> String {
    table(overall).markdown()
}

pub(in crate::report) fn table(overall: &Overall) -> Table {
    let n = overall.scenarios.len();
    let has_times = overall.rows.iter().any(|row| row.training_seconds.is_some());
    let metrics = shown_in(Group::Overall);
    let titles = std::iter::once("rank").chain(metrics.iter().map(|metric| metric.short_title));
    let times = if has_times { &["training, s", "\u{b5}s a decision"][..] } else { &[] };
    let columns = titles.chain(times.iter().copied()).map(Column::number);
    let mut table = Table::new(std::iter::once(Column::text("router")).chain(columns));
    for row in &overall.rows {
        let name = Cell::from(&row.policy).slanted_if(row.kind != PolicyKind::Router);
        let mut cells = vec![name, Cell::decimals(row.mean_rank, 2)];
        cells.extend(metrics.iter().zip(&row.metrics).enumerate().map(|(at, (metric, estimate))| {
            let shown = Cell::from(shown(metric, *estimate, n));
            // In how many runs it was reached stands before the interval, which is of these alone.
            match estimate.interval.filter(|_| at == 0) {
                Some(Interval { low, high }) => shown.interval([low, high].map(|bound| metric.shown(bound))),
                None => shown,
            }
        }));
        if has_times {
            cells.extend([
                Cell::decimals(row.training_seconds, 1),
                Cell::decimals(row.microseconds_per_decision, 2),
            ]);
        }
        table.row(cells);
    }
    table
}

fn shown(metric: &Metric, estimate: Estimate, n_runs: usize) -> String {
    let Some(mean) = estimate.mean else { return ABSENT.to_owned() };
    let reached = if estimate.n < n_runs { format!(" ({}/{n_runs})", estimate.n) } else { String::new() };
    format!("{}{reached}", metric.shown(mean))
}

/// A p-value as papers write it.
fn probability(p: f64) -> String {
    if p < 0.0001 { "below 0.0001".to_owned() } else { format!("{p:.4}") }
}

/// One line a router; nothing where a value is absent. The first metric has its interval, and one that may not be reached in how many
/// scenarios it is.
pub fn overall_csv(overall: &Overall) -> Vec<u8> {
    let metrics = shown_in(Group::Overall);
    let may_be_missed = |metric: &Metric| metric.missing != Missing::Undefined;
    let mut columns: Vec<String> = ["router", "kind", "scenarios", "mean_rank"].map(str::to_owned).to_vec();
    for (at, metric) in metrics.iter().enumerate() {
        let name = metric.name.replace('-', "_");
        columns.push(name.clone());
        let ends = ["low", "high"].into_iter().filter(|_| at == 0);
        let more = ends.chain(may_be_missed(metric).then_some("scenarios"));
        columns.extend(more.map(|what| format!("{name}_{what}")));
    }
    columns.extend(["training_seconds", "microseconds_per_decision"].map(str::to_owned));
    let mut table = Table::of_names(&columns.iter().map(String::as_str).collect::<Vec<_>>());
    for row in &overall.rows {
        let mut line = cells![&row.policy, kind(row.kind), row.n_runs, row.mean_rank];
        for (at, (metric, estimate)) in metrics.iter().zip(&row.metrics).enumerate() {
            line.extend(cells![estimate.mean]);
            if at == 0 {
                let [low, high] = ends(estimate.interval);
                line.extend(cells![low, high]);
            }
            if may_be_missed(metric) {
                line.extend(cells![estimate.n]);
            }
        }
        line.extend(cells![row.training_seconds, row.microseconds_per_decision]);
        table.row(line);
    }
    table.csv()
}

/// One finished online run.
#[derive(Clone, Debug)]
pub struct OnlineRun {
    /// Its scenario's name.
    pub scenario: String,
    /// What was computed from its record.
    pub summary: OnlineSummary,
    /// Its record.
    pub record: Box<OnlineRecord>,
    /// The report's folder.
    pub report: PathBuf,
}

/// A policy over several online runs.
struct Row {
    policy: String,
    is_reference: bool,
    /// Its regret over that of a uniform choice: mean over the runs that have it.
    share: Spread,
    /// How many runs have it.
    n: usize,
}

impl OnlineRun {
    /// Computes everything of a record.
    ///
    /// # Errors
    /// A value that is no finite number.
    pub fn new(record: Box<OnlineRecord>, report: PathBuf) -> Result<Self> {
        let summary = summarise(&record);
        summary.check()?;
        Ok(OnlineRun { scenario: record.manifest.scenario.name.clone(), summary, record, report })
    }

    /// A policy's regret over that of a uniform choice, order by order; `None` where a uniform choice has no regret.
    fn share(&self, policy: &str) -> Option<Spread> {
        let regrets = |policy: &str| self.summary.find(policy, "regret").map(|value| &value.values);
        let (own, uniform) = (regrets(policy)?, regrets("uniform")?);
        let shares: Vec<f64> = own.iter().zip(uniform).map(|(own, uniform)| own / uniform).collect();
        shares.iter().all(|share| share.is_finite()).then(|| Spread::of(&shares))
    }
}

/// Learners by rising share, then references; those that not every run has come after the others.
fn rows(runs: &[OnlineRun]) -> Vec<Row> {
    let mut policies: Vec<(&str, bool)> = Vec::new();
    for series in runs.iter().flat_map(|run| &run.summary.series) {
        if policies.iter().all(|(known, _)| *known != series.policy) {
            policies.push((&series.policy, series.is_reference));
        }
    }
    let row = |(policy, is_reference): (&str, bool)| {
        let shares: Vec<Spread> = runs.iter().filter_map(|run| run.share(policy)).collect();
        let n = shares.len() as f64;
        let mean = shares.iter().map(|share| share.mean).sum::<f64>() / n;
        // Runs are independent, so the distances of their intervals' ends from their means add as squares.
        let distance = |end: fn(&Spread) -> f64| {
            shares.iter().map(|s| (end(s) - s.mean).powi(2)).sum::<f64>().sqrt() / n
        };
        let share = Spread { mean, low: mean - distance(|s| s.low), high: mean + distance(|s| s.high) }
            .within(Interval::FROM_ZERO);
        (!shares.is_empty()).then(|| Row { policy: policy.to_owned(), is_reference, share, n: shares.len() })
    };
    let mut rows: Vec<Row> = policies.into_iter().filter_map(row).collect();
    rows.sort_by(|a, b| {
        let place = |row: &Row| (row.is_reference, row.n < runs.len());
        place(a).cmp(&place(b)).then(a.share.mean.total_cmp(&b.share.mean))
    });
    rows
}

/// The table and what its columns mean; empty without runs.
pub fn online_md(runs: &[OnlineRun]) -> String {
    if runs.is_empty() {
        return String::new();
    }
    let names: Vec<&str> = runs.iter().map(|run| run.scenario.as_str()).collect();
    let plural = if names.len() == 1 { "" } else { "s" };
    let table = online_table(runs).markdown();
    format!("{table}\n{ONLINE_LEGEND}\n\n{} online scenario{plural}: {}.\n", names.len(), names.join(", "))
}

/// Explains the columns below the table of online runs.
const ONLINE_LEGEND: &str = "Means over the scenarios, each weighing the same. Regret: utility of the utility oracle less that of the choice, summed \
over an order; 0 % is the oracle, 100 % a uniform choice from the pool in expectation. Intervals are over orders and hold \
the scenarios fixed. A mean over fewer scenarios is over those alone and compares with nothing. References, in italics, \
look at outcomes or ignore the prompt.";

pub(in crate::report) fn online_table(runs: &[OnlineRun]) -> Table {
    let mut table = Table::new([
        Column::text("learner"),
        Column::number("regret, % of a random choice's [95 %]"),
        Column::number("scenarios"),
    ]);
    for Row { policy, is_reference, share, n } in rows(runs) {
        let [mean, low, high] =
            [share.mean, share.low, share.high].map(|share| format!("{:.1}", 100.0 * share));
        table.row(cells![
            Cell::from(policy).slanted_if(is_reference),
            Cell::from(mean).interval([low, high]),
            n,
        ]);
    }
    table
}

/// One line a policy.
pub fn online_csv(runs: &[OnlineRun]) -> Vec<u8> {
    let names = ["router", "kind", "scenarios", "regret_share", "regret_share_low", "regret_share_high"];
    let mut table = Table::of_names(&names);
    for Row { policy, is_reference, share, n } in rows(runs) {
        table.row(cells![policy, online_kind(is_reference), n, share.mean, share.low, share.high]);
    }
    table.csv()
}
