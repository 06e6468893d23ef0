//! LLMRouterBench: `results/bench/DATASET/SPLIT/MODEL/DATASET-SPLIT-MODEL-YYYYMMDD_HHMMSS.json`, one object a run with a
//! `records` array, of which the newest by the time in its name counts; runs marked `demo` never do.
//!
//! A prompt is known by data set, split, and `index`; its text is `origin_query`. Costs in dollars and tokens are recorded.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::cells::{Answer, Cells, PromptFacts};
use super::importer::{ImportSettings, Importer, Job};
use super::json::{Elements, Scalar, deserializer, fault};
use super::source::{At, Budget, Sources, is_named, stem};
use crate::error::{Error, Result};

/// LLMRouterBench.
pub(super) struct LlmRouterBench;

impl Importer for LlmRouterBench {
    fn name(&self) -> &'static str {
        "llmrouterbench"
    }

    fn wanted(&self) -> &'static str {
        "`DATASET-SPLIT-MODEL-YYYYMMDD_HHMMSS.json`"
    }

    fn is_wanted(&self, path: &Path) -> bool {
        is_named(path, "", &[".json"]) && (time_of(path).is_some() || stem(path) == "result")
    }

    /// Of several runs of one model on one split the newest that is no demonstration.
    fn selected(&self, found: Vec<PathBuf>, _settings: &ImportSettings) -> Result<Vec<PathBuf>> {
        let mut groups: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
        for path in found {
            groups.entry(run_of(&path)).or_default().push(path);
        }
        let quiet = Sources::new(&|_| {});
        let newest = |mut runs: Vec<PathBuf>| {
            runs.sort_by_key(|path| time_of(path));
            // A file that cannot be read is left to the reader, which says why.
            while 1 < runs.len()
                && runs.last().is_some_and(|path| Run::read(path, &quiet).is_ok_and(|run| run.demo))
            {
                runs.pop();
            }
            runs.pop()
        };
        Ok(groups.into_values().filter_map(newest).collect())
    }

    fn read(&self, path: &Path, job: &Job<'_>, cells: &mut Cells) -> Result<()> {
        let run = Run::read(path, job.sources)?;
        if run.demo {
            cells.skip("of a run marked `demo`");
            return Ok(());
        }
        let named = |value: &Scalar, key: &str| {
            let text = value.text().filter(|text| !text.trim().is_empty());
            text.ok_or_else(|| Error::file(path, format!("has no `{key}`")))
        };
        let (benchmark, model) =
            (named(&run.dataset_name, "dataset_name")?, named(&run.model_name, "model_name")?);
        let split = run.split.text().unwrap_or_default();
        cells.reads("prompt", "`index` of a data set and split, text `origin_query`");
        cells.reads("model", "`model_name`");
        cells.reads("score", "`score` of the record");
        cells.reads("cost", "`cost` of the record");
        cells.reads("tokens", "`prompt_tokens` and `completion_tokens` of the record");
        let model = cells.model(&model).map_err(|problem| Error::file(path, problem))?;
        for (number, record) in run.records.iter().enumerate() {
            let fault = |problem: String| Error::file(path, format!("record {number} (from 0): {problem}"));
            let index = record.index.text().ok_or_else(|| fault("has no `index`".into()))?;
            let id = format!("{benchmark}/{split}/{index}");
            let facts = PromptFacts {
                id: &id,
                benchmark: &benchmark,
                task: &split,
                text: &record.origin_query,
                is_sent_text: false,
            };
            cells.at(At::Record(number));
            let answer = Answer {
                score: record.score.score(),
                input_tokens: record.prompt_tokens.score(),
                output_tokens: record.completion_tokens.score(),
                cost_usd: record.cost.score(),
            };
            if answer.score.is_none() {
                cells.skip("without a score");
                continue;
            }
            let prompt = cells.prompt(facts).map_err(fault)?;
            cells.answer(prompt, model, answer).map_err(fault)?;
        }
        Ok(())
    }
}

/// The time in a file's name, `YYYYMMDD_HHMMSS`.
fn time_of(path: &Path) -> Option<String> {
    let stem = stem(path);
    let (_, time) = stem.rsplit_once('-')?;
    let (day, second) = time.split_once('_')?;
    let are_digits = |text: &str, n: usize| text.len() == n && text.bytes().all(|byte| byte.is_ascii_digit());
    (are_digits(day, 8) && are_digits(second, 6)).then(|| time.to_owned())
}

/// What runs of one model on one split have in common: their folder and the name before the time.
fn run_of(path: &Path) -> PathBuf {
    let stem = stem(path);
    let name = if time_of(path).is_some() { stem.rsplit_once('-').map_or("", |(name, _)| name) } else { "" };
    // A `result.json` of before there were times belongs to the folder's only run.
    match (name, path.parent()) {
        ("", Some(folder)) => folder.to_owned(),
        (name, Some(folder))
            if folder.file_name().is_some_and(|model| name.ends_with(&*model.to_string_lossy())) =>
        {
            folder.to_owned()
        }
        (name, _) => path.with_file_name(name),
    }
}

/// What is needed of a file. Its own counts and means are not.
#[derive(Default)]
struct Run {
    model_name: Scalar,
    dataset_name: Scalar,
    split: Scalar,
    demo: bool,
    records: Vec<Record>,
}

#[derive(serde::Deserialize)]
struct Record {
    #[serde(default)]
    index: Scalar,
    #[serde(default)]
    origin_query: String,
    #[serde(default)]
    prompt_tokens: Scalar,
    #[serde(default)]
    completion_tokens: Scalar,
    #[serde(default)]
    cost: Scalar,
    #[serde(default)]
    score: Scalar,
}

impl Run {
    /// The names may stand behind the records, so these are kept until the end of the file; outputs never are.
    fn read(path: &Path, sources: &Sources<'_>) -> Result<Run> {
        let input = sources.open(path)?;
        let budget = input.budget();
        let mut found = None;
        let mut json = deserializer(input);
        let visitor = RunVisitor { budget: &budget, found: &mut found };
        let read = json.deserialize_map(visitor).and_then(|run| json.end().map(|()| run));
        match (found, read) {
            (Some(error), _) => Err(error),
            (None, Err(error)) => Err(fault(path, &error)),
            (None, Ok(run)) => Ok(run),
        }
    }
}

struct RunVisitor<'a> {
    budget: &'a Budget,
    found: &'a mut Option<Error>,
}

impl<'de> Visitor<'de> for RunVisitor<'_> {
    type Value = Run;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a result of LLMRouterBench")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Run, A::Error> {
        let mut run = Run::default();
        let mut has_records = false;
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "model_name" => run.model_name = map.next_value()?,
                "dataset_name" => run.dataset_name = map.next_value()?,
                "split" => run.split = map.next_value()?,
                "demo" => run.demo = map.next_value::<Scalar>()?.score() == Some(1.0),
                "records" => {
                    let records = &mut run.records;
                    let mut each = |_number: usize, record: Record| {
                        records.push(record);
                        Ok(())
                    };
                    map.next_value_seed(Elements {
                        each: &mut each,
                        budget: self.budget,
                        found: self.found,
                        kind: PhantomData,
                    })?;
                    has_records = true;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            self.budget.renew();
        }
        if has_records { Ok(run) } else { Err(serde::de::Error::custom("it has no `records`")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_what_follows_the_last_hyphen() {
        let of = |name: &str| time_of(Path::new(name));
        assert_eq!(of("a/aime-test-m-big-20251101_120000.json").as_deref(), Some("20251101_120000"));
        assert_eq!(of("a/aime-20251101.json"), None);
        assert_eq!(of("a/result.json"), None);
        let run = |name: &str| run_of(Path::new(name));
        assert_eq!(run("x/m-big/aime-test-m-big-20251101_120000.json"), run("x/m-big/result.json"));
        assert_ne!(run("x/aime-test-a-20251101_120000.json"), run("x/aime-test-b-20251101_120000.json"));
    }
}
