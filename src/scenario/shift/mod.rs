//! The `[[shift]]` of a scenario: what changes between training and use, one thing at a time, each beside its unshifted twin.
//!
//! One block may ask for several shifts of a kind. A shift of the test is met by routers that were trained once, for the twin,
//! and choose anew on what has changed; under a shift of the training every router is trained on what has changed and judged as
//! the twin is ([`Stage`]).
//!
//! A kind of shift is one place in a file of this folder and one line in the list below: the settings that a block has
//! (`Settings`), and what one shift of them changes (`Effect`), often the same type.

pub mod candidates;
pub mod feedback;
pub mod learning;
pub mod prices;

use serde::{Deserialize, Serialize};

use super::Scenario;
use super::split::Split;
use super::unseen::TestPool;
use crate::error::{Error, Result, suggestion};
use crate::index::SuitePrompt;
use crate::preference::PreferenceDistribution;
use crate::router::Traits;
use crate::seed::Stream;
use crate::suite::{CellTable, Suite};

pub(crate) use candidates::by_original;

/// The list: the kind that a scenario asks for and its settings, then the kind that a record tells of and what it changes.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident: $settings:ty $(=> $changed:ident: $change:ty)?;)*) => {
        /// One `[[shift]]`.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(tag = "kind", rename_all = "kebab-case")]
        pub enum ShiftSettings { $($(#[$doc])* $kind($settings),)* }

        impl ShiftSettings {
            fn settings(&self) -> &dyn Settings {
                match self { $(ShiftSettings::$kind(settings) => settings,)* }
            }
        }

        /// What a shift does.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind", rename_all = "kebab-case")]
        pub enum Change {
            $($(#[doc = concat!("[`", stringify!($change), "`].")] $changed($change),)?)*
        }

        impl Change {
            /// What it does.
            pub(crate) fn effect(&self) -> &dyn Effect {
                match self { $($(Change::$changed(change) => change,)?)* }
            }
        }

        $($(impl From<$change> for Change {
            fn from(change: $change) -> Self {
                Change::$changed(change)
            }
        })?)*
    };
}

kinds! {
    /// A model's price is multiplied, and routers that reckon with prices are told.
    Price: prices::Price => Price: prices::Price;
    /// Another price book; routers that reckon with prices are told.
    PriceBook: prices::OtherBook => PriceBook: prices::OtherBook;
    /// Models leave the pool.
    Remove: candidates::Remove => Remove: candidates::Remove;
    /// Models are absent from training and join by the quiz.
    Add: candidates::Add => Add: candidates::Add;
    /// Of a scenario with unseen models the seen ones alone may be chosen.
    SeenOnly: candidates::SeenOnly => SeenOnly: candidates::SeenOnly;
    /// Of a scenario with unseen models the unseen ones alone may be chosen.
    UnseenOnly: candidates::UnseenOnly => UnseenOnly: candidates::UnseenOnly;
    /// Routers are trained anew with full answers of the unseen models: the ceiling of every quiz.
    Retrained: candidates::Retrained => Retrained: candidates::Retrained;
    /// A model stands in the pool twice.
    Duplicate: candidates::Duplicate => Clone: candidates::Copied;
    /// A model stands in the pool twice, once cheaper.
    CloneCheaper: candidates::CloneCheaper;
    /// The candidates in the opposite order.
    ModelOrder: candidates::ModelOrder => ModelOrder: candidates::ModelOrder;
    /// A share of the scores that are learned from is turned around.
    LabelNoise: learning::LabelNoises => LabelNoise: learning::LabelNoise;
    /// Fewer development prompts.
    TrainSize: learning::TrainSizes => TrainSize: learning::TrainSize;
    /// One model's outcome a development prompt, as a log shows it, of all or fewer prompts.
    Feedback: feedback::Feedbacks => Feedback: feedback::Feedback;
    /// No development prompts of one benchmark, whose test prompts are routed; every benchmark in turn.
    LeaveOutBenchmark: learning::LeaveOutBenchmarks => LeaveOut: learning::LeaveOut;
    /// Noise on the embeddings of the prompts that are routed.
    EmbeddingNoise: learning::EmbeddingNoises => EmbeddingNoise: learning::EmbeddingNoise;
    /// No embeddings of the prompts that are routed.
    NoEmbeddings: learning::NoEmbeddings => NoEmbeddings: learning::NoEmbeddings;
    /// Users state their preference with error.
    PreferenceNoise: learning::PreferenceNoises => PreferenceNoise: learning::PreferenceNoise;
    /// Trained for another distribution of preferences.
    PreferenceShift: learning::TrainedFor => PreferenceShift: learning::PreferenceShift;
    /// Random members of the pool.
    PoolSize: candidates::PoolSizes => PoolSize: candidates::PoolSize;
    /// Another unit of money.
    CostUnit: prices::CostUnit => CostUnit: prices::CostUnit;
}

/// A type as serde reads and writes it here.
macro_rules! plain {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty),* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(deny_unknown_fields, rename_all = "kebab-case")]
        pub struct $name { $($(#[$field_doc])* pub $field: $kind),* }
    )*};
}
use plain;

/// A shift by name; no two of a scenario share one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shift {
    /// Its column in the stress matrix.
    pub name: String,
    /// What it does.
    pub change: Change,
}

/// Where a shift is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// To what trained routers meet; they are not trained anew.
    Test,
    /// To what they are trained from.
    Training,
}

/// What a block asks for.
pub(crate) trait Settings {
    /// Its shifts on a suite, which is already cut down to the candidates.
    ///
    /// # Errors
    /// A model or benchmark that is not there, a number out of its range, or nothing to shift at all.
    fn shifts(&self, suite: &Suite) -> Result<Vec<Shift>>;
}

/// The costs that a shift of prices changes.
pub(crate) struct Priced<'a> {
    /// The suite as it is, and as the shift makes it.
    pub(crate) suites: [&'a Suite; 2],
    /// The prompts that routers learned from.
    pub(crate) development: &'a [SuitePrompt],
    /// Which models are unseen.
    pub(crate) unseen: &'a [bool],
}

/// What a shift does: pure functions from a suite, a split, and a scenario to others of the same kind. What a shift leaves as it
/// is it need not say.
pub(crate) trait Effect {
    /// What it does, in words for a report.
    fn words(&self) -> String;

    /// Where it is applied.
    fn stage(&self) -> Stage;

    /// Checks that a scenario has what the shift needs.
    ///
    /// # Errors
    /// A shift of unseen models where there are none, or where their pool leaves it nothing to do.
    fn check(&self, scenario: &Scenario) -> Result<()> {
        self.scenario(scenario).map(|_| ())
    }

    /// The suite whose prompts are routed and whose outcomes the choices come to; `None` where it is as it was.
    ///
    /// # Errors
    /// A price book that cannot be read, does not know a candidate, or leaves an answer without a cost.
    fn test_suite(&self, _suite: &Suite, _stream: &Stream) -> Result<Option<Suite>> {
        Ok(None)
    }

    /// The suite that is learned from, of a shift of the training.
    ///
    /// # Errors
    /// As [`test_suite`](Self::test_suite).
    fn training_suite(&self, suite: &Suite, stream: &Stream) -> Result<Option<Suite>> {
        self.test_suite(suite, stream)
    }

    /// The split of one replicate, of a shift of the training.
    ///
    /// # Errors
    /// A part that is left empty.
    fn split(&self, _suite: &Suite, split: &Split, _stream: &Stream) -> Result<Split> {
        Ok(split.clone())
    }

    /// The scenario, of a shift of the training.
    ///
    /// # Errors
    /// A shift that needs unseen models where there are none, or the other way round.
    fn scenario(&self, scenario: &Scenario) -> Result<Scenario> {
        Ok(scenario.clone())
    }

    /// The distribution of preferences that routers are trained for; `None` for the scenario's own.
    fn trained_for(&self) -> Option<PreferenceDistribution> {
        None
    }

    /// Whether each model may be chosen on test prompts, from whether it might before.
    fn pool(&self, _suite: &Suite, _unseen: &[bool], before: &[bool], _stream: &Stream) -> Vec<bool> {
        before.to_vec()
    }

    /// By model, what its prices are over those of the development prompts, where routers are told.
    fn cost_factors(&self, _priced: &Priced<'_>) -> Option<Vec<f32>> {
        None
    }

    /// Why a router goes on as before; `None` where the shift reaches it.
    fn not_applied(&self, _traits: Traits) -> Option<&'static str> {
        None
    }

    /// The standard deviation of ln w as users state it around ln w as they mean it.
    fn misstatement(&self) -> Option<f64> {
        None
    }

    /// Whether w means the same as in the twin: so many dollars of the twin's cost unit. Without this a router that is shown
    /// a more expensive model in training would be asked for other trades than its twin.
    fn keeps_cost_unit(&self) -> bool {
        true
    }

    /// Whether no choice should change by it, but between a model and its copy.
    fn should_not_matter(&self) -> bool {
        false
    }

    /// Of a shift that adds a copy of a model, the model and the copy's price over its own.
    fn copied(&self) -> Option<(&str, f64)> {
        None
    }
}

impl ShiftSettings {
    /// The shifts that a block asks for on a suite, which is already cut down to the candidates.
    ///
    /// # Errors
    /// A model or benchmark that is not there, a number out of its range, or nothing to shift at all.
    pub fn shifts(&self, suite: &Suite) -> Result<Vec<Shift>> {
        self.settings().shifts(suite)
    }
}

impl Shift {
    /// What it does, in words for a report.
    pub fn words(&self) -> String {
        self.change.effect().words()
    }

    /// Where it is applied.
    pub fn stage(&self) -> Stage {
        self.change.effect().stage()
    }

    /// The name with what no file's name should hold replaced.
    pub(crate) fn file_name(&self) -> String {
        file_name(&self.name)
    }
}

/// The part of a file's name that stands for a shift.
pub(crate) fn file_name(shift: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    shift.chars().map(plain).collect()
}

/// Which prompts a model of the pool answered.
pub(crate) fn is_answered(scores: &CellTable, prompt: SuitePrompt, pool: &[bool]) -> bool {
    scores.row(prompt.at()).zip(pool).any(|(score, &counts)| counts && score.is_some())
}

/// One shift.
fn one(name: impl Into<String>, change: impl Into<Change>) -> Result<Vec<Shift>> {
    Ok(vec![Shift { name: name.into(), change: change.into() }])
}

/// A shift for each value that the suite has room for.
fn each<T, C: Into<Change>>(
    values: &[T],
    change: impl Fn(&T) -> Result<Option<(String, C)>>,
) -> Result<Vec<Shift>> {
    if values.is_empty() {
        return fault("asks for nothing: its list is empty".into());
    }
    let changes = values.iter().map(change).collect::<Result<Vec<_>>>()?;
    Ok(changes.into_iter().flatten().map(|(name, change)| Shift { name, change: change.into() }).collect())
}

fn fault<T>(problem: String) -> Result<T> {
    Err(Error::Usage(format!("[[shift]] {problem}")))
}

fn check(name: &str, value: f64, range: std::ops::RangeInclusive<f64>) -> Result<()> {
    if range.contains(&value) {
        return Ok(());
    }
    fault(format!("`{name}`: {value} is not from {} to {}", range.start(), range.end()))
}

fn check_models(suite: &Suite, names: &[String]) -> Result<()> {
    let known = || suite.models.iter().map(|model| model.id.as_str());
    if names.is_empty() {
        return fault("names no model".into());
    }
    names.iter().try_for_each(|name| check_known("model", name, known()))
}

fn check_known<'a>(what: &str, name: &str, mut known: impl Iterator<Item = &'a str> + Clone) -> Result<()> {
    let near = suggestion(name, known.clone());
    if known.any(|other| other == name) {
        return Ok(());
    }
    fault(format!("names {what} `{name}`, which the scenario's suite does not have{near}"))
}

/// A shift between seen and unseen models needs both in the pool.
fn check_mixed(scenario: &Scenario) -> Result<()> {
    if scenario.unseen.as_ref().is_some_and(|unseen| unseen.pool == TestPool::Mixed) {
        return Ok(());
    }
    fault("`seen-only`, `unseen-only`, and `retrained` need `[unseen]` with `pool = \"mixed\"`".into())
}
