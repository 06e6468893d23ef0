//! The result in words. Every sentence is computed, and none says more than its numbers do.

use std::fmt::Write;

use super::{Page, escape};
use crate::evaluate::{Policy, PolicyKind, Row, Summary};
use crate::metrics::table::Better;
use crate::metrics::{Bound, Metric, PolicyId};
use crate::report::evidence;
use crate::report::table::{bounds, comparable, main_columns};
use crate::statistics::argmax;

/// The position of the router with the highest AIQ or, without costs, score.
pub(super) fn leader(summary: &Summary) -> usize {
    let policies = summary.replicates[0].policies.iter().enumerate();
    let routers = policies.filter(|(_, policy)| policy.kind == PolicyKind::Router);
    let value = |(position, policy): (usize, &Policy)| {
        main_row(summary, policy.id).and_then(comparable).map(|value| (position, value))
    };
    argmax(routers.filter_map(value)).unwrap_or(0)
}

fn main_row(summary: &Summary, policy: PolicyId) -> Option<&Row> {
    summary.find(policy, "aiq").or_else(|| summary.find(policy, "score-at-w0"))
}

/// Title, result, and setting.
pub(super) fn write(text: &mut String, page: &Page) {
    let manifest = &page.record.manifest;
    let suite = &manifest.suite;
    let _ = write!(
        text,
        "<header>\n<p class=\"kicker\">{} <span>on {}</span></p>\n<h1>{}</h1>\n<p class=\"standfirst\">{}</p>\n",
        escape(&manifest.scenario.name),
        escape(&suite.info.name),
        title(page),
        standfirst(page),
    );
    if suite.info.simulated {
        text.push_str(
            "<p class=\"notice\"><strong>The outcomes of this suite are simulated.</strong> Ranks and figures say nothing \
             about real models.</p>\n",
        );
    }
    if !suite.has_cost {
        text.push_str(
            "<p class=\"notice\"><strong>This suite has no costs</strong>: only quality is compared, and no curve is \
             drawn.</p>\n",
        );
    }
    let _ = writeln!(
        text,
        "<p>{}</p>\n<p class=\"setting\">{}</p>\n</header>",
        escape(&manifest.scenario.description),
        escape(&crate::report::markdown::setting(page.record).replace(['*', '`'], "")),
    );
}

fn title(page: &Page) -> String {
    let summary = page.summary;
    let leader = &summary.replicates[0].policies[page.leader];
    let routers = &page.record.manifest.scenario.routers;
    let n_routers = routers.iter().filter(|entry| !entry.settings.traits().asks_judge).count();
    let (name, metric) = (format!("<b>{}</b>", escape(&leader.name)), measured(&main_columns(page.record)));
    if n_routers == 1 {
        return format!("{name} is the only router here");
    }
    if summary.evidence.is_none() {
        return format!("{name} has the highest {metric} of {n_routers} routers");
    }
    let is_among_best = |policy: &Policy| main_row(summary, policy.id).is_some_and(|row| row.is_among_best);
    if !is_among_best(leader) {
        return format!("{name} has the highest {metric}, but no router can be told from it");
    }
    let alike: Vec<String> = (summary.replicates[0].policies.iter().enumerate())
        .filter(|(at, policy)| {
            *at != page.leader && policy.kind == PolicyKind::Router && is_among_best(policy)
        })
        .map(|(_, policy)| escape(&policy.name))
        .collect();
    match &alike[..] {
        [] => format!("{name} is the best of {n_routers} routers by {metric}"),
        [one] => format!("{name} has the highest {metric}; {one} cannot be told from it"),
        [one, other] => format!("{name} has the highest {metric}; {one} and {other} cannot be told from it"),
        more => format!("{name} has the highest {metric}; {} others cannot be told from it", more.len()),
    }
}

fn measured(columns: &[&Metric]) -> &'static str {
    debug_assert!(columns[0].better == Better::Higher, "the first column is what a headline is about");
    columns[0].title
}

/// How many routers were told from their rival on the primary metric.
fn against_rival(page: &Page) -> Option<String> {
    let evidence = evidence::compared(page.summary)?;
    let primary = || evidence.comparisons.iter().filter(|comparison| comparison.is_primary);
    let n_better = primary().filter(|comparison| comparison.is_better()).count();
    let n_worse = primary().filter(|comparison| comparison.is_worse()).count();
    let title = evidence.primary.title;
    let count = |n: usize| match n {
        0 => "none is".to_owned(),
        1 => "one is".to_owned(),
        n => format!("{n} are"),
    };
    let (n, rival) = (primary().count(), escape(&evidence.against));
    Some(format!(
        "Of {n} routers compared with {rival}, {} better by {title} and {} worse.",
        count(n_better),
        count(n_worse)
    ))
}

fn standfirst(page: &Page) -> String {
    let summary = page.summary;
    let leader = summary.replicates[0].policies[page.leader].id;
    let mean = |policy: PolicyId, metric: &str| summary.find(policy, metric).and_then(comparable);
    let mut text = String::new();
    let value = main_row(summary, leader).and_then(comparable);
    if let Some(value) = value {
        let columns = main_columns(page.record);
        let what = measured(&columns);
        let _ = write!(text, "Its {what} is {value:.4}");
        let interval = main_row(summary, leader).and_then(|row| row.interval);
        if let Some([low, high]) = interval.map(|interval| bounds(columns[0], interval)) {
            let _ = write!(text, " [{low}, {high}]");
        }
        if let Some(zero) = mean(PolicyId::Bound(Bound::ZeroRouter), "aiq") {
            let difference = value - zero;
            let side = if difference > 0.0 { "above" } else { "below" };
            let _ = write!(
                text,
                ", {:.4} {side} that of the zero router, the best mixture of single models",
                difference.abs()
            );
        }
        text.push_str(". ");
    }
    if page.record.manifest.suite.has_cost {
        let best = best_single(page);
        match mean(leader, "cost-share-at-99") {
            Some(share) => {
                let _ = write!(
                    text,
                    "It reaches 99 % of the score of {best} at {:.1} % of its cost. ",
                    100.0 * share
                );
            }
            None => {
                let _ = write!(text, "It does not reach 99 % of the score of {best} in every replicate. ");
            }
        }
    }
    if let Some(utility) = mean(leader, "normalised-utility") {
        let _ = write!(
            text,
            "Between a random model (0) and an oracle that sees every outcome (1) it stands at {utility:.2}. "
        );
    }
    if let Some(words) = against_rival(page) {
        let _ = write!(text, "{words} ");
    }
    if page.record.manifest.replicates.len() == 1 {
        text.push_str("There is one replicate: intervals cover the choice of prompts, not of the split and the training.");
    }
    text.truncate(text.trim_end().len());
    text
}

/// The best single model, by name where all replicates agree on it.
fn best_single(page: &Page) -> String {
    let best: Vec<usize> = page.summary.replicates.iter().map(|evaluated| evaluated.best_single).collect();
    if best.iter().all(|model| *model == best[0]) {
        format!("the best single model, {},", escape(&page.record.manifest.suite.models[best[0]]))
    } else {
        "the best single model".to_owned()
    }
}
