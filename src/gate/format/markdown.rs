//! Markdown, for a pull request or a job summary.

use std::fmt::Write;

use super::{cells, columns, conclusion, heading, remarks, rows, state, yardstick};
use crate::gate::verdict::{Gate, Judgement};
use crate::report::markup::{Cell, Table};

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
