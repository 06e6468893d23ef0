//! Steps of training: a learned factor and the reparameterised normal sample, a loss that was computed by hand together with its
//! gradient, and early stopping by watched prompts.

use std::sync::Arc;

use dfdx::prelude::*;

use super::parameters::Parameters;
use super::tensor::{Owned, Tensor2, take_gradient, view};
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

/// The gradients of a loss in all parameters, given its gradient in every element of `x`: losses are pure functions on
/// slices, tested by finite differences without any tape.
///
/// # Panics
/// If the gradient has another length than `x`.
pub(crate) fn back_propagate(x: Tensor2<Owned>, gradient: Vec<f32>) -> Gradients<f32, Cpu> {
    let (x, mut tape) = x.split_tape();
    let (n_rows, n_columns) = *x.shape();
    assert!(gradient.len() == n_rows * n_columns, "a gradient is as long as what it belongs to");
    tape.add_backward_op(move |gradients| {
        axpy(1.0, &gradient, gradients.get_or_alloc_mut(&x)?);
        Ok(())
    });
    // A root of the tape; nothing reads its value.
    let root: Tensor<Rank0, f32, Cpu, Owned> = Cpu::seed_from_u64(0).tensor(0.0).put_tape(tape);
    root.backward()
}

/// The epoch with the least loss so far; the first of equals.
pub(crate) struct EarlyStopping {
    /// Epochs without a lower loss after which there is no use in going on.
    patience: usize,
    least: Option<Least>,
    losses: Vec<(usize, f64)>,
}

/// The best epoch.
#[derive(Debug, PartialEq)]
pub(crate) struct BestEpoch {
    pub(crate) loss: f64,
    pub(crate) epoch: usize,
    /// Every epoch that was looked at, with its loss.
    pub(crate) losses: Vec<(usize, f64)>,
}

struct Least {
    loss: f64,
    epoch: usize,
    snapshot: Vec<Vec<f32>>,
}

impl EarlyStopping {
    pub(crate) fn new(patience: usize) -> Self {
        EarlyStopping { patience, least: None, losses: Vec::new() }
    }

    /// Looks at the loss of an epoch, and says whether patience is at its end.
    pub(crate) fn is_over(&mut self, epoch: usize, loss: f64, parameters: &Parameters) -> bool {
        self.losses.push((epoch, loss));
        match &self.least {
            Some(least) if loss >= least.loss => epoch - least.epoch >= self.patience,
            _ => {
                self.least = Some(Least { loss, epoch, snapshot: parameters.snapshot() });
                false
            }
        }
    }

    /// Goes back to the best epoch; `None` where no loss was ever looked at.
    pub(crate) fn restore(self, parameters: &mut Parameters) -> Option<BestEpoch> {
        let Least { loss, epoch, snapshot } = self.least?;
        parameters.restore(&snapshot);
        Some(BestEpoch { loss, epoch, losses: self.losses })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::testing::check_gradients;
    use crate::network::view;

    #[test]
    fn gradients_of_sample_agree_with_finite_differences() {
        check_gradients(&[(3, 2), (1, 1)], |inputs| stretch(inputs[0].leaky_trace(), &inputs[1]));
        check_gradients(&[(2, 2), (2, 2)], |inputs| {
            reparameterise(inputs[0].leaky_trace(), &inputs[1], [0.5, -1.0, 0.0, 2.0].into())
        });
    }

    #[test]
    fn the_best_epoch_comes_back_once_patience_is_at_its_end() {
        let mut parameters = Parameters::new();
        let id = parameters.add("weight", vec![0.0], 1, 1);
        let mut stopping = EarlyStopping::new(2);
        let mut ended = Vec::new();
        for (epoch, loss) in [3.0, 1.0, 2.0, 1.0].into_iter().enumerate() {
            parameters.restore(&[vec![epoch as f32]]);
            ended.push(stopping.is_over(epoch, loss, &parameters));
        }
        assert_eq!(ended, [false, false, false, true]);
        let losses = vec![(0, 3.0), (1, 1.0), (2, 2.0), (3, 1.0)];
        assert_eq!(stopping.restore(&mut parameters), Some(BestEpoch { loss: 1.0, epoch: 1, losses }));
        assert_eq!(view(parameters.get(id)), [1.0]);
        assert_eq!(EarlyStopping::new(1).restore(&mut parameters), None);
    }
}
