//! Where two versions of a report's file differ first, in words a reader can follow to the place.

use std::path::Path;

use crate::error::Error;

/// The longest piece of a file that is quoted.
const LONGEST_QUOTE: usize = 60;

/// The first difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    /// The line, counted from 1, where the file is text.
    line: Option<u64>,
    /// What is there and what should be.
    words: String,
}

impl Difference {
    /// As an error of that file; `remark` is said last.
    pub(super) fn error(&self, path: &Path, remark: &str) -> Error {
        let problem = format!("{}{remark}", self.words);
        match self.line {
            Some(line) => Error::line(path, line, problem),
            None => Error::file(path, problem),
        }
    }
}

/// The first difference between a file's bytes and those that were expected: a cell of a table in CSV or Markdown, else a
/// line of text, else a byte.
pub(super) fn difference(path: &Path, found: &[u8], expected: &[u8]) -> Option<Difference> {
    if found == expected {
        return None;
    }
    let texts = std::str::from_utf8(found).ok().zip(std::str::from_utf8(expected).ok());
    let Some((found_text, expected_text)) = texts else {
        let at = found.iter().zip(expected).position(|(found, expected)| found != expected);
        let at = at.unwrap_or(found.len().min(expected.len()));
        return Some(Difference {
            line: None,
            words: format!("is not what the record gives, from byte {at} on"),
        });
    };
    let is_csv = path.extension().is_some_and(|extension| extension == "csv");
    let [mut found_lines, mut expected_lines] = [found_text, expected_text].map(|text| text.split('\n'));
    let mut header: Vec<String> = Vec::new();
    let mut line = 0;
    loop {
        line += 1;
        let (found, expected) = (found_lines.next(), expected_lines.next());
        if found == expected {
            let cells = expected.map(|expected| cells(expected, is_csv)).unwrap_or_default();
            // The first row of a table names its columns.
            if header.is_empty() || cells.is_empty() {
                header = cells;
            }
            continue;
        }
        let words = match (found, expected) {
            (Some(found), Some(expected)) => row_difference(&header, [found, expected], is_csv),
            (None, _) => "ends here; the record gives more".to_owned(),
            (_, None) => "goes on where the record gives nothing more".to_owned(),
        };
        return Some(Difference { line: Some(line), words });
    }
}

/// What differs between two lines: a cell where both are rows of one table.
fn row_difference(header: &[String], lines: [&str; 2], is_csv: bool) -> String {
    let [found, expected] = lines.map(|line| cells(line, is_csv));
    let differs = found.iter().zip(&expected).position(|(found, expected)| found != expected);
    match (differs, header) {
        (Some(column), header) if found.len() == expected.len() && expected.len() == header.len() => format!(
            "column `{}` is {}; the record gives {}",
            header[column],
            quoted(&found[column]),
            quoted(&expected[column])
        ),
        _ => {
            let [found, expected] = lines.map(quoted);
            format!("is {found}; the record gives {expected}")
        }
    }
}

/// The cells of a row of CSV or of a Markdown table; none where the line is no row.
fn cells(line: &str, is_csv: bool) -> Vec<String> {
    if is_csv {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line.as_bytes());
        let row = reader.records().next().and_then(|row| row.ok());
        return row.map(|row| row.iter().map(str::to_owned).collect()).unwrap_or_default();
    }
    match line.trim().strip_prefix('|').and_then(|row| row.strip_suffix('|')) {
        Some(row) => row.split('|').map(|cell| cell.trim().to_owned()).collect(),
        None => Vec::new(),
    }
}

fn quoted(text: &str) -> String {
    let short: String = text.chars().take(LONGEST_QUOTE).collect();
    let more = if short.len() < text.len() { " ..." } else { "" };
    format!("`{short}{more}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(name: &str, found: &str, expected: &str) -> String {
        let path = Path::new(name);
        let difference = difference(path, found.as_bytes(), expected.as_bytes());
        difference.map_or_else(|| "the same".to_owned(), |difference| difference.error(path, "").to_string())
    }

    #[test]
    fn a_cell_is_named_by_line_and_column() {
        let table = "router,value\nknn,0.5\n\"a,b\",0.7\n";
        assert_eq!(words("t.csv", table, table), "the same");
        assert_eq!(
            words("t.csv", &table.replace("0.7", "0.9"), table),
            "t.csv:3: column `value` is `0.9`; the record gives `0.7`"
        );
        assert_eq!(words("t.csv", "router,value\n", table), "t.csv:2: is ``; the record gives `knn,0.5`");
        let report = "# Title\n\n| router | AIQ |\n|---|---:|\n| knn | 0.5 |\n";
        assert_eq!(
            words("r.md", &report.replace("0.5", "0.6"), report),
            "r.md:5: column `AIQ` is `0.6`; the record gives `0.5`"
        );
    }

    #[test]
    fn other_text_is_named_by_line_and_other_files_by_byte() {
        assert_eq!(words("r.md", "# A\nB\n", "# A\nC\n"), "r.md:2: is `B`; the record gives `C`");
        assert_eq!(words("r.md", "A\nB", "A"), "r.md:2: goes on where the record gives nothing more");
        assert_eq!(words("r.md", "A", "A\nB"), "r.md:2: ends here; the record gives more");
        let path = Path::new("p.png");
        let found = difference(path, &[0xff, 1, 2], &[0xff, 1, 3]).unwrap().error(path, "").to_string();
        assert_eq!(found, "p.png: is not what the record gives, from byte 2 on");
    }
}
