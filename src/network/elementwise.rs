//! Elementwise steps between layers.

use dfdx::prelude::*;

use super::tensor::{Tensor2, take_gradient, view};
use crate::linalg::kernels::{add_assign, sigmoid, softplus};

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

#[cfg(test)]
mod tests {
    use super::super::testing::check_gradients;
    use super::*;

    #[test]
    fn gradients_agree_with_finite_differences() {
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
}
