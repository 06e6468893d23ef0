//! Whom routers ask: shares of calls by model, stacked, against the preference; one panel a router.

use super::axis::{self, Axis, Reach, Scale, Tick, Window};
use super::panel::{self, BELOW, Entry, LABEL_SIZE, MARGIN, Panel, Swatch};
use super::scene::{self, Align, Lettering, Marker, Scene, TEXT};
use super::{Figure, Layout, LineKind};

/// Shares of calls over a range of preferences.
#[derive(Clone, Debug, PartialEq)]
pub struct SharesChart {
    /// What is shown, and on which suite; wrapped where it is long.
    pub title: String,
    /// How it was measured.
    pub subtitle: String,
    /// Of each router its name, and by preference the shares of the models.
    pub panels: Vec<(String, Vec<Vec<f64>>)>,
    /// The names of the models, from the bottom up; what all have not is that of others.
    pub models: Vec<String>,
    /// Ascending.
    pub preferences: Vec<f64>,
    /// Names the horizontal axes.
    pub preference_label: String,
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 120.0;
const LEFT: f64 = 46.0;
const GAP: f64 = 22.0;
/// Room for the name of a router.
const ABOVE: f64 = 22.0;
/// How much of the axis belongs to w = 0.
const ZERO_WIDTH: f64 = 26.0;
const HALF_BAR: f64 = 8.0;

impl Figure for SharesChart {
    fn scene(&self, layout: Layout) -> Scene {
        let mut scene = Scene::new(WIDTH);
        let top = if layout == Layout::Report {
            panel::draw_header(&mut scene, &self.title, &self.subtitle) + 6.0
        } else {
            MARGIN
        };
        let width = (WIDTH - LEFT - GAP - MARGIN) / 2.0;
        let mut bottom = top;
        for (at, (label, shares)) in self.panels.iter().enumerate() {
            let left = LEFT + (at % 2) as f64 * (width + GAP);
            let above = top + (at / 2) as f64 * (ABOVE + HEIGHT + BELOW + 8.0) + ABOVE;
            let panel = self.panel(left, width, above);
            let lettering = Lettering { size: LABEL_SIZE, colour: TEXT, align: Align::Start, upwards: false };
            scene.text(label, (left, above - 7.0), lettering);
            let mut ticks = panel.x.ticks(5, "");
            ticks.insert(0, Tick { value: 0.0, label: Some("0".to_owned()) });
            panel.draw_frame(&mut scene, &ticks, &panel.y.ticks(3, ""), at % 2 == 0);
            self.stack(&mut scene, &panel, shares);
            panel.draw_x_label(&mut scene, &self.preference_label);
            bottom = above + HEIGHT + BELOW;
        }
        let names = self.models.iter().map(String::as_str).chain(["others"]);
        let entry = |(at, name): (usize, &str)| Entry {
            swatch: Swatch::Marker { marker: Marker::Square, colour: self.colour(at) },
            label: name.to_owned(),
        };
        let entries: Vec<Entry> = names.enumerate().map(entry).collect();
        scene.height = panel::draw_legend(&mut scene, &entries, bottom + 12.0) + MARGIN;
        scene
    }
}

impl SharesChart {
    fn panel(&self, left: f64, width: f64, top: f64) -> Panel {
        let positive: Vec<f64> = self.preferences.iter().copied().filter(|w| *w > 0.0).collect();
        let window = axis::log_window(&positive, &[], Reach { below: 0.0, above: 0.0 });
        let zero = Some(left + 12.0);
        let x = Axis { scale: Scale::Log, window, start: left + ZERO_WIDTH, end: left + width, zero };
        let window = Window { low: 0.0, high: 1.0 };
        Panel { x, y: Axis { scale: Scale::Linear, window, start: top + HEIGHT, end: top, zero: None } }
    }

    fn colour(&self, model: usize) -> plotters::style::RGBColor {
        let kind =
            if model < self.models.len() { LineKind::Router { index: model } } else { LineKind::Other };
        scene::look(kind).stroke.colour
    }

    /// Areas from the first model up to the others; a bar at w = 0.
    fn stack(&self, scene: &mut Scene, panel: &Panel, shares: &[Vec<f64>]) {
        let mut below = vec![0.0; self.preferences.len()];
        for model in 0..=self.models.len() {
            let of_model = |shares: &Vec<f64>| shares.get(model).copied();
            let above: Vec<f64> = (below.iter().zip(shares))
                .map(|(below, shares)| of_model(shares).map_or(1.0, |share| (below + share).min(1.0)))
                .collect();
            let places = |heights: &[f64]| -> Vec<scene::Point> {
                let pairs = self.preferences.iter().zip(heights).filter(|(w, _)| **w > 0.0);
                pairs.filter_map(|(w, height)| panel.place((*w, *height))).collect()
            };
            let is_there = |low: &f64, high: &f64| high - low > 5e-4;
            if below.iter().zip(&above).any(|(low, high)| is_there(low, high)) {
                let corners = places(&above).into_iter().chain(places(&below).into_iter().rev());
                scene.area(corners.collect(), self.colour(model), 1.0);
            }
            let ends = self
                .preferences
                .first()
                .filter(|w| **w == 0.0)
                .and_then(|_| Some((panel.place((0.0, below[0]))?, panel.place((0.0, above[0]))?)));
            if let Some(((x, low), (_, high))) = ends.filter(|_| is_there(&below[0], &above[0])) {
                let (left, right) = (x - HALF_BAR, x + HALF_BAR);
                let corners = vec![(left, low), (right, low), (right, high), (left, high)];
                scene.area(corners, self.colour(model), 1.0);
            }
            below = above;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_router_and_model_is_in_the_picture_and_any_shares_can_be_drawn() {
        let mut chart = SharesChart {
            title: "t".into(),
            subtitle: "s".into(),
            panels: vec![("knn".into(), vec![vec![0.5, 0.25]; 3]), ("gp".into(), vec![vec![1.0, 0.0]; 3])],
            models: vec!["small".into(), "large".into()],
            preferences: vec![0.0, 0.1, 10.0],
            preference_label: "w".into(),
        };
        let svg = chart.svg().unwrap();
        for name in ["knn", "gp", "small", "large", "others"] {
            assert!(svg.contains(name), "{name}");
        }
        // Of knn three areas and three bars, of gp one and one, and four bars of the legend.
        assert!(chart.png().is_ok());
        chart.panels.clear();
        assert!(chart.svg().is_ok());
    }
}
