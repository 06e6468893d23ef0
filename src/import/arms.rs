//! What a router would choose: a model with its settings, and what each is called.
//!
//! A setting made for the model is another model wherever it differs. One that may as well be its task's, such as the
//! temperature that a benchmark asks with, is another model only where two of its values answered one prompt.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::prompts::Index;
use crate::hash::sha256_of_texts;

/// Characters of a setting in a model's name; of a longer one a hash stands behind its beginning.
const N_SHOWN: usize = 60;

/// Hexadecimal digits of that hash.
const N_DIGITS: usize = 8;

/// Settings by which a model is another one whatever it is asked.
const OF_THE_MODEL: [&str; 24] = [
    "revision",
    "peft",
    "delta",
    "adapter",
    "lora",
    "lora_local_path",
    "dtype",
    "load_in_4bit",
    "load_in_8bit",
    "quantization",
    "gguf_file",
    "subfolder",
    "reasoning_effort",
    "reasoning_tokens",
    "effort",
    "thinking",
    "thinking_budget",
    "enable_thinking",
    "think_end_token",
    "temperature",
    "top_p",
    "max_gen_toks",
    "system_prompt",
    "system_message",
];

/// Settings that change neither the model nor what it says.
const OF_THE_MACHINE: [&str; 49] = [
    "max_retries",
    "timeout",
    "attempt_timeout",
    "max_connections",
    "adaptive_connections",
    "num_concurrent",
    "batch",
    "batch_size",
    "max_batch_size",
    "batch_config",
    "cache",
    "cache_dir",
    "cache_prompt",
    "use_cache",
    "download_dir",
    "offload_folder",
    "api_key",
    "api_version",
    "token",
    "use_auth_token",
    "trust_remote_code",
    "base_url",
    "model_base_url",
    "host",
    "port",
    "device",
    "device_map",
    "devices",
    "parallelize",
    "max_memory_per_gpu",
    "max_cpu_memory",
    "tokenizer",
    "tokenizer_path",
    "tokenizer_backend",
    "tokenized_requests",
    "tensor_parallel_size",
    "pipeline_parallel_size",
    "data_parallel_size",
    "gpu_memory_utilization",
    "swap_space",
    "max_num_seqs",
    "max_num_batched_tokens",
    "max_model_len",
    "logprobs",
    "top_logprobs",
    "parallel_tool_calls",
    "internal_tools",
    "pretrained",
    "model_name",
];

/// What a model was set to, by the name of the setting.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Settings {
    said: BTreeMap<String, String>,
    /// Those that are of the model, and of no task.
    own: BTreeSet<String>,
}

impl Settings {
    /// What was set for the model.
    pub(super) fn add(&mut self, key: &str, value: &Value) {
        if self.keep(key, value) {
            self.own.insert(key.to_owned());
        }
    }

    /// What may have been set for a task; what was said before stands.
    pub(super) fn add_of_task(&mut self, key: &str, value: &Value) {
        if !self.said.contains_key(key) {
            self.keep(key, value);
        }
    }

    /// What is of the model where its name says so, else perhaps of the task.
    pub(super) fn add_by_name(&mut self, key: &str, value: &Value) {
        if OF_THE_MODEL.contains(&key) { self.add(key, value) } else { self.add_of_task(key, value) }
    }

    /// The parts of an object by their names, those of objects within too.
    pub(super) fn add_all_by_name(&mut self, parts: &Value) {
        for (key, value) in parts.as_object().into_iter().flatten() {
            if value.is_object() { self.add_all_by_name(value) } else { self.add_by_name(key, value) }
        }
    }

    /// Whether there was anything to keep.
    fn keep(&mut self, key: &str, value: &Value) -> bool {
        let text = match value {
            Value::String(text) => text.trim().to_owned(),
            // 0 and 0.0 are one temperature.
            Value::Number(number) => {
                number.as_f64().map_or_else(|| number.to_string(), |number| number.to_string())
            }
            other => other.to_string(),
        };
        let is_said =
            !["", "null", "None", "{}", "[]"].contains(&text.as_str()) && !OF_THE_MACHINE.contains(&key);
        if is_said {
            self.said.insert(key.to_owned(), text);
        }
        is_said
    }
}

/// A model as gathered.
pub(super) struct GatheredModel {
    pub(super) name: String,
    settings: Settings,
}

/// All models, each once.
#[derive(Default)]
pub(super) struct Models {
    all: Vec<GatheredModel>,
    index: Index<usize>,
}

impl Models {
    /// The position of a model with these settings, which is new or known.
    ///
    /// # Errors
    /// An empty name.
    pub(super) fn at(&mut self, name: &str, settings: &Settings) -> Result<usize, String> {
        let with_settings = (!settings.said.is_empty()).then(|| format!("{name}\0{:?}", settings.said));
        let key = with_settings.as_deref().unwrap_or(name);
        if let Some(&at) = self.index.get(key) {
            self.all[at].settings.own.extend(settings.own.iter().cloned());
            return Ok(at);
        }
        if name.trim().is_empty() {
            return Err("a model without a name".into());
        }
        self.index.insert(key.to_owned(), self.all.len());
        self.all.push(GatheredModel { name: name.to_owned(), settings: settings.clone() });
        Ok(self.all.len() - 1)
    }

    /// The name of a model, without its settings.
    pub(super) fn name(&self, at: usize) -> &str {
        &self.all[at].name
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Forgets those from this position on.
    pub(super) fn truncate(&mut self, n_models: usize) {
        self.all.truncate(n_models);
        self.index.retain(|_, at| *at < n_models);
    }

    /// The models that there really are, given the cells that have answers.
    pub(super) fn arms(&self, answered: impl Iterator<Item = (usize, usize)>) -> Arms {
        let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        self.all.iter().enumerate().for_each(|(at, model)| by_name.entry(&model.name).or_default().push(at));
        by_name.retain(|_, models| 1 < models.len());
        let differing = |models: &[usize]| -> BTreeSet<&str> {
            let said = |at: usize| &self.all[at].settings.said;
            let keys = models.iter().flat_map(|&at| said(at).keys());
            let differs =
                |key: &&String| models.iter().any(|&at| said(at).get(*key) != said(models[0]).get(*key));
            keys.filter(differs).map(String::as_str).collect()
        };
        let all: BTreeMap<&str, BTreeSet<&str>> =
            by_name.iter().map(|(&name, models)| (name, differing(models))).collect();
        // Those that tell models apart: of a model's own, or with two values on one prompt.
        let mut counting = all.clone();
        for (name, keys) in &mut counting {
            keys.retain(|key| by_name[name].iter().any(|&at| self.all[at].settings.own.contains(*key)));
        }
        if counting != all {
            let mut answered: Vec<(usize, &str, usize)> = answered
                .map(|(prompt, model)| (prompt, self.name(model), model))
                .filter(|(_, name, _)| by_name.contains_key(name))
                .collect();
            answered.sort_unstable();
            for of_one in answered.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)).filter(|of_one| 1 < of_one.len())
            {
                let models: Vec<usize> = of_one.iter().map(|&(_, _, model)| model).collect();
                counting.entry(of_one[0].1).or_default().extend(differing(&models));
            }
        }
        let mut arms = Arms { names: Vec::new(), of: Vec::new(), passed_over: BTreeSet::new() };
        for (name, keys) in &all {
            let passed_over = keys.iter().filter(|key| !counting[name].contains(*key));
            arms.passed_over.extend(passed_over.map(|key| (*key).to_owned()));
        }
        let mut known: BTreeMap<String, usize> = BTreeMap::new();
        for GatheredModel { name, settings } in &self.all {
            let keys = counting.get(name.as_str()).into_iter().flatten();
            let said = keys.filter_map(|key| Some(format!("{key}={}", shown(settings.said.get(*key)?))));
            let said: Vec<String> = said.collect();
            let full = if said.is_empty() { name.clone() } else { format!("{name} ({})", said.join(", ")) };
            let arm = *known.entry(full).or_insert_with_key(|full| {
                arms.names.push(full.clone());
                arms.names.len() - 1
            });
            arms.of.push(arm);
        }
        arms
    }
}

/// Models by the settings that tell them apart.
pub(super) struct Arms {
    /// Names, with the settings in which those of one name differ.
    pub(super) names: Vec<String>,
    /// By model as gathered.
    pub(super) of: Vec<usize>,
    /// Settings that differ between models of one name, but on no prompt.
    pub(super) passed_over: BTreeSet<String>,
}

/// A setting on one line of bounded length; equal only where it is.
fn shown(value: &str) -> String {
    let squeezed = value.split_whitespace().collect::<Vec<_>>().join(" ");
    if squeezed == value && value.chars().nth(N_SHOWN).is_none() {
        return squeezed;
    }
    let start: String = squeezed.chars().take(N_SHOWN).collect();
    format!("{}... #{:.N_DIGITS$}", start.trim_end(), sha256_of_texts([value]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Models with their own settings and those of tasks.
    fn models(all: &[(&str, Value, Value)]) -> Models {
        let mut models = Models::default();
        for (name, own, of_task) in all {
            let mut settings = Settings::default();
            own.as_object().into_iter().flatten().for_each(|(key, value)| settings.add(key, value));
            of_task
                .as_object()
                .into_iter()
                .flatten()
                .for_each(|(key, value)| settings.add_of_task(key, value));
            models.at(name, &settings).unwrap();
        }
        models
    }

    #[test]
    fn models_of_one_name_are_told_apart_by_the_settings_in_which_they_differ() {
        let models = models(&[
            ("a", json!({"temperature": 0}), Value::Null),
            ("a", json!({"effort": "high", "temperature": 0.0}), Value::Null),
            ("b", json!({"effort": "high", "timeout": 3}), Value::Null),
        ]);
        let arms = models.arms([].into_iter());
        assert_eq!(arms.names, ["a", "a (effort=high)", "b"]);
        assert!(arms.passed_over.is_empty());
    }

    #[test]
    fn settings_of_tasks_count_where_two_answered_one_prompt() {
        let models = models(&[
            ("a", Value::Null, json!({"temperature": 0.7})),
            ("a", Value::Null, json!({"temperature": 0})),
            ("b", Value::Null, json!({"temperature": 0.7})),
            ("b", Value::Null, json!({"temperature": 0})),
        ]);
        let arms = models.arms([(0, 0), (0, 2), (0, 3), (1, 1)].into_iter());
        assert_eq!(arms.names, ["a", "b (temperature=0.7)", "b (temperature=0)"]);
        assert_eq!((arms.of, arms.passed_over.len()), (vec![0, 0, 1, 2], 1));
    }

    #[test]
    fn long_settings_are_cut_and_stay_apart() {
        let long = "You are a careful assistant. ".repeat(4);
        let [one, other] = ["A", "B"].map(|end| shown(&format!("{long}\n{end}")));
        assert!(one.starts_with("You are a careful") && one.len() < 80 && one != other, "{one}");
        assert_eq!(shown("high"), "high");
    }
}
