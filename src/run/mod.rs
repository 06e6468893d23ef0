//! From a scenario and a suite to a record.
//!
//! `prepare` makes the suite ready and checks that the scenario fits it, `replicate` and `training` train and route one replicate,
//! `offline` runs them all, `assemble` makes their record, and `cells` resumes an interrupted run. `stress` runs a scenario
//! with its shifts and quizzes, `shifted` lets trained routers meet the shifts of the test.

mod assemble;
mod cells;
mod offline;
pub mod online;
mod prepare;
mod replicate;
mod shifted;
mod stress;
mod training;

pub use cells::CellCache;
pub use offline::{Event, resume, run, train};
pub use prepare::{check, suite_of};
pub(crate) use prepare::{cut, put_licence};
pub use stress::{Stressed, stress};
