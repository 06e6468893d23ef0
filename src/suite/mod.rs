//! Suites: prompts, models, and the recorded outcomes of the models on the prompts.
//!
//! `values` holds the types, `read` and `write` the folder format (`datasets/README.md`), `check` what `verify` prints,
//! `find` where suites are looked for, `subset` a part of one, `sessions` what turns of one conversation save by prompt caches,
//! `synthetic` suites whose best routing is known.

mod alignment;
mod check;
mod files;
mod find;
pub(crate) mod plausibility;
pub mod prices;
mod read;
pub(crate) mod sessions;
mod subset;
pub mod synthetic;
mod values;
mod write;

pub use alignment::Alignment;
pub use check::{BenchmarkCheck, MIN_COVERAGE, ModelCheck, SuiteCheck};
pub use files::LARGEST_AMOUNT;
pub use files::LARGEST_VALUE;
pub(crate) use files::format_embeddings;
pub use find::{
    DEFAULT_FOLDER, EMBEDDED_NAME, SuitePlace, find, find_with_embeddings, is_suite, list, locate,
};
pub use sessions::CacheSettings;
pub use subset::SubsetSettings;
pub use values::EncodedBy;
pub(crate) use values::VECTORS_OF;
pub use values::{
    CellTable, Comparison, CostBasis, Embeddings, ImportInfo, ImportedFile, LATENCY, Model, Outcomes, Part,
    Prompt, SuiteInfo, Turn,
};

use crate::index::{SuiteModel, SuitePrompt};
pub use crate::text::Text;
use sha2::{Digest, Sha256};

use prices::PricedBy;

/// The file of the embeddings that are used unless a scenario names others.
pub(crate) const EMBEDDINGS: &str = "embeddings.npy";

/// English text in common tokenizers; other languages and code take more tokens.
pub(crate) const BYTES_PER_TOKEN: f64 = 4.0;

/// A benchmark suite: every recorded outcome of every model on every prompt.
#[derive(Clone, Debug, PartialEq)]
pub struct Suite {
    /// Name, licence, and origin.
    pub info: SuiteInfo,
    /// The prompts, in file order.
    pub prompts: Vec<Prompt>,
    /// The names of the benchmarks the prompts come from, in order of appearance.
    pub benchmarks: Vec<String>,
    /// The models, in file order.
    pub models: Vec<Model>,
    /// Scores, costs, and tokens by (prompt, model).
    pub outcomes: Outcomes,
    /// Where the costs come from.
    pub cost_basis: CostBasis,
    /// The book that the costs were computed by, where it is not the suite's own prices and costs.
    pub priced_by: Option<PricedBy>,
    /// Pairwise judgements, where the suite has them.
    pub comparisons: Vec<Comparison>,
    /// Prompt embeddings, where the suite has them.
    pub embeddings: Option<Embeddings>,
}

impl Suite {
    /// Gives every scored cell without output tokens this many, so that list prices and known input tokens make a cost.
    /// Returns how many cells got a cost by it.
    pub fn assume_output_tokens(&mut self, output_tokens: f64) -> usize {
        let mut n_assumed = 0;
        for prompt in 0..self.prompts.len() {
            for (model, card) in self.models.iter().enumerate() {
                let outcomes = &mut self.outcomes;
                let is_open = outcomes.score.get(prompt, model).is_some()
                    && outcomes.cost_usd.get(prompt, model).is_none()
                    && outcomes.output_tokens.get(prompt, model).is_none();
                let input_tokens = outcomes.input_tokens.get(prompt, model).filter(|_| is_open);
                let cost = input_tokens.and_then(|input| card.list_cost_usd(input, output_tokens));
                if cost.is_some() {
                    outcomes.cost_usd.set(prompt, model, cost);
                    outcomes.output_tokens.set(prompt, model, Some(output_tokens));
                    n_assumed += 1;
                }
            }
        }
        n_assumed
    }

    /// Gives every scored cell without cost and input tokens a quarter of the bytes of its prompt's text as input tokens, so
    /// that list prices and known output tokens make a cost. Returns how many cells were given tokens.
    pub fn estimate_input_tokens(&mut self) -> usize {
        let tokens: Vec<f64> =
            self.prompts.iter().map(|prompt| prompt.text.len() as f64 / BYTES_PER_TOKEN).collect();
        self.put_input_tokens(&tokens)
    }

    /// As [`estimate_input_tokens`](Self::estimate_input_tokens), with these tokens of each prompt. A prompt without text stays
    /// without.
    pub fn put_input_tokens(&mut self, tokens: &[f64]) -> usize {
        let mut n_estimated = 0;
        for (prompt, (text, &input_tokens)) in
            self.prompts.iter().map(|prompt| &prompt.text).zip(tokens).enumerate()
        {
            for (model, card) in self.models.iter().enumerate() {
                let outcomes = &mut self.outcomes;
                let is_open = outcomes.score.get(prompt, model).is_some()
                    && outcomes.cost_usd.get(prompt, model).is_none()
                    && outcomes.input_tokens.get(prompt, model).is_none();
                if is_open && !text.is_empty() {
                    let output_tokens = outcomes.output_tokens.get(prompt, model);
                    let cost = output_tokens.and_then(|output| card.list_cost_usd(input_tokens, output));
                    outcomes.input_tokens.set(prompt, model, Some(input_tokens));
                    outcomes.cost_usd.set(prompt, model, cost);
                    n_estimated += 1;
                }
            }
        }
        n_estimated
    }

    /// The suite with only these prompts and models, in this order. Benchmarks keep their numbers; comparisons of what
    /// was left out are left out too.
    pub fn select(&self, prompts: &[SuitePrompt], models: &[SuiteModel]) -> Suite {
        let (prompts, models) = (&SuitePrompt::places(prompts)[..], &SuiteModel::places(models)[..]);
        let select = |table: &CellTable| table.select(prompts, models);
        let outcomes = Outcomes {
            score: select(&self.outcomes.score),
            cost_usd: select(&self.outcomes.cost_usd),
            input_tokens: select(&self.outcomes.input_tokens),
            output_tokens: select(&self.outcomes.output_tokens),
            extra: self.outcomes.extra.iter().map(|(name, table)| (name.clone(), select(table))).collect(),
        };
        let [new_prompt, new_model] =
            [(self.prompts.len(), prompts), (self.models.len(), models)].map(|(n, kept)| positions(n, kept));
        let comparisons = self.comparisons.iter().filter_map(|comparison| {
            let [model_a, model_b] = [comparison.model_a, comparison.model_b].map(|model| new_model[model]);
            let (prompt, model_a, model_b) = (new_prompt[comparison.prompt]?, model_a?, model_b?);
            Some(Comparison { prompt, model_a, model_b, score_a: comparison.score_a })
        });
        Suite {
            info: self.info.clone(),
            prompts: prompts.iter().map(|&prompt| self.prompts[prompt].clone()).collect(),
            benchmarks: self.benchmarks.clone(),
            models: models.iter().map(|&model| self.models[model].clone()).collect(),
            outcomes,
            cost_basis: self.cost_basis,
            priced_by: self.priced_by.clone(),
            comparisons: comparisons.collect(),
            embeddings: self.embeddings.as_ref().map(|embeddings| embeddings.select(prompts)),
        }
    }

    /// The same suite with its prompts, models, and benchmarks in the order of their ids, byte by byte, and its comparisons in that
    /// of their prompts and models: after it, no draw, tie, or sum depends on the order of the rows of a file.
    pub fn in_order_of_ids(self) -> Suite {
        let prompts = SuitePrompt::of(order_of(&self.prompts, |prompt| &prompt.id));
        let models = SuiteModel::of(order_of(&self.models, |model| &model.id));
        let is_in_order = prompts.is_sorted() && models.is_sorted();
        let mut suite = if is_in_order { self } else { self.select(&prompts, &models) };
        let benchmarks = order_of(&suite.benchmarks, |name| name);
        let new_number = positions(benchmarks.len(), &benchmarks);
        for prompt in &mut suite.prompts {
            prompt.benchmark = new_number[prompt.benchmark].expect("all benchmarks are kept");
        }
        suite.benchmarks.sort_unstable();
        suite.comparisons.sort_by(|a, b| {
            let place = |it: &Comparison| (it.prompt, it.model_a, it.model_b);
            place(a).cmp(&place(b)).then(a.score_a.total_cmp(&b.score_a))
        });
        suite
    }

    /// SHA-256 over everything a result can depend on, the order of prompts and models included, in hexadecimal. Compression and
    /// column order do not enter.
    pub fn content_hash(&self) -> String {
        let mut hash = Sha256::new();
        let mut text = |field: &str| {
            hash.update((field.len() as u64).to_le_bytes());
            hash.update(field);
        };
        for prompt in &self.prompts {
            for field in [&prompt.id, &self.benchmarks[prompt.benchmark], &prompt.task, &*prompt.text] {
                text(field);
            }
            if let Some(part) = prompt.given_part {
                text(part.name());
            }
            if let Some(original) = &prompt.variant_of {
                text(&format!("variant of {original}"));
            }
            if let Some(Turn { session, number, asked_at_seconds }) = &prompt.turn {
                text(session);
                text(&format!("{number} {asked_at_seconds:?}"));
            }
        }
        for model in &self.models {
            for field in [&model.id, &model.vendor, &model.family] {
                text(field);
            }
            text(&format!("{:?} {:?}", model.price_in_usd_per_1m, model.price_out_usd_per_1m));
            if let Some(cached) = model.price_cached_in_usd_per_1m {
                text(&format!("cached {cached}"));
            }
            if let Some(released) = model.released {
                text(&released.to_string());
            }
        }
        for comparison in &self.comparisons {
            text(&format!("{comparison:?}"));
        }
        let outcomes = &self.outcomes;
        let named = [&outcomes.score, &outcomes.cost_usd, &outcomes.input_tokens, &outcomes.output_tokens];
        for table in named.into_iter().chain(outcomes.extra.values()) {
            // Larger pieces keep the hash function at its full speed.
            let bytes: Vec<u8> = table.bytes().flatten().collect();
            hash.update(&bytes);
        }
        if let Some(embeddings) = &self.embeddings {
            let bytes: Vec<u8> = embeddings.values().iter().flat_map(|value| value.to_le_bytes()).collect();
            hash.update(&bytes);
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The places of things in the order of their ids.
pub(crate) fn order_of<T>(things: &[T], id: impl Fn(&T) -> &String) -> Vec<usize> {
    let mut order: Vec<usize> = (0..things.len()).collect();
    order.sort_unstable_by(|&a, &b| id(&things[a]).cmp(id(&things[b])));
    order
}

/// Where each of `n` things went, or `None` for those not kept.
fn positions(n: usize, kept: &[usize]) -> Vec<Option<usize>> {
    let mut positions = vec![None; n];
    for (position, &old) in kept.iter().enumerate() {
        positions[old] = Some(position);
    }
    positions
}
