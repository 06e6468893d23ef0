//! What a synthetic suite is made from, as a TOML file says it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, suggestion};
use crate::suite::read::{MOST_BENCHMARKS, MOST_CELLS};
use crate::{fs, toml_file};

/// The settings of a synthetic suite; every key is optional.
///
/// Where a model and a benchmark are listed with an accuracy, the intercept is fitted to it; all else is drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct SyntheticSettings {
    /// The suite's name.
    pub name: String,
    /// The suite's description.
    pub description: String,
    /// The licence of the generated data.
    pub licence: String,
    /// The seed: the same settings give the same suite.
    pub seed: u64,
    /// Number of prompts.
    pub n_prompts: usize,
    /// Number of latent dimensions in which prompts and abilities differ.
    pub n_latent_dimensions: usize,
    /// Width of the embeddings, more than `n_latent_dimensions`.
    pub n_dimensions: usize,
    /// Length of the noise in an embedding, relative to the signal; at 0 the embedding tells the latent position exactly.
    pub embedding_noise: f64,
    /// Number of benchmarks to invent where `benchmarks` is empty.
    pub n_benchmarks: usize,
    /// The benchmarks; or none, to invent `n_benchmarks`.
    pub benchmarks: Vec<BenchmarkSettings>,
    /// Clusters of prompts in each benchmark.
    pub n_clusters_per_benchmark: usize,
    /// Share of the latent variance that lies between clusters, from 0 to 1.
    pub cluster_share: f64,
    /// Number of models to invent where `models` is empty.
    pub n_models: usize,
    /// Number of families among the invented models.
    pub n_families: usize,
    /// The models; or none, to invent `n_models`.
    pub models: Vec<ModelSettings>,
    /// Lowest list price of an invented model, in dollars per million output tokens; prices are log-uniform.
    pub price_low_usd_per_1m: f64,
    /// Highest list price of an invented model, in dollars per million output tokens.
    pub price_high_usd_per_1m: f64,
    /// How much an invented model's logit rises for each factor e of its price.
    pub ability_per_log_price: f64,
    /// Standard deviation of what is left of an invented model's intercept, in logits.
    pub ability_spread: f64,
    /// Standard deviation over prompts of what a model is specially good or bad at, in logits.
    pub specialisation: f64,
    /// Share of the ability vector's variance that the models of one family have in common, from 0 to 1.
    pub family_share: f64,
    /// Standard deviation of a prompt's difficulty, common to all models, in logits.
    pub difficulty_spread: f64,
    /// Share of the difficulty's variance that follows from the latent position, from 0 to 1; the rest no router can see.
    pub difficulty_visible: f64,
    /// Standard deviation of the logarithm of the number of output tokens.
    pub output_tokens_spread: f64,
    /// Whether a score is right or wrong, or anything between.
    pub score: ScoreKind,
    /// Probability that a score is recorded the wrong way round, from 0 to 1.
    pub label_noise: f64,
    /// Share of cells that are missing, from 0 to below 1; each prompt keeps at least one.
    pub missing: f64,
    /// Prompts as turns of sessions; without it every prompt is asked alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions: Option<SynthesizedSessions>,
}

/// The `[sessions]` of a synthetic suite. A turn's input is what the model has read and written in the turns before, and new tokens,
/// as many as a prompt alone would have: every model leads the conversation by itself, with answers of its own length.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct SynthesizedSessions {
    /// Fewest turns of a session.
    pub least_turns: u32,
    /// Most turns of a session; any number between is as probable.
    pub most_turns: u32,
    /// Share of the latent variance within a cluster that the turns of a session have in common, from 0 to 1.
    pub topic_share: f64,
    /// Mean seconds between turns, exponentially distributed.
    pub seconds_between_turns: f64,
    /// List price of a cached input token over that of any other, from 0 to 1.
    pub cached_price_share: f64,
}

impl Default for SynthesizedSessions {
    fn default() -> Self {
        SynthesizedSessions {
            least_turns: 2,
            most_turns: 8,
            topic_share: 0.7,
            seconds_between_turns: 90.0,
            cached_price_share: 0.1,
        }
    }
}

/// What a score can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScoreKind {
    /// 0 or 1.
    Binary,
    /// Hundredths from 0 to 1, beta-distributed around the probability that a binary score would have.
    Graded,
}

/// A benchmark of a synthetic suite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BenchmarkSettings {
    /// Its name.
    pub name: String,
    /// Its share of the prompts, relative to the others.
    pub weight: f64,
    /// Mean number of prompt tokens.
    pub input_tokens: f64,
    /// Mean number of answer tokens of a model with verbosity 1.
    pub output_tokens: f64,
}

/// A model of a synthetic suite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ModelSettings {
    /// Its id.
    pub id: String,
    /// Who made it.
    #[serde(default)]
    pub vendor: String,
    /// Its family: models of one family are good at similar prompts.
    pub family: String,
    /// List price in dollars per million input tokens.
    pub price_in_usd_per_1m: f64,
    /// List price in dollars per million output tokens.
    pub price_out_usd_per_1m: f64,
    /// Where the price was taken from.
    #[serde(default)]
    pub price_source: String,
    /// Output tokens relative to the benchmark's mean.
    #[serde(default = "one")]
    pub verbosity: f64,
    /// Expected accuracy by benchmark; drawn where absent.
    #[serde(default)]
    pub accuracy: BTreeMap<String, f64>,
}

fn one() -> f64 {
    1.0
}

impl Default for SyntheticSettings {
    fn default() -> Self {
        SyntheticSettings {
            name: "synthetic".into(),
            description: "Simulated outcomes whose best routing is known in closed form.".into(),
            licence: String::new(),
            seed: 0,
            n_prompts: 1000,
            n_latent_dimensions: 6,
            n_dimensions: 32,
            embedding_noise: 0.2,
            n_benchmarks: 4,
            benchmarks: Vec::new(),
            n_clusters_per_benchmark: 3,
            cluster_share: 0.7,
            n_models: 8,
            n_families: 3,
            models: Vec::new(),
            price_low_usd_per_1m: 0.1,
            price_high_usd_per_1m: 15.0,
            ability_per_log_price: 0.35,
            ability_spread: 0.5,
            specialisation: 1.0,
            family_share: 0.6,
            difficulty_spread: 1.5,
            difficulty_visible: 0.3,
            output_tokens_spread: 0.4,
            score: ScoreKind::Binary,
            label_noise: 0.0,
            missing: 0.0,
            sessions: None,
        }
    }
}

impl SyntheticSettings {
    /// Reads a settings file.
    ///
    /// # Errors
    /// A file that cannot be read, an unknown key, or a setting out of its range.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_text(path)?;
        let settings: Self = toml_file::parse(path, &text)?;
        match settings.problem() {
            Some(problem) => Err(Error::file(path, problem)),
            None => Ok(settings),
        }
    }

    /// The first setting that no suite can be made from.
    pub(super) fn problem(&self) -> Option<String> {
        self.count_problem()
            .or_else(|| self.number_problem())
            .or_else(|| self.benchmark_problem())
            .or_else(|| self.model_problem())
            .or_else(|| self.session_problem())
    }

    fn count_problem(&self) -> Option<String> {
        let counts = [
            ("n-prompts", self.n_prompts),
            ("n-latent-dimensions", self.n_latent_dimensions),
            ("n-benchmarks", self.n_benchmarks.max(self.benchmarks.len())),
            ("n-clusters-per-benchmark", self.n_clusters_per_benchmark),
            ("n-models", self.n_models.max(self.models.len())),
            ("n-families", self.n_families),
        ];
        if let Some((name, _)) = counts.iter().find(|(_, count)| *count == 0) {
            return Some(format!("`{name}` is 0"));
        }
        let [n_prompts, n_latent, n_benchmarks, n_clusters, n_models, _] = counts.map(|(_, count)| count);
        if n_benchmarks > MOST_BENCHMARKS {
            return Some(format!("`n-benchmarks` is {n_benchmarks}, more than {MOST_BENCHMARKS}"));
        }
        // What is kept at once; the factors before they are multiplied, where a product would overflow.
        let tables = [
            ("`n-prompts` x `n-models`", n_prompts, n_models),
            ("`n-prompts` x `n-dimensions`", n_prompts, self.n_dimensions),
            ("`n-models` x `n-latent-dimensions`", n_models.max(self.n_families), n_latent),
            ("`n-clusters-per-benchmark` x `n-benchmarks`", n_clusters, n_benchmarks),
            ("clusters x `n-latent-dimensions`", n_clusters.saturating_mul(n_benchmarks), n_latent),
        ];
        if let Some((what, n, m)) = tables.iter().find(|(_, n, m)| n.saturating_mul(*m) > MOST_CELLS) {
            return Some(format!("{what} are {n} x {m} numbers, more than {MOST_CELLS}"));
        }
        // One dimension more, so that the length of the latent position survives the normalisation.
        (self.n_dimensions <= self.n_latent_dimensions).then(|| {
            format!(
                "`n-dimensions` is {} but must be more than `n-latent-dimensions`, {}",
                self.n_dimensions, self.n_latent_dimensions
            )
        })
    }

    fn number_problem(&self) -> Option<String> {
        const LARGE: f64 = 100.0;
        let ranges = [
            ("embedding-noise", self.embedding_noise, LARGE),
            ("cluster-share", self.cluster_share, 1.0),
            ("ability-per-log-price", self.ability_per_log_price, LARGE),
            ("ability-spread", self.ability_spread, LARGE),
            ("specialisation", self.specialisation, LARGE),
            ("family-share", self.family_share, 1.0),
            ("difficulty-spread", self.difficulty_spread, LARGE),
            ("difficulty-visible", self.difficulty_visible, 1.0),
            ("output-tokens-spread", self.output_tokens_spread, 3.0),
            ("label-noise", self.label_noise, 1.0),
            ("missing", self.missing, 0.999),
        ];
        for (name, value, high) in ranges {
            if !(0.0..=high).contains(&value) {
                return Some(format!("`{name}` is {value} but must lie between 0 and {high}"));
            }
        }
        let (low, high) = (self.price_low_usd_per_1m, self.price_high_usd_per_1m);
        if !(is_positive(low) && is_positive(high) && low <= high) {
            return Some(format!("prices from {low} to {high}: both must be positive, the lower one first"));
        }
        None
    }

    fn session_problem(&self) -> Option<String> {
        const MOST_TURNS: u32 = 1000;
        let SynthesizedSessions {
            least_turns,
            most_turns,
            topic_share,
            seconds_between_turns,
            cached_price_share,
        } = self.sessions.as_ref()?;
        if !(1 <= *least_turns && least_turns <= most_turns && *most_turns <= MOST_TURNS) {
            return Some(format!(
                "sessions of {least_turns} to {most_turns} turns: from 1 to {MOST_TURNS}, the lower number first"
            ));
        }
        let ranges = [
            ("topic-share", *topic_share, 1.0),
            ("seconds-between-turns", *seconds_between_turns, 1e6),
            ("cached-price-share", *cached_price_share, 1.0),
        ];
        let (name, value, high) =
            ranges.into_iter().find(|(_, value, high)| !(0.0..=*high).contains(value))?;
        Some(format!("[sessions]: `{name}` is {value} but must lie between 0 and {high}"))
    }

    fn benchmark_problem(&self) -> Option<String> {
        let mut seen = BTreeSet::new();
        for benchmark in &self.benchmarks {
            let name = &benchmark.name;
            if !seen.insert(name) {
                return Some(format!("benchmark `{name}` stands twice"));
            }
            let numbers = [
                ("weight", benchmark.weight),
                ("input-tokens", benchmark.input_tokens),
                ("output-tokens", benchmark.output_tokens),
            ];
            for (key, value) in numbers {
                if !is_positive(value) {
                    return Some(format!("benchmark `{name}`: `{key}` is {value} but must be positive"));
                }
            }
        }
        None
    }

    fn model_problem(&self) -> Option<String> {
        let mut seen = BTreeSet::new();
        for model in &self.models {
            let id = &model.id;
            if id.is_empty() || !seen.insert(id) {
                return Some(format!("model `{id}` stands twice or has no id"));
            }
            let numbers = [
                ("price-in-usd-per-1m", model.price_in_usd_per_1m),
                ("price-out-usd-per-1m", model.price_out_usd_per_1m),
                ("verbosity", model.verbosity),
            ];
            for (key, value) in numbers {
                if !is_positive(value) {
                    return Some(format!("model `{id}`: `{key}` is {value} but must be positive"));
                }
            }
            for (benchmark, accuracy) in &model.accuracy {
                let names = || self.benchmarks.iter().map(|benchmark| benchmark.name.as_str());
                if !names().any(|name| name == benchmark) {
                    let near = suggestion(benchmark, names());
                    return Some(format!("model `{id}`: unknown benchmark `{benchmark}`{near}"));
                }
                let reachable = [self.label_noise, 1.0 - self.label_noise];
                let (low, high) = (reachable[0].min(reachable[1]), reachable[0].max(reachable[1]));
                if !(low < *accuracy && *accuracy < high) {
                    return Some(format!(
                        "model `{id}`: accuracy {accuracy} on `{benchmark}` must lie between {low} and {high}"
                    ));
                }
            }
        }
        None
    }
}

/// Positive and small enough that sums and products of a suite stay finite.
fn is_positive(value: f64) -> bool {
    0.0 < value && value < 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_out_of_range_is_named() {
        let problem = |change: fn(&mut SyntheticSettings)| {
            let mut settings = SyntheticSettings::default();
            change(&mut settings);
            settings.problem().unwrap_or_default()
        };
        assert_eq!(problem(|_| ()), "");
        assert_eq!(problem(|s| s.n_prompts = 0), "`n-prompts` is 0");
        // Their product would overflow.
        assert_eq!(
            problem(|s| (s.n_clusters_per_benchmark, s.n_benchmarks) = (usize::MAX / 2, 3)),
            format!(
                "`n-clusters-per-benchmark` x `n-benchmarks` are {} x 3 numbers, more than 200000000",
                usize::MAX / 2
            )
        );
        assert_eq!(problem(|s| s.n_benchmarks = 10_001), "`n-benchmarks` is 10001, more than 10000");
        for large in [
            (|s| s.n_prompts = usize::MAX) as fn(&mut SyntheticSettings),
            |s| s.n_models = usize::MAX,
            |s| s.n_families = usize::MAX,
            |s| s.n_dimensions = usize::MAX,
            |s| (s.n_latent_dimensions, s.n_dimensions) = (usize::MAX - 1, usize::MAX),
        ] {
            assert!(problem(large).ends_with("numbers, more than 200000000"), "{}", problem(large));
        }
        assert_eq!(problem(|s| s.missing = 1.0), "`missing` is 1 but must lie between 0 and 0.999");
        assert_eq!(
            problem(|s| s.family_share = f64::NAN),
            "`family-share` is NaN but must lie between 0 and 1"
        );
        assert_eq!(
            problem(|s| s.n_dimensions = 6),
            "`n-dimensions` is 6 but must be more than `n-latent-dimensions`, 6"
        );
        assert_eq!(
            problem(|s| s.price_low_usd_per_1m = 0.0),
            "prices from 0 to 15: both must be positive, the lower one first"
        );
    }

    #[test]
    fn a_misspelt_key_is_named_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("synth.toml");
        std::fs::write(&path, "seed = 1\nn-prompt = 3\n").unwrap();
        let message = SyntheticSettings::read(&path).unwrap_err().to_string();
        assert!(
            message.ends_with("synth.toml:2: unknown field `n-prompt`; did you mean `n-prompts`?"),
            "{message}"
        );
    }
}
