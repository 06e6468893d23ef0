//! What a scenario may hold, as a JSON Schema: for editors, and for the reference of keys in the documents. It is made of the types that
//! read a scenario, so that there is one list of keys.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::unseen::WrittenQuiz;
use crate::router::online::OnlineRouterSettings;
use crate::router::{Features, Registry, Stick};

/// The schema of price books.
pub fn price_book_schema() -> Value {
    let mut generator = generator();
    let book = generator.subschema_for::<crate::suite::prices::WrittenBook>();
    finished(generator, "A price book of llm-bandit", json!({ "allOf": [book] }))
}

/// What editors of TOML know: draft 7.
pub(super) fn generator() -> SchemaGenerator {
    SchemaSettings::draft07().into_generator()
}

/// With its definitions and a title.
pub(super) fn finished(mut generator: SchemaGenerator, title: &str, mut schema: Value) -> Value {
    schema["$schema"] = "http://json-schema.org/draft-07/schema#".into();
    schema["title"] = title.into();
    schema["definitions"] = Value::Object(generator.take_definitions(true));
    without_links(&mut schema);
    schema
}

/// Descriptions are comments of the program, whose links lead nowhere else.
fn without_links(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(text)) = fields.get_mut("description") {
                *text = text.replace('\n', " ");
                while let Some((start, end)) =
                    text.find("](").and_then(|at| Some((at, at + text[at..].find(')')?)))
                {
                    text.replace_range(start..=end, "");
                    text.replace_range(..start, &text[..start].replacen('[', "", 1));
                }
            }
            fields.values_mut().for_each(without_links);
        }
        Value::Array(values) => values.iter_mut().for_each(without_links),
        _ => {}
    }
}

/// A `[[router]]` of an offline scenario.
pub(super) struct RouterTable;

/// A `[[router]]` of an online scenario.
pub(super) struct OnlineRouterTable;

/// With a label and what else a router of any kind has.
fn labelled(schema: &mut Schema, more: &[(&str, Value)]) {
    let properties = schema.ensure_object().entry("properties").or_insert_with(|| json!({}));
    properties["label"] = json!({ "type": "string", "description": "Its name in tables and plots; needed where two are of one kind." });
    more.iter().for_each(|(name, value)| properties[*name] = value.clone());
}

impl JsonSchema for RouterTable {
    fn schema_name() -> Cow<'static, str> {
        "Router".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let quiz = generator.subschema_for::<WrittenQuiz>().to_value();
        let stick = generator.subschema_for::<Stick>().to_value();
        let features = generator.subschema_for::<Features>().to_value();
        let kinds = Registry::built_in().schemas(generator).into_iter().map(|(kind, mut schema)| {
            let of_all = [
                ("kind", json!({ "const": kind })),
                ("quiz", quiz.clone()),
                ("features", features.clone()),
                ("stick", stick.clone()),
            ];
            labelled(&mut schema, &of_all);
            let required = schema.ensure_object().entry("required").or_insert_with(|| json!([]));
            required.as_array_mut().expect("a list of names").push("kind".into());
            schema.insert("type".into(), "object".into());
            schema
        });
        json_schema!({ "oneOf": kinds.collect::<Vec<Schema>>() })
    }
}

impl JsonSchema for OnlineRouterTable {
    fn schema_name() -> Cow<'static, str> {
        "OnlineRouter".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = OnlineRouterSettings::json_schema(generator);
        let kinds = schema.get_mut("oneOf").and_then(Value::as_array_mut).into_iter().flatten();
        for kind in kinds {
            let with_label = Schema::try_from(std::mem::take(kind)).map(|mut kind| {
                labelled(&mut kind, &[]);
                kind.to_value()
            });
            *kind = with_label.expect("a kind is an object");
        }
        schema
    }
}
