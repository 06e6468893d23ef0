//! Rows of texts as lines for a terminal.

/// A column is no wider than this; what is longer moves the rest of its line alone. The formatter itself stops the program at 65,536.
pub const WIDEST_COLUMN: usize = 200;

/// A line a row, each column as wide as its widest text, numbers flush right, two blanks between columns.
pub fn aligned<const N: usize, S: AsRef<str>>(rows: &[[S; N]], is_number: [bool; N]) -> Vec<String> {
    let rows: Vec<Vec<&str>> = rows.iter().map(|row| row.iter().map(AsRef::as_ref).collect()).collect();
    aligned_to(&rows, &is_number.map(|is_number| (is_number, 0)), "  ")
}

/// As [`aligned`], of any number of columns, each with whether it holds numbers and its least width, and with this gap between them.
pub(crate) fn aligned_to(rows: &[Vec<&str>], columns: &[(bool, usize)], gap: &str) -> Vec<String> {
    let width = |(at, (_, least)): (usize, &(bool, usize))| {
        let widest = rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
        widest.max(*least).min(WIDEST_COLUMN)
    };
    let widths: Vec<usize> = columns.iter().enumerate().map(width).collect();
    let line = |row: &Vec<&str>| {
        let cells = row.iter().zip(columns).zip(&widths).map(|((text, (is_number, _)), &width)| {
            if *is_number { format!("{text:>width$}") } else { format!("{text:<width$}") }
        });
        cells.collect::<Vec<String>>().join(gap).trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_is_in_them_and_lines_end_in_no_blank() {
        let rows = [["name", "n", ""], ["a", "10", "x"], ["äöü-1", "2", ""]];
        assert_eq!(aligned(&rows, [false, true, false]), ["name    n", "a      10  x", "äöü-1   2"]);
        let long = "x".repeat(300);
        let rows = [[long.as_str(), "1"], ["y", "2"]];
        let lines = aligned(&rows, [false, true]);
        assert_eq!((lines[0].len(), lines[1].len()), (303, WIDEST_COLUMN + 3));
    }
}
