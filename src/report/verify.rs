//! Whether a report is what its record gives, and whether the record is what was recorded.

use std::path::Path;

use super::difference::difference;
use super::folder::{RECORD, read_record};
use super::{render, stress};
use crate::error::{Error, Result};
use crate::evaluate::{judge, summarise};
use crate::fs;
use crate::record::{Record, list_prices_hash, scenario_hash, sums};

/// A report that was found sound.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    /// Its record.
    pub record: Record,
    /// The hash of `SHA256SUMS`, which stands for the whole record.
    pub record_hash: String,
    /// How many files were computed anew and are the same.
    pub n_files: usize,
}

/// Reads a record again, checks every hash in it, computes every file of the report anew, and compares byte for byte.
/// Other files of the folder, `timings.csv` among them, are nobody's claim and are passed over.
///
/// # Errors
/// The first thing that is not as it should be; of a table the first cell that differs.
pub fn verify(folder: &Path) -> Result<Verified> {
    let record = read_record(folder)?;
    let inner = folder.join(RECORD);
    let record_hash = sums::check(&inner)?;
    check_hashes(&inner, &record)?;
    let summary = summarise(&record);
    let verdicts = judge(&record, &summary)?;
    let files = render(&record, &summary, &verdicts);
    compare(folder, &files, &record.manifest.program_version)?;
    let mut n_files = files.len();
    stress::check_declared(folder, &record)?;
    // Beside the record's own hash stand those of the records under shifts, each in its own `SHA256SUMS`.
    if let Some(stressed) = stress::read(folder, &record)? {
        for inner in stress::record_folders(folder)? {
            sums::check(&inner)?;
        }
        stressed.shifted.iter().chain(&stressed.sweep).try_for_each(|record| check_hashes(folder, record))?;
        let files = stress::files(&stressed);
        compare(&folder.join(stress::STRESS), &files, &record.manifest.program_version)?;
        n_files += files.len();
    }
    Ok(Verified { record_hash, n_files, record })
}

/// Compares a report's files with what they should be.
pub(crate) fn compare<N: AsRef<str>>(folder: &Path, files: &[(N, Vec<u8>)], made_by: &str) -> Result<()> {
    for (name, expected) in files {
        let name = name.as_ref();
        let path = folder.join(name);
        let found = fs::read(&path)?;
        if let Some(difference) = difference(&path, &found, expected) {
            return Err(difference.error(&path, &other_version(made_by)));
        }
    }
    Ok(())
}

/// The manifest's own commitments: that they are there, and that the scenario is the one that was run. Those to choices
/// are compared where a record is read.
fn check_hashes(inner: &Path, record: &Record) -> Result<()> {
    let manifest = &record.manifest;
    let path = inner.join("manifest.json");
    if manifest.scenario_hash != scenario_hash(&manifest.scenario) {
        return Err(Error::file(&path, "holds another scenario than the one whose hash it holds"));
    }
    let suite = &manifest.suite;
    if !suite.list_prices.is_empty()
        && manifest.list_prices_hash != list_prices_hash(&suite.models, &suite.list_prices)
    {
        return Err(Error::file(&path, "holds other list prices than those whose hash it holds"));
    }
    for (replicate, recorded) in manifest.replicates.iter().enumerate() {
        for (entry, training) in manifest.scenario.routers.iter().zip(&recorded.routers) {
            if training.choices_hash.is_empty() {
                let problem = format!("commits to no choices of `{}` in replicate {replicate}", entry.label);
                return Err(Error::file(&path, problem));
            }
        }
    }
    Ok(())
}

/// Another version may compute or draw otherwise without anybody having meddled.
fn other_version(theirs: &str) -> String {
    let ours = env!("CARGO_PKG_VERSION");
    if theirs == ours {
        return String::new();
    }
    format!("; the report was made by version {theirs} of the program, this is {ours}")
}
