//! A learned factor, and the reparameterised normal sample.

use std::sync::Arc;

use dfdx::prelude::*;

use super::tensor::{Tensor2, take_gradient, view};
use crate::linalg::kernels::{add_assign, axpy, dot, exp};

/// e^ln_factor times every element; the factor, 1 x 1, is learned.
pub(crate) fn stretch<T: Tape<f32, Cpu>>(x: Tensor2<T>, ln_factor: &Tensor2) -> Tensor2<T> {
    let (x, mut tape) = x.split_tape();
    let shape = *x.shape();
    let factor = exp(view(ln_factor)[0]);
    let y = view(&x).iter().map(|value| factor * value).collect();
    let y = x.device().tensor_from_vec(y, shape);
    if T::OWNS_TAPE {
        let (output, ln_factor) = (y.clone(), ln_factor.clone());
        tape.add_backward_op(move |gradients| {
            let dy = take_gradient(gradients, &output)?;
            axpy(factor, &dy, gradients.get_or_alloc_mut(&x)?);
            gradients.get_or_alloc_mut(&ln_factor)?[0] += dot(&dy, view(&output));
            Ok(())
        });
    }
    y.put_tape(tape)
}

/// mean + e^ln_deviation * noise, element by element: a sample of a normal distribution through which both its mean and
/// its deviation learn (Kingma and Welling, arXiv 1312.6114).
pub(crate) fn reparameterise<T: Tape<f32, Cpu>>(
    mean: Tensor2<T>,
    ln_deviation: &Tensor2,
    noise: Arc<[f32]>,
) -> Tensor2<T> {
    let (mean, mut tape) = mean.split_tape();
    let shape = *mean.shape();
    let parts = view(&mean).iter().zip(view(ln_deviation)).zip(noise.iter());
    let y = parts.map(|((mean, ln_deviation), noise)| mean + exp(*ln_deviation) * noise).collect();
    let y = mean.device().tensor_from_vec(y, shape);
    if T::OWNS_TAPE {
        let (output, ln_deviation) = (y.clone(), ln_deviation.clone());
        tape.add_backward_op(move |gradients| {
            let dy = take_gradient(gradients, &output)?;
            add_assign(&dy, gradients.get_or_alloc_mut(&mean)?);
            let dx = gradients.get_or_alloc_mut(&ln_deviation)?;
            for (((dx, dy), ln_deviation), noise) in
                dx.iter_mut().zip(&dy).zip(view(&ln_deviation)).zip(noise.iter())
            {
                *dx += dy * exp(*ln_deviation) * noise;
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
        check_gradients(&[(3, 2), (1, 1)], |inputs| stretch(inputs[0].leaky_trace(), &inputs[1]));
        check_gradients(&[(2, 2), (2, 2)], |inputs| {
            reparameterise(inputs[0].leaky_trace(), &inputs[1], [0.5, -1.0, 0.0, 2.0].into())
        });
    }
}
