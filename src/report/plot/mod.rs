//! Figures for papers and reports: Pareto fronts and utilities, as SVG text, PNG bytes, or PDF.
//!
//! A chart is a plain value; drawing it is a pure function that reads no file, clock, or system font, so equal charts give equal bytes.
//!
//! ```text
//! chart ─▶ windows, axes, ticks ─▶ scene (a list of marks in pixels) ─▶ SVG | PNG | PDF | markup
//! ```
//!
//! Every chart is a [`Figure`]: it says what is where, and the formats, and the sizes at which a paper prints it, are provided. Values
//! that are not finite, or are beyond a trillion, are left out rather than refused: a figure of what is known is better than none.

mod axis;
mod critical_difference;
mod heat;
mod lines;
mod model_labels;
mod panel;
mod pareto;
mod pdf;
mod regret;
mod render;
mod scene;
mod shares;
mod text;
mod utility;

pub use critical_difference::RankChart;
pub use heat::{HeatCell, HeatChart};
pub use model_labels::ModelPoint;
pub use pareto::{Curve, ParetoChart};
pub use regret::RegretChart;
use render::Print;
pub use scene::Scene;
pub use shares::SharesChart;
pub use utility::UtilityChart;

pub(in crate::report) use lines::LineChart;
pub(in crate::report) use render::{Geometry, Inline, swatch};
pub(in crate::report) use scene::properties;

/// Whose line it is, and so how it is drawn.
///
/// A router keeps its look wherever it is given the same index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// A router under comparison: a colour, a dash pattern, and a marker of its own; the axes are chosen to show it.
    Router {
        /// The number of its look; 32 are distinct, then they repeat.
        index: usize,
    },
    /// A router out of competition, looking as one: the axes are not stretched for it.
    Apart {
        /// As of a router.
        index: usize,
    },
    /// One of many routers that is not among the best: a thin grey line without markers, below the others.
    Other,
    /// A bound or a baseline (oracle, zero router, random): a muted grey line, which never stretches the axes far.
    Reference {
        /// Position among the references; 4 looks are distinct, then they repeat.
        index: usize,
    },
}

/// What one router, or one reference, has over the values of an axis: utility over preferences, regret over steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Its name in the legend.
    pub label: String,
    /// Pairs of the value across and the value up, by rising value across.
    pub points: Vec<(f64, f64)>,
    /// Triples of the value across, and the low and the high value up, by rising value across; drawn as whiskers where a chart over
    /// steps has too few points for a band.
    pub band: Option<Vec<(f64, f64, f64)>>,
    /// How it is drawn.
    pub kind: LineKind,
}

impl Line {
    /// The line without what no axis can show.
    fn drawable(&self) -> Line {
        let band = self.band.as_deref().map(drawable_band);
        Line { label: self.label.clone(), points: drawable_pairs(&self.points), band, kind: self.kind }
    }

    /// Its entry in a legend, with or without a band.
    fn entry(&self, band: bool) -> panel::Entry {
        let swatch = panel::Swatch::Line { look: scene::look(self.kind), band };
        panel::Entry { swatch, label: self.label.clone() }
    }
}

/// The two edges of a band on a panel, low and high.
fn edges(band: &[(f64, f64, f64)], panel: &panel::Panel) -> [Vec<scene::Point>; 2] {
    let low = band.iter().filter_map(|(x, low, _)| panel.place((*x, *low)));
    let high = band.iter().filter_map(|(x, _, high)| panel.place((*x, *high)));
    [low.collect(), high.collect()]
}

/// Why a figure could not be drawn.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlotError {
    /// The font inside the program was refused.
    #[error("the embedded font cannot be read")]
    Font,
    /// The drawing backend failed.
    #[error("the figure cannot be drawn: {0}")]
    Draw(String),
    /// The pixels could not be encoded.
    #[error("the picture cannot be encoded as PNG: {0}")]
    Png(#[from] png::EncodingError),
}

/// Largest absolute value that is drawn; beyond it differences lose the digits that an axis needs.
const LARGEST: f64 = 1e12;
/// Smallest absolute value distinguished from zero; without a bound a log axis could have to span 600 decades.
const SMALLEST: f64 = 1e-12;

/// The values as they are drawn: `None` if one of them cannot be, zero for what is next to it.
fn drawable<const N: usize>(values: [f64; N]) -> Option<[f64; N]> {
    let near = |value: f64| if value.abs() < SMALLEST { 0.0 } else { value };
    values.iter().all(|value| value.abs() <= LARGEST).then(|| values.map(near))
}

/// The pairs that can be drawn.
fn drawable_pairs(pairs: &[(f64, f64)]) -> Vec<(f64, f64)> {
    pairs.iter().filter_map(|(x, y)| drawable([*x, *y])).map(|[x, y]| (x, y)).collect()
}

/// The places of a band that can be drawn.
fn drawable_band(band: &[(f64, f64, f64)]) -> Vec<(f64, f64, f64)> {
    let triples = band.iter().filter_map(|(x, low, high)| drawable([*x, *low, *high]));
    triples.map(|[x, low, high]| (x, low, high)).collect()
}

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

    /// As [`print`](Self::print), as a PDF for TeX.
    ///
    /// # Errors
    /// Only if the font inside the program is refused.
    fn pdf(&self, columns: Columns) -> Result<Vec<u8>, PlotError> {
        pdf::print(&self.scene(Layout::Print(columns)), columns.width_inches())
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
    fn width(self) -> f64 {
        match self {
            Columns::One => 380.0,
            Columns::Two => 800.0,
        }
    }

    /// Of the panels, in pixels of a scene.
    fn height(self) -> f64 {
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
