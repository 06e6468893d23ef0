//! A panel, with its axes, ticks, and grid, and the lines drawn inside of it, cut at its edge; and the words around panels: title and
//! subtitle above, legend and notes below.

use plotters::style::RGBColor;

use super::LineKind;
use super::axis::{Axis, Tick};
use super::scene::{self, EDGE, FAINT_TEXT, GRID, Look, Marker, TEXT};
use super::scene::{Align, Lettering, Point, Scene, Stroke};
use super::text::{self, LEADING};

/// The em of tick labels.
pub(super) const TICK_SIZE: f64 = 11.0;
/// The em of axis labels, legends, and notes.
pub(super) const LABEL_SIZE: f64 = 12.0;
/// From the bottom of a panel to the baseline of its axis label.
pub(super) const BELOW: f64 = 36.0;

/// Two axes and the rectangle between them.
pub(super) struct Panel {
    pub(super) x: Axis,
    pub(super) y: Axis,
}

impl Panel {
    pub(super) fn rectangle(&self) -> Rectangle {
        let left = self.x.zero.unwrap_or(self.x.start).min(self.x.start);
        // Zero stands a little inside of the edge.
        let left = if left < self.x.start { left - 12.0 } else { left };
        Rectangle { left, top: self.y.end, right: self.x.end, bottom: self.y.start }
    }

    /// The pixel of a pair of values; `None` for what an axis cannot place.
    pub(super) fn place(&self, (x, y): (f64, f64)) -> Option<Point> {
        Some((self.x.place(x)?, self.y.place(y)?))
    }

    /// The grid and the edge, with tick labels on the left only if `left_labels`.
    pub(super) fn draw_frame(
        &self,
        scene: &mut Scene,
        x_ticks: &[Tick],
        y_ticks: &[Tick],
        left_labels: bool,
    ) {
        let Rectangle { left, top, right, bottom } = self.rectangle();
        let lettering = Lettering { size: TICK_SIZE, colour: TEXT, align: Align::Middle, upwards: false };
        // Grid first, so that it never crosses an edge.
        for tick in x_ticks.iter().filter(|tick| tick.label.is_some()) {
            let Some(x) = self.x.place(tick.value) else { continue };
            scene.line(&[(x, top), (x, bottom)], Stroke::solid(GRID, 0.8));
        }
        for tick in y_ticks {
            let Some(y) = self.y.place(tick.value) else { continue };
            scene.line(&[(left, y), (right, y)], Stroke::solid(GRID, 0.8));
            scene.line(&[(left - 4.0, y), (left, y)], Stroke::solid(EDGE, 1.0));
            if left_labels && let Some(label) = &tick.label {
                scene.text(
                    label,
                    (left - 7.0, y + 0.36 * TICK_SIZE),
                    Lettering { align: Align::End, ..lettering },
                );
            }
        }
        let mut taken = f64::NEG_INFINITY;
        for tick in x_ticks {
            let Some(x) = self.x.place(tick.value) else { continue };
            let length = if tick.label.is_some() { 4.0 } else { 2.0 };
            scene.line(&[(x, bottom), (x, bottom + length)], Stroke::solid(EDGE, 1.0));
            let Some(label) = &tick.label else { continue };
            let half = text::width(label, TICK_SIZE) / 2.0;
            if taken < x - half {
                scene.text(label, (x, bottom + 7.0 + 0.8 * TICK_SIZE), lettering);
                taken = x + half + 6.0;
            }
        }
        scene.line(&[(left, top), (left, bottom), (right, bottom)], Stroke::solid(EDGE, 1.0));
    }

    /// The name of the horizontal axis below the panel.
    pub(super) fn draw_x_label(&self, scene: &mut Scene, label: &str) {
        let Rectangle { left, right, bottom, .. } = self.rectangle();
        let lettering = Lettering { size: LABEL_SIZE, colour: TEXT, align: Align::Middle, upwards: false };
        let label = text::shorten(label, LABEL_SIZE, right - left);
        scene.text(&label, ((left + right) / 2.0, bottom + BELOW), lettering);
    }

    /// The name of the vertical axis, upwards at the given distance from the left.
    pub(super) fn draw_y_label(&self, scene: &mut Scene, label: &str, x: f64) {
        let Rectangle { top, bottom, .. } = self.rectangle();
        let lettering = Lettering { size: LABEL_SIZE, colour: TEXT, align: Align::Middle, upwards: true };
        let label = text::shorten(label, LABEL_SIZE, bottom - top);
        scene.text(&label, (x, (top + bottom) / 2.0), lettering);
    }

    /// A line through places, cut at the edge; returns the visible pieces.
    pub(super) fn draw_line(&self, scene: &mut Scene, places: &[Point], stroke: Stroke) -> Vec<Vec<Point>> {
        let pieces = clipped_line(places, self.rectangle());
        for piece in &pieces {
            scene.line(piece, stroke);
        }
        pieces
    }

    /// A pale band between two lines of places, cut at the edge.
    pub(super) fn draw_band(&self, scene: &mut Scene, low: &[Point], high: &[Point], look: Look) {
        let corners: Vec<Point> = high.iter().chain(low.iter().rev()).copied().collect();
        scene.area(clipped_area(&corners, self.rectangle()), look.stroke.colour, 0.14);
    }

    /// The markers of those places that lie inside; returns these.
    pub(super) fn draw_markers(&self, scene: &mut Scene, places: &[Point], look: Look) -> Vec<Point> {
        let Some(marker) = look.marker else { return Vec::new() };
        let inside: Vec<Point> = places.iter().copied().filter(|at| self.rectangle().contains(*at)).collect();
        for at in &inside {
            scene::draw_marker(scene, marker, *at, look.stroke.colour);
        }
        inside
    }
}

/// An upright rectangle in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rectangle {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
}

impl Rectangle {
    pub(super) fn contains(&self, (x, y): Point) -> bool {
        self.left <= x && x <= self.right && self.top <= y && y <= self.bottom
    }

    /// The four edges, each as a signed depth: how far inside of it a place lies.
    fn depths(&self) -> [impl Fn(Point) -> f64; 4] {
        let depth = |sign: f64, x: f64, y: f64, at: f64| move |p: Point| sign * (x * p.0 + y * p.1 - at);
        [
            depth(1.0, 1.0, 0.0, self.left),
            depth(-1.0, 1.0, 0.0, self.right),
            depth(1.0, 0.0, 1.0, self.top),
            depth(-1.0, 0.0, 1.0, self.bottom),
        ]
    }
}

/// The parts of a line inside the rectangle.
fn clipped_line(points: &[Point], within: Rectangle) -> Vec<Vec<Point>> {
    let mut pieces: Vec<Vec<Point>> = Vec::new();
    for pair in points.windows(2) {
        let Some((from, to)) = segment(pair[0], pair[1], within) else { continue };
        match pieces.last_mut() {
            Some(piece) if piece.last() == Some(&from) => piece.push(to),
            _ => pieces.push(vec![from, to]),
        }
    }
    pieces
}

/// The part of a segment inside the rectangle (Liang and Barsky, 1984).
fn segment(from: Point, to: Point, within: Rectangle) -> Option<(Point, Point)> {
    let (mut enter, mut leave) = (0.0f64, 1.0f64);
    for depth in within.depths() {
        let (a, b) = (depth(from), depth(to));
        if a < 0.0 && b < 0.0 {
            return None;
        } else if a < 0.0 {
            enter = enter.max(a / (a - b));
        } else if b < 0.0 {
            leave = leave.min(a / (a - b));
        }
    }
    // The ends themselves are kept exactly, so that pieces join.
    let at = |share: f64| match share {
        0.0 => from,
        1.0 => to,
        share => between(from, to, share),
    };
    (enter <= leave).then(|| (at(enter), at(leave)))
}

/// The part of a polygon inside the rectangle (Sutherland and Hodgman, 1974).
fn clipped_area(points: &[Point], within: Rectangle) -> Vec<Point> {
    let mut corners = points.to_vec();
    for depth in within.depths() {
        let mut kept = Vec::with_capacity(corners.len() + 4);
        for (k, to) in corners.iter().enumerate() {
            let from = corners[(k + corners.len() - 1) % corners.len()];
            let (a, b) = (depth(from), depth(*to));
            if (a < 0.0) != (b < 0.0) {
                kept.push(between(from, *to, a / (a - b)));
            }
            if 0.0 <= b {
                kept.push(*to);
            }
        }
        corners = kept;
    }
    corners
}

fn between(from: Point, to: Point, share: f64) -> Point {
    (from.0 + share * (to.0 - from.0), from.1 + share * (to.1 - from.1))
}

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

/// The one entry of the routers that are drawn in grey, where there are any.
pub(super) fn others(kinds: impl Iterator<Item = LineKind>) -> Option<Entry> {
    let n = kinds.filter(|kind| *kind == LineKind::Other).count();
    let swatch = Swatch::Line { look: scene::look(LineKind::Other), band: false };
    (n > 0).then(|| Entry { swatch, label: format!("{n} other routers") })
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
        Swatch::Cross => scene::draw_cross(scene, centre, FAINT_TEXT),
        Swatch::Marker { marker, colour } => scene::draw_marker(scene, marker, centre, colour),
        Swatch::Line { look, band } => {
            let right = left + SWATCH_WIDTH;
            if band {
                let (up, down) = (middle - 6.0, middle + 6.0);
                let corners = vec![(left, up), (right, up), (right, down), (left, down)];
                scene.area(corners, look.stroke.colour, 0.14);
            }
            scene.line(&[(left, middle), (right, middle)], look.stroke);
            if let Some(marker) = look.marker {
                scene::draw_marker(scene, marker, centre, look.stroke.colour);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: Rectangle = Rectangle { left: 0.0, top: 0.0, right: 1.0, bottom: 1.0 };

    #[test]
    fn a_line_that_leaves_and_returns_is_two_pieces() {
        let pieces = clipped_line(&[(0.0, 0.5), (0.5, 0.5), (0.5, 2.0), (0.75, 2.0), (0.75, 0.0)], UNIT);
        assert_eq!(pieces, [vec![(0.0, 0.5), (0.5, 0.5), (0.5, 1.0)], vec![(0.75, 1.0), (0.75, 0.0)]]);
        assert!(clipped_line(&[(2.0, 0.0), (2.0, 1.0)], UNIT).is_empty());
    }

    #[test]
    fn a_polygon_is_cut_at_the_edges() {
        let cut = clipped_area(&[(0.5, 0.5), (2.0, 0.5), (2.0, 2.0), (0.5, 2.0)], UNIT);
        assert_eq!(cut.len(), 4);
        assert!(cut.contains(&(1.0, 1.0)) && cut.contains(&(0.5, 0.5)));
        assert!(clipped_area(&[(2.0, 2.0), (3.0, 2.0), (3.0, 3.0)], UNIT).is_empty());
        assert!(clipped_area(&[], UNIT).is_empty());
    }
}
