//! The dense layer y = activation(x W^T + b), in one pass, with the gradient of the data left out where nobody needs it.

use dfdx::prelude::*;

use super::parameters::{Linear, Parameters};
use super::tensor::{Tensor2, take_gradient, view};
use crate::linalg::{Strided, kernels, multiply_add};

/// What follows a dense layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    /// Nothing.
    None,
    /// max(0, x).
    Relu,
}

impl Linear {
    /// Applies the layer to every row of a tensor whose gradient is wanted.
    pub(crate) fn forward<T: Tape<f32, Cpu>>(
        self,
        parameters: &Parameters,
        x: Tensor2<T>,
        activation: Activation,
    ) -> Tensor2<T> {
        linear(x, parameters.get(self.weight), Some(parameters.get(self.bias)), activation, true)
    }

    /// Applies the layer to every row of data, which gets no gradient.
    pub(crate) fn of_data<T: Tape<f32, Cpu>>(
        self,
        parameters: &Parameters,
        x: &Tensor2,
        activation: Activation,
    ) -> Tensor2<T> {
        linear(
            x.retaped::<T>(),
            parameters.get(self.weight),
            Some(parameters.get(self.bias)),
            activation,
            false,
        )
    }
}

/// activation(x W^T + b): x is rows x n_in, `weight` n_out x n_in, `bias` 1 x n_out. Without `input_gradient` x is data.
///
/// # Panics
/// If the shapes do not fit.
pub(crate) fn linear<T: Tape<f32, Cpu>>(
    x: Tensor2<T>,
    weight: &Tensor2,
    bias: Option<&Tensor2>,
    activation: Activation,
    input_gradient: bool,
) -> Tensor2<T> {
    let (x, mut tape) = x.split_tape();
    let ((n_rows, n_in), (n_out, _)) = (*x.shape(), *weight.shape());
    let mut y = match bias {
        Some(bias) => view(bias).repeat(n_rows),
        None => vec![0.0; n_rows * n_out],
    };
    let weights = Strided::row_major(view(weight), n_out, n_in);
    multiply_add(Strided::row_major(view(&x), n_rows, n_in), weights.transposed(), &mut y);
    if activation == Activation::Relu {
        // Written so that NaN comes through and is seen in the loss.
        y.iter_mut().for_each(|y| *y = if *y < 0.0 { 0.0 } else { *y });
    }
    let y = x.device().tensor_from_vec(y, (n_rows, n_out));
    if T::OWNS_TAPE {
        let (weight, bias, output) = (weight.clone(), bias.cloned(), y.clone());
        tape.add_backward_op(move |gradients| {
            let mut dy = take_gradient(gradients, &output)?;
            if activation == Activation::Relu {
                dy.iter_mut().zip(view(&output)).for_each(|(dy, y)| *dy = if *y > 0.0 { *dy } else { 0.0 });
            }
            if let Some(bias) = &bias {
                kernels::add_column_sums(&dy, gradients.get_or_alloc_mut(bias)?);
            }
            let dy = Strided::row_major(&dy, n_rows, n_out);
            let inputs = Strided::row_major(view(&x), n_rows, n_in);
            multiply_add(dy.transposed(), inputs, gradients.get_or_alloc_mut(&weight)?);
            if input_gradient {
                let weights = Strided::row_major(view(&weight), n_out, n_in);
                multiply_add(dy, weights, gradients.get_or_alloc_mut(&x)?);
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
        for activation in [Activation::None, Activation::Relu] {
            check_gradients(&[(5, 3), (4, 3), (1, 4)], |inputs| {
                let [x, weight, bias] = [0, 1, 2].map(|i| &inputs[i]);
                linear(x.leaky_trace(), weight, Some(bias), activation, true)
            });
        }
    }

    #[test]
    fn a_known_layer() {
        let device = Cpu::seed_from_u64(0);
        let tensor = |values: &[f32], rows, columns| device.tensor_from_vec(values.to_vec(), (rows, columns));
        let x = tensor(&[1.0, 2.0], 1, 2);
        let (weight, bias) = (tensor(&[1.0, 1.0, -1.0, 0.0], 2, 2), tensor(&[0.5, 0.5], 1, 2));
        assert_eq!(view(&linear(x, &weight, Some(&bias), Activation::Relu, true)), [3.5, 0.0]);
    }
}
