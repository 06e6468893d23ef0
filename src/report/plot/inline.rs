//! A scene as SVG inside a page: colours are names that the page's style sheet fills in, and each curve's marks are a group
//! of their own, so that a page can be dark and a curve can be switched off.

use std::fmt::Write;

use maud::{Markup, PreEscaped, html};
use plotters::style::RGBColor;

use super::axis::{Axis, Scale};
use super::scene::{Align, Lettering, Mark, Point, Scene};
use super::{LineKind, palette};

/// A panel as markup, and where its values lie on it.
pub(in crate::report) struct Inline {
    /// The children of an `svg` element.
    pub(in crate::report) marks: Markup,
    pub(in crate::report) width: f64,
    pub(in crate::report) height: f64,
    /// Where the values of its panel lie, if it has one.
    pub(in crate::report) geometry: Option<Geometry>,
}

/// From values to places of a picture.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub(in crate::report) struct Geometry {
    width: f64,
    height: f64,
    x: Stretch,
    y: Stretch,
}

/// The values of an axis and the places of its ends.
#[derive(Clone, Copy, Debug, serde::Serialize)]
struct Stretch {
    log: bool,
    low: f64,
    high: f64,
    start: f64,
    end: f64,
    /// Where zero is shown on a log axis, if anywhere.
    zero: Option<f64>,
}

impl Inline {
    pub(super) fn new(scene: &Scene) -> Self {
        let stretch = |Axis { scale, window, start, end, zero }: Axis| Stretch {
            log: scale == Scale::Log,
            low: window.low,
            high: window.high,
            start,
            end,
            zero,
        };
        let (width, height) = (scene.width.ceil(), scene.height.ceil());
        let geometry = |[x, y]: [Axis; 2]| Geometry { width, height, x: stretch(x), y: stretch(y) };
        Inline { marks: PreEscaped(marks(scene)), width, height, geometry: scene.axes.map(geometry) }
    }
}

/// What stands for a line in a legend: its stroke and its marker, 30 by 12.
pub(in crate::report) fn swatch(kind: LineKind, n_places: usize) -> Markup {
    let look = palette::look(kind).of_places(kind, n_places);
    let mut scene = Scene::new(30.0);
    if n_places != 1 {
        scene.line(&[(0.0, 6.0), (30.0, 6.0)], look.stroke);
    }
    if let Some(marker) = look.marker {
        palette::draw_marker(&mut scene, marker, (15.0, 6.0), look.stroke.colour);
    }
    html! { svg.swatch viewBox="0 0 30 12" aria-hidden="true" { (PreEscaped(marks(&scene))) } }
}

fn marks(scene: &Scene) -> String {
    let mut text = String::new();
    let mut owner = None;
    let mut marks = scene.marks.iter().peekable();
    while let Some(mark) = marks.next() {
        match mark {
            Mark::Owner(next) if *next == owner => {}
            Mark::Owner(next) => {
                text.push_str(if owner.is_some() { "</g>" } else { "" });
                if let Some(curve) = next {
                    let _ = write!(text, "<g data-curve=\"{curve}\">");
                }
                owner = *next;
            }
            Mark::Line { points, colour, width } => {
                let _ = write!(
                    text,
                    "<path class=\"s {}\" stroke-width=\"{width}\" d=\"",
                    palette::name(*colour)
                );
                path(&mut text, points);
                // The dashes of a line are one path.
                while let Some(Mark::Line { points, .. }) =
                    marks.next_if(|next| is_alike(next, *colour, *width))
                {
                    path(&mut text, points);
                }
                text.push_str("\"/>");
            }
            Mark::Area { points, colour } => {
                let name = palette::name(RGBColor(colour.0, colour.1, colour.2));
                let _ = write!(text, "<path class=\"f {name}\"");
                if colour.3 < 1.0 {
                    let _ = write!(text, " opacity=\"{}\"", colour.3);
                }
                text.push_str(" d=\"");
                path(&mut text, points);
                text.push_str("Z\"/>");
            }
            Mark::Disc { centre: (x, y), radius, colour } => {
                let name = palette::name(*colour);
                let _ =
                    write!(text, "<circle class=\"f {name}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\"/>");
            }
            Mark::Text { text: words, at, lettering } => label(&mut text, words, *at, *lettering),
        }
    }
    text.push_str(if owner.is_some() { "</g>" } else { "" });
    text
}

fn is_alike(mark: &Mark, of_colour: RGBColor, of_width: f64) -> bool {
    matches!(mark, Mark::Line { colour, width, .. } if *colour == of_colour && *width == of_width)
}

fn path(text: &mut String, points: &[Point]) {
    for (at, (x, y)) in points.iter().enumerate() {
        let _ = write!(text, "{}{x:.1} {y:.1}", if at == 0 { "M" } else { "L" });
    }
}

fn label(text: &mut String, words: &str, (x, y): Point, lettering: Lettering) {
    let anchor = match lettering.align {
        Align::Start => "",
        Align::Middle => " text-anchor=\"middle\"",
        Align::End => " text-anchor=\"end\"",
    };
    let turn =
        if lettering.upwards { format!(" transform=\"rotate(-90 {x:.1} {y:.1})\"") } else { String::new() };
    let _ = write!(
        text,
        "<text class=\"f {}\" x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{}\"{anchor}{turn}>{}</text>",
        palette::name(lettering.colour),
        lettering.size,
        html! { (words) }.0,
    );
}
