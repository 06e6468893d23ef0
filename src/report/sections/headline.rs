//! The result in words. Every sentence is computed, and none says more than its numbers do.

use std::fmt::Write;

use maud::{Markup, html};

use super::Page;
use super::evidence;
use super::setting::setting_md;
use crate::evaluate::{Policy, PolicyKind, Summary};
use crate::metrics::entry::Better;
use crate::metrics::{Bound, Metric, PolicyId};
use crate::record::Record;
use crate::report::markup::paragraph;
use crate::report::table::{bounds, comparable, main_columns};
use crate::statistics::argmax;

/// The position of the router that is best by the metric that the headline is about: the one that the scenario declares primary;
/// without one AIQ or, without costs, the score.
pub(in crate::report) fn leader(record: &Record, summary: &Summary) -> usize {
    let metric = main_columns(record)[0];
    let sign = if metric.is_better(1.0, 0.0) { 1.0 } else { -1.0 };
    let policies = summary.replicates[0].policies.iter().enumerate();
    let routers = policies.filter(|(_, policy)| policy.kind == PolicyKind::Router);
    let value = |(position, policy): (usize, &Policy)| {
        summary.find(policy.id, metric.name).and_then(comparable).map(|value| (position, sign * value))
    };
    argmax(routers.filter_map(value)).unwrap_or(0)
}

/// What the headline is about, and whether more of it is better.
fn superlative(metric: &Metric) -> String {
    let most = if metric.better == Better::Lower { "lowest" } else { "highest" };
    format!("has the {most} {}", metric.title)
}

/// Title, result, and setting.
pub(in crate::report) fn html(page: &Page) -> Markup {
    let manifest = &page.record.manifest;
    let suite = &manifest.suite;
    html! {
        header { "\n"
            p.kicker { (manifest.scenario.name) " " span { "on " (suite.info.name) } } "\n"
            h1 { (title(page)) } "\n"
            p.standfirst { (standfirst(page)) } "\n"
            @if suite.info.simulated {
                p.notice {
                    strong { "The outcomes of this suite are simulated." }
                    " Ranks and figures say nothing about real models."
                } "\n"
            }
            @if !suite.has_cost {
                p.notice {
                    strong { "This suite has no costs" } ": only quality is compared, and no curve is drawn."
                } "\n"
            }
            p { (manifest.scenario.description) } "\n"
            p.setting { (paragraph(&setting_md(page.record))) } "\n"
        } "\n"
    }
}

fn title(page: &Page) -> Markup {
    let summary = page.summary;
    let leader = &summary.replicates[0].policies[page.leader];
    let routers = &page.record.manifest.scenario.routers;
    let n_routers = routers.iter().filter(|entry| !entry.settings.traits().asks_judge).count();
    let metric = main_columns(page.record)[0];
    let best = superlative(metric);
    let row = |policy: &Policy| summary.find(policy.id, metric.name);
    let is_among_best = |policy: &Policy| row(policy).is_some_and(|row| row.is_among_best);
    let alike: Vec<&str> = (summary.replicates[0].policies.iter().enumerate())
        .filter(|(at, policy)| {
            *at != page.leader && policy.kind == PolicyKind::Router && is_among_best(policy)
        })
        .map(|(_, policy)| policy.name.as_str())
        .collect();
    let words = if n_routers == 1 {
        "is the only router here".to_owned()
    } else if summary.evidence.is_none() {
        format!("{best} of {n_routers} routers")
    } else if !is_among_best(leader) {
        format!("{best}, but no router can be distinguished from it")
    } else {
        match &alike[..] {
            [] => format!("is the best of {n_routers} routers by {}", metric.title),
            [one] => format!("{best}; {one} cannot be distinguished from it"),
            [one, other] => format!("{best}; {one} and {other} cannot be distinguished from it"),
            more => format!("{best}; {} others cannot be distinguished from it", more.len()),
        }
    };
    html! { b { (leader.name) } " " (words) }
}

/// How many routers were distinguished from their rival on the primary metric.
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
    let (n, rival) = (primary().count(), &evidence.against);
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
    let metric = main_columns(page.record)[0];
    let row = summary.find(leader, metric.name);
    if let Some(value) = row.and_then(comparable) {
        let _ = write!(text, "Its {} is {}", metric.title, metric.shown(value));
        if let Some([low, high]) = row.and_then(|row| row.interval).map(|interval| bounds(metric, interval)) {
            let _ = write!(text, " [{low}, {high}]");
        }
        if let Some(zero) = mean(PolicyId::Bound(Bound::ZeroRouter), metric.name) {
            let side = if value > zero { "above" } else { "below" };
            let difference = metric.shown((value - zero).abs());
            let _ = write!(
                text,
                ", {difference} {side} that of the zero router, the best mixture of single models"
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
        format!("the best single model, {},", page.record.manifest.suite.models[best[0]])
    } else {
        "the best single model".to_owned()
    }
}
