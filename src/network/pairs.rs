//! Networks over all pairs of prompts and models: the first layer relu(p_i + q_k), and outputs where a prompt's part of a network
//! meets a model's vector.
//!
//! A layer over [x, z] is P x + Q z, so that both products are made once per prompt and once per model instead of once
//! per pair. Likewise where only some pairs are asked for.

use std::sync::Arc;

use dfdx::prelude::*;

use super::tensor::{Tensor2, take_gradient, view};
use crate::linalg::kernels::{add_assign, axpy, dot};
use crate::linalg::{Strided, multiply, multiply_add};

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

/// Which side of a pair has one more column than the other: a term of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offset {
    /// The prompt.
    Prompt,
    /// The model.
    Model,
}

/// x_i . v_k plus the last column of the side with the offset: prompts x models. `x` is prompts x d and `v` models x d, one
/// of them with one column more.
///
/// # Panics
/// If the widths do not fit.
pub(crate) fn bilinear<T: Tape<f32, Cpu>>(x: Tensor2<T>, v: &Tensor2, offset: Offset) -> Tensor2<T> {
    let (x, mut tape) = x.split_tape();
    let ((n, x_width), (k, v_width)) = (*x.shape(), *v.shape());
    let d = x_width.min(v_width);
    let widths = if offset == Offset::Prompt { (d + 1, d) } else { (d, d + 1) };
    assert!((x_width, v_width) == widths, "widths {x_width} and {v_width} do not fit");
    let mut y = vec![0.0; n * k];
    let factors = |values, rows, width| Strided::new(values, (rows, d), (width, 1));
    multiply(factors(view(&x), n, x_width), factors(view(v), k, v_width).transposed(), &mut y);
    let of_models: Vec<f32> = view(v).chunks_exact(v_width).map(|v| v[v_width - 1]).collect();
    for (y, x) in y.chunks_exact_mut(k).zip(view(&x).chunks_exact(x_width)) {
        match offset {
            Offset::Prompt => y.iter_mut().for_each(|y| *y += x[d]),
            Offset::Model => add_assign(&of_models, y),
        }
    }
    let y = x.device().tensor_from_vec(y, (n, k));
    if T::OWNS_TAPE {
        let (output, v) = (y.clone(), v.clone());
        tape.add_backward_op(move |gradients| {
            let dy = take_gradient(gradients, &output)?;
            let mut dx = vec![0.0; n * d];
            let mut dv = vec![0.0; k * d];
            let slopes = Strided::row_major(&dy, n, k);
            multiply_add(slopes, Strided::new(view(&v), (k, d), (v_width, 1)), &mut dx);
            multiply_add(slopes.transposed(), Strided::new(view(&x), (n, d), (x_width, 1)), &mut dv);
            let sums = gradients.get_or_alloc_mut(&x)?;
            for ((sums, dx), dy) in
                sums.chunks_exact_mut(x_width).zip(dx.chunks_exact(d)).zip(dy.chunks_exact(k))
            {
                add_assign(dx, &mut sums[..d]);
                if offset == Offset::Prompt {
                    sums[d] += dy.iter().sum::<f32>();
                }
            }
            let sums = gradients.get_or_alloc_mut(&v)?;
            for (model, (sums, dv)) in sums.chunks_exact_mut(v_width).zip(dv.chunks_exact(d)).enumerate() {
                add_assign(dv, &mut sums[..d]);
                if offset == Offset::Model {
                    sums[d] += dy.iter().skip(model).step_by(k).sum::<f32>();
                }
            }
            Ok(())
        });
    }
    y.put_tape(tape)
}

/// a_i * (v_k - b_i), element by element, for every pair, the models of the first prompt first: (prompts models) x d. `x` is
/// prompts x 2 d with a and b side by side, `v` models x d.
///
/// # Panics
/// If the widths do not fit.
pub(crate) fn interaction<T: Tape<f32, Cpu>>(x: Tensor2<T>, v: &Tensor2) -> Tensor2<T> {
    let (x, mut tape) = x.split_tape();
    let ((n, x_width), (k, d)) = (*x.shape(), *v.shape());
    assert!(x_width == 2 * d, "widths {x_width} and {d} do not fit");
    let mut y = Vec::with_capacity(n * k * d);
    for x in view(&x).chunks_exact(x_width) {
        let (a, b) = x.split_at(d);
        for v in view(v).chunks_exact(d) {
            y.extend(a.iter().zip(b).zip(v).map(|((a, b), v)| a * (v - b)));
        }
    }
    let y = x.device().tensor_from_vec(y, (n * k, d));
    if T::OWNS_TAPE {
        let (output, v) = (y.clone(), v.clone());
        tape.add_backward_op(move |gradients| {
            let dy = take_gradient(gradients, &output)?;
            let mut dx = vec![0.0; n * x_width];
            let mut dv = vec![0.0; k * d];
            let blocks = dy.chunks_exact(k * d).zip(view(&x).chunks_exact(x_width));
            for ((dy, x), dx) in blocks.zip(dx.chunks_exact_mut(x_width)) {
                let ((a, b), (da, db)) = (x.split_at(d), dx.split_at_mut(d));
                let models = dy.chunks_exact(d).zip(view(&v).chunks_exact(d)).zip(dv.chunks_exact_mut(d));
                for ((dy, v), dv) in models {
                    for j in 0..d {
                        da[j] += dy[j] * (v[j] - b[j]);
                        db[j] -= dy[j] * a[j];
                        dv[j] += dy[j] * a[j];
                    }
                }
            }
            add_assign(&dx, gradients.get_or_alloc_mut(&x)?);
            add_assign(&dv, gradients.get_or_alloc_mut(&v)?);
            Ok(())
        });
    }
    y.put_tape(tape)
}

/// The output of a network of its own for every model: x_ik . v_k plus the last column of v, prompts x models. `x` is prompts
/// x (models d), the units of the first model first, `v` models x (d + 1).
///
/// # Panics
/// If the widths do not fit.
pub(crate) fn own_units<T: Tape<f32, Cpu>>(x: Tensor2<T>, v: &Tensor2) -> Tensor2<T> {
    let (x, mut tape) = x.split_tape();
    let ((n, x_width), (k, v_width)) = (*x.shape(), *v.shape());
    let d = v_width - 1;
    assert!(x_width == k * d, "{x_width} units are not {d} for each of {k} models");
    let mut y = Vec::with_capacity(n * k);
    for x in view(&x).chunks_exact(x_width) {
        y.extend(x.chunks_exact(d).zip(view(v).chunks_exact(v_width)).map(|(x, v)| dot(x, &v[..d]) + v[d]));
    }
    let y = x.device().tensor_from_vec(y, (n, k));
    if T::OWNS_TAPE {
        let (output, v) = (y.clone(), v.clone());
        tape.add_backward_op(move |gradients| {
            let dy = take_gradient(gradients, &output)?;
            let mut dv = vec![0.0; k * v_width];
            let dx = gradients.get_or_alloc_mut(&x)?;
            let pairs = dx.chunks_exact_mut(d).zip(view(&x).chunks_exact(d)).zip(&dy).enumerate();
            for (pair, ((dx, x), dy)) in pairs {
                let start = pair % k * v_width;
                axpy(*dy, &view(&v)[start..][..d], dx);
                axpy(*dy, x, &mut dv[start..][..d]);
                dv[start + d] += dy;
            }
            add_assign(&dv, gradients.get_or_alloc_mut(&v)?);
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
    fn gradients_of_outer_agree_with_finite_differences() {
        check_gradients(&[(3, 4), (2, 4)], |inputs| {
            outer_add_relu(inputs[0].leaky_trace(), inputs[1].leaky_trace())
        });
        check_gradients(&[(2, 4), (3, 4), (4, 4)], |inputs| {
            let [p, q, r] = [0, 1, 2].map(|i| inputs[i].leaky_trace());
            gathered_add_relu((p, [0, 0, 1, 1].into()), (q, [2, 0, 2, 1].into()), r)
        });
    }

    #[test]
    fn gradients_of_pairs_agree_with_finite_differences() {
        check_gradients(&[(3, 5), (2, 4)], |x| bilinear(x[0].leaky_trace(), &x[1], Offset::Prompt));
        check_gradients(&[(3, 4), (2, 5)], |x| bilinear(x[0].leaky_trace(), &x[1], Offset::Model));
        check_gradients(&[(3, 4), (5, 2)], |x| interaction(x[0].leaky_trace(), &x[1]));
        check_gradients(&[(3, 6), (2, 4)], |x| own_units(x[0].leaky_trace(), &x[1]));
    }

    #[test]
    fn known_pairs() {
        let device = Cpu::seed_from_u64(0);
        let tensor = |values: &[f32], rows, columns| device.tensor_from_vec(values.to_vec(), (rows, columns));
        let (x, v) = (tensor(&[1.0, 2.0], 1, 2), tensor(&[3.0, 4.0, 5.0, 6.0], 2, 2));
        assert_eq!(view(&bilinear(tensor(&[2.0], 1, 1), &v, Offset::Model)), [10.0, 16.0]);
        assert_eq!(view(&bilinear(x.clone(), &tensor(&[7.0, 8.0], 2, 1), Offset::Prompt)), [9.0, 10.0]);
        assert_eq!(view(&interaction(x.clone(), &tensor(&[7.0, 8.0], 2, 1))), [5.0, 6.0]);
        assert_eq!(view(&own_units(x, &v)), [7.0, 16.0]);
    }
}
