//! Reports of online runs: `report.md`, `report.html`, the figure of regrets, and the tables `regret.csv`, `summary.csv`, and
//! `off_policy.csv`; where there are conditions, `conditions.csv` and its picture too.

mod conditions;
mod markdown;
mod page;

use std::path::Path;

use super::markup::{Table, cells};
use super::plot::Figure;
use super::table::{SUMMARY, SUMMARY_COLUMNS};
use super::{rebuild_with, record_in, replace, write_parquet};
use crate::error::Result;
use crate::evaluate::Verdict;
use crate::evaluate::online::{OnlineSummary, Series, judge, summarise};
use crate::fs::{self, Claim};
use crate::record::online::OnlineRecord;
use crate::statistics::interval::Spread;
pub use markdown::overview;
use markdown::report_md;
use page::chart;

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

/// Its tables by name.
pub(super) fn tables(record: &OnlineRecord, summary: &OnlineSummary) -> Vec<(&'static str, Table)> {
    let mut tables = vec![("regret", markdown::regrets(summary))];
    if record.phases.len() > 1 {
        tables.push(("changes", markdown::around(record, summary)));
    }
    if !record.conditions.is_empty() {
        tables.push(("conditions", conditions::table(record, summary)));
    }
    if !summary.off_policy.is_empty() {
        tables.push(("estimates", markdown::estimate_table(summary)));
    }
    tables
}

/// Its figures by name.
pub(super) fn charts(record: &OnlineRecord, summary: &OnlineSummary) -> Vec<(&'static str, Box<dyn Figure>)> {
    let mut charts: Vec<(&'static str, Box<dyn Figure>)> = vec![("regret", Box::new(chart(record, summary)))];
    if !record.conditions.is_empty() {
        charts.push(("conditions", Box::new(conditions::chart(record, summary))));
    }
    charts
}

fn render(
    record: &OnlineRecord,
    summary: &OnlineSummary,
    verdicts: &[Verdict],
) -> Vec<(&'static str, Vec<u8>)> {
    let chart = chart(record, summary);
    let drawn = "any finite data can be drawn";
    let mut files = vec![
        ("regret.csv", regret_csv(summary)),
        ("summary.csv", summary_table(record, summary).csv()),
        ("off_policy.csv", off_policy_csv(record, summary)),
        ("report.md", report_md(record, summary, verdicts).into_bytes()),
        ("report.html", page::report_html(record, summary, verdicts).into_bytes()),
        ("regret.svg", chart.svg().expect(drawn).into_bytes()),
        ("regret.png", chart.png().expect(drawn)),
    ];
    files.extend(conditions::files(record, summary));
    files
}

/// Regrets against three references at every checkpoint.
fn regret_csv(summary: &OnlineSummary) -> Vec<u8> {
    let mut table = Table::of_names(&["router", "kind", "reference", "steps", "mean", "low", "high"]);
    for series in &summary.series {
        let curves = [
            ("oracle", Some(&series.regret)),
            ("best-single", series.to_best_single.as_ref()),
            ("zero-router", Some(&series.to_zero_router)),
        ];
        for (reference, curve) in curves {
            for (spread, steps) in curve.into_iter().flatten().zip(&summary.checkpoints) {
                table.row(cells![
                    &series.policy,
                    online_kind(series.is_reference),
                    reference,
                    *steps,
                    spread.mean,
                    spread.low,
                    spread.high,
                ]);
            }
        }
    }
    table.csv()
}

/// The name of a kind of policy in files for programs.
pub(super) fn online_kind(is_reference: bool) -> &'static str {
    if is_reference { "reference" } else { "learner" }
}

/// Every policy's metrics in every order, and their means with intervals, in the columns of an offline run: an order stands in the
/// place of a replicate.
fn summary_table(record: &OnlineRecord, summary: &OnlineSummary) -> Table {
    let mut table = Table::of_names(&SUMMARY_COLUMNS);
    let scenario = &record.manifest.scenario.name;
    for value in &summary.values {
        let (policy, metric) = (&value.policy, &value.metric);
        let is_reference = |series: &Series| series.policy == *policy && series.is_reference;
        let kind = online_kind(summary.series.iter().any(is_reference));
        for (order, own) in value.values.iter().enumerate() {
            table.row(cells![scenario, policy, kind, metric, order, *own, "", ""]);
        }
        let Spread { mean, low, high } = value.spread();
        table.row(cells![scenario, policy, kind, metric, "all", mean, low, high]);
    }
    table
}

/// How well each estimator did, by logger and target.
fn off_policy_csv(record: &OnlineRecord, summary: &OnlineSummary) -> Vec<u8> {
    let mut table = Table::of_names(&[
        "scenario",
        "logger",
        "target",
        "estimator",
        "clip",
        "truth",
        "estimate",
        "error",
        "error_low",
        "error_high",
        "rmse",
        "coverage",
        "effective_share",
        "mean_weight",
        "clipped_share",
    ]);
    for row in &summary.off_policy {
        table.row(cells![
            &record.manifest.scenario.name,
            &row.logger,
            row.target,
            row.estimator.name(),
            Some(row.clip).filter(|clip| clip.is_finite()),
            row.truth,
            row.estimate,
            row.error.mean,
            row.error.low,
            row.error.high,
            row.rmse,
            row.coverage,
            row.effective_share,
            row.mean_weight,
            row.clipped_share,
        ]);
    }
    table.csv()
}
