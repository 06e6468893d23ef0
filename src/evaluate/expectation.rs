//! Whether a scenario's expectations hold.

use super::summary::Summary;
use crate::error::{Error, Result, suggestion};
use crate::record::Record;
use crate::scenario::Expectation;

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
/// An expectation that names an unknown router or metric.
pub fn judge(record: &Record, summary: &Summary) -> Result<Vec<Verdict>> {
    record.manifest.scenario.expect.iter().map(|expectation| judge_one(expectation, summary)).collect()
}

fn judge_one(expectation: &Expectation, summary: &Summary) -> Result<Verdict> {
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
    if let Some(row) = summary.find(policy, metric) {
        return Ok(row.aggregate().map(|aggregate| aggregate.mean));
    }
    let policies = summary.rows.iter().map(|row| row.policy.as_str());
    if !policies.clone().any(|known| known == policy) {
        let near = suggestion(policy, policies);
        return Err(Error::Usage(format!("an expectation names unknown router `{policy}`{near}")));
    }
    let metrics = summary.rows.iter().filter(|row| row.policy == policy).map(|row| row.metric);
    let near = suggestion(metric, metrics);
    Err(Error::Usage(format!("an expectation names metric `{metric}`, which `{policy}` does not have{near}")))
}
