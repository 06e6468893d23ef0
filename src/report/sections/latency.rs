//! Score, dollars, and seconds apart, where latency is an objective: a table, and a figure for each pair.

use maud::html;

use super::charts::figure;
use super::mixes::opens_at;
use super::{Page, Section, dollars, small, weight};
use crate::evaluate::{Latencies, Summary, Waited};
use crate::record::Record;
use crate::report::figures;
use crate::report::markup::{Cell, Column, Table};
use crate::report::plot::{Figure, OnPage, ParetoChart};

const TITLE: &str = "Score, dollars, and seconds";

fn legend(record: &Record) -> String {
    let usd =
        record.manifest.scenario.objectives.as_ref().map_or(0.0, |objectives| objectives.usd_per_second);
    format!(
        "Everywhere else a cost is in dollars and what waiting counts for, ${} a second; here they are apart. Dollars per 1,000 prompts; \
         seconds from question to answer, the mean and what 95 % of the answers come within; a cascade's models are waited for one after \
         another. Routers at the lowest preference, in the middle of the declared ones, and at the highest; models alone, those that may be \
         chosen. Means over replicates. In the figures the line is what mixtures of two preferences reach at best; in the one of dollars \
         and seconds what is nearest to the corner at the left is best.",
        usd
    )
}

fn table(record: &Record, all: &Latencies, page: Option<&Page>) -> Table {
    let numbers = ["preference w", "score", "USD per 1,000", "seconds", "95 % within, seconds"];
    let mut table =
        Table::new([Column::text("router or model")].into_iter().chain(numbers.map(Column::number)));
    let row = |name: Cell, w: Cell, waited: &Waited| {
        let of = |value: f64| Cell::from(format!("{value:.3}"));
        let score = Cell::decimals(Some(waited.score), 4);
        vec![
            name,
            w,
            score,
            Cell::from(dollars(1000.0 * waited.usd)),
            of(waited.seconds),
            of(waited.p95_seconds),
        ]
    };
    let preferences = &record.manifest.preferences;
    let mut shown = vec![0, opens_at(record), preferences.len() - 1];
    shown.dedup();
    for (router, (entry, waited)) in record.manifest.scenario.routers.iter().zip(&all.routers).enumerate() {
        for &at in &shown {
            let name = Cell::from(&entry.label);
            let name = if let Some(page) = page { name.after(page.mark(router)) } else { name };
            table.row(row(name, Cell::from(weight(preferences[at])), &waited[at]));
        }
    }
    for (name, waited) in record.manifest.suite.models.iter().zip(&all.models) {
        if let Some(waited) = waited {
            table.row(row(Cell::from(name), Cell::absent(), waited));
        }
    }
    table
}

/// The pairs of objectives: the name of the figure's file, what it is called, and how it is made.
type Pair = (&'static str, &'static str, fn(&Record, &Summary, &Latencies) -> ParetoChart);
const PAIRS: [Pair; 3] = [
    ("score-dollars.svg", "Score against dollars", figures::score_dollars),
    ("score-seconds.svg", "Score against seconds", figures::score_seconds),
    ("seconds-dollars.svg", "Seconds against dollars", figures::seconds_dollars),
];

/// The section; empty where latency is no objective.
pub(in crate::report) fn markdown(record: &Record, all: Option<&Latencies>) -> String {
    let Some(all) = all else { return String::new() };
    let pictures: String = PAIRS.iter().map(|(file, what, _)| format!("![{what}]({file})\n\n")).collect();
    format!("## {TITLE}\n\n{pictures}{}\n{}\n\n", table(record, all, None).markdown(), legend(record))
}

/// The section, where latency is an objective.
pub(in crate::report) fn html(page: &Page) -> Option<Section> {
    let all = page.latencies?;
    let body = html! {
        div.plots { "\n"
            @for (_, what, chart) in PAIRS {
                (figure(&chart(page.record, page.summary, all).inline(), None, what))
            }
        } "\n"
        (table(page.record, all, Some(page)).html(None))
        (small(&legend(page.record)))
    };
    Some(Section::new("latency", TITLE, body))
}

/// The figures, by the names of their files.
pub(in crate::report) fn pictures(
    record: &Record,
    summary: &Summary,
    all: Option<&Latencies>,
) -> Vec<(&'static str, Vec<u8>)> {
    let draw = |all| {
        PAIRS.map(|(file, _, chart)| {
            (file, chart(record, summary, all).svg().expect("any finite data can be drawn").into_bytes())
        })
    };
    all.map_or_else(Vec::new, |all| draw(all).to_vec())
}

/// A row is a router at a preference, or a model.
pub(in crate::report) fn csv(record: &Record, all: Option<&Latencies>) -> Option<Vec<u8>> {
    let all = all?;
    let texts = ["scenario", "router", "kind"].map(Column::text).into_iter();
    let numbers = ["preference", "score", "usd_per_1000", "seconds", "p95_seconds"];
    let mut table = Table::new(texts.chain(numbers.map(Column::number)));
    let scenario = &record.manifest.scenario;
    let mut row = |name: &str, kind: &str, preference: String, waited: &Waited| {
        let Waited { score, usd, seconds, p95_seconds } = *waited;
        let numbers = [score, 1000.0 * usd, seconds, p95_seconds].map(|value| Cell::from(value.to_string()));
        let texts = [scenario.name.as_str(), name, kind].map(Cell::from);
        table.row(texts.into_iter().chain([Cell::from(preference)]).chain(numbers).collect());
    };
    for (entry, by_preference) in scenario.routers.iter().zip(&all.routers) {
        for (waited, preference) in by_preference.iter().zip(&record.manifest.preferences) {
            row(&entry.label, "router", preference.to_string(), waited);
        }
    }
    for (name, waited) in record.manifest.suite.models.iter().zip(&all.models) {
        waited.iter().for_each(|waited| row(name, "model", String::new(), waited));
    }
    Some(table.csv())
}
