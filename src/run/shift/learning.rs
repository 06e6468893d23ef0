//! Shifts of what is learned from, and of what is known of a prompt.

use crate::error::{Error, Result};
use crate::random::{bernoulli, shuffle, standard_normal};
use crate::scenario::split::Split;
use crate::seed::Stream;
use crate::suite::{Embeddings, Suite};

/// The suite with a share of the scores turned around, s to 1 - s, each drawn alone.
pub(super) fn mislabelled(suite: &Suite, share: f64, stream: &Stream) -> Suite {
    let mut noisy = suite.clone();
    let mut rng = stream.named("labels").generator();
    for prompt in 0..suite.prompts.len() {
        for model in 0..suite.models.len() {
            let is_turned = bernoulli(&mut rng, share);
            if let Some(score) = suite.outcomes.score.get(prompt, model).filter(|_| is_turned) {
                noisy.outcomes.score.set(prompt, model, Some(1.0 - score));
            }
        }
    }
    noisy
}

/// The split with so many development prompts, drawn from both parts; a smaller draw is part of a larger one. Validation
/// keeps its share, and at least one prompt.
pub(super) fn smaller(split: &Split, size: usize, stream: &Stream) -> Split {
    let n_before = split.training.len() + split.validation.len();
    let share = split.validation.len() as f64 / n_before as f64;
    let n_validation = ((share * size as f64).round() as usize).max(1);
    let draw = |part: &[usize], n: usize, name: &str| -> Vec<usize> {
        let mut drawn = part.to_vec();
        shuffle(&mut stream.named("train-size").named(name).generator(), &mut drawn);
        drawn.truncate(n);
        drawn.sort_unstable();
        drawn
    };
    Split {
        training: draw(&split.training, size - n_validation, "training"),
        validation: draw(&split.validation, n_validation, "validation"),
        test: split.test.clone(),
    }
}

/// The split without a benchmark in development, and with its prompts alone in the test.
pub(super) fn without_benchmark(suite: &Suite, split: &Split, benchmark: &str) -> Result<Split> {
    let is_of = |&prompt: &usize| suite.benchmarks[suite.prompts[prompt].benchmark] == benchmark;
    let part = |prompts: &[usize], wanted: bool| -> Vec<usize> {
        prompts.iter().copied().filter(|prompt| is_of(prompt) == wanted).collect()
    };
    let split = Split {
        training: part(&split.training, false),
        validation: part(&split.validation, false),
        test: part(&split.test, true),
    };
    if split.training.is_empty() || split.validation.is_empty() || split.test.is_empty() {
        let problem = format!("[[shift]] without benchmark `{benchmark}` a part of the split is empty");
        return Err(Error::Usage(problem));
    }
    Ok(split)
}

/// The suite with normal noise on every embedding, of the embedding's length times the deviation (root mean square).
/// Prompts without an embedding stay without.
pub(super) fn noisy(suite: &Suite, deviation: f64, stream: &Stream) -> Suite {
    let mut noisy = suite.clone();
    let stream = stream.named("embeddings");
    noisy.embeddings = suite.embeddings.as_ref().map(|embeddings| {
        let width = embeddings.n_dimensions();
        let rows = (0..embeddings.n_prompts()).flat_map(|prompt| {
            let mut rng = stream.named(&suite.prompts[prompt].id).generator();
            let row = embeddings.row(prompt);
            let length = row.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
            let scale = deviation * length / (width as f64).sqrt();
            let moved = |value: &f32| (f64::from(*value) + scale * standard_normal(&mut rng)) as f32;
            row.iter().map(moved).collect::<Vec<f32>>()
        });
        Embeddings::new(width, rows.collect())
    });
    noisy
}

/// The suite with embeddings of zeros, which mean "unknown".
pub(super) fn without_embeddings(suite: &Suite) -> Suite {
    let mut blank = suite.clone();
    blank.embeddings = suite
        .embeddings
        .as_ref()
        .map(|embeddings| Embeddings::new(embeddings.n_dimensions(), vec![0.0; embeddings.values().len()]));
    blank
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::synthetic::SyntheticSettings;

    fn suite() -> Suite {
        let settings = SyntheticSettings { n_prompts: 200, n_models: 5, ..SyntheticSettings::default() };
        settings.generate().unwrap().suite
    }

    #[test]
    fn of_the_labels_the_share_is_turned_and_nothing_else_changes() {
        let suite = suite();
        let noisy = mislabelled(&suite, 0.2, &Stream::root(3));
        let cells = || (0..200).flat_map(|prompt| (0..5).map(move |model| (prompt, model)));
        let score = |suite: &Suite, (prompt, model)| suite.outcomes.score.get(prompt, model).unwrap();
        let n_turned = cells().filter(|&cell| score(&suite, cell) != score(&noisy, cell)).count();
        assert!((150..250).contains(&n_turned), "{n_turned}");
        assert!(cells().all(|cell| [0.0, 1.0].contains(&(score(&suite, cell) - score(&noisy, cell)).abs())));
        assert!(noisy.outcomes.cost_usd == suite.outcomes.cost_usd);
        assert!(mislabelled(&suite, 0.0, &Stream::root(3)) == suite);
    }

    #[test]
    fn a_smaller_split_is_part_of_a_larger_one() {
        let split = Split {
            training: (0..100).collect(),
            validation: (100..120).collect(),
            test: (120..200).collect(),
        };
        let [small, large] = [30, 60].map(|size| smaller(&split, size, &Stream::root(5)));
        assert_eq!((small.training.len(), small.validation.len()), (25, 5));
        assert_eq!((large.training.len(), large.validation.len()), (50, 10));
        assert!(small.training.iter().all(|prompt| large.training.contains(prompt)));
        assert_eq!(small.test, split.test);
        let tiny = smaller(&split, 2, &Stream::root(5));
        assert_eq!((tiny.training.len(), tiny.validation.len()), (1, 1));
    }

    #[test]
    fn noise_has_the_asked_length_and_no_embedding_is_no_embedding() {
        let suite = suite();
        let noisy = noisy(&suite, 0.5, &Stream::root(6));
        let (before, after) = (suite.embeddings.as_ref().unwrap(), noisy.embeddings.as_ref().unwrap());
        let length = |row: &[f32]| row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
        let (mut moved, mut whole) = (0.0, 0.0);
        for prompt in 0..200 {
            let pairs = before.row(prompt).iter().zip(after.row(prompt));
            moved += length(&pairs.map(|(a, b)| b - a).collect::<Vec<f32>>());
            whole += length(before.row(prompt));
        }
        assert!(((moved / whole).sqrt() - 0.5).abs() < 0.03, "{}", (moved / whole).sqrt());
        let blank = without_embeddings(&suite);
        assert!((0..200).all(|prompt| !blank.embeddings.as_ref().unwrap().is_known(prompt)));
    }

    #[test]
    fn a_benchmark_left_out_is_routed_and_not_learned_from() {
        let mut suite = suite();
        suite.benchmarks = vec!["a".into(), "b".into()];
        suite.prompts.iter_mut().enumerate().for_each(|(at, prompt)| prompt.benchmark = at % 2);
        let split = Split {
            training: (0..100).collect(),
            validation: (100..120).collect(),
            test: (120..200).collect(),
        };
        let left = without_benchmark(&suite, &split, "b").unwrap();
        assert!(left.training.iter().chain(&left.validation).all(|prompt| prompt % 2 == 0));
        assert!(left.test.iter().all(|prompt| prompt % 2 == 1));
        assert_eq!((left.training.len(), left.validation.len(), left.test.len()), (50, 10, 40));
    }
}
