//! Labels: what a router is called in tables and files.

use crate::error::suggestion;

/// The most characters of a label: what comes before and after it in the name of a file must have room.
const LONGEST: usize = 100;

/// The most bytes of a file's name without what is put around it.
const LONGEST_FILE_NAME: usize = 200;

/// Whether a text can be a part of a file's name and of nothing but that: no path, nothing that a terminal obeys.
pub(crate) fn is_file_name(text: &str) -> bool {
    let is_fine = |c: char| !c.is_control() && !"/\\:".contains(c);
    !text.is_empty()
        && text.len() <= LONGEST_FILE_NAME
        && ![".", ".."].contains(&text)
        && text.chars().all(is_fine)
}

/// Takes the label out of a `[[router]]`, where it has one, and sees that it has a kind.
///
/// # Errors
/// What is wrong with the table, in words.
pub(crate) fn take(table: &mut toml::Table) -> Result<Option<String>, String> {
    let label = match table.remove("label") {
        Some(toml::Value::String(label)) => Some(label),
        Some(other) => return Err(format!("`label` is a string, not {other}")),
        None => None,
    };
    if !table.contains_key("kind") {
        let near = suggestion("kind", table.keys().map(String::as_str));
        return Err(format!("a `[[router]]` needs a `kind`{near}"));
    }
    Ok(label)
}

/// Whether a router may have that label beside earlier ones; `taken` are names of policies that are no routers, each a
/// `what`.
///
/// # Errors
/// Why not, in words.
pub(crate) fn check<'a>(
    label: &str,
    mut earlier: impl Iterator<Item = &'a str>,
    taken: &[&str],
    what: &str,
) -> Result<(), String> {
    if label.is_empty() || !label.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
        return Err(format!("label `{label}`: letters, digits, `-`, `_`, and `.` only"));
    }
    if label.len() > LONGEST {
        return Err(format!("label `{label}` is longer than {LONGEST} characters"));
    }
    if [".", ".."].contains(&label) {
        return Err(format!("label `{label}` is the name of a folder"));
    }
    if taken.contains(&label) {
        return Err(format!("`{label}` is the name of a {what}; give the router another `label`"));
    }
    if earlier.any(|other| other == label) {
        return Err(format!("two routers are labelled `{label}`; give one another `label`"));
    }
    Ok(())
}
