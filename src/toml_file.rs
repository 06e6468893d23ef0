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
