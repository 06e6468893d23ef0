//! What an answer to each training prompt would say about a new model's identity: the item bank of a `fisher` quiz.

use super::learned::{LearnFrom, Placement, learn};
use super::quiz::Prior;
use super::settings::{IdentitySettings, TUNED_UPDATES};
use crate::error::Result;
use crate::linalg::kernels;
use crate::router::Training;
use crate::router::quiz::ItemInformation;

/// Learns identities of the seen models on training prompts, stopped by their answers to validation prompts, and takes
/// the gradient of f and p (1 - p) of every training prompt at the mean of these identities, where the prior of a new
/// model lies. A prompt without embedding says nothing.
///
/// # Errors
/// Training that diverges.
pub(crate) fn item_information(training: &Training<'_>) -> Result<ItemInformation> {
    let data = training.data();
    let settings = IdentitySettings { least_updates: TUNED_UPDATES, ..Default::default() };
    let learned = learn(training, &settings, LearnFrom::Training, Placement::Average)?;
    let seen: Vec<usize> = (0..data.n_models()).filter(|&model| !data.unseen[model]).collect();
    let prior = Prior::around(&learned.identities.mean.rows_at(&seen));
    let rows: Vec<usize> = (0..data.n_training).collect();
    let responses = learned.network.responses(&data.prompts.embeddings.rows_at(&rows), &prior.mean());
    let weight = |(logit, has_embedding): (&f32, &bool)| {
        let p = kernels::sigmoid(*logit);
        if *has_embedding { p * (1.0 - p) } else { 0.0 }
    };
    let weights = responses.logits.iter().zip(&data.prompts.has_embedding).map(weight).collect();
    Ok(ItemInformation { gradients: responses.gradients, weights, prior_precision: Prior::PRECISION })
}
