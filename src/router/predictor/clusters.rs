//! Ridge regression of each model's score on soft memberships in prompt clusters of several sizes, the embedding, and the
//! input tokens; the ridge is tuned by cross-validation.
//!
//! A prompt x belongs to cluster j of a clustering with centres z_j (unit vectors, spherical k-means) with the weight
//! m_j = exp(x . z_j / t) / sum_i exp(x . z_i / t), scaled to a vector of unit length. Small clusters follow the scores
//! where prompts lie dense, large ones and the linear part carry over where they lie sparse. Unlike a search for
//! neighbours, its time and size do not grow with the prompts learned from: it is bounded by the product with the
//! centres (arithmetic).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::linalg::{Matrix, kernels, multiply};
use crate::network::kept;
use crate::random::{ChaCha8Rng, sample_indices};
use crate::router::Training;
use crate::router::cost_model::CostModelKind;
use crate::router::cross_validation::{LAMBDAS, Moments, Ridge, best, folds};
use crate::router::difference_estimator::BesideSeen;
use crate::router::plug_in::{FittedScores, ScorePredictor, shared, utility};
use crate::router::prompts::Prompts;

/// The numbers of clusters; a clustering is left out where a cluster would have fewer than [`LEAST_MEMBERS`] prompts.
const CLUSTERS: [usize; 3] = [32, 128, 384];
const LEAST_MEMBERS: usize = 8;
/// t: how soft memberships are, for inner products of unit vectors.
const SOFTNESS: f32 = 0.07;
/// Rounds of k-means.
const ROUNDS: usize = 12;
/// The spread of the tokens' feature beside an embedding of unit length.
const TOKEN_SPREAD: f64 = 0.3;

/// What a prompt is turned into.
#[derive(Clone)]
pub(crate) struct Features {
    /// The centres of each clustering, clusters x width.
    pub(crate) clusterings: Vec<Matrix>,
    /// Mean and deviation of ln(1 + input tokens).
    pub(crate) ln_tokens: (f64, f64),
}

/// The fitted predictor.
#[derive(Clone)]
pub(crate) struct ClusterRidge {
    pub(crate) features: Features,
    pub(crate) ridge: Ridge,
}

kept!(Features { clusterings, ln_tokens }, |it, shape| {
    let fits = |centres: &Matrix| centres.n_columns() == shape.width && centres.n_rows() > 0;
    it.clusterings.iter().all(fits) && it.ln_tokens.0.is_finite() && it.ln_tokens.1 > 0.0
});
kept!(ClusterRidge { features, ridge }, |it, shape| {
    it.ridge.fits(it.features.n_features(shape.width), shape)
});

impl ScorePredictor for ClusterRidge {
    fn predict(&self, prompts: &Prompts) -> Matrix {
        self.ridge.predict(&self.features.of(prompts))
    }
}

/// Fits on all development prompts with the ridge that earns most out of fold at these costs; once for all routers. The clusters
/// know no outcome, so one clustering serves all folds.
pub(crate) fn fit(training: &Training<'_>, cost: Option<CostModelKind>) -> Arc<FittedScores<ClusterRidge>> {
    shared("clusters", training, cost, fit_to)
}

fn fit_to(training: &Training<'_>, costs: &Matrix) -> FittedScores<ClusterRidge> {
    let data = training.data();
    let stream = training.stream();
    let features = Features::new(&data.prompts, &mut stream.generator());
    let values = features.of(&data.prompts);
    let folds = folds(&data.prompts.text_groups, &stream.named("folds"));
    let outcomes = training.outcomes();
    let beside = BesideSeen::new(&outcomes.score, &outcomes.mean_score, &data.unseen);
    let moments = Moments::new(&values, &beside.table, &folds, &beside.means);
    let mut candidates: Vec<Matrix> =
        moments.out_of_fold(&LAMBDAS).into_iter().map(|columns| beside.scores_of(columns)).collect();
    let utilities: Vec<f64> = candidates.iter().map(|scores| utility(training, scores, costs)).collect();
    let chosen = best(&utilities);
    let ridge = moments.fit(LAMBDAS[chosen]).of_scores(&beside);
    FittedScores {
        predictor: ClusterRidge { features, ridge },
        out_of_fold: candidates.swap_remove(chosen),
        notes: BTreeMap::from([
            ("ridge".to_owned(), LAMBDAS[chosen].to_string()),
            ("settings-tried".to_owned(), LAMBDAS.len().to_string()),
        ]),
    }
}

impl Features {
    fn new(prompts: &Prompts, rng: &mut ChaCha8Rng) -> Self {
        let known: Vec<usize> = (0..prompts.len()).filter(|&prompt| prompts.has_embedding[prompt]).collect();
        let embeddings = prompts.embeddings.rows_at(&known);
        let sizes = CLUSTERS.iter().filter(|&&n_clusters| LEAST_MEMBERS * n_clusters <= known.len());
        let clusterings = sizes.map(|&n_clusters| spherical_k_means(&embeddings, n_clusters, rng)).collect();
        let logs: Vec<f64> = prompts.input_tokens.iter().map(|tokens| tokens.ln_1p()).collect();
        let mean = logs.iter().sum::<f64>() / logs.len() as f64;
        let variance = logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / logs.len() as f64;
        let deviation = if variance > 0.0 { variance.sqrt() } else { 1.0 };
        Features { clusterings, ln_tokens: (mean, deviation) }
    }

    /// The number of features of prompts with embeddings of that width.
    pub(super) fn n_features(&self, width: usize) -> usize {
        self.clusterings.iter().map(Matrix::n_rows).sum::<usize>() + width + 2
    }

    /// Memberships, embedding, tokens, and the constant; prompts x features.
    pub(super) fn of(&self, prompts: &Prompts) -> Matrix {
        let memberships: Vec<Matrix> =
            self.clusterings.iter().map(|centres| memberships(&prompts.embeddings, centres)).collect();
        let n_memberships: usize = memberships.iter().map(Matrix::n_columns).sum();
        let width = n_memberships + prompts.embeddings.n_columns() + 2;
        let mut values = Vec::with_capacity(prompts.len() * width);
        let (mean, deviation) = self.ln_tokens;
        for (prompt, embedding) in prompts.embeddings.rows().enumerate() {
            memberships.iter().for_each(|memberships| values.extend_from_slice(memberships.row(prompt)));
            values.extend_from_slice(embedding);
            let tokens = TOKEN_SPREAD * (prompts.input_tokens[prompt].ln_1p() - mean) / deviation;
            values.extend([tokens as f32, 1.0]);
        }
        Matrix::new(values, prompts.len(), width)
    }
}

/// Memberships of unit length, prompts x clusters.
pub(in crate::router) fn memberships(embeddings: &Matrix, centres: &Matrix) -> Matrix {
    let mut values = vec![0.0; embeddings.n_rows() * centres.n_rows()];
    multiply(embeddings.as_strided(), centres.as_strided().transposed(), &mut values);
    for row in values.chunks_exact_mut(centres.n_rows()) {
        row.iter_mut().for_each(|value| *value *= 1.0 / SOFTNESS);
        kernels::softmax(row);
        let inverse_length = 1.0 / kernels::dot(row, row).sqrt();
        row.iter_mut().for_each(|value| *value *= inverse_length);
    }
    Matrix::new(values, embeddings.n_rows(), centres.n_rows())
}

/// Centres of unit length that maximise the sum of the rows' inner products with their nearest, from random rows.
pub(in crate::router) fn spherical_k_means(rows: &Matrix, n_clusters: usize, rng: &mut ChaCha8Rng) -> Matrix {
    let mut centres = rows.rows_at(&sample_indices(rng, rows.n_rows(), n_clusters));
    let mut products = vec![0.0; rows.n_rows() * n_clusters];
    for _ in 0..ROUNDS {
        multiply(rows.as_strided(), centres.as_strided().transposed(), &mut products);
        let mut sums = Matrix::zeros(n_clusters, rows.n_columns());
        for (row, products) in rows.rows().zip(products.chunks_exact(n_clusters)) {
            let nearest =
                (1..n_clusters).fold(0, |best, j| if products[j] > products[best] { j } else { best });
            kernels::add_assign(row, sums.row_mut(nearest));
        }
        for cluster in 0..n_clusters {
            let length = kernels::dot(sums.row(cluster), sums.row(cluster)).sqrt();
            // A cluster without rows stays where it is.
            if length > 0.0 {
                let centre = centres.row_mut(cluster).iter_mut();
                centre.zip(sums.row(cluster)).for_each(|(centre, sum)| *centre = sum / length);
            }
        }
    }
    centres
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SeedableRng;

    #[test]
    fn k_means_finds_two_bundles_of_directions() {
        let rows = Matrix::new(vec![1.0, 0.05, 1.0, -0.05, 0.05, 1.0, -0.05, 1.0], 4, 2);
        // From whichever two rows it starts, both of one bundle or not.
        for seed in 0..8 {
            let centres = spherical_k_means(&rows, 2, &mut ChaCha8Rng::seed_from_u64(seed));
            centres.rows().for_each(|centre| assert!((kernels::dot(centre, centre) - 1.0).abs() < 1e-5));
            let spread = kernels::dot(centres.row(0), centres.row(1)).abs();
            assert!(spread < 0.2, "seed {seed}: {spread}");
        }
    }

    #[test]
    fn memberships_have_unit_length_and_favour_the_nearest() {
        let centres = Matrix::new(vec![1.0, 0.0, 0.0, 1.0], 2, 2);
        let found = memberships(&Matrix::new(vec![1.0, 0.0], 1, 2), &centres);
        assert!((kernels::dot(found.row(0), found.row(0)) - 1.0).abs() < 1e-6);
        assert!(found.row(0)[0] > 0.99);
    }
}
