//! A model of the pool at random: the floor of every comparison.

use std::collections::BTreeMap;

use super::{Choices, Router, Trained, Training, model_number};
use crate::data::Prompts;
use crate::preference::Preference;
use crate::random::index_below;
use crate::seed::Stream;

struct Random {
    stream: Stream,
}

pub(super) fn train(training: &Training<'_>) -> Trained {
    Trained { router: Box::new(Random { stream: training.stream().clone() }), notes: BTreeMap::new() }
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
