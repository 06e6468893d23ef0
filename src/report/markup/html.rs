//! Tables that sort, for a page.

use maud::{Markup, html};

use super::{Cell, Column, Emphasis, Key, Row, Spread, Table};

impl Table {
    /// A table in a frame that scrolls; `id` is what the script knows it by.
    pub(crate) fn html(&self, id: Option<&str>) -> Markup {
        let heading =
            |column: &Column| html! { th scope="col" class=[class(&[column.class])] { (column.title) } };
        html! {
            div.scroll { table.sort id=[id] { "\n"
                thead { tr { @for column in &self.columns { (heading(column)) } } } "\n"
                @for group in self.groups.iter().filter(|group| !group.rows.is_empty()) {
                    tbody data-heading=[group.heading] { "\n"
                        @for row in &group.rows { (self.html_row(row)) "\n" }
                    } "\n"
                }
            } } "\n"
        }
    }

    fn html_row(&self, row: &Row) -> Markup {
        let (policy, benchmark) = match row.key {
            Some(Key::Policy(at)) => (Some(at), None),
            Some(Key::Benchmark(at)) => (None, Some(at)),
            None => (None, None),
        };
        html! {
            tr data-policy=[policy] data-benchmark=[benchmark] {
                @for (at, (cell, column)) in row.cells.iter().zip(&self.columns).enumerate() {
                    @if at == 0 { th scope="row" { (cell.html(false)) } }
                    @else { td class=[cell.class(column)] data-v=[cell.exact] { (cell.html(column.class == "words")) } }
                }
            }
        }
    }
}

impl Cell {
    fn class(&self, column: &Column) -> Option<String> {
        let best = if self.emphasis == Emphasis::Strong { "best" } else { "" };
        // The classes of a header that say nothing of the values below it.
        let own = column.class.split(' ').next().unwrap_or_default();
        class(&[own, best, if self.is_absent { "none" } else { "" }])
    }

    fn html(&self, is_words: bool) -> Markup {
        let spread = self.spread.as_ref().map(|spread| match spread {
            Spread::Interval([low, high]) => format!("[{low}, {high}]"),
            Spread::Deviation(deviation) => format!("\u{b1} {deviation}"),
        });
        html! {
            @if let Some(picture) = &self.picture { (picture) }
            @if is_words { (paragraph(&self.text)) } @else { (self.text) }
            @if !self.mark.is_empty() { sup { (self.mark) } }
            @if let Some(spread) = spread { small { (spread) } }
            @if !self.note.is_empty() { small { "(" (self.note) ")" } }
        }
    }
}

/// Words written for Markdown, without its signs.
pub(crate) fn paragraph(words: &str) -> String {
    unescaped(&words.trim().replace(['*', '`'], ""))
}

/// Without the backslashes that Markdown has before a sign.
pub(crate) fn unescaped(words: &str) -> String {
    let mut text = String::with_capacity(words.len());
    let mut letters = words.chars().peekable();
    while let Some(letter) = letters.next() {
        let is_escape = letter == '\\' && letters.peek().is_some_and(char::is_ascii_punctuation);
        text.push(if is_escape { letters.next().unwrap_or(letter) } else { letter });
    }
    text
}

fn class(names: &[&str]) -> Option<String> {
    let names: Vec<&str> = names.iter().copied().filter(|name| !name.is_empty()).collect();
    (!names.is_empty()).then(|| names.join(" "))
}
