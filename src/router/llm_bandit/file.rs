//! A trained router as tensors, and back.
//!
//! Networks are made anew from the settings and then filled with the tensors of their names, so that every shape is
//! checked against what the settings ask for.

use std::path::Path;

use super::LlmBandit;
use super::identity::Identities;
use super::learned::Learned;
use super::policy::Policy;
use super::predictors::{Candidates, Predictors};
use super::response::ResponseNetwork;
use super::settings::{LlmBanditSettings, MOST_DIMENSIONS, Source};
use crate::error::{Error, Result};
use crate::linalg::Matrix;
use crate::network::NamedTensors;
use crate::router::cost_model::CostModel;
use crate::router::cross_validation::Ridge;
use crate::router::predictor::clusters::{ClusterRidge, Features};
use crate::router::predictor::kernel::KernelSmoother;
use crate::router::prompts::Prompts;
use crate::seed::Stream;

/// What a router has learned beside its tensors: numbers of 64 bits, and how its identity vectors came about.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Numbers {
    identity_epochs: usize,
    recorded_comparisons: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    validation_loss: Option<f64>,
    /// Mean and deviation of ln(1 + input tokens), where scores are predicted from them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    score_ln_tokens: Option<[f64; 2]>,
    /// Mean and deviation of input tokens, where costs are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cost_tokens: Option<[f64; 2]>,
}

impl LlmBandit {
    /// The settings with every default of the preset written out.
    pub(crate) fn settings(&self) -> LlmBanditSettings {
        self.written.spelled_out()
    }

    /// Whether each candidate was unseen in training.
    pub(crate) fn unseen(&self) -> impl Iterator<Item = bool> {
        self.predictors.identity_share.iter().map(|share| *share > 0.0)
    }

    /// Copies everything out that decisions depend on.
    pub(crate) fn save(&self, tensors: &mut NamedTensors) -> Numbers {
        let Predictors { learned, clusters, kernel, mixture, costs, identity_share, .. } = &self.predictors;
        self.policy.parameters.save("policy.", tensors);
        learned.network.parameters().save(NETWORK, tensors);
        tensors.insert_matrix("identities.mean", &learned.identities.mean);
        tensors.insert_matrix("identities.variance", &learned.identities.variance);
        for (model, deviation) in learned.deviations.iter().enumerate() {
            if let Some(deviation) = deviation {
                tensors.insert_matrix(&deviation_name(model), deviation);
            }
        }
        tensors.insert_vector("identities.share", identity_share);
        let weights: Vec<f32> = mixture.iter().map(|(_, weight)| *weight).collect();
        tensors.insert_vector("mixture.weights", &weights);
        if let Some(ClusterRidge { features, ridge }) = clusters {
            for (at, centres) in features.clusterings.iter().enumerate() {
                tensors.insert_matrix(&centres_name(at), centres);
            }
            tensors.insert_matrix("clusters.coefficients", ridge.coefficients());
        }
        if let Some(kernel) = kernel {
            tensors.insert_vector("kernel.bandwidth", &[kernel.bandwidth]);
            tensors.insert_matrix("kernel.directions", &kernel.directions);
            tensors.insert_matrix("kernel.prompts", &kernel.prompts);
            tensors.insert_matrix("kernel.scores", &kernel.scores);
            if let Some(known) = &kernel.known {
                tensors.insert_matrix("kernel.known", known);
            }
            tensors.insert_vector("kernel.mean-score", &kernel.mean_score);
        }
        tensors.insert_vector("candidates.cost", &self.candidates.cost);
        tensors.insert_vector("candidates.score", &self.candidates.score);
        tensors.insert_vector("candidates.variance", &self.candidates.variance);
        Numbers {
            identity_epochs: learned.epochs,
            recorded_comparisons: learned.has_comparisons,
            validation_loss: learned.validation_loss.is_finite().then_some(learned.validation_loss),
            score_ln_tokens: clusters.as_ref().map(|clusters| clusters.features.ln_tokens.into()),
            cost_tokens: costs.save(tensors),
        }
    }

    /// Takes a router out of what [`save`](Self::save) gave. `unseen` has a flag for every candidate.
    ///
    /// # Errors
    /// A tensor that is missing or does not fit the settings; a number that cannot be.
    pub(crate) fn load(
        path: &Path,
        written: &LlmBanditSettings,
        numbers: &Numbers,
        (unseen, embedding_width): (Vec<bool>, usize),
        tensors: &mut NamedTensors,
    ) -> Result<Self> {
        let fault = |problem: &str| Error::file(path, problem);
        written.check_ranges().map_err(|error| fault(&error.to_string()))?;
        for [mean, deviation] in [numbers.score_ln_tokens, numbers.cost_tokens].into_iter().flatten() {
            if !(mean.is_finite() && deviation.is_finite() && deviation > 0.0) {
                return Err(fault("says of input tokens what cannot be"));
            }
        }
        let settings = written.resolve();
        let n_models = unseen.len();
        let d = settings.identity.dimensions.min(MOST_DIMENSIONS);
        let mut network = ResponseNetwork::blank(embedding_width, d, settings.identity.hidden);
        network.parameters_mut().load(path, tensors)?;
        let mut of_models = |name: &str| tensors.take_matrix(path, name, n_models, d);
        let identities =
            Identities { mean: of_models("identities.mean")?, variance: of_models("identities.variance")? };
        let mut deviations = Vec::with_capacity(n_models);
        for model in 0..n_models {
            let name = deviation_name(model);
            let is_there = tensors.matrix_shape(&name).is_some();
            deviations.push(is_there.then(|| tensors.take_matrix(path, &name, d, d)).transpose()?);
        }
        let identity_share = tensors.take_vector(path, "identities.share", n_models)?;
        if identity_share.iter().zip(&unseen).any(|(share, unseen)| (*share > 0.0) != *unseen) {
            return Err(fault("holds shares of identities that do not fit its unseen models"));
        }
        let weights = tensors.take_vector(path, "mixture.weights", settings.sources.len())?;
        let is_used = |source: Source| settings.sources.contains(&source);
        let shape = [n_models, embedding_width];
        let clusters = match (is_used(Source::Clusters), numbers.score_ln_tokens) {
            (true, Some([mean, deviation])) => Some(load_clusters(path, tensors, shape, (mean, deviation))?),
            (true, None) => return Err(fault("holds no `score-ln-tokens`, which its clusters need")),
            (false, _) => None,
        };
        let kernel = is_used(Source::Kernel)
            .then(|| load_kernel(path, tensors, &unseen, embedding_width))
            .transpose()?;
        let costs = CostModel::load(path, tensors, numbers.cost_tokens, n_models, embedding_width)?;
        let candidates = Candidates {
            identities: identities.mean.clone(),
            cost: tensors.take_vector(path, "candidates.cost", n_models)?,
            score: tensors.take_vector(path, "candidates.score", n_models)?,
            variance: tensors.take_vector(path, "candidates.variance", n_models)?,
        };
        let predictors = Predictors {
            learned: Learned {
                network,
                identities,
                deviations,
                epochs: numbers.identity_epochs,
                validation_loss: numbers.validation_loss.unwrap_or(f64::NAN),
                has_comparisons: numbers.recorded_comparisons,
            },
            clusters,
            kernel,
            mixture: settings.sources.iter().copied().zip(weights).collect(),
            costs,
            identity_share,
            uncertainty: settings.policy.uncertainty,
        };
        // What no prompt looks like is as wide as what any prompt looks like.
        let nothing = Prompts::unrecorded(Matrix::zeros(0, embedding_width), Vec::new(), None, n_models);
        let situations = predictors.situations(&nothing);
        let world = super::World {
            situations: &situations,
            candidates: &candidates,
            settings: &settings.policy,
            rewards: settings.rewards,
        };
        let mut policy = Policy::new(&settings.policy, world.widths(), &mut Stream::root(0).generator());
        policy.parameters.load(path, tensors)?;
        Ok(LlmBandit { written: written.clone(), settings, predictors, candidates, policy })
    }
}

/// What the names of the response network's parameters begin with; its store holds the identities it was trained with too.
const NETWORK: &str = "response.";

/// The factor of one candidate's posterior covariance.
fn deviation_name(model: usize) -> String {
    format!("identities.deviation.{model}")
}

fn centres_name(at: usize) -> String {
    format!("clusters.centres.{at}")
}

fn load_clusters(
    path: &Path,
    tensors: &mut NamedTensors,
    [n_models, width]: [usize; 2],
    ln_tokens: (f64, f64),
) -> Result<ClusterRidge> {
    let mut clusterings = Vec::new();
    while let Some([n_clusters, _]) = tensors.matrix_shape(&centres_name(clusterings.len())) {
        clusterings.push(tensors.take_matrix(path, &centres_name(clusterings.len()), n_clusters, width)?);
    }
    let n_features = clusterings.iter().map(Matrix::n_rows).sum::<usize>() + width + 2;
    let coefficients = tensors.take_matrix(path, "clusters.coefficients", n_features, n_models)?;
    Ok(ClusterRidge { features: Features { clusterings, ln_tokens }, ridge: Ridge::new(coefficients) })
}

fn load_kernel(
    path: &Path,
    tensors: &mut NamedTensors,
    unseen: &[bool],
    width: usize,
) -> Result<KernelSmoother> {
    let (unseen, n_columns) = match unseen.contains(&true) {
        true => (unseen.to_vec(), unseen.len() + 1),
        false => (Vec::new(), unseen.len()),
    };
    let bandwidth = tensors.take_vector(path, "kernel.bandwidth", 1)?[0];
    if bandwidth <= 0.0 {
        return Err(Error::file(path, format!("has a kernel of bandwidth {bandwidth}")));
    }
    let Some([n_prompts, n_directions]) = tensors.matrix_shape("kernel.prompts") else {
        return Err(Error::file(path, "holds no matrix `kernel.prompts`"));
    };
    let known = match tensors.matrix_shape("kernel.known") {
        Some(_) => Some(tensors.take_matrix(path, "kernel.known", n_prompts, n_columns)?),
        None => None,
    };
    Ok(KernelSmoother {
        bandwidth,
        directions: tensors.take_matrix(path, "kernel.directions", width, n_directions)?,
        prompts: tensors.take_matrix(path, "kernel.prompts", n_prompts, n_directions)?,
        scores: tensors.take_matrix(path, "kernel.scores", n_prompts, n_columns)?,
        known,
        mean_score: tensors.take_vector(path, "kernel.mean-score", n_columns)?,
        unseen,
    })
}

impl LlmBanditSettings {
    /// The same settings with nothing left open but the cost model, which is the scenario's where it is not named.
    fn spelled_out(&self) -> Self {
        let settings = self.resolve();
        LlmBanditSettings {
            preset: self.preset,
            key: Some(settings.policy.key),
            context: Some(settings.policy.context),
            residual: Some(settings.policy.residual),
            uncertainty: Some(settings.policy.uncertainty),
            out_of_fold: Some(settings.out_of_fold),
            predictors: Some(settings.sources),
            pretraining: Some(settings.pretraining_steps > 0),
            pretraining_steps: (settings.pretraining_steps > 0).then_some(settings.pretraining_steps),
            objective: Some(settings.objective),
            steps: Some(settings.steps),
            mixup: Some(settings.mixup),
            dimensions: Some(settings.identity.dimensions),
            labels: Some(settings.identity.labels),
            cost: settings.cost,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::Preset;
    use super::*;

    #[test]
    fn spelling_settings_out_changes_nothing() {
        for preset in [Preset::Paper, Preset::Best] {
            let settings =
                LlmBanditSettings { preset, steps: Some(7), uncertainty: Some(true), ..Default::default() };
            assert_eq!(settings.spelled_out().resolve(), settings.resolve());
        }
    }
}
