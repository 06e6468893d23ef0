//! Finds the answer in an output that should be JSON and often is not quite.

use serde_json::Value;

/// What an output states as its answer.
pub(super) fn stated_answer(output: &str, of_last_object: bool) -> Option<String> {
    let whole = whole_object(output, of_last_object).and_then(|object| object.get("answer").map(as_text));
    whole
        .or_else(|| quoted_after(output))
        .or_else(|| bare_after(output, "\"answer\""))
        .or_else(|| bare_after(output, "answer"))
}

/// As Python writes it, so far as that can be a right answer.
fn as_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The first or last balanced `{...}`, where it is JSON; braces within texts count as braces.
fn whole_object(output: &str, is_last: bool) -> Option<Value> {
    let (mut depth, mut start, mut found) = (0_usize, 0, None);
    for (at, byte) in output.bytes().enumerate() {
        if byte == b'{' {
            if depth == 0 {
                start = at;
            }
            depth += 1;
        } else if byte == b'}' && 0 < depth {
            depth -= 1;
            if depth == 0 {
                found = Some(&output[start..=at]);
                if !is_last {
                    break;
                }
            }
        }
    }
    serde_json::from_str(&found?.replace('\n', "")).ok()
}

/// The text in quotes after `"answer":`.
fn quoted_after(output: &str) -> Option<String> {
    after(output, "\"answer\"")
        .filter_map(|rest| rest.strip_prefix('"'))
        .find_map(|rest| rest.split_once('"').map(|(text, _)| text.to_owned()))
}

/// What stands after `answer:` up to a blank or comma.
fn bare_after(output: &str, key: &str) -> Option<String> {
    let rest = after(output, key).next()?;
    rest.split(|c: char| c == ',' || c.is_whitespace()).next().map(str::to_owned)
}

/// What follows each mention of a key and a colon.
fn after<'a>(output: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    output.match_indices(key).filter_map(move |(at, _)| {
        output[at + key.len()..].trim_start().strip_prefix(':').map(str::trim_start)
    })
}

/// The first number of an answer. A fraction that is all there is counts as its quotient.
pub(super) fn first_number(answer: &str) -> Option<f64> {
    let plain = answer.replace('$', "").trim().replace(',', "");
    if let Some((above, below)) = plain.split_once('/')
        && let (Ok(above), Ok(below)) = (above.trim().parse::<f64>(), below.trim().parse::<f64>())
        && below != 0.0
    {
        return Some(above / below);
    }
    let bytes = plain.as_bytes();
    let first = bytes.iter().position(u8::is_ascii_digit)?;
    let is_negative = 0 < first && bytes[first - 1] == b'-';
    let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut end = first + digits(first);
    if bytes.get(end) == Some(&b'.') && 0 < digits(end + 1) {
        end += 1 + digits(end + 1);
    }
    plain[first - usize::from(is_negative)..end].parse().ok()
}

/// The letter of a choice.
pub(super) fn letter(at: usize) -> Option<char> {
    u8::try_from(at).ok().filter(|&at| at < 26).map(|at| char::from(b'A' + at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_found_in_whole_and_in_broken_json() {
        assert_eq!(
            stated_answer("```json\n{\n \"reasoning\": \"a\",\n \"answer\": 18\n}\n```", false).unwrap(),
            "18"
        );
        assert_eq!(
            stated_answer("{\"reasoning\": \"it's \\' bad\", \"answer\": \"-$10,000\"}", false).unwrap(),
            "-$10,000"
        );
        assert_eq!(stated_answer("so answer: 7, of course", false).unwrap(), "7");
        assert_eq!(stated_answer("{\"answer\": \"A\"} no {\"answer\": \"B\"}", true).unwrap(), "B");
        assert_eq!(stated_answer("nothing", false), None);
    }

    #[test]
    fn the_first_number_counts() {
        assert_eq!(first_number("$57,500.00 dollars"), Some(57500.0));
        assert_eq!(first_number("-$10"), Some(-10.0));
        assert_eq!(first_number("3/4"), Some(0.75));
        assert_eq!(first_number("about 3.5. Or 4"), Some(3.5));
        assert_eq!(first_number("none"), None);
        assert_eq!((letter(0), letter(3), letter(26)), (Some('A'), Some('D'), None));
    }
}
