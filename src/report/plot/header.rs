//! Title and subtitle, wrapped so that nothing is cut off.

use super::frame::LABEL_SIZE;
use super::palette::{FAINT_TEXT, TEXT};
use super::scene::{Align, Lettering, Scene};
use super::text::{self, LEADING};

/// The em of a title.
const TITLE_SIZE: f64 = 15.0;
/// Free space around a figure.
pub(super) const MARGIN: f64 = 14.0;

/// Draws both at the top left and returns how far down they reach.
pub(super) fn draw(scene: &mut Scene, title: &str, subtitle: &str) -> f64 {
    let mut bottom = MARGIN;
    for (words, size, colour) in [(title, TITLE_SIZE, TEXT), (subtitle, LABEL_SIZE, FAINT_TEXT)] {
        bottom =
            paragraph(scene, words, bottom, Lettering { size, colour, align: Align::Start, upwards: false });
    }
    bottom
}

/// Draws text over the whole width below `top`, wrapped, and returns how far down it reaches.
pub(super) fn paragraph(scene: &mut Scene, words: &str, top: f64, lettering: Lettering) -> f64 {
    let mut bottom = top;
    for line in text::wrap(words, lettering.size, scene.width - 2.0 * MARGIN) {
        scene.text(&line, (MARGIN, bottom + lettering.size), lettering);
        bottom += LEADING * lettering.size;
    }
    bottom
}
