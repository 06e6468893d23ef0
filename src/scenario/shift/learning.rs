//! Shifts of what is learned from and for which preferences, and of what is known of a prompt when it is routed and what its user says.

use super::{Effect, Settings, Shift, Stage, check, check_known, each, fault, one, plain};
use crate::error::Result;
use crate::index::SuitePrompt;
use crate::preference::{DistributionKind, PreferenceDistribution};
use crate::random::{bernoulli, shuffle, standard_normal};
use crate::scenario::split::Split;
use crate::seed::Stream;
use crate::suite::{Embeddings, Suite};

plain! {
    /// `label-noise`: shares, a shift each.
    LabelNoises {
        /// Each between 0 and 1.
        shares: Vec<f64>
    }
    /// Turns scores that are learned from around: s becomes 1 - s.
    LabelNoise {
        /// The chance of each.
        share: f64
    }
    /// `train-size`: numbers of prompts, a shift each; those that the suite does not reach are left out.
    TrainSizes {
        /// Each at least 2.
        sizes: Vec<usize>
    }
    /// Leaves so many development prompts.
    TrainSize {
        /// How many, validation prompts among them.
        size: usize
    }
    /// `leave-out-benchmark`: benchmarks, a shift each.
    LeaveOutBenchmarks {
        /// Only these; all where absent.
        benchmarks: Option<Vec<String>>
    }
    /// Learns from the other benchmarks, routes this one.
    LeaveOut {
        /// Which.
        benchmark: String
    }
    /// `preference-shift`: the preferences that routers are trained for.
    TrainedFor {
        /// The shape of their density.
        density: DistributionKind,
        /// Its lower end.
        low: f64,
        /// Its upper end.
        high: f64
    }
    /// Trains for another distribution of preferences.
    PreferenceShift {
        /// This.
        trained_for: PreferenceDistribution
    }
}

impl Settings for LabelNoises {
    fn shifts(&self, _: &Suite) -> Result<Vec<Shift>> {
        each(&self.shares, |&share| {
            check("shares", share, 0.0..=1.0)?;
            Ok(Some((format!("label-noise-{share}"), LabelNoise { share })))
        })
    }
}

impl Effect for LabelNoise {
    fn words(&self) -> String {
        format!("of the scores learned from a share of {} turned around", self.share)
    }

    fn stage(&self) -> Stage {
        Stage::Training
    }

    /// Each score is drawn alone.
    fn training_suite(&self, suite: &Suite, stream: &Stream) -> Result<Option<Suite>> {
        let mut noisy = suite.clone();
        let mut rng = stream.named("labels").generator();
        for prompt in 0..suite.prompts.len() {
            for model in 0..suite.models.len() {
                let is_turned = bernoulli(&mut rng, self.share);
                if let Some(score) = suite.outcomes.score.get(prompt, model).filter(|_| is_turned) {
                    noisy.outcomes.score.set(prompt, model, Some(1.0 - score));
                }
            }
        }
        Ok(Some(noisy))
    }
}

impl Settings for TrainSizes {
    fn shifts(&self, suite: &Suite) -> Result<Vec<Shift>> {
        each(&self.sizes, |&size| {
            check("sizes", size as f64, 2.0..=1e9)?;
            Ok((size < suite.prompts.len()).then(|| (format!("train-{size}"), TrainSize { size })))
        })
    }
}

impl Effect for TrainSize {
    fn words(&self) -> String {
        format!("{} development prompts", self.size)
    }

    fn stage(&self) -> Stage {
        Stage::Training
    }

    /// Drawn from both parts; a smaller draw is part of a larger one. Validation keeps its share, and at least one prompt.
    fn split(&self, _: &Suite, split: &Split, stream: &Stream) -> Result<Split> {
        let n_before = split.training.len() + split.validation.len();
        let share = split.validation.len() as f64 / n_before as f64;
        let n_validation = ((share * self.size as f64).round() as usize).max(1);
        let draw = |part: &[SuitePrompt], n: usize, name: &str| -> Vec<SuitePrompt> {
            let mut drawn = part.to_vec();
            shuffle(&mut stream.named("train-size").named(name).generator(), &mut drawn);
            drawn.truncate(n);
            drawn.sort_unstable();
            drawn
        };
        Ok(Split {
            training: draw(&split.training, self.size - n_validation, "training"),
            validation: draw(&split.validation, n_validation, "validation"),
            test: split.test.clone(),
        })
    }
}

impl Settings for LeaveOutBenchmarks {
    fn shifts(&self, suite: &Suite) -> Result<Vec<Shift>> {
        // Cutting the suite down may have left no prompt of some.
        let is_present = |at: usize| suite.prompts.iter().any(|prompt| prompt.benchmark == at);
        let known: Vec<String> = (suite.benchmarks.iter().enumerate())
            .filter(|(at, _)| is_present(*at))
            .map(|(_, name)| name.clone())
            .collect();
        if known.len() < 2 {
            return fault(format!("`leave-out-benchmark`: suite `{}` has one benchmark", suite.info.name));
        }
        each(self.benchmarks.as_ref().unwrap_or(&known), |name| {
            check_known("benchmark", name, known.iter().map(String::as_str))?;
            Ok(Some((format!("new-{name}"), LeaveOut { benchmark: name.clone() })))
        })
    }
}

impl Effect for LeaveOut {
    fn words(&self) -> String {
        format!("test prompts of {}, of which nothing was learned from", self.benchmark)
    }

    fn stage(&self) -> Stage {
        Stage::Training
    }

    /// Without the benchmark in development, and with its prompts alone in the test.
    fn split(&self, suite: &Suite, split: &Split, _: &Stream) -> Result<Split> {
        let benchmark = |prompt: &SuitePrompt| &suite.benchmarks[suite.prompts[prompt.at()].benchmark];
        let is_of = |prompt: &SuitePrompt| *benchmark(prompt) == self.benchmark;
        let part = |prompts: &[SuitePrompt], wanted: bool| -> Vec<SuitePrompt> {
            prompts.iter().copied().filter(|prompt| is_of(prompt) == wanted).collect()
        };
        let split = Split {
            training: part(&split.training, false),
            validation: part(&split.validation, false),
            test: part(&split.test, true),
        };
        if split.training.is_empty() || split.validation.is_empty() || split.test.is_empty() {
            return fault(format!("without benchmark `{}` a part of the split is empty", self.benchmark));
        }
        Ok(split)
    }
}

impl Settings for TrainedFor {
    fn shifts(&self, _: &Suite) -> Result<Vec<Shift>> {
        let TrainedFor { density: kind, low, high } = *self;
        let trained_for = PreferenceDistribution { kind, low, high };
        one(format!("trained-for-w-{low}-{high}"), PreferenceShift { trained_for })
    }
}

impl Effect for PreferenceShift {
    fn words(&self) -> String {
        format!("trained for w from {} to {}", self.trained_for.low, self.trained_for.high)
    }

    fn stage(&self) -> Stage {
        Stage::Training
    }

    fn trained_for(&self) -> Option<PreferenceDistribution> {
        Some(self.trained_for)
    }
}

plain! {
    /// `embedding-noise`: standard deviations, a shift each.
    EmbeddingNoises {
        /// Each above 0.
        deviations: Vec<f64>
    }
    /// Adds noise to embeddings of prompts that are routed.
    EmbeddingNoise {
        /// The length of the noise over that of the embedding, root mean square.
        deviation: f64
    }
    /// `no-embeddings`: takes the embeddings of prompts that are routed away.
    NoEmbeddings {}
    /// `preference-noise`: standard deviations, a shift each.
    PreferenceNoises {
        /// Each above 0.
        deviations: Vec<f64>
    }
    /// Asks each prompt at another preference than its user has.
    PreferenceNoise {
        /// The standard deviation of ln w as stated around ln w as meant.
        deviation: f64
    }
}

impl Settings for EmbeddingNoises {
    fn shifts(&self, suite: &Suite) -> Result<Vec<Shift>> {
        check_embeddings(suite, "embedding-noise")?;
        each(&self.deviations, |&deviation| {
            check("deviations", deviation, 0.0..=1e3)?;
            Ok(Some((format!("embedding-noise-{deviation}"), EmbeddingNoise { deviation })))
        })
    }
}

impl Effect for EmbeddingNoise {
    fn words(&self) -> String {
        format!("noise of {} of their length on the embeddings of routed prompts", self.deviation)
    }

    fn stage(&self) -> Stage {
        Stage::Test
    }

    /// With normal noise on every embedding, of the embedding's length times the deviation (root mean square). Prompts without an
    /// embedding stay without.
    fn test_suite(&self, suite: &Suite, stream: &Stream) -> Result<Option<Suite>> {
        let mut noisy = suite.clone();
        let stream = stream.named("embeddings");
        noisy.embeddings = suite.embeddings.as_ref().map(|embeddings| {
            let width = embeddings.n_dimensions();
            let rows = (0..embeddings.n_prompts()).flat_map(|prompt| {
                let mut rng = stream.named(&suite.prompts[prompt].id).generator();
                let row = embeddings.row(prompt);
                let length = row.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
                let scale = self.deviation * length / (width as f64).sqrt();
                let moved = |value: &f32| (f64::from(*value) + scale * standard_normal(&mut rng)) as f32;
                row.iter().map(moved).collect::<Vec<f32>>()
            });
            Embeddings::new(width, rows.collect())
        });
        Ok(Some(noisy))
    }
}

impl Settings for NoEmbeddings {
    fn shifts(&self, suite: &Suite) -> Result<Vec<Shift>> {
        check_embeddings(suite, "no-embeddings")?;
        one("no-embeddings", self.clone())
    }
}

impl Effect for NoEmbeddings {
    fn words(&self) -> String {
        "no embeddings of routed prompts".into()
    }

    fn stage(&self) -> Stage {
        Stage::Test
    }

    /// With embeddings of zeros, which mean "unknown".
    fn test_suite(&self, suite: &Suite, _: &Stream) -> Result<Option<Suite>> {
        let mut blank = suite.clone();
        blank.embeddings = suite.embeddings.as_ref().map(|embeddings| {
            Embeddings::new(embeddings.n_dimensions(), vec![0.0; embeddings.values().len()])
        });
        Ok(Some(blank))
    }
}

impl Settings for PreferenceNoises {
    fn shifts(&self, _: &Suite) -> Result<Vec<Shift>> {
        each(&self.deviations, |&deviation| {
            check("deviations", deviation, 0.0..=1e3)?;
            Ok(Some((format!("stated-w-{deviation}"), PreferenceNoise { deviation })))
        })
    }
}

impl Effect for PreferenceNoise {
    fn words(&self) -> String {
        format!("w stated with an error of {} in ln w (standard deviation)", self.deviation)
    }

    fn stage(&self) -> Stage {
        Stage::Test
    }

    fn misstatement(&self) -> Option<f64> {
        Some(self.deviation)
    }
}

fn check_embeddings(suite: &Suite, kind: &str) -> Result<()> {
    if suite.embeddings.is_some() {
        return Ok(());
    }
    fault(format!("`{kind}` needs prompt embeddings, which suite `{}` does not have", suite.info.name))
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
        let mislabelled = |suite: &Suite, share: f64| {
            LabelNoise { share }.training_suite(suite, &Stream::root(3)).unwrap().unwrap()
        };
        let noisy = mislabelled(&suite, 0.2);
        let cells = || (0..200).flat_map(|prompt| (0..5).map(move |model| (prompt, model)));
        let score = |suite: &Suite, (prompt, model)| suite.outcomes.score.get(prompt, model).unwrap();
        let n_turned = cells().filter(|&cell| score(&suite, cell) != score(&noisy, cell)).count();
        assert!((150..250).contains(&n_turned), "{n_turned}");
        assert!(cells().all(|cell| [0.0, 1.0].contains(&(score(&suite, cell) - score(&noisy, cell)).abs())));
        assert!(noisy.outcomes.cost_usd == suite.outcomes.cost_usd);
        assert!(mislabelled(&suite, 0.0) == suite);
    }

    #[test]
    fn a_smaller_split_is_part_of_a_larger_one() {
        let split = Split {
            training: SuitePrompt::of(0..100),
            validation: SuitePrompt::of(100..120),
            test: SuitePrompt::of(120..200),
        };
        let suite = suite();
        let smaller = |size| TrainSize { size }.split(&suite, &split, &Stream::root(5)).unwrap();
        let [small, large] = [30, 60].map(smaller);
        assert_eq!((small.training.len(), small.validation.len()), (25, 5));
        assert_eq!((large.training.len(), large.validation.len()), (50, 10));
        assert!(small.training.iter().all(|prompt| large.training.contains(prompt)));
        assert_eq!(small.test, split.test);
        let tiny = smaller(2);
        assert_eq!((tiny.training.len(), tiny.validation.len()), (1, 1));
    }

    #[test]
    fn a_benchmark_left_out_is_routed_and_not_learned_from() {
        let mut suite = suite();
        suite.benchmarks = vec!["a".into(), "b".into()];
        suite.prompts.iter_mut().enumerate().for_each(|(at, prompt)| prompt.benchmark = at % 2);
        let split = Split {
            training: SuitePrompt::of(0..100),
            validation: SuitePrompt::of(100..120),
            test: SuitePrompt::of(120..200),
        };
        let left = LeaveOut { benchmark: "b".into() }.split(&suite, &split, &Stream::root(1)).unwrap();
        assert!(left.training.iter().chain(&left.validation).all(|prompt| prompt.at() % 2 == 0));
        assert!(left.test.iter().all(|prompt| prompt.at() % 2 == 1));
        assert_eq!((left.training.len(), left.validation.len(), left.test.len()), (50, 10, 40));
    }

    #[test]
    fn noise_has_the_asked_length_and_no_embedding_is_no_embedding() {
        let suite = suite();
        let shifted = |effect: &dyn Effect| effect.test_suite(&suite, &Stream::root(6)).unwrap().unwrap();
        let noisy = shifted(&EmbeddingNoise { deviation: 0.5 });
        let (before, after) = (suite.embeddings.as_ref().unwrap(), noisy.embeddings.as_ref().unwrap());
        let length = |row: &[f32]| row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
        let (mut moved, mut whole) = (0.0, 0.0);
        for prompt in 0..200 {
            let pairs = before.row(prompt).iter().zip(after.row(prompt));
            moved += length(&pairs.map(|(a, b)| b - a).collect::<Vec<f32>>());
            whole += length(before.row(prompt));
        }
        assert!(((moved / whole).sqrt() - 0.5).abs() < 0.03, "{}", (moved / whole).sqrt());
        let blank = shifted(&NoEmbeddings {});
        assert!((0..200).all(|prompt| !blank.embeddings.as_ref().unwrap().is_known(prompt)));
    }
}
