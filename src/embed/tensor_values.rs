//! Numbers out of the bytes of files.

use std::path::Path;

use half::f16;
use safetensors::tensor::{Dtype, TensorView};

use crate::error::{Error, Result};

/// The values of a tensor of 32-bit or 16-bit floats.
///
/// # Errors
/// Another type.
pub(super) fn values(path: &Path, name: &str, tensor: &TensorView<'_>) -> Result<Vec<f32>> {
    match tensor.dtype() {
        Dtype::F32 => Ok(floats(tensor.data())),
        Dtype::F16 => Ok(halves(tensor.data())),
        other => {
            Err(Error::file(path, format!("tensor `{name}` holds `{other:?}`; `F32` or `F16` is needed")))
        }
    }
}

/// Little-endian 32-bit floats.
pub(super) fn floats(data: &[u8]) -> Vec<f32> {
    data.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

/// Little-endian 16-bit floats.
pub(super) fn halves(data: &[u8]) -> Vec<f32> {
    data.as_chunks::<2>().0.iter().map(|bytes| f16::from_le_bytes(*bytes).to_f32()).collect()
}
