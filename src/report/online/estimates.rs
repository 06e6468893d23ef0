//! How well the off-policy estimates of `report.md` hit the truth.

use std::fmt::Write;

use super::markdown::interval;
use crate::evaluate::online::OnlineSummary;
use crate::evaluate::online::off_policy::Estimator;
use crate::evaluate::online::{CLIP, OffPolicyRow};
use crate::report::markup::{Column, Table, cells};

/// Appends the table of estimates.
pub(super) fn estimates(text: &mut String, summary: &OnlineSummary) {
    let names = ["logged by", "target"].map(Column::text);
    let numbers = [
        "truth",
        "sample size, %",
        "mean weight",
        "clipped, %",
        "DM",
        "IPS",
        "SNIPS",
        "DR",
        "DR clipped",
        "DR error",
        "DR covers, %",
    ];
    let mut table = Table::new(names.into_iter().chain(numbers.map(Column::number)));
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for OffPolicyRow { logger, target, .. } in &summary.off_policy {
        if seen.contains(&(logger.as_str(), *target)) {
            continue;
        }
        seen.push((logger.as_str(), *target));
        let find = |estimator: Estimator, clip: f64| {
            summary.off_policy.iter().find(|row| {
                (row.logger == *logger && row.target == *target)
                    && (row.estimator == estimator && row.clip == clip)
            })
        };
        let rmse = |estimator: Estimator, clip: f64| {
            find(estimator, clip).map_or_else(String::new, |row| format!("{:.4}", row.rmse))
        };
        let Some(dr) = find(Estimator::DoublyRobust, f64::INFINITY) else { continue };
        table.row(cells![
            logger,
            *target,
            format!("{:.4}", dr.truth),
            format!("{:.1}", 100.0 * dr.effective_share),
            format!("{:.3}", dr.mean_weight),
            format!("{:.1}", 100.0 * dr.clipped_share),
            rmse(Estimator::Direct, f64::INFINITY),
            rmse(Estimator::InversePropensity, f64::INFINITY),
            rmse(Estimator::SelfNormalised, f64::INFINITY),
            rmse(Estimator::DoublyRobust, f64::INFINITY),
            rmse(Estimator::DoublyRobust, CLIP),
            if dr.is_supported {
                interval(dr.error, 4)
            } else {
                format!("no overlap for {:.0} %", missing(dr))
            },
            if dr.is_supported { format!("{:.0}", 100.0 * dr.coverage) } else { "-".to_owned() },
        ]);
    }
    text.push_str(&table.markdown());
    let _ = writeln!(
        text,
        "\nMean utility a step of fixed policies, estimated from the choices and probabilities of each learner that explores by \
         chance, against the truth on the same steps. Sample size: effective, as a share of the steps. Mean weight: \
         1 where the log could have taken whatever the target takes; what is lacking is the share of the target that the log never \
         takes, of which no estimate says anything (no overlap). Clipped: steps whose weight is above {CLIP}. DM, IPS, SNIPS, DR: root mean squared error over orders. DR error: mean and 95 % interval over \
         orders. DR covers: orders whose own 95 % interval holds the truth. Where the sample size is a few per cent, the log \
         says nearly nothing of the target: an interval from it is not to be trusted.\n"
    );
}

/// The share of a target policy that the log never takes, in per cent.
fn missing(row: &OffPolicyRow) -> f64 {
    100.0 * (1.0 - row.mean_weight)
}
