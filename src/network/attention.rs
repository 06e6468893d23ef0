//! Operations on packed sets: softmax attention, where every member attends to all members of its own set or one learned query
//! does, and the pointer head, where a query scores every member of its set by an inner product.
//!
//! Multi-head attention with heads of [`HEAD_WIDTH`] (Vaswani et al., arXiv 1706.03762); a set block and a pooling by a
//! learned query as in the Set Transformer (Lee et al., arXiv 1810.00825).

use std::sync::Arc;

use dfdx::prelude::*;

use super::tensor::{Tensor2, take_gradient, view};
use crate::linalg::kernels::{axpy, dot, softmax};

/// The width of an attention head.
pub(crate) const HEAD_WIDTH: usize = 16;

/// What one query attended to, kept for the way back.
struct Weights {
    /// For each head, query by query, the weights of the members it attended to.
    values: Vec<f32>,
}

/// Attention of every row to the rows of its set: `projected` is rows x 3 width with queries, keys, and values side by
/// side; the result is rows x width.
///
/// # Panics
/// If the width is no multiple of [`HEAD_WIDTH`] or the lengths do not add up.
pub(crate) fn set_attention<T: Tape<f32, Cpu>>(projected: Tensor2<T>, lengths: Arc<[usize]>) -> Tensor2<T> {
    let (x, mut tape) = projected.split_tape();
    let (n_rows, columns) = *x.shape();
    let width = columns / 3;
    assert!(
        width * 3 == columns && width.is_multiple_of(HEAD_WIDTH),
        "queries, keys, and values in whole heads"
    );
    assert!(lengths.iter().sum::<usize>() == n_rows, "the sets fill the rows");
    let mut y = vec![0.0; n_rows * width];
    let mut weights = Weights { values: Vec::new() };
    for_each_head(&lengths, width, |start, length, head| {
        for query in start..start + length {
            let q = &view(&x)[query * columns + head..][..HEAD_WIDTH];
            let keys = Rows { values: view(&x), stride: columns, offset: width + head };
            let values = Rows { values: view(&x), stride: columns, offset: 2 * width + head };
            let out = &mut y[query * width + head..][..HEAD_WIDTH];
            attend(q, &keys, &values, start..start + length, out, &mut weights.values);
        }
    });
    let y = x.device().tensor_from_vec(y, (n_rows, width));
    if T::OWNS_TAPE {
        let output = y.clone();
        tape.add_backward_op(move |gradients| {
            let dy = take_gradient(gradients, &output)?;
            let dx: &mut Vec<f32> = gradients.get_or_alloc_mut(&x)?;
            let x = view(&x);
            let mut at = 0;
            let mut dscores = Vec::new();
            for_each_head(&lengths, width, |start, length, head| {
                for query in start..start + length {
                    let weights = &weights.values[at..][..length];
                    at += length;
                    let dy = &dy[query * width + head..][..HEAD_WIDTH];
                    let q = &x[query * columns + head..][..HEAD_WIDTH];
                    let values = Rows { values: x, stride: columns, offset: 2 * width + head };
                    score_gradients(dy, &values, start, weights, &mut dscores);
                    let mut dq = [0.0; HEAD_WIDTH];
                    for (member, (weight, dscore)) in (start..).zip(weights.iter().zip(&dscores)) {
                        let row = &mut dx[member * columns..][..columns];
                        axpy(*weight, dy, &mut row[2 * width + head..][..HEAD_WIDTH]);
                        axpy(*dscore, q, &mut row[width + head..][..HEAD_WIDTH]);
                        axpy(*dscore, &x[member * columns + width + head..][..HEAD_WIDTH], &mut dq);
                    }
                    axpy(1.0, &dq, &mut dx[query * columns + head..][..HEAD_WIDTH]);
                }
            });
            Ok(())
        });
    }
    y.put_tape(tape)
}

/// One row per set: the attention of a learned query, 1 x width, to the set's members, whose keys and values lie side by
/// side in `projected`, rows x 2 width.
///
/// # Panics
/// If the widths do not fit or the lengths do not add up.
pub(crate) fn pooling_attention<T: Tape<f32, Cpu>>(
    projected: Tensor2<T>,
    query: &Tensor2,
    lengths: Arc<[usize]>,
) -> Tensor2<T> {
    let (x, mut tape) = projected.split_tape();
    let (n_rows, columns) = *x.shape();
    let width = columns / 2;
    assert!(
        query.shape().1 == width && width.is_multiple_of(HEAD_WIDTH),
        "a query as wide as the keys, in whole heads"
    );
    assert!(lengths.iter().sum::<usize>() == n_rows, "the sets fill the rows");
    let starts = starts(&lengths);
    let mut y = vec![0.0; lengths.len() * width];
    let mut weights = Weights { values: Vec::new() };
    for (set, (&start, &length)) in starts.iter().zip(lengths.iter()).enumerate() {
        for head in (0..width).step_by(HEAD_WIDTH) {
            let keys = Rows { values: view(&x), stride: columns, offset: head };
            let values = Rows { values: view(&x), stride: columns, offset: width + head };
            let out = &mut y[set * width + head..][..HEAD_WIDTH];
            attend(
                &view(query)[head..][..HEAD_WIDTH],
                &keys,
                &values,
                start..start + length,
                out,
                &mut weights.values,
            );
        }
    }
    let y = x.device().tensor_from_vec(y, (lengths.len(), width));
    if T::OWNS_TAPE {
        let (output, query) = (y.clone(), query.clone());
        tape.add_backward_op(move |gradients| {
            let dy = take_gradient(gradients, &output)?;
            let mut dquery = vec![0.0; width];
            let dx: &mut Vec<f32> = gradients.get_or_alloc_mut(&x)?;
            let x = view(&x);
            let mut at = 0;
            let mut dscores = Vec::new();
            for (set, (&start, &length)) in starts.iter().zip(lengths.iter()).enumerate() {
                for head in (0..width).step_by(HEAD_WIDTH) {
                    let weights = &weights.values[at..][..length];
                    at += length;
                    let dy = &dy[set * width + head..][..HEAD_WIDTH];
                    let values = Rows { values: x, stride: columns, offset: width + head };
                    score_gradients(dy, &values, start, weights, &mut dscores);
                    for (member, (weight, dscore)) in (start..).zip(weights.iter().zip(&dscores)) {
                        let row = &mut dx[member * columns..][..columns];
                        axpy(*weight, dy, &mut row[width + head..][..HEAD_WIDTH]);
                        axpy(*dscore, &view(&query)[head..][..HEAD_WIDTH], &mut row[head..][..HEAD_WIDTH]);
                        axpy(
                            *dscore,
                            &x[member * columns + head..][..HEAD_WIDTH],
                            &mut dquery[head..][..HEAD_WIDTH],
                        );
                    }
                }
            }
            axpy(1.0, &dquery, gradients.get_or_alloc_mut(&query)?);
            Ok(())
        });
    }
    y.put_tape(tape)
}

/// One head's part of each row.
struct Rows<'a> {
    values: &'a [f32],
    stride: usize,
    offset: usize,
}

impl Rows<'_> {
    #[inline]
    fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.stride + self.offset..][..HEAD_WIDTH]
    }
}

/// 1 / sqrt(HEAD_WIDTH)
const SCALE: f32 = 0.25;

fn for_each_head(lengths: &[usize], width: usize, mut visit: impl FnMut(usize, usize, usize)) {
    for (start, &length) in starts(lengths).into_iter().zip(lengths) {
        (0..width).step_by(HEAD_WIDTH).for_each(|head| visit(start, length, head));
    }
}

fn starts(lengths: &[usize]) -> Vec<usize> {
    let start = |end: &mut usize, length: &usize| {
        let start = *end;
        *end += length;
        Some(start)
    };
    lengths.iter().scan(0, start).collect()
}

/// out += sum_j softmax_j(q . k_j / sqrt(width)) v_j; the weights are appended to `all_weights`.
fn attend(
    query: &[f32],
    keys: &Rows<'_>,
    values: &Rows<'_>,
    members: std::ops::Range<usize>,
    out: &mut [f32],
    all_weights: &mut Vec<f32>,
) {
    let at = all_weights.len();
    all_weights.extend(members.clone().map(|member| SCALE * dot(query, keys.row(member))));
    let weights = &mut all_weights[at..];
    softmax(weights);
    weights.iter().zip(members).for_each(|(weight, member)| axpy(*weight, values.row(member), out));
}

/// The gradients of the scaled scores q . k_j, given that of the output.
fn score_gradients(dy: &[f32], values: &Rows<'_>, start: usize, weights: &[f32], dscores: &mut Vec<f32>) {
    dscores.clear();
    dscores.extend((start..).take(weights.len()).map(|member| dot(dy, values.row(member))));
    let mean = dot(dscores, weights);
    dscores.iter_mut().zip(weights).for_each(|(d, weight)| *d = SCALE * weight * (*d - mean));
}

/// Which members each query scores: `members` holds rows of the keys, query after query, `lengths` how many each has.
/// Queries may share a set, so that it is encoded once for all of them.
#[derive(Clone, Debug)]
pub(crate) struct Sets {
    pub(crate) members: Arc<[usize]>,
    pub(crate) lengths: Arc<[usize]>,
}

/// scale * q_i . key_k for every member k of the set of query i, packed: (members) x 1.
///
/// # Panics
/// If the widths differ or a member is no row of the keys.
pub(crate) fn pointer<T: Tape<f32, Cpu>>(
    queries: Tensor2<T>,
    keys: Tensor2<T>,
    sets: &Sets,
    scale: f32,
) -> Tensor2<T> {
    let (queries, left_tape) = queries.split_tape();
    let (keys, right_tape) = keys.split_tape();
    let mut tape = left_tape.merge(right_tape);
    let width = keys.shape().1;
    assert!(width == queries.shape().1, "queries have width {}, keys {width}", queries.shape().1);
    let mut y = Vec::with_capacity(sets.members.len());
    let mut members = sets.members.iter();
    for (query, &length) in view(&queries).chunks_exact(width).zip(sets.lengths.iter()) {
        y.extend(
            members
                .by_ref()
                .take(length)
                .map(|&key| scale * dot(query, &view(&keys)[key * width..][..width])),
        );
    }
    let n_members = y.len();
    let y = keys.device().tensor_from_vec(y, (n_members, 1));
    if T::OWNS_TAPE {
        let (output, sets) = (y.clone(), sets.clone());
        tape.add_backward_op(move |gradients| {
            let dy = take_gradient(gradients, &output)?;
            let pairs = || {
                let owners =
                    sets.lengths.iter().enumerate().flat_map(|(query, &n)| std::iter::repeat_n(query, n));
                owners.zip(sets.members.iter()).zip(&dy)
            };
            let dqueries = gradients.get_or_alloc_mut(&queries)?;
            for ((query, &key), dy) in pairs() {
                let key = &view(&keys)[key * width..][..width];
                axpy(scale * dy, key, &mut dqueries[query * width..][..width]);
            }
            let dkeys = gradients.get_or_alloc_mut(&keys)?;
            for ((query, &key), dy) in pairs() {
                let query = &view(&queries)[query * width..][..width];
                axpy(scale * dy, query, &mut dkeys[key * width..][..width]);
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
    fn gradients_of_attention_agree_with_finite_differences() {
        check_gradients(&[(5, 3 * 32)], |inputs| set_attention(inputs[0].leaky_trace(), [2, 3].into()));
        check_gradients(&[(5, 2 * 32), (1, 32)], |inputs| {
            pooling_attention(inputs[0].leaky_trace(), &inputs[1], [1, 4].into())
        });
    }

    #[test]
    fn a_set_does_not_see_its_neighbours() {
        let device = Cpu::seed_from_u64(0);
        let values: Vec<f32> = (0..5 * 48).map(|i| ((i * 37 % 19) as f32 - 9.0) / 9.0).collect();
        let together = set_attention(device.tensor_from_vec(values.clone(), (5, 48)), [2, 3].into());
        let alone = set_attention(device.tensor_from_vec(values[2 * 48..].to_vec(), (3, 48)), [3].into());
        assert_eq!(&view(&together)[2 * 16..], view(&alone));
    }

    #[test]
    fn a_lone_member_gets_its_own_value() {
        let x = Cpu::seed_from_u64(0).tensor_from_vec((0..48).map(|i| i as f32 / 48.0).collect(), (1, 48));
        let y = set_attention(x.clone(), [1].into());
        assert_eq!(view(&y), &view(&x)[32..]);
    }

    #[test]
    fn gradients_of_pointer_agree_with_finite_differences() {
        let sets = Sets { members: [0, 2, 1, 2, 0].into(), lengths: [2, 3].into() };
        check_gradients(&[(2, 3), (3, 3)], |inputs| {
            pointer(inputs[0].leaky_trace(), inputs[1].leaky_trace(), &sets, 0.5)
        });
    }
}
