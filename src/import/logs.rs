//! Logs of a deployed router: a row is a request with the one model that answered it, in the shapes of LiteLLM, OpenRouter,
//! Langfuse, and Helicone, told by the names of their columns.
//!
//! Every request is a prompt of its own with one known cell: equal texts asked twice stay two requests. A score is kept where
//! one is logged, and so is the probability with which the router chose the model (`propensity`), which `estimate` needs.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::cells::{Answer, Cells, PromptFacts};
use super::columns::ColumnNames;
use super::importer::{Importer, Job};
use super::json::is_blank;
use super::rows::{ENDINGS, Row, Rows, shortened};
use super::source::{is_named, stem};
use super::texts::first_turn;
use crate::error::{Error, Result};

/// Names under which tools keep each fact, the surest first; a dot goes one level down.
const IDS: &[&str] = &["request_id", "id", "generation_id", "trace_id", "response_id"];
const MODELS: &[&str] = &["model", "request_model", "model_name", "providedModelName", "model_group"];
const TEXTS: &[&str] =
    &["messages", "input", "request_body.messages", "request.messages", "prompt", "request", "query"];
const SCORES: &[&str] = &["score", "reward", "rating", "feedback", "scores", "metadata.score"];
const COSTS: &[&str] = &[
    "spend",
    "total_cost",
    "costDetails.total",
    "calculatedTotalCost",
    "cost_usd",
    "costUSD",
    "cost",
    "usage",
];
const INPUT_TOKENS: &[&str] = &[
    "native_tokens_prompt",
    "tokens_prompt",
    "prompt_tokens",
    "usageDetails.input",
    "promptTokens",
    "input_tokens",
];
const OUTPUT_TOKENS: &[&str] = &[
    "native_tokens_completion",
    "tokens_completion",
    "completion_tokens",
    "usageDetails.output",
    "completionTokens",
    "output_tokens",
];
const PROPENSITIES: &[&str] =
    &["propensity", "probability", "action_probability", "metadata.propensity", "metadata.probability"];
const STATUSES: &[&str] = &["status", "response_status", "level", "metadata.status"];

/// What tools write for a request that came to nothing.
const FAILED: [&str; 5] = ["failure", "failed", "error", "cancelled", "canceled"];

/// Logs of requests.
pub(super) struct Logs;

impl Importer for Logs {
    fn name(&self) -> &'static str {
        "logs"
    }

    fn wanted(&self) -> &'static str {
        "CSV, TSV, JSONL, JSON, or Parquet file"
    }

    fn is_wanted(&self, path: &Path) -> bool {
        is_named(path, "", &ENDINGS)
    }

    fn has_columns(&self) -> bool {
        true
    }

    fn read(&self, path: &Path, job: &Job<'_>, cells: &mut Cells) -> Result<()> {
        let mut columns: Option<LogColumns> = None;
        let mut known = BTreeSet::new();
        let benchmark = stem(path);
        Rows::plain(job.sources, path).each(&mut |row| {
            if columns.is_none() {
                let found = LogColumns::of(row, &job.settings.columns)?;
                cells.note(found.words());
                columns = Some(found);
            }
            if let Some(reason) = job.settings.columns.leaves_out(row) {
                cells.skip(reason);
                return Ok(());
            }
            match &columns {
                Some(columns) => columns.read(row, &benchmark, &mut known, cells),
                None => Ok(()),
            }
        })?;
        if columns.is_none() { Err(Error::file(path, "holds no request")) } else { Ok(()) }
    }
}

/// The columns of a log.
struct LogColumns {
    id: String,
    model: String,
    text: Option<String>,
    score: String,
    cost: Option<String>,
    input_tokens: Option<String>,
    output_tokens: Option<String>,
    propensity: Option<String>,
    status: Option<String>,
    benchmark: Option<String>,
    task: Option<String>,
}

impl LogColumns {
    fn of(row: &Row<'_>, named: &ColumnNames) -> Result<Self> {
        let has = |column: &str| field(row, column).is_some();
        let given = |named: &Option<String>| match named {
            Some(column) if !has(column.split('.').next().unwrap_or(column)) => {
                let known: Vec<&str> = row.columns().take(40).collect();
                Err(row.fault(format!("there is no column `{column}`; there are `{}`", known.join("`, `"))))
            }
            named => Ok(named.clone()),
        };
        let found = |named: &Option<String>, common: &[&str]| -> Result<Option<String>> {
            let guess = || common.iter().find(|column| has(column)).map(|&column| column.to_owned());
            Ok(given(named)?.or_else(guess))
        };
        let missing = |what: &str, flag: &str| {
            row.fault(format!("has no column that looks like {what}; name one with `{flag}`"))
        };
        if let Some(column) =
            named.arms.iter().chain(&named.repeats).chain(&named.models).chain(&named.model_columns).next()
        {
            return Err(row.fault(format!(
                "a request of a log has one model and one answer: `{column}` cannot be used"
            )));
        }
        for filter in &named.filters {
            given(&Some(filter.column.clone()))?;
        }
        let id = found(&named.prompt_id, IDS)?.ok_or_else(|| missing("a request's id", "--prompt-id"))?;
        let model = found(&named.model, MODELS)?.ok_or_else(|| missing("the chosen model", "--model"))?;
        Ok(LogColumns {
            id,
            model,
            text: found(&named.prompt, TEXTS)?,
            score: found(&named.score, SCORES)?.ok_or_else(|| {
                row.fault(
                    "has no column that looks like a score, and no log of costs alone says which choice was better; add your \
                     users' feedback or a judge's verdict as a column `score`, or name one with `--score`",
                )
            })?,
            cost: found(&named.cost, COSTS)?,
            input_tokens: found(&named.input_tokens, INPUT_TOKENS)?,
            output_tokens: found(&named.output_tokens, OUTPUT_TOKENS)?,
            propensity: found(&named.propensity, PROPENSITIES)?,
            status: found(&None, STATUSES)?,
            benchmark: given(&named.benchmark)?,
            task: given(&named.task)?,
        })
    }

    /// What was taken for what, for the report.
    fn words(&self) -> String {
        let named = [
            ("request", Some(&self.id)),
            ("chosen model", Some(&self.model)),
            ("prompt", self.text.as_ref()),
            ("score", Some(&self.score)),
            ("cost", self.cost.as_ref()),
            ("input tokens", self.input_tokens.as_ref()),
            ("output tokens", self.output_tokens.as_ref()),
            ("propensity", self.propensity.as_ref()),
            ("status", self.status.as_ref()),
        ];
        let words = named.iter().map(|(what, column)| match column {
            Some(column) => format!("{what} `{column}`"),
            None => format!("no {what}"),
        });
        format!("columns: {}", words.collect::<Vec<_>>().join(", "))
    }

    fn read(
        &self,
        row: &Row<'_>,
        benchmark: &str,
        known: &mut BTreeSet<String>,
        cells: &mut Cells,
    ) -> Result<()> {
        let text_of = |column: &Option<String>| column.as_ref().and_then(|column| field(row, column));
        let fault = |problem: String| row.fault(problem);
        let id = field(row, &self.id).map(|id| id.trim().to_owned()).filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| fault(format!("a request without `{}`", self.id)))?;
        if !known.insert(id.clone()) {
            cells.skip("a request logged before");
            return Ok(());
        }
        let status = text_of(&self.status).unwrap_or_default().trim().to_lowercase();
        if FAILED.contains(&status.as_str()) || status.starts_with(['4', '5']) && status.len() == 3 {
            cells.skip("a request that failed");
            return Ok(());
        }
        let model = field(row, &self.model).unwrap_or_default();
        if is_blank(model.trim()) {
            cells.skip("a request that no model answered");
            return Ok(());
        }
        let amount = |column: &Option<String>| number(row, column.as_deref());
        let score = score(row, &self.score)?;
        if score.is_none() {
            cells.skip("without a score");
            return Ok(());
        }
        let propensity = amount(&self.propensity)?;
        if let Some(outside) = propensity.filter(|p| !(0.0 < *p && *p <= 1.0)) {
            return Err(fault(format!(
                "a propensity of {outside}; the chance of what was chosen lies above 0 and up to 1"
            )));
        }
        let text = first_turn(&text_of(&self.text).unwrap_or_default()).map_err(fault)?;
        let own = text_of(&self.benchmark).filter(|name| !name.is_empty());
        let task = text_of(&self.task).unwrap_or_default();
        let benchmark = own.as_deref().unwrap_or(benchmark);
        cells.at(row.at());
        let facts = PromptFacts { id: &id, benchmark, task: &task, text: &text, is_sent_text: false };
        let prompt = cells.prompt(facts).map_err(fault)?;
        let model = cells.model(model.trim()).map_err(fault)?;
        let answer = Answer {
            score,
            input_tokens: amount(&self.input_tokens)?,
            output_tokens: amount(&self.output_tokens)?,
            cost_usd: amount(&self.cost)?,
        };
        cells.answer(prompt, model, answer).map_err(fault)?;
        if let Some(propensity) = propensity {
            cells.extras.number("propensity", prompt, model, propensity);
        }
        Ok(())
    }
}

/// A field, or what lies within it; none where there is no such.
fn field(row: &Row<'_>, column: &str) -> Option<String> {
    if row.columns().any(|name| name == column) {
        return Some(row.text(column).to_owned());
    }
    let (outer, inner) = column.split_once('.')?;
    let value: Value = serde_json::from_str(row.text(outer)).ok()?;
    let value = inner.split('.').try_fold(&value, |value, key| value.get(key))?;
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn number(row: &Row<'_>, column: Option<&str>) -> Result<Option<f64>> {
    let Some(column) = column else { return Ok(None) };
    let text = field(row, column).unwrap_or_default();
    let text = text.trim();
    if is_blank(text) {
        return Ok(None);
    }
    let number = text.parse().ok().filter(|number: &f64| number.is_finite());
    let problem = || row.fault(format!("column `{column}`: `{}` is no finite number", shortened(text)));
    number.map(Some).ok_or_else(problem)
}

/// A score: a number, true or false, a rating in words, or the only entry of an object or list of scores by name.
fn score(row: &Row<'_>, column: &str) -> Result<Option<f64>> {
    let text = field(row, column).unwrap_or_default();
    let text = text.trim();
    if is_blank(text) {
        return Ok(None);
    }
    match text.to_lowercase().as_str() {
        "true" | "positive" | "thumbs_up" => return Ok(Some(1.0)),
        "false" | "negative" | "thumbs_down" => return Ok(Some(0.0)),
        _ => {}
    }
    let value = serde_json::from_str(text).unwrap_or(Value::Null);
    let entries: Vec<&Value> = match &value {
        Value::Object(scores) => scores.values().collect(),
        Value::Array(scores) => scores.iter().collect(),
        _ => vec![&value],
    };
    match entries[..] {
        [] => Ok(None),
        [one] => {
            let inner = one.get("value").unwrap_or(one);
            let number = inner.as_f64().or(inner.as_bool().map(|is_right| f64::from(u8::from(is_right))));
            match number {
                None if inner.is_null() && value.is_object() => Ok(None),
                None => Err(row.fault(format!("column `{column}`: `{}` is no score", shortened(text)))),
                number => Ok(number),
            }
        }
        _ => Err(row.fault(format!(
            "column `{column}` holds {} scores; name one with `--score {column}.NAME`",
            entries.len()
        ))),
    }
}
