//! Identity vectors of a whole candidate pool: learned from the seen models' answers, placed by quiz for unseen ones, with
//! predictions for the development prompts that have not seen them.

use super::identity::{self, Diverged, Fitted, Identities, Observations};
use super::quiz::{Prior, mean_score, place};
use super::response::ResponseNetwork;
use super::settings::{IdentitySettings, Labels};
use crate::error::{Error, Result};
use crate::linalg::{Matrix, kernels, multiply};
use crate::router::Training;
use crate::router::cross_validation::{N_FOLDS, folds};
use crate::router::training_data::TrainingData;
use crate::seed::Stream;

/// What was learned.
pub(crate) struct Learned {
    pub(crate) network: ResponseNetwork,
    /// Of every candidate, in pool order.
    pub(crate) identities: Identities,
    /// Of every candidate whose score is a mean over its posterior the lower triangular factor of the posterior's
    /// covariance, dimensions x dimensions; `None` for those that are scored at the mode.
    pub(crate) deviations: Vec<Option<Matrix>>,
    /// Epochs of the fit.
    pub(crate) epochs: usize,
    /// Cross-entropy on validation prompts after that epoch.
    pub(crate) validation_loss: f64,
    /// Whether recorded comparisons were learned from; else they were derived from scores.
    pub(crate) has_comparisons: bool,
}

/// Which development prompts a fit learns from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LearnFrom {
    /// Training prompts; validation prompts only stop it.
    Training,
    /// Training prompts first; once it is known when to stop, all development prompts anew.
    Development,
}

/// How an unseen model gets its identity and scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdentityPlacement {
    /// As in the paper: the mode of the posterior under the prior N(0, 1).
    Mode,
    /// Our choice: the prior lies around the mean of the seen models, and a score is its mean under the posterior.
    Average,
}

struct Material {
    labels: Matrix,
    comparisons: Vec<Vec<(usize, usize, f32)>>,
    /// The seen models, as numbers of the pool.
    seen: Vec<usize>,
}

/// How long to learn, found on validation prompts, and what was learned from training prompts meanwhile.
pub(crate) struct Stopped {
    material: Material,
    fitted: Fitted,
    /// Epochs of the fit.
    pub(crate) epochs: usize,
    /// Cross-entropy on validation prompts after that epoch.
    pub(crate) validation_loss: f64,
}

/// Learns the identities of all candidates.
///
/// # Errors
/// Training that diverges.
pub(crate) fn learn(
    training: &Training<'_>,
    settings: &IdentitySettings,
    from: LearnFrom,
    placement: IdentityPlacement,
) -> Result<Learned> {
    stop(training, settings)?.learn(training, settings, from, placement)
}

/// Learns from the training prompts until validation prompts say to stop.
///
/// # Errors
/// Training that diverges.
pub(crate) fn stop(training: &Training<'_>, settings: &IdentitySettings) -> Result<Stopped> {
    let data = training.data();
    let material = Material::new(training, settings.labels);
    let observations = material.observations(data);
    let stream = training.stream().named("identity");
    let rows: Vec<usize> = (0..data.n_training).collect();
    let watched: Vec<usize> = (data.n_training..data.prompts.len()).collect();
    let epochs = most_epochs(settings, &material, rows.len());
    // Of seen models alone: a quiz is no part of it.
    let name = material.name("training", &stream, settings);
    let fit = || identity::fit(&observations, &rows, &watched, settings, epochs, &stream.named("training"));
    let mut fitted = training.once(name, fit).map_err(diverged)?;
    let losses = std::mem::take(&mut fitted.losses);
    training.note_curve("validation loss, nats an answer", "epoch", losses);
    let (epochs, validation_loss) = (fitted.epochs, fitted.watched_loss.unwrap_or(f64::NAN));
    Ok(Stopped { material, fitted, epochs, validation_loss })
}

impl Stopped {
    /// The identities of all candidates; with [`LearnFrom::Development`] from a fit to all development prompts, of as many epochs.
    ///
    /// # Errors
    /// Training that diverges.
    pub(crate) fn learn(
        &self,
        training: &Training<'_>,
        settings: &IdentitySettings,
        from: LearnFrom,
        placement: IdentityPlacement,
    ) -> Result<Learned> {
        let Stopped { material, fitted, epochs, validation_loss } = self;
        let (epochs, validation_loss) = (*epochs, *validation_loss);
        let data = training.data();
        let fitted = match from {
            LearnFrom::Training => fitted.clone(),
            LearnFrom::Development => {
                let rows: Vec<usize> = (0..data.prompts.len()).collect();
                let (observations, stream) =
                    (material.observations(data), training.stream().named("identity"));
                let again = stream.named("development");
                let fit = || identity::fit(&observations, &rows, &[], settings, epochs, &again);
                let name = material.name("development", &stream, settings);
                training.once(name, fit).map_err(diverged)?
            }
        };
        let (identities, deviations) = place_unseen(training, material, &fitted, placement);
        Ok(Learned {
            network: fitted.network,
            identities,
            deviations,
            epochs,
            validation_loss,
            has_comparisons: material.comparisons.iter().any(|comparisons| !comparisons.is_empty()),
        })
    }
}

/// Predicted scores of the development prompts, those of seen models by fits of so many epochs that have not seen their fold;
/// `scores` holds those of unseen models, prompts x candidates.
///
/// # Errors
/// Training that diverges.
pub(crate) fn out_of_fold(
    training: &Training<'_>,
    settings: &IdentitySettings,
    epochs: usize,
    mut scores: Matrix,
) -> Result<Matrix> {
    let data = training.data();
    let material = Material::new(training, settings.labels);
    let observations = material.observations(data);
    let stream = training.stream().named("identity").named("folds");
    let folds = folds(&data.prompts.text_groups, &stream);
    for fold in 0..N_FOLDS {
        let in_fold = |wanted: bool| -> Vec<usize> {
            (0..folds.len()).filter(|&prompt| (folds[prompt] == fold) == wanted).collect()
        };
        let (rows, held_out) = (in_fold(false), in_fold(true));
        let name = material.name(&format!("fold {fold}"), &stream, settings);
        let fit = || identity::fit(&observations, &rows, &[], settings, epochs, &stream.numbered(fold));
        let fitted = training.once(name, fit).map_err(diverged)?;
        let embeddings = data.prompts.embeddings.rows_at(&held_out);
        let logits = fitted.network.logits(&embeddings, &fitted.identities.mean);
        for (&prompt, logits) in held_out.iter().zip(logits.rows()) {
            for (&model, logit) in material.seen.iter().zip(logits) {
                scores.row_mut(prompt)[model] = kernels::sigmoid(*logit);
            }
        }
    }
    Ok(scores)
}

impl Learned {
    /// Which comparisons were learned from, for the record.
    pub(crate) fn comparisons_in_words(&self) -> &'static str {
        if self.has_comparisons { "recorded" } else { "derived from scores" }
    }

    /// Predicted scores, prompts x candidates.
    pub(crate) fn scores(&self, embeddings: &Matrix) -> Matrix {
        let mut scores = self.network.logits(embeddings, &self.identities.mean);
        scores.values_mut().iter_mut().for_each(|value| *value = kernels::sigmoid(*value));
        let averaged: Vec<usize> =
            (0..self.deviations.len()).filter(|&model| self.deviations[model].is_some()).collect();
        self.each_spread(embeddings, &averaged, |prompt, model, logit, spread| {
            scores.row_mut(prompt)[model] = mean_score(logit, spread);
        });
        scores
    }

    /// As the function [`out_of_fold`], with the scores of unseen models as they are: no fold has anything of them.
    ///
    /// # Errors
    /// Training that diverges.
    pub(crate) fn out_of_fold(&self, training: &Training<'_>, settings: &IdentitySettings) -> Result<Matrix> {
        out_of_fold(training, settings, self.epochs, self.scores(&training.data().prompts.embeddings))
    }

    /// The variance of the predicted scores under the posteriors of the identities, prompts x candidates, to first order:
    /// (p (1 - p))^2 g S g' with g the gradient of f in the identity and S the covariance of the posterior.
    pub(crate) fn score_variance(&self, embeddings: &Matrix) -> Matrix {
        let models: Vec<usize> = (0..self.deviations.len()).collect();
        let mut variance = Matrix::zeros(embeddings.n_rows(), models.len());
        self.each_spread(embeddings, &models, |prompt, model, logit, spread| {
            let p = kernels::sigmoid(logit);
            variance.row_mut(prompt)[model] = (p * (1.0 - p)).powi(2) * spread;
        });
        variance
    }

    /// The mean of a model's score over prompts under the posterior of its identity, and the variance of the mean of its
    /// answers: G S G' + sum p (1 - p) / n^2, to first order, with G the mean gradient of the score in the identity. `None`
    /// for a model whose score is no mean over a posterior.
    pub(crate) fn believed_mean(&self, embeddings: &Matrix, model: usize) -> Option<[f64; 2]> {
        let deviation = self.deviations[model].as_ref().filter(|_| embeddings.n_rows() > 0)?;
        let responses = self.network.responses(embeddings, self.identities.mean.row(model));
        let n = embeddings.n_rows() as f64;
        let mut slope = vec![0.0; deviation.n_rows()];
        let (mut total, mut noise) = (0.0, 0.0);
        self.each_spread(embeddings, &[model], |_, _, logit, spread| {
            let p = f64::from(mean_score(logit, spread));
            total += p;
            noise += p * (1.0 - p);
        });
        for (logit, g) in responses.logits.iter().zip(responses.gradients.rows()) {
            let p = f64::from(kernels::sigmoid(*logit));
            slope.iter_mut().zip(g).for_each(|(slope, g)| *slope += p * (1.0 - p) * f64::from(*g) / n);
        }
        // S = L L', so that G S G' is the squared length of L' G.
        let along = |column: usize| -> f64 {
            deviation.rows().zip(&slope).map(|(row, slope)| f64::from(row[column]) * slope).sum()
        };
        let of_identity: f64 = (0..slope.len()).map(|column| along(column).powi(2)).sum();
        Some([total / n, of_identity + noise / (n * n)])
    }

    /// Tells `visit` of every prompt and each of these models f at the mean of the posterior and its variance g S g';
    /// without a covariance of all elements S is the diagonal.
    fn each_spread(
        &self,
        embeddings: &Matrix,
        models: &[usize],
        mut visit: impl FnMut(usize, usize, f32, f32),
    ) {
        if models.is_empty() {
            return;
        }
        let identities = self.identities.mean.rows_at(models);
        self.network.each_response(embeddings, &identities, |start, at, responses| {
            let (model, gradients) = (models[at], &responses.gradients);
            let mut scaled = Matrix::zeros(gradients.n_rows(), gradients.n_columns());
            match &self.deviations[model] {
                Some(deviation) => {
                    multiply(gradients.as_strided(), deviation.as_strided(), scaled.values_mut());
                }
                None => {
                    let deviation: Vec<f32> =
                        self.identities.variance.row(model).iter().map(|variance| variance.sqrt()).collect();
                    for row in 0..gradients.n_rows() {
                        let cells = scaled.row_mut(row).iter_mut().zip(gradients.row(row)).zip(&deviation);
                        cells.for_each(|((scaled, g), deviation)| *scaled = g * deviation);
                    }
                }
            }
            for (row, (logit, scaled)) in responses.logits.iter().zip(scaled.rows()).enumerate() {
                visit(start + row, model, *logit, kernels::dot(scaled, scaled));
            }
        });
    }
}

impl Material {
    /// What a fit to the seen models' answers is remembered by.
    fn name(&self, stage: &str, stream: &Stream, settings: &IdentitySettings) -> String {
        format!("{stage} {:x} {} {settings:?}", stream.word(), self.seen.len())
    }

    fn new(training: &Training<'_>, labels: Labels) -> Self {
        let (data, outcomes) = (training.data(), training.outcomes());
        let seen: Vec<usize> = (0..data.n_models()).filter(|&model| !data.unseen[model]).collect();
        let n_prompts = data.prompts.len();
        let score = |prompt: usize, model: usize| outcomes.score.get(prompt, model);
        let cells = (0..n_prompts).flat_map(|prompt| seen.iter().map(move |&model| score(prompt, model)));
        let values = cells.map(|score| score.map_or(f32::NAN, |score| score as f32)).collect();
        let mut values = Matrix::new(values, n_prompts, seen.len());
        if labels == Labels::Binary {
            binarise(&mut values, &data.benchmarks);
        }
        let place = |model: usize| seen.iter().position(|&other| other == model);
        let mut comparisons = vec![Vec::new(); n_prompts];
        for comparison in &outcomes.comparisons {
            if let (Some(a), Some(b)) = (place(comparison.model_a), place(comparison.model_b)) {
                comparisons[comparison.prompt].push((a, b, comparison.score_a as f32));
            }
        }
        Material { labels: values, comparisons, seen }
    }

    fn observations<'a>(&'a self, data: &'a TrainingData) -> Observations<'a> {
        Observations {
            embeddings: &data.prompts.embeddings,
            labels: &self.labels,
            comparisons: &self.comparisons,
        }
    }
}

/// The settings' epochs, or as many as make up the least number of updates.
fn most_epochs(settings: &IdentitySettings, material: &Material, n_prompts: usize) -> usize {
    let prompts_per_batch = (settings.batch / material.seen.len()).max(1);
    let updates = n_prompts.div_ceil(prompts_per_batch).max(1);
    settings.epochs.max(settings.least_updates.div_ceil(updates))
}

fn diverged(Diverged { step }: Diverged) -> Error {
    Error::Usage(format!(
        "training of the identity vectors diverged at step {step}: the loss is not a finite number"
    ))
}

/// The identities of all candidates: those learned, and for each unseen one that of its quiz; with the deviations of those
/// that are averaged over.
fn place_unseen(
    training: &Training<'_>,
    material: &Material,
    fitted: &Fitted,
    placement: IdentityPlacement,
) -> (Identities, Vec<Option<Matrix>>) {
    let (data, outcomes) = (training.data(), training.outcomes());
    let d = fitted.network.dimensions();
    let prior = match placement {
        IdentityPlacement::Mode => Prior::standard(d),
        IdentityPlacement::Average => Prior::around(&fitted.identities.mean),
    };
    let (mut mean, mut variance, mut deviations) = (Vec::new(), Vec::new(), Vec::new());
    for model in 0..data.n_models() {
        if let Some(at) = material.seen.iter().position(|&seen| seen == model) {
            mean.extend_from_slice(fitted.identities.mean.row(at));
            variance.extend_from_slice(fitted.identities.variance.row(at));
            deviations.push(None);
            continue;
        }
        let asked: Vec<usize> =
            (0..data.prompts.len()).filter(|&prompt| outcomes.score.get(prompt, model).is_some()).collect();
        let answers: Vec<f32> = asked
            .iter()
            .filter_map(|&prompt| outcomes.score.get(prompt, model))
            .map(|score| score as f32)
            .collect();
        let placed = place(&fitted.network, &data.prompts.embeddings.rows_at(&asked), &answers, &prior);
        mean.extend(placed.mean);
        variance.extend(placed.variance);
        // Before the first answer the prior is all there is, and it is wide: a mean over it would be near one half.
        let is_averaged = placement == IdentityPlacement::Average && !asked.is_empty();
        deviations.push(is_averaged.then_some(placed.deviation));
    }
    let identities = Identities {
        mean: Matrix::new(mean, data.n_models(), d),
        variance: Matrix::new(variance, data.n_models(), d),
    };
    (identities, deviations)
}

/// Replaces graded scores by 1 from eta* on and 0 below: per benchmark, so many of the highest become 1 as the scores
/// sum to, equal ones together (appendix B.2). Unknown scores stay unknown.
fn binarise(labels: &mut Matrix, benchmarks: &[usize]) {
    let n_benchmarks = benchmarks.iter().max().map_or(0, |most| most + 1);
    for benchmark in 0..n_benchmarks {
        let rows: Vec<usize> = (0..benchmarks.len()).filter(|&row| benchmarks[row] == benchmark).collect();
        let mut known: Vec<f32> =
            rows.iter().flat_map(|&row| labels.row(row)).copied().filter(|label| !label.is_nan()).collect();
        if known.is_empty() {
            continue;
        }
        known.sort_unstable_by(|a, b| b.total_cmp(a));
        let wanted = known.iter().map(|&score| f64::from(score)).sum::<f64>().round() as usize;
        // Never a score of 0 as a success, nor one of 1 as a failure.
        let threshold = known[wanted.clamp(1, known.len()) - 1].max(f32::MIN_POSITIVE);
        for &row in &rows {
            for label in labels.row_mut(row).iter_mut().filter(|label| !label.is_nan()) {
                *label = f32::from(*label >= threshold);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_keeps_the_mean_of_each_benchmark() {
        let mut labels =
            Matrix::new(vec![0.9, 0.1, 0.6, 0.4, 0.2, f32::NAN, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0], 6, 2);
        binarise(&mut labels, &[0, 0, 0, 1, 1, 1]);
        // 2.2 of 5 known scores: the two highest become 1; zeros and ones stay what they are.
        assert_eq!(labels.values()[..5], [1.0, 0.0, 1.0, 0.0, 0.0]);
        assert!(labels.values()[5].is_nan());
        assert_eq!(labels.values()[6..], [1.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
    }
}
