//! `report.html` needs nothing else, is well formed whatever things are called, and stays small.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

use std::path::Path;

use llm_bandit::evaluate::{judge, summarise};
use llm_bandit::report::render;
use llm_bandit::run::run;
use llm_bandit::scenario::Scenario;
use llm_bandit::suite::Suite;
use llm_bandit::suite::synthetic::SyntheticSettings;

/// Elements without an end tag.
const VOID: [&str; 4] = ["meta", "input", "br", "img"];
const MOST_BYTES: usize = 2_000_000;
/// A name that breaks out of text, attributes, and script elements that are not escaped.
const HOSTILE: &str = "</script><img src=x onerror=alert(1)>'\"&<!--";

fn suite(settings: SyntheticSettings) -> Suite {
    settings.generate().unwrap().suite
}

fn html(suite: &Suite, scenario: &str) -> String {
    let text = format!("description = \"d\"\nsuite = \"s\"\n{scenario}");
    let scenario = Scenario::parse(Path::new("s.toml"), &text).unwrap();
    let record = run(&scenario, suite.clone(), &|_| {}).unwrap();
    let summary = summarise(&record);
    let verdicts = judge(&record, &summary).unwrap();
    let files = render(&record, &summary, &verdicts);
    let (_, bytes) = files.into_iter().find(|(name, _)| *name == "report.html").unwrap();
    String::from_utf8(bytes).unwrap()
}

fn small(routers: &str) -> String {
    format!("[preferences]\nlow = 0.01\nhigh = 100.0\ncount = 5\n[evidence]\nresamples = 200\n{routers}")
}

const ROUTERS: &str = "[[router]]\nkind = \"random\"\n[[router]]\nkind = \"predictor\"\nmodel = \"knn\"\n";

/// The markup with the content of style and script elements taken out.
fn markup(page: &str) -> String {
    let mut markup = String::new();
    let mut rest = page;
    while let Some((before, element)) = ["<style", "<script"]
        .into_iter()
        .filter_map(|start| rest.find(start).map(|at| rest.split_at(at)))
        .min_by_key(|(before, _)| before.len())
    {
        let name = if element.starts_with("<style") { "style" } else { "script" };
        let (start, content) = element.split_once('>').unwrap();
        let (_, after) = content.split_once(&format!("</{name}>")).unwrap();
        markup.extend([before, start, "></", name, ">"]);
        rest = after;
    }
    markup + rest
}

/// The tags of well-formed markup, with their attributes.
///
/// # Panics
/// If an element is not ended, or not in order.
fn tags(markup: &str) -> Vec<&str> {
    let mut open = Vec::new();
    let mut tags = Vec::new();
    for piece in markup.split('<').skip(1) {
        let (tag, text) = piece.split_once('>').unwrap();
        assert!(!text.contains('>') && tag.matches('"').count() % 2 == 0, "{piece}");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "{piece}");
            continue;
        }
        let name = tag.split([' ', '/']).next().unwrap();
        if !VOID.contains(&name) && !tag.ends_with('/') && name != "!DOCTYPE" {
            open.push(name);
        }
        tags.push(tag);
    }
    assert!(open.is_empty(), "{open:?}");
    tags
}

fn check(page: &str) {
    let markup = markup(page);
    for tag in tags(&markup) {
        // Every second piece is a quoted value, which may hold any words.
        let outside: String = tag.split('"').step_by(2).collect();
        assert!(!outside.contains(" src=") && !outside.contains(" on"), "{tag}");
        assert!(!tag.starts_with("link") && !tag.starts_with("img"), "{tag}");
        if let Some((_, target)) = tag.split_once("href=\"") {
            assert!(target.starts_with('#'), "{tag}");
        }
    }
    for loads in ["@import", "url(", "fetch(", "XMLHttpRequest", "import("] {
        assert!(!page.contains(loads), "{loads}");
    }
    assert!(page.contains("default-src 'none'"), "a browser is told to load nothing");
    let ids: Vec<&str> = markup.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let mut distinct = ids.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(ids.len(), distinct.len(), "{ids:?}");
    for tag in tags(&markup) {
        for reference in ["href=\"#", "aria-labelledby=\"", " for=\""] {
            let target = tag.split_once(reference).map(|(_, rest)| rest.split('"').next().unwrap());
            assert!(target.is_none_or(|target| ids.contains(&target)), "{tag}");
        }
    }
}

#[test]
fn a_page_is_well_formed_and_loads_nothing() {
    let settings = SyntheticSettings { n_prompts: 200, n_models: 4, seed: 1, ..SyntheticSettings::default() };
    check(&html(&suite(settings), &small(ROUTERS)));
}

#[test]
fn no_name_of_a_model_or_a_benchmark_becomes_markup() {
    let settings = SyntheticSettings { n_prompts: 200, n_models: 4, seed: 1, ..SyntheticSettings::default() };
    let mut suite = suite(settings);
    suite.models[1].id = HOSTILE.to_owned();
    suite.benchmarks[0] = HOSTILE.to_owned();
    let page = html(&suite, &small(ROUTERS));
    check(&page);
    assert!(page.contains("&lt;/script&gt;&lt;img src=x"), "the name is shown as it is");
}

#[test]
fn a_large_scenario_is_a_small_page() {
    let settings = SyntheticSettings {
        n_prompts: 1500,
        n_models: 40,
        n_benchmarks: 60,
        seed: 2,
        ..SyntheticSettings::default()
    };
    let labels: Vec<String> =
        (0..20).map(|at| format!("[[router]]\nkind = \"random\"\nlabel = \"r{at}\"\n")).collect();
    let head = "[preferences]\nlow = 0.005\nhigh = 1000.0\ncount = 61\n[evidence]\nresamples = 200\n";
    let page = html(&suite(settings), &(head.to_owned() + &labels.concat()));
    assert!(page.len() < MOST_BYTES, "{} bytes", page.len());
    assert!(page.len() > MOST_BYTES / 4, "{} bytes are no test of the bound", page.len());
}
