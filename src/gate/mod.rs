//! The regression gate: whether a run is worse than a baseline, with the same prompts, splits, and seeds on both sides.
//!
//! - `verdict`: the result.
//! - `pairing`: what two records share, and why they may not measure the same.
//! - `compare`: both runs of one router, metric by metric, with the interval of the difference, and the verdicts.
//! - `online`: the same of two online runs, order by order.
//! - `format`: the result as text, Markdown, JSON, JUnit, and annotations.
//!
//! Everything here is arithmetic on two records. The pairing takes out what the prompts have in common, so that far smaller
//! differences show than between the intervals of two reports.

mod compare;
pub mod format;
mod online;
mod pairing;
mod verdict;

pub use online::check_online;
pub use verdict::{
    FAMILY_WISE_ERROR, FORMAT, Gate, GateSettings, GatedExpectation, GatedRouter, Judgement, Line,
    RouterState,
};

use std::ops::Range;

use crate::error::{Error, Result};
use crate::evaluate::{Pair, PairedRuns, judge_one, pairs, shared, summarise_without_evidence};
use crate::metrics::Metric;
use crate::metrics::table::{Table, shown_in};
use crate::record::Record;
use crate::scenario::Mode;
use crate::seed::Stream;
use compare::{Compared, judged};

/// How many reasons a refusal names.
const REASONS_NAMED: usize = 3;

/// Compares a run with a baseline.
///
/// # Errors
/// Two records that share no test prompt, or that do not measure the same where that is not allowed; expectations that name
/// what is not there; metrics that are no finite numbers.
pub fn check(current: &Record, baseline: &Record, settings: GateSettings) -> Result<Gate> {
    let pairs = pairs([baseline, current]);
    let changed = pairing::differences(current, baseline, &pairs);
    allow(&changed, &settings)?;
    if pairs.is_empty() {
        return Err(Error::Usage("the two runs have no test prompt of the same replicate in common".into()));
    }
    let expectations = expectations(current, baseline)?;
    let labels = |record: &Record| -> Vec<String> {
        record.manifest.scenario.routers.iter().map(|entry| entry.label.clone()).collect()
    };
    let (own, others) = (labels(current), labels(baseline));
    let states = compared([baseline, current], &pairs, [&others, &own], &settings);
    let gated = |(label, state): (&String, RouterState)| GatedRouter { label: label.clone(), state };
    let mut routers: Vec<GatedRouter> = own.iter().zip(states).map(gated).collect();
    let missing = others.into_iter().filter(|label| !own.contains(label));
    routers.extend(missing.map(|label| GatedRouter { label, state: RouterState::Missing }));
    Ok(Gate {
        scenario: current.manifest.scenario.name.clone(),
        settings,
        versions: [current, baseline].map(|record| record.manifest.program_version.clone()),
        mode: Mode::Offline,
        n_replicates: pairs.len(),
        n_paired: pairs.iter().map(|(_, pairs)| pairs.len()).sum(),
        changed,
        routers,
        expectations,
    })
}

/// The expectations of the current run in both, once both summaries hold nothing but finite numbers.
fn expectations(current: &Record, baseline: &Record) -> Result<Vec<GatedExpectation>> {
    let [now, before] = [current, baseline].map(summarise_without_evidence);
    now.check()?;
    before.check()?;
    let judged = |expectation| {
        let held_before = judge_one(expectation, &before).ok().map(|verdict| verdict.holds);
        Ok(GatedExpectation { verdict: judge_one(expectation, &now)?, held_before })
    };
    current.manifest.scenario.expect.iter().map(judged).collect()
}

/// Goes on where two runs measure the same or need not.
///
/// # Errors
/// Two runs that do not measure the same where that is not allowed.
fn allow(changed: &[String], settings: &GateSettings) -> Result<()> {
    if changed.is_empty() || settings.allow_changed {
        return Ok(());
    }
    let named = changed[..changed.len().min(REASONS_NAMED)].join("; ");
    let more = changed.len().saturating_sub(REASONS_NAMED);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    Err(Error::Usage(format!(
        "the two runs do not measure the same: {named}{more}; `--allow-changed` compares what they share"
    )))
}

/// What became of every router of the current run; baseline first.
fn compared(
    records: [&Record; 2],
    pairs: &[(usize, Vec<Pair>)],
    [others, own]: [&[String]; 2],
    settings: &GateSettings,
) -> Vec<RouterState> {
    let (stream, metrics) = (Stream::root(0).named("gate"), shown_in(Table::Gate));
    let runs = PairedRuns::new(&shared(records, pairs), &metrics, settings.n_resamples, &stream);
    let (mut all, mut places) = (Vec::new(), Vec::new());
    for (at, label) in own.iter().enumerate() {
        let routers = others.iter().position(|other| other == label).map(|other| [other, at]);
        let first = all.len();
        if let Some(routers) = routers {
            let line = |metric: &&'static Metric| Compared::new(&runs, routers, metric, settings, &stream);
            all.extend(metrics.iter().filter_map(line));
        }
        places.push((routers, first..all.len()));
    }
    let lines = judged(&all);
    let state = |(routers, places): (Option<[usize; 2]>, Range<usize>)| match routers {
        None => RouterState::New,
        Some(routers) => RouterState::Compared {
            changed: pairing::changed_settings(records, routers),
            n_differing: n_differing(records, routers, pairs),
            lines: lines[places].to_vec(),
        },
    };
    places.into_iter().map(state).collect()
}

/// Choices of another model, and all choices; `None` where other preferences were asked.
fn n_differing(
    [baseline, current]: [&Record; 2],
    [other, own]: [usize; 2],
    pairs: &[(usize, Vec<Pair>)],
) -> Option<(usize, usize)> {
    let [a, b] = [current, baseline].map(|record| &record.manifest);
    if a.scenario.preferences != b.scenario.preferences {
        return None;
    }
    let place = |name: &String| b.suite.models.iter().position(|other| other == name);
    let counterparts: Vec<Option<usize>> = a.suite.models.iter().map(place).collect();
    let (mut n_differing, mut n) = (0, 0);
    for (replicate, pairs) in pairs {
        let [a, b] = [&current.choices[*replicate][own], &baseline.choices[*replicate][other]];
        for preference in 0..a.n_preferences() {
            let [a, b] = [a, b].map(|choices| choices.at_preference(preference));
            let differs = |pair: &&Pair| {
                let [other, own] = pair.places;
                counterparts[usize::from(a[own])] != Some(usize::from(b[other]))
            };
            n += pairs.len();
            n_differing += pairs.iter().filter(differs).count();
        }
    }
    Some((n_differing, n))
}
