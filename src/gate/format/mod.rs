//! The result of the gate, for people and for machines: one format a file.

mod github;
mod json;
mod junit;
mod markdown;
mod text;

pub use github::github;
pub use json::json;
pub use junit::junit;
pub use markdown::markdown;
pub use text::text;

use super::{Gate, GatedRouter, Judgement, Line, Metric, RouterState};

/// A number of a metric, with the digits that its unit deserves.
fn number(metric: Metric, value: f64) -> String {
    if metric == Metric::MeanCost { format!("{value:.5}") } else { format!("{value:.4}") }
}

/// The same with its sign.
fn signed(metric: Metric, value: f64) -> String {
    // No minus before a zero.
    let value = if value == 0.0 { 0.0 } else { value };
    if metric == Metric::MeanCost { format!("{value:+.5}") } else { format!("{value:+.4}") }
}

/// `[low, high]`.
fn interval(line: &Line) -> String {
    format!("[{}, {}]", signed(line.metric, line.interval.low), signed(line.metric, line.interval.high))
}

/// A line as a sentence, for annotations and test reports.
fn sentence(label: &str, line: &Line) -> String {
    format!(
        "{} of `{label}` {}: {}, baseline {}, difference {} {}",
        line.metric.name(),
        line.judgement.word(),
        number(line.metric, line.current),
        number(line.metric, line.baseline),
        signed(line.metric, line.difference()),
        interval(line)
    )
}

/// What there is to say of a router beside its numbers: one remark each.
fn remarks(router: &GatedRouter) -> Vec<String> {
    match &router.state {
        RouterState::New => vec!["new: the baseline does not have it".to_owned()],
        RouterState::Missing => vec!["missing: the baseline has it".to_owned()],
        RouterState::Compared { changed, n_differing, .. } => {
            let mut remarks = Vec::new();
            match n_differing {
                Some((0, _)) => remarks.push("no choice differs".to_owned()),
                Some((differing, n)) => {
                    let percent = 100.0 * *differing as f64 / *n as f64;
                    remarks.push(format!("{differing} of {n} choices differ ({percent:.1} %)"));
                }
                None => remarks.push("other preferences were asked".to_owned()),
            }
            remarks.extend(changed.iter().cloned());
            remarks
        }
    }
}

/// The lines worth a row: none where nothing differs.
fn rows(router: &GatedRouter) -> &[Line] {
    match &router.state {
        RouterState::Compared { lines, .. } => {
            let is_same = lines.iter().all(|line| line.interval.low == 0.0 && line.interval.high == 0.0);
            if is_same { &[] } else { lines }
        }
        _ => &[],
    }
}

/// What was compared, in a sentence.
fn heading(gate: &Gate) -> String {
    let [current, baseline] = &gate.versions;
    let versions =
        if current == baseline { String::new() } else { format!("; version {current}, baseline {baseline}") };
    let plural = if gate.n_replicates == 1 { "" } else { "s" };
    format!(
        "{}: {} paired test prompts in {} replicate{plural}{versions}",
        gate.scenario, gate.n_paired, gate.n_replicates
    )
}

/// What a verdict is measured by, in a sentence.
fn yardstick(gate: &Gate) -> String {
    let over =
        if gate.settings.across_splits { "test prompts, splits, and training seeds" } else { "test prompts" };
    format!(
        "95 % intervals over {over}; what matters: {} of score, {} % of the baseline's cost",
        gate.settings.least_score,
        100.0 * gate.settings.least_cost_share
    )
}

/// The verdict on the whole, and what it means for whoever waits for it.
fn conclusion(gate: &Gate) -> String {
    let judgement = gate.judgement();
    let end = if gate.fails(judgement) {
        "fails"
    } else if judgement == Judgement::Inconclusive {
        "does not fail without `--strict`"
    } else {
        "passes"
    };
    format!("{} ({end})", judgement.word())
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_format_looks_as_it_was_reviewed() {
        let gate = super::samples::gate();
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path("../../../tests/snapshots");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| {
            insta::assert_snapshot!("check.txt", super::text(&gate));
            insta::assert_snapshot!("check.md", super::markdown(&gate));
            insta::assert_snapshot!("check.json", super::json(&gate));
            insta::assert_snapshot!("check.junit.xml", super::junit(&gate));
            insta::assert_snapshot!("check.github", super::github(&gate));
        });
    }
}

#[cfg(test)]
pub(super) mod samples {
    //! A result with one of everything.

    use crate::evaluate::Verdict;
    use crate::gate::{Gate, GateSettings, GatedRouter, Judgement, Line, Metric, RouterState};
    use crate::statistics::Interval;

    fn line(metric: Metric, current: f64, baseline: f64, bounds: [f64; 2], judgement: Judgement) -> Line {
        Line { metric, current, baseline, interval: Interval { low: bounds[0], high: bounds[1] }, judgement }
    }

    pub(in crate::gate) fn gate() -> Gate {
        let same = [Metric::ScoreAtW0, Metric::MeanScore]
            .map(|metric| line(metric, 0.5, 0.5, [0.0, 0.0], Judgement::Pass));
        let worse = vec![
            line(Metric::ScoreAtW0, 0.61, 0.7, [-0.12, -0.05], Judgement::Regressed),
            line(Metric::MeanCost, 0.25, 0.5, [-0.3, -0.2], Judgement::Improved),
            line(Metric::Aiq, 0.7, 0.7, [-0.03, 0.02], Judgement::Inconclusive),
        ];
        let compared = |changed: Vec<String>, n_differing, lines| RouterState::Compared {
            changed,
            n_differing: Some(n_differing),
            lines,
        };
        let router = |label: &str, state| GatedRouter { label: label.to_owned(), state };
        Gate {
            scenario: "tiny".into(),
            settings: GateSettings::default(),
            versions: ["0.2.0".into(), "0.1.0".into()],
            n_replicates: 2,
            n_paired: 200,
            changed: vec!["`seed` of the scenario is 1, in the baseline 0".into()],
            routers: vec![
                router("random", compared(vec![], (0, 400), same.to_vec())),
                router(
                    "knn",
                    compared(vec!["`neighbours` is 1, in the baseline not set".into()], (100, 400), worse),
                ),
                router("fresh", RouterState::New),
                router("gone", RouterState::Missing),
            ],
            expectations: vec![
                Verdict { holds: true, words: "`aiq` of `knn` is 0.7000; expected at least 0.5".into() },
                Verdict {
                    holds: false,
                    words: "`aiq` of `knn` is 0.7000; expected at least 0.9 & more".into(),
                },
            ],
        }
    }
}
