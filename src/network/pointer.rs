//! The pointer head: a query scores every member of its set by an inner product.

use std::sync::Arc;

use dfdx::prelude::*;

use super::tensor::{Tensor2, take_gradient, view};
use crate::linalg::kernels::{axpy, dot};

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
    use super::super::testing::check_gradients;
    use super::*;

    #[test]
    fn gradients_agree_with_finite_differences() {
        let sets = Sets { members: [0, 2, 1, 2, 0].into(), lengths: [2, 3].into() };
        check_gradients(&[(2, 3), (3, 3)], |inputs| {
            pointer(inputs[0].leaky_trace(), inputs[1].leaky_trace(), &sets, 0.5)
        });
    }
}
