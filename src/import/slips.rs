//! What was probably meant where a file, a row, or a value cannot be read, and the way out, as parts of messages.

use std::path::Path;

use crate::error::counted;

/// A literal for a message.
pub(super) fn shortened(text: &str) -> String {
    let mut characters = text.chars();
    let head: String = characters.by_ref().take(60).collect();
    if characters.next().is_some() { format!("{head}...") } else { head }
}

/// Signs and units of money that stand beside a number.
const CURRENCIES: [&str; 6] = ["$", "usd", "€", "£", "¥", "eur"];
/// How many of these are US dollars.
const DOLLARS: usize = 2;

/// How to write a number that has a sign of money, a decimal comma, or separators of thousands; empty for anything else.
pub(super) fn of_number(text: &str) -> String {
    let lower = text.trim().to_lowercase();
    // Without its unit the number would be taken for a hundred times as many dollars.
    if lower.contains("cent") {
        return "; write it in US dollars, without sign or unit".to_owned();
    }
    let mut bare = lower.as_str();
    for sign in CURRENCIES {
        bare = bare.strip_prefix(sign).unwrap_or(bare).trim_start();
        bare = bare.strip_suffix(sign).unwrap_or(bare).trim_end();
    }
    let is_number = |text: &str| text.parse::<f64>().is_ok_and(f64::is_finite);
    let groups: Vec<&str> = bare.trim_start_matches('-').split(',').collect();
    let (first, others) = groups.split_first().unwrap_or((&"", &[]));
    let is_group = |group: &&str| group.split('.').next().is_some_and(|whole| whole.len() == 3);
    let are_thousands = !first.starts_with('0') && first.len() <= 3 && others.iter().all(is_group);
    let (without, point) = (bare.replace(',', ""), bare.replace(',', "."));
    let meant = match others.len() {
        0 if bare != lower && is_number(bare) => format!("`{bare}`, without sign or unit"),
        1 if are_thousands && is_number(&without) && is_number(&point) => {
            format!(
                "`{without}`, without a separator of thousands, or `{point}` where the comma is a decimal one"
            )
        }
        1.. if are_thousands && is_number(&without) => {
            format!("`{without}`, without separators of thousands")
        }
        1 if is_number(&point) => format!("`{point}`, with a decimal point and no comma"),
        _ => return String::new(),
    };
    let is_other = CURRENCIES[DOLLARS..].iter().any(|sign| lower.contains(sign));
    format!("; write {meant}{}", if is_other { ", in US dollars" } else { "" })
}

/// What stands where the names of columns should, known by the first of them and by whether others follow.
pub(super) fn of_first_line(names: &[String]) -> Option<String> {
    let first = names.first()?;
    if first.to_lowercase().starts_with("sep=") {
        return Some(format!(
            "`{}` is a note for Excel; remove this line, so that the header comes first",
            names.join(",")
        ));
    }
    (names.len() == 1 && first.starts_with('#')).then(|| of_comment(first))
}

fn of_comment(first: &str) -> String {
    format!("`{}` is a comment where the header should be; remove this line", shortened(first))
}

/// Where a comment, an open quote, or a field with a delimiter in it makes a row longer or shorter than the header, and what to
/// do: the line, and the problem.
pub(super) fn of_ragged(names: &[String], record: &csv::ByteRecord, line: u64) -> (u64, String) {
    if let Some(first) = names.first().filter(|first| first.starts_with('#') && line == 2) {
        return (1, of_comment(first));
    }
    let mut before = record.iter().take_while(|field| !field.contains(&b'\n'));
    if record.iter().any(|field| field.contains(&b'\n')) {
        let at = before.by_ref().count();
        return (line, format!("a quote opens in field {} and is not closed on its line", at + 1));
    }
    let fields = counted(record.len(), "field");
    let way_out = if record.len() < names.len() {
        "the row is cut off, or lacks fields, which may be empty"
    } else {
        "a field that holds the delimiter has to stand between quotes"
    };
    (line, format!("{fields} where the header has {}: {way_out}", names.len()))
}

/// What to say of a header of which some names are numbers; `None` where none is.
pub(super) fn of_header<'a>(names: impl Iterator<Item = &'a str>) -> Option<String> {
    let numbers: Vec<&str> = names.filter(|name| name.parse::<f64>().is_ok()).take(3).collect();
    let quoted = || format!("`{}`", numbers.join("`, `"));
    (!numbers.is_empty()).then(|| {
        format!(
            "holds values ({}) where the names of the columns should be; put a header above, such as `question,model,score,cost_usd`",
            quoted()
        )
    })
}

/// What to say of JSON in a file that is called otherwise, by the first byte that is no blank.
pub(super) fn of_json(path: &Path, first: u8) -> Option<String> {
    let ending = match first {
        b'[' => "json",
        b'{' => "jsonl",
        _ => return None,
    };
    let name = path.with_extension(ending);
    let name = name.file_name().unwrap_or_default().to_string_lossy();
    Some(format!("is JSON and no table with delimiters; call it `{name}`, which is read as such"))
}

/// Columns that a tool's own files have and tables do not, with the format that reads them.
const OF_TOOLS: [(&str, &[&str]); 7] = [
    ("lm-eval", &["doc_id", "resps"]),
    ("lm-eval", &["config.model", "results"]),
    ("lm-eval", &["config", "results", "versions"]),
    ("inspect", &["eval", "samples"]),
    ("helm", &["instance_id", "train_trial_index"]),
    ("routerbench", &["sample_id", "eval_name", "oracle_model_to_route_to"]),
    ("alpaca-eval", &["output_1", "output_2"]),
];

/// What to say of a table that has no meaning as one but has the columns of a tool's own files.
pub(super) fn of_columns(has: &dyn Fn(&str) -> bool) -> Option<String> {
    let (format, _) = OF_TOOLS.iter().find(|(_, columns)| columns.iter().all(|column| has(column)))?;
    Some(format!("has the columns of {}", of_format(format)))
}

/// The format that reads what `table` cannot.
pub(super) fn of_format(format: &str) -> String {
    format!("`{format}` results; `import {format}` reads them, and `try --format {format}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_how_to_be_written() {
        for (text, meant) in [
            ("$0.0134", "`0.0134`, without sign"),
            ("0.5 USD", "`0.5`, without sign"),
            ("€ 0,5", "`0.5`, with a decimal point"),
            ("0,882", "`0.882`, with a decimal point"),
            ("8,820", "`8820`, without a separator of thousands, or `8.820`"),
            ("1,234,567.5", "`1234567.5`, without separators"),
            ("1,234.5", "`1234.5`, without separators"),
        ] {
            let said = of_number(text);
            assert!(said.starts_with(&format!("; write {meant}")), "{text}: {said}");
        }
        assert!(of_number("€ 0,5").ends_with(", in US dollars"));
        assert_eq!(of_number("5 cents"), "; write it in US dollars, without sign or unit");
        for text in ["oops", "1,2,3", "", "$", "a,5"] {
            assert_eq!(of_number(text), "", "{text}");
        }
    }
}
