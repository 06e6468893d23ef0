//! Every number a report prints about a sweep of operating points or about a score predictor.
//!
//! Pure arithmetic on `f64`: no input or output, no randomness, of this crate only the ranks of `statistics`. Each function
//! documents its formula, its source, its units, and its value in the degenerate cases; where a value does
//! not exist it is `None`, never a made-up number. NaN is a broken invariant of the caller: asserted in debug
//! builds where it would be costly to miss, unspecified but never a panic in release builds.
//!
//! - [`curve`]: operating points, their Pareto front, their hull, and reading a cost or a score off them.
//! - [`area`]: a sweep as one number: AIQ, AUDC, hypervolume, QNC, and cost saving against a rival.
//! - [`preference`]: utility, regret, and whether the preference controls the cost.
//! - [`calibration`]: score predictors: NLL, Brier and its parts, ECE, AUROC, skill, top-1 recall.
//! - [`table`]: every metric with its name, unit, direction, and function, in one table; [`entry`]: what a metric is.
//! - [`online`]: the same of online runs.
//! - [`PolicyId`]: who is measured.
//! - [`sessions`]: what prompt caches save and lose where a router changes the model within a session.
//! - [`published`]: what RouteLLM (PGR, APGR, CPT), LLMRouterBench, and RouterEval print, to stand beside their tables.

pub mod area;
pub mod calibration;
pub mod curve;
pub mod entry;
pub mod online;
pub mod preference;
pub mod published;
pub mod sessions;
pub mod table;

pub use entry::Metric;
pub use table::{METRICS, metric};

/// A policy of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PolicyId {
    /// A router, by its place in the scenario.
    Router(usize),
    /// A reference policy.
    Bound(Bound),
    /// One model for every prompt, by its place among the candidates.
    Model(usize),
}

/// A policy that looks at outcomes or ignores the prompt: what no router can beat, or what every router should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bound {
    /// The model of the highest utility for each prompt, at each preference.
    UtilityOracle,
    /// The model of the best score for each prompt, the cheapest of several.
    Oracle,
    /// The cheapest model that answers right; where none does, the cheapest.
    CheapestCorrect,
    /// The model of the highest mean utility for each benchmark, at each preference.
    BenchmarkOracle,
    /// One model for all prompts at each preference: a corner of the development hull.
    ZeroRouter,
}

impl Bound {
    /// All, in the order of the report.
    pub const ALL: [Bound; 5] = [
        Bound::UtilityOracle,
        Bound::Oracle,
        Bound::CheapestCorrect,
        Bound::BenchmarkOracle,
        Bound::ZeroRouter,
    ];

    /// Their names, in the same order. No router may be labelled so.
    pub const NAMES: [&str; 5] =
        ["utility-oracle", "oracle", "cheapest-correct", "benchmark-oracle", "zero-router"];

    /// Its name in reports and scenarios.
    pub fn name(self) -> &'static str {
        Bound::NAMES[self as usize]
    }

    /// Whether it takes a preference; without one it has a single operating point.
    pub fn follows_preferences(self) -> bool {
        matches!(self, Bound::UtilityOracle | Bound::BenchmarkOracle | Bound::ZeroRouter)
    }

    /// The bound of a name.
    pub fn named(name: &str) -> Option<Bound> {
        Bound::ALL.into_iter().find(|bound| bound.name() == name)
    }
}

#[cfg(test)]
pub(crate) mod testing {
    //! What the tests of several metrics share.

    use std::ops::Range;

    use proptest::prelude::*;

    use super::curve::Point;

    /// Points from literal (cost, score) pairs.
    pub(crate) fn curve(pairs: &[(f64, f64)]) -> Vec<Point> {
        pairs.iter().map(|&(cost_usd, score)| Point { cost_usd, score }).collect()
    }

    /// Random points, half of them on a coarse grid so that ties and duplicates are common.
    pub(crate) fn any_points(n_points: Range<usize>) -> impl Strategy<Value = Vec<Point>> {
        let on_grid = (0..8_u8, 0..8_u8).prop_map(|(x, y)| (f64::from(x) / 4.0, f64::from(y) / 8.0));
        let anywhere = (0.0..2.0, 0.0..1.0);
        let point = prop_oneof![on_grid, anywhere].prop_map(|(cost_usd, score)| Point { cost_usd, score });
        prop::collection::vec(point, n_points)
    }

    /// Asserts that two numbers agree to twelve digits.
    #[track_caller]
    pub(crate) fn assert_close(actual: f64, expected: f64) {
        assert!((actual - expected).abs() <= 1e-12 * expected.abs().max(1.0), "{actual} is not {expected}");
    }
}
