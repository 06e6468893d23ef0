//! How sure the headline metrics are: an interval for each, every router against one rival, who is as good as the best, and
//! how many prompts and replicates it takes to see a difference.

use super::policy::{PolicyKind, Row, policy_named};
use super::replay::Replay;
use super::resample::{Bands, Values, banded, bands, bootstrap, exchanges};
use crate::error::{Error, Result, suggestion};
use crate::metrics::table::{DEFAULT_PRIMARY, PRIMARY_WITHOUT_COSTS};
use crate::metrics::{Bound, METRICS, Metric, PolicyId, metric};
use crate::record::Record;
use crate::router::PredictorSettings;
use crate::seed::Stream;
use crate::statistics::bootstrap::{Estimate, Prior, estimate_among, variance_ratio};
use crate::statistics::correction::{benjamini_hochberg, holm};
use crate::statistics::paired::{
    Components, WinTieLoss, corrected_t_test, detection_factor, standardised_effect, two_sided_p,
};
use crate::statistics::{Interval, LEVEL, argmax, mean};

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
    pub primary: &'static Metric,
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
    /// The metric.
    pub metric: &'static Metric,
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
        self.adjusted_p < SIGNIFICANCE && self.metric.is_better(self.difference, 0.0)
    }

    /// Whether the router is worse than the rival beyond chance.
    pub fn is_worse(&self) -> bool {
        self.adjusted_p < SIGNIFICANCE && !self.metric.is_better(self.difference, 0.0)
    }
}

/// Fills in the intervals of the rows, marks the best of each metric, compares the routers with their rival, and finds the
/// bands of the figures.
pub(super) fn weigh(record: &Record, replays: &[Replay], rows: &mut [Row]) -> Evidence {
    let settings = &record.manifest.scenario.evidence;
    let n_resamples = settings.resamples;
    let stream = Stream::root(record.manifest.scenario.seed).named("evidence");
    let against = rival(record);
    let rival = policy_named(record, &against);
    let curves = banded(record, replays, rows, rival);
    let mut values = bootstrap(record, replays, &curves, n_resamples, &stream.named("resamples"));
    let of_curves = values.split_off(values.len() - curves.len());
    let bands = bands(replays, &curves, &of_curves, &stream.named("bands"));
    let table = Table { replays, values: &values, stream: stream.named("replicates") };
    for row in rows.iter_mut().filter(|row| row.kind != PolicyKind::Model) {
        row.interval = table.alone(row).map(|estimate| estimate.interval.within(row.metric.range));
    }
    mark_best(&table, rows);
    let comparisons =
        rival.map_or_else(Vec::new, |rival| compare(record, &table, rows, rival, &stream.named("exchanges")));
    Evidence { against, primary: primary(record), n_resamples, comparisons, bands }
}

/// The declared primary metric; the score at w = 0 where costs are not known.
fn primary(record: &Record) -> &'static Metric {
    let declared = record.manifest.scenario.evidence.primary.as_deref().unwrap_or(DEFAULT_PRIMARY);
    let name = if record.manifest.suite.has_cost { declared } else { PRIMARY_WITHOUT_COSTS };
    metric(name).expect("a scenario is checked when it is read")
}

/// The name of the declared rival; without one the first predictor, and without any predictor the zero router.
fn rival(record: &Record) -> String {
    let scenario = &record.manifest.scenario;
    let is_predictor =
        |entry: &&crate::scenario::RouterEntry| entry.settings.get::<PredictorSettings>().is_some();
    let first = scenario.routers.iter().find(is_predictor).map(|entry| entry.label.clone());
    scenario.evidence.against.clone().or(first).unwrap_or_else(|| Bound::ZeroRouter.name().to_owned())
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
    fn find(&self, id: PolicyId, metric: &Metric) -> Option<Place> {
        let position = self.replays[0].position(id)?;
        let column = self.replays[0].metrics(position).iter().position(|known| *known == metric)?;
        Some((position, column))
    }

    /// The estimate of one row by itself.
    fn alone(&self, row: &Row) -> Option<Estimate> {
        let (position, column) = self.find(row.id, row.metric)?;
        let observed: Vec<f64> = row.values.iter().copied().collect::<Option<_>>()?;
        let mut rng = self.stream.named(&row.policy).named(row.metric.name).generator();
        estimate_among(&observed, &self.values[position][column], LEVEL, None, &mut rng)
    }

    /// The difference of two rows, by replicate and in resamples; `None` where either has no value.
    fn difference(&self, row: &Row, rival: &Row) -> Option<Difference> {
        let [one, other] = [self.find(row.id, row.metric)?, self.find(rival.id, rival.metric)?];
        let pairs = row.values.iter().zip(&rival.values);
        let observed = pairs.map(|(one, other)| Some((*one)? - (*other)?)).collect::<Option<_>>()?;
        let column = |place: Place| &self.values[place.0][place.1];
        let resampled = column(one).iter().zip(column(other)).map(|(one, other)| one - other).collect();
        let stream = self.stream.named(&row.policy).named(row.metric.name).numbered(other.0);
        Some(Difference { observed, resampled, stream })
    }

    /// The differences of several rows from a rival's, with what they say together of how much training adds.
    fn differences(&self, rows: &[&Row], rival: &Row) -> Vec<Option<(Vec<f64>, Estimate)>> {
        let all: Vec<Option<Difference>> = rows.iter().map(|row| self.difference(row, rival)).collect();
        let ratio = |pair: &Difference| variance_ratio(&pair.observed, &pair.resampled);
        let ratios: Vec<f64> = all.iter().flatten().filter_map(ratio).collect();
        let prior = Prior::of(&ratios, self.replays.len() as f64 - 1.0);
        let estimated = |pair: Difference| {
            let mut rng = pair.stream.generator();
            let estimate = estimate_among(&pair.observed, &pair.resampled, LEVEL, prior, &mut rng)?;
            Some((pair.observed, estimate))
        };
        all.into_iter().map(|pair| pair.and_then(estimated)).collect()
    }
}

/// One row less another.
struct Difference {
    /// By replicate.
    observed: Vec<f64>,
    /// Resample-major, then by replicate.
    resampled: Vec<f64>,
    stream: Stream,
}

/// Marks the routers that are best at a metric or cannot be distinguished from the best: those whose difference from it has a
/// p-value of at least 5 % by the resamples, adjusted by Holm over the routers. Nobody is marked where all would be.
fn mark_best(table: &Table<'_>, rows: &mut [Row]) {
    for metric in METRICS.iter().filter(|metric| metric.is_headline) {
        let at: Vec<usize> = (0..rows.len())
            .filter(|&at| rows[at].kind == PolicyKind::Router && rows[at].metric == metric)
            .collect();
        let mean_of =
            |at: usize| rows[at].values.iter().copied().collect::<Option<Vec<f64>>>().map(|v| mean(&v));
        let sign = if metric.is_better(1.0, 0.0) { 1.0 } else { -1.0 };
        let reached: Vec<(usize, f64)> =
            at.iter().filter_map(|&at| mean_of(at).map(|mean| (at, sign * mean))).collect();
        let Some(best) = argmax(reached.iter().copied()) else { continue };
        let others: Vec<usize> = reached.iter().map(|(at, _)| *at).filter(|at| *at != best).collect();
        let differences =
            table.differences(&others.iter().map(|&at| &rows[at]).collect::<Vec<&Row>>(), &rows[best]);
        let p_of = |difference: &Option<(Vec<f64>, Estimate)>| {
            difference.as_ref().map_or(1.0, |(_, estimate)| estimate.p_of_zero)
        };
        let adjusted = holm(&differences.iter().map(p_of).collect::<Vec<f64>>());
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

fn compare(
    record: &Record,
    table: &Table<'_>,
    rows: &[Row],
    against: PolicyId,
    stream: &Stream,
) -> Vec<Comparison> {
    let replays = table.replays;
    let Some(rival_position) = replays[0].position(against) else { return Vec::new() };
    let n_routers = record.manifest.scenario.routers.len();
    let rival_metrics = replays[0].metrics(rival_position);
    let common: Vec<Vec<(usize, usize)>> = (0..n_routers)
        .map(|position| {
            if position == rival_position {
                return Vec::new();
            }
            let pair = |(column, metric): (usize, &&Metric)| {
                Some((column, rival_metrics.iter().position(|known| known == metric)?))
            };
            replays[0].metrics(position).iter().enumerate().filter_map(pair).collect()
        })
        .collect();
    let n_exchanges = record.manifest.scenario.evidence.resamples;
    let exchanged = exchanges(record, replays, (rival_position, &common), n_exchanges, stream);
    let mut estimated = against_rival(table, rows, against);
    let primary = primary(record);
    let factor = detection_factor(POWER).unwrap_or(f64::NAN);
    let mut comparisons = Vec::new();
    for (position, common) in common.iter().enumerate() {
        let (prompts, effect) = on_prompts(record, replays, position, rival_position);
        for (at, &(column, _)) in common.iter().enumerate() {
            let metric = replays[0].metrics(position)[column];
            let id = replays[0].evaluated.policies[position].id;
            let found = rows.iter().position(|row| row.id == id && row.metric == metric);
            let Some((observed, estimate)) = found.and_then(|at| estimated[at].take()) else { continue };
            let permuted: Vec<f64> = exchanged[position][at].chunks_exact(replays.len()).map(mean).collect();
            let difference = mean(&observed);
            let sign_flip_p = two_sided_p(difference, &permuted);
            comparisons.push(Comparison {
                router: replays[0].evaluated.policies[position].name.clone(),
                metric,
                is_primary: metric == primary,
                difference,
                interval: estimate.interval.within(metric.range.of_differences()),
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

/// The difference of every router's row from the rival's of the same metric, by row; none of other rows.
fn against_rival(table: &Table<'_>, rows: &[Row], against: PolicyId) -> Vec<Option<(Vec<f64>, Estimate)>> {
    let mut found: Vec<Option<(Vec<f64>, Estimate)>> = rows.iter().map(|_| None).collect();
    for rival in rows.iter().filter(|row| row.id == against && row.metric.is_headline) {
        let is_own =
            |row: &Row| row.kind == PolicyKind::Router && row.id != against && row.metric == rival.metric;
        let places: Vec<usize> = (0..rows.len()).filter(|&at| is_own(&rows[at])).collect();
        let of_metric: Vec<&Row> = places.iter().map(|&at| &rows[at]).collect();
        places
            .iter()
            .zip(table.differences(&of_metric, rival))
            .for_each(|(&at, difference)| found[at] = difference);
    }
    found
}

fn adjust(comparisons: &mut [Comparison], is_primary: bool, correction: impl Fn(&[f64]) -> Vec<f64>) {
    let family: Vec<&mut Comparison> =
        comparisons.iter_mut().filter(|comparison| comparison.is_primary == is_primary).collect();
    let adjusted = correction(&family.iter().map(|comparison| comparison.p).collect::<Vec<f64>>());
    family.into_iter().zip(adjusted).for_each(|(comparison, p)| comparison.adjusted_p = p);
}

/// How many standard errors a difference must be to be found with this power.
///
/// # Errors
/// A difference that is no number above 0, or a power outside (0.025, 1).
pub(super) fn factor_of(difference: f64, power: f64) -> Result<f64> {
    if !(difference > 0.0 && difference.is_finite()) {
        return Err(Error::Usage(format!("a difference of {difference} is not a number above 0")));
    }
    detection_factor(power)
        .ok_or_else(|| Error::Usage(format!("a power of {power} is not between 0.025 and 1")))
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
        for (prompt, (own, rival)) in replay.prompts.iter().zip(own.iter().zip(&rivals)) {
            sums[prompt.at()] += own - rival;
            counts[prompt.at()] += 1;
        }
    }
    sums.iter().zip(&counts).filter(|(_, n)| **n > 0).map(|(sum, n)| sum / f64::from(*n)).collect()
}

fn on_prompts(record: &Record, replays: &[Replay], one: usize, other: usize) -> (WinTieLoss, Option<f64>) {
    let differences = prompt_differences(record, replays, one, other);
    (WinTieLoss::count(&differences), standardised_effect(&differences))
}

/// A plan from one record.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The rival of every comparison.
    pub against: String,
    /// The metric.
    pub metric: String,
    /// The true difference that is to be found.
    pub difference: f64,
    /// With which probability, by a two-sided test at 5 %.
    pub power: f64,
    /// The standard error at which that is so.
    pub standard_error: f64,
    /// Replicates of the pilot. One says nothing of what training adds.
    pub n_replicates: usize,
    /// Prompts of the pilot that were a test prompt at least once.
    pub n_prompts: usize,
    /// One a router, in scenario order, without the rival.
    pub lines: Vec<PlanLine>,
}

/// One router against the rival.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanLine {
    /// The router's label.
    pub router: String,
    /// The difference that the pilot saw.
    pub observed: f64,
    /// Where its variance comes from.
    pub components: Components,
}

impl Plan {
    /// Plans by the record of a pilot and what its evidence says; `metric` is the declared primary one where absent.
    ///
    /// # Errors
    /// A difference that is not above 0, a power outside (0.025, 1), a metric that no router is compared on.
    pub fn new(
        record: &Record,
        evidence: &Evidence,
        metric: Option<&str>,
        difference: f64,
        power: f64,
    ) -> Result<Plan> {
        let factor = factor_of(difference, power)?;
        let metric = metric.unwrap_or(evidence.primary.name);
        let (n_replicates, n_prompts) = (record.manifest.replicates.len(), record.prompts.len());
        let of_metric = evidence.comparisons.iter().filter(|comparison| comparison.metric.name == metric);
        // Where resamples do not reach the metric, its error has no bound and nothing can be planned by it.
        let lines = of_metric.filter(|comparison| comparison.standard_error.is_finite()).map(|comparison| {
            let variance = comparison.standard_error.powi(2);
            PlanLine {
                router: comparison.router.clone(),
                observed: comparison.difference,
                components: Components::new(variance, comparison.training_variance, n_replicates, n_prompts),
            }
        });
        let lines: Vec<PlanLine> = lines.collect();
        if lines.is_empty() {
            let mut known: Vec<&str> = evidence.comparisons.iter().map(|other| other.metric.name).collect();
            known.dedup();
            let near = suggestion(metric, known.iter().copied());
            return Err(Error::Usage(if known.contains(&metric) {
                format!("`{metric}` has no error to plan by: resamples do not reach it or give no number")
            } else {
                format!("no router is compared on `{metric}`{near}")
            }));
        }
        Ok(Plan {
            against: evidence.against.clone(),
            metric: metric.to_owned(),
            difference,
            power,
            standard_error: difference / factor,
            n_replicates,
            n_prompts,
            lines,
        })
    }
}
