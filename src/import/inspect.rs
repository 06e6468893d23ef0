//! Inspect AI: `.eval` logs (a zip archive with a JSON file a sample) and `.json` logs.
//!
//! Prompts are joined on task, its arguments, and sample id; the epochs of a sample are averaged. A model is its name with the
//! settings of its calls. A scorer is chosen by name, its value by
//! Inspect's own rule: C is 1, P is one half, I and N are 0, and numbers, true and false stand for themselves; of a value with
//! several parts one is named as `scorer.part`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::cells::{Answer, Cells, PromptFacts, tokens_of_total};
use super::importer::{Importer, Job};
use super::inspect_files::{each_of_json, each_of_zip};
use super::json::{Scalar, score_of_text};
use super::metric::{remember, unknown_metric};
use super::source::{At, Spot, is_named};
use super::texts::{MOST_LEVELS, user_text};
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
    let is_strict = job.settings.strict;
    let mut each = |log: &LogFacts, at: At, sample: Result<Sample>| {
        let sample = match sample {
            Ok(sample) => sample,
            Err(error) if is_strict => return Err(error),
            Err(error) => {
                cells.note(format!("left out a sample that cannot be read: {error}"));
                cells.skip("a sample that cannot be read");
                return Ok(());
            }
        };
        let spot = Spot { path: path.to_owned(), at };
        let fault = |problem: String| spot.fault(problem);
        cells.at(at);
        facts.get_or_insert_with(|| (log.task.clone(), log.model.clone()));
        let scores = sample.scores();
        scores.keys().for_each(|name| remember(&mut known, name));
        if chosen.is_none() {
            chosen = choose(log, &scores, metrics);
        }
        if let Some(reason) = sample.does_not_count() {
            cells.skip(reason);
            return Ok(());
        }
        let score = chosen.as_ref().and_then(|name| scores.get(name)).copied();
        let Some(score) = score else {
            cells.skip("a sample without the score");
            return Ok(());
        };
        let id = sample.id.text().ok_or_else(|| fault("has no `id`".into()))?;
        let (id, text) = (format!("{}/{id}", log.task), sample.text());
        let facts = PromptFacts {
            id: &id,
            benchmark: &log.task,
            task: &log.arguments,
            text: &text,
            ..PromptFacts::default()
        };
        let prompt = cells.prompt(facts).map_err(fault)?;
        let model = cells.model_with(&log.model, &log.settings).map_err(fault)?;
        let usage = sample.usage(log);
        let answer = Answer {
            score: Some(score),
            input_tokens: usage.and_then(|usage| usage.tokens().0),
            output_tokens: usage.and_then(|usage| usage.tokens().1),
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
    cells.reads(
        "prompt",
        "the sample's `id` within the task and its arguments; its text is the first user's turn",
    );
    cells.reads("model", "`eval.model`, with what it was set to");
    cells.reads("score", format!("`{name}`"));
    cells.reads("tokens", "`model_usage` of the model, without what other roles used");
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
    task: String,
    /// The task's arguments, `key=value`; empty where it has none.
    arguments: String,
    model: String,
    /// What the model was set to.
    settings: BTreeMap<String, String>,
    /// Roles, such as a grader's, that another model has: their use is not among that of the model.
    roles_of_others: Vec<String>,
    /// Names of scorers, in their order.
    scorers: Vec<String>,
}

/// Settings of a call that change neither the model nor what it says.
const OF_THE_CALL: [&str; 28] = [
    "max_retries",
    "timeout",
    "attempt_timeout",
    "max_connections",
    "adaptive_connections",
    "batch",
    "batch_size",
    "max_batch_size",
    "cache",
    "seed",
    "num_choices",
    "api_key",
    "api_version",
    "base_url",
    "host",
    "port",
    "device",
    "device_map",
    "tokenizer",
    "tokenizer_path",
    "tensor_parallel_size",
    "gpu_memory_utilization",
    "max_model_len",
    "logprobs",
    "top_logprobs",
    "best_of",
    "parallel_tool_calls",
    "internal_tools",
];

impl LogFacts {
    /// From the parts of a log; a log of an unfinished run has no results.
    pub(super) fn new(eval: Eval, results: Option<Results>) -> Self {
        let scorers = results.map(|results| results.scores).unwrap_or_default();
        let words = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let arguments: Vec<String> =
            eval.task_args.iter().flatten().map(|(key, value)| format!("{key}={}", words(value))).collect();
        let said = eval.model_args.iter().chain(&eval.model_generate_config).flatten();
        let settings = said
            .filter(|(key, value)| !value.is_null() && !OF_THE_CALL.contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), words(value)));
        let is_of_other = |role: &Role| role.model.as_deref() != Some(&eval.model);
        let others = eval.model_roles.iter().flatten().filter(|(_, role)| is_of_other(role));
        LogFacts {
            arguments: arguments.join(","),
            settings: settings.collect(),
            roles_of_others: others.map(|(name, _)| name.clone()).collect(),
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
    #[serde(default)]
    task_args: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    model_args: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    model_generate_config: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    model_roles: Option<BTreeMap<String, Role>>,
}

#[derive(serde::Deserialize)]
struct Role {
    model: Option<String>,
}

/// What a log says of the run as a whole where its samples do not count.
pub(super) fn is_void(status: Option<&str>) -> Option<String> {
    let status = status.filter(|status| ["cancelled", "error"].contains(status))?;
    Some(format!("its run ended with status `{status}`: it does not count"))
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
    /// By role; the model under test has none.
    #[serde(default)]
    role_usage: Option<BTreeMap<String, Usage>>,
    #[serde(default)]
    error: Value,
    #[serde(default)]
    invalidation: Value,
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
    reasoning_tokens: Option<f64>,
    total_cost: Option<f64>,
}

impl Usage {
    /// Input and output tokens.
    fn tokens(self) -> (Option<f64>, Option<f64>) {
        let (Some(input), Some(output), Some(total)) =
            (self.input_tokens, self.output_tokens, self.total_tokens)
        else {
            return (self.input_tokens, self.output_tokens);
        };
        let cached =
            self.input_tokens_cache_read.unwrap_or(0.0) + self.input_tokens_cache_write.unwrap_or(0.0);
        let reasoning = self.reasoning_tokens.unwrap_or(0.0);
        let (input, output) = tokens_of_total(input, output, total, cached, reasoning);
        (Some(input), Some(output))
    }

    /// What is left without another use; never below nothing.
    fn without(self, other: Usage) -> Usage {
        let less = |all: Option<f64>, part: Option<f64>| all.map(|all| (all - part.unwrap_or(0.0)).max(0.0));
        Usage {
            input_tokens: less(self.input_tokens, other.input_tokens),
            output_tokens: less(self.output_tokens, other.output_tokens),
            total_tokens: less(self.total_tokens, other.total_tokens),
            input_tokens_cache_read: less(self.input_tokens_cache_read, other.input_tokens_cache_read),
            input_tokens_cache_write: less(self.input_tokens_cache_write, other.input_tokens_cache_write),
            reasoning_tokens: less(self.reasoning_tokens, other.reasoning_tokens),
            total_cost: less(self.total_cost, other.total_cost),
        }
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

    /// The prompt: a text, or the first user's turn in a list of messages.
    fn text(&self) -> String {
        user_text(&self.input, MOST_LEVELS).unwrap_or_default()
    }

    /// Why the log itself says that the sample does not count.
    fn does_not_count(&self) -> Option<&'static str> {
        if !self.invalidation.is_null() && self.invalidation != Value::Bool(false) {
            return Some("an invalidated sample");
        }
        (!self.error.is_null()).then_some("a sample that ended in an error")
    }

    /// What the model under test used. Where it has other roles too, such as that of the judge, their use is not its cost.
    fn usage(&self, log: &LogFacts) -> Option<Usage> {
        let all = self.model_usage.as_ref()?.get(&log.model).copied()?;
        let roles = self.role_usage.iter().flatten().filter(|(role, _)| !log.roles_of_others.contains(role));
        Some(roles.fold(all, |left, (_, usage)| left.without(*usage)))
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
    fn tokens_add_up_to_the_total() {
        let of = |json: &str| serde_json::from_str::<Usage>(json).unwrap().tokens();
        let usage = |input: u32, cached: u32, output: u32, reasoning: u32, total: u32| {
            of(&format!(
                r#"{{"input_tokens": {input}, "input_tokens_cache_read": {cached}, "output_tokens": {output},
                    "reasoning_tokens": {reasoning}, "total_tokens": {total}}}"#
            ))
        };
        // Cached tokens apart, and among the input.
        assert_eq!(usage(10, 90, 5, 0, 105), (Some(100.0), Some(5.0)));
        assert_eq!(usage(100, 90, 5, 0, 105), (Some(100.0), Some(5.0)));
        // Reasoning apart, with cached tokens among the input; among the output; both apart; named nowhere.
        assert_eq!(usage(1000, 800, 50, 900, 1950), (Some(1000.0), Some(950.0)));
        assert_eq!(usage(1000, 800, 950, 900, 1950), (Some(1000.0), Some(950.0)));
        assert_eq!(usage(200, 800, 50, 900, 1950), (Some(1000.0), Some(950.0)));
        assert_eq!(usage(1000, 0, 50, 0, 1950), (Some(1000.0), Some(950.0)));
        assert_eq!(of("{}"), (None, None));
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
