//! The figure of cumulative regrets.

use crate::online::evaluate::{OnlineSummary, Series};
use crate::online::record::OnlineRecord;
use crate::online::router::OnlineRouterSettings;
use crate::report::plot::{LineKind, RegretChart, RegretLine};

/// The references that the figure shows, each with a look of its own.
const DRAWN: [&str; 4] = ["best-single", "best-single-warm", "zero-router", "uniform"];

/// What is drawn: regret against the utility oracle over steps, a line for each learner and reference.
pub(super) fn chart(record: &OnlineRecord, summary: &OnlineSummary) -> RegretChart {
    let (manifest, info) = (&record.manifest, &record.manifest.suite.info);
    let place = |at: usize| summary.checkpoints[at] as f64;
    let line = |(position, series): (usize, &Series)| {
        let kind = if series.is_reference {
            LineKind::Reference { index: DRAWN.iter().position(|name| *name == series.policy)? }
        } else if matches!(manifest.scenario.routers[position].settings, OnlineRouterSettings::Random(_)) {
            // It does what `uniform` does in expectation: one floor is enough.
            return None;
        } else {
            LineKind::Router { index: position }
        };
        let points = series.regret.iter().enumerate().map(|(at, spread)| (place(at), spread.mean));
        let band = series.regret.iter().enumerate().map(|(at, spread)| (place(at), spread.low, spread.high));
        Some(RegretLine {
            label: series.policy.clone(),
            points: points.collect(),
            band: (!series.is_reference).then(|| band.collect()),
            kind,
        })
    };
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
        lines: summary.series.iter().enumerate().filter_map(line).collect(),
        changes: record.phases.iter().skip(1).map(|phase| phase.from as f64).collect(),
        step_label: "prompts answered".into(),
        regret_label: "regret against the utility oracle, in score".into(),
    }
}
