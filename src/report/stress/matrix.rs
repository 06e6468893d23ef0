//! The stress matrix: routers down, shifts across, each cell a change with its interval.

use std::fmt::Write;

use super::Moved;
use crate::evaluate::{
    Comparison, Move, MovedMetric, N_RESAMPLES, PolicyKind, SIGNIFICANCE, moves, summarise,
};
use crate::record::Record;
use crate::report::markup::{self, Cell, Spread, Table, cells, name, prose};
use crate::report::plot::{Figure, HeatCell, HeatChart};
use crate::report::table::ends;
use crate::scenario::shift::{Change, Stage};
use crate::statistics::Interval;

/// Title and what the page is.
pub(super) fn head(twin: &Record) -> String {
    let scenario = &twin.manifest.scenario;
    format!(
        "# {}: under stress\n\n{} Everything here stands beside the run as it is, `../report.md`, and is computed from the \
         records in `records` and `../record`. Means of {} replicates; intervals are 95 %, of differences on the same prompts.\n\n",
        name(&scenario.name),
        prose(&scenario.description),
        scenario.replicates
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
pub(super) fn matrix_md(twin: &Record, columns: &[Moved<'_>]) -> String {
    let metric = metric_in_words(twin);
    let mut text = format!(
        "## Stress matrix\n\nChange in {metric} against the unshifted twin on the same prompts; **bold** where the interval \
         excludes 0, \u{2020} where the shift does not reach the router. The same as a picture: `stress.svg`.\n\n"
    );
    let shifts = columns.iter().map(|column| markup::Column::number(&column.shift.name));
    let mut table = Table::new(
        [markup::Column::text("router"), markup::Column::number("twin")].into_iter().chain(shifts),
    );
    for (at, entry) in twin.manifest.scenario.routers.iter().enumerate() {
        let own = columns.iter().find(|column| column.record.prompts.len() == twin.prompts.len());
        let before = own.and_then(|column| main_metric(&column.moves[at])).map(|moved| moved.before);
        let mark = if entry.settings.traits().competes() { "" } else { " \u{2021}" };
        let mut row = vec![Cell::from(&entry.label).mark(mark), Cell::decimals(before, 4)];
        row.extend(columns.iter().map(|column| cell(&column.moves[at])));
        table.row(row);
    }
    text.push_str(&table.markdown());
    if twin.manifest.scenario.routers.iter().any(|entry| !entry.settings.traits().competes()) {
        let _ = writeln!(text, "\n\u{2021} {}: for its own changes alone.", PolicyKind::Told.heading());
    }
    let mut table = Table::new([
        markup::Column::text("shift"),
        markup::Column::text("what changes"),
        markup::Column::text("trained anew"),
        markup::Column::number("test prompts"),
    ]);
    for Moved { shift, record, .. } in columns {
        let anew = if shift.stage() == Stage::Training { "yes" } else { "no" };
        table.row(cells![&shift.name, shift.words(), anew, record.manifest.replicates[0].n_test]);
    }
    let _ = writeln!(text, "\n{}", table.markdown());
    text.push_str(&not_applied(columns));
    text.push_str(&choices_md(twin, columns));
    text
}

fn cell(moved: &Move) -> Cell {
    let Some(metric) = main_metric(moved) else { return Cell::absent() };
    let bounds = |interval: Interval| [interval.low, interval.high].map(|bound| format!("{bound:+.4}"));
    Cell::from(format!("{:+.4}", metric.change()))
        .strong_if(is_beyond_chance(metric))
        .mark(if moved.not_applied.is_some() { "\u{2020}" } else { "" })
        .spread(metric.interval.map(bounds).map(Spread::Interval))
}

fn is_beyond_chance(metric: &MovedMetric) -> bool {
    metric.interval.is_some_and(|interval| interval.high < 0.0 || 0.0 < interval.low)
}

/// Why shifts did not reach routers.
fn not_applied(columns: &[Moved<'_>]) -> String {
    let mut text = String::new();
    for column in columns {
        for moved in &column.moves {
            if let Some(why) = &moved.not_applied {
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
fn choices_md(twin: &Record, columns: &[Moved<'_>]) -> String {
    let is_of_choices = |column: &&Moved<'_>| column.shift.change.effect().should_not_matter();
    let columns: Vec<&Moved<'_>> = columns.iter().filter(is_of_choices).collect();
    if columns.is_empty() {
        return String::new();
    }
    let names = columns.iter().map(|column| markup::Column::number(&column.shift.name));
    let mut table = Table::new(std::iter::once(markup::Column::text("router")).chain(names));
    for (at, entry) in twin.manifest.scenario.routers.iter().enumerate() {
        let cell = |column: &&Moved<'_>| {
            let moved = &column.moves[at];
            let is_cheaper = column.shift.change.effect().copied().is_some_and(|(_, factor)| factor < 1.0);
            let taken = moved.taken_over.filter(|_| is_cheaper);
            let taken = taken.map_or_else(String::new, |share| format!("; takes over {:.1}", 100.0 * share));
            Cell::from(format!("{:.2}{taken}", 100.0 * moved.changed))
        };
        table.row(std::iter::once(Cell::from(&entry.label)).chain(columns.iter().map(cell)).collect());
    }
    format!(
        "### What should not matter\n\nShare of choices that change, in per cent; a copy counts as its original. Of a cheaper \
         copy: the share of the choices of it or its original at w > 0 that fall to it.\n\n{}\n",
        table.markdown()
    )
}

/// Seen, mixed, and unseen-only pools beside the ceiling of training anew, and the gap between them; empty unless the pools of seen and of unseen models were both asked for.
pub(super) fn pools_md(twin: &Record, columns: &[Moved<'_>]) -> String {
    let find = |wanted: fn(&Change) -> bool| columns.iter().find(|column| wanted(&column.shift.change));
    let (Some(seen), Some(unseen)) = (
        find(|change| matches!(change, Change::SeenOnly(_))),
        find(|change| matches!(change, Change::UnseenOnly(_))),
    ) else {
        return String::new();
    };
    let retrained = find(|change| matches!(change, Change::Retrained(_)));
    let gaps = moves(seen.record, unseen.record, N_RESAMPLES);
    let mut text = String::from(
        "## Seen, mixed, and unseen pools\n\nThe same trained routers; utilities are normalised within each pool, between a \
         random choice (0) and the utility oracle (1). The gap is unseen-only minus seen-only on prompts of both, with its 95 % \
         interval; *retrained* is the mixed pool with full answers of all models in training.\n",
    );
    let metrics = seen.moves.first().map_or(&[][..], |moved| &moved.metrics[..]);
    for (at_metric, metric) in metrics.iter().enumerate() {
        let titles = ["seen only", "mixed", "unseen only", "gap", "retrained"];
        let first = markup::Column::text(format!("router, {}", metric.metric.name));
        let mut table = Table::new(std::iter::once(first).chain(titles.map(markup::Column::number)));
        for (at, entry) in twin.manifest.scenario.routers.iter().enumerate() {
            let after = |column: &Moved<'_>| column.moves[at].metrics.get(at_metric).map(|moved| moved.after);
            let mixed = seen.moves[at].metrics.get(at_metric).map(|moved| moved.before);
            let [seen_only, mixed, unseen_only, retrained] =
                [after(seen), mixed, after(unseen), retrained.and_then(after)]
                    .map(|value| Cell::decimals(value, 4));
            table.row(cells![
                &entry.label,
                seen_only,
                mixed,
                unseen_only,
                gap(&gaps[at], at_metric),
                retrained
            ]);
        }
        let _ = write!(text, "\n{}", table.markdown());
    }
    text.push('\n');
    text
}

fn gap(moved: &Move, metric: usize) -> Cell {
    let Some(metric) = moved.metrics.get(metric) else { return Cell::absent() };
    let bounds = |interval: Interval| [interval.low, interval.high].map(|bound| format!("{bound:+.4}"));
    Cell::from(format!("{:+.4}", metric.change())).spread(metric.interval.map(bounds).map(Spread::Interval))
}

/// Every router against the rival that the scenario declares, under each log and each number of prompts of a shift `feedback`; empty
/// without one.
pub(super) fn logs_md(twin: &Record, columns: &[Moved<'_>]) -> String {
    let is_log = |column: &&Moved<'_>| matches!(column.shift.change, Change::Feedback(_));
    let logs: Vec<&Moved<'_>> = columns.iter().filter(is_log).collect();
    if logs.is_empty() {
        return String::new();
    }
    let records = std::iter::once(twin).chain(logs.iter().map(|column| column.record));
    let evidence: Vec<_> = records.filter_map(|record| summarise(record).evidence).collect();
    let Some(first) = evidence.first() else { return String::new() };
    let names = logs.iter().map(|column| column.shift.name.as_str());
    let names = std::iter::once("twin").chain(names).map(markup::Column::number);
    let mut table = Table::new(std::iter::once(markup::Column::text("router")).chain(names));
    let cell = |comparison: Option<&Comparison>| {
        let Some(it) = comparison else { return Cell::absent() };
        let overlap = it.overlap_p.map_or(String::new(), |p| format!(" ({p:.2})"));
        let is_sure = it.adjusted_p < SIGNIFICANCE && it.overlap_p.is_none_or(|p| p < SIGNIFICANCE);
        let [low, high] = [it.interval.low, it.interval.high].map(|bound| format!("{bound:+.4}"));
        Cell::from(format!("{:+.4}{overlap}", it.difference)).strong_if(is_sure).interval([low, high])
    };
    for entry in twin.manifest.scenario.routers.iter().filter(|entry| entry.label != first.against) {
        let is_of = |it: &&Comparison| it.router == entry.label && it.is_primary;
        let cells = evidence.iter().map(|evidence| cell(evidence.comparisons.iter().find(is_of)));
        table.row(std::iter::once(Cell::from(&entry.label)).chain(cells).collect());
    }
    format!(
        "## Against {} under each log\n\nDifference in {}, paired on prompts and replicates, with its 95 % interval; in brackets the p-value over \
         replicates, corrected for overlapping training prompts (Nadeau and Bengio). **Bold** where it and the p-value adjusted for the \
         number of routers are below {SIGNIFICANCE}.\n\n{}\n",
        name(&first.against),
        first.primary.name,
        table.markdown()
    )
}

/// Every metric of every router under every shift, in long form.
pub(super) fn stress_csv(twin: &Record, columns: &[Moved<'_>]) -> Vec<u8> {
    let mut table = Table::of_names(&[
        "scenario",
        "shift",
        "stage",
        "router",
        "metric",
        "twin",
        "shifted",
        "change",
        "low",
        "high",
        "not_applied",
    ]);
    let scenario = &twin.manifest.scenario.name;
    for Moved { shift, moves, .. } in columns {
        let stage = if shift.stage() == Stage::Training { "training" } else { "test" };
        for moved in moves {
            let mut push = |metric: &str, numbers: [Option<f64>; 5]| {
                let [before, after, change, low, high] = numbers;
                let not_applied = moved.not_applied.as_deref().unwrap_or_default();
                table.row(cells![
                    scenario,
                    &shift.name,
                    stage,
                    &moved.router,
                    metric,
                    before,
                    after,
                    change,
                    low,
                    high,
                    not_applied,
                ]);
            };
            for metric in &moved.metrics {
                let [low, high] = ends(metric.interval);
                let [before, after, change] = [metric.before, metric.after, metric.change()].map(Some);
                push(metric.metric.name, [before, after, change, low, high]);
            }
            push("changed-choices", [None, Some(moved.changed), None, None, None]);
            if let Some(share) = moved.taken_over {
                push("taken-over", [None, Some(share), None, None, None]);
            }
        }
    }
    table.csv()
}

/// The matrix as a picture.
pub(super) fn pictures(twin: &Record, columns: &[Moved<'_>]) -> Vec<(String, Vec<u8>)> {
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
            excludes 0, half of its width below."
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
        ("stress.svg".to_owned(), chart.svg().expect(drawn).into_bytes()),
        ("stress.png".to_owned(), chart.png().expect(drawn)),
    ]
}
