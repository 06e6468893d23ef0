//! Several online runs in one table: each policy's regret as a share of a random choice's.

use std::fmt::Write;

use crate::evaluate::online::{OnlineSummary, summarise};
use crate::record::online::OnlineRecord;
use crate::report::markup::{Cell, Column, Table, cells};
use crate::statistics::spread::Spread;

/// One finished online run.
#[derive(Clone, Debug)]
pub struct OnlineRun {
    /// Its scenario's name.
    pub scenario: String,
    /// What was computed from its record.
    pub summary: OnlineSummary,
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
    pub fn new(record: &OnlineRecord) -> Self {
        OnlineRun { scenario: record.manifest.scenario.name.clone(), summary: summarise(record) }
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
        let share = Spread { mean, low: mean - distance(|s| s.low), high: mean + distance(|s| s.high) };
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
    let mut text = table.markdown();
    let names: Vec<&str> = runs.iter().map(|run| run.scenario.as_str()).collect();
    let _ = writeln!(
        text,
        "\nMeans over the scenarios, each weighing the same. Regret: utility of the utility oracle less that of the choice, summed \
         over an order; 0 % is the oracle, 100 % a uniform choice from the pool in expectation. Intervals are over orders and hold \
         the scenarios fixed. A mean over fewer scenarios is over those alone and compares with nothing. References, in italics, \
         look at outcomes or ignore the prompt.\n\n{} online scenario{}: {}.",
        names.len(),
        if names.len() == 1 { "" } else { "s" },
        names.join(", ")
    );
    text
}

/// One line a policy.
pub fn online_csv(runs: &[OnlineRun]) -> Vec<u8> {
    let names = ["policy", "kind", "scenarios", "regret_share", "regret_share_low", "regret_share_high"];
    let mut table = Table::of_names(&names);
    for Row { policy, is_reference, share, n } in rows(runs) {
        let kind = if is_reference { "reference" } else { "learner" };
        table.row(cells![policy, kind, n, share.mean, share.low, share.high]);
    }
    table.csv()
}
