//! Ridge regression of each model's score on the prompt embedding; the ridge is tuned by cross-validation.

use std::collections::BTreeMap;

use super::FittedScores;
use crate::linalg::Matrix;
use crate::router::Training;
use crate::router::cross_validation::{LAMBDAS, Moments, Ridge, best, folds};
use crate::router::difference_estimator::BesideSeen;
use crate::router::plug_in::ScorePredictor;
use crate::router::plug_in::utility;
use crate::router::prompts::Prompts;

pub(in crate::router) struct Linear {
    ridge: Ridge,
}

impl ScorePredictor for Linear {
    fn predict(&self, prompts: &Prompts) -> Matrix {
        self.ridge.predict(&features(prompts))
    }
}

/// Fits on all development prompts with the given ridge, or with the one that earns most out of fold.
pub(in crate::router) fn fit(
    ridge: Option<f64>,
    training: &Training<'_>,
    costs: &Matrix,
) -> FittedScores<Linear> {
    let data = training.data();
    let features = features(&data.prompts);
    let folds = folds(&data.prompts.text_groups, &training.stream().named("folds"));
    let outcomes = training.outcomes();
    let beside = BesideSeen::new(&outcomes.score, &outcomes.mean_score, &data.unseen);
    let moments = Moments::new(&features, &beside.table, &folds, &beside.means);
    let lambdas: Vec<f64> = ridge.map_or(LAMBDAS.into(), |ridge| vec![ridge]);
    let mut candidates: Vec<Matrix> =
        lambdas.iter().map(|&lambda| beside.scores_of(moments.out_of_fold(lambda))).collect();
    let utilities: Vec<f64> = candidates.iter().map(|scores| utility(training, scores, costs)).collect();
    let chosen = best(&utilities);
    FittedScores {
        predictor: Linear { ridge: moments.fit(lambdas[chosen], None).of_scores(&beside) },
        out_of_fold: candidates.swap_remove(chosen),
        notes: BTreeMap::from([
            ("ridge".to_owned(), lambdas[chosen].to_string()),
            ("settings-tried".to_owned(), lambdas.len().to_string()),
        ]),
    }
}

/// The embedding and the constant.
fn features(prompts: &Prompts) -> Matrix {
    let width = prompts.embeddings.n_columns() + 1;
    let values = prompts.embeddings.rows().flat_map(|row| row.iter().copied().chain([1.0])).collect();
    Matrix::new(values, prompts.len(), width)
}
