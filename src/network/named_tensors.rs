//! Tensors by name, as a safetensors file holds them beside one text.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::linalg::Matrix;

/// Tensors of 32-bit floats on their way into or out of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct NamedTensors(BTreeMap<String, Tensor>);

#[derive(Clone, Debug, PartialEq)]
struct Tensor {
    shape: Vec<usize>,
    values: Vec<f32>,
}

/// The entry of the file's metadata that holds the text. There is one entry alone: the format keeps no order of several.
const TEXT: &str = "settings";

impl NamedTensors {
    /// Adds a tensor.
    ///
    /// # Panics
    /// If the name is taken or the values do not fill the shape.
    pub(crate) fn insert(&mut self, name: &str, shape: &[usize], values: Vec<f32>) {
        assert!(shape.iter().product::<usize>() == values.len(), "tensor `{name}` fills its shape");
        let earlier = self.0.insert(name.to_owned(), Tensor { shape: shape.to_vec(), values });
        assert!(earlier.is_none(), "there is one tensor `{name}`");
    }

    /// Adds a list of numbers.
    pub(crate) fn insert_vector(&mut self, name: &str, values: &[f32]) {
        self.insert(name, &[values.len()], values.to_vec());
    }

    /// Adds a matrix.
    pub(crate) fn insert_matrix(&mut self, name: &str, matrix: &Matrix) {
        self.insert(name, &[matrix.n_rows(), matrix.n_columns()], matrix.values().to_vec());
    }

    /// Rows and columns of a matrix that is there and holds something.
    pub(crate) fn matrix_shape(&self, name: &str) -> Option<[usize; 2]> {
        let shape = <[usize; 2]>::try_from(&self.0.get(name)?.shape[..]).ok();
        shape.filter(|shape| !shape.contains(&0))
    }

    /// Takes out the values of a tensor of that shape.
    ///
    /// # Errors
    /// A name that is not there, another shape, or a value that is not finite.
    pub(crate) fn take(&mut self, path: &Path, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let fault = |problem: String| Err(Error::file(path, problem));
        let Some(tensor) = self.0.remove(name) else { return fault(format!("holds no tensor `{name}`")) };
        if tensor.shape != shape {
            return fault(format!("tensor `{name}` has shape {:?} where {shape:?} is needed", tensor.shape));
        }
        if let Some(value) = tensor.values.iter().find(|value| !value.is_finite()) {
            return fault(format!("tensor `{name}` holds {value}, which is not finite"));
        }
        Ok(tensor.values)
    }

    /// Takes out a list of `n` numbers.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub(crate) fn take_vector(&mut self, path: &Path, name: &str, n: usize) -> Result<Vec<f32>> {
        self.take(path, name, &[n])
    }

    /// Takes out a matrix.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub(crate) fn take_matrix(
        &mut self,
        path: &Path,
        name: &str,
        n_rows: usize,
        n_columns: usize,
    ) -> Result<Matrix> {
        Ok(Matrix::new(self.take(path, name, &[n_rows, n_columns])?, n_rows, n_columns))
    }

    /// Whether everything was taken out.
    ///
    /// # Errors
    /// A tensor that is left.
    pub(crate) fn check_empty(&self, path: &Path) -> Result<()> {
        match self.0.keys().next() {
            Some(name) => Err(Error::file(path, format!("holds a tensor `{name}` that belongs to nothing"))),
            None => Ok(()),
        }
    }

    /// SHA-256 over a text and every name, shape, and value, in hexadecimal.
    pub(crate) fn digest(&self, text: &str) -> String {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        part(text.as_bytes());
        for (name, tensor) in &self.0 {
            part(name.as_bytes());
            part(&tensor.shape.iter().flat_map(|n| (*n as u64).to_le_bytes()).collect::<Vec<u8>>());
            part(&bytes(&tensor.values));
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The bytes of a safetensors file with a text in its metadata; equal tensors and texts give equal bytes.
    pub(crate) fn to_bytes(&self, text: &str) -> Vec<u8> {
        let data: Vec<Vec<u8>> = self.0.values().map(|tensor| bytes(&tensor.values)).collect();
        let views = self.0.iter().zip(&data).map(|((name, tensor), data)| {
            let view = TensorView::new(Dtype::F32, tensor.shape.clone(), data);
            (name, view.expect("a tensor has as many values as its shape says"))
        });
        let text = [(TEXT.to_owned(), text.to_owned())].into_iter().collect();
        safetensors::serialize(views, Some(text)).expect("plain tensors can be written")
    }

    /// Reads a safetensors file and the text in it.
    ///
    /// # Errors
    /// A file that is none, holds other than f32 tensors, or has no text.
    pub(crate) fn from_bytes(path: &Path, bytes: &[u8]) -> Result<(Self, String)> {
        let none = |error| Error::file(path, format!("is no safetensors file: {error}"));
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(none)?;
        let file = SafeTensors::deserialize(bytes).map_err(none)?;
        let mut tensors = NamedTensors::default();
        for (name, view) in file.tensors() {
            if view.dtype() != Dtype::F32 {
                return Err(Error::file(path, format!("tensor `{name}` is not of 32-bit floats")));
            }
            let values =
                view.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
            tensors.insert(&name, view.shape(), values);
        }
        let text = metadata.metadata().as_ref().and_then(|entries| entries.get(TEXT));
        match text {
            Some(text) => Ok((tensors, text.clone())),
            None => Err(Error::file(path, "is a safetensors file of something else: it holds no settings")),
        }
    }
}

#[cfg(test)]
impl NamedTensors {
    /// All names.
    pub(crate) fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    /// Takes a tensor out, whatever its shape.
    pub(crate) fn remove(&mut self, name: &str) -> Vec<f32> {
        self.0.remove(name).map_or(Vec::new(), |tensor| tensor.values)
    }
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensors() -> NamedTensors {
        let mut tensors = NamedTensors::default();
        tensors.insert_matrix("b", &Matrix::new(vec![1.5, -0.0], 1, 2));
        tensors.insert_vector("a", &[f32::MIN_POSITIVE]);
        tensors
    }

    #[test]
    fn tensors_and_text_come_back_from_bytes() {
        let bytes = tensors().to_bytes("x = 1");
        assert_eq!(
            NamedTensors::from_bytes(Path::new("f"), &bytes).unwrap(),
            (tensors(), "x = 1".to_owned())
        );
        let error = NamedTensors::from_bytes(Path::new("f"), &bytes[..9]).unwrap_err().to_string();
        assert!(error.starts_with("f: is no safetensors file: "));
    }

    #[test]
    fn what_is_missing_misshapen_not_finite_or_left_over_is_named() {
        let mut tensors = tensors();
        tensors.insert_vector("c", &[f32::NAN]);
        let path = Path::new("f");
        let mut fault = |name: &str, n: usize| tensors.take_vector(path, name, n).unwrap_err().to_string();
        assert_eq!(fault("z", 1), "f: holds no tensor `z`");
        assert_eq!(fault("a", 2), "f: tensor `a` has shape [1] where [2] is needed");
        assert_eq!(fault("c", 1), "f: tensor `c` holds NaN, which is not finite");
        let left = tensors.check_empty(path).unwrap_err().to_string();
        assert_eq!(left, "f: holds a tensor `b` that belongs to nothing");
    }

    #[test]
    fn a_digest_knows_every_part() {
        let digest = tensors().digest("x");
        assert_ne!(digest, tensors().digest("y"));
        let mut other = tensors();
        other.insert_vector("c", &[]);
        assert_ne!(digest, other.digest("x"));
        assert_eq!(digest, tensors().digest("x"));
    }
}
