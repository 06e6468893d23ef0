//! Guarded: a router that keeps to an incumbent and switches to another model only where paired evidence says so.
//!
//! The incumbent at a preference w is the seen model that is best for all prompts. In the cluster of a prompt, a challenger k's
//! gain on the incumbent 0 is, on the n development prompts that both answered,
//!
//! ```text
//! u = d - w (f_k c_k - f_0 c_0),   d = q_k - q_0,   f the factors by which prices have changed since
//! bound = mean(u) - t sd(u) / sqrt(n),   t the quantile of Student's t for a one-sided level
//! ```
//!
//! and the prompt goes to the challenger with the highest bound where that is above 0, else to the incumbent. u is linear in w and in
//! the factors, so that the means and covariances of (d, c_k, c_0) give every bound in closed form. Variances are moderated (Smyth 2004):
//! those of the cluster count n - 1, those of all prompts 4 degrees of freedom, so that a handful of equal outcomes proves nothing.
//! Prompts without an embedding are judged by all prompts. A model that has answered fewer than two prompts of a cluster
//! together with the incumbent is not switched to.
//!
//! Tuned by the utility out of fold: the clustering (one to 128 clusters) and the level, 0.5 (the plain mean) to 0 (never switch). A level
//! is one comparison's; how many comparisons there are is left to that choice. Training passes once over
//! prompts x incumbents x models for each clustering; incumbents are rarely more than ten.

use std::collections::BTreeMap;

use statrs::distribution::{ContinuousCDF, Normal};

use super::cluster_means::Clustering;
use super::cross_validation::{N_FOLDS, best, folds};
use super::{Choices, Policy, Router, RouterKind, Trained, Training, model_number};
use crate::error::{Error, Result};
use crate::network::kept;
use crate::preference::Preference;
use crate::router::prompts::Prompts;

/// Settings of `kind = "guarded"`.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct GuardedSettings {
    /// A fixed one-sided level from 0, never switch, to 0.5, the plain mean; tuned where absent.
    pub(crate) level: Option<f64>,
}

const CLUSTERS: [usize; 7] = [1, 4, 8, 16, 32, 64, 128];
const LEVELS: [f64; 6] = [0.5, 0.3, 0.15, 0.05, 0.01, 0.0];
/// Degrees of freedom of the variances of all prompts.
const PRIOR_FREEDOM: f64 = 4.0;

/// n, the means of (d, c_k, c_0), and their covariances (dd, dk, d0, kk, k0, 00).
type Evidence = [f64; 10];

pub(super) struct Guarded {
    clustering: Clustering,
    level: f64,
    incumbents: Vec<usize>,
    mean_score: Vec<f64>,
    mean_cost_units: Vec<f64>,
    /// (Clusters and all prompts) x incumbents x models x the numbers of [`Evidence`].
    evidence: Vec<f64>,
}

kept!(Guarded { clustering, level, incumbents, mean_score, mean_cost_units, evidence }, |it, shape| {
    let n_numbers = 10 * (it.clustering.centres.n_rows() + 1) * it.incumbents.len() * shape.n_models;
    (0.0..=0.5).contains(&it.level)
        && !it.incumbents.is_empty()
        && it.incumbents.iter().all(|&model| model < shape.n_models)
        && (it.mean_score.len(), it.mean_cost_units.len()) == (shape.n_models, shape.n_models)
        && it.evidence.len() == n_numbers
});

impl RouterKind for GuardedSettings {
    fn check(&self) -> Result<()> {
        if self.level.is_some_and(|level| !(0.0..=0.5).contains(&level)) {
            return Err(Error::setting("level", "`level` must be a number from 0 to 0.5"));
        }
        Ok(())
    }

    fn needs_full_feedback(&self) -> Option<&'static str> {
        Some("it goes by differences between two answers to one prompt")
    }

    fn train(&self, training: &Training<'_>) -> Result<Trained> {
        let (data, outcomes) = (training.data(), training.outcomes());
        let folds = folds(&data.prompts.text_groups, &training.stream().named("folds"));
        let levels = self.level.map_or(LEVELS.to_vec(), |level| vec![level]);
        let stream = training.stream().named("clusters");
        let mut fits: Vec<(f64, Guarded)> = Vec::new();
        let mut n_tried = 0;
        for clustering in CLUSTERS.iter().filter_map(|&n| Clustering::new(&data.prompts, n, &stream)) {
            let clusters = clusters(&clustering, &data.prompts);
            let mut router = Guarded {
                clustering,
                level: 0.0,
                incumbents: incumbents(training),
                mean_score: outcomes.mean_score.clone(),
                mean_cost_units: outcomes.mean_cost_units.clone(),
                evidence: Vec::new(),
            };
            let sums = router.sums(training, &clusters, &folds);
            let mut utilities = vec![0.0; levels.len()];
            for fold in 0..N_FOLDS {
                router.evidence = router.evidence(&sums, Some(fold));
                let rows: Vec<usize> = (0..folds.len()).filter(|&row| folds[row] == fold).collect();
                for (utility, &level) in utilities.iter_mut().zip(&levels) {
                    router.level = level;
                    *utility += router.earned(training, &clusters, &rows);
                }
            }
            let chosen = best(&utilities);
            router.level = levels[chosen];
            router.evidence = router.evidence(&sums, None);
            n_tried += levels.len();
            fits.push((utilities[chosen], router));
        }
        let chosen = best(&fits.iter().map(|(utility, _)| *utility).collect::<Vec<_>>());
        let (_, router) = fits.swap_remove(chosen);
        let notes = BTreeMap::from([
            ("clusters".to_owned(), router.clustering.centres.n_rows().to_string()),
            ("level".to_owned(), router.level.to_string()),
            ("incumbents".to_owned(), router.incumbents.len().to_string()),
            ("settings-tried".to_owned(), n_tried.to_string()),
        ]);
        Ok(Trained { router: Policy::Direct(Box::new(router)), notes })
    }
}

/// The seen models that are best for all prompts at some preference.
fn incumbents(training: &Training<'_>) -> Vec<usize> {
    let (data, outcomes) = (training.data(), training.outcomes());
    let seen: Vec<usize> = (0..data.n_models()).filter(|&model| !data.unseen[model]).collect();
    let at = |preference: &Preference| {
        let utility =
            |&model: &usize| preference.utility(outcomes.mean_score[model], outcomes.mean_cost_units[model]);
        seen[best(&seen.iter().map(utility).collect::<Vec<_>>())]
    };
    let mut incumbents: Vec<usize> = data.preferences.preferences().iter().map(at).collect();
    incumbents.sort_unstable();
    incumbents.dedup();
    incumbents
}

/// The cluster of each prompt; the number of clusters for one without embedding.
fn clusters(clustering: &Clustering, prompts: &Prompts) -> Vec<usize> {
    let none = clustering.centres.n_rows();
    clustering.nearest(prompts, 1).iter().map(|nearest| nearest.first().copied().unwrap_or(none)).collect()
}

/// What is worked in, so that a decision allocates nothing.
struct Scratch {
    statics: Vec<f64>,
    bounds: Vec<f64>,
    /// Of each cluster whose bounds were found at the preference at hand, the best model.
    best: Vec<Option<usize>>,
}

impl Guarded {
    fn n_models(&self) -> usize {
        self.mean_score.len()
    }

    /// Counts, sums, and sums of products, by fold.
    fn sums(&self, training: &Training<'_>, clusters: &[usize], folds: &[usize]) -> Vec<Vec<Evidence>> {
        let outcomes = training.outcomes();
        let (n_models, n_incumbents) = (self.n_models(), self.incumbents.len());
        let n_cells = (self.clustering.centres.n_rows() + 1) * n_incumbents * n_models;
        let mut sums = vec![vec![[0.0; 10]; n_cells]; N_FOLDS];
        for (prompt, &cluster) in clusters.iter().enumerate() {
            let known =
                |model| Some((outcomes.score.get(prompt, model)?, outcomes.cost_units.get(prompt, model)?));
            for (at, &incumbent) in self.incumbents.iter().enumerate() {
                let Some((score_0, c_0)) = known(incumbent) else { continue };
                let cells = &mut sums[folds[prompt]][(cluster * n_incumbents + at) * n_models..][..n_models];
                for (model, cell) in cells.iter_mut().enumerate() {
                    let Some((score, c_k)) = known(model) else { continue };
                    let d = score - score_0;
                    let values = [1.0, d, c_k, c_0, d * d, d * c_k, d * c_0, c_k * c_k, c_k * c_0, c_0 * c_0];
                    cell.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
                }
            }
        }
        sums
    }

    /// Moderated evidence without one fold, or of all.
    fn evidence(&self, sums: &[Vec<Evidence>], without: Option<usize>) -> Vec<f64> {
        let n_clusters = self.clustering.centres.n_rows();
        let n_cells = self.incumbents.len() * self.n_models();
        let mut evidence = vec![[0.0; 10]; (n_clusters + 1) * n_cells];
        for (_, sums) in sums.iter().enumerate().filter(|(fold, _)| Some(*fold) != without) {
            let cells = evidence.iter_mut().flatten().zip(sums.iter().flatten());
            cells.for_each(|(total, value)| *total += value);
        }
        for cell in 0..n_cells {
            // The last row has been those without a cluster; it becomes all prompts.
            let mut all = [0.0; 10];
            for cluster in 0..=n_clusters {
                let part = &evidence[cluster * n_cells + cell];
                all.iter_mut().zip(part).for_each(|(all, part)| *all += part);
            }
            evidence[n_clusters * n_cells + cell] = all;
            let prior = moments(&all);
            for cluster in 0..=n_clusters {
                let at = &mut evidence[cluster * n_cells + cell];
                *at = moments(at);
                let own = (at[0] - 1.0).max(0.0);
                for (value, prior) in at[4..].iter_mut().zip(&prior[4..]) {
                    *value = (own * *value + PRIOR_FREEDOM * prior) / (own + PRIOR_FREEDOM);
                }
            }
        }
        evidence.into_flattened()
    }

    fn scratch(&self) -> Scratch {
        let n_clusters = self.clustering.centres.n_rows() + 1;
        let (statics, bounds) = (vec![0.0; self.n_models()], vec![0.0; n_clusters * self.n_models()]);
        Scratch { statics, bounds, best: vec![None; n_clusters] }
    }

    /// The models of these rows at one preference, in turn.
    fn decide(
        &self,
        prompts: &Prompts,
        clusters: &[usize],
        rows: impl Iterator<Item = usize>,
        preference: Preference,
        scratch: &mut Scratch,
        mut take: impl FnMut(usize, usize),
    ) {
        let (w, n_models) = (preference.weight(), self.n_models());
        let factor =
            |model: usize| prompts.cost_factors.as_ref().map_or(1.0, |factors| f64::from(factors[model]));
        let Scratch { statics, bounds, best } = scratch;
        for (model, utility) in statics.iter_mut().enumerate() {
            *utility =
                preference.utility(self.mean_score[model], factor(model) * self.mean_cost_units[model]);
        }
        let mut incumbent = 0;
        for at in 1..self.incumbents.len() {
            if statics[self.incumbents[at]] > statics[self.incumbents[incumbent]] {
                incumbent = at;
            }
        }
        best.fill(None);
        let z = Normal::standard().inverse_cdf(1.0 - self.level);
        for row in rows {
            let cluster = clusters[row];
            let bounds = &mut bounds[cluster * n_models..][..n_models];
            let first = *best[cluster].get_or_insert_with(|| {
                let cells = &self.evidence.as_chunks::<10>().0
                    [(cluster * self.incumbents.len() + incumbent) * n_models..];
                for (model, (bound, cell)) in bounds.iter_mut().zip(cells).enumerate() {
                    let weights = [1.0, -w * factor(model), w * factor(self.incumbents[incumbent])];
                    *bound = if model == self.incumbents[incumbent] { 0.0 } else { lower(cell, weights, z) };
                }
                highest(bounds, statics, |_| true)
            });
            let is_available = |model: usize| prompts.is_available(row, model);
            take(row, if is_available(first) { first } else { highest(bounds, statics, is_available) });
        }
    }

    /// The utility of some development prompts over the declared preferences.
    fn earned(&self, training: &Training<'_>, clusters: &[usize], rows: &[usize]) -> f64 {
        let (data, outcomes) = (training.data(), training.outcomes());
        let mut scratch = self.scratch();
        let mut earned = 0.0;
        let weighted = data.preferences.preferences().iter().zip(data.preferences.weights());
        for (&preference, weight) in weighted.filter(|(_, weight)| **weight > 0.0) {
            self.decide(
                &data.prompts,
                clusters,
                rows.iter().copied(),
                preference,
                &mut scratch,
                |row, model| {
                    let score = outcomes.score.get(row, model).unwrap_or(0.0);
                    earned += weight
                        * preference.utility(score, outcomes.cost_units.get(row, model).unwrap_or(0.0));
                },
            );
        }
        earned
    }
}

impl Router for Guarded {
    fn route(&self, prompts: &Prompts, preferences: &[Preference]) -> Choices {
        let clusters = clusters(&self.clustering, prompts);
        let mut scratch = self.scratch();
        let mut models = vec![0; prompts.len() * preferences.len()];
        for (&preference, models) in preferences.iter().zip(models.chunks_exact_mut(prompts.len().max(1))) {
            self.decide(prompts, &clusters, 0..prompts.len(), preference, &mut scratch, |row, model| {
                models[row] = model_number(model);
            });
        }
        Choices::new(prompts.len(), models)
    }
}

/// Means and covariances from sums; zeros of nothing.
fn moments(sums: &Evidence) -> Evidence {
    let n = sums[0];
    if n < 1.0 {
        return [0.0; 10];
    }
    let mut found = *sums;
    found[1..4].iter_mut().for_each(|sum| *sum /= n);
    let mut at = 4;
    for i in 1..4 {
        for j in i..4 {
            found[at] = (sums[at] - n * found[i] * found[j]) / (n - 1.0).max(1.0);
            at += 1;
        }
    }
    found
}

/// The lower bound of the mean of a weighted sum; `z` is the normal quantile of the level, infinite for never.
fn lower(cell: &Evidence, [a, b, c]: [f64; 3], z: f64) -> f64 {
    let [n, d, k, i, dd, dk, di, kk, ki, ii] = *cell;
    if n < 2.0 || z.is_infinite() {
        return f64::NEG_INFINITY;
    }
    let variance = a * a * dd + b * b * kk + c * c * ii + 2.0 * (a * b * dk + a * c * di + b * c * ki);
    let t = student(z, n - 1.0 + PRIOR_FREEDOM);
    a * d + b * k + c * i - t * (variance.max(0.0) / n).sqrt()
}

/// The quantile of Student's t from that of the normal (Abramowitz and Stegun 26.7.5); from 5 degrees of freedom on within 0.3 %
/// for levels from 0.01 up.
fn student(z: f64, freedom: f64) -> f64 {
    let z2 = z * z;
    let terms = [
        (z2 + 1.0) / 4.0,
        ((5.0 * z2 + 16.0) * z2 + 3.0) / 96.0,
        (((3.0 * z2 + 19.0) * z2 + 17.0) * z2 - 15.0) / 384.0,
        ((((79.0 * z2 + 776.0) * z2 + 1482.0) * z2 - 1920.0) * z2 - 945.0) / 92160.0,
    ];
    z * (1.0 + terms.iter().rev().fold(0.0, |sum, term| (sum + term) / freedom))
}

/// The available model with the highest bound; of equals the better for all prompts, then the first.
fn highest(bounds: &[f64], statics: &[f64], is_available: impl Fn(usize) -> bool) -> usize {
    let mut found: Option<usize> = None;
    for model in (0..bounds.len()).filter(|&model| is_available(model)) {
        let is_higher = |other: usize| (bounds[model], statics[model]) > (bounds[other], statics[other]);
        if found.is_none_or(is_higher) {
            found = Some(model);
        }
    }
    found.expect("the pool of a prompt is never empty")
}

#[cfg(test)]
mod tests {
    use statrs::distribution::StudentsT;

    use super::*;

    #[test]
    fn quantiles_are_those_of_student() {
        for freedom in [5.0, 8.0, 20.0, 500.0] {
            for level in [0.5, 0.3, 0.15, 0.05, 0.01] {
                let exact = StudentsT::new(0.0, 1.0, freedom).unwrap().inverse_cdf(1.0 - level);
                let found = student(Normal::standard().inverse_cdf(1.0 - level), freedom);
                assert!(
                    (found - exact).abs() <= 3e-3 * exact.abs() + 1e-9,
                    "{freedom} {level}: {found} {exact}"
                );
            }
        }
    }

    /// Differences 1, 0, 0 with costs 2, 1, 3 against 1, 1, 1: at w = 0.5 the gains are 0.5, 0, -1.
    #[test]
    fn bounds_are_those_of_the_gains() {
        let mut sums = [0.0; 10];
        for (d, k, i) in [(1.0, 2.0, 1.0), (0.0, 1.0, 1.0), (0.0, 3.0, 1.0)] {
            let values = [1.0, d, k, i, d * d, d * k, d * i, k * k, k * i, i * i];
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        }
        let cell = moments(&sums);
        let mean = -0.5 / 3.0;
        let variance = [0.5, 0.0, -1.0_f64].iter().map(|gain| (gain - mean).powi(2)).sum::<f64>() / 2.0;
        let z = Normal::standard().inverse_cdf(0.95);
        let expected = mean - student(z, 6.0) * (variance / 3.0).sqrt();
        assert!((lower(&cell, [1.0, -0.5, 0.5], z) - expected).abs() < 1e-12);
        assert_eq!(lower(&cell, [1.0, -0.5, 0.5], f64::INFINITY), f64::NEG_INFINITY);
        assert_eq!(highest(&[0.0, -1.0, 0.5], &[1.0; 3], |model| model < 2), 0);
    }
}
