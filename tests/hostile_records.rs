//! A record is checked when it is read, whoever wrote it: one line, and neither a panic nor a file outside of its folder.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

#[path = "common/program.rs"]
mod program;

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

use program::llm_bandit;

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
        ("\"high\": 10.0,", "\"high\": 1e308,", "0 < low < high <= 1e12"),
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
