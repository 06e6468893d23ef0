//! Any table, long (a row is one answer) or wide (a row is a prompt; models stand in columns, or in an object).
//!
//! A number is no evidence of a model: the models of a wide table are named by the user, or stand in columns that come in
//! groups (`wide`). Rows of one cell are averaged only where nothing says that they measure different things (`repetition`).

mod reader;
mod repetition;
mod wide;

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::cells::Cells;
use super::columns::{ColumnNames, Columns};
use super::importer::{Importer, Job};
use super::rows::{ENDINGS, first_rows};
use super::source::{is_named, stem};
use crate::error::{Error, Result};
use crate::fs;
use reader::TableFile;
use repetition::check_repetitions;
use wide::Wide;

/// Rows by the columns that distinguish them.
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
        let (columns, wide) = layout(path, job, cells)?;
        let benchmark = benchmark_of(path, job)?;
        let mut file = TableFile { path, named, columns, benchmark, is_wide: wide.is_some() };
        let mark = cells.mark();
        let mut is_repeated = match &wide {
            Some(wide) => file.read_wide(wide, job, cells)?,
            None => file.read_long(job, cells)?,
        };
        let is_guessed = wide.is_none() && named.prompt_id.is_none() && file.columns.prompt.is_some();
        if is_guessed && cells.ids_are_of_rows() {
            cells.go_back(mark);
            let id = file.columns.prompt_id.take().unwrap_or_default();
            cells.note(format!(
                "`{id}` is another one on every row while texts repeat: prompts go by their text"
            ));
            is_repeated = file.read_long(job, cells)?;
        }
        if is_repeated {
            check_repetitions(&file, job, cells)?;
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
