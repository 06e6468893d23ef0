//! Labels: what a router is called in tables and files.

use crate::error::suggestion;

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
    if taken.contains(&label) {
        return Err(format!("`{label}` is the name of a {what}; give the router another `label`"));
    }
    if earlier.any(|other| other == label) {
        return Err(format!("two routers are labelled `{label}`; give one another `label`"));
    }
    Ok(())
}
