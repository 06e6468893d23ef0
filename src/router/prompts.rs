//! What routers get to see of prompts when they route: no outcome.

use crate::index::SuitePrompt;
use crate::linalg::Matrix;
use crate::suite::{BYTES_PER_TOKEN, Suite};
use crate::text::Text;

/// What is known of prompts before any model answers them.
#[derive(Clone, Debug)]
pub struct Prompts {
    /// Unique ids, for random streams of their own.
    pub ids: Vec<String>,
    /// Embeddings, one row a prompt; no columns where the suite has none, zeros where the prompt has none.
    pub embeddings: Matrix,
    /// Whether each prompt has an embedding.
    pub has_embedding: Vec<bool>,
    /// Input tokens, known before an answer is asked for; the mean over the suite's tokenizers, else a quarter of the
    /// text's bytes, else 0 for every prompt.
    pub input_tokens: Vec<f64>,
    /// Texts, empty where unknown: what routers see of them is counted in text features, never the text itself.
    pub(crate) texts: Vec<Text>,
    /// The number of each prompt's benchmark in its suite: the application that asks, as a gateway knows it; `None` of a prompt of no
    /// suite.
    pub(crate) benchmarks: Vec<Option<usize>>,
    /// Prompts with the same number have the same text.
    pub text_groups: Vec<usize>,
    /// The models that may be chosen; `None` where all may, else prompt-major flags.
    available: Option<Vec<bool>>,
    n_models: usize,
    /// By model, its prices as known when these prompts are routed over those of the development prompts; `None` where they
    /// are the same.
    pub(crate) cost_factors: Option<Vec<f32>>,
}

impl Prompts {
    /// Takes these prompts from a suite. The pool of each is the models that answered it.
    pub fn new(suite: &Suite, text_groups: &[usize], prompts: &[SuitePrompt]) -> Self {
        Prompts::among(suite, text_groups, prompts, &vec![true; suite.models.len()])
    }

    /// As [`new`](Self::new), with only the flagged models in any pool.
    pub fn among(suite: &Suite, text_groups: &[usize], prompts: &[SuitePrompt], in_pool: &[bool]) -> Self {
        let is_available = |at: usize, model: usize| {
            in_pool[model] && suite.outcomes.score.get(prompts[at].at(), model).is_some()
        };
        Prompts::with_pools(suite, text_groups, prompts, is_available)
    }

    /// Takes these prompts from a suite, with the pools that are told by position and model.
    pub(super) fn with_pools(
        suite: &Suite,
        text_groups: &[usize],
        prompts: &[SuitePrompt],
        is_available: impl Fn(usize, usize) -> bool,
    ) -> Self {
        let n_models = suite.models.len();
        let (embeddings, has_embedding) = match &suite.embeddings {
            Some(all) => {
                let chosen = all.select(&SuitePrompt::places(prompts));
                let matrix = Matrix::new(chosen.values().to_vec(), prompts.len(), all.n_dimensions());
                (matrix, prompts.iter().map(|prompt| all.is_known(prompt.at())).collect())
            }
            None => (Matrix::zeros(prompts.len(), 0), vec![false; prompts.len()]),
        };
        let cells = (0..prompts.len()).flat_map(|at| (0..n_models).map(move |model| (at, model)));
        let available: Vec<bool> = cells.map(|(at, model)| is_available(at, model)).collect();
        Prompts {
            ids: prompts.iter().map(|prompt| suite.prompts[prompt.at()].id.clone()).collect(),
            embeddings,
            has_embedding,
            input_tokens: prompts.iter().map(|prompt| input_tokens(suite, prompt.at())).collect(),
            texts: prompts.iter().map(|prompt| suite.prompts[prompt.at()].text.clone()).collect(),
            benchmarks: prompts.iter().map(|prompt| Some(suite.prompts[prompt.at()].benchmark)).collect(),
            text_groups: prompts.iter().map(|prompt| text_groups[prompt.at()]).collect(),
            available: available.contains(&false).then_some(available),
            n_models,
            cost_factors: None,
        }
    }

    /// Prompts of no suite, from their embeddings (a row of zeros is none) and input tokens; `available` flags the pool
    /// of each, prompt-major, where it is not the whole.
    ///
    /// # Panics
    /// If the numbers of rows, tokens, or flags do not fit.
    pub fn unrecorded(
        embeddings: Matrix,
        input_tokens: Vec<f64>,
        available: Option<Vec<bool>>,
        n_models: usize,
    ) -> Self {
        let n_prompts = embeddings.n_rows();
        assert!(input_tokens.len() == n_prompts, "every prompt has input tokens");
        assert!(
            available.as_ref().is_none_or(|flags| flags.len() == n_prompts * n_models),
            "a flag a candidate"
        );
        Prompts {
            ids: (0..n_prompts).map(|prompt| prompt.to_string()).collect(),
            has_embedding: embeddings.rows().map(|row| row.iter().any(|value| *value != 0.0)).collect(),
            embeddings,
            input_tokens,
            texts: vec![Text::default(); n_prompts],
            benchmarks: vec![None; n_prompts],
            text_groups: (0..n_prompts).collect(),
            available: available.filter(|flags| flags.contains(&false)),
            n_models,
            cost_factors: None,
        }
    }

    /// How many prompts.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no prompt.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// How many candidates there are over all prompts.
    pub fn n_models(&self) -> usize {
        self.n_models
    }

    /// Whether a model is in the candidate pool of a prompt.
    #[inline]
    pub fn is_available(&self, prompt: usize, model: usize) -> bool {
        self.available.as_ref().is_none_or(|flags| flags[prompt * self.n_models + model])
    }

    /// Whether every prompt has the whole pool.
    pub fn has_whole_pool(&self) -> bool {
        self.available.is_none()
    }

    /// Only those at these rows, in this order.
    pub fn select(&self, prompts: &[usize]) -> Self {
        Prompts {
            ids: prompts.iter().map(|&prompt| self.ids[prompt].clone()).collect(),
            embeddings: self.embeddings.rows_at(prompts),
            has_embedding: prompts.iter().map(|&prompt| self.has_embedding[prompt]).collect(),
            input_tokens: prompts.iter().map(|&prompt| self.input_tokens[prompt]).collect(),
            texts: prompts.iter().map(|&prompt| self.texts[prompt].clone()).collect(),
            benchmarks: prompts.iter().map(|&prompt| self.benchmarks[prompt]).collect(),
            text_groups: prompts.iter().map(|&prompt| self.text_groups[prompt]).collect(),
            available: self.available.as_ref().map(|flags| {
                prompts
                    .iter()
                    .flat_map(|&prompt| &flags[prompt * self.n_models..][..self.n_models])
                    .copied()
                    .collect()
            }),
            n_models: self.n_models,
            cost_factors: self.cost_factors.clone(),
        }
    }

    /// The same prompts with the flagged models in no pool.
    pub(crate) fn without(self, models: &[bool]) -> Self {
        let cells = (0..self.len()).flat_map(|prompt| (0..models.len()).map(move |model| (prompt, model)));
        let available =
            cells.map(|(prompt, model)| !models[model] && self.is_available(prompt, model)).collect();
        Prompts { available: Some(available), ..self }
    }

    /// The same prompts under other embeddings.
    pub(super) fn embedded(&self, embeddings: Matrix, has_embedding: Vec<bool>) -> Self {
        Prompts {
            ids: self.ids.clone(),
            embeddings,
            has_embedding,
            input_tokens: self.input_tokens.clone(),
            texts: self.texts.clone(),
            benchmarks: self.benchmarks.clone(),
            text_groups: self.text_groups.clone(),
            available: self.available.clone(),
            n_models: self.n_models,
            cost_factors: self.cost_factors.clone(),
        }
    }

    /// Brings costs predicted from those of the development prompts, prompts x models, to the prices that are known now.
    pub(crate) fn at_known_prices(&self, mut costs: Matrix) -> Matrix {
        if let Some(factors) = &self.cost_factors {
            for row in 0..costs.n_rows() {
                costs.row_mut(row).iter_mut().zip(factors).for_each(|(cost, factor)| *cost *= factor);
            }
        }
        costs
    }
}

fn input_tokens(suite: &Suite, prompt: usize) -> f64 {
    let (sum, n) =
        suite.outcomes.input_tokens.row(prompt).flatten().fold((0.0, 0), |(sum, n), t| (sum + t, n + 1));
    if n > 0 { sum / f64::from(n) } else { suite.prompts[prompt].text.len() as f64 / BYTES_PER_TOKEN }
}
