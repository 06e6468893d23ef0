//! Routers that look at no prompt: a model of the pool at random, the floor of every comparison, and always the same model, the
//! best on the development prompts or the cheapest.

use std::collections::BTreeMap;

use super::{
    Choices, MODEL_NUMBER_NOTE, Policy, Router, RouterKind, Trained, Training, Traits, model_number,
};
use crate::error::Result;
use crate::linalg::Matrix;
use crate::network::kept;
use crate::preference::Preference;
use crate::random::index_below;
use crate::router::prompts::Prompts;
use crate::seed::Stream;

/// Settings of `kind = "random"`: there are none.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub(crate) struct RandomSettings {}

pub(super) struct Random {
    stream: Stream,
}

kept!(Random { stream });

impl RouterKind for RandomSettings {
    fn traits(&self) -> Traits {
        Traits { needs_embeddings: false, ..Traits::default() }
    }

    fn train(&self, training: &Training<'_>) -> Result<Trained> {
        let router = Policy::Direct(Box::new(Random { stream: training.stream().clone() }));
        Ok(Trained { router, notes: BTreeMap::new() })
    }
}

impl Router for Random {
    /// Each prompt has a stream of its own, named by its id, so that its neighbours do not move its choice.
    ///
    /// One draw serves all preferences: the curve is a single point. With a draw for each, the hull would keep the
    /// luckiest of them, and chance would pass for skill.
    fn route(&self, prompts: &Prompts, preferences: &[Preference]) -> Choices {
        let draw = |prompt: usize| {
            let pool = || (0..prompts.n_models()).filter(|&model| prompts.is_available(prompt, model));
            let mut rng = self.stream.named(&prompts.ids[prompt]).generator();
            let drawn = pool().nth(index_below(&mut rng, pool().count()));
            model_number(drawn.expect("the pool of a prompt is never empty"))
        };
        let models: Vec<u16> = (0..prompts.len()).map(draw).collect();
        Choices::new(prompts.len(), models.repeat(preferences.len()))
    }
}

/// Settings of `kind = "single"`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct SingleSettings {
    /// Which model.
    pub(crate) choose: SingleChoice,
}

/// Which model is always taken. Every single model by its name is among the reference points of each report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SingleChoice {
    /// The highest mean score on the development prompts.
    Best,
    /// The lowest mean cost on the development prompts.
    Cheapest,
}

pub(super) struct Single {
    /// All models, the preferred one first; a prompt without it falls to the next.
    order: Vec<usize>,
    mean_score: Vec<f32>,
}

kept!(Single { order, mean_score }, |it, shape| shape.is_order(&it.order)
    && it.mean_score.len() == shape.n_models);

impl RouterKind for SingleSettings {
    fn traits(&self) -> Traits {
        let label = match self.choose {
            SingleChoice::Best => "best-single",
            SingleChoice::Cheapest => "cheapest",
        };
        let follows_prices = self.choose == SingleChoice::Best;
        Traits { label: Some(label), needs_embeddings: false, follows_prices, ..Traits::default() }
    }

    fn train(&self, training: &Training<'_>) -> Result<Trained> {
        let outcomes = training.outcomes();
        let key: Vec<f64> = match self.choose {
            SingleChoice::Best => outcomes.mean_score.iter().map(|score| -score).collect(),
            SingleChoice::Cheapest => outcomes.mean_cost_units.clone(),
        };
        let mut order: Vec<usize> = (0..key.len()).collect();
        // A stable sort: ties go to the lowest number.
        order.sort_by(|&a, &b| key[a].total_cmp(&key[b]));
        let mean_score = outcomes.mean_score.iter().map(|&score| score as f32).collect();
        let notes = BTreeMap::from([(MODEL_NUMBER_NOTE.to_owned(), order[0].to_string())]);
        Ok(Trained { router: Policy::Direct(Box::new(Single { order, mean_score })), notes })
    }
}

impl Router for Single {
    fn route(&self, prompts: &Prompts, preferences: &[Preference]) -> Choices {
        let model_of = |prompt| {
            let first = self.order.iter().copied().find(|&model| prompts.is_available(prompt, model));
            model_number(first.expect("the pool of a prompt is never empty"))
        };
        let models: Vec<u16> = (0..prompts.len()).map(model_of).collect();
        Choices::new(prompts.len(), models.repeat(preferences.len()))
    }

    /// Every model's mean over the development prompts that it answered, whatever the prompt.
    fn route_by_scores(&self, prompts: &Prompts, preferences: &[Preference]) -> (Choices, Option<Matrix>) {
        let scores = Matrix::new(self.mean_score.repeat(prompts.len()), prompts.len(), self.mean_score.len());
        (self.route(prompts, preferences), Some(scores))
    }
}
