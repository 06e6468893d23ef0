//! Shifts of what is known of a prompt when it is routed, and of what its user says.

use super::{Effect, Settings, Shift, Stage, check, each, fault, one, plain};
use crate::error::Result;
use crate::random::standard_normal;
use crate::seed::Stream;
use crate::suite::{Embeddings, Suite};

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
