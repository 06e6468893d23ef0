//! HELM: run folders with `run_spec.json`, `per_instance_stats.json`, and the texts in `instances.json` or, before there was
//! one, `scenario_state.json`.
//!
//! Prompts are joined on the run's name without its model, and the instance's id; perturbed copies are left out, training
//! trials averaged. Without `--metric` the score is the one that HELM Lite and HELM MMLU show for the scenario.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;
use std::path::Path;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::arms::Settings;
use super::cells::{Answer, Cells, PromptFacts};
use super::importer::{Importer, Job};
use super::json::{Elements, Scalar, deserializer, elements, fault, whole};
use super::metric::{remember, unknown_metric};
use super::source::{At, Budget, Sources, is_named};
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

/// Of how a scenario asks a model what another run may do otherwise.
const SETTINGS: [&str; 11] = [
    "model_deployment",
    "temperature",
    "max_tokens",
    "num_outputs",
    "method",
    "instructions",
    "global_prefix",
    "global_suffix",
    "output_prefix",
    "max_train_instances",
    "reasoning_effort",
];

/// HELM.
pub(super) struct Helm;

impl Importer for Helm {
    fn name(&self) -> &'static str {
        "helm"
    }

    fn wanted(&self) -> &'static str {
        "`per_instance_stats.json`"
    }

    fn is_wanted(&self, path: &Path) -> bool {
        is_named(path, "per_instance_stats", &[".json"])
    }

    fn has_metrics(&self) -> bool {
        true
    }

    fn read(&self, path: &Path, job: &Job<'_>, cells: &mut Cells) -> Result<()> {
        read(path, job, cells)
    }
}

/// Reads one run: the answers of one model to one scenario.
fn read(path: &Path, job: &Job<'_>, cells: &mut Cells) -> Result<()> {
    let (sources, metrics) = (job.sources, &job.settings.metrics);
    let spec_path = path.with_file_name("run_spec.json");
    let spec: RunSpec = whole(sources.open(&spec_path)?)?;
    let of_adapter = |key: &str| spec.adapter_spec[key].as_str().filter(|name| !name.is_empty());
    let name = of_adapter("model").or_else(|| of_adapter("model_deployment"));
    let name = name.ok_or_else(|| Error::file(&spec_path, "has no `adapter_spec.model`"))?;
    let mut settings = Settings::default();
    SETTINGS.iter().for_each(|key| settings.add_of_task(key, &spec.adapter_spec[*key]));
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
        let facts =
            PromptFacts { id: &id, benchmark: &benchmark, task: &label, text, ..PromptFacts::default() };
        cells.at(At::Record(number));
        let prompt = cells.prompt(facts).map_err(fault)?;
        let model = cells.model_with(name, &settings).map_err(fault)?;
        let answer = Answer {
            score: Some(score),
            input_tokens: stats.get(INPUT_TOKENS).copied(),
            output_tokens: OUTPUT_TOKENS.iter().find_map(|name| stats.get(name)).copied(),
            cost_usd: None,
        };
        cells.answer(prompt, model, answer).map_err(fault)
    })?;
    let chosen = chosen.ok_or_else(|| unknown_metric(path, metrics, &known))?;
    cells.reads("prompt", "the run's name without the model, and the instance's id");
    cells.reads("model", "`adapter_spec.model` of the run");
    cells.reads("score", format!("`{chosen}`"));
    cells.reads("tokens", "`num_prompt_tokens`, `num_output_tokens`");
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

/// Options in a run's name by which HELM names the model, or asks it in the way it needs; the instances are the same.
const OF_THE_MODEL: [&str; 16] = [
    "model",
    "model_deployment",
    "stop",
    "add_to_stop",
    "global_prefix",
    "format_prompt",
    "output_format_instructions",
    "chatml",
    "tokenizer",
    "num_prompt_tokens",
    "num_output_tokens",
    "increase_max_tokens",
    "temperature",
    "increase_temperature",
    "process_output",
    "anthropic",
];

/// `mmlu:subject=x,model=y` without the parts that depend on the model, so that all models share prompts.
fn without_model(name: &str) -> String {
    let (scenario, rest) = name.split_once(':').unwrap_or((name, ""));
    let kept: Vec<&str> = rest
        .split(',')
        .filter(|part| {
            let option = part.split('=').next().unwrap_or(part);
            !option.is_empty() && !OF_THE_MODEL.contains(&option)
        })
        .collect();
    if kept.is_empty() { scenario.to_owned() } else { format!("{scenario}:{}", kept.join(",")) }
}

#[derive(serde::Deserialize)]
struct RunSpec {
    name: String,
    #[serde(default)]
    adapter_spec: Value,
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

/// Texts by id of the instance, unperturbed; none where a run holds neither file.
fn texts(stats: &Path, sources: &Sources<'_>) -> Result<BTreeMap<String, String>> {
    let mut texts = BTreeMap::new();
    let mut keep = |instance: InstanceText| {
        if let (Some(id), None) = (instance.id, instance.perturbation) {
            texts.insert(id, instance.input.text);
        }
    };
    let path = stats.with_file_name("instances.json");
    if path.exists() {
        elements(sources.open(&path)?, |_, instance: InstanceText| {
            keep(instance);
            Ok(())
        })?;
        return Ok(texts);
    }
    let path = stats.with_file_name("scenario_state.json");
    if path.exists() {
        let input = sources.open(&path)?;
        let budget = input.budget();
        let mut found = None;
        let mut deserializer = deserializer(input);
        let visitor = StateVisitor { keep: &mut keep, budget: &budget, found: &mut found };
        let read = deserializer.deserialize_map(visitor).and_then(|()| deserializer.end());
        read.map_err(|error| found.take().unwrap_or_else(|| fault(&path, &error)))?;
    }
    Ok(texts)
}

#[derive(serde::Deserialize)]
struct InstanceText {
    input: Input,
    id: Option<String>,
    perturbation: Option<IgnoredAny>,
}

#[derive(serde::Deserialize)]
struct Input {
    #[serde(default)]
    text: String,
}

#[derive(serde::Deserialize)]
struct RequestState {
    instance: InstanceText,
}

/// Of a scenario state only the instances within its requests.
struct StateVisitor<'a, F> {
    keep: &'a mut F,
    budget: &'a Budget,
    found: &'a mut Option<Error>,
}

impl<'de, F: FnMut(InstanceText)> Visitor<'de> for StateVisitor<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a scenario state")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if key == "request_states" {
                let mut each = |_, state: RequestState| {
                    (self.keep)(state.instance);
                    Ok(())
                };
                map.next_value_seed(Elements {
                    each: &mut each,
                    budget: self.budget,
                    found: self.found,
                    kind: PhantomData,
                })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
            self.budget.renew();
        }
        Ok(())
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
        assert_eq!(
            without_model("mmlu:subject=law,model=a_b,stop=hash,global_prefix=nlg"),
            "mmlu:subject=law"
        );
        assert_eq!(without_model("gsm:model=a_b"), "gsm");
        assert_eq!(without_model("gsm"), "gsm");
    }
}
