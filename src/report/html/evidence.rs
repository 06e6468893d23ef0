//! Every router against its rival: the primary metric with its intervals drawn, the others folded away.

use std::fmt::Write;

use super::{Page, dial, escape, tables};
use crate::evaluate::Comparison;
use crate::report::evidence::{self, EvidenceLine, TITLES};

/// The section; nothing where nobody was compared.
pub(super) fn write(text: &mut String, page: &Page) {
    let Some(evidence) = evidence::compared(page.summary) else { return };
    tables::open(text, "evidence", "How sure that is");
    let _ = writeln!(text, "<p>{}</p>", escape(&evidence::in_words(evidence)));
    let primary: Vec<&Comparison> =
        evidence.comparisons.iter().filter(|comparison| comparison.is_primary).collect();
    let reach = reach(&primary);
    let [difference, adjusted_p, verdict, prompts, effect, smallest] = TITLES;
    open_table(text, "router", &[difference, adjusted_p], "");
    for (title, class) in [(verdict, ""), (prompts, "n u"), (effect, "n"), (smallest, "n")] {
        let _ = write!(text, "<th scope=\"col\" class=\"{class}\">{title}</th>");
    }
    let _ = writeln!(
        text,
        "<th scope=\"col\" class=\"x forest-head\">worse \u{2190} 0 \u{2192} better</th></tr></thead>\n<tbody>"
    );
    for (line, comparison) in evidence::primary_lines(evidence).iter().zip(&primary) {
        let _ = write!(text, "<tr><th scope=\"row\">{}{}</th>", mark(page, line), escape(line.router));
        numbers(text, line, comparison);
        let _ = write!(
            text,
            "<td class=\"n\">{} / {} / {}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"x\">{}</td></tr>",
            line.prompts.wins,
            line.prompts.ties,
            line.prompts.losses,
            line.effect,
            line.smallest_detectable,
            forest(comparison, reach),
        );
        text.push('\n');
    }
    text.push_str("</tbody>\n</table></div>\n");
    others(text, page, evidence);
    let _ = write!(text, "<p class=\"small\">{}</p>\n</section>\n", escape(&evidence::legend(evidence)));
}

fn others(text: &mut String, page: &Page, evidence: &crate::evaluate::Evidence) {
    let lines = evidence::other_lines(evidence);
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(text, "<details><summary>On the other metrics: {} comparisons</summary>", lines.len());
    let [difference, adjusted_p, verdict, .., smallest] = TITLES;
    open_table(text, "router", &[difference, adjusted_p], "metric");
    let _ = writeln!(
        text,
        "<th scope=\"col\">{verdict}</th><th scope=\"col\" class=\"n\">{smallest}</th></tr></thead>\n<tbody>"
    );
    let others = evidence.comparisons.iter().filter(|comparison| !comparison.is_primary);
    for (line, comparison) in lines.iter().zip(others) {
        let _ = write!(
            text,
            "<tr><th scope=\"row\">{}{}</th><td>{}</td>",
            mark(page, line),
            escape(line.router),
            line.title
        );
        numbers(text, line, comparison);
        let _ = writeln!(text, "<td class=\"n\">{}</td></tr>", line.smallest_detectable);
    }
    text.push_str("</tbody>\n</table></div>\n</details>\n");
}

fn open_table(text: &mut String, first: &str, numbers: &[&str], second: &str) {
    let _ = write!(
        text,
        "<div class=\"scroll\"><table class=\"sort\">\n<thead><tr><th scope=\"col\">{first}</th>"
    );
    if !second.is_empty() {
        let _ = write!(text, "<th scope=\"col\">{second}</th>");
    }
    for title in numbers {
        let _ = write!(text, "<th scope=\"col\" class=\"n\">{title}</th>");
    }
}

/// Difference, p, and verdict.
fn numbers(text: &mut String, line: &EvidenceLine, comparison: &Comparison) {
    let [low, high] = &line.bounds;
    let class = if line.is_told_apart { " best" } else { "" };
    let _ = write!(
        text,
        "<td class=\"n{class}\" data-v=\"{}\">{}<small>[{low}, {high}]</small></td><td class=\"n\" data-v=\"{}\">{}</td><td class=\"verdict\">{}</td>",
        comparison.difference,
        line.difference,
        comparison.adjusted_p,
        escape(&line.adjusted_p),
        line.verdict,
    );
}

fn mark(page: &Page, line: &EvidenceLine) -> String {
    let policies = &page.summary.replicates[0].policies;
    let position = policies.iter().position(|policy| policy.name == line.router);
    position.map_or_else(String::new, |position| dial::mark(page, position))
}

/// How far the picture reaches to either side of zero: twice the median reach of the intervals, so that one far off does
/// not flatten the others.
fn reach(comparisons: &[&Comparison]) -> f64 {
    let bounds = |comparison: &&Comparison| comparison.interval.low.abs().max(comparison.interval.high.abs());
    let mut reaches: Vec<f64> = comparisons.iter().map(bounds).filter(|reach| reach.is_finite()).collect();
    reaches.sort_by(f64::total_cmp);
    2.0 * reaches.get(reaches.len() / 2).copied().unwrap_or(1.0).max(f64::MIN_POSITIVE)
}

/// The interval on a scale that is common to the table, with zero in its middle; better is to the right. One that lies
/// beyond the scale is an arrow.
fn forest(comparison: &Comparison, reach: f64) -> String {
    const HALF: f64 = 100.0;
    let sign = if comparison.metric.is_better(1.0, 0.0) { 1.0 } else { -1.0 };
    let place = |value: f64| HALF + (HALF - 4.0) * (sign * value / reach).clamp(-1.0, 1.0);
    let ends = [place(comparison.interval.low), place(comparison.interval.high)];
    let (left, right) = (ends[0].min(ends[1]), ends[0].max(ends[1]));
    let marks = if comparison.difference.abs() <= reach {
        format!(
            "<path class=\"s text\" stroke-width=\"1.6\" d=\"M{left:.1} 8H{right:.1}\"/><path class=\"s text\" \
             stroke-width=\"5\" d=\"M{:.1} 8h.01\"/>",
            place(comparison.difference)
        )
    } else if sign * comparison.difference < 0.0 {
        "<path class=\"s text\" stroke-width=\"1.6\" d=\"M8 4L4 8L8 12\"/>".to_owned()
    } else {
        "<path class=\"s text\" stroke-width=\"1.6\" d=\"M192 4L196 8L192 12\"/>".to_owned()
    };
    format!(
        "<svg class=\"forest\" viewBox=\"0 0 200 16\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><path class=\"s grid\" \
         d=\"M{HALF} 0V16\"/>{marks}</svg>"
    )
}
