//! Sparse rows times dense matrices, on all cores, with every sum in one order.

use rayon::prelude::*;

use crate::linalg::Matrix;
use crate::linalg::kernels::axpy;

/// Rows of (column, value), columns ascending.
pub(super) struct SparseMatrix {
    /// Where each row begins in `entries`, and where the last ends.
    starts: Vec<usize>,
    entries: Vec<(u32, f32)>,
    n_columns: usize,
}

impl SparseMatrix {
    /// A matrix of these rows.
    pub(super) fn new(rows: &[Vec<(u32, f32)>], n_columns: usize) -> Self {
        let mut starts = vec![0];
        starts.extend(rows.iter().scan(0, |end, row| {
            *end += row.len();
            Some(*end)
        }));
        SparseMatrix { starts, entries: rows.concat(), n_columns }
    }

    /// The transpose.
    pub(super) fn transposed(&self) -> Self {
        let mut starts = vec![0; self.n_columns + 1];
        self.entries.iter().for_each(|(column, _)| starts[*column as usize + 1] += 1);
        for column in 0..self.n_columns {
            starts[column + 1] += starts[column];
        }
        let mut ends = starts.clone();
        let mut entries = vec![(0, 0.0); self.entries.len()];
        for row in 0..self.n_rows() {
            for (column, value) in self.row(row) {
                let end = &mut ends[*column as usize];
                entries[*end] = (row as u32, *value);
                *end += 1;
            }
        }
        SparseMatrix { starts, entries, n_columns: self.n_rows() }
    }

    /// Number of rows.
    pub(super) fn n_rows(&self) -> usize {
        self.starts.len() - 1
    }

    /// The product with a dense matrix that has as many rows as this has columns.
    pub(super) fn multiply(&self, dense: &Matrix) -> Matrix {
        let mut product = Matrix::zeros(self.n_rows(), dense.n_columns());
        let width = dense.n_columns().max(1);
        product
            .values_mut()
            .par_chunks_mut(width)
            .enumerate()
            .for_each(|(row, sum)| add_product(self.row(row), dense, sum));
        product
    }

    fn row(&self, row: usize) -> &[(u32, f32)] {
        &self.entries[self.starts[row]..self.starts[row + 1]]
    }
}

/// Adds the product of one sparse row with a dense matrix.
pub(super) fn add_product(row: &[(u32, f32)], dense: &Matrix, sum: &mut [f32]) {
    row.iter().for_each(|(column, value)| axpy(*value, dense.row(*column as usize), sum));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_with_a_matrix_and_its_transpose_are_right() {
        // 1 0 2
        // 0 0 3
        let sparse = SparseMatrix::new(&[vec![(0, 1.0), (2, 2.0)], vec![(2, 3.0)]], 3);
        let dense = Matrix::new(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3, 2);
        assert_eq!(sparse.multiply(&dense).values(), [11.0, 14.0, 15.0, 18.0]);
        let dense = Matrix::new(vec![1.0, 10.0], 2, 1);
        assert_eq!(sparse.transposed().multiply(&dense).values(), [1.0, 0.0, 32.0]);
    }
}
