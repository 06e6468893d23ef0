//! The main numbers of an online run for a terminal.

use std::fmt::Write;

use super::markdown::interval;
use crate::evaluate::online::OnlineSummary;
use crate::record::online::OnlineRecord;

/// The main numbers of every router and reference, aligned for a terminal.
pub fn overview(record: &OnlineRecord, summary: &OnlineSummary) -> String {
    let manifest = &record.manifest;
    let simulated = if manifest.suite.info.simulated { " (simulated outcomes)" } else { "" };
    let mut text = format!("{}: {}{simulated}\n", manifest.scenario.name, manifest.suite.info.name);
    let _ = write!(text, "{:<24}{:>24}{:>14}{:>10}", "router", "regret [95 %]", "last quarter", "score");
    for series in &summary.series {
        let spread = |metric: &str| summary.find(&series.policy, metric).map(|value| value.spread());
        let mark = if series.is_reference { "* " } else { "" };
        let regret = spread("regret").map_or_else(String::new, |s| interval(s, 1));
        let number = |metric: &str| spread(metric).map_or_else(String::new, |s| format!("{:.4}", s.mean));
        let _ = write!(
            text,
            "\n{:<24}{regret:>24}{:>14}{:>10}",
            format!("{mark}{}", series.policy),
            number("last-quarter-regret"),
            number("score")
        );
    }
    text.push_str("\n* references: they look at outcomes, or ignore the prompt");
    text
}
