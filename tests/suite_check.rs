//! What `verify` says: sound suites pass, and a model whose rows are out of order is named, it alone.

use llm_bandit::random::shuffle;
use llm_bandit::seed::Stream;
use llm_bandit::suite::synthetic::SyntheticSettings;
use llm_bandit::suite::{CellTable, EMBEDDED_NAME, Suite, SuiteCheck, find};

fn synthetic(change: impl FnOnce(&mut SyntheticSettings)) -> Suite {
    let mut settings = SyntheticSettings::default();
    change(&mut settings);
    settings.generate().expect("the settings are good").suite
}

/// The suite with one model's scores taken from other rows.
fn reordered(suite: &Suite, model: usize, order: &[usize]) -> Suite {
    let mut other = suite.clone();
    for (row, &taken) in order.iter().enumerate() {
        other.outcomes.score.set(row, model, suite.outcomes.score.get(taken, model));
    }
    other
}

fn shuffled(n_prompts: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n_prompts).collect();
    shuffle(&mut Stream::root(seed).generator(), &mut order);
    order
}

/// As several evaluation processes leave it that took turns and whose files were then put one after another.
fn interleaved(n_prompts: usize, n_ranks: usize) -> Vec<usize> {
    (0..n_ranks).flat_map(|rank| (rank..n_prompts).step_by(n_ranks)).collect()
}

fn misaligned(suite: &Suite) -> Vec<usize> {
    let models = SuiteCheck::new(suite).models;
    (0..models.len()).filter(|&k| models[k].alignment.is_some_and(|a| a.is_misaligned)).collect()
}

#[test]
fn sound_suites_have_no_problem() {
    let empty: [String; 0] = [];
    for seed in 0..30 {
        let suite = synthetic(|s| (s.seed, s.n_prompts, s.missing) = (seed, 300, 0.3));
        assert_eq!(SuiteCheck::new(&suite).problems(), empty, "seed {seed}");
    }
    assert_eq!(SuiteCheck::new(&find(EMBEDDED_NAME, &[]).unwrap()).problems(), empty);
}

#[test]
fn a_shuffled_or_interleaved_model_is_named_and_it_alone() {
    let suite = synthetic(|_| ());
    let n_prompts = suite.prompts.len();
    for model in 0..suite.models.len() {
        for order in [shuffled(n_prompts, 5), interleaved(n_prompts, 4)] {
            let broken = reordered(&suite, model, &order);
            assert_eq!(misaligned(&broken), [model]);
            let problems = SuiteCheck::new(&broken).problems();
            assert_eq!(problems.len(), 1);
            let name = &suite.models[model].id;
            assert!(problems[0].starts_with(&format!("model `{name}`: rows look shuffled")), "{problems:?}");
        }
    }
}

#[test]
fn when_every_model_has_its_own_order_the_suite_is_suspicious() {
    let mut suite = synthetic(|s| (s.n_prompts, s.n_models) = (2000, 4));
    for model in 0..4 {
        suite = reordered(&suite, model, &shuffled(2000, model as u64));
    }
    let problems = SuiteCheck::new(&suite).problems();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with("no model's scores go with those of the others"));
}

#[test]
fn small_constant_and_two_model_suites_raise_no_alarm() {
    for seed in 0..20 {
        let small = synthetic(|s| (s.seed, s.n_prompts) = (seed, 40));
        assert!(misaligned(&reordered(&small, 0, &shuffled(40, seed))).len() <= 1);
        assert!(misaligned(&small).is_empty());
    }
    let pair = synthetic(|s| s.n_models = 2);
    assert_eq!(SuiteCheck::new(&reordered(&pair, 0, &shuffled(1000, 1))).problems().len(), 0);
    let mut constant = synthetic(|_| ());
    for prompt in 0..constant.prompts.len() {
        constant.outcomes.score.set(prompt, 3, Some(0.1));
    }
    let check = SuiteCheck::new(&constant);
    assert_eq!(check.models[3].alignment, None);
    assert_eq!(check.problems().len(), 0);
}

#[test]
fn a_model_that_only_guesses_is_no_alarm_among_its_like() {
    // Twelve models unrelated to anything beside eight that are related: as many as real leaderboards hold.
    let mut suite = synthetic(|s| (s.n_models, s.seed) = (20, 3));
    let mut rng = Stream::root(9).generator();
    for prompt in 0..suite.prompts.len() {
        for model in 8..20 {
            let guess = llm_bandit::random::bernoulli(&mut rng, 0.02);
            suite.outcomes.score.set(prompt, model, Some(f64::from(u8::from(guess))));
        }
    }
    assert!(misaligned(&suite).is_empty());
}

/// Three prompts of two benchmarks and three models, small enough to check by hand.
fn by_hand() -> Suite {
    let mut suite = synthetic(|s| (s.n_prompts, s.n_models, s.n_benchmarks) = (4, 3, 1));
    suite.benchmarks = vec!["a".into(), "b".into()];
    for (prompt, benchmark) in suite.prompts.iter_mut().zip([0, 0, 1, 1]) {
        prompt.benchmark = benchmark;
        prompt.text = "same".into();
    }
    suite.prompts[1].text = "other".into();
    suite.outcomes.score = CellTable::missing(4, 3);
    let rows =
        [[Some(1.0), Some(0.0), Some(1.0)], [Some(0.0), Some(1.0), None], [Some(0.0), Some(0.5), None]];
    for (prompt, row) in rows.iter().enumerate() {
        row.iter().enumerate().for_each(|(model, &cell)| suite.outcomes.score.set(prompt, model, cell));
    }
    suite.models[2].price_in_usd_per_1m = None;
    suite
}

#[test]
fn the_figures_are_those_of_the_definition() {
    // The last prompt has no score, so that three of four is all a model can have: too few to count, but on `a`.
    let check = SuiteCheck::new(&by_hand());
    assert_eq!((check.n_prompts, check.n_with_text, check.n_unanswered), (4, 4, 1));
    assert_eq!((check.n_duplicates, check.n_shared_between_benchmarks), (1, 1));
    assert_eq!(check.fill, 7.0 / 12.0);
    assert_eq!(
        (check.best_single, check.benchmarks[0].best, check.benchmarks[1].best),
        (None, Some((0, 0.5)), None)
    );
    assert_eq!(check.oracle, Some(1.0));
    assert_eq!(check.headroom(), Some(0.5));
    assert_eq!(
        check.warnings(),
        [
            "1 of 4 prompts repeat a text of another benchmark: split by text, or the test set leaks",
            "1 of 4 prompts repeat a text of their own benchmark: split by text, or the test set leaks",
            "1 of 4 prompts have no score of any model",
            "1 of 3 models have no list price",
            "no model has scores on 90 % of the prompts: best model and oracle are counted by benchmark",
        ]
    );
    let mut full = by_hand();
    for (model, score) in [0.5, 1.0].into_iter().enumerate() {
        full.outcomes.score.set(3, model, Some(score));
    }
    let check = SuiteCheck::new(&full);
    assert_eq!((check.best_single, check.best_single_score()), (Some(1), Some(0.625)));
    assert_eq!(check.best_per_benchmark, Some((0.5 + 0.5 + 0.75 + 0.75) / 4.0));
    assert_eq!(check.oracle, Some((1.0 + 1.0 + 0.5 + 1.0) / 4.0));
}

#[test]
fn the_text_is_aligned_and_names_problems() {
    let suite = synthetic(|_| ());
    let text = SuiteCheck::new(&reordered(&suite, 2, &shuffled(1000, 5))).to_string();
    assert!(
        text.starts_with("suite          synthetic (SIMULATED outcomes)\nprompts        1000, 0 with text")
    );
    assert!(text.contains("\nproblem: model `model-3`: rows look shuffled or interleaved"), "{text}");
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("model-")).collect();
    let column = rows[0].find(" +- ").unwrap();
    assert!(rows.len() == 8 && rows.iter().all(|row| row.find(" +- ") == Some(column)), "{text}");
}
