//! The figure of cumulative regrets.

use crate::evaluate::online::{OnlineSummary, Series};
use crate::record::online::OnlineRecord;
use crate::report::plot::{Line, LineKind, RegretChart};
use crate::statistics::spread::Spread;

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
    let line = |(position, series): (usize, &Series)| {
        let (kind, curve) = (kind(position, series)?, curve(series)?);
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
    let line = |(position, series): (usize, &Series)| {
        let rate = |pair: &[usize]| {
            let [from, to] = [pair[0], pair[1]].map(|at| summary.checkpoints[at] as f64);
            let gained = series.regret[pair[1]].mean - series.regret[pair[0]].mean;
            ((from + to) / 2.0, gained / (to - from))
        };
        let points = places.windows(2).map(rate).collect();
        Some(Line { label: series.policy.clone(), points, band: None, kind: kind(position, series)? })
    };
    summary.series.iter().enumerate().filter_map(line).collect()
}

/// How a policy is drawn, where it is.
fn kind(position: usize, series: &Series) -> Option<LineKind> {
    if series.is_reference {
        return Some(LineKind::Reference { index: DRAWN.iter().position(|name| *name == series.policy)? });
    }
    Some(LineKind::Router { index: position })
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
