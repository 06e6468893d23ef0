//! Figures at the size at which a paper prints them.

use super::PlotError;
use super::render::{self, Print};
use super::scene::Scene;

/// How much of a page's width a figure takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Columns {
    /// One of two columns: 3.3 inches.
    One,
    /// Both: 6.9 inches.
    Two,
}

/// A figure for a paper: equal but for their formats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printed {
    /// Text stays text.
    pub svg: String,
    /// 300 dots an inch, which its pHYs chunk says.
    pub png: Vec<u8>,
}

impl Columns {
    /// In pixels of a scene, so that labels of 12 pixels are printed at 7.5 points in both.
    pub(super) fn width(self) -> f64 {
        match self {
            Columns::One => 380.0,
            Columns::Two => 800.0,
        }
    }

    /// The scene in both formats.
    pub(super) fn print(self, scene: &Scene) -> Result<Printed, PlotError> {
        let width_inches = match self {
            Columns::One => 3.3,
            Columns::Two => 6.9,
        };
        let print = Print { width_inches, dots_per_inch: 300.0 };
        Ok(Printed { svg: render::svg_print(scene, print)?, png: render::png_print(scene, print)? })
    }
}
