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
use super::columns::{ColumnNames, Columns, SCORES};
use super::importer::{Importer, Job};
use super::looked::{Looked, N_LOOKED_AT, Seen, plain, quoted};
use super::rows::Rows;
use super::slips;
use super::source::{Spot, stem};
use crate::error::{Error, Result};
use crate::fs;
use reader::TableFile;
use repetition::check_repetitions;
use wide::Wide;

/// An id that stands for so many texts on average is not a prompt's.
const TEXTS_OF_AN_ID: usize = 4;

/// Any table of scores.
pub(super) struct Table;

impl Importer for Table {
    fn name(&self) -> &'static str {
        "table"
    }

    fn has_columns(&self) -> bool {
        true
    }

    fn read(&self, path: &Path, job: &Job<'_>, cells: &mut Cells) -> Result<()> {
        let mark = cells.mark();
        let layout = Layout::of(path, job);
        let layout = layout.map_err(|problem| problem.into_error(path, cells))?;
        let benchmark = benchmark_of(path, job)?;
        let file = read_file(layout, benchmark.clone(), cells)?;
        let late = file.rows.late();
        if late.is_empty() {
            return Ok(());
        }
        let whole = Layout::by(path, job, Looked::at_all);
        let whole = whole.map_err(|problem| problem.into_error(path, cells))?;
        let is_new = !whole.is_same(&file);
        let is_used = |name: &str| whole.is_used(name);
        let unused = whole.looked.unused(&is_used);
        let shown = |(name, spot): (&String, &Spot)| format!("`{name}` (first at {spot})");
        if is_new {
            cells.go_back(mark);
            let used: Vec<String> = late.iter().filter(|(name, _)| is_used(name)).map(shown).collect();
            cells.note(format!("columns that come late are read from all rows: {}", used.join(", ")));
            read_file(whole, benchmark, cells)?;
        } else {
            let late = late.iter().filter(|(name, _)| unused.contains(&name.as_str()));
            late.map(shown).for_each(|column| cells.reads("unused", column));
        }
        Ok(())
    }
}

/// Reads a file whose columns are told apart.
fn read_file<'a>(layout: Layout<'a>, benchmark: String, cells: &mut Cells) -> Result<TableFile<'a>> {
    let Layout { rows, looked, named, columns, id_of_many, wide } = layout;
    let mut file = TableFile { rows, looked, named, columns, benchmark, wide, ids: None };
    if let Some(id) = id_of_many {
        cells.note(format!("`{id}` stands for many texts: prompts go by their text"));
    }
    let mark = cells.mark();
    let mut is_repeated = file.read(cells)?;
    let is_guessed = file.wide.is_none() && file.named.prompt_id.is_none() && file.columns.prompt.is_some();
    if is_guessed && cells.ids_are_of_rows() {
        cells.go_back(mark);
        file.ids = file.columns.prompt_id.take();
        cells.note(format!(
            "`{}` is another one on every row while texts repeat: prompts go by their text",
            file.ids.as_deref().unwrap_or_default()
        ));
        is_repeated = file.read(cells)?;
    }
    if is_repeated {
        check_repetitions(&file, cells)?;
    }
    Ok(file)
}

/// Where the rows of a file are, which columns are what, and the models of a wide table.
struct Layout<'a> {
    rows: Rows<'a>,
    looked: Looked,
    /// What the user names, by full names.
    named: ColumnNames,
    columns: Columns,
    /// What looked like a prompt's id and stands for many texts.
    id_of_many: Option<String>,
    wide: Option<Wide>,
}

/// Why a file has no layout.
enum Undecided {
    /// It cannot be read.
    Fault(Error),
    /// It does not have a column that the user names.
    Absent(Error),
    /// The user has to decide about its columns.
    Choice(String),
}

impl From<Error> for Undecided {
    fn from(error: Error) -> Self {
        Undecided::Fault(error)
    }
}

impl Undecided {
    fn into_error(self, path: &Path, cells: &mut Cells) -> Error {
        match self {
            Undecided::Fault(error) | Undecided::Absent(error) => error,
            Undecided::Choice(problem) => cells.undecided(Error::file(path, problem)),
        }
    }
}

/// Looks at the first rows, or at all.
type Look = fn(&Rows<'_>) -> Result<Looked>;

impl<'a> Layout<'a> {
    /// By the first rows or, where these do not tell, by all.
    fn of(path: &'a Path, job: &'a Job<'_>) -> std::result::Result<Self, Undecided> {
        Self::by(path, job, Looked::at).or_else(|first| match first {
            Undecided::Fault(_) => Err(first),
            _ => Self::by(path, job, Looked::at_all).map_err(|whole| match whole {
                Undecided::Fault(_) => first,
                _ => whole,
            }),
        })
    }

    fn by(path: &'a Path, job: &'a Job<'_>, look: Look) -> std::result::Result<Self, Undecided> {
        let asked = &job.settings.columns;
        let rows = Rows::spread(job.sources, path, asked.records.as_deref(), SCORES);
        let (rows, looked) = with_lists(rows, asked, look)?;
        let named = asked.found_in(&looked).map_err(Undecided::Absent)?;
        let mut columns = Columns::of(&looked, &named, &rows.list());
        let is_of_many = named.prompt_id.is_none() && is_id_of_many(&rows, &columns)?;
        let id_of_many = columns.prompt_id.take_if(|_| is_of_many);
        let (columns, wide) = decided(&looked, columns, &named).map_err(|problem| {
            let header =
                rows.are_delimited().then(|| slips::of_header(looked.seen.keys().map(String::as_str)));
            let of_tool = || slips::of_columns(&|name| looked.seen.contains_key(name));
            Undecided::Choice(header.flatten().or_else(of_tool).unwrap_or(problem))
        })?;
        Ok(Layout { rows, looked, named, columns, id_of_many, wide })
    }

    /// Whether a file was read by the same columns.
    fn is_same(&self, file: &TableFile<'_>) -> bool {
        let ids = file.ids.as_ref().or(file.columns.prompt_id.as_ref());
        let of_file = Columns { prompt_id: ids.cloned(), ..file.columns.clone() };
        self.rows.is_same(&file.rows)
            && (&self.named, &self.columns, &self.wide) == (&file.named, &of_file, &file.wide)
    }

    fn is_used(&self, column: &str) -> bool {
        self.columns.is_used(column, &self.named) || self.wide.as_ref().is_some_and(|wide| wide.uses(column))
    }
}

/// The rows of a file or, where those are prompts with a list of the models' answers each, the elements of these lists.
fn with_lists<'a>(
    rows: Rows<'a>,
    asked: &ColumnNames,
    look: Look,
) -> std::result::Result<(Rows<'a>, Looked), Undecided> {
    let looked = look(&rows)?;
    let is_whole = |named: &Option<String>, guess: fn(&Columns) -> &Option<String>| match named {
        Some(name) => looked.column(name).is_ok(),
        None => {
            let columns = Columns::of(&looked, &ColumnNames::default(), "");
            guess(&columns).as_ref().is_some_and(|name| !looked.seen[name].lists_names)
        }
    };
    let is_long =
        is_whole(&asked.model, |columns| &columns.model) && is_whole(&asked.score, |columns| &columns.score);
    if asked.records.is_some() || is_long || !asked.models.is_empty() || asked.model_columns.is_some() {
        return Ok((rows, looked));
    }
    let columns_with = |has: fn(&Seen) -> bool| -> Vec<&String> {
        looked.seen.iter().filter(|(_, seen)| seen.is_known && has(seen)).map(|(name, _)| name).collect()
    };
    let is_named_so =
        |name: &String| asked.model.as_ref().map_or_else(|| plain(name).contains("model"), |own| own == name);
    let mut names = columns_with(|seen| seen.lists_names && !seen.is_part);
    names.retain(|name| is_named_so(name));
    let rows = match (&columns_with(|seen| seen.lists_models)[..], &names[..]) {
        ([], [list]) => rows.unzipped(list),
        ([list], _) => rows.within(list),
        ([], _) => return Ok((rows, looked)),
        (lists, _) => {
            let first = lists[0];
            return Err(Undecided::Choice(format!(
                "has several lists of models: {}; choose one, as in `--records {first}`",
                quoted(lists.iter().copied())
            )));
        }
    };
    let looked = look(&rows)?;
    Ok((rows, looked))
}

/// Whether an id stands for many texts, as that of a template does: then it is no prompt's.
fn is_id_of_many(rows: &Rows<'_>, columns: &Columns) -> Result<bool> {
    let (Some(id), Some(prompt)) = (&columns.prompt_id, &columns.prompt) else { return Ok(false) };
    let (mut ids, mut texts) = (BTreeSet::new(), BTreeSet::new());
    rows.first(N_LOOKED_AT, &mut |row| {
        let label =
            |column: &Option<String>| column.as_ref().map_or("", |column| row.text(column)).to_owned();
        ids.insert([row.text(id).to_owned(), label(&columns.benchmark), label(&columns.task)]);
        texts.insert(row.text(prompt).to_owned());
        Ok(())
    })?;
    Ok(TEXTS_OF_AN_ID * ids.len() <= texts.len())
}

fn decided(
    looked: &Looked,
    mut columns: Columns,
    named: &ColumnNames,
) -> std::result::Result<(Columns, Option<Wide>), String> {
    if columns.prompt_id.is_none() && columns.prompt.is_none() {
        let problem =
            "has no column that looks like a prompt or its id; name one with `--prompt-id` or `--prompt`";
        return Err(format!("{problem}; there are {}", looked.all()));
    }
    let are_models_named = !named.models.is_empty() || named.model_columns.is_some();
    if !are_models_named && columns.model.is_some() && columns.score.is_some() {
        return Ok((columns, None));
    }
    if let Some(model) = columns.model.as_ref().filter(|_| !are_models_named) {
        return Err(format!(
            "has models in column `{model}`, but none that looks like a score; name it with `--score`; numbers stand in {}",
            looked.numbers(&|name| columns.holds(name))
        ));
    }
    if let Some(score) = &named.score {
        return Err(format!(
            "has scores in column `{score}`, but none that looks like a model; name it with `--model` (`--model =NAME` where all is \
             of one model); there are {}",
            looked.all()
        ));
    }
    let wide = Wide::of(looked, &columns, named)?;
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
        let Ok(Layout { rows, columns: Columns { model: Some(model), benchmark: None, .. }, .. }) =
            Layout::of(path, job)
        else {
            return BTreeMap::new();
        };
        let read = rows.first(N_LOOKED_AT, &mut |row| {
            found.insert(row.text(&model).trim().to_owned());
            Ok(())
        });
        if read.is_ok() && found.len() == 1 {
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
