//! Whom each router asks at one preference, what comes of it, and what one router makes of each benchmark: tables in the
//! markup, which the script's slider moves.

use maud::{Markup, html};

use super::{Page, Section, dollars, weight};
use crate::evaluate::{Benchmark, FEW, PolicyKind, Traffic};
use crate::preference::DistributionKind;
use crate::record::Record;
use crate::report::figures;
use crate::report::markup::{ABSENT, Cell, Column, Key, Table, cells};

/// Segments of a mix; what is left is one more.
const MOST_SEGMENTS: usize = 10;
/// Thousandths of prompts that other models get and that are shown: less is rounding.
const SMALLEST_REST: usize = 6;

/// The middle of the declared distribution of preferences, where there are costs.
pub(in crate::report) fn opens_at(record: &Record) -> usize {
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
pub(in crate::report) fn mix(page: &Page, n_by_model: &[usize]) -> Vec<(usize, usize)> {
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

/// A bar of shares; the further its shade is from that of the page, the more expensive a model is.
pub(super) fn bar(page: &Page, shares: &[(usize, usize)]) -> Markup {
    let names = &page.record.manifest.suite.models;
    let name = |rank: usize| &names[page.by_cost[rank]];
    let percent = |n: usize| format!("{:.1} %", n as f64 / 10.0);
    let width = |n: usize| format!("width:{:.1}%", n as f64 / 10.0);
    let words: Vec<String> =
        shares.iter().map(|(rank, n)| format!("{} {}", name(*rank), percent(*n))).collect();
    let rest = 1000_usize.saturating_sub(shares.iter().map(|(_, n)| n).sum());
    html! {
        span.mix role="img" aria-label=(words.join(", ")) {
            @for ((rank, n), words) in shares.iter().zip(&words) {
                i class={ "m" (u8::from(is_dark(page, *rank))) } style={ (shade(page, *rank)) ";" (width(*n)) } title=(words) {
                    @if *n >= 120 { (name(*rank)) }
                }
            }
            @if rest >= SMALLEST_REST && !shares.is_empty() {
                i.rest style=(width(rest)) title={ "others " (percent(rest)) } {}
            }
        }
    }
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
pub(in crate::report) fn n_by_model(page: &Page, router: usize, preference: usize) -> Vec<usize> {
    let mut total = vec![0; page.by_cost.len()];
    for traffic in &page.breakdown.routers[router][preference] {
        for (total, n) in total.iter_mut().zip(&traffic.n_by_model) {
            *total += n;
        }
    }
    total
}

/// The slider, which the script shows.
pub(in crate::report) fn dial_html(page: &Page) -> Markup {
    let (manifest, at) = (&page.record.manifest, page.opens_at);
    html! {
        @if manifest.suite.has_cost {
            div.dial hidden {
                label for="dial" { "quality" }
                input #dial type="range" min="0" max=(manifest.preferences.len() - 1) value=(at) step="1"
                    aria-label="preference w, the weight of cost against score";
                label for="dial" { "low cost" }
                output.w for="dial" { "w = " (weight(manifest.preferences[at])) }
            } "\n"
        }
    }
}

/// The section.
pub(in crate::report) fn mixes_html(page: &Page) -> Section {
    let manifest = &page.record.manifest;
    let has_cost = manifest.suite.has_cost;
    let mut columns = vec![Column::text("router"), Column::number("score")];
    if has_cost {
        columns.extend([Column::number("USD per 1,000"), Column::number("norm. utility")]);
    }
    columns.push(Column::text("mix of models").class("x"));
    let mut table = Table::new(columns);
    for kind in PolicyKind::IN_TABLES {
        table.heading((kind != PolicyKind::Router).then(|| kind.heading()));
        for (position, policy) in page.summary.replicates[0].policies.iter().enumerate() {
            if policy.kind == kind {
                table.keyed(Some(Key::Policy(position)), row(page, position));
            }
        }
    }
    let body = html! {
        @if has_cost {
            p {
                "At the preference " output.w { "w = " (weight(manifest.preferences[page.opens_at])) }
                ". A mix reads from the cheapest model on the left to the most expensive on the right."
            } "\n"
        }
        (table.html(Some("mixes")))
    };
    Section::new("dial", "Whom the routers ask", body)
}

fn row(page: &Page, position: usize) -> Vec<Cell> {
    let (policy, at) = (&page.summary.replicates[0].policies[position], page.opens_at);
    let points = figures::mean_points(page.summary, position);
    // A bound without preferences is one point.
    let point = points[at.min(points.len() - 1)];
    let mut row = vec![
        Cell::from(&policy.name).after(page.mark(position)),
        Cell::from(format!("{:.4}", point.score)).exact(point.score),
    ];
    if page.record.manifest.suite.has_cost {
        let utility = figures::mean_utility(page.summary, position, at);
        let utility = utility.map_or_else(|| ABSENT.into(), |utility| Cell::from(format!("{utility:.3}")));
        row.extend([Cell::from(dollars(point.cost_usd)).exact(point.cost_usd), utility]);
    }
    row.push(if policy.kind.is_router() {
        Cell::picture(bar(page, &mix(page, &n_by_model(page, position, at))))
    } else {
        Cell::default()
    });
    row
}

/// Means and shares of one router on one benchmark.
pub(in crate::report) struct Measures {
    pub(in crate::report) score: f64,
    /// In US dollars per 1,000 prompts.
    pub(in crate::report) cost_usd: f64,
    /// Of the dollars: paid above the cheapest right answer.
    pub(in crate::report) needless_share: f64,
    /// Of the prompts: where that happened.
    pub(in crate::report) needless_prompts: f64,
    pub(in crate::report) score_where_few_right: Option<f64>,
}

impl Measures {
    pub(in crate::report) fn of(traffic: &Traffic, benchmark: &Benchmark) -> Self {
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
pub(in crate::report) fn benchmarks_html(page: &Page) -> Section {
    let manifest = &page.record.manifest;
    let (has_cost, routers) = (manifest.suite.has_cost, &manifest.scenario.routers);
    let body = html! {
        p {
            "What "
            span.choose {
                b.router { (routers[page.leader].label) }
                select hidden aria-label="router" {
                    @for (at, entry) in routers.iter().enumerate() {
                        option value=(at) selected[at == page.leader] { (entry.label) }
                    }
                }
            }
            " does"
            @if has_cost { " at " output.wb { "w = " (weight(manifest.preferences[page.opens_at])) } }
            ". " i { "Few right" }
            ": prompts that some but at most a quarter of the candidates answer right (score at least 0.5), where a router has \
             most to lose; and its score on these. "
            @if has_cost {
                i { "Needless" }
                ": the share of its dollars paid above the cheapest right answer, and the share of prompts where a cheaper model \
                 was right too. "
            }
            i { "Right" } ": how many candidates answer right: none, then up to a quarter, half, three quarters, all."
        } "\n"
        (benchmark_table(page).html(Some("benchmarks")))
    };
    Section::new("benchmarks", "Benchmark by benchmark", body)
}

fn benchmark_table(page: &Page) -> Table {
    let mut columns = vec![
        Column::text("benchmark"),
        Column::number("prompts"),
        Column::text("right").class("r"),
        Column::number("best single"),
        Column::number("score"),
        Column::number("few right, %"),
        Column::number("score there"),
    ];
    if page.record.manifest.suite.has_cost {
        columns.extend(["USD per 1,000", "needless $, %", "prompts, %"].map(Column::number));
    }
    columns.push(Column::text("mix of models").class("x"));
    let mut table = Table::new(columns);
    let traffic = &page.breakdown.routers[page.leader][page.opens_at];
    for (at, (benchmark, traffic)) in page.breakdown.benchmarks.iter().zip(traffic).enumerate() {
        table.keyed(Some(Key::Benchmark(at)), benchmark_row(page, benchmark, traffic));
    }
    table
}

fn benchmark_row(page: &Page, benchmark: &Benchmark, traffic: &Traffic) -> Vec<Cell> {
    let measures = Measures::of(traffic, benchmark);
    let n = benchmark.n_prompts.max(1) as f64;
    let percent = |share: f64| format!("{:.1}", 100.0 * share);
    let there = measures.score_where_few_right.map_or(ABSENT.to_owned(), |score| format!("{score:.3}"));
    let mut row = cells![
        &benchmark.name,
        benchmark.n_prompts,
        Cell::picture(right(benchmark)),
        format!("{:.4}", benchmark.best_single_score / n),
        format!("{:.4}", measures.score),
        percent(benchmark.n_by_right_share[FEW] as f64 / n),
        there,
    ];
    if page.record.manifest.suite.has_cost {
        row.extend(cells![
            dollars(measures.cost_usd),
            percent(measures.needless_share),
            percent(measures.needless_prompts),
        ]);
    }
    row.push(Cell::picture(bar(page, &mix(page, &traffic.n_by_model))));
    row
}

/// A bar of prompts by how many candidates answer right.
fn right(benchmark: &Benchmark) -> Markup {
    const WORDS: [&str; 5] = ["none", "up to a quarter", "up to half", "up to three quarters", "more"];
    let n = benchmark.n_prompts.max(1) as f64;
    let share = |count: usize| 100.0 * count as f64 / n;
    let words: Vec<String> = (WORDS.iter().zip(benchmark.n_by_right_share))
        .map(|(words, count)| format!("{words} {:.1} %", share(count)))
        .collect();
    let words = format!("right: {}", words.join(", "));
    html! {
        span.right role="img" aria-label=(words) title=(words) {
            @for (at, count) in benchmark.n_by_right_share.into_iter().enumerate() {
                i class={ "q" (at) } style=(format!("width:{:.1}%", share(count))) {}
            }
        }
    }
}
