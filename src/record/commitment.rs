//! What a record commits to by hash: choices before their outcomes are looked up, the scenario, the prices, and every file.
//!
//! All hashes are SHA-256 in hexadecimal. A commitment proves that what is read is what was hashed, not who hashed it.

use std::collections::BTreeMap;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::ListPrice;
use crate::error::{Error, Result};
use crate::fs;
use crate::hash::{hex, sha256, sha256_of_texts};
use crate::router::Choices;

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
/// shortest decimals (empty where unknown), each with its 64-bit little-endian length before it.
pub fn list_prices_hash(models: &[String], prices: &[ListPrice]) -> String {
    let price = |price: Option<f64>| price.map_or(String::new(), |usd| usd.to_string());
    let models = models.iter().zip(prices);
    let texts = models.flat_map(|(model, prices)| [model.clone(), price(prices.input), price(prices.output)]);
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
