//! What a trained thing consists of: how it is taken apart into named arrays and words, and put together again.
//!
//! Whatever is [`Kept`] says so in one place for both ways, as a rule by the list of its fields in [`kept!`]. Arrays become the tensors
//! of a safetensors file; words and all else that is no array stand in the one text that the file holds beside them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::linalg::Matrix;
use crate::seed::Stream;

/// A value that can be taken apart and put together again.
pub(crate) trait Kept: Sized {
    /// Adds the parts.
    fn keep(&self, parts: &mut Parts);

    /// Puts the parts together.
    ///
    /// # Errors
    /// A part that is missing, or that does not fit the others.
    fn restore(parts: &mut Parts) -> Result<Self>;

    /// As [`keep`](Self::keep), for several; numbers make one array.
    fn keep_all(all: &[Self], parts: &mut Parts) {
        parts.keep("length", &all.len());
        all.iter().enumerate().for_each(|(at, value)| parts.keep(&at.to_string(), value));
    }

    /// What [`keep_all`](Self::keep_all) added.
    ///
    /// # Errors
    /// As [`restore`](Self::restore).
    fn restore_all(parts: &mut Parts) -> Result<Vec<Self>> {
        let length: usize = parts.take("length")?;
        (0..length).map(|at| parts.take(&at.to_string())).collect()
    }
}

/// Keeps a type by its fields, each under its name; `fits` says of the whole, and of the [`Shape`] that it is for, whether the fields
/// fit each other: a file that was tampered with must not make a router that panics.
macro_rules! kept {
    ($type:ty { $($field:ident),* $(,)? } $(, $fits:expr)?) => {
        impl $crate::network::Kept for $type {
            fn keep(&self, parts: &mut $crate::network::Parts) {
                $(parts.keep(stringify!($field), &self.$field);)*
            }

            fn restore(parts: &mut $crate::network::Parts) -> $crate::error::Result<Self> {
                let whole = Self { $($field: parts.take(stringify!($field))?),* };
                $(
                    let fits: fn(&Self, $crate::network::Shape) -> bool = $fits;
                    parts.check(fits(&whole, parts.shape()))?;
                )?
                Ok(whole)
            }
        }
    };
}

/// Keeps types as the word that serde makes of them: choices and settings.
macro_rules! kept_as_word {
    ($($type:ty),*) => {
        $(impl $crate::network::Kept for $type {
            fn keep(&self, parts: &mut $crate::network::Parts) {
                parts.put_word(serde_json::to_string(self).expect("settings are plain data"));
            }

            fn restore(parts: &mut $crate::network::Parts) -> $crate::error::Result<Self> {
                let word = parts.take_word()?;
                serde_json::from_str(&word).map_err(|error| parts.fault(&format!("cannot be read: {error}")))
            }
        })*
    };
}

pub(crate) use {kept, kept_as_word};

/// How many models a router chooses among, and the width of the embeddings it sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) n_models: usize,
    pub(crate) width: usize,
}

impl Shape {
    /// Whether every model stands there, each once.
    pub(crate) fn is_order(self, models: &[usize]) -> bool {
        let mut sorted = models.to_vec();
        sorted.sort_unstable();
        sorted.into_iter().eq(0..self.n_models)
    }

    /// Whether a matrix has a column for every model.
    pub(crate) fn is_of_models(self, matrix: &Matrix) -> bool {
        matrix.n_columns() == self.n_models
    }
}

/// Arrays and words by name, on their way into or out of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Parts {
    path: PathBuf,
    shape: Shape,
    /// The name of what is being kept or restored: fields, separated by dots.
    name: String,
    arrays: BTreeMap<String, Array>,
    words: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq)]
struct Array {
    shape: Vec<usize>,
    numbers: Numbers,
}

#[derive(Clone, Debug, PartialEq)]
enum Numbers {
    F32(Vec<f32>),
    F64(Vec<f64>),
    U64(Vec<u64>),
    Flags(Vec<bool>),
}

/// The entry of the file's metadata that holds the text. There is one entry alone: the format keeps no order of several.
const TEXT: &str = "settings";

impl Parts {
    /// Nothing yet, of a router of that shape.
    pub(crate) fn new(shape: Shape) -> Self {
        Parts { shape, ..Parts::default() }
    }

    /// With the words and the shape that the text of the file holds.
    pub(crate) fn with(self, shape: Shape, words: BTreeMap<String, String>) -> Self {
        Parts { shape, words, ..self }
    }

    /// What the parts belong to.
    pub(crate) fn shape(&self) -> Shape {
        self.shape
    }

    /// The words.
    pub(crate) fn words(&self) -> &BTreeMap<String, String> {
        &self.words
    }

    /// Adds a value under a name.
    pub(crate) fn keep(&mut self, name: &str, value: &impl Kept) {
        self.within(name, |parts| value.keep(parts));
    }

    /// Takes out the value of a name.
    ///
    /// # Errors
    /// As [`Kept::restore`].
    pub(crate) fn take<T: Kept>(&mut self, name: &str) -> Result<T> {
        self.within(name, T::restore)
    }

    /// Does something to what stands under a name.
    pub(crate) fn within<T>(&mut self, name: &str, act: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.name.len();
        if length > 0 {
            self.name.push('.');
        }
        self.name.push_str(name);
        let done = act(self);
        self.name.truncate(length);
        done
    }

    /// Does something to parts that belong to something of another shape.
    pub(crate) fn of_shape<T>(&mut self, shape: Shape, act: impl FnOnce(&mut Self) -> T) -> T {
        let own = std::mem::replace(&mut self.shape, shape);
        let done = act(self);
        self.shape = own;
        done
    }

    /// What is wrong with the value that is being restored.
    pub(crate) fn fault(&self, problem: &str) -> Error {
        Error::file(&self.path, format!("`{}` {problem}", self.name))
    }

    /// Whether what was read can be.
    ///
    /// # Errors
    /// If it cannot.
    pub(crate) fn check(&self, fits: bool) -> Result<()> {
        if fits { Ok(()) } else { Err(self.fault("does not fit together")) }
    }

    /// Whether anything stands under the name.
    fn is_there(&self) -> bool {
        let below = format!("{}.", self.name);
        let is_below = |name: Option<&String>| name.is_some_and(|name| name.starts_with(&below));
        self.arrays.contains_key(&self.name)
            || self.words.contains_key(&self.name)
            || is_below(self.arrays.range(below.clone()..).next().map(|(name, _)| name))
            || is_below(self.words.range(below.clone()..).next().map(|(name, _)| name))
    }

    /// Adds a word.
    pub(crate) fn put_word(&mut self, word: String) {
        let earlier = self.words.insert(self.name.clone(), word);
        assert!(earlier.is_none(), "there is one word `{}`", self.name);
    }

    /// Takes a word out.
    ///
    /// # Errors
    /// A name that is not there.
    pub(crate) fn take_word(&mut self) -> Result<String> {
        self.words.remove(&self.name).ok_or_else(|| self.fault("is missing"))
    }

    fn put(&mut self, shape: Vec<usize>, numbers: Numbers) {
        assert!(shape.iter().product::<usize>() == numbers.len(), "`{}` fills its shape", self.name);
        let earlier = self.arrays.insert(self.name.clone(), Array { shape, numbers });
        assert!(earlier.is_none(), "there is one array `{}`", self.name);
    }

    /// Takes out an array of so many axes.
    fn take_array(&mut self, n_axes: usize) -> Result<Array> {
        let array = self.arrays.remove(&self.name).ok_or_else(|| self.fault("is missing"))?;
        if array.shape.len() != n_axes {
            return Err(self.fault(&format!("has shape {:?} where {n_axes} axes are needed", array.shape)));
        }
        Ok(array)
    }

    /// Whether everything was taken out.
    ///
    /// # Errors
    /// A part that is left.
    pub(crate) fn check_empty(&self) -> Result<()> {
        match self.arrays.keys().chain(self.words.keys()).next() {
            Some(name) => {
                Err(Error::file(&self.path, format!("holds a part `{name}` that belongs to nothing")))
            }
            None => Ok(()),
        }
    }

    /// SHA-256 over a text and every array's name, shape, and values, in hexadecimal.
    pub(crate) fn digest(&self, text: &str) -> String {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        part(text.as_bytes());
        for (name, array) in &self.arrays {
            part(name.as_bytes());
            part(&array.shape.iter().flat_map(|n| (*n as u64).to_le_bytes()).collect::<Vec<u8>>());
            part(array.numbers.dtype().to_string().as_bytes());
            part(&array.numbers.bytes());
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The bytes of a safetensors file with a text in its metadata; equal arrays and texts give equal bytes. Words stand in the text.
    pub(crate) fn to_bytes(&self, text: &str) -> Vec<u8> {
        let data: Vec<Vec<u8>> = self.arrays.values().map(|array| array.numbers.bytes()).collect();
        let views = self.arrays.iter().zip(&data).map(|((name, array), data)| {
            let view = TensorView::new(array.numbers.dtype(), array.shape.clone(), data);
            (name, view.expect("an array has as many values as its shape says"))
        });
        let text = [(TEXT.to_owned(), text.to_owned())].into_iter().collect();
        safetensors::serialize(views, Some(text)).expect("plain arrays can be written")
    }

    /// Reads a safetensors file and the text in it.
    ///
    /// # Errors
    /// A file that is none, holds other numbers than are known here, or has no text.
    pub(crate) fn from_bytes(path: &Path, bytes: &[u8]) -> Result<(Self, String)> {
        let none = |error| {
            Error::file(path, format!("is no router as `train` writes it, nor any safetensors file: {error}"))
        };
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(none)?;
        let file = SafeTensors::deserialize(bytes).map_err(none)?;
        let mut parts = Parts { path: path.to_owned(), ..Parts::default() };
        for (name, view) in file.tensors() {
            let Some(numbers) = Numbers::read(view.dtype(), view.data()) else {
                return Err(Error::file(
                    path,
                    format!("tensor `{name}` holds numbers of type {}", view.dtype()),
                ));
            };
            parts.arrays.insert(name, Array { shape: view.shape().to_vec(), numbers });
        }
        let text = metadata.metadata().as_ref().and_then(|entries| entries.get(TEXT));
        match text {
            Some(text) => Ok((parts, text.clone())),
            None => Err(Error::file(path, "is a safetensors file of something else: it holds no settings")),
        }
    }
}

impl Numbers {
    fn len(&self) -> usize {
        match self {
            Numbers::F32(values) => values.len(),
            Numbers::F64(values) => values.len(),
            Numbers::U64(values) => values.len(),
            Numbers::Flags(values) => values.len(),
        }
    }

    fn dtype(&self) -> Dtype {
        match self {
            Numbers::F32(_) => Dtype::F32,
            Numbers::F64(_) => Dtype::F64,
            Numbers::U64(_) => Dtype::U64,
            Numbers::Flags(_) => Dtype::BOOL,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Numbers::F32(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Numbers::F64(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Numbers::U64(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Numbers::Flags(values) => values.iter().map(|&flag| u8::from(flag)).collect(),
        }
    }

    fn read(dtype: Dtype, data: &[u8]) -> Option<Self> {
        let (fours, eights) = (data.as_chunks::<4>().0.iter(), data.as_chunks::<8>().0.iter());
        Some(match dtype {
            Dtype::F32 => Numbers::F32(fours.map(|bytes| f32::from_le_bytes(*bytes)).collect()),
            Dtype::F64 => Numbers::F64(eights.map(|bytes| f64::from_le_bytes(*bytes)).collect()),
            Dtype::U64 => Numbers::U64(eights.map(|bytes| u64::from_le_bytes(*bytes)).collect()),
            Dtype::BOOL => Numbers::Flags(data.iter().map(|byte| *byte != 0).collect()),
            _ => return None,
        })
    }
}

/// Numbers of one type: one alone, or as an array. A number alone may be what no array may hold: infinite, or none at all.
macro_rules! kept_numbers {
    ($type:ty, $variant:ident, $to:expr, $from:expr, $is_sound:expr) => {
        impl Kept for $type {
            fn keep(&self, parts: &mut Parts) {
                parts.put(Vec::new(), Numbers::$variant(vec![$to(*self)]));
            }

            fn restore(parts: &mut Parts) -> Result<Self> {
                match parts.take_array(0)?.numbers {
                    Numbers::$variant(values) => Ok($from(values[0])),
                    other => Err(parts.fault(&format!("holds numbers of type {}", other.dtype()))),
                }
            }

            fn keep_all(all: &[Self], parts: &mut Parts) {
                parts.put(vec![all.len()], Numbers::$variant(all.iter().map(|&value| $to(value)).collect()));
            }

            fn restore_all(parts: &mut Parts) -> Result<Vec<Self>> {
                match parts.take_array(1)?.numbers {
                    Numbers::$variant(values) => {
                        if let Some(value) = values.iter().find(|value| !$is_sound(**value)) {
                            return Err(parts.fault(&format!("holds {value}, which is not finite")));
                        }
                        Ok(values.into_iter().map($from).collect())
                    }
                    other => Err(parts.fault(&format!("holds numbers of type {}", other.dtype()))),
                }
            }
        }
    };
}

kept_numbers!(f32, F32, |value: f32| value, |value: f32| value, f32::is_finite);
kept_numbers!(f64, F64, |value: f64| value, |value: f64| value, f64::is_finite);
kept_numbers!(bool, Flags, |flag: bool| flag, |flag: bool| flag, |_: bool| true);
// A number that this machine cannot count to is beyond any place.
kept_numbers!(
    usize,
    U64,
    |value: usize| value as u64,
    |value: u64| usize::try_from(value).unwrap_or(usize::MAX),
    |_: u64| true
);

impl Kept for String {
    fn keep(&self, parts: &mut Parts) {
        parts.put_word(self.clone());
    }

    fn restore(parts: &mut Parts) -> Result<Self> {
        parts.take_word()
    }
}

impl<T: Kept> Kept for Vec<T> {
    fn keep(&self, parts: &mut Parts) {
        T::keep_all(self, parts);
    }

    fn restore(parts: &mut Parts) -> Result<Self> {
        T::restore_all(parts)
    }
}

impl<T: Kept + Copy, const N: usize> Kept for [T; N] {
    fn keep(&self, parts: &mut Parts) {
        T::keep_all(self, parts);
    }

    fn restore(parts: &mut Parts) -> Result<Self> {
        T::restore_all(parts)?.try_into().map_err(|_| parts.fault(&format!("is not of length {N}")))
    }
}

impl<T: Kept> Kept for Option<T> {
    fn keep(&self, parts: &mut Parts) {
        if let Some(value) = self {
            value.keep(parts);
        }
    }

    fn restore(parts: &mut Parts) -> Result<Self> {
        parts.is_there().then(|| T::restore(parts)).transpose()
    }
}

impl<T: Kept> Kept for Arc<T> {
    fn keep(&self, parts: &mut Parts) {
        T::keep(self, parts);
    }

    fn restore(parts: &mut Parts) -> Result<Self> {
        T::restore(parts).map(Arc::new)
    }
}

impl<A: Kept, B: Kept> Kept for (A, B) {
    fn keep(&self, parts: &mut Parts) {
        parts.keep("0", &self.0);
        parts.keep("1", &self.1);
    }

    fn restore(parts: &mut Parts) -> Result<Self> {
        Ok((parts.take("0")?, parts.take("1")?))
    }
}

impl Kept for Matrix {
    fn keep(&self, parts: &mut Parts) {
        parts.put(vec![self.n_rows(), self.n_columns()], Numbers::F32(self.values().to_vec()));
    }

    fn restore(parts: &mut Parts) -> Result<Self> {
        let array = parts.take_array(2)?;
        match array.numbers {
            Numbers::F32(values) if values.iter().all(|value| value.is_finite()) => {
                Ok(Matrix::new(values, array.shape[0], array.shape[1]))
            }
            _ => Err(parts.fault("holds other than finite 32-bit floats")),
        }
    }
}

impl Kept for Stream {
    fn keep(&self, parts: &mut Parts) {
        parts.put(vec![4], Numbers::U64(self.words().to_vec()));
    }

    fn restore(parts: &mut Parts) -> Result<Self> {
        match parts.take_array(1)?.numbers {
            Numbers::U64(words) if words.len() == 4 => {
                Ok(Stream::of_words([words[0], words[1], words[2], words[3]]))
            }
            _ => Err(parts.fault("is no random stream")),
        }
    }
}

#[cfg(test)]
impl Parts {
    /// The names of all arrays.
    pub(crate) fn array_names(&self) -> Vec<String> {
        self.arrays.keys().cloned().collect()
    }

    /// Without an array.
    pub(crate) fn remove(&mut self, name: &str) {
        self.arrays.remove(name);
    }

    /// Turns the first value of an array of floats into something else.
    pub(crate) fn spoil(&mut self, name: &str, value: f32) {
        match &mut self.arrays.get_mut(name).expect("an array of that name").numbers {
            Numbers::F32(values) if !values.is_empty() => values[0] = value,
            Numbers::F64(values) if !values.is_empty() => values[0] = value.into(),
            _ => {}
        }
    }

    /// Another number of rows.
    pub(crate) fn truncate(&mut self, name: &str) {
        let array = self.arrays.get_mut(name).expect("an array of that name");
        let Some(first) = array.shape.first_mut().filter(|first| **first > 0) else { return };
        *first -= 1;
        let length = array.shape.iter().product();
        match &mut array.numbers {
            Numbers::F32(values) => values.truncate(length),
            Numbers::F64(values) => values.truncate(length),
            Numbers::U64(values) => values.truncate(length),
            Numbers::Flags(values) => values.truncate(length),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Everything {
        matrix: Matrix,
        single: f32,
        places: Vec<usize>,
        doubles: [f64; 2],
        flags: Vec<bool>,
        nothing: Option<Matrix>,
        list: Vec<(f32, Option<Matrix>)>,
        stream: Stream,
    }

    kept!(Everything { matrix, single, places, doubles, flags, nothing, list, stream }, |it, shape| it
        .matrix
        .n_columns()
        == shape.width);

    fn parts() -> Parts {
        let matrix = Matrix::new(vec![1.5, -0.0], 1, 2);
        let everything = Everything {
            matrix: matrix.clone(),
            single: f32::NEG_INFINITY,
            places: vec![7, usize::MAX],
            doubles: [0.1, f64::MIN_POSITIVE],
            flags: vec![true, false],
            nothing: None,
            list: vec![(1.0, None), (2.0, Some(matrix))],
            stream: Stream::root(3).named("a"),
        };
        let mut parts = Parts::new(Shape { n_models: 1, width: 2 });
        parts.keep("x", &everything);
        parts
    }

    fn read(parts: &Parts, text: &str) -> Result<Everything> {
        let (read, _) = Parts::from_bytes(Path::new("f"), &parts.to_bytes(text))?;
        let mut read = read.with(parts.shape(), BTreeMap::new());
        let everything = read.take("x")?;
        read.check_empty()?;
        Ok(everything)
    }

    #[test]
    fn what_was_kept_comes_back_to_the_bit() {
        let parts = parts();
        let everything = read(&parts, "x = 1").unwrap();
        let mut again = Parts::new(parts.shape());
        again.keep("x", &everything);
        assert_eq!(again, parts);
        assert_eq!(everything.stream, Stream::root(3).named("a"));
        let error = Parts::from_bytes(Path::new("f"), &parts.to_bytes("")[..9]).unwrap_err().to_string();
        assert!(error.starts_with("f: is no router as `train` writes it, nor any safetensors file: "));
    }

    #[test]
    fn what_is_missing_misshapen_not_finite_or_left_over_is_named() {
        let fault = |spoil: &dyn Fn(&mut Parts)| {
            let mut parts = parts();
            spoil(&mut parts);
            read(&parts, "").err().map(|error| error.to_string()).unwrap_or_default()
        };
        assert_eq!(fault(&|parts| parts.remove("x.flags")), "f: `x.flags` is missing");
        assert_eq!(
            fault(&|parts| parts.spoil("x.matrix", f32::NAN)),
            "f: `x.matrix` holds other than finite 32-bit floats"
        );
        assert_eq!(fault(&|parts| parts.truncate("x.doubles")), "f: `x.doubles` is not of length 2");
        assert_eq!(fault(&|parts| parts.shape.width = 3), "f: `x` does not fit together");
        assert_eq!(fault(&|parts| parts.keep("y", &1.0_f32)), "f: holds a part `y` that belongs to nothing");
    }

    #[test]
    fn a_digest_knows_every_part() {
        let digest = parts().digest("x");
        assert_ne!(digest, parts().digest("y"));
        let mut other = parts();
        other.keep("y", &Vec::<f32>::new());
        assert_ne!(digest, other.digest("x"));
        assert_eq!(digest, parts().digest("x"));
    }
}
