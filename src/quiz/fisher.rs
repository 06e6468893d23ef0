//! The prompts that together say most about an identity vector: sequential D-optimal design.
//!
//! An answer to a prompt whose predicted logit has gradient g in the identity vector, and whose predicted probability is
//! p, adds the Fisher information w g g' with w = p (1 - p). With the prior's precision the information about the vector
//! is lambda I + sum w g g'; each pick takes the prompt that raises ln det of it most, by ln(1 + w g' S g) with S its
//! inverse (matrix determinant lemma).
//!
//! The gradients are those at the prior's mean, so the whole quiz is chosen before its first answer and is the same for all
//! new models. Adaptive testing proper places the model anew after every few answers; it predicted held-out models better
//! than this, but no better than `stratified`, which needs no network (`reports/README.md`).

use crate::linalg::Matrix;
use crate::linalg::kernels::dot;

/// What answers would say about an identity vector.
#[derive(Clone, Debug, PartialEq)]
pub struct ItemInformation {
    /// Gradients of the predicted logits in the identity vector, prompts x dimensions, for a typical new model.
    pub gradients: Matrix,
    /// p (1 - p) of each prompt at the same vector.
    pub weights: Vec<f32>,
    /// The precision of the prior of each dimension; 1 for N(0, I).
    pub prior_precision: f32,
}

/// Greedy D-optimal design: `size` different rows of `gradients` (fewer where there are not so many), each the one with
/// the largest gain ln(1 + w g' S g) given those before; ties go to the lowest number.
///
/// g' S g of every prompt is kept up to date by the rank-one update of S (Sherman-Morrison): a pick costs n d + d^2
/// operations for n prompts and d dimensions.
///
/// # Panics
/// If the weights are not as many as the rows, or the prior's precision is not positive.
pub fn d_optimal(gradients: &Matrix, weights: &[f32], prior_precision: f32, size: usize) -> Vec<usize> {
    let (n_prompts, n_dimensions) = (gradients.n_rows(), gradients.n_columns());
    assert_eq!(weights.len(), n_prompts, "every prompt has a weight");
    assert!(prior_precision > 0.0, "the prior has a positive precision, not {prior_precision}");
    let variance = 1.0 / f64::from(prior_precision);
    let mut covariance = vec![0.0; n_dimensions * n_dimensions];
    (0..n_dimensions).for_each(|i| covariance[i * n_dimensions + i] = variance);
    // g' S g of each prompt.
    let mut forms: Vec<f64> = gradients.rows().map(|row| variance * f64::from(dot(row, row))).collect();
    let mut is_open = vec![true; n_prompts];
    let mut picked = Vec::with_capacity(size.min(n_prompts));
    while picked.len() < size.min(n_prompts) {
        let pick = largest_gain(&forms, weights, &is_open);
        is_open[pick] = false;
        picked.push(pick);
        // S' = S - (w / (1 + w g' S g)) u u' with u = S g.
        let scale = f64::from(weights[pick]) / (1.0 + f64::from(weights[pick]) * forms[pick]);
        let direction: Vec<f64> = covariance
            .chunks_exact(n_dimensions.max(1))
            .map(|row| row.iter().zip(gradients.row(pick)).map(|(s, &g)| s * f64::from(g)).sum())
            .collect();
        for (row, &u) in covariance.chunks_exact_mut(n_dimensions.max(1)).zip(&direction) {
            row.iter_mut().zip(&direction).for_each(|(s, &v)| *s -= scale * u * v);
        }
        let direction: Vec<f32> = direction.iter().map(|&u| u as f32).collect();
        for (form, row) in forms.iter_mut().zip(gradients.rows()) {
            // What rounding takes below zero is no information.
            *form = (*form - scale * f64::from(dot(row, &direction)).powi(2)).max(0.0);
        }
    }
    picked
}

/// ln(1 + x) grows with x, so the largest w g' S g has the largest gain.
fn largest_gain(forms: &[f64], weights: &[f32], is_open: &[bool]) -> usize {
    let mut best = (f64::NEG_INFINITY, usize::MAX);
    for (prompt, (&form, &weight)) in forms.iter().zip(weights).enumerate() {
        let gain = form * f64::from(weight);
        if is_open[prompt] && gain > best.0 {
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
    use crate::seed::Stream;
    use proptest::prelude::*;

    /// ln det of the information of some prompts, by factoring it.
    fn ln_determinant(gradients: &Matrix, weights: &[f32], precision: f32, prompts: &[usize]) -> f64 {
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
        Cholesky::factor(information, d).unwrap().ln_determinant()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn each_pick_raises_the_determinant_most(seed in 0_u64..10_000, d in 1_usize..7, precision in 0.1_f32..5.0) {
            let mut rng = Stream::root(seed).generator();
            let gradients: Vec<f32> = (0..25 * d).map(|_| uniform_f32(&mut rng, -2.0, 2.0)).collect();
            let gradients = Matrix::new(gradients, 25, d);
            let weights: Vec<f32> = (0..25).map(|_| uniform_f32(&mut rng, 0.0, 0.25)).collect();
            let picked = d_optimal(&gradients, &weights, precision, 8);
            for n in 0..8 {
                let with = |prompt: usize| {
                    let prompts = [&picked[..n], &[prompt]].concat();
                    ln_determinant(&gradients, &weights, precision, &prompts)
                };
                let best = (0..25).filter(|prompt| !picked[..n].contains(prompt)).map(with).fold(f64::MIN, f64::max);
                prop_assert!(with(picked[n]) >= best - 1e-5, "pick {n}");
            }
        }
    }

    #[test]
    fn a_direction_that_is_known_is_asked_less() {
        // Two strong prompts along the first axis, a weaker one along the second.
        let gradients = Matrix::new(vec![2.0, 0.0, 2.0, 0.0, 0.0, 1.5, 0.0, 0.0], 4, 2);
        assert_eq!(d_optimal(&gradients, &[0.25; 4], 1.0, 3), [0, 2, 1]);
        // More than there are: each once, the one without information last.
        assert_eq!(d_optimal(&gradients, &[0.25; 4], 1.0, 9), [0, 2, 1, 3]);
        assert!(d_optimal(&gradients, &[0.25; 4], 1.0, 0).is_empty());
    }
}
