//! What one router makes of each benchmark at one preference; the script shows the others.

use std::fmt::Write;

use super::{Page, dial, dollars, escape, weight};
use crate::evaluate::{Benchmark, FEW, Traffic};
use crate::report::table::ABSENT;

/// Means and shares of one router on one benchmark.
pub(super) struct Measures {
    pub(super) score: f64,
    /// In US dollars per 1,000 prompts.
    pub(super) cost_usd: f64,
    /// Of the dollars: paid above the cheapest right answer.
    pub(super) needless_share: f64,
    /// Of the prompts: where that happened.
    pub(super) needless_prompts: f64,
    pub(super) score_where_few_right: Option<f64>,
}

impl Measures {
    pub(super) fn of(traffic: &Traffic, benchmark: &Benchmark) -> Self {
        let n = benchmark.n_prompts.max(1) as f64;
        let few = benchmark.n_by_right_share[FEW];
        Measures {
            score: traffic.score / n,
            cost_usd: 1000.0 * traffic.cost_usd / n,
            needless_share: if traffic.cost_usd > 0.0 {
                traffic.needless_usd / traffic.cost_usd
            } else {
                0.0
            },
            needless_prompts: traffic.n_needless as f64 / n,
            score_where_few_right: (few > 0).then(|| traffic.score_where_few_right / few as f64),
        }
    }
}

/// The section.
pub(super) fn write(text: &mut String, page: &Page) {
    let has_cost = page.record.manifest.suite.has_cost;
    let routers = &page.record.manifest.scenario.routers;
    text.push_str(
        "<section aria-labelledby=\"benchmarks-title\">\n<h2 id=\"benchmarks-title\">Benchmark by benchmark</h2>\n<p>What <span \
         class=\"choose\"><b class=\"router\">",
    );
    let _ = write!(text, "{}</b><select hidden aria-label=\"router\">", escape(&routers[page.leader].label));
    for (at, entry) in routers.iter().enumerate() {
        let selected = if at == page.leader { " selected" } else { "" };
        let _ = write!(text, "<option value=\"{at}\"{selected}>{}</option>", escape(&entry.label));
    }
    text.push_str("</select></span> does");
    if has_cost {
        let _ = write!(
            text,
            " at <output class=\"wb\">w = {}</output>",
            weight(page.record.manifest.preferences[page.opens_at])
        );
    }
    text.push_str(
        ". <i>Few right</i>: prompts that some but at most a quarter of the candidates answer right (score at least 0.5), \
         where a router has most to lose; and its score on these. ",
    );
    if has_cost {
        text.push_str(
            "<i>Needless</i>: the share of its dollars paid above the cheapest right answer, and the share of prompts where a \
             cheaper model was right too. ",
        );
    }
    text.push_str("<i>Right</i>: how many candidates answer right: none, then up to a quarter, half, three quarters, all.</p>\n");
    let heading = |words: &str, class: &str| format!("<th scope=\"col\" class=\"{class}\">{words}</th>");
    let _ = write!(
        text,
        "<div class=\"scroll\"><table class=\"sort\" id=\"benchmarks\">\n<thead><tr>{}{}{}{}{}{}",
        heading("benchmark", ""),
        heading("prompts", "n"),
        heading("right", "r"),
        heading("best single", "n"),
        heading("score", "n"),
        heading("few right, %", "n"),
    );
    text.push_str(&heading("score there", "n"));
    if has_cost {
        for words in ["USD per 1,000", "needless $, %", "prompts, %"] {
            text.push_str(&heading(words, "n"));
        }
    }
    let _ = writeln!(text, "{}</tr></thead>\n<tbody>", heading("mix of models", "x"));
    let traffic = &page.breakdown.routers[page.leader][page.opens_at];
    for (at, (benchmark, traffic)) in page.breakdown.benchmarks.iter().zip(traffic).enumerate() {
        line(text, page, at, benchmark, traffic);
    }
    text.push_str("</tbody>\n</table></div>\n</section>\n");
}

fn line(text: &mut String, page: &Page, at: usize, benchmark: &Benchmark, traffic: &Traffic) {
    let measures = Measures::of(traffic, benchmark);
    let n = benchmark.n_prompts.max(1) as f64;
    let percent = |share: f64| format!("{:.1}", 100.0 * share);
    let _ = write!(
        text,
        "<tr data-benchmark=\"{at}\"><th scope=\"row\">{}</th><td class=\"n\">{}</td><td class=\"r\">",
        escape(&benchmark.name),
        benchmark.n_prompts
    );
    right(text, benchmark);
    let few = benchmark.n_by_right_share[FEW] as f64 / n;
    let there = measures.score_where_few_right.map_or(ABSENT.to_owned(), |score| format!("{score:.3}"));
    let _ = write!(
        text,
        "</td><td class=\"n\">{:.4}</td><td class=\"n\">{:.4}</td><td class=\"n\">{}</td><td class=\"n\">{there}</td>",
        benchmark.best_single_score / n,
        measures.score,
        percent(few)
    );
    if page.record.manifest.suite.has_cost {
        let _ = write!(
            text,
            "<td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>",
            dollars(measures.cost_usd),
            percent(measures.needless_share),
            percent(measures.needless_prompts)
        );
    }
    text.push_str("<td class=\"x\">");
    dial::bar(text, page, &dial::mix(page, &traffic.n_by_model));
    text.push_str("</td></tr>\n");
}

/// A bar of prompts by how many candidates answer right.
fn right(text: &mut String, benchmark: &Benchmark) {
    const WORDS: [&str; 5] = ["none", "up to a quarter", "up to half", "up to three quarters", "more"];
    let n = benchmark.n_prompts.max(1) as f64;
    let share = |count: usize| 100.0 * count as f64 / n;
    let words: Vec<String> = (WORDS.iter().zip(benchmark.n_by_right_share))
        .map(|(words, count)| format!("{words} {:.1} %", share(count)))
        .collect();
    let _ = write!(
        text,
        "<span class=\"right\" role=\"img\" aria-label=\"right: {}\" title=\"right: {}\">",
        words.join(", "),
        words.join(", ")
    );
    for (at, count) in benchmark.n_by_right_share.into_iter().enumerate() {
        let _ = write!(text, "<i class=\"q{at}\" style=\"width:{:.1}%\"></i>", share(count));
    }
    text.push_str("</span>");
}
