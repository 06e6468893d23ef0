//! Synthetic prompts: benchmark, cluster, latent position, difficulty, input tokens, and the embedding that shows some of it.

use half::f16;

use super::settings::{BenchmarkSettings, SyntheticSettings};
use crate::random::{ChaCha8Rng, standard_normal, uniform};
use crate::seed::Stream;
use crate::suite::Embeddings;

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
    pub(super) input_tokens: f64,
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
    (0..settings.n_prompts)
        .map(|_| {
            let mut left = uniform(&mut rng) * total_weight;
            let is_drawn = |benchmark: &BenchmarkSettings| {
                left -= benchmark.weight;
                left < 0.0
            };
            let benchmark = benchmarks.iter().position(is_drawn).unwrap_or(benchmarks.len() - 1);
            let n_own = settings.n_clusters_per_benchmark;
            let cluster = benchmark * n_own + crate::random::index_below(&mut rng, n_own);
            let position: Vec<f64> = centres[cluster]
                .iter()
                .map(|centre| between * centre + within * standard_normal(&mut rng))
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
            }
        })
        .collect()
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
}
