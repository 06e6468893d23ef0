//! Attention along the edges of a graph of prompts and models: messages from prompts to models along recorded answers, and
//! from models to prompts.

use std::sync::Arc;

use dfdx::prelude::*;

use super::tensor::{Tensor2, take_gradient, view};
use crate::linalg::kernels::{self, add_assign, axpy, dot};
use crate::linalg::{Matrix, Strided, multiply, multiply_add};

/// The recorded answers: where there are some, and what they are worth.
pub(crate) struct Edges {
    /// The weight of an edge's message, prompts x models; 0 where there is no edge.
    worth: Matrix,
    /// 1 where there is an edge, prompts x models.
    known: Matrix,
}

impl Edges {
    /// From the worth of each edge, prompts x models; NaN where there is none.
    pub(crate) fn new(mut worth: Matrix) -> Self {
        let known: Vec<f32> = worth.values().iter().map(|worth| f32::from(!worth.is_nan())).collect();
        let known = Matrix::new(known, worth.n_rows(), worth.n_columns());
        worth.values_mut().iter_mut().filter(|worth| worth.is_nan()).for_each(|worth| *worth = 0.0);
        Edges { worth, known }
    }
}

/// What every model hears from the prompts that it answered, models x (heads d). `prompts` holds, one row a prompt, a
/// logit a_h and a value v_h of d elements for each head: first all logits, then all values. `prior` is such a row of the
/// model's own, which every model hears, so that one with few answers is near it. With s the worth of an edge,
///
/// ```text
/// u_kh = (sum_j e^a_jh s_jk v_jh + e^a_0h v_0h) / (sum_j e^a_jh + e^a_0h)     over the prompts j that k answered
/// ```
///
/// # Panics
/// If the widths or the numbers of prompts do not fit.
pub(crate) fn edge_attention<T: Tape<f32, Cpu>>(
    prompts: Tensor2<T>,
    prior: &Tensor2,
    n_heads: usize,
    edges: Arc<Edges>,
) -> Tensor2<T> {
    let (x, mut tape) = prompts.split_tape();
    let (n, columns) = *x.shape();
    let width = columns - n_heads;
    let d = width / n_heads;
    let k = edges.worth.n_columns();
    assert!(d * n_heads == width && prior.shape().1 == columns, "a logit and a value for each head");
    assert!(edges.worth.n_rows() == n, "edges of every prompt");
    let largest: Vec<f32> = (0..n_heads)
        .map(|h| view(&x).iter().skip(h).step_by(columns).copied().fold(view(prior)[h], f32::max))
        .collect();
    // The weight of every prompt, and its weighted values.
    let mut weights = Vec::with_capacity(n * n_heads);
    let mut weighted = Vec::with_capacity(n * width);
    for row in view(&x).chunks_exact(columns) {
        weights.extend(row[..n_heads].iter().zip(&largest).map(|(a, most)| kernels::exp(a - most)));
        let own = &weights[weights.len() - n_heads..];
        let values = row[n_heads..].chunks_exact(d).zip(own);
        weighted.extend(values.flat_map(|(values, weight)| values.iter().map(move |v| weight * v)));
    }
    let prior_weights: Vec<f32> =
        view(prior)[..n_heads].iter().zip(&largest).map(|(a, most)| kernels::exp(a - most)).collect();
    let mut totals = prior_weights.repeat(k);
    multiply_add(
        edges.known.as_strided().transposed(),
        Strided::row_major(&weights, n, n_heads),
        &mut totals,
    );
    let weighted_prior = view(prior)[n_heads..].chunks_exact(d).zip(&prior_weights);
    let mut y: Vec<f32> =
        weighted_prior.flat_map(|(values, weight)| values.iter().map(move |v| weight * v)).collect();
    y = y.repeat(k);
    multiply_add(edges.worth.as_strided().transposed(), Strided::row_major(&weighted, n, width), &mut y);
    for (y, total) in y.chunks_exact_mut(d).zip(&totals) {
        y.iter_mut().for_each(|y| *y /= total);
    }
    let y = x.device().tensor_from_vec(y, (k, width));
    if T::OWNS_TAPE {
        let (output, prior) = (y.clone(), prior.clone());
        tape.add_backward_op(move |gradients| {
            let mut dsums = take_gradient(gradients, &output)?;
            let mut dtotals = Vec::with_capacity(k * n_heads);
            for ((dsums, y), total) in
                dsums.chunks_exact_mut(d).zip(view(&output).chunks_exact(d)).zip(&totals)
            {
                dsums.iter_mut().for_each(|dy| *dy /= total);
                dtotals.push(-dot(dsums, y));
            }
            let mut dweighted = vec![0.0; n * width];
            multiply(edges.worth.as_strided(), Strided::row_major(&dsums, k, width), &mut dweighted);
            let mut dweights = vec![0.0; n * n_heads];
            multiply(edges.known.as_strided(), Strided::row_major(&dtotals, k, n_heads), &mut dweights);
            let dx = gradients.get_or_alloc_mut(&x)?;
            for prompt in 0..n {
                let row = &view(&x)[prompt * columns..][..columns];
                let dx = &mut dx[prompt * columns..][..columns];
                for h in 0..n_heads {
                    let weight = weights[prompt * n_heads + h];
                    let dweighted = &dweighted[prompt * width + h * d..][..d];
                    let values = &row[n_heads + h * d..][..d];
                    dx[h] += weight * (dweights[prompt * n_heads + h] + dot(dweighted, values));
                    axpy(weight, dweighted, &mut dx[n_heads + h * d..][..d]);
                }
            }
            let dprior = gradients.get_or_alloc_mut(&prior)?;
            for (dsums, dtotals) in dsums.chunks_exact(width).zip(dtotals.chunks_exact(n_heads)) {
                for (h, (dsums, dtotal)) in dsums.chunks_exact(d).zip(dtotals).enumerate() {
                    let values = &view(&prior)[n_heads + h * d..][..d];
                    dprior[h] += prior_weights[h] * (dtotal + dot(dsums, values));
                    axpy(prior_weights[h], dsums, &mut dprior[n_heads + h * d..][..d]);
                }
            }
            Ok(())
        });
    }
    y.put_tape(tape)
}

/// What every prompt hears from all models, prompts x d: the mean of their values under softmax(q_i . k_m / sqrt(d)).
/// `models` holds the keys and values side by side, models x 2 d.
///
/// # Panics
/// If the widths do not fit.
pub(crate) fn all_to_all_attention<T: Tape<f32, Cpu>>(queries: Tensor2<T>, models: Tensor2<T>) -> Tensor2<T> {
    let (q, left_tape) = queries.split_tape();
    let (m, right_tape) = models.split_tape();
    let mut tape = left_tape.merge(right_tape);
    let ((n, d), (k, columns)) = (*q.shape(), *m.shape());
    assert!(columns == 2 * d, "widths {d} and {columns} do not fit");
    let scale = 1.0 / (d as f32).sqrt();
    let mut weights = vec![0.0; n * k];
    multiply(Strided::row_major(view(&q), n, d), half(&m, 0).transposed(), &mut weights);
    for weights in weights.chunks_exact_mut(k) {
        weights.iter_mut().for_each(|logit| *logit *= scale);
        kernels::softmax(weights);
    }
    let mut y = vec![0.0; n * d];
    multiply(Strided::row_major(&weights, n, k), half(&m, d), &mut y);
    let y = q.device().tensor_from_vec(y, (n, d));
    if T::OWNS_TAPE {
        let output = y.clone();
        tape.add_backward_op(move |gradients| {
            let dy = take_gradient(gradients, &output)?;
            let dy = Strided::row_major(&dy, n, d);
            let mut dlogits = vec![0.0; n * k];
            multiply(dy, half(&m, d).transposed(), &mut dlogits);
            for (dlogits, weights) in dlogits.chunks_exact_mut(k).zip(weights.chunks_exact(k)) {
                let mean = dot(dlogits, weights);
                dlogits.iter_mut().zip(weights).for_each(|(d, weight)| *d = scale * weight * (*d - mean));
            }
            let dlogits = Strided::row_major(&dlogits, n, k);
            multiply_add(dlogits, half(&m, 0), gradients.get_or_alloc_mut(&q)?);
            let (mut dkeys, mut dvalues) = (vec![0.0; k * d], vec![0.0; k * d]);
            multiply(dlogits.transposed(), Strided::row_major(view(&q), n, d), &mut dkeys);
            multiply(Strided::row_major(&weights, n, k).transposed(), dy, &mut dvalues);
            let dm = gradients.get_or_alloc_mut(&m)?;
            for ((dm, dkeys), dvalues) in
                dm.chunks_exact_mut(columns).zip(dkeys.chunks_exact(d)).zip(dvalues.chunks_exact(d))
            {
                add_assign(dkeys, &mut dm[..d]);
                add_assign(dvalues, &mut dm[d..]);
            }
            Ok(())
        });
    }
    y.put_tape(tape)
}

/// The keys (from column 0 on) or the values (from the middle on) of models.
fn half(models: &Tensor2, start: usize) -> Strided<'_, f32> {
    let (k, columns) = *models.shape();
    Strided::new(&view(models)[start..], (k, columns / 2), (columns, 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::testing::check_gradients;

    fn edges() -> Arc<Edges> {
        let worth = vec![1.0, f32::NAN, -1.0, 0.5, 1.0, f32::NAN, -1.0, -0.2];
        Arc::new(Edges::new(Matrix::new(worth, 4, 2)))
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        // Two heads with values of three elements.
        check_gradients(&[(4, 8), (1, 8)], |x| edge_attention(x[0].leaky_trace(), &x[1], 2, edges()));
        check_gradients(&[(3, 4), (2, 8)], |x| all_to_all_attention(x[0].leaky_trace(), x[1].leaky_trace()));
    }

    #[test]
    fn a_model_hears_the_prompts_it_answered_and_its_prior() {
        let device = Cpu::seed_from_u64(0);
        let tensor = |values: &[f32], rows, columns| device.tensor_from_vec(values.to_vec(), (rows, columns));
        // One head with one value; equal logits. Model 1 answered nothing.
        let prompts = tensor(&[0.0, 2.0, 0.0, 4.0], 2, 2);
        let edges = Edges::new(Matrix::new(vec![1.0, f32::NAN, -1.0, f32::NAN], 2, 2));
        let heard = edge_attention(prompts, &tensor(&[0.0, 5.0], 1, 2), 1, Arc::new(edges));
        assert_eq!(view(&heard), [(2.0 - 4.0 + 5.0) / 3.0, 5.0]);
    }

    #[test]
    fn a_lone_model_is_heard_as_it_is() {
        let device = Cpu::seed_from_u64(0);
        let tensor = |values: &[f32], rows, columns| device.tensor_from_vec(values.to_vec(), (rows, columns));
        let heard = all_to_all_attention(tensor(&[3.0], 1, 1), tensor(&[7.0, 0.25], 1, 2));
        assert_eq!(view(&heard), [0.25]);
    }
}
