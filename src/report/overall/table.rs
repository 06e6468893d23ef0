//! The overall table as Markdown for readers and as CSV for programs.

use std::fmt::Write;

use super::{Estimate, Overall, OverallRow};
use crate::evaluate::PolicyKind;

/// Stands where there is nothing to say.
const ABSENT: &str = "\u{2013}";

/// Explains the columns below the table.
const LEGEND: &str = "Means over the scenarios, each weighing the same. Rank: by AIQ among the routers that every scenario has (1 is best). \
AIQ: mean score under the hull over the cost range from the cheapest to the dearest model, with its 95 % interval. Norm. \
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
    if let Some(ranking) = &overall.ranking {
        let n_ranked = overall.rows.iter().filter(|row| row.mean_rank.is_some()).count();
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
            ". Mean ranks closer than the critical difference {:.2} (Nemenyi, 5 %) cannot be told apart.",
            ranking.critical_difference,
        );
    }
    text
}

/// The table alone.
pub(super) fn table_md(overall: &Overall) -> String {
    let n = overall.scenarios.len();
    let has_times = overall.rows.iter().any(|row| row.training_seconds.is_some());
    let mut text =
        "| router | rank | AIQ | norm. utility | QNC, % | saving at 99 %, % | saving at 95 %, % |".to_owned();
    text.push_str(if has_times { " training, s | µs a decision |\n" } else { "\n" });
    text.push_str("|---|---:|---:|---:|---:|---:|---:|");
    text.push_str(if has_times { "---:|---:|\n" } else { "\n" });
    for row in &overall.rows {
        let name = match row.kind {
            PolicyKind::Router => row.policy.clone(),
            _ => format!("*{}*", row.policy),
        };
        let number = |value: Option<f64>, decimals: usize| {
            value.map_or_else(|| ABSENT.to_owned(), |value| format!("{value:.decimals$}"))
        };
        let _ = write!(
            text,
            "| {name} | {} | {} | {} | {} | {} | {} |",
            number(row.mean_rank, 2),
            with_interval(row.aiq, n),
            plain(row.normalised_utility, 1.0, 4, n),
            plain(row.qnc, 100.0, 1, n),
            plain(row.saving_at_99, 100.0, 1, n),
            plain(row.saving_at_95, 100.0, 1, n),
        );
        if has_times {
            let _ = write!(
                text,
                " {} | {} |",
                number(row.training_seconds, 1),
                number(row.microseconds_per_decision, 2)
            );
        }
        text.push('\n');
    }
    text
}

fn with_interval(estimate: Estimate, n_runs: usize) -> String {
    let text = plain(estimate, 1.0, 4, n_runs);
    match estimate.interval {
        Some(interval) => format!("{text} [{:.4}, {:.4}]", interval.low, interval.high),
        None => text,
    }
}

fn plain(estimate: Estimate, scale: f64, decimals: usize, n_runs: usize) -> String {
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
    let mut writer = csv::Writer::from_writer(Vec::new());
    let header = [
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
    ];
    writer.write_record(header).expect("writing into memory does not fail");
    for row in &overall.rows {
        writer.write_record(cells(row)).expect("writing into memory does not fail");
    }
    writer.into_inner().expect("writing into memory does not fail")
}

fn cells(row: &OverallRow) -> [String; 16] {
    let number = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
    let kind = crate::report::summary_json::kind(row.kind);
    [
        row.policy.clone(),
        kind.to_owned(),
        row.n_runs.to_string(),
        number(row.mean_rank),
        number(row.aiq.mean),
        number(row.aiq.interval.map(|interval| interval.low)),
        number(row.aiq.interval.map(|interval| interval.high)),
        number(row.normalised_utility.mean),
        number(row.qnc.mean),
        row.qnc.n.to_string(),
        number(row.saving_at_99.mean),
        row.saving_at_99.n.to_string(),
        number(row.saving_at_95.mean),
        row.saving_at_95.n.to_string(),
        number(row.training_seconds),
        number(row.microseconds_per_decision),
    ]
}
