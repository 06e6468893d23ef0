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
    /// Each prompt has a stream of its own, named by its id and read preference by preference by weight, so that
    /// neither its neighbours nor the other preferences of a batch move its choice.
    fn route(&self, prompts: &Prompts, preferences: &[Preference]) -> Choices {
        let mut models = vec![0; prompts.len() * preferences.len()];
        let streams: Vec<Stream> = preferences
            .iter()
            .map(|preference| self.stream.named(&preference.weight().to_string()))
            .collect();
        for (stream, models) in streams.iter().zip(models.chunks_exact_mut(prompts.len())) {
            for (prompt, model) in models.iter_mut().enumerate() {
                let pool: Vec<usize> =
                    (0..prompts.n_models()).filter(|&model| prompts.is_available(prompt, model)).collect();
                let mut rng = stream.named(&prompts.ids[prompt]).generator();
                *model = model_number(pool[index_below(&mut rng, pool.len())]);
            }
        }
        Choices::new(prompts.len(), models)
    }
}
