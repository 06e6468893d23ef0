//! What routers get to see: prompts without outcomes when routing, outcomes of development prompts when training.
//!
//! Neither type holds an outcome of a test prompt, so a router has no way to one.

use crate::linalg::Matrix;
use crate::preference::PreferenceGrid;
use crate::suite::{CellTable, Suite};

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
    /// Prompts with the same number have the same text.
    pub text_groups: Vec<usize>,
    /// The models that may be chosen; `None` where all may, else prompt-major flags.
    available: Option<Vec<bool>>,
    n_models: usize,
}

impl Prompts {
    /// Takes these prompts from a suite.
    pub fn new(suite: &Suite, text_groups: &[usize], prompts: &[usize]) -> Self {
        let n_models = suite.models.len();
        let (embeddings, has_embedding) = match &suite.embeddings {
            Some(all) => {
                let chosen = all.select(prompts);
                let matrix = Matrix::new(chosen.values().to_vec(), prompts.len(), all.n_dimensions());
                (matrix, prompts.iter().map(|&prompt| all.is_known(prompt)).collect())
            }
            None => (Matrix::zeros(prompts.len(), 0), vec![false; prompts.len()]),
        };
        let known = |&prompt: &usize| suite.outcomes.score.row(prompt).map(|score| score.is_some());
        let available: Vec<bool> = prompts.iter().flat_map(known).collect();
        Prompts {
            ids: prompts.iter().map(|&prompt| suite.prompts[prompt].id.clone()).collect(),
            embeddings,
            has_embedding,
            input_tokens: prompts.iter().map(|&prompt| input_tokens(suite, prompt)).collect(),
            text_groups: prompts.iter().map(|&prompt| text_groups[prompt]).collect(),
            available: available.contains(&false).then_some(available),
            n_models,
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

    /// Only these prompts, in this order.
    pub fn select(&self, prompts: &[usize]) -> Self {
        Prompts {
            ids: prompts.iter().map(|&prompt| self.ids[prompt].clone()).collect(),
            embeddings: self.embeddings.rows_at(prompts),
            has_embedding: prompts.iter().map(|&prompt| self.has_embedding[prompt]).collect(),
            input_tokens: prompts.iter().map(|&prompt| self.input_tokens[prompt]).collect(),
            text_groups: prompts.iter().map(|&prompt| self.text_groups[prompt]).collect(),
            available: self.available.as_ref().map(|flags| {
                prompts
                    .iter()
                    .flat_map(|&prompt| &flags[prompt * self.n_models..][..self.n_models])
                    .copied()
                    .collect()
            }),
            n_models: self.n_models,
        }
    }
}

fn input_tokens(suite: &Suite, prompt: usize) -> f64 {
    let (sum, n) =
        suite.outcomes.input_tokens.row(prompt).flatten().fold((0.0, 0), |(sum, n), t| (sum + t, n + 1));
    if n > 0 { sum / f64::from(n) } else { suite.prompts[prompt].text.len() as f64 / 4.0 }
}

/// The outcomes of development prompts, with costs in units of the dearest candidate's mean training cost.
#[derive(Clone, Debug)]
pub struct DevelopmentOutcomes {
    /// Scores in [0, 1], prompt-major; missing cells are absent.
    pub score: CellTable,
    /// Costs in cost units; all 0 where the suite has no costs.
    pub cost_units: CellTable,
    /// Mean score of each model over the prompts it answered.
    pub mean_score: Vec<f64>,
    /// Mean cost of each model in cost units over the prompts it answered.
    pub mean_cost_units: Vec<f64>,
}

/// Everything a router may learn from: the development prompts (training first, then validation) and their outcomes.
#[derive(Debug)]
pub struct TrainingData {
    /// The development prompts: training prompts first, then validation prompts.
    pub prompts: Prompts,
    /// How many of them are training prompts.
    pub n_training: usize,
    /// The preferences that will be asked, and how much each matters.
    pub preferences: PreferenceGrid,
    /// US dollars in one cost unit.
    pub cost_unit_usd: f64,
    /// Handed out by [`Training`](crate::router::Training), which meters it.
    pub(crate) outcomes: DevelopmentOutcomes,
    /// What a router pays that sees all of them.
    pub(crate) price_of_all: Meter,
}

/// What a router paid to learn.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Meter {
    /// Cells whose outcome it saw.
    pub outcomes_seen: usize,
    /// What producing them cost, in US dollars.
    pub dollars: f64,
}

impl TrainingData {
    /// Cuts the development prompts of a split out of a suite.
    ///
    /// # Panics
    /// If a split part is empty: a split is checked when it is made.
    pub fn new(
        suite: &Suite,
        text_groups: &[usize],
        (training, validation): (&[usize], &[usize]),
        preferences: PreferenceGrid,
    ) -> Self {
        let development = [training, validation].concat();
        let n_models = suite.models.len();
        let models: Vec<usize> = (0..n_models).collect();
        let mut outcomes = DevelopmentOutcomes {
            score: suite.outcomes.score.select(&development, &models),
            cost_units: suite.outcomes.cost_usd.select(&development, &models),
            mean_score: Vec::new(),
            mean_cost_units: Vec::new(),
        };
        // Costs of cells without a score teach nothing about answers.
        let mut dollars = 0.0;
        for prompt in 0..development.len() {
            for model in 0..n_models {
                let is_answered = outcomes.score.get(prompt, model).is_some();
                let cost = if is_answered {
                    Some(outcomes.cost_units.get(prompt, model).unwrap_or(0.0))
                } else {
                    None
                };
                outcomes.cost_units.set(prompt, model, cost);
                dollars += cost.unwrap_or(0.0);
            }
        }
        let mean_usd = column_means(&outcomes.cost_units);
        let dearest = mean_usd.iter().copied().fold(0.0, f64::max);
        let cost_unit_usd = if dearest > 0.0 { dearest } else { 1.0 };
        for prompt in 0..development.len() {
            for model in 0..n_models {
                let units = outcomes.cost_units.get(prompt, model).map(|usd| usd / cost_unit_usd);
                outcomes.cost_units.set(prompt, model, units);
            }
        }
        outcomes.mean_score = column_means(&outcomes.score);
        outcomes.mean_cost_units = column_means(&outcomes.cost_units);
        TrainingData {
            prompts: Prompts::new(suite, text_groups, &development),
            n_training: training.len(),
            preferences,
            cost_unit_usd,
            price_of_all: Meter { outcomes_seen: outcomes.score.n_known(), dollars },
            outcomes,
        }
    }

    /// Number of candidate models.
    pub fn n_models(&self) -> usize {
        self.outcomes.score.n_models()
    }
}

/// The mean of the known cells of each column; 0 for a column without any.
pub fn column_means(table: &CellTable) -> Vec<f64> {
    let mut sums = vec![(0.0, 0usize); table.n_models()];
    for prompt in 0..table.n_prompts() {
        for (value, (sum, n)) in table.row(prompt).zip(&mut sums) {
            if let Some(value) = value {
                *sum += value;
                *n += 1;
            }
        }
    }
    sums.into_iter().map(|(sum, n)| sum / n.max(1) as f64).collect()
}
