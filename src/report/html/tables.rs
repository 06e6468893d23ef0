//! The tables of `report.md` as tables that sort.

use std::fmt::Write;

use super::{Page, dial, dollars, escape};
use crate::evaluate::{PolicyKind, Verdict};
use crate::metrics::Metric;
use crate::metrics::table::{self, Table, shown_in};
use crate::report::paragraphs::stress_words;
use crate::report::table::{Cell, Spread, Standing, lines, main_columns, model_lines, published_columns};
use crate::report::{markdown, unseen};

/// Routers and bounds by the main metrics, and of two candidates by those of a pair.
pub(super) fn main(text: &mut String, page: &Page) {
    let suite = &page.record.manifest.suite;
    open(text, "routers", "Routers and bounds");
    policies(text, page, &main_columns(page.record), &PolicyKind::IN_TABLES);
    let _ = write!(
        text,
        "<p class=\"small\">{}</p>\n</section>\n",
        paragraph(&markdown::legend(page.record, page.summary))
    );
    if suite.has_cost && suite.models.len() == 2 {
        open(text, "pair", "The pair");
        policies(text, page, &shown_in(Table::Pair), &PolicyKind::IN_TABLES[..2]);
        let _ = write!(
            text,
            "<p class=\"small\">{}</p>\n</section>\n",
            paragraph(&table::legend(&shown_in(Table::Pair)))
        );
    }
}

/// Routers and bounds by the other metrics.
pub(super) fn further(text: &mut String, page: &Page) {
    if page.record.manifest.suite.has_cost {
        open(text, "further", "Lower scores, and the dial");
        policies(text, page, &shown_in(Table::Further), &PolicyKind::IN_TABLES);
        let legend = paragraph(&table::legend(&shown_in(Table::Further)));
        let _ = write!(text, "<p class=\"small\">{legend}</p>\n</section>\n");
    }
    open(text, "published", "As other benchmarks measure");
    let published = published_columns(page.record);
    policies(text, page, &published, &PolicyKind::IN_TABLES);
    let legend = paragraph(&table::legend(&published));
    let _ = write!(text, "<p class=\"small\">{legend}</p>\n</section>\n");
}

/// Single models, trainings, and expectations.
pub(super) fn rest(text: &mut String, page: &Page, verdicts: &[Verdict]) {
    open(text, "models", "Single models");
    models(text, page);
    text.push_str("</section>\n");
    let words = unseen::in_words(page.record);
    if !words.is_empty() {
        open(text, "unseen", "Unseen models");
        let _ = writeln!(text, "<p>{}</p>", paragraph(&words));
        quizzes(text, page);
        text.push_str("</section>\n");
    }
    if let Some((words, file)) = stress_words(&page.record.manifest) {
        open(text, "stress", "Under stress");
        let _ = writeln!(
            text,
            "<p>{words} <a href=\"{file}\">{file}</a>, in the folder of this page.</p>\n</section>"
        );
    }
    open(text, "learned", "What the routers learned from");
    trainings(text, page);
    text.push_str("</section>\n");
    if !verdicts.is_empty() {
        open(text, "expectations", "Expectations");
        text.push_str("<ul>\n");
        for verdict in verdicts {
            let state = if verdict.holds { "holds" } else { "<strong>not met</strong>" };
            let _ = writeln!(text, "<li>{state}: {}</li>", paragraph(&verdict.words));
        }
        text.push_str("</ul>\n</section>\n");
    }
}

pub(super) fn open(text: &mut String, id: &str, title: &str) {
    let _ = write!(text, "<section aria-labelledby=\"{id}-title\">\n<h2 id=\"{id}-title\">{title}</h2>\n");
}

/// Words written for Markdown as text.
pub(super) fn paragraph(words: &str) -> String {
    escape(words.trim()).replace('`', "")
}

/// The start of a table's part for one kind of policies.
pub(super) fn body_of(kind: PolicyKind) -> String {
    match kind {
        PolicyKind::Router => "<tbody>\n".to_owned(),
        other => format!("<tbody data-heading=\"{}\">\n", other.heading()),
    }
}

fn policies(text: &mut String, page: &Page, columns: &[&Metric], kinds: &[PolicyKind]) {
    text.push_str("<div class=\"scroll\"><table class=\"sort\">\n<thead><tr><th scope=\"col\">router</th>");
    for column in columns {
        let _ = write!(text, "<th scope=\"col\" class=\"n\">{}</th>", escape(column.title));
    }
    text.push_str("</tr></thead>\n");
    for kind in kinds {
        let lines = lines(page.summary, columns, *kind);
        if lines.is_empty() {
            continue;
        }
        text.push_str(&body_of(*kind));
        for line in lines {
            let _ = write!(
                text,
                "<tr><th scope=\"row\">{}{}</th>",
                dial::mark(page, line.position),
                escape(line.policy)
            );
            line.cells.iter().for_each(|of_line| cell(text, of_line));
            text.push_str("</tr>\n");
        }
        text.push_str("</tbody>\n");
    }
    text.push_str("</table></div>\n");
}

fn cell(text: &mut String, cell: &Cell) {
    let Some(value) = &cell.value else {
        let _ = write!(text, "<td class=\"n none\">{}</td>", cell.placeholder());
        return;
    };
    let (class, mark) = match cell.standing {
        Standing::Best => (" best", ""),
        Standing::Alike => ("", "<sup>\u{2020}</sup>"),
        Standing::Other => ("", ""),
    };
    let _ = write!(text, "<td class=\"n{class}\" data-v=\"{}\">{}{mark}", value.exact, value.mean);
    let _ = match &value.spread {
        Some(Spread::Interval([low, high])) => write!(text, "<small>[{low}, {high}]</small>"),
        Some(Spread::Deviation(deviation)) => write!(text, "<small>\u{b1} {deviation}</small>"),
        None => Ok(()),
    };
    if let Some((n, of)) = value.reached {
        let _ = write!(text, "<small>({n}/{of})</small>");
    }
    text.push_str("</td>");
}

fn models(text: &mut String, page: &Page) {
    text.push_str(
        "<div class=\"scroll\"><table class=\"sort\">\n<thead><tr><th scope=\"col\">model</th><th scope=\"col\" \
         class=\"n\">mean score</th><th scope=\"col\" class=\"n\">USD per 1,000 prompts</th></tr></thead>\n<tbody>\n",
    );
    for line in model_lines(page.record, page.summary) {
        let rank = page.by_cost.iter().position(|model| *model == line.model).unwrap_or_default();
        let cost = line.cost_usd.map_or_else(
            || "<td class=\"n none\">unknown</td>".to_owned(),
            |cost| format!("<td class=\"n\" data-v=\"{cost}\">{}</td>", dollars(cost)),
        );
        let _ = writeln!(
            text,
            "<tr><th scope=\"row\"><i class=\"shade\" style=\"{}\"></i>{}</th><td class=\"n\" data-v=\"{}\">{:.4}</td>{cost}</tr>",
            dial::shade(page, rank),
            escape(line.name),
            line.score,
            line.score
        );
    }
    text.push_str("</tbody>\n</table></div>\n");
}

fn quizzes(text: &mut String, page: &Page) {
    text.push_str(
        "<div class=\"scroll\"><table class=\"sort\">\n<thead><tr><th scope=\"col\">quiz</th><th scope=\"col\">routers</th><th \
         scope=\"col\" class=\"n\">answers a replicate</th><th scope=\"col\" class=\"n\">what they cost, \
         USD</th></tr></thead>\n<tbody>\n",
    );
    for line in unseen::quiz_lines(page.record) {
        let _ = writeln!(
            text,
            "<tr><th scope=\"row\">{}</th><td class=\"words\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            escape(&line.quiz),
            escape(&line.routers),
            line.answers,
            line.dollars
        );
    }
    text.push_str("</tbody>\n</table></div>\n");
}

fn trainings(text: &mut String, page: &Page) {
    text.push_str(
        "<div class=\"scroll\"><table class=\"sort\">\n<thead><tr><th scope=\"col\">router</th><th scope=\"col\" \
         class=\"n\">outcomes seen</th><th scope=\"col\" class=\"n\">what they cost, USD</th><th scope=\"col\">settings found \
         (replicate 0)</th></tr></thead>\n<tbody>\n",
    );
    for (at, line) in markdown::training_lines(page.record).iter().enumerate() {
        let _ = writeln!(
            text,
            "<tr><th scope=\"row\">{}{}</th><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"words\">{}</td></tr>",
            dial::mark(page, at),
            escape(line.label),
            line.outcomes_seen,
            line.dollars,
            paragraph(&line.found)
        );
    }
    text.push_str("</tbody>\n</table></div>\n");
}
