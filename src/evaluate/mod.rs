//! From a record to numbers: arithmetic without any dataset; resamples are drawn from named streams of the record's seed.
//!
//! `policy` turns choices and bounds into operating points, `bounds` holds the policies that look at outcomes, `measure`
//! computes every metric of one policy, `breakdown` takes routers apart by benchmark, `summary` lines them up over replicates, and `expectation` judges them. `evidence`
//! says how sure they are: `replay`, `sums`, and `resample` compute them again under other weights of the prompts. `moves` holds a
//! run under a shift beside its twin.

mod bands;
mod bounds;
mod breakdown;
mod calibration;
mod evidence;
mod expectation;
mod measure;
mod moves;
mod plan;
mod policy;
mod quiz_curve;
mod replay;
mod resample;
mod strata;
mod summary;
mod sums;

pub use bands::Bands;
pub use breakdown::{Benchmark, Breakdown, FEW, Traffic, breakdown};
pub use calibration::{Calibration, calibrations};
pub use evidence::{Comparison, Evidence, POWER, SIGNIFICANCE};
pub use expectation::{Verdict, judge};
pub use moves::{MOVED, Move, MovedMetric, N_RESAMPLES, moves};
pub use plan::{Plan, PlanLine};
pub(crate) use policy::TestTable;
pub use policy::{Evaluated, OperatingPoint, Policy, PolicyKind, evaluate};
pub use quiz_curve::{ENOUGH, QuizPoint, first_enough, quiz_curve, quiz_points, shortest_enough};
pub(crate) use strata::RecordStrata;
pub use summary::{Aggregate, Row, Summary, summarise, summarise_without_evidence};
