//! `report.md` of an online run, the parts of it that `report.html` shows too, and its main numbers for a terminal.

use std::fmt::Write;

use super::conditions;
use crate::evaluate::Verdict;
use crate::evaluate::online::off_policy::Estimator;
use crate::evaluate::online::{CLIP, OffPolicyRow, OnlineSummary, windows};
use crate::metrics::entry::Table as InTable;
use crate::metrics::online::{OnlineMetric, shown_in};
use crate::preference::DistributionKind;
use crate::record::online::{OnlineRecord, Phase};
use crate::report::markup::{Cell, Column, Table, cells, name, prose};
use crate::report::sections::setting::{expectations_md, prices_md, provenance_md};
use crate::report::sections::{Block, Part};
use crate::scenario::online::feedback::{Feedback, feedback_in_words};
use crate::statistics::interval::Spread;

/// What both reports show, in their order.
pub(super) fn parts(record: &OnlineRecord, summary: &OnlineSummary) -> Vec<Part> {
    let mut parts = vec![regret(record, summary)];
    parts.extend((record.phases.len() > 1).then(|| changes(record, summary)));
    parts.extend(conditions::part(record, summary));
    parts.push(learners(record));
    parts.extend((!summary.off_policy.is_empty()).then(|| estimates(summary)));
    parts
}

/// The page.
pub(super) fn report_md(record: &OnlineRecord, summary: &OnlineSummary, verdicts: &[Verdict]) -> String {
    let (manifest, suite) = (&record.manifest, &record.manifest.suite);
    let mut text =
        format!("# {}\n\n{}\n\n", name(&manifest.scenario.name), prose(&manifest.scenario.description));
    if suite.info.simulated {
        text.push_str(
            "**The outcomes of this suite are simulated.** Ranks and figures say nothing about real models.\n\n",
        );
    }
    text.push_str(&setting(record));
    text.push_str("\n\n![Cumulative regret](regret.svg)\n\n");
    parts(record, summary).iter().for_each(|part| text.push_str(&part.markdown()));
    text.push_str(&expectations_md(verdicts));
    text.push_str(&provenance_md(manifest.scenario.seed, &manifest.program_version, suite));
    text
}

fn regret(record: &OnlineRecord, summary: &OnlineSummary) -> Part {
    let mut legend = String::from(
        "Sums over all steps, means over orders with 95 % Student-t intervals over orders; the best learner is bold. Regret: \
         utility of the utility oracle less that of the choice, utility = score - w cost in cost units. Below zero, a learner \
         earned more than that reference. Last quarter: regret a step, in the last quarter of the steps. All orders hold the \
         same prompts: intervals speak of order, preferences, and chance, not of other prompts. In italics what is no learner: \
         `best-single` is chosen in hindsight, ",
    );
    legend.push_str(if record.manifest.warm_start.is_some() {
        "`best-single-warm` and `zero-router` by the warm start, `uniform` is a random choice in expectation."
    } else {
        "`zero-router` too, without a warm start to choose by; `uniform` is a random choice in expectation."
    });
    let blocks = vec![Block::Table(regrets(summary)), Block::Words(legend)];
    Part { id: "regret", title: "Regret", blocks }
}

/// What was run on what, in a paragraph.
pub(super) fn setting(record: &OnlineRecord) -> String {
    let (manifest, suite) = (&record.manifest, &record.manifest.suite);
    let mut text = format!(
        "Suite `{}`: {} arms, {} orders of {} steps. ",
        suite.info.name,
        suite.models.len(),
        record.orders.len(),
        manifest.n_steps
    );
    let _ = match &manifest.warm_start {
        Some(warm) => write!(
            text,
            "Before the first step the outcomes of all arms on {} other prompts may be looked at. ",
            warm.n_prompts
        ),
        None => write!(text, "Nothing is known before the first step. "),
    };
    let distribution = manifest.scenario.preferences.distribution;
    let _ = match &manifest.scenario.online.preference {
        Some(weights) if weights.len() == 1 => write!(text, "Preference w = {}. ", weights[0]),
        Some(weights) => write!(text, "Preferences w drawn from {weights:?}. "),
        None => write!(
            text,
            "Preferences w drawn {} from {} to {}, anew for every prompt. ",
            if distribution.kind == DistributionKind::Uniform { "evenly" } else { "evenly in ln w" },
            distribution.low,
            distribution.high
        ),
    };
    let online = &manifest.scenario.online;
    for words in feedback_in_words(&online.feedback, online.quota.as_ref()) {
        let _ = write!(text, "**{}{}.** ", words[..1].to_uppercase(), &words[1..]);
    }
    let _ = write!(text, "Contexts: {} numbers and the constant. ", record.contexts.width() - 1);
    let left_out = suite.left_out.in_words();
    if !left_out.is_empty() {
        let _ = write!(text, "{}{}. ", left_out[..1].to_uppercase(), &left_out[1..]);
    }
    if suite.cells_with_assumed_tokens > 0 {
        let tokens = manifest.scenario.cost.assume_output_tokens.unwrap_or_default();
        let _ = write!(text, "**Costs are assumed**: list prices with {tokens} output tokens an answer. ");
    }
    text.push_str(&prices_md(suite));
    if !suite.has_cost {
        text.push_str("**This suite has no costs**: utility is the score. ");
    }
    if let Some(encoder) = &suite.encoded_by {
        let _ = write!(text, "Embeddings: {encoder}. ");
    }
    let licence = manifest.scenario.licence.as_deref().unwrap_or(&suite.info.licence);
    if !licence.is_empty() {
        let _ = write!(text, "Licence of the data: {}. ", prose(licence));
    }
    text.truncate(text.trim_end().len());
    text
}

/// Every policy by the main metrics.
pub(super) fn regrets(summary: &OnlineSummary) -> Table {
    let metrics = shown_in(InTable::Main);
    let titles = metrics.iter().map(|online| Column::number(online.metric.title));
    let mut table = Table::new(std::iter::once(Column::text("policy")).chain(titles));
    let mean = |policy: &str, metric: &str| summary.find(policy, metric).map(|value| value.spread().mean);
    let least = |metric: &str| {
        let learners = summary.series.iter().filter(|series| !series.is_reference);
        learners.filter_map(|series| mean(&series.policy, metric)).min_by(f64::total_cmp)
    };
    for series in &summary.series {
        let cell = |online: &&OnlineMetric| {
            let metric = &online.metric;
            let Some(value) = summary.find(&series.policy, metric.name) else { return Cell::absent() };
            let spread = value.spread();
            let words = if online.is_sum { interval(spread, 1) } else { metric.shown(spread.mean) };
            let is_best = !series.is_reference && least(metric.name) == Some(spread.mean);
            Cell::from(words).strong_if(is_best && metric.is_headline)
        };
        let name = Cell::from(&series.policy).slanted_if(series.is_reference);
        table.row(std::iter::once(name).chain(metrics.iter().map(cell)).collect());
    }
    table
}

fn changes(record: &OnlineRecord, summary: &OnlineSummary) -> Part {
    let change = |phase: &Phase| format!("After {} steps: {}.", phase.from, phase.words.join("; "));
    let blocks = vec![
        Block::Numbered(record.phases.iter().skip(1).map(change).collect()),
        Block::Words("Regret a step just before a change, just after it, and in the end:".into()),
        Block::Table(around(record, summary)),
        Block::Words("Each window is a tenth of all steps, or the whole phase where that is shorter.".into()),
    ];
    Part { id: "changes", title: "Around the changes", blocks }
}

/// Every policy in the windows around changes.
pub(super) fn around(record: &OnlineRecord, summary: &OnlineSummary) -> Table {
    let windows = windows(record);
    let title = |(name, _): &(String, _)| {
        let title = name.trim_start_matches("regret-").replace("-change-", " ").replace('-', " ");
        Column::number(title)
    };
    let mut table = Table::new(std::iter::once(Column::text("policy")).chain(windows.iter().map(title)));
    for series in &summary.series {
        let cell = |(metric, _): &(String, _)| {
            let value = summary.find(&series.policy, metric);
            value.map_or_else(Cell::absent, |value| Cell::from(interval(value.spread(), 3)))
        };
        let name = Cell::from(&series.policy).slanted_if(series.is_reference);
        table.row(std::iter::once(name).chain(windows.iter().map(cell)).collect());
    }
    table
}

fn learners(record: &OnlineRecord) -> Part {
    let mut table = Table::new([
        Column::text("learner"),
        Column::number("outcomes before the first step"),
        Column::number("revealed an order"),
        Column::number("what the latter cost, USD"),
        Column::words("settings"),
    ]);
    for (entry, learner) in record.manifest.scenario.routers.iter().zip(&record.manifest.routers) {
        let n = learner.revealed.len() as f64;
        let revealed = learner.revealed.iter().map(|meter| meter.outcomes_seen as f64).sum::<f64>() / n;
        let dollars = learner.revealed.iter().map(|meter| meter.dollars).sum::<f64>() / n;
        let notes: Vec<String> =
            learner.notes.iter().map(|(name, value)| format!("{name} {value}")).collect();
        table.row(cells![
            &entry.label,
            learner.paid.outcomes_seen,
            format!("{revealed:.0}"),
            format!("{dollars:.4}"),
            notes.join(", "),
        ]);
    }
    let words = format!(
        "{} Settings that a scenario leaves open are tuned on the warm start; without one they have fixed defaults.",
        if record.manifest.scenario.online.feedback == Feedback::default() {
            "One outcome is revealed a step: that of the arm chosen."
        } else {
            "What is told in time of the outcomes of the arms chosen is counted."
        }
    );
    let blocks = vec![Block::Table(table), Block::Words(words)];
    Part { id: "learners", title: "What the learners were shown", blocks }
}

fn estimates(summary: &OnlineSummary) -> Part {
    let legend = format!(
        "Mean utility a step of fixed policies, estimated from the choices and probabilities of each learner that explores by \
         chance, against the truth on the same steps. Sample size: effective, as a share of the steps. Mean weight: \
         1 where the log could have taken whatever the target takes; what is lacking is the share of the target that the log never \
         takes, of which no estimate says anything (no overlap). Clipped: steps whose weight is above {CLIP}. DM, IPS, SNIPS, DR: root mean squared error over orders. DR error: mean and 95 % interval over \
         orders. DR covers: orders whose own 95 % interval holds the truth. Where the sample size is a few per cent, the log \
         says nearly nothing of the target: an interval from it is not to be trusted."
    );
    let blocks = vec![Block::Table(estimate_table(summary)), Block::Words(legend)];
    Part { id: "estimates", title: "Estimates of other policies from the logs", blocks }
}

/// Every logger and target policy with the errors of every estimator.
pub(super) fn estimate_table(summary: &OnlineSummary) -> Table {
    let names = ["logged by", "target"].map(Column::text);
    let numbers = [
        "truth",
        "sample size, %",
        "mean weight",
        "clipped, %",
        "DM",
        "IPS",
        "SNIPS",
        "DR",
        "DR clipped",
        "DR error",
        "DR covers, %",
    ];
    let mut table = Table::new(names.into_iter().chain(numbers.map(Column::number)));
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for OffPolicyRow { logger, target, .. } in &summary.off_policy {
        if seen.contains(&(logger.as_str(), *target)) {
            continue;
        }
        seen.push((logger.as_str(), *target));
        let find = |estimator: Estimator, clip: f64| {
            summary.off_policy.iter().find(|row| {
                (row.logger == *logger && row.target == *target)
                    && (row.estimator == estimator && row.clip == clip)
            })
        };
        let rmse = |estimator: Estimator, clip: f64| {
            find(estimator, clip).map_or_else(String::new, |row| format!("{:.4}", row.rmse))
        };
        let Some(dr) = find(Estimator::DoublyRobust, f64::INFINITY) else { continue };
        table.row(cells![
            logger,
            *target,
            format!("{:.4}", dr.truth),
            format!("{:.1}", 100.0 * dr.effective_share),
            format!("{:.3}", dr.mean_weight),
            format!("{:.1}", 100.0 * dr.clipped_share),
            rmse(Estimator::Direct, f64::INFINITY),
            rmse(Estimator::InversePropensity, f64::INFINITY),
            rmse(Estimator::SelfNormalised, f64::INFINITY),
            rmse(Estimator::DoublyRobust, f64::INFINITY),
            rmse(Estimator::DoublyRobust, CLIP),
            if dr.is_supported {
                interval(dr.error, 4)
            } else {
                format!("no overlap for {:.0} %", missing(dr))
            },
            if dr.is_supported { format!("{:.0}", 100.0 * dr.coverage) } else { "-".to_owned() },
        ]);
    }
    table
}

/// The share of a target policy that the log never takes, in per cent.
fn missing(row: &OffPolicyRow) -> f64 {
    100.0 * (1.0 - row.mean_weight)
}

/// `mean [low, high]`.
pub(super) fn interval(spread: Spread, decimals: usize) -> String {
    format!("{:.decimals$} [{:.decimals$}, {:.decimals$}]", spread.mean, spread.low, spread.high)
}

/// The main numbers of every router and reference, aligned for a terminal.
pub fn overview(record: &OnlineRecord, summary: &OnlineSummary) -> String {
    let manifest = &record.manifest;
    let simulated = if manifest.suite.info.simulated { " (simulated outcomes)" } else { "" };
    let mut text = format!("{}: {}{simulated}\n", manifest.scenario.name, manifest.suite.info.name);
    let mut table = Table::new([
        Column::text("router").width(24),
        Column::number("regret [95 %]").width(24),
        Column::number("last quarter").width(14),
        Column::number("score").width(10),
    ]);
    for series in &summary.series {
        let spread = |metric: &str| summary.find(&series.policy, metric).map(|value| value.spread());
        let mark = if series.is_reference { "* " } else { "" };
        let number = |metric: &str| spread(metric).map_or_else(String::new, |s| format!("{:.4}", s.mean));
        table.row(cells![
            format!("{mark}{}", series.policy),
            spread("regret").map_or_else(String::new, |s| interval(s, 1)),
            number("last-quarter-regret"),
            number("score"),
        ]);
    }
    text.push_str(&table.lines("").join("\n"));
    text.push_str("\n* references: they look at outcomes, or ignore the prompt");
    text
}
