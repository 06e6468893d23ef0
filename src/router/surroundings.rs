//! Names and texts: what a router made elsewhere knows candidates and prompts by.

use crate::suite::{Model, Prompt, Suite};

/// The candidates and all prompts of a suite, without any outcome. Routers of this program have no use for it: they know a
/// model by what it answers and costs.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The candidates, in the order of the pool.
    pub models: &'a [Model],
    /// The prompts of the suite, those of the test among them.
    pub prompts: &'a [Prompt],
    /// The names of the benchmarks that prompts are numbered by.
    pub benchmarks: &'a [String],
}

impl<'a> Surroundings<'a> {
    /// Those of a suite that is cut down to its candidates.
    pub fn of(suite: &'a Suite) -> Self {
        Surroundings { models: &suite.models, prompts: &suite.prompts, benchmarks: &suite.benchmarks }
    }

    /// The candidates' names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'a str> + Clone {
        self.models.iter().map(|model| model.id.as_str())
    }

    /// The number of the candidate of that name.
    pub(crate) fn model(&self, name: &str) -> Option<usize> {
        self.names().position(|known| known == name)
    }
}
