//! A scene as a PDF page of a printed width: lines and areas stay vectors, text stays text in the font inside the program.

use ab_glyph::{Font, FontRef};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use pdf_writer::types::{CidFontType, FontFlags, LineCapStyle, LineJoinStyle, SystemInfo, UnicodeCmap};
use pdf_writer::{Content, Filter, Finish, Name, Pdf, Rect, Ref, Str};
use plotters::style::RGBColor;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use super::scene::{Align, Lettering, Mark, Point, Scene};
use super::{PlotError, text};

const POINTS_PER_INCH: f64 = 72.0;
/// A circle of radius 1 is four cubic curves whose handles are so long.
const HANDLE: f64 = 0.552_284_75;

const FONT: Name<'_> = Name(b"F");
const FONT_NAME: Name<'_> = Name(b"LLMBDT+DejaVuSans");
const IDENTITY: SystemInfo<'_> =
    SystemInfo { registry: Str(b"Adobe"), ordering: Str(b"Identity"), supplement: 0 };

const CATALOG: Ref = Ref::new(1);
const PAGES: Ref = Ref::new(2);
const PAGE: Ref = Ref::new(3);
const CONTENT: Ref = Ref::new(4);
const TYPE0: Ref = Ref::new(5);
const CID_FONT: Ref = Ref::new(6);
const DESCRIPTOR: Ref = Ref::new(7);
const FONT_FILE: Ref = Ref::new(8);
const TO_UNICODE: Ref = Ref::new(9);
/// The first of those that are one an opacity.
const FIRST_OPACITY: i32 = 10;

/// The figure as a PDF. Equal scenes give equal bytes.
pub(super) fn print(scene: &Scene, width_inches: f64) -> Result<Vec<u8>, PlotError> {
    let font = FontRef::try_from_slice(text::BYTES).map_err(|_| PlotError::Font)?;
    let scale = width_inches * POINTS_PER_INCH / scene.width.ceil();
    let size = [scene.width.ceil(), scene.height.ceil()].map(|pixels| (pixels * scale) as f32);
    let mut page = Page {
        content: Content::new(),
        font: &font,
        height: scene.height.ceil(),
        opacities: opacities(scene),
        letters: BTreeMap::new(),
    };
    page.content.transform([scale as f32, 0.0, 0.0, scale as f32, 0.0, 0.0]);
    page.content.set_line_cap(LineCapStyle::RoundCap).set_line_join(LineJoinStyle::RoundJoin);
    scene.marks.iter().for_each(|mark| page.draw(mark));
    let Page { content, opacities, letters, .. } = page;

    let mut pdf = Pdf::new();
    pdf.catalog(CATALOG).pages(PAGES);
    pdf.pages(PAGES).kids([PAGE]).count(1);
    let mut page = pdf.page(PAGE);
    page.parent(PAGES).media_box(Rect::new(0.0, 0.0, size[0], size[1])).contents(CONTENT);
    let mut resources = page.resources();
    resources.fonts().pair(FONT, TYPE0);
    let reference = |at: usize| Ref::new(FIRST_OPACITY + at as i32);
    let mut states = resources.ext_g_states();
    for at in 0..opacities.len() {
        states.pair(Name(&state(at)), reference(at));
    }
    states.finish();
    resources.finish();
    page.finish();
    for (at, &thousandths) in opacities.iter().enumerate() {
        pdf.ext_graphics(reference(at)).non_stroking_alpha(thousandths as f32 / 1000.0);
    }
    pdf.stream(CONTENT, &packed(&content.finish())).filter(Filter::FlateDecode);
    embed(&mut pdf, &font, &letters);
    Ok(pdf.finish())
}

/// The opacities of areas, in thousandths, ascending.
fn opacities(scene: &Scene) -> Vec<u32> {
    let of_mark = |mark: &Mark| match mark {
        Mark::Area { colour, .. } => Some(thousandths(colour.3)),
        _ => None,
    };
    let all: BTreeSet<u32> = scene.marks.iter().filter_map(of_mark).chain([1000]).collect();
    all.into_iter().collect()
}

fn thousandths(opacity: f64) -> u32 {
    (1000.0 * opacity).round() as u32
}

/// The name of a graphics state.
fn state(at: usize) -> Vec<u8> {
    format!("G{at}").into_bytes()
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    let into_memory = "writing into memory does not fail";
    encoder.write_all(bytes).expect(into_memory);
    encoder.finish().expect(into_memory)
}

/// A page that is being drawn on.
struct Page<'a> {
    content: Content,
    font: &'a FontRef<'static>,
    height: f64,
    opacities: Vec<u32>,
    /// The letter of each glyph that is used.
    letters: BTreeMap<u16, char>,
}

impl Page<'_> {
    /// A place, up from the lower left corner.
    fn place(&self, (x, y): Point) -> (f32, f32) {
        (x as f32, (self.height - y) as f32)
    }

    fn fill_in(&mut self, RGBColor(red, green, blue): RGBColor) {
        let [red, green, blue] = [red, green, blue].map(|part| f32::from(part) / 255.0);
        self.content.set_fill_rgb(red, green, blue);
    }

    fn path(&mut self, points: &[Point]) {
        for (at, point) in points.iter().enumerate() {
            let (x, y) = self.place(*point);
            if at == 0 {
                self.content.move_to(x, y)
            } else {
                self.content.line_to(x, y)
            };
        }
    }

    fn draw(&mut self, mark: &Mark) {
        match mark {
            Mark::Line { points, colour: RGBColor(red, green, blue), width } => {
                let [red, green, blue] = [red, green, blue].map(|part| f32::from(*part) / 255.0);
                self.content.set_stroke_rgb(red, green, blue).set_line_width(*width as f32);
                self.path(points);
                self.content.stroke();
            }
            Mark::Area { points, colour } => {
                self.fill_in(RGBColor(colour.0, colour.1, colour.2));
                let at = self.opacities.iter().position(|known| *known == thousandths(colour.3));
                self.content.set_parameters(Name(&state(at.expect("every opacity is listed"))));
                self.path(points);
                self.content.close_path().fill_nonzero();
                self.content.set_parameters(Name(&state(self.opacities.len() - 1)));
            }
            Mark::Disc { centre, radius, colour } => {
                self.fill_in(*colour);
                self.disc(*centre, *radius);
            }
            Mark::Text { text, at, lettering } => self.text(text, *at, *lettering),
            Mark::Owner(_) => {}
        }
    }

    fn disc(&mut self, centre: Point, radius: f64) {
        let (x, y) = self.place(centre);
        let (r, k) = (radius as f32, (radius * HANDLE) as f32);
        self.content.move_to(x + r, y);
        self.content.cubic_to(x + r, y + k, x + k, y + r, x, y + r);
        self.content.cubic_to(x - k, y + r, x - r, y + k, x - r, y);
        self.content.cubic_to(x - r, y - k, x - k, y - r, x, y - r);
        self.content.cubic_to(x + k, y - r, x + r, y - k, x + r, y);
        self.content.fill_nonzero();
    }

    fn text(&mut self, words: &str, at: Point, lettering: Lettering) {
        let mut glyphs = Vec::with_capacity(2 * words.len());
        let mut width = 0.0;
        for letter in words.chars() {
            let glyph = self.font.glyph_id(letter);
            self.letters.entry(glyph.0).or_insert(letter);
            glyphs.extend(glyph.0.to_be_bytes());
            width += advance(self.font, glyph.0) / 1000.0 * lettering.size as f32;
        }
        let back = match lettering.align {
            Align::Start => 0.0,
            Align::Middle => width / 2.0,
            Align::End => width,
        };
        let (x, y) = self.place(at);
        let matrix = if lettering.upwards {
            [0.0, 1.0, -1.0, 0.0, x, y - back]
        } else {
            [1.0, 0.0, 0.0, 1.0, x - back, y]
        };
        self.fill_in(lettering.colour);
        self.content.begin_text().set_font(FONT, lettering.size as f32).set_text_matrix(matrix);
        self.content.show(Str(&glyphs)).end_text();
    }
}

/// How far the next letter is, in thousandths of an em.
fn advance(font: &FontRef<'_>, glyph: u16) -> f32 {
    1000.0 * font.h_advance_unscaled(ab_glyph::GlyphId(glyph)) / font.units_per_em().unwrap_or(1000.0)
}

/// Puts the font in, with the widths and the letters of the glyphs that are used.
fn embed(pdf: &mut Pdf, font: &FontRef<'_>, letters: &BTreeMap<u16, char>) {
    let of_em = |value: f32| 1000.0 * value / font.units_per_em().unwrap_or(1000.0);
    let (ascent, descent) = (of_em(font.ascent_unscaled()), of_em(font.descent_unscaled()));
    pdf.type0_font(TYPE0)
        .base_font(FONT_NAME)
        .encoding_predefined(Name(b"Identity-H"))
        .descendant_font(CID_FONT)
        .to_unicode(TO_UNICODE);
    let mut cid_font = pdf.cid_font(CID_FONT);
    cid_font
        .subtype(CidFontType::Type2)
        .base_font(FONT_NAME)
        .system_info(IDENTITY)
        .font_descriptor(DESCRIPTOR)
        .default_width(0.0)
        .cid_to_gid_map_predefined(Name(b"Identity"));
    let mut widths = cid_font.widths();
    for &glyph in letters.keys() {
        widths.same(glyph, glyph, advance(font, glyph));
    }
    widths.finish();
    cid_font.finish();
    pdf.font_descriptor(DESCRIPTOR)
        .name(FONT_NAME)
        .flags(FontFlags::NON_SYMBOLIC)
        .bbox(Rect::new(-1000.0, descent, 2000.0, ascent))
        .italic_angle(0.0)
        .ascent(ascent)
        .descent(descent)
        .cap_height(729.0)
        .stem_v(80.0)
        .font_file2(FONT_FILE);
    pdf.stream(FONT_FILE, &packed(text::BYTES))
        .filter(Filter::FlateDecode)
        .pair(Name(b"Length1"), text::BYTES.len() as i32);
    let mut cmap = UnicodeCmap::new(Name(b"Letters"), IDENTITY);
    letters.iter().for_each(|(&glyph, &letter)| cmap.pair(glyph, letter));
    pdf.cmap(TO_UNICODE, &cmap.finish());
}
