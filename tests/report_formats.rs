//! What reports look like in every format, and that the files for programs agree with each other.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

use std::collections::BTreeMap;
use std::path::Path;

use crate::common::snapshot::assert_snapshot;
use llm_bandit::evaluate::{judge, summarise};
use llm_bandit::report::{overview, render};
use llm_bandit::run::run;
use llm_bandit::scenario::Scenario;
use llm_bandit::suite;

const TINY: &str = include_str!("../scenarios/ci/tiny.toml");
const PAIR: &str = include_str!("../scenarios/ci/pair.toml");
const UNSEEN: &str = include_str!("../scenarios/ci/unseen.toml");

/// The text files of a scenario's report, and the table for the terminal under `terminal`.
fn report(name: &str, scenario: &str) -> BTreeMap<&'static str, String> {
    let scenario = Scenario::parse(Path::new(&format!("{name}.toml")), scenario).unwrap();
    let record = run(&scenario, suite::find(&scenario.suite, &[]).unwrap(), &|_| {}).unwrap();
    let summary = summarise(&record);
    let verdicts = judge(&record, &summary).unwrap();
    let files = render(&record, &summary, &verdicts).into_iter();
    let texts = files.filter_map(|(name, bytes)| Some((name, String::from_utf8(bytes).ok()?)));
    texts.chain([("terminal", overview(&record, &summary))]).collect()
}

/// The text without what stands from each `start` to the next `end`.
fn without(text: &str, start: &str, end: &str) -> String {
    let mut pieces = text.split(start);
    let mut shown = pieces.next().unwrap().to_owned();
    pieces.for_each(|piece| shown.push_str(piece.split_once(end).unwrap().1));
    shown
}

/// A page without styles, script, and pictures, and without the numbers behind the digits that it shows.
fn words_of_page(page: &str) -> String {
    let hidden = [
        ("<style", "</style>\n"),
        ("<script", "</script>\n"),
        ("<svg", "</svg>"),
        (" data-v=\"", "\""),
        ("<pre><code>{", "</code></pre>"),
    ];
    hidden.iter().fold(page.to_owned(), |page, (start, end)| without(&page, start, end))
}

/// Means of one router and one bound over all replicates, with six decimals.
fn rows_of_summary(text: &str) -> String {
    let is_shown = |line: &&str| {
        let policy = line.split(',').nth(1).unwrap();
        line.contains(",all,") && ["linear", "zero-router"].contains(&policy)
    };
    let rounded =
        |cell: &str| cell.parse::<f64>().map_or_else(|_| cell.to_owned(), |value| format!("{value:.6}"));
    let row = |line: &str| line.split(',').map(rounded).collect::<Vec<String>>().join(",");
    let (header, rows) = text.split_once('\n').unwrap();
    let rows = rows.lines().filter(is_shown).map(row);
    [header.to_owned()].into_iter().chain(rows).collect::<Vec<String>>().join("\n")
}

/// Means and bounds of `summary.csv` by policy and metric.
fn summary_csv(text: &str) -> BTreeMap<(String, String), [Option<f64>; 3]> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let rows = reader.records().map(|row| row.unwrap()).filter(|row| &row[4] == "all");
    rows.map(|row| ((row[1].to_owned(), row[3].to_owned()), [5, 6, 7].map(|column| row[column].parse().ok())))
        .collect()
}

#[test]
fn a_report_looks_as_it_was_reviewed() {
    let files = report("tiny", TINY);
    assert_snapshot("tiny-terminal", &files["terminal"]);
    assert_snapshot("tiny-report.md", &files["report.md"]);
    assert_snapshot("tiny-report.tex", &files["report.tex"]);
    assert_snapshot("tiny-report.html", &words_of_page(&files["report.html"]));
    assert_snapshot("tiny-summary.csv", &rows_of_summary(&files["summary.csv"]));
}

#[test]
fn a_report_on_a_pair_looks_as_it_was_reviewed() {
    let files = report("pair", PAIR);
    assert_snapshot("pair-terminal", &files["terminal"]);
    assert_snapshot("pair-report.md", &files["report.md"]);
    assert_snapshot("pair-report.tex", &files["report.tex"]);
}

#[test]
fn a_report_on_unseen_models_looks_as_it_was_reviewed() {
    assert_snapshot("unseen-report.md", &report("unseen", UNSEEN)["report.md"]);
}

#[test]
fn files_for_programs_hold_the_same_numbers() {
    let files = report("tiny", TINY);
    let rows = summary_csv(&files["summary.csv"]);
    let json: serde_json::Value = serde_json::from_str(&files["summary.json"]).unwrap();
    assert_eq!(json["schema-version"], 1);
    let mut n_intervals = 0;
    for policy in json["policies"].as_array().unwrap() {
        for (metric, entry) in policy["metrics"].as_object().unwrap() {
            let [mean, low, high] = rows[&(policy["name"].as_str().unwrap().to_owned(), metric.clone())];
            assert_eq!(entry["mean"].as_f64(), mean, "{metric}");
            assert_eq!(entry["interval"]["low"].as_f64(), low.filter(|low| low.is_finite()), "{metric}");
            assert_eq!(entry["interval"]["high"].as_f64(), high.filter(|high| high.is_finite()), "{metric}");
            n_intervals += usize::from(low.zip(high).is_some_and(|(low, high)| low <= high));
        }
    }
    assert!(n_intervals > 20, "{n_intervals}");
}

#[test]
fn comparisons_are_the_same_in_every_file() {
    let files = report("tiny", TINY);
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
    }
}

#[test]
fn the_metric_declared_primary_is_the_first_column_and_leads_the_headline() {
    for (metric, title, most) in [
        ("expected-utility", "expected utility", "highest"),
        ("cost-at-w0-usd", "cost at w = 0, USD per 1,000 prompts", "lowest"),
    ] {
        let files = report("tiny", &format!("{TINY}\n[evidence]\nprimary = \"{metric}\"\nresamples = 200\n"));
        assert!(
            files["report.md"].contains(&format!("\n| router | {title} | AIQ |")),
            "{}",
            files["report.md"]
        );
        assert!(files["report.tex"].contains(&format!("router\n& {title}\n")), "{}", files["report.tex"]);
        let page = words_of_page(&files["report.html"]);
        let (_, headline) = page.split_once("<h1>").unwrap();
        let (headline, rest) = headline.split_once("</h1>").unwrap();
        let is_led = headline.contains(&format!("has the {most} {title}"))
            || headline.contains(&format!("is the best of 5 routers by {title}"));
        assert!(is_led, "{headline}");
        assert!(rest.contains(&format!("Its {title} is ")), "{rest}");
    }
}
