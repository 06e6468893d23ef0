//! Text made to fit: cleaned, wrapped into lines, or shortened in the middle.

use super::font;

/// Distance between baselines, in ems.
pub(super) const LEADING: f64 = 1.35;

/// The text on one line, without control characters, which SVG forbids.
pub(super) fn clean(text: &str) -> String {
    let visible = |c: char| if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') { ' ' } else { c };
    text.chars().map(visible).collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The text as lines no wider than `room`; a word that is too wide alone is cut.
pub(super) fn wrap(text: &str, size: f64, room: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in clean(text).split(' ').filter(|word| !word.is_empty()) {
        let word = shorten(word, size, room);
        let joined = lines.last().map(|line| format!("{line} {word}"));
        match (lines.last_mut(), joined) {
            (Some(line), Some(joined)) if font::width(&joined, size) <= room => *line = joined,
            _ => lines.push(word),
        }
    }
    lines
}

/// The text itself if it fits, otherwise its beginning and its end: model names differ at either side.
pub(super) fn shorten(text: &str, size: f64, room: f64) -> String {
    let text = clean(text);
    if font::width(&text, size) <= room {
        return text;
    }
    let letters: Vec<char> = text.chars().collect();
    let cut = |kept: usize| -> String {
        let (head, tail) = (kept.div_ceil(2), kept / 2);
        letters[..head].iter().chain(&['…']).chain(&letters[letters.len() - tail..]).collect()
    };
    let fits = |kept: &usize| font::width(&cut(*kept), size) <= room;
    cut((0..letters.len()).rev().find(fits).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_become_spaces() {
        assert_eq!(clean(" a\u{0}b\n\tc "), "a b c");
    }

    #[test]
    fn a_long_name_keeps_both_its_ends() {
        let short = shorten("Meta-Llama-3.1-405B-Instruct-Turbo", 10.0, 100.0);
        assert!(short.starts_with("Meta-") && short.ends_with("Turbo") && short.contains('…'), "{short}");
        assert!(font::width(&short, 10.0) <= 100.0);
        assert_eq!(shorten("gpt-4", 10.0, 100.0), "gpt-4");
    }

    #[test]
    fn no_wrapped_line_is_too_wide_and_no_word_is_lost() {
        let lines = wrap("routers on two suites with very many models", 10.0, 90.0);
        assert!(lines.iter().all(|line| font::width(line, 10.0) <= 90.0));
        assert_eq!(lines.join(" "), "routers on two suites with very many models");
        assert_eq!(wrap("", 10.0, 90.0), Vec::<String>::new());
    }
}
