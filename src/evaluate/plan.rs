//! What a pilot says about how many prompts and replicates it takes to see a difference.

use super::evidence::Evidence;
use crate::error::{Error, Result, suggestion};
use crate::record::Record;
use crate::statistics::paired::detection_factor;
use crate::statistics::sample_size::Components;

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
        if !(difference > 0.0 && difference.is_finite()) {
            return Err(Error::Usage(format!("a difference of {difference} is not a number above 0")));
        }
        let factor = detection_factor(power)
            .ok_or_else(|| Error::Usage(format!("a power of {power} is not between 0.025 and 1")))?;
        let metric = metric.unwrap_or(&evidence.primary);
        let (n_replicates, n_prompts) = (record.manifest.replicates.len(), record.prompts.len());
        let of_metric = evidence.comparisons.iter().filter(|comparison| comparison.metric == metric);
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
            let mut known: Vec<&str> = evidence.comparisons.iter().map(|other| other.metric).collect();
            known.dedup();
            let near = suggestion(metric, known.iter().copied());
            return Err(Error::Usage(format!("no router is compared on `{metric}`{near}")));
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
