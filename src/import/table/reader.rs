//! Reads the rows of a table whose columns are known: one answer a row, or the answers of all models.

use std::collections::BTreeMap;

use super::wide::{Wide, WideModel};
use crate::error::{Error, Result};
use crate::import::arms::Settings;
use crate::import::cells::{Answer, Cells, PromptFacts, WITHOUT_ANSWERS, tokens_of_total};
use crate::import::columns::{ColumnNames, Columns, SETTINGS_OF_TASKS};
use crate::import::json::is_blank;
use crate::import::looked::{Looked, last_part};
use crate::import::metric::is_loss;
use crate::import::prompts::{Occurrences, text_id};
use crate::import::rows::{Row, Rows};
use crate::import::slips::of_number;
use crate::import::slips::shortened;
use crate::import::texts::first_turn;
use crate::suite::LATENCY;
use crate::suite::Part;
use crate::suite::plausibility::CACHED_INPUT_TOKENS;

/// A table that is being read.
pub(super) struct TableFile<'a> {
    pub(super) rows: Rows<'a>,
    pub(super) looked: Looked,
    pub(super) named: ColumnNames,
    pub(super) columns: Columns,
    pub(super) benchmark: String,
    /// The models, where a row holds the answers of all.
    pub(super) wide: Option<Wide>,
    /// What looked like the prompts' ids and numbers the rows.
    pub(super) ids: Option<String>,
}

impl TableFile<'_> {
    /// The benchmark of a row.
    fn benchmark<'r>(&'r self, row: &'r Row<'_>) -> &'r str {
        let said = self.columns.benchmark.as_ref().map_or("", |column| row.text(column).trim());
        if said.is_empty() { &self.benchmark } else { said }
    }

    /// The position of a row's prompt.
    fn prompt(
        &self,
        row: &Row<'_>,
        occurrences: Option<&mut Occurrences>,
        cells: &mut Cells,
    ) -> Result<usize> {
        let columns = &self.columns;
        let text = match &columns.prompt {
            Some(column) => first_turn(row.text(column)).map_err(|problem| {
                row.fault(format!("column `{column}`: `{}` {problem}", shortened(row.text(column))))
            })?,
            None => String::new(),
        };
        let text = match columns.input.as_ref().map(|column| row.text(column)) {
            Some(input) if text.trim().is_empty() => input.to_owned(),
            Some(input) if !input.trim().is_empty() => format!("{text}\n{input}"),
            _ => text,
        };
        let task = columns.task.as_ref().map_or("", |column| row.text(column).trim());
        let benchmark = self.benchmark(row);
        let own = columns.prompt_id.as_ref().map_or("", |column| row.text(column).trim());
        let id = match own {
            "" if text.trim().is_empty() => {
                return Err(row.fault("a prompt without text and without an id"));
            }
            // A guessed id that a row does not have says nothing of its text.
            "" if self.named.prompt_id.is_none() || columns.prompt_id.is_none() => text_id(benchmark, &text),
            own => own.to_owned(),
        };
        let id = occurrences.map_or(id.clone(), |occurrences| occurrences.name(id));
        let facts = PromptFacts { id: &id, benchmark, task, text: &text, is_sent_text: false };
        let prompt = cells.prompt(facts).map_err(|problem| {
            let column = columns.prompt_id.as_deref().unwrap_or("prompt");
            row.fault(format!(
                "column `{column}`: {problem}; name what tells them apart with `--task` or `--benchmark`, go by the text with \
                 `--prompt-id -`, or by the id alone with `--prompt -`"
            ))
        })?;
        if let Some(column) = &columns.split {
            self.give(prompt, column, row, cells)?;
        }
        if let Some(turn) = columns.turns.read(row)? {
            cells.extras.follow(prompt, turn);
        }
        Ok(prompt)
    }

    /// Puts a prompt in the part of the split that its row names.
    fn give(&self, prompt: usize, column: &str, row: &Row<'_>, cells: &mut Cells) -> Result<()> {
        let said = row.text(column).trim();
        let part = Part::named(said);
        if part.is_none() && !is_blank(said) {
            let problem = format!(
                "column `{column}`: `{}` is no part of a split (train, validation, test)",
                shortened(said)
            );
            if self.named.split.is_some() {
                return Err(row.fault(problem));
            }
            cells.note(format!("{problem}; such prompts have none"));
        }
        let known = cells.extras.part(prompt);
        if let (Some(known), Some(part)) = (known, part)
            && known != part
        {
            let (known, part, id) = (known.name(), part.name(), &cells.prompts.get(prompt).id);
            let error = row.fault(format!(
                "column `{column}`: prompt `{id}` is in part `{part}` here and in `{known}` before; tell two prompts of one id apart \
                 with `--task {column}`, or leave the split out with `--split -`"
            ));
            return Err(cells.undecided(error));
        }
        cells.extras.give(prompt, part);
        Ok(())
    }

    /// The cell of a row; in a wide table that of any model. None where a row says nothing: in a wide table it has no number
    /// of any model, else no score and names no prompt or no model, as the heads and tails of logs do.
    pub(super) fn cell(&self, row: &Row<'_>, cells: &mut Cells) -> Result<Option<(usize, usize)>> {
        let column = self.columns.model.as_deref().unwrap_or_default();
        let name = row.text(column).trim();
        let is_blank_in =
            |column: &Option<String>| column.as_ref().is_none_or(|column| is_blank(row.text(column)));
        let is_nowhere = is_blank_in(&self.columns.prompt_id) && is_blank_in(&self.columns.prompt);
        if let Some(wide) = &self.wide {
            return if wide.is_silent(row)? {
                Ok(None)
            } else {
                Ok(Some((self.prompt(row, None, cells)?, 0)))
            };
        }
        if is_blank_in(&self.columns.score) && (name.is_empty() || is_nowhere) {
            return Ok(None);
        }
        let prompt = self.prompt(row, None, cells)?;
        if name.starts_with('{') || name.starts_with('[') {
            let shown = shortened(name);
            return Err(row.fault(format!(
                "column `{column}`: `{shown}` is no name of a model but an object; name the part that is with `--model {column}.PART`"
            )));
        }
        let mut settings = Settings::default();
        for column in &self.columns.settings {
            let value = row.text(column).trim();
            if is_blank(value) {
                continue;
            }
            if SETTINGS_OF_TASKS.contains(&last_part(column)) && !self.named.arms.contains(column) {
                settings.add_of_task(column, &value.into());
            } else {
                settings.add(column, &value.into());
            }
        }
        let model = cells.model_with(name, &settings).map_err(|problem| row.fault(problem))?;
        Ok(Some((prompt, model)))
    }

    /// Tells what is read as what.
    fn tell(&self, cells: &mut Cells) {
        self.columns.tell(cells, &self.named);
        if let Some(wide) = &self.wide {
            cells.reads("model", wide.words());
        }
        let list = self.rows.list();
        if !list.is_empty() {
            cells.reads("rows", format!("the elements of `{list}`"));
        }
        let is_used = |name: &str| {
            self.columns.is_used(name, &self.named) || self.wide.as_ref().is_some_and(|wide| wide.uses(name))
        };
        let unused: Vec<String> =
            self.looked.unused(&is_used).into_iter().map(|name| format!("`{name}`")).collect();
        if !unused.is_empty() {
            cells.reads("unused", unused.join(", "));
        }
        let is_cost =
            |name: &&String| ["cost", "price", "cents"].iter().any(|part| name.to_lowercase().contains(part));
        if let Some(cost) =
            unused.iter().find(is_cost).filter(|_| self.columns.cost.is_none() && self.wide.is_none())
        {
            cells.note(format!(
                "no cost is read; {cost} may be one: where it is in US dollars an answer, name it with `--cost`, else convert it to US \
                 dollars in the file"
            ));
        }
    }

    /// Reads all rows; says whether a cell was answered twice.
    ///
    /// # Errors
    /// A value that is none; a guess that cannot be right.
    pub(super) fn read(&self, cells: &mut Cells) -> Result<bool> {
        self.tell(cells);
        match &self.wide {
            Some(wide) => self.read_wide(wide, cells),
            None => self.read_long(cells),
        }
    }

    /// Reads a row an answer.
    fn read_long(&self, cells: &mut Cells) -> Result<bool> {
        let score_column = self.columns.score.as_deref().unwrap_or_default();
        let metric = self.named.metric.as_ref().map_or(score_column, |(_, metric)| metric);
        let is_loss = is_loss(last_part(metric));
        let is_used = |name: &str| self.columns.is_used(name, &self.named);
        let unused: Vec<&str> =
            self.looked.seen.keys().map(String::as_str).filter(|name| !is_used(name)).collect();
        let ends_with = |name: &str, ends: &[&str]| ends.contains(&last_part(name).to_lowercase().as_str());
        let status = unused.iter().find(|name| ends_with(name, &STATUS)).map(|name| (*name, "success"));
        // The error of a call stands deeper than that of its row, which may be a verdict's.
        let errors = unused.iter().filter(|name| ends_with(name, &ERRORS));
        let error = errors.max_by_key(|name| name.matches('.').count()).map(|name| (*name, ""));
        let mut failures: Vec<_> =
            [status, error].into_iter().flatten().map(|mark| (mark, 0_usize)).collect();
        let (mut is_repeated, mut n_completed) = (false, 0_usize);
        // What rows without a score say of a cell, as logs do that note a call and its verdict apart.
        let mut apart: BTreeMap<(usize, usize), Answer> = BTreeMap::new();
        self.rows.each(&mut |row| {
            if let Some(reason) = self.named.leaves_out(row) {
                cells.skip(reason);
                return Ok(());
            }
            if is_loss {
                cells.is_lower_better(self.benchmark(row), metric).map_err(|problem| row.fault(problem))?;
            }
            let Some(cell) = self.cell(row, cells)? else {
                cells.skip("without a prompt, a model, or a score");
                return Ok(());
            };
            let answer = self.answer(row, score_column)?;
            if answer.score.is_none() {
                if answer == Answer::default() {
                    cells.skip("without a score");
                } else {
                    apart.insert(cell, answer);
                }
                return Ok(());
            }
            is_repeated |= cells.is_open(cell.0, cell.1);
            for ((column, good), n_failed) in &mut failures {
                let said = row.text(column).trim();
                *n_failed += usize::from(if good.is_empty() { is_error(said) } else { is_failure(said) });
            }
            if let Some(cached) = &self.columns.more_tokens[1]
                && let Some(cached) = row.number(cached)?
            {
                cells.extras.number(CACHED_INPUT_TOKENS, cell.0, cell.1, cached);
            }
            if let Some((column, units)) = &self.columns.latency
                && let Some(latency) = row.number(column)?
            {
                cells.extras.number(LATENCY, cell.0, cell.1, latency / f64::from(*units));
            }
            cells.at_row(row);
            cells.answer(cell.0, cell.1, answer).map_err(|problem| row.fault(problem))
        })?;
        if let Some((column, _)) = &self.columns.latency
            && cells.extras.mean(LATENCY).is_some_and(|seconds| seconds > LONG_S)
        {
            cells.note(format!(
                "`{column}` is read as latency, of more than {LONG_S} seconds in the mean: if it is in milliseconds, call it `latency_ms`"
            ));
        }
        for (cell, answer) in apart {
            if cells.is_open(cell.0, cell.1) {
                cells.complete(cell, answer);
                n_completed += 1;
            } else {
                cells.skip("without a score");
            }
        }
        if 0 < n_completed {
            cells.note(format!(
                "{n_completed} answers have their tokens and costs from rows without a score, of the same prompt and model"
            ));
        }
        for ((column, good), n_failed) in failures.into_iter().filter(|(_, n_failed)| 0 < *n_failed) {
            cells.note(format!(
                "{n_failed} rows count although `{column}` says that they failed; `--where {column}={good}` (or what it says of the \
                 others) leaves them out"
            ));
        }
        // `correct` and `label` are as often the right answer as the verdict; what is called a score is doubted only where chance is no excuse.
        let least = if ["correct", "label"].contains(&score_column.to_lowercase().as_str()) { 2 } else { 10 };
        if self.named.score.is_none() && cells.scores_go_by_prompt(least) {
            let problem = format!(
                "column `{score_column}`, guessed to be the score, is the same for all models on every prompt, as a right answer \
                 would be; name the score with `--score`"
            );
            return Err(cells.undecided(Error::file(self.rows.path, problem)));
        }
        Ok(is_repeated)
    }

    /// The answer on a row.
    fn answer(&self, row: &Row<'_>, score_column: &str) -> Result<Answer> {
        let score = row.score(score_column).map_err(|_| {
            let guessed = if self.named.score.is_none() {
                "; where it is not the score, name that with `--score`"
            } else {
                ""
            };
            let text = row.text(score_column);
            let problem = format!("column `{score_column}`: `{}` is no score", shortened(text));
            row.fault(format!("{problem}{}{guessed}", of_number(text)))
        })?;
        let (input_tokens, output_tokens) = self.tokens(row)?;
        let cost_usd = self.columns.cost.as_ref().map_or(Ok(None), |column| row.number(column))?;
        Ok(Answer { score, input_tokens, output_tokens, cost_usd })
    }

    /// Input and output tokens of a row, which add up to its total where it has one.
    fn tokens(&self, row: &Row<'_>) -> Result<(Option<f64>, Option<f64>)> {
        let number = |column: &Option<String>| column.as_ref().map_or(Ok(None), |column| row.number(column));
        let (input, output) = (number(&self.columns.input_tokens)?, number(&self.columns.output_tokens)?);
        let [total, cached, reasoning] = &self.columns.more_tokens;
        let (Some(in_tokens), Some(out_tokens), Some(total)) = (input, output, number(total)?) else {
            return Ok((input, output));
        };
        let (cached, reasoning) = (number(cached)?.unwrap_or(0.0), number(reasoning)?.unwrap_or(0.0));
        let (input, output) = tokens_of_total(in_tokens, out_tokens, total, cached, reasoning);
        Ok((Some(input), Some(output)))
    }

    /// Reads a row a prompt.
    fn read_wide(&self, wide: &Wide, cells: &mut Cells) -> Result<bool> {
        let mut occurrences = Occurrences::default();
        let mut is_repeated = false;
        self.rows.each(&mut |row| {
            if let Some(reason) = self.named.leaves_out(row) {
                cells.skip(reason);
                return Ok(());
            }
            if wide.is_silent(row)? {
                cells.skip(WITHOUT_ANSWERS);
                return Ok(());
            }
            // A second row with the same text is another prompt for all models alike; ids of a source stay as they are.
            let occurrences = self.columns.prompt_id.is_none().then_some(&mut occurrences);
            let prompt = self.prompt(row, occurrences, cells)?;
            cells.at(row.at());
            wide.each_answer(row, &mut |model: &WideModel<'_>| {
                if model.answer.score.is_none() {
                    cells.skip("without a score");
                    return Ok(());
                }
                if model.is_summary() {
                    cells.skip(format!("`{}`, which by its name sums up models and is none", model.name));
                    return Ok(());
                }
                let at = cells.model(model.name).map_err(|problem| row.fault(problem))?;
                is_repeated |= cells.is_open(prompt, at);
                cells.within(|| model.place());
                cells.answer(prompt, at, model.answer).map_err(|problem| row.fault(problem))
            })
        })?;
        Ok(is_repeated)
    }
}

/// Few answers take longer, and most columns whose numbers are higher count milliseconds.
const LONG_S: f64 = 300.0;

/// Columns that say how a call ended.
const STATUS: [&str; 4] = ["status", "state", "outcome", "finish_status"];

/// Columns that hold what went wrong, and nothing else.
const ERRORS: [&str; 4] = ["error", "error_message", "error_type", "exception"];

/// Whether a column of errors holds one.
fn is_error(said: &str) -> bool {
    !is_blank(said) && !["false", "0", "0.0", "{}", "[]"].iter().any(|none| said.eq_ignore_ascii_case(none))
}

/// Whether a status says that there was no answer.
fn is_failure(status: &str) -> bool {
    const FAILURES: [&str; 8] =
        ["error", "failed", "failure", "timeout", "cancelled", "canceled", "invalid", "invalidated"];
    FAILURES.iter().any(|failure| status.trim().eq_ignore_ascii_case(failure))
}
