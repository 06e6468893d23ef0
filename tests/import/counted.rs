//! Imports against another count of the raw files: number of scores and mean score of every model.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use llm_bandit::import::{Coverage, Format, ImportSettings, import};
use llm_bandit::run::run;
use llm_bandit::scenario::Scenario;
use llm_bandit::suite::Suite;
use serde_json::Value;

/// Number of scores and mean score of every model.
pub(super) type Counts = BTreeMap<String, (usize, f64)>;

pub(super) fn settings(format: &str, source: &Path) -> ImportSettings {
    let settings = ImportSettings::new(Format::named(format).unwrap(), vec![source.to_owned()]);
    ImportSettings { licence: "MIT".into(), ..settings }
}

/// Imports, and checks that what was written is all there is, and reads back.
pub(super) fn imported(settings: &ImportSettings) -> llm_bandit::error::Result<(Coverage, Suite)> {
    let target = tempfile::tempdir().unwrap();
    let out = target.path().join("suite");
    let done = import(settings, &out, &|_| {});
    let left: Vec<PathBuf> =
        fs::read_dir(target.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    match done {
        Ok(coverage) => {
            assert_eq!(left, std::slice::from_ref(&out));
            Ok((coverage, Suite::read(&out).unwrap()))
        }
        Err(error) => {
            assert!(left.is_empty(), "{left:?} is left of: {error}");
            Err(error)
        }
    }
}

/// Whether a suite runs, whatever its gaps and costs.
pub(super) fn runs(suite: &Suite) {
    let text = "description = \"d\"\nsuite = \"s\"\nlicence = \"MIT\"\nreplicates = 1\n\
        [pool]\nmin-coverage = 0.0\ngaps = \"vary-pool\"\n[preferences]\nlow = 0.01\nhigh = 10.0\ncount = 3\n\
        [[router]]\nkind = \"random\"\n[[router]]\nkind = \"single\"\nchoose = \"best\"\n";
    let scenario = Scenario::parse(Path::new("s.toml"), text).unwrap();
    let record = run(&scenario, suite.clone(), &|_| {}).unwrap();
    assert!(!record.choices.is_empty());
    assert_eq!(record.manifest.suite.info.import, None, "a record holds no list of files");
}

/// The counts of a suite, model by model.
pub(super) fn counts(suite: &Suite) -> Counts {
    let of = |model: usize| {
        let scores: Vec<f64> =
            (0..suite.prompts.len()).filter_map(|prompt| suite.outcomes.score.get(prompt, model)).collect();
        (scores.len(), scores.iter().sum::<f64>() / scores.len() as f64)
    };
    suite.models.iter().enumerate().map(|(at, model)| (model.id.clone(), of(at))).collect()
}

/// Two counts that are the same but for the order of sums.
pub(super) fn assert_same(found: &Counts, known: &Counts) {
    assert_eq!(found.keys().collect::<Vec<_>>(), known.keys().collect::<Vec<_>>());
    for (model, (count, mean)) in known {
        let (n_found, found) = found[model];
        assert_eq!(n_found, *count, "{model}");
        assert!((found - mean).abs() < 1e-9, "{model}: {found} is not {mean}");
    }
}

/// The means of scores that were counted one by one.
pub(super) fn means(scores: BTreeMap<String, Vec<f64>>) -> Counts {
    let mean = |scores: &[f64]| scores.iter().sum::<f64>() / scores.len() as f64;
    scores.into_iter().map(|(model, scores)| (model, (scores.len(), mean(&scores)))).collect()
}

pub(super) fn checked(format: &str, source: &Path, known: &Counts) -> (Coverage, Suite) {
    let (coverage, suite) = imported(&settings(format, source)).unwrap();
    assert_same(&counts(&suite), known);
    runs(&suite);
    (coverage, suite)
}

/// All files below a folder whose names end so.
fn files(folder: &Path, ending: &str) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The harness's own mean, and the number of lines.
pub(super) fn lm_eval(source: &Path) -> (Coverage, Suite) {
    let mut known = Counts::new();
    for path in files(source, ".jsonl") {
        let results = json(&files(path.parent().unwrap(), ".json")[0]);
        let (_, of_task) = results["results"].as_object().unwrap().iter().next().unwrap();
        let n_lines = fs::read_to_string(&path).unwrap().lines().count();
        let name = results["model_name"].as_str().unwrap().to_owned();
        known.insert(name, (n_lines, of_task["acc,none"].as_f64().unwrap()));
    }
    checked("lm-eval", source, &known)
}

/// The accuracy that Inspect computed itself.
pub(super) fn inspect(source: &Path) -> (Coverage, Suite) {
    let mut known = Counts::new();
    let of_archives = files(source, ".eval").into_iter().map(|path| header_of_archive(&path));
    for log in of_archives.chain(files(source, ".json").iter().map(|path| json(path))) {
        let count = log["eval"]["dataset"]["samples"].as_u64().unwrap() as usize;
        let mean = log["results"]["scores"][0]["metrics"]["accuracy"]["value"].as_f64().unwrap();
        known.insert(log["eval"]["model"].as_str().unwrap().into(), (count, mean));
    }
    checked("inspect", source, &known)
}

fn header_of_archive(path: &Path) -> Value {
    let mut archive = zip::ZipArchive::new(fs::File::open(path).unwrap()).unwrap();
    let at = archive.index_for_name("header.json").unwrap();
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut archive.by_index_raw(at).unwrap(), &mut bytes).unwrap();
    if bytes.starts_with(b"{") {
        return serde_json::from_slice(&bytes).unwrap();
    }
    let stream = ruzstd::decoding::StreamingDecoder::new(bytes.as_slice()).unwrap();
    serde_json::from_reader(stream).unwrap()
}

pub(super) fn alpaca_eval(source: &Path) -> (Coverage, Suite) {
    let mut scores: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let (mut reference, mut prompts) = (String::new(), std::collections::BTreeSet::new());
    for path in files(source, "weighted_alpaca_eval_gpt4_turbo/annotations.json") {
        let name =
            path.parent().unwrap().parent().unwrap().file_name().unwrap().to_string_lossy().into_owned();
        for annotation in json(&path).as_array().unwrap() {
            scores.entry(name.clone()).or_default().push(annotation["preference"].as_f64().unwrap() - 1.0);
            reference = annotation["generator_1"].as_str().unwrap().to_owned();
            prompts.insert(annotation["instruction"].as_str().unwrap().to_owned());
        }
    }
    scores.insert(reference, vec![0.5; prompts.len()]);
    checked("alpaca-eval", source, &means(scores))
}

pub(super) fn routellm(source: &Path) -> (Coverage, Suite) {
    let mut scores: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for path in files(source, ".csv") {
        let mut reader = csv::Reader::from_path(&path).unwrap();
        let names: Vec<String> =
            reader.headers().unwrap().iter().skip(1).take(2).map(str::to_owned).collect();
        for record in reader.records().map(Result::unwrap) {
            for (at, name) in names.iter().enumerate() {
                scores.entry(name.clone()).or_default().push(f64::from(u8::from(&record[at + 1] == "True")));
            }
        }
    }
    let mut turns: BTreeMap<(String, String), Vec<f64>> = BTreeMap::new();
    for path in files(source, "judgements.jsonl") {
        for line in fs::read_to_string(path).unwrap().lines() {
            let judgement: Value = serde_json::from_str(line).unwrap();
            let key = (judgement["model"].as_str().unwrap().to_owned(), judgement["question_id"].to_string());
            turns.entry(key).or_default().push(judgement["score"].as_f64().unwrap() / 10.0);
        }
    }
    for ((model, _), turns) in turns {
        scores.entry(model).or_default().push(turns.iter().sum::<f64>() / turns.len() as f64);
    }
    checked("routellm", source, &means(scores))
}

pub(super) fn routerbench(source: &Path) -> (Coverage, Suite) {
    let mut scores: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let mut dollars = 0.0;
    for path in files(source, ".csv") {
        let mut reader = csv::Reader::from_path(&path).unwrap();
        let header = reader.headers().unwrap().clone();
        for record in reader.records().map(Result::unwrap) {
            for (at, name) in header.iter().enumerate() {
                if header.iter().any(|other| other == format!("{name}|total_cost")) {
                    scores.entry(name.to_owned()).or_default().push(record[at].parse().unwrap());
                } else if name.ends_with("|total_cost") {
                    dollars += record[at].parse::<f64>().unwrap();
                }
            }
        }
    }
    let (coverage, suite) = checked("routerbench", source, &means(scores));
    let costs = &suite.outcomes.cost_usd;
    let found: f64 = (0..suite.prompts.len()).flat_map(|prompt| costs.row(prompt)).flatten().sum();
    assert!((found - dollars).abs() < 1e-9 * dollars, "{found} is not {dollars}");
    assert_eq!(suite.cost_basis.recorded, suite.outcomes.score.n_known());
    (coverage, suite)
}

/// By what stands after the last mention of the answer.
pub(super) fn zeroeval(source: &Path) -> (Coverage, Suite) {
    let mut scores: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for path in files(source, ".json").iter().filter(|path| !path.to_string_lossy().ends_with("summary.json"))
    {
        for answer in json(path).as_array().unwrap().iter().filter(|answer| answer["dataset"] == "gsm") {
            let (_, said) = answer["output"][0].as_str().unwrap().rsplit_once("\"answer\"").unwrap();
            let said: String = said.chars().filter(|c| c.is_ascii_digit() || "-.".contains(*c)).collect();
            let truth: f64 = answer["answer"].as_str().unwrap().replace(['#', ',', ' '], "").parse().unwrap();
            let is_right = said.trim_matches('.').parse::<f64>().is_ok_and(|said| said == truth);
            let name = answer["generator"].as_str().unwrap().to_owned();
            scores.entry(name).or_default().push(f64::from(u8::from(is_right)));
        }
    }
    checked("zeroeval", source, &means(scores))
}
