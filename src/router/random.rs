//! A model of the pool at random: the floor of every comparison.

use std::collections::BTreeMap;

use super::{Choices, Policy, Router, RouterKind, Trained, Training, Traits, model_number};
use crate::error::Result;
use crate::preference::Preference;
use crate::random::index_below;
use crate::router::prompts::Prompts;
use crate::seed::Stream;

/// Settings of `kind = "random"`: there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomSettings {}

struct Random {
    stream: Stream,
}

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
