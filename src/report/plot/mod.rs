//! Figures for papers and reports: Pareto fronts and utilities, as SVG text or PNG bytes.
//!
//! A chart is a plain value; drawing it is a pure function that reads no file, clock, or system font, so equal charts give equal bytes.
//!
//! ```text
//! chart ─▶ windows, axes, ticks ─▶ scene (a list of marks in pixels) ─▶ SVG | PNG
//! ```
//!
//! Values that are not finite, or are beyond a trillion, are left out rather than refused: a figure of what is known is better than none.

mod axis;
mod caption;
mod critical_difference;
mod figure;
mod heat;
mod inline;
mod lines;
mod model_labels;
mod palette;
mod panel;
mod pareto;
mod regret;
mod render;
mod scene;
mod text;
mod utility;

pub use critical_difference::RankChart;
pub(in crate::report) use figure::OnPage;
pub use figure::{Columns, Figure, Layout, Printed};
pub use heat::{HeatCell, HeatChart};
pub(in crate::report) use inline::{Geometry, Inline, swatch};
pub(in crate::report) use lines::LineChart;
pub use model_labels::ModelPoint;
pub(in crate::report) use palette::properties;
pub use pareto::{Curve, ParetoChart};
pub use regret::RegretChart;
pub use scene::Scene;
pub use utility::UtilityChart;

/// Whose line it is, and so how it is drawn.
///
/// A router keeps its look wherever it is given the same index: pass its position in the scenario, not its position among the lines of one figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// A router under comparison: a colour, a dash pattern, and a marker of its own; the axes are chosen to show it.
    Router {
        /// Position among the routers; 32 looks are distinct, then they repeat.
        index: usize,
    },
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
    /// Triples of the value across, and the low and the high value up, by rising value across.
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
    fn entry(&self, band: bool) -> caption::Entry {
        let swatch = caption::Swatch::Line { look: palette::look(self.kind), band };
        caption::Entry { swatch, label: self.label.clone() }
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
