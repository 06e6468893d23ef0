//! JSON read piece by piece: the elements of one large array, or the lines of a file, and never the whole.

use std::fmt;
use std::io::BufRead;
use std::path::Path;

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

use super::source::Budget;
use super::source::{Input, io_fault};
use crate::error::{Error, Result};

/// Calls `each` with every element of the array that a file is, and its number, counted from 0.
///
/// # Errors
/// What is no such array, with its line; whatever `each` finds.
pub(super) fn elements<T: DeserializeOwned>(
    input: Input<'_>,
    mut each: impl FnMut(usize, T) -> Result<()>,
) -> Result<()> {
    let (path, budget) = (input.path().to_owned(), input.budget());
    let mut deserializer = serde_json::Deserializer::from_reader(input.into_reader());
    let mut found = None;
    let seed =
        Elements { each: &mut each, budget: &budget, found: &mut found, kind: std::marker::PhantomData };
    let read = seed.deserialize(&mut deserializer).and_then(|()| deserializer.end());
    match (found, read) {
        (Some(error), _) => Err(error),
        (None, Err(error)) => Err(fault(&path, &error)),
        (None, Ok(())) => Ok(()),
    }
}

/// The whole of a small file.
///
/// # Errors
/// A file longer than a record may be; what is not JSON of this shape, with its line.
pub(super) fn whole<T: DeserializeOwned>(input: Input<'_>) -> Result<T> {
    let path = input.path().to_owned();
    serde_json::from_reader(input.into_reader()).map_err(|error| fault(&path, &error))
}

/// Calls `each` with every line that is not blank, and its number, counted from 1.
///
/// # Errors
/// A line that is not JSON of this shape; whatever `each` finds.
pub(super) fn lines<T: DeserializeOwned>(
    input: Input<'_>,
    mut each: impl FnMut(u64, T) -> Result<()>,
) -> Result<()> {
    let (path, budget) = (input.path().to_owned(), input.budget());
    let mut reader = input.into_reader();
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        budget.renew();
        if reader.read_until(b'\n', &mut bytes).map_err(|error| io_fault(&path, &error))? == 0 {
            break;
        }
        if bytes.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        if std::str::from_utf8(&bytes).is_err() {
            return Err(Error::line(&path, line, "is not UTF-8"));
        }
        let value = serde_json::from_slice(&bytes).map_err(|error| {
            let words = words(&error);
            let is_cut = error.is_eof() && bytes.last() != Some(&b'\n');
            let problem = if is_cut { "ends too early; the file is truncated" } else { words.as_str() };
            Error::line(&path, line, problem)
        })?;
        each(line, value)?;
    }
    Ok(())
}

/// A fault of JSON, with its line.
pub(super) fn fault(path: &Path, error: &serde_json::Error) -> Error {
    if error.io_error_kind() == Some(std::io::ErrorKind::UnexpectedEof) {
        return Error::file(path, "ends too early; the file is truncated");
    }
    if error.is_io() {
        return Error::file(path, format!("cannot be read: {error}"));
    }
    let problem =
        if error.is_eof() { "ends too early; the file is truncated".to_owned() } else { words(error) };
    match error.line() {
        0 => Error::file(path, problem),
        line => Error::line(path, line as u64, problem),
    }
}

/// The message without the position, which stands elsewhere.
fn words(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let words = text.rsplit_once(" at line ").map_or(text.as_str(), |(words, _)| words);
    format!("is not the JSON it should be: {words}")
}

/// Hands over the elements of an array one by one. A fault that `each` finds ends the reading and is left in `found`.
pub(super) struct Elements<'a, T, F> {
    pub(super) each: &'a mut F,
    pub(super) budget: &'a Budget,
    pub(super) found: &'a mut Option<Error>,
    pub(super) kind: std::marker::PhantomData<T>,
}

impl<'de, T: DeserializeOwned, F: FnMut(usize, T) -> Result<()>> DeserializeSeed<'de> for Elements<'_, T, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: DeserializeOwned, F: FnMut(usize, T) -> Result<()>> Visitor<'de> for Elements<'_, T, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> std::result::Result<(), A::Error> {
        self.budget.renew();
        let mut number = 0;
        while let Some(element) = array.next_element()? {
            if let Err(error) = (self.each)(number, element) {
                *self.found = Some(error);
                return Err(A::Error::custom("stopped"));
            }
            self.budget.renew();
            number += 1;
        }
        Ok(())
    }
}

/// A value of any shape, of which only single ones are kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Scalar {
    /// Null, or absent.
    #[default]
    Nothing,
    Bool(bool),
    Number(f64),
    Text(String),
    /// An array or an object.
    Nested,
}

impl Scalar {
    /// A score: a number, true and false as 1 and 0, or a text that says one of these.
    pub(super) fn score(&self) -> Option<f64> {
        match self {
            Scalar::Bool(is_right) => Some(f64::from(u8::from(*is_right))),
            Scalar::Number(number) => Some(*number).filter(|number| number.is_finite()),
            Scalar::Text(text) => score_of_text(text),
            Scalar::Nothing | Scalar::Nested => None,
        }
    }

    /// As text; `None` for what is none.
    pub(super) fn text(&self) -> Option<String> {
        match self {
            Scalar::Bool(is_true) => Some(is_true.to_string()),
            Scalar::Number(number) => Some(number.to_string()),
            Scalar::Text(text) => Some(text.clone()),
            Scalar::Nothing | Scalar::Nested => None,
        }
    }
}

/// A score written as text, in any of the ways in which tables write one.
pub(super) fn score_of_text(text: &str) -> Option<f64> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("true") {
        return Some(1.0);
    }
    if text.eq_ignore_ascii_case("false") {
        return Some(0.0);
    }
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

impl<'de> serde::Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> std::result::Result<Scalar, E> {
        Ok(Scalar::Nothing)
    }

    fn visit_bool<E>(self, value: bool) -> std::result::Result<Scalar, E> {
        Ok(Scalar::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> std::result::Result<Scalar, E> {
        Ok(Scalar::Number(value as f64))
    }

    fn visit_i64<E>(self, value: i64) -> std::result::Result<Scalar, E> {
        Ok(Scalar::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> std::result::Result<Scalar, E> {
        Ok(Scalar::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> std::result::Result<Scalar, E> {
        Ok(Scalar::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> std::result::Result<Scalar, A::Error> {
        while array.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Nested)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Scalar, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Nested)
    }
}
