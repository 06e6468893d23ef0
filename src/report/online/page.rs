//! `report.html` of an online run: the sections of `report.md` as a page, with figures of regret in their places.

use std::fmt::Write;

use maud::{Markup, html};

use super::markdown::{interval, parts, setting};
use crate::evaluate::online::{OnlineSummary, Series, Value};
use crate::evaluate::{SIGNIFICANCE, Verdict};
use crate::record::online::{OnlineManifest, OnlineRecord};
use crate::report::figures::looks;
use crate::report::markup::paragraph;
use crate::report::page::{contents, document};
use crate::report::plot::{Line, LineKind, OnPage, RegretChart, swatch};
use crate::report::sections::charts::captioned;
use crate::report::sections::evidence::simulated;
use crate::report::sections::setting::{again_html, expectations_html, provenance_md, settings};
use crate::report::sections::{Part, Section};
use crate::statistics::correction::holm;
use crate::statistics::interval::Spread;
use crate::statistics::paired::corrected_t_test;

/// The whole page.
pub(super) fn report_html(record: &OnlineRecord, summary: &OnlineSummary, verdicts: &[Verdict]) -> String {
    let mut sections = vec![over_time(record, summary)];
    sections.extend(parts(record, summary).into_iter().map(|part| section(part, record, summary)));
    sections.extend(expectations_html(verdicts));
    sections.push(provenance(record));
    let content = html! {
        (headline(record, summary))
        (contents(sections.iter()))
        @for section in &sections { (section.html()) }
    };
    document(&record.manifest.scenario.name, &content, &html! {})
}

fn headline(record: &OnlineRecord, summary: &OnlineSummary) -> Markup {
    let (scenario, suite) = (&record.manifest.scenario, &record.manifest.suite);
    html! {
        header { "\n"
            p.kicker { (scenario.name) " " span { "online, on " (suite.info.name) } } "\n"
            h1 { (title(summary)) } "\n"
            p.standfirst { (standfirst(record, summary)) } "\n"
            @if suite.info.simulated { (simulated()) }
            @if !scenario.description.is_empty() { p { (scenario.description) } "\n" }
            p.setting { (paragraph(&setting(record))) } "\n"
        } "\n"
    }
}

/// The figure that `report.md` shows too.
fn over_time(record: &OnlineRecord, summary: &OnlineSummary) -> Section {
    let chart = chart(record, summary);
    let body = html! {
        (legend(&chart))
        (figure("Cumulative regret to the utility oracle", &chart))
    };
    Section::new("over-time", "Regret over time", body)
}

/// A part of `report.md`, with the figures that belong to it.
fn section(Part { id, title, blocks }: Part, record: &OnlineRecord, summary: &OnlineSummary) -> Section {
    let body = html! {
        @if id == "changes" { (figures_of_changes(record, summary)) }
        @for block in &blocks { (block.html()) }
        @if id == "regret" { (figures_of_regret(record, summary)) }
    };
    Section::new(id, title, body)
}

/// The learner with the least regret.
fn leader(summary: &OnlineSummary) -> Option<(&str, &Value)> {
    let learners = summary.series.iter().filter(|series| !series.is_reference);
    let found =
        learners.filter_map(|series| Some((series.policy.as_str(), summary.find(&series.policy, "regret")?)));
    found.min_by(|a, b| a.1.spread().mean.total_cmp(&b.1.spread().mean))
}

/// Says no more than the paired differences over orders do, by Student's t and adjusted by Holm over the learners.
fn title(summary: &OnlineSummary) -> Markup {
    let Some((name, best)) = leader(summary) else { return html! {} };
    let others: Vec<&str> = summary
        .series
        .iter()
        .filter(|series| !series.is_reference && series.policy != name)
        .map(|series| series.policy.as_str())
        .collect();
    let p_of = |other: &&str| {
        let value = summary.find(other, "regret")?;
        let differences: Vec<f64> = value.values.iter().zip(&best.values).map(|(a, b)| a - b).collect();
        corrected_t_test(&differences, 0.0).map(|test| test.p)
    };
    let adjusted = holm(&others.iter().map(|other| p_of(other).unwrap_or(1.0)).collect::<Vec<f64>>());
    let close: Vec<&str> =
        others.iter().zip(adjusted).filter(|(_, p)| *p >= SIGNIFICANCE).map(|(other, _)| *other).collect();
    let n = others.len() + 1;
    html! {
        b { (name) }
        @match &close[..] {
            _ if n == 1 => " is the only learner here",
            [] => { " has the least regret of " (n) " learners" },
            [other] => { " has the least regret; " b { (other) } " cannot be distinguished from it" },
            others => {
                " has the least regret; " (others.len()) " of " (n) " learners cannot be distinguished from it"
            },
        }
    }
}

fn standfirst(record: &OnlineRecord, summary: &OnlineSummary) -> String {
    let Some((name, best)) = leader(summary) else { return String::new() };
    let spread = best.spread();
    let mut text = format!("Its regret is {} over {} steps", interval(spread, 1), record.manifest.n_steps);
    let uniform = summary.find("uniform", "regret").map(|value| value.spread().mean);
    if let Some(uniform) = uniform.filter(|regret| *regret > 0.0) {
        let _ = write!(text, ", {:.0} % of a random choice's", 100.0 * spread.mean / uniform);
    }
    if let Some(value) = summary.find(name, "regret-to-best-single") {
        let Spread { low, high, .. } = value.spread();
        text.push_str(match (low > 0.0, high < 0.0) {
            (true, _) => "; the best single arm, chosen in hindsight, earns more",
            (_, true) => "; it earns more than the best single arm chosen in hindsight",
            _ => "; what it earns cannot be distinguished from the best single arm chosen in hindsight",
        });
    }
    text + "."
}

/// A figure for each change: the steps just before it and just after it.
fn figures_of_changes(record: &OnlineRecord, summary: &OnlineSummary) -> Markup {
    let caption = |phase: usize| {
        let words = record.phases[phase].words.join("; ");
        paragraph(&format!("Regret a step around change {phase}: {words}"))
    };
    html! {
        @for (phase, chart) in (1..record.phases.len()).map(|phase| (phase, around(record, summary, phase))) {
            @if phase == 1 { (legend(&chart)) }
            (figure(&caption(phase), &chart))
        }
    }
}

/// What one step costs over time, and regret to other references.
fn figures_of_regret(record: &OnlineRecord, summary: &OnlineSummary) -> Markup {
    let references = [
        ("best-single", "Cumulative regret to the best single arm in hindsight"),
        ("zero-router", "Cumulative regret to the zero router"),
    ];
    html! {
        (figure("Regret a step over time, in windows of 5 % of the steps", &local(record, summary)))
        @for (reference, words) in references {
            @if let Some(chart) = to_reference(record, summary, reference) { (figure(words, &chart)) }
        }
    }
}

fn figure(caption: &str, chart: &RegretChart) -> Markup {
    html! { div."plots wide" { (captioned(&chart.inline(), caption)) } "\n" }
}

fn legend(chart: &RegretChart) -> Markup {
    html! {
        ul."legend plain" { "\n"
            @for line in &chart.lines {
                li { (swatch(line.kind, line.points.len())) span { (line.label) } } "\n"
            }
        } "\n"
    }
}

/// How to get the page again.
fn provenance(record: &OnlineRecord) -> Section {
    let OnlineManifest { scenario, suite, program_version, .. } = &record.manifest;
    let body = html! {
        (again_html(&scenario.suite, &scenario.cost))
        p { (paragraph(&provenance_md(scenario.seed, program_version, suite))) } "\n"
        (settings(scenario))
    };
    Section::new("again", "How to get it again", body)
}

/// The references that the figure shows, each with a look of its own.
const DRAWN: [&str; 4] = ["best-single", "best-single-warm", "zero-router", "uniform"];

/// What is drawn: regret against the utility oracle over steps, a line for each learner and reference.
pub(super) fn chart(record: &OnlineRecord, summary: &OnlineSummary) -> RegretChart {
    cumulative(record, summary, "the utility oracle", |series| Some(&series.regret))
}

/// One of the curves of a learner.
type Curve = fn(&Series) -> Option<&Vec<Spread>>;

/// Cumulative regret to one reference; `None` where it is not there.
pub(super) fn to_reference(
    record: &OnlineRecord,
    summary: &OnlineSummary,
    reference: &str,
) -> Option<RegretChart> {
    let (words, curve): (_, Curve) = match reference {
        "best-single" => ("the best single arm", |series| series.to_best_single.as_ref()),
        _ => ("the zero router", |series| Some(&series.to_zero_router)),
    };
    let chart = cumulative(record, summary, words, curve);
    (!chart.lines.is_empty()).then_some(chart)
}

fn cumulative(record: &OnlineRecord, summary: &OnlineSummary, reference: &str, curve: Curve) -> RegretChart {
    let place = |at: usize| summary.checkpoints[at] as f64;
    let looks = looks_of(summary);
    let line = |(position, series): (usize, &Series)| {
        let (kind, curve) = (kind(&looks, position, series)?, curve(series)?);
        let points = curve.iter().enumerate().map(|(at, spread)| (place(at), spread.mean));
        let band = curve.iter().enumerate().map(|(at, spread)| (place(at), spread.low, spread.high));
        Some(Line {
            label: series.policy.clone(),
            points: points.collect(),
            band: (!series.is_reference).then(|| band.collect()),
            kind,
        })
    };
    let lines = summary.series.iter().enumerate().filter_map(line).collect();
    dressed(record, lines, format!("regret against {reference}, in score"))
}

/// Regret a step against the utility oracle, in windows of a twentieth of the steps.
pub(super) fn local(record: &OnlineRecord, summary: &OnlineSummary) -> RegretChart {
    let n = record.manifest.n_steps;
    let lines = rates(record, summary, (0, n), n / 20);
    dressed(record, lines, "regret a step, in score".into())
}

/// Regret a step in the windows just before and just after a change, in pieces of a fiftieth of the steps.
pub(super) fn around(record: &OnlineRecord, summary: &OnlineSummary, phase: usize) -> RegretChart {
    let n = record.manifest.n_steps;
    let (from, width) = (record.phases[phase].from, (n / 10).max(1));
    let ends = (from.saturating_sub(width), (from + width).min(n));
    let lines = rates(record, summary, ends, n / 50);
    let mut chart = dressed(record, lines, "regret a step, in score".into());
    chart.changes.retain(|change| (ends.0 as f64..=ends.1 as f64).contains(change));
    chart
}

/// Mean regret a step between checkpoints at least `width` steps apart, at the middle of each piece; no piece crosses a change.
fn rates(
    record: &OnlineRecord,
    summary: &OnlineSummary,
    (low, high): (usize, usize),
    width: usize,
) -> Vec<Line> {
    let is_change = |step: usize| record.phases.iter().any(|phase| phase.from == step);
    let mut places: Vec<usize> = Vec::new();
    for (at, &step) in summary.checkpoints.iter().enumerate() {
        let is_far = places.last().is_none_or(|&last| step - summary.checkpoints[last] >= width.max(1));
        if (low..=high).contains(&step) && (is_far || is_change(step)) {
            places.push(at);
        }
    }
    let looks = looks_of(summary);
    let line = |(position, series): (usize, &Series)| {
        let rate = |pair: &[usize]| {
            let [from, to] = [pair[0], pair[1]].map(|at| summary.checkpoints[at] as f64);
            let gained = series.regret[pair[1]].mean - series.regret[pair[0]].mean;
            ((from + to) / 2.0, gained / (to - from))
        };
        let points = places.windows(2).map(rate).collect();
        Some(Line { label: series.policy.clone(), points, band: None, kind: kind(&looks, position, series)? })
    };
    summary.series.iter().enumerate().filter_map(line).collect()
}

/// The looks of the learners, which come before the references.
fn looks_of(summary: &OnlineSummary) -> Vec<usize> {
    let learners: Vec<&str> = (summary.series.iter())
        .filter(|series| !series.is_reference)
        .map(|series| series.policy.as_str())
        .collect();
    looks(learners.into_iter())
}

/// How a policy is drawn, where it is.
fn kind(looks: &[usize], position: usize, series: &Series) -> Option<LineKind> {
    if series.is_reference {
        return Some(LineKind::Reference { index: DRAWN.iter().position(|name| *name == series.policy)? });
    }
    Some(LineKind::Router { index: looks[position] })
}

fn dressed(record: &OnlineRecord, lines: Vec<Line>, regret_label: String) -> RegretChart {
    let (manifest, info) = (&record.manifest, &record.manifest.suite.info);
    let simulated = if info.simulated { " (simulated outcomes)" } else { "" };
    let suite =
        if info.name == manifest.scenario.name { String::new() } else { format!(" on {}", info.name) };
    RegretChart {
        title: format!("{}{suite}{simulated}: cumulative regret", manifest.scenario.name),
        subtitle: format!(
            "{} arms, {} steps, mean of {} orders with 95 % intervals",
            manifest.suite.models.len(),
            manifest.n_steps,
            record.orders.len()
        ),
        lines,
        changes: record.phases.iter().skip(1).map(|phase| phase.from as f64).collect(),
        step_label: "prompts answered".into(),
        regret_label,
    }
}
