//! What a trained router consists of, to be kept.
//!
//! Networks are made anew from the settings and then filled with what was kept under their parameters' names, so that every shape is
//! checked against what the settings ask for.

use super::LlmBandit;
use super::identity::Identities;
use super::learned::Learned;
use super::policy::Policy;
use super::predictors::{Candidates, Predictors};
use super::response::ResponseNetwork;
use super::settings::{IdentitySettings, LlmBanditSettings, MOST_DIMENSIONS};
use crate::error::Result;
use crate::linalg::Matrix;
use crate::network::{Kept, Parts, kept, kept_as_word};
use crate::router::prompts::Prompts;
use crate::seed::Stream;

kept_as_word!(LlmBanditSettings, super::settings::Source);
kept!(Identities { mean, variance });
kept!(
    Predictors { learned, clusters, kernel, text, mixture, costs, placement, identity_share, uncertainty },
    |it, shape| it.identity_share.len() == shape.n_models
);
kept!(Candidates { identities, cost, score, variance }, |it, shape| {
    let n = shape.n_models;
    (it.identities.n_rows(), it.cost.len(), it.score.len(), it.variance.len()) == (n, n, n, n)
});

/// What the names of the response network's parameters begin with; its store holds the identities it was trained with too.
const NETWORK: &str = "response.";

impl Kept for Learned {
    fn keep(&self, parts: &mut Parts) {
        parts.keep("identities", &self.identities);
        parts.keep("deviations", &self.deviations);
        parts.keep("epochs", &self.epochs);
        parts.keep("validation_loss", &self.validation_loss);
        parts.keep("has_comparisons", &self.has_comparisons);
        self.network.parameters().keep(parts, |name| name.starts_with(NETWORK));
    }

    fn restore(parts: &mut Parts) -> Result<Self> {
        let (shape, identities): (_, Identities) = (parts.shape(), parts.take("identities")?);
        let deviations: Vec<Option<Matrix>> = parts.take("deviations")?;
        let d = identities.mean.n_columns();
        let is_square = |factor: &Matrix| (factor.n_rows(), factor.n_columns()) == (d, d);
        let is_of_models = |of: &Matrix| (of.n_rows(), of.n_columns()) == (shape.n_models, d);
        parts.check(
            (1..=MOST_DIMENSIONS).contains(&d)
                && is_of_models(&identities.mean)
                && is_of_models(&identities.variance)
                && deviations.len() == shape.n_models
                && deviations.iter().flatten().all(is_square),
        )?;
        let mut network = ResponseNetwork::blank(shape.width, d, IdentitySettings::default().hidden);
        network.parameters_mut().fill(parts)?;
        Ok(Learned {
            network,
            identities,
            deviations,
            epochs: parts.take("epochs")?,
            validation_loss: parts.take("validation_loss")?,
            has_comparisons: parts.take("has_comparisons")?,
        })
    }
}

impl Kept for LlmBandit {
    fn keep(&self, parts: &mut Parts) {
        // What a preset means may change.
        parts.keep("settings", &self.written.spelled_out());
        parts.keep("predictors", &self.predictors);
        parts.keep("candidates", &self.candidates);
        self.policy.parameters.keep(parts, |_| true);
    }

    fn restore(parts: &mut Parts) -> Result<Self> {
        let written: LlmBanditSettings = parts.take("settings")?;
        written.check_ranges().map_err(|error| parts.fault(&error.to_string()))?;
        let settings = written.resolve();
        let (predictors, candidates): (Predictors, Candidates) =
            (parts.take("predictors")?, parts.take("candidates")?);
        let d = settings.identity.dimensions;
        let is_there = |source| match source {
            super::Source::Irt => true,
            super::Source::Clusters => predictors.clusters.is_some(),
            super::Source::Kernel => predictors.kernel.is_some(),
            super::Source::Text => predictors.text.is_some(),
        };
        parts.check(
            candidates.identities.n_columns() == d
                && predictors.learned.identities.mean.n_columns() == d
                && predictors.uncertainty == settings.policy.uncertainty
                && predictors.mixture.iter().map(|(source, _)| source).eq(&settings.sources)
                && settings.sources.iter().all(|&source| is_there(source)),
        )?;
        // What no prompt looks like is as wide as what any prompt looks like.
        let shape = parts.shape();
        let nothing = Prompts::unrecorded(Matrix::zeros(0, shape.width), Vec::new(), None, shape.n_models);
        let situations = predictors.situations(&nothing);
        let world = super::World {
            situations: &situations,
            candidates: &candidates,
            settings: &settings.policy,
            rewards: settings.rewards,
        };
        let mut policy = Policy::new(&settings.policy, world.widths(), &mut Stream::root(0).generator());
        policy.parameters.fill(parts)?;
        Ok(LlmBandit { written, settings, predictors, candidates, policy })
    }
}

impl LlmBanditSettings {
    /// The same settings with nothing left open but the cost model, which is the scenario's where it is not named.
    fn spelled_out(&self) -> Self {
        let settings = self.resolve();
        LlmBanditSettings {
            preset: self.preset,
            key: Some(settings.policy.key),
            context: Some(settings.policy.context),
            placement: Some(settings.placement),
            residual: Some(settings.policy.residual),
            uncertainty: Some(settings.policy.uncertainty),
            out_of_fold: Some(settings.out_of_fold),
            predictors: Some(settings.sources),
            pretraining: Some(settings.pretraining_steps > 0),
            pretraining_steps: (settings.pretraining_steps > 0).then_some(settings.pretraining_steps),
            objective: Some(settings.objective),
            steps: Some(settings.steps),
            learning_rate: Some(settings.learning_rate.into()),
            rewards: Some(settings.rewards),
            preferences: Some(settings.preferences),
            entropy: Some(settings.entropy.into()),
            baseline: Some(settings.baseline),
            mixup: Some(settings.mixup),
            early_stopping: Some(settings.early_stopping),
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
