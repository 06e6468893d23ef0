//! The networks' toolbox: dfdx tensors and tape with operations of our own where dfdx's are slow, and a parameter store.
//!
//! Every tensor is a row-major f32 matrix ([`Tensor2`]) with run-time shape. Ragged sets are packed row under row, and
//! only the operations that need to know where a set ends are told so: there is no padding and no mask. dfdx is never
//! asked for a random number, and no operation runs in parallel: replicates and routers do.
//!
//! An operation takes its input with a tape and gives its output with it, so that the same code trains (with an owned
//! tape) and serves (with none). `parameters` has the dense layer, `pairs` the first and the last layer of a network over all pairs of
//! two lists, `tensor` what lies between, `attention` makes a set encoder and scores the members of a set, `graph` passes messages
//! between prompts and models, and `training` draws from learned distributions, goes back from a loss whose gradient is known in
//! closed form, and keeps the best of the epochs. `kept` says what a trained network is in a file.

mod attention;
mod graph;
mod kept;
mod pairs;
mod parameters;
mod tensor;

pub(crate) use attention::{Sets, pointer, pooling_attention, set_attention};
pub(crate) use graph::{Edges, all_to_all_attention, edge_attention};
pub(crate) use kept::{Kept, Parts, Shape, kept, kept_as_word};
pub(crate) use pairs::{Offset, bilinear, gathered_add_relu, interaction, outer_add_relu, own_units};
pub(crate) use parameters::{Activation, Adam, Linear, ParameterId, Parameters, linear};
pub(crate) use parameters::{EarlyStopping, back_propagate, reparameterise, stretch};
pub(crate) use tensor::{Owned, Tensor2, layer_norm, scale_columns, softplus_columns, untaped, view};

#[cfg(test)]
mod testing {
    //! Gradients of hand-made operations against finite differences.

    use dfdx::prelude::*;

    use super::parameters::back_propagate;
    use super::tensor::{Owned, Tensor2, untaped, view};
    use crate::random::{ChaCha8Rng, SeedableRng, uniform_f32};

    /// Draws inputs of these shapes, ends the operation in a weighted sum, and compares its gradients with central
    /// differences.
    pub(super) fn check_gradients(
        shapes: &[(usize, usize)],
        operation: impl Fn(&[Tensor2]) -> Tensor2<Owned>,
    ) {
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
}
