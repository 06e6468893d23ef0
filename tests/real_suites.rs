//! Recorded suites against known figures. Needs a folder of suites in `LLM_BANDIT_DATASETS`; without it, nothing is tested.

use std::path::PathBuf;

use llm_bandit::suite::{Suite, SuiteCheck, find, list};

type Known = (&'static str, usize, usize, f64, f64, Option<[f64; 2]>);

/// Name, prompts, models, mean score of the best single model, oracle, and mean cost of the cheapest and the dearest model
/// in US dollars per 1,000 prompts.
///
/// The figures were computed over the prompts that every counted model has a score on; ours are over each model's known
/// cells, which moves them by up to 0.001.
const KNOWN: [Known; 7] = [
    ("mmlu_pro_cot", 12_032, 32, 0.720, 0.954, Some([0.0285, 7.16])),
    ("routellm_pair", 15_441, 2, 0.811, 0.865, Some([0.0691, 1.49])),
    ("alpacaeval2", 805, 57, 0.705, 0.901, Some([0.0185, 13.4])),
    ("openllm_v2", 17_793, 19, 0.615, 0.910, Some([0.0155, 0.186])),
    ("zeroeval", 2840, 55, 0.938, 0.985, Some([0.0495, 21.4])),
    ("llmrouter9", 5541, 9, 0.650, 0.822, None),
    ("routerbench_part", 3164, 11, 0.879, 0.976, Some([0.0813, 5.02])),
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
    for (name, n_prompts, n_models, best_single, oracle, costs) in KNOWN {
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
        let found = check
            .cheapest_and_dearest()
            .map(|models| models.map(|model| check.models[model].mean_cost_usd.unwrap() * 1000.0));
        assert_eq!(found.is_some(), costs.is_some(), "{name}");
        for (known, found) in costs.into_iter().flatten().zip(found.into_iter().flatten()) {
            assert!((found / known - 1.0).abs() < 0.005, "{name}: $ {found} is not $ {known}");
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

#[test]
fn single_model_means_on_each_benchmark_of_the_pair_are_the_published_ones() {
    let Some(folders) = folders() else { return };
    if !list(&folders).unwrap().iter().any(|(name, _)| name == "routellm_pair") {
        println!("skipped: no suite `routellm_pair`");
        return;
    }
    let suite = find("routellm_pair", &folders).unwrap();
    // GPT-4 Turbo and Mixtral 8x7B as RouteLLM gives them (arXiv 2406.18665), before its decontamination.
    for (benchmark, strong, weak) in [("mmlu", 0.806, 0.681), ("gsm8k", 0.857, 0.638), ("mt", 0.92, 0.83)] {
        let at = suite.benchmarks.iter().position(|name| name.to_lowercase().contains(benchmark)).unwrap();
        let prompts: Vec<usize> =
            (0..suite.prompts.len()).filter(|&prompt| suite.prompts[prompt].benchmark == at).collect();
        for (id, known) in [("gpt-4", strong), ("ixtral", weak)] {
            let model = suite.models.iter().position(|model| model.id.contains(id)).unwrap();
            let scores = prompts.iter().map(|&prompt| suite.outcomes.score.get(prompt, model).unwrap());
            let mean = scores.sum::<f64>() / prompts.len() as f64;
            assert!((mean - known).abs() < 0.01, "{benchmark}, {id}: {mean} is not {known}");
        }
    }
}
