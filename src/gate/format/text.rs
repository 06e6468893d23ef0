//! Aligned for a terminal.

use std::fmt::Write;

use super::{conclusion, heading, interval, number, remarks, rows, signed, yardstick};
use crate::gate::{Gate, GatedRouter, RouterState};

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
                line.metric.name(),
                number(line.metric, line.current),
                number(line.metric, line.baseline),
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
    for verdict in &gate.expectations {
        let word = if verdict.holds { "holds" } else { "NOT MET" };
        let _ = writeln!(text, "expectation {word}: {}", verdict.words);
    }
    let _ = write!(text, "\n{}: {}", gate.scenario, conclusion(gate));
    text
}

#[cfg(test)]
mod tests {
    use crate::gate::format::samples;

    #[test]
    fn every_router_has_its_line_and_the_verdict_comes_last() {
        let expected = "\
tiny: 200 paired test prompts in 2 replicates; version 0.2.0, baseline 0.1.0
95 % intervals over test prompts; what matters: 0.01 of score, 5 % of the baseline's cost
allowed: `seed` of the scenario is 1, in the baseline 0

router  metric                    current   baseline  difference  95 % interval           verdict
random  no choice differs  PASS
knn     score-at-w0                0.6100     0.7000     -0.0900  [-0.1200, -0.0500]      REGRESSED
knn     mean-cost-usd-per-1000    0.25000    0.50000    -0.25000  [-0.30000, -0.20000]    IMPROVED
knn     aiq                        0.7000     0.7000     +0.0000  [-0.0300, +0.0200]      INCONCLUSIVE
knn     100 of 400 choices differ (25.0 %); `neighbours` is 1, in the baseline not set
fresh   new: the baseline does not have it  PASS
gone    missing: the baseline has it  REGRESSED
expectation holds: `aiq` of `knn` is 0.7000; expected at least 0.5
expectation NOT MET: `aiq` of `knn` is 0.7000; expected at least 0.9 & more

tiny: REGRESSED (fails)";
        assert_eq!(super::text(&samples::gate()), expected);
    }
}
