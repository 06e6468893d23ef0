//! The overall table as Markdown for readers and as CSV for programs.

use std::fmt::Write;

use super::{Estimate, LEAST_RUNS, Overall};
use crate::evaluate::PolicyKind;
use crate::report::markup::{ABSENT, Cell, Column, Table, cells};
use crate::report::numbers::{bounds, kind};
use crate::statistics::Interval;

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
    let n = overall.scenarios.len();
    let _ = writeln!(text, "\n{LEGEND}\n\n{n} scenarios: {}.", overall.scenarios.join(", "));
    let n_ranked = overall.rows.iter().filter(|row| row.mean_rank.is_some()).count();
    if n_ranked > 1 && n < LEAST_RUNS {
        let _ = writeln!(
            text,
            "\nRanks of {n_ranked} routers on {n} scenarios: no rank test below {LEAST_RUNS} scenarios, since so few cannot tell an order \
             from chance."
        );
    }
    if let Some(ranking) = &overall.ranking {
        let _ = write!(text, "\nRanks of {n_ranked} routers on {n} scenarios");
        if let Some(friedman) = &ranking.friedman {
            let _ = write!(
                text,
                ": Friedman test p = {}, Iman and Davenport's F p = {}",
                probability(friedman.p),
                probability(friedman.f_p)
            );
        }
        let _ = writeln!(
            text,
            ". Mean ranks closer than the critical difference {:.2} (Nemenyi, 5 %) cannot be distinguished.",
            ranking.critical_difference,
        );
    }
    text
}

/// The table alone.
pub(super) fn table_md(overall: &Overall) -> String {
    let n = overall.scenarios.len();
    let has_times = overall.rows.iter().any(|row| row.training_seconds.is_some());
    let titles = ["rank", "AIQ", "norm. utility", "QNC, %", "saving at 99 %, %", "saving at 95 %, %"];
    let times = if has_times { &["training, s", "\u{b5}s a decision"][..] } else { &[] };
    let columns = titles.iter().chain(times).map(|title| Column::number(*title));
    let mut table = Table::new(std::iter::once(Column::text("router")).chain(columns));
    for row in &overall.rows {
        let aiq = shown(row.aiq, 1.0, 4, n);
        let bounds = |interval: Interval| [interval.low, interval.high].map(|bound| format!("{bound:.4}"));
        let mut cells = vec![
            Cell::from(&row.policy).slanted_if(row.kind != PolicyKind::Router),
            Cell::decimals(row.mean_rank, 2),
            match row.aiq.interval {
                // In how many runs it was reached stands before the interval, which is of these alone.
                Some(interval) => Cell::from(aiq).interval(bounds(interval)),
                None => Cell::from(aiq),
            },
            Cell::from(shown(row.normalised_utility, 1.0, 4, n)),
            Cell::from(shown(row.qnc, 100.0, 1, n)),
            Cell::from(shown(row.saving_at_99, 100.0, 1, n)),
            Cell::from(shown(row.saving_at_95, 100.0, 1, n)),
        ];
        if has_times {
            cells.extend([
                Cell::decimals(row.training_seconds, 1),
                Cell::decimals(row.microseconds_per_decision, 2),
            ]);
        }
        table.row(cells);
    }
    table.markdown()
}

fn shown(estimate: Estimate, scale: f64, decimals: usize, n_runs: usize) -> String {
    let Some(mean) = estimate.mean else { return ABSENT.to_owned() };
    let reached = if estimate.n < n_runs { format!(" ({}/{n_runs})", estimate.n) } else { String::new() };
    format!("{:.decimals$}{reached}", mean * scale)
}

/// A p-value as papers write it.
fn probability(p: f64) -> String {
    if p < 0.0001 { "below 0.0001".to_owned() } else { format!("{p:.4}") }
}

/// One line a router; nothing where a value is absent.
pub fn overall_csv(overall: &Overall) -> Vec<u8> {
    let mut table = Table::of_names(&[
        "policy",
        "kind",
        "scenarios",
        "mean_rank",
        "aiq",
        "aiq_low",
        "aiq_high",
        "normalised_utility",
        "qnc",
        "qnc_scenarios",
        "saving_at_99",
        "saving_at_99_scenarios",
        "saving_at_95",
        "saving_at_95_scenarios",
        "training_seconds",
        "microseconds_per_decision",
    ]);
    for row in &overall.rows {
        let [low, high] = bounds(row.aiq.interval);
        table.row(cells![
            &row.policy,
            kind(row.kind),
            row.n_runs,
            row.mean_rank,
            row.aiq.mean,
            low,
            high,
            row.normalised_utility.mean,
            row.qnc.mean,
            row.qnc.n,
            row.saving_at_99.mean,
            row.saving_at_99.n,
            row.saving_at_95.mean,
            row.saving_at_95.n,
            row.training_seconds,
            row.microseconds_per_decision,
        ]);
    }
    table.csv()
}
