//! Two online runs: every learner over the same orders, step by step.
//!
//! Both runs replay the same prompts at the same preferences in the same orders, so that the differences of each order are
//! paired. Intervals are those of Student's t over orders, one-sided p-values too, and Holm's adjustment holds the chance that
//! any line of a run that lost nothing is called a regression at [`FAMILY_WISE_ERROR`](super::FAMILY_WISE_ERROR). Utility
//! needs no line of its own: against the same oracle a loss of utility is as much regret.

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::pairing::{changed_learner, online_differences};
use super::verdict::Measured;
use super::{Gate, GateSettings, GatedExpectation, GatedRouter, RouterState, allow};
use crate::error::{Error, Result};
use crate::evaluate::online::{OnlineSummary, judge_one, summarise};
use crate::metrics::entry::Table;
use crate::metrics::online::{OnlineMetric, shown_in};
use crate::record::online::OnlineRecord;
use crate::scenario::Mode;
use crate::statistics::correction::holm;
use crate::statistics::interval::Spread;
use crate::statistics::{Interval, mean, variance};

/// Compares an online run with a baseline.
///
/// # Errors
/// Two records that do not measure the same where that is not allowed, or whose orders have not as many steps; expectations
/// that name what is not there; a value that is no number; intervals across splits, which an online run does not have.
pub fn check_online(current: &OnlineRecord, baseline: &OnlineRecord, settings: GateSettings) -> Result<Gate> {
    if settings.across_splits {
        let problem = "is of an online run, which has no splits: its intervals are over orders; leave out `--across-splits`";
        return Err(Error::Usage(problem.into()));
    }
    let changed = online_differences(current, baseline);
    allow(&changed, &settings)?;
    let [n_steps, of_baseline] = [current, baseline].map(|record| record.manifest.n_steps);
    if n_steps != of_baseline {
        return Err(Error::Usage(format!(
            "has orders of {n_steps} steps, the baseline of {of_baseline}: regrets are sums over steps and cannot be compared"
        )));
    }
    let [now, before] = [current, baseline].map(summarise);
    now.check()?;
    before.check()?;
    let judged = |expectation| {
        let held_before = judge_one(expectation, &before).ok().map(|verdict| verdict.holds);
        Ok(GatedExpectation { verdict: judge_one(expectation, &now)?, held_before })
    };
    let expectations = current.manifest.scenario.expect.iter().map(judged).collect::<Result<_>>()?;
    let n_orders = current.orders.len().min(baseline.orders.len());
    Ok(Gate {
        scenario: current.manifest.scenario.name.clone(),
        settings,
        versions: [current, baseline].map(|record| record.manifest.program_version.clone()),
        mode: Mode::Online,
        n_replicates: n_orders,
        n_paired: n_orders * n_steps,
        changed,
        routers: compared([baseline, current], [&before, &now], n_orders, &settings),
        expectations,
    })
}

/// What became of every learner of either run; baseline first.
fn compared(
    records: [&OnlineRecord; 2],
    summaries: [&OnlineSummary; 2],
    n_orders: usize,
    settings: &GateSettings,
) -> Vec<GatedRouter> {
    let labels = records.map(|record| -> Vec<&str> {
        record.manifest.scenario.routers.iter().map(|entry| entry.label.as_str()).collect()
    });
    let [others, own] = &labels;
    let metrics = shown_in(Table::Gate);
    let shared = own.iter().filter(|label| others.contains(*label));
    let tested: Vec<(Measured, f64)> = shared
        .flat_map(|label| metrics.iter().map(move |online| (*label, *online)))
        .map(|(label, online)| {
            let values = summaries.map(|summary| {
                let value = summary.find(label, online.metric.name);
                &value.expect("what is gated has a value in every order").values[..n_orders]
            });
            test(values, online, settings, records[1].manifest.n_steps)
        })
        .collect();
    let adjusted = holm(&tested.iter().map(|(_, p)| *p).collect::<Vec<_>>());
    let mut lines = tested.iter().zip(adjusted).map(|((measured, _), p)| measured.judged(p));
    let mut routers = Vec::new();
    for (at, label) in own.iter().enumerate() {
        let state = match others.iter().position(|other| other == label) {
            None => RouterState::New,
            Some(other) => RouterState::Compared {
                changed: changed_learner(records, [other, at]),
                n_differing: Some(n_differing(records, [other, at], n_orders)),
                lines: lines.by_ref().take(metrics.len()).collect(),
            },
        };
        routers.push(GatedRouter { label: (*label).to_owned(), state });
    }
    let missing = others.iter().filter(|label| !own.contains(label));
    routers
        .extend(missing.map(|label| GatedRouter { label: (*label).to_owned(), state: RouterState::Missing }));
    routers
}

/// The values of both runs in each order, baseline first, as a line with its p-value: the chance of a mean loss like this where
/// the true one is the least that matters. One order alone says nothing, unless nothing differs in it.
fn test(
    [baseline, current]: [&[f64]; 2],
    online: &'static OnlineMetric,
    settings: &GateSettings,
    n_steps: usize,
) -> (Measured, f64) {
    let differences: Vec<f64> =
        current.iter().zip(baseline).map(|(current, other)| current - other).collect();
    let n_terms = if online.is_sum { n_steps as f64 } else { 1.0 };
    let least = n_terms * settings.least(&online.metric, mean(baseline));
    let n = differences.len() as f64;
    let standard_error = (variance(&differences) / n).sqrt();
    let is_known = differences.len() > 1 || differences == [0.0];
    let interval = if is_known {
        let Spread { low, high, .. } = Spread::of(&differences);
        Interval { low, high }
    } else {
        Interval { low: f64::NEG_INFINITY, high: f64::INFINITY }
    };
    let [current, baseline] = [current, baseline].map(mean);
    let measured = Measured { metric: &online.metric, current, baseline, interval, least };
    let loss = measured.excess_loss();
    let p = match StudentsT::new(0.0, 1.0, n - 1.0) {
        Ok(t) if standard_error > 0.0 => t.sf(loss / standard_error),
        Ok(_) if loss > 0.0 => 0.0,
        _ => 1.0,
    };
    (measured, p)
}

/// Steps at which another arm was chosen, and all steps.
fn n_differing(records: [&OnlineRecord; 2], routers: [usize; 2], n_orders: usize) -> (usize, usize) {
    let arms = |run: usize, order: usize| {
        let names = &records[run].manifest.suite.models;
        records[run].logs[routers[run]][order].arms.iter().map(|arm| &names[usize::from(*arm)])
    };
    let differing =
        (0..n_orders).flat_map(|order| arms(0, order).zip(arms(1, order))).filter(|(a, b)| a != b);
    (differing.count(), n_orders * records[1].manifest.n_steps)
}
