//! The models of a wide table: columns that come in groups, columns that the user names, or an object with a part a model.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::error::{Error, Result, suggestion};
use crate::import::cells::Answer;
use crate::import::columns::{ColumnNames, Columns};
use crate::import::json::{is_blank, parsed, score_of_text};
use crate::import::rows::{Row, is_index};

/// Columns named in a message.
const N_NAMED: usize = 20;

/// What a column of a model is called after its name, by what it holds.
const SCORE_ENDINGS: [&str; 12] = [
    "_score",
    "_correct",
    "_is_correct",
    "_accuracy",
    "_acc",
    "_reward",
    "_quality",
    "_performance",
    "|score",
    "|performance",
    ".score",
    ".correct",
];
const COST_ENDINGS: [&str; 6] = ["|total_cost", "_cost_usd", "_total_cost", "|cost", ".cost", "_cost"];
const INPUT_ENDINGS: [&str; 4] = ["_input_tokens", "_prompt_tokens", "|input_tokens", ".input_tokens"];
const OUTPUT_ENDINGS: [&str; 4] =
    ["_output_tokens", "_completion_tokens", "|output_tokens", ".output_tokens"];
const TEXT_ENDINGS: [&str; 7] =
    ["|model_response", "_response", "_answer", "_output", "_prediction", "_latency", "_completion"];

/// What parts of an object are called, the surest first.
const SCORES: [&str; 7] = ["score", "reward", "correct", "is_correct", "performance", "accuracy", "quality"];
const COSTS: [&str; 4] = ["cost_usd", "total_cost", "cost", "usd"];
const INPUTS: [&str; 3] = ["input_tokens", "prompt_tokens", "tokens_in"];
const OUTPUTS: [&str; 3] = ["output_tokens", "completion_tokens", "tokens_out"];

/// Objects of plain numbers that are scores by model.
const SCORE_OBJECTS: [&str; 6] =
    ["scores", "rewards", "performances", "model_scores", "correctness", "qualities"];

/// Names of numbers that are not of a model, whole or as a beginning or an end.
const OTHERS: [&str; 14] = [
    "difficulty",
    "confidence",
    "success",
    "level",
    "fold",
    "weight",
    "length",
    "label",
    "answer",
    "target",
    "split",
    "turn",
    "epoch",
    "margin",
];
const OTHER_STARTS: [&str; 13] = [
    "is_", "has_", "best_", "worst_", "mean_", "max_", "min_", "router_", "num_", "n_", "batch_", "avg_",
    "oracle",
];
const OTHER_ENDS: [&str; 10] =
    ["_spread", "index", "idx", "_size", "number", "_id", "_rank", "_confidence", "count", "ms"];

/// What is seen of a column in the first rows.
#[derive(Default)]
struct Seen {
    /// Every value is a score or blank.
    is_number: bool,
    is_known: bool,
    is_unit: bool,
    /// Every value is an object, and its keys hold scores.
    is_object: bool,
    score_key: Option<&'static str>,
}

/// A wide table's models.
#[derive(Default)]
pub(super) struct Wide {
    seen: BTreeMap<String, Seen>,
    models: Vec<ModelColumns>,
    object: Option<(String, Option<&'static str>)>,
}

/// The columns of a model.
struct ModelColumns {
    name: String,
    score: String,
    cost: Option<String>,
    input: Option<String>,
    output: Option<String>,
}

/// An answer of a model on a row.
pub(super) struct WideModel<'a> {
    pub(super) name: &'a str,
    pub(super) answer: Answer,
}

impl Wide {
    /// Learns from a row what kinds of columns there are.
    pub(super) fn look_at(&mut self, row: &Row<'_>) {
        for name in row.columns() {
            if !self.seen.contains_key(name) {
                let seen = Seen { is_number: true, is_unit: true, is_object: true, ..Seen::default() };
                self.seen.insert(name.to_owned(), seen);
            }
            let Some(seen) = self.seen.get_mut(name) else { continue };
            let text = row.text(name).trim();
            if is_blank(text) {
                continue;
            }
            let score = score_of_text(text);
            seen.is_known = true;
            seen.is_number &= score.is_some();
            seen.is_unit &= score.is_some_and(|score| (0.0..=1.0).contains(&score));
            if seen.is_object {
                let object = text.starts_with('{').then(|| parsed::<Value>(text).ok()).flatten();
                match object.as_ref().and_then(|object| score_key(name, object)) {
                    Some(key) => seen.score_key = key,
                    None => seen.is_object = false,
                }
            }
        }
    }

    /// Finds the models.
    ///
    /// # Errors
    /// None, or a column that may be one; the flag is named.
    pub(super) fn find_models(
        &mut self,
        columns: &Columns,
        named: &ColumnNames,
    ) -> std::result::Result<(), String> {
        if !named.models.is_empty() {
            for name in &named.models {
                let score = self.score_column(name).ok_or_else(|| {
                    let near = suggestion(name, self.seen.keys().map(String::as_str));
                    format!("`--models`: there is no column `{name}`{near}; there are {}", self.all_columns())
                })?;
                self.add(name, score);
            }
            return Ok(());
        }
        if let Some(pattern) = &named.model_columns {
            let (start, end) =
                pattern.split_once('*').ok_or("`--model-columns` needs a `*` for the model's name")?;
            let found: Vec<(String, String)> = (self.seen.keys())
                .filter_map(|name| {
                    Some((name.strip_prefix(start)?.strip_suffix(end)?.to_owned(), name.clone()))
                })
                .filter(|(model, _)| !model.is_empty())
                .collect();
            if found.is_empty() {
                return Err(format!(
                    "`--model-columns {pattern}` fits no column; there are {}",
                    self.all_columns()
                ));
            }
            found.iter().for_each(|(model, score)| self.add(model, score.clone()));
            return Ok(());
        }
        let object =
            self.seen.iter().find(|(name, seen)| seen.is_known && seen.is_object && !columns.holds(name));
        if let Some((name, seen)) = object {
            self.object = Some((name.clone(), seen.score_key));
            return Ok(());
        }
        let grouped = self.groups(columns);
        grouped.iter().for_each(|(model, score)| self.add(model, score.clone()));
        let doubtful = self.doubtful(columns);
        let is_bare = grouped.iter().any(|(model, score)| model == score);
        if grouped.is_empty() || is_bare && !doubtful.is_empty() {
            return Err(self.undecided(&grouped, &doubtful, columns));
        }
        Ok(())
    }

    /// Models whose columns come in groups, with the column of the score.
    fn groups(&self, columns: &Columns) -> Vec<(String, String)> {
        let is_score = |name: &str| self.seen.get(name).is_some_and(|seen| seen.is_known && seen.is_number);
        let all_endings =
            || COST_ENDINGS.iter().chain(&INPUT_ENDINGS).chain(&OUTPUT_ENDINGS).chain(&TEXT_ENDINGS);
        let mut found: Vec<(String, String)> = Vec::new();
        for column in self.seen.keys().filter(|name| !columns.holds(name) && !is_index(name)) {
            let names = all_endings()
                .filter_map(|ending| column.strip_suffix(ending))
                .filter(|name| !name.is_empty());
            for model in names {
                let ended = SCORE_ENDINGS.iter().map(|ending| format!("{model}{ending}"));
                let score = std::iter::once(model.to_owned()).chain(ended).find(|name| is_score(name));
                let Some(score) = score.filter(|score| !columns.holds(score) && !is_index(score)) else {
                    continue;
                };
                if !found.iter().any(|(known, _)| known == model) {
                    found.push((model.to_owned(), score));
                }
            }
        }
        // In the order of their names, as columns are.
        found.sort();
        found
    }

    fn score_column(&self, model: &str) -> Option<String> {
        let ended = SCORE_ENDINGS.iter().map(|ending| format!("{model}{ending}"));
        std::iter::once(model.to_owned()).chain(ended).find(|name| self.seen.contains_key(name))
    }

    fn add(&mut self, model: &str, score: String) {
        let with = |endings: &[&str]| {
            endings.iter().map(|ending| format!("{model}{ending}")).find(|name| self.seen.contains_key(name))
        };
        let (cost, input, output) = (with(&COST_ENDINGS), with(&INPUT_ENDINGS), with(&OUTPUT_ENDINGS));
        self.models.push(ModelColumns { name: model.to_owned(), score, cost, input, output });
    }

    /// Columns that no group claims and that could be models all the same.
    fn doubtful(&self, columns: &Columns) -> Vec<&str> {
        let endings =
            || SCORE_ENDINGS.iter().chain(&COST_ENDINGS).chain(&INPUT_ENDINGS).chain(&OUTPUT_ENDINGS);
        let could_be = |name: &str| {
            let plain = name.to_lowercase();
            !OTHERS.contains(&plain.as_str())
                && !OTHER_STARTS.iter().any(|start| plain.starts_with(start))
                && !OTHER_ENDS.iter().any(|end| plain.ends_with(end))
                && !endings().chain(&TEXT_ENDINGS).any(|ending| name.ends_with(ending))
        };
        let is_score = |seen: &Seen| seen.is_known && seen.is_number && seen.is_unit;
        let free =
            self.seen.iter().filter(|(name, _)| !columns.holds(name) && !self.uses(name) && !is_index(name));
        free.filter(|(name, seen)| is_score(seen) && could_be(name)).map(|(name, _)| name.as_str()).collect()
    }

    fn undecided(&self, grouped: &[(String, String)], doubtful: &[&str], columns: &Columns) -> String {
        let names: Vec<&str> = grouped
            .iter()
            .map(|(name, _)| name.as_str())
            .chain(doubtful.iter().copied())
            .take(N_NAMED)
            .collect();
        if names.is_empty() {
            return format!(
                "has no column of models and scores, and none in groups by model (`X` and `X_cost`; `X_correct` and `X_cost`); name \
                 them with `--model` and `--score`, or `--models A,B`; numbers stand in {}",
                self.numbers(columns)
            );
        }
        let start = match grouped {
            [] => "has no column of models; columns of numbers are no evidence of models".to_owned(),
            _ => format!(
                "has columns of models in groups (`{}`...) and others that may be models too",
                grouped[0].0
            ),
        };
        format!("{start}; name those that are: `--models {}`", names.join(","))
    }

    /// The columns that hold numbers only, for a message.
    pub(super) fn numbers(&self, columns: &Columns) -> String {
        let free = self.seen.iter().filter(|(name, seen)| {
            seen.is_known && seen.is_number && !columns.holds(name) && !is_index(name)
        });
        quoted(free.map(|(name, _)| name))
    }

    /// All columns, for a message.
    pub(super) fn all_columns(&self) -> String {
        quoted(self.seen.keys())
    }

    /// Whether an answer is read from a column.
    pub(super) fn uses(&self, column: &str) -> bool {
        let of_model = |model: &ModelColumns| {
            model.score == column
                || [&model.cost, &model.input, &model.output]
                    .iter()
                    .any(|used| used.as_deref() == Some(column))
        };
        self.object.as_ref().is_some_and(|(name, _)| name == column) || self.models.iter().any(of_model)
    }

    /// What the models are, for the report.
    pub(super) fn words(&self) -> String {
        if let Some((column, key)) = &self.object {
            let key = key.map_or_else(|| "the number".to_owned(), |key| format!("`{key}`"));
            return format!("the parts of `{column}`, by {key} of each");
        }
        let n_costs = self.models.iter().filter(|model| model.cost.is_some()).count();
        let names = quoted(self.models.iter().map(|model| &model.score));
        format!("a column for each of {} models ({names}), {n_costs} with costs", self.models.len())
    }

    /// Hands over every model's answer on a row.
    ///
    /// # Errors
    /// A value that is none; whatever `each` finds.
    pub(super) fn each_answer(
        &self,
        row: &Row<'_>,
        each: &mut dyn FnMut(&WideModel<'_>) -> Result<()>,
    ) -> Result<()> {
        if let Some((column, key)) = &self.object {
            return each_part(row, column, *key, each);
        }
        for model in &self.models {
            let number =
                |column: &Option<String>| column.as_ref().map_or(Ok(None), |column| row.number(column));
            let answer = Answer {
                score: row.score(&model.score)?,
                cost_usd: number(&model.cost)?,
                input_tokens: number(&model.input)?,
                output_tokens: number(&model.output)?,
            };
            each(&WideModel { name: &model.name, answer })?;
        }
        Ok(())
    }
}

/// The key of the score in the parts of an object that has a part a model; within, `None` where the parts are the scores.
fn score_key(column: &str, object: &Value) -> Option<Option<&'static str>> {
    let parts = object.as_object().filter(|parts| !parts.is_empty())?;
    if parts.values().all(|part| part.is_number() || part.is_boolean() || part.is_null()) {
        let is_named_so = SCORE_OBJECTS.contains(&column.to_lowercase().as_str());
        return is_named_so.then_some(None);
    }
    let has = |key: &&'static str| parts.values().all(|part| part.get(*key).is_some());
    SCORES.into_iter().find(has).map(Some)
}

fn each_part(
    row: &Row<'_>,
    column: &str,
    key: Option<&str>,
    each: &mut dyn FnMut(&WideModel<'_>) -> Result<()>,
) -> Result<()> {
    let fault = || -> Error { row.fault(format!("column `{column}` is no object with a part a model")) };
    let text = row.text(column).trim();
    if is_blank(text) {
        return Ok(());
    }
    let object: Value = parsed(text).map_err(|_| fault())?;
    for (name, part) in object.as_object().ok_or_else(fault)? {
        let number =
            |value: &Value| score_of_text(&value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        let first = |keys: &[&str]| keys.iter().find_map(|key| number(part.get(*key)?));
        let score = match key {
            Some(key) => part.get(key).and_then(number),
            None => number(part),
        };
        let answer = Answer {
            score,
            cost_usd: first(&COSTS),
            input_tokens: first(&INPUTS),
            output_tokens: first(&OUTPUTS),
        };
        each(&WideModel { name, answer })?;
    }
    Ok(())
}

fn quoted<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let mut names: Vec<&str> = names.map(String::as_str).collect();
    let n_more = names.len().saturating_sub(N_NAMED);
    names.truncate(N_NAMED);
    let list = if names.is_empty() { "none".to_owned() } else { format!("`{}`", names.join("`, `")) };
    if n_more == 0 { list } else { format!("{list} and {n_more} more") }
}
