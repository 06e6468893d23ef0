//! The prompts that together say most about a new model's mean score: sequential c-optimal design.
//!
//! An answer to a prompt whose prediction has gradient g in a model's weights, and whose answers have the variance 1 / w, adds the
//! Fisher information w g g'. With the prior's precision the information about the weights
//! is lambda I + sum w g g', and with S its inverse the predicted mean score, of gradient a, has the variance a' S a; each
//! pick takes the prompt that lowers it most, by w (g' S a)^2 / (1 + w g' S g) (Sherman-Morrison).
//!
//! The mean decides most of what a router makes of a model. A D-optimal design (the same with ln det of the information, the
//! usual one) asks as much about every other direction of the weights: on 493 prompts of the Open LLM Leaderboard it needs
//! twice as many prompts to rank new models as well (`tests/tiny_benchmarks.rs`).
//!
//! The model is that of [`placement`](crate::router::placement): w is 1 over the variance of an answer, and g and the prior are its
//! weights' in coordinates in which they are standard normal. It is linear and normal, so that what an answer tells does not depend on
//! what it is: asking adaptively, with the model placed anew after every answer, would choose the same prompts.

use crate::linalg::Matrix;
use crate::linalg::kernels::dot;

/// Greedy c-optimal design: `size` different rows of `gradients` (fewer where there are not so many), each the one that
/// leaves the least variance of the quantity whose gradient is `of`, given those before; ties go to the lowest number.
///
/// g' S g and g' S a of every prompt are kept up to date by the rank-one update of S: a pick costs n d + d^2 operations for
/// n prompts and d dimensions.
///
/// # Panics
/// If the weights are not as many as the rows, `of` is not as long as they, or the prior's precision is not positive.
pub fn c_optimal(
    gradients: &Matrix,
    weights: &[f32],
    of: &[f32],
    prior_precision: f32,
    size: usize,
) -> Vec<usize> {
    let (n_prompts, n_dimensions) = (gradients.n_rows(), gradients.n_columns());
    assert_eq!(weights.len(), n_prompts, "every prompt has a weight");
    assert_eq!(of.len(), n_dimensions, "every dimension has a slope");
    assert!(prior_precision > 0.0, "the prior has a positive precision, not {prior_precision}");
    let variance = 1.0 / f64::from(prior_precision);
    let mut covariance = vec![0.0; n_dimensions * n_dimensions];
    (0..n_dimensions).for_each(|i| covariance[i * n_dimensions + i] = variance);
    let mut candidates: Vec<Candidate> = gradients
        .rows()
        .zip(weights)
        .map(|(row, &weight)| Candidate {
            weight: f64::from(weight),
            form: variance * f64::from(dot(row, row)),
            covariance: variance * f64::from(dot(row, of)),
            is_open: true,
        })
        .collect();
    let mut picked = Vec::with_capacity(size.min(n_prompts));
    while picked.len() < size.min(n_prompts) {
        let pick = largest_gain(&candidates);
        candidates[pick].is_open = false;
        picked.push(pick);
        // S' = S - (w / (1 + w g' S g)) u u' with u = S g, of which u' a = g' S a.
        let Candidate { weight, form, covariance: with_mean, .. } = candidates[pick];
        let scale = weight / (1.0 + weight * form);
        let direction: Vec<f64> = covariance
            .chunks_exact(n_dimensions.max(1))
            .map(|row| row.iter().zip(gradients.row(pick)).map(|(s, &g)| s * f64::from(g)).sum())
            .collect();
        for (row, &u) in covariance.chunks_exact_mut(n_dimensions.max(1)).zip(&direction) {
            row.iter_mut().zip(&direction).for_each(|(s, &v)| *s -= scale * u * v);
        }
        let direction: Vec<f32> = direction.iter().map(|&u| u as f32).collect();
        for (candidate, row) in candidates.iter_mut().zip(gradients.rows()) {
            let along = f64::from(dot(row, &direction));
            // What rounding takes below zero is no information.
            candidate.form = (candidate.form - scale * along * along).max(0.0);
            candidate.covariance -= scale * with_mean * along;
        }
    }
    picked
}

/// A prompt that may be asked.
struct Candidate {
    /// w.
    weight: f64,
    /// g' S g.
    form: f64,
    /// g' S a.
    covariance: f64,
    is_open: bool,
}

/// The open candidate that lowers the variance most.
fn largest_gain(candidates: &[Candidate]) -> usize {
    let mut best = (f64::NEG_INFINITY, usize::MAX);
    for (prompt, &Candidate { weight, form, covariance, is_open }) in candidates.iter().enumerate() {
        let gain = weight * covariance * covariance / (1.0 + weight * form);
        if is_open && gain > best.0 {
            best = (gain, prompt);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::Cholesky;
    use crate::random::uniform_f32;
    use crate::router::quiz::ItemInformation;
    use crate::seed::Stream;
    use proptest::prelude::*;

    /// a' S a after answers to some prompts, by factoring the information.
    fn variance_left(
        gradients: &Matrix,
        weights: &[f32],
        of: &[f32],
        precision: f32,
        prompts: &[usize],
    ) -> f64 {
        let d = gradients.n_columns();
        let mut information = vec![0.0; d * d];
        (0..d).for_each(|i| information[i * d + i] = f64::from(precision));
        for &prompt in prompts {
            let row: Vec<f64> = gradients.row(prompt).iter().map(|&g| f64::from(g)).collect();
            for i in 0..d {
                for j in 0..d {
                    information[i * d + j] += f64::from(weights[prompt]) * row[i] * row[j];
                }
            }
        }
        let of: Vec<f64> = of.iter().map(|&slope| f64::from(slope)).collect();
        let solved = Cholesky::factor(information, d).unwrap().solve(&of);
        of.iter().zip(solved).map(|(a, b)| a * b).sum()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn each_pick_leaves_the_least_variance(seed in 0_u64..10_000, d in 1_usize..7, precision in 0.1_f32..5.0) {
            let mut rng = Stream::root(seed).generator();
            let gradients: Vec<f32> = (0..25 * d).map(|_| uniform_f32(&mut rng, -2.0, 2.0)).collect();
            let gradients = Matrix::new(gradients, 25, d);
            let weights: Vec<f32> = (0..25).map(|_| uniform_f32(&mut rng, 0.0, 0.25)).collect();
            let of: Vec<f32> = (0..d).map(|_| uniform_f32(&mut rng, -1.0, 1.0)).collect();
            let picked = c_optimal(&gradients, &weights, &of, precision, 8);
            for n in 0..8 {
                let with = |prompt: usize| {
                    let prompts = [&picked[..n], &[prompt]].concat();
                    variance_left(&gradients, &weights, &of, precision, &prompts)
                };
                let best = (0..25).filter(|prompt| !picked[..n].contains(prompt)).map(with).fold(f64::MAX, f64::min);
                prop_assert!(with(picked[n]) <= best + 1e-5, "pick {n}");
            }
        }
    }

    #[test]
    fn what_does_not_bear_on_the_mean_is_asked_last() {
        // The mean lies along the first axis: of two prompts along it the stronger, one askew, and one across.
        let gradients = Matrix::new(vec![0.0, 2.0, 1.0, 0.0, 2.0, 0.0, 1.5, 1.5], 4, 2);
        assert_eq!(c_optimal(&gradients, &[0.25; 4], &[1.0, 0.0], 1.0, 2), [2, 3]);
        let all = c_optimal(&gradients, &[0.25; 4], &[1.0, 0.0], 1.0, 9);
        assert_eq!(all.len(), 4);
        assert!(c_optimal(&gradients, &[0.25; 4], &[1.0, 0.0], 1.0, 0).is_empty());
    }

    #[test]
    fn the_mean_score_rises_by_the_mean_of_all_slopes() {
        let gradients = Matrix::new(vec![1.0, 2.0, 3.0, -2.0], 2, 2);
        let information = ItemInformation { gradients, weights: vec![0.25, 0.125], prior_precision: 1.0 };
        assert_eq!(information.of_mean_score(), [0.3125, 0.125]);
    }
}
