//! The LLM Bandit paper's predictor baseline: argmax of p_hat - w c with exactly the p_hat of its identity vectors.

use std::collections::BTreeMap;

use super::FittedScores;
use crate::error::Result;
use crate::linalg::Matrix;
use crate::router::Training;
use crate::router::cross_validation::best;
use crate::router::llm_bandit::{IdentitySettings, LearnFrom, Learned, Placement, TUNED_UPDATES, learn};
use crate::router::plug_in::ScorePredictor;
use crate::router::plug_in::utility;
use crate::router::prompts::Prompts;

/// The steps of Adam that are tried; the paper's is the first.
const LEARNING_RATES: [f64; 2] = [1e-3, 3e-3];

impl ScorePredictor for Learned {
    fn predict(&self, prompts: &Prompts) -> Matrix {
        self.scores(&prompts.embeddings)
    }

    fn believed_mean(&self, prompts: &Prompts, model: usize) -> Option<[f64; 2]> {
        self.believed_mean(&prompts.embeddings, model)
    }
}

/// Learns identities with each step, keeps the one that earns most out of fold.
pub(super) fn fit(training: &Training<'_>, costs: &Matrix) -> Result<FittedScores<Learned>> {
    let mut fits = Vec::new();
    for learning_rate in LEARNING_RATES {
        let settings = IdentitySettings { learning_rate, least_updates: TUNED_UPDATES, ..Default::default() };
        let learned = learn(training, &settings, LearnFrom::Development, Placement::Average)?;
        let out_of_fold = learned.out_of_fold(training, &settings)?;
        fits.push((utility(training, &out_of_fold, costs), learning_rate, learned, out_of_fold));
    }
    let chosen = best(&fits.iter().map(|(utility, ..)| *utility).collect::<Vec<_>>());
    let (_, learning_rate, learned, out_of_fold) = fits.swap_remove(chosen);
    let notes = BTreeMap::from([
        ("epochs".to_owned(), learned.epochs.to_string()),
        ("learning-rate".to_owned(), learning_rate.to_string()),
        ("validation-loss".to_owned(), format!("{:.4}", learned.validation_loss)),
        ("comparisons".to_owned(), learned.comparisons_in_words().to_owned()),
        ("settings-tried".to_owned(), LEARNING_RATES.len().to_string()),
    ]);
    Ok(FittedScores { predictor: learned, out_of_fold, notes })
}
