//! `report.md`: the tables a person reads, the best router of each column in bold, bounds below a rule.

use std::fmt::Write;

use super::prices::prices_md;
use super::unseen::unseen_md;
use crate::evaluate::{PolicyKind, Row, Summary, Verdict};
use crate::record::Record;
use crate::router::MODEL_NUMBER_NOTE;
use crate::suite::CostBasis;

/// A column of a table of policies.
struct Column {
    title: &'static str,
    metric: &'static str,
    /// Which end is best.
    best: Best,
    /// Shown times this, with so many decimals.
    scale: f64,
    decimals: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Best {
    Highest,
    Lowest,
}

const fn column(
    title: &'static str,
    metric: &'static str,
    best: Best,
    scale: f64,
    decimals: usize,
) -> Column {
    Column { title, metric, best, scale, decimals }
}

/// Stands where a metric is not defined.
const ABSENT: &str = "\u{2013}";

const QUALITY: [Column; 2] = [
    column("score at w = 0", "score-at-w0", Best::Highest, 1.0, 4),
    column("best score", "best-score", Best::Highest, 1.0, 4),
];

const MAIN: [Column; 6] = [
    column("AIQ", "aiq", Best::Highest, 1.0, 4),
    column("normalised utility", "normalised-utility", Best::Highest, 1.0, 4),
    column("score at w = 0", "score-at-w0", Best::Highest, 1.0, 4),
    column("QNC, %", "qnc", Best::Lowest, 100.0, 1),
    column("cost at 99 % score, %", "cost-share-at-99", Best::Lowest, 100.0, 1),
    column("saving at 99 % score, %", "saving-at-99", Best::Highest, 100.0, 1),
];

const FURTHER: [Column; 5] = [
    column("cost at 95 % score, %", "cost-share-at-95", Best::Lowest, 100.0, 1),
    column("largest utility loss", "maximum-utility-loss", Best::Lowest, 1.0, 4),
    column("rank correlation of w and cost", "cost-preference-rho", Best::Lowest, 1.0, 3),
    column("inversions", "cost-inversions", Best::Lowest, 1.0, 1),
    column("points on the front", "distinct-points", Best::Highest, 1.0, 1),
];

const PAIR: [Column; 4] = [
    column("APGR", "apgr", Best::Highest, 1.0, 4),
    column("CPT(20 %), %", "cpt-20", Best::Lowest, 100.0, 1),
    column("CPT(50 %), %", "cpt-50", Best::Lowest, 100.0, 1),
    column("CPT(80 %), %", "cpt-80", Best::Lowest, 100.0, 1),
];

/// The whole report.
pub(super) fn report_md(record: &Record, summary: &Summary, verdicts: &[Verdict]) -> String {
    let manifest = &record.manifest;
    let suite = &manifest.suite;
    let mut text = format!("# {}\n\n{}\n\n", manifest.scenario.name, manifest.scenario.description);
    if suite.info.simulated {
        text.push_str("**The outcomes of this suite are simulated.** Ranks and figures say nothing about real models.\n\n");
    }
    text.push_str(&setting(record));
    if suite.has_cost {
        text.push_str("![Score against cost](pareto.svg)\n\n");
    } else {
        text.push_str("**This suite has no costs**: only quality is compared, and no curve is drawn.\n\n");
    }
    let columns = if suite.has_cost { &MAIN[..] } else { &QUALITY[..] };
    text.push_str("## Routers\n\n");
    table(&mut text, summary, columns, &[PolicyKind::Router, PolicyKind::Bound]);
    text.push_str(&legend(record));
    if suite.has_cost && suite.models.len() == 2 {
        text.push_str("## The pair\n\n");
        table(&mut text, summary, &PAIR, &[PolicyKind::Router]);
        text.push_str(
            "APGR: mean performance gap recovered over the share of calls to the strong model (trapezoid; calling only \
             one of the two is always possible, so both ends are part of every curve). CPT(x): least share of strong \
             calls that recovers x of the gap. The strong model is the one with the better development score.\n\n",
        );
    }
    if suite.has_cost {
        text.push_str("![Normalised utility against preference](utility.svg)\n\n");
    }
    if suite.has_cost {
        text.push_str("## Lower scores, and the dial\n\n");
        table(&mut text, summary, &FURTHER, &[PolicyKind::Router, PolicyKind::Bound]);
        text.push_str(
            "Largest utility loss: against the utility oracle, at the worst w for the router. The last three say whether w \
             moves the cost as it should: -1 is a perfect rank correlation; inversions are pairs of preferences of which \
             the thriftier costs more; points on the front are what there is to choose from.\n\n",
        );
    }
    text.push_str("## Single models\n\n");
    models(&mut text, record, summary);
    text.push_str(&unseen_md(record));
    text.push_str("## What the routers learned from\n\n");
    trainings(&mut text, record);
    if !verdicts.is_empty() {
        text.push_str("## Expectations\n\n");
        for verdict in verdicts {
            let _ = writeln!(
                text,
                "- {}: {}",
                if verdict.holds { "holds" } else { "**not met**" },
                verdict.words
            );
        }
        text.push('\n');
    }
    let _ = writeln!(
        text,
        "Seed {}, llm-bandit {}, suite {} (SHA-256 {}). Rebuild every table and figure from the record in this folder \
         with `llm-bandit report`.",
        manifest.scenario.seed,
        manifest.program_version,
        suite.info.name,
        &suite.content_hash[..16.min(suite.content_hash.len())],
    );
    text
}

fn setting(record: &Record) -> String {
    let manifest = &record.manifest;
    let (suite, first) = (&manifest.suite, &manifest.replicates[0]);
    let mut text = format!(
        "Suite `{}`: {} candidates; {} training, {} validation, and {} test prompts a replicate; {} replicates. ",
        suite.info.name,
        suite.models.len(),
        first.n_training,
        first.n_validation,
        first.n_test,
        manifest.replicates.len(),
    );
    let left_out = suite.left_out.in_words();
    if !left_out.is_empty() {
        let _ = write!(text, "{}{}. ", left_out[..1].to_uppercase(), &left_out[1..]);
    }
    let basis = suite.cost_basis;
    if suite.cells_with_assumed_tokens > 0 {
        let tokens = manifest.scenario.cost.assume_output_tokens.unwrap_or_default();
        let _ = write!(text, "**Costs are assumed**: list prices with {tokens} output tokens an answer. ");
    } else if suite.has_cost {
        let _ = write!(text, "Costs: {}. ", shares(basis));
    }
    text.push_str(&prices_md(&record.manifest.suite));
    if !suite.info.licence.is_empty() {
        let _ = write!(text, "Licence of the data: {}. ", suite.info.licence);
    }
    text.truncate(text.trim_end().len());
    text.push_str("\n\n");
    text
}

/// Where the costs come from, leaving out what does not occur.
fn shares(basis: CostBasis) -> String {
    let CostBasis { recorded, list_price, unknown } = basis;
    let kinds = [(recorded, "as recorded"), (list_price, "tokens times list price"), (unknown, "unknown")];
    let total = (recorded + list_price + unknown).max(1) as f64;
    let present: Vec<(usize, &str)> = kinds.into_iter().filter(|(n, _)| *n > 0).collect();
    if let [(_, only)] = present[..] {
        return only.to_owned();
    }
    let share = |(n, words): (usize, &str)| format!("{:.1} % {words}", 100.0 * n as f64 / total);
    present.into_iter().map(share).collect::<Vec<_>>().join(", ")
}

fn legend(record: &Record) -> String {
    let distribution = record.manifest.scenario.preferences.distribution;
    if !record.manifest.suite.has_cost {
        return "Means over replicates, with their standard deviation where there are several.\n\n".into();
    }
    format!(
        "Means over replicates \u{b1} standard deviation between them; k/n: reached in k of n replicates. The best router of \
         a column is bold; bounds look at outcomes or ignore the prompt. AIQ: mean height of the hull from the cheapest \
         to the dearest single model, the cheapest joined to every curve. Normalised utility: 0 is a random model, 1 the \
         utility oracle; mean over a {} distribution of w from {} to {}. QNC and cost at x %: least cost that reaches the \
         score of the best single model (chosen on development prompts), or x % of it, as a share of that model's cost, \
         on the hull. Saving: that cost against the zero router's at the same score.\n\n",
        match distribution.kind {
            crate::preference::DistributionKind::Uniform => "uniform",
            crate::preference::DistributionKind::LogUniform => "log-uniform",
        },
        distribution.low,
        distribution.high,
    )
}

/// One row a policy of these kinds, with a rule between kinds.
fn table(text: &mut String, summary: &Summary, columns: &[Column], kinds: &[PolicyKind]) {
    text.push_str("| router |");
    columns.iter().for_each(|column| {
        let _ = write!(text, " {} |", column.title);
    });
    text.push_str("\n|---|");
    columns.iter().for_each(|_| text.push_str("---:|"));
    text.push('\n');
    let winners: Vec<Option<f64>> = columns.iter().map(|column| winner(summary, column)).collect();
    for (at, &kind) in kinds.iter().enumerate() {
        if at > 0 {
            let _ = writeln!(text, "| *bounds* |{}", " |".repeat(columns.len()));
        }
        let first = &summary.replicates[0].policies;
        for policy in first.iter().filter(|policy| policy.kind == kind) {
            let _ = write!(text, "| {} |", policy.name);
            for (column, winner) in columns.iter().zip(&winners) {
                let row = summary.find(&policy.name, column.metric);
                let cell = row.map_or_else(|| ABSENT.to_owned(), |row| cell(row, column));
                let mean = mean(summary, &policy.name, column.metric);
                let is_best = kind == PolicyKind::Router && winner.is_some() && mean == *winner;
                let _ = if is_best { write!(text, " **{cell}** |") } else { write!(text, " {cell} |") };
            }
            text.push('\n');
        }
    }
    text.push('\n');
}

fn mean(summary: &Summary, policy: &str, metric: &str) -> Option<f64> {
    let row = summary.find(policy, metric)?;
    let aggregate = row.aggregate()?;
    // A mean over only the replicates that reached a score is not comparable.
    (aggregate.n == row.values.len()).then_some(aggregate.mean)
}

/// The best mean among routers that reached the metric in every replicate; `None` where all share it.
fn winner(summary: &Summary, column: &Column) -> Option<f64> {
    let routers = summary.replicates[0].policies.iter().filter(|policy| policy.kind == PolicyKind::Router);
    let means: Vec<Option<f64>> = routers.map(|policy| mean(summary, &policy.name, column.metric)).collect();
    let known = means.iter().flatten().copied();
    let best = match column.best {
        Best::Highest => known.max_by(f64::total_cmp),
        Best::Lowest => known.min_by(f64::total_cmp),
    };
    best.filter(|_| means.iter().any(|mean| *mean != best))
}

fn cell(row: &Row, column: &Column) -> String {
    let Some(aggregate) = row.aggregate() else {
        let can_be_reached =
            ["qnc", "cost-share-", "saving-", "cpt-"].iter().any(|m| column.metric.starts_with(m));
        return if can_be_reached { "not reached" } else { ABSENT }.to_owned();
    };
    let (mean, deviation) = (aggregate.mean * column.scale, aggregate.deviation * column.scale);
    let mut cell = format!("{mean:.*}", column.decimals);
    if aggregate.n > 1 {
        let _ = write!(cell, " \u{b1} {deviation:.*}", column.decimals);
    }
    if aggregate.n < row.values.len() {
        let _ = write!(cell, " ({}/{})", aggregate.n, row.values.len());
    }
    cell
}

fn models(text: &mut String, record: &Record, summary: &Summary) {
    text.push_str("| model | mean score | mean cost, USD per 1,000 prompts |\n|---|---:|---:|\n");
    let n_replicates = summary.replicates.len() as f64;
    let over_replicates = |value: &dyn Fn(&crate::evaluate::Evaluated) -> f64| -> f64 {
        summary.replicates.iter().map(value).sum::<f64>() / n_replicates
    };
    let mut rows: Vec<(f64, String)> = (record.manifest.suite.models.iter().enumerate())
        .map(|(model, name)| {
            let score = over_replicates(&|evaluated| evaluated.models[model].score);
            let cost = over_replicates(&|evaluated| evaluated.models[model].cost_usd * 1000.0);
            let cost = if record.manifest.suite.has_cost { format!("{cost:.4}") } else { "unknown".into() };
            (score, format!("| {name} | {score:.4} | {cost} |\n"))
        })
        .collect();
    rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    rows.iter().for_each(|(_, row)| text.push_str(row));
    text.push('\n');
}

fn trainings(text: &mut String, record: &Record) {
    text.push_str("| router | outcomes seen | what they cost, USD | settings found (replicate 0) |\n|---|---:|---:|---|\n");
    for (at, entry) in record.manifest.scenario.routers.iter().enumerate() {
        let training = &record.manifest.replicates[0].routers[at];
        let notes: Vec<String> =
            training.notes.iter().map(|(name, value)| note(record, name, value)).collect();
        let dollars = if record.manifest.suite.has_cost {
            format!("{:.2}", training.paid.dollars)
        } else {
            "unknown".into()
        };
        let seen = training.paid.outcomes_seen;
        let _ = writeln!(text, "| {} | {seen} | {dollars} | {} |", entry.label, notes.join(", "));
    }
    text.push('\n');
}

/// What was found out in training, with the model's name where the router knew only its number.
fn note(record: &Record, name: &str, value: &str) -> String {
    let model = (name == MODEL_NUMBER_NOTE)
        .then(|| value.parse().ok().and_then(|number: usize| record.manifest.suite.models.get(number)))
        .flatten();
    model.map_or_else(|| format!("{name} {value}"), |model| format!("model `{model}`"))
}
