//! For people: Markdown for a pull request, and text aligned for a terminal.

use std::fmt::Write;

use super::{cells, columns, conclusion, heading, remarks, rows, state, yardstick};
use crate::error::WIDEST_COLUMN;
use crate::gate::verdict::{Gate, Judgement};
use crate::report::markup::{Cell, Column, Table};

/// The result as Markdown: the verdict, a table, and remarks.
pub fn markdown(gate: &Gate) -> String {
    let mut text =
        format!("### {}: {}\n\n{}. {}.\n", gate.scenario, conclusion(gate), heading(gate), yardstick(gate));
    for reason in &gate.changed {
        let _ = write!(text, "\n- allowed: {reason}");
    }
    if !gate.changed.is_empty() {
        text.push('\n');
    }
    let mut table = Table::new(columns());
    for router in &gate.routers {
        rows(router).iter().for_each(|line| {
            let verdict = emphasised(gate, line.judgement);
            table.row(cells(router, line).into_iter().chain([verdict]).collect());
        });
        if rows(router).is_empty() {
            let blank = ["", "", "", ""].map(Cell::from);
            let names = [Cell::from(&router.label), Cell::from(remarks(router).join("; "))];
            table.row(names.into_iter().chain(blank).chain([emphasised(gate, router.judgement())]).collect());
        }
    }
    let _ = write!(text, "\n{}", table.markdown());
    let with_rows = gate.routers.iter().filter(|router| !rows(router).is_empty());
    let remarks: Vec<String> =
        with_rows.map(|router| format!("- `{}`: {}", router.label, remarks(router).join("; "))).collect();
    let expectations = gate.expectations.iter().map(|expectation| {
        let state = state(expectation).replace("NOT MET", "**not met**");
        format!("- expectation {state}: {}", expectation.verdict.words)
    });
    let notes: Vec<String> = remarks.into_iter().chain(expectations).collect();
    if !notes.is_empty() {
        let _ = write!(text, "\n{}\n", notes.join("\n"));
    }
    text
}

fn emphasised(gate: &Gate, judgement: Judgement) -> Cell {
    Cell::from(judgement.word()).strong_if(gate.fails(judgement))
}

/// The result as aligned text, the verdict last.
pub fn text(gate: &Gate) -> String {
    let mut text = format!("{}\n{}\n", heading(gate), yardstick(gate));
    for reason in &gate.changed {
        let _ = writeln!(text, "allowed: {reason}");
    }
    let widest = gate.routers.iter().map(|router| router.label.chars().count()).max().unwrap_or(0);
    let widest = widest.clamp(6, WIDEST_COLUMN);
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
