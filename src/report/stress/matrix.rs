//! The stress matrix: routers down, shifts across, each cell a change with its interval.

use std::fmt::Write;

use super::Column;
use crate::evaluate::{Move, MovedMetric, PolicyKind};
use crate::record::Record;
use crate::report::csv_tables::{bounds, write};
use crate::report::plot::{HeatCell, HeatChart, heat_png, heat_svg};
use crate::report::table::ABSENT;
use crate::scenario::shift::{Change, Stage};

/// Title and what the page is.
pub(super) fn head(twin: &Record) -> String {
    let scenario = &twin.manifest.scenario;
    format!(
        "# {}: under stress\n\n{} Everything here stands beside the run as it is, `../report.md`, and is computed from the \
         records in `records` and `../record`. Means of {} replicates; intervals are 95 %, of differences on the same prompts.\n\n",
        scenario.name, scenario.description, scenario.replicates
    )
}

/// The metric of the matrix: the first that the runs have.
fn main_metric(moved: &Move) -> Option<&MovedMetric> {
    moved.metrics.first()
}

fn metric_in_words(twin: &Record) -> &'static str {
    if twin.manifest.suite.has_cost { "normalised utility" } else { "score at w = 0" }
}

/// The matrix, what each shift is, and which invariances hold.
pub(super) fn matrix_md(twin: &Record, columns: &[Column<'_>]) -> String {
    let metric = metric_in_words(twin);
    let mut text = format!(
        "## Stress matrix\n\nChange in {metric} against the unshifted twin on the same prompts; **bold** where the interval \
         lies beside 0, \u{2020} where the shift does not reach the router. The same as a picture: `stress.svg`.\n\n| router | twin |"
    );
    for column in columns {
        let _ = write!(text, " {} |", column.shift.name);
    }
    text.push_str("\n|---|---:|");
    text.push_str(&"---:|".repeat(columns.len()));
    text.push('\n');
    for (at, entry) in twin.manifest.scenario.routers.iter().enumerate() {
        let own = columns.iter().find(|column| column.record.prompts.len() == twin.prompts.len());
        let before = own.and_then(|column| main_metric(&column.moves[at]));
        let before = before.map_or_else(|| ABSENT.to_owned(), |moved| format!("{:.4}", moved.before));
        let mark = if entry.settings.traits().asks_judge { " \u{2021}" } else { "" };
        let _ = write!(text, "| {}{mark} | {before} |", entry.label);
        for column in columns {
            let _ = write!(text, " {} |", cell(&column.moves[at]));
        }
        text.push('\n');
    }
    if twin.manifest.scenario.routers.iter().any(|entry| entry.settings.traits().asks_judge) {
        let _ = writeln!(text, "\n\u{2021} {}: for its own changes alone.", PolicyKind::Judged.heading());
    }
    text.push_str("\n| shift | what changes | trained anew | test prompts |\n|---|---|---|---:|\n");
    for Column { shift, record, .. } in columns {
        let anew = if shift.change.stage() == Stage::Training { "yes" } else { "no" };
        let n_test = record.manifest.replicates[0].n_test;
        let _ = writeln!(text, "| {} | {} | {anew} | {n_test} |", shift.name, shift.words());
    }
    text.push('\n');
    text.push_str(&unheard(columns));
    text.push_str(&choices_md(twin, columns));
    text
}

fn cell(moved: &Move) -> String {
    let mark = if moved.unheard.is_some() { "\u{2020}" } else { "" };
    let Some(metric) = main_metric(moved) else { return ABSENT.to_owned() };
    let change = format!("{:+.4}", metric.change());
    let Some(interval) = metric.interval else { return format!("{change}{mark}") };
    let is_beyond = is_beyond_chance(metric);
    let change = if is_beyond { format!("**{change}**") } else { change };
    format!("{change}{mark} [{:+.4}, {:+.4}]", interval.low, interval.high)
}

fn is_beyond_chance(metric: &MovedMetric) -> bool {
    metric.interval.is_some_and(|interval| interval.high < 0.0 || 0.0 < interval.low)
}

/// Why shifts did not reach routers.
fn unheard(columns: &[Column<'_>]) -> String {
    let mut text = String::new();
    for column in columns {
        for moved in &column.moves {
            if let Some(why) = &moved.unheard {
                let _ = writeln!(text, "- \u{2020} {}, `{}`: {why}.", column.shift.name, moved.router);
            }
        }
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

/// Shifts that should change no choice, or hand all of a model's to its cheaper copy.
fn choices_md(twin: &Record, columns: &[Column<'_>]) -> String {
    let is_of_choices = |column: &&Column<'_>| {
        matches!(column.shift.change, Change::Clone { .. } | Change::ModelOrder | Change::CostUnit { .. })
    };
    let columns: Vec<&Column<'_>> = columns.iter().filter(is_of_choices).collect();
    if columns.is_empty() {
        return String::new();
    }
    let mut text = "### What should not matter\n\nShare of choices that change, in per cent; a copy counts as its original. Of a cheaper \
         copy: the share of the choices of it or its original at w > 0 that fall to it.\n\n| router |"
        .to_owned();
    for column in &columns {
        let _ = write!(text, " {} |", column.shift.name);
    }
    text.push_str(&format!("\n|---|{}\n", "---:|".repeat(columns.len())));
    for (at, entry) in twin.manifest.scenario.routers.iter().enumerate() {
        let _ = write!(text, "| {} |", entry.label);
        for column in &columns {
            let moved = &column.moves[at];
            let is_cheaper = matches!(column.shift.change, Change::Clone { factor, .. } if factor < 1.0);
            let taken = moved.taken_over.filter(|_| is_cheaper);
            let taken = taken.map_or_else(String::new, |share| format!("; takes over {:.1}", 100.0 * share));
            let _ = write!(text, " {:.2}{taken} |", 100.0 * moved.changed);
        }
        text.push('\n');
    }
    text.push('\n');
    text
}

/// Every metric of every router under every shift, in long form.
pub(super) fn stress_csv(twin: &Record, columns: &[Column<'_>]) -> Vec<u8> {
    let header = [
        "scenario", "shift", "stage", "router", "metric", "twin", "shifted", "change", "low", "high",
        "unheard",
    ];
    let mut rows = vec![header.map(str::to_owned)];
    let scenario = &twin.manifest.scenario.name;
    for Column { shift, moves, .. } in columns {
        let stage = if shift.change.stage() == Stage::Training { "training" } else { "test" };
        for moved in moves {
            let mut push = |metric: &str, numbers: [String; 5]| {
                let [before, after, change, low, high] = numbers;
                let names = [scenario, &shift.name, stage, &moved.router, metric].map(str::to_owned);
                let [scenario, shift, stage, router, metric] = names;
                let unheard = moved.unheard.clone().unwrap_or_default();
                rows.push([
                    scenario, shift, stage, router, metric, before, after, change, low, high, unheard,
                ]);
            };
            for metric in &moved.metrics {
                let [low, high] = bounds(metric.interval);
                let numbers = [metric.before, metric.after, metric.change()].map(|number| number.to_string());
                let [before, after, change] = numbers;
                push(metric.metric.name, [before, after, change, low, high]);
            }
            let none = String::new;
            push("changed-choices", [none(), moved.changed.to_string(), none(), none(), none()]);
            if let Some(share) = moved.taken_over {
                push("taken-over", [none(), share.to_string(), none(), none(), none()]);
            }
        }
    }
    write(&rows)
}

/// The matrix as a picture.
pub(super) fn pictures(twin: &Record, columns: &[Column<'_>]) -> Vec<(String, Vec<u8>)> {
    let heat = |moved: &Move| {
        let metric = main_metric(moved)?;
        Some(HeatCell {
            change: metric.change(),
            margin: metric.interval.map(|interval| (interval.high - interval.low) / 2.0),
            is_beyond_chance: is_beyond_chance(metric),
        })
    };
    let scenario = &twin.manifest.scenario;
    let chart = HeatChart {
        title: format!("{}: change in {} under each shift", scenario.name, metric_in_words(twin)),
        subtitle: "Against the unshifted twin on the same prompts. Blue is better, orange is worse; * where the 95 % interval \
            lies beside 0, half of its width below."
            .into(),
        rows: scenario.routers.iter().map(|entry| entry.label.clone()).collect(),
        columns: columns.iter().map(|column| column.shift.name.clone()).collect(),
        cells: (0..scenario.routers.len())
            .map(|at| columns.iter().map(|column| heat(&column.moves[at])).collect())
            .collect(),
        full: 0.25,
    };
    let drawn = "any finite data can be drawn";
    vec![
        ("stress.svg".to_owned(), heat_svg(&chart).expect(drawn).into_bytes()),
        ("stress.png".to_owned(), heat_png(&chart).expect(drawn)),
    ]
}
