//! A store of parameters with shapes known at run time, what is done with them, and how they are trained.
//!
//! The dense layer y = activation(x W^T + b) runs in one pass, with the gradient of the data left out where nobody needs it. Steps of
//! training are Adam, a learned factor and the reparameterised normal sample, a loss that was computed by hand together with its
//! gradient, and early stopping by watched prompts.

use std::sync::Arc;

use dfdx::prelude::*;

use super::kept::Parts;
use super::tensor::{Owned, Tensor2, take_gradient, untaped, view};
use crate::error::Result;
use crate::linalg::kernels::{self, add_assign, axpy, dot, exp, in_widest_vectors, sum_of_squares};
use crate::linalg::{Matrix, Strided, multiply_add};
use crate::random::{ChaCha8Rng, uniform_f32};

/// The place of a parameter in its store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ParameterId(usize);

/// A dense layer of a [`Parameters`] store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Linear {
    /// n_out x n_in.
    pub(crate) weight: ParameterId,
    /// 1 x n_out.
    pub(crate) bias: ParameterId,
}

/// Named parameters and the device they live on. A clone shares nothing that training changes.
#[derive(Clone)]
pub(crate) struct Parameters {
    device: Cpu,
    entries: Vec<Parameter>,
}

#[derive(Clone)]
struct Parameter {
    name: String,
    values: Tensor2,
}

/// Adam (Kingma and Ba, arXiv 1412.6980) with decoupled weight decay (arXiv 1711.05101) on dense weights and a bound on
/// the norm of the whole gradient.
pub(crate) struct Adam {
    /// The step; schedules change it between updates.
    pub(crate) learning_rate: f32,
    /// Decay of every weight matrix in each update, times the learning rate; biases and vectors do not decay.
    pub(crate) weight_decay: f32,
    moments: Vec<Moments>,
    n_updates: i32,
}

struct Moments {
    mean: Vec<f32>,
    square: Vec<f32>,
}

const BETA_MEAN: f32 = 0.9;
const BETA_SQUARE: f32 = 0.999;
const EPSILON: f32 = 1e-8;
/// Gradients longer than this are scaled down to it.
const LONGEST_GRADIENT: f64 = 1.0;

impl Parameters {
    /// An empty store.
    pub(crate) fn new() -> Self {
        // The seed is never used: dfdx is not asked for random numbers.
        Parameters { device: Cpu::seed_from_u64(0), entries: Vec::new() }
    }

    /// The device that data of these networks must live on.
    pub(crate) fn device(&self) -> &Cpu {
        &self.device
    }

    /// Adds a parameter with these values.
    pub(crate) fn add(
        &mut self,
        name: &str,
        values: Vec<f32>,
        n_rows: usize,
        n_columns: usize,
    ) -> ParameterId {
        let values = untaped(&self.device, values, n_rows, n_columns);
        self.entries.push(Parameter { name: name.to_owned(), values });
        ParameterId(self.entries.len() - 1)
    }

    /// Adds a dense layer, weights and biases uniform on +-1/sqrt(n_in).
    pub(crate) fn add_linear(
        &mut self,
        name: &str,
        n_in: usize,
        n_out: usize,
        rng: &mut ChaCha8Rng,
    ) -> Linear {
        let bound = 1.0 / (n_in as f32).sqrt();
        let mut draw = |n: usize| (0..n).map(|_| uniform_f32(rng, -bound, bound)).collect();
        let (weight, bias) = (draw(n_in * n_out), draw(n_out));
        Linear {
            weight: self.add(&format!("{name}.weight"), weight, n_out, n_in),
            bias: self.add(&format!("{name}.bias"), bias, 1, n_out),
        }
    }

    /// Adds a dense layer that starts at zero, so that whatever it corrects is at first left as it is.
    pub(crate) fn add_zero_linear(&mut self, name: &str, n_in: usize, n_out: usize) -> Linear {
        Linear {
            weight: self.add(&format!("{name}.weight"), vec![0.0; n_in * n_out], n_out, n_in),
            bias: self.add(&format!("{name}.bias"), vec![0.0; n_out], 1, n_out),
        }
    }

    /// A parameter.
    pub(crate) fn get(&self, id: ParameterId) -> &Tensor2 {
        &self.entries[id.0].values
    }

    /// A copy of all values, in order of addition.
    pub(crate) fn snapshot(&self) -> Vec<Vec<f32>> {
        self.entries.iter().map(|entry| view(&entry.values).to_vec()).collect()
    }

    /// Goes back to a snapshot of the same store.
    pub(crate) fn restore(&mut self, snapshot: &[Vec<f32>]) {
        for (entry, values) in self.entries.iter_mut().zip(snapshot) {
            entry.values.copy_from(values);
        }
    }

    /// Adds the parameters to what is kept, each under its name, as far as they are wanted.
    pub(crate) fn keep(&self, parts: &mut Parts, is_wanted: impl Fn(&str) -> bool) {
        for entry in self.entries.iter().filter(|entry| is_wanted(&entry.name)) {
            let (n_rows, n_columns) = *entry.values.shape();
            parts.keep(&entry.name, &Matrix::new(view(&entry.values).to_vec(), n_rows, n_columns));
        }
    }

    /// Replaces every parameter by what was kept under its name: a network is built anew first, so that every shape is checked.
    ///
    /// # Errors
    /// A name that is not there, or another shape.
    pub(crate) fn fill(&mut self, parts: &mut Parts) -> Result<()> {
        for entry in &mut self.entries {
            let values: Matrix = parts.take(&entry.name)?;
            if (values.n_rows(), values.n_columns()) != *entry.values.shape() {
                return Err(parts.fault(&format!("has a parameter `{}` of another shape", entry.name)));
            }
            entry.values.copy_from(values.values());
        }
        Ok(())
    }
}

impl Adam {
    /// No moments yet.
    pub(crate) fn new(parameters: &Parameters, learning_rate: f32, weight_decay: f32) -> Self {
        let moments = |entry: &Parameter| {
            let zeros = vec![0.0; entry.values.shape().num_elements()];
            Moments { mean: zeros.clone(), square: zeros }
        };
        let moments = parameters.entries.iter().map(moments).collect();
        Adam { learning_rate, weight_decay, moments, n_updates: 0 }
    }

    /// One update along the gradients of a loss. Returns the gradient's norm before it was bounded, or `None` and leaves
    /// everything as it was where it is not finite.
    pub(crate) fn update(
        &mut self,
        parameters: &mut Parameters,
        mut gradients: Gradients<f32, Cpu>,
    ) -> Option<f64> {
        let mut square = 0.0;
        for entry in &parameters.entries {
            let gradient = gradient_of(&mut gradients, &entry.values);
            square += in_widest_vectors(|| sum_of_squares(gradient));
        }
        let norm = square.sqrt();
        if !norm.is_finite() {
            return None;
        }
        let scale = if norm > LONGEST_GRADIENT { (LONGEST_GRADIENT / norm) as f32 } else { 1.0 };
        self.n_updates += 1;
        let (mean_part, square_part) =
            (1.0 - BETA_MEAN.powi(self.n_updates), 1.0 - BETA_SQUARE.powi(self.n_updates));
        for (entry, moments) in parameters.entries.iter_mut().zip(&mut self.moments) {
            let gradient = gradient_of(&mut gradients, &entry.values);
            let decays = entry.values.shape().0 > 1;
            let keep = if decays { 1.0 - self.learning_rate * self.weight_decay } else { 1.0 };
            let mut values = view(&entry.values).to_vec();
            let (learning_rate, gradient) = (self.learning_rate, &gradient[..]);
            in_widest_vectors(|| {
                let moments = moments.mean.iter_mut().zip(&mut moments.square);
                for ((value, gradient), (mean, square)) in values.iter_mut().zip(gradient).zip(moments) {
                    let gradient = gradient * scale;
                    *mean = BETA_MEAN * *mean + (1.0 - BETA_MEAN) * gradient;
                    *square = BETA_SQUARE * *square + (1.0 - BETA_SQUARE) * gradient * gradient;
                    let step = (*mean / mean_part) / ((*square / square_part).sqrt() + EPSILON);
                    *value = keep * *value - learning_rate * step;
                }
            });
            entry.values.copy_from(&values);
        }
        Some(norm)
    }
}

/// The gradient of a parameter; zeros where the loss does not depend on it.
fn gradient_of<'a>(gradients: &'a mut Gradients<f32, Cpu>, tensor: &Tensor2) -> &'a mut Vec<f32> {
    gradients.get_or_alloc_mut(tensor).expect("memory for one gradient")
}

/// What follows a dense layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    /// Nothing.
    None,
    /// max(0, x).
    Relu,
}

impl Linear {
    /// Applies the layer to every row of a tensor whose gradient is wanted.
    pub(crate) fn forward<T: Tape<f32, Cpu>>(
        self,
        parameters: &Parameters,
        x: Tensor2<T>,
        activation: Activation,
    ) -> Tensor2<T> {
        linear(x, parameters.get(self.weight), Some(parameters.get(self.bias)), activation, true)
    }

    /// Applies the layer to every row of data, which gets no gradient.
    pub(crate) fn of_data<T: Tape<f32, Cpu>>(
        self,
        parameters: &Parameters,
        x: &Tensor2,
        activation: Activation,
    ) -> Tensor2<T> {
        linear(
            x.retaped::<T>(),
            parameters.get(self.weight),
            Some(parameters.get(self.bias)),
            activation,
            false,
        )
    }
}

/// activation(x W^T + b): x is rows x n_in, `weight` n_out x n_in, `bias` 1 x n_out. Without `input_gradient` x is data.
///
/// # Panics
/// If the shapes do not fit.
pub(crate) fn linear<T: Tape<f32, Cpu>>(
    x: Tensor2<T>,
    weight: &Tensor2,
    bias: Option<&Tensor2>,
    activation: Activation,
    input_gradient: bool,
) -> Tensor2<T> {
    let (x, mut tape) = x.split_tape();
    let ((n_rows, n_in), (n_out, _)) = (*x.shape(), *weight.shape());
    let mut y = match bias {
        Some(bias) => view(bias).repeat(n_rows),
        None => vec![0.0; n_rows * n_out],
    };
    let weights = Strided::row_major(view(weight), n_out, n_in);
    multiply_add(Strided::row_major(view(&x), n_rows, n_in), weights.transposed(), &mut y);
    if activation == Activation::Relu {
        // Written so that NaN comes through and is seen in the loss.
        y.iter_mut().for_each(|y| *y = if *y < 0.0 { 0.0 } else { *y });
    }
    let y = x.device().tensor_from_vec(y, (n_rows, n_out));
    if T::OWNS_TAPE {
        let (weight, bias, output) = (weight.clone(), bias.cloned(), y.clone());
        tape.add_backward_op(move |gradients| {
            let mut dy = take_gradient(gradients, &output)?;
            if activation == Activation::Relu {
                dy.iter_mut().zip(view(&output)).for_each(|(dy, y)| *dy = if *y > 0.0 { *dy } else { 0.0 });
            }
            if let Some(bias) = &bias {
                kernels::add_column_sums(&dy, gradients.get_or_alloc_mut(bias)?);
            }
            let dy = Strided::row_major(&dy, n_rows, n_out);
            let inputs = Strided::row_major(view(&x), n_rows, n_in);
            multiply_add(dy.transposed(), inputs, gradients.get_or_alloc_mut(&weight)?);
            if input_gradient {
                let weights = Strided::row_major(view(&weight), n_out, n_in);
                multiply_add(dy, weights, gradients.get_or_alloc_mut(&x)?);
            }
            Ok(())
        });
    }
    y.put_tape(tape)
}

/// e^ln_factor times every element; the factor, 1 x 1, is learned.
pub(crate) fn stretch<T: Tape<f32, Cpu>>(x: Tensor2<T>, ln_factor: &Tensor2) -> Tensor2<T> {
    let (x, mut tape) = x.split_tape();
    let shape = *x.shape();
    let factor = exp(view(ln_factor)[0]);
    let y = view(&x).iter().map(|value| factor * value).collect();
    let y = x.device().tensor_from_vec(y, shape);
    if T::OWNS_TAPE {
        let (output, ln_factor) = (y.clone(), ln_factor.clone());
        tape.add_backward_op(move |gradients| {
            let dy = take_gradient(gradients, &output)?;
            axpy(factor, &dy, gradients.get_or_alloc_mut(&x)?);
            gradients.get_or_alloc_mut(&ln_factor)?[0] += dot(&dy, view(&output));
            Ok(())
        });
    }
    y.put_tape(tape)
}

/// mean + e^ln_deviation * noise, element by element: a sample of a normal distribution through which both its mean and
/// its deviation learn (Kingma and Welling, arXiv 1312.6114).
pub(crate) fn reparameterise<T: Tape<f32, Cpu>>(
    mean: Tensor2<T>,
    ln_deviation: &Tensor2,
    noise: Arc<[f32]>,
) -> Tensor2<T> {
    let (mean, mut tape) = mean.split_tape();
    let shape = *mean.shape();
    let parts = view(&mean).iter().zip(view(ln_deviation)).zip(noise.iter());
    let y = parts.map(|((mean, ln_deviation), noise)| mean + exp(*ln_deviation) * noise).collect();
    let y = mean.device().tensor_from_vec(y, shape);
    if T::OWNS_TAPE {
        let (output, ln_deviation) = (y.clone(), ln_deviation.clone());
        tape.add_backward_op(move |gradients| {
            let dy = take_gradient(gradients, &output)?;
            add_assign(&dy, gradients.get_or_alloc_mut(&mean)?);
            let dx = gradients.get_or_alloc_mut(&ln_deviation)?;
            for (((dx, dy), ln_deviation), noise) in
                dx.iter_mut().zip(&dy).zip(view(&ln_deviation)).zip(noise.iter())
            {
                *dx += dy * exp(*ln_deviation) * noise;
            }
            Ok(())
        });
    }
    y.put_tape(tape)
}

/// The gradients of a loss in all parameters, given its gradient in every element of `x`: losses are pure functions on
/// slices, tested by finite differences without any tape.
///
/// # Panics
/// If the gradient has another length than `x`.
pub(crate) fn back_propagate(x: Tensor2<Owned>, gradient: Vec<f32>) -> Gradients<f32, Cpu> {
    let (x, mut tape) = x.split_tape();
    let (n_rows, n_columns) = *x.shape();
    assert!(gradient.len() == n_rows * n_columns, "a gradient is as long as what it belongs to");
    tape.add_backward_op(move |gradients| {
        axpy(1.0, &gradient, gradients.get_or_alloc_mut(&x)?);
        Ok(())
    });
    // A root of the tape; nothing reads its value.
    let root: Tensor<Rank0, f32, Cpu, Owned> = Cpu::seed_from_u64(0).tensor(0.0).put_tape(tape);
    root.backward()
}

/// The epoch with the least loss so far; the first of equals.
pub(crate) struct EarlyStopping {
    /// Epochs without a lower loss after which there is no use in going on.
    patience: usize,
    least: Option<Least>,
    losses: Vec<(usize, f64)>,
}

/// The best epoch.
#[derive(Debug, PartialEq)]
pub(crate) struct BestEpoch {
    pub(crate) loss: f64,
    pub(crate) epoch: usize,
    /// Every epoch that was looked at, with its loss.
    pub(crate) losses: Vec<(usize, f64)>,
}

struct Least {
    loss: f64,
    epoch: usize,
    snapshot: Vec<Vec<f32>>,
}

impl EarlyStopping {
    pub(crate) fn new(patience: usize) -> Self {
        EarlyStopping { patience, least: None, losses: Vec::new() }
    }

    /// Looks at the loss of an epoch, and says whether patience is at its end.
    pub(crate) fn is_over(&mut self, epoch: usize, loss: f64, parameters: &Parameters) -> bool {
        self.losses.push((epoch, loss));
        match &self.least {
            Some(least) if loss >= least.loss => epoch - least.epoch >= self.patience,
            _ => {
                self.least = Some(Least { loss, epoch, snapshot: parameters.snapshot() });
                false
            }
        }
    }

    /// Goes back to the best epoch; `None` where no loss was ever looked at.
    pub(crate) fn restore(self, parameters: &mut Parameters) -> Option<BestEpoch> {
        let Least { loss, epoch, snapshot } = self.least?;
        parameters.restore(&snapshot);
        Some(BestEpoch { loss, epoch, losses: self.losses })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::testing::check_gradients;
    use crate::network::{back_propagate, view};

    /// Minimises (x - 3)^2 / 2 from 0.
    fn descend(n_updates: usize) -> f32 {
        let mut parameters = Parameters::new();
        let x = parameters.add("x", vec![0.0], 1, 1);
        let mut adam = Adam::new(&parameters, 0.1, 0.0);
        for _ in 0..n_updates {
            let at = view(parameters.get(x))[0];
            let gradients = back_propagate(parameters.get(x).leaky_trace(), vec![at - 3.0]);
            assert!(adam.update(&mut parameters, gradients).is_some());
        }
        view(parameters.get(x))[0]
    }

    #[test]
    fn adam_goes_downhill_by_about_its_step_and_arrives() {
        assert!((descend(1) - 0.1).abs() < 1e-6);
        assert!((descend(400) - 3.0).abs() < 0.05);
    }

    #[test]
    fn a_gradient_that_is_no_number_changes_nothing() {
        let mut parameters = Parameters::new();
        let x = parameters.add("x", vec![1.0], 1, 1);
        let mut adam = Adam::new(&parameters, 0.1, 0.0);
        let gradients = back_propagate(parameters.get(x).leaky_trace(), vec![f32::NAN]);
        assert_eq!(adam.update(&mut parameters, gradients), None);
        assert_eq!(view(parameters.get(x)), [1.0]);
    }

    #[test]
    fn gradients_of_linear_agree_with_finite_differences() {
        for activation in [Activation::None, Activation::Relu] {
            check_gradients(&[(5, 3), (4, 3), (1, 4)], |inputs| {
                let [x, weight, bias] = [0, 1, 2].map(|i| &inputs[i]);
                linear(x.leaky_trace(), weight, Some(bias), activation, true)
            });
        }
    }

    #[test]
    fn a_known_layer() {
        let device = Cpu::seed_from_u64(0);
        let tensor = |values: &[f32], rows, columns| device.tensor_from_vec(values.to_vec(), (rows, columns));
        let x = tensor(&[1.0, 2.0], 1, 2);
        let (weight, bias) = (tensor(&[1.0, 1.0, -1.0, 0.0], 2, 2), tensor(&[0.5, 0.5], 1, 2));
        assert_eq!(view(&linear(x, &weight, Some(&bias), Activation::Relu, true)), [3.5, 0.0]);
    }

    #[test]
    fn gradients_of_sample_agree_with_finite_differences() {
        check_gradients(&[(3, 2), (1, 1)], |inputs| stretch(inputs[0].leaky_trace(), &inputs[1]));
        check_gradients(&[(2, 2), (2, 2)], |inputs| {
            reparameterise(inputs[0].leaky_trace(), &inputs[1], [0.5, -1.0, 0.0, 2.0].into())
        });
    }

    #[test]
    fn the_best_epoch_comes_back_once_patience_is_at_its_end() {
        let mut parameters = Parameters::new();
        let id = parameters.add("weight", vec![0.0], 1, 1);
        let mut stopping = EarlyStopping::new(2);
        let mut ended = Vec::new();
        for (epoch, loss) in [3.0, 1.0, 2.0, 1.0].into_iter().enumerate() {
            parameters.restore(&[vec![epoch as f32]]);
            ended.push(stopping.is_over(epoch, loss, &parameters));
        }
        assert_eq!(ended, [false, false, false, true]);
        let losses = vec![(0, 3.0), (1, 1.0), (2, 2.0), (3, 1.0)];
        assert_eq!(stopping.restore(&mut parameters), Some(BestEpoch { loss: 1.0, epoch: 1, losses }));
        assert_eq!(view(parameters.get(id)), [1.0]);
        assert_eq!(EarlyStopping::new(1).restore(&mut parameters), None);
    }
}
