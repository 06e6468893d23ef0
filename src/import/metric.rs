//! Choosing the metric that is the score.

use std::collections::BTreeSet;
use std::path::Path;

use crate::error::{Error, suggestion};

/// Names shown in a message.
const N_SHOWN: usize = 40;

/// Names kept; a file with more has no metrics but something else in their place.
const N_KEPT: usize = 1000;

/// The metric of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice(String);

impl Choice {
    /// The metric of that name.
    pub(super) fn of(name: impl AsRef<str>) -> Self {
        Choice(name.as_ref().to_owned())
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.0
    }
}

/// Keeps the name of a metric that a file has.
pub(super) fn remember(known: &mut BTreeSet<String>, name: impl Into<String>) {
    if known.len() < N_KEPT {
        known.insert(name.into());
    }
}

/// A file that has none of the metrics that were asked for, with those that it has.
pub(super) fn unknown_metric(path: &Path, wanted: &[String], known: &BTreeSet<String>) -> Error {
    if known.is_empty() {
        return Error::file(path, "has no metric");
    }
    let list: Vec<&str> = known.iter().take(N_SHOWN).map(String::as_str).collect();
    let list = list.join("`, `");
    match wanted {
        [] => Error::file(path, format!("has several metrics: choose one with `--metric` of `{list}`")),
        [one] => {
            let bare = |name: &String| name.split(',').next().map(str::to_owned);
            let names: Vec<String> = known.iter().filter_map(bare).collect();
            let near = suggestion(one, names.iter().map(String::as_str));
            Error::file(path, format!("has no metric `{one}`; there are `{list}`{near}"))
        }
        _ => Error::file(
            path,
            format!("has none of the metrics `{}`; there are `{list}`", wanted.join("`, `")),
        ),
    }
}
