//! Reports of online runs: `report.md`, `report.html`, `regret.csv`, `summary.csv`, `off_policy.csv`, and the figure of regrets.

mod csv_tables;
mod figure;
mod markdown;
mod page;

use std::path::Path;

use crate::error::Result;
use crate::evaluate::Verdict;
use crate::evaluate::online::{OnlineSummary, judge, summarise};
use crate::fs::{self, Claim};
use crate::record::online::OnlineRecord;
use crate::report::numbers::SUMMARY;
use crate::report::plot::Figure;
use crate::report::{rebuild_with, record_in, replace, write_parquet};

use self::csv_tables::{off_policy_csv, regret_csv, summary_table};
use self::figure::chart;
pub use self::markdown::overview;
use self::markdown::report_md;

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
        fs::write_all(staged, render(record, summary, verdicts))
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
    with_parquet: bool,
) -> Result<()> {
    rebuild_with(folder, |staged| {
        fs::write_all(staged, render(record, summary, verdicts))?;
        write_parquet(staged, with_parquet, || {
            let facts = [("suite", record.manifest.suite.info.name.clone())];
            vec![("summary.parquet", summary_table(record, summary).parquet(SUMMARY, &facts))]
        })
    })
}

/// Every file of the report of a record, by name.
///
/// # Errors
/// An expectation that names what is not there.
pub(super) fn files(record: &OnlineRecord) -> Result<Vec<(&'static str, Vec<u8>)>> {
    let summary = summarise(record);
    Ok(render(record, &summary, &judge(record, &summary)?))
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
        ("summary.csv", summary_table(record, summary).csv()),
        ("off_policy.csv", off_policy_csv(record, summary)),
        ("report.md", report_md(record, summary, verdicts).into_bytes()),
        ("report.html", page::report_html(record, summary, verdicts).into_bytes()),
        ("regret.svg", chart.svg().expect(drawn).into_bytes()),
        ("regret.png", chart.png().expect(drawn)),
    ]
}
