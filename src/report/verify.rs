//! Whether a report is what its record gives, and whether the record is what was recorded; where not, the first place that
//! differs, in words a reader can follow to it.

use std::path::Path;

use super::record_folder;
use super::{online, render, stress};
use crate::error::{Error, Result};
use crate::evaluate::{judge, summarise};
use crate::fs;
use crate::record::Recorded;
use crate::record::commitment;
use crate::record::online::OnlineRecord;
use crate::record::{Record, RecordedSuite, list_prices_hash, scenario_hash};
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
    let record_hash = commitment::check_sums(&inner)?;
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
            commitment::check_sums(&inner)?;
        }
        stressed.shifted.iter().chain(&stressed.sweep).try_for_each(|record| check_hashes(folder, record))?;
        let files = stress::files(&stressed);
        compare(&folder.join(stress::STRESS), &files, &record.manifest.program_version)?;
        n_files += files.len();
    }
    Ok(Verified { record_hash, n_files, record: Recorded::Offline(record) })
}

fn verify_online(folder: &Path, inner: &Path, record: Box<OnlineRecord>) -> Result<Verified> {
    let record_hash = commitment::check_sums(inner)?;
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

/// The longest piece of a file that is quoted.
const LONGEST_QUOTE: usize = 60;

/// The first difference.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Difference {
    /// The line, counted from 1, where the file is text.
    line: Option<u64>,
    /// What is there and what should be.
    words: String,
}

impl Difference {
    /// As an error of that file; `remark` is said last.
    fn error(&self, path: &Path, remark: &str) -> Error {
        let problem = format!("{}{remark}", self.words);
        match self.line {
            Some(line) => Error::line(path, line, problem),
            None => Error::file(path, problem),
        }
    }
}

/// The first difference between a file's bytes and those that were expected: a cell of a table in CSV or Markdown, else a
/// line of text, else a byte.
fn difference(path: &Path, found: &[u8], expected: &[u8]) -> Option<Difference> {
    if found == expected {
        return None;
    }
    let texts = std::str::from_utf8(found).ok().zip(std::str::from_utf8(expected).ok());
    let Some((found_text, expected_text)) = texts else {
        let at = found.iter().zip(expected).position(|(found, expected)| found != expected);
        let at = at.unwrap_or(found.len().min(expected.len()));
        return Some(Difference {
            line: None,
            words: format!("is not what the record gives, from byte {at} on"),
        });
    };
    let is_csv = path.extension().is_some_and(|extension| extension == "csv");
    let [mut found_lines, mut expected_lines] = [found_text, expected_text].map(|text| text.split('\n'));
    let mut header: Vec<String> = Vec::new();
    let mut line = 0;
    loop {
        line += 1;
        let (found, expected) = (found_lines.next(), expected_lines.next());
        if found == expected {
            let cells = expected.map(|expected| cells(expected, is_csv)).unwrap_or_default();
            // The first row of a table names its columns.
            if header.is_empty() || cells.is_empty() {
                header = cells;
            }
            continue;
        }
        let words = match (found, expected) {
            (Some(found), Some(expected)) => row_difference(&header, [found, expected], is_csv),
            (None, _) => "ends here; the record gives more".to_owned(),
            (_, None) => "goes on where the record gives nothing more".to_owned(),
        };
        return Some(Difference { line: Some(line), words });
    }
}

/// What differs between two lines: a cell where both are rows of one table.
fn row_difference(header: &[String], lines: [&str; 2], is_csv: bool) -> String {
    let [found, expected] = lines.map(|line| cells(line, is_csv));
    let differs = found.iter().zip(&expected).position(|(found, expected)| found != expected);
    match (differs, header) {
        (Some(column), header) if found.len() == expected.len() && expected.len() == header.len() => format!(
            "column `{}` is {}; the record gives {}",
            header[column],
            quoted(&found[column]),
            quoted(&expected[column])
        ),
        _ => {
            let [found, expected] = lines.map(quoted);
            format!("is {found}; the record gives {expected}")
        }
    }
}

/// The cells of a row of CSV or of a Markdown table; none where the line is no row.
fn cells(line: &str, is_csv: bool) -> Vec<String> {
    if is_csv {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line.as_bytes());
        let row = reader.records().next().and_then(|row| row.ok());
        return row.map(|row| row.iter().map(str::to_owned).collect()).unwrap_or_default();
    }
    match line.trim().strip_prefix('|').and_then(|row| row.strip_suffix('|')) {
        Some(row) => row.split('|').map(|cell| cell.trim().to_owned()).collect(),
        None => Vec::new(),
    }
}

fn quoted(text: &str) -> String {
    let short: String = text.chars().take(LONGEST_QUOTE).collect();
    let more = if short.len() < text.len() { " ..." } else { "" };
    format!("`{short}{more}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(name: &str, found: &str, expected: &str) -> String {
        let path = Path::new(name);
        let difference = difference(path, found.as_bytes(), expected.as_bytes());
        difference.map_or_else(|| "the same".to_owned(), |difference| difference.error(path, "").to_string())
    }

    #[test]
    fn a_cell_is_named_by_line_and_column() {
        let table = "router,value\nknn,0.5\n\"a,b\",0.7\n";
        assert_eq!(words("t.csv", table, table), "the same");
        assert_eq!(
            words("t.csv", &table.replace("0.7", "0.9"), table),
            "t.csv:3: column `value` is `0.9`; the record gives `0.7`"
        );
        assert_eq!(words("t.csv", "router,value\n", table), "t.csv:2: is ``; the record gives `knn,0.5`");
        let report = "# Title\n\n| router | AIQ |\n|---|---:|\n| knn | 0.5 |\n";
        assert_eq!(
            words("r.md", &report.replace("0.5", "0.6"), report),
            "r.md:5: column `AIQ` is `0.6`; the record gives `0.5`"
        );
    }

    #[test]
    fn other_text_is_named_by_line_and_other_files_by_byte() {
        assert_eq!(words("r.md", "# A\nB\n", "# A\nC\n"), "r.md:2: is `B`; the record gives `C`");
        assert_eq!(words("r.md", "A\nB", "A"), "r.md:2: goes on where the record gives nothing more");
        assert_eq!(words("r.md", "A", "A\nB"), "r.md:2: ends here; the record gives more");
        let path = Path::new("p.png");
        let found = difference(path, &[0xff, 1, 2], &[0xff, 1, 3]).unwrap().error(path, "").to_string();
        assert_eq!(found, "p.png: is not what the record gives, from byte 2 on");
    }
}
