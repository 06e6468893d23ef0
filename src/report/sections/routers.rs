//! Routers and bounds by the main metrics, by those of a pair, and by further ones; single models; and what the routers learned
//! from.

use maud::{Markup, html};

use super::mixes;
use super::{Page, Section, dollars, small};
use crate::evaluate::{PolicyKind, Summary};
use crate::metrics::table::{self, Table as Group, shown_in};
use crate::preference::DistributionKind;
use crate::record::Record;
use crate::report::markup::{Cell, Column, Table, cells};
use crate::report::table::{ModelLine, main_columns, model_lines, policies, published_columns};
use crate::router::MODEL_NUMBER_NOTE;

/// By the main metrics.
pub(in crate::report) fn main(record: &Record, summary: &Summary, page: Option<&Page>) -> Table {
    policies(summary, &main_columns(record), &PolicyKind::IN_TABLES, marks(page))
}

/// By those of a pair; `None` where there are not two candidates with costs.
pub(in crate::report) fn pair(record: &Record, summary: &Summary, page: Option<&Page>) -> Option<Table> {
    let suite = &record.manifest.suite;
    (suite.has_cost && suite.models.len() == 2)
        .then(|| policies(summary, &shown_in(Group::Pair), &PolicyKind::IN_TABLES[..2], marks(page)))
}

/// By lower scores, and whether w does what it should; `None` without costs.
fn further(record: &Record, summary: &Summary, page: Option<&Page>) -> Option<Table> {
    record
        .manifest
        .suite
        .has_cost
        .then(|| policies(summary, &shown_in(Group::Further), &PolicyKind::IN_TABLES, marks(page)))
}

/// By what other benchmarks publish.
fn published(record: &Record, summary: &Summary, page: Option<&Page>) -> (Table, String) {
    let columns = published_columns(record);
    (policies(summary, &columns, &PolicyKind::IN_TABLES, marks(page)), table::legend(&columns))
}

/// What the columns of a table mean.
fn legend_of(table: Group) -> String {
    table::legend(&shown_in(table))
}

/// What stands before the names of policies on a page.
fn marks<'a>(page: Option<&'a Page>) -> Option<&'a [Markup]> {
    page.map(|page| &page.marks[..])
}

/// Below the table of routers.
fn legend(record: &Record, summary: &Summary) -> String {
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
        legend_of(Group::Main),
        match distribution.kind {
            DistributionKind::Uniform => "uniform",
            DistributionKind::LogUniform => "log-uniform",
        },
        distribution.low,
        distribution.high,
    )
}

/// The main table.
pub(in crate::report) fn main_md(record: &Record, summary: &Summary) -> String {
    let table = main(record, summary, None).markdown();
    format!("## Routers\n\n{table}\n{}\n\n", legend(record, summary))
}

/// The table of the pair; empty where there is none.
pub(in crate::report) fn pair_md(record: &Record, summary: &Summary) -> String {
    let section =
        |table: Table| format!("## The pair\n\n{}\n{}\n\n", table.markdown(), legend_of(Group::Pair));
    pair(record, summary, None).map_or_else(String::new, section)
}

/// The table of further metrics; empty where there is none.
pub(in crate::report) fn further_md(record: &Record, summary: &Summary) -> String {
    let section = |table: Table| {
        format!("## Lower scores, and the dial\n\n{}\n{}\n\n", table.markdown(), legend_of(Group::Further))
    };
    further(record, summary, None).map_or_else(String::new, section)
}

/// The table of what other benchmarks publish.
pub(in crate::report) fn published_md(record: &Record, summary: &Summary) -> String {
    let (table, legend) = published(record, summary, None);
    format!("## As other benchmarks measure\n\n{}\n{legend}\n\n", table.markdown())
}

/// The table of what other benchmarks publish.
pub(in crate::report) fn published_html(page: &Page) -> Section {
    let (table, legend) = published(page.record, page.summary, Some(page));
    let body = html! { (table.html(None)) (small(&legend)) };
    Section::new("published", "As other benchmarks measure", body)
}

/// The main table and that of the pair.
pub(in crate::report) fn main_html(page: &Page) -> Vec<Section> {
    let (record, summary) = (page.record, page.summary);
    let table = main(record, summary, Some(page)).html(None);
    let first =
        Section::new("routers", "Routers and bounds", html! { (table) (small(&legend(record, summary))) });
    let pair = pair(record, summary, Some(page)).map(|table| {
        Section::new("pair", "The pair", html! { (table.html(None)) (small(&legend_of(Group::Pair))) })
    });
    std::iter::once(first).chain(pair).collect()
}

/// The table of further metrics.
pub(in crate::report) fn further_html(page: &Page) -> Option<Section> {
    further(page.record, page.summary, Some(page)).map(|table| {
        Section::new(
            "further",
            "Lower scores, and the dial",
            html! { (table.html(None)) (small(&legend_of(Group::Further))) },
        )
    })
}

/// The candidates, the best first; on a page with the shade that each has in mixes.
fn models(record: &Record, summary: &Summary, page: Option<&Page>) -> Table {
    let cost_title =
        if page.is_some() { "USD per 1,000 prompts" } else { "mean cost, USD per 1,000 prompts" };
    let mut table =
        Table::new([Column::text("model"), Column::number("mean score"), Column::number(cost_title)]);
    for ModelLine { name, model, score, cost_usd } in model_lines(record, summary) {
        let name = match page {
            Some(page) => {
                let rank = page.by_cost.iter().position(|other| *other == model).unwrap_or_default();
                let shade = html! { i.shade style=(mixes::shade(page, rank)) {} };
                Cell::from(name).after(shade)
            }
            None => Cell::from(name),
        };
        let cost = |usd: f64| Cell::from(dollars(usd)).exact(usd);
        let cost = cost_usd.map_or_else(|| Cell::placeholder("unknown"), cost);
        table.row(vec![name, Cell::from(format!("{score:.4}")).exact(score), cost]);
    }
    table
}

/// What the training of each router paid and found out, in replicate 0.
fn trainings(record: &Record, page: Option<&Page>) -> Table {
    let mut table = Table::new([
        Column::text("router"),
        Column::number("outcomes seen"),
        Column::number("what they cost, USD"),
        Column::words("settings found (replicate 0)"),
    ]);
    let manifest = &record.manifest;
    let routers = manifest.scenario.routers.iter().zip(&manifest.replicates[0].routers);
    for (position, (entry, training)) in routers.enumerate() {
        let notes = training.notes.iter().map(|(name, value)| note(record, name, value));
        let found = notes.collect::<Vec<String>>().join(", ");
        let usd = if manifest.suite.has_cost {
            format!("{:.2}", training.paid.dollars)
        } else {
            "unknown".to_owned()
        };
        let label = Cell::from(&entry.label);
        let label = if let Some(page) = page { label.after(page.mark(position)) } else { label };
        table.row(cells![label, training.paid.outcomes_seen, usd, found]);
    }
    table
}

/// What was found out in training, with the model's name where the router knew only its number.
fn note(record: &Record, name: &str, value: &str) -> String {
    let model = (name == MODEL_NUMBER_NOTE)
        .then(|| value.parse().ok().and_then(|number: usize| record.manifest.suite.models.get(number)))
        .flatten();
    model.map_or_else(|| format!("{name} {value}"), |model| format!("model `{model}`"))
}

/// Single models.
pub(in crate::report) fn models_md(record: &Record, summary: &Summary) -> String {
    format!("## Single models\n\n{}\n", models(record, summary, None).markdown())
}

/// What the routers learned from.
pub(in crate::report) fn trainings_md(record: &Record) -> String {
    format!("## What the routers learned from\n\n{}\n", trainings(record, None).markdown())
}

/// Single models.
pub(in crate::report) fn models_html(page: &Page) -> Section {
    Section::new("models", "Single models", models(page.record, page.summary, Some(page)).html(None))
}

/// What the routers learned from.
pub(in crate::report) fn trainings_html(page: &Page) -> Section {
    Section::new("learned", "What the routers learned from", trainings(page.record, Some(page)).html(None))
}
