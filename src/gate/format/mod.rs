//! The result of the gate: for people as Markdown for a pull request and as text aligned for a terminal, and in `machines` for programs.

mod machines;

use std::fmt::Write;

use super::verdict::{FAMILY_WISE_ERROR, Gate, GatedExpectation, GatedRouter, Judgement, Line, RouterState};
use crate::aligned::WIDEST_COLUMN;
use crate::metrics::Metric;
use crate::report::markup::{Cell, Column, Table};
use crate::scenario::Mode;
pub use machines::{github, json, junit};

/// A number in the unit of its metric, with its sign.
pub(super) fn signed(metric: &Metric, value: f64) -> String {
    let shown = metric.shown(value);
    if shown.starts_with('-') { shown } else { format!("+{shown}") }
}

/// `[low, high]`.
fn interval(line: &Line) -> String {
    format!("[{}, {}]", signed(line.metric, line.interval.low), signed(line.metric, line.interval.high))
}

/// A line as a sentence, for annotations and test reports.
fn sentence(label: &str, line: &Line) -> String {
    format!(
        "{} of `{label}` {}: {}, baseline {}, difference {} {}",
        line.metric.name,
        line.judgement.word(),
        line.metric.shown(line.current),
        line.metric.shown(line.baseline),
        signed(line.metric, line.difference()),
        interval(line)
    )
}

/// What there is to say of a router beside its numbers: one remark each.
pub(super) fn remarks(router: &GatedRouter) -> Vec<String> {
    match &router.state {
        RouterState::New => vec!["new: the baseline does not have it".to_owned()],
        RouterState::Missing => vec!["missing: the baseline has it".to_owned()],
        RouterState::Compared { changed, n_differing, lines } => {
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
            let by_chance = lines.iter().filter(|line| line.own != line.judgement);
            remarks.extend(by_chance.map(|line| {
                let (name, p) = (line.metric.name, line.adjusted_p);
                format!("the interval of {name} alone says REGRESSED, which among all lines may be chance (p = {p:.3})")
            }));
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

/// The columns of the table in both formats for people.
pub(super) fn columns() -> Vec<Column> {
    let number = |title: &str, width: usize| Column::number(title).width(width);
    vec![
        Column::text("router"),
        Column::text("metric").width(22),
        number("current", 9),
        number("baseline", 9),
        number("difference", 10),
        Column::text("95 % interval").width(22),
        Column::text("verdict"),
    ]
}

/// All cells of a line but the verdict.
pub(super) fn cells(router: &GatedRouter, line: &Line) -> [Cell; 6] {
    [
        Cell::from(&router.label),
        Cell::from(line.metric.name),
        Cell::from(line.metric.shown(line.current)),
        Cell::from(line.metric.shown(line.baseline)),
        Cell::from(signed(line.metric, line.difference())),
        Cell::from(interval(line)),
    ]
}

/// What was compared, in a sentence.
fn heading(gate: &Gate) -> String {
    let [current, baseline] = &gate.versions;
    let versions =
        if current == baseline { String::new() } else { format!("; version {current}, baseline {baseline}") };
    let [paired, within] = match gate.mode {
        Mode::Offline => ["test prompts", "replicate"],
        Mode::Online => ["steps", "order"],
    };
    let plural = if gate.n_replicates == 1 { "" } else { "s" };
    format!(
        "{}: {} paired {paired} in {} {within}{plural}{versions}",
        gate.scenario, gate.n_paired, gate.n_replicates
    )
}

/// What a verdict is measured by, in a sentence.
fn yardstick(gate: &Gate) -> String {
    let (over, each) = match gate.mode {
        Mode::Online => ("orders, preferences, and chance", " a step"),
        Mode::Offline if gate.settings.across_splits => ("test prompts, splits, and training seeds", ""),
        Mode::Offline => ("test prompts", ""),
    };
    format!(
        "95 % intervals over {over}; what matters: {} of score{each}, {} % of the baseline's cost; by chance any line is REGRESSED in \
         at most {} % of runs",
        gate.settings.least_score,
        100.0 * gate.settings.least_cost_share,
        100.0 * FAMILY_WISE_ERROR
    )
}

/// What came of an expectation, and since when.
fn state(expectation: &GatedExpectation) -> &'static str {
    match (expectation.verdict.holds, expectation.held_before) {
        (true, _) => "holds",
        (false, Some(true)) => "NOT MET, though the baseline meets it",
        (false, Some(false)) => "NOT MET, as in the baseline",
        (false, None) => "NOT MET, and the baseline has no such router",
    }
}

/// What fails, in words: routers, and expectations by whether the baseline meets them.
fn failures(gate: &Gate) -> Vec<String> {
    let failing = gate.routers.iter().filter(|router| gate.fails(router.judgement()));
    let mut reasons: Vec<String> = failing.map(|router| format!("`{}`", router.label)).collect();
    let unmet = || gate.expectations.iter().filter(|expectation| !expectation.verdict.holds);
    for (held_before, since) in [(Some(true), " any more"), (None, ""), (Some(false), ", as in the baseline")]
    {
        let n = unmet().filter(|expectation| expectation.held_before == held_before).count();
        let [noun, verb] = if n == 1 { ["expectation", "is"] } else { ["expectations", "are"] };
        if n > 0 {
            reasons.push(format!("{n} {noun} {verb} not met{since}"));
        }
    }
    reasons
}

/// The verdict on the whole, what fails, and what it means for whoever waits for it.
fn conclusion(gate: &Gate) -> String {
    let judgement = gate.judgement();
    let end = if gate.is_failure() {
        &format!("fails: {}", failures(gate).join("; "))
    } else if judgement == Judgement::Inconclusive {
        "does not fail without `--strict`"
    } else {
        "passes"
    };
    format!("{} ({end})", judgement.word())
}

#[cfg(test)]
pub(super) mod samples {
    //! A result with one of everything.

    use crate::evaluate::Verdict;
    use crate::gate::verdict::{
        Gate, GateSettings, GatedExpectation, GatedRouter, Judgement, Line, RouterState,
    };
    use crate::metrics::metric;
    use crate::scenario::Mode;
    use crate::statistics::Interval;

    fn line(name: &str, current: f64, baseline: f64, bounds: [f64; 2], judgement: Judgement) -> Line {
        let interval = Interval { low: bounds[0], high: bounds[1] };
        let metric = metric(name).unwrap();
        Line { metric, current, baseline, interval, adjusted_p: 0.01, own: judgement, judgement }
    }

    fn expectation(holds: bool, words: &str) -> GatedExpectation {
        GatedExpectation { verdict: Verdict { holds, words: words.into() }, held_before: Some(true) }
    }

    pub(in crate::gate) fn gate() -> Gate {
        let same =
            ["score-at-w0", "mean-score"].map(|metric| line(metric, 0.5, 0.5, [0.0, 0.0], Judgement::Pass));
        let worse = vec![
            line("score-at-w0", 0.61, 0.7, [-0.12, -0.05], Judgement::Regressed),
            line("mean-cost-usd-per-1000", 0.25, 0.5, [-0.3, -0.2], Judgement::Improved),
            line("aiq", 0.7, 0.7, [-0.03, 0.02], Judgement::Inconclusive),
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
            mode: Mode::Offline,
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
                expectation(true, "`aiq` of `knn` is 0.7000; expected at least 0.5"),
                expectation(false, "`aiq` of `knn` is 0.7000; expected at least 0.9 & more"),
            ],
        }
    }
}

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

#[cfg(test)]
mod tests {

    #[test]
    fn an_expectation_that_the_baseline_does_not_meet_either_fails_and_is_no_regression() {
        let mut gate = super::samples::gate();
        gate.routers.truncate(1);
        let lost = super::conclusion(&gate);
        assert_eq!(lost, "REGRESSED (fails: 1 expectation is not met any more)");
        gate.expectations[1].held_before = Some(false);
        assert_eq!(super::conclusion(&gate), "PASS (fails: 1 expectation is not met, as in the baseline)");
        gate.expectations.truncate(1);
        assert_eq!(super::conclusion(&gate), "PASS (passes)");
    }

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
