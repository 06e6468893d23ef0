//! What a Pareto figure leaves outside its axes, in words.

use super::LineKind;
use super::axis::Scale;
use super::frame::Panel;
use super::pareto::{Curve, ParetoChart};
use super::window::Window;

/// Behind the label of a curve that is wholly outside of an axis: where it is.
pub(super) fn whereabouts(curve: &Curve, panels: &[Panel]) -> String {
    let places = curve.places();
    let ends = |values: &mut dyn Iterator<Item = f64>| {
        values
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
    };
    let (low, high) = ends(&mut places.iter().map(|place| place.1));
    let (cheapest, _) = ends(&mut places.iter().map(|place| place.0));
    let range = if low == high { format!("{low:.3}") } else { format!("{low:.3} to {high:.3}") };
    let window = panels[0].y.window;
    let dearer = |panel: &Panel| panel.x.window.high < cheapest;
    if places.is_empty() {
        " (no points)".to_owned()
    } else if window.high < low {
        format!(" (above the axis: {range})")
    } else if high < window.low {
        format!(" (below the axis: {range})")
    } else if panels.iter().all(dearer) {
        format!(" (dearer than the axes; score {range})")
    } else if panels.iter().any(dearer) {
        " (on the log axis only)".to_owned()
    } else {
        String::new()
    }
}

/// Counts of what is not shown, each a clause.
pub(super) fn notes(chart: &ParetoChart, known: &ParetoChart, panels: &[Panel]) -> Vec<String> {
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
        (models(&|value, _| linear.high < value), "single model", "dearer than the linear axis"),
        (models(&|value, _| log.high < value), "single model", "dearer than the log axis"),
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
