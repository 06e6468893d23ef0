//! What `fuzz/` reads with that nobody else outside needs. No part of the interface.

use std::path::Path;

use crate::error::Result;
use crate::router::external::{self, CommandSettings};
use crate::suite::Suite;

/// The lines of a program that is asked for the first prompts of a suite, of several preferences `at_once` or of one.
///
/// # Errors
/// The first line that is no answer.
pub fn take_answers(suite: &Suite, at_once: bool, lines: &[u8]) -> Result<()> {
    let settings = CommandSettings {
        command: vec!["router".into()],
        time_limit_s: 1.0,
        start_limit_s: 1.0,
        batch: 2,
        at_once,
        embedding: false,
        training_folder: None,
        cost: None,
        pure: false,
    };
    external::take_answers(suite, settings, lines)
}

/// A file of decisions, of which those on the first prompts of a suite are taken.
///
/// # Errors
/// A file that is none, or lacks one of them.
pub fn take_decisions(suite: &Suite, file: &Path) -> Result<()> {
    external::take_decisions(suite, file)
}

/// A router's file with the digest that its content has; none where it is no such file.
pub fn sealed_router(bytes: &[u8]) -> Option<Vec<u8>> {
    crate::router::saved::sealed(bytes)
}
