//! What is said to a program that routes, and by it: JSON, one value a line.

use serde::{Deserialize, Serialize};

/// The number of the protocol.
pub(super) const PROTOCOL: u32 = 1;

/// The first line, before any request.
#[derive(Serialize)]
pub(super) struct Greeting<'a> {
    /// [`PROTOCOL`].
    pub(super) llm_bandit: u32,
    /// The candidates, in the order of the pool.
    pub(super) models: Vec<&'a str>,
    /// The preferences that will be asked, ascending.
    pub(super) preferences: Vec<f64>,
    /// A suite folder of development prompts and their outcomes, where the scenario asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) training_folder: Option<String>,
}

/// The answer to the greeting, once the program is ready.
#[derive(Deserialize)]
pub(super) struct Welcome {
    /// What the program calls itself and its version.
    pub(super) version: String,
}

/// A prompt to be routed.
#[derive(Serialize)]
pub(super) struct Request<'a> {
    pub(super) id: &'a str,
    /// The text; empty where the suite has none.
    pub(super) prompt: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) embedding: Option<&'a [f32]>,
    pub(super) input_tokens: f64,
    /// Who may be chosen.
    pub(super) models: &'a [&'a str],
    /// The preference, where each is asked by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) preference: Option<f64>,
    /// All preferences, where they are asked at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) preferences: Option<&'a [f64]>,
}

/// What was chosen: `model`, or `models` where several preferences were asked, or `scores`. Other fields are passed over.
#[derive(Deserialize)]
pub(super) struct Answer {
    /// Of the request; may be left out.
    pub(super) id: Option<String>,
    pub(super) model: Option<String>,
    pub(super) models: Option<Vec<String>>,
    /// The score that is expected of each model; the choice is the highest `score - w * cost`.
    pub(super) scores: Option<std::collections::BTreeMap<String, f64>>,
    /// What the decision itself cost.
    pub(super) cost_usd: Option<f64>,
}
