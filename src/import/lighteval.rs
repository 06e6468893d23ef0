//! lighteval: `details/MODEL/TIME/details_TASK_TIME.parquet`, a row a sample with `__doc__`, `__model_response__`, and
//! `__metric__`, which newer versions write without underscores; older ones, as of the first Open LLM Leaderboard, with
//! `example` and `metrics`.
//!
//! The record names no model: the folders below `details` do. Tokens are counted from the lists of token ids, where these
//! were kept.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::arms::Settings;
use super::cells::{Answer, Cells, PromptFacts};
use super::importer::{Importer, Job};
use super::json::{Scalar, whole};
use super::metric::{remember, unknown_metric};
use super::parquet;
use super::prompts::text_id;
use super::source::{At, is_named, stem};
use super::texts::{Turn, turn};
use crate::error::{Error, Result};

/// lighteval.
pub(super) struct LightEval;

impl Importer for LightEval {
    fn name(&self) -> &'static str {
        "lighteval"
    }

    fn wanted(&self) -> &'static str {
        "`details_TASK_TIME.parquet` (run with `--save-details`)"
    }

    fn is_wanted(&self, path: &Path) -> bool {
        is_named(path, "details_", &[".parquet"])
    }

    fn may_lack_model(&self) -> bool {
        true
    }

    fn has_metrics(&self) -> bool {
        true
    }

    fn read(&self, path: &Path, job: &Job<'_>, cells: &mut Cells) -> Result<()> {
        let wanted = &job.settings.metrics;
        let model = job.settings.model_name.clone().or_else(|| model_of(path)).ok_or_else(|| {
            Error::file(
                path,
                "lies not in `details/MODEL/TIME/`, which names the model; name it with `--model-name`",
            )
        })?;
        let name_of_file = name_of(path);
        let settings = settings(path, job)?;
        let model = cells.model_with(&model, &settings).map_err(|problem| Error::file(path, problem))?;
        let mut metric: Option<String> = None;
        let (mut known, mut benchmarks) = (BTreeSet::new(), BTreeSet::new());
        parquet::rows(job.sources, path, |number, sample: Sample| {
            let fault = |problem: String| Error::file(path, format!("record {number} (from 0): {problem}"));
            for (name, _) in &sample.metric.0 {
                remember(&mut known, name.clone());
            }
            if metric.is_none() {
                let has = |name: &&String| sample.metric.0.iter().any(|(known, _)| known == *name);
                let first = || sample.metric.0.first().map(|(name, _)| name.clone());
                metric = if wanted.is_empty() { first() } else { wanted.iter().find(has).cloned() };
            }
            let score = metric.as_ref().and_then(|metric| {
                sample.metric.0.iter().find(|(name, _)| name == metric).and_then(|(_, value)| value.score())
            });
            let Some(score) = score else {
                cells.skip("without the metric");
                return Ok(());
            };
            let task_name = sample.doc.task_name.text().filter(|name| !name.is_empty());
            let name = task_name.as_deref().unwrap_or(&name_of_file);
            let (benchmark, task) = benchmark_and_task(name);
            benchmarks.insert(benchmark.to_owned());
            let query = sample.doc.query.text().or_else(|| turn(&sample.example.text()?, Turn::Last).ok());
            let query = query.unwrap_or_default();
            let id = match sample.doc.id.text().filter(|id| !id.is_empty()) {
                Some(id) if task.is_empty() => format!("{benchmark}/{id}"),
                Some(id) => format!("{benchmark}/{task}/{id}"),
                None => text_id(benchmark, &query),
            };
            let facts = PromptFacts { id: &id, benchmark, task, text: &query, is_sent_text: false };
            cells.at(At::Record(number));
            let prompt = cells.prompt(facts).map_err(fault)?;
            let answer = Answer {
                score: Some(score),
                input_tokens: sample.model_response.input_tokens.0,
                output_tokens: sample.model_response.output_tokens.0,
                ..Answer::default()
            };
            cells.answer(prompt, model, answer).map_err(fault)
        })?;
        let Some(metric) = metric else { return Err(unknown_metric(path, wanted, &known)) };
        cells.reads("prompt", "the sample's `id` within the task, else its text `query`");
        cells.reads("model", "the folders below `details`, or `--model-name`, with the configuration in the results of the same time");
        cells.reads("score", format!("metric `{metric}`"));
        cells.reads("tokens", "the lengths of `input_tokens` and `output_tokens`, where they were kept");
        for benchmark in &benchmarks {
            cells.measured_by(benchmark, &metric).map_err(|problem| Error::file(path, problem))?;
        }
        if wanted.is_empty() && 1 < known.len() {
            let n_known = known.len();
            cells.note(format!(
                "`{name_of_file}`: the score is `{metric}`, the first of {n_known} metrics (`--metric` chooses)"
            ));
        }
        Ok(())
    }
}

/// The folders between `details` and that of the time; without `details` the one above the time's, which the first Open LLM
/// Leaderboard called `details_MAKER__MODEL`.
fn model_of(path: &Path) -> Option<String> {
    let folders: Vec<String> =
        path.parent()?.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    let (time, above) = folders.split_last()?;
    if !time.starts_with(|character: char| character.is_ascii_digit()) {
        return None;
    }
    let start =
        above.iter().rposition(|name| name == "details").map_or(above.len().checked_sub(1)?, |at| at + 1);
    let model = above[start..].join("/");
    let published = model.strip_prefix("details_").and_then(|name| name.split_once("__"));
    let model = published.map_or(model.clone(), |(maker, name)| format!("{maker}/{name}"));
    (!model.is_empty()).then_some(model)
}

/// What the model was set to, by `results/MODEL/results_TIME.json` beside `details/MODEL/TIME/`, where that is there.
fn settings(path: &Path, job: &Job<'_>) -> Result<Settings> {
    let mut settings = Settings::default();
    let folders: Vec<&OsStr> = path.parent().into_iter().flat_map(Path::iter).collect();
    let details = folders.iter().rposition(|name| *name == "details");
    if let (Some(details), Some((time, above))) = (details, folders.split_last()) {
        let mut folder: PathBuf = above[..details].iter().collect();
        folder.push("results");
        folder.extend(above.get(details + 1..).unwrap_or_default());
        let results = folder.join(format!("results_{}.json", time.to_string_lossy()));
        if results.exists() {
            let results: Value = whole(job.sources.open(&results)?)?;
            settings.add_all_by_name(&results["config_general"]["model_config"]);
        }
    }
    Ok(settings)
}

/// What stands between `details_` and the time, which has no underscore.
fn name_of(path: &Path) -> String {
    let stem = stem(path);
    let name = stem.strip_prefix("details_").unwrap_or(&stem);
    name.rsplit_once('_').map_or(name, |(task, _)| task).to_owned()
}

/// Benchmark and task of a name such as `lighteval|mmlu:law|5|0`, without the suite before and the numbers behind.
fn benchmark_and_task(name: &str) -> (&str, &str) {
    let is_number = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit());
    let task = name.rsplit('|').find(|part| !is_number(part)).unwrap_or(name);
    task.split_once(':').unwrap_or((task, ""))
}

/// What is needed of a row.
#[derive(serde::Deserialize)]
struct Sample {
    #[serde(default, alias = "__doc__")]
    doc: Doc,
    /// What versions before 0.9 wrote in the place of `doc`.
    #[serde(default)]
    example: Scalar,
    #[serde(default, alias = "__model_response__")]
    model_response: Response,
    #[serde(alias = "__metric__", alias = "metrics")]
    metric: Metrics,
}

#[derive(Default, serde::Deserialize)]
struct Doc {
    #[serde(default)]
    id: Scalar,
    #[serde(default)]
    query: Scalar,
    #[serde(default)]
    task_name: Scalar,
}

#[derive(Default, serde::Deserialize)]
struct Response {
    #[serde(default)]
    input_tokens: Length,
    #[serde(default)]
    output_tokens: Length,
}

/// Metrics in the order of the file.
struct Metrics(Vec<(String, Scalar)>);

impl<'de> serde::Deserialize<'de> for Metrics {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Metrics;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("metrics by name")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Metrics, A::Error> {
                let mut metrics = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    metrics.push(entry);
                }
                Ok(Metrics(metrics))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// How many numbers a list of token ids, or of such lists, holds; none where it holds nothing.
#[derive(Default)]
struct Length(Option<f64>);

impl<'de> serde::Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Counted;
        impl<'de> Visitor<'de> for Counted {
            type Value = Length;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of token ids")
            }
            fn visit_unit<E>(self) -> std::result::Result<Length, E> {
                Ok(Length(None))
            }
            fn visit_i64<E>(self, _token: i64) -> std::result::Result<Length, E> {
                Ok(Length(Some(1.0)))
            }
            fn visit_u64<E>(self, _token: u64) -> std::result::Result<Length, E> {
                Ok(Length(Some(1.0)))
            }
            fn visit_f64<E>(self, _token: f64) -> std::result::Result<Length, E> {
                Ok(Length(Some(1.0)))
            }
            fn visit_str<E>(self, _text: &str) -> std::result::Result<Length, E> {
                Ok(Length(None))
            }
            fn visit_bool<E>(self, _value: bool) -> std::result::Result<Length, E> {
                Ok(Length(None))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<Length, A::Error> {
                let mut total = None;
                while let Some(Length(length)) = list.next_element()? {
                    total = length.map_or(total, |length| Some(length + total.unwrap_or(0.0)));
                }
                Ok(Length(total))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Length, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Length(None))
            }
        }
        deserializer.deserialize_any(Counted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_name_the_model_and_files_the_task() {
        let path = Path::new(
            "out/details/org/model/2026-01-01T00-00-00/details_x|sums|0_2026-01-01T00-00-00.parquet",
        );
        assert_eq!((model_of(path).as_deref(), name_of(path).as_str()), (Some("org/model"), "x|sums|0"));
        let plain = Path::new("run/one/2026/details_my_task_2026-01-01T00-00-00.parquet");
        assert_eq!((model_of(plain).as_deref(), name_of(plain).as_str()), (Some("one"), "my_task"));
        let published =
            Path::new("details_lab__one/2023-07-19T12-00-00/details_harness|arc:challenge|25_2023.parquet");
        assert_eq!(model_of(published).as_deref(), Some("lab/one"));
        assert_eq!(model_of(Path::new("details_x_y.parquet")), None);
        assert_eq!(model_of(Path::new("some/downloads/details_x_y.parquet")), None, "no folder of a time");
        for (name, known) in [
            ("lighteval|mmlu:law|5|0", ("mmlu", "law")),
            ("gsm8k|0", ("gsm8k", "")),
            ("math500|0|0", ("math500", "")),
            ("leaderboard|arc:challenge|25", ("arc", "challenge")),
            ("my_task", ("my_task", "")),
        ] {
            assert_eq!(benchmark_and_task(name), known);
        }
    }
}
