//! Tables as markup that sorts, for a page; and as LaTeX for a paper, which needs the package booktabs.

use maud::{Markup, html};

use super::{ABSENT, Cell, Column, Emphasis, Group, Key, Row, Spread, Table};

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

/// Where intervals stand.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Spreads {
    /// In a line of their own, each below its value.
    Below,
    /// Behind their values.
    Beside,
}

impl Table {
    /// A `tabular`, with a rule above each group.
    pub(crate) fn latex(&self, spreads: Spreads) -> String {
        let kinds: String =
            self.columns.iter().map(|column| if column.is_number { 'r' } else { 'l' }).collect();
        let titles: Vec<String> = self.columns.iter().map(|column| escape(&column.title)).collect();
        let mut text = format!("\\begin{{tabular}}{{{kinds}}}\n\\toprule\n{}\n\\\\\n", titles.join("\n& "));
        for Group { heading, rows } in self.groups.iter().filter(|group| !group.rows.is_empty()) {
            text.push_str("\\midrule\n");
            if let Some(heading) = heading {
                let n = self.columns.len();
                text.push_str(&format!("\\multicolumn{{{n}}}{{l}}{{\\itshape {}}} \\\\\n", escape(heading)));
            }
            rows.iter().for_each(|row| self.latex_row(&mut text, row, spreads));
        }
        text + "\\bottomrule\n\\end{tabular}\n"
    }

    fn latex_row(&self, text: &mut String, row: &Row, spreads: Spreads) {
        let cell = |(at, cell): (usize, &Cell)| {
            let words = value(cell, self.columns[at].is_number);
            let beside = if spreads == Spreads::Beside { spread(cell) } else { String::new() };
            if beside.is_empty() { words } else { format!("{words} {beside}") }
        };
        let line = |cells: Vec<String>| format!("{} \\\\\n", cells.join(" & "));
        text.push_str(&line(row.cells.iter().enumerate().map(cell).collect()));
        if spreads == Spreads::Below && row.cells.iter().any(|cell| cell.spread.is_some()) {
            text.push_str(&line(row.cells.iter().map(spread).collect()));
        }
    }
}

fn value(cell: &Cell, is_number: bool) -> String {
    let text = if is_number { number(&cell.text) } else { escape(&cell.text) };
    let mut words = match cell.emphasis {
        Emphasis::Plain => text,
        Emphasis::Strong => format!("\\textbf{{{text}}}"),
        Emphasis::Slanted => format!("\\textit{{{text}}}"),
    };
    if !cell.mark.is_empty() {
        words.push_str(&format!("\\rlap{{$^{}$}}", cell.mark.replace('\u{2020}', "\\dagger")));
    }
    if !cell.note.is_empty() {
        words.push_str(&format!(" {{\\scriptsize({})}}", cell.note));
    }
    words
}

fn spread(cell: &Cell) -> String {
    match &cell.spread {
        Some(Spread::Interval([low, high])) => format!("{{\\scriptsize[{}, {}]}}", number(low), number(high)),
        Some(Spread::Deviation(deviation)) => format!("{{\\scriptsize$\\pm$ {}}}", number(deviation)),
        None => String::new(),
    }
}

/// A number or what stands in its place, with signs of mathematics.
fn number(shown: &str) -> String {
    if shown == ABSENT {
        return "--".to_owned();
    }
    let is_number = shown.starts_with(|letter: char| !letter.is_alphabetic());
    if is_number && shown.contains(['-', '+', '<', '\u{221e}']) {
        return format!("${}$", shown.replace('\u{221e}', "\\infty"));
    }
    escape(shown)
}

/// A name as text that TeX prints as it is.
fn escape(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        match letter {
            '\\' => text.push_str("\\textbackslash{}"),
            '~' => text.push_str("\\textasciitilde{}"),
            '^' => text.push_str("\\textasciicircum{}"),
            '<' => text.push_str("\\textless{}"),
            '>' => text.push_str("\\textgreater{}"),
            '|' => text.push_str("\\textbar{}"),
            '"' => text.push_str("\\textquotedbl{}"),
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => text.extend(['\\', letter]),
            letter if letter.is_control() => text.push(' '),
            letter => text.push(letter),
        }
    }
    text
}

/// A name inside a comment, which ends with its line.
pub(crate) fn comment(name: &str) -> String {
    name.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_are_those_of_mathematics() {
        assert_eq!(
            ["-0.5", "< 0.001", "0.5", "not reached"].map(number),
            ["$-0.5$", "$< 0.001$", "0.5", "not reached"]
        );
        assert_eq!([ABSENT, "\u{221e}", "-\u{221e}"].map(number), ["--", "$\\infty$", "$-\\infty$"]);
    }

    #[test]
    fn no_letter_of_a_name_is_a_command() {
        assert_eq!(escape("a_b & 5 %"), "a\\_b \\& 5 \\%");
        assert_eq!(escape("\\input{x}\n^"), "\\textbackslash{}input\\{x\\} \\textasciicircum{}");
        assert_eq!(comment("a\nb"), "a b");
    }
}
