//! Routers: what they are, which kinds a scenario may name, and how one is trained.
//!
//! A router is trained from [`Training`] and then maps prompts and preferences to models. It knows a model by its place
//! in the pool, its costs, and its answers to development prompts; where unseen models are placed by factors, also by what `models.csv`
//! and its name tell of price, size, and kin. Adding a router is one file here and
//! its two lines in this one: the module, and the kind's name in `BUILT_IN`; adding one from outside the crate is a type
//! that implements [`RouterKind`] and [`Registry::with`].
//!
//! No router has a way to an outcome of a test prompt: it is trained from development prompts alone, and [`Prompts`], all
//! that it sees when it routes, holds ids, embeddings, tokens, and pools. (A cascade asks a judge for verdicts on answers that it pays for, and
//! `peers`, a bound and no router, is told what models scored that may not be chosen.) This does not compile:
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
mod baselines;
mod boosted;
mod carrot;
mod cascade;
mod cluster_means;
mod cost_model;
mod cross_validation;
mod difference_estimator;
mod epochs;
mod equi;
pub(crate) mod external;
mod factor_models;
mod features;
mod gate;
mod gaussian_process;
mod graph_attention;
mod guarded;
mod hybrid_ensemble;
mod kept_types;
mod kind;
mod llm_bandit;
mod log;
mod majorised;
pub mod online;
mod pair_network;
mod peers;
mod placement;
mod plug_in;
mod ppo_fixed;
mod predictor;
mod principal;
mod prompt_to_leaderboard;
mod prompts;
pub mod quiz;
mod routellm_classifier;
mod routellm_mf;
mod routellm_sw;
pub(crate) mod saved;
mod static_tiers;
pub(crate) mod stick;
mod training;
mod training_data;
mod uniroute;

use std::any::Any;
use std::collections::BTreeMap;

pub(crate) use avengers_pro::AvengersProSettings;
pub(crate) use baselines::{RandomSettings, SingleSettings};
pub(crate) use boosted::BoostedSettings;
pub(crate) use carrot::CarrotSettings;
pub(crate) use cascade::CascadeSettings;
pub use cascade::Judge;
pub use cost_model::{CostModelKind, CostModels};
pub(crate) use equi::EquiSettings;
pub(crate) use external::{CommandSettings, DecisionsSettings};
pub(crate) use factor_models::{EmbedLlmSettings, MirtSettings, NirtSettings};
pub use features::Features;
pub(crate) use features::train;
pub(crate) use gate::GateSettings;
pub(crate) use gaussian_process::GaussianProcessSettings;
pub(crate) use graph_attention::GraphAttentionSettings;
pub(crate) use guarded::GuardedSettings;
pub(crate) use hybrid_ensemble::HybridEnsembleSettings;
pub use kind::{Registry, RouterKind, RouterSettings, Traits};
pub use llm_bandit::Routed;
pub use llm_bandit::{
    Baseline as BanditBaseline, Context as BanditContext, Key as BanditKey, Labels as BanditLabels,
    LlmBanditSettings, Objective as BanditObjective, Preset as BanditPreset, Rewards as BanditRewards,
    Source as BanditSource, TrainedFor as BanditTrainedFor, UnseenPlacement as BanditPlacement,
};
pub(crate) use llm_bandit::{OnlinePolicy, OnlineSchedule, Pretrained};
pub use log::Log;
pub(crate) use peers::PeersSettings;
pub use peers::{Peers, ToldByPeers};
pub use placement::Placement;
pub(crate) use placement::item_information;
pub(crate) use ppo_fixed::PpoFixedSettings;
pub use predictor::{Correction, Heads as PredictorHeads, PredictorModel, PredictorSettings};
pub(crate) use prompt_to_leaderboard::PromptToLeaderboardSettings;
pub use prompts::Prompts;
pub(crate) use routellm_classifier::RoutellmClassifierSettings;
pub(crate) use routellm_mf::RoutellmMfSettings;
pub(crate) use routellm_sw::RoutellmSwSettings;
pub(crate) use saved::{EncoderOf, is_near_unit};
pub use saved::{Origin, SavedRouter};
pub(crate) use static_tiers::StaticTiersSettings;
pub use stick::Stick;
pub use training::{LearningCurve, Names, Trained, Training};
pub(crate) use training::{Memo, SharedFits};
pub(crate) use uniroute::UniRouteSettings;

pub(crate) use training_data::RIGHT;
pub use training_data::{DevelopmentOutcomes, Meter, Quizzed, TrainingData};

use crate::error::Result;
use crate::linalg::Matrix;
use crate::preference::Preference;
use kind::{Entry, entry};

/// The kinds of this crate, by the names under which scenarios ask for them.
const BUILT_IN: [Entry; 27] = [
    entry::<RandomSettings>("random"),
    entry::<SingleSettings>("single"),
    entry::<PredictorSettings>("predictor"),
    entry::<RoutellmMfSettings>("routellm-mf"),
    entry::<LlmBanditSettings>("llm-bandit"),
    entry::<EmbedLlmSettings>("embedllm"),
    entry::<MirtSettings>("mirt"),
    entry::<NirtSettings>("nirt"),
    entry::<UniRouteSettings>("uniroute"),
    entry::<AvengersProSettings>("avengers-pro"),
    entry::<CarrotSettings>("carrot"),
    entry::<HybridEnsembleSettings>("hybrid-ensemble"),
    entry::<CascadeSettings>("cascade"),
    entry::<DecisionsSettings>("decisions"),
    entry::<CommandSettings>("command"),
    entry::<RoutellmSwSettings>("routellm-sw"),
    entry::<RoutellmClassifierSettings>("routellm-classifier"),
    entry::<GraphAttentionSettings>("graph-attention"),
    entry::<PpoFixedSettings>("ppo-fixed"),
    entry::<StaticTiersSettings>("static-tiers"),
    entry::<GuardedSettings>("guarded"),
    entry::<GaussianProcessSettings>("gp"),
    entry::<PromptToLeaderboardSettings>("p2l"),
    entry::<EquiSettings>("equi"),
    entry::<BoostedSettings>("boosted"),
    entry::<PeersSettings>("peers"),
    entry::<GateSettings>("gate"),
];

/// A trained policy: prompts and preferences in, models out.
///
/// A choice depends on the prompt, its pool, and the preference alone: never on the other prompts of the batch, on the
/// other preferences, or on earlier calls.
pub trait Router: Any + Send + Sync {
    /// Chooses a model of each prompt's pool for every prompt at every preference.
    fn route(&self, prompts: &Prompts, preferences: &[Preference]) -> Choices;

    /// As [`route`](Self::route), with the scores that it expects of every model on every prompt, prompts x models, where it
    /// expects any that can be read as the probability of a right answer.
    fn route_by_scores(&self, prompts: &Prompts, preferences: &[Preference]) -> (Choices, Option<Matrix>) {
        (self.route(prompts, preferences), None)
    }

    /// The choice for each prompt at its own preference, with how probable every candidate was. A policy that draws no model is sure of
    /// its choice.
    fn decide(&self, prompts: &Prompts, preferences: &[Preference]) -> Vec<Routed> {
        let mut asked: Vec<usize> = (0..prompts.len()).collect();
        asked.sort_by(|&a, &b| preferences[a].weight().total_cmp(&preferences[b].weight()));
        let mut models = vec![0; prompts.len()];
        for same in asked.chunk_by(|&a, &b| preferences[a] == preferences[b]) {
            let choices = self.route(&prompts.select(same), &preferences[same[0]..=same[0]]);
            same.iter().zip(choices.models()).for_each(|(&prompt, &model)| models[prompt] = model.into());
        }
        models.into_iter().map(Routed::sure).collect()
    }

    /// The mean score of an unseen model over these prompts under the posterior of its identity, and the variance of what that
    /// mean will be found to be; `None` for a router without such a posterior.
    fn believed_mean(&self, _prompts: &Prompts, _model: usize) -> Option<[f64; 2]> {
        None
    }

    /// Whether it looks at the texts of prompts, so that a question without one cannot be answered as it was trained to.
    fn reads_texts(&self) -> bool {
        false
    }
}

/// A policy made elsewhere: it is asked, and may give no answer.
pub trait External: Send + Sync {
    /// Asks for a model of each prompt's pool for every prompt at every preference.
    ///
    /// # Errors
    /// No answer, or one that is not a model of the pool.
    fn ask(&self, prompts: &Prompts, preferences: &[Preference]) -> Result<Asked>;

    /// Asks nothing more.
    ///
    /// # Errors
    /// More answers than questions.
    fn finish(&self) -> Result<()> {
        Ok(())
    }
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
pub trait Cascade: Any + Send + Sync {
    /// The share of answers that the judge is to be wrong about.
    fn judge_error(&self) -> f64;

    /// Calls models of each prompt's pool for every prompt at every preference; the choices carry their calling orders.
    fn route(&self, prompts: &Prompts, preferences: &[Preference], judge: &Judge<'_>) -> Choices;

    /// The models of a prompt's pool that it calls one after another until an answer is accepted, the last of them unseen: what there is
    /// to know before any answer is there.
    fn order(&self, prompts: &Prompts, prompt: usize, preference: Preference) -> Vec<usize>;
}

/// What training makes.
pub enum Policy {
    /// Decides before any model is called.
    Direct(Box<dyn Router>),
    /// Decides on the way, by verdicts on answers.
    Cascade(Box<dyn Cascade>),
    /// Decides outside this program.
    External(Box<dyn External>),
    /// Decides by what models that may not be chosen scored on the prompt.
    Told(ToldByPeers),
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
