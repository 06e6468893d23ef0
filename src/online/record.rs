//! The record of an online run: every choice and its probability, and the outcomes that they are judged by.

use std::collections::BTreeMap;

use super::contexts::Contexts;
use super::phase::Phase;
use super::scenario::OnlineScenario;
use crate::record::{RecordedPrompt, RecordedSuite};
use crate::router::Meter;
use crate::scenario::Mode;

/// The number of the folder format.
pub(super) const ONLINE_FORMAT: u32 = 1;

/// A finished online run.
#[derive(Clone, Debug, PartialEq)]
pub struct OnlineRecord {
    /// What was run, on what, with what found out beforehand.
    pub manifest: OnlineManifest,
    /// The replayed prompts.
    pub prompts: Vec<RecordedPrompt>,
    /// Their contexts.
    pub contexts: Contexts,
    /// Outcomes by phase.
    pub phases: Vec<Phase>,
    /// The orders.
    pub orders: Vec<Order>,
    /// By router, then by order.
    pub logs: Vec<Vec<Log>>,
}

/// One order.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// The prompts by step, as rows of the replayed prompts.
    pub prompts: Vec<usize>,
    /// The weight of cost against score at each step.
    pub preferences: Vec<f64>,
}

/// What one router did in one order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Log {
    /// The chosen arm of each step.
    pub arms: Vec<u16>,
    /// With which probability it was chosen, given everything before.
    pub propensities: Vec<f64>,
}

/// What was run.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct OnlineManifest {
    /// Always online.
    pub mode: Mode,
    /// The number of the format of online records when it was written.
    pub online_format: u32,
    /// The version of the program.
    pub program_version: String,
    /// The scenario as resolved.
    pub scenario: OnlineScenario,
    /// The suite; its models are the arms.
    pub suite: RecordedSuite,
    /// The phases.
    pub phases: Vec<RecordedPhase>,
    /// US dollars in one cost unit: the mean cost of the dearest arm of the first phase, over the warm-start prompts or,
    /// without any, over all prompts.
    pub cost_unit_usd: f64,
    /// Steps of each order.
    pub n_steps: usize,
    /// What is known of the arms before the first step, where there is a warm start.
    pub warm_start: Option<RecordedWarmStart>,
    /// One entry a router, in scenario order.
    pub routers: Vec<RecordedLearner>,
}

/// A phase without its outcomes.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RecordedPhase {
    /// Its first step.
    pub from: usize,
    /// What began it.
    pub words: Vec<String>,
}

/// The warm start.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RecordedWarmStart {
    /// How many prompts.
    pub n_prompts: usize,
    /// Mean score of each arm on them; `None` for arms that arrive later.
    pub score: Vec<Option<f64>>,
    /// Mean cost in US dollars of each arm on them.
    pub cost_usd: Vec<Option<f64>>,
}

/// One router.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RecordedLearner {
    /// Tuned settings and the like.
    pub notes: BTreeMap<String, String>,
    /// What it paid before the first step.
    pub paid: Meter,
    /// What was revealed to it in each order.
    pub revealed: Vec<Meter>,
}
