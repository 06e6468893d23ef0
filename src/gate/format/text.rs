//! Aligned for a terminal.

use std::fmt::Write;

use super::{cells, columns, conclusion, heading, remarks, rows, state, yardstick};
use crate::gate::verdict::Gate;
use crate::report::markup::{Column, Table};

/// The result as aligned text, the verdict last.
pub fn text(gate: &Gate) -> String {
    let mut text = format!("{}\n{}\n", heading(gate), yardstick(gate));
    for reason in &gate.changed {
        let _ = writeln!(text, "allowed: {reason}");
    }
    let widest = gate.routers.iter().map(|router| router.label.chars().count()).max().unwrap_or(0).max(6);
    let mut columns = columns();
    columns[0] = Column::text("router").width(widest);
    let mut table = Table::new(columns);
    for (router, line) in
        gate.routers.iter().flat_map(|router| rows(router).iter().map(move |line| (router, line)))
    {
        table.row(cells(router, line).into_iter().chain([line.judgement.word().into()]).collect());
    }
    text.push('\n');
    let lines = table.lines("  ");
    let mut lines = lines.iter();
    let header = lines.next().filter(|_| !table.is_empty());
    header.iter().for_each(|header| text.extend([header.as_str(), "\n"]));
    for router in &gate.routers {
        lines.by_ref().take(rows(router).len()).for_each(|line| text.extend([line.as_str(), "\n"]));
        let remarks = remarks(router).join("; ");
        let verdict =
            if rows(router).is_empty() { format!("  {}", router.judgement().word()) } else { String::new() };
        let _ = writeln!(text, "{:<widest$}  {remarks}{verdict}", router.label);
    }
    for expectation in &gate.expectations {
        let _ = writeln!(text, "expectation {}: {}", state(expectation), expectation.verdict.words);
    }
    let _ = write!(text, "\n{}: {}", gate.scenario, conclusion(gate));
    text
}
