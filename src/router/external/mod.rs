//! External routers: their choices come from a file or from a program, and stand under the same split, prices, and
//! intervals as all others.
//!
//! `decisions` reads choices that were made before, `command` asks a program, for which it writes the training data into a
//! folder, `process` is that program while it runs.

mod command;
mod decisions;
mod process;

pub(crate) use command::CommandSettings;
pub(crate) use decisions::DecisionsSettings;
