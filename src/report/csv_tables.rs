//! `points.csv` and `summary.csv`: the numbers behind every table and plot, in long form.

use crate::evaluate::{PolicyKind, Summary};
use crate::record::Record;

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

/// Every metric in every replicate, and its mean over the replicates that reached it as replicate `all`. An empty value
/// means "not reached" or "not defined".
pub(super) fn summary_csv(record: &Record, summary: &Summary) -> Vec<u8> {
    let mut rows = vec![["scenario", "router", "metric", "replicate", "value"].map(str::to_owned)];
    let scenario = &record.manifest.scenario.name;
    for row in &summary.rows {
        let mut push = |replicate: String, value: Option<f64>| {
            let value = value.map_or(String::new(), |value| value.to_string());
            rows.push([scenario.clone(), row.policy.clone(), row.metric.to_owned(), replicate, value]);
        };
        for (replicate, value) in row.values.iter().enumerate() {
            push(replicate.to_string(), *value);
        }
        push("all".to_owned(), row.aggregate().map(|aggregate| aggregate.mean));
    }
    write(&rows)
}

fn cost(record: &Record, usd: f64) -> String {
    if record.manifest.suite.has_cost { usd.to_string() } else { String::new() }
}

fn kind(kind: PolicyKind) -> &'static str {
    match kind {
        PolicyKind::Router => "router",
        PolicyKind::Bound => "bound",
        PolicyKind::Model => "model",
    }
}

fn write<const N: usize>(rows: &[[String; N]]) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.write_record(row).expect("writing into memory does not fail");
    }
    writer.into_inner().expect("writing into memory does not fail")
}
