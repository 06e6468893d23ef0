//! Writes reports so that a folder holds a whole one at every moment: staged beside it, then moved into place.

use std::fs;
use std::path::{Path, PathBuf};

use super::{render, stress};
use crate::error::{Error, Result};
use crate::evaluate::{Summary, Verdict};
use crate::record::Record;
use crate::run::stress::Stressed;

/// The record's folder inside a report.
pub(crate) const RECORD: &str = "record";

/// Writes the record and the report of a run; replaces an earlier report of the same folder as a whole.
///
/// # Errors
/// A folder that holds something other than a report, or that cannot be written.
pub fn write_run(folder: &Path, record: &Record, summary: &Summary, verdicts: &[Verdict]) -> Result<()> {
    replace(folder, |staged| {
        let inner = staged.join(RECORD);
        fs::create_dir_all(&inner).map_err(Error::io(&inner, "create"))?;
        record.write(&inner)?;
        write_report(staged, record, summary, verdicts)
    })
}

/// As [`write_run`], with a folder of what came of shifts and quizzes where there are any.
///
/// # Errors
/// As `write_run`.
pub fn write_stressed_run(
    folder: &Path,
    stressed: &Stressed,
    summary: &Summary,
    verdicts: &[Verdict],
) -> Result<()> {
    replace(folder, |staged| {
        let inner = staged.join(RECORD);
        fs::create_dir_all(&inner).map_err(Error::io(&inner, "create"))?;
        stressed.twin.write(&inner)?;
        stress::write_records(staged, stressed)?;
        stress::write(staged, stressed)?;
        write_report(staged, &stressed.twin, summary, verdicts)
    })
}

/// Fills a folder beside a report's and puts it in its place, as a whole or not at all.
pub(crate) fn replace(folder: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    check_target(folder)?;
    let staged = sibling(folder, "staged")?;
    if staged.exists() {
        fs::remove_dir_all(&staged).map_err(Error::io(&staged, "remove"))?;
    }
    let result = fill(&staged).and_then(|()| swap(folder, &staged));
    if result.is_err() {
        let _ = fs::remove_dir_all(&staged);
    }
    result
}

/// Rebuilds the report of a folder from its record. Each file is replaced in one step.
///
/// # Errors
/// A folder that cannot be written.
pub fn write_report(folder: &Path, record: &Record, summary: &Summary, verdicts: &[Verdict]) -> Result<()> {
    write_files(folder, render(record, summary, verdicts))
}

/// Writes files, each in one step.
pub(crate) fn write_files<N: AsRef<str>>(folder: &Path, files: Vec<(N, Vec<u8>)>) -> Result<()> {
    for (name, bytes) in files {
        let name = name.as_ref();
        let (path, staged) = (folder.join(name), folder.join(format!(".{name}.staged")));
        fs::write(&staged, bytes).map_err(Error::io(&staged, "write"))?;
        fs::rename(&staged, &path).map_err(Error::io(&path, "replace"))?;
    }
    Ok(())
}

/// Whether a folder holds a report. One that a stopped run had moved aside to replace it is first moved back.
pub fn is_report(folder: &Path) -> bool {
    restore(folder).is_ok() && folder.join(RECORD).is_dir()
}

/// Reads the record of a report.
///
/// # Errors
/// A folder that holds no report, or one that cannot be read.
pub fn read_record(folder: &Path) -> Result<Record> {
    Record::read(&record_folder(folder)?)
}

/// The folder of the record of a report.
///
/// # Errors
/// A folder that holds no report.
pub(crate) fn record_folder(folder: &Path) -> Result<PathBuf> {
    restore(folder)?;
    let inner = folder.join(RECORD);
    if !inner.is_dir() {
        return Err(Error::file(folder, format!("holds no report: there is no folder `{RECORD}` in it")));
    }
    Ok(inner)
}

/// The hidden folder beside a report in which a run keeps its finished cells until the report is written.
///
/// # Errors
/// A path that cannot name a report's folder.
pub fn partial_folder(folder: &Path) -> Result<PathBuf> {
    sibling(folder, "partial")
}

/// Refuses a target that cannot be replaced without loss, before anything is computed.
///
/// # Errors
/// A file, a folder that holds something other than a report, or one that cannot be written.
pub fn check_target(folder: &Path) -> Result<()> {
    restore(folder)?;
    if folder.is_file() {
        return Err(Error::file(folder, "is a file; a report is a folder"));
    }
    let holds_something = fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if holds_something && !is_report(folder) {
        return Err(Error::file(folder, "holds something other than a report; choose another `--out`"));
    }
    // What a run left that was stopped while it wrote its report or just after.
    for what in ["staged", "old"] {
        let left = sibling(folder, what)?;
        if left.is_dir() {
            fs::remove_dir_all(&left).map_err(Error::io(&left, "remove"))?;
        }
    }
    // Found out now rather than after the training.
    let probe = sibling(folder, "probe")?;
    fs::create_dir_all(&probe).map_err(Error::io(folder, "write"))?;
    fs::remove_dir(&probe).map_err(Error::io(&probe, "remove"))
}

/// Puts the staged folder in the place of the old one.
fn swap(folder: &Path, staged: &Path) -> Result<()> {
    let old = sibling(folder, "old")?;
    let had_old = folder.exists();
    if had_old {
        if old.exists() {
            fs::remove_dir_all(&old).map_err(Error::io(&old, "remove"))?;
        }
        fs::rename(folder, &old).map_err(Error::io(folder, "replace"))?;
    }
    fs::rename(staged, folder).map_err(Error::io(folder, "write"))?;
    if had_old { fs::remove_dir_all(&old).map_err(Error::io(&old, "remove")) } else { Ok(()) }
}

/// Puts back the report of a run that was stopped after it had set it aside and before the new one was in its place.
fn restore(folder: &Path) -> Result<()> {
    if folder.exists() {
        return Ok(());
    }
    let old = sibling(folder, "old")?;
    if old.join(RECORD).is_dir() {
        fs::rename(&old, folder).map_err(Error::io(folder, "restore"))?;
    }
    Ok(())
}

/// A hidden folder beside another one, on the same file system.
fn sibling(folder: &Path, what: &str) -> Result<PathBuf> {
    let name = folder.file_name().ok_or_else(|| Error::file(folder, "is no name for a report's folder"))?;
    Ok(folder.with_file_name(format!(".{}.{what}", name.to_string_lossy())))
}
