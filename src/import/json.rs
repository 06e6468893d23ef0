//! JSON read piece by piece: the elements of one large array, or the lines of a file, and never the whole.
//!
//! What Python writes beyond JSON is read too: `NaN` and the infinities as null, and integers of any length as they stand.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

use super::source::Budget;
use super::source::{Input, io_fault};
use crate::error::{Error, Result};
use crate::fs::NOT_UTF8;

/// Calls `each` with every element of the array that a file is, and its number, counted from 0.
///
/// # Errors
/// What is no such array, with its line; whatever `each` finds.
pub(super) fn elements<T: DeserializeOwned>(
    input: Input<'_>,
    mut each: impl FnMut(usize, T) -> Result<()>,
) -> Result<()> {
    let (path, budget) = (input.path().to_owned(), input.budget());
    let mut deserializer = deserializer(input);
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
    let mut deserializer = deserializer(input);
    let value = T::deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    value.map_err(|error| fault(&path, &error))
}

/// What a file's JSON is read with.
pub(super) fn deserializer(input: Input<'_>) -> serde_json::Deserializer<serde_json::de::IoRead<impl Read>> {
    serde_json::Deserializer::from_reader(BufReader::new(Translated::new(input.into_reader())))
}

/// A text in JSON as Python writes it.
pub(super) fn parsed<T: DeserializeOwned>(text: &str) -> serde_json::Result<T> {
    let mut plain = Vec::with_capacity(text.len());
    let mut tokens = Tokens::default();
    tokens.translate(text.as_bytes(), &mut plain);
    tokens.end(&mut plain);
    serde_json::from_slice(&plain)
}

/// Digits of the longest integer that a float holds exactly, whatever they are.
const N_EXACT_DIGITS: usize = 15;

/// Where a translation stands.
#[derive(Default)]
enum Within {
    #[default]
    Between,
    Text,
    /// Right after a backslash within a text.
    Escape,
    /// A number or a word, whose bytes are held back until its end is known.
    Token,
}

/// Translates `NaN`, `Infinity`, and `-Infinity` to null, and long integers to texts, since a float would round them.
#[derive(Default)]
struct Tokens {
    within: Within,
    held: Vec<u8>,
}

impl Tokens {
    fn translate(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for &byte in bytes {
            match self.within {
                Within::Text => {
                    out.push(byte);
                    match byte {
                        b'"' => self.within = Within::Between,
                        b'\\' => self.within = Within::Escape,
                        _ => {}
                    }
                }
                Within::Escape => {
                    out.push(byte);
                    self.within = Within::Text;
                }
                Within::Between | Within::Token => {
                    if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.') {
                        self.within = Within::Token;
                        self.held.push(byte);
                        continue;
                    }
                    self.end(out);
                    out.push(byte);
                    self.within = if byte == b'"' { Within::Text } else { Within::Between };
                }
            }
        }
    }

    /// Writes what was held back.
    fn end(&mut self, out: &mut Vec<u8>) {
        let digits = self.held.strip_prefix(b"-").unwrap_or(&self.held);
        if matches!(digits, b"NaN" | b"Infinity") {
            out.extend(b"null");
        } else if N_EXACT_DIGITS < digits.len() && digits.iter().all(u8::is_ascii_digit) {
            out.push(b'"');
            out.extend(&self.held);
            out.push(b'"');
        } else {
            out.extend(&self.held);
        }
        self.held.clear();
    }
}

/// A stream of such JSON as plain JSON.
struct Translated<R> {
    stream: R,
    tokens: Tokens,
    /// What was translated, and how much of it was handed over.
    ready: (Vec<u8>, usize),
}

impl<R: BufRead> Translated<R> {
    fn new(stream: R) -> Self {
        Translated { stream, tokens: Tokens::default(), ready: (Vec::new(), 0) }
    }
}

impl<R: BufRead> Read for Translated<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (ready, at) = &mut self.ready;
        while *at == ready.len() {
            ready.clear();
            *at = 0;
            let bytes = self.stream.fill_buf()?;
            let n_bytes = bytes.len();
            if n_bytes == 0 {
                self.tokens.end(ready);
                if ready.is_empty() {
                    return Ok(0);
                }
            }
            self.tokens.translate(bytes, ready);
            self.stream.consume(n_bytes);
        }
        let n_bytes = buffer.len().min(ready.len() - *at);
        buffer[..n_bytes].copy_from_slice(&ready[*at..*at + n_bytes]);
        *at += n_bytes;
        Ok(n_bytes)
    }
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
    let (mut bytes, mut plain) = (Vec::new(), Vec::new());
    for line in 1.. {
        bytes.clear();
        plain.clear();
        budget.renew();
        if reader.read_until(b'\n', &mut bytes).map_err(|error| io_fault(&path, &error))? == 0 {
            break;
        }
        if bytes.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        if std::str::from_utf8(&bytes).is_err() {
            return Err(Error::line(&path, line, NOT_UTF8));
        }
        let mut tokens = Tokens::default();
        tokens.translate(&bytes, &mut plain);
        tokens.end(&mut plain);
        let value = serde_json::from_slice(&plain).map_err(|error| {
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
    Integer(i64),
    Number(f64),
    /// A text, or an integer too long for a float.
    Text(String),
    /// An array or an object.
    Nested,
}

impl Scalar {
    /// A score: a number, true and false as 1 and 0, or a text that says one of these.
    pub(super) fn score(&self) -> Option<f64> {
        match self {
            Scalar::Bool(is_right) => Some(f64::from(u8::from(*is_right))),
            Scalar::Integer(number) => Some(*number as f64),
            Scalar::Number(number) => Some(*number).filter(|number| number.is_finite()),
            Scalar::Text(text) => score_of_text(text),
            Scalar::Nothing | Scalar::Nested => None,
        }
    }

    /// As text; `None` for what is none.
    pub(super) fn text(&self) -> Option<String> {
        match self {
            Scalar::Bool(is_true) => Some(is_true.to_string()),
            Scalar::Integer(number) => Some(number.to_string()),
            Scalar::Number(number) => Some(number.to_string()),
            Scalar::Text(text) => Some(text.clone()),
            Scalar::Nothing | Scalar::Nested => None,
        }
    }
}

/// A score written as text, in any of the ways in which tables write one.
pub(super) fn score_of_text(text: &str) -> Option<f64> {
    let text = text.trim();
    for (yes, no) in [("true", "false"), ("yes", "no")] {
        if text.eq_ignore_ascii_case(yes) || text.eq_ignore_ascii_case(no) {
            return Some(f64::from(u8::from(text.eq_ignore_ascii_case(yes))));
        }
    }
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
    match text.strip_suffix('%') {
        Some(percent) => number(percent.trim_end()).map(|percent| percent / 100.0),
        None => number(text),
    }
}

/// What Python, its tables, and spreadsheets write where they know nothing, or where a computation failed.
pub(super) fn is_blank(text: &str) -> bool {
    const BLANKS: [&str; 12] =
        ["nan", "null", "none", "na", "n/a", "<na>", "nat", "nil", "inf", "infinity", "undefined", "#n/a"];
    let text = text.trim();
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    unsigned.is_empty() || BLANKS.iter().any(|blank| unsigned.eq_ignore_ascii_case(blank))
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
        Ok(i64::try_from(value).map_or_else(|_| Scalar::Text(value.to_string()), Scalar::Integer))
    }

    fn visit_i64<E>(self, value: i64) -> std::result::Result<Scalar, E> {
        Ok(Scalar::Integer(value))
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

#[cfg(test)]
mod tests {
    use super::{Scalar, is_blank, parsed, score_of_text};

    #[test]
    fn what_python_writes_beyond_json_is_no_value_and_texts_are_left_alone() {
        let text = r#"{"a": NaN, "b": [-Infinity, Infinity], "c": "NaN, \"-Infinity\" 12345678901234567890", "d": -1.5e-3}"#;
        let value: serde_json::Value = parsed(text).unwrap();
        let same =
            r#"{"a": null, "b": [null, null], "c": "NaN, \"-Infinity\" 12345678901234567890", "d": -0.0015}"#;
        assert_eq!(value, serde_json::from_str::<serde_json::Value>(same).unwrap());
        assert!(parsed::<serde_json::Value>("[Nan]").is_err());
    }

    #[test]
    fn integers_never_pass_through_a_float() {
        for id in ["340282366920938463463374607431768211455", "9007199254740993", "-9007199254740993", "7"] {
            assert_eq!(parsed::<Scalar>(id).unwrap().text().unwrap(), id);
        }
        assert_eq!(parsed::<f64>("0.12345678901234567").unwrap(), 0.123_456_789_012_345_67);
    }

    #[test]
    fn percentages_are_scores_and_blanks_are_none() {
        assert_eq!([score_of_text("85%"), score_of_text("25 %")], [Some(0.85), Some(0.25)]);
        for blank in ["", "-", "NaN", "None", "-inf", "Infinity", "null", "N/A"] {
            assert!(is_blank(blank) && score_of_text(blank).is_none(), "{blank}");
        }
        assert!(!is_blank("0") && !is_blank("info"));
    }
}
