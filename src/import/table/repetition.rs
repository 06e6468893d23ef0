//! Whether rows of one cell repeat one measurement, and may be averaged, or measure different things.

use std::collections::{BTreeMap, BTreeSet};

use super::reader::TableFile;
use crate::error::Result;
use crate::import::cells::Cells;
use crate::import::json::{is_blank, score_of_text};
use crate::import::looked::last_part;
use crate::import::slips::shortened;
use crate::import::source::{At, Spot};

/// Columns that tell measurements apart, also where they hold numbers.
const KINDS: [&str; 19] = [
    "metric",
    "metric_name",
    "scorer",
    "criterion",
    "rubric",
    "filter",
    "mode",
    "judge",
    "judge_model",
    "annotator",
    "evaluator",
    "status",
    "turn",
    "attempt",
    "retry",
    "step",
    "round",
    "variant",
    "language",
];

/// Columns that count repetitions.
const REPETITIONS: [&str; 16] = [
    "epoch",
    "repeat",
    "repetition",
    "replicate",
    "trial",
    "seed",
    "run",
    "run_id",
    "iteration",
    "sample",
    "sample_idx",
    "sample_index",
    "rollout",
    "generation_index",
    "rep",
    "try_index",
];

/// Columns of texts and marks that are others on every row.
const FREE: [&str; 26] = [
    "response",
    "answer",
    "output",
    "prediction",
    "completion",
    "generation",
    "reasoning",
    "explanation",
    "raw_output",
    "extracted_answer",
    "picked",
    "message",
    "text",
    "content",
    "timestamp",
    "time",
    "date",
    "created",
    "created_at",
    "uuid",
    "trace_id",
    "request_id",
    "hash",
    "row_id",
    "id",
    "comment",
];

/// More values than this are no kinds.
const MOST_KINDS: usize = 32;

/// Texts longer than this on average are free.
const LONGEST_KIND: usize = 40;

/// Rows below which values that differ on every row are no evidence of free text.
const FEW_ROWS: usize = 8;

/// What is known of an unread column.
#[derive(Default)]
struct Profile {
    values: BTreeSet<String>,
    n_rows: usize,
    n_bytes: usize,
    is_number: bool,
    /// The first two values within one cell, with the line of the second, the prompt, and the model.
    differs: Option<([String; 2], At, usize, usize)>,
}

impl Profile {
    /// Whether its values are kinds of a measurement.
    fn is_kind(&self, name: &str) -> bool {
        let plain = last_part(name).to_lowercase().replace(['-', ' '], "_");
        if KINDS.contains(&plain.as_str()) {
            return true;
        }
        let is_free =
            REPETITIONS.contains(&plain.as_str()) || FREE.contains(&plain.as_str()) || plain.ends_with("_id");
        let is_of_row = FEW_ROWS <= self.n_rows && self.values.len() == self.n_rows;
        let is_long = LONGEST_KIND * self.n_rows < self.n_bytes || MOST_KINDS < self.values.len();
        !is_free && !is_of_row && !is_long && !self.is_number
    }
}

/// Refuses the mean over rows of one cell that differ in a column which tells measurements apart.
///
/// # Errors
/// There is such a column; it and the ways out are named.
pub(super) fn check_repetitions(file: &TableFile<'_>, cells: &mut Cells) -> Result<()> {
    let mut profiles: BTreeMap<String, Profile> = BTreeMap::new();
    let mut first: BTreeMap<(usize, usize), Vec<String>> = BTreeMap::new();
    file.rows.each(&mut |row| {
        if file.named.leaves_out(row).is_some() {
            return Ok(());
        }
        let Some((prompt, model)) = file.cell(row, cells)? else { return Ok(()) };
        if file.wide.is_none() && !cells.is_repeated(prompt, model) {
            return Ok(());
        }
        let unread = file.columns.unread(row, &file.named);
        let values: Vec<String> = unread.iter().map(|name| shortened(row.text(name).trim())).collect();
        for (name, value) in unread.iter().zip(&values) {
            if !profiles.contains_key(*name) {
                profiles.insert((*name).to_owned(), Profile { is_number: true, ..Profile::default() });
            }
            let Some(profile) = profiles.get_mut(*name) else { continue };
            profile.n_rows += 1;
            profile.n_bytes += row.text(name).len();
            profile.is_number &= is_blank(value) || score_of_text(value).is_some();
            if profile.values.len() <= MOST_KINDS {
                profile.values.insert(value.clone());
            }
        }
        match first.get(&(prompt, model)) {
            None => {
                first.insert((prompt, model), values);
            }
            Some(known) if known.len() == values.len() => {
                for ((name, old), new) in unread.iter().zip(known).zip(&values) {
                    let Some(profile) = profiles.get_mut(*name).filter(|_| old != new) else { continue };
                    profile
                        .differs
                        .get_or_insert_with(|| ([old.clone(), new.clone()], row.at(), prompt, model));
                }
            }
            Some(_) => {}
        }
        Ok(())
    })?;
    let rank = |name: &str| {
        KINDS.iter().position(|kind| last_part(name).eq_ignore_ascii_case(kind)).unwrap_or(KINDS.len())
    };
    let mut kinds: Vec<(&String, &Profile)> = profiles
        .iter()
        .filter(|(name, profile)| profile.differs.is_some() && profile.is_kind(name))
        .collect();
    kinds.sort_by_key(|(name, _)| rank(name));
    if let Some((name, profile)) = kinds.first()
        && let Some(([old, new], at, prompt, model)) = &profile.differs
    {
        let model = if file.wide.is_some() { "a model" } else { cells.models.name(*model) };
        let problem = problem(name, [old, new], model, &cells.prompts.get(*prompt).id);
        let spot = Spot { path: file.rows.path.to_owned(), at: *at };
        return Err(cells.undecided(spot.fault(problem)));
    }
    let repeated: Vec<String> = profiles
        .iter()
        .filter(|(_, profile)| profile.differs.is_some())
        .map(|(name, _)| format!("`{name}`"))
        .collect();
    let named: Vec<String> = file.named.repeats.iter().map(|name| format!("`{name}`")).collect();
    let differing =
        if repeated.is_empty() { "nothing but the answer".to_owned() } else { repeated.join(", ") };
    let words = if named.is_empty() { differing } else { named.join(", ") };
    cells.reads("repetition", format!("rows of one prompt and model, which differ in {words}, are averaged"));
    Ok(())
}

/// The values that mean that an answer came about.
const GOOD: [&str; 8] = ["success", "ok", "completed", "done", "finished", "succeeded", "complete", "true"];

fn problem(column: &str, values: [&str; 2], model: &str, prompt: &str) -> String {
    let good = values.into_iter().find(|value| GOOD.iter().any(|good| value.eq_ignore_ascii_case(good)));
    let kept = good.or(values.into_iter().find(|value| !value.is_empty())).unwrap_or_default();
    let is_metric =
        ["metric", "metric_name", "scorer", "criterion"].contains(&last_part(column).to_lowercase().as_str());
    let flag = if is_metric { "metric-column" } else { "where" };
    let is_plain = |c: char| c.is_alphanumeric() || "_-.:/=,+@%".contains(c);
    let quoted = |value: &str| match format!("{column}={value}") {
        pair if pair.chars().all(is_plain) => pair,
        // As a shell takes it for one word.
        pair => format!("'{}'", pair.replace('\'', r"'\''")),
    };
    format!(
        "`{}` answers `{}` more than once, with `{}` and `{}` in column `{column}`: is that one measurement, repeated? Keep one \
         kind of row with `--{flag} {}`, make each a model of its own with `--arm {column}`, or average them with `--repeat {column}`",
        model,
        prompt,
        values[0],
        values[1],
        quoted(kept)
    )
}
