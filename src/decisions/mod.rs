//! What a router decided, prompt by prompt, and how two sets of decisions differ.
//!
//! - `file`: decisions as a small text file that can be committed and compared.
//! - `flips`: which prompts went from which model to which, what it gained, and what it cost.
//! - `format`: flips as text, JSON, and CSV.

mod file;
mod flips;
pub mod format;

pub use file::FORMAT;
pub use flips::{Comparison, Flip, FlipGroup, compare, compare_online};

use crate::error::{Error, Result, suggestion};
use crate::evaluate::TestTable;
use crate::record::Record;

/// The decisions of one router on the test prompts of a run, with what they came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Decisions {
    /// The suite's name.
    pub suite: String,
    /// SHA-256 of the suite's content.
    pub content_hash: String,
    /// The scenario's name.
    pub scenario: String,
    /// The root seed.
    pub seed: u64,
    /// The router's label.
    pub router: String,
    /// The preferences asked, ascending.
    pub preferences: Vec<f64>,
    /// Their weights in the declared distribution; none where a file does not say them.
    pub weights: Vec<f64>,
    /// By replicate, then in the order of the suite.
    pub prompts: Vec<Decided>,
}

/// The decisions on one test prompt in one replicate.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// The prompt's id.
    pub prompt: String,
    /// Its benchmark.
    pub benchmark: String,
    /// The replicate.
    pub replicate: usize,
    /// Which model from which preference on; the first from the lowest.
    pub spans: Vec<Span>,
}

/// One model at one cost for a run of neighbouring preferences.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// The place of the first of these preferences.
    pub first: usize,
    /// The model.
    pub model: String,
    /// Its score on the prompt.
    pub score: f64,
    /// Its cost, where the suite has costs.
    pub cost_usd: Option<f64>,
}

impl Decisions {
    /// The decisions of one router of a record.
    ///
    /// # Errors
    /// A label that the record does not have.
    pub fn of(record: &Record, label: &str) -> Result<Decisions> {
        let manifest = &record.manifest;
        let labels = || manifest.scenario.routers.iter().map(|entry| entry.label.as_str());
        let Some(router) = labels().position(|known| known == label) else {
            let near = suggestion(label, labels());
            let all: Vec<String> = labels().map(|label| format!("`{label}`")).collect();
            let near = if near.is_empty() { format!("; there is {}", all.join(", ")) } else { near };
            return Err(Error::Usage(format!("no router is labelled `{label}`{near}")));
        };
        let mut prompts = Vec::new();
        for (replicate, tested) in record.test_prompts.iter().enumerate() {
            let table = TestTable::new(record, replicate);
            let choices = &record.choices[replicate][router];
            for (place, &prompt) in tested.iter().enumerate() {
                let mut spans: Vec<Span> = Vec::new();
                for first in 0..choices.n_preferences() {
                    let model = &manifest.suite.models[usize::from(choices.at_preference(first)[place])];
                    let point = table.realised(choices, first, place);
                    let cost_usd = manifest.suite.has_cost.then_some(point.cost_usd);
                    // A cascade may come to the same model by another way.
                    if spans.last().is_none_or(|last| last.model != *model || last.cost_usd != cost_usd) {
                        spans.push(Span { first, model: model.clone(), score: point.score, cost_usd });
                    }
                }
                let recorded = &record.prompts[prompt];
                let (prompt, benchmark) = (recorded.id.clone(), recorded.benchmark.clone());
                prompts.push(Decided { prompt, benchmark, replicate, spans });
            }
        }
        Ok(Decisions {
            suite: manifest.suite.info.name.clone(),
            content_hash: manifest.suite.content_hash.clone(),
            scenario: manifest.scenario.name.clone(),
            seed: manifest.scenario.seed,
            router: label.to_owned(),
            preferences: manifest.preferences.clone(),
            weights: manifest.preference_weights.clone(),
            prompts,
        })
    }
}

impl Decided {
    /// What was decided at a preference, by its place.
    fn at(&self, preference: usize) -> &Span {
        let after = self.spans.partition_point(|span| span.first <= preference);
        &self.spans[after - 1]
    }
}
