//! What an import says at its end: what was read, what became of it, and what `verify` says of the suite.

use std::collections::BTreeMap;
use std::fmt;

use crate::suite::SuiteCheck;

/// Counts kept while files are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Answers read.
    pub rows: usize,
    /// Cells that are a mean over repetitions within one file.
    pub averaged: usize,
    /// Cells that a second file gave again, with the same score.
    pub duplicates: usize,
    /// Prompts that came with different texts; the first counts.
    pub differing_texts: usize,
    /// Rows left out, by the reason.
    pub skipped: BTreeMap<&'static str, usize>,
    /// Prompts left out because no model has a score on them and nobody compared answers to them.
    pub dropped_prompts: usize,
    /// Models left out because they have no score at all.
    pub dropped_models: Vec<String>,
    /// Choices made for the user: metrics, columns.
    pub notes: Vec<String>,
}

/// The report of an import.
#[derive(Clone, Debug, PartialEq)]
pub struct Coverage {
    /// Files read.
    pub n_files: usize,
    /// Their bytes, as they lie on the disk.
    pub n_bytes: u64,
    /// What became of their rows.
    pub tally: Tally,
    /// The findings about the suite.
    pub check: SuiteCheck,
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tally = &self.tally;
        writeln!(f, "read           {} files, {} bytes, {} answers", self.n_files, self.n_bytes, tally.rows)?;
        let mut lines: Vec<String> = tally.notes.clone();
        let mut counted = |count: usize, what: &str| {
            if 0 < count {
                lines.push(format!("{count} {what}"));
            }
        };
        counted(tally.averaged, "cells are means over repetitions within a file");
        counted(tally.duplicates, "cells came from two files with the same score; the first counts");
        counted(tally.differing_texts, "prompts came with two texts; the first counts");
        for (reason, &count) in &tally.skipped {
            counted(count, &format!("rows left out: {reason}"));
        }
        counted(tally.dropped_prompts, "prompts left out: no model has a score on them");
        if !tally.dropped_models.is_empty() {
            let names = tally.dropped_models.join("`, `");
            lines.push(format!(
                "{} models left out, without any score: `{names}`",
                tally.dropped_models.len()
            ));
        }
        for line in lines {
            writeln!(f, "note           {}", line.replace(['\n', '\r'], " "))?;
        }
        write!(f, "{}", self.check)
    }
}
