//! lm-evaluation-harness: folders with `results_TIME.json` and, with `--log_samples`, `samples_TASK_TIME.jsonl`.
//!
//! Prompts are joined on task and `doc_hash`, whatever the order of the rows. A line is one document under one filter of the
//! answer; a metric is named `acc`, or `exact_match,strict-match` with the filter.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::UNIT;
use super::cells::{Answer, Cells, PromptFacts};
use super::ids::hash_id;
use super::importer::{Importer, Job};
use super::json::{Scalar, lines, whole};
use super::metric::{Choice, remember, unknown_metric};
use super::source::is_named;
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
        is_named(path, "samples_", &[".jsonl"])
    }

    fn has_metrics(&self) -> bool {
        true
    }

    fn read(&self, path: &Path, job: &Job<'_>, cells: &mut Cells) -> Result<()> {
        read(path, job, cells)
    }
}

/// Reads the samples of one model on one task.
fn read(path: &Path, job: &Job<'_>, cells: &mut Cells) -> Result<()> {
    let (sources, metrics) = (job.sources, &job.settings.metrics);
    let range_is_set = job.settings.score_range != UNIT;
    let (task, time) = task_and_time(path)?;
    let results_path = results_of(path, &time)?;
    let results: Results = whole(sources.open(&results_path)?)?;
    let name = results.model(&results_path)?;
    let mut choice: Option<(Choice, String)> = None;
    let mut known: BTreeSet<String> = BTreeSet::new();
    lines(sources.open(path)?, |line, sample: Sample| {
        let fault = |problem: String| Error::line(path, line, problem);
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
        let facts = PromptFacts { id: &id, benchmark: &task, task: "", text: &sample.text };
        let prompt = cells.prompt(facts).map_err(fault)?;
        let model = cells.model(&name).map_err(fault)?;
        cells.answer(prompt, model, Answer { score: Some(score), ..Answer::default() }).map_err(fault)
    })?;
    let Some((chosen, filter)) = choice else { return Err(unknown_metric(path, metrics, &known)) };
    let is_lower_better = results.higher_is_better.get(&task).and_then(|task| task.get(chosen.name()));
    if is_lower_better == Some(&Some(false)) && !range_is_set {
        let problem = format!(
            "metric `{}` is better where it is lower; say with `--score-range WORST,BEST`",
            chosen.name()
        );
        return Err(Error::file(path, problem));
    }
    let metric =
        if filter == "none" { chosen.name().to_owned() } else { format!("{},{filter}", chosen.name()) };
    let others = known.len().saturating_sub(1);
    cells.measured_by(&task, &metric).map_err(|problem| Error::file(path, problem))?;
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
    let parts = name.strip_prefix("samples_").and_then(|name| name.rsplit_once('_'));
    let Some((task, rest)) = parts.filter(|(task, _)| !task.is_empty()) else {
        return Err(Error::file(path, "is not called `samples_TASK_TIME.jsonl`"));
    };
    let time = rest.split(".jsonl").next().unwrap_or(rest);
    Ok((task.to_owned(), time.to_owned()))
}

/// The results file of the same run or, where none bears its time, the latest of the folder.
fn results_of(path: &Path, time: &str) -> Result<PathBuf> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let of_run = folder.join(format!("results_{time}.json"));
    if of_run.exists() {
        return Ok(of_run);
    }
    fs::entries(folder)?
        .into_iter()
        .filter(|path| is_named(path, "results_", &[".json"]))
        .max()
        .ok_or_else(|| Error::file(path, "has no `results_TIME.json` beside it, which names the model"))
}

/// What is needed of a results file.
#[derive(serde::Deserialize)]
struct Results {
    #[serde(default)]
    model_name: Scalar,
    #[serde(default)]
    higher_is_better: BTreeMap<String, BTreeMap<String, Option<bool>>>,
}

impl Results {
    fn model(&self, path: &Path) -> Result<String> {
        let name = self.model_name.text().filter(|name| !name.trim().is_empty());
        name.ok_or_else(|| Error::file(path, "has no `model_name`"))
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
                "arguments" => sample.text = first_text(&map.next_value()?).unwrap_or_default(),
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

/// The first text within arguments: the prompt of the first request, in `{"gen_args_0": {"arg_0": ...}}` or `[["...", ...]]`.
fn first_text(arguments: &serde_json::Value) -> Option<String> {
    match arguments {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Array(values) => values.iter().find_map(first_text),
        serde_json::Value::Object(values) => values.values().find_map(first_text),
        _ => None,
    }
}
