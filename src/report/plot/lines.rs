//! Plain lines over two linear axes, for a page: reliability diagrams and learning curves.

use super::axis::{self, Axis, Reach, Scale, Window};
use super::panel::MARGIN;
use super::panel::Panel;
use super::scene::{self, EDGE};
use super::scene::{Point, Scene, Stroke};
use super::{Figure, Layout};
use super::{LineKind, drawable_pairs};

/// Lines, one a router.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::report) struct LineChart {
    /// Each with how it is drawn.
    pub(in crate::report) lines: Vec<(LineKind, Vec<(f64, f64)>)>,
    /// Whether both axes show shares, with the diagonal on which they are equal.
    pub(in crate::report) has_diagonal: bool,
    /// Names the horizontal axis.
    pub(in crate::report) x_label: String,
    /// Names the vertical axis.
    pub(in crate::report) y_label: String,
}

const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 92.0;
const REACH: Reach = Reach { below: 0.3, above: 0.3 };
/// More points than this are drawn without markers, which would hide the line.
const MOST_MARKERS: usize = 12;
const DIAGONAL_DASH: &[f64] = &[4.0, 3.0];
const SHARES: Window = Window { low: 0.0, high: 1.0 };

impl Figure for LineChart {
    fn scene(&self, _layout: Layout) -> Scene {
        scene(self)
    }
}

fn scene(chart: &LineChart) -> Scene {
    let mut scene = Scene::new(WIDTH);
    let lines: Vec<(LineKind, Vec<(f64, f64)>)> =
        chart.lines.iter().map(|(kind, points)| (*kind, drawable_pairs(points))).collect();
    let panel = panel(chart, &lines);
    panel.draw_frame(&mut scene, &panel.x.ticks(6, ""), &panel.y.ticks(6, ""), true);
    panel.draw_x_label(&mut scene, &chart.x_label);
    panel.draw_y_label(&mut scene, &chart.y_label, MARGIN + 6.0);
    if chart.has_diagonal {
        let rectangle = panel.rectangle();
        let ends = [(rectangle.left, rectangle.bottom), (rectangle.right, rectangle.top)];
        scene.line(&ends, Stroke { colour: EDGE, width: 1.0, dash: DIAGONAL_DASH });
    }
    for (owner, (kind, points)) in lines.iter().enumerate().rev() {
        scene.owner(Some(owner));
        let places: Vec<Point> = points.iter().filter_map(|point| panel.place(*point)).collect();
        let look = scene::look(*kind);
        panel.draw_line(&mut scene, &places, look.stroke);
        if places.len() <= MOST_MARKERS {
            panel.draw_markers(&mut scene, &places, look);
        }
    }
    scene.owner(None);
    scene.height = MARGIN + HEIGHT + super::panel::BELOW + MARGIN;
    scene.axes = Some([panel.x, panel.y]);
    scene
}

fn panel(chart: &LineChart, lines: &[(LineKind, Vec<(f64, f64)>)]) -> Panel {
    let points = || lines.iter().flat_map(|(_, points)| points);
    let (x, y) = if chart.has_diagonal {
        (SHARES, SHARES)
    } else {
        let most = points().map(|point| point.0).fold(0.0, f64::max);
        let heights: Vec<f64> = points().map(|point| point.1).collect();
        let x = Window { low: 0.0, high: if most > 0.0 { most } else { 1.0 } };
        (x, axis::linear_window(&heights, &[], REACH))
    };
    let top = MARGIN;
    Panel {
        x: Axis { scale: Scale::Linear, window: x, start: LEFT, end: WIDTH - MARGIN - 6.0, zero: None },
        y: Axis { scale: Scale::Linear, window: y, start: top + HEIGHT, end: top, zero: None },
    }
}
