//! Normalised utility against the preference for cheapness, one line per router.

use super::axis::{self, Axis, Reach, Scale, Tick};
use super::panel::{self, Entry, MARGIN};
use super::panel::{BELOW, Panel};
use super::scene::{self, EDGE, PAPER};
use super::scene::{Point, Scene, Stroke};
use super::{Figure, Layout};
use super::{Line, LineKind, edges};

/// Utilities of routers over a range of preferences.
#[derive(Clone, Debug, PartialEq)]
pub struct UtilityChart {
    /// What is compared, and on which suite; wrapped where it is long.
    pub title: String,
    /// How it was measured.
    pub subtitle: String,
    /// The routers and references.
    pub lines: Vec<Line>,
    /// Names the horizontal axis, e.g. "preference w, weight of cost against score".
    pub preference_label: String,
    /// Names the vertical axis, e.g. "normalised utility".
    pub utility_label: String,
}

impl Figure for UtilityChart {
    fn scene(&self, layout: Layout) -> Scene {
        let frame = match layout {
            Layout::Report => REPORT,
            Layout::Print(columns) => {
                Frame { width: columns.width(), height: columns.height(), is_titled: false, has_legend: true }
            }
            Layout::Page => Frame { width: 640.0, height: 340.0, is_titled: false, has_legend: false },
        };
        scene(self, frame)
    }
}

/// How a chart is laid out.
#[derive(Clone, Copy)]
struct Frame {
    width: f64,
    /// Of the panel.
    height: f64,
    is_titled: bool,
    /// Whether a legend and notes stand below the panel.
    has_legend: bool,
}

/// With all words.
const REPORT: Frame = Frame { width: 640.0, height: 300.0, is_titled: true, has_legend: true };
const LEFT: f64 = 66.0;
/// How much of the axis belongs to w = 0.
const ZERO_WIDTH: f64 = 44.0;
/// Routers far worse than random, such as an expensive model at a high w, leave the axis: how far says nothing.
const LOWEST: f64 = -0.25;
const REACH: Reach = Reach { below: 0.5, above: 0.5 };

fn scene(chart: &UtilityChart, layout: Frame) -> Scene {
    let mut scene = Scene::new(layout.width);
    let lines: Vec<Line> = chart.lines.iter().map(shown).collect();
    let top = if layout.is_titled {
        panel::draw_header(&mut scene, &chart.title, &chart.subtitle) + 10.0
    } else {
        MARGIN
    };
    let panel = panel(&lines, top, layout);
    let mut x_ticks = panel.x.ticks(8, "");
    if panel.x.zero.is_some() {
        x_ticks.insert(0, Tick { value: 0.0, label: Some("0".to_owned()) });
    }
    panel.draw_frame(&mut scene, &x_ticks, &panel.y.ticks(7, ""), true);
    draw_break(&mut scene, &panel);
    panel.draw_x_label(&mut scene, &chart.preference_label);
    panel.draw_y_label(&mut scene, &chart.utility_label, MARGIN + 6.0);
    // The first router is the one the reader came for: it is drawn last, over the others.
    for (owner, line) in lines.iter().enumerate().rev() {
        if let Some(band) = &line.band {
            scene.owner(Some(owner));
            let [low, high] = edges(band, &panel);
            panel.draw_band(&mut scene, &low, &high, scene::look(line.kind));
        }
    }
    // Those that are not among the best lie below the others.
    let in_order = |is_other: bool| {
        lines.iter().enumerate().rev().filter(move |(_, line)| (line.kind == LineKind::Other) == is_other)
    };
    for (owner, line) in in_order(true).chain(in_order(false)) {
        scene.owner(Some(owner));
        let places: Vec<Point> = line.points.iter().filter_map(|point| panel.place(*point)).collect();
        let look = scene::look(line.kind);
        panel.draw_line(&mut scene, &places, look.stroke);
        panel.draw_markers(&mut scene, &places, look);
    }
    scene.owner(None);
    let bottom = top + layout.height + BELOW;
    scene.height = if layout.has_legend {
        let in_colour = lines.iter().filter(|line| line.kind != LineKind::Other);
        let mut entries: Vec<Entry> = in_colour.map(|line| line.entry(line.band.is_some())).collect();
        entries.extend(panel::others(lines.iter().map(|line| line.kind)));
        let bottom = panel::draw_legend(&mut scene, &entries, bottom + 14.0);
        panel::draw_notes(&mut scene, &notes(chart, &lines, &panel), bottom) + MARGIN
    } else {
        bottom + MARGIN
    };
    scene.axes = Some([panel.x, panel.y]);
    scene
}

/// The line without what no axis can show.
fn shown(line: &Line) -> Line {
    let mut line = line.drawable();
    line.points.retain(|(w, _)| 0.0 <= *w);
    line.band.iter_mut().for_each(|band| band.retain(|(w, ..)| 0.0 <= *w));
    line
}

fn panel(lines: &[Line], top: f64, layout: Frame) -> Panel {
    let utilities = |line: &Line| -> Vec<f64> {
        let band = line.band.iter().flatten().flat_map(|(_, low, high)| [*low, *high]);
        line.points.iter().map(|point| point.1).chain(band).collect()
    };
    let is_router = |line: &&Line| matches!(line.kind, LineKind::Router { .. });
    let mut main: Vec<f64> = lines.iter().filter(is_router).flat_map(utilities).collect();
    if main.iter().any(|utility| LOWEST < *utility) {
        main.iter_mut().for_each(|utility| *utility = utility.max(LOWEST));
    }
    let others: Vec<f64> = lines.iter().filter(|line| !is_router(line)).flat_map(utilities).collect();
    let preferences: Vec<f64> =
        lines.iter().flat_map(|line| line.points.iter().map(|point| point.0)).collect();
    let has_zero = preferences.contains(&0.0);
    let start = if has_zero { LEFT + ZERO_WIDTH } else { LEFT };
    let zero = has_zero.then_some(LEFT + 12.0);
    let window = axis::log_window(&preferences, &[], REACH);
    let x = Axis { scale: Scale::Log, window, start, end: layout.width - MARGIN - 6.0, zero };
    let window = axis::linear_window(&main, &others, REACH);
    Panel { x, y: Axis { scale: Scale::Linear, window, start: top + layout.height, end: top, zero: None } }
}

/// Two strokes through the axis between zero and the rest: the distance between them means nothing.
fn draw_break(scene: &mut Scene, panel: &Panel) {
    let Some(zero) = panel.x.zero else { return };
    let (x, y) = ((zero + panel.x.start) / 2.0, panel.y.start);
    scene.line(&[(x - 2.5, y), (x + 2.5, y)], Stroke::solid(PAPER, 2.0));
    for x in [x - 2.5, x + 2.5] {
        scene.line(&[(x - 2.0, y + 4.0), (x + 2.0, y - 4.0)], Stroke::solid(EDGE, 1.0));
    }
}

fn notes(chart: &UtilityChart, lines: &[Line], panel: &Panel) -> Vec<String> {
    let count = |lines: &[Line]| lines.iter().map(|line| line.points.len()).sum::<usize>();
    let dropped = count(&chart.lines) - count(lines);
    let outside = |line: &&Line| {
        line.kind != LineKind::Other && line.points.iter().any(|point| !panel.y.window.contains(point.1))
    };
    let outside: Vec<&str> = lines.iter().filter(outside).map(|line| line.label.as_str()).collect();
    let mut notes = Vec::new();
    if !outside.is_empty() {
        notes.push(format!("Beyond the utility axis in part: {}", outside.join(", ")));
    }
    if dropped > 0 {
        notes.push(format!("{dropped} points left out, which are no numbers on these axes"));
    }
    notes
}
