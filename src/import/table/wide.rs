//! The models of a wide table: columns that come in groups, columns that the user names, or an object with a part a model.

use serde_json::Value;

use crate::error::{Error, Result, suggestion};
use crate::import::cells::Answer;
use crate::import::columns::{ColumnNames, Columns};
use crate::import::json::{is_blank, parsed, score_of_text};
use crate::import::looked::{Looked, last_part, quoted};
use crate::import::rows::{Row, is_index};
use crate::import::texts::python_value;

/// Columns named in a message.
const N_NAMED: usize = 20;

/// What a column of a model is called after its name, by what it holds.
const SCORE_ENDINGS: [&str; 16] = [
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
    ".is_correct",
    ".reward",
    ".performance",
    ".quality",
];
const COST_ENDINGS: [&str; 6] = ["|total_cost", "_cost_usd", "_total_cost", "|cost", ".cost", "_cost"];
const INPUT_ENDINGS: [&str; 6] = [
    "_input_tokens",
    "_prompt_tokens",
    "|input_tokens",
    ".input_tokens",
    ".prompt_tokens",
    ".num_input_tokens",
];
const OUTPUT_ENDINGS: [&str; 6] = [
    "_output_tokens",
    "_completion_tokens",
    "|output_tokens",
    ".output_tokens",
    ".completion_tokens",
    ".num_output_tokens",
];
const TEXT_ENDINGS: [&str; 9] = [
    "|model_response",
    "_response",
    "_answer",
    "_output",
    "_prediction",
    "_latency",
    "_completion",
    ".response",
    ".text",
];

/// What parts of an object are called, the surest first; and objects with a part a model that stand beside that of the scores.
const COSTS: [&str; 7] = ["cost_usd", "total_cost", "cost", "usd", "inference_cost", "costs", "model_costs"];
const INPUTS: [&str; 4] = ["input_tokens", "prompt_tokens", "tokens_in", "num_input_tokens"];
const OUTPUTS: [&str; 4] = ["output_tokens", "completion_tokens", "tokens_out", "num_output_tokens"];

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

/// What sums up the models of a row, whole or before a `_`.
const SUMMARIES: [&str; 12] = [
    "oracle", "best", "worst", "avg", "average", "mean", "median", "max", "min", "total", "overall", "router",
];

/// A wide table's models.
#[derive(Default, PartialEq)]
pub(super) struct Wide {
    models: Vec<ModelColumns>,
    object: Option<(String, Option<&'static str>)>,
}

/// The columns of a model.
#[derive(PartialEq)]
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
    /// The column of its score, or the object that it is a part of.
    column: &'a str,
    is_part: bool,
}

impl WideModel<'_> {
    /// Whether it is a part that nobody named and that sums up the others.
    pub(super) fn is_summary(&self) -> bool {
        self.is_part && SUMMARIES.contains(&self.name.to_lowercase().as_str())
    }

    /// Where its score stands on the row.
    pub(super) fn place(&self) -> String {
        if self.is_part { format!("{}.{}", self.column, self.name) } else { self.column.to_owned() }
    }
}

impl Wide {
    /// Finds the models.
    ///
    /// # Errors
    /// None, or a column that may be one; the flag is named.
    pub(super) fn of(
        looked: &Looked,
        columns: &Columns,
        named: &ColumnNames,
    ) -> std::result::Result<Self, String> {
        let mut wide = Wide::default();
        if !named.models.is_empty() {
            for name in &named.models {
                let (base, score) = score_column(looked, name).ok_or_else(|| {
                    let near = suggestion(name, looked.seen.keys().map(String::as_str));
                    format!("`--models`: there is no column `{name}`{near}; there are {}", looked.all())
                })?;
                wide.add(looked, name, &base, score);
            }
            return Ok(wide);
        }
        if let Some(pattern) = &named.model_columns {
            let (start, end) =
                pattern.split_once('*').ok_or("`--model-columns` needs a `*` for the model's name")?;
            for score in looked.seen.keys() {
                let model = score.strip_prefix(start).and_then(|rest| rest.strip_suffix(end));
                if let Some(model) = model.filter(|model| !model.is_empty()) {
                    wide.add(looked, model, &format!("{start}{model}"), score.clone());
                }
            }
            if wide.models.is_empty() {
                return Err(format!(
                    "`--model-columns {pattern}` fits no column; there are {}",
                    looked.all()
                ));
            }
            return Ok(wide);
        }
        let mut objects = (looked.seen.iter())
            .filter(|(name, seen)| seen.is_known && !columns.holds(name))
            .filter_map(|(name, seen)| Some((name.clone(), seen.score_key?)));
        if let Some(object) = objects.next() {
            wide.object = Some(object);
            return Ok(wide);
        }
        let grouped = groups(looked, columns);
        grouped.iter().for_each(|(model, score)| wide.add(looked, model, model, score.clone()));
        let doubtful = wide.doubtful(looked, columns);
        let is_bare = grouped.iter().any(|(model, score)| model == score);
        if grouped.len() < 2 || is_bare && !doubtful.is_empty() {
            return Err(undecided(looked, &grouped, &doubtful, columns));
        }
        Ok(wide)
    }

    fn add(&mut self, looked: &Looked, model: &str, base: &str, score: String) {
        let with = |endings: &[&str]| {
            endings.iter().map(|ending| format!("{base}{ending}")).find(|name| looked.seen.contains_key(name))
        };
        let (cost, input, output) = (with(&COST_ENDINGS), with(&INPUT_ENDINGS), with(&OUTPUT_ENDINGS));
        self.models.push(ModelColumns { name: model.to_owned(), score, cost, input, output });
    }

    /// Columns that no group claims and that could be models all the same.
    fn doubtful<'l>(&self, looked: &'l Looked, columns: &Columns) -> Vec<&'l str> {
        let endings =
            || SCORE_ENDINGS.iter().chain(&COST_ENDINGS).chain(&INPUT_ENDINGS).chain(&OUTPUT_ENDINGS);
        let could_be = |name: &str| {
            let plain = name.to_lowercase();
            !OTHERS.contains(&plain.as_str())
                && !OTHER_STARTS.iter().any(|start| plain.starts_with(start))
                && !OTHER_ENDS.iter().any(|end| plain.ends_with(end))
                && !endings().chain(&TEXT_ENDINGS).any(|ending| name.ends_with(ending))
        };
        (looked.seen.iter())
            .filter(|(name, seen)| {
                seen.is_known && seen.is_number && seen.is_unit && !seen.is_part && could_be(name)
            })
            .map(|(name, _)| name.as_str())
            .filter(|name| !columns.holds(name) && !self.uses(name) && !is_index(name))
            .collect()
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
        let count = |has: fn(&&ModelColumns) -> bool| self.models.iter().filter(has).count();
        let (n_costs, n_tokens) =
            (count(|model| model.cost.is_some()), count(|model| model.output.is_some()));
        let names = quoted(self.models.iter().map(|model| &model.score));
        format!(
            "a column for each of {} models ({names}), {n_costs} with costs, {n_tokens} with tokens",
            self.models.len()
        )
    }

    /// Whether a row holds no number of any model.
    ///
    /// # Errors
    /// A value that is none.
    pub(super) fn is_silent(&self, row: &Row<'_>) -> Result<bool> {
        if let Some((column, key)) = &self.object {
            let mut is_silent = true;
            each_part(row, column, *key, &mut |model| {
                is_silent &= model.answer == Answer::default();
                Ok(())
            })?;
            return Ok(is_silent);
        }
        let is_silent = |model: &ModelColumns| {
            [Some(&model.score), model.cost.as_ref(), model.input.as_ref(), model.output.as_ref()]
                .into_iter()
                .flatten()
                .all(|column| is_blank(row.text(column).trim()))
        };
        Ok(self.models.iter().all(is_silent))
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
            each(&WideModel { name: &model.name, answer, column: &model.score, is_part: false })?;
        }
        Ok(())
    }
}

/// Models whose columns come in groups, with the column of the score, in the order of their names.
fn groups(looked: &Looked, columns: &Columns) -> Vec<(String, String)> {
    let is_score = |name: &str| looked.seen.get(name).is_some_and(|seen| seen.is_known && seen.is_number);
    let all_endings =
        || COST_ENDINGS.iter().chain(&INPUT_ENDINGS).chain(&OUTPUT_ENDINGS).chain(&TEXT_ENDINGS);
    let mut found: Vec<(String, String)> = Vec::new();
    for column in looked.seen.keys().filter(|name| !columns.holds(name) && !is_index(name)) {
        let names =
            all_endings().filter_map(|ending| column.strip_suffix(ending)).filter(|name| !name.is_empty());
        for model in names {
            let ended = SCORE_ENDINGS.iter().map(|ending| format!("{model}{ending}"));
            let score = std::iter::once(model.to_owned()).chain(ended).find(|name| is_score(name));
            let Some(score) = score.filter(|score| !columns.holds(score) && !is_index(score)) else {
                continue;
            };
            let start = model.split('_').next().unwrap_or(model).to_lowercase();
            if !SUMMARIES.contains(&start.as_str()) && !found.iter().any(|(known, _)| known == model) {
                found.push((model.to_owned(), score));
            }
        }
    }
    found.sort();
    found
}

/// What the columns of a model begin with, and that of its score.
fn score_column(looked: &Looked, model: &str) -> Option<(String, String)> {
    let ended = SCORE_ENDINGS.iter().map(|ending| format!("{model}{ending}"));
    let is_single = |name: &String| looked.seen.get(name).is_some_and(|seen| !seen.is_object);
    let score = std::iter::once(model.to_owned())
        .chain(ended)
        .filter_map(|name| looked.column(&name).ok())
        .find(is_single)?;
    let end = score.rfind(model).map_or(score.len(), |at| at + model.len());
    Some((score[..end].to_owned(), score))
}

fn undecided(looked: &Looked, grouped: &[(String, String)], doubtful: &[&str], columns: &Columns) -> String {
    let mut names: Vec<&str> = grouped.iter().map(|(name, _)| name.as_str()).collect();
    names.extend(doubtful);
    names.truncate(N_NAMED);
    if names.is_empty() || grouped.len() == 1 && doubtful.is_empty() {
        return format!(
            "has no column of models and scores, and none in groups by model (`X` and `X_cost`; `X_correct` and `X_cost`); name \
             them with `--model` and `--score` (`--model =NAME` where all is of one model), or `--models A,B`; numbers stand in {}",
            looked.numbers(&|name| columns.holds(name))
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
    let object = parsed::<Value>(text).ok().or_else(|| python_value(text)).ok_or_else(fault)?;
    for (name, part) in object.as_object().ok_or_else(fault)? {
        let number =
            |value: &Value| score_of_text(&value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        // Where the parts are the scores, costs and tokens stand in objects of their own beside this one.
        let holder = column.strip_suffix(last_part(column)).unwrap_or_default();
        let beside = |name: &str| score_of_text(row.text(&format!("{holder}{name}")));
        let first = |keys: &[&str]| match key {
            Some(_) => keys.iter().find_map(|key| number(part.get(*key)?)),
            None => keys.iter().find_map(|key| beside(&format!("{key}.{name}"))),
        };
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
        each(&WideModel { name, answer, column, is_part: true })?;
    }
    Ok(())
}
