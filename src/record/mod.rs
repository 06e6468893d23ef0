//! The record of a run: everything that tables, plots, and checks are computed from, and nothing they need besides.
//!
//! `store` writes and reads it as a folder, `commitment` says what it commits to by hash, the sums of its files among it, and checks
//! what is read; `reprice` computes its costs anew under other prices, and `online` is the record of an online run.

pub(crate) mod commitment;
pub mod online;
mod reprice;
pub(crate) mod store;

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::Result;
use crate::index::{RecordPrompt, SuitePrompt};
use crate::linalg::Matrix;
use crate::router::quiz::QuizSettings;
use crate::router::{Choices, LearningCurve, Meter};
use crate::scenario::pool::LeftOut;
use crate::scenario::shift::Shift;
use crate::scenario::{Mode, Scenario};
use crate::suite::prices::PricedBy;
use crate::suite::{CellTable, CostBasis, EncodedBy, Suite, SuiteInfo};
pub use commitment::{commitment, list_prices_hash, scenario_hash};
pub use online::log_commitment;
pub use reprice::reprice;

/// The number of the folder format.
pub const FORMAT: u32 = 2;

/// A finished run.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// What was run, on what, with what found out in training.
    pub manifest: Manifest,
    /// The prompts that were a test prompt at least once.
    pub prompts: Vec<RecordedPrompt>,
    /// Scores of the candidates on these prompts.
    pub score: CellTable,
    /// Realised costs in US dollars of the same cells; missing throughout where the suite has none.
    pub cost_usd: CellTable,
    /// Seconds from question to answer of the same cells, where the scenario has `[objectives]`; what waiting counts for is part of the
    /// costs.
    pub latency_s: Option<CellTable>,
    /// Token counts of the same cells; `None` where the suite has none.
    pub tokens: Option<Tokens>,
    /// Where sessions are replayed, US dollars that each model's prompt cache saves on these prompts where the turn before went to the same
    /// model.
    pub savings_usd: Option<CellTable>,
    /// For each replicate the test prompts, ascending.
    pub test_prompts: Vec<Vec<RecordPrompt>>,
    /// The choices of each router (by scenario order) in each replicate.
    pub choices: Vec<Vec<Choices>>,
    /// The predicted scores of each router in each replicate; `None` of those that predict none.
    pub predictions: Vec<Vec<Option<Predictions>>>,
}

/// A prompt of the record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordedPrompt {
    /// Its id in the suite.
    pub id: String,
    /// The name of its benchmark.
    pub benchmark: String,
    /// Where sessions are replayed, the session's id and the place among its turns, from 1; `None` of a prompt of none.
    pub turn: Option<(String, u32)>,
    /// The id of the prompt that it says in other words.
    pub variant_of: Option<String>,
}

/// What was run.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Manifest {
    /// [`FORMAT`] when it was written.
    pub format: u32,
    /// The version of the program.
    pub program_version: String,
    /// The scenario as resolved: every default written out, the seed and replicates as run.
    pub scenario: Scenario,
    /// [`scenario_hash`] of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub scenario_hash: String,
    /// [`list_prices_hash`] of the candidates and their prices.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub list_prices_hash: String,
    /// The suite.
    pub suite: RecordedSuite,
    /// The shift that it was run under; `None` for a run as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shift: Option<Shift>,
    /// The names of the shifts that it was run under too, in the order of their records; empty where it is one of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shifts: Vec<String>,
    /// The preferences asked, ascending.
    pub preferences: Vec<f64>,
    /// Their weights under the declared distribution.
    pub preference_weights: Vec<f64>,
    /// One entry a replicate.
    pub replicates: Vec<RecordedReplicate>,
}

impl Manifest {
    /// Whether each candidate may be chosen on the test prompts of a replicate.
    pub fn test_pool(&self, replicate: usize) -> Vec<bool> {
        let names = &self.suite.models;
        if let Some(pool) = &self.replicates[replicate].pool {
            return names.iter().map(|name| pool.contains(name)).collect();
        }
        match (&self.scenario.unseen, &self.replicates[replicate].unseen) {
            (Some(settings), Some(recorded)) => {
                let unseen: Vec<bool> = names.iter().map(|name| recorded.models.contains(name)).collect();
                settings.test_pool(&unseen)
            }
            _ => vec![true; names.len()],
        }
    }
}

/// The suite of a record.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RecordedSuite {
    /// Name, licence, origin, and whether its outcomes are simulated.
    pub info: SuiteInfo,
    /// SHA-256 of its content.
    pub content_hash: String,
    /// The candidates.
    pub models: Vec<String>,
    /// Whether costs are known.
    pub has_cost: bool,
    /// Where the costs come from, over the whole suite.
    pub cost_basis: CostBasis,
    /// The price book that the costs come from, where they are not the suite's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priced_by: Option<PricedBy>,
    /// Present where the costs were computed anew after the routers had chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repriced: Option<Repriced>,
    /// The list prices of each candidate; empty where an earlier version did not record them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub list_prices: Vec<ListPrice>,
    /// Cells whose cost rests on an assumed number of output tokens.
    pub cells_with_assumed_tokens: usize,
    /// Cells whose input tokens are estimated from the length of the prompt's text.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cells_with_estimated_tokens: usize,
    /// The tokenizer that counted them and its hash, where it was not the length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_estimated_by: Option<String>,
    /// What made the embeddings, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoded_by: Option<EncodedBy>,
    /// What was left out.
    pub left_out: LeftOut,
}

/// What a record says of itself that was repriced.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Repriced {
    /// The book under which the routers learned and chose; `None` where it was the suite's own prices and costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen_under: Option<PricedBy>,
    /// Models some of whose development prompts have no token counts: their mean development cost is the old one times what
    /// the new prices make of their test prompts over what these did cost.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scaled: Vec<String>,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// One replicate of a record.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RecordedReplicate {
    /// Training prompts.
    pub n_training: usize,
    /// Validation prompts.
    pub n_validation: usize,
    /// Test prompts.
    pub n_test: usize,
    /// US dollars in one cost unit: the mean development cost of the most expensive seen candidate.
    pub cost_unit_usd: f64,
    /// Mean score of each candidate on the development prompts: of unseen ones too over all that they answered, whatever
    /// their quiz, because single models and the zero router are reference points and must not move with it.
    pub development_score: Vec<f64>,
    /// Mean cost of each candidate on the development prompts, in US dollars; of unseen ones as above.
    pub development_cost_usd: Vec<f64>,
    /// Mean input and output tokens of each candidate on the development prompts, of unseen ones as above; `None` where not
    /// every answer has both counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub development_tokens: Vec<Option<[f64; 2]>>,
    /// Unseen models and their quizzes, where the scenario has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unseen: Option<RecordedUnseen>,
    /// Who may be chosen on test prompts, where a shift says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<Vec<String>>,
    /// One entry a router, in scenario order.
    pub routers: Vec<RecordedTraining>,
}

/// The unseen models of one replicate.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RecordedUnseen {
    /// Their names, in the order of the candidates.
    pub models: Vec<String>,
    /// One entry a distinct quiz, in the order of the routers.
    pub quizzes: Vec<RecordedQuiz>,
    /// Development prompts that no seen model answered, and test prompts that no model of the test pool answered: left out.
    pub prompts_left_out: usize,
}

/// One quiz of all unseen models.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RecordedQuiz {
    /// How its prompts were chosen.
    pub settings: QuizSettings,
    /// The ids of the prompts that any unseen model was asked; not listed for `all`, which asks every training prompt.
    pub prompts: Vec<String>,
    /// The answers of all unseen models together, and what they cost.
    pub price: Meter,
}

/// How far predicted scores of unseen models lie from what they scored on the test prompts.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PredictionErrors {
    /// Root mean squared error over all answers of unseen models.
    pub rmse: f64,
    /// Mean absolute error of a model's mean over the test prompts that it answered, mean over the unseen models.
    pub mean_error: f64,
    /// The share of unseen models whose mean lies in the 95 % interval of the posterior of their identity; `None` for a
    /// method without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage: Option<f64>,
}

/// What the training of one router found out and paid.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RecordedTraining {
    /// Tuned settings and the like.
    pub notes: BTreeMap<String, String>,
    /// What it paid to learn.
    pub paid: Meter,
    /// The [`commitment`] to what it chose, made before any outcome of a test prompt was looked up.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub choices_hash: String,
    /// How well it predicted the unseen models' scores, in a sweep over quizzes; `None` where it predicts none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prediction_errors: Option<PredictionErrors>,
    /// Why the shift that the record is run under did not reach it; `None` where it did.
    #[serde(default, alias = "unheard", skip_serializing_if = "Option::is_none")]
    pub not_applied: Option<String>,
    /// Of a router that calls several models for a prompt: in which order, by preference, as numbers of candidates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calling_orders: Option<Vec<Vec<u16>>>,
    /// How it did on validation prompts while it was trained.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub learning_curves: Vec<LearningCurve>,
}

/// A finished run of either mode.
#[derive(Clone, Debug, PartialEq)]
pub enum Recorded {
    /// Of routers trained on recorded outcomes.
    Offline(Box<Record>),
    /// Of learners that saw the outcomes of their own choices.
    Online(Box<online::OnlineRecord>),
}

impl Recorded {
    /// Reads a record.
    ///
    /// # Errors
    /// A folder that is no record, one of another format, or parts that do not fit together.
    pub fn read(folder: &Path) -> Result<Recorded> {
        Ok(match store::mode_of(folder)? {
            Mode::Offline => Recorded::Offline(Box::new(Record::read(folder)?)),
            Mode::Online => Recorded::Online(Box::new(online::OnlineRecord::read(folder)?)),
        })
    }

    /// The scenario's name.
    pub fn name(&self) -> &str {
        match self {
            Recorded::Offline(record) => &record.manifest.scenario.name,
            Recorded::Online(record) => &record.manifest.scenario.name,
        }
    }
}

/// Token counts of the recorded cells, where known.
#[derive(Clone, Debug, PartialEq)]
pub struct Tokens {
    /// Of the prompts.
    pub input: CellTable,
    /// Of the answers.
    pub output: CellTable,
}

/// The list prices of a model in US dollars per million tokens, where known.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListPrice {
    /// Of input tokens.
    pub input: Option<f64>,
    /// Of output tokens.
    pub output: Option<f64>,
    /// Of cached input tokens, where sessions are replayed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<f64>,
}

/// Mean input and output tokens of each model over these prompts of those that it has a score on; `None` where not all of
/// them have both counts.
pub(crate) fn mean_tokens(suite: &Suite, prompts: &[SuitePrompt]) -> Vec<Option<[f64; 2]>> {
    let outcomes = &suite.outcomes;
    let mean = |model: usize| {
        let mut sums = [0.0; 2];
        let mut n_answers = 0;
        let answered = |prompt: &usize| outcomes.score.get(*prompt, model).is_some();
        for prompt in prompts.iter().map(|prompt| prompt.at()).filter(answered) {
            sums[0] += outcomes.input_tokens.get(prompt, model)?;
            sums[1] += outcomes.output_tokens.get(prompt, model)?;
            n_answers += 1;
        }
        (n_answers > 0).then(|| sums.map(|sum| sum / f64::from(n_answers)))
    };
    (0..suite.models.len()).map(mean).collect()
}

/// The list prices of a suite's models; those of cached input where they are made use of.
pub(crate) fn list_prices(suite: &Suite, has_caches: bool) -> Vec<ListPrice> {
    let price = |model: &crate::suite::Model| ListPrice {
        input: model.price_in_usd_per_1m,
        output: model.price_out_usd_per_1m,
        cached_input: model.price_cached_in_usd_per_1m.filter(|_| has_caches),
    };
    suite.models.iter().map(price).collect()
}

/// Predicted scores of one router in one replicate, test prompts x candidates, in steps of 1 / 255: half a step is nothing to
/// a reliability diagram, and a record stays small.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Predictions {
    n_models: usize,
    steps: Vec<u8>,
}

impl Predictions {
    /// The nearest steps to these scores; what lies outside of [0, 1] counts as the nearest end.
    pub fn new(scores: &Matrix) -> Self {
        let step = |score: &f32| (score.clamp(0.0, 1.0) * 255.0).round() as u8;
        Predictions { n_models: scores.n_columns(), steps: scores.values().iter().map(step).collect() }
    }

    /// From steps, row by row.
    ///
    /// # Panics
    /// If they do not fill whole rows.
    fn from_steps(n_models: usize, steps: Vec<u8>) -> Self {
        assert!(n_models > 0 && steps.len().is_multiple_of(n_models), "predictions fill whole rows");
        Predictions { n_models, steps }
    }

    /// The predicted score of a model on a test prompt, by place.
    pub fn get(&self, prompt: usize, model: usize) -> f64 {
        f64::from(self.steps[prompt * self.n_models + model]) / 255.0
    }

    /// The number of test prompts.
    pub fn n_prompts(&self) -> usize {
        self.steps.len() / self.n_models
    }

    /// The steps, row by row.
    fn steps(&self) -> &[u8] {
        &self.steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::synthetic::SyntheticSettings;

    #[test]
    fn mean_tokens_are_of_scored_cells_and_unknown_where_one_is() {
        let settings = SyntheticSettings { n_prompts: 20, n_models: 2, ..SyntheticSettings::default() };
        let mut suite = settings.generate().unwrap().suite;
        let prompts = SuitePrompt::of(3..6);
        for (prompt, input) in [(3, 10.0), (4, 20.0), (5, 60.0)] {
            for model in 0..2 {
                suite.outcomes.input_tokens.set(prompt, model, Some(input));
                suite.outcomes.output_tokens.set(prompt, model, Some(2.0 * input));
            }
        }
        assert_eq!(mean_tokens(&suite, &prompts), [Some([30.0, 60.0]); 2]);
        suite.outcomes.output_tokens.set(5, 1, None);
        assert_eq!(mean_tokens(&suite, &prompts), [Some([30.0, 60.0]), None]);
        suite.outcomes.score.set(5, 1, None);
        assert_eq!(mean_tokens(&suite, &prompts), [Some([30.0, 60.0]), Some([15.0, 30.0])]);
        assert_eq!(mean_tokens(&suite, &[]), [None, None]);
    }

    #[test]
    fn a_prediction_is_kept_to_half_a_step_and_within_its_range() {
        let scores = Matrix::new(vec![0.0, 0.5, 1.0, 0.123_4, -3.0, 1.7], 2, 3);
        let kept = Predictions::new(&scores);
        assert_eq!(kept.n_prompts(), 2);
        for (at, expected) in [0.0, 0.5, 1.0, 0.1234, 0.0, 1.0].into_iter().enumerate() {
            assert!((kept.get(at / 3, at % 3) - expected).abs() <= 0.5 / 255.0 + 1e-6);
        }
    }
}
