//! The main numbers of an online run for a terminal.

use super::markdown::interval;
use crate::evaluate::online::OnlineSummary;
use crate::record::online::OnlineRecord;
use crate::report::markup::{Column, Table, cells};

/// The main numbers of every router and reference, aligned for a terminal.
pub fn overview(record: &OnlineRecord, summary: &OnlineSummary) -> String {
    let manifest = &record.manifest;
    let simulated = if manifest.suite.info.simulated { " (simulated outcomes)" } else { "" };
    let mut text = format!("{}: {}{simulated}\n", manifest.scenario.name, manifest.suite.info.name);
    let mut table = Table::new([
        Column::text("router").width(24),
        Column::number("regret [95 %]").width(24),
        Column::number("last quarter").width(14),
        Column::number("score").width(10),
    ]);
    for series in &summary.series {
        let spread = |metric: &str| summary.find(&series.policy, metric).map(|value| value.spread());
        let mark = if series.is_reference { "* " } else { "" };
        let number = |metric: &str| spread(metric).map_or_else(String::new, |s| format!("{:.4}", s.mean));
        table.row(cells![
            format!("{mark}{}", series.policy),
            spread("regret").map_or_else(String::new, |s| interval(s, 1)),
            number("last-quarter-regret"),
            number("score"),
        ]);
    }
    text.push_str(&table.lines("").join("\n"));
    text.push_str("\n* references: they look at outcomes, or ignore the prompt");
    text
}
