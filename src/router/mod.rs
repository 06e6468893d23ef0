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
//! fn peek(prompts: &llm_bandit::router::Prompts) -> Option<f64> {
//!     prompts.outcomes.score.get(0, 0)
//! }
//! ```
//!
//! while what a router may know does:
//!
//! ```
//! fn look(prompts: &llm_bandit::router::Prompts) -> f64 {
//!     prompts.input_tokens[0]
//! }
//! ```

mod avengers_pro;
mod beside_seen;
mod carrot;
mod cascade;
mod cluster_means;
mod cost_model;
mod elsewhere;
mod embedllm;
mod graph_attention;
mod hybrid_ensemble;
mod irt_router;
mod judge;
mod learning_curve;
mod llm_bandit;
mod memo;
mod pair_network;
mod plug_in;
mod ppo_fixed;
mod predictor;
mod prompts;
pub mod quiz;
mod random;
mod ridge;
mod routellm_classifier;
mod routellm_mf;
mod routellm_pair;
mod routellm_sw;
mod saved;
mod seen_means;
mod single;
mod surroundings;
mod training_data;
mod tuning;
mod uniroute;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

pub use avengers_pro::AvengersProSettings;
pub use carrot::{CarrotHeads, CarrotSettings};
pub use cascade::{CascadePredictor, CascadeSettings, JudgeKind};
pub use cost_model::{CostModelKind, CostModels};
pub use elsewhere::{CommandSettings, DecisionsSettings};
pub use embedllm::EmbedLlmSettings;
pub use graph_attention::GraphAttentionSettings;
pub use hybrid_ensemble::HybridEnsembleSettings;
pub use irt_router::{MirtSettings, NirtSettings};
pub use judge::Judge;
pub use learning_curve::LearningCurve;
pub use llm_bandit::{
    Context as BanditContext, Key as BanditKey, Labels as BanditLabels, LlmBanditSettings,
    Objective as BanditObjective, Preset as BanditPreset, Source as BanditSource,
};
pub(crate) use llm_bandit::{OnlinePolicy, OnlineSchedule, Pretrained, item_information};
pub(crate) use memo::Memo;
pub use ppo_fixed::PpoFixedSettings;
pub use predictor::{Heads as PredictorHeads, PredictorModel, PredictorSettings};
pub use prompts::Prompts;
pub use random::RandomSettings;
pub use routellm_classifier::RoutellmClassifierSettings;
pub use routellm_mf::RoutellmMfSettings;
pub use routellm_sw::RoutellmSwSettings;
pub use saved::{Origin, Routed, SavedRouter};
pub use single::{SingleChoice, SingleSettings};
pub use surroundings::Surroundings;
pub use uniroute::{ClusterMap, UniRouteSettings};

pub(crate) use training_data::RIGHT;
pub use training_data::{DevelopmentOutcomes, Meter, Quizzed, TrainingData};

use crate::error::{Error, Result};
use crate::linalg::Matrix;
use crate::preference::Preference;
use crate::seed::Stream;

/// A trained policy: prompts and preferences in, models out.
///
/// A choice depends on the prompt, its pool, and the preference alone: never on the other prompts of the batch, on the
/// other preferences, or on earlier calls.
pub trait Router: Send + Sync {
    /// Chooses a model of each prompt's pool for every prompt at every preference.
    fn route(&self, prompts: &Prompts, preferences: &[Preference]) -> Choices;

    /// As [`route`](Self::route), with the scores that it expects of every model on every prompt, prompts x models, where it
    /// expects any that can be read as the probability of a right answer.
    fn route_by_scores(&self, prompts: &Prompts, preferences: &[Preference]) -> (Choices, Option<Matrix>) {
        (self.route(prompts, preferences), None)
    }

    /// The mean score of an unseen model over these prompts under the posterior of its identity, and the variance of what that
    /// mean will be found to be; `None` for a router without such a posterior.
    fn believed_mean(&self, _prompts: &Prompts, _model: usize) -> Option<[f64; 2]> {
        None
    }
}

/// A policy made elsewhere: it is asked, and may give no answer.
pub trait Elsewhere: Send + Sync {
    /// Asks for a model of each prompt's pool for every prompt at every preference.
    ///
    /// # Errors
    /// No answer, or one that is not a model of the pool.
    fn ask(&self, prompts: &Prompts, preferences: &[Preference]) -> Result<Asked>;
}

/// What a policy chose, and what was found out on the way, for the record.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The choices.
    pub choices: Choices,
    /// The scores that were expected, prompts x models, where any were.
    pub scores: Option<Matrix>,
    /// By name, as those of [`Trained`].
    pub notes: BTreeMap<String, String>,
}

/// A trained policy that calls models one after another until a judge accepts an answer: the one policy to which test
/// outcomes say anything, and they say no more than the judge's verdicts on the answers that it called for and pays.
///
/// A choice depends on the prompt, its pool, the preference, and the verdicts on this prompt alone.
pub trait Cascade: Send + Sync {
    /// The share of answers that the judge is to be wrong about.
    fn judge_error(&self) -> f64;

    /// Calls models of each prompt's pool for every prompt at every preference; the choices carry their calling orders.
    fn route(&self, prompts: &Prompts, preferences: &[Preference], judge: &Judge<'_>) -> Choices;
}

/// What training makes.
pub enum Policy {
    /// Decides before any model is called.
    Direct(Box<dyn Router>),
    /// Decides on the way, by verdicts on answers.
    Cascade(Box<dyn Cascade>),
    /// Decides outside this program.
    Elsewhere(Box<dyn Elsewhere>),
}

/// The chosen models, preference by preference and within each in prompt order.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Choices {
    n_prompts: usize,
    models: Vec<u16>,
    orders: Option<Vec<Vec<u16>>>,
}

impl Choices {
    /// Choices from the models of all prompts at the first preference, then at the second, and so on.
    ///
    /// # Panics
    /// If the models do not fill whole preferences.
    pub fn new(n_prompts: usize, models: Vec<u16>) -> Self {
        assert!(n_prompts > 0 && models.len().is_multiple_of(n_prompts), "every prompt has a choice");
        Choices { n_prompts, models, orders: None }
    }

    /// Adds the calling order of each preference: of a prompt's pool all models of the order up to the chosen one were
    /// called.
    ///
    /// # Panics
    /// If there is not one order a preference, or a chosen model is not in its order.
    pub fn with_orders(self, orders: Vec<Vec<u16>>) -> Self {
        assert!(orders.len() == self.n_preferences(), "every preference has an order");
        for (preference, order) in orders.iter().enumerate() {
            let is_in_order = |model: &u16| order.contains(model);
            assert!(self.at_preference(preference).iter().all(is_in_order), "a choice is in its order");
        }
        Choices { orders: Some(orders), ..self }
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

    /// The models that were called for a prompt before and with the chosen one, which is the last. Where models are called
    /// in an order, those that are not in the prompt's pool were left out.
    pub fn called(&self, preference: usize, prompt: usize) -> &[u16] {
        let at = preference * self.n_prompts + prompt;
        let chosen = &self.models[at..=at];
        let Some(orders) = &self.orders else { return chosen };
        let place = orders[preference].iter().position(|model| *model == chosen[0]);
        &orders[preference][..=place.expect("a choice is in its order")]
    }

    /// The calling order of each preference; `None` where only the chosen model is called.
    pub fn orders(&self) -> Option<&[Vec<u16>]> {
        self.orders.as_deref()
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
    /// EmbedLLM's matrix factorisation of models and prompts.
    #[serde(rename = "embedllm")]
    EmbedLlm(EmbedLlmSettings),
    /// IRT-Router's multidimensional item response theory.
    Mirt(MirtSettings),
    /// IRT-Router's neural item response theory.
    Nirt(NirtSettings),
    /// UniRoute: a model is its errors by prompt cluster.
    #[serde(rename = "uniroute")]
    UniRoute(UniRouteSettings),
    /// Avengers-Pro: a balance of score and cost by prompt cluster.
    AvengersPro(AvengersProSettings),
    /// CARROT: predicts score and cost.
    Carrot(CarrotSettings),
    /// Several predictors, weighted by how well they predict out of fold.
    HybridEnsemble(HybridEnsembleSettings),
    /// Models in price order until a judge accepts.
    Cascade(CascadeSettings),
    /// Choices made elsewhere, from a file.
    Decisions(DecisionsSettings),
    /// A program in any language.
    Command(CommandSettings),
    /// RouteLLM's similarity-weighted ranking; pairs only.
    RoutellmSw(RoutellmSwSettings),
    /// RouteLLM's classifier, over the embedding; pairs only.
    RoutellmClassifier(RoutellmClassifierSettings),
    /// GraphRouter's idea: messages along the answers of models to prompts.
    GraphAttention(GraphAttentionSettings),
    /// A policy of its own for each of several preferences, bound to the pool it was trained for.
    PpoFixed(PpoFixedSettings),
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

    /// Whether a judge, who sees test outcomes, tells it on the way which answers are right: it is out of competition then.
    fn hears_judge(&self) -> bool {
        false
    }

    /// Whether a model that is absent from training can be chosen after a quiz. A router that would have to be trained
    /// anew chooses among the seen models, and the report says so.
    fn takes_unseen(&self) -> bool {
        true
    }

    /// Whether prices that change after training change what it chooses as they should. A router that would have to be
    /// trained anew goes on with the old ones, and the report says so.
    fn hears_prices(&self) -> bool {
        true
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
            RouterSettings::EmbedLlm(settings) => settings,
            RouterSettings::Mirt(settings) => settings,
            RouterSettings::Nirt(settings) => settings,
            RouterSettings::UniRoute(settings) => settings,
            RouterSettings::AvengersPro(settings) => settings,
            RouterSettings::Carrot(settings) => settings,
            RouterSettings::HybridEnsemble(settings) => settings,
            RouterSettings::Cascade(settings) => settings,
            RouterSettings::Decisions(settings) => settings,
            RouterSettings::Command(settings) => settings,
            RouterSettings::RoutellmSw(settings) => settings,
            RouterSettings::RoutellmClassifier(settings) => settings,
            RouterSettings::GraphAttention(settings) => settings,
            RouterSettings::PpoFixed(settings) => settings,
        }
    }

    /// Its kind's name in a scenario.
    pub fn kind(&self) -> &'static str {
        self.as_kind().kind()
    }

    /// Whether a judge, who sees test outcomes, tells it which answers are right.
    pub fn hears_judge(&self) -> bool {
        self.as_kind().hears_judge()
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
    memo: Option<&'a Memo>,
    meter: Cell<Meter>,
    curves: RefCell<Vec<LearningCurve>>,
}

impl<'a> Training<'a> {
    /// A fresh meter on shared data.
    pub fn new(data: &'a TrainingData, cost_models: &'a CostModels, stream: Stream) -> Self {
        Training {
            data,
            cost_models,
            stream,
            surroundings: None,
            memo: None,
            meter: Cell::default(),
            curves: RefCell::default(),
        }
    }

    /// With the names and texts that a router made elsewhere goes by.
    pub fn within(self, surroundings: Surroundings<'a>) -> Self {
        Training { surroundings: Some(surroundings), ..self }
    }

    /// With what was learned from the seen models at another quiz.
    pub(crate) fn remembering(self, memo: Option<&'a Memo>) -> Self {
        Training { memo, ..self }
    }

    /// What was learned at another quiz under that name, else what is made now.
    ///
    /// # Errors
    /// What making it gives.
    pub(crate) fn once<T: Clone + Send + Sync + 'static, E>(
        &self,
        name: String,
        make: impl FnOnce() -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        match self.memo {
            Some(memo) => memo.get_or_make(name, make),
            None => make(),
        }
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

    /// Notes how validation went; nothing where there is no point.
    pub(crate) fn note_curve(&self, what: &str, by: &str, points: Vec<(usize, f64)>) {
        if !points.is_empty() {
            self.curves.borrow_mut().push(LearningCurve { what: what.to_owned(), by: by.to_owned(), points });
        }
    }

    /// The curves noted so far.
    pub fn curves(&self) -> Vec<LearningCurve> {
        self.curves.borrow().clone()
    }

    /// What the router has paid so far.
    pub fn meter(&self) -> Meter {
        self.meter.get()
    }
}

/// A router and what its training found out, for the record.
pub struct Trained {
    /// The policy.
    pub router: Policy,
    /// Tuned settings and the like, by name.
    pub notes: BTreeMap<String, String>,
}
