//! Score against cost: the hulls and operating points of routers among the single models, on a linear and on a log axis.

use super::axis::{self, Axis, Reach, Scale, Window};
use super::model_labels::{self, ModelPoint, Obstacles};
use super::panel::{self, Entry, MARGIN, Swatch};
use super::panel::{BELOW, Panel};
use super::render::Inline;
use super::scene::{self, FAINT_TEXT, Look};
use super::scene::{Point, Scene};
use super::{Columns, Figure, Layout};
use super::{LineKind, drawable, drawable_band, drawable_pairs};

/// Deferral curves of routers among the single models of a suite.
///
/// Costs are in whatever unit `cost_label` names, in dollars.
#[derive(Clone, Debug, PartialEq)]
pub struct ParetoChart {
    /// What is compared, and on which suite; wrapped where it is long.
    pub title: String,
    /// How it was measured.
    pub subtitle: String,
    /// The routers and references; of routers, the first is drawn on top.
    pub curves: Vec<Curve>,
    /// The candidate models, each used alone.
    pub models: Vec<ModelPoint>,
    /// Names the horizontal axes, e.g. "mean cost, US dollars per 1,000 prompts".
    pub cost_label: String,
    /// Names the vertical axis, e.g. "mean score".
    pub score_label: String,
    /// What stands before the numbers of the horizontal axes.
    pub cost_unit: &'static str,
}

/// What one router, or one reference, reaches.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// Its name in the legend.
    pub label: String,
    /// Operating points, (cost, score), in any order; drawn as markers.
    pub points: Vec<(f64, f64)>,
    /// The corners of the hull, (cost, score), by rising cost; drawn as a line. Between corners lie mixtures of two operating points, which bend on a log axis.
    pub hull: Vec<(f64, f64)>,
    /// Triples (cost, low score, high score) by rising cost.
    pub band: Option<Vec<(f64, f64, f64)>>,
    /// How it is drawn.
    pub kind: LineKind,
}

impl Curve {
    /// The look of the line; of a reference that is a single place, such as an oracle, that of a marker.
    fn look(&self) -> Look {
        scene::look(self.kind).of_places(self.kind, self.places().len())
    }

    /// Where it is: the corners of its hull or, without one, its operating points.
    pub(super) fn places(&self) -> &[(f64, f64)] {
        if self.hull.is_empty() { &self.points } else { &self.hull }
    }
}

impl Figure for ParetoChart {
    /// In one column of a paper the log axis stands alone.
    fn scene(&self, layout: Layout) -> Scene {
        let frame = match layout {
            Layout::Report => REPORT,
            Layout::Print(columns) => Frame {
                width: columns.width(),
                height: columns.height(),
                scales: if columns == Columns::One { &[Scale::Log] } else { REPORT.scales },
                is_titled: false,
                has_legend: true,
            },
            Layout::Page => on_page(&[Scale::Log]),
        };
        scene(self, frame)
    }
}

impl ParetoChart {
    /// The panels for a page, apart, the linear axis first as everywhere.
    pub(in crate::report) fn panels_inline(&self) -> Vec<Inline> {
        let panel = |scales| Inline::new(&scene(self, on_page(scales)));
        vec![panel(&[Scale::Linear]), panel(&[Scale::Log])]
    }
}

fn on_page(scales: &'static [Scale]) -> Frame {
    Frame { width: 520.0, height: 360.0, scales, is_titled: false, has_legend: false }
}

/// How a chart is laid out.
#[derive(Clone, Copy)]
struct Frame {
    width: f64,
    /// Of the panels.
    height: f64,
    scales: &'static [Scale],
    is_titled: bool,
    /// Whether a legend and notes stand below the panels.
    has_legend: bool,
}

/// Side by side, with all words.
const REPORT: Frame = Frame {
    width: 900.0,
    height: 330.0,
    scales: &[Scale::Linear, Scale::Log],
    is_titled: true,
    has_legend: true,
};
const LEFT: f64 = 66.0;
const GAP: f64 = 26.0;
/// Single models below the routers tell little; those above tell a lot.
const SCORE_REACH: Reach = Reach { below: 0.2, above: 0.35 };
const COST_REACH: Reach = Reach { below: 0.0, above: 0.3 };
const LOG_COST_REACH: Reach = Reach { below: 0.2, above: 0.2 };

fn scene(chart: &ParetoChart, layout: Frame) -> Scene {
    let mut scene = Scene::new(layout.width);
    let known = known(chart);
    let top = if layout.is_titled {
        panel::draw_header(&mut scene, &chart.title, &chart.subtitle) + 10.0
    } else {
        MARGIN
    };
    let panels = panels(&known, top, layout);
    let labelled = model_labels::choose(&known.models, &panels[0].y.window);
    let mut named = vec![false; known.models.len()];
    let n_ticks = (layout.width / layout.scales.len() as f64 / 55.0) as usize;
    for (k, panel) in panels.iter().enumerate() {
        panel.draw_frame(
            &mut scene,
            &panel.x.ticks(n_ticks, chart.cost_unit),
            &panel.y.ticks(10, ""),
            k == 0,
        );
        let logarithmic = if panel.x.scale == Scale::Log { " (log scale)" } else { "" };
        panel.draw_x_label(&mut scene, &format!("{}{logarithmic}", chart.cost_label));
        let obstacles = draw_data(&mut scene, panel, &known);
        for model in model_labels::draw(&mut scene, panel, &known.models, &labelled, obstacles) {
            named[model] = true;
        }
    }
    panels[0].draw_y_label(&mut scene, &chart.score_label, MARGIN + 6.0);
    let bottom = top + layout.height + BELOW;
    scene.height = if layout.has_legend {
        let bottom = panel::draw_legend(&mut scene, &entries(&known, &panels, &named), bottom + 14.0);
        let notes = notes(chart, &known, &panels);
        panel::draw_notes(&mut scene, &notes, bottom) + MARGIN
    } else {
        bottom + MARGIN
    };
    scene.axes = Some([panels[0].x, panels[0].y]);
    scene
}

/// The chart without what is not a number.
fn known(chart: &ParetoChart) -> ParetoChart {
    let mut known = chart.clone();
    let model = |model: ModelPoint| {
        drawable([model.cost, model.score]).map(|[cost, score]| ModelPoint { cost, score, ..model })
    };
    known.models = known.models.into_iter().filter_map(model).collect();
    for curve in &mut known.curves {
        curve.points = drawable_pairs(&curve.points);
        curve.hull = drawable_pairs(&curve.hull);
        curve.band = curve.band.as_deref().map(drawable_band);
    }
    known
}

/// The panels side by side over one range of scores.
fn panels(chart: &ParetoChart, top: f64, layout: Frame) -> Vec<Panel> {
    let both = |curve: &Curve| [curve.points.as_slice(), curve.hull.as_slice()].concat();
    let is_router = |curve: &&Curve| matches!(curve.kind, LineKind::Router { .. });
    let mut main: Vec<(f64, f64)> = chart.curves.iter().filter(is_router).flat_map(both).collect();
    let bands = chart.curves.iter().filter(is_router).flat_map(|curve| curve.band.iter().flatten());
    main.extend(bands.flat_map(|(cost, low, high)| [(*cost, *low), (*cost, *high)]));
    let mut others: Vec<(f64, f64)> =
        chart.curves.iter().filter(|curve| !is_router(curve)).flat_map(both).collect();
    others.extend(chart.models.iter().map(|model| (model.cost, model.score)));

    let costs = |pairs: &[(f64, f64)]| -> Vec<f64> { pairs.iter().map(|pair| pair.0).collect() };
    let scores = |pairs: &[(f64, f64)]| -> Vec<f64> { pairs.iter().map(|pair| pair.1).collect() };
    let cost = axis::from_zero(&costs(&main), &costs(&others), COST_REACH);
    let log_cost = axis::log_window(&costs(&main), &costs(&others), LOG_COST_REACH);
    // What is too expensive for both panels needs no room above them either.
    others.retain(|pair| pair.0 <= cost.high.max(log_cost.high));
    let score = axis::linear_window(&axis::without_low_tail(&scores(&main)), &scores(&others), SCORE_REACH);
    let n_panels = layout.scales.len() as f64;
    let width = (layout.width - LEFT - MARGIN - GAP * (n_panels - 1.0)) / n_panels;
    let axis = |scale, window, start, end| Axis { scale, window, start, end, zero: None };
    let y = axis(Scale::Linear, score, top + layout.height, top);
    let panel = |(k, scale): (usize, &Scale)| {
        let left = LEFT + k as f64 * (width + GAP);
        let window = if *scale == Scale::Log { log_cost } else { cost };
        Panel { x: axis(*scale, window, left, left + width), y }
    };
    layout.scales.iter().enumerate().map(panel).collect()
}

/// Draws bands, models, references, and routers, in this order, and returns what labels must avoid.
fn draw_data(scene: &mut Scene, panel: &Panel, chart: &ParetoChart) -> Obstacles {
    let mut obstacles = Obstacles::default();
    let curves = || chart.curves.iter().enumerate();
    let is_other = |curve: &Curve| curve.kind == LineKind::Other;
    // Those that are not among the best lie below.
    let others = || curves().rev().filter(move |(_, curve)| is_other(curve));
    let in_colour =
        move |curve: &Curve| !is_other(curve) && !matches!(curve.kind, LineKind::Reference { .. });
    let routers = || others().chain(curves().rev().filter(move |(_, curve)| in_colour(curve)));
    let references = || curves().filter(|(_, curve)| matches!(curve.kind, LineKind::Reference { .. }));
    for (owner, curve) in routers() {
        if let Some(band) = &curve.band {
            scene.owner(Some(owner));
            let low: Vec<_> = band.iter().map(|(cost, low, _)| (*cost, *low)).collect();
            let high: Vec<_> = band.iter().map(|(cost, _, high)| (*cost, *high)).collect();
            let (low, high) = (mixtures(panel, &low), mixtures(panel, &high));
            panel.draw_band(scene, &low, &high, scene::look(curve.kind));
        }
    }
    scene.owner(None);
    for model in &chart.models {
        let Some(at) = panel.place((model.cost, model.score)) else { continue };
        if panel.rectangle().contains(at) {
            scene::draw_cross(scene, at, FAINT_TEXT);
            obstacles.add_cross(at);
        }
    }
    // Markers after all lines: a line across a marker changes its shape.
    for (owner, curve) in references().chain(routers()) {
        scene.owner(Some(owner));
        let path = mixtures(panel, &curve.hull);
        for piece in panel.draw_line(scene, &path, scene::look(curve.kind).stroke) {
            obstacles.add_line(&piece);
        }
    }
    let marked = references()
        .map(|(owner, curve)| (owner, curve, curve.places()))
        .chain(routers().map(|(owner, curve)| (owner, curve, &curve.points[..])));
    for (owner, curve, points) in marked {
        scene.owner(Some(owner));
        let places: Vec<Point> = points.iter().filter_map(|point| panel.place(*point)).collect();
        for at in panel.draw_markers(scene, &places, curve.look()) {
            obstacles.add_mark(at);
        }
    }
    scene.owner(None);
    obstacles
}

/// A line as places on the panel: between its corners, cost and score are mixed in equal shares, which bends it on a log axis.
fn mixtures(panel: &Panel, hull: &[(f64, f64)]) -> Vec<Point> {
    const STEP: f64 = 6.0;
    if panel.x.scale == Scale::Linear {
        return hull.iter().filter_map(|corner| panel.place(*corner)).collect();
    }
    let mut path = Vec::new();
    for pair in hull.windows(2) {
        let ((from, from_score), (to, to_score)) = (pair[0], pair[1]);
        if to <= 0.0 {
            continue;
        }
        // A hull that starts at no cost enters the log axis from its left edge.
        let first = if from <= 0.0 { panel.x.window.low.min(to) } else { from };
        let length = match (panel.x.place(first), panel.x.place(to)) {
            (Some(start), Some(end)) => (end - start).abs(),
            _ => continue,
        };
        let steps = (length / STEP).ceil().clamp(1.0, 200.0) as usize;
        for step in 0..=steps {
            let cost = first * (to / first).powf(step as f64 / steps as f64);
            let share = if from == to { step as f64 / steps as f64 } else { (cost - from) / (to - from) };
            path.extend(panel.place((cost, from_score + share * (to_score - from_score))));
        }
    }
    path
}

fn entries(chart: &ParetoChart, panels: &[Panel], named: &[bool]) -> Vec<Entry> {
    let curve = |curve: &Curve| {
        let look = curve.look();
        let swatch = match look.marker {
            Some(marker) if curve.places().len() == 1 => {
                Swatch::Marker { marker, colour: look.stroke.colour }
            }
            _ => Swatch::Line { look, band: curve.band.is_some() },
        };
        Entry { swatch, label: format!("{}{}", curve.label, whereabouts(curve, panels)) }
    };
    let in_colour = chart.curves.iter().filter(|curve| curve.kind != LineKind::Other);
    let mut entries: Vec<Entry> = in_colour.map(curve).collect();
    entries.extend(panel::others(chart.curves.iter().map(|curve| curve.kind)));
    if !chart.models.is_empty() {
        // In one column of a paper a long entry would leave room for no second column.
        let label = match named.iter().filter(|named| !**named).count() {
            0 => "single model".to_owned(),
            _ if panels.len() == 1 => "single model".to_owned(),
            n => format!("single model ({n} more unlabelled or outside)"),
        };
        entries.push(Entry { swatch: Swatch::Cross, label });
    }
    entries
}

/// Behind the label of a curve that is wholly outside of an axis: where it is.
fn whereabouts(curve: &Curve, panels: &[Panel]) -> String {
    let places = curve.places();
    let ends = |values: &mut dyn Iterator<Item = f64>| {
        values
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
    };
    let (low, high) = ends(&mut places.iter().map(|place| place.1));
    let (cheapest, _) = ends(&mut places.iter().map(|place| place.0));
    let range = if low == high { format!("{low:.3}") } else { format!("{low:.3} to {high:.3}") };
    let window = panels[0].y.window;
    let is_beyond = |panel: &Panel| panel.x.window.high < cheapest;
    if places.is_empty() {
        " (no points)".to_owned()
    } else if window.high < low {
        format!(" (above the axis: {range})")
    } else if high < window.low {
        format!(" (below the axis: {range})")
    } else if panels.iter().all(is_beyond) {
        format!(" (more expensive than the axes; score {range})")
    } else if panels.iter().any(is_beyond) {
        " (on the log axis only)".to_owned()
    } else {
        String::new()
    }
}

/// Counts of what is not shown, each a clause.
fn notes(chart: &ParetoChart, known: &ParetoChart, panels: &[Panel]) -> Vec<String> {
    let score = panels[0].y.window;
    let models = |outside: &dyn Fn(f64, f64) -> bool| {
        known.models.iter().filter(|model| outside(model.cost, model.score)).count()
    };
    let points = |chart: &ParetoChart| chart.curves.iter().map(|curve| curve.points.len()).sum::<usize>();
    let free = known.curves.iter().flat_map(|curve| &curve.points).filter(|point| point.0 <= 0.0).count();
    // Nothing is outside of an axis that is not drawn.
    let cost = |scale: Scale| {
        let whole = Window { low: 0.0, high: f64::INFINITY };
        panels.iter().find(|panel| panel.x.scale == scale).map_or(whole, |panel| panel.x.window)
    };
    let has_log = panels.iter().any(|panel| panel.x.scale == Scale::Log);
    let without_cost = if has_log { models(&|cost, _| cost <= 0.0) + free } else { 0 };
    let (linear, log) = (cost(Scale::Linear), cost(Scale::Log));
    let counts = [
        (models(&|_, value| value < score.low), "single model", "below the score axis"),
        (models(&|_, value| score.high < value), "single model", "above the score axis"),
        (models(&|value, _| linear.high < value), "single model", "more expensive than the linear axis"),
        (models(&|value, _| log.high < value), "single model", "more expensive than the log axis"),
        (models(&|value, _| 0.0 < value && value < log.low), "single model", "cheaper than the log axis"),
        (without_cost, "point", "without a cost, which a log axis cannot show"),
        (chart.models.len() - known.models.len(), "single model", "without a number"),
        (points(chart) - points(known), "operating point", "without a number"),
    ];
    let counts = counts.into_iter().filter(|(n, ..)| *n > 0);
    let counts = counts.map(|(n, what, how)| format!("{n} {what}{} {how}", if n == 1 { "" } else { "s" }));
    below(known, panels).into_iter().chain(counts).collect()
}

/// How far down routers go whose cheap end is cut off.
fn below(known: &ParetoChart, panels: &[Panel]) -> Option<String> {
    let routers = known.curves.iter().filter(|curve| matches!(curve.kind, LineKind::Router { .. }));
    let scores = routers.flat_map(|curve| curve.points.iter().chain(&curve.hull)).map(|point| point.1);
    let lowest = scores.fold(f64::INFINITY, f64::min);
    (lowest < panels[0].y.window.low)
        .then(|| format!("Routers go on below the score axis, down to {lowest:.3}"))
}
