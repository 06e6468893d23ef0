//! lm-evaluation-harness: with `--log_samples`, `samples_TASK_TIME.jsonl` and, beside it, `results_TIME.json` or, where the
//! user named the output, `NAME_TIME.json`. Published details have `.json` or `.parquet` in the place of `.jsonl`, may be
//! called `details_TASK_TIME`, and have no results; there the folder `MAKER__MODEL` is all that names the model.
//!
//! Prompts are joined on task and `doc_hash`, whatever the order of the rows. A line is one document under one filter of the
//! answer; a metric is named `acc`, or `exact_match,strict-match` with the filter. Few-shot examples that were sent as turns
//! of a chat are no part of the prompt: that is the last user's turn.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::arms::Settings;
use super::cells::{Answer, Cells, PromptFacts};
use super::importer::{Importer, Job};
use super::json::{Scalar, lines, whole};
use super::lighteval::LightEval;
use super::metric::{Choice, remember, unknown_metric};
use super::parquet;
use super::prompts::hash_id;
use super::source::{At, Spot, is_named};
use super::texts::{MOST_LEVELS, Turn, is_message, turn, user_text};
use crate::error::{Error, Result};
use crate::fs;

/// lm-evaluation-harness.
pub(super) struct LmEval;

impl Importer for LmEval {
    fn name(&self) -> &'static str {
        "lm-eval"
    }

    fn wanted(&self) -> &'static str {
        "`samples_TASK_TIME.jsonl` (log with `--log_samples`)"
    }

    fn is_wanted(&self, path: &Path) -> bool {
        is_named(path, "samples_", &[".jsonl", ".json", ".parquet"])
            || is_named(path, "details_", &[".parquet"])
    }

    fn may_lack_model(&self) -> bool {
        true
    }

    fn has_metrics(&self) -> bool {
        true
    }

    fn read(&self, path: &Path, job: &Job<'_>, cells: &mut Cells) -> Result<()> {
        // The Open LLM Leaderboard had both harnesses write details under one name.
        if parquet::is_parquet(path)
            && !parquet::columns(job.sources, path)?.iter().any(|name| name == "doc_id")
        {
            return LightEval.read(path, job, cells);
        }
        read(path, job, cells)
    }
}

/// Calls `each` with every sample of a file.
fn each_sample(path: &Path, job: &Job<'_>, mut each: impl FnMut(At, Sample) -> Result<()>) -> Result<()> {
    if parquet::is_parquet(path) {
        return parquet::rows(job.sources, path, |number, sample| each(At::Record(number), sample));
    }
    lines(job.sources.open(path)?, |line, sample| each(At::Line(line), sample))
}

/// Reads the samples of one model on one task.
fn read(path: &Path, job: &Job<'_>, cells: &mut Cells) -> Result<()> {
    let (sources, metrics) = (job.sources, &job.settings.metrics);
    let (task, time) = task_and_time(path)?;
    let (name, results) = match results_of(path, &time)? {
        Some(results_path) => {
            let results: Results = whole(sources.open(&results_path)?)?;
            cells.reads("model", "`model_name` of the results of the same time, with its settings");
            (results.model(&results_path)?, results)
        }
        None => {
            let (name, source) = match &job.settings.model_name {
                Some(name) => (name.clone(), "`--model-name`"),
                None => (model_of_folder(path, &task, &time)?, "the folder `MAKER__MODEL`"),
            };
            cells.reads("model", format!("{source}, for want of results of the same time"));
            (name, Results::default())
        }
    };
    let settings = results.settings(&task);
    cells.reads(
        "prompt",
        "`doc_hash` within the task; its text is the first request, of a chat the last user's turn",
    );
    let mut choice: Option<(Choice, String)> = None;
    let mut known: BTreeSet<String> = BTreeSet::new();
    each_sample(path, job, |at, sample| {
        let spot = Spot { path: path.to_owned(), at };
        let fault = |problem: String| spot.fault(problem);
        for metric in sample.metrics.keys() {
            remember(&mut known, format!("{metric},{}", sample.filter));
        }
        if choice.is_none() {
            choice = chosen(&sample, metrics).map(|metric| (metric, sample.filter.clone()));
        }
        let Some((chosen, filter)) = &choice else { return Ok(()) };
        if *filter != sample.filter {
            cells.skip("of another filter than the one that counts");
            return Ok(());
        }
        let Some(score) = sample.metrics.get(chosen.name()).and_then(Scalar::score) else {
            cells.skip("without the metric");
            return Ok(());
        };
        let Some(hash) = sample.doc_hash.filter(|hash| !hash.is_empty()) else {
            return Err(fault("has no `doc_hash`; versions before 0.4.3 do not write it".into()));
        };
        let id = hash_id(&task, &hash);
        let facts = PromptFacts {
            id: &id,
            benchmark: &task,
            text: &sample.text,
            is_sent_text: true,
            ..PromptFacts::default()
        };
        cells.at(at);
        let prompt = cells.prompt(facts).map_err(fault)?;
        let model = cells.model_with(&name, &settings).map_err(fault)?;
        cells.answer(prompt, model, Answer { score: Some(score), ..Answer::default() }).map_err(fault)
    })?;
    let Some((chosen, filter)) = choice else { return Err(unknown_metric(path, metrics, &known)) };
    let is_lower_better = results.higher_is_better.get(&task).and_then(|task| task.get(chosen.name()));
    if is_lower_better == Some(&Some(false)) {
        cells.is_lower_better(&task, chosen.name()).map_err(|problem| Error::file(path, problem))?;
    }
    let metric =
        if filter == "none" { chosen.name().to_owned() } else { format!("{},{filter}", chosen.name()) };
    let others = known.len().saturating_sub(1);
    cells.measured_by(&task, &metric).map_err(|problem| Error::file(path, problem))?;
    cells.reads("score", format!("metric `{metric}`"));
    if 0 < others && metrics.is_empty() {
        cells.note(format!(
            "`{task}`: the score is `{metric}`, the first of {} metrics (`--metric` chooses)",
            others + 1
        ));
    }
    Ok(())
}

/// The first wanted metric that a line has; of a line under nobody's filter, none. Without wishes its first metric.
fn chosen(sample: &Sample, metrics: &[String]) -> Option<Choice> {
    if metrics.is_empty() {
        return sample.listed.iter().find(|name| sample.metrics.contains_key(*name)).map(Choice::of);
    }
    metrics.iter().find_map(|wanted| {
        let (name, filter) = wanted.split_once(',').map_or((wanted.as_str(), None), |(n, f)| (n, Some(f)));
        let is_here =
            sample.metrics.contains_key(name) && filter.is_none_or(|filter| filter == sample.filter);
        is_here.then(|| Choice::of(name))
    })
}

/// The parts of `samples_TASK_TIME.jsonl`; the time has no underscore.
fn task_and_time(path: &Path) -> Result<(String, String)> {
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let bare = name.strip_prefix("samples_").or_else(|| name.strip_prefix("details_"));
    let parts = bare.and_then(|name| name.rsplit_once('_')).filter(|(task, _)| !task.is_empty());
    let Some((task, rest)) = parts else {
        return Err(Error::file(path, "is not called `samples_TASK_TIME.jsonl`"));
    };
    let ending = [".json", ".parquet"].into_iter().find_map(|ending| rest.find(ending));
    Ok((task.to_owned(), rest[..ending.unwrap_or(rest.len())].to_owned()))
}

/// The results file of the same run: it bears the same time.
fn results_of(path: &Path, time: &str) -> Result<Option<PathBuf>> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let ending = format!("_{time}.json");
    let is_results = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.ends_with(&ending) && !name.starts_with("samples_")
    };
    let found: Vec<PathBuf> = fs::entries(folder)?.into_iter().filter(is_results).collect();
    match found.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one.clone())),
        [one, other, ..] => Err(Error::file(
            path,
            format!(
                "has two results files of its time, `{}` and `{}`; keep one",
                one.display(),
                other.display()
            ),
        )),
    }
}

/// The model in whose folder a file lies, where the folder's name has the form that the harness gives it; published details
/// may add the task.
fn model_of_folder(path: &Path, task: &str, time: &str) -> Result<String> {
    let folder = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
    let bare = ["-private-details", "-details"].iter().find_map(|ending| folder.strip_suffix(ending));
    let bare = bare.or_else(|| folder.strip_suffix(task)?.strip_suffix("__")).unwrap_or(&folder);
    match bare.split_once("__") {
        Some((maker, model)) if !maker.is_empty() && !model.is_empty() => Ok(format!("{maker}/{model}")),
        _ => Err(Error::file(
            path,
            format!(
                "has no `results_{time}.json` beside it, which names the model, and its folder is no `MAKER__MODEL`; name it \
                 with `--model-name`"
            ),
        )),
    }
}

/// What is needed of a results file.
#[derive(Default, serde::Deserialize)]
struct Results {
    #[serde(default)]
    model_name: Scalar,
    #[serde(default)]
    higher_is_better: BTreeMap<String, BTreeMap<String, Option<bool>>>,
    #[serde(default)]
    config: Config,
    #[serde(default)]
    system_instruction: Value,
    #[serde(default, rename = "n-shot")]
    n_shot: Value,
    #[serde(default)]
    chat_template: Value,
    #[serde(default)]
    fewshot_as_multiturn: Value,
}

#[derive(Default, serde::Deserialize)]
struct Config {
    #[serde(default)]
    model_args: Value,
    #[serde(default)]
    gen_kwargs: Value,
    #[serde(default)]
    model: Value,
    #[serde(default)]
    random_seed: Value,
    #[serde(default)]
    fewshot_seed: Value,
}

impl Results {
    fn model(&self, path: &Path) -> Result<String> {
        let name = self.model_name.text().filter(|name| !name.trim().is_empty());
        name.ok_or_else(|| Error::file(path, "has no `model_name`"))
    }

    /// What the model was set to, and how it was asked. Arguments are an object, or a text `key=value,...`.
    fn settings(&self, task: &str) -> Settings {
        let mut settings = Settings::default();
        for arguments in [&self.config.model_args, &self.config.gen_kwargs] {
            for (key, value) in arguments
                .as_str()
                .into_iter()
                .flat_map(|text| text.split(','))
                .filter_map(|pair| pair.split_once('='))
            {
                settings.add_by_name(key.trim(), &value.trim().into());
            }
            settings.add_all_by_name(arguments);
        }
        settings.add("system_prompt", &self.system_instruction);
        settings.add_of_task("backend", &self.config.model);
        settings.add_of_task("fewshot_seed", &self.config.fewshot_seed);
        settings.add_of_task("seed", &self.config.random_seed);
        settings.add_of_task("num_fewshot", &self.n_shot[task]);
        settings.add_of_task("apply_chat_template", &self.chat_template.is_string().into());
        settings.add_of_task("fewshot_as_multiturn", &self.fewshot_as_multiturn);
        settings
    }
}

/// What is needed of a line.
struct Sample {
    doc_hash: Option<String>,
    filter: String,
    text: String,
    /// Names of metrics, in their order.
    listed: Vec<String>,
    metrics: BTreeMap<String, Scalar>,
}

impl<'de> serde::Deserialize<'de> for Sample {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_map(SampleVisitor)
    }
}

struct SampleVisitor;

impl<'de> Visitor<'de> for SampleVisitor {
    type Value = Sample;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sample")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Sample, A::Error> {
        let mut sample = Sample {
            doc_hash: None,
            filter: "none".into(),
            text: String::new(),
            listed: Vec::new(),
            metrics: BTreeMap::new(),
        };
        let mut listed: Option<Vec<String>> = None;
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "doc_hash" => sample.doc_hash = map.next_value()?,
                "filter" => sample.filter = map.next_value()?,
                "metrics" => listed = Some(map.next_value()?),
                "arguments" => sample.text = prompt_of(&map.next_value()?),
                "doc_id" | "doc" | "target" | "resps" | "filtered_resps" | "prompt_hash" | "target_hash" => {
                    map.next_value::<IgnoredAny>()?;
                }
                _ => {
                    let value: Scalar = map.next_value()?;
                    if value.score().is_some() {
                        sample.listed.push(key.clone());
                        sample.metrics.insert(key, value);
                    }
                }
            }
        }
        // Every other number of a line is a metric, where the line does not list them.
        if let Some(listed) = listed {
            sample.metrics.retain(|name, _| listed.contains(name));
            sample.listed = listed;
        }
        Ok(sample)
    }
}

/// The prompt of the first request, in `{"gen_args_0": {"arg_0": ...}}` or `[["...", ...]]`: a text, or a chat.
fn prompt_of(arguments: &Value) -> String {
    let Some(sent) = first_argument(arguments) else { return String::new() };
    match sent {
        Value::String(text) => turn(text, Turn::Last).unwrap_or_else(|_| text.clone()),
        chat => user_text(chat, Turn::Last, MOST_LEVELS).unwrap_or_default(),
    }
}

/// The first argument of the first request: within objects and lists of no messages the first value.
fn first_argument(arguments: &Value) -> Option<&Value> {
    match arguments {
        Value::String(_) => Some(arguments),
        Value::Array(values) if values.iter().any(is_message) => Some(arguments),
        Value::Array(values) => values.iter().find_map(first_argument),
        Value::Object(values) => values.values().find_map(first_argument),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prompt_of_a_few_shot_chat_is_the_question() {
        let chat = serde_json::json!([
            {"role": "system", "content": "s"}, {"role": "user", "content": "example"},
            {"role": "assistant", "content": "a"}, {"role": "user", "content": "question"}]);
        for arguments in [
            serde_json::json!({"gen_args_0": {"arg_0": [chat.to_string()], "arg_1": {"until": ["x"]}}}),
            serde_json::json!({"gen_args_0": {"arg_0": chat}, "gen_args_1": {"arg_0": "other"}}),
            serde_json::json!([[chat.to_string(), {"until": ["x"]}]]),
            serde_json::json!([["question", " answer"], ["other", ""]]),
        ] {
            assert_eq!(prompt_of(&arguments), "question", "{arguments}");
        }
    }

    #[test]
    fn folders_of_published_details_name_the_model() {
        for folder in ["lab__one", "lab__one-details", "lab__one__leaderboard_sums"] {
            let path = Path::new("x").join(folder).join("samples_leaderboard_sums_2026-01-01T00-00-00.json");
            let (task, time) = task_and_time(&path).unwrap();
            assert_eq!((task.as_str(), time.as_str()), ("leaderboard_sums", "2026-01-01T00-00-00"));
            assert_eq!(model_of_folder(&path, &task, &time).unwrap(), "lab/one");
        }
    }
}
