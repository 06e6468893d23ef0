//! Uniformly drawn prompts: what every other strategy must beat.

use crate::random::shuffle;
use crate::seed::Stream;

/// The first `size` candidates of a random order of all `n_prompts`. The order is the same for every size and every
/// model, so a smaller quiz is the beginning of a larger one, and all models are asked the same as far as they can answer.
pub(super) fn select(candidates: &[usize], n_prompts: usize, size: usize, stream: &Stream) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n_prompts).collect();
    shuffle(&mut stream.generator(), &mut order);
    let is_candidate = |prompt: &usize| candidates.binary_search(prompt).is_ok();
    order.into_iter().filter(is_candidate).take(size).collect()
}
