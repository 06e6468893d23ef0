//! Score predictors: whether a predicted probability of a right answer can be believed, and used.

use crate::statistics::ranks::mean_ranks;

/// The number of bins of the calibration error where nothing else is asked for.
pub const DEFAULT_BINS: usize = 15;

/// Probabilities are moved this far away from 0 and 1 before a logarithm is taken.
pub const PROBABILITY_MARGIN: f64 = 1e-15;

/// A score from here on counts as a right answer where a metric knows only right and wrong.
pub const RIGHT_SCORE: f64 = 0.5;

/// What was predicted for one (prompt, model) and what came of it. Neither value is NaN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// The predicted score, read as the probability of a right answer, in [0, 1].
    pub probability: f64,
    /// The recorded score, in [0, 1]; 0 or 1 where answers are right or wrong.
    pub outcome: f64,
}

/// One bin of a reliability diagram. Never empty.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CalibrationBin {
    /// How many predictions are in it.
    pub n_predictions: usize,
    /// Their mean probability.
    pub mean_probability: f64,
    /// Their mean outcome; equal to the mean probability in a calibrated bin.
    pub mean_outcome: f64,
}

/// The Brier score and the parts it falls into: brier = reliability - resolution + uncertainty + remainder.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BrierDecomposition {
    /// The Brier score itself, as in [`brier_score`].
    pub brier: f64,
    /// Mean squared difference of a bin's probability and outcome, 0 if calibrated. Smaller is better.
    pub reliability: f64,
    /// Variance of the bins' outcomes: how far the predictor tells prompts apart. Larger is better.
    pub resolution: f64,
    /// Variance of the outcomes, a property of the suite alone.
    pub uncertainty: f64,
    /// What is left because predictions differ within a bin (Stephenson et al. 2008); 0 if they do not.
    pub remainder: f64,
}

/// Negative log-likelihood: -mean of y ln p + (1 - y) ln (1 - p), in nats per prediction. Smaller is better.
///
/// Probabilities are kept [`PROBABILITY_MARGIN`] away from 0 and 1, so that one wrong
/// certainty costs about 34.5 nats and not infinity; one outside [0, 1] counts as the nearest end. For graded outcomes it is the cross-entropy. `None`
/// without predictions.
pub fn negative_log_likelihood(predictions: &[Prediction]) -> Option<f64> {
    mean_over(predictions, |Prediction { probability, outcome }| {
        let probability = probability.clamp(PROBABILITY_MARGIN, 1.0 - PROBABILITY_MARGIN);
        -(outcome * probability.ln() + (1.0 - outcome) * (1.0 - probability).ln())
    })
}

/// Brier score: mean of (p - y)^2 (Brier 1950). 0 is perfect, 0.25 is always saying one half. `None` without
/// predictions.
pub fn brier_score(predictions: &[Prediction]) -> Option<f64> {
    mean_over(predictions, |Prediction { probability, outcome }| (probability - outcome).powi(2))
}

/// The Brier score taken apart over equal-mass bins (Murphy 1973).
///
/// Over bins of n_b predictions out of n, with mean probability p_b and mean outcome y_b: reliability is
/// sum n_b / n (p_b - y_b)^2, resolution sum n_b / n (y_b - y)^2, uncertainty the mean of (y_i - y)^2, which for
/// right and wrong is y (1 - y). `None` without predictions; bins as in [`equal_mass_bins`].
pub fn brier_decomposition(predictions: &[Prediction], n_bins: usize) -> Option<BrierDecomposition> {
    let brier = brier_score(predictions)?;
    let mean_outcome = mean_over(predictions, |prediction| prediction.outcome)?;
    let bins = equal_mass_bins(predictions, n_bins);
    let reliability = mean_over_bins(&bins, |bin| (bin.mean_probability - bin.mean_outcome).powi(2))?;
    let resolution = mean_over_bins(&bins, |bin| (bin.mean_outcome - mean_outcome).powi(2))?;
    let uncertainty = mean_over(predictions, |prediction| (prediction.outcome - mean_outcome).powi(2))?;
    let remainder = brier - (reliability - resolution + uncertainty);
    Some(BrierDecomposition { brier, reliability, resolution, uncertainty, remainder })
}

/// Bins of as nearly equal numbers of predictions as ties allow, by increasing probability.
///
/// Equal probabilities share a bin, so that the result does not depend on the order of the predictions; hence
/// there may be fewer bins than asked for, and a constant predictor has one. `n_bins` 0 is read as 1.
pub fn equal_mass_bins(predictions: &[Prediction], n_bins: usize) -> Vec<CalibrationBin> {
    let sorted = sorted_by_probability(predictions);
    let n_bins = n_bins.clamp(1, sorted.len().max(1));
    let mut bins = Vec::with_capacity(n_bins);
    let mut start = 0;
    for n_done in 1..=n_bins {
        let mut end = start.max(n_done * sorted.len() / n_bins);
        while 0 < end && end < sorted.len() && sorted[end].probability == sorted[end - 1].probability {
            end += 1;
        }
        bins.extend(bin_of(&sorted[start..end]));
        start = end;
    }
    bins
}

/// Bins of equal width over [0, 1], the empty ones left out.
///
/// A probability on a boundary belongs to the bin right of it, 1 to the last, and one outside [0, 1] to the
/// nearest. `n_bins` 0 is read as 1.
pub fn equal_width_bins(predictions: &[Prediction], n_bins: usize) -> Vec<CalibrationBin> {
    let n_bins = n_bins.max(1);
    // The cast saturates, so whatever lies outside [0, 1] ends up in the first or the last bin.
    let index_of =
        |prediction: &Prediction| ((prediction.probability * n_bins as f64) as usize).min(n_bins - 1);
    let sorted = sorted_by_probability(predictions);
    sorted.chunk_by(|a, b| index_of(a) == index_of(b)).filter_map(bin_of).collect()
}

/// ECE: the mean distance of a bin's probability and outcome, sum n_b / n |p_b - y_b| (Naeini et al. 2015).
///
/// Usually over [`equal_mass_bins`] with [`DEFAULT_BINS`]. Errors inside a bin cancel, so 0 does not mean that
/// the predictions are good: read it beside the Brier score. `None` without bins.
pub fn expected_calibration_error(bins: &[CalibrationBin]) -> Option<f64> {
    mean_over_bins(bins, |bin| (bin.mean_probability - bin.mean_outcome).abs())
}

/// AUROC: the probability that a right answer was given a higher probability than a wrong one, ties counting
/// half (the Mann-Whitney statistic). 0.5 is chance.
///
/// Right is an outcome of at least [`RIGHT_SCORE`]. `None` if all are right or all are wrong.
pub fn area_under_roc(predictions: &[Prediction]) -> Option<f64> {
    let probabilities: Vec<f64> = predictions.iter().map(|prediction| prediction.probability).collect();
    let is_right = |prediction: &Prediction| RIGHT_SCORE <= prediction.outcome;
    let n_right = predictions.iter().filter(|&prediction| is_right(prediction)).count() as f64;
    let n_wrong = predictions.len() as f64 - n_right;
    let ranks = mean_ranks(&probabilities);
    let rank_sum: f64 =
        predictions.iter().zip(ranks).filter(|(at, _)| is_right(at)).map(|(_, rank)| rank).sum();
    (0.0 < n_right && 0.0 < n_wrong)
        .then(|| (rank_sum - n_right * (n_right + 1.0) / 2.0) / (n_right * n_wrong))
}

/// Skill against a reference predictor: 1 - brier / reference. 1 is perfect, 0 no better, negative worse.
///
/// The reference is usually the per-model mean, which knows nothing of the prompt. `None` if the reference is
/// perfect already.
pub fn brier_skill_score(brier: f64, reference_brier: f64) -> Option<f64> {
    (reference_brier != 0.0).then(|| 1.0 - brier / reference_brier)
}

/// What a router chose on one prompt, seen from the recorded outcomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// How many models of the candidate pool have a right answer.
    pub n_right_models: usize,
    /// Whether the chosen model is one of them.
    pub is_right: bool,
}

/// Top-1 recall on the prompts that a given number of models get right.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RecallRow {
    /// How many models of the candidate pool have a right answer.
    pub n_right_models: usize,
    /// How many prompts have that many. At least 1.
    pub n_prompts: usize,
    /// The share of these prompts on which a right model was chosen.
    pub recall: f64,
}

/// Top-1 recall: the share of prompts on which a right model was chosen, given that one exists.
///
/// `None` if no prompt has a right model.
pub fn top_1_recall(choices: &[Choice]) -> Option<f64> {
    recall_of(choices.iter().filter(|choice| 0 < choice.n_right_models))
}

/// [`top_1_recall`] by the number of right models, ascending.
///
/// Routers fail where few models are right (LLMRouterBench, arXiv 2601.07206, calls it model recall); the rows
/// show it. Prompts without a right model and numbers that do not occur have no row.
pub fn top_1_recall_by_right_models(choices: &[Choice]) -> Vec<RecallRow> {
    let mut sorted: Vec<Choice> =
        choices.iter().copied().filter(|choice| 0 < choice.n_right_models).collect();
    sorted.sort_unstable_by_key(|choice| choice.n_right_models);
    sorted
        .chunk_by(|a, b| a.n_right_models == b.n_right_models)
        .filter_map(|same| {
            let n_right_models = same.first()?.n_right_models;
            Some(RecallRow { n_right_models, n_prompts: same.len(), recall: recall_of(same.iter())? })
        })
        .collect()
}

fn recall_of<'a>(choices: impl Iterator<Item = &'a Choice>) -> Option<f64> {
    let (n_prompts, n_right) =
        choices.fold((0_usize, 0_usize), |(n, right), choice| (n + 1, right + usize::from(choice.is_right)));
    (0 < n_prompts).then(|| n_right as f64 / n_prompts as f64)
}

fn sorted_by_probability(predictions: &[Prediction]) -> Vec<Prediction> {
    debug_assert!(
        predictions.iter().all(|at| !at.probability.is_nan() && !at.outcome.is_nan()),
        "a prediction is two numbers"
    );
    let mut sorted = predictions.to_vec();
    // By outcome as well, so that even the rounding of a bin's sums does not depend on the order given.
    sorted.sort_unstable_by(|a, b| {
        a.probability.total_cmp(&b.probability).then(a.outcome.total_cmp(&b.outcome))
    });
    sorted
}

fn bin_of(predictions: &[Prediction]) -> Option<CalibrationBin> {
    Some(CalibrationBin {
        n_predictions: predictions.len(),
        mean_probability: mean_over(predictions, |prediction| prediction.probability)?,
        mean_outcome: mean_over(predictions, |prediction| prediction.outcome)?,
    })
}

fn mean_over(predictions: &[Prediction], value: impl Fn(&Prediction) -> f64) -> Option<f64> {
    (!predictions.is_empty()).then(|| predictions.iter().map(value).sum::<f64>() / predictions.len() as f64)
}

fn mean_over_bins(bins: &[CalibrationBin], value: impl Fn(&CalibrationBin) -> f64) -> Option<f64> {
    let n_predictions: usize = bins.iter().map(|bin| bin.n_predictions).sum();
    let sum: f64 = bins.iter().map(|bin| bin.n_predictions as f64 * value(bin)).sum();
    (0 < n_predictions).then(|| sum / n_predictions as f64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::metrics::testing::assert_close;

    fn predictions(pairs: &[(f64, f64)]) -> Vec<Prediction> {
        pairs.iter().map(|&(probability, outcome)| Prediction { probability, outcome }).collect()
    }

    fn example() -> Vec<Prediction> {
        let probabilities = [0.9, 0.8, 0.7, 0.6, 0.3, 0.2, 0.4, 0.1];
        let outcomes = [1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0];
        probabilities
            .into_iter()
            .zip(outcomes)
            .map(|(probability, outcome)| Prediction { probability, outcome })
            .collect()
    }

    #[test]
    fn no_calibration_error_is_not_a_good_prediction() {
        assert_close(expected_calibration_error(&equal_width_bins(&example(), 2)).unwrap(), 0.0);
        assert_close(expected_calibration_error(&equal_mass_bins(&example(), 2)).unwrap(), 0.0);
        assert_close(brier_score(&example()).unwrap(), 0.15);
        assert!((negative_log_likelihood(&example()).unwrap() - 0.455_597).abs() < 5e-7);
    }

    #[test]
    fn a_wrong_certainty_costs_much_but_not_everything() {
        let nats = negative_log_likelihood(&predictions(&[(0.0, 1.0)])).unwrap();
        assert!((nats - 34.539).abs() < 1e-3);
        assert!(negative_log_likelihood(&predictions(&[(1.0, 1.0)])).unwrap() < 1e-14);
    }

    #[test]
    fn the_brier_score_falls_into_its_parts() {
        let parts = brier_decomposition(&example(), 2).unwrap();
        assert_close(parts.reliability, 0.0);
        // Two bins of outcome 0.75 and 0.25 around 0.5.
        assert_close(parts.resolution, 0.0625);
        assert_close(parts.uncertainty, 0.25);
        assert_close(parts.remainder, 0.15 - 0.1875);
    }

    #[test]
    fn predictions_that_are_constant_in_each_bin_leave_no_remainder() {
        let parts =
            brier_decomposition(&predictions(&[(0.2, 0.0), (0.2, 1.0), (0.8, 1.0), (0.8, 1.0)]), 2).unwrap();
        assert_close(parts.brier, 0.19);
        assert_close(parts.reliability, 0.065);
        assert_close(parts.resolution, 0.0625);
        assert_close(parts.uncertainty, 0.1875);
        assert_close(parts.remainder, 0.0);
    }

    #[test]
    fn nothing_predicted_has_no_value() {
        assert_eq!(negative_log_likelihood(&[]), None);
        assert_eq!(brier_score(&[]), None);
        assert_eq!(brier_decomposition(&[], DEFAULT_BINS), None);
        assert_eq!(equal_mass_bins(&[], DEFAULT_BINS), []);
        assert_eq!(equal_width_bins(&[], DEFAULT_BINS), []);
        assert_eq!(expected_calibration_error(&[]), None);
        assert_eq!(area_under_roc(&[]), None);
        assert_eq!(top_1_recall(&[]), None);
        assert_eq!(top_1_recall_by_right_models(&[]), []);
    }

    #[test]
    fn equal_probabilities_share_a_bin() {
        let constant = predictions(&[(0.3, 0.0), (0.3, 1.0), (0.3, 1.0), (0.3, 1.0)]);
        let bins = equal_mass_bins(&constant, DEFAULT_BINS);
        assert_eq!(bins.len(), 1);
        assert_close(expected_calibration_error(&bins).unwrap(), 0.45);
        let sizes = |n_bins| {
            let some = predictions(&[(0.1, 0.0), (0.2, 0.0), (0.2, 1.0), (0.3, 0.0), (0.4, 1.0)]);
            equal_mass_bins(&some, n_bins).iter().map(|bin| bin.n_predictions).collect::<Vec<_>>()
        };
        assert_eq!(sizes(0), [5]);
        assert_eq!(sizes(2), [3, 2]);
        assert_eq!(sizes(5), [1, 2, 1, 1]);
        assert_eq!(sizes(100), [1, 2, 1, 1]);
    }

    #[test]
    fn bins_of_equal_width_take_their_left_boundary() {
        let bins =
            equal_width_bins(&predictions(&[(0.0, 0.0), (0.5, 1.0), (1.0, 1.0), (-1.0, 0.0), (7.0, 1.0)]), 2);
        assert_eq!(bins.iter().map(|bin| bin.n_predictions).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(equal_width_bins(&example(), 0).len(), 1);
    }

    #[test]
    fn auroc_counts_ordered_pairs_and_halves_ties() {
        // Of 16 pairs only (0.6, 0.7) and (0.4, 0.7) are in the wrong order.
        assert_close(area_under_roc(&example()).unwrap(), 14.0 / 16.0);
        assert_eq!(area_under_roc(&predictions(&[(0.5, 0.0), (0.5, 1.0)])), Some(0.5));
        assert_eq!(area_under_roc(&predictions(&[(0.1, 0.0), (0.9, 1.0)])), Some(1.0));
        assert_eq!(area_under_roc(&predictions(&[(0.9, 0.0), (0.1, 1.0)])), Some(0.0));
        assert_eq!(area_under_roc(&predictions(&[(0.9, 1.0), (0.1, 1.0)])), None);
    }

    #[test]
    fn skill_is_relative_to_the_reference() {
        assert_close(brier_skill_score(0.15, 0.25).unwrap(), 0.4);
        assert_close(brier_skill_score(0.30, 0.25).unwrap(), -0.2);
        assert_eq!(brier_skill_score(0.1, 0.0), None);
    }

    #[test]
    fn recall_counts_only_prompts_that_some_model_gets_right() {
        let choice = |n_right_models, is_right| Choice { n_right_models, is_right };
        let choices = [choice(3, true), choice(1, false), choice(0, false), choice(1, true), choice(3, true)];
        assert_eq!(top_1_recall(&choices), Some(0.75));
        let expected = [
            RecallRow { n_right_models: 1, n_prompts: 2, recall: 0.5 },
            RecallRow { n_right_models: 3, n_prompts: 2, recall: 1.0 },
        ];
        assert_eq!(top_1_recall_by_right_models(&choices), expected);
        assert_eq!(top_1_recall(&[choice(0, false)]), None);
    }

    fn any_predictions() -> impl Strategy<Value = Vec<Prediction>> {
        let probability = prop_oneof![0.0..=1.0, (0..=4_u8).prop_map(|step| f64::from(step) / 4.0)];
        let prediction = (probability, any::<bool>())
            .prop_map(|(probability, right)| Prediction { probability, outcome: f64::from(u8::from(right)) });
        prop::collection::vec(prediction, 0..60)
    }

    proptest! {
        #[test]
        fn the_order_of_the_predictions_does_not_matter(
            (given, shuffled) in any_predictions().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
            n_bins in 0..20_usize,
        ) {
            prop_assert_eq!(equal_mass_bins(&given, n_bins), equal_mass_bins(&shuffled, n_bins));
            prop_assert_eq!(equal_width_bins(&given, n_bins), equal_width_bins(&shuffled, n_bins));
            prop_assert_eq!(area_under_roc(&given), area_under_roc(&shuffled));
        }

        #[test]
        fn every_prediction_is_in_one_bin(given in any_predictions(), n_bins in 1..20_usize) {
            for bins in [equal_mass_bins(&given, n_bins), equal_width_bins(&given, n_bins)] {
                prop_assert_eq!(bins.iter().map(|bin| bin.n_predictions).sum::<usize>(), given.len());
                prop_assert!(bins.len() <= n_bins);
                prop_assert!(bins.iter().all(|bin| 0 < bin.n_predictions));
            }
        }

        #[test]
        fn auroc_is_the_share_of_ordered_pairs(given in any_predictions()) {
            let of = |right: bool| given.iter().filter(move |at| (at.outcome == 1.0) == right);
            let order = |a: f64, b: f64| if b < a { 1.0 } else if a == b { 0.5 } else { 0.0 };
            let n_pairs = of(true).count() * of(false).count();
            let sum: f64 = of(true).flat_map(|a| of(false).map(move |b| order(a.probability, b.probability))).sum();
            match area_under_roc(&given) {
                Some(auroc) => prop_assert!((auroc - sum / n_pairs as f64).abs() < 1e-12),
                None => prop_assert_eq!(n_pairs, 0),
            }
        }
    }
}
