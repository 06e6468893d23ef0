//! Synthetic prompts and models.
//!
//! A prompt has a benchmark, a cluster, a latent position, a difficulty, input tokens, and an embedding that shows some of it. How
//! probable it is that a model answers it rightly is multidimensional item response theory (Reckase 2009):
//! P(right) = sigmoid(a_k . z + b_kj - difficulty), with the prompt's latent position z, the model's ability vector a_k, and an
//! intercept b_kj for each model k and benchmark j.

use std::collections::BTreeMap;

use half::f16;

use super::settings::{BenchmarkSettings, ModelSettings, SynthesizedSessions, SyntheticSettings};
use crate::random::{ChaCha8Rng, index_below, standard_normal, uniform};
use crate::seed::Stream;
use crate::suite::{Embeddings, Turn};

/// What is true of one prompt.
pub(super) struct LatentPrompt {
    pub(super) benchmark: usize,
    /// Its cluster, counted over all benchmarks.
    pub(super) cluster: usize,
    /// Each coordinate has variance 1 over the mixture of clusters.
    pub(super) position: Vec<f64>,
    /// The difficulty that follows from the position, in logits.
    pub(super) visible_difficulty: f64,
    /// The difficulty that nothing shows, in logits.
    pub(super) hidden_difficulty: f64,
    /// Of a turn those that are new in it.
    pub(super) input_tokens: f64,
    /// Its place in a session.
    pub(super) turn: Option<Turn>,
}

impl LatentPrompt {
    /// The input tokens of a model that has read and written so many in the turn before.
    pub(super) fn input_after(&self, read: f64) -> f64 {
        let is_later = self.turn.as_ref().is_some_and(|turn| turn.number > 1);
        self.input_tokens + if is_later { read } else { 0.0 }
    }
}

/// What the turns of a session have in common.
struct Topic {
    benchmark: usize,
    cluster: usize,
    /// Where they lie within the cluster, in units of its spread.
    position: Vec<f64>,
    turn: Turn,
    n_turns: u32,
}

/// Spread of the logarithm of input tokens over the prompts of a benchmark.
const INPUT_TOKENS_SPREAD: f64 = 0.4;

/// Draws the prompts.
pub(super) fn draw(
    settings: &SyntheticSettings,
    benchmarks: &[BenchmarkSettings],
    stream: &Stream,
) -> Vec<LatentPrompt> {
    let n_latent = settings.n_latent_dimensions;
    let n_clusters = benchmarks.len() * settings.n_clusters_per_benchmark;
    let mut rng = stream.named("clusters").generator();
    let centres: Vec<Vec<f64>> = (0..n_clusters).map(|_| normals(&mut rng, n_latent)).collect();
    let difficulty_direction = normals(&mut rng, n_latent);
    let scale = settings.difficulty_spread * (settings.difficulty_visible / n_latent as f64).sqrt();
    let hidden_spread = hidden_difficulty_spread(settings);
    let [between, within] = [settings.cluster_share, 1.0 - settings.cluster_share].map(f64::sqrt);
    let total_weight: f64 = benchmarks.iter().map(|benchmark| benchmark.weight).sum();
    let mut rng = stream.named("prompts").generator();
    let mut talk = stream.named("sessions").generator();
    let mut topic: Option<Topic> = None;
    (0..settings.n_prompts)
        .map(|at| {
            topic = topic.take().filter(|topic| topic.turn.number < topic.n_turns);
            let (benchmark, cluster) = topic.as_ref().map_or_else(
                || {
                    let mut left = uniform(&mut rng) * total_weight;
                    let is_drawn = |benchmark: &BenchmarkSettings| {
                        left -= benchmark.weight;
                        left < 0.0
                    };
                    let benchmark = benchmarks.iter().position(is_drawn).unwrap_or(benchmarks.len() - 1);
                    let n_own = settings.n_clusters_per_benchmark;
                    (benchmark, benchmark * n_own + index_below(&mut rng, n_own))
                },
                |topic| (topic.benchmark, topic.cluster),
            );
            let mut place: Vec<f64> = (0..n_latent).map(|_| standard_normal(&mut rng)).collect();
            if let Some(sessions) = &settings.sessions {
                let begun = topic.take();
                let topic = topic.insert(match begun {
                    Some(topic) => topic.next(sessions, &mut talk),
                    None => Topic::begin((benchmark, cluster), n_latent, at, sessions, &mut talk),
                });
                let [shared, own] = [sessions.topic_share, 1.0 - sessions.topic_share].map(f64::sqrt);
                place.iter_mut().zip(&topic.position).for_each(|(own_place, common)| {
                    *own_place = shared * common + own * *own_place;
                });
            }
            let position: Vec<f64> = (centres[cluster].iter().zip(&place))
                .map(|(centre, place)| between * centre + within * place)
                .collect();
            let log_tokens = benchmarks[benchmark].input_tokens.ln()
                + INPUT_TOKENS_SPREAD * standard_normal(&mut rng)
                - INPUT_TOKENS_SPREAD * INPUT_TOKENS_SPREAD / 2.0;
            LatentPrompt {
                benchmark,
                cluster,
                visible_difficulty: scale * dot(&difficulty_direction, &position),
                hidden_difficulty: hidden_spread * standard_normal(&mut rng),
                position,
                input_tokens: log_tokens.exp().round().max(1.0),
                turn: topic.as_ref().map(|topic| topic.turn.clone()),
            }
        })
        .collect()
}

impl Topic {
    /// A session that begins at a prompt, with its first turn.
    fn begin(
        (benchmark, cluster): (usize, usize),
        n_latent: usize,
        at: usize,
        sessions: &SynthesizedSessions,
        rng: &mut ChaCha8Rng,
    ) -> Self {
        let n_more = index_below(rng, (sessions.most_turns - sessions.least_turns) as usize + 1);
        Topic {
            benchmark,
            cluster,
            position: normals(rng, n_latent),
            turn: Turn { session: format!("session-{at:05}"), number: 1, asked_at_seconds: Some(0.0) },
            n_turns: sessions.least_turns + n_more as u32,
        }
    }

    fn next(mut self, sessions: &SynthesizedSessions, rng: &mut ChaCha8Rng) -> Self {
        let seconds = -sessions.seconds_between_turns * (1.0 - uniform(rng)).ln();
        self.turn.number += 1;
        self.turn.asked_at_seconds = self.turn.asked_at_seconds.map(|before| before + seconds.round());
        self
    }
}

/// Standard deviation of the difficulty that nothing shows.
pub(super) fn hidden_difficulty_spread(settings: &SyntheticSettings) -> f64 {
    settings.difficulty_spread * (1.0 - settings.difficulty_visible).sqrt()
}

/// Shows each latent position in a wider space: an orthonormal map of the position and of one constant coordinate, plus
/// isotropic noise, normalised to length 1.
///
/// The constant keeps the length of the position readable after the normalisation.
pub(super) fn embed(settings: &SyntheticSettings, prompts: &[LatentPrompt], stream: &Stream) -> Embeddings {
    let (n_latent, n_dimensions) = (settings.n_latent_dimensions, settings.n_dimensions);
    let mut rng = stream.named("embedding-map").generator();
    let axes = orthonormal(&mut rng, n_latent + 1, n_dimensions);
    let constant = (n_latent as f64).sqrt();
    let noise = settings.embedding_noise * (n_latent as f64 / n_dimensions as f64).sqrt();
    let mut rng = stream.named("embedding-noise").generator();
    let mut values = Vec::with_capacity(prompts.len() * n_dimensions);
    for prompt in prompts {
        let mut row: Vec<f64> = (0..n_dimensions).map(|_| noise * standard_normal(&mut rng)).collect();
        for (axis, coordinate) in axes.iter().zip(prompt.position.iter().chain([&constant])) {
            row.iter_mut().zip(axis).for_each(|(value, part)| *value += coordinate * part);
        }
        let length = dot(&row, &row).sqrt();
        // Rounded as the file will hold it, so that the suite reads back equal.
        values.extend(row.iter().map(|value| f16::from_f64(value / length).to_f32()));
    }
    Embeddings::new(n_dimensions, values)
}

/// `count` orthonormal vectors, by Gram-Schmidt on random ones.
fn orthonormal(rng: &mut ChaCha8Rng, count: usize, width: usize) -> Vec<Vec<f64>> {
    let mut axes: Vec<Vec<f64>> = Vec::with_capacity(count);
    while axes.len() < count {
        let mut axis = normals(rng, width);
        for other in &axes {
            let along = dot(&axis, other);
            axis.iter_mut().zip(other).for_each(|(value, part)| *value -= along * part);
        }
        let length = dot(&axis, &axis).sqrt();
        // A vector that nearly lies in the span of the others would be mostly rounding error: draw another.
        if 1e-3 < length {
            axis.iter_mut().for_each(|value| *value /= length);
            axes.push(axis);
        }
    }
    axes
}

pub(super) fn normals(rng: &mut ChaCha8Rng, count: usize) -> Vec<f64> {
    (0..count).map(|_| standard_normal(rng)).collect()
}

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Abilities of all models, and what turns them into probabilities.
pub(super) struct Abilities {
    /// By model: the ability vector.
    vectors: Vec<Vec<f64>>,
    /// By model, then benchmark.
    intercepts: Vec<Vec<f64>>,
    label_noise: f64,
    hidden_difficulty: Quadrature,
}

impl Abilities {
    /// Draws the ability vectors, then fits the intercepts that have a target and draws the others.
    pub(super) fn draw(
        settings: &SyntheticSettings,
        models: &[ModelSettings],
        benchmarks: &[BenchmarkSettings],
        prompts: &[LatentPrompt],
        stream: &Stream,
    ) -> Self {
        let mut abilities = Abilities {
            vectors: draw_vectors(settings, models, stream),
            intercepts: draw_intercepts(settings, models, benchmarks.len(), stream),
            label_noise: settings.label_noise,
            hidden_difficulty: Quadrature::normal(hidden_difficulty_spread(settings)),
        };
        for (k, model) in models.iter().enumerate() {
            for (j, benchmark) in benchmarks.iter().enumerate() {
                if let Some(&target) = model.accuracy.get(&benchmark.name) {
                    abilities.fit_intercept(k, j, prompts, target);
                }
            }
        }
        abilities
    }

    /// The logit of being right where the hidden difficulty is 0.
    fn logit(&self, model: usize, prompt: &LatentPrompt) -> f64 {
        dot(&self.vectors[model], &prompt.position) + self.intercepts[model][prompt.benchmark]
            - prompt.visible_difficulty
    }

    /// The probability of being right, hidden difficulty and all, before label noise.
    pub(super) fn probability(&self, model: usize, prompt: &LatentPrompt) -> f64 {
        sigmoid(self.logit(model, prompt) - prompt.hidden_difficulty)
    }

    /// The expected recorded score, given what a router can know.
    pub(super) fn expected_score(&self, model: usize, prompt: &LatentPrompt) -> f64 {
        let logit = self.logit(model, prompt);
        let right = self.hidden_difficulty.mean(|difficulty| sigmoid(logit - difficulty));
        right + self.label_noise * (1.0 - 2.0 * right)
    }

    /// Bisects for the intercept at which the mean expected score on the benchmark's prompts is the target.
    fn fit_intercept(&mut self, model: usize, benchmark: usize, prompts: &[LatentPrompt], target: f64) {
        const N_STEPS: usize = 40;
        let own: Vec<&LatentPrompt> = prompts.iter().filter(|prompt| prompt.benchmark == benchmark).collect();
        // More than half of the labels flipped: a better model is recorded as a worse one.
        let is_reversed = 0.5 < self.label_noise;
        let (mut low, mut high) = (-30.0, 30.0);
        for _ in 0..N_STEPS {
            let middle = (low + high) / 2.0;
            self.intercepts[model][benchmark] = middle;
            let total: f64 = own.iter().map(|prompt| self.expected_score(model, prompt)).sum();
            if (total < target * own.len() as f64) != is_reversed {
                low = middle;
            } else {
                high = middle;
            }
        }
    }
}

/// Each vector is partly its family's, partly its own; its entries have variance `specialisation`^2 / dimensions.
fn draw_vectors(settings: &SyntheticSettings, models: &[ModelSettings], stream: &Stream) -> Vec<Vec<f64>> {
    let n_latent = settings.n_latent_dimensions;
    let scale = settings.specialisation / (n_latent as f64).sqrt();
    let [shared, own] =
        [settings.family_share, 1.0 - settings.family_share].map(|share| scale * share.sqrt());
    let mut families: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    models
        .iter()
        .map(|model| {
            // Streams by name: another model in the list changes nobody else's abilities.
            let family = families.entry(&model.family).or_insert_with(|| {
                normals(&mut stream.named("family").named(&model.family).generator(), n_latent)
            });
            let mut rng = stream.named("model").named(&model.id).generator();
            family.iter().map(|part| shared * part + own * standard_normal(&mut rng)).collect()
        })
        .collect()
}

fn draw_intercepts(
    settings: &SyntheticSettings,
    models: &[ModelSettings],
    n_benchmarks: usize,
    stream: &Stream,
) -> Vec<Vec<f64>> {
    let middle_price = (settings.price_low_usd_per_1m * settings.price_high_usd_per_1m).sqrt();
    models
        .iter()
        .map(|model| {
            let mut rng = stream.named("intercept").named(&model.id).generator();
            let by_price = settings.ability_per_log_price * (model.price_out_usd_per_1m / middle_price).ln();
            // Half of the variance is the model's, half is its own for each benchmark.
            let spread = settings.ability_spread * 0.5f64.sqrt();
            let general = by_price + spread * standard_normal(&mut rng);
            (0..n_benchmarks).map(|_| general + spread * standard_normal(&mut rng)).collect()
        })
        .collect()
}

fn sigmoid(logit: f64) -> f64 {
    1.0 / (1.0 + (-logit).exp())
}

/// Nodes and weights for the mean of a function of a normal variable.
///
/// The trapezoid rule with a step of half a standard deviation is exact to about ten digits for logistic functions of a
/// spread of a few logits: the weights fall off so fast that there are no ends to speak of.
struct Quadrature(Vec<(f64, f64)>);

impl Quadrature {
    fn normal(standard_deviation: f64) -> Self {
        if standard_deviation == 0.0 {
            return Quadrature(vec![(0.0, 1.0)]);
        }
        let steps = (-14..=14).map(|step| f64::from(step) * 0.5);
        let nodes: Vec<(f64, f64)> = steps.map(|z| (z * standard_deviation, (-0.5 * z * z).exp())).collect();
        let total: f64 = nodes.iter().map(|(_, weight)| weight).sum();
        Quadrature(nodes.into_iter().map(|(node, weight)| (node, weight / total)).collect())
    }

    fn mean(&self, function: impl Fn(f64) -> f64) -> f64 {
        self.0.iter().map(|&(node, weight)| weight * function(node)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axes_are_orthonormal() {
        let axes = orthonormal(&mut Stream::root(1).generator(), 5, 5);
        for (i, a) in axes.iter().enumerate() {
            for (j, b) in axes.iter().enumerate() {
                assert!((dot(a, b) - f64::from(u8::from(i == j))).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn the_quadrature_has_the_moments_of_the_normal() {
        let quadrature = Quadrature::normal(1.5);
        assert!((quadrature.mean(|_| 1.0) - 1.0).abs() < 1e-12);
        assert!((quadrature.mean(|x| x * x) - 2.25).abs() < 1e-9);
        assert!((quadrature.mean(|x| x.powi(4)) - 3.0 * 1.5f64.powi(4)).abs() < 1e-7);
        assert!((quadrature.mean(sigmoid) - 0.5).abs() < 1e-12);
    }
}
