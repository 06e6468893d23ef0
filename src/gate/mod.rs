//! The regression gate: whether a run is worse than a baseline, with the same prompts, splits, and seeds on both sides.
//!
//! - `pairing`: what two records share, and why they may not measure the same.
//! - `compare`: both runs of one router, metric by metric, with the interval of the difference.
//! - `metrics`: what is watched.
//! - `judgement`: the verdict on one difference.
//! - `format`: the result as text, Markdown, JSON, JUnit, and annotations.
//!
//! Everything here is arithmetic on two records. The pairing takes out what the prompts have in common, so that far smaller
//! differences show than between the intervals of two reports.

mod compare;
pub mod format;
mod judgement;
mod metrics;
mod pairing;

pub use judgement::Judgement;
pub use metrics::Metric;

use crate::error::{Error, Result};
use crate::evaluate::{Verdict, judge, summarise, summarise_without_evidence};
use crate::record::Record;
use crate::statistics::Interval;
use compare::{Resampling, compare};
use pairing::Pair;

/// The format of the JSON result.
pub const FORMAT: u32 = 1;

/// How many reasons a refusal names.
const REASONS_NAMED: usize = 3;

/// What counts, and what is let through.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GateSettings {
    /// The least difference that matters in everything that is counted in score: 0.01 is one point of a hundred.
    pub least_score: f64,
    /// The least difference of costs that matters, as a share of the baseline's.
    pub least_cost_share: f64,
    /// Compares what two records share although they do not measure the same.
    pub allow_changed: bool,
    /// Intervals also cover other splits and training seeds.
    pub across_splits: bool,
    /// An inconclusive line fails too.
    pub strict: bool,
}

impl Default for GateSettings {
    fn default() -> Self {
        GateSettings {
            least_score: 0.01,
            least_cost_share: 0.05,
            allow_changed: false,
            across_splits: false,
            strict: false,
        }
    }
}

/// A run held against a baseline.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    /// The scenario's name in the current run.
    pub scenario: String,
    /// What it was held to.
    pub settings: GateSettings,
    /// The versions of the program: of the current run and of the baseline.
    pub versions: [String; 2],
    /// Replicates compared.
    pub n_replicates: usize,
    /// Paired test prompts, over all replicates.
    pub n_paired: usize,
    /// Why the two do not measure the same, where that was allowed.
    pub changed: Vec<String>,
    /// Routers in the order of the current scenario, then those that are missing.
    pub routers: Vec<GatedRouter>,
    /// The current scenario's own expectations.
    pub expectations: Vec<Verdict>,
}

/// One router of either run.
#[derive(Clone, Debug, PartialEq)]
pub struct GatedRouter {
    /// Its label.
    pub label: String,
    /// What became of it.
    pub state: RouterState,
}

/// What became of a router.
#[derive(Clone, Debug, PartialEq)]
pub enum RouterState {
    /// Both runs have it.
    Compared {
        /// Settings that differ, in words.
        changed: Vec<String>,
        /// Choices (prompt, replicate, and preference) that differ, of how many; `None` where other preferences were asked.
        n_differing: Option<(usize, usize)>,
        /// One line a metric.
        lines: Vec<Line>,
    },
    /// The baseline does not have it: there is nothing to hold it against, and it passes.
    New,
    /// The current run does not have it: a regression.
    Missing,
}

/// One metric of one router in both runs, as means over replicates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// The metric.
    pub metric: Metric,
    /// Its value in the current run.
    pub current: f64,
    /// Its value in the baseline.
    pub baseline: f64,
    /// The 95 % interval of current minus baseline.
    pub interval: Interval,
    /// What that says.
    pub judgement: Judgement,
}

impl Line {
    /// Current minus baseline.
    pub fn difference(&self) -> f64 {
        self.current - self.baseline
    }
}

impl GatedRouter {
    /// The gravest verdict of its lines.
    pub fn judgement(&self) -> Judgement {
        match &self.state {
            RouterState::Compared { lines, .. } => gravest(lines.iter().map(|line| line.judgement)),
            RouterState::New => Judgement::Pass,
            RouterState::Missing => Judgement::Regressed,
        }
    }
}

impl Gate {
    /// The verdict on the whole run: REGRESSED if any line is or an expectation is not met, else INCONCLUSIVE if any line
    /// is, else IMPROVED if any line is, else PASS.
    pub fn judgement(&self) -> Judgement {
        let unmet = self.expectations.iter().any(|verdict| !verdict.holds);
        let routers = self.routers.iter().map(GatedRouter::judgement);
        gravest(routers.chain(unmet.then_some(Judgement::Regressed)))
    }

    /// Whether a verdict fails under these settings.
    pub fn fails(&self, judgement: Judgement) -> bool {
        match judgement {
            Judgement::Pass | Judgement::Improved => false,
            Judgement::Inconclusive => self.settings.strict,
            Judgement::Regressed => true,
        }
    }
}

fn gravest(judgements: impl Iterator<Item = Judgement>) -> Judgement {
    judgements.max().unwrap_or(Judgement::Pass)
}

/// Holds a run against a baseline.
///
/// # Errors
/// Two records that share no test prompt, or that do not measure the same where that is not allowed; expectations that name
/// what is not there; metrics that are no finite numbers.
pub fn check(current: &Record, baseline: &Record, settings: GateSettings) -> Result<Gate> {
    let pairs = pairing::pairs(current, baseline);
    let changed = pairing::differences(current, baseline, &pairs);
    if !changed.is_empty() && !settings.allow_changed {
        return Err(refusal(&changed));
    }
    if pairs.is_empty() {
        return Err(Error::Usage("the two runs have no test prompt of the same replicate in common".into()));
    }
    summarise_without_evidence(baseline).check()?;
    let expectations = judge(current, &summarise(current))?;
    let resampling = Resampling::new(current, &pairs, settings.across_splits);
    let labels = |record: &Record| -> Vec<String> {
        record.manifest.scenario.routers.iter().map(|entry| entry.label.clone()).collect()
    };
    let (own, others) = (labels(current), labels(baseline));
    let gated = |(at, label): (usize, &String)| {
        let state = match others.iter().position(|other| other == label) {
            Some(other) => compared((current, at), (baseline, other), &pairs, &resampling, &settings),
            None => RouterState::New,
        };
        GatedRouter { label: label.clone(), state }
    };
    let mut routers: Vec<GatedRouter> = own.iter().enumerate().map(gated).collect();
    let missing = others.into_iter().filter(|label| !own.contains(label));
    routers.extend(missing.map(|label| GatedRouter { label, state: RouterState::Missing }));
    Ok(Gate {
        scenario: current.manifest.scenario.name.clone(),
        settings,
        versions: [current, baseline].map(|record| record.manifest.program_version.clone()),
        n_replicates: pairs.len(),
        n_paired: pairs.iter().map(|(_, pairs)| pairs.len()).sum(),
        changed,
        routers,
        expectations,
    })
}

fn refusal(changed: &[String]) -> Error {
    let named = changed[..changed.len().min(REASONS_NAMED)].join("; ");
    let more = changed.len().saturating_sub(REASONS_NAMED);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    Error::Usage(format!(
        "the two runs do not measure the same: {named}{more}; `--allow-changed` compares what they share"
    ))
}

fn compared(
    (current, own): (&Record, usize),
    (baseline, other): (&Record, usize),
    pairs: &[(usize, Vec<Pair>)],
    resampling: &Resampling,
    settings: &GateSettings,
) -> RouterState {
    let [a, b] = [current, baseline].map(|record| &record.manifest.scenario);
    let has_cost = current.manifest.suite.has_cost && baseline.manifest.suite.has_cost;
    let differences = compare((current, own), (baseline, other), pairs, resampling);
    let watched = Metric::ALL.into_iter().zip(differences);
    let lines = watched.filter(|(metric, _)| has_cost || !metric.needs_cost()).map(|(metric, found)| {
        let least = match metric {
            Metric::MeanCost => settings.least_cost_share * found.baseline,
            _ => settings.least_score,
        };
        let Interval { low, high } = found.interval;
        let gain =
            if metric.good_direction() > 0.0 { found.interval } else { Interval { low: -high, high: -low } };
        Line {
            metric,
            current: found.current,
            baseline: found.baseline,
            interval: found.interval,
            judgement: Judgement::of(gain, least),
        }
    });
    RouterState::Compared {
        changed: pairing::changed_settings((a, &a.routers[own]), (b, &b.routers[other])),
        n_differing: n_differing((current, own), (baseline, other), pairs),
        lines: lines.collect(),
    }
}

/// Choices of another model, and all choices; `None` where other preferences were asked.
fn n_differing(
    (current, own): (&Record, usize),
    (baseline, other): (&Record, usize),
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
                counterparts[usize::from(a[pair.current])] != Some(usize::from(b[pair.baseline]))
            };
            n += pairs.len();
            n_differing += pairs.iter().filter(differs).count();
        }
    }
    Some((n_differing, n))
}
