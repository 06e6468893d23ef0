//! Symmetric positive definite systems in f64: ridge regression, LinUCB, and the choice of quiz prompts.

use super::kernels::dot;
use super::{Strided, multiply};

/// Columns factored at a time; the rest of the work is matrix products.
const BLOCK: usize = 64;

/// The lower triangular factor L of a symmetric positive definite matrix A = L L^T.
#[derive(Clone, Debug)]
pub struct Cholesky {
    /// Row-major, `size` x `size`; zero above the diagonal.
    lower: Vec<f64>,
    size: usize,
}

/// The matrix has no Cholesky factor: it is not positive definite, or holds a value that is not finite.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("the matrix is not positive definite: pivot {pivot} is {value}")]
pub struct NotPositiveDefinite {
    /// The row and column, counted from 0, at which the factorisation stopped.
    pub pivot: usize,
    /// What should have been positive.
    pub value: f64,
}

impl Cholesky {
    /// A factor that was found before, row-major.
    ///
    /// # Panics
    ///
    /// If there are not `size` x `size` values.
    pub(crate) fn of_lower(lower: Vec<f64>, size: usize) -> Self {
        assert!(lower.len() == size * size, "{} values are not a square of side {size}", lower.len());
        Cholesky { lower, size }
    }

    /// Factors a symmetric matrix, given row-major; only its lower triangle is read.
    ///
    /// # Errors
    ///
    /// If a pivot is not positive and finite.
    ///
    /// # Panics
    ///
    /// If there are not `size` x `size` values.
    pub fn factor(matrix: Vec<f64>, size: usize) -> Result<Self, NotPositiveDefinite> {
        assert!(matrix.len() == size * size, "{} values are not a square of side {size}", matrix.len());
        let mut lower = matrix;
        let mut product = Vec::new();
        for start in (0..size).step_by(BLOCK) {
            let end = size.min(start + BLOCK);
            let width = end - start;
            // Subtract what the columns to the left have explained of this block column.
            if 0 < start {
                product.resize((size - start) * width, 0.0);
                let left = &lower[start * size..];
                let rows = Strided::new(left, (size - start, start), (size, 1));
                let columns = Strided::new(left, (width, start), (size, 1)).transposed();
                multiply(rows, columns, &mut product);
                for (row, product) in product.chunks_exact(width).enumerate() {
                    let row = &mut lower[(start + row) * size + start..][..width];
                    row.iter_mut().zip(product).for_each(|(value, product)| *value -= product);
                }
            }
            for i in start..size {
                let (above, row) = lower.split_at_mut(i * size);
                let row = &mut row[start..end.min(i + 1)];
                for j in start..end.min(i) {
                    let other = &above[j * size + start..][..=j - start];
                    let (known, value) = row.split_at_mut(j - start);
                    value[0] = (value[0] - dot(known, &other[..known.len()])) / other[known.len()];
                }
                if i < end {
                    let (known, pivot) = row.split_at_mut(i - start);
                    let value = pivot[0] - dot(known, known);
                    if !(0.0 < value && value.is_finite()) {
                        return Err(NotPositiveDefinite { pivot: i, value });
                    }
                    pivot[0] = value.sqrt();
                }
            }
        }
        for (row, values) in lower.chunks_exact_mut(size.max(1)).enumerate() {
            values[row + 1..].fill(0.0);
        }
        Ok(Self { lower, size })
    }

    /// The number of rows of the matrix.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The factor L, row-major, with zeros above the diagonal.
    pub fn lower(&self) -> &[f64] {
        &self.lower
    }

    /// Replaces B by the solution X of A X = B; B is row-major with [`size`](Self::size) rows.
    ///
    /// # Panics
    ///
    /// If B does not have `size` rows of `n_columns`.
    pub fn solve_in_place(&self, right_hand_sides: &mut [f64], n_columns: usize) {
        let size = self.size;
        assert!(right_hand_sides.len() == size * n_columns, "right-hand sides have {size} rows");
        let mut product = Vec::new();
        let strides = (size, 1);
        // L Y = B, from the top.
        for start in (0..size).step_by(BLOCK) {
            let end = size.min(start + BLOCK);
            let (solved, open) = right_hand_sides.split_at_mut(start * n_columns);
            let block = Strided::new(&self.lower[start * size..], (end - start, start), strides);
            subtract_product(block, solved, n_columns, &mut open[..(end - start) * n_columns], &mut product);
            for i in start..end {
                let (above, row) = open[..(i - start + 1) * n_columns].split_at_mut((i - start) * n_columns);
                let coefficients = &self.lower[i * size + start..=i * size + i];
                substitute(coefficients, above, row, n_columns);
            }
        }
        // L^T X = Y, from the bottom.
        for start in (0..size).step_by(BLOCK).rev() {
            let end = size.min(start + BLOCK);
            let (open, solved) = right_hand_sides.split_at_mut(end * n_columns);
            let below = &self.lower[(end * size + start).min(size * size)..];
            let block = Strided::new(below, (size - end, end - start), strides).transposed();
            subtract_product(block, solved, n_columns, &mut open[start * n_columns..], &mut product);
            for i in (start..end).rev() {
                let (row, below) = open[i * n_columns..end * n_columns].split_at_mut(n_columns);
                // L_ji for j from i to the end of the block, the pivot last.
                let coefficients: Vec<f64> =
                    (i + 1..end).chain([i]).map(|j| self.lower[j * size + i]).collect();
                substitute(&coefficients, below, row, n_columns);
            }
        }
    }

    /// The solution x of A x = b.
    ///
    /// # Panics
    ///
    /// If b does not have `size` values.
    pub fn solve(&self, right_hand_side: &[f64]) -> Vec<f64> {
        let mut solution = right_hand_side.to_vec();
        self.solve_in_place(&mut solution, 1);
        solution
    }

    /// The inverse of A, row-major.
    pub fn inverse(&self) -> Vec<f64> {
        let mut inverse = vec![0.0; self.size * self.size];
        (0..self.size).for_each(|i| inverse[i * self.size + i] = 1.0);
        self.solve_in_place(&mut inverse, self.size);
        inverse
    }

    /// Turns the factor of A into that of A + v v^T, in O(size^2).
    ///
    /// By plane rotations; a positive definite matrix stays so.
    ///
    /// # Panics
    ///
    /// If v does not have `size` values.
    pub fn add_outer_product(&mut self, vector: &[f64]) {
        let size = self.size;
        assert!(vector.len() == size, "the vector has {} values, not {size}", vector.len());
        let mut rest = vector.to_vec();
        for k in 0..size {
            let pivot = self.lower[k * size + k];
            let radius = (pivot * pivot + rest[k] * rest[k]).sqrt();
            let (cosine, sine) = (radius / pivot, rest[k] / pivot);
            self.lower[k * size + k] = radius;
            for (i, rest) in rest.iter_mut().enumerate().skip(k + 1) {
                let value = &mut self.lower[i * size + k];
                *value = (*value + sine * *rest) / cosine;
                *rest = cosine * *rest - sine * *value;
            }
        }
    }
}

/// open = open - block * solved, through the scratch `product`.
fn subtract_product(
    block: Strided<'_, f64>,
    solved: &[f64],
    n_columns: usize,
    open: &mut [f64],
    product: &mut Vec<f64>,
) {
    if block.n_columns() == 0 {
        return;
    }
    product.resize(open.len(), 0.0);
    multiply(block, Strided::row_major(solved, block.n_columns(), n_columns), product);
    open.iter_mut().zip(product.iter()).for_each(|(value, product)| *value -= product);
}

/// row = (row - sum_j coefficients_j rows_j) / pivot, where the pivot is the last coefficient.
fn substitute(coefficients: &[f64], rows: &[f64], row: &mut [f64], n_columns: usize) {
    let Some((pivot, coefficients)) = coefficients.split_last() else { return };
    for (coefficient, other) in coefficients.iter().zip(rows.chunks_exact(n_columns.max(1))) {
        row.iter_mut().zip(other).for_each(|(value, other)| *value -= coefficient * other);
    }
    row.iter_mut().for_each(|value| *value /= pivot);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{ChaCha8Rng, SeedableRng, standard_normal};
    use proptest::prelude::*;

    fn normals(n: usize, seed: u64) -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..n).map(|_| standard_normal(&mut rng)).collect()
    }

    /// X^T X / n + I.
    fn positive_definite(size: usize, seed: u64) -> Vec<f64> {
        let x = normals(size * size, seed);
        let mut matrix: Vec<f64> = vec![0.0; size * size];
        for i in 0..size {
            for j in 0..size {
                let inner: f64 = (0..size).map(|p| x[p * size + i] * x[p * size + j]).sum();
                matrix[i * size + j] = inner / size as f64 + f64::from(u8::from(i == j));
            }
        }
        matrix
    }

    fn product(a: &[f64], b: &[f64], size: usize) -> Vec<f64> {
        let mut c = vec![0.0; a.len() / size * (b.len() / size)];
        multiply(
            Strided::row_major(a, a.len() / size, size),
            Strided::row_major(b, size, b.len() / size),
            &mut c,
        );
        c
    }

    fn assert_close(a: &[f64], b: &[f64]) {
        assert_eq!(a.len(), b.len());
        for (a, b) in a.iter().zip(b) {
            assert!((a - b).abs() < 1e-9 * b.abs().max(1.0), "{a} is not {b}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn the_factor_gives_the_matrix_back_and_solves(size in 1usize..150, n_columns in 1usize..9, seed: u64) {
            let matrix = positive_definite(size, seed);
            let factor = Cholesky::factor(matrix.clone(), size).unwrap();
            let mut transposed = vec![0.0; size * size];
            for i in 0..size {
                for j in 0..size {
                    transposed[j * size + i] = factor.lower()[i * size + j];
                }
            }
            assert_close(&product(factor.lower(), &transposed, size), &matrix);
            let right_hand_sides = normals(size * n_columns, seed ^ 1);
            let mut solution = right_hand_sides.clone();
            factor.solve_in_place(&mut solution, n_columns);
            assert_close(&product(&matrix, &solution, size), &right_hand_sides);
        }

        #[test]
        fn updates_equal_a_new_factor(size in 1usize..80, seed: u64) {
            let matrix = positive_definite(size, seed);
            let vector = normals(size, seed ^ 2);
            let updated: Vec<f64> =
                (0..size * size).map(|at| matrix[at] + vector[at / size] * vector[at % size]).collect();
            let truth = Cholesky::factor(updated, size).unwrap();
            let mut factor = Cholesky::factor(matrix, size).unwrap();
            factor.add_outer_product(&vector);
            assert_close(factor.lower(), truth.lower());
        }
    }

    #[test]
    fn a_small_factor_is_known() {
        let factor = Cholesky::factor(vec![4.0, 99.0, 2.0, 5.0], 2).unwrap();
        assert_eq!(factor.lower(), [2.0, 0.0, 1.0, 2.0]);
        assert_eq!(factor.solve(&[8.0, 14.0]), [0.75, 2.5]);
    }

    #[test]
    fn a_matrix_that_is_not_positive_definite_is_an_error() {
        let error = Cholesky::factor(vec![1.0, 2.0, 2.0, 1.0], 2).unwrap_err();
        assert_eq!(error, NotPositiveDefinite { pivot: 1, value: -3.0 });
        assert_eq!(error.to_string(), "the matrix is not positive definite: pivot 1 is -3");
        assert_eq!(Cholesky::factor(vec![f64::NAN], 1).unwrap_err().pivot, 0);
    }

    #[test]
    fn an_empty_system_has_an_empty_solution() {
        let factor = Cholesky::factor(Vec::new(), 0).unwrap();
        assert!(factor.solve(&[]).is_empty());
    }
}
