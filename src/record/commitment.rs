//! What a record commits to by hash, and what is checked of it when it is read.
//!
//! Hashed are choices before their outcomes are looked up, the scenario, the prices, and every file: SHA-256 in hexadecimal. A
//! commitment proves that what is read is what was hashed, not who hashed it. So everything else is checked: whoever wrote a record,
//! nothing that is computed from it panics, fills the memory, leaves its folder, or comes to something that is no number.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::{ListPrice, Manifest, RecordedSuite};
use crate::error::{Error, Result};
use crate::fs;
use crate::hash::{hex, sha256, sha256_of_texts};
use crate::preference::PreferenceGrid;
use crate::router::Choices;
use crate::scenario::settings::is_file_name;
use crate::scenario::{MOST_REPLICATES, RESAMPLES};
use crate::suite::LARGEST_AMOUNT;

/// What the bytes hashed by [`commitment`] begin with.
const CHOICES_TAG: &[u8] = b"llm-bandit choices 1\n";

/// The commitment to the choices of one router in one replicate, made where routing ends and nothing has been compared
/// with an outcome yet: the hash of `"llm-bandit choices 1\n"`, the label's length and bytes, the number of preferences,
/// the number of prompts, and the chosen models, preference-major in prompt order; of a cascade then each preference's
/// calling order, its length before it. Lengths and numbers are 64-bit, models 16-bit, all little-endian.
///
/// A cascade has seen its judge's verdicts on the answers it called for, and nothing else of any outcome.
pub fn commitment(label: &str, choices: &Choices) -> String {
    let mut hash = Sha256::new();
    hash.update(CHOICES_TAG);
    hash.update((label.len() as u64).to_le_bytes());
    hash.update(label);
    hash.update((choices.n_preferences() as u64).to_le_bytes());
    hash.update((choices.n_prompts() as u64).to_le_bytes());
    let bytes = |models: &[u16]| models.iter().flat_map(|model| model.to_le_bytes()).collect::<Vec<u8>>();
    hash.update(bytes(choices.models()));
    for order in choices.orders().unwrap_or_default() {
        hash.update((order.len() as u64).to_le_bytes());
        hash.update(bytes(order));
    }
    hex(&hash.finalize())
}

/// The hash of a resolved scenario: of its JSON without spaces, fields in the order of [`Scenario`](crate::scenario::Scenario)
/// or [`OnlineScenario`](crate::scenario::online::OnlineScenario).
pub fn scenario_hash(scenario: &impl serde::Serialize) -> String {
    sha256(&serde_json::to_vec(scenario).expect("a scenario is plain data"))
}

/// The hash of list prices: of each model's id, price of a million input tokens, and price of a million output tokens as
/// shortest decimals (empty where unknown), and where it is recorded that of cached input, each with its 64-bit little-endian length
/// before it.
pub fn list_prices_hash(models: &[String], prices: &[ListPrice]) -> String {
    let price = |price: Option<f64>| price.map_or(String::new(), |usd| usd.to_string());
    let models = models.iter().zip(prices);
    let texts = models.flat_map(|(model, prices)| {
        let cached = prices.cached_input.map(|_| price(prices.cached_input));
        [model.clone(), price(prices.input), price(prices.output)].into_iter().chain(cached)
    });
    let texts: Vec<String> = texts.collect();
    sha256_of_texts(texts.iter().map(String::as_str))
}

/// The file's name.
const SUMS: &str = "SHA256SUMS";

/// Hashes the files of a folder as they lie there.
pub(crate) fn write_sums(folder: &Path) -> Result<()> {
    fs::write(&folder.join(SUMS), sums(&hashes(folder)?).as_bytes())
}

fn sums(hashes: &BTreeMap<String, String>) -> String {
    hashes.iter().map(|(name, hash)| format!("{hash}  {name}\n")).collect()
}

/// Checks every file of a record against its hash; the hash of the hashes is returned, which stands for the whole record.
///
/// # Errors
/// A file that is missing, changed, or not listed; sums that are right but not written as they were.
pub(crate) fn check_sums(folder: &Path) -> Result<String> {
    let path = folder.join(SUMS);
    let text = fs::read_text(&path)?;
    let mut found = hashes(folder)?;
    let as_written = sums(&found);
    for (at, line) in text.lines().enumerate() {
        let Some((hash, name)) = line.split_once("  ") else {
            return Err(Error::line(&path, at as u64 + 1, "is not a hash and a name"));
        };
        match found.remove(name) {
            None if as_written.contains(line) => {
                return Err(Error::line(&path, at as u64 + 1, format!("lists `{name}` twice")));
            }
            None => return Err(Error::file(&folder.join(name), format!("is missing; `{SUMS}` lists it"))),
            Some(other) if other != hash => {
                let problem =
                    format!("is not as it was recorded: its SHA-256 is {other}, `{SUMS}` says {hash}");
                return Err(Error::file(&folder.join(name), problem));
            }
            Some(_) => {}
        }
    }
    match found.into_keys().next() {
        Some(name) => Err(Error::file(&folder.join(name), format!("is not listed in `{SUMS}`"))),
        None if text != as_written => {
            Err(Error::file(&path, "is not as it was written: other line ends, another order, or blanks"))
        }
        None => Ok(sha256(text.as_bytes())),
    }
}

/// The hash of each file but the sums themselves, by name.
fn hashes(folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut hashes = BTreeMap::new();
    for path in fs::entries(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !path.is_file() || path.is_symlink() {
            return Err(Error::file(&path, "is no file of a record; another program left it there"));
        }
        if name != SUMS {
            hashes.insert(name, sha256(&fs::read(&path)?));
        }
    }
    Ok(hashes)
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commitment_is_pinned_and_depends_on_label_shape_and_every_choice() {
        let choices = |n_prompts: usize, models: &[u16]| Choices::new(n_prompts, models.to_vec());
        let one = commitment("knn", &choices(2, &[0, 1, 1, 0]));
        assert_eq!(one, "74831ad3f77b14ac0dd1d2018e606f48f07b6aea717e312bcc61e76feded61b6");
        let ordered =
            |order: [u16; 2]| choices(2, &[0, 1, 1, 0]).with_orders(vec![order.to_vec(), vec![0, 1]]);
        assert_ne!(commitment("knn", &ordered([0, 1])), commitment("knn", &ordered([1, 0])));
        for other in [
            commitment("knn", &ordered([0, 1])),
            commitment("kn", &choices(2, &[0, 1, 1, 0])),
            commitment("knn", &choices(4, &[0, 1, 1, 0])),
            commitment("knn", &choices(2, &[0, 1, 1, 1])),
        ] {
            assert_ne!(one, other);
        }
    }
}
