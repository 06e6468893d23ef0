//! Every number a report prints about a sweep of operating points or about a score predictor.
//!
//! Pure arithmetic on `f64`: no input or output, no randomness, of this crate only the ranks of `statistics`. Each function
//! documents its formula, its source, its units, and its value in the degenerate cases; where a value does
//! not exist it is `None`, never a made-up number. NaN is a broken invariant of the caller: asserted in debug
//! builds where it would be costly to miss, unspecified but never a panic in release builds.
//!
//! - [`curve`]: operating points, their Pareto front, their hull, and reading a cost or a score off them.
//! - [`area`]: a sweep as one number: AIQ, AUDC, hypervolume.
//! - [`quality_neutral`]: what equal quality costs: QNC, and cost saving against a rival.
//! - [`pair`]: routing between two models: PGR, APGR, CPT.
//! - [`preference`]: utility, regret, and whether the preference controls the cost.
//! - [`calibration`]: score predictors: NLL, Brier and its parts, ECE, AUROC, skill, top-1 recall.
//! - [`table`]: every metric with its name, unit, direction, and function, in one table.
//! - [`policy_id`]: who is measured.
//! - [`published`]: what LLMRouterBench and RouterEval print, to stand beside their tables.

pub mod area;
pub mod calibration;
pub mod curve;
pub mod pair;
pub mod policy_id;
pub mod preference;
pub mod published;
pub mod quality_neutral;
pub mod table;

pub use policy_id::{Bound, PolicyId};
pub use table::{METRICS, Metric, metric};

#[cfg(test)]
mod testing;
