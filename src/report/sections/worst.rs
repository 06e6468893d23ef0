//! The decisions of each router that lost most, at the preference that the page opens at.

use maud::html;

use super::{Page, Section, dollars, weight};
use crate::evaluate::{Loss, worst_decisions};
use crate::report::markup::{Cell, Column, Table, cells};

/// Decisions of a router that are shown.
const SHOWN: usize = 10;

/// The section, that of the leader open; `None` where nobody lost anything.
pub(in crate::report) fn html(page: &Page) -> Option<Section> {
    let manifest = &page.record.manifest;
    let routers: Vec<usize> = (0..manifest.scenario.routers.len()).collect();
    let losses = worst_decisions(page.record, &routers, page.opens_at, SHOWN);
    let labels = manifest.scenario.routers.iter().map(|entry| &entry.label);
    let worst = routers.into_iter().zip(labels).zip(losses);
    let worst: Vec<_> = worst.filter(|(_, losses)| !losses.is_empty()).collect();
    let body = html! {
        p {
            "At w = " (weight(manifest.preferences[page.opens_at])) ", all splits together: the prompts on which a router lost most utility against \
             the best model of its pool. With the texts of the prompts: "
            code { "llm-bandit decisions REPORT --router NAME --worst " (SHOWN) }
        } "\n"
        @for ((router, label), losses) in &worst {
            details open[*router == page.leader] {
                summary { (label) } "\n"
                (table(losses, manifest.suite.has_cost).html(None))
            } "\n"
        }
    };
    (!worst.is_empty()).then(|| Section::new("worst", "Worst decisions", body))
}

fn table(losses: &[Loss], has_cost: bool) -> Table {
    let mut titles = vec![
        Column::text("prompt"),
        Column::text("benchmark"),
        Column::text("chose"),
        Column::number("score"),
        Column::text("best"),
        Column::number("its score"),
        Column::number("utility lost"),
    ];
    if has_cost {
        titles.push(Column::number("cost added, USD per 1,000"));
    }
    let mut table = Table::new(titles);
    for loss in losses {
        let ((chosen, own), (best, reached)) = (&loss.chosen, &loss.best);
        let mut row = cells![
            loss.prompt,
            loss.benchmark,
            *chosen,
            format!("{:.2}", own.score),
            *best,
            format!("{:.2}", reached.score),
            Cell::from(format!("{:.4}", loss.lost)).exact(loss.lost),
        ];
        if has_cost {
            let added = 1000.0 * (own.cost_usd - reached.cost_usd);
            row.push(Cell::from(dollars(added)).exact(added));
        }
        table.row(row);
    }
    table
}
