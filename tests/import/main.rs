//! Results of other tools become suites that say what the raw files say, and run; faults are one line and leave nothing behind.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

mod faults;
mod fixtures;
mod formats;
mod garbled;
mod models;
mod prompts;
mod real;
mod routing;
mod scores;
mod tables;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use llm_bandit::error::Result;
use llm_bandit::import::{Coverage, Format, ImportSettings, ScoreRange, import};
use llm_bandit::run::run;
use llm_bandit::scenario::Scenario;
use llm_bandit::suite::Suite;

/// Files by their path within a folder.
type Files = Vec<(String, Vec<u8>)>;

/// Number of scores and mean score of every model.
type Counts = BTreeMap<String, (usize, f64)>;

fn settings(format: &str, source: &Path) -> ImportSettings {
    let settings = ImportSettings::new(Format::named(format).unwrap(), vec![source.to_owned()]);
    ImportSettings { licence: "MIT".into(), ..settings }
}

/// A file of a text.
fn file(name: &str, text: &str) -> (String, Vec<u8>) {
    (name.to_owned(), text.as_bytes().to_vec())
}

/// Imports files, with settings changed.
fn of_files(
    format: &str,
    files: &[(String, Vec<u8>)],
    change: impl FnOnce(&mut ImportSettings),
) -> Result<(Coverage, Suite)> {
    let folder = folder(files);
    let mut settings = settings(format, &folder.path().join("raw"));
    change(&mut settings);
    imported(&settings)
}

/// A range for all benchmarks or for one.
fn range(benchmark: Option<&str>, zero: f64, one: f64) -> ScoreRange {
    ScoreRange { benchmark: benchmark.map(str::to_owned), zero, one }
}

/// A folder with these files in `raw`.
fn folder(files: &[(String, Vec<u8>)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join("raw").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    folder
}

/// Imports, and checks that what was written is all there is, and reads back.
fn imported(settings: &ImportSettings) -> Result<(Coverage, Suite)> {
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
fn runs(suite: &Suite) {
    let text = "description = \"d\"\nsuite = \"s\"\nlicence = \"MIT\"\nreplicates = 1\n\
        [pool]\nmin-coverage = 0.0\ngaps = \"vary-pool\"\n[preferences]\nlow = 0.01\nhigh = 10.0\ncount = 3\n\
        [[router]]\nkind = \"random\"\n[[router]]\nkind = \"single\"\nchoose = \"best\"\n";
    let scenario = Scenario::parse(Path::new("s.toml"), text).unwrap();
    let record = run(&scenario, suite.clone(), &|_| {}).unwrap();
    assert!(!record.choices.is_empty());
    assert_eq!(record.manifest.suite.info.import, None, "a record holds no list of files");
}

/// The counts of a suite, model by model.
fn counts(suite: &Suite) -> Counts {
    let of = |model: usize| {
        let scores: Vec<f64> =
            (0..suite.prompts.len()).filter_map(|prompt| suite.outcomes.score.get(prompt, model)).collect();
        (scores.len(), scores.iter().sum::<f64>() / scores.len() as f64)
    };
    suite.models.iter().enumerate().map(|(at, model)| (model.id.clone(), of(at))).collect()
}

/// Two counts that are the same but for the order of sums.
fn assert_same(found: &Counts, known: &Counts) {
    assert_eq!(found.keys().collect::<Vec<_>>(), known.keys().collect::<Vec<_>>());
    for (model, (count, mean)) in known {
        let (n_found, found) = found[model];
        assert_eq!(n_found, *count, "{model}");
        assert!((found - mean).abs() < 1e-9, "{model}: {found} is not {mean}");
    }
}

/// The means of scores that were counted one by one.
fn means(scores: BTreeMap<String, Vec<f64>>) -> Counts {
    let mean = |scores: &[f64]| scores.iter().sum::<f64>() / scores.len() as f64;
    scores.into_iter().map(|(model, scores)| (model, (scores.len(), mean(&scores)))).collect()
}
