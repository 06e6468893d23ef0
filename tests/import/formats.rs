//! Every format: what is imported is what another count of the raw files says, and it runs.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use llm_bandit::import::Coverage;
use llm_bandit::suite::Suite;
use serde_json::Value;

use super::{Counts, Files, assert_same, counts, fixtures, folder, imported, means, runs, settings};

/// A format's check, given a folder of its files.
pub(super) type Check = fn(&Path) -> (Coverage, Suite);

fn of_fixture(files: &Files, check: Check) -> (Coverage, Suite) {
    let folder = folder(files);
    check(&folder.path().join("raw"))
}

fn checked(format: &str, source: &Path, known: &Counts) -> (Coverage, Suite) {
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

#[test]
fn lm_eval_is_joined_by_hash_whatever_the_order_of_rows() {
    let (coverage, suite) = of_fixture(&fixtures::lm_eval(), lm_eval);
    assert_eq!(suite.prompts[7].text, "How much is 7 + 1?");
    let of_prompt: Vec<_> = suite.outcomes.score.row(9).collect();
    assert_eq!(of_prompt, [0, 1].map(|model| Some(f64::from(u8::from(fixtures::is_right(model, 9))))));
    assert_eq!(
        coverage.tally.notes,
        ["`sums`: the score is `acc`, the first of 2 metrics (`--metric` chooses)"]
    );
    assert_eq!(suite.models[0].vendor, "lab");
}

#[test]
fn epochs_of_inspect_are_averaged_and_tokens_kept() {
    let (coverage, suite) = of_fixture(&fixtures::inspect(), inspect);
    assert_eq!(coverage.tally.averaged, 2 * fixtures::N_PROMPTS);
    let prompt = suite.prompts.iter().position(|prompt| prompt.id == "sums/12").unwrap();
    assert_eq!(suite.outcomes.input_tokens.row(prompt).collect::<Vec<_>>(), [Some(22.0); 2]);
    assert_eq!(suite.outcomes.output_tokens.row(prompt).collect::<Vec<_>>(), [Some(2.0); 2]);
    assert_eq!(suite.cost_basis.unknown, 2 * fixtures::N_PROMPTS);
}

#[test]
fn helm_leaves_perturbed_copies_out_and_finds_texts_in_either_file() {
    let of =
        |model| (0..fixtures::N_PROMPTS).map(|n| f64::from(u8::from(fixtures::is_right(model, n)))).collect();
    let known = means([("lab/one".to_owned(), of(0)), ("lab/two".to_owned(), of(1))].into());
    let folder = folder(&fixtures::helm());
    let (coverage, suite) = checked("helm", &folder.path().join("raw"), &known);
    assert_eq!(coverage.tally.skipped["of a perturbed instance"], 2);
    assert_eq!(
        (suite.prompts[3].id.as_str(), suite.prompts[3].text.as_str()),
        ("mmlu:subject=law/id3", "Question 3")
    );
    assert_eq!((suite.benchmarks[0].as_str(), suite.prompts[3].task.as_str()), ("mmlu", "subject=law"));
    assert_eq!((coverage.tally.differing_texts, suite.outcomes.input_tokens.get(0, 1)), (0, Some(30.0)));
    let second = &fixtures::helm()[3..];
    let folder = super::folder(second);
    let (_, suite) = imported(&settings("helm", &folder.path().join("raw"))).unwrap();
    assert_eq!(suite.prompts[5].text, "Question 5");
}

#[test]
fn alpaca_eval_counts_one_judge_and_adds_the_reference() {
    let (coverage, suite) = of_fixture(&fixtures::alpaca_eval(), alpaca_eval);
    assert_eq!(coverage.n_files, 2);
    assert_eq!(coverage.tally.duplicates, 0);
    assert_eq!(suite.info.primary_metric, "weighted_alpaca_eval_gpt4_turbo");
}

#[test]
fn routellm_keeps_repeated_questions_apart_and_averages_turns() {
    let (coverage, suite) = of_fixture(&fixtures::routellm(), routellm);
    assert_eq!(suite.prompts.len(), 3 * fixtures::N_PROMPTS);
    assert_eq!(coverage.tally.averaged, 2 * fixtures::N_PROMPTS);
    assert_eq!(coverage.check.n_duplicates, fixtures::N_PROMPTS / 2);
    assert!(suite.prompts.iter().any(|prompt| prompt.id == "mt-bench/7" && prompt.text == "Tell 7"));
}

#[test]
fn routerbench_keeps_its_costs_and_its_prompts_are_read_out_of_python() {
    let (_, suite) = of_fixture(&fixtures::routerbench(), routerbench);
    assert_eq!((suite.prompts[3].id.as_str(), suite.prompts[3].text.as_str()), ("mbpp.3", "It's 3"));
}

#[test]
fn zeroeval_is_scored_by_what_the_output_states() {
    let (coverage, suite) = of_fixture(&fixtures::zeroeval(), zeroeval);
    assert_eq!(coverage.tally.skipped.values().sum::<usize>(), 1, "the answer to another task");
    assert_eq!((suite.prompts[3].id.as_str(), suite.prompts[3].text.as_str()), ("gsm-#3", "What is 3?"));
}
