//! What the first rows of a table hold, column by column, and which column fits a common name.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use super::cells::Cells;
use super::json::{is_blank, parsed, score_of_text};
use super::rows::{Row, Rows, is_index};
use super::texts::python_value;
use crate::error::{Error, Result, suggestion};
use crate::suite::Part;

/// Rows by which columns are told apart; of a column that comes later, as many from there on.
pub(super) const N_LOOKED_AT: usize = 100;

/// Columns named in a message.
const N_NAMED: usize = 20;

/// What the score is called among the parts of an object that is of a model, the surest first.
const SCORES: [&str; 8] =
    ["score", "reward", "correct", "is_correct", "performance", "accuracy", "quality", "value"];

/// Objects of plain numbers that are scores by model.
const SCORE_OBJECTS: [&str; 6] =
    ["scores", "rewards", "performances", "model_scores", "correctness", "qualities"];

/// What names a model in an element of a list.
const MODELS: [&str; 6] = ["model", "model_id", "model_name", "llm", "arm", "router_model"];

/// Objects whose parts are of somebody else than the model.
const OTHERS: [&str; 8] =
    ["judge", "grader", "evaluator", "annotator", "reference", "baseline", "expected", "oracle"];

/// What is seen of a column in the first rows.
#[derive(Default)]
pub(super) struct Seen {
    /// Some value is not blank; the rest is of these.
    pub(super) is_known: bool,
    /// Every value is a score, and within [0, 1], and 0 or 1.
    pub(super) is_number: bool,
    pub(super) is_unit: bool,
    pub(super) is_binary: bool,
    /// Every value is an object.
    pub(super) is_object: bool,
    /// Every value is an object with a part a model; within, the key of the score in each part, or none where it is the part.
    pub(super) score_key: Option<Option<&'static str>>,
    /// Every value is a list of objects that name models, or of names.
    pub(super) lists_models: bool,
    pub(super) lists_names: bool,
    /// Every value names a part of a split.
    pub(super) names_parts: bool,
    /// It is a part of another column, and of how many that hold each other.
    pub(super) is_part: bool,
    depth: usize,
    /// Rows that had it.
    n_rows: usize,
}

/// The columns of the first rows.
pub(super) struct Looked {
    path: PathBuf,
    pub(super) seen: BTreeMap<String, Seen>,
}

impl Looked {
    /// Looks at the first rows.
    ///
    /// # Errors
    /// A file that cannot be read, or without rows.
    pub(super) fn at(rows: &Rows<'_>) -> Result<Self> {
        Self::at_rows(rows, N_LOOKED_AT)
    }

    /// Looks at all rows, for columns that come late.
    ///
    /// # Errors
    /// As [`Looked::at`].
    pub(super) fn at_all(rows: &Rows<'_>) -> Result<Self> {
        Self::at_rows(rows, usize::MAX)
    }

    fn at_rows(rows: &Rows<'_>, n_rows: usize) -> Result<Self> {
        let mut looked = Looked { path: rows.path.to_owned(), seen: BTreeMap::new() };
        rows.first(n_rows, &mut |row| {
            looked.look_at(row);
            Ok(())
        })?;
        rows.know(looked.seen.keys());
        let names: Vec<String> = looked.seen.keys().cloned().collect();
        for name in names {
            let is_within = |at: usize| looked.seen.contains_key(&name[..at]) || rows.is_above(&name[..at]);
            let depth = name.match_indices('.').filter(|(at, _)| is_within(*at)).count();
            if let Some(seen) = looked.seen.get_mut(&name) {
                (seen.is_part, seen.depth) = (0 < depth, depth);
            }
        }
        if looked.seen.is_empty() { Err(Error::file(rows.path, rows.of_none())) } else { Ok(looked) }
    }

    fn look_at(&mut self, row: &Row<'_>) {
        for name in row.columns() {
            if !self.seen.contains_key(name) {
                let seen = Seen {
                    is_number: true,
                    is_unit: true,
                    is_binary: true,
                    is_object: true,
                    lists_models: true,
                    lists_names: true,
                    names_parts: true,
                    ..Seen::default()
                };
                self.seen.insert(name.to_owned(), seen);
            }
            let Some(seen) = self.seen.get_mut(name).filter(|seen| seen.n_rows < N_LOOKED_AT) else {
                continue;
            };
            seen.n_rows += 1;
            let text = row.text(name).trim();
            if is_blank(text) || ["[]", "{}"].contains(&text) {
                continue;
            }
            let score = score_of_text(text);
            seen.is_number &= score.is_some();
            seen.is_unit &= score.is_some_and(|score| (0.0..=1.0).contains(&score));
            seen.is_binary &= score.is_some_and(|score| score == 0.0 || score == 1.0);
            seen.names_parts &= Part::named(text).is_some();
            seen.look_within(name, text);
            seen.is_known = true;
        }
    }

    /// A column by its name, or by the end of its name where no other ends so.
    ///
    /// # Errors
    /// There is none, or there are several.
    pub(super) fn column(&self, name: &str) -> Result<String> {
        if self.seen.contains_key(name) || name.starts_with('=') {
            return Ok(name.to_owned());
        }
        let end = format!(".{name}");
        let ending: Vec<&String> = self.seen.keys().filter(|known| known.ends_with(&end)).collect();
        match ending[..] {
            [only] => Ok(only.clone()),
            [] => {
                let near = suggestion(name, self.seen.keys().map(String::as_str));
                let list = if near.is_empty() { format!("; there are {}", self.all()) } else { near };
                Err(Error::file(&self.path, format!("there is no column `{name}`{list}")))
            }
            _ => {
                let several = quoted(ending.into_iter());
                Err(Error::file(&self.path, format!("several columns end in `{name}`: {several}")))
            }
        }
    }

    /// The column that fits the first of these names; a part of another one only where it is the only one called so at its
    /// depth, and is of nobody else than the model.
    pub(super) fn guessed(&self, common: &[&str], fits: &dyn Fn(&str, &Seen) -> bool) -> Option<String> {
        let free = |is_part: bool| {
            (self.seen.iter())
                .filter(move |(name, seen)| seen.is_part == is_part && !is_index(name) && fits(name, seen))
        };
        let of = |is_known: bool| {
            common.iter().find_map(|wanted| {
                free(false)
                    .find(|(name, seen)| seen.is_known == is_known && plain(name) == plain(wanted))
                    .map(|(name, _)| name.clone())
            })
        };
        of(true).or_else(|| of(false)).or_else(|| {
            let parts: Vec<&String> = free(true)
                .filter(|(name, seen)| seen.is_known && !is_of_others(name))
                .map(|(name, _)| name)
                .collect();
            let called = |wanted: &str| {
                let mut called: Vec<&String> =
                    parts.iter().copied().filter(|name| ends_as(name, wanted)).collect();
                let depth = |name: &String| self.seen[name].depth;
                let least = called.iter().copied().map(depth).min();
                called.retain(|name| Some(depth(name)) == least);
                called
            };
            let first = common.iter().map(|wanted| called(wanted)).find(|called| !called.is_empty())?;
            match first[..] {
                [only] => Some(only.clone()),
                _ => None,
            }
        })
    }

    /// The columns that hold numbers only, for a message.
    pub(super) fn numbers(&self, is_used: &dyn Fn(&str) -> bool) -> String {
        let free = self
            .seen
            .iter()
            .filter(|(name, seen)| seen.is_known && seen.is_number && !is_used(name) && !is_index(name));
        quoted(free.map(|(name, _)| name))
    }

    /// All columns, for a message.
    pub(super) fn all(&self) -> String {
        quoted(self.seen.keys())
    }

    /// Columns that nothing is read from: of an object of which nothing is read only the whole.
    pub(super) fn unused(&self, is_used: &dyn Fn(&str) -> bool) -> Vec<&str> {
        let of_used = |name: &str| {
            let start = format!("{name}.");
            let parts = self.seen.range(start.clone()..).map(|(part, _)| part);
            parts.take_while(|part| part.starts_with(&start)).any(|part| is_used(part))
        };
        // Of an object that is read as a whole, and of one of which nothing is read, no part is told.
        let is_beside_used = |name: &str| {
            let mut holders = name.match_indices('.').map(|(at, _)| &name[..at]);
            let holder = holders.rfind(|holder| self.seen.contains_key(*holder));
            holder.is_some_and(|holder| !is_used(holder) && of_used(holder))
        };
        (self.seen.iter())
            .filter(|(name, seen)| {
                let is_told = !seen.is_part || is_beside_used(name);
                is_told && !is_index(name) && !is_used(name) && !of_used(name)
            })
            .map(|(name, _)| name.as_str())
            .collect()
    }
}

impl Seen {
    fn look_within(&mut self, name: &str, text: &str) {
        let value =
            if (self.is_object || self.lists_models || self.lists_names) && text.starts_with(['{', '[']) {
                parsed::<Value>(text).ok().or_else(|| python_value(text))
            } else {
                None
            };
        let score_key = value.as_ref().and_then(|object| score_key(name, object));
        self.score_key =
            if self.is_known { self.score_key.filter(|_| score_key.is_some()) } else { score_key };
        self.is_object &= value.as_ref().is_some_and(Value::is_object);
        let list = value.as_ref().and_then(Value::as_array).filter(|list| !list.is_empty());
        self.lists_models &= list.is_some_and(|list| list.iter().all(names_model));
        self.lists_names &= list.is_some_and(|list| list.iter().all(Value::is_string));
    }
}

/// Reads a file by what its first rows say of its columns; where columns come later that change what is read as what, again by
/// those of all rows.
///
/// # Errors
/// Whatever `decide` and `read` find.
pub(super) fn read_by<C: PartialEq>(
    rows: &Rows<'_>,
    cells: &mut Cells,
    decide: impl Fn(&Looked) -> Result<C>,
    mut read: impl FnMut(&C, &mut Cells) -> Result<()>,
) -> Result<()> {
    let by_all = || decide(&Looked::at_all(rows)?);
    let columns = decide(&Looked::at(rows)?).or_else(|error| by_all().map_err(|_| error))?;
    let mark = cells.mark();
    read(&columns, cells)?;
    if rows.late().is_empty() {
        return Ok(());
    }
    let again = by_all()?;
    if again != columns {
        cells.go_back(mark);
        read(&again, cells)?;
    }
    Ok(())
}

/// Whether an element of a list says which model it is of.
fn names_model(element: &Value) -> bool {
    let Some(element) = element.as_object() else { return false };
    element.iter().any(|(key, value)| match value {
        Value::String(name) => !name.is_empty() && MODELS.iter().any(|wanted| plain(key) == plain(wanted)),
        Value::Object(model) => {
            ["model", "provider"].contains(&key.as_str()) && model.get("id").is_some_and(Value::is_string)
        }
        _ => false,
    })
}

/// The key of the score in the parts of an object that has a part a model; within, `None` where the parts are the scores.
fn score_key(column: &str, object: &Value) -> Option<Option<&'static str>> {
    let parts = object.as_object().filter(|parts| !parts.is_empty())?;
    if parts.values().all(|part| part.is_number() || part.is_boolean() || part.is_null()) {
        let own = column.rsplit('.').next().unwrap_or(column).to_lowercase();
        return SCORE_OBJECTS.contains(&own.as_str()).then_some(None);
    }
    let has = |key: &&'static str| parts.values().all(|part| part.get(*key).is_some());
    SCORES.into_iter().find(has).map(Some)
}

/// A name without what people write in different ways.
pub(super) fn plain(name: &str) -> String {
    name.chars().filter(|c| !['-', '_', ' '].contains(c)).flat_map(char::to_lowercase).collect()
}

/// The last part of a column's name.
pub(super) fn last_part(column: &str) -> &str {
    column.rsplit('.').next().unwrap_or(column)
}

/// Whether the last parts of a column's name are these.
fn ends_as(column: &str, wanted: &str) -> bool {
    let n_parts = wanted.matches('.').count() + 1;
    let mut parts: Vec<String> = column.rsplit('.').take(n_parts).map(plain).collect();
    parts.reverse();
    parts.join(".") == plain(wanted)
}

fn is_of_others(column: &str) -> bool {
    column.split('.').rev().skip(1).any(|part| OTHERS.contains(&plain(part).as_str()))
}

/// Names for a message.
pub(super) fn quoted<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let mut names: Vec<&str> = names.map(String::as_str).collect();
    let n_more = names.len().saturating_sub(N_NAMED);
    names.truncate(N_NAMED);
    let list = if names.is_empty() { "none".to_owned() } else { format!("`{}`", names.join("`, `")) };
    if n_more == 0 { list } else { format!("{list} and {n_more} more") }
}
