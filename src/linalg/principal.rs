//! The directions in which rows of a matrix are longest: a few numbers that keep most of every inner product.

use super::kernels::{axpy, dot};
use super::{Matrix, Strided, multiply};
use crate::random::{ChaCha8Rng, standard_normal};

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
    for row in 0..rows.len() / width {
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
