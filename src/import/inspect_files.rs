//! The two shapes of Inspect's logs: `.json`, one object whose samples are an array that may be large, and `.eval`, a zip
//! archive with `header.json` and `samples/ID_epoch_N.json`, packed by deflate or Zstandard.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufReader, Read};
use std::marker::PhantomData;
use std::path::Path;

use flate2::CrcReader;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use zip::{CompressionMethod, ZipArchive};

use super::arms::Settings;
use super::cells::tokens_of_total;
use super::json::{Elements, Scalar, deserializer, fault, score_of_text, whole};
use super::source::{Budget, Input, Progress, Sources, ZIP, Zstandard, limited};
use super::texts::{MOST_LEVELS, Turn, user_text};
use crate::error::{Error, Result};
use crate::fs;

/// What is called with every sample, where it stands, and what its log says of all.
type EachSample<'a> = dyn FnMut(&LogFacts, Place<'_>, Result<Sample>) -> Result<()> + 'a;

/// Where a sample stands: an element of a list, or a member of an archive.
pub(super) enum Place<'a> {
    Element(usize),
    Member(&'a str),
}

/// Calls `each` with every sample, and gives the reason where the log itself says that none counts.
///
/// # Errors
/// A file that is no such log; whatever `each` finds.
pub(super) fn each_of_json(
    path: &Path,
    sources: &Sources<'_>,
    each: &mut EachSample<'_>,
) -> Result<Option<String>> {
    let input = sources.open(path)?.of_long_records();
    let budget = input.budget();
    let (mut found, mut void) = (None, None);
    let mut deserializer = deserializer(input);
    let visitor = LogVisitor { path, each, budget: &budget, found: &mut found, void: &mut void };
    let read = deserializer.deserialize_map(visitor).and_then(|()| deserializer.end());
    match (found, void, read) {
        (Some(error), _, _) => Err(error),
        (None, Some(reason), _) => Ok(Some(reason)),
        (None, None, Err(error)) => Err(fault(path, &error)),
        (None, None, Ok(())) => Ok(None),
    }
}

struct LogVisitor<'a> {
    path: &'a Path,
    each: &'a mut EachSample<'a>,
    budget: &'a Budget,
    found: &'a mut Option<Error>,
    /// Why no sample counts.
    void: &'a mut Option<String>,
}

impl LogVisitor<'_> {
    /// Leaves a fault to be found, and what ends the reading.
    fn refused<E: serde::de::Error>(self, problem: impl Into<String>) -> E {
        *self.found = Some(Error::file(self.path, problem));
        E::custom("stopped")
    }
}

impl<'de> Visitor<'de> for LogVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an Inspect log")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<(), A::Error> {
        let (mut eval, mut plan, mut results, mut has_samples) = (None, None, None, false);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "status" => {
                    *self.void = is_void(map.next_value::<Scalar>()?.text().as_deref());
                    if self.void.is_some() {
                        return Err(A::Error::custom("stopped"));
                    }
                }
                "eval" => eval = Some(map.next_value::<Eval>()?),
                "plan" => plan = map.next_value::<Option<Plan>>()?,
                "results" => results = map.next_value::<Option<Results>>()?,
                "samples" => {
                    // Inspect writes them last.
                    let Some(eval) = eval.take() else {
                        return Err(self.refused("has `samples` before `eval`"));
                    };
                    let facts = LogFacts::new(eval, plan.take(), results.take());
                    let each = &mut *self.each;
                    let mut of_element =
                        |number: usize, sample: Sample| each(&facts, Place::Element(number), Ok(sample));
                    map.next_value_seed(Elements {
                        each: &mut of_element,
                        budget: self.budget,
                        found: self.found,
                        kind: PhantomData,
                    })?;
                    has_samples = true;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            self.budget.renew();
        }
        if has_samples {
            Ok(())
        } else {
            Err(self.refused("has no `samples`: not the log of a finished run of Inspect"))
        }
    }
}

/// Both name the task and the model; the second stands alone in the log of a run that was stopped.
const HEADERS: [&str; 2] = ["header.json", "_journal/start.json"];

/// Calls `each` with every sample, and gives the reason where the log itself says that none counts.
///
/// # Errors
/// A file that is no such archive, is damaged, or unpacks to far more than its size; whatever `each` finds.
pub(super) fn each_of_zip(
    path: &Path,
    sources: &Sources<'_>,
    each: &mut EachSample<'_>,
) -> Result<Option<String>> {
    let file = sources.open_binary(path, ZIP)?;
    let n_bytes = file.n_bytes().map_err(Error::io(path, "read"))?;
    let mut archive = ZipArchive::new(BufReader::new(file))
        .map_err(|error| Error::file(path, format!("is no whole zip archive: {error}")))?;
    // A name in no known encoding is nobody's sample.
    let names: Vec<String> = archive.file_names().filter_map(|name| Some(name.ok()?.into_owned())).collect();
    let Some(header) = HEADERS.iter().find(|header| names.iter().any(|name| name == *header)) else {
        return Err(Error::file(path, "holds no `header.json`: not an Inspect log"));
    };
    let header: Header = member(path, &mut archive, header)?;
    if let Some(reason) = is_void(header.status.as_deref()) {
        return Ok(Some(reason));
    }
    let facts = LogFacts::new(header.eval, header.plan, header.results);
    let mut samples: Vec<&String> =
        names.iter().filter(|name| name.starts_with("samples/") && name.ends_with(".json")).collect();
    samples.sort();
    samples.dedup();
    for name in samples {
        each(&facts, Place::Member(name), member(path, &mut archive, name))?;
    }
    sources.say(Progress::Bytes(n_bytes));
    Ok(None)
}

#[derive(serde::Deserialize)]
struct Header {
    eval: Eval,
    #[serde(default)]
    plan: Option<Plan>,
    #[serde(default)]
    results: Option<Results>,
    #[serde(default)]
    status: Option<String>,
}

/// Reads a member as JSON.
fn member<T: serde::de::DeserializeOwned>(
    path: &Path,
    archive: &mut ZipArchive<BufReader<fs::Input>>,
    name: &str,
) -> Result<T> {
    let inner = path.join(name);
    let (mut stream, checksum) = open_member(path, archive, name)?;
    let value = whole(Input::new(&inner, &mut stream)?.of_long_records())?;
    if stream.crc().sum() != checksum {
        return Err(Error::file(&inner, "is damaged: its checksum differs"));
    }
    Ok(value)
}

/// The unpacked bytes of a member and the checksum that they should have. The archive hands over its bytes as they lie, and
/// they are unpacked here, since its crate brings Zstandard only as a C library.
///
/// # Errors
/// A member that is not there, or is packed in a way that is not known.
pub(super) fn open_member<'a>(
    path: &Path,
    archive: &'a mut ZipArchive<BufReader<fs::Input>>,
    name: &str,
) -> Result<(CrcReader<Box<dyn Read + 'a>>, u32)> {
    let inner = path.join(name);
    let index = archive.index_for_name(name).ok_or_else(|| Error::file(&inner, "is not there"))?;
    let packed =
        archive.by_index_raw(index).map_err(|error| Error::file(&inner, format!("is damaged: {error}")))?;
    let (n_packed, checksum, method) = (packed.compressed_size(), packed.crc32(), packed.compression());
    let unpacked: Box<dyn Read> = match method {
        CompressionMethod::Stored => Box::new(packed),
        CompressionMethod::DEFLATE => Box::new(flate2::read::DeflateDecoder::new(packed)),
        CompressionMethod::ZSTD => Box::new(Zstandard::new(packed)),
        other => return Err(Error::file(&inner, format!("is packed by {other}, which is not known here"))),
    };
    Ok((CrcReader::new(Box::new(limited(unpacked, n_packed))), checksum))
}

/// What a log says of all its samples.
#[derive(Clone, Debug, Default)]
pub(super) struct LogFacts {
    pub(super) task: String,
    /// The task's arguments, `key=value`; empty where it has none.
    pub(super) arguments: String,
    pub(super) model: String,
    /// What the model was set to.
    pub(super) settings: Settings,
    /// Roles, such as a grader's, that another model has: their use is not among that of the model.
    roles_of_others: Vec<String>,
    /// Names of scorers, in their order.
    pub(super) scorers: Vec<String>,
}

/// What a run as a whole may use, by which some answers are cut off.
const LIMITS: [&str; 6] =
    ["message_limit", "token_limit", "turn_limit", "time_limit", "working_limit", "cost_limit"];

impl LogFacts {
    /// From the parts of a log; a log of an unfinished run has no results.
    fn new(eval: Eval, plan: Option<Plan>, results: Option<Results>) -> Self {
        let scorers = results.map(|results| results.scores).unwrap_or_default();
        let words = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let arguments: Vec<String> =
            eval.task_args.iter().flatten().map(|(key, value)| format!("{key}={}", words(value))).collect();
        let settings = eval.settings(&plan.unwrap_or_default());
        let is_of_other = |role: &Role| role.model.as_deref() != Some(&eval.model);
        let others = eval.model_roles.iter().flatten().filter(|(_, role)| is_of_other(role));
        LogFacts {
            arguments: arguments.join(","),
            settings,
            roles_of_others: others.map(|(name, _)| name.clone()).collect(),
            task: eval.task,
            model: eval.model,
            scorers: scorers.into_iter().map(|scorer| scorer.name).collect(),
        }
    }
}

#[derive(serde::Deserialize)]
struct Eval {
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
    #[serde(default)]
    solver: Value,
    #[serde(default)]
    solver_args: Value,
    #[serde(default)]
    config: Value,
}

impl Eval {
    /// What the model was set to. What the plan has beyond that may be the task's own.
    fn settings(&self, plan: &Plan) -> Settings {
        let mut settings = Settings::default();
        for (key, value) in self.model_args.iter().chain(&self.model_generate_config).flatten() {
            settings.add(key, value);
        }
        plan.config.iter().flatten().for_each(|(key, value)| settings.add_of_task(key, value));
        settings.add_of_task("solver", &self.solver);
        settings.add_of_task("solver_args", &self.solver_args);
        LIMITS.iter().for_each(|limit| settings.add_of_task(limit, &self.config[*limit]));
        for step in plan.steps.iter().flatten().filter(|step| step.solver == "system_message") {
            settings.add_of_task("system_prompt", &step.params["template"]);
        }
        settings
    }
}

/// How the samples were solved: what the task asks for, and what the user set beyond that.
#[derive(Default, serde::Deserialize)]
struct Plan {
    #[serde(default)]
    config: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    steps: Option<Vec<Step>>,
}

#[derive(serde::Deserialize)]
struct Step {
    #[serde(default)]
    solver: String,
    #[serde(default)]
    params: Value,
}

#[derive(serde::Deserialize)]
struct Role {
    model: Option<String>,
}

/// What a log says of the run as a whole where its samples do not count.
fn is_void(status: Option<&str>) -> Option<String> {
    let status = status.filter(|status| ["cancelled", "error"].contains(status))?;
    Some(format!("its run ended with status `{status}`"))
}

#[derive(serde::Deserialize)]
struct Results {
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
    pub(super) id: Scalar,
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
pub(super) struct Usage {
    input_tokens: Option<f64>,
    output_tokens: Option<f64>,
    total_tokens: Option<f64>,
    input_tokens_cache_read: Option<f64>,
    input_tokens_cache_write: Option<f64>,
    reasoning_tokens: Option<f64>,
    pub(super) total_cost: Option<f64>,
}

impl Usage {
    /// Input and output tokens.
    pub(super) fn tokens(self) -> (Option<f64>, Option<f64>) {
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
    pub(super) fn scores(&self) -> BTreeMap<String, f64> {
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
    pub(super) fn text(&self) -> String {
        user_text(&self.input, Turn::First, MOST_LEVELS).unwrap_or_default()
    }

    /// Why the log itself says that the sample does not count.
    pub(super) fn does_not_count(&self) -> Option<&'static str> {
        if !self.invalidation.is_null() && self.invalidation != Value::Bool(false) {
            return Some("an invalidated sample");
        }
        (!self.error.is_null()).then_some("a sample that ended in an error")
    }

    /// What the model under test used. Where it has other roles too, such as that of the judge, their use is not its cost.
    pub(super) fn usage(&self, log: &LogFacts) -> Option<Usage> {
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
