//! Reports of online runs: `report.md`, `regret.csv`, `summary.csv`, `off_policy.csv`, and the figure of regrets.

mod csv_tables;
mod estimates;
mod figure;
mod markdown;
mod overview;

use std::path::Path;

use super::evaluate::{OnlineSummary, judge, summarise};
use super::record::OnlineRecord;
use crate::error::Result;
use crate::evaluate::Verdict;
use crate::fs::{self, Claim};
use crate::record::sums;
use crate::report::plot::{regret_png, regret_svg};
use crate::report::{compare, rebuild_with, record_folder, record_in, replace, write_files};

use self::csv_tables::{off_policy_csv, regret_csv, summary_csv};
use self::figure::chart;
use self::markdown::report_md;
pub use self::overview::overview;

/// Writes the record and the report of a run; replaces an earlier report of the same folder as a whole.
///
/// # Errors
/// A folder that cannot be written.
pub fn write_run(
    claim: &Claim,
    record: &OnlineRecord,
    summary: &OnlineSummary,
    verdicts: &[Verdict],
) -> Result<()> {
    replace(claim, |staged| {
        record.write(&record_in(staged)?)?;
        write_files(staged, render(record, summary, verdicts))
    })
}

/// Rebuilds the report of a folder from its record.
///
/// # Errors
/// A folder that cannot be written.
pub fn rebuild(
    folder: &Path,
    record: &OnlineRecord,
    summary: &OnlineSummary,
    verdicts: &[Verdict],
) -> Result<()> {
    rebuild_with(folder, |staged| write_files(staged, render(record, summary, verdicts)))
}

/// As [`crate::report::verify`]: checks the record's hashes, computes every file of the report anew, and compares. The number
/// of files and the hash that stands for the record.
///
/// # Errors
/// The first thing that is not as it should be.
pub fn verify_report(folder: &Path, record: &OnlineRecord) -> Result<(usize, String)> {
    let record_hash = sums::check(&record_folder(folder)?)?;
    let summary = summarise(record);
    let files = render(record, &summary, &judge(record, &summary)?);
    compare(folder, &files, &record.manifest.program_version)?;
    Ok((files.len(), record_hash))
}

fn render(
    record: &OnlineRecord,
    summary: &OnlineSummary,
    verdicts: &[Verdict],
) -> Vec<(&'static str, Vec<u8>)> {
    let chart = chart(record, summary);
    let drawn = "any finite data can be drawn";
    vec![
        ("regret.csv", regret_csv(summary)),
        ("summary.csv", summary_csv(record, summary)),
        ("off_policy.csv", off_policy_csv(record, summary)),
        ("report.md", report_md(record, summary, verdicts).into_bytes()),
        ("regret.svg", regret_svg(&chart).expect(drawn).into_bytes()),
        ("regret.png", regret_png(&chart).expect(drawn)),
    ]
}

/// Reads the record of a report, where it is that of an online run.
///
/// # Errors
/// A folder that holds no report, or an online one that cannot be read.
pub fn read_record_if_online(folder: &Path) -> Result<Option<OnlineRecord>> {
    let inner = record_folder(folder)?;
    let text = fs::read_text(&inner.join("manifest.json")).unwrap_or_default();
    let value: Option<serde_json::Value> = serde_json::from_str(&text).ok();
    let mode = value.as_ref().and_then(|value| value.get("mode")).and_then(serde_json::Value::as_str);
    if mode == Some("online") { OnlineRecord::read(&inner).map(Some) } else { Ok(None) }
}
