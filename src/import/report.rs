//! What an import says at its end: what was read as what, what became of the rows, and what to check.

use std::collections::BTreeMap;
use std::fmt;

use crate::error::counted;
use crate::suite::SuiteCheck;

/// Items shown of a list.
const N_SHOWN: usize = 3;

/// Benchmarks and models of which every one is shown; of more, `verify` tells.
const N_LISTED: usize = 16;

/// Counts kept while files are read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// Answers read.
    pub rows: usize,
    /// Cells that are a mean over repetitions within one file.
    pub averaged: usize,
    /// Cells that a second file gave again, with the same score.
    pub duplicates: usize,
    /// Prompts of which models were sent different texts; the first counts.
    pub differing_texts: usize,
    /// Scores outside the range by rounding, taken for its end.
    pub rounded: usize,
    /// Rows left out, by the reason.
    pub skipped: BTreeMap<String, usize>,
    /// Files left out, with what is wrong with them.
    pub bad_files: Vec<String>,
    /// Files that are meant to hold nothing that counts, and why.
    pub passed_over: Vec<String>,
    /// Prompts left out because no model has a score on them and nobody compared answers to them.
    pub dropped_prompts: usize,
    /// Models left out because they have no score at all.
    pub dropped_models: Vec<String>,
    /// What was read as the prompt, the model, the score, ...
    pub readings: BTreeMap<&'static str, Vec<String>>,
    /// Choices made for the user, and what to check.
    pub notes: Vec<String>,
    /// Where the first answers come from.
    pub traces: Vec<Trace>,
}

/// An answer and the place it was read at.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// Its prompt and its model, counted from 0 in the order of reading.
    pub(super) cell: (usize, usize),
    /// The prompt's id.
    pub prompt: String,
    /// The model's name.
    pub model: String,
    /// The score as it was written.
    pub score: Option<f64>,
    /// The file, and the line or the record.
    pub place: String,
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

/// The order in which readings are told.
const READINGS: [&str; 12] = [
    "rows",
    "prompt",
    "model",
    "score",
    "cost",
    "tokens",
    "propensity",
    "status",
    "repetition",
    "split",
    "session",
    "unused",
];

impl Coverage {
    /// The first answers, each traced back to its file and line.
    pub fn explanation(&self) -> String {
        let line = |trace: &Trace| {
            let score = trace.score.map_or_else(|| "none".to_owned(), |score| score.to_string());
            format!(
                "cell           `{}` of `{}`: score {score}, from {}\n",
                trace.model, trace.prompt, trace.place
            )
        };
        self.tally.traces.iter().map(line).collect()
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tally = &self.tally;
        let mut say = |label: &str, words: &str| {
            writeln!(f, "{label:<15}{}", words.replace('\r', "\\r").replace('\n', "\\n"))
        };
        say(
            "read",
            &[(self.n_files, "file"), (self.n_bytes as usize, "byte"), (tally.rows, "answer")]
                .map(|(n, what)| counted(n, what))
                .join(", "),
        )?;
        let others = tally.readings.keys().filter(|what| !READINGS.contains(what));
        for what in READINGS.iter().chain(others) {
            if let Some(words) = tally.readings.get(what) {
                say(what, &shown(words, "; "))?;
            }
        }
        for line in tally.notes.iter().chain(&tally.counts()) {
            say("note", line)?;
        }
        if !tally.bad_files.is_empty() {
            let n_bad = tally.bad_files.len();
            say(
                "left out",
                &format!("{} that cannot be read: {}", counted(n_bad, "file"), shown(&tally.bad_files, "; ")),
            )?;
        }
        if !tally.passed_over.is_empty() {
            let n_files = tally.passed_over.len();
            say(
                "passed over",
                &format!("{}: {}", counted(n_files, "file"), shown(&tally.passed_over, "; ")),
            )?;
        }
        if self.check.models.len() + self.check.benchmarks.len() <= N_LISTED {
            write!(f, "{}", self.check)
        } else {
            write!(f, "{}", self.check.summary())
        }
    }
}

impl Tally {
    /// What was averaged and what was left out, a line each.
    fn counts(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut several = |count: usize, what: &str| {
            if 0 < count {
                lines.push(format!("{count} {what}"));
            }
        };
        several(self.averaged, "cells are means over repetitions within a file");
        several(self.duplicates, "cells came from two files with the same score; the first counts");
        several(self.differing_texts, "prompts were sent to models as different texts; the first counts");
        several(self.rounded, "scores are outside the range by rounding and are taken for its end");
        for (reason, &count) in &self.skipped {
            lines.push(format!("{} left out: {reason}", counted(count, "row")));
        }
        if 0 < self.dropped_prompts {
            let prompts = counted(self.dropped_prompts, "prompt");
            lines.push(format!("{prompts} left out: no model has a score there"));
        }
        if !self.dropped_models.is_empty() {
            let n_models = self.dropped_models.len();
            lines.push(format!(
                "{} left out, without any score: {}",
                counted(n_models, "model"),
                shown(&self.dropped_models, ", ")
            ));
        }
        lines
    }
}

/// The first items, and how many more there are.
pub(super) fn shown(items: &[String], between: &str) -> String {
    let first = items.iter().take(N_SHOWN).map(String::as_str).collect::<Vec<_>>().join(between);
    match items.len().saturating_sub(N_SHOWN) {
        0 => first,
        n_more => format!("{first}{between}and {n_more} more"),
    }
}
