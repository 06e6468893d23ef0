//! A figure as a list of marks in pixels, before any backend sees it.

use plotters::style::{Color, RGBAColor, RGBColor};

use super::axis::Axis;
use super::text;

/// A place on the figure in pixels: to the right, then down.
pub(super) type Point = (f64, f64);

/// Where the given place lies on a line of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    /// At its beginning.
    Start,
    /// At its middle.
    Middle,
    /// At its end.
    End,
}

/// How a line of text is set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lettering {
    /// The em in pixels.
    pub(super) size: f64,
    pub(super) colour: RGBColor,
    pub(super) align: Align,
    /// Reads upwards, as along a vertical axis.
    pub(super) upwards: bool,
}

/// How a line is drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stroke {
    pub(super) colour: RGBColor,
    pub(super) width: f64,
    /// Lengths of strokes and gaps in turn; empty for a solid line.
    pub(super) dash: &'static [f64],
}

impl Stroke {
    pub(super) fn solid(colour: RGBColor, width: f64) -> Self {
        Self { colour, width, dash: &[] }
    }
}

/// One thing to draw.
pub(super) enum Mark {
    Line {
        points: Vec<Point>,
        colour: RGBColor,
        width: f64,
    },
    Area {
        points: Vec<Point>,
        colour: RGBAColor,
    },
    Disc {
        centre: Point,
        radius: f64,
        colour: RGBColor,
    },
    Text {
        text: String,
        at: Point,
        lettering: Lettering,
    },
    /// What follows belongs to the curve at this position of the chart, or to none.
    Owner(Option<usize>),
}

/// A figure as marks in pixels: later marks cover earlier ones.
pub struct Scene {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) marks: Vec<Mark>,
    /// Where values lie, across and up, on a figure that has one panel.
    pub(super) axes: Option<[Axis; 2]>,
}

impl Scene {
    pub(super) fn new(width: f64) -> Self {
        Self { width, height: 0.0, marks: Vec::new(), axes: None }
    }

    /// Adds a line through the points, dashed if the stroke is.
    pub(super) fn line(&mut self, points: &[Point], stroke: Stroke) {
        for piece in dashes(points, stroke.dash) {
            self.marks.push(Mark::Line { points: piece, colour: stroke.colour, width: stroke.width });
        }
    }

    /// Says whose the following marks are, by position in the chart.
    pub(super) fn owner(&mut self, curve: Option<usize>) {
        self.marks.push(Mark::Owner(curve));
    }

    /// Adds a filled polygon.
    pub(super) fn area(&mut self, points: Vec<Point>, colour: RGBColor, opacity: f64) {
        if points.len() >= 3 {
            self.marks.push(Mark::Area { points, colour: colour.mix(opacity) });
        }
    }

    /// Adds a filled circle.
    pub(super) fn disc(&mut self, centre: Point, radius: f64, colour: RGBColor) {
        self.marks.push(Mark::Disc { centre, radius, colour });
    }

    /// Adds a line of text whose baseline passes through `at`.
    pub(super) fn text(&mut self, text: &str, at: Point, lettering: Lettering) {
        let text = text::clean(text);
        if !text.is_empty() {
            self.marks.push(Mark::Text { text, at, lettering });
        }
    }
}

/// Cuts a line into its visible pieces.
///
/// The backends know no dashes of their own.
fn dashes(points: &[Point], pattern: &[f64]) -> Vec<Vec<Point>> {
    if points.len() < 2 {
        return Vec::new();
    }
    if pattern.is_empty() {
        return vec![points.to_vec()];
    }
    let mut pieces = vec![vec![points[0]]];
    let (mut phase, mut left) = (0, pattern[0]);
    for pair in points.windows(2) {
        let length = (pair[1].0 - pair[0].0).hypot(pair[1].1 - pair[0].1);
        let at = |run: f64| {
            let share = run / length;
            (pair[0].0 + share * (pair[1].0 - pair[0].0), pair[0].1 + share * (pair[1].1 - pair[0].1))
        };
        let mut run = 0.0;
        while run + left < length {
            run += left;
            if phase % 2 == 1 {
                pieces.push(Vec::new());
            }
            if let Some(piece) = pieces.last_mut() {
                piece.push(at(run));
            }
            phase = (phase + 1) % pattern.len();
            left = pattern[phase];
        }
        left -= length - run;
        if phase % 2 == 0
            && let Some(piece) = pieces.last_mut()
        {
            piece.push(pair[1]);
        }
    }
    pieces.retain(|piece| piece.len() >= 2);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_go_on_round_a_corner() {
        let pieces = dashes(&[(0.0, 0.0), (5.0, 0.0), (5.0, 5.0)], &[4.0, 2.0]);
        assert_eq!(pieces, [vec![(0.0, 0.0), (4.0, 0.0)], vec![(5.0, 1.0), (5.0, 5.0)]]);
    }

    #[test]
    fn a_solid_line_is_one_piece_and_a_point_is_none() {
        assert_eq!(dashes(&[(0.0, 0.0), (5.0, 0.0)], &[]).len(), 1);
        assert_eq!(dashes(&[(0.0, 0.0)], &[]).len(), 0);
        assert_eq!(dashes(&[(0.0, 0.0), (0.0, 0.0)], &[4.0, 2.0]).len(), 1);
    }
}
