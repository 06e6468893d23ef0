//! Layer normalisation of rows (Ba et al., arXiv 1607.06450).

use dfdx::prelude::*;

use super::tensor::{Tensor2, take_gradient, view};
use crate::linalg::kernels::{add_column_sums, dot, sum};

/// Added to the variance, so that a constant row is no division by zero.
const EPSILON: f32 = 1e-5;

/// gamma (x - mean) / sqrt(variance + 1e-5) + beta in every row; `gamma` and `beta` are 1 x width.
pub(crate) fn layer_norm<T: Tape<f32, Cpu>>(x: Tensor2<T>, gamma: &Tensor2, beta: &Tensor2) -> Tensor2<T> {
    let (x, mut tape) = x.split_tape();
    let (n_rows, width) = *x.shape();
    let mut normalised = view(&x).to_vec();
    let mut inverse_deviations = Vec::with_capacity(n_rows);
    let mut y = Vec::with_capacity(n_rows * width);
    for row in normalised.chunks_exact_mut(width) {
        let mean = sum(row) / width as f32;
        row.iter_mut().for_each(|value| *value -= mean);
        let inverse_deviation = 1.0 / (dot(row, row) / width as f32 + EPSILON).sqrt();
        row.iter_mut().for_each(|value| *value *= inverse_deviation);
        inverse_deviations.push(inverse_deviation);
        y.extend(
            row.iter().zip(view(gamma)).zip(view(beta)).map(|((value, gamma), beta)| value * gamma + beta),
        );
    }
    let y = x.device().tensor_from_vec(y, (n_rows, width));
    if T::OWNS_TAPE {
        let (output, gamma, beta) = (y.clone(), gamma.clone(), beta.clone());
        tape.add_backward_op(move |gradients| {
            let mut dy = take_gradient(gradients, &output)?;
            add_column_sums(&dy, gradients.get_or_alloc_mut(&beta)?);
            let dgamma = gradients.get_or_alloc_mut(&gamma)?;
            for (dy, normalised) in dy.chunks_exact(width).zip(normalised.chunks_exact(width)) {
                for ((dgamma, dy), value) in dgamma.iter_mut().zip(dy).zip(normalised) {
                    *dgamma += dy * value;
                }
            }
            let dx = gradients.get_or_alloc_mut(&x)?;
            let rows = dy.chunks_exact_mut(width).zip(normalised.chunks_exact(width));
            for ((dx, (dy, normalised)), inverse_deviation) in
                dx.chunks_exact_mut(width).zip(rows).zip(&inverse_deviations)
            {
                dy.iter_mut().zip(view(&gamma)).for_each(|(dy, gamma)| *dy *= gamma);
                let mean = sum(dy) / width as f32;
                let along = dot(dy, normalised) / width as f32;
                for ((dx, dy), value) in dx.iter_mut().zip(dy.iter()).zip(normalised) {
                    *dx += inverse_deviation * (dy - mean - value * along);
                }
            }
            Ok(())
        });
    }
    y.put_tape(tape)
}

#[cfg(test)]
mod tests {
    use super::super::testing::check_gradients;
    use super::*;

    #[test]
    fn gradients_agree_with_finite_differences() {
        check_gradients(&[(3, 5), (1, 5), (1, 5)], |inputs| {
            layer_norm(inputs[0].leaky_trace(), &inputs[1], &inputs[2])
        });
    }

    #[test]
    fn a_row_has_mean_beta_and_deviation_gamma() {
        let device = Cpu::seed_from_u64(0);
        let row = |values: &[f32]| device.tensor_from_vec(values.to_vec(), (1, 2));
        let y = layer_norm(row(&[1.0, 3.0]), &row(&[2.0, 2.0]), &row(&[5.0, 5.0]));
        view(&y).iter().zip([3.0, 7.0]).for_each(|(y, known)| assert!((y - known).abs() < 1e-4));
    }
}
