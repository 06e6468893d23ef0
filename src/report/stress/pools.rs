//! Seen, mixed, and unseen-only pools beside the ceiling of training anew, and the gap between them.

use std::fmt::Write;

use super::Column;
use crate::evaluate::{Move, N_RESAMPLES, moves};
use crate::record::Record;
use crate::report::table::ABSENT;
use crate::scenario::shift::Change;

/// The section; empty unless the pools of seen and of unseen models were both asked for.
pub(super) fn pools_md(twin: &Record, columns: &[Column<'_>]) -> String {
    let find = |wanted: &Change| columns.iter().find(|column| column.shift.change == *wanted);
    let (Some(seen), Some(unseen)) = (find(&Change::SeenOnly), find(&Change::UnseenOnly)) else {
        return String::new();
    };
    let retrained = find(&Change::Retrained);
    let gaps = moves(seen.record, unseen.record, N_RESAMPLES);
    let mut text = String::from(
        "## Seen, mixed, and unseen pools\n\nThe same trained routers; utilities are normalised within each pool, between a \
         random choice (0) and the utility oracle (1). The gap is unseen-only minus seen-only on prompts of both, with its 95 % \
         interval; *retrained* is the mixed pool with full answers of all models in training.\n",
    );
    let metrics = seen.moves.first().map_or(&[][..], |moved| &moved.metrics[..]);
    for (at_metric, metric) in metrics.iter().enumerate() {
        let _ = write!(
            text,
            "\n| router, {} | seen only | mixed | unseen only | gap | retrained |\n|---|---:|---:|---:|---:|---:|\n",
            metric.metric.name
        );
        for (at, entry) in twin.manifest.scenario.routers.iter().enumerate() {
            let after =
                |column: &Column<'_>| column.moves[at].metrics.get(at_metric).map(|moved| moved.after);
            let mixed = seen.moves[at].metrics.get(at_metric).map(|moved| moved.before);
            let numbers = [after(seen), mixed, after(unseen)].map(number);
            let retrained = number(retrained.and_then(after));
            let [seen_only, mixed, unseen_only] = numbers;
            let gap = gap(&gaps[at], at_metric);
            let _ = writeln!(
                text,
                "| {} | {seen_only} | {mixed} | {unseen_only} | {gap} | {retrained} |",
                entry.label
            );
        }
    }
    text.push('\n');
    text
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| ABSENT.to_owned(), |value| format!("{value:.4}"))
}

fn gap(moved: &Move, metric: usize) -> String {
    let Some(metric) = moved.metrics.get(metric) else { return ABSENT.to_owned() };
    let interval = metric.interval.map_or_else(String::new, |i| format!(" [{:+.4}, {:+.4}]", i.low, i.high));
    format!("{:+.4}{interval}", metric.change())
}
