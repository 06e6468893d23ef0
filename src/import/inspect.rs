//! Inspect AI: `.eval` logs (a zip archive with a JSON file a sample) and `.json` logs.
//!
//! Prompts are joined on task and sample id; the epochs of a sample are averaged. A scorer is chosen by name, its value by
//! Inspect's own rule: C is 1, P is one half, I and N are 0, and numbers, true and false stand for themselves; of a value with
//! several parts one is named as `scorer.part`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::cells::{Answer, Cells, PromptFacts};
use super::importer::{Importer, Job};
use super::inspect_files::{each_of_json, each_of_zip};
use super::json::{Scalar, score_of_text};
use super::metric::{remember, unknown_metric};
use super::source::is_named;
use crate::error::{Error, Result};

/// Inspect AI.
pub(super) struct Inspect;

impl Importer for Inspect {
    fn name(&self) -> &'static str {
        "inspect"
    }

    fn wanted(&self) -> &'static str {
        "`.eval` or `.json` log"
    }

    fn is_wanted(&self, path: &Path) -> bool {
        is_named(path, "", &[".eval", ".json"])
    }

    fn has_metrics(&self) -> bool {
        true
    }

    fn read(&self, path: &Path, job: &Job<'_>, cells: &mut Cells) -> Result<()> {
        read(path, job, cells)
    }
}

/// Reads one log: the answers of one model to one task.
fn read(path: &Path, job: &Job<'_>, cells: &mut Cells) -> Result<()> {
    let (sources, metrics) = (job.sources, &job.settings.metrics);
    let mut chosen: Option<String> = None;
    let mut known: BTreeSet<String> = BTreeSet::new();
    let mut facts: Option<(String, String)> = None;
    let mut each = |log: &LogFacts, place: &str, sample: Sample| {
        let fault = |problem: String| Error::file(path, format!("{place}: {problem}"));
        facts.get_or_insert_with(|| (log.task.clone(), log.model.clone()));
        let scores = sample.scores();
        scores.keys().for_each(|name| remember(&mut known, name));
        if chosen.is_none() {
            chosen = choose(log, &scores, metrics);
        }
        let score = chosen.as_ref().and_then(|name| scores.get(name)).copied();
        let Some(score) = score else {
            let reason = if sample.error.is_null() {
                "a sample without the score"
            } else {
                "a sample that ended in an error"
            };
            cells.skip(reason);
            return Ok(());
        };
        let id = sample.id.text().ok_or_else(|| fault("has no `id`".into()))?;
        let (id, text) = (format!("{}/{id}", log.task), sample.text());
        let facts = PromptFacts { id: &id, benchmark: &log.task, task: "", text: &text };
        let prompt = cells.prompt(facts).map_err(fault)?;
        let model = cells.model(&log.model).map_err(fault)?;
        let usage = sample.usage(&log.model);
        let answer = Answer {
            score: Some(score),
            input_tokens: usage.and_then(Usage::input),
            output_tokens: usage.and_then(|usage| usage.output_tokens),
            cost_usd: usage.and_then(|usage| usage.total_cost),
        };
        cells.answer(prompt, model, answer).map_err(fault)
    };
    if is_named(path, "", &[".json"]) {
        each_of_json(path, sources, &mut each)?
    } else {
        each_of_zip(path, sources, &mut each)?
    }
    let (Some(name), Some((task, _))) = (chosen, facts) else {
        return Err(unknown_metric(path, metrics, &known));
    };
    if metrics.is_empty() && 1 < known.len() {
        cells.note(format!("`{task}`: the score is `{name}`, one of {} (`--metric` chooses)", known.len()));
    }
    cells.measured_by(&task, &name).map_err(|problem| Error::file(path, problem))
}

/// The first wanted score that a sample has; without wishes that of the log's first scorer, else the first by name.
fn choose(log: &LogFacts, scores: &BTreeMap<String, f64>, metrics: &[String]) -> Option<String> {
    if metrics.is_empty() {
        let of_first = log.scorers.iter().find(|name| scores.contains_key(*name)).cloned();
        return of_first.or_else(|| scores.keys().next().cloned());
    }
    metrics.iter().find(|name| scores.contains_key(*name)).cloned()
}

/// What a log says of all its samples.
#[derive(Clone, Debug, Default)]
pub(super) struct LogFacts {
    pub(super) task: String,
    pub(super) model: String,
    /// Names of scorers, in their order.
    pub(super) scorers: Vec<String>,
}

impl LogFacts {
    /// From the parts of a log; a log of an unfinished run has no results.
    pub(super) fn new(eval: Eval, results: Option<Results>) -> Self {
        let scorers = results.map(|results| results.scores).unwrap_or_default();
        LogFacts {
            task: eval.task,
            model: eval.model,
            scorers: scorers.into_iter().map(|scorer| scorer.name).collect(),
        }
    }
}

#[derive(serde::Deserialize)]
pub(super) struct Eval {
    task: String,
    model: String,
}

#[derive(serde::Deserialize)]
pub(super) struct Results {
    #[serde(default)]
    scores: Vec<Scorer>,
}

#[derive(serde::Deserialize)]
struct Scorer {
    name: String,
}

/// What is needed of a sample.
#[derive(serde::Deserialize)]
pub(super) struct Sample {
    #[serde(default)]
    id: Scalar,
    #[serde(default)]
    input: Value,
    #[serde(default)]
    scores: Option<BTreeMap<String, Score>>,
    #[serde(default)]
    model_usage: Option<BTreeMap<String, Usage>>,
    #[serde(default)]
    error: Value,
}

#[derive(serde::Deserialize)]
struct Score {
    #[serde(default)]
    value: Value,
}

#[derive(Clone, Copy, serde::Deserialize)]
struct Usage {
    input_tokens: Option<f64>,
    output_tokens: Option<f64>,
    total_tokens: Option<f64>,
    input_tokens_cache_read: Option<f64>,
    input_tokens_cache_write: Option<f64>,
    total_cost: Option<f64>,
}

impl Usage {
    /// Cached tokens are tokens of the prompt too. Some providers count them among the input tokens and others apart, which
    /// shows in the total.
    fn input(self) -> Option<f64> {
        let input = self.input_tokens?;
        let cached =
            self.input_tokens_cache_read.unwrap_or(0.0) + self.input_tokens_cache_write.unwrap_or(0.0);
        let all = input + cached + self.output_tokens.unwrap_or(0.0);
        let is_apart = self.total_tokens.is_some_and(|total| all <= total);
        Some(if is_apart { input + cached } else { input })
    }
}

impl Sample {
    /// Every score by the name under which it can be chosen.
    fn scores(&self) -> BTreeMap<String, f64> {
        let mut scores = BTreeMap::new();
        for (name, score) in self.scores.iter().flatten() {
            match &score.value {
                Value::Object(parts) => {
                    let parts = parts.iter().filter_map(|(part, value)| Some((part, single(value)?)));
                    scores.extend(parts.map(|(part, value)| (format!("{name}.{part}"), value)));
                }
                value => scores.extend(single(value).map(|value| (name.clone(), value))),
            }
        }
        scores
    }

    /// The prompt: a text, or what the user says in a list of messages.
    fn text(&self) -> String {
        match &self.input {
            Value::String(text) => text.clone(),
            Value::Array(messages) => {
                let of_user = messages.iter().filter(|message| message["role"] == "user");
                let texts: Vec<String> = of_user.map(|message| content(&message["content"])).collect();
                texts.join("\n")
            }
            _ => String::new(),
        }
    }

    /// What the model under test used; a judge's own use is not its cost.
    fn usage(&self, model: &str) -> Option<Usage> {
        self.model_usage.as_ref()?.get(model).copied()
    }
}

/// The text of a message, whose content is a text or a list of parts.
fn content(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<&str>>().join("\n")
        }
        _ => String::new(),
    }
}

/// A single value as a number.
fn single(value: &Value) -> Option<f64> {
    match value {
        Value::Bool(is_right) => Some(f64::from(u8::from(*is_right))),
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.as_str() {
            "C" => Some(1.0),
            "P" => Some(0.5),
            "I" | "N" => Some(0.0),
            text if text.eq_ignore_ascii_case("yes") => Some(1.0),
            text if text.eq_ignore_ascii_case("no") => Some(0.0),
            text => score_of_text(text),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cached_tokens_count_as_input_where_the_total_holds_them() {
        let of = |json: &str| serde_json::from_str::<Usage>(json).unwrap().input();
        let apart =
            r#"{"input_tokens": 10, "input_tokens_cache_read": 90, "output_tokens": 5, "total_tokens": 105}"#;
        let among = r#"{"input_tokens": 100, "input_tokens_cache_read": 90, "output_tokens": 5, "total_tokens": 105}"#;
        assert_eq!([of(apart), of(among), of("{}")], [Some(100.0), Some(100.0), None]);
    }

    #[test]
    fn values_are_read_by_inspects_own_rule() {
        let of = |json: &str| single(&serde_json::from_str(json).unwrap());
        assert_eq!(
            [of("\"C\""), of("\"P\""), of("\"I\""), of("\"N\"")],
            [Some(1.0), Some(0.5), Some(0.0), Some(0.0)]
        );
        assert_eq!(
            [of("true"), of("0.25"), of("\"0.5\""), of("\"no\"")],
            [Some(1.0), Some(0.25), Some(0.5), Some(0.0)]
        );
        assert_eq!([of("\"maybe\""), of("null"), of("[1]")], [None, None, None]);
    }
}
