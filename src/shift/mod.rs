//! Shifts: what changes between training and use, one thing at a time, each beside its unshifted twin.
//!
//! A shift is a pure function from a suite, a split, and settings to others of the same kind. Its [`Stage`] says where it is
//! applied. Under a shift of the test, routers trained once for the twin choose anew on what has changed: nobody trains.
//! Under a shift of the training, every router is trained on what has changed and judged as the twin is.
//!
//! `settings` is what a scenario says, `change` what each shift does; `candidates`, `money`, and `learning` do it. `replay`
//! lets trained routers meet shifts of the test, and `stress` runs everything beside the twin.

mod candidates;
mod change;
mod learning;
mod money;
mod replay;
mod settings;
mod stress;
mod sweep;

pub(crate) use candidates::{COPY, by_original};
pub use change::{Change, Shift, Stage};
pub(crate) use replay::{ShiftedCell, Test, TestShift, Venue, replay, test_of};
pub use settings::ShiftSettings;
pub(crate) use stress::shifts_of;
pub use stress::{Stressed, stress};
pub use sweep::QuizSweep;
pub(crate) use sweep::WrittenSweep;

/// What stands between the label of a router and the quiz that it is asked in a sweep; no label that is written has it.
pub(crate) const AT_QUIZ: char = '@';
