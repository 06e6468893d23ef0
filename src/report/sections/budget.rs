//! What the routers earn where a whole stream of prompts has a fixed budget of dollars, seconds, or calls: a table for each budget of the
//! scenario.

use maud::html;

use super::{Page, Section, dollars, small};
use crate::evaluate::{AtBudget, Resource, Streamed};
use crate::record::Record;
use crate::report::markup::{Cell, Column, Spread, Table};
use crate::statistics::{mean, variance};

const LEGEND: &str = "The test prompts of a replicate come one after another, in random orders; a controller moves the router's preference by what \
    answers have taken, so that the budget lasts to the end. Score: mean over orders. In hindsight: the best mixture of two preferences of the router that \
    takes as much in the mean. Spent: of the budget. Over: the share of orders that ended above it, and by how much the worst did. Mean and standard deviation over \
    replicates. Bounds in hindsight alone, and of dollars.";

fn table(record: &Record, at: &AtBudget, page: Option<&Page>) -> Table {
    let columns = ["score", "in hindsight", "spent, %", "over, %", "most over, %"];
    let mut table = Table::new([Column::text("router")].into_iter().chain(columns.map(Column::number)));
    for (router, (entry, replicates)) in record.manifest.scenario.routers.iter().zip(&at.routers).enumerate()
    {
        let name = Cell::from(&entry.label);
        let of = |value: &dyn Fn(&Streamed) -> f64| replicates.iter().map(value).collect::<Vec<f64>>();
        let hindsight: Vec<Option<f64>> = replicates.iter().map(|streamed| streamed.hindsight).collect();
        let worst = of(&|streamed| streamed.most_over).into_iter().fold(0.0, f64::max);
        table.row(vec![
            if let Some(page) = page { name.after(page.mark(router)) } else { name },
            spread(&of(&|streamed| streamed.score)),
            reached(&hindsight),
            Cell::decimals(Some(100.0 * mean(&of(&|streamed| streamed.spent))), 1),
            Cell::decimals(Some(100.0 * mean(&of(&|streamed| streamed.over))), 1),
            Cell::decimals(Some(100.0 * worst), 1),
        ]);
    }
    for (bound, replicates) in &at.bounds {
        let absent = || Cell::absent();
        table.row(vec![
            Cell::from(bound.name()),
            absent(),
            reached(replicates),
            absent(),
            absent(),
            absent(),
        ]);
    }
    table
}

/// Of what every replicate reaches.
fn reached(replicates: &[Option<f64>]) -> Cell {
    match replicates.iter().copied().collect::<Option<Vec<f64>>>() {
        Some(values) => spread(&values),
        None => Cell::from("not reached"),
    }
}

fn spread(values: &[f64]) -> Cell {
    let deviation = || Spread::Deviation(format!("{:.4}", variance(values).sqrt()));
    Cell::decimals(Some(mean(values)), 4).spread((values.len() > 1).then(deviation))
}

fn title(record: &Record, at: &AtBudget) -> String {
    match at.resource {
        Resource::Dollars => format!("${} per 1,000 prompts", dollars(1000.0 * at.per_prompt)),
        Resource::Seconds => format!("{} seconds a prompt", dollars(at.per_prompt)),
        Resource::CallsOf(model) => {
            format!(
                "Calls of {} for {:.1} % of the prompts",
                record.manifest.suite.models[model],
                100.0 * at.per_prompt
            )
        }
    }
}

/// The section; empty where the scenario has no budget.
pub(in crate::report) fn markdown(record: &Record, all: &[AtBudget]) -> String {
    if all.is_empty() {
        return String::new();
    }
    let each =
        |at: &AtBudget| format!("### {}\n\n{}\n", title(record, at), table(record, at, None).markdown());
    format!("## Within a budget\n\n{}{LEGEND}\n\n", all.iter().map(each).collect::<String>())
}

/// The section, where the scenario has a budget.
pub(in crate::report) fn html(page: &Page) -> Option<Section> {
    let all = page.budgets;
    let body = html! {
        @for at in all {
            h3 { (title(page.record, at)) } "\n"
            (table(page.record, at, Some(page)).html(None))
        }
        (small(LEGEND))
    };
    (!all.is_empty()).then(|| Section::new("budget", "Within a budget", body))
}

/// As the scenario has it.
fn budget(at: &AtBudget) -> f64 {
    if at.resource == Resource::Dollars { 1000.0 * at.per_prompt } else { at.per_prompt }
}

/// A row is a router in a replicate under a budget.
pub(in crate::report) fn csv(record: &Record, all: &[AtBudget]) -> Option<Vec<u8>> {
    let columns = ["scenario", "router", "resource"].map(Column::text).into_iter();
    let numbers = ["budget", "replicate", "score", "hindsight_score", "spent", "over", "most_over"];
    let mut table = Table::new(columns.chain(numbers.map(Column::number)));
    let scenario = &record.manifest.scenario;
    for at in all {
        for (entry, replicates) in scenario.routers.iter().zip(&at.routers) {
            for (replicate, streamed) in replicates.iter().enumerate() {
                let mut row = vec![Cell::from(&scenario.name), Cell::from(&entry.label)];
                row.push(match at.resource {
                    Resource::Dollars => Cell::from("usd_per_1000"),
                    Resource::Seconds => Cell::from("seconds"),
                    Resource::CallsOf(model) => {
                        Cell::from(format!("calls of {}", record.manifest.suite.models[model]))
                    }
                });
                row.push(Cell::from(budget(at).to_string()));
                row.push(Cell::from(replicate.to_string()));
                let Streamed { score, hindsight, spent, over, most_over } = *streamed;
                row.push(Cell::from(score.to_string()));
                row.push(hindsight.map_or_else(|| Cell::from(""), |score| Cell::from(score.to_string())));
                row.extend([spent, over, most_over].map(|value| Cell::from(value.to_string())));
                table.row(row);
            }
        }
    }
    (!all.is_empty()).then(|| table.csv())
}
