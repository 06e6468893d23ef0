//! The suite that ships with the program is exactly what its settings generate, and small.
//!
//! With `LLM_BANDIT_REGENERATE` set, its files are written anew; the diff is the review.

use std::path::Path;

use llm_bandit::suite::synthetic::SyntheticSettings;
use llm_bandit::suite::{EMBEDDED_NAME, Suite, SuiteCheck, find};

const FOLDER: &str = "datasets/simulated-open-suite";

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a test may be told by the environment to regenerate its files"
)]
fn the_embedded_files_are_what_the_settings_generate() {
    let folder = Path::new(FOLDER);
    let synthetic = SyntheticSettings::read(&folder.join("synth.toml")).unwrap().generate().unwrap();
    if std::env::var("LLM_BANDIT_REGENERATE").is_ok() {
        synthetic.suite.write(folder).unwrap();
    }
    let fresh = tempfile::tempdir().unwrap();
    synthetic.suite.write(fresh.path()).unwrap();
    let mut n_bytes = 0;
    for entry in std::fs::read_dir(fresh.path()).unwrap() {
        let name = entry.unwrap().file_name();
        let [committed, generated] = [folder, fresh.path()].map(|f| std::fs::read(f.join(&name)).unwrap());
        assert!(committed == generated, "{name:?} is not what the settings generate");
        n_bytes += committed.len();
    }
    assert!(n_bytes < 2_000_000, "{n_bytes} bytes");
    assert_eq!(Suite::read(folder).unwrap(), synthetic.suite);
}

#[test]
fn the_recorded_suites_are_small_hold_no_text_and_say_where_they_are_from() {
    let mut n_bytes = 0;
    for (name, n_prompts, n_models, best_single) in
        [("mmlu-pro-part", 4000, 32, 0.721), ("routellm-part", 1399, 2, 0.860)]
    {
        let folder = Path::new("datasets").join(name);
        for entry in std::fs::read_dir(&folder).unwrap() {
            n_bytes += entry.unwrap().metadata().unwrap().len();
        }
        let suite = find(name, &[]).unwrap();
        assert_eq!((suite.prompts.len(), suite.models.len()), (n_prompts, n_models));
        assert!(suite.prompts.iter().all(|prompt| prompt.text.is_empty()));
        assert!(suite.info.licence == "Apache-2.0" && !suite.info.simulated && !suite.info.source.is_empty());
        let check = SuiteCheck::new(&suite);
        assert!(check.problems().is_empty(), "{:?}", check.problems());
        assert!((check.best_single_score().unwrap() - best_single).abs() < 0.001);
    }
    assert!(n_bytes < 3_000_000, "{n_bytes} bytes");
}

#[test]
fn its_accuracies_lie_near_those_of_the_settings() {
    let settings = SyntheticSettings::read(&Path::new(FOLDER).join("synth.toml")).unwrap();
    let suite = find(EMBEDDED_NAME, &[]).unwrap();
    for (k, model) in settings.models.iter().enumerate() {
        for (benchmark, accuracy) in &model.accuracy {
            let scores: Vec<f64> = (0..suite.prompts.len())
                .filter(|&n| suite.benchmarks[suite.prompts[n].benchmark] == *benchmark)
                .filter_map(|n| suite.outcomes.score.get(n, k))
                .collect();
            let n = scores.len() as f64;
            let standard_error = (accuracy * (1.0 - accuracy) / n).sqrt();
            let mean = scores.iter().sum::<f64>() / n;
            assert!((mean - accuracy).abs() < 4.0 * standard_error, "{} {benchmark}: {mean}", model.id);
        }
    }
}
