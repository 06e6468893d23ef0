//! The few lines that `run` prints when it is done.

use std::fmt::Write;

use super::table::comparable;
use crate::evaluate::{PolicyKind, Summary};
use crate::metrics::table::{Table, shown_in};
use crate::record::Record;

/// The main metrics of every router and bound, aligned for a terminal.
pub fn overview(record: &Record, summary: &Summary) -> String {
    let simulated = if record.manifest.suite.info.simulated { " (simulated outcomes)" } else { "" };
    let mut text =
        format!("{}: {}{simulated}\n", record.manifest.scenario.name, record.manifest.suite.info.name);
    let _ = write!(text, "{:<20}", "router");
    let columns = shown_in(Table::Terminal);
    columns.iter().for_each(|metric| {
        let _ = write!(text, "{:>16}", metric.short_title);
    });
    for policy in summary.replicates[0].policies.iter().filter(|policy| policy.kind != PolicyKind::Model) {
        let mark = match policy.kind {
            PolicyKind::Bound => "* ",
            PolicyKind::Judged => "+ ",
            _ => "",
        };
        let _ = write!(text, "\n{:<20}", format!("{mark}{}", policy.name));
        for metric in &columns {
            let mean = summary.find(policy.id, metric.name).and_then(comparable);
            let cell = mean.map_or_else(|| "-".to_owned(), |mean| metric.shown(mean));
            let _ = write!(text, "{cell:>16}");
        }
    }
    if summary.replicates[0].policies.iter().any(|policy| policy.kind == PolicyKind::Judged) {
        text.push_str("\n+ told by a judge which test answers are right: out of competition");
    }
    text.push_str("\n* bounds: they look at outcomes or ignore the prompt; -: not reached in every replicate, or not defined");
    text
}
