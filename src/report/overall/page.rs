//! Several runs on one page: the overall table, mean ranks, the area under the curve scenario by scenario, and where each report is.

use std::path::Path;

use maud::{Markup, html};

use super::{Finished, LEGEND, ONLINE_LEGEND, OnlineRun, Overall, RANKED_BY, notes, online_table, table};
use crate::evaluate::PolicyKind;
use crate::report::document;
use crate::report::markup::{Cell, Column, Table};
use crate::report::plot::{OnPage, RankChart};
use crate::report::sections::charts::figure;
use crate::report::sections::{Section, small};

/// The page; the reports that lie below `folder`, where it will be, are linked.
pub(super) fn overall_html(
    folder: &Path,
    (runs, overall, ranks): (&[Finished], &Overall, Option<&RankChart>),
    online_runs: &[OnlineRun],
) -> String {
    let mut sections = Vec::new();
    if !runs.is_empty() {
        sections.push(Section::new("overall", "Routers over all scenarios", means(overall)));
        if let Some(chart) = ranks {
            let body =
                html! { div."plots wide" { (figure(&chart.inline(), None, "Mean ranks of routers")) } "\n" };
            sections.push(Section::new("ranks", "Mean ranks", body));
        }
        sections.push(Section::new(
            "by-scenario",
            "Scenario by scenario",
            by_scenario(folder, runs, overall),
        ));
    }
    if !online_runs.is_empty() {
        sections.push(Section::new("online", "Online", online(folder, online_runs)));
    }
    let n = runs.len() + online_runs.len();
    let content = html! {
        header { "\n"
            p.kicker { "several runs " span { (n) " scenarios" } } "\n"
            h1 { "Overall" } "\n"
        } "\n"
        @for section in &sections { (section.html()) }
    };
    document("Overall", &content, &html! {})
}

fn means(overall: &Overall) -> Markup {
    html! {
        (table(overall).html(None))
        (small(LEGEND))
        @for note in notes(overall) { (small(&note)) }
    }
}

/// The metric that routers are ranked by, one row a scenario, the best router in bold.
fn by_scenario(folder: &Path, runs: &[Finished], overall: &Overall) -> Markup {
    let is_router = |kind| kind == PolicyKind::Router;
    let routers: Vec<&str> =
        overall.rows.iter().filter(|row| is_router(row.kind)).map(|row| row.policy.as_str()).collect();
    let titles = routers.iter().map(|router| Column::number(*router));
    let mut table = Table::new(std::iter::once(Column::text("scenario")).chain(titles));
    for run in runs {
        let mean = |router: &&str| {
            let aggregate = run.summary.named(router, RANKED_BY)?.aggregate()?;
            Some(aggregate.mean)
        };
        let means: Vec<Option<f64>> = routers.iter().map(mean).collect();
        let best = means.iter().flatten().copied().max_by(f64::total_cmp);
        let cell = |mean: &Option<f64>| Cell::decimals(*mean, 4).strong_if(mean.is_some() && *mean == best);
        let name = named(folder, &run.report, &run.record.manifest.scenario.name);
        table.row(std::iter::once(name).chain(means.iter().map(cell)).collect());
    }
    html! { p { (RANKED_BY.to_uppercase()) ", the best router of a scenario in bold." } "\n" (table.html(None)) }
}

fn online(folder: &Path, runs: &[OnlineRun]) -> Markup {
    html! {
        (online_table(runs).html(None))
        (small(ONLINE_LEGEND))
        ul { @for run in runs { li { (link(folder, &run.report, &run.scenario)) } "\n" } } "\n"
    }
}

/// The name of a scenario before which its link stands.
fn named(folder: &Path, report: &Path, name: &str) -> Cell {
    match report.strip_prefix(folder) {
        Ok(_) => Cell::from("").after(link(folder, report, name)),
        Err(_) => Cell::from(name),
    }
}

fn link(folder: &Path, report: &Path, name: &str) -> Markup {
    match report.strip_prefix(folder) {
        Ok(inner) => html! { a href=(inner.join("report.html").display()) { (name) } },
        Err(_) => html! { (name) },
    }
}
