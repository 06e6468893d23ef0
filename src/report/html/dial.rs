//! Whom each router asks at one preference, and what comes of it: a table in the markup, which the script's slider moves.

use std::fmt::Write;

use super::{Page, dollars, escape, tables, weight};
use crate::evaluate::{PolicyKind, Summary};
use crate::preference::DistributionKind;
use crate::record::Record;
use crate::report::figures;
use crate::report::plot;
use crate::report::table::ABSENT;

/// Segments of a mix; what is left is one more.
const MOST_SEGMENTS: usize = 10;
/// Thousandths of prompts that other models get and that are shown: less is rounding.
const SMALLEST_REST: usize = 6;

/// The candidates by rising mean cost over all replicates.
pub(super) fn by_cost(summary: &Summary) -> Vec<usize> {
    let cost = |model: usize| -> f64 {
        summary.replicates.iter().map(|evaluated| evaluated.models[model].cost_usd).sum()
    };
    let mut models: Vec<usize> = (0..summary.replicates[0].models.len()).collect();
    models.sort_by(|a, b| cost(*a).total_cmp(&cost(*b)));
    models
}

/// The middle of the declared distribution of preferences, where there are costs.
pub(super) fn opens_at(record: &Record) -> usize {
    let manifest = &record.manifest;
    if !manifest.suite.has_cost {
        return 0;
    }
    let distribution = manifest.scenario.preferences.distribution;
    let middle = match distribution.kind {
        DistributionKind::Uniform => (distribution.low + distribution.high) / 2.0,
        DistributionKind::LogUniform => (distribution.low * distribution.high).sqrt(),
    };
    let distance = |at: usize| (manifest.preferences[at].max(1e-12) / middle).ln().abs();
    let mut nearest = 0;
    for at in 1..manifest.preferences.len() {
        if distance(at) < distance(nearest) {
            nearest = at;
        }
    }
    nearest
}

/// The shares of the models that prompts went to: places in the order of costs with thousandths, cheapest first; the
/// smallest of many are left out.
pub(super) fn mix(page: &Page, n_by_model: &[usize]) -> Vec<(usize, usize)> {
    let total: usize = n_by_model.iter().sum();
    let share = |model: usize| (1000.0 * n_by_model[model] as f64 / total.max(1) as f64).round() as usize;
    let mut shares: Vec<(usize, usize)> = page
        .by_cost
        .iter()
        .enumerate()
        .map(|(rank, model)| (rank, share(*model)))
        .filter(|(_, n)| *n > 0)
        .collect();
    shares.sort_by_key(|(rank, n)| (std::cmp::Reverse(*n), *rank));
    shares.truncate(MOST_SEGMENTS);
    shares.sort_unstable();
    shares
}

/// A bar of shares; the further its shade is from that of the page, the dearer a model is.
pub(super) fn bar(text: &mut String, page: &Page, shares: &[(usize, usize)]) {
    let names = &page.record.manifest.suite.models;
    let name = |rank: usize| escape(&names[page.by_cost[rank]]);
    let percent = |n: usize| format!("{:.1} %", n as f64 / 10.0);
    let words: Vec<String> =
        shares.iter().map(|(rank, n)| format!("{} {}", name(*rank), percent(*n))).collect();
    let _ = write!(text, "<span class=\"mix\" role=\"img\" aria-label=\"{}\">", words.join(", "));
    for ((rank, n), words) in shares.iter().zip(&words) {
        let _ = write!(
            text,
            "<i class=\"m{}\" style=\"{};width:{:.1}%\" title=\"{words}\">{}</i>",
            u8::from(is_dark(page, *rank)),
            shade(page, *rank),
            *n as f64 / 10.0,
            if *n >= 120 { name(*rank) } else { String::new() },
        );
    }
    let rest = 1000_usize.saturating_sub(shares.iter().map(|(_, n)| n).sum());
    if rest >= SMALLEST_REST && !shares.is_empty() {
        let _ = write!(
            text,
            "<i class=\"rest\" style=\"width:{:.1}%\" title=\"others {}\"></i>",
            rest as f64 / 10.0,
            percent(rest)
        );
    }
    text.push_str("</span>");
}

/// The shade of a place in the order of costs: a property from 0 to 1.
pub(super) fn shade(page: &Page, rank: usize) -> String {
    format!("--t:{:.2}", depth(page, rank))
}

fn depth(page: &Page, rank: usize) -> f64 {
    rank as f64 / (page.by_cost.len() - 1).max(1) as f64
}

fn is_dark(page: &Page, rank: usize) -> bool {
    depth(page, rank) > 0.45
}

/// The prompts of one router at one preference by model, over all benchmarks.
pub(super) fn n_by_model(page: &Page, router: usize, preference: usize) -> Vec<usize> {
    let mut total = vec![0; page.by_cost.len()];
    for traffic in &page.breakdown.routers[router][preference] {
        for (total, n) in total.iter_mut().zip(&traffic.n_by_model) {
            *total += n;
        }
    }
    total
}

/// The slider, which the script shows.
pub(super) fn bar_of_preferences(text: &mut String, page: &Page) {
    let (manifest, at) = (&page.record.manifest, page.opens_at);
    if !manifest.suite.has_cost {
        return;
    }
    let _ = writeln!(
        text,
        "<div class=\"dial\" hidden><label for=\"dial\">quality</label><input id=\"dial\" type=\"range\" min=\"0\" max=\"{}\" \
         value=\"{at}\" step=\"1\" aria-label=\"preference w, the weight of cost against score\"><label \
         for=\"dial\">thrift</label><output class=\"w\" for=\"dial\">w = {}</output></div>",
        manifest.preferences.len() - 1,
        weight(manifest.preferences[at]),
    );
}

/// The section.
pub(super) fn write(text: &mut String, page: &Page) {
    let (manifest, at) = (&page.record.manifest, page.opens_at);
    let has_cost = manifest.suite.has_cost;
    text.push_str(
        "<section aria-labelledby=\"dial-title\">\n<h2 id=\"dial-title\">Whom the routers ask</h2>\n",
    );
    if has_cost {
        let _ = writeln!(
            text,
            "<p>At the preference <output class=\"w\">w = {}</output>. A mix reads from the cheapest model on the left to the \
             dearest on the right.</p>",
            weight(manifest.preferences[at]),
        );
    }
    let costs = if has_cost {
        "<th scope=\"col\" class=\"n\">USD per 1,000</th><th scope=\"col\" class=\"n\">norm. utility</th>"
    } else {
        ""
    };
    let _ = write!(
        text,
        "<div class=\"scroll\"><table class=\"sort\" id=\"mixes\">\n<thead><tr><th scope=\"col\">router</th><th scope=\"col\" \
         class=\"n\">score</th>{costs}<th scope=\"col\" class=\"x\">mix of models</th></tr></thead>\n"
    );
    for kind in PolicyKind::IN_TABLES {
        if !page.summary.replicates[0].policies.iter().any(|policy| policy.kind == kind) {
            continue;
        }
        text.push_str(&tables::body_of(kind));
        for (position, policy) in page.summary.replicates[0].policies.iter().enumerate() {
            if policy.kind == kind {
                line(text, page, position, at);
            }
        }
        text.push_str("</tbody>\n");
    }
    text.push_str("</table></div>\n</section>\n");
}

fn line(text: &mut String, page: &Page, position: usize, at: usize) {
    let policy = &page.summary.replicates[0].policies[position];
    let points = figures::mean_points(page.summary, position);
    // A bound without preferences is one point.
    let point = points[at.min(points.len() - 1)];
    let _ = write!(
        text,
        "<tr data-policy=\"{position}\"><th scope=\"row\">{}{}</th><td class=\"n\" data-v=\"{}\">{:.4}</td>",
        mark(page, position),
        escape(&policy.name),
        point.score,
        point.score
    );
    if page.record.manifest.suite.has_cost {
        let utility = figures::mean_utility(page.summary, position, at);
        let utility = utility.map_or(ABSENT.to_owned(), |utility| format!("{utility:.3}"));
        let _ = write!(
            text,
            "<td class=\"n\" data-v=\"{}\">{}</td><td class=\"n\">{utility}</td>",
            point.cost_usd,
            dollars(point.cost_usd)
        );
    }
    text.push_str("<td class=\"x\">");
    if policy.kind.is_router() {
        bar(text, page, &mix(page, &n_by_model(page, position, at)));
    }
    text.push_str("</td></tr>\n");
}

/// The mark of a policy that the figures show, for tables.
pub(super) fn mark(page: &Page, position: usize) -> String {
    let shown = figures::in_pareto(page.record, page.summary);
    let mark = shown.iter().find(|shown| shown.position == position);
    mark.map_or_else(
        || "<span class=\"swatch\"></span>".to_owned(),
        |shown| plot::swatch(shown.kind, shown.n_places),
    )
}
