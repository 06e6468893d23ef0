//! Writes reports so that a folder holds a whole one at every moment.

use std::path::{Path, PathBuf};

use super::numbers::parquet_files;
use super::{render, stress};
use crate::error::{Error, Result};
use crate::evaluate::{Summary, Verdict};
use crate::fs::{self, Claim};
use crate::record::Record;
use crate::record::Recorded;
use crate::run::Stressed;

/// The record's folder inside a report.
pub(crate) const RECORD: &str = "record";

/// Claims a report's folder for a run, before anything is computed: it cannot be refused later.
///
/// # Errors
/// A file, a folder that holds something other than a report, one that another run is writing, or one that cannot be
/// written.
pub fn claim(folder: &Path) -> Result<Claim> {
    if folder.is_file() {
        return Err(Error::file(folder, "is a file; a report is a folder"));
    }
    let claim = Claim::new(folder)?;
    let holds_something = fs::entries(folder).is_ok_and(|entries| !entries.is_empty());
    if holds_something && !is_report(folder) {
        return Err(Error::file(folder, "holds something other than a report; choose another `--out`"));
    }
    Ok(claim)
}

/// Writes the record and the report of a run; replaces an earlier report of the same folder as a whole.
///
/// # Errors
/// A folder that cannot be written.
pub fn write_run(claim: &Claim, record: &Record, summary: &Summary, verdicts: &[Verdict]) -> Result<()> {
    replace(claim, |staged| {
        record.write(&record_in(staged)?)?;
        fs::write_all(staged, render(record, summary, verdicts))
    })
}

/// As [`write_run`], with a folder of what came of shifts and quizzes where there are any.
///
/// # Errors
/// As `write_run`.
pub fn write_stressed_run(
    claim: &Claim,
    stressed: &Stressed,
    summary: &Summary,
    verdicts: &[Verdict],
) -> Result<()> {
    replace(claim, |staged| {
        stressed.twin.write(&record_in(staged)?)?;
        stress::write_records(staged, stressed)?;
        stress::write(staged, stressed)?;
        fs::write_all(staged, render(&stressed.twin, summary, verdicts))
    })
}

/// Rebuilds the report of a folder from its record, with that of its shifts where there are any; other files of the folder
/// stay. `points` and `summary` are written as Parquet too where that is asked for, or was before.
///
/// # Errors
/// A folder that another run is writing, or that cannot be written.
pub fn rebuild(
    folder: &Path,
    record: &Record,
    summary: &Summary,
    verdicts: &[Verdict],
    with_parquet: bool,
) -> Result<()> {
    rebuild_with(folder, |staged| {
        fs::write_all(staged, render(record, summary, verdicts))?;
        write_parquet(staged, with_parquet, || parquet_files(record, summary))?;
        stress::rebuild(staged, record)
    })
}

/// Puts a new report in the place of a folder's, as a whole or not at all.
pub(crate) fn replace(claim: &Claim, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    claim.replace_folder(|_| false, fill)
}

/// As [`replace`], where the record and everything else that is not written anew stays.
pub(crate) fn rebuild_with(folder: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    record_folder(folder)?;
    claim(folder)?.replace_folder(|_| true, fill)
}

/// Writes the tables that a report has as Parquet: where they are asked for, or are there from before and would go stale.
pub(crate) fn write_parquet(
    staged: &Path,
    is_asked_for: bool,
    files: impl FnOnce() -> Vec<(&'static str, Vec<u8>)>,
) -> Result<()> {
    if is_asked_for || staged.join("summary.parquet").exists() {
        fs::write_all(staged, files())
    } else {
        Ok(())
    }
}

/// The folder of the record in a report that is being filled.
pub(crate) fn record_in(staged: &Path) -> Result<PathBuf> {
    let inner = staged.join(RECORD);
    fs::create_folder(&inner)?;
    Ok(inner)
}

/// Whether a folder holds a report. One that a stopped run had moved aside to replace it is first moved back.
pub fn is_report(folder: &Path) -> bool {
    fs::restore(folder).is_ok() && folder.join(RECORD).is_dir()
}

/// Reads the record of the report of an offline run.
///
/// # Errors
/// A folder that holds no report, one of an online run, or one that cannot be read.
pub fn read_record(folder: &Path) -> Result<Record> {
    Record::read(&record_folder(folder)?)
}

/// Reads the record of a report of either mode.
///
/// # Errors
/// A folder that holds no report, or one that cannot be read.
pub fn read_recorded(folder: &Path) -> Result<Recorded> {
    Recorded::read(&record_folder(folder)?)
}

/// The folder of the record of a report.
///
/// # Errors
/// A folder that holds no report.
pub(crate) fn record_folder(folder: &Path) -> Result<PathBuf> {
    fs::restore(folder)?;
    let inner = folder.join(RECORD);
    if !inner.is_dir() {
        return Err(Error::file(folder, format!("holds no report: there is no folder `{RECORD}` in it")));
    }
    Ok(inner)
}

/// The hidden folder beside a report in which a run keeps its finished cells until the report is written.
pub fn partial_folder(claim: &Claim) -> PathBuf {
    claim.beside("partial")
}
