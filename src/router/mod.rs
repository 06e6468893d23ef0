//! Routers: what they are, which kinds a scenario may name, and how one is trained.
//!
//! A router is trained from [`Training`] and then maps prompts and preferences to models. It knows a model by its place
//! in the pool, its costs, and its answers to development prompts, never by its name. Adding a router is one file
//! and two lines in [`RouterSettings`].
//!
//! No router has a way to an outcome of a test prompt: it is trained from development prompts alone, and [`Prompts`], all
//! that it sees when it routes, holds ids, embeddings, tokens, and pools. This does not compile:
//!
//! ```compile_fail,E0609
//! fn peek(prompts: &llm_bandit::data::Prompts) -> Option<f64> {
//!     prompts.outcomes.score.get(0, 0)
//! }
//! ```
//!
//! while what a router may know does:
//!
//! ```
//! fn look(prompts: &llm_bandit::data::Prompts) -> f64 {
//!     prompts.input_tokens[0]
//! }
//! ```

mod cost_model;
mod elsewhere;
mod llm_bandit;
mod plug_in;
mod predictor;
mod random;
mod ridge;
mod routellm_mf;
mod saved;
mod single;
mod surroundings;
mod tuning;

use std::collections::BTreeMap;

pub use cost_model::{CostModelKind, CostModels};
pub use elsewhere::{CommandSettings, DecisionsSettings};
pub(crate) use llm_bandit::item_information;
pub use llm_bandit::{
    Context as BanditContext, Key as BanditKey, Labels as BanditLabels, LlmBanditSettings,
    Objective as BanditObjective, Preset as BanditPreset, Source as BanditSource,
};
pub use predictor::{PredictorModel, PredictorSettings};
pub use random::RandomSettings;
pub use routellm_mf::RoutellmMfSettings;
pub use saved::{Origin, Routed, SavedRouter};
pub use single::{SingleChoice, SingleSettings};
pub use surroundings::Surroundings;

use crate::data::{DevelopmentOutcomes, Meter, Prompts, TrainingData};
use crate::error::{Error, Result};
use crate::preference::Preference;
use crate::seed::Stream;

/// A trained policy: prompts and preferences in, models out.
///
/// A choice depends on the prompt, its pool, and the preference alone: never on the other prompts of the batch, on the
/// other preferences, or on earlier calls.
pub trait Router: Send + Sync {
    /// Chooses a model of each prompt's pool for every prompt at every preference.
    fn route(&self, prompts: &Prompts, preferences: &[Preference]) -> Choices;

    /// As [`route`](Self::route), for routers that ask elsewhere and may get no answer.
    ///
    /// # Errors
    /// A router made elsewhere that does not answer, or not with a model of the pool.
    fn ask(&self, prompts: &Prompts, preferences: &[Preference]) -> Result<Asked> {
        Ok(Asked { choices: self.route(prompts, preferences), notes: BTreeMap::new() })
    }
}

/// What a router chose, and what was found out on the way, for the record.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// The choices.
    pub choices: Choices,
    /// By name, as those of [`Trained`].
    pub notes: BTreeMap<String, String>,
}

/// The chosen models, preference by preference and within each in prompt order.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Choices {
    n_prompts: usize,
    models: Vec<u16>,
}

impl Choices {
    /// Choices from the models of all prompts at the first preference, then at the second, and so on.
    ///
    /// # Panics
    /// If the models do not fill whole preferences.
    pub fn new(n_prompts: usize, models: Vec<u16>) -> Self {
        assert!(n_prompts > 0 && models.len().is_multiple_of(n_prompts), "every prompt has a choice");
        Choices { n_prompts, models }
    }

    /// Number of prompts.
    pub fn n_prompts(&self) -> usize {
        self.n_prompts
    }

    /// Number of preferences.
    pub fn n_preferences(&self) -> usize {
        self.models.len() / self.n_prompts
    }

    /// The model of each prompt at one preference.
    pub fn at_preference(&self, preference: usize) -> &[u16] {
        &self.models[preference * self.n_prompts..][..self.n_prompts]
    }

    /// All choices, preference-major.
    pub fn models(&self) -> &[u16] {
        &self.models
    }
}

/// The name of a note whose value is a model's place in the pool: routers do not know names, reports do.
pub(crate) const MODEL_NUMBER_NOTE: &str = "model-number";

/// A model's place in the pool as it is stored in [`Choices`].
pub(crate) fn model_number(model: usize) -> u16 {
    u16::try_from(model).expect("a pool has fewer than 65,536 models; the scenario checks it")
}

/// A router of a scenario: its kind and settings.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum RouterSettings {
    /// A model of the pool at random, drawn once for each prompt, whatever the preference.
    Random(RandomSettings),
    /// Always the same model.
    Single(SingleSettings),
    /// Predicts each model's score and takes the best `score - w * cost`.
    Predictor(PredictorSettings),
    /// RouteLLM's matrix factorisation; pairs only.
    RoutellmMf(RoutellmMfSettings),
    /// Identity vectors and a preference-conditioned policy over any pool.
    LlmBandit(LlmBanditSettings),
    /// Choices made elsewhere, from a file.
    Decisions(DecisionsSettings),
    /// A program in any language.
    Command(CommandSettings),
}

/// A kind of router, implemented by its settings.
pub(crate) trait RouterKind {
    /// Its name in a scenario.
    fn kind(&self) -> &'static str;

    /// The label of a router that is not given one.
    fn default_label(&self) -> &'static str {
        self.kind()
    }

    /// Whether every setting is in its range.
    ///
    /// # Errors
    /// A setting that is not, in words.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// The number of candidates the router is bound to, where it is not made for any pool.
    fn needs_pool_of(&self) -> Option<usize> {
        None
    }

    /// Whether the router can do nothing without prompt embeddings.
    fn needs_embeddings(&self) -> bool {
        true
    }

    /// Whether the choices depend on the program, the suite, and the settings alone. Cells of other routers are never taken up
    /// from an interrupted run: what they depend on may have changed.
    fn is_self_contained(&self) -> bool {
        true
    }

    /// Checks what can be checked before anything is trained: with the candidates alone, or with the test prompts of a
    /// replicate too.
    ///
    /// # Errors
    /// A router made elsewhere that cannot route them.
    fn rehearse(
        &self,
        _surroundings: Surroundings<'_>,
        _test: Option<(&Prompts, &[Preference])>,
    ) -> Result<()> {
        Ok(())
    }

    /// Trains a router.
    ///
    /// # Errors
    /// Training that diverges.
    fn train(&self, training: &Training<'_>) -> Result<Trained>;
}

impl RouterSettings {
    pub(crate) fn as_kind(&self) -> &dyn RouterKind {
        match self {
            RouterSettings::Random(settings) => settings,
            RouterSettings::Single(settings) => settings,
            RouterSettings::Predictor(settings) => settings,
            RouterSettings::RoutellmMf(settings) => settings,
            RouterSettings::LlmBandit(settings) => settings,
            RouterSettings::Decisions(settings) => settings,
            RouterSettings::Command(settings) => settings,
        }
    }

    /// Its kind's name in a scenario.
    pub fn kind(&self) -> &'static str {
        self.as_kind().kind()
    }

    /// Trains such a router.
    ///
    /// # Errors
    /// Training that diverges.
    pub fn train(&self, training: &Training<'_>) -> Result<Trained> {
        self.as_kind().train(training)
    }
}

/// What one router is trained from: the development data behind a meter, the cost models that all routers share, and
/// the router's own random stream.
pub struct Training<'a> {
    data: &'a TrainingData,
    cost_models: &'a CostModels,
    stream: Stream,
    surroundings: Option<Surroundings<'a>>,
    meter: std::cell::Cell<Meter>,
}

impl<'a> Training<'a> {
    /// A fresh meter on shared data.
    pub fn new(data: &'a TrainingData, cost_models: &'a CostModels, stream: Stream) -> Self {
        Training { data, cost_models, stream, surroundings: None, meter: std::cell::Cell::default() }
    }

    /// With the names and texts that a router made elsewhere goes by.
    pub fn within(self, surroundings: Surroundings<'a>) -> Self {
        Training { surroundings: Some(surroundings), ..self }
    }

    /// Names and texts.
    ///
    /// # Errors
    /// Training without them.
    pub(crate) fn surroundings(&self) -> Result<Surroundings<'a>> {
        let missing = "a router made elsewhere needs the names of candidates and prompts";
        self.surroundings.ok_or_else(|| Error::Usage(missing.into()))
    }

    /// Everything but the outcomes.
    pub fn data(&self) -> &'a TrainingData {
        self.data
    }

    /// The outcomes of the development prompts. Looking is paid for.
    pub fn outcomes(&self) -> &'a DevelopmentOutcomes {
        self.meter.set(self.data.price_of_all);
        &self.data.outcomes
    }

    /// The costs a router reckons with: of the kind it asks for, else of the scenario's.
    pub(crate) fn costs(&self, kind: Option<CostModelKind>) -> &'a cost_model::FittedCosts {
        self.cost_models.get(kind.unwrap_or(self.cost_models.default), self.data)
    }

    /// The router's random stream.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// What the router has paid so far.
    pub fn meter(&self) -> Meter {
        self.meter.get()
    }
}

/// A router and what its training found out, for the record.
pub struct Trained {
    /// The policy.
    pub router: Box<dyn Router>,
    /// Tuned settings and the like, by name.
    pub notes: BTreeMap<String, String>,
}
