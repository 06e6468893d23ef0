//! Runs under a price book, and finished records under another one.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Output;

use llm_bandit::evaluate::summarise;
use llm_bandit::record::Record;
use llm_bandit::record::reprice;
use llm_bandit::run::run;
use llm_bandit::scenario::Scenario;
use llm_bandit::suite::Suite;
use llm_bandit::suite::prices::PriceBook;
use llm_bandit::suite::synthetic::SyntheticSettings;

use crate::common::program::llm_bandit;

/// Routers whose choices do not depend on any price.
const INDIFFERENT: &str = "[[router]]\nkind = \"random\"\n[[router]]\nkind = \"single\"\nchoose = \"best\"\n";
const LINEAR: &str = "[[router]]\nkind = \"predictor\"\nmodel = \"linear\"\n";
const TINY: &str = include_str!("../scenarios/ci/tiny.toml");

fn suite() -> Suite {
    let settings = SyntheticSettings { n_prompts: 200, n_models: 4, ..SyntheticSettings::default() };
    let mut suite = settings.generate().unwrap().suite;
    // Token counts that are not all alike, so that a change of prices is no change of scale.
    for prompt in 0..200 {
        for model in 0..4 {
            let [input, output] = [50 + 7 * (prompt % 13), 20 + (prompt * (model + 3)) % 90];
            suite.outcomes.input_tokens.set(prompt, model, Some(input as f64));
            suite.outcomes.output_tokens.set(prompt, model, Some(output as f64));
            let cost = suite.models[model].list_cost_usd(input as f64, output as f64);
            suite.outcomes.cost_usd.set(prompt, model, cost.or(Some(0.001 * (model + 1) as f64)));
        }
    }
    suite
}

/// A book with these input and output prices of the models that have any.
fn book(names: &[String], prices: &[Option<[f64; 2]>]) -> String {
    let mut text = "unit = \"USD per 1M tokens\"\nhypothetical = true\n".to_owned();
    for (name, prices) in names.iter().zip(prices) {
        if let Some([input, output]) = prices {
            text.push_str(&format!(
                "[[model]]\nname = \"{name}\"\nvendor = \"v\"\nprice = [\n    {{ from = \"2024-01-01\", input = {input}, \
                 output = {output}, source = \"s\" }},\n    {{ from = \"2025-01-01\", input = {}, output = {}, source = \"s\" \
                 }},\n]\n",
                2.0 * input,
                2.0 * output
            ));
        }
    }
    text
}

fn names(suite: &Suite) -> Vec<String> {
    suite.models.iter().map(|model| model.id.clone()).collect()
}

const PRICES: [Option<[f64; 2]>; 4] =
    [Some([0.5, 1.5]), Some([10.0, 30.0]), Some([0.2, 0.2]), Some([3.0, 15.0])];

fn scenario(cost: &str, routers: &str) -> Scenario {
    let text = format!("description = \"d\"\nsuite = \"s\"\nreplicates = 2\n{cost}\n{routers}");
    Scenario::parse(Path::new("s.toml"), &text).unwrap()
}

fn record(cost: &str, routers: &str, suite: Suite) -> Record {
    run(&scenario(cost, routers), suite, &|_| {}).unwrap()
}

fn assert_same_numbers(a: &Record, b: &Record) {
    let [a, b] = [a, b].map(summarise);
    assert_eq!(a.rows.len(), b.rows.len());
    let mut n_compared = 0;
    for (a, b) in a.rows.iter().zip(&b.rows) {
        for (one, other) in a.values.iter().zip(&b.values) {
            let is_near = match (one, other) {
                (Some(one), Some(other)) => (one - other).abs() <= 1e-9 * one.abs().max(1.0),
                (one, other) => one.is_none() && other.is_none(),
            };
            assert!(is_near, "{} {}: {one:?} and {other:?}", a.policy, a.metric.name);
            n_compared += 1;
        }
    }
    assert!(n_compared > 100);
}

#[test]
fn a_repriced_record_gives_the_numbers_of_a_run_under_that_book_where_no_choice_depends_on_prices() {
    let (suite, folder) = (suite(), tempfile::tempdir().unwrap());
    let path = folder.path().join("prices.toml");
    fs::write(&path, book(&names(&suite), &PRICES)).unwrap();
    let cost = format!("[cost]\nprices = \"{}\"\nprices-date = \"2024-06-01\"", path.display());
    let under = record(&cost, INDIFFERENT, suite.clone());
    let own = record("", INDIFFERENT, suite);
    assert_ne!(own.cost_usd, under.cost_usd);
    let book = PriceBook::read(&path).unwrap();
    let repriced = reprice(&own, &book, Some("2024-06-01".parse().unwrap())).unwrap();
    assert_eq!(repriced.cost_usd, under.cost_usd);
    assert_eq!(repriced.manifest.suite.list_prices, under.manifest.suite.list_prices);
    assert_eq!(repriced.manifest.suite.priced_by, under.manifest.suite.priced_by);
    assert_same_numbers(&repriced, &under);
    // On another day everything costs twice as much, so utilities and shares are the same.
    let later = reprice(&repriced, &book, None).unwrap();
    let [unit, later_unit] = [&repriced, &later].map(|record| record.manifest.replicates[0].cost_unit_usd);
    assert!((later_unit / unit - 2.0).abs() < 1e-12);
    assert_eq!(later.manifest.suite.repriced.unwrap().chosen_under, None);
}

#[test]
fn repricing_keeps_choices_and_what_training_cost_and_reads_back_as_it_was_written() {
    let suite = suite();
    let own = record("", LINEAR, suite.clone());
    let book = PriceBook::parse(Path::new("p.toml"), &book(&names(&suite), &PRICES)).unwrap();
    let repriced = reprice(&own, &book, None).unwrap();
    assert_eq!(repriced.choices, own.choices);
    assert_eq!(repriced.score, own.score);
    assert_eq!(repriced.tokens, own.tokens);
    let [old, new] = [&own, &repriced].map(|record| &record.manifest.replicates[1]);
    assert_eq!(old.routers, new.routers);
    assert_eq!(old.development_score, new.development_score);
    // By hand: 2 x list price of the first day, on the mean tokens of the development prompts.
    for (model, prices) in PRICES.iter().enumerate() {
        let [input, output] = new.development_tokens[model].unwrap();
        let [price_in, price_out] = prices.unwrap();
        let expected = 2.0 * (price_in * input + price_out * output) / 1e6;
        assert!((new.development_cost_usd[model] - expected).abs() < 1e-15);
    }
    assert_eq!(new.cost_unit_usd, new.development_cost_usd[1]);
    let folder = tempfile::tempdir().unwrap();
    repriced.write(folder.path()).unwrap();
    assert_eq!(Record::read(folder.path()).unwrap(), repriced);
}

#[test]
fn where_development_tokens_are_not_known_the_old_mean_is_scaled_and_named() {
    let suite = suite();
    let mut own = record("", INDIFFERENT, suite.clone());
    let book = PriceBook::parse(Path::new("p.toml"), &book(&names(&suite), &PRICES)).unwrap();
    let whole = reprice(&own, &book, None).unwrap();
    own.manifest.replicates[1].development_tokens[2] = None;
    let repriced = reprice(&own, &book, None).unwrap();
    assert_eq!(repriced.manifest.suite.repriced.as_ref().unwrap().scaled, [suite.models[2].id.clone()]);
    let mean = |record: &Record| record.manifest.replicates[1].development_cost_usd[2];
    let sum = |record: &Record| -> f64 {
        record.test_prompts[1].iter().map(|prompt| record.cost_usd.get(prompt.at(), 2).unwrap()).sum()
    };
    let expected = mean(&own) * sum(&whole) / sum(&own);
    assert!((mean(&repriced) / expected - 1.0).abs() < 1e-12);
    assert_eq!(repriced.manifest.replicates[0], whole.manifest.replicates[0]);
}

#[test]
fn what_cannot_be_repriced_is_refused() {
    let suite = suite();
    let own = record("", INDIFFERENT, suite.clone());
    let fault = |record: &Record, prices: &[Option<[f64; 2]>]| {
        let book = PriceBook::parse(Path::new("p.toml"), &book(&names(&suite), prices)).unwrap();
        reprice(record, &book, None).unwrap_err().to_string()
    };
    let mut fewer = PRICES;
    fewer[3] = None;
    let unknown = fault(&own, &fewer);
    let last = &suite.models[3].id;
    assert!(
        unknown.starts_with(&format!("p.toml: has no price of `{last}`; the nearest names are `")),
        "{unknown}"
    );
    let without = Record { tokens: None, ..own.clone() };
    assert!(fault(&without, &PRICES).starts_with("the record holds no token counts"));
    let mut gap = own.clone();
    gap.tokens.as_mut().unwrap().output.set(0, 1, None);
    assert_eq!(
        fault(&gap, &PRICES),
        format!(
            "no prices can be put on model `{}`: 1 of its answers to test prompts have no token counts",
            suite.models[1].id
        )
    );
    let mut free = own;
    free.manifest.suite.has_cost = false;
    assert!(fault(&free, &PRICES).starts_with("the record has no costs"));
}

#[test]
fn prices_of_candidates_alone_are_asked_for() {
    let (suite, folder) = (suite(), tempfile::tempdir().unwrap());
    let path = folder.path().join("prices.toml");
    let mut fewer = PRICES;
    fewer[0] = None;
    fs::write(&path, book(&names(&suite), &fewer)).unwrap();
    let cost = format!("[cost]\nprices = \"{}\"", path.display());
    let fault = run(&scenario(&cost, INDIFFERENT), suite.clone(), &|_| {}).unwrap_err().to_string();
    assert!(fault.contains(&format!("has no price of `{}`", suite.models[0].id)), "{fault}");
    let excluded = format!("{cost}\n[pool]\nexclude = [\"{}\"]", suite.models[0].id);
    assert_eq!(record(&excluded, INDIFFERENT, suite.clone()).manifest.suite.models.len(), 3);
    let mut rare = suite.clone();
    (0..150).for_each(|prompt| rare.outcomes.score.set(prompt, 0, None));
    assert_eq!(record(&cost, INDIFFERENT, rare).manifest.suite.models.len(), 3);
    // Without any tokens prices make no costs, and that is said.
    let mut countless = suite;
    for prompt in 0..200 {
        for model in 0..4 {
            countless.outcomes.output_tokens.set(prompt, model, None);
            countless.outcomes.cost_usd.set(prompt, model, None);
        }
    }
    let excluded = scenario(&excluded, INDIFFERENT);
    let fault = run(&excluded, countless, &|_| {}).unwrap_err().to_string();
    assert!(fault.ends_with("make no cost: no answer has both token counts"), "{fault}");
}

#[test]
fn input_tokens_are_estimated_only_where_asked_and_the_report_says_so() {
    let mut open = suite();
    for prompt in 0..200 {
        open.prompts[prompt].text = format!("prompt {prompt:09}").into();
        for model in 0..4 {
            open.models[model].price_in_usd_per_1m = Some(2.0);
            open.models[model].price_out_usd_per_1m = Some(4.0);
            open.outcomes.input_tokens.set(prompt, model, None);
            open.outcomes.cost_usd.set(prompt, model, None);
        }
    }
    let without = record("", INDIFFERENT, open.clone());
    assert!(!without.manifest.suite.has_cost);
    let with = record("[cost]\nestimate-tokens = true", INDIFFERENT, open);
    assert_eq!(with.manifest.suite.cells_with_estimated_tokens, 800);
    let tokens = with.tokens.as_ref().unwrap();
    // 16 bytes are 4 tokens.
    assert_eq!(tokens.input.get(0, 0), Some(4.0));
    let output = tokens.output.get(0, 0).unwrap();
    assert_eq!(with.cost_usd.get(0, 0), Some((2.0 * 4.0 + 4.0 * output) / 1e6));
    let files = llm_bandit::report::render(&with, &summarise(&with), &[]);
    let report = files.iter().find(|(name, _)| *name == "report.md").unwrap();
    let report = String::from_utf8(report.1.clone()).unwrap();
    assert!(report.contains("**Input tokens are estimated** for 800 answers of the suite"), "{report}");
}

fn error(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    text.trim_end().strip_prefix("error: ").unwrap().to_owned()
}

/// The files of a folder by name.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let read = |path: std::path::PathBuf| {
        (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap())
    };
    entries.filter(|path| path.is_file()).map(read).collect()
}

#[test]
fn the_program_prices_runs_and_reports() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("tiny.toml"), TINY).unwrap();
    let models = llm_bandit::suite::find("simulated-open-suite", &[]).unwrap().models;
    let names: Vec<String> = models.into_iter().map(|model| model.id).collect();
    let flat = vec![Some([1.0, 4.0]); names.len()];
    fs::write(at.join("flat.toml"), book(&names, &flat)).unwrap();
    let run = |out: &str, more: &[&str]| {
        let done = llm_bandit(at, &[&["run", "tiny.toml", "--quiet", "--out", out], more].concat());
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        files(&at.join(out).join("record"))
    };
    let reprice = |more: &[&str]| llm_bandit(at, &[&["reprice", "own"], more].concat());
    let own = run("own", &[]);
    let done = reprice(&["--prices", "flat.toml", "--date", "2024-11-01", "--out", "new", "--quiet"]);
    assert!(done.status.code() != Some(2), "{}", String::from_utf8_lossy(&done.stderr));
    let new = files(&at.join("new/record"));
    for (name, bytes) in own.iter().filter(|(name, _)| name.starts_with("choices-")) {
        assert!(new[name] == *bytes, "{name}");
    }
    assert!(own["costs_usd.npy.gz"] != new["costs_usd.npy.gz"]);
    let report = fs::read_to_string(at.join("new/report.md")).unwrap();
    for words in [
        "**The prices are hypothetical.** List prices are those of price book `flat.toml`, SHA-256 ",
        ", prices of 2024-11-01, hypothetical. ",
        "**Repriced**: routers learned and chose under the suite's own prices and costs; ",
    ] {
        assert!(report.contains(words), "{words}: {report}");
    }
    // The choices are those committed to, and the report is what its record gives.
    let verified = llm_bandit(at, &["verify", "new"]);
    let words = String::from_utf8(verified.stdout).unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    assert!(words.starts_with("new: verified; choices of 10 cells are those committed to"), "{words}");
    let direct = run("direct", &["--prices", "flat.toml", "--prices-date", "2024-11-01"]);
    assert!(direct["costs_usd.npy.gz"] == new["costs_usd.npy.gz"]);
    // The built-in suite has the list prices of late 2024, and so has the built-in book.
    let late = run("late", &["--prices", "built-in", "--prices-date", "2024-11-01"]);
    assert!(late["costs_usd.npy.gz"] == own["costs_usd.npy.gz"]);
    let report = fs::read_to_string(at.join("late/report.md")).unwrap();
    assert!(report.contains("it says of itself: written down from memory"), "{report}");

    assert_eq!(
        error(&reprice(&["--prices", "built-in", "--out", "own"])),
        "own: is the report that is repriced; choose another `--out`"
    );
    let early = error(&reprice(&["--prices", "built-in", "--date", "2023-01-01", "--out", "early"]));
    assert!(
        early.contains("has no price of `claude-3-5-sonnet` on 2023-01-01; the first is from 2024-10-22"),
        "{early}"
    );
    assert!(!at.join("early").exists());
}

#[test]
fn the_program_looks_prices_up() {
    let folder = tempfile::tempdir().unwrap();
    let said = |arguments: &[&str]| {
        let output = llm_bandit(folder.path(), &[&["prices"], arguments].concat());
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let one = said(&["OpenAI/GPT-4o", "--date", "2024-06-01"]);
    let row: Vec<&str> = one.lines().nth(1).unwrap().split_whitespace().take(4).collect();
    assert_eq!(row, ["gpt-4o", "2024-05-13", "5", "15"]);
    assert_eq!(said(&["gpt-4o"]).lines().count(), 4);
    assert!(said(&[]).lines().count() > 100);
    let unknown = error(&llm_bandit(folder.path(), &["prices", "gpt-4p"]));
    assert!(
        unknown.contains("has no price of `gpt-4p`; the nearest names are `gpt-4`, `gpt-4o`"),
        "{unknown}"
    );
}

#[test]
fn an_online_scenario_takes_its_costs_from_a_book_too() {
    let text = "mode = \"online\"\ndescription = \"d\"\nsuite = \"simulated-open-suite\"\n[pool]\nbenchmarks = [\"humaneval\"]\n\
        [online]\norders = 2\npreference = [0.1]\n[[router]]\nkind = \"random\"\n";
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("online.toml"), text).unwrap();
    let names: Vec<String> = names(&llm_bandit::suite::find("simulated-open-suite", &[]).unwrap());
    fs::write(at.join("flat.toml"), book(&names, &vec![Some([1.0, 4.0]); names.len()])).unwrap();
    let done = llm_bandit(at, &["run", "online.toml", "--quiet", "--out", "out", "--prices", "flat.toml"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let report = fs::read_to_string(at.join("out/report.md")).unwrap();
    assert!(report.contains("List prices are those of price book `flat.toml`"), "{report}");
    let fault = error(&llm_bandit(at, &["reprice", "out", "--prices", "flat.toml", "--out", "new"]));
    assert!(fault.starts_with("out: is the report of an online scenario"), "{fault}");
}
