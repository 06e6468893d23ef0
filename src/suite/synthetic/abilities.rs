//! Synthetic models: how probable it is that a model answers a prompt rightly (multidimensional item response theory).
//!
//! P(right) = sigmoid(a_k . z + b_kj - difficulty), with the prompt's latent position z, the model's ability vector a_k,
//! and an intercept b_kj for each model k and benchmark j; Reckase, "Multidimensional Item Response Theory" (2009).

use std::collections::BTreeMap;

use super::prompts::{LatentPrompt, dot, hidden_difficulty_spread, normals};
use super::settings::{BenchmarkSettings, ModelSettings, SyntheticSettings};
use crate::random::standard_normal;
use crate::seed::Stream;

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
    fn the_quadrature_has_the_moments_of_the_normal() {
        let quadrature = Quadrature::normal(1.5);
        assert!((quadrature.mean(|_| 1.0) - 1.0).abs() < 1e-12);
        assert!((quadrature.mean(|x| x * x) - 2.25).abs() < 1e-9);
        assert!((quadrature.mean(|x| x.powi(4)) - 3.0 * 1.5f64.powi(4)).abs() < 1e-7);
        assert!((quadrature.mean(sigmoid) - 0.5).abs() < 1e-12);
    }
}
