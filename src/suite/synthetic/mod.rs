//! Synthetic suites whose best routing is known in closed form: the yardstick for routers and for the metrics.
//!
//! Prompts come from a mixture of clusters in a latent space of a few dimensions, models are right by item response
//! theory (`abilities`), embeddings show the latent position up to noise (`prompts`), output tokens are log-normal, and a
//! cost is tokens times list price. `Truth` keeps the expectations that the suite's outcomes were drawn from.

mod prompts;
mod settings;

use std::collections::BTreeMap;

use self::prompts::Abilities;
use self::prompts::LatentPrompt;
use super::sessions::best_models;
use super::{CacheSettings, CellTable, CostBasis, Model, Outcomes, Prompt, Suite, SuiteInfo};
use crate::error::{Error, Result};
use crate::random::{ChaCha8Rng, bernoulli, beta, index_below, standard_normal, uniform};
use crate::seed::Stream;
use crate::text::Text;

pub use settings::{BenchmarkSettings, ModelSettings, ScoreKind, SynthesizedSessions, SyntheticSettings};

/// A suite and the expectations it was drawn from.
#[derive(Clone, Debug, PartialEq)]
pub struct Synthetic {
    /// What a router may see.
    pub suite: Suite,
    /// What is true.
    pub truth: Truth,
}

/// Concentration of a graded score around its mean.
const GRADED_CONCENTRATION: f64 = 2.0;

/// Spread of the logarithm of a cluster's and of an invented model's mean answer length.
const LENGTH_SPREAD: f64 = 0.35;

impl SyntheticSettings {
    /// Draws the suite; the same settings give the same suite.
    ///
    /// # Errors
    /// A setting out of its range.
    pub fn generate(&self) -> Result<Synthetic> {
        if let Some(problem) = self.problem() {
            return Err(Error::Usage(format!("synthetic suite `{}`: {problem}", self.name)));
        }
        let stream = Stream::root(self.seed).named("synthetic");
        let benchmarks = benchmarks(self);
        let models = models(self, &stream);
        let latent = prompts::draw(self, &benchmarks, &stream);
        let abilities = Abilities::draw(self, &models, &benchmarks, &latent, &stream);
        let lengths = Lengths::draw(self, &models, &benchmarks, &stream);
        let embeddings = prompts::embed(self, &latent, &stream);

        let mut suite_models: Vec<Model> = models.iter().map(suite_model).collect();
        if let Some(sessions) = &self.sessions {
            let cached = |price: f64| to_digits(sessions.cached_price_share * price, 4);
            let cached = |price: f64| if sessions.cached_price_share > 0.0 { cached(price) } else { 0.0 };
            for model in &mut suite_models {
                model.price_cached_in_usd_per_1m = model.price_in_usd_per_1m.map(cached);
            }
        }
        let truth = truth(&suite_models, &latent, &abilities, &lengths);
        let outcomes = draw_outcomes(self, &suite_models, &latent, &abilities, &lengths, &stream);
        let suite_prompts: Vec<Prompt> = latent
            .iter()
            .enumerate()
            .map(|(at, prompt)| Prompt {
                id: format!("{}-{at:05}", benchmarks[prompt.benchmark].name),
                benchmark: prompt.benchmark,
                task: format!("cluster-{}", prompt.cluster % self.n_clusters_per_benchmark),
                text: Text::default(),
                turn: prompt.turn.clone(),
                ..Prompt::default()
            })
            .collect();
        let cost_basis = CostBasis { list_price: outcomes.score.n_known(), ..CostBasis::default() };
        let (prompts, benchmarks) = in_order_of_appearance(suite_prompts, &benchmarks);
        let suite = Suite {
            info: SuiteInfo {
                name: self.name.clone(),
                description: self.description.clone(),
                licence: self.licence.clone(),
                source: format!("simulated, seed {}", self.seed),
                primary_metric: "simulated score".into(),
                simulated: true,
                import: None,
            },
            prompts,
            benchmarks,
            models: suite_models,
            outcomes,
            cost_basis,
            priced_by: None,
            comparisons: Vec::new(),
            embeddings: Some(embeddings),
        };
        Ok(Synthetic { suite, truth })
    }
}

fn benchmarks(settings: &SyntheticSettings) -> Vec<BenchmarkSettings> {
    if !settings.benchmarks.is_empty() {
        return settings.benchmarks.clone();
    }
    (1..=settings.n_benchmarks)
        .map(|number| BenchmarkSettings {
            name: format!("benchmark-{number}"),
            weight: 1.0,
            input_tokens: 150.0,
            output_tokens: 250.0,
        })
        .collect()
}

fn models(settings: &SyntheticSettings, stream: &Stream) -> Vec<ModelSettings> {
    if !settings.models.is_empty() {
        return settings.models.clone();
    }
    let (low, high) = (settings.price_low_usd_per_1m, settings.price_high_usd_per_1m);
    (1..=settings.n_models)
        .map(|number| {
            let id = format!("model-{number}");
            let mut rng = stream.named("price").named(&id).generator();
            let price = low * (high / low).powf(uniform(&mut rng));
            // Vendors ask between one and four times as much for an output token as for an input token.
            let ratio = 1.0 + 3.0 * uniform(&mut rng);
            let price_out_usd_per_1m = to_digits(price, 4);
            ModelSettings {
                id,
                vendor: String::new(),
                family: format!("family-{}", 1 + (number - 1) % settings.n_families),
                price_in_usd_per_1m: to_digits(price / ratio, 4),
                price_out_usd_per_1m,
                price_source: "simulated".into(),
                verbosity: (LENGTH_SPREAD * standard_normal(&mut rng)).exp(),
                accuracy: BTreeMap::new(),
            }
        })
        .collect()
}

/// Rounds to that many significant digits, as a price list would.
fn to_digits(value: f64, n_digits: i32) -> f64 {
    let unit = 10f64.powi(n_digits - 1 - value.log10().floor() as i32);
    (value * unit).round() / unit
}

fn suite_model(model: &ModelSettings) -> Model {
    Model {
        id: model.id.clone(),
        vendor: model.vendor.clone(),
        family: model.family.clone(),
        price_in_usd_per_1m: Some(model.price_in_usd_per_1m),
        price_out_usd_per_1m: Some(model.price_out_usd_per_1m),
        price_source: model.price_source.clone(),
        ..Model::default()
    }
}

/// Mean lengths of answers.
struct Lengths {
    /// Mean output tokens by cluster.
    by_cluster: Vec<f64>,
    /// Verbosity by model.
    by_model: Vec<f64>,
    /// Standard deviation of the logarithm.
    spread: f64,
}

impl Lengths {
    fn draw(
        settings: &SyntheticSettings,
        models: &[ModelSettings],
        benchmarks: &[BenchmarkSettings],
        stream: &Stream,
    ) -> Self {
        let mut rng = stream.named("lengths").generator();
        let by_cluster = (benchmarks.iter())
            .flat_map(|benchmark| vec![benchmark.output_tokens; settings.n_clusters_per_benchmark])
            .map(|mean| mean * (LENGTH_SPREAD * standard_normal(&mut rng)).exp())
            .collect();
        let by_model = models.iter().map(|model| model.verbosity).collect();
        Lengths { by_cluster, by_model, spread: settings.output_tokens_spread }
    }

    fn mean(&self, model: usize, prompt: &LatentPrompt) -> f64 {
        self.by_cluster[prompt.cluster] * self.by_model[model]
    }

    /// Log-normal around the mean, as a whole number of the same expectation.
    fn draw_tokens(&self, rng: &mut ChaCha8Rng, model: usize, prompt: &LatentPrompt) -> f64 {
        let log = self.spread * standard_normal(rng) - self.spread * self.spread / 2.0;
        round_fairly(rng, self.mean(model, prompt) * log.exp())
    }
}

/// Up or down at random, so that the expectation stays what it was.
fn round_fairly(rng: &mut ChaCha8Rng, value: f64) -> f64 {
    (value + uniform(rng)).floor()
}

fn truth(models: &[Model], prompts: &[LatentPrompt], abilities: &Abilities, lengths: &Lengths) -> Truth {
    let n_cells = prompts.len() * models.len();
    let (mut score, mut cost) = (Vec::with_capacity(n_cells), Vec::with_capacity(n_cells));
    let mut tokens = Vec::with_capacity(n_cells);
    let mut read = vec![0.0; models.len()];
    for prompt in prompts {
        for (k, model) in models.iter().enumerate() {
            score.push(abilities.expected_score(k, prompt));
            let (input, output) = (prompt.input_after(read[k]), lengths.mean(k, prompt));
            read[k] = input + output;
            let usd = model.list_cost_usd(input, output);
            cost.push(usd.expect("a synthetic model has both prices"));
            tokens.push([input, output]);
        }
    }
    Truth { expected_tokens: tokens, ..Truth::new(models.len(), score, cost) }
}

fn draw_outcomes(
    settings: &SyntheticSettings,
    models: &[Model],
    prompts: &[LatentPrompt],
    abilities: &Abilities,
    lengths: &Lengths,
    stream: &Stream,
) -> Outcomes {
    let missing = || CellTable::missing(prompts.len(), models.len());
    let mut outcomes = Outcomes {
        score: missing(),
        cost_usd: missing(),
        input_tokens: missing(),
        output_tokens: missing(),
        extra: BTreeMap::new(),
    };
    let [mut scores, mut tokens, mut gaps] =
        ["scores", "tokens", "missing"].map(|name| stream.named(name).generator());
    let mut read = vec![0.0; models.len()];
    for (n, prompt) in prompts.iter().enumerate() {
        let kept = index_below(&mut gaps, models.len());
        for (k, model) in models.iter().enumerate() {
            // All are drawn, present or not, so that the share of missing cells changes none of the others.
            let score = draw_score(settings, &mut scores, abilities.probability(k, prompt));
            let output_tokens = lengths.draw_tokens(&mut tokens, k, prompt);
            let input_tokens = prompt.input_after(read[k]);
            read[k] = input_tokens + output_tokens;
            if bernoulli(&mut gaps, settings.missing) && k != kept {
                continue;
            }
            outcomes.score.set(n, k, Some(score));
            outcomes.input_tokens.set(n, k, Some(input_tokens));
            outcomes.output_tokens.set(n, k, Some(output_tokens));
            outcomes.cost_usd.set(n, k, model.list_cost_usd(input_tokens, output_tokens));
        }
    }
    outcomes
}

fn draw_score(settings: &SyntheticSettings, rng: &mut ChaCha8Rng, probability: f64) -> f64 {
    let score = match settings.score {
        ScoreKind::Binary => f64::from(u8::from(bernoulli(rng, probability))),
        ScoreKind::Graded => {
            // A shape of 0 has no beta distribution; this close to 0 or 1 it does not matter.
            let shapes = [probability, 1.0 - probability].map(|p| (GRADED_CONCENTRATION * p).max(1e-6));
            let score = beta(rng, shapes[0], shapes[1]);
            round_fairly(rng, score * 100.0).min(100.0) / 100.0
        }
    };
    if bernoulli(rng, settings.label_noise) { 1.0 - score } else { score }
}

/// Benchmarks are numbered as a reader would number them: in order of appearance, the empty ones left out.
fn in_order_of_appearance(
    mut prompts: Vec<Prompt>,
    benchmarks: &[BenchmarkSettings],
) -> (Vec<Prompt>, Vec<String>) {
    let mut order: Vec<usize> = Vec::new();
    for prompt in &mut prompts {
        let number = order.iter().position(|&known| known == prompt.benchmark).unwrap_or_else(|| {
            order.push(prompt.benchmark);
            order.len() - 1
        });
        prompt.benchmark = number;
    }
    (prompts, order.into_iter().map(|old| benchmarks[old].name.clone()).collect())
}

/// Expectations by (prompt, model), given all that can be known when routing: the prompt's latent position and its number
/// of input tokens. The part of a prompt's difficulty that no embedding shows, label noise, and the length of the answer
/// are averaged over.
///
/// They also hold for cells that are missing in the suite.
#[derive(Clone, Debug, PartialEq)]
pub struct Truth {
    n_models: usize,
    expected_score: Vec<f64>,
    expected_cost_usd: Vec<f64>,
    /// Of input and output; none where they are not told.
    expected_tokens: Vec<[f64; 2]>,
}

impl Truth {
    /// Prompt-major tables.
    fn new(n_models: usize, expected_score: Vec<f64>, expected_cost_usd: Vec<f64>) -> Self {
        Truth { n_models, expected_score, expected_cost_usd, expected_tokens: Vec::new() }
    }

    /// Number of prompts.
    pub fn n_prompts(&self) -> usize {
        self.expected_score.len() / self.n_models
    }

    /// Number of models.
    pub fn n_models(&self) -> usize {
        self.n_models
    }

    /// The probability of being right; with graded scores, the mean score.
    pub fn expected_score(&self, prompt: usize, model: usize) -> f64 {
        self.expected_score[prompt * self.n_models + model]
    }

    /// The mean cost in dollars.
    pub fn expected_cost_usd(&self, prompt: usize, model: usize) -> f64 {
        self.expected_cost_usd[prompt * self.n_models + model]
    }

    /// Expected score minus `weight_per_usd` times expected cost.
    pub fn utility(&self, prompt: usize, model: usize, weight_per_usd: f64) -> f64 {
        self.expected_score(prompt, model) - weight_per_usd * self.expected_cost_usd(prompt, model)
    }

    /// The model of highest expected utility; the lowest index among equals.
    pub fn best(&self, prompt: usize, weight_per_usd: f64) -> usize {
        let all: Vec<usize> = (0..self.n_models).collect();
        self.best_of(prompt, &all, weight_per_usd)
    }

    /// The model of a pool that has the highest expected utility; the first among equals.
    ///
    /// # Panics
    /// If the pool is empty.
    pub fn best_of(&self, prompt: usize, pool: &[usize], weight_per_usd: f64) -> usize {
        pool.iter()
            .copied()
            .reduce(|best, model| {
                let [new, old] = [model, best].map(|model| self.utility(prompt, model, weight_per_usd));
                if old < new { model } else { best }
            })
            .expect("a pool holds at least one model")
    }

    /// What a model's cache is expected to save of a turn after another one on the same model. A turn holds the whole turn before it,
    /// so that this is exact where no prefix is too short to be kept.
    fn expected_saving_usd(
        &self,
        suite: &Suite,
        caches: &CacheSettings,
        pair: [usize; 2],
        model: usize,
    ) -> f64 {
        let [before, turn] = pair.map(|at| suite.prompts[at].turn.as_ref());
        if !before.zip(turn).is_some_and(|(before, turn)| caches.is_warm(before, turn)) {
            return 0.0;
        }
        let [before, turn] = pair.map(|at| self.expected_tokens[at * self.n_models + model]);
        caches.saving_usd(&suite.models[model], before, turn[0])
    }

    /// The models of the turns of a session of the suite, in their order, that together have the highest expected utility.
    pub fn best_models(
        &self,
        suite: &Suite,
        caches: &CacheSettings,
        turns: &[usize],
        weight_per_usd: f64,
    ) -> Vec<usize> {
        let value = |turn: usize, model| Some(self.utility(turns[turn], model, weight_per_usd));
        let stay = |turn: usize, model| {
            weight_per_usd * self.expected_saving_usd(suite, caches, [turns[turn - 1], turns[turn]], model)
        };
        best_models(turns.len(), self.n_models, value, stay)
    }

    /// The expected utility of a session's turns with these models, summed.
    pub fn session_utility(
        &self,
        suite: &Suite,
        caches: &CacheSettings,
        (turns, models): (&[usize], &[usize]),
        weight_per_usd: f64,
    ) -> f64 {
        let alone = turns.iter().zip(models).map(|(&turn, &model)| self.utility(turn, model, weight_per_usd));
        let stays = turns.windows(2).zip(models.windows(2)).filter(|(_, models)| models[0] == models[1]);
        let saved = stays
            .map(|(turns, models)| self.expected_saving_usd(suite, caches, [turns[0], turns[1]], models[1]));
        alone.sum::<f64>() + weight_per_usd * saved.sum::<f64>()
    }

    /// The highest expected utility that any router can reach on these prompts with this pool, as a mean over the prompts;
    /// 0 without prompts.
    pub fn optimal_utility(&self, prompts: &[usize], pool: &[usize], weight_per_usd: f64) -> f64 {
        let total: f64 = prompts
            .iter()
            .map(|&prompt| self.utility(prompt, self.best_of(prompt, pool, weight_per_usd), weight_per_usd))
            .sum();
        total / prompts.len().max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::sessions::sessions;

    #[test]
    fn the_optimum_of_a_session_is_above_that_of_its_turns_and_of_every_single_model() {
        let settings = SyntheticSettings {
            n_prompts: 400,
            n_models: 4,
            sessions: Some(SynthesizedSessions::default()),
            ..SyntheticSettings::default()
        };
        let Synthetic { suite, truth } = settings.generate().unwrap();
        let sessions = sessions(&suite.prompts);
        assert!(
            sessions.iter().all(|turns| turns.len() <= 8) && sessions.iter().any(|turns| turns.len() > 2)
        );
        let caches = CacheSettings { least_prefix_tokens: 0.0, ..CacheSettings::default() };
        let weight = 300.0;
        let total = |models: &dyn Fn(&[usize]) -> Vec<usize>| -> f64 {
            let of =
                |turns: &Vec<usize>| truth.session_utility(&suite, &caches, (turns, &models(turns)), weight);
            sessions.iter().map(of).sum()
        };
        let optimum = total(&|turns| truth.best_models(&suite, &caches, turns, weight));
        let by_turn = total(&|turns| turns.iter().map(|&turn| truth.best(turn, weight)).collect());
        assert!(optimum > by_turn + 0.5, "{optimum} {by_turn}");
        for model in 0..4 {
            assert!(optimum > total(&|turns| vec![model; turns.len()]) + 0.5, "{optimum}, model {model}");
        }
        for turns in &sessions {
            for (pair, model) in turns.windows(2).flat_map(|pair| (0..4).map(move |model| (pair, model))) {
                let [input, output] = [&suite.outcomes.input_tokens, &suite.outcomes.output_tokens];
                let of = |table: &CellTable, at: usize| table.get(at, model).unwrap();
                assert!(
                    of(input, pair[1]) > of(input, pair[0]) + of(output, pair[0]),
                    "new tokens come on top"
                );
            }
        }
    }

    #[test]
    fn the_best_model_trades_score_against_cost() {
        let truth =
            Truth::new(3, vec![0.5, 0.9, 0.9, 0.8, 0.2, 0.1], vec![0.001, 0.01, 0.02, 0.001, 0.01, 0.02]);
        assert_eq!([truth.best(0, 0.0), truth.best(1, 0.0)], [1, 0]);
        assert_eq!(truth.best(0, 100.0), 0);
        assert_eq!(truth.best_of(1, &[2, 1], 0.0), 1);
        assert!((truth.optimal_utility(&[0, 1], &[0, 1, 2], 10.0) - (0.8 + 0.79) / 2.0).abs() < 1e-12);
        assert_eq!(truth.optimal_utility(&[], &[0], 1.0), 0.0);
    }
}
