//! Metrics of all policies over all replicates, in long form.

use super::evidence::{Evidence, weigh};
use super::measure::measure;
use super::policy::{Evaluated, PolicyKind, evaluate};
use crate::record::Record;
use crate::statistics::Interval;

/// One metric of one policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// A router's label, a bound's name, or a model's id.
    pub policy: String,
    /// What it is.
    pub kind: PolicyKind,
    /// The metric's name.
    pub metric: &'static str,
    /// The value in each replicate; `None` where it is not defined or not reached.
    pub values: Vec<Option<f64>>,
    /// The 95 % interval of the mean, for the headline metrics that every replicate reaches.
    pub interval: Option<Interval>,
    /// Whether a router is the best at a headline metric or cannot be told from the best; false for all where all would be.
    pub is_among_best: bool,
}

/// Mean and spread of a metric over the replicates in which it has a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Aggregate {
    /// The mean.
    pub mean: f64,
    /// The standard deviation between replicates (n - 1); 0 for one replicate.
    pub deviation: f64,
    /// Replicates with a value.
    pub n: usize,
}

impl Row {
    /// Mean and spread, or `None` where no replicate has a value.
    pub fn aggregate(&self) -> Option<Aggregate> {
        let known: Vec<f64> = self.values.iter().flatten().copied().collect();
        if known.is_empty() {
            return None;
        }
        let n = known.len();
        let mean = known.iter().sum::<f64>() / n as f64;
        let squares: f64 = known.iter().map(|value| (value - mean).powi(2)).sum();
        let deviation = if n > 1 { (squares / (n - 1) as f64).sqrt() } else { 0.0 };
        Some(Aggregate { mean, deviation, n })
    }
}

/// Everything that tables and plots show.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// By replicate.
    pub replicates: Vec<Evaluated>,
    /// By policy, then by metric.
    pub rows: Vec<Row>,
    /// The routers against one rival; `None` where it was not asked for.
    pub evidence: Option<Evidence>,
}

impl Summary {
    /// One metric of one policy.
    pub fn find(&self, policy: &str, metric: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.policy == policy && row.metric == metric)
    }
}

/// Computes all metrics of a record, with intervals and tests.
pub fn summarise(record: &Record) -> Summary {
    let mut summary = summarise_without_evidence(record);
    summary.evidence = Some(weigh(record, &mut summary.rows));
    summary
}

/// Computes all metrics of a record.
pub fn summarise_without_evidence(record: &Record) -> Summary {
    let manifest = &record.manifest;
    let replicates: Vec<Evaluated> =
        (0..manifest.replicates.len()).map(|replicate| evaluate(record, replicate)).collect();
    let mut rows: Vec<Row> = Vec::new();
    for (position, policy) in replicates[0].policies.iter().enumerate() {
        let measured: Vec<_> = replicates
            .iter()
            .map(|evaluated| {
                measure(evaluated, position, &manifest.preference_weights, manifest.suite.has_cost)
            })
            .collect();
        for (at, (metric, _)) in measured[0].iter().enumerate() {
            let values = measured.iter().map(|metrics| metrics[at].1).collect();
            rows.push(Row {
                policy: policy.name.clone(),
                kind: policy.kind,
                metric,
                values,
                interval: None,
                is_among_best: false,
            });
        }
    }
    Summary { replicates, rows, evidence: None }
}
