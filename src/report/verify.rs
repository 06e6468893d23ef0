//! Whether a report is what its record gives, and whether the record is what was recorded.

use std::path::Path;

use super::difference::difference;
use super::folder::record_folder;
use super::{online, render, stress};
use crate::error::{Error, Result};
use crate::evaluate::{judge, summarise};
use crate::fs;
use crate::record::file::Recorded;
use crate::record::online::OnlineRecord;
use crate::record::{Record, RecordedSuite, list_prices_hash, scenario_hash, sums};
use crate::router::Meter;

/// A report that was found sound.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    /// Its record.
    pub record: Recorded,
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
    let inner = record_folder(folder)?;
    let record = match Recorded::read(&inner)? {
        Recorded::Offline(record) => record,
        Recorded::Online(record) => return verify_online(folder, &inner, record),
    };
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
    Ok(Verified { record_hash, n_files, record: Recorded::Offline(record) })
}

fn verify_online(folder: &Path, inner: &Path, record: Box<OnlineRecord>) -> Result<Verified> {
    let record_hash = sums::check(inner)?;
    let manifest = &record.manifest;
    check_manifest(
        inner,
        (&manifest.scenario_hash, &scenario_hash(&manifest.scenario)),
        &manifest.list_prices_hash,
        &manifest.suite,
    )?;
    for (router, (entry, learner)) in manifest.scenario.routers.iter().zip(&manifest.routers).enumerate() {
        let revealed: Vec<Meter> =
            (0..record.orders.len()).map(|order| record.revealed(router, order)).collect();
        if learner.revealed != revealed {
            let problem = format!(
                "says that other outcomes were revealed to `{}` than those of its choices",
                entry.label
            );
            return Err(Error::file(&inner.join("manifest.json"), problem));
        }
    }
    let files = online::files(&record)?;
    compare(folder, &files, &manifest.program_version)?;
    Ok(Verified { record_hash, n_files: files.len(), record: Recorded::Online(record) })
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
    check_manifest(
        inner,
        (&manifest.scenario_hash, &scenario_hash(&manifest.scenario)),
        &manifest.list_prices_hash,
        &manifest.suite,
    )?;
    let path = inner.join("manifest.json");
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

/// That the scenario and the list prices are those whose hashes the manifest holds.
fn check_manifest(
    inner: &Path,
    (said, found): (&str, &str),
    prices_hash: &str,
    suite: &RecordedSuite,
) -> Result<()> {
    let path = inner.join("manifest.json");
    if said != found {
        return Err(Error::file(&path, "holds another scenario than the one whose hash it holds"));
    }
    if !suite.list_prices.is_empty() && prices_hash != list_prices_hash(&suite.models, &suite.list_prices) {
        return Err(Error::file(&path, "holds other list prices than those whose hash it holds"));
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
