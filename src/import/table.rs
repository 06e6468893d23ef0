//! Any table, long (a row is one answer) or wide (a row is a prompt; models stand in columns, or in an object).
//!
//! A number is no evidence of a model: the models of a wide table are named by the user, or stand in columns that come in
//! groups (`wide`). Rows of one cell are averaged only where nothing says that they measure different things (`repetition`).

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::cells::{Answer, Cells, PromptFacts, tokens_of_total};
use super::columns::{ColumnNames, Columns};
use super::ids::{Occurrences, text_id};
use super::importer::{Importer, Job};
use super::metric::is_loss;
use super::repetition::check_repetitions;
use super::rows::{ENDINGS, Row, each_row, first_rows, is_index, shortened};
use super::source::{is_named, stem};
use super::texts::first_turn;
use super::wide::{Wide, WideModel};
use crate::error::{Error, Result};
use crate::fs;

/// Rows by which columns are told apart.
const N_LOOKED_AT: usize = 100;

/// Any table of scores.
pub(super) struct Table;

impl Importer for Table {
    fn name(&self) -> &'static str {
        "table"
    }

    fn wanted(&self) -> &'static str {
        "CSV, TSV, JSONL, or JSON file"
    }

    fn is_wanted(&self, path: &Path) -> bool {
        is_named(path, "", &ENDINGS)
    }

    fn has_columns(&self) -> bool {
        true
    }

    fn read(&self, path: &Path, job: &Job<'_>, cells: &mut Cells) -> Result<()> {
        let named = &job.settings.columns;
        let (mut columns, wide) = layout(path, job, cells)?;
        let file_name = benchmark_of(path, job)?;
        let is_wide = wide.is_some();
        let file = TableFile { path, named, columns: &columns, benchmark: &file_name, is_wide };
        if let Some(wide) = wide {
            return file.read_wide(&wide, job, cells);
        }
        let mark = cells.mark();
        file.read_long(job, cells)?;
        if named.prompt_id.is_none() && columns.prompt.is_some() && cells.ids_are_of_rows() {
            cells.go_back(mark);
            let id = columns.prompt_id.take().unwrap_or_default();
            cells.note(format!(
                "`{id}` is another one on every row while texts repeat: prompts go by their text"
            ));
            let file = TableFile { path, named, columns: &columns, benchmark: &file_name, is_wide };
            file.read_long(job, cells)?;
        }
        Ok(())
    }
}

/// Which columns are what, and the models of a wide table.
///
/// # Errors
/// A file that cannot be read; columns that the user has to decide about.
fn layout(path: &Path, job: &Job<'_>, cells: &mut Cells) -> Result<(Columns, Option<Wide>)> {
    let named = &job.settings.columns;
    let mut columns: Option<Columns> = None;
    let mut wide = Wide::default();
    first_rows(job.sources, path, N_LOOKED_AT, &mut |row| {
        if columns.is_none() {
            columns = Some(Columns::of(row, named)?);
        }
        wide.look_at(row);
        Ok(())
    })?;
    let columns = columns.ok_or_else(|| Error::file(path, "holds no row"))?;
    decided(columns, wide, named).map_err(|problem| cells.undecided(Error::file(path, problem)))
}

fn decided(
    mut columns: Columns,
    mut wide: Wide,
    named: &ColumnNames,
) -> std::result::Result<(Columns, Option<Wide>), String> {
    if columns.prompt_id.is_none() && columns.prompt.is_none() {
        let problem =
            "has no column that looks like a prompt or its id; name one with `--prompt-id` or `--prompt`";
        return Err(format!("{problem}; there are {}", wide.all_columns()));
    }
    let are_models_named = !named.models.is_empty() || named.model_columns.is_some();
    if !are_models_named && columns.model.is_some() && columns.score.is_some() {
        return Ok((columns, None));
    }
    if let Some(model) = columns.model.as_ref().filter(|_| !are_models_named) {
        return Err(format!(
            "has models in column `{model}`, but none that looks like a score; name it with `--score`; numbers stand in {}",
            wide.numbers(&columns)
        ));
    }
    if let Some(score) = &named.score {
        return Err(format!(
            "has scores in column `{score}`, but none that looks like a model; name it with `--model`; there are {}",
            wide.all_columns()
        ));
    }
    wide.find_models(&columns, named)?;
    (columns.model, columns.score, columns.cost) = (None, None, None);
    Ok((columns, Some(wide)))
}

/// The benchmark of rows that name none: the file's name or, where each file holds one model, that of the folders.
fn benchmark_of(path: &Path, job: &Job<'_>) -> Result<String> {
    let label =
        |labels: &OnceCell<BTreeMap<PathBuf, String>>| labels.get().and_then(|all| all.get(path)).cloned();
    if job.labels.get().is_none() {
        let labels = per_model_labels(job);
        job.labels.get_or_init(|| labels);
    }
    Ok(label(&job.labels).unwrap_or_else(|| stem(path)))
}

/// Benchmarks by file, where every file holds the answers of one model and is called after it, or all are called the same.
fn per_model_labels(job: &Job<'_>) -> BTreeMap<PathBuf, String> {
    let mut models: Vec<(&PathBuf, String)> = Vec::new();
    for path in job.files {
        let mut found = BTreeSet::new();
        // A fault is told where the file is read.
        let looked = first_rows(job.sources, path, N_LOOKED_AT, &mut |row| {
            let columns = Columns::of(row, &job.settings.columns)?;
            match (&columns.model, &columns.benchmark) {
                (Some(model), None) => {
                    found.insert(row.text(model).trim().to_owned());
                    Ok(())
                }
                _ => Err(row.fault("is not of one model")),
            }
        });
        if looked.is_ok() && found.len() == 1 {
            models.extend(found.into_iter().map(|model| (path, model)));
        } else {
            return BTreeMap::new();
        }
    }
    let plain = |name: &str| name.to_lowercase().replace(|c: char| !c.is_alphanumeric(), "");
    let is_named_after = |path: &Path, model: &str| {
        let (stem, model) = (plain(&stem(path)), plain(model));
        stem.contains(&model) || model.contains(&stem)
    };
    let n_models = models.iter().map(|(_, model)| model).collect::<BTreeSet<_>>().len();
    let n_stems = models.iter().map(|(path, _)| stem(path)).collect::<BTreeSet<_>>().len();
    let all_named = models.iter().all(|(path, model)| is_named_after(path, model));
    if n_models < 2 || !(all_named || n_stems == 1) {
        return BTreeMap::new();
    }
    let folders: Vec<(&PathBuf, PathBuf, String)> = (models.into_iter())
        .map(|(path, model)| {
            let whole = fs::canonical(path).unwrap_or_else(|_| path.clone());
            (path, whole.parent().map(Path::to_owned).unwrap_or_default(), plain(&model))
        })
        .collect();
    let root = folders.iter().map(|(_, folder, _)| folder.clone()).reduce(common_folder).unwrap_or_default();
    let root_name = root.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let label = |(path, folder, model): (&PathBuf, PathBuf, String)| {
        let below = folder.strip_prefix(&root).unwrap_or(&folder);
        let parts = below.iter().map(|part| part.to_string_lossy().into_owned());
        let kept: Vec<String> = parts.filter(|part| plain(part) != model).collect();
        (path.clone(), if kept.is_empty() { root_name.clone() } else { kept.join("/") })
    };
    folders.into_iter().map(label).collect()
}

fn common_folder(one: PathBuf, other: PathBuf) -> PathBuf {
    one.iter().zip(other.iter()).take_while(|(a, b)| a == b).map(|(part, _)| part).collect()
}

/// A table that is being read.
pub(super) struct TableFile<'a> {
    pub(super) path: &'a Path,
    pub(super) named: &'a ColumnNames,
    pub(super) columns: &'a Columns,
    benchmark: &'a str,
    /// A row holds the answers of all models.
    pub(super) is_wide: bool,
}

impl TableFile<'_> {
    /// The benchmark of a row.
    fn benchmark<'r>(&'r self, row: &'r Row<'_>) -> &'r str {
        let said = self.columns.benchmark.as_ref().map_or("", |column| row.text(column).trim());
        if said.is_empty() { self.benchmark } else { said }
    }

    /// The position of a row's prompt.
    fn prompt(
        &self,
        row: &Row<'_>,
        occurrences: Option<&mut Occurrences>,
        cells: &mut Cells,
    ) -> Result<usize> {
        let columns = self.columns;
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
        let settings = said.filter(|(_, value)| !super::json::is_blank(value)).collect();
        let model = cells.model_with(name, &settings).map_err(|problem| row.fault(problem))?;
        Ok((prompt, model))
    }

    fn read_long(&self, job: &Job<'_>, cells: &mut Cells) -> Result<()> {
        let columns = self.columns;
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
        if self.named.score.is_none() && cells.scores_go_by_prompt() {
            let problem = format!(
                "column `{score_column}`, guessed to be the score, is the same for all models on every prompt, as a right answer \
                 would be; name the score with `--score`"
            );
            return Err(cells.undecided(Error::file(self.path, problem)));
        }
        if is_repeated { check_repetitions(self, job, cells) } else { Ok(()) }
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

    fn read_wide(&self, wide: &Wide, job: &Job<'_>, cells: &mut Cells) -> Result<()> {
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
        if is_repeated { check_repetitions(self, job, cells) } else { Ok(()) }
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
