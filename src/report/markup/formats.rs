//! A table as markup that sorts, for a page; as LaTeX for a paper, which needs the package booktabs; and as Parquet for other programs,
//! where texts are UTF-8, numbers doubles or whole, and an empty cell is null.

use std::sync::Arc;

use maud::{Markup, html};
use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::Result;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::{Type, TypePtr};

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
            @if is_words { (paragraph(&self.text)) }
            @else if self.emphasis == Emphasis::Slanted { em { (self.text) } }
            @else { (self.text) }
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
fn unescaped(words: &str) -> String {
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
        words.push_str(&format!(
            "\\rlap{{$^{}$}}",
            cell.mark.replace('\u{2020}', "\\dagger").replace('\u{2021}', "\\ddagger")
        ));
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
pub(crate) fn escape(name: &str) -> String {
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

/// Rows that lie together.
const N_ROWS: usize = 1 << 17;

/// What the columns of a table hold where it is not text. A column's type goes by its name, never by the values that it
/// happens to have: the same column of two files is of one type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Types<'a> {
    /// The columns of numbers.
    pub(crate) numbers: &'a [&'a str],
    /// Those of whole numbers.
    pub(crate) wholes: &'a [&'a str],
}

impl Table {
    /// The rows as a Parquet file, with facts about all of them in its footer. Equal tables give equal bytes.
    ///
    /// # Panics
    /// If a column of numbers holds something else.
    pub(crate) fn parquet(&self, types: Types<'_>, facts: &[(&str, String)]) -> Vec<u8> {
        self.try_parquet(types, facts)
            .expect("writing into memory does not fail, and cells are of their types")
    }

    fn try_parquet(&self, types: Types<'_>, facts: &[(&str, String)]) -> Result<Vec<u8>> {
        let names = || self.columns.iter().map(|column| column.title.as_str());
        let physical = |name: &str| {
            let is_in = |known: &[&str]| known.contains(&name);
            match name {
                _ if is_in(types.numbers) => Physical::DOUBLE,
                _ if is_in(types.wholes) => Physical::INT64,
                _ => Physical::BYTE_ARRAY,
            }
        };
        let field = |name: &str| -> Result<TypePtr> {
            let logical = (physical(name) == Physical::BYTE_ARRAY).then_some(LogicalType::String);
            let builder = Type::primitive_type_builder(name, physical(name)).with_logical_type(logical);
            Ok(Arc::new(builder.with_repetition(Repetition::OPTIONAL).build()?))
        };
        let fields = names().map(field).collect::<Result<Vec<TypePtr>>>()?;
        let schema = Arc::new(Type::group_type_builder("table").with_fields(fields).build()?);
        let facts = facts.iter().map(|(name, fact)| KeyValue::new((*name).to_owned(), fact.clone()));
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by(concat!("llm-bandit ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_key_value_metadata(Some(facts.collect()))
            .build();
        let mut file = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?;
        let rows: Vec<&Row> = self.rows().collect();
        for rows in rows.chunks(N_ROWS) {
            let mut group = file.next_row_group()?;
            for (at, name) in names().enumerate() {
                let Some(column) = group.next_column()? else { break };
                let texts = rows.iter().map(|row| row.cells[at].text.as_str());
                match physical(name) {
                    Physical::DOUBLE => write::<DoubleType>(column, texts, |text| text.parse().ok())?,
                    Physical::INT64 => write::<Int64Type>(column, texts, |text| text.parse().ok())?,
                    _ => write::<ByteArrayType>(column, texts, |text| Some(text.into()))?,
                }
            }
            group.close()?;
        }
        file.into_inner()
    }
}

/// Writes the cells of a column, of which empty ones are null.
fn write<'a, T: DataType>(
    mut column: SerializedColumnWriter<'_>,
    texts: impl Iterator<Item = &'a str> + Clone,
    value: impl Fn(&str) -> Option<T::T>,
) -> Result<()> {
    let levels: Vec<i16> = texts.clone().map(|text| i16::from(!text.is_empty())).collect();
    let written = texts.filter(|text| !text.is_empty());
    let values: Vec<T::T> =
        written.map(|text| value(text).expect("a number where one is said to be")).collect();
    column.typed::<T>().write_batch(&values, Some(&levels), None)?;
    column.close()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::markup::cells;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::{Field, RowAccessor};

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

    #[test]
    fn a_table_reads_back_with_its_types_and_facts() {
        let table = || {
            let mut table = Table::of_names(&["name", "value", "count"]);
            table.row(cells!["a,\"b\"\n\u{e9}", 0.1 + 0.2, 7]);
            table.row(cells!["", None::<f64>, ""]);
            table.row(cells!["1", f64::INFINITY, 0]);
            table
        };
        let types = Types { numbers: &["value"], wholes: &["count"] };
        let bytes = table().parquet(types, &[("suite", "s".into())]);
        assert_eq!(bytes, table().parquet(types, &[("suite", "s".into())]), "equal tables give equal bytes");
        let file = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
        let facts = file.metadata().file_metadata().key_value_metadata().unwrap();
        assert_eq!((facts[0].key.as_str(), facts[0].value.as_deref()), ("suite", Some("s")));
        let rows: Vec<_> = file.get_row_iter(None).unwrap().map(Result::unwrap).collect();
        assert_eq!((rows.len(), rows[0].get_string(0).unwrap().as_str()), (3, "a,\"b\"\n\u{e9}"));
        assert_eq!((rows[0].get_double(1).unwrap(), rows[0].get_long(2).unwrap()), (0.1 + 0.2, 7));
        assert!(rows[1].get_column_iter().all(|(_, field)| *field == Field::Null));
        assert_eq!(rows[2].get_string(0).unwrap(), "1", "a column of texts stays one");
        assert_eq!((rows[2].get_double(1).unwrap(), rows[2].get_long(2).unwrap()), (f64::INFINITY, 0));
    }

    #[test]
    fn a_table_without_rows_is_a_file() {
        let types = Types { numbers: &[], wholes: &[] };
        let bytes = Table::of_names(&["name"]).parquet(types, &[]);
        let file = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
        assert_eq!(file.metadata().file_metadata().num_rows(), 0);
    }
}
