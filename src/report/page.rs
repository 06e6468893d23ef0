//! `report.html`: one file that needs nothing else. Tables and pictures are in its markup; the script only adds to them, from
//! what it is told as JSON.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde::Serialize;

use super::plot::{self, Geometry};
use super::sections::charts::Charts;
use super::sections::mixes::{self, Measures};
use super::sections::{Page, Section, dollars};
use super::sections::{advice, budget, charts, collapse, evidence, latency, routers, setting, worst};
use super::{Apart, figures};
use crate::evaluate::{FEW, PolicyKind, Summary, Traffic, Verdict, breakdown};
use crate::record::Record;

const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/script.js");
/// A browser is told to load nothing.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// The whole page.
pub(super) fn report_html(record: &Record, summary: &Summary, apart: &Apart, verdicts: &[Verdict]) -> String {
    let page = page_of(record, summary, apart);
    let charts = Charts::new(&page);
    let content = html! { (evidence::headline_html(&page)) (sections(&page, &charts, verdicts)) };
    let script = html! {
        div #tip role="status" aria-live="polite" hidden {} "\n"
        script type="application/json" #data { (PreEscaped(json(&page, &charts))) } "\n"
        script { (PreEscaped("\n")) (PreEscaped(SCRIPT)) } "\n"
    };
    document(&record.manifest.scenario.name, &content, &script)
}

/// A page of its own, with what stands after its content.
pub(crate) fn document(name: &str, content: &Markup, script: &Markup) -> String {
    let [light, dark] = plot::properties();
    let style = format!(
        "\n:root{{{light}}}\n@media (prefers-color-scheme:dark){{@media screen{{:root{{{dark}}}}}}}\n{STYLE}"
    );
    let page = html! {
        (DOCTYPE) "\n"
        html lang="en" { "\n"
            head { "\n"
                meta charset="utf-8"; "\n"
                meta name="viewport" content="width=device-width, initial-scale=1"; "\n"
                meta http-equiv="Content-Security-Policy" content=(POLICY); "\n"
                title { (name) " \u{b7} llm-bandit" } "\n"
                style { (PreEscaped(style)) } "\n"
            } "\n"
            body { "\n"
                main { "\n" (content) } "\n"
                (script)
            } "\n"
        } "\n"
    };
    page.into_string()
}

fn page_of<'a>(record: &'a Record, summary: &'a Summary, apart: &'a Apart) -> Page<'a> {
    let shown = figures::in_pareto(record, summary);
    let mark = |position: usize| match shown.iter().find(|shown| shown.position == position) {
        Some(shown) => plot::swatch(shown.kind, shown.n_places),
        None => html! { span.swatch {} },
    };
    Page {
        record,
        summary,
        budgets: &apart.budgets,
        latencies: apart.latencies.as_ref(),
        breakdown: breakdown(record),
        by_cost: figures::by_cost(summary),
        opens_at: mixes::opens_at(record),
        leader: evidence::leader(record, summary),
        routers: figures::kinds(record, summary),
        marks: (0..summary.replicates[0].policies.len()).map(mark).collect(),
    }
}

/// The contents and the sections. Those that the dial moves are one part of the page, so that it stays in sight above them.
fn sections(page: &Page, charts: &Charts, verdicts: &[Verdict]) -> Markup {
    let mut figures = charts.html(page).into_iter();
    let mut dialled: Vec<Section> = figures.next().into_iter().collect();
    dialled.extend(advice::html(page));
    dialled.extend(routers::main_html(page));
    dialled.extend(routers::sessions_html(page));
    dialled.extend(evidence::html(page));
    dialled.extend(figures);
    dialled.extend([mixes::mixes_html(page), mixes::benchmarks_html(page)]);
    let mut after: Vec<Section> = Vec::new();
    after.extend(worst::html(page));
    after.extend(latency::html(page));
    after.extend(budget::html(page));
    after.push(collapse::html(page));
    after.extend(routers::further_html(page));
    after.push(routers::published_html(page));
    after.extend(routers::worth_html(page));
    after.extend(charts::calibration_html(page));
    after.extend(charts::curves_html(page));
    after.push(routers::models_html(page));
    after.extend(routers::html(page));
    after.extend(setting::stress_html(page));
    after.push(routers::trainings_html(page));
    after.extend(setting::expectations_html(verdicts));
    after.push(setting::provenance_html(page));
    html! {
        (contents(dialled.iter().chain(&after)))
        div.dialled { "\n"
            (mixes::dial_html(page))
            @for section in &dialled { (section.html()) }
        } "\n"
        @for section in &after { (section.html()) }
    }
}

/// Links to sections.
pub(super) fn contents<'a>(sections: impl Iterator<Item = &'a Section>) -> Markup {
    html! {
        nav aria-label="Contents" { ul { "\n"
            @for Section { id, title, .. } in sections { li { a href={ "#" (id) "-title" } { (title) } } "\n" }
        } } "\n"
    }
}

/// About so many numbers on benchmarks at most: where there are more, fewer preferences are kept.
const MOST_NUMBERS: usize = 120_000;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    has_cost: bool,
    preferences: &'a [f64],
    opens_at: usize,
    leader: usize,
    /// By rising cost.
    models: Vec<&'a str>,
    policies: Vec<Policy<'a>>,
    geometries: Vec<Geometry>,
    /// The policies of the figures' groups.
    in_pareto: Vec<usize>,
    in_utility: Vec<usize>,
    benchmarks: Vec<Benchmark<'a>>,
    /// The preferences of `traffic`.
    stops: Vec<usize>,
    /// By router, stop, and benchmark.
    traffic: Vec<Vec<Vec<Row>>>,
}

#[derive(Serialize)]
struct Policy<'a> {
    name: &'a str,
    /// Score and US dollars per 1,000 prompts.
    points: Vec<[f64; 2]>,
    utilities: Vec<Option<f64>>,
    /// By preference, place in the order of costs and thousandths in turn.
    mixes: Vec<Vec<usize>>,
}

#[derive(Serialize)]
struct Benchmark<'a> {
    name: &'a str,
    n: usize,
    few: usize,
}

/// Score, US dollars per 1,000 prompts, needless dollars in percent, prompts with any in percent, score where few are right, mix.
#[derive(Serialize)]
struct Row(f64, f64, f64, f64, Option<f64>, Vec<usize>);

/// The data, safe inside a script element: nothing in it can end one.
fn json(page: &Page, charts: &Charts) -> String {
    let manifest = &page.record.manifest;
    let preferences = &manifest.preferences;
    let stops = stops(page);
    let traffic = |by_preference: &Vec<Vec<Traffic>>| {
        stops
            .iter()
            .map(|at| {
                by_preference[*at]
                    .iter()
                    .zip(&page.breakdown.benchmarks)
                    .map(|(traffic, benchmark)| row(page, traffic, benchmark))
                    .collect()
            })
            .collect()
    };
    let data = Data {
        has_cost: manifest.suite.has_cost,
        preferences,
        opens_at: page.opens_at,
        leader: page.leader,
        models: page.by_cost.iter().map(|model| manifest.suite.models[*model].as_str()).collect(),
        policies: policies(page),
        geometries: charts.geometries(),
        in_pareto: charts.in_pareto.iter().map(|shown| shown.position).collect(),
        in_utility: charts.in_utility.iter().map(|shown| shown.position).collect(),
        benchmarks: (page.breakdown.benchmarks.iter())
            .map(|benchmark| Benchmark {
                name: &benchmark.name,
                n: benchmark.n_prompts,
                few: benchmark.n_by_right_share[FEW],
            })
            .collect(),
        traffic: page.breakdown.routers.iter().map(traffic).collect(),
        stops,
    };
    let json = serde_json::to_string(&data).expect("the data of a page are plain");
    // Neither "</script" nor "<!--" can be spelled without this letter.
    json.replace('<', "\\u003c")
}

fn policies<'a>(page: &Page<'a>) -> Vec<Policy<'a>> {
    let n_preferences = page.record.manifest.preferences.len();
    let policies = page.summary.replicates[0].policies.iter().enumerate();
    let policy = |(position, policy): (usize, &'a crate::evaluate::Policy)| {
        let mix = |at| flat(&mixes::mix(page, &mixes::n_by_model(page, position, at)));
        let n_mixes = if policy.kind.is_router() { n_preferences } else { 0 };
        let utility = |at| figures::mean_utility(page.summary, position, at).map(|value| shown(value, 3));
        let points = figures::mean_points(page.summary, position);
        Policy {
            name: &policy.name,
            points: points
                .iter()
                .map(|point| [shown(point.score, 4), shown_dollars(point.cost_usd)])
                .collect(),
            utilities: (0..n_preferences).map(utility).collect(),
            mixes: (0..n_mixes).map(mix).collect(),
        }
    };
    policies.filter(|(_, policy)| policy.kind != PolicyKind::Model).map(policy).collect()
}

/// The preferences at which benchmarks are known to the script: all, or evenly chosen ones with the first that is shown.
fn stops(page: &Page) -> Vec<usize> {
    let numbers = |at: usize| -> usize {
        let routers = page.breakdown.routers.iter();
        let of_router =
            |traffic: &Traffic| 5 + 2 * traffic.n_by_model.iter().filter(|n| **n > 0).count().min(10);
        routers.flat_map(|by_preference| by_preference[at].iter().map(of_router)).sum()
    };
    let n_preferences = page.record.manifest.preferences.len();
    let total: usize = (0..n_preferences).map(numbers).sum();
    let step = total.div_ceil(MOST_NUMBERS).max(1);
    (0..n_preferences).filter(|at| at % step == page.opens_at % step).collect()
}

fn row(page: &Page, traffic: &Traffic, benchmark: &crate::evaluate::Benchmark) -> Row {
    let measures = Measures::of(traffic, benchmark);
    Row(
        shown(measures.score, 4),
        shown_dollars(measures.cost_usd),
        shown(100.0 * measures.needless_share, 1),
        shown(100.0 * measures.needless_prompts, 1),
        measures.score_where_few_right.map(|score| shown(score, 3)),
        flat(&mixes::mix(page, &traffic.n_by_model)),
    )
}

fn flat(mix: &[(usize, usize)]) -> Vec<usize> {
    mix.iter().flat_map(|(rank, share)| [*rank, *share]).collect()
}

/// The value as the page shows it with so many decimals, so that the script writes the same digits.
fn shown(value: f64, decimals: usize) -> f64 {
    format!("{value:.decimals$}").parse().unwrap_or(value)
}

fn shown_dollars(usd: f64) -> f64 {
    dollars(usd).parse().unwrap_or(usd)
}
