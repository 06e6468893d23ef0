//! A record is checked when it is read, whoever wrote it: one line, and neither a panic nor a file outside of its folder.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use llm_bandit::evaluate::summarise;
use llm_bandit::report;
use llm_bandit::run::run;
use llm_bandit::scenario::Scenario;
use llm_bandit::suite::synthetic::SyntheticSettings;

use crate::common::program::llm_bandit;

const SCENARIO: &str = "description = \"d\"\nsuite = \"s\"\nreplicates = 2\n[preferences]\nlow = 0.01\nhigh = 10.0\ncount = 3\n\
    [[router]]\nkind = \"random\"\n[[router]]\nkind = \"single\"\nchoose = \"best\"\nlabel = \"single\"\n";

/// A report in `out`.
fn reported(folder: &Path) {
    let settings =
        SyntheticSettings { n_prompts: 60, n_models: 3, n_dimensions: 8, ..SyntheticSettings::default() };
    let scenario = Scenario::parse(Path::new("s.toml"), SCENARIO).unwrap();
    let record = run(&scenario, settings.generate().unwrap().suite, &|_| {}).unwrap();
    let claim = report::claim(&folder.join("out")).unwrap();
    report::write_run(&claim, &record, &summarise(&record), &[]).unwrap();
}

/// What every command that reads the record says.
fn said(folder: &Path) -> String {
    let commands: [&[&str]; 4] = [
        &["report", "out"],
        &["verify", "out"],
        &["check", "out", "--against", "out"],
        &["decisions", "out", "--router", "random"],
    ];
    let mut texts: Vec<String> = commands
        .iter()
        .map(|arguments| {
            let output = llm_bandit(folder, arguments);
            let text = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
            assert!(text.lines().count() == 1 && text.starts_with("error: out/record/"), "{text}");
            text
        })
        .collect();
    texts.dedup();
    assert_eq!(texts.len(), 1, "{texts:?}");
    texts.remove(0)
}

#[test]
fn each_forged_line_of_a_manifest_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    reported(folder);
    let path = folder.join("out/record/manifest.json");
    let good = fs::read_to_string(&path).unwrap();
    for (from, to, expected) in [
        ("\"name\": \"s\"", "\"name\": \"../../etc/s\"", "`../../etc/s` is no name for a scenario"),
        ("\"label\": \"random\"", "\"label\": \"../../../planted\"", "`../../../planted` is no label"),
        ("\"label\": \"random\"", "\"label\": \"\\u001b[2J\"", "is no label"),
        ("\"label\": \"random\"", "\"label\": \"single\"", "two routers are labelled `single`"),
        (
            "\"seed\": 0",
            "\"seed\": 0, \"evidence\": {\"resamples\": 1000000000000}",
            "`resamples` is 1000000000000",
        ),
        ("\"high\": 10.0,", "\"high\": 1e308,", "1e-12 <= low < high <= 1e12"),
        ("\"cost-unit-usd\": ", "\"cost-unit-usd\": 1e300, \"n-x\": ", "unknown field"),
        ("\"preferences\": [\n    0.0,", "\"preferences\": [\n    1e300,", "are not those of the scenario"),
        ("\"preference-weights\": [", "\"preference-weights\": [ 0.5,", "are not one share a preference"),
        (
            "\"development-score\": [",
            "\"development-score\": [ 0.5,",
            "`development-score` is not one amount a candidate",
        ),
        (
            "\"development-cost-usd\": [",
            "\"development-cost-usd\": [ 1e308,",
            "`development-cost-usd` is not one amount",
        ),
        ("\"models\": [\n", "\"models\": [\n\"\",\n", "candidate `` stands twice or has no name"),
    ] {
        assert!(good.contains(from), "{from}");
        fs::write(&path, good.replacen(from, to, 1)).unwrap();
        let said = said(folder);
        assert!(said.contains(expected), "{to}: {said}");
    }
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn unpacked(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    let file = fs::read(path).unwrap();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&file[..]), &mut bytes).unwrap();
    bytes
}

#[test]
fn numbers_outside_of_the_bounds_of_suites_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    reported(folder);
    for (file, value) in [
        ("scores", 1.5),
        ("scores", -1.0),
        ("costs_usd", 1e308),
        ("costs_usd", -1.0),
        ("costs_usd", f64::INFINITY),
        ("output_tokens", 1e13),
    ] {
        let path = folder.join(format!("out/record/{file}.npy.gz"));
        let good = fs::read(&path).unwrap();
        let mut bytes = unpacked(&path);
        let end = bytes.len();
        bytes[end - 8..].copy_from_slice(&value.to_le_bytes());
        fs::write(&path, packed(&bytes)).unwrap();
        let said = said(folder);
        assert!(said.contains(file) && said.contains("which is not from 0 to"), "{said}");
        fs::write(&path, good).unwrap();
    }
}

/// The best single model costs next to nothing and a random one a fortune: a share of its cost is beyond all numbers.
#[test]
fn nothing_is_concluded_from_a_number_that_is_not_finite() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let settings =
        SyntheticSettings { n_prompts: 60, n_models: 2, n_dimensions: 8, ..SyntheticSettings::default() };
    let mut suite = settings.generate().unwrap().suite;
    for prompt in 0..60 {
        for (model, cost_usd) in [(0, 1e-320), (1, 1e11)] {
            suite.outcomes.score.set(prompt, model, Some(0.5));
            suite.outcomes.cost_usd.set(prompt, model, Some(cost_usd));
        }
    }
    fs::write(folder.join("s.toml"), SCENARIO).unwrap();
    let scenario = Scenario::parse(Path::new("s.toml"), SCENARIO).unwrap();
    let record = run(&scenario, suite.clone(), &|_| {}).unwrap();
    let claim = report::claim(&folder.join("out")).unwrap();
    report::write_run(&claim, &record, &summarise(&record), &[]).unwrap();
    fs::create_dir_all(folder.join("data/s")).unwrap();
    suite.write(&folder.join("data/s")).unwrap();
    for arguments in [
        &["run", "s.toml", "--datasets", "data", "--out", "again", "--quiet"][..],
        &["report", "out"],
        &["verify", "out"],
        &["check", "out", "--against", "out"],
        &["plan", "s.toml", "--pilot", "out"],
        &["compare", "out"],
    ] {
        let output = llm_bandit(folder, arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), text.lines().count()), (Some(2), 1), "{arguments:?}: {text}");
        assert!(text.ends_with(" is no finite number\n"), "{arguments:?}: {text}");
    }
    assert!(!folder.join("again").exists());
}

#[test]
fn a_file_that_unpacks_without_end_is_not_read_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    reported(folder);
    let path = folder.join("out/record/scores.npy.gz");
    let mut bytes = unpacked(&path);
    bytes.extend(vec![0; 1 << 24]);
    fs::write(&path, packed(&bytes)).unwrap();
    assert!(said(folder).contains("not read further"));
}

#[test]
fn each_forged_line_of_the_manifest_of_an_online_run_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let scenario = "mode = \"online\"\ndescription = \"d\"\nsuite = \"simulated-open-suite\"\n[pool]\nbenchmarks = [\"gsm8k\"]\n\
        models = [\"gpt-4o\", \"mistral-7b\"]\n[online]\norders = 2\ndimensions = 4\nwarm-start = 0.2\n\
        [[online.change]]\nat = 0.5\nprice = { model = \"gpt-4o\", factor = 0.5 }\n[[router]]\nkind = \"linucb\"\n[[router]]\nkind = \"random\"\n";
    fs::write(folder.join("s.toml"), scenario).unwrap();
    let run = llm_bandit(folder, &["run", "s.toml", "--quiet", "--out", "out"]);
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let path = folder.join("out/record/manifest.json");
    let good = fs::read_to_string(&path).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&good).unwrap();
    for (pointer, value, expected) in [
        ("/scenario/name", serde_json::json!("../s"), "`../s` is no name for a scenario"),
        ("/scenario/routers/0/label", serde_json::json!("random"), "two routers are labelled `random`"),
        ("/phases/1/from", serde_json::json!(1_000_000), "has phases from [0, 1000000] on in"),
        ("/phases/1/from", serde_json::json!(0), "has phases from [0, 0] on in"),
        ("/warm-start/score", serde_json::json!([0.5]), "`warm-start` is not one amount an arm"),
        ("/warm-start/cost-usd/0", serde_json::json!(1e300), "`warm-start` is not one amount an arm"),
        ("/cost-unit-usd", serde_json::json!(1e300), "has a cost unit of 1e300 US dollars"),
        ("/routers/0/paid/dollars", serde_json::json!(1e300), "tells of 1e300 dollars"),
        (
            "/scenario/online/orders",
            serde_json::json!(1_000_000_000_000_u64),
            "tells of 1000000000000 orders",
        ),
        ("/suite/models/0", serde_json::json!("mistral-7b"), "candidate `mistral-7b` stands twice"),
    ] {
        let mut forged = manifest.clone();
        *forged.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}: {good}")) = value;
        fs::write(&path, serde_json::to_string_pretty(&forged).unwrap()).unwrap();
        for arguments in [["report", "out"], ["verify", "out"]] {
            let output = llm_bandit(folder, &arguments);
            let text = String::from_utf8(output.stderr).unwrap();
            assert_eq!((output.status.code(), text.lines().count()), (Some(2), 1), "{text}");
            assert!(
                text.starts_with("error: out/record/manifest.json: ") && text.contains(expected),
                "{text}"
            );
        }
    }
}
