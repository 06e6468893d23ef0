//! Aligned for a terminal.

use std::fmt::Write;

use super::{conclusion, heading, interval, remarks, rows, signed, state, yardstick};
use crate::gate::verdict::{Gate, GatedRouter, RouterState};

/// The result as aligned text, the verdict last.
pub fn text(gate: &Gate) -> String {
    let mut text = format!("{}\n{}\n", heading(gate), yardstick(gate));
    for reason in &gate.changed {
        let _ = writeln!(text, "allowed: {reason}");
    }
    let is_compared = |router: &&GatedRouter| matches!(router.state, RouterState::Compared { .. });
    let widest = gate.routers.iter().map(|router| router.label.len()).max().unwrap_or(0).max(6);
    if gate.routers.iter().filter(is_compared).any(|router| !rows(router).is_empty()) {
        let _ = writeln!(
            text,
            "\n{:<widest$}  {:<22}  {:>9}  {:>9}  {:>10}  {:<22}  verdict",
            "router", "metric", "current", "baseline", "difference", "95 % interval"
        );
    } else {
        text.push('\n');
    }
    for router in &gate.routers {
        let rows = rows(router);
        for line in rows {
            let _ = writeln!(
                text,
                "{:<widest$}  {:<22}  {:>9}  {:>9}  {:>10}  {:<22}  {}",
                router.label,
                line.metric.name,
                line.metric.shown(line.current),
                line.metric.shown(line.baseline),
                signed(line.metric, line.difference()),
                interval(line),
                line.judgement.word()
            );
        }
        let remarks = remarks(router).join("; ");
        let verdict =
            if rows.is_empty() { format!("  {}", router.judgement().word()) } else { String::new() };
        let _ = writeln!(text, "{:<widest$}  {remarks}{verdict}", router.label);
    }
    for expectation in &gate.expectations {
        let _ = writeln!(text, "expectation {}: {}", state(expectation), expectation.verdict.words);
    }
    let _ = write!(text, "\n{}: {}", gate.scenario, conclusion(gate));
    text
}
