//! Cumulative regret against steps, one line per learner with its band, and a rule where something changes.

use super::axis::{self, Axis, Reach, Scale, Window};
use super::panel::{self, Entry, MARGIN};
use super::panel::{BELOW, Panel};
use super::scene::{self, EDGE, Look};
use super::scene::{Point, Scene, Stroke};
use super::{Figure, Layout};
use super::{Line, LineKind, edges};

/// Regrets of learners over the steps of an order.
#[derive(Clone, Debug, PartialEq)]
pub struct RegretChart {
    /// What is compared, and on which suite; wrapped where it is long.
    pub title: String,
    /// How it was measured.
    pub subtitle: String,
    /// The learners and references.
    pub lines: Vec<Line>,
    /// The steps at which something changes.
    pub changes: Vec<f64>,
    /// Names the horizontal axis.
    pub step_label: String,
    /// Names the vertical axis.
    pub regret_label: String,
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
/// Lines of so few points have whiskers in the place of a band: between them nothing was measured.
const MOST_WHISKERS: usize = 12;
/// Half of the stroke at the end of a whisker, and how far those of one line stand from those of the next.
const WHISKER: f64 = 3.0;

/// Without title, legend, and notes, which the page writes itself.
fn on_page(chart: &RegretChart) -> Scene {
    let mut scene = Scene::new(WIDTH);
    let lines: Vec<Line> = chart.lines.iter().map(Line::drawable).collect();
    let panel = panel(&lines, MARGIN);
    draw(&mut scene, &panel, chart, &lines);
    scene.height = MARGIN + HEIGHT + BELOW + MARGIN;
    scene
}

fn scene(chart: &RegretChart) -> Scene {
    let mut scene = Scene::new(WIDTH);
    let top = panel::draw_header(&mut scene, &chart.title, &chart.subtitle) + 10.0;
    let lines: Vec<Line> = chart.lines.iter().map(Line::drawable).collect();
    let panel = panel(&lines, top);
    draw(&mut scene, &panel, chart, &lines);
    let entry = |line: &Line| line.entry(line.band.is_some() && !has_whiskers(line));
    let entries: Vec<Entry> = lines.iter().map(entry).collect();
    let bottom = panel::draw_legend(&mut scene, &entries, top + HEIGHT + BELOW + 14.0);
    scene.height = panel::draw_notes(&mut scene, &notes(chart, &lines, &panel), bottom) + MARGIN;
    scene
}

/// What the eye does not see, without full stops.
fn notes(chart: &RegretChart, lines: &[Line], panel: &Panel) -> Vec<String> {
    let mut notes = Vec::new();
    if !chart.changes.is_empty() {
        notes.push("Upright dashes: something changes, as the report says".to_owned());
    }
    let mut named = |words: &str, is_meant: &dyn Fn(&Line) -> bool| {
        let labels: Vec<&str> =
            lines.iter().filter(|line| is_meant(line)).map(|line| line.label.as_str()).collect();
        if !labels.is_empty() {
            notes.push(format!("{words}: {}", labels.join(", ")));
        }
    };
    let is_inside = |value: f64| panel.y.window.contains(value);
    let band = |line: &Line| line.band.clone().unwrap_or_default();
    named("Beyond the axis in part", &|line| line.points.iter().any(|point| !is_inside(point.1)));
    named("Intervals beyond the axis in part", &|line| {
        band(line).iter().any(|(_, low, high)| !is_inside(*low) || !is_inside(*high))
    });
    named("Points without an interval", &|line| {
        line.band.as_ref().is_some_and(|band| band.len() < line.points.len())
    });
    notes
}

fn has_whiskers(line: &Line) -> bool {
    line.band.is_some() && line.points.len() <= MOST_WHISKERS
}

/// Intervals at single points, open where the axis cuts them.
fn draw_whiskers(scene: &mut Scene, panel: &Panel, band: &[(f64, f64, f64)], aside: f64, look: Look) {
    let stroke = Stroke { dash: &[], width: 1.2, ..look.stroke };
    for (x, low, high) in band {
        let (Some((x, low)), Some((_, high))) = (panel.place((*x, *low)), panel.place((*x, *high))) else {
            continue;
        };
        let x = x + aside;
        panel.draw_line(scene, &[(x, low), (x, high)], stroke);
        for y in [low, high] {
            panel.draw_line(scene, &[(x - WHISKER, y), (x + WHISKER, y)], stroke);
        }
    }
}

/// A few places of a line, offset from those of the other lines.
fn marked(places: &[Point], line: usize) -> Vec<Point> {
    let every = places.len().div_ceil(MARKERS).max(1);
    places.iter().skip((line * every / MARKERS + every / 2) % every).step_by(every).copied().collect()
}

/// Frame, changes, bands, and lines.
fn draw(scene: &mut Scene, panel: &Panel, chart: &RegretChart, lines: &[Line]) {
    panel.draw_frame(scene, &panel.x.ticks(8, ""), &panel.y.ticks(7, ""), true);
    panel.draw_x_label(scene, &chart.step_label);
    panel.draw_y_label(scene, &chart.regret_label, MARGIN + 6.0);
    let rectangle = panel.rectangle();
    for x in chart.changes.iter().filter_map(|step| panel.x.place(*step)) {
        let stroke = Stroke { colour: EDGE, width: 1.0, dash: CHANGE_DASH };
        scene.line(&[(x, rectangle.top), (x, rectangle.bottom)], stroke);
    }
    let middle = (lines.iter().filter(|line| has_whiskers(line)).count() as f64 - 1.0) / 2.0;
    for (at, line) in lines.iter().enumerate().rev() {
        let Some(band) = &line.band else { continue };
        if has_whiskers(line) {
            let aside = (at as f64 - middle) * 2.0 * WHISKER;
            draw_whiskers(scene, panel, band, aside, scene::look(line.kind));
            continue;
        }
        let [low, high] = edges(band, panel);
        panel.draw_band(scene, &low, &high, scene::look(line.kind));
    }
    for (at, line) in lines.iter().enumerate().rev() {
        let places: Vec<Point> = line.points.iter().filter_map(|point| panel.place(*point)).collect();
        let look = scene::look(line.kind);
        panel.draw_line(scene, &places, look.stroke);
        panel.draw_markers(scene, &marked(&places, at), look);
    }
}

fn panel(lines: &[Line], top: f64) -> Panel {
    let is_router = |line: &&Line| matches!(line.kind, LineKind::Router { .. });
    let regrets = |line: &Line| line.points.iter().map(|point| point.1).collect::<Vec<f64>>();
    let main: Vec<f64> = lines.iter().filter(is_router).flat_map(regrets).collect();
    let ends = |line: &Line| {
        let band = line.band.iter().flatten();
        band.flat_map(|(_, low, high)| [*low, *high]).collect::<Vec<f64>>()
    };
    let others = lines.iter().filter(|line| !is_router(line)).flat_map(regrets);
    let others: Vec<f64> = others.chain(lines.iter().flat_map(ends)).collect();
    let most = lines.iter().flat_map(|line| &line.points).map(|point| point.0).fold(0.0, f64::max);
    let least = lines.iter().flat_map(|line| &line.points).map(|point| point.0).fold(most, f64::min);
    let most = if most > least { most } else { least + 1.0 };
    // Whiskers at either end stand inside of the panel.
    let aside = if lines.iter().any(has_whiskers) { 0.03 * (most - least) } else { 0.0 };
    let steps = Window { low: least - aside, high: most + aside };
    let x = Axis { scale: Scale::Linear, window: steps, start: LEFT, end: WIDTH - MARGIN - 6.0, zero: None };
    let window = axis::linear_window(&main, &others, REACH);
    Panel { x, y: Axis { scale: Scale::Linear, window, start: top + HEIGHT, end: top, zero: None } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_charts_give_equal_bytes_and_any_data_can_be_drawn() {
        let line = |index: usize, slope: f64| Line {
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
        assert!(svg.contains("line 1") && svg.contains("Upright dashes") && !svg.contains("says.."));
        assert_eq!(svg, chart.svg().unwrap());
        chart.lines[0].points[3].1 = f64::NAN;
        assert!(chart.svg().is_ok() && chart.png().is_ok());
        chart.lines.clear();
        assert!(chart.svg().is_ok());
    }

    #[test]
    fn intervals_of_few_points_are_whiskers_that_cover_nothing_and_what_is_cut_is_said() {
        let line = |index: usize, band: Vec<(f64, f64, f64)>| Line {
            label: format!("line {index}"),
            points: vec![(0.0, 0.9), (5.0, 0.8), (50.0, 0.95)],
            band: Some(band),
            kind: LineKind::Router { index },
        };
        let near = vec![(0.0, 0.85, 0.95), (5.0, 0.78, 0.82), (50.0, 0.9, 0.99)];
        let mut chart = RegretChart {
            title: "t".into(),
            subtitle: "s".into(),
            lines: vec![line(0, near.clone()), line(1, near)],
            changes: Vec::new(),
            step_label: "prompts".into(),
            regret_label: "share".into(),
        };
        let areas = |chart: &RegretChart| {
            let marks = chart.scene(Layout::Report).marks;
            marks.iter().filter(|mark| matches!(mark, super::super::scene::Mark::Area { .. })).count()
        };
        let mut bare = chart.clone();
        bare.lines.iter_mut().for_each(|line| line.band = None);
        assert_eq!(areas(&chart), areas(&bare), "markers alone are areas");
        let svg = chart.svg().unwrap();
        assert!(!svg.contains("Intervals beyond") && !svg.contains("without an interval"));
        chart.lines[1] = line(1, vec![(0.0, -40.0, 60.0), (50.0, 0.9, 1.0)]);
        let svg = chart.svg().unwrap();
        assert!(svg.contains("Intervals beyond the axis in part: line 1"), "{svg}");
        assert!(svg.contains("Points without an interval: line 1"), "{svg}");
    }
}
