//! Arrays of numbers without names: NumPy and safetensors files.

use std::path::Path;

use safetensors::tensor::SafeTensors;

use crate::embed::tensor_values::{floats, halves, values};
use crate::error::{Error, Result};
use crate::linalg::Matrix;
use crate::npy;

/// The rows of a NumPy file.
pub(super) fn npy(path: &Path, bytes: &[u8]) -> Result<Matrix> {
    let array = npy::parse(path, bytes, &[("<f2", 2), ("<f4", 4)])?;
    let [n_rows, width] = array.shape[..] else {
        return Err(Error::file(
            path,
            format!("has {} axes; rows and columns are needed", array.shape.len()),
        ));
    };
    let values = if array.kind == "<f2" { halves(array.data) } else { floats(array.data) };
    Ok(Matrix::new(values, n_rows, width))
}

/// The rows of the only tensor of a safetensors file or, of several, of that named `embeddings`.
pub(super) fn safetensors(path: &Path, bytes: &[u8]) -> Result<Matrix> {
    let fault = |problem: String| Error::file(path, problem);
    let file =
        SafeTensors::deserialize(bytes).map_err(|error| fault(format!("is no safetensors file: {error}")))?;
    let tensors = file.tensors();
    let chosen = match &tensors[..] {
        [only] => Some(only),
        several => several.iter().find(|(name, _)| name == "embeddings"),
    };
    let Some((name, tensor)) = chosen else {
        return Err(fault(format!("holds {} tensors, none of which is named `embeddings`", tensors.len())));
    };
    let &[n_rows, width] = tensor.shape() else {
        return Err(fault(format!("has {} axes; rows and columns are needed", tensor.shape().len())));
    };
    Ok(Matrix::new(values(path, name, tensor)?, n_rows, width))
}
