//! The forward pass of BERT (Devlin et al., arXiv 1810.04805) over a batch of texts, whose word pieces follow one another
//! without padding: every layer but the attention works on single pieces, and the attention knows where texts begin.

use std::path::Path;

use safetensors::tensor::SafeTensors;

use super::Config;
use crate::embed::values;
use crate::error::{Error, Result};
use crate::fs;
use crate::linalg::kernels::{add_assign, dot, exp, softmax, sum};
use crate::linalg::{Matrix, Strided, multiply, multiply_add};

/// The mean over the last layer's outputs of each text's pieces, one text after another. No text is empty, and none longer than
/// the model's places.
pub(super) fn embed(weights: &Weights, config: &Config, texts: &[&[u32]]) -> Vec<f32> {
    let width = config.hidden_size;
    let mut hidden = Vec::with_capacity(texts.iter().map(|text| text.len()).sum::<usize>() * width);
    for text in texts {
        for (place, &piece) in text.iter().enumerate() {
            let [word, place] = [weights.words.row(piece as usize), weights.places.row(place)];
            hidden.extend(word.iter().zip(place).zip(&weights.alone).map(|((a, b), c)| a + b + c));
        }
    }
    normalise(&mut hidden, &weights.norm, config.layer_norm_eps);
    for layer in &weights.layers {
        pass(layer, config, texts, &mut hidden);
    }
    let mut means = vec![0.0; texts.len() * width];
    let mut pieces = hidden.chunks_exact(width);
    for (text, mean) in texts.iter().zip(means.chunks_exact_mut(width)) {
        pieces.by_ref().take(text.len()).for_each(|piece| add_assign(piece, mean));
        mean.iter_mut().for_each(|value| *value /= text.len() as f32);
    }
    means
}

/// One layer: attention and a network for each piece, each added to its input and normalised.
fn pass(layer: &Layer, config: &Config, texts: &[&[u32]], hidden: &mut [f32]) {
    let attended = attend(&linear(&layer.attention, hidden), config, texts);
    add_linear(&layer.attended, &attended, hidden);
    normalise(hidden, &layer.attended_norm, config.layer_norm_eps);
    let mut inner = linear(&layer.inner, hidden);
    inner.iter_mut().for_each(|value| *value = gelu(*value));
    add_linear(&layer.outer, &inner, hidden);
    normalise(hidden, &layer.outer_norm, config.layer_norm_eps);
}

/// softmax(Q K^T / sqrt(d)) V for each text and head; rows of the input are query, key, and value, of d numbers a head each.
fn attend(rows: &[f32], config: &Config, texts: &[&[u32]]) -> Vec<f32> {
    let width = config.hidden_size;
    let head_width = width / config.num_attention_heads;
    let scale = 1.0 / (head_width as f32).sqrt();
    let mut attended = vec![0.0; rows.len() / 3];
    let mut start = 0;
    for n in texts.iter().map(|text| text.len()) {
        let (mut shares, mut mixed) = (vec![0.0; n * n], vec![0.0; n * head_width]);
        for head in (0..width).step_by(head_width) {
            let part = |part: usize| {
                let from = start * 3 * width + part * width + head;
                Strided::new(&rows[from..], (n, head_width), (3 * width, 1))
            };
            multiply(part(0), part(1).transposed(), &mut shares);
            for row in shares.chunks_exact_mut(n) {
                row.iter_mut().for_each(|logit| *logit *= scale);
                softmax(row);
            }
            multiply(Strided::row_major(&shares, n, n), part(2), &mut mixed);
            for (row, mixed) in mixed.chunks_exact(head_width).enumerate() {
                attended[(start + row) * width + head..][..head_width].copy_from_slice(mixed);
            }
        }
        start += n;
    }
    attended
}

/// W x + b for every row x.
fn linear(layer: &Linear, rows: &[f32]) -> Vec<f32> {
    let n_rows = rows.len() / layer.weight.n_columns();
    let mut outputs = layer.bias.repeat(n_rows);
    add_product(layer, rows, &mut outputs);
    outputs
}

/// Adds W x + b for every row x.
fn add_linear(layer: &Linear, rows: &[f32], outputs: &mut [f32]) {
    outputs.chunks_exact_mut(layer.bias.len()).for_each(|row| add_assign(&layer.bias, row));
    add_product(layer, rows, outputs);
}

fn add_product(layer: &Linear, rows: &[f32], outputs: &mut [f32]) {
    let n_inputs = layer.weight.n_columns();
    let rows = Strided::row_major(rows, rows.len() / n_inputs, n_inputs);
    multiply_add(rows, layer.weight.as_strided().transposed(), outputs);
}

/// scale (x - mean) / sqrt(variance + epsilon) + shift in every row.
fn normalise(rows: &mut [f32], norm: &Norm, epsilon: f32) {
    let width = norm.scale.len();
    for row in rows.chunks_exact_mut(width) {
        let mean = sum(row) / width as f32;
        row.iter_mut().for_each(|value| *value -= mean);
        let inverse = 1.0 / (dot(row, row) / width as f32 + epsilon).sqrt();
        for ((value, scale), shift) in row.iter_mut().zip(&norm.scale).zip(&norm.shift) {
            *value = *value * inverse * scale + shift;
        }
    }
}

/// x times the normal distribution function of x (Hendrycks and Gimpel, arXiv 1606.08415), with the error function of Abramowitz
/// and Stegun 7.1.26, off by at most 1.5e-7.
#[inline]
fn gelu(x: f32) -> f32 {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let mut p = 1.061_405_4;
    for coefficient in [-1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6] {
        p = p * t + coefficient;
    }
    let beyond = p * t * exp(-z * z);
    let share = if x < 0.0 { 0.5 * beyond } else { 1.0 - 0.5 * beyond };
    x * share
}

/// The file of the weights.
pub(super) const WEIGHTS: &str = "model.safetensors";

/// All weights.
pub(super) struct Weights {
    /// One row a word piece.
    pub(super) words: Matrix,
    /// One row a place in the text.
    pub(super) places: Matrix,
    /// What is added to all pieces of a text that stands alone.
    pub(super) alone: Vec<f32>,
    pub(super) norm: Norm,
    pub(super) layers: Vec<Layer>,
}

/// y = W x + b; W is outputs x inputs.
pub(super) struct Linear {
    pub(super) weight: Matrix,
    pub(super) bias: Vec<f32>,
}

/// Scale and shift after a layer normalisation.
pub(super) struct Norm {
    pub(super) scale: Vec<f32>,
    pub(super) shift: Vec<f32>,
}

/// One layer of the encoder.
pub(super) struct Layer {
    /// Queries, keys, and values, one below the other.
    pub(super) attention: Linear,
    pub(super) attended: Linear,
    pub(super) attended_norm: Norm,
    pub(super) inner: Linear,
    pub(super) outer: Linear,
    pub(super) outer_norm: Norm,
}

impl Weights {
    /// Reads the weights in a folder.
    ///
    /// # Errors
    /// A file that is none, or a tensor that is missing or of another shape or type than the settings say.
    pub(super) fn read(folder: &Path, config: &Config) -> Result<Self> {
        let path = folder.join(WEIGHTS);
        let bytes = fs::read(&path)?;
        let file = SafeTensors::deserialize(&bytes)
            .map_err(|error| Error::file(&path, format!("is no safetensors file: {error}")))?;
        let source = Source { path: &path, file };
        let width = config.hidden_size;
        let types = source.matrix("embeddings.token_type_embeddings", config.type_vocab_size, width)?;
        if types.n_rows() == 0 {
            return Err(Error::file(&path, "has no type of token"));
        }
        Ok(Weights {
            words: source.matrix("embeddings.word_embeddings", config.vocab_size, width)?,
            places: source.matrix("embeddings.position_embeddings", config.max_position_embeddings, width)?,
            alone: types.row(0).to_vec(),
            norm: source.norm("embeddings.LayerNorm", width)?,
            layers: (0..config.num_hidden_layers)
                .map(|layer| source.layer(&format!("encoder.layer.{layer}"), config))
                .collect::<Result<_>>()?,
        })
    }
}

/// A safetensors file.
struct Source<'a> {
    path: &'a Path,
    file: SafeTensors<'a>,
}

impl Source<'_> {
    fn layer(&self, name: &str, config: &Config) -> Result<Layer> {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let parts = ["query", "key", "value"]
            .map(|part| self.linear(&format!("{name}.attention.self.{part}"), width, width));
        let (mut weight, mut bias) = (Vec::new(), Vec::new());
        for part in parts {
            let part = part?;
            weight.extend_from_slice(part.weight.values());
            bias.extend(part.bias);
        }
        Ok(Layer {
            attention: Linear { weight: Matrix::new(weight, 3 * width, width), bias },
            attended: self.linear(&format!("{name}.attention.output.dense"), width, width)?,
            attended_norm: self.norm(&format!("{name}.attention.output.LayerNorm"), width)?,
            inner: self.linear(&format!("{name}.intermediate.dense"), inner, width)?,
            outer: self.linear(&format!("{name}.output.dense"), width, inner)?,
            outer_norm: self.norm(&format!("{name}.output.LayerNorm"), width)?,
        })
    }

    fn linear(&self, name: &str, n_outputs: usize, n_inputs: usize) -> Result<Linear> {
        let bias = self.tensor(&format!("{name}.bias"), &[n_outputs])?;
        Ok(Linear { weight: self.matrix(name, n_outputs, n_inputs)?, bias })
    }

    fn norm(&self, name: &str, width: usize) -> Result<Norm> {
        let scale = self.tensor(&format!("{name}.weight"), &[width])?;
        Ok(Norm { scale, shift: self.tensor(&format!("{name}.bias"), &[width])? })
    }

    fn matrix(&self, name: &str, n_rows: usize, n_columns: usize) -> Result<Matrix> {
        let values = self.tensor(&format!("{name}.weight"), &[n_rows, n_columns])?;
        Ok(Matrix::new(values, n_rows, n_columns))
    }

    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        // Models saved with a task's head have the encoder below `bert`.
        let found = self.file.tensor(name).or_else(|_| self.file.tensor(&format!("bert.{name}")));
        let Ok(tensor) = found else {
            return Err(Error::file(self.path, format!("holds no tensor `{name}`")));
        };
        if tensor.shape() != shape {
            let problem = format!("tensor `{name}` has shape {:?} where {shape:?} is needed", tensor.shape());
            return Err(Error::file(self.path, problem));
        }
        values(self.path, name, &tensor)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use statrs::function::erf::erf;

    use super::*;

    proptest! {
        #[test]
        fn the_activation_is_close_to_the_truth(x in -8.0f32..8.0) {
            let truth = f64::from(x) * 0.5 * (1.0 + erf(f64::from(x) / std::f64::consts::SQRT_2));
            prop_assert!((f64::from(gelu(x)) - truth).abs() < 1e-6);
        }
    }
}
