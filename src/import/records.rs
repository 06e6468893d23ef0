//! Records of JSON, and rows out of them: lists within are gone through, and objects are spread over columns with dots.
//!
//! A document is an object that holds a list of records somewhere, or a dictionary of them by their keys. What it says in words
//! outside of that list, such as the model that it is of, holds for every record; its numbers do not, since they are sums.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::json::{Elements, deserializer, fault, parsed};
use super::source::{Budget, Input};
use super::texts::{MOST_LEVELS, python_value};
use crate::error::{Error, Result};

/// One record, before its objects are spread.
pub(super) type Record = Map<String, Value>;

/// Names of columns with their texts, the surest first.
pub(super) type Fields<'v> = Vec<(Cow<'v, str>, Cow<'v, str>)>;

/// Texts of a document that are kept, and their length.
const MOST_TEXTS: usize = 256;
const LONGEST_TEXT: usize = 1024;

/// A text longer than this is not tried as an object.
const LONGEST_OBJECT: usize = 1 << 16;

/// An object with so many entries of one kind is a dictionary also where they hold lists of records.
const MANY_ENTRIES: usize = 8;

/// Keys of an object that are compared with those of another.
const N_COMPARED: usize = 64;

/// The column of a record's key in its dictionary, and what it is called where the record has such a column of its own.
const KEYS: [&str; 2] = ["key", "record_key"];

/// What a document holds.
#[derive(Default)]
pub(super) struct Document {
    /// Texts outside of its lists, by their path.
    pub(super) texts: Vec<(String, String)>,
    pub(super) lists: Vec<List>,
}

/// How records lie in a document.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    List,
    /// An object whose values are the records.
    Dictionary,
    /// The same, of records that are dictionaries themselves.
    OfDictionaries,
}

/// A list of records in a document.
pub(super) struct List {
    pub(super) kind: Kind,
    /// The keys that lead to it.
    pub(super) keys: Vec<String>,
    pub(super) n_records: usize,
    /// The columns of its first record.
    pub(super) columns: Vec<String>,
}

impl Document {
    /// Reads a document for what it holds, keeping little of it. What lies under the keys that are asked for is a dictionary
    /// wherever its values are objects.
    ///
    /// # Errors
    /// What is no JSON object, with its line.
    pub(super) fn survey(input: Input<'_>, asked: &[String]) -> Result<Self> {
        let (path, budget) = (input.path().to_owned(), input.budget());
        let mut document = Document::default();
        let mut deserializer = deserializer(input);
        let survey = Survey { keys: Vec::new(), asked, document: &mut document, budget: Some(&budget) };
        let read = survey.deserialize(&mut deserializer).and_then(|_| deserializer.end());
        read.map_err(|error| fault(&path, &error)).map(|()| document)
    }

    /// What a record holds that tells of others.
    pub(super) fn of(record: &Record) -> Self {
        let mut document = Document::default();
        for (key, value) in record {
            let survey =
                Survey { keys: vec![key.clone()], asked: &[], document: &mut document, budget: None };
            // A value that is read already has no faults.
            survey.deserialize(value).unwrap_or_default();
        }
        document
    }
}

struct Survey<'a> {
    keys: Vec<String>,
    /// Keys under which a dictionary is asked for; empty where none is.
    asked: &'a [String],
    document: &'a mut Document,
    /// Of what is read from a file.
    budget: Option<&'a Budget>,
}

impl Survey<'_> {
    fn renew(&self) {
        if let Some(budget) = self.budget {
            budget.renew();
        }
    }

    fn keep(&mut self, text: &str) {
        if self.document.texts.len() < MOST_TEXTS && text.len() <= LONGEST_TEXT && !self.keys.is_empty() {
            self.document.texts.push((self.keys.join("."), text.to_owned()));
        }
    }
}

/// What a value is to the object that holds it.
#[derive(Default)]
struct Shape {
    is_object: bool,
    /// Its first keys.
    keys: Vec<String>,
    /// Every value of it is an object.
    holds_objects: bool,
}

impl<'de> DeserializeSeed<'de> for Survey<'_> {
    type Value = Shape;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<Shape, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Survey<'_> {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> std::result::Result<Shape, E> {
        Ok(Shape::default())
    }

    fn visit_bool<E>(self, _: bool) -> std::result::Result<Shape, E> {
        Ok(Shape::default())
    }

    fn visit_i64<E>(self, _: i64) -> std::result::Result<Shape, E> {
        Ok(Shape::default())
    }

    fn visit_u64<E>(self, _: u64) -> std::result::Result<Shape, E> {
        Ok(Shape::default())
    }

    fn visit_f64<E>(self, _: f64) -> std::result::Result<Shape, E> {
        Ok(Shape::default())
    }

    fn visit_str<E>(mut self, text: &str) -> std::result::Result<Shape, E> {
        self.keep(text);
        Ok(Shape::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> std::result::Result<Shape, A::Error> {
        self.renew();
        let Some(first) = list.next_element::<Value>()? else { return Ok(Shape::default()) };
        let mut n_records = 1;
        self.renew();
        while list.next_element::<IgnoredAny>()?.is_some() {
            self.renew();
            n_records += 1;
        }
        match first {
            Value::Object(record) => {
                let columns = spread(&record).into_iter().map(|(name, _)| name.into_owned()).collect();
                self.document.lists.push(List { kind: Kind::List, keys: self.keys, n_records, columns });
            }
            Value::String(text) if n_records == 1 => self.keep(&text),
            _ => {}
        }
        Ok(Shape::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Shape, A::Error> {
        let (n_lists, n_texts) = (self.document.lists.len(), self.document.texts.len());
        let mut shape = Shape { is_object: true, keys: Vec::new(), holds_objects: true };
        let (mut n_records, mut first, mut are_alike, mut are_nested) = (0, Vec::new(), true, true);
        while let Some(key) = map.next_key::<String>()? {
            let (asked, keys) = (self.asked, self.keys.iter().chain([&key]).cloned().collect());
            let of = map.next_value_seed(Survey {
                keys,
                asked,
                document: &mut *self.document,
                budget: self.budget,
            })?;
            self.renew();
            if n_records == 0 {
                first.clone_from(&of.keys);
            }
            let n_shared = first.iter().filter(|key| of.keys.contains(key)).count();
            are_alike &= !first.is_empty() && first.len() <= 2 * n_shared;
            are_nested &= of.holds_objects;
            shape.holds_objects &= of.is_object;
            n_records += 1;
            if shape.keys.len() < N_COMPARED {
                shape.keys.push(key);
            }
        }
        shape.holds_objects &= 0 < n_records;
        let has_lists = self.document.lists[n_lists..].iter().any(|list| list.kind == Kind::List);
        let is_asked = !self.asked.is_empty() && self.asked == self.keys;
        let is_dictionary = are_alike && 1 < n_records && (!has_lists || MANY_ENTRIES <= n_records);
        if shape.holds_objects && (is_dictionary || is_asked) {
            // What lies within is of single records.
            self.document.lists.truncate(n_lists);
            self.document.texts.truncate(n_texts);
            let kind = if are_nested { Kind::OfDictionaries } else { Kind::Dictionary };
            self.document.lists.push(List { kind, keys: self.keys, n_records, columns: first });
        }
        Ok(shape)
    }
}

/// Calls `each` with every record of the list or dictionary to which these keys lead, and its number, counted from 0; with one
/// of a dictionary as if it held its key as a column.
///
/// # Errors
/// No such list; whatever `each` finds.
pub(super) fn records_of(
    input: Input<'_>,
    keys: &[String],
    is_dictionary: bool,
    mut each: impl FnMut(usize, Record) -> Result<()>,
) -> Result<()> {
    let (path, budget) = (input.path().to_owned(), input.budget());
    let mut deserializer = deserializer(input);
    let mut found = None;
    let descent = Descent { keys, is_dictionary, each: &mut each, budget: &budget, found: &mut found };
    let read = descent.deserialize(&mut deserializer).and_then(|()| deserializer.end());
    match (found, read) {
        (Some(error), _) => Err(error),
        (None, read) => read.map_err(|error| fault(&path, &error)),
    }
}

struct Descent<'a, F> {
    keys: &'a [String],
    is_dictionary: bool,
    each: &'a mut F,
    budget: &'a Budget,
    found: &'a mut Option<Error>,
}

impl<'de, F: FnMut(usize, Record) -> Result<()>> DeserializeSeed<'de> for Descent<'_, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<(), D::Error> {
        if !self.keys.is_empty() || self.is_dictionary {
            return deserializer.deserialize_map(self);
        }
        let Descent { each, budget, found, .. } = self;
        Elements { each, budget, found, kind: std::marker::PhantomData }.deserialize(deserializer)
    }
}

impl<F: FnMut(usize, Record) -> Result<()>> Descent<'_, F> {
    fn each_of_dictionary<'de, A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<(), A::Error> {
        self.budget.renew();
        for number in 0.. {
            let Some((key, mut record)) = map.next_entry::<String, Record>()? else { break };
            let column = KEYS.iter().find(|column| !record.contains_key(**column));
            if let Some(column) = column {
                record.insert((*column).to_owned(), Value::String(key));
            }
            if let Err(error) = (self.each)(number, record) {
                *self.found = Some(error);
                return Err(A::Error::custom("stopped"));
            }
            self.budget.renew();
        }
        Ok(())
    }
}

impl<'de, F: FnMut(usize, Record) -> Result<()>> Visitor<'de> for Descent<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<(), A::Error> {
        let Some((wanted, rest)) = self.keys.split_first() else { return self.each_of_dictionary(map) };
        while let Some(key) = map.next_key::<String>()? {
            if key == *wanted {
                let Descent { is_dictionary, each, budget, found, .. } = self;
                map.next_value_seed(Descent { keys: rest, is_dictionary, each, budget, found })?;
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
                    budget.renew();
                }
                return Ok(());
            }
            map.next_value::<IgnoredAny>()?;
            self.budget.renew();
        }
        Err(A::Error::custom(format!("no list of records under `{wanted}`")))
    }
}

/// The columns of a record.
pub(super) fn spread(record: &Record) -> Fields<'_> {
    spread_but(record, "")
}

fn spread_but<'v>(record: &'v Record, left_out: &str) -> Fields<'v> {
    let mut fields = Fields::new();
    for (key, value) in record.iter().filter(|(key, _)| left_out.is_empty() || *key != left_out) {
        spread_value(Cow::Borrowed(key), value, MOST_LEVELS, &mut fields);
    }
    fields
}

/// An object stands as a text under its own name, and each of its parts under both names with a dot between them; so does one
/// that was written as a text.
fn spread_value<'v>(name: Cow<'v, str>, value: &'v Value, levels: usize, fields: &mut Fields<'v>) {
    match value {
        Value::Null => fields.push((name, Cow::Borrowed(""))),
        Value::String(text) => {
            spread_text(&name, text, fields);
            fields.push((name, Cow::Borrowed(text)));
        }
        Value::Object(object) => {
            fields.push((name.clone(), Cow::Owned(value.to_string())));
            for (key, part) in object.iter().filter(|_| 0 < levels) {
                spread_value(Cow::Owned(format!("{name}.{key}")), part, levels - 1, fields);
            }
        }
        other => fields.push((name, Cow::Owned(other.to_string()))),
    }
}

/// The parts of an object that is written as a text, in JSON or as Python prints it.
pub(super) fn spread_text(name: &str, text: &str, fields: &mut Fields<'_>) {
    let text = text.trim();
    if !text.starts_with('{') || !text.ends_with('}') || LONGEST_OBJECT < text.len() {
        return;
    }
    let value = parsed::<Value>(text).ok().or_else(|| python_value(text));
    let Some(Value::Object(object)) = value else { return };
    let mut parts = Fields::new();
    for (key, part) in &object {
        spread_value(Cow::Owned(format!("{name}.{key}")), part, MOST_LEVELS, &mut parts);
    }
    let owned = parts.into_iter().map(|(name, text)| (name.into_owned().into(), text.into_owned().into()));
    fields.extend(owned);
}

/// Calls `each` with the fields of every element of the list to which these keys lead within a record, beside those of the
/// record itself, and with where it stands there; with the fields of the record alone where there is no such list.
///
/// # Errors
/// Whatever `each` finds.
pub(super) fn each_of_list(
    record: &Record,
    keys: &[String],
    each: &mut dyn FnMut(Fields<'_>, &str) -> Result<()>,
) -> Result<()> {
    let Some((first, _)) = keys.split_first() else { return each(spread(record), "") };
    // A record whose list was written as a text.
    let unpacked = record.get(first).and_then(Value::as_str).and_then(|text| parsed::<Value>(text).ok());
    let list = unpacked.as_ref().or(record.get(first));
    let above = spread_but(record, first);
    let n_given = each_element(list, ["", ""], keys, &mut |own, place| {
        let beside = above.iter().filter(|(name, _)| !own.iter().any(|(known, _)| known == name)).cloned();
        each(own.iter().cloned().chain(beside).collect(), place)
    })?;
    if n_given == 0 { each(above, "") } else { Ok(()) }
}

fn each_element(
    value: Option<&Value>,
    [prefix, place]: [&str; 2],
    keys: &[String],
    each: &mut dyn FnMut(&Fields<'_>, &str) -> Result<()>,
) -> Result<usize> {
    let Some((first, rest)) = keys.split_first() else { return Ok(0) };
    let below = |above: &str| if above.is_empty() { first.clone() } else { format!("{above}.{first}") };
    let (prefix, place) = (below(prefix), below(place));
    let (elements, is_list): (&[Value], bool) = match value {
        Some(Value::Array(elements)) => (elements, true),
        Some(object @ Value::Object(_)) if !rest.is_empty() => (std::slice::from_ref(object), false),
        _ => (&[], true),
    };
    let mut n_given = 0;
    for (number, element) in elements.iter().enumerate() {
        let Some(object) = element.as_object() else { continue };
        let place = if is_list { format!("{place}[{number}]") } else { place.clone() };
        let mut own = Fields::new();
        for (key, part) in object.iter().filter(|(key, _)| rest.first() != Some(*key)) {
            spread_value(Cow::Owned(format!("{prefix}.{key}")), part, MOST_LEVELS, &mut own);
        }
        let Some(next) = rest.first() else {
            n_given += 1;
            each(&own, &place)?;
            continue;
        };
        n_given += each_element(object.get(next), [&prefix, &place], rest, &mut |inner, place| {
            each(&inner.iter().chain(&own).cloned().collect(), place)
        })?;
    }
    Ok(n_given)
}

/// Lists of equal length side by side, as one record an element, by the length of the list of this name.
pub(super) fn unzipped(record: &Record, list: &str) -> Vec<Record> {
    let Some(Value::Array(models)) = record.get(list) else { return vec![record.clone()] };
    let of = |at: usize| {
        let own = |(key, value): (&String, &Value)| match value {
            Value::Array(parts) if parts.len() == models.len() => (key.clone(), parts[at].clone()),
            other => (key.clone(), other.clone()),
        };
        record.iter().map(own).collect()
    };
    (0..models.len()).map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(text: &str) -> Record {
        parsed(text).unwrap()
    }

    fn shown(fields: &Fields<'_>) -> Vec<String> {
        fields.iter().map(|(name, text)| format!("{name}={text}")).collect()
    }

    #[test]
    fn objects_are_spread_also_where_they_are_written_as_texts() {
        let fields =
            spread(&record(r#"{"a": {"b": {"c": 1}, "d": null}, "e": [1], "f": "{'g': True}"}"#)).len();
        assert_eq!(fields, 7);
        let nested = record(r#"{"a": {"b": 1.5}, "f": "{'g': 'x'}", "t": "{x | x > 0}"}"#);
        assert_eq!(
            shown(&spread(&nested)),
            [r#"a={"b":1.5}"#, "a.b=1.5", "f.g=x", "f={'g': 'x'}", "t={x | x > 0}"]
        );
    }

    #[test]
    fn an_element_of_a_list_stands_beside_what_its_record_says() {
        let nested = record(
            r#"{"id": 7, "runs": [{"by": "x", "of": [{"m": "a"}, {"m": "b"}]}, {"of": [{"m": "c"}]}]}"#,
        );
        let mut rows = Vec::new();
        let keys = ["runs".to_owned(), "of".to_owned()];
        let mut places = Vec::new();
        each_of_list(&nested, &keys, &mut |fields, place| {
            rows.push(shown(&fields).join(" "));
            places.push(place.to_owned());
            Ok(())
        })
        .unwrap();
        assert_eq!(rows, ["runs.of.m=a runs.by=x id=7", "runs.of.m=b runs.by=x id=7", "runs.of.m=c id=7"]);
        assert_eq!(places, ["runs[0].of[0]", "runs[0].of[1]", "runs[1].of[0]"]);
        let mut alone = Vec::new();
        each_of_list(&record(r#"{"id": 8}"#), &keys, &mut |fields, _| {
            alone.push(shown(&fields).join(" "));
            Ok(())
        })
        .unwrap();
        assert_eq!(alone, ["id=8"]);
    }
}
