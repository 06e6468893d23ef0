//! What a shift does to every router, in a run under it and its unshifted twin on the same prompts; and what each quiz of a
//! sweep is worth to every router, compared with full answers of the unseen models.

use std::collections::BTreeSet;

use super::paired::{PairedRuns, Resampled, pairs, shared};
use crate::metrics::entry::Table;
use crate::metrics::table::{DEFAULT_PRIMARY, PRIMARY_WITHOUT_COSTS, shown_in};
use crate::metrics::{Metric, metric};
use crate::record::{PredictionErrors, Record};
use crate::router::quiz::{QuizSettings, QuizStrategy};
use crate::seed::Stream;
use crate::statistics::bootstrap::estimate;
use crate::statistics::{Interval, LEVEL, mean};

/// Resamples behind every interval.
pub const N_RESAMPLES: usize = 1000;

/// One router under a shift and without.
#[derive(Clone, Debug, PartialEq)]
pub struct Move {
    /// The router's label.
    pub router: String,
    /// The metrics of [`Table::Stress`] that both runs have.
    pub metrics: Vec<MovedMetric>,
    /// The share of choices, over prompts and preferences, that differ from the twin's.
    pub changed: f64,
    /// Where a copy stands in the pool: of the choices of it or its original at w > 0 the share that falls to the copy;
    /// `None` where neither is chosen.
    pub taken_over: Option<f64>,
    /// Why the shift did not reach the router, where it did not.
    pub not_applied: Option<String>,
}

/// One metric of a router in both runs, as means over replicates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MovedMetric {
    /// Which.
    pub metric: &'static Metric,
    /// The twin's value on the prompts that are routed under the shift.
    pub before: f64,
    /// The value under the shift.
    pub after: f64,
    /// The 95 % interval of after minus before, prompts resampled for both alike.
    pub interval: Option<Interval>,
}

impl MovedMetric {
    /// After minus before.
    pub fn change(&self) -> f64 {
        without_rounding(self.after - self.before)
    }

    /// Whether it became worse beyond chance.
    pub fn is_worse(&self) -> bool {
        self.interval.is_some_and(|interval| {
            self.metric.is_better(0.0, interval.low) && self.metric.is_better(0.0, interval.high)
        })
    }
}

/// What a shift moves, router by router in the order of the scenario, on the prompts that both records route.
pub fn moves(twin: &Record, shifted: &Record, n_resamples: usize) -> Vec<Move> {
    let pairs = pairs([twin, shifted]);
    let records = shared([twin, shifted], &pairs);
    let [twin, shifted] = &records;
    let stream = Stream::root(twin.manifest.scenario.seed).named("stress");
    let copied = copied(twin, shifted);
    let metrics = shown_in(Table::Stress);
    let runs = PairedRuns::new(&records, &metrics, n_resamples, &stream);
    let entries = shifted.manifest.scenario.routers.iter().enumerate();
    entries
        .map(|(router, entry)| Move {
            router: entry.label.clone(),
            metrics: metrics.iter().filter_map(|metric| moved(&runs, router, metric, &stream)).collect(),
            changed: changed(&records, router, copied),
            taken_over: copied.and_then(|copied| taken_over(shifted, router, copied)),
            not_applied: shifted
                .manifest
                .replicates
                .iter()
                .find_map(|r| r.routers[router].not_applied.clone()),
        })
        .collect()
}

fn moved(runs: &PairedRuns, router: usize, metric: &'static Metric, stream: &Stream) -> Option<MovedMetric> {
    let paired = runs.metric([router, router], metric)?;
    let observed: Vec<f64> = paired.differences().into_iter().map(without_rounding).collect();
    let resampled: Vec<f64> = paired.resampled.iter().copied().map(without_rounding).collect();
    let is_still = observed.iter().chain(&resampled).all(|difference| *difference == 0.0);
    let interval = if is_still {
        Some(Interval { low: 0.0, high: 0.0 })
    } else {
        let mut rng = stream.named("replicates").named(metric.name).numbered(router).generator();
        let range = metric.range.of_differences();
        estimate(&observed, &resampled, LEVEL, &mut rng).map(|estimate| estimate.interval.within(range))
    };
    let [before, after] = [0, 1].map(|run| mean(&paired.observed[run]));
    Some(MovedMetric { metric, before, after, interval })
}

/// Costs in another unit, or candidates in another order, change last digits; no metric that is moved is so small.
fn without_rounding(difference: f64) -> f64 {
    if difference.abs() < 1e-9 { 0.0 } else { difference }
}

/// Of a shift that adds a copy of a model the places of the copy and of its original.
fn copied(twin: &Record, shifted: &Record) -> Option<[usize; 2]> {
    let (model, _) = shifted.manifest.shift.as_ref()?.change.effect().copied()?;
    let names = &shifted.manifest.suite.models;
    let copy = names.iter().position(|name| !twin.manifest.suite.models.contains(name))?;
    Some([copy, names.iter().position(|name| name == model)?])
}

/// The share of choices that differ; a copy counts as its original.
fn changed([twin, shifted]: &[Record; 2], router: usize, copied: Option<[usize; 2]>) -> f64 {
    let of_twin = &twin.manifest.suite.models;
    let names = &shifted.manifest.suite.models;
    let place = |name: &String| of_twin.iter().position(|other| other == name);
    let mut counterparts: Vec<Option<usize>> = names.iter().map(place).collect();
    if let Some([copy, original]) = copied {
        counterparts[copy] = counterparts[original];
    }
    let (mut n_changed, mut n) = (0_usize, 0_usize);
    for (before, after) in twin.choices.iter().zip(&shifted.choices) {
        let pairs = before[router].models().iter().zip(after[router].models());
        n += after[router].models().len();
        n_changed += pairs.filter(|(a, b)| counterparts[usize::from(**b)] != Some(usize::from(**a))).count();
    }
    n_changed as f64 / n.max(1) as f64
}

/// Of the choices of a copy or its original at w > 0 the share that falls to the copy.
fn taken_over(shifted: &Record, router: usize, [copy, original]: [usize; 2]) -> Option<f64> {
    let first = shifted.manifest.preferences.iter().position(|weight| *weight > 0.0)?;
    let (mut n_copy, mut n) = (0_usize, 0_usize);
    for choices in &shifted.choices {
        for preference in first..choices[router].n_preferences() {
            let of = |model: usize| {
                choices[router].at_preference(preference).iter().filter(|m| usize::from(**m) == model).count()
            };
            n_copy += of(copy);
            n += of(copy) + of(original);
        }
    }
    (n > 0).then(|| n_copy as f64 / n as f64)
}

/// The share of what full answers give at which a quiz is called enough.
pub const ENOUGH: f64 = 0.95;

/// One router at one quiz; numbers are means over replicates.
#[derive(Clone, Debug, PartialEq)]
pub struct QuizPoint {
    /// The router's label.
    pub router: String,
    /// The quiz.
    pub quiz: QuizSettings,
    /// The metric that the ratio is of: expected utility, or the score at w = 0 where costs are not known.
    pub metric: &'static Metric,
    /// Its value.
    pub value: f64,
    /// The value over that with full answers; `None` where the latter is not above 0.
    pub ratio: Option<f64>,
    /// The 95 % interval of the ratio.
    pub interval: Option<Interval>,
    /// How well the scores of unseen models were predicted; `None` for a router that predicts none.
    pub predictions: Option<PredictionErrors>,
    /// Answers of one unseen model.
    pub answers: f64,
    /// What they cost in US dollars; `None` where costs are not known.
    pub dollars: Option<f64>,
}

impl QuizPoint {
    /// Whether the quiz surely keeps enough: the whole interval does.
    pub fn is_enough(&self) -> bool {
        self.interval.is_some_and(|interval| interval.low >= ENOUGH)
    }
}

/// Every router at every quiz, in the order of the sweep's routers.
pub fn quiz_points(sweep: &Record, n_resamples: usize) -> Vec<QuizPoint> {
    let manifest = &sweep.manifest;
    let stream = Stream::root(manifest.scenario.seed).named("quiz-sweep");
    let name = if manifest.suite.has_cost { DEFAULT_PRIMARY } else { PRIMARY_WITHOUT_COSTS };
    let metric = metric(name).expect("both are in the table");
    let resampled = Resampled::new(sweep, &[metric], n_resamples, &stream);
    let entries = &manifest.scenario.routers;
    let is_full = |quiz: Option<&QuizSettings>| quiz.is_some_and(|quiz| quiz.strategy == QuizStrategy::All);
    let mut points = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        let Some(quiz) = &entry.quiz else { continue };
        let router = entry.in_scenario();
        let full =
            entries.iter().position(|other| other.in_scenario() == router && is_full(other.quiz.as_ref()));
        let Some(values) = resampled.values(at, metric) else { continue };
        let (ratio, interval) = full.and_then(|full| ratio(&resampled, (at, full), metric, &stream)).unzip();
        let (answers, dollars) = price(sweep, quiz);
        points.push(QuizPoint {
            router: router.to_owned(),
            quiz: quiz.clone(),
            metric,
            value: mean(&values),
            ratio,
            interval: interval.flatten(),
            predictions: predictions(sweep, at),
            answers,
            dollars: manifest.suite.has_cost.then_some(dollars),
        });
    }
    points
}

/// The ratio of two routers' values, mean over replicates, with its interval.
fn ratio(
    table: &Resampled,
    (own, full): (usize, usize),
    metric: &Metric,
    stream: &Stream,
) -> Option<(f64, Option<Interval>)> {
    let [values, ceilings] = [table.values(own, metric)?, table.values(full, metric)?];
    if ceilings.iter().any(|ceiling| *ceiling <= 0.0) {
        return None;
    }
    let ratios = |values: &[f64], ceilings: &[f64]| -> Vec<f64> {
        values.iter().zip(ceilings).map(|(value, ceiling)| value / ceiling).collect()
    };
    let observed = ratios(&values, &ceilings);
    if own == full {
        return Some((1.0, Some(Interval { low: 1.0, high: 1.0 })));
    }
    let resampled = ratios(table.column(own, metric)?, table.column(full, metric)?);
    let mut rng = stream.named("replicates").numbered(own).generator();
    let interval = estimate(&observed, &resampled, LEVEL, &mut rng).map(|estimate| estimate.interval);
    Some((mean(&observed), interval))
}

/// Answers and dollars of one unseen model, mean over models and replicates.
fn price(sweep: &Record, quiz: &QuizSettings) -> (f64, f64) {
    let replicates = sweep.manifest.replicates.iter().filter_map(|replicate| replicate.unseen.as_ref());
    let prices: Vec<(f64, f64)> = replicates
        .filter_map(|unseen| {
            let asked = unseen.quizzes.iter().find(|asked| asked.settings == *quiz)?;
            let n_models = unseen.models.len().max(1) as f64;
            Some((asked.price.outcomes_seen as f64 / n_models, asked.price.dollars / n_models))
        })
        .collect();
    let (answers, dollars): (Vec<f64>, Vec<f64>) = prices.into_iter().unzip();
    (mean(&answers), mean(&dollars))
}

fn predictions(sweep: &Record, router: usize) -> Option<PredictionErrors> {
    let all: Vec<PredictionErrors> = (sweep.manifest.replicates.iter())
        .map(|replicate| replicate.routers[router].prediction_errors)
        .collect::<Option<_>>()?;
    let mean_of = |of: &dyn Fn(&PredictionErrors) -> f64| mean(&all.iter().map(of).collect::<Vec<f64>>());
    let coverage: Option<Vec<f64>> = all.iter().map(|errors| errors.coverage).collect();
    Some(PredictionErrors {
        rmse: mean_of(&|errors| errors.rmse),
        mean_error: mean_of(&|errors| errors.mean_error),
        coverage: coverage.map(|shares| mean(&shares)),
    })
}

/// A router's points from no prompt on, ascending: the floor, then those of one strategy.
pub fn quiz_curve<'a>(points: &'a [QuizPoint], router: &str, strategy: QuizStrategy) -> Vec<&'a QuizPoint> {
    let is_of = |point: &&QuizPoint| [strategy, QuizStrategy::None].contains(&point.quiz.strategy);
    points.iter().filter(|point| point.router == router).filter(is_of).collect()
}

/// The first point of a curve from which on every longer quiz that was tried is enough too: a short quiz that keeps enough
/// where longer ones do not was lucky. `None` where the longest is not enough.
pub fn first_enough<'a>(
    curve: &[&'a QuizPoint],
    is_enough: impl Fn(&QuizPoint) -> bool,
) -> Option<&'a QuizPoint> {
    let n_kept = curve.iter().rev().take_while(|point| is_enough(point)).count();
    curve.get(curve.len() - n_kept).copied()
}

/// The shortest quiz from which on a strategy surely keeps enough of a router's value with full answers; of those of one
/// length the one that keeps most. `None` where no quiz but all prompts does.
pub fn shortest_enough<'a>(points: &'a [QuizPoint], router: &str) -> Option<&'a QuizPoint> {
    let strategies = points.iter().filter(|point| point.router == router).map(|point| point.quiz.strategy);
    let tried: BTreeSet<QuizStrategy> =
        strategies.filter(|strategy| *strategy != QuizStrategy::All).collect();
    // No quiz is a quiz of every strategy: on its own it is one only where no other was tried.
    let is_alone = tried.len() == 1;
    let tried = tried.into_iter().filter(|strategy| is_alone || *strategy != QuizStrategy::None);
    let first = |strategy| first_enough(&quiz_curve(points, router, strategy), QuizPoint::is_enough);
    tried.filter_map(first).min_by(|a, b| {
        let size = |point: &QuizPoint| point.quiz.size.unwrap_or(0);
        size(a).cmp(&size(b)).then(b.ratio.unwrap_or(0.0).total_cmp(&a.ratio.unwrap_or(0.0)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(strategy: QuizStrategy, size: Option<usize>, low: f64) -> QuizPoint {
        QuizPoint {
            router: "knn".into(),
            quiz: QuizSettings { strategy, size },
            metric: metric(DEFAULT_PRIMARY).unwrap(),
            value: 0.5,
            ratio: Some(low + 0.01),
            interval: Some(Interval { low, high: low + 0.02 }),
            predictions: None,
            answers: size.unwrap_or(0) as f64,
            dollars: None,
        }
    }

    #[test]
    fn a_short_quiz_is_enough_only_if_all_longer_ones_are() {
        let lucky = [
            (QuizStrategy::Random, 5, 0.96),
            (QuizStrategy::Random, 20, 0.94),
            (QuizStrategy::Random, 50, 0.97),
        ];
        let better = [
            (QuizStrategy::Anchor, 5, 0.9),
            (QuizStrategy::Anchor, 20, 0.96),
            (QuizStrategy::Anchor, 50, 0.95),
        ];
        let mut points = vec![point(QuizStrategy::None, None, 0.8)];
        points.extend(lucky.map(|(strategy, size, low)| point(strategy, Some(size), low)));
        assert_eq!(shortest_enough(&points, "knn").unwrap().quiz.to_string(), "random 50");
        points.extend(better.map(|(strategy, size, low)| point(strategy, Some(size), low)));
        assert_eq!(shortest_enough(&points, "knn").unwrap().quiz.to_string(), "anchor 20");
        assert_eq!(shortest_enough(&points, "linear"), None);
        points[0] = point(QuizStrategy::None, None, 0.99);
        assert_eq!(shortest_enough(&points, "knn").unwrap().quiz.to_string(), "anchor 20");
        points[1..].iter_mut().for_each(|point| point.interval = Some(Interval { low: 0.95, high: 1.0 }));
        assert_eq!(shortest_enough(&points, "knn").unwrap().quiz.to_string(), "none");
        let curve = quiz_curve(&points, "knn", QuizStrategy::Anchor);
        assert_eq!(first_enough(&curve, |_| false), None);
    }
}
