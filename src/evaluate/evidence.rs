//! How sure the headline metrics are: an interval for each, every router against one rival, and who is as good as the best.

use super::bands::{Bands, banded, bands};
use super::policy::PolicyKind;
use super::replay::Replay;
use super::resample::{Values, bootstrap, exchanges};
use super::summary::Row;
use crate::metrics::{DEFAULT_PRIMARY, PRIMARY_WITHOUT_COST, is_cost, larger_is_better};
use crate::record::Record;
use crate::router::RouterSettings;
use crate::seed::Stream;
use crate::statistics::bootstrap::{Estimate, estimate};
use crate::statistics::correction::{benjamini_hochberg, holm};
use crate::statistics::overlap::corrected_t_test;
use crate::statistics::paired::{WinTieLoss, detection_factor, standardised_effect, two_sided_p};
use crate::statistics::{Interval, LEVEL, mean};

/// From which adjusted p-value on a difference is not called one.
pub const SIGNIFICANCE: f64 = 0.05;

/// The power at which the smallest detectable difference is stated.
pub const POWER: f64 = 0.8;

/// Every router against one rival, on every headline metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// The rival: a router's label or a bound's name.
    pub against: String,
    /// The metric declared before the run.
    pub primary: String,
    /// Number of resamples, and of exchanges.
    pub n_resamples: usize,
    /// By router in scenario order, then by metric.
    pub comparisons: Vec<Comparison>,
    /// Of the routers that are drawn with bands, in scenario order.
    pub bands: Vec<Bands>,
}

/// A router against the rival on one metric, paired on prompts and replicates.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The router's label.
    pub router: String,
    /// The metric's name.
    pub metric: &'static str,
    /// Whether the metric is the declared primary one.
    pub is_primary: bool,
    /// The router's value minus the rival's, mean over replicates.
    pub difference: f64,
    /// Its 95 % interval.
    pub interval: Interval,
    /// The sign-flip p-value: both routers exchanged on half of the prompts. It speaks of these two trained routers.
    pub sign_flip_p: f64,
    /// The greater of it and the p-value that the resamples give, which also covers training on another split: a
    /// difference counts only if neither new prompts nor new splits explain it.
    pub p: f64,
    /// The p-value adjusted for the number of comparisons: by Holm over the routers on the primary metric, by Benjamini
    /// and Hochberg over all others.
    pub adjusted_p: f64,
    /// The p-value over replicates, corrected for overlapping training prompts (Nadeau and Bengio); `None` for one.
    pub overlap_p: Option<f64>,
    /// The standard error of the difference; infinite where resamples have no value.
    pub standard_error: f64,
    /// The variance that training adds to the difference in one replicate; 0 for one replicate, which cannot tell.
    pub training_variance: f64,
    /// The smallest true difference that would be found with a power of 80 %.
    pub smallest_detectable: f64,
    /// Prompts on which the router's mean utility over the declared preferences is above, equal to, and below the rival's
    /// (the score at w = 0 where costs are not known).
    pub prompts: WinTieLoss,
    /// The mean of these differences over their standard deviation.
    pub effect: Option<f64>,
}

impl Comparison {
    /// Whether the router is better than the rival beyond chance.
    pub fn is_better(&self) -> bool {
        self.adjusted_p < SIGNIFICANCE && (self.difference > 0.0) == larger_is_better(self.metric)
    }

    /// Whether the router is worse than the rival beyond chance.
    pub fn is_worse(&self) -> bool {
        self.adjusted_p < SIGNIFICANCE && (self.difference > 0.0) != larger_is_better(self.metric)
    }
}

/// Fills in the intervals of the rows, marks the best of each metric, compares the routers with their rival, and finds the
/// bands of the figures.
pub(super) fn weigh(record: &Record, rows: &mut [Row]) -> Evidence {
    let settings = &record.manifest.scenario.evidence;
    let n_resamples = settings.resamples;
    let stream = Stream::root(record.manifest.scenario.seed).named("evidence");
    let replays: Vec<Replay> =
        (0..record.manifest.replicates.len()).map(|replicate| Replay::new(record, replicate)).collect();
    let curves = banded(record, &replays, rows, &rival(record));
    let mut values = bootstrap(record, &replays, &curves, n_resamples, &stream.named("resamples"));
    let of_curves = values.split_off(values.len() - curves.len());
    let bands = bands(&replays, &curves, &of_curves, &stream.named("bands"));
    let table = Table { replays: &replays, values: &values, stream: stream.named("replicates") };
    for row in rows.iter_mut().filter(|row| row.kind != PolicyKind::Model) {
        row.interval = table.find(&row.policy, row.metric).and_then(|place| {
            let observed: Vec<f64> = row.values.iter().copied().collect::<Option<_>>()?;
            let interval = table.estimate(&observed, &[place], row)?.interval;
            Some(if is_cost(row.metric) { interval.not_below(0.0) } else { interval })
        });
    }
    mark_best(&table, rows);
    let comparisons = compare(record, &table, rows, &stream.named("exchanges"));
    Evidence { against: rival(record), primary: primary(record).to_owned(), n_resamples, comparisons, bands }
}

/// The declared primary metric; the score at w = 0 where costs are not known.
fn primary(record: &Record) -> &str {
    if record.manifest.suite.has_cost {
        record.manifest.scenario.evidence.primary.as_deref().unwrap_or(DEFAULT_PRIMARY)
    } else {
        PRIMARY_WITHOUT_COST
    }
}

/// The declared rival; without one the first predictor, and without any predictor the zero router.
fn rival(record: &Record) -> String {
    let scenario = &record.manifest.scenario;
    let is_predictor =
        |entry: &&crate::scenario::RouterEntry| matches!(entry.settings, RouterSettings::Predictor(_));
    let first = scenario.routers.iter().find(is_predictor).map(|entry| entry.label.clone());
    scenario.evidence.against.clone().or(first).unwrap_or_else(|| "zero-router".to_owned())
}

/// A column of the resamples: position of the policy, and of the metric among its own.
type Place = (usize, usize);

/// The resampled values with their names.
struct Table<'a> {
    replays: &'a [Replay],
    values: &'a Values,
    stream: Stream,
}

impl Table<'_> {
    fn position(&self, policy: &str) -> Option<usize> {
        let policies = &self.replays[0].evaluated.policies[..self.values.len()];
        policies.iter().position(|known| known.name == policy)
    }

    fn find(&self, policy: &str, metric: &str) -> Option<Place> {
        let position = self.position(policy)?;
        let column = self.replays[0].metrics(position).iter().position(|known| *known == metric)?;
        Some((position, column))
    }

    /// The estimate for one column, or for the difference of two.
    fn estimate(&self, observed: &[f64], places: &[Place], row: &Row) -> Option<Estimate> {
        let column = |place: &Place| &self.values[place.0][place.1];
        let mut stream = self.stream.named(&row.policy).named(row.metric);
        let resampled = match places {
            [one, other] => {
                stream = stream.numbered(other.0);
                column(one).iter().zip(column(other)).map(|(one, other)| one - other).collect()
            }
            _ => column(&places[0]).clone(),
        };
        estimate(observed, &resampled, LEVEL, &mut stream.generator())
    }

    /// The difference of two rows: its values by replicate, and its estimate.
    fn difference(&self, row: &Row, rival: &Row) -> Option<(Vec<f64>, Estimate)> {
        let places = [self.find(&row.policy, row.metric)?, self.find(&rival.policy, rival.metric)?];
        let pairs = row.values.iter().zip(&rival.values);
        let observed: Vec<f64> =
            pairs.map(|(one, other)| Some((*one)? - (*other)?)).collect::<Option<_>>()?;
        let estimate = self.estimate(&observed, &places, row)?;
        Some((observed, estimate))
    }
}

/// Marks the routers that are best at a metric or cannot be told from the best: those whose difference from it has a
/// p-value of at least 5 % by the resamples, adjusted by Holm over the routers. Nobody is marked where all would be.
fn mark_best(table: &Table<'_>, rows: &mut [Row]) {
    for metric in crate::metrics::HEADLINE {
        let at: Vec<usize> = (0..rows.len())
            .filter(|&at| rows[at].kind == PolicyKind::Router && rows[at].metric == metric)
            .collect();
        let mean_of =
            |at: usize| rows[at].values.iter().copied().collect::<Option<Vec<f64>>>().map(|v| mean(&v));
        let sign = if larger_is_better(metric) { 1.0 } else { -1.0 };
        let reached: Vec<(usize, f64)> =
            at.iter().filter_map(|&at| mean_of(at).map(|mean| (at, sign * mean))).collect();
        // Ties go to the first.
        let Some(&(best, _)) = reached.iter().rev().max_by(|a, b| a.1.total_cmp(&b.1)) else { continue };
        let others: Vec<usize> = reached.iter().map(|(at, _)| *at).filter(|at| *at != best).collect();
        let p_of = |&at: &usize| table.difference(&rows[at], &rows[best]).map_or(1.0, |(_, e)| e.p_of_zero);
        let adjusted = holm(&others.iter().map(p_of).collect::<Vec<f64>>());
        let alike: Vec<usize> = others
            .into_iter()
            .zip(adjusted)
            .filter(|(_, p)| *p >= SIGNIFICANCE)
            .map(|(at, _)| at)
            .chain([best])
            .collect();
        if alike.len() < at.len() {
            alike.into_iter().for_each(|at| rows[at].is_among_best = true);
        }
    }
}

fn compare(record: &Record, table: &Table<'_>, rows: &[Row], stream: &Stream) -> Vec<Comparison> {
    let (against, replays) = (rival(record), table.replays);
    let Some(rival_position) = table.position(&against) else { return Vec::new() };
    let n_routers = record.manifest.scenario.routers.len();
    let rival_metrics = replays[0].metrics(rival_position);
    let common: Vec<Vec<(usize, usize)>> = (0..n_routers)
        .map(|position| {
            if position == rival_position {
                return Vec::new();
            }
            let metrics = replays[0].metrics(position);
            let pair = |(column, metric): (usize, &&str)| {
                Some((column, rival_metrics.iter().position(|known| known == metric)?))
            };
            metrics.iter().enumerate().filter_map(pair).collect()
        })
        .collect();
    let n_exchanges = record.manifest.scenario.evidence.resamples;
    let exchanged = exchanges(record, replays, (rival_position, &common), n_exchanges, stream);
    let find =
        |policy: &str, metric: &str| rows.iter().find(|row| row.policy == policy && row.metric == metric);
    let mut comparisons = Vec::new();
    for (position, common) in common.iter().enumerate() {
        let (prompts, effect) = on_prompts(record, replays, position, rival_position);
        for (at, &(column, _)) in common.iter().enumerate() {
            let metric = replays[0].metrics(position)[column];
            let label = &replays[0].evaluated.policies[position].name;
            let (Some(row), Some(rival)) = (find(label, metric), find(&against, metric)) else { continue };
            let Some((observed, estimate)) = table.difference(row, rival) else { continue };
            let permuted: Vec<f64> = exchanged[position][at].chunks_exact(replays.len()).map(mean).collect();
            let difference = mean(&observed);
            let factor = detection_factor(POWER).unwrap_or(f64::NAN);
            let sign_flip_p = two_sided_p(difference, &permuted);
            comparisons.push(Comparison {
                router: label.clone(),
                metric,
                is_primary: metric == primary(record),
                difference,
                interval: estimate.interval,
                sign_flip_p,
                p: sign_flip_p.max(estimate.p_of_zero),
                adjusted_p: 1.0,
                overlap_p: corrected_t_test(&observed, test_per_training(record)).map(|test| test.p),
                standard_error: estimate.standard_error,
                training_variance: estimate.training_variance,
                smallest_detectable: factor * estimate.standard_error,
                prompts,
                effect,
            });
        }
    }
    adjust(&mut comparisons, true, holm);
    adjust(&mut comparisons, false, benjamini_hochberg);
    comparisons
}

fn adjust(comparisons: &mut [Comparison], is_primary: bool, correction: impl Fn(&[f64]) -> Vec<f64>) {
    let family: Vec<&mut Comparison> =
        comparisons.iter_mut().filter(|comparison| comparison.is_primary == is_primary).collect();
    let adjusted = correction(&family.iter().map(|comparison| comparison.p).collect::<Vec<f64>>());
    family.into_iter().zip(adjusted).for_each(|(comparison, p)| comparison.adjusted_p = p);
}

/// Test prompts over development prompts, mean over replicates.
fn test_per_training(record: &Record) -> f64 {
    let replicates = &record.manifest.replicates;
    let ratios = replicates.iter().map(|r| r.n_test as f64 / (r.n_training + r.n_validation).max(1) as f64);
    mean(&ratios.collect::<Vec<f64>>())
}

/// The utility differences of two policies on each prompt, mean over the replicates that test it; none for policies without
/// preferences.
pub(super) fn prompt_differences(record: &Record, replays: &[Replay], one: usize, other: usize) -> Vec<f64> {
    let (mut sums, mut counts) = (vec![0.0; record.prompts.len()], vec![0_u32; record.prompts.len()]);
    for replay in replays {
        let (Some(own), Some(rivals)) = (replay.utilities(one), replay.utilities(other)) else {
            return Vec::new();
        };
        for (&prompt, (own, rival)) in replay.prompts.iter().zip(own.iter().zip(&rivals)) {
            sums[prompt] += own - rival;
            counts[prompt] += 1;
        }
    }
    sums.iter().zip(&counts).filter(|(_, n)| **n > 0).map(|(sum, n)| sum / f64::from(*n)).collect()
}

fn on_prompts(record: &Record, replays: &[Replay], one: usize, other: usize) -> (WinTieLoss, Option<f64>) {
    let differences = prompt_differences(record, replays, one, other);
    (WinTieLoss::count(&differences), standardised_effect(&differences))
}
