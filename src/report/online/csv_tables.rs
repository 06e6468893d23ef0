//! The tables of an online run as CSV.

use crate::evaluate::online::OnlineSummary;
use crate::record::online::OnlineRecord;
use crate::report::markup::{Table, cells};
use crate::statistics::spread::Spread;

/// Regrets against three references at every checkpoint.
pub(super) fn regret_csv(summary: &OnlineSummary) -> Vec<u8> {
    let mut table = Table::of_names(&["policy", "reference", "steps", "mean", "low", "high"]);
    for series in &summary.series {
        let curves = [
            ("oracle", Some(&series.regret)),
            ("best-single", series.to_best_single.as_ref()),
            ("zero-router", Some(&series.to_zero_router)),
        ];
        for (reference, curve) in curves {
            for (spread, steps) in curve.into_iter().flatten().zip(&summary.checkpoints) {
                table.row(cells![&series.policy, reference, *steps, spread.mean, spread.low, spread.high]);
            }
        }
    }
    table.csv()
}

/// Every policy's metrics.
pub(super) fn summary_table(record: &OnlineRecord, summary: &OnlineSummary) -> Table {
    let mut table = Table::of_names(&["scenario", "policy", "metric", "orders", "mean", "low", "high"]);
    for value in &summary.values {
        let Spread { mean, low, high } = value.spread();
        let scenario = &record.manifest.scenario.name;
        table.row(cells![scenario, &value.policy, &value.metric, value.values.len(), mean, low, high]);
    }
    table
}

/// How well each estimator did, by logger and target.
pub(super) fn off_policy_csv(record: &OnlineRecord, summary: &OnlineSummary) -> Vec<u8> {
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
