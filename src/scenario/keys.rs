//! The page of all keys of a scenario, made of its [schema](super::schema): what editors say of a key and what the documents say of it
//! is one text, the comment of the field that reads it.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::Value;

const HEAD: &str = "# Every key of a scenario

Made by `llm-bandit schema scenario --markdown` of the types that read a scenario. [Scenarios and shifts](scenario.md) shows them in use,
[Routers](routers.md) says what the settings of routers do.
";

/// The page, in Markdown.
pub(super) fn page(schema: &Value) -> String {
    let mut page = Page { schema, text: HEAD.to_owned(), explained: BTreeSet::new() };
    let [offline, online] = ["else", "then"].map(|branch| page.resolved(&schema[branch]));
    page.table("At the top", offline, &[]);
    for (key, property) in properties(offline) {
        page.below(key, property);
    }
    // What online scenarios have besides.
    for (key, property) in properties(online).filter(|(key, _)| *key == "online" || *key == "router") {
        page.below(if key == "router" { "router, online" } else { key }, property);
    }
    page.text
}

struct Page<'a> {
    schema: &'a Value,
    text: String,
    /// What words mean, as far as it has been said: each is explained once.
    explained: BTreeSet<String>,
}

impl<'a> Page<'a> {
    /// What a reference, or one type among `null`, stands for.
    fn resolved(&self, schema: &'a Value) -> &'a Value {
        if let Some(path) = schema["$ref"].as_str() {
            return self.resolved(&self.schema["definitions"][path.rsplit('/').next().unwrap_or_default()]);
        }
        for key in ["allOf", "anyOf"] {
            let known = schema[key].as_array().into_iter().flatten().filter(|one| one["type"] != "null");
            if let [only] = known.collect::<Vec<_>>()[..] {
                return self.resolved(only);
            }
        }
        schema
    }

    /// The section of a key that is a table or a list of tables.
    fn below(&mut self, name: &str, property: &'a Value) {
        let schema = self.resolved(property);
        let items = self.resolved(&schema["items"]);
        let (shown, own) = match name.split_once(", ") {
            Some((key, mode)) => (format!("`[[{key}]]` of an {mode} scenario"), items),
            None if schema["type"] == "array" => (format!("`[[{name}]]`"), items),
            None => (format!("`[{name}]`"), schema),
        };
        if own["properties"].is_object() {
            self.table(&shown, own, &[]);
        } else if is_choice_of_tables(own) {
            let _ = write!(
                self.text,
                "\n## {shown}\n\nBy `kind`, beside `label`{}:\n",
                if name == "router" {
                    ", `quiz`, [`features`](embeddings.md#text-features), and, in [sessions](sessions.md), `stick`"
                } else {
                    ""
                }
            );
            for kind in own["oneOf"].as_array().into_iter().flatten() {
                let title = format!("`kind = {}`", kind["properties"]["kind"]["const"]);
                self.rows(&format!("\n### {title}\n"), kind, &["kind", "label", "quiz", "features", "stick"]);
            }
        } else {
            return;
        }
        let inner = properties(own).filter(|(_, property)| self.resolved(property)["properties"].is_object());
        for (key, property) in inner.collect::<Vec<_>>() {
            self.below(&format!("{name}.{key}"), property);
        }
        for (key, property) in properties(own).filter(|(_, property)| property["type"] == "array") {
            if self.resolved(&property["items"])["properties"].is_object() {
                self.below(&format!("{name}.{key}"), property);
            }
        }
    }

    fn table(&mut self, title: &str, schema: &'a Value, without: &[&str]) {
        self.rows(&format!("\n## {title}\n"), schema, without);
    }

    fn rows(&mut self, heading: &str, schema: &'a Value, without: &[&str]) {
        self.text.push_str(heading);
        let said = described(schema);
        // What is said of the whole file is for who reads the program.
        if !said.is_empty() && schema["properties"]["suite"].is_null() {
            let _ = write!(self.text, "\n{said}\n");
        }
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let mut rows = properties(schema).filter(|(key, _)| !without.contains(key)).peekable();
        if rows.peek().is_some() {
            self.text.push_str("\n| key | value | default | meaning |\n|---|---|---|---|\n");
        }
        for (key, property) in rows {
            let default = match &property["default"] {
                Value::Null if required.contains(&key) => "required".to_owned(),
                Value::Null | Value::Object(_) => String::new(),
                Value::Array(values) if values.is_empty() => String::new(),
                value => format!("`{value}`"),
            };
            let (value, mut meaning) = (self.value(property), described(property).to_owned());
            let choices = self.choices(property);
            if !choices.is_empty() {
                meaning = format!("{meaning} {choices}");
            }
            let cells = [format!("`{key}`"), value, default, meaning].map(|cell| cell.replace('|', "\\|"));
            let _ = writeln!(self.text, "| {} |", cells.join(" | "));
        }
    }

    /// What a key may be, in words.
    fn value(&self, property: &'a Value) -> String {
        let schema = self.resolved(property);
        let kind = match &schema["type"] {
            Value::Array(kinds) => kinds.iter().find(|kind| *kind != "null").unwrap_or(&Value::Null),
            kind => kind,
        };
        match kind.as_str() {
            Some("string") if schema["const"] != Value::Null => format!("`{}`", schema["const"]),
            Some("string") => "text".into(),
            Some("integer") => "whole number".into(),
            Some("number") => "number".into(),
            Some("boolean") => "`true` or `false`".into(),
            Some("array") => match self.value(&schema["items"]).as_str() {
                "table" => "tables".into(),
                item => format!("list of {item}"),
            },
            Some("object") => "table".into(),
            _ if is_choice_of_tables(schema) => "table".into(),
            _ if schema["const"] != Value::Null => format!("`{}`", schema["const"]),
            _ => {
                let choices = [&schema["oneOf"], &schema["anyOf"], &schema["enum"]];
                let choices = choices.into_iter().filter_map(Value::as_array).flatten();
                let shown = |choice: &'a Value| match choice {
                    Value::String(_) => format!("`{choice}`"),
                    _ => self.value(choice),
                };
                let mut shown: Vec<String> = choices.map(shown).collect();
                shown.dedup();
                if shown.is_empty() { "any".into() } else { shown.join(" or ") }
            }
        }
    }

    /// What each of several words means.
    fn choices(&mut self, property: &'a Value) -> String {
        let choices = self.resolved(property)["oneOf"].as_array().into_iter().flatten();
        let said = choices.filter(|choice| choice["const"].is_string() && !described(choice).is_empty());
        let said = said.map(|choice| format!("`{}`: {}", choice["const"], described(choice)));
        let said = said.collect::<Vec<_>>().join(" ");
        if self.explained.insert(said.clone()) { said } else { String::new() }
    }
}

fn is_choice_of_tables(schema: &Value) -> bool {
    schema["oneOf"][0]["properties"].is_object()
}

fn properties(schema: &Value) -> impl Iterator<Item = (&str, &Value)> {
    schema["properties"].as_object().into_iter().flatten().map(|(key, property)| (key.as_str(), property))
}

fn described(schema: &Value) -> &str {
    schema["description"].as_str().unwrap_or_default()
}
