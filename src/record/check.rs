//! What is checked of a record when it is read: whoever wrote it, nothing that is computed from it panics, fills the memory,
//! leaves its folder, or comes to something that is no number.

use std::collections::BTreeSet;

use super::{Manifest, RecordedSuite};
use crate::preference::PreferenceGrid;
use crate::scenario::label::is_file_name;
use crate::scenario::{MOST_REPLICATES, RESAMPLES};
use crate::suite::LARGEST_AMOUNT;

/// A cost unit is a mean cost; what costs less than this costs nothing.
pub(super) const LEAST_COST_UNIT_USD: f64 = 1e-15;

/// The first thing in a manifest that cannot be used, in words.
pub(super) fn problem(manifest: &Manifest) -> Option<String> {
    scenario_problem(manifest).or_else(|| suite_problem(&manifest.suite)).or_else(|| {
        let replicates = 0..manifest.replicates.len();
        replicates.into_iter().find_map(|replicate| {
            replicate_problem(manifest, replicate).map(|problem| format!("replicate {replicate}: {problem}"))
        })
    })
}

/// Names are file names, and no two routers have the same.
pub(super) fn name_problem<'a>(name: &str, labels: impl Iterator<Item = &'a str>) -> Option<String> {
    if !is_file_name(name) {
        return Some(format!("`{name}` is no name for a scenario"));
    }
    let mut known = BTreeSet::new();
    for label in labels {
        if !is_file_name(label) {
            return Some(format!("`{label}` is no label"));
        }
        if !known.insert(label) {
            return Some(format!("two routers are labelled `{label}`"));
        }
    }
    known.is_empty().then(|| "names no router".into())
}

fn scenario_problem(manifest: &Manifest) -> Option<String> {
    let Manifest { scenario, preferences, preference_weights, replicates, .. } = manifest;
    let problem = name_problem(&scenario.name, scenario.routers.iter().map(|entry| entry.label.as_str()));
    if problem.is_some() {
        return problem;
    }
    if !RESAMPLES.contains(&scenario.evidence.resamples) {
        return Some(format!(
            "`resamples` is {}; it lies between {} and {}",
            scenario.evidence.resamples,
            RESAMPLES.start(),
            RESAMPLES.end()
        ));
    }
    if !(1..=MOST_REPLICATES).contains(&replicates.len()) {
        return Some(format!("tells of {} replicates, not of 1 to {MOST_REPLICATES}", replicates.len()));
    }
    let grid = match PreferenceGrid::new(&scenario.preferences) {
        Ok(grid) => grid,
        Err(error) => return Some(error.to_string()),
    };
    // Computed on another machine, they may differ in a last digit.
    let is_near = |(one, other): (&f64, f64)| (one - other).abs() <= 1e-9 * other.max(1e-9);
    let asked = grid.preferences().iter().map(|preference| preference.weight());
    if preferences.len() != grid.preferences().len() || !preferences.iter().zip(asked).all(is_near) {
        return Some("`preferences` are not those of the scenario".into());
    }
    let are_shares = preference_weights.iter().all(|weight| (0.0..=1.0 + 1e-9).contains(weight));
    if preference_weights.len() != preferences.len() || !are_shares {
        return Some("`preference-weights` are not one share a preference".into());
    }
    None
}

pub(super) fn suite_problem(suite: &RecordedSuite) -> Option<String> {
    if !(1..=usize::from(u16::MAX)).contains(&suite.models.len()) {
        return Some(format!("has {} candidates", suite.models.len()));
    }
    let mut known = BTreeSet::new();
    if let Some(model) = suite.models.iter().find(|model| model.is_empty() || !known.insert(*model)) {
        return Some(format!("candidate `{model}` stands twice or has no name"));
    }
    if !suite.list_prices.is_empty() && suite.list_prices.len() != suite.models.len() {
        return Some(format!("has list prices of {} candidates", suite.list_prices.len()));
    }
    let mut prices = suite.list_prices.iter().flat_map(|price| [price.input, price.output]).flatten();
    prices.find(|price| !is_amount(*price)).map(|price| format!("has a list price of {price:e}"))
}

fn replicate_problem(manifest: &Manifest, replicate: usize) -> Option<String> {
    let n_models = manifest.suite.models.len();
    let recorded = &manifest.replicates[replicate];
    if recorded.routers.len() != manifest.scenario.routers.len() {
        return Some("does not tell of every router".into());
    }
    let unit = recorded.cost_unit_usd;
    if !(is_amount(unit) && (unit >= LEAST_COST_UNIT_USD || !manifest.suite.has_cost)) {
        return Some(format!("has a cost unit of {unit:e} US dollars"));
    }
    for (name, values) in [
        ("development-score", &recorded.development_score),
        ("development-cost-usd", &recorded.development_cost_usd),
    ] {
        if values.len() != n_models || !values.iter().all(|value| is_amount(*value)) {
            return Some(format!("`{name}` is not one amount a candidate"));
        }
    }
    let tokens = &recorded.development_tokens;
    let are_amounts = tokens.iter().flatten().flatten().all(|count| is_amount(*count));
    if (!tokens.is_empty() && tokens.len() != n_models) || !are_amounts {
        return Some("`development-tokens` are not two amounts a candidate".into());
    }
    if !manifest.test_pool(replicate).contains(&true) {
        return Some("has nobody to choose".into());
    }
    None
}

pub(super) fn is_amount(value: f64) -> bool {
    (0.0..=LARGEST_AMOUNT).contains(&value)
}
