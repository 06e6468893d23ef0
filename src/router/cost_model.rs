//! What an answer will cost: one expected cost per model, or a prediction per prompt. Shared by all routers.

use std::sync::{Arc, OnceLock};

use super::cross_validation::{LAMBDAS, Moments, Ridge, best, folds, squared_errors};
use crate::linalg::Matrix;
use crate::network::kept;
use crate::router::prompts::Prompts;
use crate::router::training_data::TrainingData;
use crate::seed::Stream;
use crate::suite::CellTable;

/// How a router estimates costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CostModelKind {
    /// The mean cost of the model on the development prompts, whatever the prompt.
    Mean,
    /// Predicted from the prompt: its input tokens are known when it is routed, and its embedding tells something of
    /// the length of the answer. Ridge regression per model, tuned by cross-validation; a model whose cost it predicts
    /// worse than its mean does keeps the mean, and so does one with fewer than 30 answers.
    PerPrompt,
}

impl CostModelKind {
    /// As in scenarios.
    pub(super) fn name(self) -> &'static str {
        match self {
            CostModelKind::Mean => "mean",
            CostModelKind::PerPrompt => "per-prompt",
        }
    }
}

/// With fewer answers of a model than this, whether a regression beats their mean is a matter of luck.
const LEAST_ANSWERS: usize = 30;

/// The cost models of one replicate, each fitted when it is first asked for.
pub struct CostModels {
    /// The kind for routers that do not ask for one.
    pub(super) default: CostModelKind,
    stream: Stream,
    mean: OnceLock<FittedCosts>,
    per_prompt: OnceLock<FittedCosts>,
}

/// A cost model and its predictions for development prompts it was not fitted on.
pub(crate) struct FittedCosts {
    pub(crate) model: CostModel,
    pub(crate) out_of_fold: Matrix,
}

/// Predicts costs in cost units.
#[derive(Clone)]
pub(crate) struct CostModel {
    means: Vec<f64>,
    regression: Option<Arc<Regression>>,
}

struct Regression {
    ridge: Ridge,
    tokens: TokenScale,
    /// Whether the regression beats the mean, by model.
    is_better: Vec<bool>,
    /// No prediction falls below the cheapest answer seen, by model.
    floor: Vec<f32>,
}

/// Brings token counts to about unit spread.
#[derive(Clone, Copy)]
struct TokenScale {
    mean: f64,
    deviation: f64,
}

kept!(CostModel { means, regression }, |it, shape| it.means.len() == shape.n_models);
kept!(Regression { ridge, tokens, is_better, floor }, |it, shape| {
    it.ridge.fits(shape.width + 2, shape)
        && (it.is_better.len(), it.floor.len()) == (shape.n_models, shape.n_models)
});
kept!(TokenScale { mean, deviation }, |it, _| it.mean.is_finite() && it.deviation > 0.0);

impl CostModels {
    /// Nothing is fitted yet.
    pub fn new(default: CostModelKind, stream: Stream) -> Self {
        CostModels { default, stream, mean: OnceLock::new(), per_prompt: OnceLock::new() }
    }

    /// As these, with nothing fitted yet.
    pub(super) fn anew(&self) -> Self {
        CostModels::new(self.default, self.stream.clone())
    }

    /// The fitted model of that kind.
    pub(crate) fn get(&self, kind: CostModelKind, data: &TrainingData) -> &FittedCosts {
        match kind {
            CostModelKind::Mean => self.mean.get_or_init(|| fit_mean(data)),
            CostModelKind::PerPrompt => self.per_prompt.get_or_init(|| fit_per_prompt(data, &self.stream)),
        }
    }
}

impl CostModel {
    /// Costs in cost units, prompts x models, at the prices that are known when the prompts are routed.
    pub(crate) fn predict(&self, prompts: &Prompts) -> Matrix {
        prompts.at_known_prices(self.at_learned_prices(prompts))
    }

    fn at_learned_prices(&self, prompts: &Prompts) -> Matrix {
        let mut costs = constant(&self.means, prompts.len());
        let Some(regression) = &self.regression else { return costs };
        let predicted = regression.ridge.predict(&features(prompts, regression.tokens));
        for (row, predicted) in predicted.rows().enumerate() {
            for (model, cost) in costs.row_mut(row).iter_mut().enumerate() {
                if regression.is_better[model] {
                    *cost = predicted[model].max(regression.floor[model]);
                }
            }
        }
        costs
    }
}

fn fit_mean(data: &TrainingData) -> FittedCosts {
    let means = data.outcomes.mean_cost_units.clone();
    let out_of_fold = constant(&means, data.prompts.len());
    FittedCosts { model: CostModel { means, regression: None }, out_of_fold }
}

fn fit_per_prompt(data: &TrainingData, stream: &Stream) -> FittedCosts {
    let targets = &data.outcomes.cost_units;
    let tokens = TokenScale::new(&data.prompts.input_tokens);
    let features = features(&data.prompts, tokens);
    let folds = folds(&data.prompts.text_groups, stream);
    let means = data.outcomes.mean_cost_units.clone();
    let moments = Moments::new(&features, targets, &folds, &means);
    let is_known_enough: Vec<bool> =
        (0..targets.n_models()).map(|model| n_answers(targets, model) >= LEAST_ANSWERS).collect();
    let mut out_of_fold = constant(&means, data.prompts.len());
    let of_means = squared_errors(targets, &out_of_fold);
    let candidates = moments.out_of_fold(&LAMBDAS);
    let errors: Vec<Vec<f64>> =
        candidates.iter().map(|predicted| squared_errors(targets, predicted)).collect();
    // Relative to the spread of each model's own cost, or the most expensive model alone would decide.
    let relative = |errors: &Vec<f64>| -> f64 {
        -errors
            .iter()
            .zip(&of_means)
            .zip(&is_known_enough)
            .map(|((error, spread), counts)| if *counts && *spread > 0.0 { error / spread } else { 0.0 })
            .sum::<f64>()
    };
    let chosen = best(&errors.iter().map(relative).collect::<Vec<_>>());
    let is_better: Vec<bool> = (0..targets.n_models())
        .map(|model| is_known_enough[model] && errors[chosen][model] < of_means[model])
        .collect();
    let floor: Vec<f32> = (0..targets.n_models()).map(|model| cheapest(targets, model)).collect();
    for (row, predicted) in candidates[chosen].rows().enumerate() {
        for (model, cost) in
            out_of_fold.row_mut(row).iter_mut().enumerate().filter(|(model, _)| is_better[*model])
        {
            *cost = predicted[model].max(floor[model]);
        }
    }
    let ridge = moments.fit(LAMBDAS[chosen]);
    let regression = Regression { ridge, tokens, is_better, floor };
    FittedCosts { model: CostModel { means, regression: Some(std::sync::Arc::new(regression)) }, out_of_fold }
}

fn n_answers(costs: &CellTable, model: usize) -> usize {
    (0..costs.n_prompts()).filter(|&prompt| costs.get(prompt, model).is_some()).count()
}

fn cheapest(costs: &CellTable, model: usize) -> f32 {
    let known = (0..costs.n_prompts()).filter_map(|prompt| costs.get(prompt, model));
    known.min_by(f64::total_cmp).unwrap_or(0.0) as f32
}

fn constant(row: &[f64], n_rows: usize) -> Matrix {
    let row: Vec<f32> = row.iter().map(|&value| value as f32).collect();
    Matrix::new(row.repeat(n_rows), n_rows, row.len())
}

/// Embedding, input tokens, and the constant.
fn features(prompts: &Prompts, tokens: TokenScale) -> Matrix {
    let width = prompts.embeddings.n_columns() + 2;
    let mut values = Vec::with_capacity(prompts.len() * width);
    for (row, &n_tokens) in prompts.embeddings.rows().zip(&prompts.input_tokens) {
        values.extend_from_slice(row);
        values.extend([((n_tokens - tokens.mean) / tokens.deviation) as f32, 1.0]);
    }
    Matrix::new(values, prompts.len(), width)
}

impl TokenScale {
    fn new(tokens: &[f64]) -> Self {
        let mean = tokens.iter().sum::<f64>() / tokens.len() as f64;
        let variance = tokens.iter().map(|n| (n - mean).powi(2)).sum::<f64>() / tokens.len() as f64;
        TokenScale { mean, deviation: if variance > 0.0 { variance.sqrt() } else { 1.0 } }
    }
}
