//! `points.csv` and `summary.csv`: the numbers behind every table and plot, in long form.

use super::summary_json::kind;
use crate::evaluate::Summary;
use crate::record::Record;
use crate::statistics::Interval;
use crate::statistics::paired::WinTieLoss;

/// Every operating point of every policy in every replicate, and their means as replicate `all`. Costs are in US
/// dollars per 1,000 prompts.
pub(super) fn points_csv(record: &Record, summary: &Summary) -> Vec<u8> {
    let header = ["scenario", "policy", "kind", "replicate", "preference", "score", "cost_usd_per_1000"];
    let mut rows = vec![header.map(str::to_owned)];
    let scenario = &record.manifest.scenario.name;
    for (replicate, evaluated) in summary.replicates.iter().enumerate() {
        for policy in &evaluated.policies {
            for point in &policy.points {
                let preference = point.preference.map_or(String::new(), |weight| weight.to_string());
                let numbers = [preference, point.score.to_string(), cost(record, point.cost_usd * 1000.0)];
                let [preference, score, cost_usd] = numbers;
                let kind = kind(policy.kind).to_owned();
                let replicate = replicate.to_string();
                rows.push([
                    scenario.clone(),
                    policy.name.clone(),
                    kind,
                    replicate,
                    preference,
                    score,
                    cost_usd,
                ]);
            }
        }
    }
    write(&rows)
}

/// Every metric in every replicate, and its mean over the replicates that reached it as replicate `all`, with its 95 %
/// interval where it has one; an infinite bound is `inf`. An empty value means "not reached" or "not defined".
pub(super) fn summary_csv(record: &Record, summary: &Summary) -> Vec<u8> {
    let mut rows =
        vec![["scenario", "router", "metric", "replicate", "value", "low", "high"].map(str::to_owned)];
    let scenario = &record.manifest.scenario.name;
    for row in &summary.rows {
        let mut push = |replicate: String, value: Option<f64>, interval: Option<Interval>| {
            let [low, high] = bounds(interval);
            let [policy, metric] = [row.policy.clone(), row.metric.name.to_owned()];
            rows.push([scenario.clone(), policy, metric, replicate, number(value), low, high]);
        };
        for (replicate, value) in row.values.iter().enumerate() {
            push(replicate.to_string(), *value, None);
        }
        push("all".to_owned(), row.aggregate().map(|aggregate| aggregate.mean), row.interval);
    }
    write(&rows)
}

/// Every router against the rival on every metric that both have.
pub(super) fn comparisons_csv(record: &Record, summary: &Summary) -> Vec<u8> {
    let header = [
        "scenario",
        "router",
        "against",
        "metric",
        "is_primary",
        "difference",
        "low",
        "high",
        "p",
        "adjusted_p",
        "overlap_p",
        "smallest_detectable",
        "wins",
        "ties",
        "losses",
        "effect",
    ];
    let mut rows = vec![header.map(str::to_owned)];
    if let Some(evidence) = &summary.evidence {
        for comparison in &evidence.comparisons {
            let [low, high] = bounds(Some(comparison.interval));
            let WinTieLoss { wins, ties, losses } = comparison.prompts;
            rows.push([
                record.manifest.scenario.name.clone(),
                comparison.router.clone(),
                evidence.against.clone(),
                comparison.metric.name.to_owned(),
                comparison.is_primary.to_string(),
                comparison.difference.to_string(),
                low,
                high,
                comparison.p.to_string(),
                comparison.adjusted_p.to_string(),
                number(comparison.overlap_p),
                number(Some(comparison.smallest_detectable).filter(|smallest| smallest.is_finite())),
                wins.to_string(),
                ties.to_string(),
                losses.to_string(),
                number(comparison.effect),
            ]);
        }
    }
    write(&rows)
}

pub(super) fn bounds(interval: Option<Interval>) -> [String; 2] {
    [interval.map(|interval| interval.low), interval.map(|interval| interval.high)].map(number)
}

pub(super) fn number(value: Option<f64>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}

fn cost(record: &Record, usd: f64) -> String {
    if record.manifest.suite.has_cost { usd.to_string() } else { String::new() }
}

pub(super) fn write<const N: usize>(rows: &[[String; N]]) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.write_record(row).expect("writing into memory does not fail");
    }
    writer.into_inner().expect("writing into memory does not fail")
}
