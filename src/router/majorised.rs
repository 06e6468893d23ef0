//! Linear models under smooth convex losses, fitted with one factorisation (Böhning and Lindsay 1988).
//!
//! Row n has the outputs x_n^T W, and its loss a second derivative in them of at most h_n. Then
//!
//! ```text
//! A = sum_n h_n x_n x_n^T + lambda I,      W <- V - A^-1 (X^T slopes(X V) + lambda V),
//! ```
//!
//! the least point of a quadratic that touches the loss at V and lies above it everywhere, never overshoots: there is no step
//! size. V goes on from W in the direction of the last step (Nesterov's momentum). The constant, the last feature, is not penalised.
//! A step costs 4 N D K operations and the slopes.

use crate::linalg::{Cholesky, Matrix, Strided, multiply};

/// Features and the sum of their weighted squares and products.
pub(super) struct Majorised<'a> {
    features: &'a Matrix,
    in_f64: Vec<f64>,
    gram: Vec<f64>,
}

impl<'a> Majorised<'a> {
    /// With the bounds h of the rows.
    pub(super) fn new(features: &'a Matrix, bounds: &[f64]) -> Self {
        let width = features.n_columns();
        let in_f64: Vec<f64> = features.values().iter().map(|&value| f64::from(value)).collect();
        let weighted: Vec<f64> = in_f64
            .chunks_exact(width)
            .zip(bounds)
            .flat_map(|(row, h)| row.iter().map(move |x| h * x))
            .collect();
        let mut gram = vec![0.0; width * width];
        let weighted = Strided::row_major(&weighted, features.n_rows(), width);
        multiply(weighted.transposed(), Strided::row_major(&in_f64, features.n_rows(), width), &mut gram);
        Majorised { features, in_f64, gram }
    }

    /// So many steps from these coefficients (features x outputs); `slopes` replaces outputs by the loss's derivatives in them.
    pub(super) fn fit(
        &self,
        lambda: f64,
        n_steps: usize,
        start: &Matrix,
        slopes: impl Fn(&mut Matrix),
    ) -> Matrix {
        let (n_rows, width, n_outputs) = (self.features.n_rows(), start.n_rows(), start.n_columns());
        let mut gram = self.gram.clone();
        (0..width - 1).for_each(|i| gram[i * width + i] += lambda);
        // Guards against rows that are all without weight.
        gram[width * width - 1] += 1e-6;
        let factor = Cholesky::factor(gram, width).expect("a Gram matrix plus a ridge is positive definite");
        let features = Strided::row_major(&self.in_f64, n_rows, width);
        let (mut current, mut ahead) = (start.clone(), start.clone());
        let mut outputs = Matrix::zeros(n_rows, n_outputs);
        let mut step = vec![0.0; width * n_outputs];
        for at in 0..n_steps {
            multiply(self.features.as_strided(), ahead.as_strided(), outputs.values_mut());
            slopes(&mut outputs);
            let in_f64: Vec<f64> = outputs.values().iter().map(|&slope| f64::from(slope)).collect();
            multiply(features.transposed(), Strided::row_major(&in_f64, n_rows, n_outputs), &mut step);
            for (step, value) in step.iter_mut().zip(ahead.values()).take((width - 1) * n_outputs) {
                *step += lambda * f64::from(*value);
            }
            factor.solve_in_place(&mut step, n_outputs);
            let momentum = at as f32 / (at as f32 + 3.0);
            let both = current.values_mut().iter_mut().zip(ahead.values_mut());
            for ((current, ahead), step) in both.zip(&step) {
                let next = *ahead - *step as f32;
                *ahead = next + momentum * (next - *current);
                *current = next;
            }
        }
        current
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::kernels::sigmoid;

    /// A logistic regression on a constant alone is the logit of the mean; one step of a quadratic loss is its minimum.
    #[test]
    fn steps_lead_to_the_minimum() {
        let features = Matrix::new(vec![1.0; 4], 4, 1);
        let fit = Majorised::new(&features, &[0.25; 4]).fit(1.0, 40, &Matrix::zeros(1, 1), |outputs| {
            let answers = outputs.values_mut().iter_mut().zip([1.0, 1.0, 1.0, 0.0]);
            answers.for_each(|(output, y)| *output = sigmoid(*output) - y);
        });
        assert!((fit.values()[0] - 3.0_f32.ln()).abs() < 1e-4);
        let features = Matrix::new(vec![1.0, 1.0, -1.0, 1.0], 2, 2);
        let fit = Majorised::new(&features, &[1.0; 2]).fit(2.0, 1, &Matrix::zeros(2, 1), |outputs| {
            outputs.values_mut().iter_mut().zip([3.0, 1.0]).for_each(|(output, y)| *output -= y);
        });
        // (x^T x + 2) b = x^T y: 4 b = 2.
        assert!((fit.values()[0] - 0.5).abs() < 1e-6 && (fit.values()[1] - 2.0).abs() < 1e-5);
    }
}
