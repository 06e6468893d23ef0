//! What can be said of the routers: the result in words, of which every sentence is computed and none says more than its numbers do; and
//! every router against one rival, the primary metric with its intervals drawn on a page, and the others.

use std::fmt::Write;

use maud::{Markup, html};

use super::setting::setting_md;
use super::{Page, Section, small};
use crate::evaluate::{Comparison, Evidence, Policy, PolicyKind, SIGNIFICANCE, Summary};
use crate::metrics::entry::Better;
use crate::metrics::{Bound, Metric, PolicyId};
use crate::record::Record;
use crate::report::markup::{ABSENT, Cell, Column, Spreads, Table, comment, paragraph};
use crate::report::table::{bounds, comparable, main_columns};
use crate::statistics::argmax;

/// The comparisons of a summary that has any.
pub(in crate::report) fn compared(summary: &Summary) -> Option<&Evidence> {
    summary.evidence.as_ref().filter(|evidence| !evidence.comparisons.is_empty())
}

/// A comparison as a table shows it.
struct Shown<'a> {
    comparison: &'a Comparison,
    /// The metric's title, with its unit.
    title: &'static str,
    /// In the metric's unit and decimals, with its sign.
    difference: String,
    bounds: [String; 2],
    adjusted_p: String,
    verdict: &'static str,
    is_distinguished: bool,
    smallest_detectable: String,
}

impl<'a> Shown<'a> {
    fn of(comparison: &'a Comparison) -> Shown<'a> {
        let shown = |value: f64| comparison.metric.shown(value);
        let difference = shown(comparison.difference);
        let is_signed =
            difference.starts_with('-') || difference.bytes().all(|letter| b"0.".contains(&letter));
        let verdict = match (comparison.is_better(), comparison.is_worse()) {
            (true, _) => "better",
            (_, true) => "worse",
            _ if comparison.interval.contains(0.0) => "not distinguished",
            // The interval is of this pair alone, and of new prompts and training: what takes the difference back is said.
            _ if comparison.p < SIGNIFICANCE => "not distinguished after correction",
            _ => "not distinguished by sign flips",
        };
        let smallest = Some(comparison.smallest_detectable).filter(|smallest| smallest.is_finite());
        Shown {
            comparison,
            title: comparison.metric.title,
            difference: if is_signed { difference } else { format!("+{difference}") },
            bounds: bounds(comparison.metric, comparison.interval),
            adjusted_p: p_value(comparison.adjusted_p),
            verdict,
            is_distinguished: comparison.is_better() || comparison.is_worse(),
            smallest_detectable: smallest.map_or_else(|| ABSENT.to_owned(), shown),
        }
    }

    fn router(&self, page: Option<&Page>) -> Cell {
        let name = &self.comparison.router;
        let mark = page.and_then(|page| {
            let policies = &page.summary.replicates[0].policies;
            Some(page.mark(policies.iter().position(|policy| policy.name == *name)?))
        });
        let cell = Cell::from(name);
        if let Some(mark) = mark { cell.after(mark) } else { cell }
    }

    /// Difference, adjusted p, and verdict.
    fn numbers(&self, page: Option<&Page>) -> [Cell; 3] {
        let difference = Cell::from(&self.difference).exact(self.comparison.difference);
        // Only a page has it in bold: Markdown and LaTeX leave it to the verdict.
        let difference = difference.strong_if(page.is_some() && self.is_distinguished);
        let adjusted_p = Cell::from(&self.adjusted_p).exact(self.comparison.adjusted_p);
        [difference.interval(self.bounds.clone()), adjusted_p, Cell::from(self.verdict)]
    }
}

/// The comparisons on the primary metric, or on all others, in the order of the routers.
fn part(evidence: &Evidence, is_primary: bool) -> Vec<Shown<'_>> {
    let part = evidence.comparisons.iter().filter(|comparison| comparison.is_primary == is_primary);
    part.map(Shown::of).collect()
}

const DIFFERENCE: &str = "difference [95\u{a0}% of this pair]";
const ADJUSTED_P: &str = "adjusted p";
const VERDICT: &str = "verdict";
const SMALLEST: &str = "smallest detectable";

/// On the primary metric; on a page with each interval drawn.
pub(in crate::report) fn primary(evidence: &Evidence, page: Option<&Page>) -> Table {
    let lines = part(evidence, true);
    let reach = reach(&lines);
    let mut columns = vec![
        Column::text("router"),
        Column::number(DIFFERENCE),
        Column::number(ADJUSTED_P),
        Column::text(VERDICT).class("verdict"),
        Column::number("win / tie / loss").class("n u"),
        Column::number("effect"),
        Column::number(SMALLEST),
    ];
    if page.is_some() {
        columns.push(Column::text("worse \u{2190} 0 \u{2192} better").class("x forest-head"));
    }
    let mut table = Table::new(columns);
    for line in &lines {
        let prompts = line.comparison.prompts;
        let mut row = vec![line.router(page)];
        row.extend(line.numbers(page));
        row.extend([
            Cell::from(format!("{} / {} / {}", prompts.wins, prompts.ties, prompts.losses)),
            line.comparison.effect.map_or_else(|| ABSENT.into(), |effect| Cell::from(format!("{effect:.3}"))),
            Cell::from(&line.smallest_detectable),
        ]);
        if page.is_some() {
            row.push(Cell::picture(forest(line.comparison, reach)));
        }
        table.row(row);
    }
    table
}

/// On the other metrics that the main table shows: one row a router, one column a metric.
fn matrix(evidence: &Evidence, record: &Record) -> Table {
    let columns = main_columns(record);
    let titles = columns.iter().map(|column| Column::number(column.title));
    let mut table = Table::new(std::iter::once(Column::text("router")).chain(titles));
    for of_router in evidence.comparisons.chunk_by(|a, b| a.router == b.router) {
        let cell = |metric: &Metric| {
            let Some(comparison) = of_router.iter().rfind(|comparison| comparison.metric == metric) else {
                return Cell::absent();
            };
            let shown = Shown::of(comparison);
            Cell::from(shown.difference).strong_if(shown.is_distinguished).note(shown.adjusted_p)
        };
        let cells = columns.iter().map(|column| cell(column));
        table.row(std::iter::once(Cell::from(&of_router[0].router)).chain(cells).collect());
    }
    table
}

/// On all other metrics: one row a router and metric.
fn others(evidence: &Evidence, page: &Page) -> (usize, Table) {
    let mut table = Table::new([
        Column::text("router"),
        Column::text("metric"),
        Column::number(DIFFERENCE),
        Column::number(ADJUSTED_P),
        Column::text(VERDICT).class("verdict"),
        Column::number(SMALLEST),
    ]);
    let lines = part(evidence, false);
    for line in &lines {
        let mut row = vec![line.router(Some(page)), Cell::from(line.title)];
        row.extend(line.numbers(Some(page)));
        row.push(Cell::from(&line.smallest_detectable));
        table.row(row);
    }
    (lines.len(), table)
}

/// Below the comparisons.
fn legend(evidence: &Evidence) -> String {
    format!(
        "Paired on prompts and replicates. Intervals: hierarchical bootstrap, {} resamples, each of its pair alone and not adjusted; \
         p: the greater of the sign flips' and the bootstrap's, adjusted for the number of comparisons by Holm over the routers on \
         the primary metric and by Benjamini and Hochberg over all others. Better or worse: adjusted p below {SIGNIFICANCE}; an \
         interval may leave out 0 where a pair is not distinguished after that correction. Win / tie / loss: prompts on which the router's utility, mean over the declared preferences, is above, \
         equal to, and below the rival's; effect: the mean of these differences over their standard deviation. Smallest \
         detectable: the true difference that would be found with a power of 80 %.",
        evidence.n_resamples,
    )
}

/// What is compared, in a sentence.
fn in_words(evidence: &Evidence) -> String {
    format!(
        "Every router against {}; the primary metric, declared before the run, is {}.",
        evidence.against, evidence.primary.title
    )
}

/// The section; empty where nobody was compared.
pub(in crate::report) fn markdown(record: &Record, summary: &Summary) -> String {
    compared(summary).map_or_else(String::new, |evidence| {
        format!(
            "## How sure that is\n\n{}\n\n{}\nDifference (adjusted p) on the other metrics; bold where it is distinguished from zero:\n\n\
             {}\n{}\n\n",
            in_words(evidence),
            primary(evidence, None).markdown(),
            matrix(evidence, record).markdown(),
            legend(evidence)
        )
    })
}

/// The table on the primary metric; empty where nobody was compared.
pub(in crate::report) fn latex(summary: &Summary) -> String {
    compared(summary).map_or_else(String::new, |evidence| {
        let table = primary(evidence, None).latex(Spreads::Beside);
        format!("\n\\bigskip\n\n% {}\n{table}", comment(&in_words(evidence)))
    })
}

/// The section; `None` where nobody was compared.
pub(in crate::report) fn html(page: &Page) -> Option<Section> {
    let evidence = compared(page.summary)?;
    let (n_others, others) = others(evidence, page);
    let body = html! {
        p { (in_words(evidence)) } "\n"
        (primary(evidence, Some(page)).html(None))
        @if n_others > 0 {
            details {
                summary { "On the other metrics: " (n_others) " comparisons" } "\n"
                (others.html(None))
            } "\n"
        }
        (small(&legend(evidence)))
    };
    Some(Section::new("evidence", "How sure that is", body))
}

/// How far the picture reaches to either side of zero: twice the median reach of the intervals, so that one far off does
/// not flatten the others.
fn reach(lines: &[Shown]) -> f64 {
    let bounds = |line: &Shown| line.comparison.interval.low.abs().max(line.comparison.interval.high.abs());
    let mut reaches: Vec<f64> = lines.iter().map(bounds).filter(|reach| reach.is_finite()).collect();
    reaches.sort_by(f64::total_cmp);
    2.0 * reaches.get(reaches.len() / 2).copied().unwrap_or(1.0).max(f64::MIN_POSITIVE)
}

/// The interval on a scale that is common to the table, with zero in its middle; better is to the right. One that lies
/// beyond the scale is an arrow.
fn forest(comparison: &Comparison, reach: f64) -> Markup {
    const HALF: f64 = 100.0;
    let sign = if comparison.metric.is_better(1.0, 0.0) { 1.0 } else { -1.0 };
    let place = |value: f64| HALF + (HALF - 4.0) * (sign * value / reach).clamp(-1.0, 1.0);
    let ends = [place(comparison.interval.low), place(comparison.interval.high)];
    let (left, right) = (ends[0].min(ends[1]), ends[0].max(ends[1]));
    let thin = |path: &str| html! { path.s.text stroke-width="1.6" d=(path) {} };
    html! {
        svg.forest viewBox="0 0 200 16" preserveAspectRatio="none" aria-hidden="true" {
            path.s.grid d={ "M" (HALF) " 0V16" } {}
            @if comparison.difference.abs() <= reach {
                (thin(&format!("M{left:.1} 8H{right:.1}")))
                path.s.text stroke-width="5" d=(format!("M{:.1} 8h.01", place(comparison.difference))) {}
            } @else if sign * comparison.difference < 0.0 {
                (thin("M8 4L4 8L8 12"))
            } @else {
                (thin("M192 4L196 8L192 12"))
            }
        }
    }
}

/// Three decimals; what is below them is said to be.
fn p_value(p: f64) -> String {
    if p < 0.001 { "< 0.001".to_owned() } else { format!("{p:.3}") }
}

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
pub(in crate::report) fn headline_html(page: &Page) -> Markup {
    let manifest = &page.record.manifest;
    let suite = &manifest.suite;
    html! {
        header { "\n"
            p.kicker { (manifest.scenario.name) " " span { "on " (suite.info.name) } } "\n"
            h1 { (title(page)) } "\n"
            p.standfirst { (standfirst(page)) } "\n"
            @if suite.info.simulated { (simulated()) }
            @if !suite.has_cost {
                p.notice {
                    strong { "This suite has no costs" } ": only quality is compared, and no curve is drawn."
                } "\n"
            }
            @if !manifest.scenario.description.is_empty() {
                p { (manifest.scenario.description) } "\n"
            }
            p.setting { (paragraph(&setting_md(page.record))) } "\n"
        } "\n"
    }
}

/// Said of a suite whose outcomes are simulated.
pub(in crate::report) fn simulated() -> Markup {
    html! {
        p.notice {
            strong { "The outcomes of this suite are simulated." }
            " Ranks and figures say nothing about real models."
        } "\n"
    }
}

fn title(page: &Page) -> Markup {
    let summary = page.summary;
    let leader = &summary.replicates[0].policies[page.leader];
    let routers = &page.record.manifest.scenario.routers;
    let n_routers = routers.iter().filter(|entry| entry.settings.traits().competes()).count();
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
    let evidence = compared(page.summary)?;
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
        text.push_str(&constants_within(page, metric));
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

/// Which policies that ignore the prompt lie within the interval of the best router; a paired comparison that tells it from them, which is
/// sharper, has the last word.
fn constants_within(page: &Page, metric: &Metric) -> String {
    let summary = page.summary;
    let leader = &summary.replicates[0].policies[page.leader];
    let Some(interval) = summary.find(leader.id, metric.name).and_then(|row| row.interval) else {
        return String::new();
    };
    let single = (PolicyId::Model(summary.replicates[0].best_single), "best-single", best_single(page));
    let zero = (PolicyId::Bound(Bound::ZeroRouter), Bound::ZeroRouter.name(), "the zero router".to_owned());
    let is_beaten = |rival: &str| {
        compared(summary).filter(|evidence| evidence.against == rival).is_some_and(|evidence| {
            let mut comparisons = evidence.comparisons.iter();
            comparisons.any(|it| it.router == leader.name && it.metric == metric && it.is_better())
        })
    };
    let is_within = |policy: PolicyId, rival: &str| {
        let value = summary.find(policy, metric.name).and_then(comparable);
        value.is_some_and(|value| interval.contains(value)) && !is_beaten(rival)
    };
    let within = [single, zero].into_iter().filter(|(policy, rival, _)| is_within(*policy, rival));
    let names: Vec<String> = within.map(|(.., name)| name.trim_end_matches(',').to_owned()).collect();
    if names.is_empty() {
        return String::new();
    }
    let (names, verb) = (names.join(" and of "), if names.len() == 1 { "ignores" } else { "ignore" });
    format!(
        "That interval holds the value of {names}, which {verb} the prompt: it may be no better than a constant. "
    )
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_whose_interval_leaves_out_zero_says_what_took_the_difference_back() {
        let verdict = |low: f64, p: f64, adjusted_p: f64| {
            let comparison = Comparison {
                router: "linear".into(),
                metric: crate::metrics::metric("aiq").unwrap(),
                is_primary: true,
                difference: 0.0061,
                interval: crate::statistics::Interval { low, high: 0.0117 },
                sign_flip_p: p,
                p,
                adjusted_p,
                overlap_p: None,
                standard_error: 0.003,
                training_variance: 0.0,
                smallest_detectable: 0.008,
                prompts: crate::statistics::paired::WinTieLoss::default(),
                effect: None,
            };
            Shown::of(&comparison).verdict
        };
        assert_eq!(verdict(0.0005, 0.03, 0.09), "not distinguished after correction");
        assert_eq!(verdict(0.0005, 0.06, 0.06), "not distinguished by sign flips");
        assert_eq!(verdict(-0.0005, 0.06, 0.18), "not distinguished");
        assert_eq!(verdict(0.0005, 0.01, 0.03), "better");
    }

    #[test]
    fn a_small_p_is_not_zero() {
        assert_eq!([0.0005, 0.001, 0.0496, 1.0].map(p_value), ["< 0.001", "0.001", "0.050", "1.000"]);
    }
}
