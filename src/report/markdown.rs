//! `report.md`: the tables a person reads, the best router of each column in bold, bounds below a rule.

use std::fmt::Write;

use super::evidence::{self, EvidenceLine};
use super::paragraphs::{expectations_md, prices_md, provenance_md, stress_words};
use super::table::{ABSENT, Cell, Spread, Standing, lines, main_columns, model_lines, published_columns};
use super::unseen::unseen_md;
use crate::evaluate::{PolicyKind, Summary, Verdict};
use crate::metrics::Metric;
use crate::metrics::table::{self, Table, shown_in};
use crate::record::Record;
use crate::router::MODEL_NUMBER_NOTE;
use crate::suite::CostBasis;

/// The whole report.
pub(super) fn report_md(record: &Record, summary: &Summary, verdicts: &[Verdict]) -> String {
    let manifest = &record.manifest;
    let suite = &manifest.suite;
    let mut text = format!("# {}\n\n{}\n\n", manifest.scenario.name, manifest.scenario.description);
    if suite.info.simulated {
        text.push_str("**The outcomes of this suite are simulated.** Ranks and figures say nothing about real models.\n\n");
    }
    text.push_str(&setting(record));
    if let Some((words, file)) = stress_words(manifest) {
        let _ = write!(text, "{words} [{file}]({file}).\n\n");
    }
    if suite.has_cost {
        text.push_str("![Score against cost](pareto.svg)\n\n");
    } else {
        text.push_str("**This suite has no costs**: only quality is compared, and no curve is drawn.\n\n");
    }
    text.push_str("## Routers\n\n");
    table(&mut text, summary, &main_columns(record), &PolicyKind::IN_TABLES);
    text.push_str(&legend(record, summary));
    text.push_str("\n\n");
    comparisons(&mut text, record, summary);
    if suite.has_cost && suite.models.len() == 2 {
        text.push_str("## The pair\n\n");
        table(&mut text, summary, &shown_in(Table::Pair), &PolicyKind::IN_TABLES[..2]);
        let _ = write!(text, "{}\n\n", table::legend(&shown_in(Table::Pair)));
    }
    if suite.has_cost {
        text.push_str("![Normalised utility against preference](utility.svg)\n\n");
    }
    if suite.has_cost {
        text.push_str("## Lower scores, and the dial\n\n");
        table(&mut text, summary, &shown_in(Table::Further), &PolicyKind::IN_TABLES);
        let _ = write!(text, "{}\n\n", table::legend(&shown_in(Table::Further)));
    }
    text.push_str("## As other benchmarks measure\n\n");
    let published = published_columns(record);
    table(&mut text, summary, &published, &PolicyKind::IN_TABLES);
    let _ = write!(text, "{}\n\n", table::legend(&published));
    text.push_str("## Single models\n\n");
    models(&mut text, record, summary);
    text.push_str(&unseen_md(record));
    text.push_str("## What the routers learned from\n\n");
    trainings(&mut text, record);
    text.push_str(&expectations_md(verdicts));
    text.push_str(&provenance_md(manifest.scenario.seed, &manifest.program_version, suite));
    text
}

/// What was run on what, in a paragraph.
pub(super) fn setting(record: &Record) -> String {
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
    if let Some(encoder) = &suite.encoded_by {
        let _ = write!(text, "Embeddings: {encoder}. ");
    }
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

/// Below the table of routers.
pub(super) fn legend(record: &Record, summary: &Summary) -> String {
    let distribution = record.manifest.scenario.preferences.distribution;
    let best = if summary.evidence.is_some() {
        "Means over replicates [95 % interval], or \u{b1} standard deviation between replicates. Bold: the best router of a \
         column; \u{2020}: cannot be distinguished from it (p at least 0.05, adjusted by Holm). Nobody is marked where that holds for all."
    } else {
        "Means over replicates \u{b1} standard deviation between them. Bold: the best router of a column."
    };
    if !record.manifest.suite.has_cost {
        return best.to_owned();
    }
    format!(
        "{best} k/n: reached in k of n replicates. Bounds look at outcomes or ignore the prompt. {} Preferences w: a {} \
         distribution from {} to {}.",
        table::legend(&shown_in(Table::Main)),
        match distribution.kind {
            crate::preference::DistributionKind::Uniform => "uniform",
            crate::preference::DistributionKind::LogUniform => "log-uniform",
        },
        distribution.low,
        distribution.high,
    )
}

/// One row a policy of these kinds, with a rule between kinds.
fn table(text: &mut String, summary: &Summary, columns: &[&Metric], kinds: &[PolicyKind]) {
    text.push_str("| router |");
    columns.iter().for_each(|column| {
        let _ = write!(text, " {} |", column.title);
    });
    text.push_str("\n|---|");
    columns.iter().for_each(|_| text.push_str("---:|"));
    text.push('\n');
    for &kind in kinds {
        let lines = lines(summary, columns, kind);
        if kind != PolicyKind::Router && !lines.is_empty() {
            let _ = writeln!(text, "| *{}* |{}", kind.heading(), " |".repeat(columns.len()));
        }
        for line in lines {
            let _ = write!(text, "| {} |", line.policy);
            for cell in &line.cells {
                let _ = write!(text, " {} |", words(cell));
            }
            text.push('\n');
        }
    }
    text.push('\n');
}

fn words(cell: &Cell) -> String {
    let Some(value) = &cell.value else { return cell.placeholder().to_owned() };
    let mut words = match cell.standing {
        Standing::Best => format!("**{}**", value.mean),
        Standing::Alike => format!("{}\u{2020}", value.mean),
        Standing::Other => value.mean.clone(),
    };
    let _ = match &value.spread {
        Some(Spread::Interval([low, high])) => write!(words, " [{low}, {high}]"),
        Some(Spread::Deviation(deviation)) => write!(words, " \u{b1} {deviation}"),
        None => Ok(()),
    };
    if let Some((n, of)) = value.reached {
        let _ = write!(words, " ({n}/{of})");
    }
    words
}

/// Every router against the rival; nothing where nobody was compared.
fn comparisons(text: &mut String, record: &Record, summary: &Summary) {
    let Some(evidence) = evidence::compared(summary) else { return };
    let _ = writeln!(text, "## How sure that is\n\n{}\n", evidence::in_words(evidence));
    let _ =
        writeln!(text, "| router | {} |\n|---|---:|---:|---|---:|---:|---:|", evidence::TITLES.join(" | "));
    for line in evidence::primary_lines(evidence) {
        let _ = writeln!(text, "| {} {}", line.router, compared(&line));
    }
    let columns = main_columns(record);
    let titles: Vec<&str> = columns.iter().map(|column| column.title).collect();
    let _ = writeln!(
        text,
        "\nDifference (adjusted p) on the other metrics; bold where it is told from zero:\n\n| router | {} |\n|---|{}",
        titles.join(" | "),
        "---:|".repeat(columns.len())
    );
    for (router, cells) in evidence::matrix(evidence, &columns) {
        let words = |cell: &Option<EvidenceLine>| match cell {
            Some(EvidenceLine { difference, adjusted_p, is_told_apart: true, .. }) => {
                format!("**{difference}** ({adjusted_p})")
            }
            Some(EvidenceLine { difference, adjusted_p, .. }) => format!("{difference} ({adjusted_p})"),
            None => ABSENT.to_owned(),
        };
        let cells: Vec<String> = cells.iter().map(words).collect();
        let _ = writeln!(text, "| {router} | {} |", cells.join(" | "));
    }
    let _ = writeln!(text, "\n{}\n", evidence::legend(evidence));
}

fn compared(line: &EvidenceLine) -> String {
    let EvidenceLine { difference, bounds: [low, high], adjusted_p, verdict, prompts, .. } = line;
    format!(
        "| {difference} [{low}, {high}] | {adjusted_p} | {verdict} | {} / {} / {} | {} | {} |",
        prompts.wins, prompts.ties, prompts.losses, line.effect, line.smallest_detectable
    )
}

fn models(text: &mut String, record: &Record, summary: &Summary) {
    text.push_str("| model | mean score | mean cost, USD per 1,000 prompts |\n|---|---:|---:|\n");
    for line in model_lines(record, summary) {
        let cost = line.cost_usd.map_or_else(|| "unknown".to_owned(), |cost| format!("{cost:.4}"));
        let _ = writeln!(text, "| {} | {:.4} | {cost} |", line.name, line.score);
    }
    text.push('\n');
}

fn trainings(text: &mut String, record: &Record) {
    text.push_str("| router | outcomes seen | what they cost, USD | settings found (replicate 0) |\n|---|---:|---:|---|\n");
    for TrainingLine { label, outcomes_seen, dollars, found } in training_lines(record) {
        let _ = writeln!(text, "| {label} | {outcomes_seen} | {dollars} | {found} |");
    }
    text.push('\n');
}

/// What the training of a router paid and found out, in replicate 0.
pub(super) struct TrainingLine<'a> {
    pub(super) label: &'a str,
    pub(super) outcomes_seen: usize,
    /// What these cost in US dollars, where that is known.
    pub(super) dollars: String,
    pub(super) found: String,
}

/// One line a router, in scenario order.
pub(super) fn training_lines(record: &Record) -> Vec<TrainingLine<'_>> {
    let mut lines = Vec::new();
    for (entry, training) in
        record.manifest.scenario.routers.iter().zip(&record.manifest.replicates[0].routers)
    {
        let notes: Vec<String> =
            training.notes.iter().map(|(name, value)| note(record, name, value)).collect();
        let dollars = if record.manifest.suite.has_cost {
            format!("{:.2}", training.paid.dollars)
        } else {
            "unknown".into()
        };
        lines.push(TrainingLine {
            label: &entry.label,
            outcomes_seen: training.paid.outcomes_seen,
            dollars,
            found: notes.join(", "),
        });
    }
    lines
}

/// What was found out in training, with the model's name where the router knew only its number.
fn note(record: &Record, name: &str, value: &str) -> String {
    let model = (name == MODEL_NUMBER_NOTE)
        .then(|| value.parse().ok().and_then(|number: usize| record.manifest.suite.models.get(number)))
        .flatten();
    model.map_or_else(|| format!("{name} {value}"), |model| format!("model `{model}`"))
}
