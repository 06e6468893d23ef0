//! Two records on the prompts that both test: outcomes side by side, and metrics in the same resamples.

use std::collections::BTreeMap;

use super::policy::{Row, layouts, rows};
use super::replay::Replay;
use super::resample::{Values, bootstrap};
use crate::index::RecordPrompt;
use crate::metrics::{Metric, PolicyId};
use crate::record::Record;
use crate::router::Choices;
use crate::seed::Stream;

/// A test prompt of both records in the same replicate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    /// Which of the prompts of each record it is.
    pub(crate) prompts: [RecordPrompt; 2],
    /// Its place among the replicate's test prompts in each record.
    pub(crate) places: [usize; 2],
}

/// The test prompts of both records, by replicate and in the order of the second; replicates without any are left out.
pub(crate) fn pairs([first, second]: [&Record; 2]) -> Vec<(usize, Vec<Pair>)> {
    let paired = |replicate: usize| {
        let of_first = first.test_prompts[replicate].iter().enumerate();
        let known: BTreeMap<&str, (RecordPrompt, usize)> = of_first
            .map(|(place, &prompt)| (first.prompts[prompt.at()].id.as_str(), (prompt, place)))
            .collect();
        let pair = |(place, &prompt): (usize, &RecordPrompt)| {
            let (other, other_place) = *known.get(second.prompts[prompt.at()].id.as_str())?;
            Some(Pair { prompts: [other, prompt], places: [other_place, place] })
        };
        second.test_prompts[replicate].iter().enumerate().filter_map(pair).collect::<Vec<_>>()
    };
    let n_replicates = first.test_prompts.len().min(second.test_prompts.len());
    let all = (0..n_replicates).map(|replicate| (replicate, paired(replicate)));
    all.filter(|(_, pairs)| !pairs.is_empty()).collect()
}

/// Both records on the prompts that both test, in the order of the second.
pub(crate) fn shared(records: [&Record; 2], pairs: &[(usize, Vec<Pair>)]) -> [Record; 2] {
    let all = pairs.iter().flat_map(|(_, pairs)| pairs);
    let rows: BTreeMap<RecordPrompt, RecordPrompt> =
        all.map(|pair| (pair.prompts[1], pair.prompts[0])).collect();
    let kept: Vec<RecordPrompt> = rows.keys().copied().collect();
    let first: Vec<RecordPrompt> = rows.into_values().collect();
    let rows = [&first, &kept].map(|prompts| RecordPrompt::places(prompts));
    let place = |pair: &Pair| RecordPrompt::new(kept.partition_point(|other| *other < pair.prompts[1]));
    let tested: Vec<Vec<RecordPrompt>> =
        pairs.iter().map(|(_, pairs)| pairs.iter().map(place).collect()).collect();
    [0, 1].map(|side| {
        let record = records[side];
        let models: Vec<usize> = (0..record.manifest.suite.models.len()).collect();
        let choices = pairs.iter().map(|(replicate, pairs)| {
            let own: Vec<usize> = pairs.iter().map(|pair| pair.places[side]).collect();
            record.choices[*replicate].iter().map(|choices| of_prompts(choices, &own)).collect()
        });
        let mut manifest = record.manifest.clone();
        manifest.replicates = pairs.iter().map(|(at, _)| manifest.replicates[*at].clone()).collect();
        Record {
            manifest,
            prompts: kept.iter().map(|prompt| records[1].prompts[prompt.at()].clone()).collect(),
            score: record.score.select(&rows[side], &models),
            cost_usd: record.cost_usd.select(&rows[side], &models),
            latency_s: None,
            tokens: None,
            savings_usd: record.savings_usd.as_ref().map(|table| table.select(&rows[side], &models)),
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

/// One metric of a router in both of two runs.
pub(crate) struct Paired {
    /// The value in each replicate, by run.
    pub(crate) observed: [Vec<f64>; 2],
    /// The second run's value minus the first's in resamples, resample-major, then by replicate.
    pub(crate) resampled: Vec<f64>,
}

impl Paired {
    /// The second run's value minus the first's in each replicate.
    pub(crate) fn differences(&self) -> Vec<f64> {
        self.observed[1].iter().zip(&self.observed[0]).map(|(second, first)| second - first).collect()
    }
}

/// Both of two runs on the same prompts, in the same resamples.
pub(crate) struct PairedRuns([Resampled; 2]);

impl PairedRuns {
    /// Two records as [`shared`] gives them.
    pub(crate) fn new(
        records: &[Record; 2],
        metrics: &[&'static Metric],
        n_resamples: usize,
        stream: &Stream,
    ) -> Self {
        PairedRuns([0, 1].map(|run| Resampled::new(&records[run], metrics, n_resamples, stream)))
    }

    /// One metric of a router, by its place in either record; `None` where a replicate of either run has no value.
    pub(crate) fn metric(&self, routers: [usize; 2], metric: &Metric) -> Option<Paired> {
        let [first, second] = &self.0;
        let observed = [first.values(routers[0], metric)?, second.values(routers[1], metric)?];
        let [of_first, of_second] = [first.column(routers[0], metric)?, second.column(routers[1], metric)?];
        let resampled = of_second.iter().zip(of_first).map(|(second, first)| second - first).collect();
        Some(Paired { observed, resampled })
    }
}

/// Observed and resampled values of the routers of one record.
pub(super) struct Resampled {
    replays: Vec<Replay>,
    rows: Vec<Row>,
    values: Values,
}

impl Resampled {
    pub(super) fn new(record: &Record, metrics: &[&Metric], n_resamples: usize, stream: &Stream) -> Self {
        let layouts = layouts(record);
        let rows = rows(&layouts.iter().map(|layout| &layout.evaluated).collect::<Vec<_>>());
        let is_wanted = |metric: &Metric| metrics.contains(&metric);
        let replay = |(replicate, layout)| Replay::new(record, replicate, layout, is_wanted);
        let replays: Vec<Replay> = layouts.into_iter().enumerate().map(replay).collect();
        let values = bootstrap(record, &replays, &[], n_resamples, &stream.named("resamples"));
        Resampled { replays, rows, values }
    }

    /// The value of each replicate; `None` where one has none.
    pub(super) fn values(&self, router: usize, metric: &Metric) -> Option<Vec<f64>> {
        let is_own = |row: &&Row| row.id == PolicyId::Router(router) && row.metric == metric;
        self.rows.iter().find(is_own)?.values.iter().copied().collect()
    }

    /// The values in resamples, resample-major.
    pub(super) fn column(&self, router: usize, metric: &Metric) -> Option<&Vec<f64>> {
        let position = self.replays[0].position(PolicyId::Router(router))?;
        let at = self.replays[0].metrics(position).iter().position(|known| *known == metric)?;
        Some(&self.values[position][at])
    }
}
