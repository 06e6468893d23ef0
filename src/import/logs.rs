//! Logs of a deployed router: a row is a request with the one model that answered it, in the shapes of LiteLLM, OpenRouter,
//! Langfuse, and Helicone, told by the names of their columns.
//!
//! Every request is a prompt of its own with one known cell: equal texts asked twice stay two requests. A score is kept where
//! one is logged, and so is the probability with which the router chose the model (`propensity`), which `estimate` needs.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::arms::Settings;
use super::cells::{Answer, Cells, PromptFacts};
use super::columns::{ColumnNames, TurnColumns};
use super::importer::{Importer, Job};
use super::json::is_blank;
use super::looked::{Looked, read_by};
use super::rows::{Row, Rows};
use super::slips::shortened;
use super::source::stem;
use super::texts::first_turn;
use crate::error::{Error, Result};
use crate::suite::plausibility::CACHED_INPUT_TOKENS;

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
const CACHED_TOKENS: &[&str] = &[
    "native_tokens_cached",
    "cached_tokens",
    "cache_read_input_tokens",
    "usageDetails.cache_read_input_tokens",
    "usageDetails.input_cache_read",
    "cached_input_tokens",
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

    fn has_columns(&self) -> bool {
        true
    }

    fn read(&self, path: &Path, job: &Job<'_>, cells: &mut Cells) -> Result<()> {
        let asked = &job.settings.columns;
        let rows = Rows::spread(job.sources, path, asked.records.as_deref(), SCORES);
        let decide = |looked: &Looked| {
            let named = asked.found_in(looked)?;
            let columns = LogColumns::of(looked, &named).map_err(|problem| Error::file(path, problem))?;
            Ok((columns, named))
        };
        cells.are_requests = true;
        let benchmark = stem(path);
        read_by(&rows, cells, decide, |(columns, named), cells| {
            let mut known = BTreeSet::new();
            columns.tell(cells);
            rows.each(&mut |row| match named.leaves_out(row) {
                Some(reason) => {
                    cells.skip(reason);
                    Ok(())
                }
                None => columns.read(row, &benchmark, &mut known, cells),
            })
        })
    }
}

/// The columns of a log.
#[derive(PartialEq)]
struct LogColumns {
    id: String,
    model: String,
    text: Option<String>,
    score: String,
    cost: Option<String>,
    input_tokens: Option<String>,
    output_tokens: Option<String>,
    cached_tokens: Option<String>,
    turns: TurnColumns,
    propensity: Option<String>,
    status: Option<String>,
    benchmark: Option<String>,
    task: Option<String>,
    settings: Vec<String>,
}

impl LogColumns {
    fn of(looked: &Looked, named: &ColumnNames) -> std::result::Result<Self, String> {
        let found = |named: &Option<String>, common: &[&str], may_be_object: bool| {
            let fits = |column: &&&str| {
                let seen = looked.seen.get(**column);
                seen.is_some_and(|seen| seen.is_known && (may_be_object || !seen.is_object))
            };
            named.clone().or_else(|| common.iter().find(fits).map(|&column| column.to_owned()))
        };
        let single = |named: &Option<String>, common: &[&str]| found(named, common, false);
        let missing = |what: &str, flag: &str| {
            format!(
                "has no column that looks like {what}; name one with `{flag}`; there are {}",
                looked.all()
            )
        };
        if let Some(column) = named.repeats.iter().chain(&named.models).chain(&named.model_columns).next() {
            return Err(format!(
                "a request of a log has one model and one answer: `{column}` cannot be used"
            ));
        }
        Ok(LogColumns {
            id: single(&named.prompt_id, IDS).ok_or_else(|| missing("a request's id", "--prompt-id"))?,
            model: single(&named.model, MODELS).ok_or_else(|| missing("the chosen model", "--model"))?,
            text: found(&named.prompt, TEXTS, true),
            score: found(&named.score, SCORES, true).ok_or(
                "has no column that looks like a score, and no log of costs alone says which choice was better; add your users' \
                 feedback or a judge's verdict as a column `score`, or name one with `--score`",
            )?,
            cost: single(&named.cost, COSTS),
            input_tokens: single(&named.input_tokens, INPUT_TOKENS),
            output_tokens: single(&named.output_tokens, OUTPUT_TOKENS),
            cached_tokens: single(&None, CACHED_TOKENS),
            turns: TurnColumns::of(looked),
            propensity: single(&named.propensity, PROPENSITIES),
            status: single(&None, STATUSES),
            benchmark: named.benchmark.clone(),
            task: named.task.clone(),
            settings: named.arms.clone(),
        })
    }

    /// Tells what is read as what.
    fn tell(&self, cells: &mut Cells) {
        let quoted = |column: &Option<String>, none: &str| match column {
            Some(column) => format!("`{column}`"),
            None => none.to_owned(),
        };
        let text = quoted(&self.text, "none");
        cells.reads("prompt", format!("a request each: id `{}`, text {text}", self.id));
        cells.reads("model", format!("`{}`", self.model));
        cells.reads("score", format!("`{}`", self.score));
        cells.reads("cost", quoted(&self.cost, "none"));
        let [input, output] = [&self.input_tokens, &self.output_tokens].map(|column| quoted(column, "none"));
        cells.reads("tokens", format!("input {input}, output {output}"));
        let turns = self.turns.words();
        if !turns.is_empty() {
            cells.reads("session", turns);
        }
        cells.reads("propensity", quoted(&self.propensity, "none: name a column with `--propensity`"));
        if let Some(status) = &self.status {
            cells.reads("status", format!("`{status}`"));
        }
    }

    fn read(
        &self,
        row: &Row<'_>,
        benchmark: &str,
        known: &mut BTreeSet<String>,
        cells: &mut Cells,
    ) -> Result<()> {
        let text_of =
            |column: &Option<String>| column.as_ref().map_or("", |column| row.text(column)).to_owned();
        let fault = |problem: String| row.fault(problem);
        let id = row.text(&self.id).trim();
        if is_blank(id) {
            return Err(fault(format!("a request without `{}`", self.id)));
        }
        if !known.insert(id.to_owned()) {
            cells.skip("a request logged before");
            return Ok(());
        }
        let status = text_of(&self.status).trim().to_lowercase();
        if FAILED.contains(&status.as_str()) || status.starts_with(['4', '5']) && status.len() == 3 {
            cells.skip("a request that failed");
            return Ok(());
        }
        let model = row.text(&self.model).trim();
        if is_blank(model) {
            cells.skip("a request that no model answered");
            return Ok(());
        }
        let amount = |column: &Option<String>| column.as_ref().map_or(Ok(None), |column| row.number(column));
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
        let text = first_turn(&text_of(&self.text)).map_err(fault)?;
        let (own, task) = (text_of(&self.benchmark), text_of(&self.task));
        let benchmark = if own.trim().is_empty() { benchmark } else { own.trim() };
        cells.at_row(row);
        let facts = PromptFacts { id, benchmark, task: task.trim(), text: &text, is_sent_text: false };
        let prompt = cells.prompt(facts).map_err(fault)?;
        let mut settings = Settings::default();
        self.settings.iter().for_each(|column| settings.add(column, &row.text(column).into()));
        let model = cells.model_with(model, &settings).map_err(fault)?;
        let answer = Answer {
            score,
            input_tokens: amount(&self.input_tokens)?,
            output_tokens: amount(&self.output_tokens)?,
            cost_usd: amount(&self.cost)?,
        };
        cells.answer(prompt, model, answer).map_err(fault)?;
        if let Some(cached) = amount(&self.cached_tokens)? {
            cells.extras.number(CACHED_INPUT_TOKENS, prompt, model, cached);
        }
        if let Some(turn) = self.turns.read(row)? {
            cells.extras.follow(prompt, turn);
        }
        if let Some(propensity) = propensity {
            cells.extras.number("propensity", prompt, model, propensity);
        }
        Ok(())
    }
}

/// A score: a number, true or false, a rating in words, or the only entry of an object or list of scores by name.
fn score(row: &Row<'_>, column: &str) -> Result<Option<f64>> {
    let text = row.text(column).trim();
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
