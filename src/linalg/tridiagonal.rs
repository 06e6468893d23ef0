//! A symmetric matrix A in a basis in which it is tridiagonal: there A x = b, and (s A + l I) x = b for any s and l, takes a few
//! operations a row.

use super::kernels::dot;
use super::{Strided, multiply};

/// Reflections that are applied at a time, as matrix products.
const BLOCK: usize = 32;

/// A = Q T Q^T, Q orthogonal, T tridiagonal.
pub(crate) struct Tridiagonal {
    diagonal: Vec<f64>,
    /// T_(i, i+1), and a last 0.
    beside: Vec<f64>,
    /// Q, row-major.
    basis: Vec<f64>,
}

/// The factors of s T + l I, positive definite: unit lower bidiagonal, and the inverse of a diagonal.
pub(crate) struct Shifted {
    /// Of each row from the second on, what it takes of the one before; a first 0.
    lower: Vec<f64>,
    inverse: Vec<f64>,
}

impl Tridiagonal {
    /// Householder's reduction of a symmetric matrix, given row-major.
    pub(crate) fn of(mut matrix: Vec<f64>, size: usize) -> Self {
        let (mut diagonal, mut beside) = (vec![0.0; size], vec![0.0; size]);
        // Row k is the reflection v of step k, which is 0 up to place k, with |v|^2 = 2 or, where there is nothing to reflect, 0.
        let mut reflections = vec![0.0; size * size];
        let (mut old, mut image) = (vec![0.0; size], vec![0.0; size]);
        let mut products = vec![0.0; size];
        for step in 0..size {
            // What the step before has left open of this row, then of the rows below while their products are taken.
            update(&mut matrix[step * size..][..size], step, (&old, &image), step);
            diagonal[step] = matrix[step * size + step];
            let below = &matrix[step * size + step + 1..(step + 1) * size];
            let length = dot(below, below).sqrt();
            let reflection = &mut reflections[step * size..][..size];
            if let Some(&first) = below.first() {
                beside[step] = if below.len() == 1 {
                    first
                } else if first > 0.0 {
                    -length
                } else {
                    length
                };
            }
            if below.len() > 1 && length > 0.0 {
                // x - beside e_1, scaled.
                reflection[step + 1..].copy_from_slice(below);
                reflection[step + 1] -= beside[step];
                let scale = (length * (length + below[0].abs())).sqrt().recip();
                reflection.iter_mut().for_each(|value| *value *= scale);
            }
            for row in step + 1..size {
                let values = &mut matrix[row * size..][..size];
                update(values, row, (&old, &image), step + 1);
                products[row] = dot(&values[step + 1..], &reflection[step + 1..]);
            }
            let half = 0.5 * dot(&products[step + 1..], &reflection[step + 1..]);
            old.copy_from_slice(reflection);
            for row in step + 1..size {
                image[row] = products[row] - half * old[row];
            }
        }
        Tridiagonal { diagonal, beside, basis: basis(&reflections, size) }
    }

    pub(crate) fn size(&self) -> usize {
        self.diagonal.len()
    }

    /// Q.
    pub(crate) fn basis(&self) -> Strided<'_, f64> {
        Strided::row_major(&self.basis, self.size(), self.size())
    }

    /// T x.
    pub(crate) fn apply(&self, x: &[f64], product: &mut [f64]) {
        for (at, product) in product.iter_mut().enumerate() {
            let above = if at > 0 { self.beside[at - 1] * x[at - 1] } else { 0.0 };
            let below = if at + 1 < x.len() { self.beside[at] * x[at + 1] } else { 0.0 };
            *product = self.diagonal[at] * x[at] + above + below;
        }
    }

    /// Factors s T + l I.
    pub(crate) fn shifted(&self, share: f64, penalty: f64) -> Shifted {
        let (mut lower, mut inverse) = (vec![0.0; self.size()], vec![0.0; self.size()]);
        for at in 0..self.size() {
            let mut pivot = share * self.diagonal[at] + penalty;
            if at > 0 {
                lower[at] = share * self.beside[at - 1] * inverse[at - 1];
                pivot -= share * self.beside[at - 1] * lower[at];
            }
            // Rounding must not turn a direction that has next to no weight.
            inverse[at] = pivot.max(f64::MIN_POSITIVE.max(1e-12 * penalty)).recip();
        }
        Shifted { lower, inverse }
    }
}

impl Shifted {
    /// Replaces b by the solution.
    pub(crate) fn solve_in_place(&self, values: &mut [f64]) {
        for at in 1..values.len() {
            values[at] -= self.lower[at] * values[at - 1];
        }
        values.iter_mut().zip(&self.inverse).for_each(|(value, inverse)| *value *= inverse);
        for at in (1..values.len()).rev() {
            values[at - 1] -= self.lower[at] * values[at];
        }
    }
}

/// Row r less v_r w and w_r v, from a column on.
fn update(values: &mut [f64], row: usize, (v, w): (&[f64], &[f64]), from: usize) {
    let (v_row, w_row) = (v[row], w[row]);
    for ((value, v), w) in values[from..].iter_mut().zip(&v[from..]).zip(&w[from..]) {
        *value -= v_row * w + w_row * v;
    }
}

/// The product of the reflections I - v v^T, the first leftmost, by blocks I - V U V^T with U upper triangular.
fn basis(reflections: &[f64], size: usize) -> Vec<f64> {
    let mut basis = vec![0.0; size * size];
    (0..size).for_each(|at| basis[at * size + at] = 1.0);
    for start in (0..size).step_by(BLOCK).rev() {
        let n = BLOCK.min(size - start);
        // The reflections of the block touch neither rows nor columns before it.
        let open = size - start;
        let block = Strided::new(&reflections[start * size + start..], (n, open), (size, 1));
        let mut inner = vec![0.0; n * n];
        multiply(block, block.transposed(), &mut inner);
        let mut upper = vec![0.0; n * n];
        for j in 0..n {
            upper[j * n + j] = 1.0;
            for i in 0..j {
                upper[i * n + j] = -(i..j).map(|k| upper[i * n + k] * inner[k * n + j]).sum::<f64>();
            }
        }
        let (mut along, mut weighted) = (vec![0.0; n * open], vec![0.0; n * open]);
        let rows = Strided::new(&basis[start * size + start..], (open, open), (size, 1));
        multiply(block, rows, &mut along);
        multiply(Strided::row_major(&upper, n, n), Strided::row_major(&along, n, open), &mut weighted);
        let mut change = vec![0.0; open * open];
        multiply(block.transposed(), Strided::row_major(&weighted, n, open), &mut change);
        for (row, change) in change.chunks_exact(open).enumerate() {
            let values = &mut basis[(start + row) * size + start..][..open];
            values.iter_mut().zip(change).for_each(|(value, change)| *value -= change);
        }
    }
    basis
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{ChaCha8Rng, SeedableRng, standard_normal};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn the_basis_is_orthogonal_and_shifted_systems_are_solved(size in 1usize..80, rank in 1usize..80, seed: u64) {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let x: Vec<f64> = (0..rank * size).map(|_| standard_normal(&mut rng)).collect();
            let x = Strided::row_major(&x, rank, size);
            let mut matrix = vec![0.0; size * size];
            multiply(x.transposed(), x, &mut matrix);
            let found = Tridiagonal::of(matrix.clone(), size);
            let mut products = vec![0.0; size * size];
            multiply(found.basis().transposed(), found.basis(), &mut products);
            for (at, product) in products.iter().enumerate() {
                let expected = f64::from(u8::from(at / size == at % size));
                prop_assert!((product - expected).abs() < 1e-12);
            }
            // (0.7 A + 0.2 I) Q y = Q (0.7 T + 0.2 I) y.
            let mut y: Vec<f64> = (0..size).map(|_| standard_normal(&mut rng)).collect();
            let mut image = vec![0.0; size];
            found.apply(&y, &mut image);
            image.iter_mut().zip(&y).for_each(|(image, y)| *image = 0.7 * *image + 0.2 * y);
            let in_place = |coordinates: &[f64]| {
                let mut vector = vec![0.0; size];
                multiply(found.basis(), Strided::row_major(coordinates, size, 1), &mut vector);
                vector
            };
            let (vector, expected) = (in_place(&y), in_place(&image));
            for row in 0..size {
                let value = 0.7 * dot(&matrix[row * size..][..size], &vector) + 0.2 * vector[row];
                prop_assert!((value - expected[row]).abs() < 1e-9 * (1.0 + size as f64 * rank as f64));
            }
            found.shifted(0.7, 0.2).solve_in_place(&mut image);
            y.iter_mut().zip(&image).for_each(|(y, found)| *y -= found);
            prop_assert!(y.iter().all(|difference| difference.abs() < 1e-8), "{y:?}");
        }
    }
}
