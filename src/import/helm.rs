//! HELM: run folders with `run_spec.json`, `per_instance_stats.json`, and the texts in `instances.json` or, before there was
//! one, `scenario_state.json`.
//!
//! Prompts are joined on the run's name without its model, and the instance's id; perturbed copies are left out, training
//! trials averaged. Without `--metric` the score is the one that HELM Lite and HELM MMLU show for the scenario.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::de::IgnoredAny;

use super::answer::Answer;
use super::cells::{Cells, PromptFacts};
use super::helm_texts::texts;
use super::json::{Scalar, elements, whole};
use super::metric::{remember, unknown_metric};
use super::source::{Sources, is_named};
use crate::error::{Error, Result};

/// The main metric by the beginning of a run's name, as HELM Lite and HELM MMLU show it.
const MAIN_METRICS: [(&str, &str); 10] = [
    ("narrative_qa", "f1_score"),
    ("natural_qa", "f1_score"),
    ("commonsense", "exact_match"),
    ("mmlu", "exact_match"),
    ("math", "math_equiv_chain_of_thought"),
    ("gsm", "final_number_exact_match"),
    ("legalbench", "quasi_exact_match"),
    ("med_qa", "quasi_exact_match"),
    ("wmt_14", "bleu_4"),
    ("ifeval", "ifeval_strict_accuracy"),
];

/// What HELM counts beside the metrics, under the names of the counts that are kept.
const INPUT_TOKENS: &str = "num_prompt_tokens";
const OUTPUT_TOKENS: [&str; 2] = ["num_output_tokens", "num_completion_tokens"];

/// Whether a file is one that this reads.
pub(super) fn is_stats(path: &Path) -> bool {
    is_named(path, "per_instance_stats", &[".json"])
}

/// Reads one run: the answers of one model to one scenario.
pub(super) fn read(path: &Path, metrics: &[String], sources: &Sources<'_>, cells: &mut Cells) -> Result<()> {
    let spec_path = path.with_file_name("run_spec.json");
    let spec: RunSpec = whole(sources.open(&spec_path)?)?;
    let name = spec.adapter_spec.model_deployment.filter(|name| !name.is_empty());
    let name = spec.adapter_spec.model.filter(|name| !name.is_empty()).or(name);
    let name = name.ok_or_else(|| Error::file(&spec_path, "has no `adapter_spec.model`"))?;
    let task = without_model(&spec.name);
    let benchmark = task.split([':', ',']).next().unwrap_or(&task).to_owned();
    let label = task.strip_prefix(&benchmark).unwrap_or("").trim_start_matches([':', ',']).to_owned();
    let texts = texts(path, sources)?;
    let mut chosen: Option<String> = None;
    let mut known: BTreeSet<String> = BTreeSet::new();
    elements(sources.open(path)?, |number, instance: Instance| {
        let fault = |problem: String| Error::file(path, format!("record {number} (from 0): {problem}"));
        if instance.perturbation.is_some() {
            cells.skip("of a perturbed instance");
            return Ok(());
        }
        let stats: BTreeMap<&str, f64> = (instance.stats.iter())
            .filter(|stat| stat.name.perturbation.is_none())
            .filter_map(|stat| Some((stat.name.name.as_str(), stat.value()?)))
            .collect();
        stats.keys().filter(|name| !name.starts_with("num_")).for_each(|name| remember(&mut known, *name));
        if chosen.is_none() {
            chosen = choose(&benchmark, &stats, metrics);
        }
        let Some(&score) = chosen.as_ref().and_then(|name| stats.get(name.as_str())) else {
            cells.skip("without the metric");
            return Ok(());
        };
        let text = texts.get(&instance.instance_id).map_or("", String::as_str);
        let id = format!("{task}/{}", instance.instance_id);
        let facts = PromptFacts { id: &id, benchmark: &benchmark, task: &label, text };
        let prompt = cells.prompt(facts).map_err(fault)?;
        let model = cells.model(&name).map_err(fault)?;
        let answer = Answer {
            score: Some(score),
            input_tokens: stats.get(INPUT_TOKENS).copied(),
            output_tokens: OUTPUT_TOKENS.iter().find_map(|name| stats.get(name)).copied(),
            cost_usd: None,
        };
        cells.answer(prompt, model, answer).map_err(fault)
    })?;
    let chosen = chosen.ok_or_else(|| unknown_metric(path, metrics, &known))?;
    cells.measured_by(&benchmark, &chosen).map_err(|problem| Error::file(path, problem))
}

/// The first wanted metric that there is; without wishes the scenario's main one.
fn choose(benchmark: &str, stats: &BTreeMap<&str, f64>, metrics: &[String]) -> Option<String> {
    let main = MAIN_METRICS
        .iter()
        .filter(|(scenario, _)| benchmark.starts_with(scenario))
        .map(|(_, metric)| *metric);
    let wanted: Vec<&str> =
        if metrics.is_empty() { main.collect() } else { metrics.iter().map(String::as_str).collect() };
    wanted.into_iter().find(|name| stats.contains_key(name)).map(str::to_owned)
}

/// `mmlu:subject=x,model=y` without the part that names the model, so that all models share prompts.
fn without_model(name: &str) -> String {
    let (scenario, rest) = name.split_once(':').unwrap_or((name, ""));
    let kept: Vec<&str> = rest
        .split(',')
        .filter(|part| {
            !part.is_empty() && !part.starts_with("model=") && !part.starts_with("model_deployment=")
        })
        .collect();
    if kept.is_empty() { scenario.to_owned() } else { format!("{scenario}:{}", kept.join(",")) }
}

#[derive(serde::Deserialize)]
struct RunSpec {
    name: String,
    adapter_spec: AdapterSpec,
}

#[derive(serde::Deserialize)]
struct AdapterSpec {
    model: Option<String>,
    model_deployment: Option<String>,
}

#[derive(serde::Deserialize)]
struct Instance {
    instance_id: String,
    perturbation: Option<IgnoredAny>,
    #[serde(default)]
    stats: Vec<Stat>,
}

#[derive(serde::Deserialize)]
struct Stat {
    name: StatName,
    #[serde(default)]
    count: Scalar,
    #[serde(default)]
    sum: Scalar,
    #[serde(default)]
    mean: Scalar,
}

#[derive(serde::Deserialize)]
struct StatName {
    name: String,
    perturbation: Option<IgnoredAny>,
}

impl Stat {
    /// The mean, or what makes it.
    fn value(&self) -> Option<f64> {
        self.mean.score().or_else(|| {
            let count = self.count.score().filter(|count| 0.0 < *count)?;
            Some(self.sum.score()? / count)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_different_models_share_a_name() {
        assert_eq!(
            without_model("mmlu:subject=law,method=x,model=openai_gpt-4"),
            "mmlu:subject=law,method=x"
        );
        assert_eq!(without_model("gsm:model=a_b"), "gsm");
        assert_eq!(without_model("gsm"), "gsm");
    }
}
