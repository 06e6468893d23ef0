//! Cumulative regret against steps, one line per learner with its band, and a rule where something changes.

use super::axis::{self, Axis, Reach, Scale, Window};
use super::caption::{self, Entry, MARGIN, Swatch};
use super::figure::{Figure, Layout};
use super::palette::{self, EDGE, Look};
use super::panel::{BELOW, Panel};
use super::scene::{Point, Scene, Stroke};
use super::{LineKind, drawable_band, drawable_pairs};

/// Regrets of learners over the steps of an order.
#[derive(Clone, Debug, PartialEq)]
pub struct RegretChart {
    /// What is compared, and on which suite; wrapped where it is long.
    pub title: String,
    /// How it was measured.
    pub subtitle: String,
    /// The learners and references.
    pub lines: Vec<RegretLine>,
    /// The steps at which something changes.
    pub changes: Vec<f64>,
    /// Names the horizontal axis.
    pub step_label: String,
    /// Names the vertical axis.
    pub regret_label: String,
}

/// The regret of one learner.
#[derive(Clone, Debug, PartialEq)]
pub struct RegretLine {
    /// Its name in the legend.
    pub label: String,
    /// Pairs of step and regret, by rising step.
    pub points: Vec<(f64, f64)>,
    /// Triples of step, low, and high regret, by rising step.
    pub band: Option<Vec<(f64, f64, f64)>>,
    /// How it is drawn.
    pub kind: LineKind,
}

impl Figure for RegretChart {
    fn scene(&self, layout: Layout) -> Scene {
        if layout == Layout::Page { on_page(self) } else { scene(self) }
    }
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 66.0;
const REACH: Reach = Reach { below: 0.3, above: 0.3 };
/// Markers along a line: on every point they would hide it.
const MARKERS: usize = 8;
const CHANGE_DASH: &[f64] = &[4.0, 3.0];

/// Without title, legend, and notes, which the page writes itself.
fn on_page(chart: &RegretChart) -> Scene {
    let mut scene = Scene::new(WIDTH);
    let lines: Vec<RegretLine> = chart.lines.iter().map(shown).collect();
    let panel = panel(&lines, MARGIN);
    draw(&mut scene, &panel, chart, &lines);
    scene.height = MARGIN + HEIGHT + BELOW + MARGIN;
    scene
}

fn scene(chart: &RegretChart) -> Scene {
    let mut scene = Scene::new(WIDTH);
    let top = caption::draw_header(&mut scene, &chart.title, &chart.subtitle) + 10.0;
    let lines: Vec<RegretLine> = chart.lines.iter().map(shown).collect();
    let panel = panel(&lines, top);
    draw(&mut scene, &panel, chart, &lines);
    let swatch = |look: Look, line: &RegretLine| Swatch::Line { look, band: line.band.is_some() };
    let entry = |line: &RegretLine| Entry {
        swatch: swatch(palette::look(line.kind), line),
        label: line.label.clone(),
    };
    let entries: Vec<Entry> = lines.iter().map(entry).collect();
    let bottom = caption::draw_legend(&mut scene, &entries, top + HEIGHT + BELOW + 14.0);
    let outside = |line: &&RegretLine| line.points.iter().any(|point| !panel.y.window.contains(point.1));
    let outside: Vec<&str> = lines.iter().filter(outside).map(|line| line.label.as_str()).collect();
    let mut notes = Vec::new();
    if !chart.changes.is_empty() {
        notes.push("Upright dashes: something changes, as the report says.".to_owned());
    }
    if !outside.is_empty() {
        notes.push(format!("Beyond the axis in part: {}", outside.join(", ")));
    }
    scene.height = caption::draw_notes(&mut scene, &notes, bottom) + MARGIN;
    scene
}

/// A few places of a line, offset from those of the other lines.
fn marked(places: &[Point], line: usize) -> Vec<Point> {
    let every = places.len().div_ceil(MARKERS).max(1);
    places.iter().skip((line * every / MARKERS + every / 2) % every).step_by(every).copied().collect()
}

/// Frame, changes, bands, and lines.
fn draw(scene: &mut Scene, panel: &Panel, chart: &RegretChart, lines: &[RegretLine]) {
    panel.draw_frame(scene, &panel.x.ticks(8, ""), &panel.y.ticks(7, ""), true);
    panel.draw_x_label(scene, &chart.step_label);
    panel.draw_y_label(scene, &chart.regret_label, MARGIN + 6.0);
    let rectangle = panel.rectangle();
    for x in chart.changes.iter().filter_map(|step| panel.x.place(*step)) {
        let stroke = Stroke { colour: EDGE, width: 1.0, dash: CHANGE_DASH };
        scene.line(&[(x, rectangle.top), (x, rectangle.bottom)], stroke);
    }
    for line in lines.iter().rev() {
        let Some(band) = &line.band else { continue };
        let low: Vec<Point> = band.iter().filter_map(|(x, low, _)| panel.place((*x, *low))).collect();
        let high: Vec<Point> = band.iter().filter_map(|(x, _, high)| panel.place((*x, *high))).collect();
        panel.draw_band(scene, &low, &high, palette::look(line.kind));
    }
    for (at, line) in lines.iter().enumerate().rev() {
        let places: Vec<Point> = line.points.iter().filter_map(|point| panel.place(*point)).collect();
        let look = palette::look(line.kind);
        panel.draw_line(scene, &places, look.stroke);
        panel.draw_markers(scene, &marked(&places, at), look);
    }
}

fn shown(line: &RegretLine) -> RegretLine {
    RegretLine {
        label: line.label.clone(),
        points: drawable_pairs(&line.points),
        band: line.band.as_deref().map(drawable_band),
        kind: line.kind,
    }
}

fn panel(lines: &[RegretLine], top: f64) -> Panel {
    let is_router = |line: &&RegretLine| matches!(line.kind, LineKind::Router { .. });
    let regrets = |line: &RegretLine| line.points.iter().map(|point| point.1).collect::<Vec<f64>>();
    let main: Vec<f64> = lines.iter().filter(is_router).flat_map(regrets).collect();
    let others: Vec<f64> = lines.iter().filter(|line| !is_router(line)).flat_map(regrets).collect();
    let most = lines.iter().flat_map(|line| &line.points).map(|point| point.0).fold(0.0, f64::max);
    let least = lines.iter().flat_map(|line| &line.points).map(|point| point.0).fold(most, f64::min);
    let steps = Window { low: least, high: if most > least { most } else { least + 1.0 } };
    let x = Axis { scale: Scale::Linear, window: steps, start: LEFT, end: WIDTH - MARGIN - 6.0, zero: None };
    let window = axis::linear_window(&main, &others, REACH);
    Panel { x, y: Axis { scale: Scale::Linear, window, start: top + HEIGHT, end: top, zero: None } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_charts_give_equal_bytes_and_any_data_can_be_drawn() {
        let line = |index: usize, slope: f64| RegretLine {
            label: format!("line {index}"),
            points: (0..50).map(|step| (f64::from(step), slope * f64::from(step))).collect(),
            band: Some((0..50).map(|step| (f64::from(step), 0.0, slope * f64::from(step))).collect()),
            kind: LineKind::Router { index },
        };
        let mut chart = RegretChart {
            title: "t".into(),
            subtitle: "s".into(),
            lines: vec![line(0, 1.0), line(1, 0.5)],
            changes: vec![25.0],
            step_label: "steps".into(),
            regret_label: "regret".into(),
        };
        let svg = chart.svg().unwrap();
        assert!(svg.contains("line 1") && svg.contains("Upright dashes"));
        assert_eq!(svg, chart.svg().unwrap());
        chart.lines[0].points[3].1 = f64::NAN;
        assert!(chart.svg().is_ok() && chart.png().is_ok());
        chart.lines.clear();
        assert!(chart.svg().is_ok());
    }
}
