//! From a record to numbers: pure arithmetic, no dataset, no randomness.
//!
//! `policy` turns choices and bounds into operating points, `bounds` holds the policies that look at outcomes, `measure`
//! computes every metric of one policy, `summary` lines them up over replicates, and `expectation` judges them.

mod bounds;
mod expectation;
mod measure;
mod policy;
mod summary;

pub use bounds::BOUND_NAMES;
pub use expectation::{Verdict, judge};
pub(crate) use policy::TestTable;
pub use policy::{Evaluated, OperatingPoint, Policy, PolicyKind, evaluate};
pub use summary::{Aggregate, Row, Summary, summarise};
