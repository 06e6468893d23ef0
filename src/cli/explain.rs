//! `explain`, and the names that `list` prints: the pages of reference, which are inside the program, beside what its own tables say.
//! Nothing is read and nothing computed.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use llm_bandit::error::{Error, Result, suggestion};
use llm_bandit::metrics::Metric;
use llm_bandit::metrics::entry::{Better, Missing, Need, Unit};
use llm_bandit::metrics::metric;

use super::output::say;

/// Arguments of `explain`.
#[derive(Args)]
pub(super) struct ExplainArguments {
    /// Names of metrics, in any case or as tables head them, kinds of routers, predictors, bounds, shifts, or columns of `verify`;
    /// `list metrics` and its like have them all
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
}

/// What has names to explain.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Subject {
    /// Kinds of routers, predictors, learners, and bounds
    Routers,
    /// Metrics
    Metrics,
    /// What changes between training and use
    Shifts,
    /// Columns of what `import` and `verify` print
    Columns,
}

/// A page of reference: what its tables are about, where it is, and its text.
struct Page {
    subject: Subject,
    path: &'static str,
    text: &'static str,
}

const PAGES: [Page; 5] = [
    Page {
        subject: Subject::Metrics,
        path: "docs/src/metrics.md",
        text: include_str!("../../docs/src/metrics.md"),
    },
    Page {
        subject: Subject::Routers,
        path: "docs/src/routers.md",
        text: include_str!("../../docs/src/routers.md"),
    },
    Page {
        subject: Subject::Routers,
        path: "docs/src/online.md",
        text: include_str!("../../docs/src/online.md"),
    },
    Page {
        subject: Subject::Shifts,
        path: "docs/src/scenario.md",
        text: include_str!("../../docs/src/scenario.md"),
    },
    Page {
        subject: Subject::Columns,
        path: "docs/src/your-own-results.md",
        text: include_str!("../../docs/src/your-own-results.md"),
    },
];

/// How the first column of a table is headed whose rows are named things.
fn heads(subject: Subject, heading: &str, first: &str) -> bool {
    match subject {
        Subject::Metrics => first == "metric",
        Subject::Routers => ["kind", "model", "name"].contains(&first),
        Subject::Shifts => heading.contains("[[shift]]"),
        Subject::Columns => first == "column",
    }
}

/// The columns that say in short what a thing is.
const IN_SHORT: [&str; 7] =
    ["does", "predicts", "what it does", "chooses", "formula", "what changes", "says"];

/// A thing with a name: a row of a table, or a section whose heading names it.
struct Entry {
    subject: Subject,
    path: &'static str,
    section: String,
    names: Vec<String>,
    /// What is said of it, by the heading of the column.
    said: Vec<(String, String)>,
}

impl Entry {
    /// What it is in short.
    fn in_short(&self) -> &str {
        let found = IN_SHORT.iter().find_map(|title| self.said.iter().find(|(known, _)| known == title));
        found.or(self.said.first()).map_or("", |(_, words)| words)
    }
}

/// The cells of a row of Markdown.
fn cells(line: &str) -> Vec<String> {
    let inner = line.trim().trim_start_matches('|').trim_end_matches('|').replace("\\|", "\0");
    inner.split('|').map(|cell| cell.trim().replace('\0', "|")).collect()
}

/// The words in backticks.
fn names(words: &str) -> Vec<String> {
    words.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Everything that the pages name.
fn entries() -> Vec<Entry> {
    PAGES.iter().flat_map(of_page).collect()
}

fn of_page(page: &Page) -> Vec<Entry> {
    let Page { subject, path, text } = *page;
    let mut found: Vec<Entry> = Vec::new();
    let (mut heading, mut columns) = ("", None::<Vec<String>>);
    // The paragraphs and tables below a heading that is itself a name.
    let mut named: Option<Entry> = None;
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            found.extend(named.take());
            (heading, columns) = (title, None);
            if subject == Subject::Routers && title.starts_with('`') {
                let names = names(title);
                named = Some(Entry { subject, path, section: title.to_owned(), names, said: Vec::new() });
            }
        } else if line.starts_with('|') {
            let cells = cells(line);
            let is_rule = cells.iter().all(|cell| cell.chars().all(|letter| "-:".contains(letter)));
            match &columns {
                None => columns = Some(cells),
                Some(_) if is_rule => {}
                Some(titles) if heads(subject, heading, titles[0].trim_matches('`')) => {
                    let said = titles.iter().zip(&cells).skip(1).filter(|(_, cell)| !cell.is_empty());
                    let said = said.map(|(title, cell)| (plain(title), plain(cell))).collect();
                    let (section, names) = (heading.to_owned(), names(&cells[0]));
                    found.push(Entry { subject, path, section, names, said });
                }
                Some(titles) => {
                    if let Some(entry) = &mut named {
                        let said = titles.iter().zip(&cells).skip(1).filter(|(_, cell)| !cell.is_empty());
                        let said: Vec<String> =
                            said.map(|(title, cell)| format!("{} {}", plain(title), plain(cell))).collect();
                        entry.said.push((plain(&cells[0]), said.join("; ")));
                    }
                }
            }
        } else {
            columns = None;
            if let Some(entry) = named.as_mut().filter(|_| !line.is_empty()) {
                match entry.said.iter_mut().find(|(title, _)| title == "does") {
                    Some((_, words)) => *words = format!("{words} {}", plain(line)),
                    None => entry.said.push(("does".to_owned(), plain(line))),
                }
            }
        }
    }
    found.extend(named);
    found
}

/// Words without the marks of Markdown: emphasis, and of a link its text alone.
fn plain(words: &str) -> String {
    let mut text = String::new();
    let mut rest = words;
    while let Some((before, after)) = rest.split_once("](") {
        let Some((target, behind)) = after.split_once(')') else { break };
        let start = before.rfind('[').unwrap_or(0);
        text.push_str(&before[..start]);
        text.push_str(before[start..].trim_start_matches('['));
        let _ = target;
        rest = behind;
    }
    text.push_str(rest);
    text.replace("**", "").trim().to_owned()
}

/// A paragraph of lines that a terminal has room for, indented by so many columns in its first line and in the others.
pub(super) fn wrapped([first, others]: [usize; 2], words: &str) -> String {
    const WIDTH: usize = 80;
    let (mut text, mut line) = (String::new(), " ".repeat(first));
    for (at, word) in words.split_whitespace().enumerate() {
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            text.push_str(&std::mem::replace(&mut line, " ".repeat(others)));
            text.push('\n');
        } else if at > 0 {
            line.push(' ');
        }
        line.push_str(word);
    }
    text + &line
}

/// What the program's own table says of a metric.
fn facts(metric: &Metric) -> Vec<(&'static str, String)> {
    let unit = match metric.unit {
        Unit::Score => "score",
        Unit::Share => "a share, shown in per cent",
        Unit::UsdPerPrompt => "US dollars a prompt, shown per 1,000 prompts",
        Unit::UsdPer1000 => "US dollars per 1,000 prompts",
        Unit::Number => "a number",
        Unit::Count => "a count",
    };
    let better = match metric.better {
        Better::Higher => "higher is better",
        Better::Lower => "lower is better",
        Better::Neither => "neither end is better",
    };
    let need = |need: &Need| match need {
        Need::Costs => "costs",
        Need::Preferences => "a policy that follows preferences",
        Need::Pair => "a pool of two candidates",
        Need::Router => "a router of the scenario",
        Need::Rivals => "the points of all routers and models",
        Need::Choices => "a router's choices",
        Need::Sessions => "a scenario with `[session]`",
        Need::Variants => "a suite with `variant_of`",
    };
    let mut facts = vec![("unit", format!("{unit}; {better}; `{}` in tables", metric.title))];
    if !metric.needs.is_empty() {
        facts.push(("needs", metric.needs.iter().map(need).collect::<Vec<_>>().join(", ")));
    }
    if metric.missing != Missing::Undefined {
        facts.push((
            "missing",
            "means that the score is not reached, which is worse than any value".to_owned(),
        ));
    }
    if metric.is_headline {
        facts.push(("sure", "has 95 % intervals and tests; may be `[evidence] primary`".to_owned()));
    }
    facts
}

pub(super) fn explain(arguments: &ExplainArguments) -> Result<ExitCode> {
    let entries = entries();
    let mut blocks = Vec::new();
    for name in &arguments.names {
        let of_name = named(&entries, name);
        if of_name.is_empty() {
            let all = || entries.iter().flat_map(|entry| &entry.names).map(String::as_str);
            let near = suggestion(name, all());
            let hint = "; `list metrics`, `list routers`, `list shifts`, and `list columns` have all names";
            let near = if near.is_empty() { hint.to_owned() } else { near };
            return Err(Error::Usage(format!("nothing is called `{name}`{near}")));
        }
        blocks.extend(of_name.iter().map(|(name, entry)| block(name, entry)));
    }
    say(&blocks.join("\n\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// What is called so: by its name, in any case, or, of a metric, by its title in tables.
fn named<'e>(entries: &'e [Entry], wanted: &str) -> Vec<(&'e str, &'e Entry)> {
    let is_same = |name: &str| name.eq_ignore_ascii_case(wanted);
    let by = |is_it: &dyn Fn(&Entry, &str) -> bool| -> Vec<(&'e str, &'e Entry)> {
        let of_entry = |entry: &'e Entry| {
            entry.names.iter().find(|name| is_it(entry, name)).map(|name| (name.as_str(), entry))
        };
        entries.iter().filter_map(of_entry).collect()
    };
    // Without case, blanks, and signs, and without the unit behind a comma.
    let key = |title: &str| -> String {
        let bare = title.split(", ").next().unwrap_or(title);
        bare.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let is_title = |entry: &Entry, name: &str| {
        let has = |metric: &Metric| {
            [metric.title, metric.short_title].iter().any(|title| key(title) == key(wanted))
        };
        entry.subject == Subject::Metrics && metric(name).is_some_and(has) && !key(wanted).is_empty()
    };
    let by_name = by(&|_, name| is_same(name));
    if by_name.is_empty() { by(&is_title) } else { by_name }
}

fn block(name: &str, entry: &Entry) -> String {
    let Entry { subject, path, section, said, .. } = entry;
    let mut lines = vec![format!("{name}: {}", plain(section))];
    let mut line = |title: &str, words: &str| lines.push(wrapped([2, 4], &format!("{title}: {words}")));
    said.iter().for_each(|(title, words)| line(title, words));
    if let Some(metric) = metric(name).filter(|_| *subject == Subject::Metrics) {
        facts(metric).iter().for_each(|(title, words)| line(title, words));
        line("letters", &notation());
    }
    line("more", path);
    lines.join("\n")
}

/// What the letters of formulas stand for.
fn notation() -> String {
    let paragraphs = PAGES[0].text.split("\n\n");
    let found = paragraphs.into_iter().find_map(|paragraph| paragraph.strip_prefix("Notation: "));
    plain(found.unwrap_or_default())
}

/// The names of a subject, each with what it is in short.
pub(super) fn list(subject: Subject) -> Result<ExitCode> {
    let entries = entries();
    let of_subject: Vec<&Entry> = entries.iter().filter(|entry| entry.subject == subject).collect();
    let (mut text, mut section) = (String::new(), "");
    for entry in of_subject {
        if entry.section != section {
            section = &entry.section;
            text.push_str(&format!("{}{}\n", if text.is_empty() { "" } else { "\n" }, plain(section)));
        }
        for name in &entry.names {
            let short = entry.in_short();
            let line = format!("  {name:<22} {short}");
            let end = line.char_indices().nth(79).map_or(line.len(), |(end, _)| end);
            let more = if end < line.len() { "\u{2026}" } else { "" };
            text.push_str(&format!("{}{more}\n", line[..end].trim_end()));
        }
    }
    say(&format!("{text}\n`llm-bandit explain NAME` says more of each"))?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_markdown_are_left_out_and_lines_end_in_time() {
        assert_eq!(plain("a **b** [c d](e.md#f), `g`"), "a b c d, `g`");
        let text = wrapped([2, 4], &"word ".repeat(40));
        assert!(text.lines().all(|line| line.len() <= 80) && text.lines().count() == 3, "{text}");
        assert!(text.starts_with("  word") && text.contains("word\n    word"), "{text}");
        assert_eq!(cells("| `a` | b \\| c | |"), ["`a`", "b | c", ""]);
    }

    #[test]
    fn titles_of_tables_and_names_in_any_case_are_explained() {
        let entries = entries();
        let first = |name: &str| named(&entries, name).first().map(|(name, _)| *name);
        assert_eq!((first("AIQ"), first("KNN")), (Some("aiq"), Some("knn")));
        for metric in llm_bandit::metrics::METRICS {
            let found = named(&entries, metric.title);
            assert!(
                found.iter().any(|(name, _)| *name == metric.name || *name == metric.title),
                "{}",
                metric.title
            );
        }
        assert_eq!(first("nothing of the kind"), None);
    }

    #[test]
    fn every_metric_has_a_formula() {
        let entries = entries();
        for metric in llm_bandit::metrics::METRICS {
            let entry = entries.iter().find(|entry| entry.names.iter().any(|name| name == metric.name));
            let entry = entry.expect(metric.name);
            assert!(entry.said.iter().any(|(title, _)| title == "formula"), "{}", metric.name);
        }
    }
}
