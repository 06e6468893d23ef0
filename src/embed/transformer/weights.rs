//! The weights of a BERT model, by the names that its safetensors file gives them.

use std::path::Path;

use safetensors::tensor::SafeTensors;

use super::config::Config;
use crate::embed::tensor_values::values;
use crate::error::{Error, Result};
use crate::fs;
use crate::linalg::Matrix;

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
