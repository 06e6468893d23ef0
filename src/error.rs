//! What can go wrong that a user can mend: each message is one line that names the place, the fault, and what was meant.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

/// A file and, where the fault is on one line of it, that line (of the uncompressed text), counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file or folder.
    pub path: PathBuf,
    /// The line, counted from 1.
    pub line: Option<u64>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.path))?;
        self.line.map_or(Ok(()), |line| write!(f, ":{line}"))
    }
}

/// A fault that a user can mend. Broken invariants of the program are not errors: they panic with a sentence.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file says something that cannot be used.
    #[error("{}", one_line(&format!("{place}: {problem}")))]
    Input {
        /// Where.
        place: Place,
        /// What is wrong and, where there is one, what was probably meant.
        problem: String,
    },
    /// The operating system refused a file.
    #[error("{}", one_line(&format!("{}: cannot {action}: {source}", shown(path))))]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What was being done: `read`, `write`, ...
        action: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// A setting of a file, which was read as such, says something that cannot be used.
    #[error("{}", one_line(problem))]
    Setting {
        /// Where it stands in the file: `expect[2].metric`.
        key: String,
        /// What is wrong and, where there is one, what was probably meant.
        problem: String,
    },
    /// The command line asks for something that does not exist or does not go together.
    #[error("{}", one_line(_0))]
    Usage(String),
    /// A router could not be trained.
    #[error("{}", one_line(&format!("router `{router}`, replicate {replicate}: {problem}")))]
    Training {
        /// Its label in the scenario.
        router: String,
        /// The replicate, counted from 0.
        replicate: usize,
        /// What happened, with the step where there is one.
        problem: String,
    },
}

/// The library's result.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A fault in a file as a whole.
    pub fn file(path: &Path, problem: impl Into<String>) -> Self {
        Error::Input { place: Place { path: path.to_owned(), line: None }, problem: problem.into() }
    }

    /// A fault on one line of a file.
    pub fn line(path: &Path, line: u64, problem: impl Into<String>) -> Self {
        Error::Input { place: Place { path: path.to_owned(), line: Some(line) }, problem: problem.into() }
    }

    /// A fault in the setting of that key.
    pub fn setting(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Error::Setting { key: key.into(), problem: problem.into() }
    }

    /// The same fault, of a setting within the table or list of that key.
    pub fn within(self, outer: &str) -> Self {
        match self {
            Error::Setting { key, problem } => Error::Setting { key: format!("{outer}.{key}"), problem },
            Error::Usage(problem) => Error::Setting { key: outer.to_owned(), problem },
            other => other,
        }
    }

    /// The same fault, told of `to` where it was of `from` or of something in it: what is staged has a name of its own, which
    /// no user knows.
    pub(crate) fn at_path(mut self, from: &Path, to: &Path) -> Self {
        if let Error::Input { place: Place { path, .. }, .. } | Error::File { path, .. } = &mut self
            && let Ok(inner) = path.strip_prefix(from)
        {
            *path = if inner.as_os_str().is_empty() { to.to_owned() } else { to.join(inner) };
        }
        self
    }

    /// An error of the operating system; use as `.map_err(Error::io(path, "read"))`.
    pub fn io(path: &Path, action: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| {
            let is_pattern = path.to_string_lossy().contains(['*', '?', '[']);
            if source.kind() == std::io::ErrorKind::NotFound && is_pattern {
                let problem = "there is no such file; a pattern between quotes stands for itself, so write it without them";
                return Error::file(path, problem);
            }
            Error::File { path: path.to_owned(), action, source }
        }
    }
}

/// A value that is quoted in a message is cut after so many characters.
const LONGEST_QUOTE: usize = 200;

/// A message of more characters than this quotes something that is full of quotes; its middle says nothing.
const LONGEST_MESSAGE: usize = 2000;

/// A path of more characters than this is none.
const LONGEST_PATH: usize = 400;

fn shown(path: &Path) -> String {
    let path = path.display().to_string();
    match path.char_indices().nth(LONGEST_PATH) {
        Some((end, _)) => format!("{}\u{2026}", &path[..end]),
        None => path,
    }
}

/// A message as one line that a terminal shows as it is, whatever was quoted in it.
fn one_line(message: &str) -> String {
    let message = message.replace('\n', "\\n").replace('\r', "\\r").replace('\t', "\\t");
    let message = shortened(&shortened(&escaped(&message), '`'), '"');
    let n_characters = message.chars().count();
    if n_characters <= LONGEST_MESSAGE {
        return message;
    }
    let head = message.chars().take(LONGEST_MESSAGE / 2);
    let tail = message.chars().skip(n_characters - LONGEST_MESSAGE / 4);
    head.chain(['\u{2026}']).chain(tail).collect()
}

/// A text whose values between two of these quotes are cut where they are long.
pub fn shortened(text: &str, quote: char) -> String {
    let n_parts = text.split(quote).count();
    let part = |(at, part): (usize, &str)| match part.char_indices().nth(LONGEST_QUOTE) {
        // Every second part lies between quotes, but for the last, behind which there is none.
        Some((end, _)) if at % 2 == 1 && at + 1 < n_parts => format!("{}\u{2026}", &part[..end]),
        _ => part.to_owned(),
    };
    text.split(quote).enumerate().map(part).collect::<Vec<_>>().join(&quote.to_string())
}

/// A text without characters that a terminal obeys or that turn the direction of writing: they are written out. Lines and
/// tabs stay.
pub fn escaped(text: &str) -> Cow<'_, str> {
    let turns = |c: char| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let is_obeyed = |c: char| (c.is_control() && !"\n\t".contains(c)) || turns(c);
    if !text.contains(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let plain = |c: char| if is_obeyed(c) { c.escape_unicode().to_string() } else { c.to_string() };
    Cow::Owned(text.chars().map(plain).collect())
}

/// A number of things, with the plural that only adds an `s`.
pub fn counted(n: usize, singular: &str) -> String {
    format!("{n} {singular}{}", if n == 1 { "" } else { "s" })
}

/// `; did you mean `x`?` for the candidate nearest to what was written, or nothing when none is near.
pub fn suggestion<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(written, candidates).map_or(String::new(), |name| format!("; did you mean `{name}`?"))
}

/// The candidate within a third of the written length in edits (Damerau-Levenshtein, case ignored), or one that
/// contains what was written.
fn nearest<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = written.to_lowercase();
    let n_wanted = wanted.chars().count();
    // The time grows with the product of the lengths, and what is so long was no slip of a key.
    if n_wanted > LONGEST_QUOTE {
        return None;
    }
    let limit = (n_wanted / 3).max(1);
    candidates
        .into_iter()
        .filter_map(|name| {
            let lower = name.to_lowercase();
            let n_more = lower.chars().count().abs_diff(n_wanted);
            let contained = wanted.len() >= 3 && lower.contains(&wanted);
            // It takes an edit at least for each character more or less.
            let distance = if n_more > limit { n_more } else { strsim::damerau_levenshtein(&wanted, &lower) };
            (distance <= limit || contained).then_some((distance, name))
        })
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_miss_is_suggested_and_a_far_one_is_not() {
        assert_eq!(suggestion("scroe", ["prompt_id", "score"]), "; did you mean `score`?");
        assert_eq!(
            suggestion("mixtral", ["gpt-4", "mistralai/Mixtral-8x7B"]),
            "; did you mean `mistralai/Mixtral-8x7B`?"
        );
        assert_eq!(suggestion("zebra", ["prompt_id", "score"]), "");
        // Compared letter by letter, these would take hours.
        let long = "[".repeat(1_000_000);
        assert_eq!(suggestion(&long, [long.as_str()]), "");
        assert_eq!(suggestion("score", [long.as_str(), "scores"]), "; did you mean `scores`?");
    }

    #[test]
    fn a_message_is_one_line_of_moderate_length_whatever_is_quoted() {
        let message = |problem: String| Error::file(Path::new("a"), problem).to_string();
        assert_eq!(message("`x\ny\r\u{1b}[2J\u{202e}`".into()), "a: `x\\ny\\r\\u{1b}[2J\\u{202e}`");
        let long = "e\u{301}".repeat(5000);
        for quote in ['`', '"'] {
            let text = message(format!("{quote}{long}{quote} is no number; write one"));
            assert!(
                text.chars().count() < 300
                    && text.ends_with(
                        "\u{2026}{quote} is no number; write one"
                            .replace("{quote}", &quote.to_string())
                            .as_str()
                    )
            );
        }
        let odd = message(format!("`{}` is no number; write one", "`x\"".repeat(5000)));
        assert!(odd.chars().count() < 2000 && odd.ends_with("` is no number; write one"), "{odd}");
        assert_eq!(Error::Usage("a\nb".into()).to_string(), "a\\nb");
    }

    #[test]
    fn a_place_reads_as_path_and_line() {
        let error = Error::line(Path::new("a/b.csv"), 7, "score 2 is outside [0, 1]");
        assert_eq!(error.to_string(), "a/b.csv:7: score 2 is outside [0, 1]");
        assert_eq!(Error::file(Path::new("a"), "is empty").to_string(), "a: is empty");
    }
}
