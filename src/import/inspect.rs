//! Inspect AI: `.eval` logs (a zip archive with a JSON file a sample) and `.json` logs.
//!
//! Prompts are joined on task, its arguments, and sample id; the epochs of a sample are averaged. A model is its name with the
//! settings of its calls. A scorer is chosen by name, its value by
//! Inspect's own rule: C is 1, P is one half, I and N are 0, and numbers, true and false stand for themselves; of a value with
//! several parts one is named as `scorer.part`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::cells::{Answer, Cells, PromptFacts};
use super::importer::{Importer, Job};
use super::inspect_files::{LogFacts, Place, Sample, each_of_json, each_of_zip};
use super::metric::{remember, unknown_metric};
use super::source::{At, Spot, is_named};
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

/// What Inspect writes beside logs about all of them.
const LISTS: [&str; 3] = ["eval-set.json", "logs.json", "listing.json"];

/// Reads one log: the answers of one model to one task.
fn read(path: &Path, job: &Job<'_>, cells: &mut Cells) -> Result<()> {
    let (sources, metrics) = (job.sources, &job.settings.metrics);
    let mut chosen: Option<String> = None;
    let mut known: BTreeSet<String> = BTreeSet::new();
    let mut facts: Option<(String, String)> = None;
    if path.file_name().is_some_and(|name| LISTS.iter().any(|list| name == *list)) {
        cells.pass_over(path, "lists logs and holds no samples");
        return Ok(());
    }
    let (is_strict, before) = (job.settings.strict, cells.mark());
    let mut each = |log: &LogFacts, place: Place<'_>, sample: Result<Sample>| {
        let sample = match sample {
            Ok(sample) => sample,
            Err(error) if is_strict => return Err(error),
            Err(error) => {
                cells.note(format!("left out a sample that cannot be read: {error}"));
                cells.skip("a sample that cannot be read");
                return Ok(());
            }
        };
        let fault = |problem: String| match place {
            Place::Element(number) => Spot { path: path.to_owned(), at: At::Record(number) }.fault(problem),
            Place::Member(name) => Error::file(&path.join(name), problem),
        };
        match place {
            Place::Element(number) => cells.at(At::Record(number)),
            Place::Member(name) => {
                cells.at(At::File);
                cells.within(|| name.to_owned());
            }
        }
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
    let void = if is_named(path, "", &[".json"]) {
        each_of_json(path, sources, &mut each)?
    } else {
        each_of_zip(path, sources, &mut each)?
    };
    if let Some(reason) = void {
        cells.go_back(before);
        cells.pass_over(path, &reason);
        return Ok(());
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
