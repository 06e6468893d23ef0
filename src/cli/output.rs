//! The only place that prints. What people read is escaped: no name, no text of a suite moves the cursor, turns the direction
//! of writing, or gives a command to the program that runs this one. What other programs read is printed as it is.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use llm_bandit::error::{Error, Result, escaped};

/// Prints what was asked for, for people.
pub(super) fn say(text: &str) -> Result<()> {
    print(&shown(text))
}

/// Prints what was asked for as it is, for other programs.
pub(super) fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    is_read(out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()))
        .map(drop)
}

/// Prints a binary file.
///
/// # Errors
/// A terminal, which would take it for commands.
pub(super) fn print_bytes(bytes: &[u8]) -> Result<()> {
    let mut out = io::stdout().lock();
    if out.is_terminal() {
        return Err(Error::Usage("this is no text for a terminal; send it to a file with `> FILE`".into()));
    }
    is_read(out.write_all(bytes).and_then(|()| out.flush())).map(drop)
}

/// Prints everything else.
pub(super) fn say_aside(text: &str) {
    let _ = writeln!(io::stderr(), "{}", shown(text));
}

/// What came of writing to standard output: false where nobody reads it any more, which is no error.
pub(super) fn is_read(written: io::Result<()>) -> Result<bool> {
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Error::io(Path::new("standard output"), "write")(error)),
    }
}

/// A text as people see it. CI systems take a line that begins with `::`, and `##[` anywhere, for a command.
pub(super) fn shown(text: &str) -> Cow<'_, str> {
    let is_command = |line: &str| line.trim_start().starts_with("::") || line.contains("##[");
    if !text.lines().any(is_command) {
        return escaped(text);
    }
    let line = |line: &str| match line.trim_start().strip_prefix("::") {
        Some(rest) => format!("{}\\u{{3a}}:{rest}", &line[..line.len() - rest.len() - 2]),
        None => line.to_owned(),
    };
    let lines: Vec<String> = text.split('\n').map(line).collect();
    Cow::Owned(escaped(&lines.join("\n").replace("##[", "#\\u{23}[")).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_a_command_of_a_terminal_or_of_a_ci_system() {
        assert_eq!(shown("a\tb\nc\u{e9}"), "a\tb\nc\u{e9}");
        assert_eq!(shown("\u{1b}[2J \u{202e}x\r"), "\\u{1b}[2J \\u{202e}x\\u{d}");
        assert_eq!(shown("  ::error::x\na::b"), "  \\u{3a}:error::x\na::b");
        assert_eq!(shown("a ##[group]"), "a #\\u{23}[group]");
    }

    #[test]
    fn only_a_closed_pipe_is_no_error() {
        assert!(is_read(Ok(())).unwrap());
        assert!(!is_read(Err(io::ErrorKind::BrokenPipe.into())).unwrap());
        let full = is_read(Err(io::Error::from_raw_os_error(28))).unwrap_err().to_string();
        assert!(full.starts_with("standard output: cannot write: "), "{full}");
    }
}
