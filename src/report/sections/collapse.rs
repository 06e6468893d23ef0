//! How constant the routers are: the share of the model that each asks most, how varied its choices are, and whether they depend on what is
//! asked; and a figure of the best few.

use maud::html;

use super::charts::figure;
use super::mixes::opens_at;
use super::{Page, Section, small, weight};
use crate::evaluate::{Collapse, Summary, collapse};
use crate::record::Record;
use crate::report::figures;
use crate::report::markup::{Cell, Column, Table};
use crate::report::plot::OnPage;

const LEGEND: &str = "A router that asks one model whatever comes in is a constant, and its intelligence is that of who chose the model. Top \
    model: the one asked most, with its share of test prompts, at w = 0, where quality alone counts, and in the middle of the declared \
    preferences; collapse is a share near 100 % at w = 0 where cheaper models would do (arXiv 2602.03478). Mean over the declared \
    preferences: share of the top model; entropy of the models asked; and the information between model and benchmark, with the correction of Miller \
    and Madow for its bias: 0 where the mix is the same on every benchmark.";

fn table(record: &Record, page: Option<&Page>) -> Table {
    let manifest = &record.manifest;
    let (middle, has_cost) = (opens_at(record), manifest.suite.has_cost);
    let mut columns =
        vec![Column::text("router"), Column::text("top model at w = 0"), Column::number("share, %")];
    let title = format!("top model at w = {}", weight(manifest.preferences[middle]));
    if has_cost {
        columns.extend([Column::text(&title), Column::number("share, %")]);
    }
    columns.extend(["mean share, %", "entropy, bits", "information, bits"].map(Column::number));
    let mut table = Table::new(columns);
    for (router, by_preference) in collapse(record).iter().enumerate() {
        let name = Cell::from(&manifest.scenario.routers[router].label);
        let mut row = vec![if let Some(page) = page { name.after(page.mark(router)) } else { name }];
        for at in if has_cost { vec![0, middle] } else { vec![0] } {
            let (model, share) = by_preference[at].top();
            row.extend([
                Cell::from(&manifest.suite.models[model]),
                Cell::from(format!("{:.1}", 100.0 * share)),
            ]);
        }
        let mean = |value: &dyn Fn(&Collapse) -> f64| -> f64 {
            let weighted = by_preference.iter().zip(&manifest.preference_weights);
            weighted.map(|(collapse, weight)| weight * value(collapse)).sum()
        };
        row.push(Cell::from(format!("{:.1}", 100.0 * mean(&|collapse| collapse.top().1))));
        row.push(Cell::from(format!("{:.3}", mean(&|collapse| collapse.entropy_bits))));
        let has_information = by_preference[0].information_bits.is_some();
        let information = mean(&|collapse| collapse.information_bits.unwrap_or(0.0));
        row.push(if has_information { Cell::from(format!("{information:.3}")) } else { Cell::absent() });
        table.row(row);
    }
    table
}

/// The section.
pub(in crate::report) fn markdown(record: &Record, summary: &Summary) -> String {
    let picture = if has_figure(record, summary) { "![Share of calls by model](calls.svg)\n\n" } else { "" };
    format!("## How constant the routers are\n\n{picture}{}\n{LEGEND}\n\n", table(record, None).markdown())
}

/// The section.
pub(in crate::report) fn html(page: &Page) -> Section {
    let inline =
        has_figure(page.record, page.summary).then(|| figures::calls(page.record, page.summary).inline());
    let body = html! {
        @if let Some(inline) = &inline {
            div."plots wide" { "\n" (figure(inline, None, "Share of calls by model against preference")) } "\n"
        }
        (table(page.record, Some(page)).html(None))
        (small(LEGEND))
    };
    Section::new("collapse", "How constant the routers are", body)
}

/// Whether there is a figure: a router and costs.
pub(in crate::report) fn has_figure(record: &Record, summary: &Summary) -> bool {
    record.manifest.suite.has_cost && !figures::best_routers(record, summary).is_empty()
}
