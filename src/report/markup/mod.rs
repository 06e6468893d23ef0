//! One table, however it is shown: as Markdown, HTML, LaTeX, aligned text, CSV, or Parquet.
//!
//! Whoever has something to show builds a [`Table`] and knows of no format; a format knows of no metric. Text is escaped where
//! it is rendered, so that no name of a model or a benchmark can become markup.

mod formats;

pub(crate) use formats::{Spreads, Types, comment, escape as tex_escape, paragraph};

use maud::Markup;

use crate::aligned::aligned_to;

/// Stands where a value is not defined.
pub(crate) const ABSENT: &str = "\u{2013}";

/// Rows under titled columns.
#[derive(Default)]
pub(crate) struct Table {
    columns: Vec<Column>,
    groups: Vec<Group>,
}

/// What a column holds and how it is set.
pub(crate) struct Column {
    title: String,
    is_number: bool,
    class: &'static str,
    least_width: usize,
}

/// Rows that belong together, under a heading where they have one.
#[derive(Default)]
struct Group {
    heading: Option<&'static str>,
    rows: Vec<Row>,
}

/// One cell a column; the first names the row.
struct Row {
    cells: Vec<Cell>,
    key: Option<Key>,
}

/// What the page's script knows a row by.
#[derive(Clone, Copy)]
pub(crate) enum Key {
    /// The position of a policy in the record.
    Policy(usize),
    /// The position of a benchmark.
    Benchmark(usize),
}

/// One value with what is said of it.
#[derive(Default)]
pub(crate) struct Cell {
    text: String,
    emphasis: Emphasis,
    /// Behind the text, a dagger for example.
    mark: &'static str,
    spread: Option<Spread>,
    /// In brackets, last.
    note: String,
    /// The number behind the digits, for sorting.
    exact: Option<f64>,
    is_absent: bool,
    /// Before the text, in HTML alone.
    picture: Option<Markup>,
}

/// How a value stands out.
#[derive(Clone, Copy, Default, PartialEq)]
enum Emphasis {
    #[default]
    Plain,
    Strong,
    Slanted,
}

/// How sure a mean is.
#[derive(Clone, Debug)]
pub(crate) enum Spread {
    /// The bounds of the 95 % interval.
    Interval([String; 2]),
    /// The standard deviation between replicates, where a metric gets no interval and there are several.
    Deviation(String),
}

impl Column {
    /// Words, set to the left.
    pub(crate) fn text(title: impl Into<String>) -> Column {
        Column { title: title.into(), is_number: false, class: "", least_width: 0 }
    }

    /// Numbers, set to the right.
    pub(crate) fn number(title: impl Into<String>) -> Column {
        Column { is_number: true, class: "n", ..Column::text(title) }
    }

    /// Sentences that may hold `code` in backticks.
    pub(crate) fn words(title: impl Into<String>) -> Column {
        Column { class: "words", ..Column::text(title) }
    }

    /// With another class in HTML.
    pub(crate) fn class(self, class: &'static str) -> Column {
        Column { class, ..self }
    }

    /// At least so many letters wide in aligned text.
    pub(crate) fn width(self, least_width: usize) -> Column {
        Column { least_width, ..self }
    }
}

impl Cell {
    /// Nothing, as a dash.
    pub(crate) fn absent() -> Cell {
        Cell::placeholder(ABSENT)
    }

    /// Words in the place of a number.
    pub(crate) fn placeholder(words: &str) -> Cell {
        Cell { is_absent: true, ..Cell::from(words) }
    }

    /// A number in so many decimals, or a dash.
    pub(crate) fn decimals(value: Option<f64>, decimals: usize) -> Cell {
        value.map_or_else(Cell::absent, |value| Cell::from(format!("{value:.decimals$}")))
    }

    /// A picture that only HTML shows.
    pub(crate) fn picture(picture: Markup) -> Cell {
        Cell { picture: Some(picture), ..Cell::default() }
    }

    /// With a picture before its text, which only HTML shows.
    pub(crate) fn after(self, picture: Markup) -> Cell {
        Cell { picture: Some(picture), ..self }
    }

    /// In bold, if so.
    pub(crate) fn strong_if(self, is_strong: bool) -> Cell {
        if is_strong { Cell { emphasis: Emphasis::Strong, ..self } } else { self }
    }

    /// In italics, if so.
    pub(crate) fn slanted_if(self, is_slanted: bool) -> Cell {
        if is_slanted { Cell { emphasis: Emphasis::Slanted, ..self } } else { self }
    }

    /// With a mark behind its text.
    pub(crate) fn mark(self, mark: &'static str) -> Cell {
        Cell { mark, ..self }
    }

    /// With what is said of how sure it is.
    pub(crate) fn spread(self, spread: Option<Spread>) -> Cell {
        Cell { spread, ..self }
    }

    /// With its 95 % interval.
    pub(crate) fn interval(self, bounds: [String; 2]) -> Cell {
        self.spread(Some(Spread::Interval(bounds)))
    }

    /// With a remark in brackets.
    pub(crate) fn note(self, note: impl Into<String>) -> Cell {
        Cell { note: note.into(), ..self }
    }

    /// With the number behind its digits.
    pub(crate) fn exact(self, exact: f64) -> Cell {
        Cell { exact: Some(exact), ..self }
    }

    /// The text alone.
    pub(crate) fn words(&self) -> &str {
        &self.text
    }

    /// As Markdown, in which a bar would end the cell.
    fn markdown(&self) -> String {
        let text = name(&self.text);
        let mut words = match self.emphasis {
            Emphasis::Plain => text,
            Emphasis::Strong => format!("**{text}**"),
            Emphasis::Slanted => format!("*{text}*"),
        };
        words.push_str(self.mark);
        match &self.spread {
            Some(Spread::Interval([low, high])) => words.push_str(&format!(" [{low}, {high}]")),
            Some(Spread::Deviation(deviation)) => words.push_str(&format!(" \u{b1} {deviation}")),
            None => {}
        }
        if !self.note.is_empty() {
            words.push_str(&format!(" ({})", self.note));
        }
        words
    }
}

/// Somebody else's sentences as a part of a paragraph of Markdown: emphasis and code stay, but nothing in it is a tag, a link, a
/// heading, or a list. [`paragraph`] takes the escapes away again.
pub(crate) fn prose(words: &str) -> String {
    let text = escaped(words.trim(), &[]);
    // What makes a block of a line that begins with it.
    let is_block = |text: &str| {
        let (number, rest) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
        text.starts_with(['#', '>', '+', '-', '=', '~', '|'])
            || text.starts_with("* ")
            || text.starts_with("```")
            || (!number.is_empty() && rest.starts_with(['.', ')']))
    };
    match text.find(|c: char| !c.is_ascii_digit()) {
        Some(at) if is_block(&text) => format!("{}\\{}", &text[..at], &text[at..]),
        _ => text,
    }
}

/// A name as Markdown shows it letter by letter, in a cell of a table too.
pub(crate) fn name(words: &str) -> String {
    escaped(words, &['|', '*', '`'])
}

/// On one line, with a backslash before these signs and before what opens a tag or a link's address.
fn escaped(words: &str, signs: &[char]) -> String {
    let mut text = String::with_capacity(words.len());
    let mut letters = words.chars().peekable();
    while let Some(letter) = letters.next() {
        let next = letters.peek().copied().unwrap_or(' ');
        let is_sign = match letter {
            '<' => next.is_ascii_alphabetic() || ['/', '!', '?'].contains(&next),
            ']' => next == '(',
            '\\' => next.is_ascii_punctuation(),
            other => signs.contains(&other),
        };
        if is_sign {
            text.push('\\');
        }
        text.push(if letter.is_control() { ' ' } else { letter });
    }
    text
}

impl From<String> for Cell {
    fn from(text: String) -> Cell {
        Cell { text, ..Cell::default() }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Cell {
        Cell::from(text.to_owned())
    }
}

impl From<&String> for Cell {
    fn from(text: &String) -> Cell {
        Cell::from(text.clone())
    }
}

impl From<usize> for Cell {
    fn from(count: usize) -> Cell {
        Cell::from(count.to_string())
    }
}

impl From<bool> for Cell {
    fn from(holds: bool) -> Cell {
        Cell::from(holds.to_string())
    }
}

/// All digits, for files for programs.
impl From<f64> for Cell {
    fn from(value: f64) -> Cell {
        Cell::from(value.to_string())
    }
}

/// All digits, or nothing.
impl From<Option<f64>> for Cell {
    fn from(value: Option<f64>) -> Cell {
        value.map_or_else(Cell::default, Cell::from)
    }
}

/// A row of anything that is a cell.
macro_rules! cells {
    ($($cell:expr),* $(,)?) => { vec![$($crate::report::markup::Cell::from($cell)),*] };
}
pub(crate) use cells;

impl Table {
    /// Without rows.
    pub(crate) fn new(columns: impl IntoIterator<Item = Column>) -> Table {
        Table { columns: columns.into_iter().collect(), groups: vec![Group::default()] }
    }

    /// For a file for programs: names of columns, in which nothing is set.
    pub(crate) fn of_names(names: &[&str]) -> Table {
        Table::new(names.iter().map(|name| Column::text(*name)))
    }

    /// Ends the rows so far; what follows stands under a heading.
    pub(crate) fn heading(&mut self, heading: Option<&'static str>) {
        self.groups.push(Group { heading, rows: Vec::new() });
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        self.keyed(None, cells);
    }

    /// Adds a row that the page's script finds.
    pub(crate) fn keyed(&mut self, key: Option<Key>, cells: Vec<Cell>) {
        debug_assert_eq!(cells.len(), self.columns.len(), "one cell a column");
        self.groups.last_mut().expect("a table has a group").rows.push(Row { cells, key });
    }

    /// Whether it has no rows.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows().next().is_none()
    }

    fn rows(&self) -> impl Iterator<Item = &Row> {
        self.groups.iter().flat_map(|group| &group.rows)
    }

    /// A table of Markdown, each row a line.
    pub(crate) fn markdown(&self) -> String {
        let mut text = String::from("|");
        self.columns.iter().for_each(|column| text.push_str(&format!(" {} |", column.title)));
        text.push_str("\n|");
        self.columns.iter().for_each(|column| text.push_str(if column.is_number { "---:|" } else { "---|" }));
        text.push('\n');
        for Group { heading, rows } in self.groups.iter().filter(|group| !group.rows.is_empty()) {
            if let Some(heading) = heading {
                text.push_str(&format!("| *{heading}* |{}\n", " |".repeat(self.columns.len() - 1)));
            }
            for row in rows {
                text.push('|');
                row.cells.iter().for_each(|cell| text.push_str(&format!(" {} |", cell.markdown())));
                text.push('\n');
            }
        }
        text
    }

    /// The header and the rows as lines for a terminal, with `gap` between columns.
    pub(crate) fn lines(&self, gap: &str) -> Vec<String> {
        let titles = self.columns.iter().map(|column| column.title.as_str()).collect();
        let texts = self.rows().map(|row| row.cells.iter().map(|cell| cell.text.as_str()).collect());
        let lines: Vec<Vec<&str>> = std::iter::once(titles).chain(texts).collect();
        let columns: Vec<(bool, usize)> =
            self.columns.iter().map(|column| (column.is_number, column.least_width)).collect();
        aligned_to(&lines, &columns, gap)
    }

    /// Titles and texts as comma-separated values.
    ///
    /// # Panics
    /// Never: writing into memory does not fail.
    pub(crate) fn csv(&self) -> Vec<u8> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let into_memory = "writing into memory does not fail";
        writer.write_record(self.columns.iter().map(|column| &column.title)).expect(into_memory);
        for row in self.rows() {
            writer.write_record(row.cells.iter().map(|cell| &cell.text)).expect(into_memory);
        }
        writer.into_inner().expect(into_memory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new([Column::text("router"), Column::number("AIQ, %")]);
        table.row(cells![
            "a|b_<c>",
            Cell::from("-0.5").strong_if(true).interval(["-1".into(), "\u{221e}".into()])
        ]);
        table.heading(Some("bounds"));
        table.row(cells!["oracle", Cell::absent().note("1/2")]);
        table
    }

    #[test]
    fn what_somebody_else_wrote_is_no_tag_link_heading_or_list() {
        for (words, expected) in [
            ("CC-BY 4.0, < 5 % `x`", "CC-BY 4.0, < 5 % `x`"),
            ("<img src=x> [a](http://b)\n# c", "\\<img src=x> [a\\](http://b) # c"),
            ("# a", "\\# a"),
            ("- a", "\\- a"),
            ("1. a", "1\\. a"),
            ("2023 prompts", "2023 prompts"),
            ("a \\< b \\x", "a \\\\< b \\x"),
        ] {
            assert_eq!(prose(words), expected);
            assert_eq!(paragraph(expected), words.replace(['\n'], " ").replace('`', ""), "{words}");
        }
        assert_eq!(name("a|*b*`c`"), "a\\|\\*b\\*\\`c\\`");
    }

    #[test]
    fn a_name_stays_a_name_in_every_format() {
        let table = table();
        assert_eq!(
            table.markdown(),
            "| router | AIQ, % |\n|---|---:|\n| a\\|b_\\<c> | **-0.5** [-1, \u{221e}] |\n| *bounds* | |\n| oracle | \u{2013} (1/2) |\n"
        );
        assert_eq!(table.lines("  "), ["router   AIQ, %", "a|b_<c>    -0.5", "oracle        \u{2013}"]);
        assert_eq!(table.csv(), "router,\"AIQ, %\"\na|b_<c>,-0.5\noracle,\u{2013}\n".as_bytes());
        assert_eq!(
            table.latex(Spreads::Beside),
            "\\begin{tabular}{lr}\n\\toprule\nrouter\n& AIQ, \\%\n\\\\\n\\midrule\na\\textbar{}b\\_\\textless{}c\\textgreater{} & \
             \\textbf{$-0.5$} {\\scriptsize[$-1$, $\\infty$]} \\\\\n\\midrule\n\\multicolumn{2}{l}{\\itshape bounds} \\\\\noracle & -- \
             {\\scriptsize(1/2)} \\\\\n\\bottomrule\n\\end{tabular}\n"
        );
        let html = table.html(None).into_string();
        assert!(html.contains(
            "<th scope=\"row\">a|b_&lt;c&gt;</th><td class=\"n best\">-0.5<small>[-1, \u{221e}]</small></td>"
        ));
        assert!(html.contains("<tbody data-heading=\"bounds\">"));
    }
}
