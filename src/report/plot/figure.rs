//! What every figure can be made into: SVG text, a PNG picture, both at the size at which a paper prints them, and markup.

use super::PlotError;
use super::inline::Inline;
use super::render::{self, Print};
use super::scene::Scene;

/// A chart that can be drawn. It says what is where; every format and size is provided.
pub trait Figure {
    /// The marks of the figure, laid out for where it is shown.
    fn scene(&self, layout: Layout) -> Scene;

    /// As SVG text.
    ///
    /// # Errors
    /// Only if the drawing backend fails; any data can be drawn.
    fn svg(&self) -> Result<String, PlotError> {
        render::svg(&self.scene(Layout::Report))
    }

    /// As the bytes of a PNG picture, at twice the size of the SVG.
    ///
    /// # Errors
    /// Only if the drawing backend fails; any data can be drawn.
    fn png(&self) -> Result<Vec<u8>, PlotError> {
        render::png(&self.scene(Layout::Report))
    }

    /// For a paper that is set in two columns.
    ///
    /// # Errors
    /// Only if the drawing backend fails; any data can be drawn.
    fn print(&self, columns: Columns) -> Result<Printed, PlotError> {
        let scene = self.scene(Layout::Print(columns));
        let print = Print { width_inches: columns.width_inches(), dots_per_inch: 300.0 };
        Ok(Printed { svg: render::svg_print(&scene, print)?, png: render::png_print(&scene, print)? })
    }
}

/// A figure as a part of a page.
pub(in crate::report) trait OnPage: Figure {
    /// As markup whose colours the page fills in.
    fn inline(&self) -> Inline {
        Inline::new(&self.scene(Layout::Page))
    }
}

impl<F: Figure> OnPage for F {}

/// Where a figure is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Alone, with all words.
    Report,
    /// In a paper, which has its own caption.
    Print(Columns),
    /// In a page, which has its own title, legend, and notes.
    Page,
}

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

    /// Of the panels, in pixels of a scene.
    pub(super) fn height(self) -> f64 {
        match self {
            Columns::One => 220.0,
            Columns::Two => 260.0,
        }
    }

    fn width_inches(self) -> f64 {
        match self {
            Columns::One => 3.3,
            Columns::Two => 6.9,
        }
    }
}
