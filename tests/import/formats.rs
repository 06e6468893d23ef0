//! Every format: what is imported is what another count of the raw files says, and it runs.

use std::path::Path;

use llm_bandit::import::Coverage;
use llm_bandit::suite::Suite;

use super::counted::{self, checked};
use super::{Files, fixtures, folder, imported, means, settings};

fn of_fixture(files: &Files, check: fn(&Path) -> (Coverage, Suite)) -> (Coverage, Suite) {
    let folder = folder(files);
    check(&folder.path().join("raw"))
}

#[test]
fn lm_eval_is_joined_by_hash_whatever_the_order_of_rows() {
    let (coverage, suite) = of_fixture(&fixtures::lm_eval(), counted::lm_eval);
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
    let (coverage, suite) = of_fixture(&fixtures::inspect(), counted::inspect);
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
    let (coverage, suite) = of_fixture(&fixtures::alpaca_eval(), counted::alpaca_eval);
    assert_eq!(coverage.n_files, 2);
    assert_eq!(coverage.tally.duplicates, 0);
    assert_eq!(suite.info.primary_metric, "weighted_alpaca_eval_gpt4_turbo");
}

#[test]
fn routellm_keeps_repeated_questions_apart_and_averages_turns() {
    let (coverage, suite) = of_fixture(&fixtures::routellm(), counted::routellm);
    assert_eq!(suite.prompts.len(), 3 * fixtures::N_PROMPTS);
    assert_eq!(coverage.tally.averaged, 2 * fixtures::N_PROMPTS);
    assert_eq!(coverage.check.n_duplicates, fixtures::N_PROMPTS / 2);
    assert!(suite.prompts.iter().any(|prompt| prompt.id == "mt-bench/7" && prompt.text == "Tell 7"));
}

#[test]
fn routerbench_keeps_its_costs_and_its_prompts_are_read_out_of_python() {
    let (_, suite) = of_fixture(&fixtures::routerbench(), counted::routerbench);
    assert_eq!((suite.prompts[3].id.as_str(), suite.prompts[3].text.as_str()), ("mbpp.3", "It's 3"));
}

#[test]
fn zeroeval_is_scored_by_what_the_output_states() {
    let (coverage, suite) = of_fixture(&fixtures::zeroeval(), counted::zeroeval);
    assert_eq!(coverage.tally.skipped.values().sum::<usize>(), 1, "the answer to another task");
    assert_eq!((suite.prompts[3].id.as_str(), suite.prompts[3].text.as_str()), ("gsm-#3", "What is 3?"));
}
