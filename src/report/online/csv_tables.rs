//! The tables of an online run as CSV.

use crate::evaluate::online::OnlineSummary;
use crate::record::online::OnlineRecord;
use crate::statistics::spread::Spread;

/// Regrets against three references at every checkpoint.
pub(super) fn regret_csv(summary: &OnlineSummary) -> Vec<u8> {
    let mut rows = vec![["policy", "reference", "steps", "mean", "low", "high"].map(str::to_owned)];
    for series in &summary.series {
        let curves = [
            ("oracle", Some(&series.regret)),
            ("best-single", series.to_best_single.as_ref()),
            ("zero-router", Some(&series.to_zero_router)),
        ];
        for (reference, curve) in curves {
            for (spread, steps) in curve.into_iter().flatten().zip(&summary.checkpoints) {
                rows.push([
                    series.policy.clone(),
                    reference.to_owned(),
                    steps.to_string(),
                    spread.mean.to_string(),
                    spread.low.to_string(),
                    spread.high.to_string(),
                ]);
            }
        }
    }
    csv(&rows)
}

/// Every policy's metrics.
pub(super) fn summary_csv(record: &OnlineRecord, summary: &OnlineSummary) -> Vec<u8> {
    let header = ["scenario", "policy", "metric", "orders", "mean", "low", "high"];
    let mut rows = vec![header.map(str::to_owned)];
    for value in &summary.values {
        let Spread { mean, low, high } = value.spread();
        rows.push([
            record.manifest.scenario.name.clone(),
            value.policy.clone(),
            value.metric.clone(),
            value.values.len().to_string(),
            mean.to_string(),
            low.to_string(),
            high.to_string(),
        ]);
    }
    csv(&rows)
}

/// How well each estimator did, by logger and target.
pub(super) fn off_policy_csv(record: &OnlineRecord, summary: &OnlineSummary) -> Vec<u8> {
    let header = [
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
    ];
    let mut rows = vec![header.map(str::to_owned)];
    for row in &summary.off_policy {
        rows.push([
            record.manifest.scenario.name.clone(),
            row.logger.clone(),
            row.target.to_owned(),
            row.estimator.name().to_owned(),
            if row.clip.is_finite() { row.clip.to_string() } else { String::new() },
            row.truth.to_string(),
            row.estimate.to_string(),
            row.error.mean.to_string(),
            row.error.low.to_string(),
            row.error.high.to_string(),
            row.rmse.to_string(),
            row.coverage.to_string(),
            row.effective_share.to_string(),
            row.mean_weight.to_string(),
            row.clipped_share.to_string(),
        ]);
    }
    csv(&rows)
}

fn csv<const N: usize>(rows: &[[String; N]]) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.write_record(row).expect("writing into memory does not fail");
    }
    writer.into_inner().expect("writing into memory does not fail")
}
