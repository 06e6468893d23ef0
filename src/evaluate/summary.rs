//! Metrics of all policies over all replicates, in long form, and whether what a scenario expects of them holds.

use super::evidence::{Evidence, weigh};
use super::policy::{Evaluated, Layout, PolicyKind, Row, layouts, rows};
use super::replay::Replay;
use crate::error::{Error, Result, suggestion};
use crate::metrics::PolicyId;
use crate::record::Record;
use crate::scenario::Expectation;

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
    pub fn find(&self, id: PolicyId, metric: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.id == id && row.metric.name == metric)
    }

    /// What a policy is.
    ///
    /// # Panics
    /// If there is no such policy.
    pub fn kind_of(&self, id: PolicyId) -> PolicyKind {
        let policies = &self.replicates[0].policies;
        policies.iter().find(|policy| policy.id == id).expect("the policy of a row is in the summary").kind
    }

    /// One metric of the policy of a name: a router's label, a bound's name, or a model's id.
    pub fn named(&self, policy: &str, metric: &str) -> Option<&Row> {
        let mut policies = self.replicates[0].policies.iter();
        self.find(policies.find(|known| known.name == policy)?.id, metric)
    }

    /// Whether every mean is a number.
    ///
    /// # Errors
    /// The first that is none: nothing can be concluded from it.
    pub fn check(&self) -> Result<()> {
        let is_number = |row: &&Row| row.aggregate().is_none_or(|aggregate| aggregate.mean.is_finite());
        match self.rows.iter().find(|row| !is_number(row)) {
            Some(row) => {
                Err(Error::Usage(format!("`{}` of `{}` is no finite number", row.metric.name, row.policy)))
            }
            None => Ok(()),
        }
    }
}

/// Computes all metrics of a record, with intervals and tests.
pub fn summarise(record: &Record) -> Summary {
    let layouts = layouts(record);
    let mut rows = rows_of(&layouts);
    let replay = |(replicate, layout)| Replay::new(record, replicate, layout, |metric| metric.is_headline);
    let replays: Vec<Replay> = layouts.into_iter().enumerate().map(replay).collect();
    let evidence = Some(weigh(record, &replays, &mut rows));
    Summary { replicates: replays.into_iter().map(|replay| replay.evaluated).collect(), rows, evidence }
}

/// Computes all metrics of a record.
pub fn summarise_without_evidence(record: &Record) -> Summary {
    let layouts = layouts(record);
    let rows = rows_of(&layouts);
    let replicates = layouts.into_iter().map(|layout| layout.evaluated).collect();
    Summary { replicates, rows, evidence: None }
}

fn rows_of(layouts: &[Layout]) -> Vec<Row> {
    rows(&layouts.iter().map(|layout| &layout.evaluated).collect::<Vec<_>>())
}

/// One expectation and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Whether it holds.
    pub holds: bool,
    /// It in words, with the value found.
    pub words: String,
}

/// Judges every expectation of a record's scenario, on means over replicates.
///
/// # Errors
/// An expectation that names an unknown router or metric; a mean that is no finite number.
pub fn judge(record: &Record, summary: &Summary) -> Result<Vec<Verdict>> {
    summary.check()?;
    let judged = |(at, expectation)| {
        judge_one(expectation, summary).map_err(|error| error.within(&format!("expect[{at}]")))
    };
    record.manifest.scenario.expect.iter().enumerate().map(judged).collect()
}

/// Judges one expectation.
///
/// # Errors
/// If it names an unknown router or metric.
pub(crate) fn judge_one(expectation: &Expectation, summary: &Summary) -> Result<Verdict> {
    let Expectation { router, metric, at_least, at_most, above, share } = expectation;
    let value = mean(summary, router, metric)?;
    let mut holds = value.is_some();
    let mut bounds = Vec::new();
    let value_or_nan = value.unwrap_or(f64::NAN);
    if let Some(bound) = at_least {
        holds &= value_or_nan >= *bound;
        bounds.push(format!("at least {bound}"));
    }
    if let Some(bound) = at_most {
        holds &= value_or_nan <= *bound;
        bounds.push(format!("at most {bound}"));
    }
    if let Some(other) = above {
        let bound = mean(summary, other, metric)?;
        holds &= bound.is_some_and(|bound| value_or_nan > share.unwrap_or(1.0) * bound);
        let bound = bound.map_or_else(|| "not reached".to_owned(), |bound| format!("{bound:.4}"));
        let of = share.map_or_else(String::new, |share| format!("{share} of "));
        bounds.push(format!("above {of}that of `{other}` ({bound})"));
    }
    let value = value.map_or_else(|| "not reached".to_owned(), |value| format!("{value:.4}"));
    let words = format!("`{metric}` of `{router}` is {value}; expected {}", bounds.join(" and "));
    Ok(Verdict { holds, words })
}

fn mean(summary: &Summary, policy: &str, metric: &str) -> Result<Option<f64>> {
    if let Some(row) = summary.named(policy, metric) {
        return Ok(row.aggregate().map(|aggregate| aggregate.mean));
    }
    let policies = summary.rows.iter().map(|row| row.policy.as_str());
    if !policies.clone().any(|known| known == policy) {
        let near = suggestion(policy, policies);
        return Err(Error::setting(
            "router",
            format!("an expectation names unknown router `{policy}`{near}"),
        ));
    }
    let metrics = summary.rows.iter().filter(|row| row.policy == policy).map(|row| row.metric.name);
    let near = suggestion(metric, metrics);
    Err(Error::setting(
        "metric",
        format!("an expectation names metric `{metric}`, which `{policy}` does not have{near}"),
    ))
}
