//! Prompts parted into clusters, and the mean outcome of every model in each: what cluster routers know.
//!
//! A model's mean in a cluster is shrunk towards its mean over all prompts as if it had given m_0 answers more there,
//!
//! ```text
//! (sum of outcomes + m_0 mean) / (n + m_0),     m_0 = variance within clusters / variance between clusters
//! ```
//!
//! with the variances estimated from the seen models (one-way analysis of variance, each model's in units of its own
//! variance): the best linear prediction for a cluster drawn at random. A cluster in which a model has answered nothing, as
//! there are many after a short quiz, is then as good as its mean, and so is a prompt without an embedding. Of unseen models
//! the outcomes that count are how their scores stand beside those of the seen ones ([`BesideSeen`]).

use super::cross_validation::N_FOLDS;
use super::difference_estimator::BesideSeen;
use super::predictor::clusters::spherical_k_means;
use crate::linalg::{Matrix, multiply};
use crate::network::kept;
use crate::router::prompts::Prompts;
use crate::seed::Stream;

/// A cluster has at least so many development prompts on average.
const LEAST_MEMBERS: usize = 8;
/// m_0 at most: where nothing lies between the clusters, every model is as good as its mean.
const MOST_PRIOR_ANSWERS: f64 = 1000.0;

/// Centres of unit length.
#[derive(Clone)]
pub(super) struct Clustering {
    pub(super) centres: Matrix,
}

kept!(Clustering { centres }, |it, shape| it.centres.n_columns() == shape.width && it.centres.n_rows() > 0);

/// Sums and counts of outcomes by fold, cluster, and model.
pub(super) struct ClusterTally<'a> {
    n_clusters: usize,
    /// By fold, then clusters x models.
    sums: Vec<Vec<f64>>,
    counts: Vec<Vec<f64>>,
    beside: &'a BesideSeen,
    prior_answers: f64,
}

impl Clustering {
    /// Spherical k-means over the prompts that have an embedding; `None` where clusters would be too small.
    pub(super) fn new(prompts: &Prompts, n_clusters: usize, stream: &Stream) -> Option<Self> {
        let known: Vec<usize> = (0..prompts.len()).filter(|&prompt| prompts.has_embedding[prompt]).collect();
        if n_clusters * LEAST_MEMBERS > known.len() && n_clusters > 1 {
            return None;
        }
        if known.is_empty() {
            return Some(Clustering { centres: Matrix::zeros(1, prompts.embeddings.n_columns()) });
        }
        let mut rng = stream.numbered(n_clusters).generator();
        Some(Clustering {
            centres: spherical_k_means(&prompts.embeddings.rows_at(&known), n_clusters, &mut rng),
        })
    }

    /// The nearest clusters of each prompt, nearest first, equal ones by number; none of a prompt without embedding.
    pub(super) fn nearest(&self, prompts: &Prompts, n: usize) -> Vec<Vec<usize>> {
        let n_clusters = self.centres.n_rows();
        let mut products = vec![0.0; prompts.len() * n_clusters];
        multiply(prompts.embeddings.as_strided(), self.centres.as_strided().transposed(), &mut products);
        let nearest = |(prompt, products): (usize, &[f32])| {
            if !prompts.has_embedding[prompt] {
                return Vec::new();
            }
            let mut order: Vec<usize> = (0..n_clusters).collect();
            order.sort_by(|&a, &b| products[b].total_cmp(&products[a]));
            order.truncate(n);
            order
        };
        products.chunks_exact(n_clusters).enumerate().map(nearest).collect()
    }
}

impl<'a> ClusterTally<'a> {
    /// Counts the outcomes of the development prompts.
    pub(super) fn new(
        beside: &'a BesideSeen,
        unseen: &[bool],
        n_clusters: usize,
        clusters: &[Option<usize>],
        folds: &[usize],
    ) -> Self {
        let n_columns = beside.means.len();
        let (mut sums, mut squares) =
            (vec![vec![0.0; n_clusters * n_columns]; N_FOLDS], vec![0.0; n_columns]);
        let mut counts = sums.clone();
        for (prompt, cluster) in clusters.iter().enumerate() {
            let Some(cluster) = cluster else { continue };
            for (column, value) in beside.table.row(prompt).enumerate() {
                let Some(value) = value else { continue };
                sums[folds[prompt]][cluster * n_columns + column] += value;
                counts[folds[prompt]][cluster * n_columns + column] += 1.0;
                squares[column] += value * value;
            }
        }
        let mut tally = ClusterTally { n_clusters, sums, counts, beside, prior_answers: 0.0 };
        tally.prior_answers = tally.prior_answers(&squares, unseen);
        tally
    }

    /// Means of the models, clusters x models and one row more for prompts without a cluster; without one fold, or of all.
    pub(super) fn means(&self, without: Option<usize>) -> Matrix {
        let n_columns = self.beside.means.len();
        let mut means = Matrix::zeros(self.n_clusters + 1, n_columns);
        for cluster in 0..=self.n_clusters {
            for column in 0..n_columns {
                let (sum, n) =
                    if cluster < self.n_clusters { self.cell(cluster, column, without) } else { (0.0, 0.0) };
                let weight = n + self.prior_answers;
                let mean = self.beside.means[column];
                let value = if weight > 0.0 { (sum + self.prior_answers * mean) / weight } else { mean };
                means.row_mut(cluster)[column] = value as f32;
            }
        }
        self.beside.scores_of(means)
    }

    /// For every prompt the means of its cluster without its fold, prompts x models.
    pub(super) fn out_of_fold(&self, clusters: &[Option<usize>], folds: &[usize]) -> Matrix {
        let by_fold: Vec<Matrix> = (0..N_FOLDS).map(|fold| self.means(Some(fold))).collect();
        let mut predictions = Matrix::zeros(clusters.len(), by_fold[0].n_columns());
        for (prompt, cluster) in clusters.iter().enumerate() {
            let means = by_fold[folds[prompt]].row(cluster.unwrap_or(self.n_clusters));
            predictions.row_mut(prompt).copy_from_slice(means);
        }
        predictions
    }

    fn cell(&self, cluster: usize, column: usize, without: Option<usize>) -> (f64, f64) {
        let at = cluster * self.beside.means.len() + column;
        let folds = (0..N_FOLDS).filter(|&fold| Some(fold) != without);
        folds.fold((0.0, 0.0), |(sum, n), fold| (sum + self.sums[fold][at], n + self.counts[fold][at]))
    }

    /// m_0, from the sums of squares of the seen models' outcomes.
    fn prior_answers(&self, squares: &[f64], unseen: &[bool]) -> f64 {
        let (mut within, mut between) = (0.0, 0.0);
        for model in (0..unseen.len()).filter(|&model| !unseen[model]) {
            let cells: Vec<(f64, f64)> = (0..self.n_clusters)
                .map(|cluster| self.cell(cluster, model, None))
                .filter(|(_, n)| *n > 0.0)
                .collect();
            let groups = cells.len() as f64;
            let (sum, n) = cells.iter().fold((0.0, 0.0), |(sum, n), cell| (sum + cell.0, n + cell.1));
            let total = squares[model] - sum * sum / n.max(1.0);
            // Rounding of equal outcomes is no variance.
            if groups < 2.0 || n <= groups || total <= 1e-9 * squares[model] {
                continue;
            }
            let explained = cells.iter().map(|(sum, n)| sum * sum / n).sum::<f64>() - sum * sum / n;
            let error = (total - explained) / (n - groups);
            let size = (n - cells.iter().map(|(_, n)| n * n).sum::<f64>() / n) / (groups - 1.0);
            let variance = total / n;
            within += error / variance;
            between += (explained / (groups - 1.0) - error) / size / variance;
        }
        if within <= 0.0 {
            return 0.0;
        }
        if between <= within / MOST_PRIOR_ANSWERS { MOST_PRIOR_ANSWERS } else { within / between }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::bernoulli;
    use crate::suite::CellTable;

    #[test]
    fn means_are_shrunk_as_far_as_clusters_are_alike() {
        let mut rng = Stream::root(1).generator();
        let clusters: Vec<Option<usize>> = (0..4000).map(|prompt| Some(prompt % 40)).collect();
        let folds: Vec<usize> = (0..4000).map(|prompt| prompt / 40 % N_FOLDS).collect();
        let mut tally = |spread: f64| {
            let mut outcomes = CellTable::missing(4000, 2);
            for prompt in 0..4000 {
                let p = 0.5 + if prompt % 40 < 20 { spread } else { -spread };
                outcomes.set(prompt, 0, Some(f64::from(u8::from(bernoulli(&mut rng, p)))));
            }
            let beside = BesideSeen::plain(&outcomes, &[0.5, 0.3]);
            ClusterTally::new(&beside, &[false, true], 40, &clusters, &folds).prior_answers
        };
        // Within p (1 - p) = 0.16, between 0.3^2.
        assert!((tally(0.3) - 0.16 / 0.09).abs() < 0.4);
        assert!(tally(0.0) > 50.0);
    }

    #[test]
    fn a_cluster_without_answers_and_a_prompt_without_cluster_have_the_mean() {
        let mut outcomes = CellTable::missing(3, 1);
        [1.0, 0.0].iter().enumerate().for_each(|(prompt, &score)| outcomes.set(prompt, 0, Some(score)));
        let clusters = [Some(0), Some(0), Some(1)];
        let beside = BesideSeen::plain(&outcomes, &[0.25]);
        let tally = ClusterTally::new(&beside, &[false], 2, &clusters, &[0, 1, 2]);
        assert_eq!(tally.means(None).values(), [0.5, 0.25, 0.25]);
        assert_eq!(tally.means(Some(0)).values(), [0.0, 0.25, 0.25]);
    }
}
