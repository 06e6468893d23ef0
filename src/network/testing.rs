//! Gradients of hand-made operations against finite differences.

use dfdx::prelude::*;

use super::tensor::{Owned, Tensor2, untaped, view};
use super::training::back_propagate;
use crate::random::{ChaCha8Rng, SeedableRng, uniform_f32};

/// Draws inputs of these shapes, ends the operation in a weighted sum, and compares its gradients with central
/// differences.
pub(super) fn check_gradients(shapes: &[(usize, usize)], operation: impl Fn(&[Tensor2]) -> Tensor2<Owned>) {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let mut draw = |n: usize| -> Vec<f32> { (0..n).map(|_| uniform_f32(&mut rng, -1.0, 1.0)).collect() };
    let device = Cpu::seed_from_u64(0);
    let values: Vec<Vec<f32>> = shapes.iter().map(|(rows, columns)| draw(rows * columns)).collect();
    let tensors = |values: &[Vec<f32>]| -> Vec<Tensor2> {
        let each = values.iter().zip(shapes);
        each.map(|(values, &(rows, columns))| untaped(&device, values.clone(), rows, columns)).collect()
    };
    let inputs = tensors(&values);
    let output = operation(&inputs);
    let weights = draw(output.shape().num_elements());
    let weighted = |output: &[f32]| -> f64 {
        output.iter().zip(&weights).map(|(y, weight)| f64::from(*y) * f64::from(*weight)).sum()
    };
    let gradients = back_propagate(output, weights.clone());
    const STEP: f32 = 1e-2;
    for (input, tensor) in inputs.iter().enumerate() {
        for element in 0..values[input].len() {
            let at = |step: f32| {
                let mut values = values.clone();
                values[input][element] += step;
                weighted(view(&operation(&tensors(&values))))
            };
            let expected = (at(STEP) - at(-STEP)) / (2.0 * f64::from(STEP));
            let found = f64::from(gradients.get(tensor).as_vec()[element]);
            assert!(
                (found - expected).abs() < 2e-3 + 2e-2 * expected.abs(),
                "input {input}, element {element}: gradient {found}, finite difference {expected}"
            );
        }
    }
}
