//! Every format of a report shows the same numbers and the same winners.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

use std::collections::BTreeMap;
use std::path::Path;

use llm_bandit::evaluate::{judge, summarise};
use llm_bandit::report::render;
use llm_bandit::run::run;
use llm_bandit::scenario::Scenario;
use llm_bandit::suite;

const TINY: &str = include_str!("../scenarios/ci/tiny.toml");
const PAIR: &str = include_str!("../scenarios/ci/pair.toml");

/// The columns of the main table: metric, unit, decimals.
const COLUMNS: [(&str, f64, usize); 6] = [
    ("aiq", 1.0, 4),
    ("normalised-utility", 1.0, 4),
    ("score-at-w0", 1.0, 4),
    ("qnc", 100.0, 1),
    ("cost-share-at-99", 100.0, 1),
    ("saving-at-99", 100.0, 1),
];

/// The text files of a scenario's report.
fn report(scenario: &str) -> BTreeMap<&'static str, String> {
    let scenario = Scenario::parse(Path::new("scenario.toml"), scenario).unwrap();
    let record = run(&scenario, suite::find(&scenario.suite, &[]).unwrap(), &|_| {}).unwrap();
    let summary = summarise(&record);
    let verdicts = judge(&record, &summary).unwrap();
    let files = render(&record, &summary, &verdicts).into_iter();
    files.filter_map(|(name, bytes)| Some((name, String::from_utf8(bytes).ok()?))).collect()
}

/// A table by policy: each cell as a mean, its spread in brackets or behind a sign, and `*` for the best or `+` for those as
/// good.
type Table = BTreeMap<String, Vec<String>>;

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(start).unwrap();
    rest.split_once(end).unwrap().0
}

fn markdown(text: &str) -> Table {
    let rows = between(text, "## Routers\n", "\nMeans over").lines().filter(|line| line.starts_with("| "));
    let row = |line: &str| {
        let mut cells = line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned());
        let name = cells.next().unwrap();
        let plain = |cell: String| {
            let mark = if cell.starts_with("**") {
                "*"
            } else if cell.contains('\u{2020}') {
                "+"
            } else {
                ""
            };
            cell.replace("**", "").replace('\u{2020}', "") + mark
        };
        (name, cells.map(plain).collect::<Vec<_>>())
    };
    rows.skip(1).map(row).filter(|(name, _)| name != "*bounds*").collect()
}

fn latex(text: &str) -> Table {
    let body = between(text, "\\midrule\n", "\\bottomrule");
    let mut table = Table::new();
    let mut last = String::new();
    for line in body.lines().filter(|line| line.ends_with("\\\\")) {
        let mut cells = line.trim_end_matches("\\\\").split('&').map(str::trim);
        let name = cells.next().unwrap();
        if !name.is_empty() {
            last = name.to_owned();
        }
        let plain = |cell: &str| {
            let mark = if cell.contains("\\textbf") {
                "*"
            } else if cell.contains("\\dagger") {
                "+"
            } else {
                ""
            };
            let mut cell = cell.replace("\\rlap{$^\\dagger$}", "").replace("$\\pm$", "\u{b1}");
            for noise in ["\\textbf", "\\scriptsize", "{", "}", "$"] {
                cell = cell.replace(noise, "");
            }
            let cell = cell.replace("\\infty", "\u{221e}").replace("--", "\u{2013}");
            (cell, mark)
        };
        for (at, (cell, mark)) in cells.map(plain).enumerate() {
            let row = table.entry(last.clone()).or_default();
            match row.get_mut(at) {
                None => row.push(cell + mark),
                Some(mean) if cell.is_empty() => assert!(!mean.is_empty()),
                // The spread stands below the mean.
                Some(mean) => {
                    let (value, mark) = match mean.trim_end_matches(['*', '+']) {
                        value if value.len() < mean.len() => (value, mean[value.len()..].to_owned()),
                        value => (value, String::new()),
                    };
                    *mean = format!("{value} {cell}{mark}");
                }
            }
        }
    }
    table
}

fn html(text: &str) -> Table {
    let table = between(text, "<tbody>\n", "</table>");
    let row = |row: &str| {
        let (heading, cells) = row.split_once("</th>").unwrap();
        let cells = cells.split("<td ").skip(1).map(|cell| {
            let mark = if cell.starts_with("class=\"n best\"") {
                "*"
            } else if cell.contains("\u{2020}") {
                "+"
            } else {
                ""
            };
            let (_, cell) = cell.split_once('>').unwrap();
            let cell = cell.replace("<sup>\u{2020}</sup>", "").replace("<small>", " ");
            cell.split("</").next().unwrap().to_owned() + mark
        });
        (heading.rsplit('>').next().unwrap().to_owned(), cells.collect())
    };
    table.split("<tr>").skip(1).map(row).collect()
}

/// Means and bounds of `summary.csv` by policy and metric.
fn summary_csv(text: &str) -> BTreeMap<(String, String), [Option<f64>; 3]> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let rows = reader.records().map(|row| row.unwrap()).filter(|row| &row[3] == "all");
    rows.map(|row| ((row[1].to_owned(), row[2].to_owned()), [4, 5, 6].map(|column| row[column].parse().ok())))
        .collect()
}

#[test]
fn every_format_to_read_shows_the_same_numbers_and_winners() {
    for scenario in [TINY, PAIR] {
        let files = report(scenario);
        let table = markdown(&files["report.md"]);
        assert_eq!(table, latex(&files["report.tex"]));
        assert_eq!(table, html(&files["report.html"]));
        assert!(table.values().flatten().any(|cell| cell.ends_with('*')), "somebody is best");
    }
}

#[test]
fn tables_show_what_the_files_for_programs_hold() {
    let files = report(TINY);
    let rows = summary_csv(&files["summary.csv"]);
    let mut n_intervals = 0;
    for (policy, cells) in markdown(&files["report.md"]) {
        for ((metric, scale, decimals), cell) in COLUMNS.iter().zip(&cells) {
            let shown = |value: f64| format!("{:.decimals$}", value * scale);
            let Some([Some(mean), low, high]) = rows.get(&(policy.clone(), (*metric).to_owned())) else {
                assert!(["not reached", "\u{2013}"].contains(&cell.as_str()), "{policy} {metric}: {cell}");
                continue;
            };
            assert!(cell.starts_with(&shown(*mean)), "{policy} {metric}: {cell}, {mean}");
            if let (Some(low), Some(high)) = (low, high)
                && low.is_finite()
                && high.is_finite()
            {
                assert!(
                    cell.contains(&format!(" [{}, {}]", shown(*low), shown(*high))),
                    "{policy} {metric}: {cell}"
                );
                assert!(low <= high, "{policy} {metric}");
                n_intervals += 1;
            }
        }
    }
    assert!(n_intervals > 20, "{n_intervals}");
    let json: serde_json::Value = serde_json::from_str(&files["summary.json"]).unwrap();
    assert_eq!(json["schema-version"], 1);
    for policy in json["policies"].as_array().unwrap() {
        for (metric, entry) in policy["metrics"].as_object().unwrap() {
            let [mean, low, high] = rows[&(policy["name"].as_str().unwrap().to_owned(), metric.clone())];
            assert_eq!(entry["mean"].as_f64(), mean, "{metric}");
            assert_eq!(entry["interval"]["low"].as_f64(), low.filter(|low| low.is_finite()), "{metric}");
            assert_eq!(entry["interval"]["high"].as_f64(), high.filter(|high| high.is_finite()), "{metric}");
        }
    }
}

#[test]
fn comparisons_are_the_same_in_every_format() {
    let files = report(TINY);
    let json: serde_json::Value = serde_json::from_str(&files["summary.json"]).unwrap();
    let comparisons = json["evidence"]["comparisons"].as_array().unwrap();
    let mut reader = csv::Reader::from_reader(files["comparisons.csv"].as_bytes());
    let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.unwrap()).collect();
    assert_eq!(rows.len(), comparisons.len());
    for (row, comparison) in rows.iter().zip(comparisons) {
        assert_eq!(
            (&row[1], &row[3]),
            (comparison["router"].as_str().unwrap(), comparison["metric"].as_str().unwrap())
        );
        assert_eq!(row[5].parse::<f64>().ok(), comparison["difference"].as_f64());
        assert_eq!(row[9].parse::<f64>().ok(), comparison["adjusted-p"].as_f64());
        if &row[4] == "true" {
            let [difference, low, high] = [5, 6, 7].map(|column| row[column].parse::<f64>().unwrap());
            let sign = if difference > 0.0 { "+" } else { "" };
            let shown = format!("| {} | {sign}{difference:.4} [{low:.4}, {high:.4}] |", &row[1]);
            assert!(files["report.md"].contains(&shown), "{shown}");
        }
    }
}
