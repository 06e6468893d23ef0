//! What a shift does to every router: a run under it beside its unshifted twin, on the same prompts.

use std::collections::BTreeMap;

use super::replay::Replay;
use super::resample::bootstrap;
use super::summary::summarise_without_evidence;
use crate::metrics::larger_is_better;
use crate::record::Record;
use crate::router::Choices;
use crate::scenario::shift::COPY;
use crate::seed::Stream;
use crate::statistics::bootstrap::estimate;
use crate::statistics::{Interval, LEVEL, mean};

/// The metrics that are compared, of those that both runs have.
pub const MOVED: [&str; 3] = ["normalised-utility", "aiq", "score-at-w0"];

/// Resamples behind every interval.
pub const N_RESAMPLES: usize = 1000;

/// One router under a shift and without.
#[derive(Clone, Debug, PartialEq)]
pub struct Move {
    /// The router's label.
    pub router: String,
    /// The metrics, in the order of [`MOVED`].
    pub metrics: Vec<MovedMetric>,
    /// The share of choices, over prompts and preferences, that differ from the twin's.
    pub changed: f64,
    /// Where a copy stands in the pool: of the choices of it or its original at w > 0 the share that falls to the copy;
    /// `None` where neither is chosen.
    pub taken_over: Option<f64>,
    /// Why the shift did not reach the router, where it did not.
    pub unheard: Option<String>,
}

/// One metric of a router in both runs, as means over replicates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MovedMetric {
    /// Its name.
    pub metric: &'static str,
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
            if larger_is_better(self.metric) { interval.high < 0.0 } else { interval.low > 0.0 }
        })
    }
}

/// What a shift moves, router by router in the order of the scenario, on the prompts that both records route.
pub fn moves(twin: &Record, shifted: &Record, n_resamples: usize) -> Vec<Move> {
    let [twin, shifted] = &shared(twin, shifted);
    let stream = Stream::root(twin.manifest.scenario.seed).named("stress");
    let tables = [twin, shifted].map(|record| Table::new(record, n_resamples, &stream));
    let entries = shifted.manifest.scenario.routers.iter().enumerate();
    entries
        .map(|(router, entry)| Move {
            router: entry.label.clone(),
            metrics: MOVED.iter().filter_map(|metric| moved(&tables, router, metric, &stream)).collect(),
            changed: changed(twin, shifted, router),
            taken_over: taken_over(shifted, router),
            unheard: shifted.manifest.replicates.iter().find_map(|r| r.routers[router].unheard.clone()),
        })
        .collect()
}

/// Observed and resampled values of the routers of one record.
pub(super) struct Table {
    columns: Vec<Vec<&'static str>>,
    observed: Vec<BTreeMap<&'static str, Vec<Option<f64>>>>,
    resampled: Vec<Vec<Vec<f64>>>,
}

impl Table {
    pub(super) fn new(record: &Record, n_resamples: usize, stream: &Stream) -> Self {
        let n_routers = record.manifest.scenario.routers.len();
        let replays: Vec<Replay> =
            (0..record.manifest.replicates.len()).map(|replicate| Replay::new(record, replicate)).collect();
        let resampled = bootstrap(record, &replays, &[], n_resamples, &stream.named("resamples"));
        let columns = (0..n_routers).map(|router| replays[0].metrics(router)).collect();
        let rows = summarise_without_evidence(record).rows;
        let observed = |router: usize| {
            let label = &record.manifest.scenario.routers[router].label;
            let own = rows.iter().filter(|row| row.kind.is_router() && row.policy == *label);
            own.map(|row| (row.metric, row.values.clone())).collect()
        };
        Table { columns, observed: (0..n_routers).map(observed).collect(), resampled }
    }

    /// The value of each replicate; `None` where one has none.
    pub(super) fn values(&self, router: usize, metric: &str) -> Option<Vec<f64>> {
        self.observed[router].get(metric)?.iter().copied().collect()
    }

    /// The values in resamples, resample-major.
    pub(super) fn column(&self, router: usize, metric: &str) -> Option<&Vec<f64>> {
        let at = self.columns[router].iter().position(|known| *known == metric)?;
        Some(&self.resampled[router][at])
    }
}

fn moved(tables: &[Table; 2], router: usize, metric: &'static str, stream: &Stream) -> Option<MovedMetric> {
    let [before, after] = [tables[0].values(router, metric)?, tables[1].values(router, metric)?];
    let columns = [tables[0].column(router, metric)?, tables[1].column(router, metric)?];
    let differences = |after: &[f64], before: &[f64]| -> Vec<f64> {
        after.iter().zip(before).map(|(after, before)| after - before).map(without_rounding).collect()
    };
    let (observed, resampled) = (differences(&after, &before), differences(columns[1], columns[0]));
    let is_still = observed.iter().chain(&resampled).all(|difference| *difference == 0.0);
    let interval = if is_still {
        Some(Interval { low: 0.0, high: 0.0 })
    } else {
        let mut rng = stream.named("replicates").named(metric).numbered(router).generator();
        estimate(&observed, &resampled, LEVEL, &mut rng).map(|estimate| estimate.interval)
    };
    Some(MovedMetric { metric, before: mean(&before), after: mean(&after), interval })
}

/// Costs in another unit, or candidates in another order, change last digits; no metric that is moved is so small.
fn without_rounding(difference: f64) -> f64 {
    if difference.abs() < 1e-9 { 0.0 } else { difference }
}

/// Both records on the prompts that both route in the same replicate, in the order of the second.
fn shared(twin: &Record, shifted: &Record) -> [Record; 2] {
    let in_twin: BTreeMap<&str, usize> =
        twin.prompts.iter().enumerate().map(|(at, prompt)| (prompt.id.as_str(), at)).collect();
    let row_of = |prompt: usize| in_twin.get(shifted.prompts[prompt].id.as_str()).copied();
    // By replicate, the places of each shared prompt among the test prompts of both.
    let places: Vec<Vec<[usize; 2]>> = (shifted.test_prompts.iter().zip(&twin.test_prompts))
        .map(|(own, of_twin)| {
            let place =
                |(at, prompt): (usize, &usize)| Some([of_twin.binary_search(&row_of(*prompt)?).ok()?, at]);
            own.iter().enumerate().filter_map(place).collect()
        })
        .collect();
    let mut kept: Vec<usize> = (places.iter().zip(&shifted.test_prompts))
        .flat_map(|(places, own)| places.iter().map(|[_, at]| own[*at]))
        .collect();
    kept.sort_unstable();
    kept.dedup();
    let rows = [kept.iter().filter_map(|&prompt| row_of(prompt)).collect::<Vec<_>>(), kept.clone()];
    let tested: Vec<Vec<usize>> = (places.iter().zip(&shifted.test_prompts))
        .map(|(places, own)| {
            places.iter().map(|[_, at]| kept.partition_point(|other| *other < own[*at])).collect()
        })
        .collect();
    [0, 1].map(|side| {
        let record = [twin, shifted][side];
        let models: Vec<usize> = (0..record.manifest.suite.models.len()).collect();
        let choices = record.choices.iter().zip(&places).map(|(routers, places)| {
            let own: Vec<usize> = places.iter().map(|places| places[side]).collect();
            routers.iter().map(|choices| of_prompts(choices, &own)).collect()
        });
        Record {
            manifest: record.manifest.clone(),
            prompts: kept.iter().map(|&prompt| shifted.prompts[prompt].clone()).collect(),
            score: record.score.select(&rows[side], &models),
            cost_usd: record.cost_usd.select(&rows[side], &models),
            tokens: None,
            test_prompts: tested.clone(),
            choices: choices.collect(),
            predictions: Vec::new(),
        }
    })
}

/// Only the choices for these prompts, in this order.
fn of_prompts(choices: &Choices, prompts: &[usize]) -> Choices {
    let at = |preference| choices.at_preference(preference);
    let models = (0..choices.n_preferences()).flat_map(|p| prompts.iter().map(move |&prompt| at(p)[prompt]));
    let kept = Choices::new(prompts.len(), models.collect());
    match choices.orders() {
        Some(orders) => kept.with_orders(orders.to_vec()),
        None => kept,
    }
}

/// A copy counts as its original.
fn name_of(record: &Record, model: u16) -> &str {
    let name = &record.manifest.suite.models[usize::from(model)];
    name.strip_suffix(COPY).unwrap_or(name)
}

fn changed(twin: &Record, shifted: &Record, router: usize) -> f64 {
    let (mut n_changed, mut n) = (0_usize, 0_usize);
    for (before, after) in twin.choices.iter().zip(&shifted.choices) {
        let pairs = before[router].models().iter().zip(after[router].models());
        n += after[router].models().len();
        n_changed += pairs.filter(|(a, b)| name_of(twin, **a) != name_of(shifted, **b)).count();
    }
    n_changed as f64 / n.max(1) as f64
}

fn taken_over(shifted: &Record, router: usize) -> Option<f64> {
    let names = &shifted.manifest.suite.models;
    let copy = names.iter().position(|name| name.ends_with(COPY))?;
    let original = names.iter().position(|name| names[copy].strip_suffix(COPY) == Some(name))?;
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
