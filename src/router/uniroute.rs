//! UniRoute (arXiv 2502.08773): prompts lie in clusters, and a model is the vector of its mean errors in them.
//!
//! ```text
//! gamma(x, k) = sum_j Phi_j(x) psi_j(k),      route to argmin_k gamma(x, k) + w c_k
//! map = "kmeans"      Phi(x) is 1 for the nearest centre, else 0
//! map = "learned"     Phi(x) = softmax(Theta x)
//! ```
//!
//! psi_j(k) is the mean error of model k on the labelled prompts of cluster j of a k-means clustering (shrunk as
//! `cluster_means` says; the paper takes it as it is). Theta minimises the cross-entropy of 1 - gamma with the seen models'
//! scores on the training prompts, from the soft memberships of the clustering, and is stopped by the loss on validation
//! prompts. Made for models that come later: an unseen model needs psi from its quiz and nothing else. Any preference, any pool.
//!
//! The paper counts errors on validation prompts and trains the map on training prompts; here all development prompts
//! are counted in the end, and training prompts while the map is trained and K is chosen. Tuned: K, for `kmeans` by the
//! utility out of fold, for `learned` with the epochs by validation loss.

use std::collections::BTreeMap;

use super::cluster_means::{ClusterTally, Clustering};
use super::cost_model::CostModelKind;
use super::cross_validation::{best, folds};
use super::difference_estimator::BesideSeen;
use super::plug_in::utility;
use super::plug_in::{PlugIn, ScorePredictor};
use super::{RouterKind, Trained, Training, Traits};
use crate::error::{Error, Result};
use crate::linalg::{Matrix, kernels, multiply};
use crate::network::{
    Activation, Adam, EarlyStopping, Kept, Linear, Owned, Parameters, Parts, back_propagate, kept, untaped,
    view,
};
use crate::random::shuffle;
use crate::router::prompts::Prompts;

/// Settings of `kind = "uniroute"`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct UniRouteSettings {
    /// How a prompt is mapped to clusters.
    pub(crate) map: ClusterMap,
    /// A fixed number of clusters; tuned where absent.
    pub(crate) clusters: Option<usize>,
    /// How costs are estimated; the scenario's choice where absent.
    pub(crate) cost: Option<CostModelKind>,
}

impl Default for UniRouteSettings {
    fn default() -> Self {
        UniRouteSettings { map: ClusterMap::Kmeans, clusters: None, cost: None }
    }
}

/// How a prompt is mapped to clusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ClusterMap {
    /// To the nearest.
    Kmeans,
    /// To all of them, with learned weights.
    Learned,
}

/// The numbers of clusters tried.
const MOST_CLUSTERS: usize = 10_000;
const CLUSTERS: [usize; 7] = [4, 8, 16, 32, 64, 128, 256];
const CLUSTERS_OF_LEARNED: [usize; 3] = [16, 48, 128];
/// Soft memberships to begin with, for inner products of unit vectors.
const SOFTNESS: f32 = 0.1;
const LEARNING_RATE: f32 = 0.02;
const BATCH: usize = 64;
const MOST_EPOCHS: usize = 30;
const PATIENCE: usize = 4;
/// Probabilities of the loss stay so far away from 0 and 1.
const MARGIN: f32 = 1e-3;

/// The fitted predictor.
pub(super) struct UniRoute {
    map: Map,
    /// 1 - psi, clusters x models, and a last row for prompts without an embedding.
    means: Matrix,
}

enum Map {
    Nearest(Clustering),
    Learned { parameters: Parameters, layer: Linear },
}

kept!(UniRoute { means, map }, |it, shape| {
    let n_clusters = match &it.map {
        Map::Nearest(clustering) => clustering.centres.n_rows(),
        Map::Learned { parameters, layer } => view(parameters.get(layer.bias)).len(),
    };
    shape.is_of_models(&it.means) && it.means.n_rows() == n_clusters + 1
});

impl Kept for Map {
    fn keep(&self, parts: &mut Parts) {
        match self {
            Map::Nearest(clustering) => parts.keep("centres", clustering),
            Map::Learned { parameters, layer } => {
                parts.keep("clusters", &view(parameters.get(layer.bias)).len());
                parameters.keep(parts, |_| true);
            }
        }
    }

    fn restore(parts: &mut Parts) -> Result<Self> {
        let Some(n_clusters) = parts.take::<Option<usize>>("clusters")? else {
            return Ok(Map::Nearest(parts.take("centres")?));
        };
        parts.check((1..=MOST_CLUSTERS).contains(&n_clusters))?;
        let (mut parameters, layer) = layer_of(&Matrix::zeros(n_clusters, parts.shape().width));
        parameters.fill(parts)?;
        Ok(Map::Learned { parameters, layer })
    }
}

/// The layer of the map, which begins with the soft memberships of these centres.
fn layer_of(centres: &Matrix) -> (Parameters, Linear) {
    let mut parameters = Parameters::new();
    let weight = centres.values().iter().map(|value| value / SOFTNESS).collect();
    let weight = parameters.add("weight", weight, centres.n_rows(), centres.n_columns());
    let bias = parameters.add("bias", vec![0.0; centres.n_rows()], 1, centres.n_rows());
    (parameters, Linear { weight, bias })
}

impl RouterKind for UniRouteSettings {
    fn traits(&self) -> Traits {
        let label = match self.map {
            ClusterMap::Kmeans => "uniroute",
            ClusterMap::Learned => "uniroute-learned",
        };
        Traits { label: Some(label), ..Traits::default() }
    }

    fn check(&self) -> Result<()> {
        if self.clusters.is_some_and(|clusters| !(1..=MOST_CLUSTERS).contains(&clusters)) {
            return Err(Error::setting("clusters", format!("`clusters` must be from 1 to {MOST_CLUSTERS}")));
        }
        Ok(())
    }

    fn train(&self, training: &Training<'_>) -> Result<Trained> {
        let costs = training.costs(self.cost);
        let (scores, notes) = match self.map {
            ClusterMap::Kmeans => fit_nearest(self.clusters, training, &costs.out_of_fold),
            ClusterMap::Learned => fit_learned(self.clusters, training)?,
        };
        Ok(Trained { router: PlugIn::policy(Box::new(scores), costs), notes })
    }
}

impl ScorePredictor for UniRoute {
    fn predict(&self, prompts: &Prompts) -> Matrix {
        let n_clusters = self.means.n_rows() - 1;
        match &self.map {
            Map::Nearest(clustering) => {
                let rows: Vec<usize> = clustering
                    .nearest(prompts, 1)
                    .into_iter()
                    .map(|nearest| nearest.first().copied().unwrap_or(n_clusters))
                    .collect();
                self.means.rows_at(&rows)
            }
            Map::Learned { parameters, layer } => {
                let mut scores = mapped(parameters, *layer, &prompts.embeddings, &self.means);
                for prompt in (0..prompts.len()).filter(|&prompt| !prompts.has_embedding[prompt]) {
                    scores.row_mut(prompt).copy_from_slice(self.means.row(n_clusters));
                }
                scores
            }
        }
    }
}

/// The clusterings of these sizes that have enough prompts; the smallest whatever it has.
fn clusterings(training: &Training<'_>, sizes: &[usize], fixed: Option<usize>) -> Vec<Clustering> {
    let stream = training.stream().named("clusters");
    let sizes = fixed.map_or(sizes.to_vec(), |size| vec![size]);
    let prompts = &training.data().prompts;
    let mut found: Vec<Clustering> =
        sizes.iter().filter_map(|&size| Clustering::new(prompts, size, &stream)).collect();
    if found.is_empty() {
        found.extend(Clustering::new(prompts, 1, &stream));
    }
    found
}

fn fit_nearest(
    fixed: Option<usize>,
    training: &Training<'_>,
    costs: &Matrix,
) -> (UniRoute, BTreeMap<String, String>) {
    let (data, outcomes) = (training.data(), training.outcomes());
    let folds = folds(&data.prompts.text_groups, &training.stream().named("folds"));
    let mut clusterings = clusterings(training, &CLUSTERS, fixed);
    let beside = BesideSeen::new(&outcomes.score, &outcomes.mean_score, &data.unseen);
    let mut fits = Vec::new();
    for clustering in &clusterings {
        let n_clusters = clustering.centres.n_rows();
        let clusters = nearest(clustering, &data.prompts);
        let tally = ClusterTally::new(&beside, &data.unseen, n_clusters, &clusters, &folds);
        let out_of_fold = tally.out_of_fold(&clusters, &folds);
        fits.push((utility(training, &out_of_fold, costs), tally.means(None)));
    }
    let chosen = best(&fits.iter().map(|(utility, _)| *utility).collect::<Vec<_>>());
    let notes = notes(&clusterings[chosen], fits.len());
    let (map, (_, means)) = (Map::Nearest(clusterings.swap_remove(chosen)), fits.swap_remove(chosen));
    (UniRoute { map, means }, notes)
}

fn nearest(clustering: &Clustering, prompts: &Prompts) -> Vec<Option<usize>> {
    clustering.nearest(prompts, 1).into_iter().map(|nearest| nearest.first().copied()).collect()
}

fn notes(clustering: &Clustering, n_tried: usize) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("clusters".to_owned(), clustering.centres.n_rows().to_string()),
        ("settings-tried".to_owned(), n_tried.to_string()),
    ])
}

fn fit_learned(
    fixed: Option<usize>,
    training: &Training<'_>,
) -> Result<(UniRoute, BTreeMap<String, String>)> {
    let (data, outcomes) = (training.data(), training.outcomes());
    let mut clusterings = clusterings(training, &CLUSTERS_OF_LEARNED, fixed);
    let n_tried = clusterings.len();
    // Validation prompts are one fold, to be left out while the map is trained.
    let folds: Vec<usize> =
        (0..data.prompts.len()).map(|prompt| usize::from(prompt >= data.n_training)).collect();
    let beside = BesideSeen::new(&outcomes.score, &outcomes.mean_score, &data.unseen);
    let mut fits = Vec::new();
    for clustering in &clusterings {
        let clusters = nearest(clustering, &data.prompts);
        let n_clusters = clustering.centres.n_rows();
        let tally = ClusterTally::new(&beside, &data.unseen, n_clusters, &clusters, &folds);
        let learned = learn_map(clustering, &tally.means(Some(1)), training)?;
        fits.push((learned, tally.means(None)));
    }
    let chosen = best(&fits.iter().map(|(learned, _)| -learned.loss).collect::<Vec<_>>());
    let mut notes = notes(&clusterings.swap_remove(chosen), n_tried);
    let (LearnedMap { parameters, layer, loss, epochs }, means) = fits.swap_remove(chosen);
    notes.insert("epochs".to_owned(), epochs.to_string());
    notes.insert("validation-loss".to_owned(), format!("{loss:.4}"));
    Ok((UniRoute { map: Map::Learned { parameters, layer }, means }, notes))
}

struct LearnedMap {
    parameters: Parameters,
    layer: Linear,
    loss: f64,
    epochs: usize,
}

/// Trains Theta with psi fixed.
fn learn_map(clustering: &Clustering, means: &Matrix, training: &Training<'_>) -> Result<LearnedMap> {
    let data = training.data();
    let centres = &clustering.centres;
    let (n_clusters, width) = (centres.n_rows(), centres.n_columns());
    let (mut parameters, layer) = layer_of(centres);
    let mut adam = Adam::new(&parameters, LEARNING_RATE, 0.0);
    let mut rng = training.stream().named("map").numbered(n_clusters).generator();
    let mut rows: Vec<usize> = (0..data.n_training).collect();
    let watched: Vec<usize> = (data.n_training..data.prompts.len()).collect();
    let mut stopping = EarlyStopping::new(PATIENCE);
    // Epoch 0 is the clustering as it is.
    for epoch in 0..=MOST_EPOCHS {
        if epoch > 0 {
            shuffle(&mut rng, &mut rows);
            for batch in rows.chunks(BATCH) {
                let block = data.prompts.embeddings.rows_at(batch);
                let block = untaped(parameters.device(), block.values().to_vec(), batch.len(), width);
                let logits = layer.of_data::<Owned>(&parameters, &block, Activation::None);
                let (_, slopes) = map_loss(view(&logits), means, batch, training);
                let gradients = back_propagate(logits, slopes);
                adam.update(&mut parameters, gradients).ok_or_else(|| diverged(epoch))?;
            }
        }
        let block = data.prompts.embeddings.rows_at(&watched);
        let block = untaped(parameters.device(), block.values().to_vec(), watched.len(), width);
        let logits = layer.of_data::<dfdx::prelude::NoneTape>(&parameters, &block, Activation::None);
        let (loss, _) = map_loss(view(&logits), means, &watched, training);
        if !loss.is_finite() {
            return Err(diverged(epoch));
        }
        if stopping.is_over(epoch, loss, &parameters) {
            break;
        }
    }
    let best = stopping.restore(&mut parameters).expect("epoch 0 is looked at");
    Ok(LearnedMap { parameters, layer, loss: best.loss, epochs: best.epoch })
}

fn diverged(epoch: usize) -> Error {
    Error::Usage(format!("training of the map of uniroute diverged in epoch {epoch}"))
}

/// Scores by softmax memberships, rows x models; the last row of `means` is no cluster.
fn mapped(parameters: &Parameters, layer: Linear, embeddings: &Matrix, means: &Matrix) -> Matrix {
    let (n, n_clusters) = (embeddings.n_rows(), means.n_rows() - 1);
    let block = untaped(parameters.device(), embeddings.values().to_vec(), n, embeddings.n_columns());
    let logits = layer.of_data::<dfdx::prelude::NoneTape>(parameters, &block, Activation::None);
    let mut weights = view(&logits).to_vec();
    weights.chunks_exact_mut(n_clusters).for_each(|row| {
        kernels::softmax(row);
    });
    weighted(&weights, n, means)
}

/// Memberships times means.
fn weighted(memberships: &[f32], n_rows: usize, means: &Matrix) -> Matrix {
    let (n_clusters, n_models) = (means.n_rows() - 1, means.n_columns());
    let mut scores = Matrix::zeros(n_rows, n_models);
    let memberships = crate::linalg::Strided::row_major(memberships, n_rows, n_clusters);
    let means =
        crate::linalg::Strided::row_major(&means.values()[..n_clusters * n_models], n_clusters, n_models);
    multiply(memberships, means, scores.values_mut());
    scores
}

/// The mean cross-entropy of the seen models' scores and its gradient in the logits of the memberships.
fn map_loss(logits: &[f32], means: &Matrix, rows: &[usize], training: &Training<'_>) -> (f64, Vec<f32>) {
    let (data, outcomes) = (training.data(), training.outcomes());
    let (n_clusters, n_models) = (means.n_rows() - 1, means.n_columns());
    let mut memberships = logits.to_vec();
    memberships.chunks_exact_mut(n_clusters).for_each(|row| {
        kernels::softmax(row);
    });
    let mut slopes = weighted(&memberships, rows.len(), means);
    let (mut total, mut n_known) = (0.0, 0_usize);
    for (at, &row) in rows.iter().enumerate() {
        for (model, (score, value)) in outcomes.score.row(row).zip(slopes.row_mut(at)).enumerate() {
            let Some(score) = score.filter(|_| !data.unseen[model]) else {
                *value = 0.0;
                continue;
            };
            let (p, score) = (value.clamp(MARGIN, 1.0 - MARGIN), score as f32);
            total -= f64::from(score * p.ln() + (1.0 - score) * (1.0 - p).ln());
            n_known += 1;
            *value = (p - score) / (p * (1.0 - p));
        }
    }
    let n_known = n_known.max(1) as f64;
    let mut gradient = vec![0.0; rows.len() * n_clusters];
    let means =
        crate::linalg::Strided::row_major(&means.values()[..n_clusters * n_models], n_clusters, n_models);
    multiply(slopes.as_strided(), means.transposed(), &mut gradient);
    for (gradient, membership) in
        gradient.chunks_exact_mut(n_clusters).zip(memberships.chunks_exact(n_clusters))
    {
        let mean = kernels::dot(gradient, membership);
        for (slope, membership) in gradient.iter_mut().zip(membership) {
            *slope = membership * (*slope - mean) / n_known as f32;
        }
    }
    (total / n_known, gradient)
}
