//! Texts that were written as Python lists of strings.

/// `['first', "second"]` as its strings, a line each; anything else as it stands.
pub(super) fn unquoted(text: &str) -> String {
    strings(text.trim()).map_or_else(|| text.to_owned(), |strings| strings.join("\n"))
}

fn strings(text: &str) -> Option<Vec<String>> {
    let mut rest = text.strip_prefix('[')?.strip_suffix(']')?.trim();
    let mut strings = Vec::new();
    while !rest.is_empty() {
        let quote = rest.chars().next().filter(|&quote| quote == '\'' || quote == '"')?;
        let (string, after) = string(&rest[1..], quote)?;
        strings.push(string);
        rest = after.trim_start();
        rest = match rest.strip_prefix(',') {
            Some(next) => next.trim_start(),
            None if rest.is_empty() => rest,
            None => return None,
        };
    }
    (!strings.is_empty()).then_some(strings)
}

/// A string up to its closing quote, and what follows.
fn string(text: &str, quote: char) -> Option<(String, &str)> {
    let mut string = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => {
                let (_, escaped) = characters.next()?;
                match escaped {
                    'n' => string.push('\n'),
                    't' => string.push('\t'),
                    'r' => string.push('\r'),
                    '\\' | '\'' | '"' => string.push(escaped),
                    'x' | 'u' | 'U' => {
                        let n_digits = match escaped {
                            'x' => 2,
                            'u' => 4,
                            _ => 8,
                        };
                        let digits: Option<String> =
                            (0..n_digits).map(|_| characters.next().map(|(_, digit)| digit)).collect();
                        string.push(char::from_u32(u32::from_str_radix(&digits?, 16).ok()?)?);
                    }
                    // Python keeps the backslash of an escape that it does not know.
                    other => string.extend(['\\', other]),
                }
            }
            _ if character == quote => return Some((string, &text[at + quote.len_utf8()..])),
            _ => string.push(character),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::unquoted;

    #[test]
    fn a_list_of_strings_is_read_and_anything_else_kept() {
        assert_eq!(unquoted(r#"['it\'s\n\x41 \u00e9']"#), "it's\nA é");
        assert_eq!(unquoted(r#"["a 'b'", 'c']"#), "a 'b'\nc");
        assert_eq!(unquoted("['open"), "['open");
        assert_eq!(unquoted("['a' 'b']"), "['a' 'b']");
        assert_eq!(unquoted(r"['\d']"), r"\d");
        assert_eq!(unquoted("[]"), "[]");
        assert_eq!(unquoted("plain"), "plain");
    }
}
