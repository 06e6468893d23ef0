//! RouterArena: `cached_results/MODEL.jsonl`, what a model answered to every prompt, and `predictions/ROUTER.json`, which
//! model a router chose for each and what came of it.
//!
//! A prompt's `global_index`, as in `MMLUPro_history_12`, names benchmark and task. Requests that failed are left out. METEOR
//! as RouterArena computes it can fall below 0; such a score counts as 0, the lower end of the metric.

use std::path::Path;

use super::cells::{Answer, Cells, PromptFacts};
use super::importer::{Importer, Job};
use super::json::{Scalar, elements, lines};
use super::source::{At, is_named};
use crate::error::{Error, Result};

/// RouterArena.
pub(super) struct RouterArena;

impl Importer for RouterArena {
    fn name(&self) -> &'static str {
        "routerarena"
    }

    fn wanted(&self) -> &'static str {
        "`cached_results/MODEL.jsonl` or `predictions/ROUTER.json`"
    }

    fn is_wanted(&self, path: &Path) -> bool {
        let is_in = |folder: &str| path.parent().is_some_and(|parent| parent.ends_with(folder));
        // Answers to reworded prompts are not answers to the prompts.
        let is_reworded = path.file_name().is_some_and(|name| name.to_string_lossy().contains("robustness"));
        (is_in("cached_results") && is_named(path, "", &[".jsonl"]))
            || (is_in("predictions") && is_named(path, "", &[".json"]) && !is_reworded)
    }

    fn read(&self, path: &Path, job: &Job<'_>, cells: &mut Cells) -> Result<()> {
        cells.reads("prompt", "`global_index`, which names benchmark and task");
        cells.reads("model", "`llm_selected`, of predictions `prediction`");
        cells.reads("tokens", "`token_usage`");
        if is_named(path, "", &[".jsonl"]) {
            cells.reads("score", "`evaluation_result.score`");
            cells.reads("cost", "`evaluation_result.inference_cost`");
            return lines(job.sources.open(path)?, |line, outcome: Outcome| {
                cells.at(At::Line(line));
                outcome.add(cells).map_err(|problem| Error::line(path, line, problem))
            });
        }
        cells.reads("score", "`accuracy` of predictions");
        cells.reads("cost", "`cost` of predictions");
        elements(job.sources.open(path)?, |number, prediction: Prediction| {
            cells.at(At::Record(number));
            prediction
                .add(cells)
                .map_err(|problem| Error::file(path, format!("record {number} (from 0): {problem}")))
        })
    }
}

/// What is needed of a line of cached results.
#[derive(serde::Deserialize)]
struct Outcome {
    #[serde(default)]
    global_index: Scalar,
    #[serde(default)]
    question: Scalar,
    #[serde(default)]
    llm_selected: Scalar,
    #[serde(default)]
    token_usage: Option<Usage>,
    #[serde(default)]
    success: Option<bool>,
    #[serde(default)]
    evaluation_result: Option<Evaluation>,
}

/// What is needed of an element of predictions.
#[derive(serde::Deserialize)]
struct Prediction {
    #[serde(default, rename = "global index", alias = "global_index")]
    global_index: Scalar,
    #[serde(default)]
    prompt: Scalar,
    #[serde(default)]
    prediction: Scalar,
    #[serde(default)]
    generated_result: Option<Generated>,
    #[serde(default)]
    cost: Scalar,
    #[serde(default)]
    accuracy: Scalar,
}

#[derive(Default, serde::Deserialize)]
struct Generated {
    #[serde(default)]
    success: Option<bool>,
    #[serde(default)]
    token_usage: Option<Usage>,
}

#[derive(Default, serde::Deserialize)]
struct Usage {
    #[serde(default)]
    input_tokens: Scalar,
    #[serde(default)]
    output_tokens: Scalar,
}

#[derive(Default, serde::Deserialize)]
struct Evaluation {
    #[serde(default)]
    score: Scalar,
    #[serde(default)]
    metric: Scalar,
    #[serde(default)]
    inference_cost: Scalar,
}

impl Outcome {
    fn add(self, cells: &mut Cells) -> std::result::Result<(), String> {
        let (usage, evaluation) =
            (self.token_usage.unwrap_or_default(), self.evaluation_result.unwrap_or_default());
        let facts = Facts {
            index: self.global_index.text(),
            text: self.question.text(),
            model: self.llm_selected.text(),
            failed: self.success == Some(false),
            metric: evaluation.metric.text(),
            score: evaluation.score.score(),
            cost_usd: evaluation.inference_cost.score(),
            usage,
        };
        facts.add(cells)
    }
}

impl Prediction {
    fn add(self, cells: &mut Cells) -> std::result::Result<(), String> {
        let generated = self.generated_result.unwrap_or_default();
        let facts = Facts {
            index: self.global_index.text(),
            text: self.prompt.text(),
            model: self.prediction.text(),
            failed: generated.success == Some(false),
            metric: None,
            score: self.accuracy.score(),
            cost_usd: self.cost.score(),
            usage: generated.token_usage.unwrap_or_default(),
        };
        facts.add(cells)
    }
}

/// One answer, from either kind of file.
struct Facts {
    index: Option<String>,
    text: Option<String>,
    model: Option<String>,
    failed: bool,
    metric: Option<String>,
    score: Option<f64>,
    cost_usd: Option<f64>,
    usage: Usage,
}

impl Facts {
    fn add(self, cells: &mut Cells) -> std::result::Result<(), String> {
        let index = self.index.ok_or("has no `global_index`")?;
        let model = self.model.ok_or("has no model")?;
        if self.failed {
            cells.skip("a request that failed");
            return Ok(());
        }
        let Some(score) = self.score else {
            cells.skip("without a score");
            return Ok(());
        };
        let (benchmark, task) = benchmark_and_task(&index);
        if let Some(metric) = &self.metric {
            cells.measured_by(benchmark, metric)?;
        }
        if score < 0.0 && self.metric.as_deref() == Some("meteor_score") {
            cells.note(format!(
                "prompt `{index}`, model `{model}`: METEOR of {score} counts as 0, its lower end"
            ));
        }
        let is_meteor = self.metric.as_deref().is_none_or(|metric| metric == "meteor_score");
        let score = if is_meteor { score.max(0.0) } else { score };
        let text = self.text.unwrap_or_default();
        // The index is the prompt; wordings around the question differ between versions.
        let facts = PromptFacts { id: &index, benchmark, task, text: &text, is_sent_text: true };
        let prompt = cells.prompt(facts)?;
        let model = cells.model(&model)?;
        let answer = Answer {
            score: Some(score),
            input_tokens: self.usage.input_tokens.score(),
            output_tokens: self.usage.output_tokens.score(),
            cost_usd: self.cost_usd,
        };
        cells.answer(prompt, model, answer)
    }
}

/// `MMLUPro_history_12` is of the benchmark `MMLUPro` and the task `history`; `AIME_112` has no task.
fn benchmark_and_task(index: &str) -> (&str, &str) {
    let name = index.rsplit_once('_').map_or(index, |(name, _)| name);
    name.split_once('_').unwrap_or((name, ""))
}

#[cfg(test)]
mod tests {
    use super::benchmark_and_task;

    #[test]
    fn an_index_names_benchmark_and_task() {
        assert_eq!(benchmark_and_task("AIME_112"), ("AIME", ""));
        assert_eq!(benchmark_and_task("MMLUPro_computer science_3"), ("MMLUPro", "computer science"));
        assert_eq!(benchmark_and_task("GeoGraphyData_100k_4"), ("GeoGraphyData", "100k"));
        assert_eq!(benchmark_and_task("x"), ("x", ""));
    }
}
