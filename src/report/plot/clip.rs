//! Lines and polygons cut at the edge of a panel.

use super::scene::Point;

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
pub(super) fn line(points: &[Point], within: Rectangle) -> Vec<Vec<Point>> {
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
pub(super) fn area(points: &[Point], within: Rectangle) -> Vec<Point> {
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

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: Rectangle = Rectangle { left: 0.0, top: 0.0, right: 1.0, bottom: 1.0 };

    #[test]
    fn a_line_that_leaves_and_returns_is_two_pieces() {
        let pieces = line(&[(0.0, 0.5), (0.5, 0.5), (0.5, 2.0), (0.75, 2.0), (0.75, 0.0)], UNIT);
        assert_eq!(pieces, [vec![(0.0, 0.5), (0.5, 0.5), (0.5, 1.0)], vec![(0.75, 1.0), (0.75, 0.0)]]);
        assert!(line(&[(2.0, 0.0), (2.0, 1.0)], UNIT).is_empty());
    }

    #[test]
    fn a_polygon_is_cut_at_the_edges() {
        let cut = area(&[(0.5, 0.5), (2.0, 0.5), (2.0, 2.0), (0.5, 2.0)], UNIT);
        assert_eq!(cut.len(), 4);
        assert!(cut.contains(&(1.0, 1.0)) && cut.contains(&(0.5, 0.5)));
        assert!(area(&[(2.0, 2.0), (3.0, 2.0), (3.0, 3.0)], UNIT).is_empty());
        assert!(area(&[], UNIT).is_empty());
    }
}
