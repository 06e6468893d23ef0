//! How settings are tuned: by the utility that the plug-in rule earns on development prompts it was not fitted on.

use super::Training;
use super::plug_in::choose;
use crate::linalg::Matrix;
use crate::random::shuffle;
use crate::seed::Stream;

/// Into how many folds the development prompts are parted for cross-validation.
pub(crate) const N_FOLDS: usize = 5;

/// The fold of each prompt: about equal in number, identical texts in one fold.
pub(crate) fn folds(text_groups: &[usize], stream: &Stream) -> Vec<usize> {
    let mut groups: Vec<usize> = text_groups.to_vec();
    groups.sort_unstable();
    groups.dedup();
    shuffle(&mut stream.generator(), &mut groups);
    let mut fold_of: Vec<(usize, usize)> =
        groups.into_iter().enumerate().map(|(at, group)| (group, at % N_FOLDS)).collect();
    fold_of.sort_unstable();
    let fold = |group: &usize| fold_of[fold_of.partition_point(|(other, _)| other < group)].1;
    text_groups.iter().map(fold).collect()
}

/// The mean utility over the declared distribution of preferences when the plug-in rule follows these out-of-sample
/// predictions on the development prompts.
pub(crate) fn utility(training: &Training<'_>, scores: &Matrix, costs: &Matrix) -> f64 {
    let utilities = prompt_utilities(training, scores, costs);
    utilities.iter().sum::<f64>() / utilities.len() as f64
}

/// As [`utility`], for each development prompt.
pub(crate) fn prompt_utilities(training: &Training<'_>, scores: &Matrix, costs: &Matrix) -> Vec<f64> {
    let (data, outcomes) = (training.data(), training.outcomes());
    let mut models = vec![0; data.prompts.len()];
    let mut utilities = vec![0.0; data.prompts.len()];
    let weighted = data.preferences.preferences().iter().zip(data.preferences.weights());
    for (preference, weight) in weighted.filter(|(_, weight)| **weight > 0.0) {
        choose(&data.prompts, scores, costs, *preference, &mut models);
        for (prompt, (&model, utility)) in models.iter().zip(&mut utilities).enumerate() {
            let cell = |table: &crate::suite::CellTable| table.get(prompt, usize::from(model));
            *utility += weight
                * match (cell(&outcomes.score), cell(&outcomes.cost_units)) {
                    (Some(score), Some(cost)) => preference.utility(score, cost),
                    _ => unreachable!("only models with an outcome are in the pool of a development prompt"),
                };
        }
    }
    utilities
}

/// The position of the best value; ties go to the first. NaN never wins.
pub(crate) fn best(values: &[f64]) -> usize {
    let mut best = 0;
    for (at, value) in values.iter().enumerate() {
        if *value > values[best] || values[best].is_nan() {
            best = at;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_are_even_and_keep_equal_texts_together() {
        let groups: Vec<usize> = (0..100).map(|prompt| prompt / 2).collect();
        let folds = folds(&groups, &Stream::root(1));
        for fold in 0..N_FOLDS {
            assert_eq!(folds.iter().filter(|&&f| f == fold).count(), 20);
        }
        assert!(folds.chunks(2).all(|pair| pair[0] == pair[1]));
    }

    #[test]
    fn the_best_is_the_first_of_equals_and_never_nan() {
        assert_eq!(best(&[f64::NAN, 1.0, 3.0, 3.0]), 2);
    }
}
