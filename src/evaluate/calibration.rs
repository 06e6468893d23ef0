//! Whether the scores that routers predict can be believed.

use crate::metrics::calibration::{
    CalibrationBin, Prediction, area_under_roc, brier_decomposition, equal_mass_bins,
    expected_calibration_error,
};
use crate::record::Record;

/// Bins of a reliability diagram, of equal numbers of predictions.
const N_BINS: usize = 10;

/// The predictions of one router against what came of them, all replicates, test prompts, and models of the pool together.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    /// The router's position in the scenario.
    pub router: usize,
    /// Predictions whose outcome is known.
    pub n_predictions: usize,
    /// The mean of (prediction - outcome)^2.
    pub brier: f64,
    /// How far the predictor tells prompts and models apart: the variance of the bins' mean outcomes.
    pub resolution: f64,
    /// The mean distance of a bin's prediction and outcome.
    pub calibration_error: f64,
    /// The probability that a right answer was given the higher score; `None` where all are right, or none.
    pub area_under_roc: Option<f64>,
    /// The reliability diagram.
    pub bins: Vec<CalibrationBin>,
}

/// One a router that predicts scores, in scenario order.
pub fn calibrations(record: &Record) -> Vec<Calibration> {
    let n_routers = record.manifest.scenario.routers.len();
    (0..n_routers).filter_map(|router| calibration(record, router)).collect()
}

fn calibration(record: &Record, router: usize) -> Option<Calibration> {
    let mut predictions = Vec::new();
    for (replicate, predicted) in record.predictions.iter().enumerate() {
        let predicted = predicted.get(router)?.as_ref()?;
        let in_pool = record.manifest.test_pool(replicate);
        for (place, &prompt) in record.test_prompts[replicate].iter().enumerate() {
            for (model, outcome) in record.score.row(prompt).enumerate().filter(|(model, _)| in_pool[*model])
            {
                let prediction = |outcome| Prediction { probability: predicted.get(place, model), outcome };
                predictions.extend(outcome.map(prediction));
            }
        }
    }
    let parts = brier_decomposition(&predictions, N_BINS)?;
    let bins = equal_mass_bins(&predictions, N_BINS);
    Some(Calibration {
        router,
        n_predictions: predictions.len(),
        brier: parts.brier,
        resolution: parts.resolution,
        calibration_error: expected_calibration_error(&bins)?,
        area_under_roc: area_under_roc(&predictions),
        bins,
    })
}
