//! The folder `stress` of a report: what shifts and quizzes did to every router, beside the run as it is.
//!
//! `records` in it holds a whole record for each shift and for the sweep over quizzes, in the format of the report's own;
//! everything else is computed from these and the twin: `matrix` for shifts, and here what each strategy and size of quiz is worth to
//! each router, and what is enough. The report beside it does not know of them.

mod matrix;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::markup::{Cell, Column, Spread, Table, cells};
use super::plot::{Figure, Line, LineKind, RegretChart};
use super::table::ends;
use crate::error::{Error, Result};
use crate::evaluate::{
    ENOUGH, Move, N_RESAMPLES, QuizPoint, first_enough, moves, quiz_curve, quiz_points, shortest_enough,
};
use crate::fs;
use crate::record::Record;
use crate::router::quiz::QuizStrategy;
use crate::run::Stressed;
use crate::scenario::shift::{Shift, file_name};
use crate::statistics::Interval;

/// The folder's name inside a report.
pub(super) const STRESS: &str = "stress";
const RECORDS: &str = "records";
const SWEEP: &str = "quiz";

/// A shift and what it moves.
struct Moved<'a> {
    shift: &'a Shift,
    record: &'a Record,
    moves: Vec<Move>,
}

/// The files but the records, by name; none where nothing was shifted and no quiz swept.
pub(super) fn files(stressed: &Stressed) -> Vec<(String, Vec<u8>)> {
    let columns: Vec<Moved<'_>> = (stressed.shifted.iter())
        .filter_map(|record| {
            let shift = record.manifest.shift.as_ref()?;
            Some(Moved { shift, record, moves: moves(&stressed.twin, record, N_RESAMPLES) })
        })
        .collect();
    let (mut files, mut text) = (Vec::new(), matrix::head(&stressed.twin));
    if !columns.is_empty() {
        files.push(("stress.csv".to_owned(), matrix::stress_csv(&stressed.twin, &columns)));
        files.extend(matrix::pictures(&stressed.twin, &columns));
        text.push_str(&matrix::matrix_md(&stressed.twin, &columns));
        text.push_str(&matrix::pools_md(&stressed.twin, &columns));
        text.push_str(&matrix::logs_md(&stressed.twin, &columns));
    }
    if let Some(sweep) = &stressed.sweep {
        let points = quiz_points(sweep, N_RESAMPLES);
        files.push(("quiz.csv".to_owned(), quiz_csv(&points)));
        files.extend(pictures(sweep, &points));
        text.push_str(&quizzes_md(sweep, &points));
    }
    if !files.is_empty() {
        files.push(("stress.md".to_owned(), text.into_bytes()));
    }
    files
}

/// Writes the records into a report's folder that is being filled.
pub(super) fn write_records(folder: &Path, stressed: &Stressed) -> Result<()> {
    let records = folder.join(STRESS).join(RECORDS);
    let name =
        |record: &Record| record.manifest.shift.as_ref().map_or_else(String::new, |shift| shift.name.clone());
    let numbered =
        stressed.shifted.iter().enumerate().map(|(at, record)| (numbered(at, &name(record)), record));
    for (name, record) in numbered.chain(stressed.sweep.iter().map(|record| (SWEEP.to_owned(), record))) {
        let inner = records.join(name);
        fs::create_folder(&inner)?;
        record.write(&inner)?;
    }
    Ok(())
}

/// The folder of the record under a shift.
fn numbered(at: usize, shift: &str) -> String {
    format!("{at:02}-{}", file_name(shift))
}

/// Whether there is a record of everything that the twin's manifest tells of, and of nothing else.
///
/// # Errors
/// The first that is missing or too many.
pub(super) fn check_declared(folder: &Path, twin: &Record) -> Result<()> {
    let records = folder.join(STRESS).join(RECORDS);
    let shifts = &twin.manifest.shifts;
    let mut declared: Vec<PathBuf> =
        shifts.iter().enumerate().map(|(at, shift)| records.join(numbered(at, shift))).collect();
    declared.extend(twin.manifest.scenario.sweep.as_ref().map(|_| records.join(SWEEP)));
    if let Some(missing) = declared.iter().find(|inner| !inner.is_dir()) {
        return Err(Error::file(missing, "is missing; the manifest of the report tells of it"));
    }
    // Manifests of earlier versions tell of no shift.
    let is_told = !shifts.is_empty() || twin.manifest.scenario.shifts.is_empty();
    let found = if records.is_dir() { fs::entries(&records)? } else { Vec::new() };
    match found.into_iter().find(|inner| is_told && !declared.contains(inner)) {
        Some(surplus) => Err(Error::file(&surplus, "is nothing that the manifest of the report tells of")),
        None => Ok(()),
    }
}

/// Writes everything but the records.
pub(super) fn write(folder: &Path, stressed: &Stressed) -> Result<()> {
    let files = files(stressed);
    if files.is_empty() { Ok(()) } else { fs::write_all(&folder.join(STRESS), files) }
}

/// The folders of the records, in the order of the shifts, the sweep's last; none where nothing was shifted.
pub(super) fn record_folders(folder: &Path) -> Result<Vec<PathBuf>> {
    let records = folder.join(STRESS).join(RECORDS);
    if !records.is_dir() {
        return Ok(Vec::new());
    }
    let mut paths = fs::entries(&records)?;
    let number = |path: &Path| -> usize {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.split('-').next().and_then(|number| number.parse().ok()).unwrap_or(usize::MAX)
    };
    paths.retain(|path| path.is_dir());
    paths.sort_by_key(|path| (number(path), path.clone()));
    Ok(paths)
}

/// Reads the records beside a twin; nothing where there is none.
///
/// # Errors
/// As [`Record::read`].
pub(super) fn read(folder: &Path, twin: &Record) -> Result<Option<Stressed>> {
    let folders = record_folders(folder)?;
    if folders.is_empty() {
        return Ok(None);
    }
    let mut stressed = Stressed { twin: twin.clone(), shifted: Vec::new(), sweep: None };
    for inner in folders {
        let record = Record::read(&inner)?;
        if record.manifest.shift.is_some() {
            stressed.shifted.push(record)
        } else {
            stressed.sweep = Some(record)
        }
    }
    Ok(Some(stressed))
}

/// Rebuilds the folder from its records, where there is one.
///
/// # Errors
/// Records that cannot be read, or a folder that cannot be written.
pub(super) fn rebuild(folder: &Path, twin: &Record) -> Result<()> {
    match read(folder, twin)? {
        Some(stressed) => write(folder, &stressed),
        None => Ok(()),
    }
}

/// Every router at every quiz.
fn quiz_csv(points: &[QuizPoint]) -> Vec<u8> {
    let mut table = Table::of_names(&[
        "router",
        "strategy",
        "size",
        "metric",
        "value",
        "share_of_full_answers",
        "low",
        "high",
        "rmse",
        "mean_error",
        "coverage",
        "answers_per_model",
        "usd_per_model",
    ]);
    for point in points {
        let [low, high] = ends(point.interval);
        let predictions = point.predictions;
        table.row(cells![
            &point.router,
            point.quiz.strategy.name(),
            point.quiz.size.map_or_else(Cell::default, Cell::from),
            point.metric.name,
            point.value,
            point.ratio,
            low,
            high,
            predictions.map(|errors| errors.rmse),
            predictions.map(|errors| errors.mean_error),
            predictions.and_then(|errors| errors.coverage),
            point.answers,
            point.dollars,
        ]);
    }
    table.csv()
}

/// The routers of the sweep, in order.
fn routers(points: &[QuizPoint]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for point in points {
        if !names.contains(&point.router.as_str()) {
            names.push(&point.router);
        }
    }
    names
}

/// The strategies between the ends of the scale, in order.
fn strategies(points: &[QuizPoint]) -> Vec<QuizStrategy> {
    let mut strategies = Vec::new();
    for point in points.iter().filter(|point| point.quiz.size.is_some()) {
        if !strategies.contains(&point.quiz.strategy) {
            strategies.push(point.quiz.strategy);
        }
    }
    strategies
}

/// The sections of all routers, and the recommendation.
fn quizzes_md(sweep: &Record, points: &[QuizPoint]) -> String {
    let metric = if sweep.manifest.suite.has_cost { "expected utility" } else { "score at w = 0" };
    let mut text = format!(
        "## Quizzes\n\nEach unseen model answers a quiz; the share is the {metric} over that with answers to all training \
         prompts (the ceiling), with its 95 % interval; size 0 is the floor, the unseen model taken for average at its list \
         price. RMSE is that of the predicted scores of unseen models on test prompts, the mean error that of a model's \
         predicted mean. Dollars are what one model's answers cost.\n\n### What is enough\n\n"
    );
    for router in routers(points) {
        let _ = writeln!(text, "- {}", recommendation(sweep, points, router));
    }
    for router in routers(points) {
        let _ = write!(text, "\n### {router}\n\n{}", table(points, router).markdown());
        for strategy in strategies(points) {
            let _ = writeln!(text, "\n{}", to_reach(&quiz_curve(points, router, strategy), strategy));
        }
    }
    text.push('\n');
    text
}

fn table(points: &[QuizPoint], router: &str) -> Table {
    let titles = ["prompts", "share of full answers", "RMSE", "mean error", "coverage", "dollars"];
    let mut table = Table::new(std::iter::once(Column::text("strategy")).chain(titles.map(Column::number)));
    for point in points.iter().filter(|point| point.router == router) {
        let bounds = |interval: Interval| [interval.low, interval.high].map(|bound| format!("{bound:.4}"));
        let interval = point.interval.filter(|_| point.ratio.is_some());
        let errors = point.predictions;
        table.row(cells![
            point.quiz.strategy.name(),
            format!("{:.0}", point.answers),
            Cell::decimals(point.ratio, 4).spread(interval.map(bounds).map(Spread::Interval)),
            Cell::decimals(errors.map(|errors| errors.rmse), 4),
            Cell::decimals(errors.map(|errors| errors.mean_error), 4),
            Cell::decimals(errors.and_then(|errors| errors.coverage), 4),
            Cell::decimals(point.dollars, 4),
        ]);
    }
    table
}

/// The first size from which on all sizes keep enough, by their means and by their intervals.
fn to_reach(curve: &[&QuizPoint], strategy: QuizStrategy) -> String {
    let first = |is_enough: &dyn Fn(&QuizPoint) -> bool| {
        first_enough(curve, is_enough).map(|point| point.quiz.size.unwrap_or(0))
    };
    let words = |size: Option<usize>| size.map_or_else(|| "not reached".to_owned(), |size| format!("{size}"));
    let by_mean = first(&|point| point.ratio.is_some_and(|ratio| ratio >= ENOUGH));
    format!(
        "Prompts to reach {:.0} % by `{}`: {}; with the whole interval: {}.",
        100.0 * ENOUGH,
        strategy.name(),
        words(by_mean),
        words(first(&QuizPoint::is_enough))
    )
}

fn recommendation(sweep: &Record, points: &[QuizPoint], router: &str) -> String {
    let suite = &sweep.manifest.suite.info.name;
    let share = 100.0 * ENOUGH;
    if points.iter().all(|point| point.router != router || point.ratio.is_none()) {
        return format!(
            "`{router}`: what full answers give on {suite} is not above 0, so that no share of it can be kept."
        );
    }
    let Some(point) = shortest_enough(points, router) else {
        return format!(
            "`{router}`: on {suite} no quiz that was tried surely keeps {share:.0} % of what full answers give."
        );
    };
    let kept = point.ratio.zip(point.interval).map_or_else(String::new, |(ratio, interval)| {
        let [low, high] = [interval.low, interval.high].map(|bound| 100.0 * bound);
        format!("{:.1} % [{low:.1}, {high:.1}]", 100.0 * ratio)
    });
    let dollars = point.dollars.map_or_else(String::new, |usd| format!(", for {usd:.4} dollars a model"));
    match point.quiz.size {
        None => format!(
            "`{router}`: on {suite} no quiz is needed: without any, {kept} of what full answers give is kept."
        ),
        Some(size) => format!(
            "`{router}`: on {suite} {size} prompts chosen by `{}` are enough: they keep {kept} of what full answers give{dollars}.",
            point.quiz.strategy.name()
        ),
    }
}

/// A picture a router, a line a strategy; none of a router whose full answers give nothing to take a share of.
fn pictures(sweep: &Record, points: &[QuizPoint]) -> Vec<(String, Vec<u8>)> {
    let drawn = "any finite data can be drawn";
    let mut files = Vec::new();
    let has_share =
        |router: &&str| points.iter().any(|point| point.router == *router && point.ratio.is_some());
    for router in routers(points).into_iter().filter(has_share) {
        let line = |(index, strategy): (usize, &QuizStrategy)| {
            let curve = quiz_curve(points, router, *strategy);
            let at = |point: &QuizPoint| Some((point.answers, point.ratio?));
            let band = |point: &QuizPoint| {
                point.interval.map(|interval| (point.answers, interval.low, interval.high))
            };
            Line {
                label: strategy.name().to_owned(),
                points: curve.iter().filter_map(|point| at(point)).collect(),
                band: Some(curve.iter().filter_map(|point| band(point)).collect()),
                kind: LineKind::Router { index },
            }
        };
        let strategies = strategies(points);
        let chart = RegretChart {
            title: format!("{}: what a quiz is worth to {router}", sweep.manifest.scenario.name),
            subtitle: "Share of what full answers of the unseen models give, with 95 % intervals.".into(),
            lines: strategies.iter().enumerate().map(line).collect(),
            changes: Vec::new(),
            step_label: "prompts that each unseen model answers".into(),
            regret_label: "share of full answers".into(),
        };
        files.push((format!("quiz-{router}.svg"), chart.svg().expect(drawn).into_bytes()));
        files.push((format!("quiz-{router}.png"), chart.png().expect(drawn)));
    }
    files
}
