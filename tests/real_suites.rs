//! Recorded suites against known figures. Needs a folder of suites in `LLM_BANDIT_DATASETS`; without it, all are reported as ignored.

#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

#[path = "common/outside.rs"]
mod outside;

use std::path::Path;
use std::process::ExitCode;

use llm_bandit::suite::{SubsetSettings, Suite, SuiteCheck, find, list};

use outside::Outside;

type Known = (&'static str, usize, usize, f64, f64, Option<[f64; 2]>);

/// Name, prompts, models, mean score of the best single model, oracle, and mean cost of the cheapest and the most expensive model
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

/// The names of [`KNOWN`].
const KNOWN_NAMES: [&str; 7] =
    [KNOWN[0].0, KNOWN[1].0, KNOWN[2].0, KNOWN[3].0, KNOWN[4].0, KNOWN[5].0, KNOWN[6].0];

fn main() -> ExitCode {
    outside::run(
        "LLM_BANDIT_DATASETS",
        [
            Outside {
                name: "known_figures_are_found_again",
                folders: &KNOWN_NAMES,
                test: known_figures_are_found_again,
            },
            Outside {
                name: "no_recorded_suite_is_suspicious",
                folders: &[],
                test: no_recorded_suite_is_suspicious,
            },
            Outside {
                name: "a_recorded_suite_writes_and_reads_back_equal",
                folders: &[],
                test: a_recorded_suite_writes_and_reads_back_equal,
            },
            Outside {
                name: "a_large_suite_loads_quickly",
                folders: &["mmlu_pro_cot"],
                test: a_large_suite_loads_quickly,
            },
            Outside {
                name: "single_model_means_on_each_benchmark_of_the_pair_are_the_published_ones",
                folders: &["routellm_pair"],
                test: single_model_means_on_each_benchmark_of_the_pair_are_the_published_ones,
            },
            Outside {
                name: "the_recorded_suites_in_the_program_are_parts_of_the_whole_ones",
                folders: &["mmlu_pro_cot", "routellm_pair"],
                test: the_recorded_suites_in_the_program_are_parts_of_the_whole_ones,
            },
        ],
    )
}

fn known_figures_are_found_again(all: &Path) {
    for (name, n_prompts, n_models, best_single, oracle, costs) in KNOWN {
        let suite = find(name, &[all.to_owned()]).unwrap();
        assert_eq!((suite.prompts.len(), suite.models.len()), (n_prompts, n_models), "{name}");
        let check = SuiteCheck::new(&suite);
        for (known, found) in [(best_single, check.best_single_score()), (oracle, check.oracle)] {
            let found = found.unwrap();
            assert!((found - known).abs() < 0.002, "{name}: {found} is not {known}");
        }
        let found = check
            .cheapest_and_most_expensive()
            .map(|models| models.map(|model| check.models[model].mean_cost_usd.unwrap() * 1000.0));
        assert_eq!(found.is_some(), costs.is_some(), "{name}");
        for (known, found) in costs.into_iter().flatten().zip(found.into_iter().flatten()) {
            assert!((found / known - 1.0).abs() < 0.005, "{name}: $ {found} is not $ {known}");
        }
    }
}

fn no_recorded_suite_is_suspicious(all: &Path) {
    for (name, _) in list(&[all.to_owned()]).unwrap() {
        let problems = SuiteCheck::new(&find(&name, &[all.to_owned()]).unwrap()).problems();
        assert!(problems.is_empty(), "{name}: {problems:?}");
    }
}

fn a_recorded_suite_writes_and_reads_back_equal(all: &Path) {
    for (name, _) in list(&[all.to_owned()]).unwrap() {
        let suite = find(&name, &[all.to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        suite.write(folder.path()).unwrap();
        let again = Suite::read(folder.path()).unwrap();
        assert_eq!(again.content_hash(), suite.content_hash(), "{name}");
    }
}

#[expect(clippy::disallowed_methods, reason = "measures the time that reading takes")]
fn a_large_suite_loads_quickly(all: &Path) {
    let start = std::time::Instant::now();
    find("mmlu_pro_cot", &[all.to_owned()]).unwrap();
    let elapsed = start.elapsed();
    // Alone it takes a quarter of a second; the bound leaves room for a busy machine.
    assert!(elapsed.as_secs() < 10, "{elapsed:?}");
}

fn single_model_means_on_each_benchmark_of_the_pair_are_the_published_ones(all: &Path) {
    let suite = find("routellm_pair", &[all.to_owned()]).unwrap();
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

fn the_recorded_suites_in_the_program_are_parts_of_the_whole_ones(all: &Path) {
    let mmlu_pro = SubsetSettings { n_prompts: Some(4000), ..part() };
    let routellm = SubsetSettings { benchmarks: vec!["gsm8k".into(), "mt-bench".into()], ..part() };
    let parts = [("mmlu-pro-part", "mmlu_pro_cot", mmlu_pro), ("routellm-part", "routellm_pair", routellm)];
    for (name, whole, settings) in parts {
        let committed = find(name, &[]).unwrap().in_order_of_ids();
        let made = find(whole, &[all.to_owned()]).unwrap().subset(&settings).unwrap();
        assert_eq!(committed.prompts, made.prompts, "{name}");
        assert_eq!(committed.models, made.models, "{name}");
        assert_eq!(committed.outcomes.score, made.outcomes.score, "{name}");
        // The folder with all prompts takes the first answer of MT-Bench for half of both.
        if name == "mmlu-pro-part" {
            assert_eq!(committed.outcomes, made.outcomes);
        }
        // Matrix products differ in their last digits from machine to machine.
        let [committed, made] = [&committed, &made].map(|suite| suite.embeddings.as_ref().unwrap().values());
        assert_eq!(committed.len(), made.len());
        assert!(committed.iter().zip(made).all(|(a, b)| (a - b).abs() < 0.01), "{name}");
    }
}

/// What both have in common.
fn part() -> SubsetSettings {
    SubsetSettings { n_dimensions: Some(48), without_texts: true, ..SubsetSettings::default() }
}
