//! Several runs in one table: what each router came to over all of their suites.
//!
//! `files` finds the reports, writes the table beside them, and puts it into another text; `table` is its Markdown and CSV,
//! `online` the table of online runs.

mod files;
mod online;
mod table;

pub use files::{Published, Runs, read_reports, report_folders, runs_md, splice, write_overall};
pub use online::{OnlineRun, online_csv, online_md};
pub use table::{overall_csv, overall_md};

use crate::evaluate::{PolicyKind, Summary};
use crate::metrics::{Bound, PolicyId};
use crate::record::Record;
use crate::statistics::Interval;
use crate::statistics::ranks::{Friedman, Ranks};

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
    /// Mean area under the hull of score over cost.
    pub aiq: Estimate,
    /// Mean normalised utility.
    pub normalised_utility: Estimate,
    /// Mean quality-neutral cost, as a share.
    pub qnc: Estimate,
    /// Mean saving against the zero router at 99 % of the best single model's score, as a share.
    pub saving_at_99: Estimate,
    /// As above, at 95 %.
    pub saving_at_95: Estimate,
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
    let estimate = |metric: &str| estimate(runs, policy, metric);
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
        aiq: estimate("aiq"),
        normalised_utility: estimate("normalised-utility"),
        qnc: estimate("qnc"),
        saving_at_99: estimate("saving-at-99"),
        saving_at_95: estimate("saving-at-95"),
        training_seconds: mean_time(|timing| timing.training_seconds),
        microseconds_per_decision: mean_time(|timing| timing.microseconds_per_decision),
    }
}

/// The mean of a metric over the runs in which every replicate has a value: a mean over the others would be one over other
/// splits. Runs are independent, so the distances of their intervals' ends from their means add as squares; runs on the
/// same suite are not, and make the interval too narrow.
fn estimate(runs: &[Finished], policy: &str, metric: &str) -> Estimate {
    let rows = runs.iter().filter_map(|run| run.summary.named(policy, metric));
    let known: Vec<(f64, Option<Interval>)> = rows
        .filter_map(|row| {
            let aggregate = row.aggregate().filter(|aggregate| aggregate.n == row.values.len())?;
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
        .map(|(below, above)| Interval { low: mean - below, high: mean + above });
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
    let ranks = Ranks::new(&values, true).filter(|ranks| ranks.n_suites > 1)?;
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
