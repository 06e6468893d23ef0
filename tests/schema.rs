//! The schemas of scenarios and price books: current, and true of every file here. `llm-bandit schema scenario > scenarios/scenario.schema.json`,
//! `llm-bandit schema scenario --markdown > docs/src/keys.md`, and `llm-bandit schema prices > datasets/prices.schema.json` renew them.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

use std::fs;
use std::path::{Path, PathBuf};

use llm_bandit::scenario::file::{keys, schema};
use llm_bandit::scenario::price_book_schema;
use serde_json::Value;

fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn scenarios(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries
        .flat_map(|path| if path.is_dir() { scenarios(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .collect();
    found.sort();
    found
}

/// What is wrong with a value, with its place; the part of JSON Schema that the schemas here are made of.
fn fault(root: &Value, schema: &Value, value: &Value, place: &str) -> Option<String> {
    let Some(schema) = schema.as_object() else {
        return (schema == &Value::Bool(false)).then(|| format!("{place}: nothing may stand here"));
    };
    let here = |schema: &Value| fault(root, schema, value, place);
    let all = |key: &str| schema.get(key).and_then(Value::as_array).into_iter().flatten();
    for (key, expected) in schema {
        let found = match key.as_str() {
            "$ref" => here(&root["definitions"][expected.as_str().unwrap().rsplit('/').next().unwrap()]),
            "allOf" => all(key).find_map(here),
            "anyOf" | "oneOf" => {
                let faults: Vec<Option<String>> = all(key).map(here).collect();
                let n_fit = faults.iter().filter(|fault| fault.is_none()).count();
                let is_well = if key == "oneOf" { n_fit == 1 } else { n_fit > 0 };
                (!is_well).then(|| format!("{place}: fits {n_fit} of {key}"))
            }
            "if" => here(&schema[if here(expected).is_none() { "then" } else { "else" }]),
            "const" => (value != expected).then(|| format!("{place}: {value} is not {expected}")),
            "enum" => (!expected.as_array().unwrap().contains(value)).then(|| format!("{place}: {value}")),
            "type" => {
                let is_a = |kind: &Value| match kind.as_str().unwrap() {
                    "string" => value.is_string(),
                    "boolean" => value.is_boolean(),
                    "integer" => value.is_i64() || value.is_u64(),
                    "number" => value.is_number(),
                    "array" => value.is_array(),
                    "object" => value.is_object(),
                    "null" => value.is_null(),
                    other => panic!("type {other}"),
                };
                let is_well =
                    expected.as_array().map_or_else(|| is_a(expected), |kinds| kinds.iter().any(is_a));
                (!is_well).then(|| format!("{place}: {value} is no {expected}"))
            }
            "items" => (value.as_array().into_iter().flatten())
                .find_map(|value| fault(root, expected, value, &format!("{place}[]"))),
            "required" => (all(key).filter_map(Value::as_str))
                .find(|name| value.is_object() && value.get(name).is_none())
                .map(|name| format!("{place}: lacks {name}")),
            "properties" => (value.as_object().into_iter().flatten()).find_map(|(name, value)| {
                expected.get(name).and_then(|schema| fault(root, schema, value, &format!("{place}.{name}")))
            }),
            "additionalProperties" => (value.as_object().into_iter().flatten())
                .filter(|(name, _)| schema.get("properties").is_none_or(|known| known.get(name).is_none()))
                .find_map(|(name, value)| fault(root, expected, value, &format!("{place}.{name}"))),
            _ => None,
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

fn faults_of(schema: &Value, text: &str) -> Option<String> {
    let value: toml::Value = toml::from_str(text).unwrap();
    fault(schema, schema, &serde_json::to_value(value).unwrap(), "")
}

#[test]
fn the_schemas_in_the_repository_are_those_of_the_program() {
    for (file, current) in [
        ("scenarios/scenario.schema.json", format!("{:#}", schema())),
        ("datasets/prices.schema.json", format!("{:#}", price_book_schema())),
        ("docs/src/keys.md", keys()),
    ] {
        let written = fs::read_to_string(checkout().join(file)).unwrap_or_default();
        assert!(written.trim_end() == current.trim_end(), "{file} is stale; see the head of tests/schema.rs");
    }
}

#[test]
fn every_scenario_and_price_book_here_fits_its_schema_and_a_slip_does_not() {
    let schema = schema();
    let files = scenarios(&checkout().join("scenarios"));
    assert!(files.len() > 20);
    for file in &files {
        let text = fs::read_to_string(file).unwrap();
        assert_eq!(faults_of(&schema, &text), None, "{}", file.display());
    }
    let head = "description = \"d\"\nsuite = \"s\"\n";
    for slip in [
        "[[router]]\nkind = \"knn\"",
        "[[router]]\nkind = \"predictor\"\nmodel = \"knn\"\nk = 3",
        "[router]\nkind = \"random\"",
        "seeds = 3\n[[router]]\nkind = \"random\"",
        "[pool]\ngaps = \"fill\"\n[[router]]\nkind = \"random\"",
        "[[shift]]\nkind = \"prise\"\n[[router]]\nkind = \"random\"",
        "[online]\norders = 3\n[[router]]\nkind = \"random\"",
    ] {
        assert!(faults_of(&schema, &format!("{head}{slip}")).is_some(), "{slip}");
    }
    let book = fs::read_to_string(checkout().join("datasets/prices.toml")).unwrap();
    assert_eq!(faults_of(&price_book_schema(), &book), None);
}
