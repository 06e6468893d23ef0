//! A figure as a list of marks in pixels, before any backend sees it, and the look of every line: colours that colour-blind readers
//! distinguish, with dashes and markers that survive grey print.

use plotters::style::{Color, RGBAColor, RGBColor};

use super::axis::Axis;
use super::{LineKind, text};

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

/// Titles, labels, and tick labels.
pub(super) const TEXT: RGBColor = RGBColor(34, 34, 34);
/// Subtitles and notes.
pub(super) const FAINT_TEXT: RGBColor = RGBColor(100, 100, 100);
/// The edge of a panel and its ticks.
pub(super) const EDGE: RGBColor = RGBColor(90, 90, 90);
/// The grid.
pub(super) const GRID: RGBColor = RGBColor(232, 232, 232);
/// The paper.
pub(super) const PAPER: RGBColor = RGBColor(255, 255, 255);

/// How a line is drawn, with its markers if it has any.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) stroke: Stroke,
    pub(super) marker: Option<Marker>,
}

impl Look {
    /// The look of a line with that many different places: a single place has no line, so it needs a marker.
    pub(super) fn of_places(self, kind: LineKind, n_places: usize) -> Self {
        match kind {
            LineKind::Reference { index } if n_places == 1 => {
                Look { marker: Some(REFERENCE_MARKERS[index % 4]), ..self }
            }
            _ => self,
        }
    }
}

/// The shape of an operating point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marker {
    Circle,
    Square,
    Triangle,
    Diamond,
    Kite,
    OpenCircle,
    OpenSquare,
    OpenTriangle,
    Star,
    Plus,
}

/// Six colours of Okabe and Ito (2008) without their yellow, which vanishes on paper, and two of Tol (2021).
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(136, 34, 85),
    RGBColor(51, 34, 136),
];

/// The same on a dark ground: as far apart, but lighter.
const COLOURS_ON_DARK: [RGBColor; 8] = [
    RGBColor(63, 151, 216),
    RGBColor(240, 122, 42),
    RGBColor(31, 191, 146),
    RGBColor(221, 149, 189),
    RGBColor(240, 180, 41),
    RGBColor(143, 208, 245),
    RGBColor(208, 99, 140),
    RGBColor(141, 127, 240),
];

const MARKERS: [Marker; 8] = [
    Marker::Circle,
    Marker::Square,
    Marker::Triangle,
    Marker::Diamond,
    Marker::Kite,
    Marker::OpenCircle,
    Marker::OpenSquare,
    Marker::OpenTriangle,
];

const DASHES: [&[f64]; 4] = [&[], &[7.0, 3.0], &[2.0, 2.0], &[8.0, 2.5, 2.0, 2.5]];

/// The routers that are not among the best of many.
const OTHER: RGBColor = RGBColor(190, 190, 190);

const REFERENCES: [(RGBColor, &[f64]); 4] = [
    (RGBColor(80, 80, 80), &[10.0, 4.0]),
    (RGBColor(120, 120, 120), &[3.0, 3.0]),
    (RGBColor(150, 150, 150), &[1.5, 3.0]),
    (RGBColor(120, 120, 120), &[10.0, 3.0, 1.5, 3.0]),
];

/// The markers of references that are a single place.
const REFERENCE_MARKERS: [Marker; 4] = [Marker::Star, Marker::OpenSquare, Marker::OpenTriangle, Marker::Plus];

/// The look of a line.
pub(super) fn look(kind: LineKind) -> Look {
    match kind {
        LineKind::Other => Look { stroke: Stroke::solid(OTHER, 1.0), marker: None },
        LineKind::Router { index } | LineKind::Apart { index } => {
            // The second eight have the colours and markers of the first eight, but never their dashes.
            let dash = DASHES[(index % 8 + index / 8) % 4];
            let stroke = Stroke { colour: COLOURS[index % 8], width: 1.7, dash };
            Look { stroke, marker: Some(MARKERS[index % 8]) }
        }
        LineKind::Reference { index } => {
            let (colour, dash) = REFERENCES[index % 4];
            Look { stroke: Stroke { colour, width: 1.2, dash }, marker: None }
        }
    }
}

/// The name of a colour in a style sheet, where light and dark pages may differ.
pub(super) fn name(colour: RGBColor) -> String {
    let names = [
        (OTHER, "other"),
        (TEXT, "text"),
        (FAINT_TEXT, "faint"),
        (EDGE, "edge"),
        (GRID, "grid"),
        (PAPER, "paper"),
    ];
    if let Some((_, name)) = names.iter().find(|(known, _)| *known == colour) {
        return (*name).to_owned();
    }
    COLOURS.iter().position(|known| *known == colour).map_or("ref".to_owned(), |at| format!("c{at}"))
}

/// The routers' colours as properties of a style sheet, for light and for dark pages.
pub(in crate::report) fn properties() -> [String; 2] {
    [COLOURS, COLOURS_ON_DARK].map(|colours| {
        let property = |(at, RGBColor(red, green, blue)): (usize, RGBColor)| {
            format!("--c{at}:#{red:02x}{green:02x}{blue:02x};")
        };
        colours.into_iter().enumerate().map(property).collect()
    })
}

/// Draws a marker with a thin white rim, so that neighbours stay apart.
pub(super) fn draw_marker(scene: &mut Scene, marker: Marker, at: Point, colour: RGBColor) {
    const RADIUS: f64 = 3.0;
    const RIM: f64 = 0.8;
    const HOLE: f64 = 1.3;
    shape(scene, marker, at, RADIUS + RIM, PAPER);
    shape(scene, marker, at, RADIUS, colour);
    if matches!(marker, Marker::OpenCircle | Marker::OpenSquare | Marker::OpenTriangle) {
        shape(scene, marker, at, RADIUS - HOLE, PAPER);
    }
}

/// Draws the cross of a single model.
pub(super) fn draw_cross(scene: &mut Scene, (x, y): Point, colour: RGBColor) {
    const ARM: f64 = 2.8;
    for slope in [1.0, -1.0] {
        scene.line(&[(x - ARM, y - slope * ARM), (x + ARM, y + slope * ARM)], Stroke::solid(colour, 1.2));
    }
}

fn shape(scene: &mut Scene, marker: Marker, (x, y): Point, radius: f64, colour: RGBColor) {
    let corners: &[Point] = match marker {
        Marker::Circle | Marker::OpenCircle => return scene.disc((x, y), radius, colour),
        Marker::Square | Marker::OpenSquare => &[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
        Marker::Triangle | Marker::OpenTriangle => &[(0.0, -1.25), (1.15, 0.8), (-1.15, 0.8)],
        Marker::Diamond => &[(0.0, -1.3), (1.15, 0.0), (0.0, 1.3), (-1.15, 0.0)],
        Marker::Kite => &[(0.0, 1.25), (1.15, -0.8), (-1.15, -0.8)],
        Marker::Star => &STAR,
        Marker::Plus => &PLUS,
    };
    let corners = corners.iter().map(|corner| (x + radius * corner.0, y + radius * corner.1)).collect();
    scene.area(corners, colour, 1.0);
}

/// Five points at 1.7 radii, with corners at 0.7 between them; the first point is up.
const STAR: [Point; 10] = [
    (0.0, -1.7),
    (0.411, -0.566),
    (1.617, -0.525),
    (0.666, 0.216),
    (0.999, 1.375),
    (0.0, 0.7),
    (-0.999, 1.375),
    (-0.666, 0.216),
    (-1.617, -0.525),
    (-0.411, -0.566),
];

/// Two bars, upright so that it is distinguished from the cross of a single model.
const PLUS: [Point; 12] = [
    (-0.4, -1.5),
    (0.4, -1.5),
    (0.4, -0.4),
    (1.5, -0.4),
    (1.5, 0.4),
    (0.4, 0.4),
    (0.4, 1.5),
    (-0.4, 1.5),
    (-0.4, 0.4),
    (-1.5, 0.4),
    (-1.5, -0.4),
    (-0.4, -0.4),
];

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

    #[test]
    fn thirty_two_routers_differ_without_their_colours() {
        let looks: Vec<_> = (0..32)
            .map(|index| look(LineKind::Router { index }))
            .map(|look| (look.stroke.dash, look.marker))
            .collect();
        for (k, look) in looks.iter().enumerate() {
            assert!(!looks[..k].contains(look), "{k} looks like an earlier router");
        }
    }

    #[test]
    fn references_are_grey() {
        for index in 0..4 {
            let RGBColor(red, green, blue) = look(LineKind::Reference { index }).stroke.colour;
            assert!(red == green && green == blue);
        }
    }
}
