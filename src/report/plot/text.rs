//! Lines of text: cleaned, wrapped, shortened, and measured in the font inside the program.

use std::sync::OnceLock;

use plotters::style::{FontDesc, FontFamily, FontStyle, register_font};

use super::PlotError;

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
            (Some(line), Some(joined)) if width(&joined, size) <= room => *line = joined,
            _ => lines.push(word),
        }
    }
    lines
}

/// The text itself if it fits, otherwise its beginning and its end: model names differ at either side.
pub(super) fn shorten(text: &str, size: f64, room: f64) -> String {
    let text = clean(text);
    if width(&text, size) <= room {
        return text;
    }
    let letters: Vec<char> = text.chars().collect();
    let cut = |kept: usize| -> String {
        let (head, tail) = (kept.div_ceil(2), kept / 2);
        letters[..head].iter().chain(&['…']).chain(&letters[letters.len() - tail..]).collect()
    };
    let fits = |kept: &usize| width(&cut(*kept), size) <= room;
    cut((0..letters.len()).rev().find(fits).unwrap_or(0))
}

/// The name under which the font is registered; in SVG it doubles as the list of fallbacks for a reader without DejaVu.
pub(super) const FAMILY: &str = "DejaVu Sans, Verdana, sans-serif";

/// Line height of the font, in ems: the bitmap backend takes this for the size of a font, where typography takes the em.
pub(super) const LINE_HEIGHT_EM: f64 = (1901.0 + 483.0) / 2048.0;

/// A subset of DejaVu Sans; its licence lies beside it.
pub(super) const BYTES: &[u8] = include_bytes!("font/DejaVuSans-subset.ttf");

/// Makes the font known to the backends, once per process.
pub(super) fn register() -> Result<(), PlotError> {
    static ACCEPTED: OnceLock<bool> = OnceLock::new();
    let accepted = *ACCEPTED.get_or_init(|| register_font(FAMILY, FontStyle::Normal, BYTES).is_ok());
    if accepted { Ok(()) } else { Err(PlotError::Font) }
}

/// The width of a line of text in pixels, `size` being its em.
pub(super) fn width(text: &str, size: f64) -> f64 {
    // Measured large, because the backend rounds to whole pixels.
    const MEASURED_AT: f64 = 200.0;
    // A font that cannot be read is reported when the scene is drawn; until then a guess keeps the layout total.
    let guess = || 0.6 * MEASURED_AT * text.chars().count() as f64;
    let measured = register().ok().and_then(|()| {
        let font = FontDesc::new(FontFamily::Name(FAMILY), MEASURED_AT * LINE_HEIGHT_EM, FontStyle::Normal);
        font.layout_box(text).ok().map(|(low, high)| f64::from(high.0 - low.0))
    });
    measured.unwrap_or_else(guess) * size / MEASURED_AT
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
        assert!(width(&short, 10.0) <= 100.0);
        assert_eq!(shorten("gpt-4", 10.0, 100.0), "gpt-4");
    }

    #[test]
    fn no_wrapped_line_is_too_wide_and_no_word_is_lost() {
        let lines = wrap("routers on two suites with very many models", 10.0, 90.0);
        assert!(lines.iter().all(|line| width(line, 10.0) <= 90.0));
        assert_eq!(lines.join(" "), "routers on two suites with very many models");
        assert_eq!(wrap("", 10.0, 90.0), Vec::<String>::new());
    }

    #[test]
    fn a_wide_word_is_wider_than_a_narrow_one() {
        assert!(width("mmmm", 10.0) > 2.0 * width("iiii", 10.0));
        assert_eq!(width("", 10.0), 0.0);
    }

    #[test]
    fn width_grows_with_size() {
        assert_eq!(width("router", 20.0), 2.0 * width("router", 10.0));
    }
}
