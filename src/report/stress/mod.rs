//! The folder `stress` of a report: what shifts and quizzes did to every router, beside the run as it is.
//!
//! `records` in it holds a whole record for each shift and for the sweep over quizzes, in the format of the report's own;
//! everything else is computed from these and the twin. The report beside it does not know of them.

mod matrix;
mod quizzes;

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::evaluate::{Move, N_RESAMPLES, moves, quiz_points};
use crate::fs;
use crate::record::Record;
use crate::run::Stressed;
use crate::scenario::shift::{Shift, file_name};

/// The folder's name inside a report.
pub(super) const STRESS: &str = "stress";
const RECORDS: &str = "records";
const SWEEP: &str = "quiz";

/// A shift and what it moves.
struct Column<'a> {
    shift: &'a Shift,
    record: &'a Record,
    moves: Vec<Move>,
}

/// The files but the records, by name; none where nothing was shifted and no quiz swept.
pub(super) fn files(stressed: &Stressed) -> Vec<(String, Vec<u8>)> {
    let columns: Vec<Column<'_>> = (stressed.shifted.iter())
        .filter_map(|record| {
            let shift = record.manifest.shift.as_ref()?;
            Some(Column { shift, record, moves: moves(&stressed.twin, record, N_RESAMPLES) })
        })
        .collect();
    let (mut files, mut text) = (Vec::new(), matrix::head(&stressed.twin));
    if !columns.is_empty() {
        files.push(("stress.csv".to_owned(), matrix::stress_csv(&stressed.twin, &columns)));
        files.extend(matrix::pictures(&stressed.twin, &columns));
        text.push_str(&matrix::matrix_md(&stressed.twin, &columns));
        text.push_str(&matrix::pools_md(&stressed.twin, &columns));
    }
    if let Some(sweep) = &stressed.sweep {
        let points = quiz_points(sweep, N_RESAMPLES);
        files.push(("quiz.csv".to_owned(), quizzes::quiz_csv(&points)));
        files.extend(quizzes::pictures(sweep, &points));
        text.push_str(&quizzes::quizzes_md(sweep, &points));
    }
    if !files.is_empty() {
        files.push(("stress.md".to_owned(), text.into_bytes()));
    }
    files
}

/// Writes the records into a report's folder that is being filled.
pub(super) fn write_records(folder: &Path, stressed: &Stressed) -> Result<()> {
    let records = folder.join(STRESS).join(RECORDS);
    let name =
        |record: &Record| record.manifest.shift.as_ref().map_or_else(String::new, |shift| shift.name.clone());
    let numbered =
        stressed.shifted.iter().enumerate().map(|(at, record)| (numbered(at, &name(record)), record));
    for (name, record) in numbered.chain(stressed.sweep.iter().map(|record| (SWEEP.to_owned(), record))) {
        let inner = records.join(name);
        fs::create_folder(&inner)?;
        record.write(&inner)?;
    }
    Ok(())
}

/// The folder of the record under a shift.
fn numbered(at: usize, shift: &str) -> String {
    format!("{at:02}-{}", file_name(shift))
}

/// Whether there is a record of everything that the twin's manifest tells of, and of nothing else.
///
/// # Errors
/// The first that is missing or too many.
pub(super) fn check_declared(folder: &Path, twin: &Record) -> Result<()> {
    let records = folder.join(STRESS).join(RECORDS);
    let shifts = &twin.manifest.shifts;
    let mut declared: Vec<PathBuf> =
        shifts.iter().enumerate().map(|(at, shift)| records.join(numbered(at, shift))).collect();
    declared.extend(twin.manifest.scenario.sweep.as_ref().map(|_| records.join(SWEEP)));
    if let Some(missing) = declared.iter().find(|inner| !inner.is_dir()) {
        return Err(Error::file(missing, "is missing; the manifest of the report tells of it"));
    }
    // Manifests of earlier versions tell of no shift.
    let is_told = !shifts.is_empty() || twin.manifest.scenario.shifts.is_empty();
    let found = if records.is_dir() { fs::entries(&records)? } else { Vec::new() };
    match found.into_iter().find(|inner| is_told && !declared.contains(inner)) {
        Some(surplus) => Err(Error::file(&surplus, "is nothing that the manifest of the report tells of")),
        None => Ok(()),
    }
}

/// Writes everything but the records.
pub(super) fn write(folder: &Path, stressed: &Stressed) -> Result<()> {
    let files = files(stressed);
    if files.is_empty() { Ok(()) } else { fs::write_all(&folder.join(STRESS), files) }
}

/// The folders of the records, in the order of the shifts, the sweep's last; none where nothing was shifted.
pub(super) fn record_folders(folder: &Path) -> Result<Vec<PathBuf>> {
    let records = folder.join(STRESS).join(RECORDS);
    if !records.is_dir() {
        return Ok(Vec::new());
    }
    let mut paths = fs::entries(&records)?;
    let number = |path: &Path| -> usize {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.split('-').next().and_then(|number| number.parse().ok()).unwrap_or(usize::MAX)
    };
    paths.retain(|path| path.is_dir());
    paths.sort_by_key(|path| (number(path), path.clone()));
    Ok(paths)
}

/// Reads the records beside a twin; nothing where there is none.
///
/// # Errors
/// As [`Record::read`].
pub(super) fn read(folder: &Path, twin: &Record) -> Result<Option<Stressed>> {
    let folders = record_folders(folder)?;
    if folders.is_empty() {
        return Ok(None);
    }
    let mut stressed = Stressed { twin: twin.clone(), shifted: Vec::new(), sweep: None };
    for inner in folders {
        let record = Record::read(&inner)?;
        if record.manifest.shift.is_some() {
            stressed.shifted.push(record)
        } else {
            stressed.sweep = Some(record)
        }
    }
    Ok(Some(stressed))
}

/// Rebuilds the folder from its records, where there is one.
///
/// # Errors
/// Records that cannot be read, or a folder that cannot be written.
pub(super) fn rebuild(folder: &Path, twin: &Record) -> Result<()> {
    match read(folder, twin)? {
        Some(stressed) => write(folder, &stressed),
        None => Ok(()),
    }
}
