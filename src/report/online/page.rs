//! `report.html` of an online run: the sections of `report.md` as a page, with figures of regret in their places.

use std::fmt::Write;

use maud::{PreEscaped, html};

use super::markdown::{interval, report_md};
use crate::evaluate::online::{OnlineSummary, Series, Value};
use crate::evaluate::{SIGNIFICANCE, Verdict};
use crate::record::online::OnlineRecord;
use crate::report::figures::looks;
use crate::report::markup::unescaped;
use crate::report::page::document;
use crate::report::plot::{Line, LineKind, OnPage, RegretChart, swatch};
use crate::report::sections::setting::again_html;
use crate::statistics::correction::holm;
use crate::statistics::overlap::corrected_t_test;
use crate::statistics::spread::Spread;

/// The whole page.
pub(super) fn report_html(record: &OnlineRecord, summary: &OnlineSummary, verdicts: &[Verdict]) -> String {
    let name = &record.manifest.scenario.name;
    let markdown = report_md(record, summary, verdicts);
    let mut sections = markdown.split("\n## ");
    let setting = sections.next().unwrap_or_default();
    let mut body = String::new();
    for (number, section) in sections.enumerate() {
        let (title, content) = section.split_once('\n').unwrap_or((section, ""));
        let _ = writeln!(
            body,
            "<section aria-labelledby=\"s{number}\">\n<h2 id=\"s{number}\">{}</h2>",
            markup(title)
        );
        if title == "Around the changes" {
            figures_of_changes(&mut body, record, summary);
        }
        blocks(&mut body, content);
        if title == "Regret" {
            let over_time = "Regret a step over time, in windows of 5 % of the steps";
            figure(&mut body, over_time, &local(record, summary), false);
            for (reference, words) in [
                ("best-single", "Cumulative regret to the best single arm in hindsight"),
                ("zero-router", "Cumulative regret to the zero router"),
            ] {
                if let Some(chart) = to_reference(record, summary, reference) {
                    figure(&mut body, words, &chart, false);
                }
            }
        }
        body.push_str("</section>\n");
    }
    provenance(&mut body, record);
    let mut text = String::new();
    let _ = write!(
        text,
        "<header>\n<p class=\"kicker\">{} <span>online, on {}</span></p>\n<h1>{}</h1>\n<p class=\"standfirst\">{}</p>\n",
        escape(name),
        escape(&record.manifest.suite.info.name),
        title(summary),
        standfirst(record, summary),
    );
    let first = setting.split_once('\n').map_or("", |(_, rest)| rest).replace(IMAGE, "");
    blocks(&mut text, &first);
    text.push_str("</header>\n");
    contents(&mut text, &body);
    text.push_str("<section aria-labelledby=\"over-time\">\n<h2 id=\"over-time\">Regret over time</h2>\n");
    figure(&mut text, "Cumulative regret to the utility oracle", &chart(record, summary), true);
    text.push_str("</section>\n");
    text.push_str(&body);
    document(name, &PreEscaped(text), &html! {})
}

/// Where `report.md` shows the figure that the page draws itself.
const IMAGE: &str = "![Cumulative regret](regret.svg)";

/// The learner with the least regret.
fn leader(summary: &OnlineSummary) -> Option<(&str, &Value)> {
    let learners = summary.series.iter().filter(|series| !series.is_reference);
    let found =
        learners.filter_map(|series| Some((series.policy.as_str(), summary.find(&series.policy, "regret")?)));
    found.min_by(|a, b| a.1.spread().mean.total_cmp(&b.1.spread().mean))
}

/// Says no more than the paired differences over orders do, by Student's t and adjusted by Holm over the learners.
fn title(summary: &OnlineSummary) -> String {
    let Some((name, best)) = leader(summary) else { return String::new() };
    let others: Vec<&str> = summary
        .series
        .iter()
        .filter(|series| !series.is_reference && series.policy != name)
        .map(|series| series.policy.as_str())
        .collect();
    let p_of = |other: &&str| {
        let value = summary.find(other, "regret")?;
        let differences: Vec<f64> = value.values.iter().zip(&best.values).map(|(a, b)| a - b).collect();
        corrected_t_test(&differences, 0.0).map(|test| test.p)
    };
    let adjusted = holm(&others.iter().map(|other| p_of(other).unwrap_or(1.0)).collect::<Vec<f64>>());
    let close: Vec<&str> =
        others.iter().zip(adjusted).filter(|(_, p)| *p >= SIGNIFICANCE).map(|(other, _)| *other).collect();
    let n = others.len() + 1;
    let name = format!("<b>{}</b>", escape(name));
    match &close[..] {
        _ if n == 1 => format!("{name} is the only learner here"),
        [] => format!("{name} has the least regret of {n} learners"),
        [other] => {
            format!("{name} has the least regret; <b>{}</b> cannot be distinguished from it", escape(other))
        }
        others => format!(
            "{name} has the least regret; {} of {n} learners cannot be distinguished from it",
            others.len()
        ),
    }
}

fn standfirst(record: &OnlineRecord, summary: &OnlineSummary) -> String {
    let Some((name, best)) = leader(summary) else { return String::new() };
    let spread = best.spread();
    let mut text = format!("Its regret is {} over {} steps", interval(spread, 1), record.manifest.n_steps);
    let uniform = summary.find("uniform", "regret").map(|value| value.spread().mean);
    if let Some(uniform) = uniform.filter(|regret| *regret > 0.0) {
        let _ = write!(text, ", {:.0} % of a random choice's", 100.0 * spread.mean / uniform);
    }
    if let Some(value) = summary.find(name, "regret-to-best-single") {
        let Spread { low, high, .. } = value.spread();
        text.push_str(match (low > 0.0, high < 0.0) {
            (true, _) => "; the best single arm, chosen in hindsight, earns more",
            (_, true) => "; it earns more than the best single arm chosen in hindsight",
            _ => "; what it earns cannot be distinguished from the best single arm chosen in hindsight",
        });
    }
    format!("{}.", escape(&text))
}

/// A figure for each change: the steps just before it and just after it.
fn figures_of_changes(text: &mut String, record: &OnlineRecord, summary: &OnlineSummary) {
    text.push_str("<div class=\"plots\">\n");
    for phase in 1..record.phases.len() {
        let words = record.phases[phase].words.join("; ");
        figure(
            text,
            &format!("Regret a step around change {phase}: {words}"),
            &around(record, summary, phase),
            phase == 1,
        );
    }
    text.push_str("</div>\n");
}

/// A figure with its caption and, where it is wanted, its legend.
fn figure(text: &mut String, caption: &str, chart: &RegretChart, has_legend: bool) {
    if has_legend {
        text.push_str("<ul class=\"legend plain\">\n");
        for line in &chart.lines {
            let _ = writeln!(
                text,
                "<li>{}<span>{}</span></li>",
                swatch(line.kind, line.points.len()).0,
                escape(&line.label)
            );
        }
        text.push_str("</ul>\n");
    }
    let inline = chart.inline();
    let (width, height) = (inline.width, inline.height);
    let _ = writeln!(
        text,
        "<div class=\"plots wide\"><figure><figcaption class=\"small\">{}</figcaption><svg class=\"plot\" viewBox=\"0 0 {width} \
         {height}\" role=\"img\" aria-label=\"{}\">{}</svg></figure></div>",
        markup(caption),
        escape(caption),
        inline.marks.0
    );
}

/// How to get the page again.
fn provenance(text: &mut String, record: &OnlineRecord) {
    let manifest = &record.manifest;
    let settings = serde_json::to_string_pretty(&manifest.scenario).expect("a scenario is plain data");
    let _ = write!(
        text,
        "<section aria-labelledby=\"again\">\n<h2 id=\"again\">How to get it again</h2>\n{}<details><summary>The scenario with every \
         default written out</summary>\n<pre><code>{}</code></pre></details>\n</section>\n",
        again_html(&manifest.scenario.suite, &manifest.scenario.cost).into_string(),
        settings.lines().map(escape).collect::<Vec<_>>().join("\n")
    );
}

/// Paragraphs, lists, and tables of `report.md` as markup.
fn blocks(text: &mut String, markdown: &str) {
    for block in markdown.split("\n\n").map(str::trim).filter(|block| !block.is_empty()) {
        let lines: Vec<&str> = block.lines().collect();
        let item = |line: &str| {
            line.split_once(". ").filter(|(number, _)| number.parse::<usize>().is_ok()).is_some()
        };
        if lines.len() > 1 && lines.iter().all(|line| line.starts_with('|')) {
            table(text, &lines);
        } else if lines.iter().all(|line| item(line)) {
            let items = lines.iter().filter_map(|line| line.split_once(". "));
            let items: String = items.map(|(_, words)| format!("<li>{}</li>\n", markup(words))).collect();
            let _ = writeln!(text, "<ol>\n{items}</ol>");
        } else if lines.iter().all(|line| line.starts_with("- ")) {
            let items: String =
                lines.iter().map(|line| format!("<li>{}</li>\n", markup(&line[2..]))).collect();
            let _ = writeln!(text, "<ul>\n{items}</ul>");
        } else {
            let _ = writeln!(text, "<p>{}</p>", markup(block));
        }
    }
}

fn table(text: &mut String, lines: &[&str]) {
    let cells = |line: &str| -> Vec<String> {
        let inner = line.trim().trim_start_matches('|').trim_end_matches('|');
        inner.split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let is_number: Vec<bool> = cells(lines[1]).iter().map(|cell| cell.ends_with(':')).collect();
    let class = |at: usize| if is_number.get(at) == Some(&true) { " class=\"n\"" } else { "" };
    text.push_str("<div class=\"scroll\"><table>\n<thead><tr>");
    for (at, cell) in cells(lines[0]).iter().enumerate() {
        let _ = write!(text, "<th scope=\"col\"{}>{}</th>", class(at), markup(cell));
    }
    text.push_str("</tr></thead>\n<tbody>\n");
    for line in &lines[2..] {
        text.push_str("<tr>");
        for (at, cell) in cells(line).iter().enumerate() {
            let _ = match at {
                0 => write!(text, "<th scope=\"row\">{}</th>", markup(cell)),
                _ => write!(text, "<td{}>{}</td>", class(at), markup(cell)),
            };
        }
        text.push_str("</tr>\n");
    }
    text.push_str("</tbody></table></div>\n");
}

/// Words with their code, bold, and italics.
fn markup(words: &str) -> String {
    // Signs that are escaped are no signs: they are set aside where no text has anything.
    const ASIDE: [(&str, &str); 2] = [("\\*", "\u{e000}"), ("\\`", "\u{e001}")];
    let mut text = String::new();
    let words = ASIDE.iter().fold(escape_lines(words), |words, (sign, aside)| words.replace(sign, aside));
    for (at, part) in words.split('`').enumerate() {
        if at % 2 == 1 {
            let _ = write!(text, "<code>{part}</code>");
            continue;
        }
        for (at, part) in part.split("**").enumerate() {
            let italic: String = part
                .split('*')
                .enumerate()
                .map(|(at, part)| if at % 2 == 1 { format!("<em>{part}</em>") } else { part.to_owned() })
                .collect();
            let _ = if at % 2 == 1 {
                write!(text, "<strong>{italic}</strong>")
            } else {
                write!(text, "{italic}")
            };
        }
    }
    let text = unescaped(&text);
    ASIDE.iter().fold(text, |text, (sign, aside)| text.replace(aside, &sign[1..]))
}

fn escape_lines(words: &str) -> String {
    words.lines().map(escape).collect::<Vec<_>>().join("\n")
}

/// Words as they stand in markup, between tags or in a quoted attribute.
fn escape(words: &str) -> String {
    html! { (words) }.0
}

/// Links to the sections.
fn contents(text: &mut String, body: &str) {
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

/// The references that the figure shows, each with a look of its own.
const DRAWN: [&str; 4] = ["best-single", "best-single-warm", "zero-router", "uniform"];

/// What is drawn: regret against the utility oracle over steps, a line for each learner and reference.
pub(super) fn chart(record: &OnlineRecord, summary: &OnlineSummary) -> RegretChart {
    cumulative(record, summary, "the utility oracle", |series| Some(&series.regret))
}

/// One of the curves of a learner.
type Curve = fn(&Series) -> Option<&Vec<Spread>>;

/// Cumulative regret to one reference; `None` where it is not there.
pub(super) fn to_reference(
    record: &OnlineRecord,
    summary: &OnlineSummary,
    reference: &str,
) -> Option<RegretChart> {
    let (words, curve): (_, Curve) = match reference {
        "best-single" => ("the best single arm", |series| series.to_best_single.as_ref()),
        _ => ("the zero router", |series| Some(&series.to_zero_router)),
    };
    let chart = cumulative(record, summary, words, curve);
    (!chart.lines.is_empty()).then_some(chart)
}

fn cumulative(record: &OnlineRecord, summary: &OnlineSummary, reference: &str, curve: Curve) -> RegretChart {
    let place = |at: usize| summary.checkpoints[at] as f64;
    let looks = looks_of(summary);
    let line = |(position, series): (usize, &Series)| {
        let (kind, curve) = (kind(&looks, position, series)?, curve(series)?);
        let points = curve.iter().enumerate().map(|(at, spread)| (place(at), spread.mean));
        let band = curve.iter().enumerate().map(|(at, spread)| (place(at), spread.low, spread.high));
        Some(Line {
            label: series.policy.clone(),
            points: points.collect(),
            band: (!series.is_reference).then(|| band.collect()),
            kind,
        })
    };
    let lines = summary.series.iter().enumerate().filter_map(line).collect();
    dressed(record, lines, format!("regret against {reference}, in score"))
}

/// Regret a step against the utility oracle, in windows of a twentieth of the steps.
pub(super) fn local(record: &OnlineRecord, summary: &OnlineSummary) -> RegretChart {
    let n = record.manifest.n_steps;
    let lines = rates(record, summary, (0, n), n / 20);
    dressed(record, lines, "regret a step, in score".into())
}

/// Regret a step in the windows just before and just after a change, in pieces of a fiftieth of the steps.
pub(super) fn around(record: &OnlineRecord, summary: &OnlineSummary, phase: usize) -> RegretChart {
    let n = record.manifest.n_steps;
    let (from, width) = (record.phases[phase].from, (n / 10).max(1));
    let ends = (from.saturating_sub(width), (from + width).min(n));
    let lines = rates(record, summary, ends, n / 50);
    let mut chart = dressed(record, lines, "regret a step, in score".into());
    chart.changes.retain(|change| (ends.0 as f64..=ends.1 as f64).contains(change));
    chart
}

/// Mean regret a step between checkpoints at least `width` steps apart, at the middle of each piece; no piece crosses a change.
fn rates(
    record: &OnlineRecord,
    summary: &OnlineSummary,
    (low, high): (usize, usize),
    width: usize,
) -> Vec<Line> {
    let is_change = |step: usize| record.phases.iter().any(|phase| phase.from == step);
    let mut places: Vec<usize> = Vec::new();
    for (at, &step) in summary.checkpoints.iter().enumerate() {
        let is_far = places.last().is_none_or(|&last| step - summary.checkpoints[last] >= width.max(1));
        if (low..=high).contains(&step) && (is_far || is_change(step)) {
            places.push(at);
        }
    }
    let looks = looks_of(summary);
    let line = |(position, series): (usize, &Series)| {
        let rate = |pair: &[usize]| {
            let [from, to] = [pair[0], pair[1]].map(|at| summary.checkpoints[at] as f64);
            let gained = series.regret[pair[1]].mean - series.regret[pair[0]].mean;
            ((from + to) / 2.0, gained / (to - from))
        };
        let points = places.windows(2).map(rate).collect();
        Some(Line { label: series.policy.clone(), points, band: None, kind: kind(&looks, position, series)? })
    };
    summary.series.iter().enumerate().filter_map(line).collect()
}

/// The looks of the learners, which come before the references.
fn looks_of(summary: &OnlineSummary) -> Vec<usize> {
    let learners: Vec<&str> = (summary.series.iter())
        .filter(|series| !series.is_reference)
        .map(|series| series.policy.as_str())
        .collect();
    looks(learners.into_iter())
}

/// How a policy is drawn, where it is.
fn kind(looks: &[usize], position: usize, series: &Series) -> Option<LineKind> {
    if series.is_reference {
        return Some(LineKind::Reference { index: DRAWN.iter().position(|name| *name == series.policy)? });
    }
    Some(LineKind::Router { index: looks[position] })
}

fn dressed(record: &OnlineRecord, lines: Vec<Line>, regret_label: String) -> RegretChart {
    let (manifest, info) = (&record.manifest, &record.manifest.suite.info);
    let simulated = if info.simulated { " (simulated outcomes)" } else { "" };
    let suite =
        if info.name == manifest.scenario.name { String::new() } else { format!(" on {}", info.name) };
    RegretChart {
        title: format!("{}{suite}{simulated}: cumulative regret", manifest.scenario.name),
        subtitle: format!(
            "{} arms, {} steps, mean of {} orders with 95 % intervals",
            manifest.suite.models.len(),
            manifest.n_steps,
            record.orders.len()
        ),
        lines,
        changes: record.phases.iter().skip(1).map(|phase| phase.from as f64).collect(),
        step_label: "prompts answered".into(),
        regret_label,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_strangers_stay_words() {
        assert_eq!(
            markup("**a** <script> `b<c` *d*\n& e"),
            "<strong>a</strong> &lt;script&gt; <code>b&lt;c</code> <em>d</em>\n&amp; e"
        );
        let mut text = String::new();
        blocks(&mut text, "| a | b |\n|---|---:|\n| *x* | <i> |\n\n1. one\n2. two\n\n- holds: `y`");
        assert_eq!(
            text,
            "<div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\">a</th><th scope=\"col\" class=\"n\">b</th></tr></thead>\n\
             <tbody>\n<tr><th scope=\"row\"><em>x</em></th><td class=\"n\">&lt;i&gt;</td></tr>\n</tbody></table></div>\n\
             <ol>\n<li>one</li>\n<li>two</li>\n</ol>\n<ul>\n<li>holds: <code>y</code></li>\n</ul>\n"
        );
    }
}
