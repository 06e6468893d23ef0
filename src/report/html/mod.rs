//! `report.html`: one file that needs nothing else. Tables and pictures are in its markup; the script only adds to them.
//!
//! `data` is what the script knows, `headline` says the result in words, and every other module writes one section. Names of
//! models, benchmarks, and routers are text of strangers: whatever writes one into markup calls [`escape`].

mod benchmarks;
mod charts;
mod data;
mod dial;
mod evidence;
mod headline;
mod learning;
mod provenance;
mod quizzes;
mod tables;

use std::fmt::Write;

use super::plot;
use crate::evaluate::{Breakdown, Summary, Verdict, breakdown};
use crate::record::Record;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// What every section is written from.
struct Page<'a> {
    record: &'a Record,
    summary: &'a Summary,
    breakdown: Breakdown,
    /// The candidates by rising mean cost: the order and the shade of mixes.
    by_cost: Vec<usize>,
    /// The place among the preferences that a page opens at.
    opens_at: usize,
    /// The position of the router that the headline is about.
    leader: usize,
}

/// The whole page.
pub(super) fn report_html(record: &Record, summary: &Summary, verdicts: &[Verdict]) -> String {
    let page = Page {
        record,
        summary,
        breakdown: breakdown(record),
        by_cost: dial::by_cost(summary),
        opens_at: dial::opens_at(record),
        leader: headline::leader(summary),
    };
    let charts = charts::Charts::new(&page);
    let mut text = head(&record.manifest.scenario.name);
    headline::write(&mut text, &page);
    let body = body(&page, &charts, verdicts);
    contents(&mut text, &body);
    text.push_str(&body);
    let _ = write!(
        text,
        "</main>\n<div id=\"tip\" role=\"status\" aria-live=\"polite\" hidden></div>\n\
         <script type=\"application/json\" id=\"data\">{}</script>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n",
        data::json(&page, &charts)
    );
    text
}

/// The start of a page, up to its content.
pub(super) fn head(name: &str) -> String {
    let name = escape(name);
    let [light, dark] = plot::properties();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<meta http-equiv=\"Content-Security-Policy\" content=\"default-src \
         'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n<title>{name} \u{b7} llm-bandit</title>\n<style>\n\
         :root{{{light}}}\n@media (prefers-color-scheme:dark){{@media screen{{:root{{{dark}}}}}}}\n{STYLE}</style>\n</head>\n\
         <body>\n<main>\n"
    )
}

/// The sections. Those that the dial moves are one part of the page, so that it stays in sight above them.
fn body(page: &Page, charts: &charts::Charts, verdicts: &[Verdict]) -> String {
    let mut text = String::new();
    tables::main(&mut text, page);
    evidence::write(&mut text, page);
    text.push_str("<div class=\"dialled\">\n");
    dial::bar_of_preferences(&mut text, page);
    charts.write(&mut text, page);
    dial::write(&mut text, page);
    benchmarks::write(&mut text, page);
    text.push_str("</div>\n");
    tables::further(&mut text, page);
    quizzes::write(&mut text, page);
    learning::write(&mut text, page);
    tables::rest(&mut text, page, verdicts);
    provenance::write(&mut text, page);
    text
}

/// Links to the sections.
pub(super) fn contents(text: &mut String, body: &str) {
    text.push_str("<nav aria-label=\"Contents\"><ul>\n");
    for heading in body.split("<h2 id=\"").skip(1) {
        if let Some((id, title)) =
            heading.split_once("</h2>").and_then(|(heading, _)| heading.split_once("\">"))
        {
            let _ = writeln!(text, "<li><a href=\"#{id}\">{title}</a></li>");
        }
    }
    text.push_str("</ul></nav>\n");
}

/// Text as it stands in markup, between tags or in a quoted attribute.
pub(super) fn escape(words: &str) -> String {
    let mut text = String::with_capacity(words.len());
    for letter in words.chars() {
        match letter {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '"' => text.push_str("&quot;"),
            '\'' => text.push_str("&#39;"),
            letter if letter.is_control() => text.push(' '),
            letter => text.push(letter),
        }
    }
    text
}

/// US dollars with about four digits, as the script writes them too.
fn dollars(usd: f64) -> String {
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
    fn no_name_ends_an_element_or_an_attribute() {
        assert_eq!(escape("</script><b a='\"'>&\u{0}"), "&lt;/script&gt;&lt;b a=&#39;&quot;&#39;&gt;&amp; ");
    }

    #[test]
    fn dollars_keep_about_four_digits() {
        assert_eq!(
            [0.0, 0.00012, 0.0512, 3.5, 1234.56].map(dollars),
            ["0", "0.000120", "0.0512", "3.50", "1234.6"]
        );
        assert_eq!([0.99999, 0.00999999, 1e-9, 99.999].map(dollars), ["1.00", "0.0100", "0", "100.0"]);
    }
}
