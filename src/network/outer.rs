//! The first layer of a network over all pairs of two lists: relu(p_i + q_k).
//!
//! A layer over [x, z] is P x + Q z, so that both products are made once per prompt and once per model instead of once
//! per pair. Likewise where only some pairs are asked for.

use std::sync::Arc;

use dfdx::prelude::*;

use super::tensor::{Tensor2, take_gradient, view};
use crate::linalg::kernels::add_assign;

/// relu(p_i + q_k) for every pair: p is n x h, q is k x h, the result n k x h with the pairs of p_0 first.
///
/// # Panics
/// If the widths differ.
pub(crate) fn outer_add_relu<T: Tape<f32, Cpu>>(p: Tensor2<T>, q: Tensor2<T>) -> Tensor2<T> {
    let (p, left_tape) = p.split_tape();
    let (q, right_tape) = q.split_tape();
    let mut tape = left_tape.merge(right_tape);
    let ((n, width), (k, _)) = (*p.shape(), *q.shape());
    assert!(width == q.shape().1, "widths {width} and {} differ", q.shape().1);
    let mut y = vec![0.0; n * k * width];
    for (block, p) in y.chunks_exact_mut(k * width).zip(view(&p).chunks_exact(width)) {
        for (row, q) in block.chunks_exact_mut(width).zip(view(&q).chunks_exact(width)) {
            for ((y, p), q) in row.iter_mut().zip(p).zip(q) {
                let sum = p + q;
                *y = if sum < 0.0 { 0.0 } else { sum };
            }
        }
    }
    let y = p.device().tensor_from_vec(y, (n * k, width));
    if T::OWNS_TAPE {
        let output = y.clone();
        tape.add_backward_op(move |gradients| {
            let mut dy = take_gradient(gradients, &output)?;
            dy.iter_mut().zip(view(&output)).for_each(|(dy, y)| *dy = if *y > 0.0 { *dy } else { 0.0 });
            let dp = gradients.get_or_alloc_mut(&p)?;
            for (block, dp) in dy.chunks_exact(k * width).zip(dp.chunks_exact_mut(width)) {
                block.chunks_exact(width).for_each(|row| add_assign(row, dp));
            }
            let dq = gradients.get_or_alloc_mut(&q)?;
            dy.chunks_exact(k * width).for_each(|block| add_assign(block, dq));
            Ok(())
        });
    }
    y.put_tape(tape)
}

/// relu(p[i] + q[j] + r) row by row, with i and j the row's places in p and in q: a first layer over three parts of which
/// two are shared by many rows.
///
/// # Panics
/// If the widths or the numbers of rows differ.
pub(crate) fn gathered_add_relu<T: Tape<f32, Cpu>>(
    p: (Tensor2<T>, Arc<[usize]>),
    q: (Tensor2<T>, Arc<[usize]>),
    r: Tensor2<T>,
) -> Tensor2<T> {
    let ((p, p_rows), (q, q_rows)) = (p, q);
    let (p, p_tape) = p.split_tape();
    let (q, q_tape) = q.split_tape();
    let (r, r_tape) = r.split_tape();
    let mut tape = p_tape.merge(q_tape).merge(r_tape);
    let (n_rows, width) = *r.shape();
    assert!(p.shape().1 == width && q.shape().1 == width, "all parts are as wide");
    assert!(p_rows.len() == n_rows && q_rows.len() == n_rows, "every row has its places");
    let mut y = view(&r).to_vec();
    for ((y, &i), &j) in y.chunks_exact_mut(width).zip(p_rows.iter()).zip(q_rows.iter()) {
        add_assign(&view(&p)[i * width..][..width], y);
        add_assign(&view(&q)[j * width..][..width], y);
        y.iter_mut().for_each(|y| *y = if *y < 0.0 { 0.0 } else { *y });
    }
    let y = r.device().tensor_from_vec(y, (n_rows, width));
    if T::OWNS_TAPE {
        let output = y.clone();
        tape.add_backward_op(move |gradients| {
            let mut dy = take_gradient(gradients, &output)?;
            dy.iter_mut().zip(view(&output)).for_each(|(dy, y)| *dy = if *y > 0.0 { *dy } else { 0.0 });
            for (part, rows) in [(&p, &p_rows), (&q, &q_rows)] {
                let sums = gradients.get_or_alloc_mut(part)?;
                for (dy, &row) in dy.chunks_exact(width).zip(rows.iter()) {
                    add_assign(dy, &mut sums[row * width..][..width]);
                }
            }
            add_assign(&dy, gradients.get_or_alloc_mut(&r)?);
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
        check_gradients(&[(3, 4), (2, 4)], |inputs| {
            outer_add_relu(inputs[0].leaky_trace(), inputs[1].leaky_trace())
        });
        check_gradients(&[(2, 4), (3, 4), (4, 4)], |inputs| {
            let [p, q, r] = [0, 1, 2].map(|i| inputs[i].leaky_trace());
            gathered_add_relu((p, [0, 0, 1, 1].into()), (q, [2, 0, 2, 1].into()), r)
        });
    }
}
