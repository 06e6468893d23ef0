//! dfdx tensors as plain slices, and what needs no parameters: elementwise steps between layers, and layer normalisation of rows
//! (Ba et al., arXiv 1607.06450).

use dfdx::prelude::*;

use crate::linalg::kernels::{add_assign, add_column_sums, dot, sigmoid, softplus, sum};

/// A row-major matrix of dfdx with a shape known at run time.
pub(crate) type Tensor2<T = NoneTape> = Tensor<(usize, usize), f32, Cpu, T>;

/// The tape of a training step.
pub(crate) type Owned = OwnedTape<f32, Cpu>;

/// A tensor of these values, row after row.
///
/// # Panics
/// If there are not `n_rows` x `n_columns` values.
pub(crate) fn untaped(device: &Cpu, values: Vec<f32>, n_rows: usize, n_columns: usize) -> Tensor2 {
    device.tensor_from_vec(values, (n_rows, n_columns))
}

/// The values of a contiguous tensor, without copying them.
///
/// dfdx shows single elements by reference, but no slice. Contiguity is proven by the addresses of the neighbours of the
/// first element.
///
/// # Panics
/// If the tensor is not contiguous, which no operation of this module makes.
#[expect(
    unsafe_code,
    reason = "dfdx hides its slices; a copy of every operand would double the traffic of a step"
)]
pub(crate) fn view<T>(tensor: &Tensor2<T>) -> &[f32] {
    let (n_rows, n_columns) = *tensor.shape();
    if n_rows == 0 || n_columns == 0 {
        return &[];
    }
    let first: *const f32 = &tensor[[0, 0]];
    let is_next = |index: [usize; 2], stride: usize| std::ptr::eq(&tensor[index], first.wrapping_add(stride));
    assert!(
        (n_columns == 1 || is_next([0, 1], 1)) && (n_rows == 1 || is_next([1, 0], n_columns)),
        "the tensor is not contiguous"
    );
    // SAFETY: dfdx strides are constant along an axis, so the two neighbours prove that element (i, j) is at
    // i * n_columns + j; all of them lie in the one buffer that the borrowed tensor keeps alive and unchanged.
    unsafe { std::slice::from_raw_parts(first, n_rows * n_columns) }
}

/// Takes a gradient out of the store without copying it: after the operation whose output it belongs to, nobody asks
/// for it again.
pub(super) fn take_gradient<S: Shape>(
    gradients: &mut Gradients<f32, Cpu>,
    tensor: &Tensor<S, f32, Cpu>,
) -> Result<Vec<f32>, CpuError> {
    Ok(std::mem::take(&mut **gradients.get_or_alloc_mut(tensor)?))
}

/// Every column times its weight, 1 x columns.
///
/// # Panics
/// If the widths differ.
pub(crate) fn scale_columns<T: Tape<f32, Cpu>>(x: Tensor2<T>, weights: &Tensor2) -> Tensor2<T> {
    let (x, mut tape) = x.split_tape();
    let shape = *x.shape();
    assert!(*weights.shape() == (1, shape.1), "a weight a column");
    let mut y = view(&x).to_vec();
    for y in y.chunks_exact_mut(shape.1) {
        y.iter_mut().zip(view(weights)).for_each(|(y, weight)| *y *= weight);
    }
    let y = x.device().tensor_from_vec(y, shape);
    if T::OWNS_TAPE {
        let (output, weights) = (y.clone(), weights.clone());
        tape.add_backward_op(move |gradients| {
            let mut dy = take_gradient(gradients, &output)?;
            let dweights = gradients.get_or_alloc_mut(&weights)?;
            for (dy, x) in dy.chunks_exact_mut(shape.1).zip(view(&x).chunks_exact(shape.1)) {
                for (((dy, x), dweight), weight) in
                    dy.iter_mut().zip(x).zip(dweights.iter_mut()).zip(view(&weights))
                {
                    *dweight += *dy * x;
                    *dy *= weight;
                }
            }
            add_assign(&dy, gradients.get_or_alloc_mut(&x)?);
            Ok(())
        });
    }
    y.put_tape(tape)
}

/// ln(1 + e^x) in the first `n_columns` columns; the others stay as they are.
pub(crate) fn softplus_columns<T: Tape<f32, Cpu>>(x: Tensor2<T>, n_columns: usize) -> Tensor2<T> {
    let (x, mut tape) = x.split_tape();
    let shape = *x.shape();
    let mut y = view(&x).to_vec();
    for y in y.chunks_exact_mut(shape.1) {
        y[..n_columns].iter_mut().for_each(|y| *y = softplus(*y));
    }
    let y = x.device().tensor_from_vec(y, shape);
    if T::OWNS_TAPE {
        let output = y.clone();
        tape.add_backward_op(move |gradients| {
            let mut dy = take_gradient(gradients, &output)?;
            for (dy, x) in dy.chunks_exact_mut(shape.1).zip(view(&x).chunks_exact(shape.1)) {
                dy[..n_columns].iter_mut().zip(x).for_each(|(dy, x)| *dy *= sigmoid(*x));
            }
            add_assign(&dy, gradients.get_or_alloc_mut(&x)?);
            Ok(())
        });
    }
    y.put_tape(tape)
}

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
    use super::*;
    use crate::network::testing::check_gradients;

    #[test]
    fn a_view_shows_the_values_in_row_order() {
        let tensor = untaped(&Cpu::seed_from_u64(0), vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2, 3);
        assert_eq!(view(&tensor), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert!(view(&untaped(&Cpu::seed_from_u64(0), vec![], 0, 3)).is_empty());
    }

    #[test]
    #[should_panic(expected = "not contiguous")]
    fn a_transposed_tensor_has_no_view() {
        let tensor = untaped(&Cpu::seed_from_u64(0), vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2, 3);
        view(&tensor.permute::<(usize, usize), Axes2<1, 0>>());
    }

    #[test]
    fn gradients_of_elementwise_agree_with_finite_differences() {
        check_gradients(&[(3, 4), (1, 4)], |x| scale_columns(x[0].leaky_trace(), &x[1]));
        check_gradients(&[(3, 4)], |x| softplus_columns(x[0].leaky_trace(), 2));
    }

    #[test]
    fn columns_beyond_the_first_stay() {
        let x = Cpu::seed_from_u64(0).tensor_from_vec(vec![0.0, -3.0], (1, 2));
        let y = softplus_columns(x, 1);
        assert!((view(&y)[0] - 2.0_f32.ln()).abs() < 1e-6);
        assert_eq!(view(&y)[1], -3.0);
    }

    #[test]
    fn gradients_of_layer_norm_agree_with_finite_differences() {
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
