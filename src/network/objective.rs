//! The end of a tape: a loss that was computed by hand together with its gradient.

use dfdx::prelude::*;

use super::tensor::{Owned, Tensor2};
use crate::linalg::kernels::axpy;

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
