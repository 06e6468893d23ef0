//! The result of a gate: verdicts on lines, routers, expectations, and the whole run.

use crate::evaluate::Verdict;
use crate::metrics::Metric;
use crate::metrics::entry::Unit;
use crate::scenario::Mode;
use crate::statistics::Interval;

/// The format of the JSON result.
pub const FORMAT: u32 = 1;

/// How often at most any line of a gate is called a regression where there is none.
pub const FAMILY_WISE_ERROR: f64 = 0.05;

/// What an interval of a gain says. A gain is a difference in the good direction: score won, or cost saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "SCREAMING-KEBAB-CASE")]
pub enum Judgement {
    /// A loss of more than the least effect is ruled out. A gain may be there, but not surely one of that size.
    Pass,
    /// The gain is surely more than the least effect.
    Improved,
    /// A loss of more than the least effect may be there or not.
    Inconclusive,
    /// The loss is surely more than the least effect.
    Regressed,
}

impl Judgement {
    /// The verdict on a gain, given the least effect e >= 0 that matters:
    ///
    /// REGRESSED if high < -e; else IMPROVED if e < low; else PASS if -e <= low; else INCONCLUSIVE.
    ///
    /// PASS is non-inferiority: of [-e, e] only the lower end is asked for, since a change that may be better is no
    /// reason to look at it. It holds whenever the interval lies within [-e, e], so also where no choice differs, which
    /// is the interval [0, 0]. A bound that is no number proves nothing: INCONCLUSIVE.
    pub fn of(gain: Interval, least: f64) -> Judgement {
        if gain.low.is_nan() || gain.high.is_nan() {
            Judgement::Inconclusive
        } else if gain.high < -least {
            Judgement::Regressed
        } else if least < gain.low {
            Judgement::Improved
        } else if -least <= gain.low {
            Judgement::Pass
        } else {
            Judgement::Inconclusive
        }
    }

    /// As it is printed.
    pub fn word(self) -> &'static str {
        match self {
            Judgement::Pass => "PASS",
            Judgement::Improved => "IMPROVED",
            Judgement::Inconclusive => "INCONCLUSIVE",
            Judgement::Regressed => "REGRESSED",
        }
    }
}

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
    /// Resamples of the test prompts.
    pub n_resamples: usize,
}

impl Default for GateSettings {
    fn default() -> Self {
        GateSettings {
            least_score: 0.01,
            least_cost_share: 0.05,
            allow_changed: false,
            across_splits: false,
            strict: false,
            n_resamples: 2000,
        }
    }
}

/// A run compared with a baseline.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    /// The scenario's name in the current run.
    pub scenario: String,
    /// What counts, and what is let through.
    pub settings: GateSettings,
    /// The versions of the program: of the current run and of the baseline.
    pub versions: [String; 2],
    /// Of which mode both runs are.
    pub mode: Mode,
    /// Replicates compared; of online runs, orders.
    pub n_replicates: usize,
    /// Paired test prompts, over all replicates; of online runs, paired steps.
    pub n_paired: usize,
    /// Why the two do not measure the same, where that was allowed.
    pub changed: Vec<String>,
    /// Routers in the order of the current scenario, then those that are missing.
    pub routers: Vec<GatedRouter>,
    /// The current scenario's own expectations.
    pub expectations: Vec<GatedExpectation>,
}

/// An expectation of the current scenario in both runs.
#[derive(Clone, Debug, PartialEq)]
pub struct GatedExpectation {
    /// What came of it in the current run.
    pub verdict: Verdict,
    /// Whether the baseline meets it; `None` where it lacks a router that it names.
    pub held_before: Option<bool>,
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
        /// Choices (prompt, replicate, and preference; of a learner, order and step) that differ, of how many; `None` where
        /// other preferences were asked.
        n_differing: Option<(usize, usize)>,
        /// One line a metric.
        lines: Vec<Line>,
    },
    /// The baseline does not have it: there is nothing to compare it with, and it passes.
    New,
    /// The current run does not have it: a regression.
    Missing,
}

/// One metric of one router in both runs, not yet judged.
pub(super) struct Measured {
    pub(super) metric: &'static Metric,
    pub(super) current: f64,
    pub(super) baseline: f64,
    /// Of current minus baseline.
    pub(super) interval: Interval,
    /// The least difference that matters.
    pub(super) least: f64,
}

impl Measured {
    /// How far the loss lies beyond the least that matters.
    pub(super) fn excess_loss(&self) -> f64 {
        -self.direction() * (self.current - self.baseline) - self.least
    }

    /// +1 where more is better, -1 where less is.
    pub(super) fn direction(&self) -> f64 {
        if self.metric.is_better(1.0, 0.0) { 1.0 } else { -1.0 }
    }

    /// The verdict, given the p-value adjusted for all lines: a line whose interval says REGRESSED is INCONCLUSIVE unless its
    /// p-value says so too.
    pub(super) fn judged(&self, adjusted_p: f64) -> Line {
        let Measured { metric, current, baseline, interval, least } = *self;
        let gain = if self.direction() > 0.0 {
            interval
        } else {
            Interval { low: -interval.high, high: -interval.low }
        };
        let own = Judgement::of(gain, least);
        let is_by_chance = own == Judgement::Regressed && adjusted_p > FAMILY_WISE_ERROR;
        let judgement = if is_by_chance { Judgement::Inconclusive } else { own };
        let interval = interval.within(metric.range.of_differences());
        Line { metric, current, baseline, interval, adjusted_p, own, judgement }
    }
}

impl GateSettings {
    /// The least difference of a metric that matters, a mean over prompts or steps.
    pub(super) fn least(&self, metric: &Metric, baseline: f64) -> f64 {
        match metric.unit {
            Unit::UsdPerPrompt | Unit::UsdPer1000 => self.least_cost_share * baseline,
            _ => self.least_score,
        }
    }
}

/// One metric of one router in both runs, as means over replicates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// The metric.
    pub metric: &'static Metric,
    /// Its value in the current run.
    pub current: f64,
    /// Its value in the baseline.
    pub baseline: f64,
    /// The 95 % interval of current minus baseline.
    pub interval: Interval,
    /// The chance of a loss like this in any line where none is more than the least that matters.
    pub adjusted_p: f64,
    /// What the interval alone says.
    pub own: Judgement,
    /// What is said among all lines: a regression that so many lines may show by chance is INCONCLUSIVE.
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

impl GatedExpectation {
    /// REGRESSED where it is not met any more; what the baseline does not meet either is no regression, but fails.
    pub fn judgement(&self) -> Judgement {
        let is_lost = !self.verdict.holds && self.held_before != Some(false);
        if is_lost { Judgement::Regressed } else { Judgement::Pass }
    }
}

impl Gate {
    /// The verdict on the whole run: REGRESSED if any line is or an expectation is not met that the baseline meets, else
    /// INCONCLUSIVE if any line is, else IMPROVED if any line is, else PASS.
    pub fn judgement(&self) -> Judgement {
        let routers = self.routers.iter().map(GatedRouter::judgement);
        gravest(routers.chain(self.expectations.iter().map(GatedExpectation::judgement)))
    }

    /// Whether the run fails: by its verdict, or by an expectation that neither run meets.
    pub fn is_failure(&self) -> bool {
        self.fails(self.judgement()) || self.expectations.iter().any(|expectation| !expectation.verdict.holds)
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(low: f64, high: f64) -> Judgement {
        Judgement::of(Interval { low, high }, 0.01)
    }

    #[test]
    fn each_verdict_by_example() {
        assert_eq!(of(-0.05, -0.02), Judgement::Regressed);
        assert_eq!(of(-0.05, -0.01), Judgement::Inconclusive);
        assert_eq!(of(-0.05, -0.001), Judgement::Inconclusive);
        assert_eq!(of(-0.05, 0.05), Judgement::Inconclusive);
        assert_eq!(of(-0.01, 0.01), Judgement::Pass);
        assert_eq!(of(-0.01, 0.3), Judgement::Pass);
        assert_eq!(of(0.01, 0.3), Judgement::Pass);
        assert_eq!(of(0.02, 0.3), Judgement::Improved);
        assert_eq!(of(f64::NEG_INFINITY, f64::INFINITY), Judgement::Inconclusive);
        assert_eq!(of(f64::NAN, 0.0), Judgement::Inconclusive);
    }

    #[test]
    fn no_difference_passes_however_small_the_least_effect() {
        assert_eq!(Judgement::of(Interval { low: 0.0, high: 0.0 }, 0.0), Judgement::Pass);
    }

    fn bounds() -> impl Strategy<Value = (f64, f64, f64)> {
        (-1.0..1.0, 0.0..1.0, 0.0..0.5).prop_map(|(low, width, least)| (low, low + width, least))
    }

    proptest! {
        #[test]
        fn a_wholly_better_interval_never_has_a_worse_verdict((low, high, least) in bounds(), shift in 0.0..1.0) {
            // INCONCLUSIVE lies between REGRESSED and PASS.
            let rank = |judgement| match judgement {
                Judgement::Regressed => 0,
                Judgement::Inconclusive => 1,
                Judgement::Pass => 2,
                Judgement::Improved => 3,
            };
            let before = Judgement::of(Interval { low, high }, least);
            let after = Judgement::of(Interval { low: low + shift, high: high + shift }, least);
            prop_assert!(rank(before) <= rank(after));
        }

        #[test]
        fn a_narrower_interval_never_takes_back_a_verdict((low, high, least) in bounds(), cut in 0.0..0.5) {
            let wide = Judgement::of(Interval { low, high }, least);
            let inner = Interval { low: low + cut * (high - low), high: high - cut * (high - low) };
            let narrow = Judgement::of(inner, least);
            match wide {
                Judgement::Inconclusive => {}
                Judgement::Pass => prop_assert!(matches!(narrow, Judgement::Pass | Judgement::Improved)),
                sure => prop_assert_eq!(narrow, sure),
            }
        }

        #[test]
        fn the_mirror_image_of_an_improvement_is_a_regression((low, high, least) in bounds()) {
            let own = Judgement::of(Interval { low, high }, least);
            let mirrored = Judgement::of(Interval { low: -high, high: -low }, least);
            prop_assert_eq!(own == Judgement::Improved, mirrored == Judgement::Regressed);
        }

        #[test]
        fn within_the_least_effect_nothing_fails(least in 0.0..0.5, a in 0.0..=1.0, b in 0.0..=1.0) {
            let [low, high] = [f64::min(a, b), f64::max(a, b)].map(|share| least * (2.0 * share - 1.0));
            prop_assert_eq!(Judgement::of(Interval { low, high }, least), Judgement::Pass);
        }
    }
}
