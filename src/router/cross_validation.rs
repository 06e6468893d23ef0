//! Cross-validation over folds of development prompts, and ridge regression of several targets on shared features, with
//! missing cells, whose cross-validation has the price of one Gram matrix a fold.
//!
//! For each target y_k known on rows R: minimise sum_{n in R} (y_nk - x_n . b_k)^2 + lambda |b_k|^2, the constant
//! unpenalised. Targets known on the same rows share their Gram matrix X_R^T X_R. A target without any row is a constant.

use std::collections::BTreeMap;

use super::difference_estimator::BesideSeen;
use crate::linalg::{Cholesky, Matrix, Strided, multiply};
use crate::network::{Shape, kept};
use crate::random::shuffle;
use crate::seed::Stream;
use crate::suite::CellTable;

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

/// The sum of squared errors of each model over its known cells.
pub(super) fn squared_errors(targets: &CellTable, predictions: &Matrix) -> Vec<f64> {
    let mut errors = vec![0.0; targets.n_models()];
    for (row, predicted) in predictions.rows().enumerate() {
        for ((target, predicted), error) in targets.row(row).zip(predicted).zip(&mut errors) {
            *error += target.map_or(0.0, |target| (target - f64::from(*predicted)).powi(2));
        }
    }
    errors
}

/// The penalties tried, from nearly none to nearly a constant, for features of unit length.
pub(super) const LAMBDAS: [f64; 13] =
    [0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 1000.0, 10000.0];

/// Fitted coefficients: features x targets.
pub(super) struct Ridge {
    coefficients: Matrix,
}

kept!(Ridge { coefficients });

impl Ridge {
    /// Whether it predicts for every model from so many features.
    pub(super) fn fits(&self, n_features: usize, shape: Shape) -> bool {
        self.coefficients.n_rows() == n_features && shape.is_of_models(&self.coefficients)
    }

    /// The predictor of scores, fitted to how unseen models stand beside the seen ones: a sum of two that are linear.
    pub(super) fn of_scores(self, beside: &BesideSeen) -> Self {
        Ridge { coefficients: beside.scores_of(self.coefficients) }
    }

    /// Predictions, rows x targets.
    pub(super) fn predict(&self, features: &Matrix) -> Matrix {
        let mut predictions = Matrix::zeros(features.n_rows(), self.coefficients.n_columns());
        multiply(features.as_strided(), self.coefficients.as_strided(), predictions.values_mut());
        predictions
    }
}

/// Sums of squares and products, by fold: what every fit is solved from.
pub(super) struct Moments<'a> {
    features: &'a Matrix,
    folds: &'a [usize],
    groups: Vec<Group>,
    /// What is predicted of each target that a fit knows on no row.
    without_rows: &'a [f64],
}

/// Targets that are known on the same rows.
struct Group {
    targets: Vec<usize>,
    /// X^T X by fold, features x features.
    gram: Vec<Vec<f64>>,
    /// X^T Y by fold, features x targets of the group.
    products: Vec<Vec<f64>>,
}

impl<'a> Moments<'a> {
    /// Gathers the moments. The last feature is the constant 1; `without_rows` is predicted of each target that is known
    /// on no row a fit may use.
    pub(super) fn new(
        features: &'a Matrix,
        targets: &CellTable,
        folds: &'a [usize],
        without_rows: &'a [f64],
    ) -> Self {
        let mut members: BTreeMap<Vec<bool>, Vec<usize>> = BTreeMap::new();
        for target in 0..targets.n_models() {
            let known = (0..targets.n_prompts()).map(|row| targets.get(row, target).is_some()).collect();
            members.entry(known).or_default().push(target);
        }
        let group = |(known, members): (Vec<bool>, Vec<usize>)| {
            let rows = |fold| (0..known.len()).filter(|&row| known[row] && folds[row] == fold).collect();
            let by_fold: Vec<Vec<usize>> = (0..N_FOLDS).map(rows).collect();
            let moments = by_fold.iter().map(|rows| moments(features, targets, rows, &members));
            let (gram, products) = moments.unzip();
            Group { targets: members, gram, products }
        };
        let groups = members.into_iter().map(group).collect();
        Moments { features, folds, groups, without_rows }
    }

    /// The fit to all rows but those of one fold, or to all rows.
    pub(super) fn fit(&self, lambda: f64, without: Option<usize>) -> Ridge {
        let n_features = self.features.n_columns();
        let mut coefficients = Matrix::zeros(n_features, self.without_rows.len());
        for group in &self.groups {
            let sum = |parts: &[Vec<f64>]| {
                let mut total = vec![0.0; parts[0].len()];
                for (_, part) in parts.iter().enumerate().filter(|(fold, _)| Some(*fold) != without) {
                    total.iter_mut().zip(part).for_each(|(total, value)| *total += value);
                }
                total
            };
            let (mut gram, mut solution) = (sum(&group.gram), sum(&group.products));
            let n_penalised = n_features - 1;
            // The square of the constant, summed over the rows, counts them.
            if gram[n_penalised * n_features + n_penalised] == 0.0 {
                for &target in &group.targets {
                    coefficients.row_mut(n_penalised)[target] = self.without_rows[target] as f32;
                }
                continue;
            }
            // The constant is not penalised; the tiny ridge on it guards the factor against rounding.
            (0..n_penalised).for_each(|i| gram[i * n_features + i] += lambda);
            gram[n_penalised * n_features + n_penalised] += 1e-9;
            let factor =
                Cholesky::factor(gram, n_features).expect("a Gram matrix plus a ridge is positive definite");
            factor.solve_in_place(&mut solution, group.targets.len());
            for (feature, row) in solution.chunks_exact(group.targets.len()).enumerate() {
                for (&target, &value) in group.targets.iter().zip(row) {
                    coefficients.row_mut(feature)[target] = value as f32;
                }
            }
        }
        Ridge { coefficients }
    }

    /// For every row the prediction of the fit that has not seen its fold.
    pub(super) fn out_of_fold(&self, lambda: f64) -> Matrix {
        let mut predictions = Matrix::zeros(self.features.n_rows(), self.without_rows.len());
        for fold in 0..N_FOLDS {
            let rows: Vec<usize> = (0..self.folds.len()).filter(|&row| self.folds[row] == fold).collect();
            let held_out = self.fit(lambda, Some(fold)).predict(&self.features.rows_at(&rows));
            for (&row, values) in rows.iter().zip(held_out.rows()) {
                predictions.row_mut(row).copy_from_slice(values);
            }
        }
        predictions
    }
}

/// X^T X and X^T Y over some rows.
fn moments(
    features: &Matrix,
    targets: &CellTable,
    rows: &[usize],
    members: &[usize],
) -> (Vec<f64>, Vec<f64>) {
    let n_features = features.n_columns();
    let x: Vec<f64> = rows.iter().flat_map(|&row| features.row(row)).map(|&value| f64::from(value)).collect();
    let y: Vec<f64> = rows
        .iter()
        .flat_map(|&row| members.iter().map(move |&target| targets.get(row, target)))
        .map(|value| value.expect("members of a group are known on its rows"))
        .collect();
    let mut gram = vec![0.0; n_features * n_features];
    let mut products = vec![0.0; n_features * members.len()];
    let x = Strided::row_major(&x, rows.len(), n_features);
    multiply(x.transposed(), x, &mut gram);
    multiply(x.transposed(), Strided::row_major(&y, rows.len(), members.len()), &mut products);
    (gram, products)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_on_no_row_is_a_constant_and_moves_no_other() {
        let features = Matrix::new((0..20).flat_map(|row| [row as f32 / 20.0, 1.0]).collect(), 20, 2);
        let folds: Vec<usize> = (0..20).map(|row| row % N_FOLDS).collect();
        let mut targets = CellTable::missing(20, 3);
        (0..20).for_each(|row| targets.set(row, 0, Some(row as f64 / 10.0)));
        // Known in fold 3 alone, so that the fit without this fold has no row.
        targets.set(3, 2, Some(0.9));
        let moments = Moments::new(&features, &targets, &folds, &[0.1, 0.2, 0.3]);
        let fitted = moments.fit(1e-6, None).predict(&features);
        let out_of_fold = moments.out_of_fold(1e-6);
        for (row, &fold) in folds.iter().enumerate() {
            assert!((fitted.row(row)[0] - row as f32 / 10.0).abs() < 1e-3);
            assert_eq!(fitted.row(row)[1], 0.2);
            assert!((fitted.row(row)[2] - 0.9).abs() < 1e-3);
            let expected = if fold == 3 { 0.3 } else { 0.9 };
            assert!((out_of_fold.row(row)[2] - expected).abs() < 1e-3);
        }
    }

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
