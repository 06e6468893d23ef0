//! Synthetic suites: the outcomes follow the truth they were drawn from, and the same settings give the same suite.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

use llm_bandit::suite::Suite;
use llm_bandit::suite::synthetic::{ScoreKind, Synthetic, SyntheticSettings};
use proptest::prelude::*;

fn generate(change: impl FnOnce(&mut SyntheticSettings)) -> Synthetic {
    let mut settings = SyntheticSettings { n_prompts: 2000, ..SyntheticSettings::default() };
    change(&mut settings);
    settings.generate().unwrap()
}

/// For each model: the sum of (recorded - expected), in standard errors, of the scores and of the costs.
fn deviations(synthetic: &Synthetic) -> Vec<[f64; 2]> {
    let (suite, truth) = (&synthetic.suite, &synthetic.truth);
    let tables = [&suite.outcomes.score, &suite.outcomes.cost_usd];
    (0..suite.models.len())
        .map(|model| {
            [0, 1].map(|which| {
                let differences: Vec<f64> = (0..suite.prompts.len())
                    .filter_map(|prompt| {
                        let expected = match which {
                            0 => truth.expected_score(prompt, model),
                            _ => truth.expected_cost_usd(prompt, model),
                        };
                        tables[which].get(prompt, model).map(|value| value - expected)
                    })
                    .collect();
                let variance: f64 = differences.iter().map(|d| d * d).sum();
                differences.iter().sum::<f64>() / variance.sqrt()
            })
        })
        .collect()
}

#[test]
fn scores_and_costs_lie_around_their_expectations() {
    type Change = fn(&mut SyntheticSettings);
    let kinds: [(&str, Change); 4] = [
        ("binary", |_| ()),
        ("graded", |s| s.score = ScoreKind::Graded),
        ("noisy labels", |s| s.label_noise = 0.2),
        ("missing cells", |s| s.missing = 0.5),
    ];
    for (name, change) in kinds {
        for deviation in deviations(&generate(change)).into_iter().flatten() {
            assert!(deviation.abs() < 4.0, "{name}: {deviation} standard errors");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_suite_and_another_seed_another() {
    let first = generate(|_| ());
    assert_eq!(first, generate(|_| ()));
    assert_ne!(first.suite.content_hash(), generate(|s| s.seed = 1).suite.content_hash());
}

#[test]
fn a_synthetic_suite_reads_back_equal() {
    let synthetic = generate(|s| (s.n_prompts, s.missing, s.score) = (50, 0.3, ScoreKind::Graded));
    let folder = tempfile::tempdir().unwrap();
    synthetic.suite.write(folder.path()).unwrap();
    assert_eq!(Suite::read(folder.path()).unwrap(), synthetic.suite);
}

#[test]
fn missing_cells_change_none_of_the_others_and_leave_each_prompt_one() {
    let (full, holed) = (generate(|_| ()).suite, generate(|s| s.missing = 0.9).suite);
    for prompt in 0..full.prompts.len() {
        let pairs = full.outcomes.score.row(prompt).zip(holed.outcomes.score.row(prompt));
        let kept: Vec<_> = pairs.filter(|(_, holed)| holed.is_some()).collect();
        assert!(!kept.is_empty() && kept.iter().all(|(full, holed)| full == holed));
    }
}

#[test]
fn models_of_one_family_agree_more_than_strangers() {
    let synthetic = generate(|s| {
        (s.n_models, s.n_families, s.family_share) = (9, 3, 0.8);
        (s.specialisation, s.difficulty_spread, s.n_latent_dimensions) = (2.0, 0.5, 12);
    });
    let scores = &synthetic.suite.outcomes.score;
    let column = |model: usize| -> Vec<f64> {
        (0..scores.n_prompts()).map(|prompt| scores.get(prompt, model).unwrap()).collect()
    };
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let correlation = |a: usize, b: usize| {
        let (a, b) = (column(a), column(b));
        let (mean_a, mean_b) = (mean(&a), mean(&b));
        let sum = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
            a.iter().zip(&b).map(|(x, y)| f(x - mean_a, y - mean_b)).sum()
        };
        sum(&|x, y| x * y) / (sum(&|x, _| x * x) * sum(&|_, y| y * y)).sqrt()
    };
    let (mut same, mut other) = (Vec::new(), Vec::new());
    for a in 0..9 {
        for b in 0..a {
            if a % 3 == b % 3 { &mut same } else { &mut other }.push(correlation(a, b));
        }
    }
    assert!(mean(&other) + 0.1 < mean(&same), "{same:?} {other:?}");
}

#[test]
fn without_noise_the_embedding_tells_which_prompts_are_alike() {
    let suite = generate(|s| (s.n_prompts, s.embedding_noise, s.cluster_share) = (200, 0.0, 1.0)).suite;
    let embeddings = suite.embeddings.unwrap();
    for (i, first) in suite.prompts.iter().enumerate() {
        for (j, second) in suite.prompts.iter().enumerate().skip(i) {
            let is_same = (first.benchmark, &first.task) == (second.benchmark, &second.task);
            assert_eq!(embeddings.row(i) == embeddings.row(j), is_same);
        }
    }
}

fn settings() -> impl Strategy<Value = SyntheticSettings> {
    let counts = (0..20usize, 0..6usize, 0..9usize, 0..4usize, 0..4usize, 0..5usize, 0..4usize);
    let shares = (0.0..=1.0, 0.0..=1.0, 0.0..=1.0, 0.0..=1.0, 0.0..1.0);
    let sizes = (0.0..120.0, 0.0..10.0, 0.0..10.0, 0.01..10.0, 0.01..100.0, 0.0..4.0);
    (counts, shares, sizes, any::<u64>(), any::<bool>()).prop_map(|(counts, shares, sizes, seed, graded)| {
        SyntheticSettings {
            seed,
            n_prompts: counts.0,
            n_latent_dimensions: counts.1,
            n_dimensions: counts.2,
            n_benchmarks: counts.3,
            n_clusters_per_benchmark: counts.4,
            n_models: counts.5,
            n_families: counts.6,
            cluster_share: shares.0,
            family_share: shares.1,
            difficulty_visible: shares.2,
            label_noise: shares.3,
            missing: shares.4,
            embedding_noise: sizes.0,
            specialisation: sizes.1,
            difficulty_spread: sizes.2,
            price_low_usd_per_1m: sizes.3,
            price_high_usd_per_1m: sizes.4,
            output_tokens_spread: sizes.5,
            score: if graded { ScoreKind::Graded } else { ScoreKind::Binary },
            ..SyntheticSettings::default()
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]
    #[test]
    fn any_settings_give_a_suite_or_an_error(settings in settings()) {
        let Ok(Synthetic { suite, truth }) = settings.generate() else { return Ok(()) };
        prop_assert_eq!(suite.prompts.len(), settings.n_prompts);
        for model in &suite.models {
            prop_assert!(model.price_in_usd_per_1m.unwrap() > 0.0 && model.price_out_usd_per_1m.unwrap() > 0.0);
        }
        for prompt in 0..suite.prompts.len() {
            prop_assert!(suite.outcomes.score.row(prompt).flatten().all(|score| (0.0..=1.0).contains(&score)));
            prop_assert!(suite.outcomes.score.row(prompt).any(|score| score.is_some()));
            let best = truth.best(prompt, 50.0);
            for model in 0..suite.models.len() {
                prop_assert!((0.0..=1.0).contains(&truth.expected_score(prompt, model)));
                prop_assert!(0.0 < truth.expected_cost_usd(prompt, model));
                prop_assert!(truth.utility(prompt, model, 50.0) <= truth.utility(prompt, best, 50.0));
            }
        }
    }
}
