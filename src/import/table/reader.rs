//! Reads the rows of a table whose columns are known: one answer a row, or the answers of all models.

use super::wide::{Wide, WideModel};
use crate::error::{Error, Result};
use crate::import::cells::{Answer, Cells, PromptFacts, tokens_of_total};
use crate::import::columns::{ColumnNames, Columns};
use crate::import::ids::{Occurrences, text_id};
use crate::import::importer::Job;
use crate::import::json::is_blank;
use crate::import::metric::is_loss;
use crate::import::rows::{Row, each_row, is_index, shortened};
use crate::import::texts::first_turn;
use std::path::Path;

/// A table that is being read.
pub(super) struct TableFile<'a> {
    pub(super) path: &'a Path,
    pub(super) named: &'a ColumnNames,
    pub(super) columns: Columns,
    pub(super) benchmark: String,
    /// A row holds the answers of all models.
    pub(super) is_wide: bool,
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
        let task = columns.task.as_ref().map_or("", |column| row.text(column).trim());
        let benchmark = self.benchmark(row);
        let id = match &columns.prompt_id {
            Some(column) => row.text(column).trim().to_owned(),
            None if text.trim().is_empty() => {
                return Err(row.fault("a prompt without text and without an id"));
            }
            None => text_id(benchmark, &text),
        };
        let id = occurrences.map_or(id.clone(), |occurrences| occurrences.name(id));
        let facts = PromptFacts { id: &id, benchmark, task, text: &text, is_sent_text: false };
        cells.prompt(facts).map_err(|problem| {
            let column = columns.prompt_id.as_deref().unwrap_or("prompt");
            row.fault(format!(
                "column `{column}`: {problem}; name what tells them apart with `--task` or `--benchmark`, go by the text with \
                 `--prompt-id -`, or by the id alone with `--prompt -`"
            ))
        })
    }

    /// The cell of a row; in a wide table that of any model.
    pub(super) fn cell(&self, row: &Row<'_>, cells: &mut Cells) -> Result<(usize, usize)> {
        let prompt = self.prompt(row, None, cells)?;
        if self.is_wide {
            return Ok((prompt, 0));
        }
        let column = self.columns.model.as_deref().unwrap_or_default();
        let name = row.text(column).trim();
        if name.starts_with('{') || name.starts_with('[') {
            let shown = shortened(name);
            return Err(row.fault(format!(
                "column `{column}`: `{shown}` is no name of a model but an object; name the part that is with `--model {column}.PART`"
            )));
        }
        let said =
            self.columns.settings.iter().map(|column| (column.clone(), row.text(column).trim().to_owned()));
        let settings = said.filter(|(_, value)| !is_blank(value)).collect();
        let model = cells.model_with(name, &settings).map_err(|problem| row.fault(problem))?;
        Ok((prompt, model))
    }

    /// Reads a row an answer; says whether a cell was answered twice.
    ///
    /// # Errors
    /// A value that is none; a guess that cannot be right.
    pub(super) fn read_long(&self, job: &Job<'_>, cells: &mut Cells) -> Result<bool> {
        let columns = &self.columns;
        let score_column = columns.score.as_deref().unwrap_or_default();
        let metric = self.named.metric.as_ref().map_or(score_column, |(_, metric)| metric);
        let is_loss = is_loss(metric);
        let (mut is_first, mut is_repeated) = (true, false);
        let (mut status, mut n_failed) = (None::<String>, 0_usize);
        each_row(job.sources, self.path, &mut |row| {
            if std::mem::take(&mut is_first) {
                columns.tell(cells, self.named);
                let unread = columns.unread(row, self.named);
                status = unread
                    .iter()
                    .find(|name| STATUS.contains(&name.to_lowercase().as_str()))
                    .map(|name| (*name).to_owned());
                tell_unread(&unread, cells);
            }
            if let Some(reason) = self.named.leaves_out(row)? {
                cells.skip(reason);
                return Ok(());
            }
            if is_loss {
                cells.is_lower_better(self.benchmark(row), metric).map_err(|problem| row.fault(problem))?;
            }
            let (prompt, model) = self.cell(row, cells)?;
            let number =
                |column: &Option<String>| column.as_ref().map_or(Ok(None), |column| row.number(column));
            let guessed = if self.named.score.is_none() {
                "; where it is not the score, name that with `--score`"
            } else {
                ""
            };
            let score = row.score(score_column).map_err(|_| {
                let shown = shortened(row.text(score_column));
                row.fault(format!("column `{score_column}`: `{shown}` is no score{guessed}"))
            })?;
            let (input_tokens, output_tokens) = self.tokens(row)?;
            let answer = Answer { score, input_tokens, output_tokens, cost_usd: number(&columns.cost)? };
            if answer.score.is_none() {
                cells.skip("without a score");
                return Ok(());
            }
            is_repeated |= cells.is_open(prompt, model);
            n_failed += usize::from(status.as_ref().is_some_and(|column| is_failure(row.text(column))));
            cells.at(row.at());
            cells.answer(prompt, model, answer).map_err(|problem| row.fault(problem))
        })?;
        if let Some(column) = status.filter(|_| 0 < n_failed) {
            cells.note(format!(
                "{n_failed} rows count although `{column}` says that they failed; `--where {column}=success` (or what it says of the \
                 others) leaves them out"
            ));
        }
        // `correct` is as often the right answer as the verdict; what is called a score is doubted only where chance is no excuse.
        let least = if score_column.eq_ignore_ascii_case("correct") { 2 } else { 10 };
        if self.named.score.is_none() && cells.scores_go_by_prompt(least) {
            let problem = format!(
                "column `{score_column}`, guessed to be the score, is the same for all models on every prompt, as a right answer \
                 would be; name the score with `--score`"
            );
            return Err(cells.undecided(Error::file(self.path, problem)));
        }
        Ok(is_repeated)
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

    /// Reads a row a prompt; says whether a cell was answered twice.
    ///
    /// # Errors
    /// A value that is none.
    pub(super) fn read_wide(&self, wide: &Wide, job: &Job<'_>, cells: &mut Cells) -> Result<bool> {
        let mut occurrences = Occurrences::default();
        let (mut is_first, mut is_repeated) = (true, false);
        each_row(job.sources, self.path, &mut |row| {
            if std::mem::take(&mut is_first) {
                self.columns.tell(cells, self.named);
                cells.reads("model", wide.words());
                let unread = self.columns.unread(row, self.named);
                tell_unread(&unread.into_iter().filter(|name| !wide.uses(name)).collect::<Vec<_>>(), cells);
            }
            if let Some(reason) = self.named.leaves_out(row)? {
                cells.skip(reason);
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
                let at = cells.model(model.name).map_err(|problem| row.fault(problem))?;
                is_repeated |= cells.is_open(prompt, at);
                cells.answer(prompt, at, model.answer).map_err(|problem| row.fault(problem))
            })
        })?;
        Ok(is_repeated)
    }
}

/// Columns that say how a call ended.
const STATUS: [&str; 4] = ["status", "state", "outcome", "finish_status"];

/// Whether a status says that there was no answer.
fn is_failure(status: &str) -> bool {
    const FAILURES: [&str; 8] =
        ["error", "failed", "failure", "timeout", "cancelled", "canceled", "invalid", "invalidated"];
    FAILURES.iter().any(|failure| status.trim().eq_ignore_ascii_case(failure))
}

fn tell_unread(unread: &[&str], cells: &mut Cells) {
    if !unread.is_empty() {
        let named: Vec<String> =
            unread.iter().filter(|name| !is_index(name)).map(|name| format!("`{name}`")).collect();
        cells.reads("unused", named.join(", "));
    }
}
