//! What each router does, benchmark by benchmark: whom it sends prompts to, what comes of it, and what was paid for nothing;
//! and whether the scores that it predicts can be believed.

use super::outcomes::TestTable;
use super::policy::best_of;
use crate::metrics::calibration::{
    CalibrationBin, Prediction, RIGHT_SCORE, area_under_roc, brier_decomposition, equal_mass_bins,
    expected_calibration_error,
};
use crate::record::Record;

/// The parts of a record that tables of means do not show. Sums run over the test prompts of all replicates.
#[derive(Clone, Debug, PartialEq)]
pub struct Breakdown {
    /// In order of first appearance among the recorded prompts.
    pub benchmarks: Vec<Benchmark>,
    /// By router, preference, and benchmark.
    pub routers: Vec<Vec<Vec<Traffic>>>,
}

/// The test prompts of one benchmark.
#[derive(Clone, Debug, PartialEq)]
pub struct Benchmark {
    /// Its name.
    pub name: String,
    /// Test prompts.
    pub n_prompts: usize,
    /// Prompts by how many of their candidates answer right (a score of at least one half): none, at most a quarter, at
    /// most half, at most three quarters, more.
    pub n_by_right_share: [usize; 5],
    /// The sum of the best single model's scores.
    pub best_single_score: f64,
    /// The sum of the best scores of any candidate.
    pub oracle_score: f64,
}

/// What a router made of the prompts of one benchmark at one preference.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Traffic {
    /// Prompts by the model chosen in the end.
    pub n_by_model: Vec<usize>,
    /// The sum of scores.
    pub score: f64,
    /// The sum of costs in US dollars.
    pub cost_usd: f64,
    /// Prompts to which a model answered right that costs less than was paid.
    pub n_needless: usize,
    /// What was paid on these above the cheapest right answer, in US dollars.
    pub needless_usd: f64,
    /// The sum of scores on prompts to which some but at most a quarter of the candidates answer right.
    pub score_where_few_right: f64,
}

/// Takes a record apart.
pub fn breakdown(record: &Record) -> Breakdown {
    let manifest = &record.manifest;
    let (n_models, n_preferences) = (manifest.suite.models.len(), manifest.preferences.len());
    let mut benchmarks: Vec<Benchmark> = Vec::new();
    let mut place_of = Vec::new();
    for prompt in &record.prompts {
        let place = benchmarks.iter().position(|known| known.name == prompt.benchmark);
        place_of.push(place.unwrap_or_else(|| {
            benchmarks.push(Benchmark {
                name: prompt.benchmark.clone(),
                n_prompts: 0,
                n_by_right_share: [0; 5],
                best_single_score: 0.0,
                oracle_score: 0.0,
            });
            benchmarks.len() - 1
        }));
    }
    let nothing = Traffic { n_by_model: vec![0; n_models], ..Traffic::default() };
    let mut routers =
        vec![vec![vec![nothing; benchmarks.len()]; n_preferences]; manifest.scenario.routers.len()];
    for (replicate, choices) in record.choices.iter().enumerate() {
        let table = TestTable::new(record, replicate);
        let best_single =
            best_of(&manifest.replicates[replicate].development_score, &manifest.test_pool(replicate));
        let prompts = record.test_prompts[replicate].iter().enumerate();
        for (prompt, place) in prompts.map(|(prompt, recorded)| (prompt, place_of[recorded.at()])) {
            let right = RightAnswers::of(&table, prompt);
            let benchmark = &mut benchmarks[place];
            benchmark.n_prompts += 1;
            benchmark.n_by_right_share[right.share] += 1;
            benchmark.best_single_score += table.cells[prompt][best_single].map_or(0.0, |cell| cell.score);
            benchmark.oracle_score += table.best(prompt, |_, cell| cell.score).score;
            for (router, choices) in choices.iter().enumerate() {
                for (preference, by_benchmark) in routers[router].iter_mut().enumerate() {
                    let realised = table.realised(choices, preference, prompt);
                    let traffic = &mut by_benchmark[place];
                    traffic.n_by_model[usize::from(choices.at_preference(preference)[prompt])] += 1;
                    traffic.score += realised.score;
                    traffic.cost_usd += realised.cost_usd;
                    if right.share == FEW {
                        traffic.score_where_few_right += realised.score;
                    }
                    // What a cache saved was not needless.
                    let paid_usd = realised.cost_usd;
                    if let Some(cheapest) = right.cheapest_usd.filter(|cheapest| *cheapest < paid_usd) {
                        traffic.n_needless += 1;
                        traffic.needless_usd += paid_usd - cheapest;
                    }
                }
            }
        }
    }
    Breakdown { benchmarks, routers }
}

/// The place in [`Benchmark::n_by_right_share`] of prompts that only few candidates answer right.
pub const FEW: usize = 1;

struct RightAnswers {
    /// The place in [`Benchmark::n_by_right_share`].
    share: usize,
    /// What the cheapest costs.
    cheapest_usd: Option<f64>,
}

impl RightAnswers {
    fn of(table: &TestTable, prompt: usize) -> Self {
        let pool = || table.cells[prompt].iter().flatten();
        let right = || pool().filter(|cell| cell.score >= RIGHT_SCORE);
        let (n, of) = (right().count(), pool().count());
        RightAnswers {
            share: quarter(n, of),
            cheapest_usd: right().map(|cell| cell.cost_usd).min_by(f64::total_cmp),
        }
    }
}

/// The quarter of `of` that n lies in, its upper end included; 0 for none.
fn quarter(n: usize, of: usize) -> usize {
    (4 * n).div_ceil(of.max(1))
}

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
        for (place, prompt) in record.test_prompts[replicate].iter().enumerate() {
            for (model, outcome) in
                record.score.row(prompt.at()).enumerate().filter(|(model, _)| in_pool[*model])
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quarters_hold_their_upper_ends() {
        assert_eq!([0, 1, 2, 3, 4, 5, 6, 7, 8].map(|n| quarter(n, 8)), [0, 1, 1, 2, 2, 3, 3, 4, 4]);
    }
}
