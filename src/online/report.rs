//! Reports of online runs: `report.md`, `regret.csv`, `summary.csv`, `off_policy.csv`, and the figure of regrets.

use std::fmt::Write;
use std::path::Path;

use super::evaluate::{OnlineSummary, Series, Spread, judge, summarise, windows};
use super::off_policy::Estimator;
use super::record::OnlineRecord;
use super::router::OnlineRouterSettings;
use super::targets::{CLIP, OffPolicyRow};
use crate::error::{Error, Result};
use crate::evaluate::Verdict;
use crate::preference::DistributionKind;
use crate::record::sums;
use crate::report::plot::{LineKind, RegretChart, RegretLine, regret_png, regret_svg};
use crate::report::prices::prices_md;
use crate::report::{RECORD, compare, record_folder, replace, write_files};

/// The references that the figure shows, each with a look of its own.
const DRAWN: [&str; 4] = ["best-single", "best-single-warm", "zero-router", "uniform"];

/// Writes the record and the report of a run; replaces an earlier report of the same folder as a whole.
///
/// # Errors
/// A folder that holds something other than a report, or that cannot be written.
pub fn write_run(
    folder: &Path,
    record: &OnlineRecord,
    summary: &OnlineSummary,
    verdicts: &[Verdict],
) -> Result<()> {
    replace(folder, |staged| {
        let inner = staged.join(RECORD);
        std::fs::create_dir_all(&inner).map_err(Error::io(&inner, "create"))?;
        record.write(&inner)?;
        write_report(staged, record, summary, verdicts)
    })
}

/// Rebuilds the report of a folder from its record.
///
/// # Errors
/// A folder that cannot be written.
pub fn write_report(
    folder: &Path,
    record: &OnlineRecord,
    summary: &OnlineSummary,
    verdicts: &[Verdict],
) -> Result<()> {
    write_files(folder, render(record, summary, verdicts))
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
    let text = std::fs::read_to_string(inner.join("manifest.json")).unwrap_or_default();
    let value: Option<serde_json::Value> = serde_json::from_str(&text).ok();
    let mode = value.as_ref().and_then(|value| value.get("mode")).and_then(serde_json::Value::as_str);
    if mode == Some("online") { OnlineRecord::read(&inner).map(Some) } else { Ok(None) }
}

/// The main numbers of every router and reference, aligned for a terminal.
pub fn overview(record: &OnlineRecord, summary: &OnlineSummary) -> String {
    let manifest = &record.manifest;
    let simulated = if manifest.suite.info.simulated { " (simulated outcomes)" } else { "" };
    let mut text = format!("{}: {}{simulated}\n", manifest.scenario.name, manifest.suite.info.name);
    let _ = write!(text, "{:<24}{:>24}{:>14}{:>10}", "router", "regret [95 %]", "last quarter", "score");
    for series in &summary.series {
        let spread = |metric: &str| summary.find(&series.policy, metric).map(|value| value.spread());
        let mark = if series.is_reference { "* " } else { "" };
        let regret = spread("regret").map_or_else(String::new, |s| interval(s, 1));
        let number = |metric: &str| spread(metric).map_or_else(String::new, |s| format!("{:.4}", s.mean));
        let _ = write!(
            text,
            "\n{:<24}{regret:>24}{:>14}{:>10}",
            format!("{mark}{}", series.policy),
            number("last-quarter-regret"),
            number("score")
        );
    }
    text.push_str("\n* references: they look at outcomes, or ignore the prompt");
    text
}

fn chart(record: &OnlineRecord, summary: &OnlineSummary) -> RegretChart {
    let (manifest, info) = (&record.manifest, &record.manifest.suite.info);
    let place = |at: usize| summary.checkpoints[at] as f64;
    let line = |(position, series): (usize, &Series)| {
        let kind = if series.is_reference {
            LineKind::Reference { index: DRAWN.iter().position(|name| *name == series.policy)? }
        } else if matches!(manifest.scenario.routers[position].settings, OnlineRouterSettings::Random(_)) {
            // It does what `uniform` does in expectation: one floor is enough.
            return None;
        } else {
            LineKind::Router { index: position }
        };
        let points = series.regret.iter().enumerate().map(|(at, spread)| (place(at), spread.mean));
        let band = series.regret.iter().enumerate().map(|(at, spread)| (place(at), spread.low, spread.high));
        Some(RegretLine {
            label: series.policy.clone(),
            points: points.collect(),
            band: (!series.is_reference).then(|| band.collect()),
            kind,
        })
    };
    let simulated = if info.simulated { " (simulated outcomes)" } else { "" };
    let suite =
        if info.name == manifest.scenario.name { String::new() } else { format!(" on {}", info.name) };
    RegretChart {
        title: format!("{}{suite}{simulated}: cumulative regret", manifest.scenario.name),
        subtitle: format!(
            "{} arms, {} steps, mean of {} orders with 95 % intervals",
            manifest.suite.models.len(),
            manifest.n_steps,
            record.orders.len()
        ),
        lines: summary.series.iter().enumerate().filter_map(line).collect(),
        changes: record.phases.iter().skip(1).map(|phase| phase.from as f64).collect(),
        step_label: "prompts answered".into(),
        regret_label: "regret against the utility oracle, in score".into(),
    }
}

fn regret_csv(summary: &OnlineSummary) -> Vec<u8> {
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

fn summary_csv(record: &OnlineRecord, summary: &OnlineSummary) -> Vec<u8> {
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

fn off_policy_csv(record: &OnlineRecord, summary: &OnlineSummary) -> Vec<u8> {
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

fn interval(spread: Spread, decimals: usize) -> String {
    format!("{:.decimals$} [{:.decimals$}, {:.decimals$}]", spread.mean, spread.low, spread.high)
}

fn report_md(record: &OnlineRecord, summary: &OnlineSummary, verdicts: &[Verdict]) -> String {
    let (manifest, suite) = (&record.manifest, &record.manifest.suite);
    let mut text = format!("# {}\n\n{}\n\n", manifest.scenario.name, manifest.scenario.description);
    if suite.info.simulated {
        text.push_str(
            "**The outcomes of this suite are simulated.** Ranks and figures say nothing about real models.\n\n",
        );
    }
    text.push_str(&setting(record));
    text.push_str("![Cumulative regret](regret.svg)\n\n## Regret\n\n");
    regrets(&mut text, summary);
    text.push_str(
        "Sums over all steps, means over orders with 95 % Student-t intervals over orders; the best learner is bold. Regret: \
         utility of the utility oracle less that of the choice, utility = score - w cost in cost units. Below zero, a learner \
         earned more than that reference. Last quarter: regret a step, in the last quarter of the steps. All orders hold the \
         same prompts: intervals speak of order, preferences, and chance, not of other prompts. In italics what is no learner: \
         `best-single` is chosen in hindsight, ",
    );
    text.push_str(if manifest.warm_start.is_some() {
        "`best-single-warm` and `zero-router` by the warm start, `uniform` is a random choice in expectation.\n\n"
    } else {
        "`zero-router` too, without a warm start to choose by; `uniform` is a random choice in expectation.\n\n"
    });
    if record.phases.len() > 1 {
        changes(&mut text, record, summary);
    }
    text.push_str("## What the learners were shown\n\n");
    learners(&mut text, record);
    if !summary.off_policy.is_empty() {
        text.push_str("## Estimates of other policies from the logs\n\n");
        estimates(&mut text, summary);
    }
    if !verdicts.is_empty() {
        text.push_str("## Expectations\n\n");
        for Verdict { holds, words } in verdicts {
            let _ = writeln!(text, "- {}: {words}", if *holds { "holds" } else { "**not met**" });
        }
        text.push('\n');
    }
    let _ = writeln!(
        text,
        "Seed {}, llm-bandit {}, suite {} (SHA-256 {}). Rebuild every table and figure from the record in this folder \
         with `llm-bandit report`.",
        manifest.scenario.seed,
        manifest.program_version,
        suite.info.name,
        &suite.content_hash[..16.min(suite.content_hash.len())],
    );
    text
}

fn setting(record: &OnlineRecord) -> String {
    let (manifest, suite) = (&record.manifest, &record.manifest.suite);
    let mut text = format!(
        "Suite `{}`: {} arms, {} orders of {} steps. ",
        suite.info.name,
        suite.models.len(),
        record.orders.len(),
        manifest.n_steps
    );
    let _ = match &manifest.warm_start {
        Some(warm) => write!(
            text,
            "Before the first step the outcomes of all arms on {} other prompts may be looked at. ",
            warm.n_prompts
        ),
        None => write!(text, "Nothing is known before the first step. "),
    };
    let distribution = manifest.scenario.preferences.distribution;
    let _ = match &manifest.scenario.online.preference {
        Some(weights) if weights.len() == 1 => write!(text, "Preference w = {}. ", weights[0]),
        Some(weights) => write!(text, "Preferences w drawn from {weights:?}. "),
        None => write!(
            text,
            "Preferences w drawn {} from {} to {}, anew for every prompt. ",
            if distribution.kind == DistributionKind::Uniform { "evenly" } else { "evenly in ln w" },
            distribution.low,
            distribution.high
        ),
    };
    let _ = write!(text, "Contexts: {} numbers and the constant. ", record.contexts.width() - 1);
    let left_out = suite.left_out.in_words();
    if !left_out.is_empty() {
        let _ = write!(text, "{}{}. ", left_out[..1].to_uppercase(), &left_out[1..]);
    }
    if suite.cells_with_assumed_tokens > 0 {
        let tokens = manifest.scenario.cost.assume_output_tokens.unwrap_or_default();
        let _ = write!(text, "**Costs are assumed**: list prices with {tokens} output tokens an answer. ");
    }
    text.push_str(&prices_md(suite));
    if !suite.has_cost {
        text.push_str("**This suite has no costs**: utility is the score. ");
    }
    if let Some(encoder) = &suite.encoded_by {
        let _ = write!(text, "Embeddings: {encoder}. ");
    }
    let licence = manifest.scenario.licence.as_deref().unwrap_or(&suite.info.licence);
    if !licence.is_empty() {
        let _ = write!(text, "Licence of the data: {licence}. ");
    }
    text.truncate(text.trim_end().len());
    text.push_str("\n\n");
    text
}

fn regrets(text: &mut String, summary: &OnlineSummary) {
    text.push_str(
        "| policy | regret | to best single | to zero router | last quarter | mean score | cost, USD per 1,000 |\n\
         |---|---:|---:|---:|---:|---:|---:|\n",
    );
    let mean = |policy: &str, metric: &str| summary.find(policy, metric).map(|value| value.spread().mean);
    let least = |metric: &str| {
        let learners = summary.series.iter().filter(|series| !series.is_reference);
        learners.filter_map(|series| mean(&series.policy, metric)).min_by(f64::total_cmp)
    };
    for series in &summary.series {
        let policy = &series.policy;
        let cell = |metric: &str, decimals: usize, has_interval: bool| {
            let Some(value) = summary.find(policy, metric) else { return "\u{2013}".to_owned() };
            let spread = value.spread();
            let words =
                if has_interval { interval(spread, decimals) } else { format!("{:.decimals$}", spread.mean) };
            let is_best = !series.is_reference && least(metric) == Some(spread.mean);
            if is_best && metric.contains("regret") { format!("**{words}**") } else { words }
        };
        let cost = summary.find(policy, "cost-usd").map_or(0.0, |value| value.spread().mean * 1000.0);
        let name = if series.is_reference { format!("*{policy}*") } else { policy.clone() };
        let _ = writeln!(
            text,
            "| {name} | {} | {} | {} | {} | {} | {cost:.4} |",
            cell("regret", 1, true),
            cell("regret-to-best-single", 1, true),
            cell("regret-to-zero-router", 1, true),
            cell("last-quarter-regret", 4, false),
            cell("score", 4, false),
        );
    }
    text.push('\n');
}

fn changes(text: &mut String, record: &OnlineRecord, summary: &OnlineSummary) {
    text.push_str("## Around the changes\n\n");
    for (number, phase) in record.phases.iter().skip(1).enumerate() {
        let _ = writeln!(text, "{}. After {} steps: {}.", number + 1, phase.from, phase.words.join("; "));
    }
    text.push_str("\nRegret a step just before a change, just after it, and in the end:\n\n| policy |");
    let windows = windows(record);
    for (name, _) in &windows {
        let title = name.trim_start_matches("regret-").replace("-change-", " ").replace('-', " ");
        let _ = write!(text, " {title} |");
    }
    text.push_str("\n|---|");
    text.push_str(&"---:|".repeat(windows.len()));
    text.push('\n');
    for series in &summary.series {
        let policy = &series.policy;
        let name = if series.is_reference { format!("*{policy}*") } else { policy.clone() };
        let _ = write!(text, "| {name} |");
        for (metric, _) in &windows {
            let value = summary.find(policy, metric);
            let words = value.map_or_else(|| "\u{2013}".to_owned(), |value| interval(value.spread(), 3));
            let _ = write!(text, " {words} |");
        }
        text.push('\n');
    }
    text.push_str("\nEach window is a tenth of all steps, or the whole phase where that is shorter.\n\n");
}

fn learners(text: &mut String, record: &OnlineRecord) {
    text.push_str(
        "| learner | outcomes before the first step | revealed an order | what the latter cost, USD | settings |\n\
         |---|---:|---:|---:|---|\n",
    );
    for (entry, learner) in record.manifest.scenario.routers.iter().zip(&record.manifest.routers) {
        let n = learner.revealed.len() as f64;
        let revealed = learner.revealed.iter().map(|meter| meter.outcomes_seen as f64).sum::<f64>() / n;
        let dollars = learner.revealed.iter().map(|meter| meter.dollars).sum::<f64>() / n;
        let notes: Vec<String> =
            learner.notes.iter().map(|(name, value)| format!("{name} {value}")).collect();
        let _ = writeln!(
            text,
            "| {} | {} | {revealed:.0} | {dollars:.4} | {} |",
            entry.label,
            learner.paid.outcomes_seen,
            notes.join(", ")
        );
    }
    let _ = writeln!(
        text,
        "\nOne outcome is revealed a step: that of the arm chosen. Settings that a scenario leaves open are tuned on the warm \
         start; without one they have fixed defaults.\n"
    );
}

fn estimates(text: &mut String, summary: &OnlineSummary) {
    text.push_str(
        "| logged by | target | truth | sample size, % | clipped, % | DM | IPS | SNIPS | DR | DR clipped | DR error | DR covers, % |\n\
         |---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n",
    );
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
        let _ = writeln!(
            text,
            "| {logger} | {target} | {:.4} | {:.1} | {:.1} | {} | {} | {} | {} | {} | {} | {:.0} |",
            dr.truth,
            100.0 * dr.effective_share,
            100.0 * dr.clipped_share,
            rmse(Estimator::Direct, f64::INFINITY),
            rmse(Estimator::InversePropensity, f64::INFINITY),
            rmse(Estimator::SelfNormalised, f64::INFINITY),
            rmse(Estimator::DoublyRobust, f64::INFINITY),
            rmse(Estimator::DoublyRobust, CLIP),
            interval(dr.error, 4),
            100.0 * dr.coverage,
        );
    }
    let _ = writeln!(
        text,
        "\nMean utility a step of fixed policies, estimated from the choices and probabilities of each learner that explores by \
         chance, against the truth on the same steps. Sample size: effective, as a share of the steps. Clipped: steps whose \
         weight is above {CLIP}. DM, IPS, SNIPS, DR: root mean squared error over orders. DR error: mean and 95 % interval over \
         orders. DR covers: orders whose own 95 % interval holds the truth. Where the sample size is a few per cent, the log \
         says nearly nothing of the target: an interval from it is not to be trusted.\n"
    );
}
