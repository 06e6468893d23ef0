//! External routers: their choices come from a file or from a program, and stand under the same split, prices, and
//! intervals as all others.
//!
//! `decisions` reads choices that were made before, `command` asks a program, for which it writes the training data into a
//! folder, `process` is that program while it runs.

mod command;
mod decisions;
mod process;

use std::path::Path;

pub(crate) use command::CommandSettings;
pub(crate) use decisions::DecisionsSettings;

use self::command::{Protocol, Tally};
use self::decisions::Decisions;
use super::{External, Names, Prompts};
use crate::error::{Error, Result};
use crate::preference::Preference;
use crate::suite::Suite;

/// Takes the lines of a program that is asked for the first prompts of a suite, without any program: for `fuzz/`.
///
/// # Errors
/// The first line that is no answer.
pub(crate) fn take_answers(suite: &Suite, settings: CommandSettings, lines: &[u8]) -> Result<()> {
    let (prompts, preferences) = asked(suite);
    let names = suite.models.iter().map(|model| model.id.clone()).collect();
    let (at_once, protocol) = (settings.at_once, Protocol { settings, names });
    let mut tally = Tally::new(prompts.len() * preferences.len());
    let costs = vec![0.5; suite.models.len()];
    for (prompt, line) in (0..prompts.len()).zip(lines.split(|&byte| byte == b'\n')) {
        let asked = if at_once { 0..preferences.len() } else { 0..1 };
        protocol
            .take(line, (&prompts, prompt), (&preferences, asked), &costs, &mut tally)
            .map_err(Error::Usage)?;
    }
    Ok(())
}

/// Reads a file of decisions and takes those on the first prompts of a suite: for `fuzz/`.
///
/// # Errors
/// A file that is none, or lacks one of them.
pub(crate) fn take_decisions(suite: &Suite, file: &Path) -> Result<()> {
    let (prompts, preferences) = asked(suite);
    Decisions::read(file, Names::of(suite))?.ask(&prompts, &preferences).map(drop)
}

fn asked(suite: &Suite) -> (Prompts, [Preference; 2]) {
    let all: Vec<usize> = (0..suite.prompts.len()).collect();
    let first = &all[..all.len().min(4)];
    let preferences = [0.0, 0.5].map(|weight| Preference::new(weight).expect("a weight from 0 up"));
    (Prompts::new(suite, &all, first), preferences)
}
