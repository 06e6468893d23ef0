//! The one font of every figure, inside the program, and the widths of its words.

use std::sync::OnceLock;

use plotters::style::{FontDesc, FontFamily, FontStyle, register_font};

use super::PlotError;

/// The name under which the font is registered; in SVG it doubles as the list of fallbacks for a reader without DejaVu.
pub(super) const FAMILY: &str = "DejaVu Sans, Verdana, sans-serif";

/// Line height of the font, in ems: the bitmap backend takes this for the size of a font, where typography takes the em.
pub(super) const LINE_HEIGHT_EM: f64 = (1901.0 + 483.0) / 2048.0;

/// A subset of DejaVu Sans; its licence lies beside it.
const BYTES: &[u8] = include_bytes!("font/DejaVuSans-subset.ttf");

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
    fn a_wide_word_is_wider_than_a_narrow_one() {
        assert!(width("mmmm", 10.0) > 2.0 * width("iiii", 10.0));
        assert_eq!(width("", 10.0), 0.0);
    }

    #[test]
    fn width_grows_with_size() {
        assert_eq!(width("router", 20.0), 2.0 * width("router", 10.0));
    }
}
