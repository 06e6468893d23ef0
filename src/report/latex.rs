//! `report.tex`: the tables for a paper, as a fragment that `\input` takes; it needs the package booktabs.

use std::fmt::Write;

use super::evidence;
use super::table::{ABSENT, Cell, Line, Spread, Standing, lines, main_columns};
use crate::evaluate::{PolicyKind, Summary};
use crate::metrics::Metric;
use crate::metrics::table::{Table, shown_in};
use crate::record::Record;

/// The table of routers and bounds, of two candidates that of the pair, and every router against its rival on the primary
/// metric. Intervals stand below their values.
pub(super) fn report_tex(record: &Record, summary: &Summary) -> String {
    let manifest = &record.manifest;
    let suite = &manifest.suite;
    let simulated = if suite.info.simulated { ", SIMULATED OUTCOMES" } else { "" };
    let mut text = format!(
        "% {}: suite {}{simulated}, seed {}, {} replicates, llm-bandit {}\n% \\usepackage{{booktabs}}\n",
        comment(&manifest.scenario.name),
        comment(&suite.info.name),
        manifest.scenario.seed,
        manifest.replicates.len(),
        comment(&manifest.program_version),
    );
    table(&mut text, summary, &main_columns(record), &PolicyKind::IN_TABLES);
    if suite.has_cost && suite.models.len() == 2 {
        text.push_str("\n\\bigskip\n\n");
        table(&mut text, summary, &shown_in(Table::Pair), &PolicyKind::IN_TABLES[..2]);
    }
    comparisons(&mut text, summary);
    text
}

fn table(text: &mut String, summary: &Summary, columns: &[&Metric], kinds: &[PolicyKind]) {
    let _ = writeln!(text, "\\begin{{tabular}}{{l{}}}\n\\toprule\nrouter", "r".repeat(columns.len()));
    for column in columns {
        let _ = writeln!(text, "& {}", escape(column.title));
    }
    text.push_str("\\\\\n");
    for kind in kinds {
        let lines = lines(summary, columns, *kind);
        if lines.is_empty() {
            continue;
        }
        text.push_str("\\midrule\n");
        if *kind != PolicyKind::Router {
            let _ = writeln!(
                text,
                "\\multicolumn{{{}}}{{l}}{{\\itshape {}}} \\\\",
                columns.len() + 1,
                kind.heading()
            );
        }
        lines.iter().for_each(|line| row(text, line));
    }
    text.push_str("\\bottomrule\n\\end{tabular}\n");
}

fn row(text: &mut String, line: &Line) {
    text.push_str(&escape(line.policy));
    for cell in &line.cells {
        let _ = write!(text, " & {}", mean(cell));
    }
    text.push_str(" \\\\\n");
    if line.cells.iter().any(|cell| !spread(cell).is_empty()) {
        for cell in &line.cells {
            let _ = write!(text, " & {}", spread(cell));
        }
        text.push_str(" \\\\\n");
    }
}

fn mean(cell: &Cell) -> String {
    let Some(value) = &cell.value else { return number(cell.placeholder()) };
    let mean = number(&value.mean);
    let mut words = match cell.standing {
        Standing::Best => format!("\\textbf{{{mean}}}"),
        Standing::Alike => format!("{mean}\\rlap{{$^\\dagger$}}"),
        Standing::Other => mean,
    };
    if let Some((n, of)) = value.reached {
        let _ = write!(words, " {{\\scriptsize({n}/{of})}}");
    }
    words
}

fn spread(cell: &Cell) -> String {
    match cell.value.as_ref().and_then(|value| value.spread.as_ref()) {
        Some(Spread::Interval([low, high])) => format!("{{\\scriptsize[{}, {}]}}", number(low), number(high)),
        Some(Spread::Deviation(deviation)) => format!("{{\\scriptsize$\\pm$ {}}}", number(deviation)),
        None => String::new(),
    }
}

/// Every router against the rival on the primary metric; nothing where nobody was compared.
fn comparisons(text: &mut String, summary: &Summary) {
    let Some(evidence) = evidence::compared(summary) else { return };
    let _ = writeln!(text, "\n\\bigskip\n\n% {}", comment(&evidence::in_words(evidence)));
    text.push_str("\\begin{tabular}{lrrlrrr}\n\\toprule\nrouter\n");
    for title in evidence::TITLES {
        let _ = writeln!(text, "& {}", escape(title));
    }
    text.push_str("\\\\\n\\midrule\n");
    for line in evidence::primary_lines(evidence) {
        let [low, high] = &line.bounds;
        let _ = writeln!(
            text,
            "{} & {} {{\\scriptsize[{}, {}]}} & {} & {} & {} / {} / {} & {} & {} \\\\",
            escape(line.router),
            number(&line.difference),
            number(low),
            number(high),
            number(&line.adjusted_p),
            line.verdict,
            line.prompts.wins,
            line.prompts.ties,
            line.prompts.losses,
            number(&line.effect),
            number(&line.smallest_detectable),
        );
    }
    text.push_str("\\bottomrule\n\\end{tabular}\n");
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
    shown.to_owned()
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
fn comment(name: &str) -> String {
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
