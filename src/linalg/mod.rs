//! Dense linear algebra in plain slices, with the same bits for every number of threads and vector width.
//!
//! `Strided` and `multiply` for products, `kernels` for one-dimensional loops, [`Cholesky`] for symmetric systems in f64, `nearly_common` for many that
//! differ by few rows, [`Matrix`] for
//! rows of f32 features, normal noise in bulk, and the directions in which such rows are longest: a few numbers that keep most of every inner product.
//! Everything here is single-threaded: parallelism lives across replicates and routers, where it is free and keeps the order of every sum.

mod cholesky;
mod gemm;
pub(crate) mod kernels;
pub(crate) mod nearly_common;
mod noise;
mod tridiagonal;

use crate::random::{ChaCha8Rng, standard_normal};
pub use cholesky::{Cholesky, NotPositiveDefinite};
pub(crate) use gemm::{Strided, multiply, multiply_add};
use kernels::{axpy, dot};
pub use noise::add_normals;

/// A row-major matrix of `n_rows` x `n_columns` values.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    values: Vec<f32>,
    n_rows: usize,
    n_columns: usize,
}

impl Matrix {
    /// Makes a matrix from its values, row after row.
    ///
    /// # Panics
    ///
    /// If there are not exactly `n_rows` x `n_columns` values.
    pub fn new(values: Vec<f32>, n_rows: usize, n_columns: usize) -> Self {
        assert!(
            n_rows.checked_mul(n_columns) == Some(values.len()),
            "{} values do not fill {n_rows} rows of {n_columns}",
            values.len()
        );
        Self { values, n_rows, n_columns }
    }

    /// Makes a matrix of zeros.
    pub fn zeros(n_rows: usize, n_columns: usize) -> Self {
        Self::new(vec![0.0; n_rows * n_columns], n_rows, n_columns)
    }

    /// The number of rows.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// The number of columns, which is the length of each row.
    pub fn n_columns(&self) -> usize {
        self.n_columns
    }

    /// All values, row after row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// All values, row after row, to be changed in place.
    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// Row `index`, of length [`n_columns`](Self::n_columns).
    ///
    /// # Panics
    ///
    /// If there is no such row.
    pub fn row(&self, index: usize) -> &[f32] {
        assert!(index < self.n_rows, "there is no row {index} among {}", self.n_rows);
        &self.values[index * self.n_columns..][..self.n_columns]
    }

    /// Row `index`, to be changed in place.
    ///
    /// # Panics
    ///
    /// If there is no such row.
    pub fn row_mut(&mut self, index: usize) -> &mut [f32] {
        assert!(index < self.n_rows, "there is no row {index} among {}", self.n_rows);
        &mut self.values[index * self.n_columns..][..self.n_columns]
    }

    /// The rows in order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        (0..self.n_rows).map(|index| self.row(index))
    }

    /// A new matrix of the given rows, in the given order; a row may be repeated.
    ///
    /// # Panics
    ///
    /// If there is no such row.
    pub fn rows_at(&self, indices: &[usize]) -> Self {
        let mut values = Vec::with_capacity(indices.len() * self.n_columns);
        for &index in indices {
            values.extend_from_slice(self.row(index));
        }
        Self::new(values, indices.len(), self.n_columns)
    }

    /// The matrix as an operand of a product.
    pub(crate) fn as_strided(&self) -> Strided<'_, f32> {
        Strided::row_major(&self.values, self.n_rows, self.n_columns)
    }
}

/// Rounds of orthogonal iteration. The directions only have to span the right space, and nearly.
const ROUNDS: usize = 12;

/// The leading `n_directions` eigenvectors of X^T X, as columns (width x directions), by orthogonal iteration from a
/// random start. Not centred: inner products are to be kept, not variances.
///
/// All of the identity where the rows have no more columns than directions are asked for.
pub(crate) fn principal_directions(rows: &Matrix, n_directions: usize, rng: &mut ChaCha8Rng) -> Matrix {
    let width = rows.n_columns();
    if width <= n_directions {
        let identity = (0..width * width).map(|at| if at / width == at % width { 1.0 } else { 0.0 });
        return Matrix::new(identity.collect(), width, width);
    }
    // Kept as rows while they are made orthonormal.
    let mut directions: Vec<f32> = (0..width * n_directions).map(|_| standard_normal(rng) as f32).collect();
    let mut projected = vec![0.0; rows.n_rows() * n_directions];
    for round in 0..=ROUNDS {
        orthonormalise(&mut directions, width);
        if round < ROUNDS {
            let columns = Strided::row_major(&directions, n_directions, width).transposed();
            multiply(rows.as_strided(), columns, &mut projected);
            let projected = Strided::row_major(&projected, rows.n_rows(), n_directions);
            multiply(projected.transposed(), rows.as_strided(), &mut directions);
        }
    }
    let columns = (0..width).flat_map(|i| (0..n_directions).map(move |j| (i, j)));
    Matrix::new(columns.map(|(i, j)| directions[j * width + i]).collect(), width, n_directions)
}

/// Gram and Schmidt's method, twice, so that rounding leaves no trace. A row that the others span becomes zero.
pub(crate) fn orthonormalise(rows: &mut [f32], width: usize) {
    for row in 0..rows.len() / width.max(1) {
        let (earlier, rest) = rows.split_at_mut(row * width);
        let row = &mut rest[..width];
        let before = dot(row, row).sqrt();
        for _ in 0..2 {
            earlier.chunks_exact(width).for_each(|earlier| axpy(-dot(row, earlier), earlier, row));
        }
        let length = dot(row, row).sqrt();
        let scale = if 1e-6 * before < length { 1.0 / length } else { 0.0 };
        row.iter_mut().for_each(|value| *value *= scale);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SeedableRng;

    #[test]
    fn rows_are_taken_in_the_order_asked_for() {
        let matrix = Matrix::new(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3, 2);
        assert_eq!(matrix.row(1), [3.0, 4.0]);
        assert_eq!(matrix.rows_at(&[2, 0, 2]).values(), [5.0, 6.0, 1.0, 2.0, 5.0, 6.0]);
        assert_eq!(matrix.rows_at(&[]).n_rows(), 0);
        assert_eq!(matrix.rows().map(|row| row[0]).collect::<Vec<_>>(), [1.0, 3.0, 5.0]);
    }

    #[test]
    fn a_matrix_without_columns_still_has_rows() {
        let matrix = Matrix::zeros(3, 0);
        assert_eq!(matrix.rows().len(), 3);
        assert!(matrix.row(2).is_empty());
    }

    #[test]
    #[should_panic(expected = "5 values do not fill 3 rows of 2")]
    fn values_must_fill_the_rows() {
        let _ = Matrix::new(vec![0.0; 5], 3, 2);
    }

    #[test]
    #[should_panic(expected = "there is no row 3 among 3")]
    fn a_row_must_exist() {
        let _ = Matrix::zeros(3, 0).row(3);
    }

    #[test]
    fn the_longest_directions_are_found() {
        // Rows along (1, 1, 0) / sqrt(2) and, half as long, along (0, 0, 1).
        let rows = Matrix::new(vec![2.0, 2.0, 0.0, -1.0, -1.0, 0.0, 0.0, 0.0, 1.0, 0.1, -0.1, 0.0], 4, 3);
        let directions = principal_directions(&rows, 2, &mut ChaCha8Rng::seed_from_u64(1));
        let column = |j: usize| [0, 1, 2].map(|i| directions.row(i)[j].abs());
        let half = 0.5_f32.sqrt();
        for (j, known) in [[half, half, 0.0], [0.0, 0.0, 1.0]].iter().enumerate() {
            column(j).iter().zip(known).for_each(|(found, known)| assert!((found - known).abs() < 1e-3));
        }
    }

    #[test]
    fn as_many_directions_as_columns_change_nothing() {
        let rows = Matrix::new(vec![1.0, 2.0, 3.0, 4.0], 2, 2);
        let directions = principal_directions(&rows, 5, &mut ChaCha8Rng::seed_from_u64(1));
        assert_eq!(directions.values(), [1.0, 0.0, 0.0, 1.0]);
    }

    #[test]
    fn fewer_rows_than_directions_leave_zeros() {
        let rows = Matrix::new(vec![1.0, 2.0, 3.0], 1, 3);
        let directions = principal_directions(&rows, 2, &mut ChaCha8Rng::seed_from_u64(1));
        assert!(directions.values().iter().all(|value| value.is_finite()));
    }
}
