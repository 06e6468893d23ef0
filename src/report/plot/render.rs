//! A scene as SVG text or as the bytes of a PNG picture, through the backends of `plotters`, and as SVG inside a page.
//!
//! In a page colours are names that the page's style sheet fills in, and each curve's marks are a group of their own, so that a page
//! can be dark and a curve can be switched off.

use std::fmt::Write;

use maud::{Markup, PreEscaped, html};
use plotters::coord::Shift;
use plotters::prelude::{
    BitMapBackend, Circle, DrawingArea, DrawingBackend, IntoDrawingArea, PathElement, Polygon, SVGBackend,
    Text, WHITE,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontDesc, FontFamily, FontStyle, FontTransform, RGBColor, TextStyle};

use super::axis::{Axis, Scale};
use super::scene::{self, Align, Lettering, Mark, Point, Scene};
use super::{LineKind, PlotError, text};

/// Steps per pixel of an SVG figure: the backend takes whole numbers only, which would make curves stagger.
const SVG_STEPS: u32 = 8;
/// Each pixel of the picture is the mean of this many squared: it smooths edges, and letters stand more evenly.
const PNG_SAMPLES: u32 = 2;

/// What the two backends do differently with text.
#[derive(Clone, Copy)]
struct Typesetting {
    /// What the backend takes for the size of a font, in ems.
    size_em: f64,
    /// From the top of a line, as the backend sees it, to its baseline, in ems.
    baseline_em: f64,
}

/// The SVG backend divides sizes by 1.24 and hangs text 0.76 em above its baseline.
const SVG_TEXT: Typesetting = Typesetting { size_em: 1.24, baseline_em: 0.76 };
/// The bitmap backend puts the baseline half a line below the top.
const PNG_TEXT: Typesetting =
    Typesetting { size_em: text::LINE_HEIGHT_EM, baseline_em: text::LINE_HEIGHT_EM / 2.0 };

/// How large a figure is printed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Print {
    pub(super) width_inches: f64,
    pub(super) dots_per_inch: f64,
}

impl Print {
    /// The pHYs chunk counts in metres.
    fn dots_per_metre(self) -> u32 {
        (self.dots_per_inch / 0.0254).round() as u32
    }
}

/// The figure as SVG that is shown one pixel a pixel; text stays text.
pub(super) fn svg(scene: &Scene) -> Result<String, PlotError> {
    text::register()?;
    let size = size_in(scene, f64::from(SVG_STEPS));
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        let pen = Pen { area: &area, scale: f64::from(SVG_STEPS), typesetting: SVG_TEXT, joins: false };
        pen.draw(scene)?;
    }
    let (width, height) = size_in(scene, 1.0);
    // The first tag alone says how large the figure is shown.
    let fine = format!("width=\"{}\" height=\"{}\"", size.0, size.1);
    Ok(svg.replacen(&fine, &format!("width=\"{width}\" height=\"{height}\""), 1))
}

/// The figure as SVG of a printed width.
pub(super) fn svg_print(scene: &Scene, print: Print) -> Result<String, PlotError> {
    let (width, height) = size_in(scene, 1.0);
    let pixels = format!("width=\"{width}\" height=\"{height}\"");
    let height_inches = print.width_inches * f64::from(height) / f64::from(width);
    let inches = format!("width=\"{}in\" height=\"{height_inches:.4}in\"", print.width_inches);
    Ok(svg(scene)?.replacen(&pixels, &inches, 1))
}

/// The figure as a PNG picture, two pixels a pixel.
pub(super) fn png(scene: &Scene) -> Result<Vec<u8>, PlotError> {
    picture(scene, 2.0, None)
}

/// The figure as a PNG picture that says how large it is printed.
pub(super) fn png_print(scene: &Scene, print: Print) -> Result<Vec<u8>, PlotError> {
    let scale = print.width_inches * print.dots_per_inch / scene.width.ceil();
    picture(scene, scale, Some(print.dots_per_metre()))
}

fn picture(scene: &Scene, scale: f64, dots_per_metre: Option<u32>) -> Result<Vec<u8>, PlotError> {
    text::register()?;
    let (width, height) = size_in(scene, scale);
    let fine = (width * PNG_SAMPLES, height * PNG_SAMPLES);
    let mut samples = vec![0; fine.0 as usize * fine.1 as usize * 3];
    {
        let area = BitMapBackend::with_buffer(&mut samples, fine).into_drawing_area();
        let scale = scale * f64::from(PNG_SAMPLES);
        Pen { area: &area, scale, typesetting: PNG_TEXT, joins: true }.draw(scene)?;
    }
    let mut picture = Vec::new();
    let mut encoder = png::Encoder::new(&mut picture, width, height);
    encoder.set_color(png::ColorType::Rgb);
    // `Best` makes files of charts 5 % smaller in five times the time, which was a third of that of a report.
    encoder.set_compression(png::Compression::Default);
    encoder.set_pixel_dims(dots_per_metre.map(|dots| png::PixelDimensions {
        xppu: dots,
        yppu: dots,
        unit: png::Unit::Meter,
    }));
    encoder.write_header()?.write_image_data(&averaged(&samples, width as usize, height as usize))?;
    Ok(picture)
}

fn size_in(scene: &Scene, scale: f64) -> (u32, u32) {
    ((scene.width.ceil() * scale).round() as u32, (scene.height.ceil() * scale).round() as u32)
}

/// The mean of each square of samples, gathered row by row as they lie.
fn averaged(samples: &[u8], width: usize, height: usize) -> Vec<u8> {
    let n = PNG_SAMPLES as usize;
    let mut pixels = Vec::with_capacity(width * height * 3);
    let mut sums = vec![0_u16; width * 3];
    for rows in samples.chunks_exact(n * n * width * 3) {
        sums.fill(0);
        for row in rows.chunks_exact(n * width * 3) {
            for (sums, square) in sums.chunks_exact_mut(3).zip(row.chunks_exact(n * 3)) {
                for sample in square.chunks_exact(3) {
                    sums.iter_mut().zip(sample).for_each(|(sum, value)| *sum += u16::from(*value));
                }
            }
        }
        let n_samples = (n * n) as u16;
        pixels.extend(sums.iter().map(|sum| ((sum + n_samples / 2) / n_samples) as u8));
    }
    pixels
}

struct Pen<'a, B: DrawingBackend> {
    area: &'a DrawingArea<B, Shift>,
    scale: f64,
    typesetting: Typesetting,
    /// Draws a line as separate segments with round joins: the bitmap backend's own joins splinter on short segments.
    joins: bool,
}

impl<B: DrawingBackend> Pen<'_, B> {
    fn draw(&self, scene: &Scene) -> Result<(), PlotError> {
        self.area.fill(&WHITE).map_err(refused)?;
        for mark in &scene.marks {
            match mark {
                Mark::Line { points, colour, width } => self.line(points, *colour, *width)?,
                Mark::Area { points, colour } => {
                    let corners: Vec<_> = points.iter().map(|point| self.step(*point)).collect();
                    self.area.draw(&Polygon::new(corners, *colour)).map_err(refused)?;
                }
                Mark::Disc { centre, radius, colour } => self.disc(*centre, *radius, *colour)?,
                Mark::Text { text, at, lettering } => self.text(text, *at, *lettering)?,
                Mark::Owner(_) => {}
            }
        }
        self.area.present().map_err(refused)
    }

    fn line(&self, points: &[Point], colour: RGBColor, width: f64) -> Result<(), PlotError> {
        let mut steps: Vec<_> = points.iter().map(|point| self.step(*point)).collect();
        steps.dedup();
        if steps.len() < 2 {
            return Ok(());
        }
        let style = colour.stroke_width((width * self.scale).round().max(1.0) as u32);
        if !self.joins {
            return self.area.draw(&PathElement::new(steps, style)).map_err(refused);
        }
        for pair in steps.windows(2) {
            self.area.draw(&PathElement::new(pair.to_vec(), style)).map_err(refused)?;
        }
        for join in &points[1..points.len() - 1] {
            self.disc(*join, width / 2.0, colour)?;
        }
        Ok(())
    }

    fn disc(&self, centre: Point, radius: f64, colour: RGBColor) -> Result<(), PlotError> {
        let radius = (radius * self.scale).round().max(1.0) as i32;
        self.area.draw(&Circle::new(self.step(centre), radius, colour.filled())).map_err(refused)
    }

    fn text(&self, text: &str, at: Point, lettering: Lettering) -> Result<(), PlotError> {
        let rise = self.typesetting.baseline_em * lettering.size;
        let (at, transform) = if lettering.upwards {
            ((at.0 - rise, at.1), FontTransform::Rotate270)
        } else {
            ((at.0, at.1 - rise), FontTransform::None)
        };
        let horizontal = match lettering.align {
            Align::Start => HPos::Left,
            Align::Middle => HPos::Center,
            Align::End => HPos::Right,
        };
        let size = self.typesetting.size_em * lettering.size * self.scale;
        let font =
            FontDesc::new(FontFamily::Name(text::FAMILY), size, FontStyle::Normal).transform(transform);
        let style = TextStyle::from(font).color(&lettering.colour).pos(Pos::new(horizontal, VPos::Top));
        self.area.draw(&Text::new(text.to_owned(), self.step(at), style)).map_err(refused)
    }

    fn step(&self, point: Point) -> (i32, i32) {
        ((point.0 * self.scale).round() as i32, (point.1 * self.scale).round() as i32)
    }
}

fn refused(error: impl std::fmt::Display) -> PlotError {
    PlotError::Draw(error.to_string())
}

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
    let look = scene::look(kind).of_places(kind, n_places);
    let mut scene = Scene::new(30.0);
    if n_places != 1 {
        scene.line(&[(0.0, 6.0), (30.0, 6.0)], look.stroke);
    }
    if let Some(marker) = look.marker {
        scene::draw_marker(&mut scene, marker, (15.0, 6.0), look.stroke.colour);
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
                let _ =
                    write!(text, "<path class=\"s {}\" stroke-width=\"{width}\" d=\"", scene::name(*colour));
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
                let name = scene::name(RGBColor(colour.0, colour.1, colour.2));
                let _ = write!(text, "<path class=\"f {name}\"");
                if colour.3 < 1.0 {
                    let _ = write!(text, " opacity=\"{}\"", colour.3);
                }
                text.push_str(" d=\"");
                path(&mut text, points);
                text.push_str("Z\"/>");
            }
            Mark::Disc { centre: (x, y), radius, colour } => {
                let name = scene::name(*colour);
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
        scene::name(lettering.colour),
        lettering.size,
        html! { (words) }.0,
    );
}
