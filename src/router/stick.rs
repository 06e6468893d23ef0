//! Staying on the model of the turn before: wrappers around any router, which know what a switch costs.
//!
//! A plain router decides on every turn by itself and pays full input wherever it changes the model. `always` stays on its first
//! choice for a whole session. `cost-aware` takes the router's proposal where it is worth the switch: with the predicted utility u of a
//! model on this turn at full price, and w s what its cache is predicted to save of the turn at the preference w, it leaves model p
//! for model q where
//!
//! u(q) + (h - 1) (u(q) + w s(q)) > h (u(p) + w s(p)):
//!
//! the coming turns are taken to be like this one, h of them with it. h = 1 looks at this turn alone and would never leave a model for
//! one that is a little better on each of many turns; a large h leaves it for luck on one. Which h pays depends on how long sessions
//! are and how alike their turns, so it is chosen by the utility that it earns on the sessions of the development prompts, whose scores
//! are predicted out of fold. A switch that costs nothing is always made. Nothing of a test outcome enters: input tokens are known when
//! a turn is asked, those of answers are the model's mean on development prompts.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::cost_model::CostModel;
use super::cross_validation::best;
use super::plug_in::{self, FittedScores, ScorePredictor};
use super::predictor::{Linear, fit_linear};
use super::prompts::Prompts;
use super::training_data::TrainingData;
use super::{Choices, Training, model_number};
use crate::index::SuitePrompt;
use crate::linalg::Matrix;
use crate::preference::Preference;
use crate::statistics::mean;
use crate::suite::sessions::{previous, sessions_among};
use crate::suite::{CacheSettings, Suite};

/// How a router stays on the model of the turn before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Stick {
    /// For the whole session on the first choice, as far as it is in the pools.
    Always,
    /// Unless the proposal is predicted to be worth the switch.
    CostAware,
}

impl Stick {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Stick::Always => "always",
            Stick::CostAware => "cost-aware",
        }
    }
}

/// Numbers of turns that are tried to look ahead.
const HORIZONS: [f64; 4] = [1.0, 2.0, 4.0, 8.0];

/// Which of some prompts follow each other in sessions.
pub(crate) struct Following {
    /// The turn before each.
    previous: Vec<Option<usize>>,
    /// Those that have one, each after it.
    later: Vec<usize>,
    /// Whether a cache of the turn before is still there.
    is_warm: Vec<bool>,
}

impl Following {
    /// Of these prompts of a suite, by their numbers.
    pub(crate) fn new(suite: &Suite, prompts: &[SuitePrompt], caches: &CacheSettings) -> Self {
        let sessions = sessions_among(&suite.prompts, prompts);
        let previous = previous(prompts.len(), &sessions);
        let turn = |at: usize| suite.prompts[prompts[at].at()].turn.as_ref();
        let is_warm = |(at, before): (usize, &Option<usize>)| {
            before
                .and_then(|before| turn(before).zip(turn(at)))
                .is_some_and(|(one, other)| caches.is_warm(one, other))
        };
        Following {
            is_warm: previous.iter().enumerate().map(is_warm).collect(),
            later: sessions.iter().flat_map(|turns| turns.iter().skip(1).copied()).collect(),
            previous,
        }
    }

    /// Goes through the turns of all sessions at every preference, and lets `stays` say whether a turn keeps the model of the turn
    /// before, in the place of the router's choice.
    fn stick(
        &self,
        prompts: &Prompts,
        choices: &Choices,
        mut stays: impl FnMut(usize, usize, usize, usize) -> bool,
    ) -> Choices {
        let mut models = choices.models().to_vec();
        for (preference, models) in models.chunks_exact_mut(prompts.len()).enumerate() {
            for &turn in &self.later {
                let Some(before) = self.previous[turn] else { continue };
                let (model, proposed) = (usize::from(models[before]), usize::from(models[turn]));
                if model != proposed
                    && prompts.is_available(turn, model)
                    && stays(preference, turn, model, proposed)
                {
                    models[turn] = model_number(model);
                }
            }
        }
        Choices::new(prompts.len(), models)
    }

    /// Every session on its first choice.
    pub(crate) fn always(&self, prompts: &Prompts, choices: &Choices) -> Choices {
        self.stick(prompts, choices, |_, _, _, _| true)
    }
}

/// What the cost-aware wrapper knows: the same for every router that it is around.
pub(crate) struct CostAware {
    scores: Arc<FittedScores<Linear>>,
    costs: CostModel,
    rates: Rates,
    /// h.
    pub(crate) horizon: f64,
}

/// What a cache saves, by model.
struct Rates {
    /// Cost units of a token that is read at the cached rate in the place of the full one.
    saved_units: Vec<f64>,
    /// Tokens of a mean answer.
    output_tokens: Vec<f64>,
    least_prefix_tokens: f64,
}

impl Rates {
    /// By the outcomes of the development prompts; the answers of an unseen model are as long as those of the seen ones.
    fn new(suite: &Suite, development: &[SuitePrompt], data: &TrainingData, caches: &CacheSettings) -> Self {
        let outcomes = &suite.outcomes;
        let length = |model: usize| {
            let development = development.iter().map(|prompt| prompt.at());
            let answered = development.filter(|&prompt| outcomes.score.get(prompt, model).is_some());
            let tokens = answered.filter_map(|prompt| outcomes.output_tokens.get(prompt, model));
            mean(&tokens.collect::<Vec<f64>>())
        };
        let seen: Vec<f64> = (0..data.n_models()).filter(|&model| !data.unseen[model]).map(length).collect();
        let of_seen = mean(&seen);
        let saved = |model: &crate::suite::Model| {
            let rates = model.price_in_usd_per_1m.zip(model.price_cached_in_usd_per_1m);
            rates.map_or(0.0, |(full, cached)| (full - cached) / 1e6 / data.cost_unit_usd)
        };
        Rates {
            saved_units: suite.models.iter().map(saved).collect(),
            output_tokens: (0..data.n_models())
                .map(|model| if data.unseen[model] { of_seen } else { length(model) })
                .collect(),
            least_prefix_tokens: caches.least_prefix_tokens,
        }
    }

    /// Cost units that a model's cache is predicted to save of a turn.
    fn saving(&self, prompts: &Prompts, following: &Following, turn: usize, model: usize) -> f64 {
        let Some(before) = following.previous[turn].filter(|_| following.is_warm[turn]) else { return 0.0 };
        let tokens = &prompts.input_tokens;
        let prefix = tokens[turn].min(tokens[before] + self.output_tokens[model]);
        if prefix < self.least_prefix_tokens {
            return 0.0;
        }
        let factor = prompts.cost_factors.as_ref().map_or(1.0, |factors| f64::from(factors[model]));
        prefix * self.saved_units[model] * factor
    }

    /// The choices with the turns left as they are that are not worth a switch.
    fn stick(
        &self,
        (prompts, following): (&Prompts, &Following),
        (scores, costs): (&Matrix, &Matrix),
        preferences: &[Preference],
        choices: &Choices,
        horizon: f64,
    ) -> Choices {
        following.stick(prompts, choices, |preference, turn, model, proposed| {
            let preference = preferences[preference];
            let utility = |model: usize| {
                preference.utility(f64::from(scores.row(turn)[model]), f64::from(costs.row(turn)[model]))
            };
            let saved = |model: usize| preference.weight() * self.saving(prompts, following, turn, model);
            let (stay, switch) = (utility(model) + saved(model), utility(proposed));
            saved(model) > 0.0 && switch + (horizon - 1.0) * (switch + saved(proposed)) <= horizon * stay
        })
    }
}

impl CostAware {
    /// Fits the shared predictor on the development prompts, named by `development`, and chooses how far to
    /// look ahead.
    pub(crate) fn fit(
        training: &Training<'_>,
        suite: &Suite,
        development: &[SuitePrompt],
        caches: &CacheSettings,
    ) -> Self {
        let (data, costs) = (training.data(), training.costs(None));
        let fitted = fit_linear(training, None);
        let rates = Rates::new(suite, development, data, caches);
        let following = Following::new(suite, development, caches);
        let models: Vec<usize> = (0..data.n_models()).collect();
        let savings = caches.savings(suite).select(&SuitePrompt::places(development), &models);
        let (preferences, predicted) =
            (data.preferences.preferences(), (&fitted.out_of_fold, &costs.out_of_fold));
        let proposals = plug_in::route(&data.prompts, preferences, predicted.0, predicted.1);
        let outcomes = training.outcomes();
        let earned = |&horizon: &f64| {
            let prompts = (&data.prompts, &following);
            let choices = rates.stick(prompts, predicted, preferences, &proposals, horizon);
            let weighted = preferences.iter().zip(data.preferences.weights()).enumerate();
            let utilities = weighted.map(|(at, (preference, weight))| {
                let chosen = choices.at_preference(at);
                let utility = |(prompt, &model): (usize, &u16)| {
                    let model = usize::from(model);
                    let of = |table: &crate::suite::CellTable| table.get(prompt, model).unwrap_or(0.0);
                    let stays =
                        following.previous[prompt].is_some_and(|before| usize::from(chosen[before]) == model);
                    let saved = if stays { of(&savings) / data.cost_unit_usd } else { 0.0 };
                    preference.utility(of(&outcomes.score), of(&outcomes.cost_units) - saved)
                };
                weight * chosen.iter().enumerate().map(utility).sum::<f64>()
            });
            utilities.sum::<f64>()
        };
        let horizon = HORIZONS[best(&HORIZONS.iter().map(earned).collect::<Vec<f64>>())];
        CostAware { scores: fitted, costs: costs.model.clone(), rates, horizon }
    }

    /// The choices with the turns left as they are that are not worth a switch.
    pub(crate) fn stick(
        &self,
        prompts: &Prompts,
        following: &Following,
        preferences: &[Preference],
        choices: &Choices,
    ) -> Choices {
        let (scores, costs) = (self.scores.predictor.predict(prompts), self.costs.predict(prompts));
        self.rates.stick((prompts, following), (&scores, &costs), preferences, choices, self.horizon)
    }
}
