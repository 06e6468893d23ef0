//! From a record to numbers: arithmetic without any dataset; resamples are drawn from named streams of the record's seed.
//!
//! - `outcomes`: the recorded outcomes of a replicate's test prompts.
//! - `policy`: operating points of routers and bounds, and every metric of them.
//! - `replay`: the same under other weights of the prompts.
//! - `resample`: in many resamples and exchanges, on all threads.
//! - `evidence`: how sure the headline metrics are, and what a pilot says of how many prompts it takes.
//! - `summary`: everything that a report shows, and whether expectations hold.
//! - `advice`: which router and weight of cost to take for a budget or a score.
//! - `budget`: routers on a stream of prompts that has a fixed budget.
//! - `latency`: score, dollars, and seconds apart.
//! - `breakdown`: routers by benchmark, and whether predicted scores can be believed.
//! - `worst`: the decisions that lost most.
//! - `paired`: two records on the prompts that both test.
//! - `shift_effects`: a run under a shift compared with its twin, and quizzes compared with full answers.
//!
//! A file uses only those above it.

mod advice;
mod breakdown;
mod budget;
mod collapse;
mod evidence;
mod latency;
pub mod online;
mod outcomes;
mod paired;
mod policy;
mod replay;
mod resample;
mod shift_effects;
mod summary;
mod worst;

pub use advice::{Advice, AdvisedCosts, Expected, Goal, advise};
pub use breakdown::{Benchmark, Breakdown, Calibration, FEW, Traffic, breakdown, calibrations};
pub use budget::{AtBudget, Streamed, budgets};
pub use collapse::{Collapse, collapse};
pub use evidence::{Comparison, Evidence, POWER, Plan, PlanLine, SIGNIFICANCE};
pub use latency::{Latencies, Waited, latencies};
pub use outcomes::Resource;
pub(crate) use outcomes::TestTable;
pub(crate) use paired::{Pair, PairedRuns, pairs, shared};
pub use policy::{Aggregate, Evaluated, OperatingPoint, Policy, PolicyKind, Row, evaluate};
pub use resample::Bands;
pub use shift_effects::{
    ENOUGH, Move, MovedMetric, N_RESAMPLES, QuizPoint, first_enough, moves, quiz_curve, quiz_points,
    shortest_enough,
};
pub(crate) use summary::judge_one;
pub use summary::{Summary, Verdict, judge, summarise, summarise_without_evidence};
pub use worst::{Loss, worst_decisions};
