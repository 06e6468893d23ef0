//! Quiz curves: what each strategy and size is worth to each router, and what is enough.

use std::fmt::Write;

use crate::evaluate::{ENOUGH, QuizPoint, first_enough, quiz_curve, shortest_enough};
use crate::record::Record;
use crate::report::markup::{Cell, Column, Spread, Table, cells};
use crate::report::numbers::bounds;
use crate::report::plot::{Figure, Line, LineKind, RegretChart};
use crate::router::quiz::QuizStrategy;
use crate::statistics::Interval;

/// Every router at every quiz.
pub(super) fn quiz_csv(points: &[QuizPoint]) -> Vec<u8> {
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
        let [low, high] = bounds(point.interval);
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
pub(super) fn quizzes_md(sweep: &Record, points: &[QuizPoint]) -> String {
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
pub(super) fn pictures(sweep: &Record, points: &[QuizPoint]) -> Vec<(String, Vec<u8>)> {
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
