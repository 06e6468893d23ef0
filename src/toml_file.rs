//! TOML with faults that name path, line, and the near miss.

use std::path::Path;

use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue};

use crate::error::{Error, Result, suggestion};

/// Parses a file's text.
pub(crate) fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T> {
    toml::from_str(text).map_err(|error| fault(path, text, &error, ""))
}

/// A fault in the table of that key, in the whole text where it is empty, as one line. Where the parser lost the place, as
/// it does in tables whose `kind` says how they are read, it is that of the key or value of the table that is not known.
pub(crate) fn fault(path: &Path, text: &str, error: &toml::de::Error, key: &str) -> Error {
    let message = error.message();
    let parsed = error.span().map(|span| line_of(text, span.start));
    let unknown = message.strip_prefix("unknown ").and_then(|rest| rest.split('`').nth(1));
    let line = parsed.or_else(|| line_of_unknown(text, key, unknown?)).or_else(|| line_of_key(text, key));
    let line = line.unwrap_or(1);
    let written = text.lines().nth(line as usize - 1).unwrap_or_default().trim();
    if message.starts_with("invalid type: map, expected a sequence") && written.starts_with('[') {
        return Error::line(path, line, format!("`{written}` is one of a list: write `[{written}]`"));
    }
    Error::line(path, line, one_line(message))
}

/// A fault in what a file asks for, found after it was parsed: on the line of its setting, or of what is around it where it
/// was left out; of the file as a whole where it is of no setting.
pub(crate) fn located(path: &Path, text: &str, error: Error) -> Error {
    match error {
        Error::Setting { key, problem } => match line_of_key(text, &key) {
            Some(line) => Error::line(path, line, problem),
            None => Error::file(path, problem),
        },
        Error::Usage(problem) => Error::file(path, problem),
        other => other,
    }
}

/// A value by the place of its key or, in a list, by its own.
struct Found<'a> {
    start: usize,
    value: &'a DeValue<'a>,
}

/// The value of a key like `expect[2].metric`, or the last on the way to it that is there.
fn find<'a>(document: &'a DeTable<'a>, key: &str) -> Option<Found<'a>> {
    let mut found: Option<Found<'a>> = None;
    for part in key.split(['.', '[']).filter(|part| !part.is_empty()) {
        let of_table = |table: &'a DeTable<'a>| {
            let (key, value) = table.iter().find(|(key, _)| key.get_ref() == part)?;
            Some(Found { start: key.span().start, value: value.get_ref() })
        };
        let next = match found.as_ref().map(|found| found.value) {
            None => of_table(document),
            Some(DeValue::Table(table)) => of_table(table),
            Some(DeValue::Array(list)) => {
                let value = part.trim_end_matches(']').parse().ok().and_then(|at: usize| list.get(at));
                value.map(|value| Found { start: value.span().start, value: value.get_ref() })
            }
            Some(_) => None,
        };
        match next {
            Some(next) => found = Some(next),
            None => break,
        }
    }
    found
}

fn line_of_key(text: &str, key: &str) -> Option<u64> {
    let document = DeTable::parse(text).ok()?;
    find(document.get_ref(), key).map(|found| line_of(text, found.start))
}

/// The line of a key, or of a text, within the table of `key`.
fn line_of_unknown(text: &str, key: &str, unknown: &str) -> Option<u64> {
    fn in_table(table: &DeTable<'_>, unknown: &str) -> Option<usize> {
        table.iter().find_map(|(key, value)| {
            let is_text = matches!(value.get_ref(), DeValue::String(text) if text == unknown);
            let is_it = is_text || key.get_ref() == unknown;
            if is_it { Some(key.span().start) } else { in_value(value.get_ref(), unknown) }
        })
    }
    fn in_value(value: &DeValue<'_>, unknown: &str) -> Option<usize> {
        match value {
            DeValue::Table(table) => in_table(table, unknown),
            DeValue::Array(list) => list.iter().find_map(|value| match value.get_ref() {
                DeValue::String(text) if text == unknown => Some(value.span().start),
                inner => in_value(inner, unknown),
            }),
            _ => None,
        }
    }
    let document = DeTable::parse(text).ok()?;
    let start = match find(document.get_ref(), key) {
        Some(found) => in_value(found.value, unknown),
        None => in_table(document.get_ref(), unknown),
    };
    start.map(|start| line_of(text, start))
}

/// The line of a byte position, counted from 1.
pub(crate) fn line_of(text: &str, at: usize) -> u64 {
    1 + text.as_bytes().iter().take(at).filter(|&&byte| byte == b'\n').count() as u64
}

/// The types of numbers in words, and what to do about a number that is written as a text.
fn in_words(message: &str) -> String {
    if let Some((head, "there are no fields")) = message.rsplit_once(", ") {
        return format!("{head}: there are no settings here");
    }
    let Some((head, of_type)) = message.rsplit_once(", expected ") else { return message.to_owned() };
    let of_type = match of_type {
        "usize" | "u64" | "u32" | "u16" => "a whole number",
        "f64" | "f32" => "a number",
        "a sequence" => "a list, as in `[\"a\", \"b\"]`",
        _ => return message.to_owned(),
    };
    let text = head.strip_prefix("invalid type: string \"").and_then(|rest| rest.strip_suffix('"'));
    let is_number = text.is_some_and(|text| text.parse::<f64>().is_ok());
    let without = if is_number { " without quotes" } else { "" };
    format!("{head}, expected {of_type}{without}")
}

/// Serde lists every accepted name; a near miss says it shorter.
fn one_line(message: &str) -> String {
    // Below the problem serde says in which key, which the line of the file says too.
    let lines: Vec<&str> = message
        .trim()
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("in `"))
        .collect();
    let message = in_words(&lines.join(" "));
    let Some((head, tail)) = message.split_once(", expected ") else { return message };
    let mut names = head.split('`').skip(1).step_by(2);
    let accepted = tail.split('`').skip(1).step_by(2);
    match names.next().map(|written| suggestion(written, accepted)) {
        Some(near) if !near.is_empty() && head.starts_with("unknown") => format!("{head}{near}"),
        _ => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        #[expect(dead_code, reason = "only parsed")]
        replicates: usize,
    }

    #[test]
    fn what_is_found_out_later_is_placed_by_its_key_whatever_a_comment_says() {
        let line = |key: &str| {
            let text = "# models = [\"b\"], replicates, [pool]\nsuite = \"x\"\nreplicates = 0\n[pool]\nmodels = [\n  \"a\",\n  \"b\"]\n\
                [[expect]]\nmetric = \"m\"\n[[expect]]\nmetric = \"n\"\n[a.b]\nc = { d = 1 }\n";
            located(Path::new("s.toml"), text, Error::setting(key, "p")).to_string()
        };
        for (key, expected) in [
            ("suite", "s.toml:2: p"),
            ("replicates", "s.toml:3: p"),
            ("pool", "s.toml:4: p"),
            ("pool.benchmarks", "s.toml:4: p"),
            ("pool.models", "s.toml:5: p"),
            ("pool.models[1]", "s.toml:7: p"),
            ("expect[1].metric", "s.toml:11: p"),
            ("expect[0].router", "s.toml:8: p"),
            ("a.b.c.d", "s.toml:13: p"),
            ("seed", "s.toml: p"),
        ] {
            assert_eq!(line(key), expected, "{key}");
        }
    }

    #[test]
    fn a_misspelt_key_is_named_with_its_line_and_the_near_miss() {
        let message = |text: &str| parse::<Settings>(Path::new("s.toml"), text).unwrap_err().to_string();
        assert_eq!(
            message("\nreplicate = 3\n"),
            "s.toml:2: unknown field `replicate`; did you mean `replicates`?"
        );
        assert_eq!(
            message("replicates = \"x\""),
            "s.toml:1: invalid type: string \"x\", expected a whole number"
        );
        assert_eq!(
            message("replicates = \"5\""),
            "s.toml:1: invalid type: string \"5\", expected a whole number without quotes"
        );
        assert!(message("replicates = [").starts_with("s.toml:1: "));
    }
}
