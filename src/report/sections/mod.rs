//! The sections of a report. Each file holds one: its words and tables, built once, and what Markdown, HTML, and LaTeX show of
//! them. All are made from a [`Page`].

pub(super) mod advice;
pub(super) mod budget;
pub(super) mod charts;
pub(super) mod collapse;
pub(super) mod evidence;
pub(super) mod latency;
pub(super) mod mixes;
pub(super) mod routers;
pub(super) mod setting;
pub(super) mod worst;

use maud::{Markup, html};

use crate::evaluate::{AtBudget, Breakdown, Latencies, Summary};
use crate::record::Record;
use crate::report::markup::{Table, paragraph};
use crate::report::plot::LineKind;

/// What every section of a page is written from.
pub(in crate::report) struct Page<'a> {
    pub(in crate::report) record: &'a Record,
    pub(in crate::report) summary: &'a Summary,
    /// What routers come to within each budget of the scenario.
    pub(in crate::report) budgets: &'a [AtBudget],
    /// Score, dollars, and seconds apart, where latency is an objective.
    pub(in crate::report) latencies: Option<&'a Latencies>,
    pub(in crate::report) breakdown: Breakdown,
    /// The candidates by rising mean cost: the order and the shade of mixes.
    pub(in crate::report) by_cost: Vec<usize>,
    /// The place among the preferences that a page opens at.
    pub(in crate::report) opens_at: usize,
    /// The position of the router that the headline is about.
    pub(in crate::report) leader: usize,
    /// How each router is drawn.
    pub(in crate::report) routers: Vec<LineKind>,
    /// What stands for each policy in legends and tables.
    pub(in crate::report) marks: Vec<Markup>,
}

/// A section of a page; its heading is also a link of the contents.
pub(in crate::report) struct Section {
    pub(in crate::report) id: &'static str,
    pub(in crate::report) title: &'static str,
    body: Markup,
}

impl Page<'_> {
    /// The mark of a policy.
    pub(in crate::report) fn mark(&self, position: usize) -> Markup {
        self.marks[position].clone()
    }
}

impl Section {
    pub(in crate::report) fn new(id: &'static str, title: &'static str, body: Markup) -> Section {
        Section { id, title, body }
    }

    pub(in crate::report) fn html(&self) -> Markup {
        html! {
            section aria-labelledby={ (self.id) "-title" } { "\n"
                h2 id={ (self.id) "-title" } { (self.title) } "\n"
                (self.body)
            } "\n"
        }
    }
}

/// What Markdown and a page show in the same way: blocks under a heading.
pub(in crate::report) struct Part {
    /// What a link to it ends with.
    pub(in crate::report) id: &'static str,
    pub(in crate::report) title: &'static str,
    pub(in crate::report) blocks: Vec<Block>,
}

/// A block of a part; words are written for Markdown.
pub(in crate::report) enum Block {
    Words(String),
    List(Vec<String>),
    Numbered(Vec<String>),
    Table(Table),
}

impl Part {
    pub(in crate::report) fn markdown(&self) -> String {
        let blocks: Vec<String> = self.blocks.iter().map(Block::markdown).collect();
        format!("## {}\n\n{}\n", self.title, blocks.join("\n"))
    }
}

impl Block {
    fn markdown(&self) -> String {
        match self {
            Block::Words(words) => format!("{words}\n"),
            Block::List(items) => items.iter().map(|item| format!("- {item}\n")).collect(),
            Block::Numbered(items) => (1..).zip(items).map(|(at, item)| format!("{at}. {item}\n")).collect(),
            Block::Table(table) => table.markdown(),
        }
    }

    pub(in crate::report) fn html(&self) -> Markup {
        let items = |items: &[String]| html! { @for item in items { li { (paragraph(item)) } "\n" } };
        html! {
            @match self {
                Block::Words(words) => { p { (paragraph(words)) } "\n" },
                Block::List(list) => { ul { "\n" (items(list)) } "\n" },
                Block::Numbered(list) => { ol { "\n" (items(list)) } "\n" },
                Block::Table(table) => { (table.html(None)) },
            }
        }
    }
}

/// A paragraph in small type: a legend.
pub(in crate::report) fn small(words: &str) -> Markup {
    html! { p.small { (words) } "\n" }
}

/// US dollars with about four digits, as the script writes them too.
pub(in crate::report) fn dollars(usd: f64) -> String {
    let decimals = |usd: f64| match usd.abs() {
        size if size >= 100.0 => 1,
        size if size >= 1.0 => 2,
        size if size >= 0.01 => 4,
        0.0 => 0,
        _ => 6,
    };
    let shown = format!("{usd:.*}", decimals(usd));
    // What rounds up to the next size is written as it is, so that reading a number and writing it again changes nothing.
    let read = shown.parse().unwrap_or(usd);
    format!("{read:.*}", decimals(read))
}

/// A preference with three digits, as the script writes it too.
fn weight(w: f64) -> String {
    let decimals = match w {
        w if w >= 100.0 => 0,
        w if w >= 10.0 => 1,
        w if w >= 1.0 => 2,
        0.0 => 0,
        _ => 4,
    };
    format!("{w:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_keep_about_four_digits() {
        assert_eq!(
            [0.0, 0.00012, 0.0512, 3.5, 1234.56].map(dollars),
            ["0", "0.000120", "0.0512", "3.50", "1234.6"]
        );
        assert_eq!([0.99999, 0.00999999, 1e-9, 99.999].map(dollars), ["1.00", "0.0100", "0", "100.0"]);
    }
}
