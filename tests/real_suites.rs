//! Recorded suites against known figures. Needs a folder of suites in `LLM_BANDIT_DATASETS`; without it, nothing is tested.

use std::path::PathBuf;

use llm_bandit::suite::{Suite, SuiteCheck, find, list};

/// Name, prompts, models, mean score of the best single model, oracle.
///
/// The figures were computed over the prompts that every counted model has a score on; ours are over each model's known
/// cells, which moves them by up to 0.001.
const KNOWN: [(&str, usize, usize, f64, f64); 7] = [
    ("mmlu_pro_cot", 12_032, 32, 0.720, 0.954),
    ("routellm_pair", 15_441, 2, 0.811, 0.865),
    ("alpacaeval2", 805, 57, 0.705, 0.901),
    ("openllm_v2", 17_793, 19, 0.615, 0.910),
    ("zeroeval", 2840, 55, 0.938, 0.985),
    ("llmrouter9", 5541, 9, 0.650, 0.822),
    ("routerbench_part", 3164, 11, 0.879, 0.976),
];

#[expect(clippy::disallowed_methods, reason = "recorded suites are not part of the repository")]
#[expect(clippy::print_stdout, reason = "says what was skipped")]
fn folders() -> Option<Vec<PathBuf>> {
    match std::env::var("LLM_BANDIT_DATASETS") {
        Ok(folder) => Some(vec![folder.into()]),
        Err(_) => {
            println!("skipped: LLM_BANDIT_DATASETS names no folder of suites");
            None
        }
    }
}

#[test]
fn known_figures_are_found_again() {
    let Some(folders) = folders() else { return };
    let present = list(&folders).unwrap();
    for (name, n_prompts, n_models, best_single, oracle) in KNOWN {
        if !present.iter().any(|(known, _)| known == name) {
            println!("skipped: no suite `{name}`");
            continue;
        }
        let suite = find(name, &folders).unwrap();
        assert_eq!((suite.prompts.len(), suite.models.len()), (n_prompts, n_models), "{name}");
        let check = SuiteCheck::new(&suite);
        for (known, found) in [(best_single, check.best_single_score()), (oracle, check.oracle)] {
            let found = found.unwrap();
            assert!((found - known).abs() < 0.002, "{name}: {found} is not {known}");
        }
    }
}

#[test]
fn no_recorded_suite_is_suspicious() {
    let Some(folders) = folders() else { return };
    for (name, _) in list(&folders).unwrap() {
        let problems = SuiteCheck::new(&find(&name, &folders).unwrap()).problems();
        assert!(problems.is_empty(), "{name}: {problems:?}");
    }
}

#[test]
fn a_recorded_suite_writes_and_reads_back_equal() {
    let Some(folders) = folders() else { return };
    for (name, _) in list(&folders).unwrap() {
        let suite = find(&name, &folders).unwrap();
        let folder = tempfile::tempdir().unwrap();
        suite.write(folder.path()).unwrap();
        let again = Suite::read(folder.path()).unwrap();
        assert_eq!(again.content_hash(), suite.content_hash(), "{name}");
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "measures the time that reading takes")]
fn a_large_suite_loads_quickly() {
    let Some(folders) = folders() else { return };
    if !list(&folders).unwrap().iter().any(|(name, _)| name == "mmlu_pro_cot") {
        println!("skipped: no suite `mmlu_pro_cot`");
        return;
    }
    let start = std::time::Instant::now();
    find("mmlu_pro_cot", &folders).unwrap();
    let elapsed = start.elapsed();
    println!("mmlu_pro_cot loads in {elapsed:?}");
    // Alone it takes a quarter of a second; the bound leaves room for a busy machine.
    assert!(elapsed.as_secs() < 10, "{elapsed:?}");
}
