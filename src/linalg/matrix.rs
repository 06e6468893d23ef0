//! A plain row-major matrix of f32: embeddings and other features, one row per thing.

use super::Strided;

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
