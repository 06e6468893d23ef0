//! The words around the panels: title and subtitle above, legend and notes below.

use plotters::style::RGBColor;

use super::palette::{self, FAINT_TEXT, Look, Marker, TEXT};
use super::panel::LABEL_SIZE;
use super::scene::{Align, Lettering, Scene};
use super::text::{self, LEADING};

/// The em of a title.
const TITLE_SIZE: f64 = 15.0;
/// Free space around a figure.
pub(super) const MARGIN: f64 = 14.0;

/// Draws both at the top left and returns how far down they reach.
pub(super) fn draw_header(scene: &mut Scene, title: &str, subtitle: &str) -> f64 {
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

/// What stands before a label.
#[derive(Clone, Copy, Debug)]
pub(super) enum Swatch {
    /// A line with its marker, and its band if it has one.
    Line { look: Look, band: bool },
    /// The marker of what is a single place.
    Marker { marker: Marker, colour: RGBColor },
    /// The cross of a single model.
    Cross,
}

/// A line of the legend.
pub(super) struct Entry {
    pub(super) swatch: Swatch,
    pub(super) label: String,
}

const SWATCH_WIDTH: f64 = 34.0;
const SWATCH_GAP: f64 = 8.0;
const COLUMN_GAP: f64 = 22.0;
const ROW_HEIGHT: f64 = 19.0;
const MOST_COLUMNS: usize = 5;

/// Draws the entries column by column below `top` and returns how far down they reach.
pub(super) fn draw_legend(scene: &mut Scene, entries: &[Entry], top: f64) -> f64 {
    let room = scene.width - 2.0 * MARGIN;
    let widest = room - SWATCH_WIDTH - SWATCH_GAP;
    let labels: Vec<String> =
        entries.iter().map(|entry| text::shorten(&entry.label, LABEL_SIZE, widest)).collect();
    let (n_rows, widths) = columns(&labels, room);
    let lettering = Lettering { size: LABEL_SIZE, colour: TEXT, align: Align::Start, upwards: false };
    for (k, (entry, label)) in entries.iter().zip(&labels).enumerate() {
        let left = MARGIN + widths[..k / n_rows].iter().sum::<f64>();
        let middle = top + ROW_HEIGHT * ((k % n_rows) as f64 + 0.5);
        draw_swatch(scene, entry.swatch, left, middle);
        let baseline = middle + 0.36 * LABEL_SIZE;
        scene.text(label, (left + SWATCH_WIDTH + SWATCH_GAP, baseline), lettering);
    }
    top + ROW_HEIGHT * n_rows as f64
}

/// The number of rows, and the widths of as many columns as fit side by side.
fn columns(labels: &[String], room: f64) -> (usize, Vec<f64>) {
    let entry = |label: &String| SWATCH_WIDTH + SWATCH_GAP + text::width(label, LABEL_SIZE) + COLUMN_GAP;
    let layouts = (1..=MOST_COLUMNS).rev().map(|n_columns| {
        let n_rows = labels.len().div_ceil(n_columns).max(1);
        let width = |column: &[String]| column.iter().map(entry).fold(0.0, f64::max);
        (n_rows, labels.chunks(n_rows).map(width).collect::<Vec<f64>>())
    });
    let fits = |(_, widths): &(usize, Vec<f64>)| widths.iter().sum::<f64>() <= room + COLUMN_GAP;
    layouts.into_iter().find(fits).unwrap_or_else(|| (labels.len().max(1), vec![room]))
}

/// Draws notes, one paragraph, below `top` and returns how far down they reach.
pub(super) fn draw_notes(scene: &mut Scene, notes: &[String], top: f64) -> f64 {
    if notes.is_empty() {
        return top;
    }
    let size = LABEL_SIZE - 1.0;
    let lettering = Lettering { size, colour: FAINT_TEXT, align: Align::Start, upwards: false };
    paragraph(scene, &format!("{}.", notes.join("; ")), top + 0.4 * LEADING * size, lettering)
}

fn draw_swatch(scene: &mut Scene, swatch: Swatch, left: f64, middle: f64) {
    let centre = (left + SWATCH_WIDTH / 2.0, middle);
    match swatch {
        Swatch::Cross => palette::draw_cross(scene, centre, FAINT_TEXT),
        Swatch::Marker { marker, colour } => palette::draw_marker(scene, marker, centre, colour),
        Swatch::Line { look, band } => {
            let right = left + SWATCH_WIDTH;
            if band {
                let (up, down) = (middle - 6.0, middle + 6.0);
                let corners = vec![(left, up), (right, up), (right, down), (left, down)];
                scene.area(corners, look.stroke.colour, 0.14);
            }
            scene.line(&[(left, middle), (right, middle)], look.stroke);
            if let Some(marker) = look.marker {
                palette::draw_marker(scene, marker, centre, look.stroke.colour);
            }
        }
    }
}
