//! TOML with faults that name path, line, and the near miss.

use std::path::Path;

use serde::de::DeserializeOwned;

use crate::error::{Error, Result, suggestion};

/// Parses a file's text.
pub(crate) fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T> {
    toml::from_str(text).map_err(|error| fault(path, text, &error, 0))
}

/// The fault as one line. `offset` is where in `text` the part that was parsed begins; a message about an unknown key or
/// value without a position of its own is placed at the first mention after it.
pub(crate) fn fault(path: &Path, text: &str, error: &toml::de::Error, offset: usize) -> Error {
    let message = error.message();
    let written = message.split('`').nth(1).unwrap_or_default();
    let mentioned =
        message.starts_with("unknown").then(|| text[offset..].find(written).map(|at| at + offset)).flatten();
    let at = mentioned.or(error.span().map(|span| span.start)).unwrap_or(offset);
    Error::line(path, line_of(text, at), one_line(message))
}

/// A fault in what a file asks for, found after it was parsed, at the line it is about: the first that holds the first
/// literal of the problem as a value or as a key, or that opens the section it names. Without one, the whole file.
pub(crate) fn located(path: &Path, text: &str, problem: String) -> Error {
    let literal = problem.split('`').nth(1).unwrap_or_default();
    let section = problem.split_inclusive(']').next().filter(|section| section.starts_with('['));
    let is_key = |line: &str| {
        line.split_once('=').is_some_and(|(key, _)| !literal.is_empty() && key.trim() == literal)
    };
    let line = |holds: &dyn Fn(&str) -> bool| text.lines().position(|line| holds(line.trim()));
    let at = line(&|line| !literal.is_empty() && line.contains(&format!("\"{literal}\"")))
        .or_else(|| line(&is_key))
        .or_else(|| section.and_then(|section| line(&|line| line == section)));
    match at {
        Some(at) => Error::line(path, at as u64 + 1, problem),
        None => Error::file(path, problem),
    }
}

/// The line of a byte position, counted from 1.
pub(crate) fn line_of(text: &str, at: usize) -> u64 {
    1 + text.as_bytes().iter().take(at).filter(|&&byte| byte == b'\n').count() as u64
}

/// Serde lists every accepted name; a near miss says it shorter.
fn one_line(message: &str) -> String {
    let message = message.trim().replace('\n', " ");
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
    fn what_is_found_out_later_is_placed_by_its_literal_its_key_or_its_section() {
        let message = |problem: &str| {
            let text = "suite = \"x\"\nreplicates = 0\n[pool]\nmodels = [\"a\", \"b\"]\n";
            located(Path::new("s.toml"), text, problem.into()).to_string()
        };
        assert_eq!(message("unknown suite `x`"), "s.toml:1: unknown suite `x`");
        assert_eq!(message("[pool] names unknown model `b`"), "s.toml:4: [pool] names unknown model `b`");
        assert_eq!(message("`replicates` is 0"), "s.toml:2: `replicates` is 0");
        assert_eq!(message("[pool] is empty"), "s.toml:3: [pool] is empty");
        assert_eq!(message("something `else`"), "s.toml: something `else`");
    }

    #[test]
    fn a_misspelt_key_is_named_with_its_line_and_the_near_miss() {
        let message = |text: &str| parse::<Settings>(Path::new("s.toml"), text).unwrap_err().to_string();
        assert_eq!(
            message("\nreplicate = 3\n"),
            "s.toml:2: unknown field `replicate`; did you mean `replicates`?"
        );
        assert_eq!(message("replicates = \"x\""), "s.toml:1: invalid type: string \"x\", expected usize");
        assert!(message("replicates = [").starts_with("s.toml:1: "));
    }
}
