//! The few lines that `run` prints when it is done.

use std::fmt::Write;

use crate::evaluate::{PolicyKind, Summary};
use crate::record::Record;

/// Metric, title, and what it is multiplied by.
const COLUMNS: [(&str, &str, f64); 5] = [
    ("aiq", "AIQ", 1.0),
    ("normalised-utility", "norm. utility", 1.0),
    ("score-at-w0", "score at w=0", 1.0),
    ("qnc", "QNC %", 100.0),
    ("cost-share-at-99", "cost at 99 %", 100.0),
];

/// The main metrics of every router and bound, aligned for a terminal.
pub fn overview(record: &Record, summary: &Summary) -> String {
    let simulated = if record.manifest.suite.info.simulated { " (simulated outcomes)" } else { "" };
    let mut text =
        format!("{}: {}{simulated}\n", record.manifest.scenario.name, record.manifest.suite.info.name);
    let _ = write!(text, "{:<20}", "router");
    COLUMNS.iter().for_each(|(_, title, _)| {
        let _ = write!(text, "{title:>16}");
    });
    for policy in summary.replicates[0].policies.iter().filter(|policy| policy.kind != PolicyKind::Model) {
        let mark = match policy.kind {
            PolicyKind::Bound => "* ",
            PolicyKind::Judged => "+ ",
            _ => "",
        };
        let _ = write!(text, "\n{:<20}", format!("{mark}{}", policy.name));
        for (metric, _, scale) in COLUMNS {
            let row = summary.find(&policy.name, metric);
            let aggregate =
                row.and_then(|row| row.aggregate().filter(|aggregate| aggregate.n == row.values.len()));
            let cell = aggregate.map_or_else(
                || "-".to_owned(),
                |a| format!("{:.*}", if scale > 1.0 { 1 } else { 4 }, a.mean * scale),
            );
            let _ = write!(text, "{cell:>16}");
        }
    }
    if summary.replicates[0].policies.iter().any(|policy| policy.kind == PolicyKind::Judged) {
        text.push_str("\n+ told by a judge which test answers are right: out of competition");
    }
    text.push_str("\n* bounds: they look at outcomes or ignore the prompt; -: not reached in every replicate, or not defined");
    text
}
