//! A heat map: rows and columns by name, each cell a number with a colour between blue for better and orange for worse.

use plotters::style::RGBColor;

use super::panel::{self, MARGIN};
use super::panel::{LABEL_SIZE, TICK_SIZE};
use super::scene::{Align, Lettering, Scene, Stroke};
use super::scene::{FAINT_TEXT, GRID, PAPER, TEXT};
use super::text;
use super::{Figure, Layout};

/// Changes by row and column.
#[derive(Clone, Debug, PartialEq)]
pub struct HeatChart {
    /// What changes, and on which suite.
    pub title: String,
    /// How it was measured, and what the colours mean.
    pub subtitle: String,
    /// Names of rows.
    pub rows: Vec<String>,
    /// Names of columns.
    pub columns: Vec<String>,
    /// By row, then by column; `None` where there is nothing to show.
    pub cells: Vec<Vec<Option<HeatCell>>>,
    /// The change, up or down, that gets the full colour.
    pub full: f64,
}

/// One change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeatCell {
    /// Its value; above 0 is better.
    pub change: f64,
    /// Half of the width of its interval.
    pub margin: Option<f64>,
    /// Whether the interval excludes 0.
    pub is_beyond_chance: bool,
}

impl Figure for HeatChart {
    fn scene(&self, _layout: Layout) -> Scene {
        scene(self)
    }
}

/// Better and worse, distinguished by the colour-blind (Okabe and Ito, 2008).
const BETTER: RGBColor = RGBColor(0, 114, 178);
const WORSE: RGBColor = RGBColor(213, 94, 0);
const CELL_WIDTH: f64 = 58.0;
const CELL_HEIGHT: f64 = 30.0;
const MOST_NAME: f64 = 190.0;
/// The margin below the value.
const SMALL_SIZE: f64 = 9.0;

fn scene(chart: &HeatChart) -> Scene {
    let widest = |names: &[String], size: f64| {
        names.iter().map(|name| text::width(name, size)).fold(40.0, f64::max).min(MOST_NAME) + 10.0
    };
    let left = MARGIN + widest(&chart.rows, LABEL_SIZE);
    let right = left + CELL_WIDTH * chart.columns.len() as f64;
    let mut scene = Scene::new((right + MARGIN).max(420.0));
    let top = panel::draw_header(&mut scene, &chart.title, &chart.subtitle)
        + 8.0
        + widest(&chart.columns, TICK_SIZE);
    let lettering = Lettering { size: TICK_SIZE, colour: TEXT, align: Align::Start, upwards: true };
    for (at, name) in chart.columns.iter().enumerate() {
        let x = left + CELL_WIDTH * (at as f64 + 0.5) + 0.36 * TICK_SIZE;
        scene.text(&text::shorten(name, TICK_SIZE, MOST_NAME), (x, top - 6.0), lettering);
    }
    let lettering = Lettering { size: LABEL_SIZE, align: Align::End, upwards: false, ..lettering };
    for (at, (name, cells)) in chart.rows.iter().zip(&chart.cells).enumerate() {
        let y = top + CELL_HEIGHT * at as f64;
        let middle = y + CELL_HEIGHT / 2.0 + 0.36 * LABEL_SIZE;
        scene.text(&text::shorten(name, LABEL_SIZE, MOST_NAME), (left - 8.0, middle), lettering);
        for (at, cell) in cells.iter().enumerate() {
            draw(&mut scene, (left + CELL_WIDTH * at as f64, y), *cell, chart.full);
        }
    }
    scene.height = top + CELL_HEIGHT * chart.rows.len() as f64 + MARGIN;
    scene
}

fn draw(scene: &mut Scene, (x, y): (f64, f64), cell: Option<HeatCell>, full: f64) {
    let corners = vec![(x, y), (x + CELL_WIDTH, y), (x + CELL_WIDTH, y + CELL_HEIGHT), (x, y + CELL_HEIGHT)];
    let outline = [corners.clone(), vec![corners[0]]].concat();
    let cell = cell.filter(|cell| cell.change.is_finite());
    let strength = cell.map_or(0.0, |cell| (cell.change.abs() / full.max(f64::MIN_POSITIVE)).min(1.0));
    if let Some(cell) = cell {
        scene.area(corners, if cell.change > 0.0 { BETTER } else { WORSE }, 0.85 * strength);
    }
    scene.line(&outline, Stroke::solid(GRID, 1.0));
    let is_dark = strength > 0.6;
    let colour = if is_dark { PAPER } else { TEXT };
    let lettering = Lettering { size: TICK_SIZE, colour, align: Align::Middle, upwards: false };
    let centre = x + CELL_WIDTH / 2.0;
    let Some(cell) = cell else {
        scene.text("\u{2013}", (centre, y + CELL_HEIGHT / 2.0 + 4.0), lettering);
        return;
    };
    let mark = if cell.is_beyond_chance { "*" } else { "" };
    scene.text(&format!("{:+.3}{mark}", cell.change), (centre, y + 13.0), lettering);
    if let Some(margin) = cell.margin.filter(|margin| margin.is_finite()) {
        let colour = if is_dark { PAPER } else { FAINT_TEXT };
        let lettering = Lettering { size: SMALL_SIZE, colour, ..lettering };
        scene.text(&format!("\u{b1}{margin:.3}"), (centre, y + 25.0), lettering);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_and_change_is_in_the_picture_and_any_data_can_be_drawn() {
        let cell = |change| Some(HeatCell { change, margin: Some(0.01), is_beyond_chance: change < -0.1 });
        let mut chart = HeatChart {
            title: "t".into(),
            subtitle: "s".into(),
            rows: vec!["knn".into(), "linear".into()],
            columns: vec!["pool-5".into(), "train-100".into(), "price".into()],
            cells: vec![vec![cell(-0.2), cell(0.05), None], vec![cell(0.0), cell(f64::NAN), cell(0.3)]],
            full: 0.2,
        };
        let svg = chart.svg().unwrap();
        for name in ["knn", "linear", "pool-5", "train-100", "price", "-0.200*", "+0.050"] {
            assert!(svg.contains(name), "{name}");
        }
        assert_eq!(svg, chart.svg().unwrap());
        assert!(chart.png().is_ok());
        (chart.rows, chart.columns, chart.cells) = (Vec::new(), Vec::new(), Vec::new());
        assert!(chart.svg().is_ok());
    }
}
