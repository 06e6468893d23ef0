//! Any table, long (a row is one answer) or wide (a row is a prompt, a column is a model).

use std::path::Path;

use super::cells::{Answer, Cells, PromptFacts};
use super::columns::{ColumnNames, Columns};
use super::ids::{Occurrences, text_id};
use super::importer::{Importer, Job};
use super::json::score_of_text;
use super::rows::{ENDINGS, Row, each_row, first_rows, is_blank};
use super::source::{Sources, is_named, stem};
use crate::error::{Error, Result};

/// Rows by which columns are told apart.
const N_LOOKED_AT: usize = 100;

/// Models named in the report.
const N_NAMED: usize = 20;

/// In a wide table, what the cost of a model's answer is called after its name.
const COST_ENDINGS: [&str; 4] = ["|total_cost", "_cost_usd", "_total_cost", "_cost"];

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
        read(path, job, cells)
    }
}

fn read(path: &Path, job: &Job<'_>, cells: &mut Cells) -> Result<()> {
    let (sources, named) = (job.sources, &job.settings.columns);
    let layout = Layout::of(path, named, sources)?;
    cells.note(layout.words());
    let mut occurrences = Occurrences::default();
    each_row(sources, path, &mut |row| match &layout {
        Layout::Long(columns) => read_long(path, row, columns, cells),
        Layout::Wide(columns, models) => read_wide(path, row, columns, models, &mut occurrences, cells),
    })
}

/// How a table is read.
enum Layout {
    Long(Columns),
    /// With the models' columns: name, and column of the cost.
    Wide(Columns, Vec<(String, Option<String>)>),
}

impl Layout {
    fn of(path: &Path, named: &ColumnNames, sources: &Sources<'_>) -> Result<Self> {
        let mut columns: Option<Columns> = None;
        // Columns in which every field is a score or empty, and at least one is a score.
        let mut scores: Vec<(String, bool)> = Vec::new();
        first_rows(sources, path, N_LOOKED_AT, &mut |row| {
            if columns.is_none() {
                columns = Some(Columns::of(row, named)?);
                scores = row.columns().map(|name| (name.to_owned(), false)).collect();
            }
            scores.retain_mut(|(name, is_known)| {
                let text = row.text(name).trim();
                let is_score = score_of_text(text).is_some();
                *is_known |= is_score;
                is_score || is_blank(text)
            });
            Ok(())
        })?;
        let columns = columns.ok_or_else(|| Error::file(path, "holds no row"))?;
        if columns.prompt_id.is_none() && columns.prompt.is_none() {
            return Err(Error::file(
                path,
                "has no column that looks like a prompt or its id; name one with `--prompt-id`",
            ));
        }
        if columns.model.is_some() && columns.score.is_some() {
            return Ok(Layout::Long(columns));
        }
        if let Some(model) = &columns.model {
            let problem = format!(
                "has models in column `{model}`, but none that looks like a score; name it with `--score`"
            );
            return Err(Error::file(path, problem));
        }
        if let Some(score) = &named.score {
            let problem = format!(
                "has scores in column `{score}`, but none that looks like a model; name it with `--model`"
            );
            return Err(Error::file(path, problem));
        }
        let cost_of = |model: &str| {
            let names = COST_ENDINGS.map(|ending| format!("{model}{ending}"));
            scores.iter().map(|(name, _)| name).find(|name| names.contains(name)).cloned()
        };
        let models: Vec<(String, Option<String>)> = (scores.iter())
            .filter(|(name, is_known)| *is_known && !name.is_empty() && !columns.holds(name))
            .filter(|(name, _)| !COST_ENDINGS.iter().any(|ending| name.ends_with(ending)))
            .map(|(name, _)| (name.clone(), cost_of(name)))
            .collect();
        if models.is_empty() {
            let problem = "has no column of models and scores, and none whose fields are all scores; name them with `--model` and `--score`";
            return Err(Error::file(path, problem));
        }
        Ok(Layout::Wide(Columns { model: None, score: None, cost: None, ..columns }, models))
    }

    fn words(&self) -> String {
        match self {
            Layout::Long(columns) => columns.words(),
            Layout::Wide(columns, models) => {
                let shown: Vec<&str> = models.iter().take(N_NAMED).map(|(name, _)| name.as_str()).collect();
                let more = if shown.len() < models.len() { ", ..." } else { "" };
                let n_costs = models.iter().filter(|(_, cost)| cost.is_some()).count();
                format!(
                    "{}; a column for each of {} models (`{}`{more}), {n_costs} with costs",
                    columns.words(),
                    models.len(),
                    shown.join("`, `")
                )
            }
        }
    }
}

/// The position of a row's prompt.
fn prompt(
    path: &Path,
    row: &Row<'_>,
    columns: &Columns,
    occurrences: Option<&mut Occurrences>,
    cells: &mut Cells,
) -> Result<usize> {
    let field = |column: &Option<String>| column.as_ref().map_or("", |column| row.text(column));
    let (text, task) = (field(&columns.prompt), field(&columns.task));
    let file_name = stem(path);
    let benchmark = Some(field(&columns.benchmark)).filter(|name| !name.is_empty()).unwrap_or(&file_name);
    let id = match &columns.prompt_id {
        Some(column) => row.text(column).trim().to_owned(),
        None if text.is_empty() => return Err(row.fault("a prompt without text and without an id")),
        None => text_id(benchmark, text),
    };
    let id = occurrences.map_or(id.clone(), |occurrences| occurrences.name(id));
    cells.prompt(PromptFacts { id: &id, benchmark, task, text }).map_err(|problem| row.fault(problem))
}

fn read_long(path: &Path, row: &Row<'_>, columns: &Columns, cells: &mut Cells) -> Result<()> {
    let prompt = prompt(path, row, columns, None, cells)?;
    let name = columns.model.as_ref().map_or("", |column| row.text(column).trim());
    let model = cells.model(name).map_err(|problem| row.fault(problem))?;
    let number = |column: &Option<String>| column.as_ref().map_or(Ok(None), |column| row.number(column));
    let answer = Answer {
        score: columns.score.as_ref().map_or(Ok(None), |column| row.score(column))?,
        input_tokens: number(&columns.input_tokens)?,
        output_tokens: number(&columns.output_tokens)?,
        cost_usd: number(&columns.cost)?,
    };
    if answer.score.is_none() {
        cells.skip("without a score");
        return Ok(());
    }
    cells.answer(prompt, model, answer).map_err(|problem| row.fault(problem))
}

fn read_wide(
    path: &Path,
    row: &Row<'_>,
    columns: &Columns,
    models: &[(String, Option<String>)],
    occurrences: &mut Occurrences,
    cells: &mut Cells,
) -> Result<()> {
    // A second row with the same id is another one of the same prompt, for all models alike; ids of a source stay as they are.
    let occurrences = columns.prompt_id.is_none().then_some(occurrences);
    let prompt = prompt(path, row, columns, occurrences, cells)?;
    for (name, cost) in models {
        let answer = Answer {
            score: row.score(name)?,
            cost_usd: cost.as_ref().map_or(Ok(None), |column| row.number(column))?,
            ..Answer::default()
        };
        if answer.score.is_some() {
            let model = cells.model(name).map_err(|problem| row.fault(problem))?;
            cells.answer(prompt, model, answer).map_err(|problem| row.fault(problem))?;
        }
    }
    Ok(())
}
