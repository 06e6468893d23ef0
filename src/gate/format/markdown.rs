//! Markdown, for a pull request or a job summary.

use std::fmt::Write;

use super::{conclusion, heading, interval, remarks, rows, signed, state, yardstick};
use crate::gate::Gate;

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
    text.push_str("\n| router | metric | current | baseline | difference | 95 % interval | verdict |\n");
    text.push_str("|---|---|---:|---:|---:|---|---|\n");
    for router in &gate.routers {
        let label = &router.label;
        for line in rows(router) {
            let _ = writeln!(
                text,
                "| {label} | {} | {} | {} | {} | {} | {} |",
                line.metric.name,
                line.metric.shown(line.current),
                line.metric.shown(line.baseline),
                signed(line.metric, line.difference()),
                interval(line),
                emphasised(gate, line.judgement)
            );
        }
        if rows(router).is_empty() {
            let (remark, word) = (remarks(router).join("; "), emphasised(gate, router.judgement()));
            let _ = writeln!(text, "| {label} | {remark} | | | | | {word} |");
        }
    }
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

fn emphasised(gate: &Gate, judgement: crate::gate::verdict::Judgement) -> String {
    let word = judgement.word();
    if gate.fails(judgement) { format!("**{word}**") } else { word.to_owned() }
}
