//! What a router that learns from prompts sees of them: their embedding, text features in its place, or both.
//!
//! A router knows prompts by rows of about unit length. With `features = "text"` the rows are those of a [`TextBlock`], with `"both"` they
//! are the embedding and the block side by side; scaled to unit length, so that whatever measures nearness by inner products
//! goes on to do so. Everything that the router learns from, predicted costs among it, then sees these rows, so that any kind of
//! router takes part without knowing of it.

use std::sync::Arc;

use super::training::{Otherwise, Training};
use super::{Choices, Policy, Prompts, Routed, Router, RouterKind, Trained};
use crate::embed::TextBlock;
use crate::error::{Error, Result};
use crate::linalg::Matrix;
use crate::linalg::kernels::dot;
use crate::network::{Kept, Parts, Shape, kept_as_word};
use crate::preference::Preference;

/// What a router sees of a prompt.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Features {
    /// Its embedding.
    #[default]
    Embedding,
    /// Statistics and n-grams of its text.
    Text,
    /// The embedding, and those of the text beside it.
    Both,
}

impl Features {
    /// As in scenarios.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Features::Embedding => "embedding",
            Features::Text => "text",
            Features::Both => "both",
        }
    }

    pub(crate) fn is_default(&self) -> bool {
        *self == Features::default()
    }
}

kept_as_word!(Features);

/// Trains a router that sees these features.
///
/// # Errors
/// As [`RouterKind::train`], and a router that calls several models for a prompt.
pub(crate) fn train(kind: &dyn RouterKind, features: Features, training: &Training<'_>) -> Result<Trained> {
    if features == Features::Embedding {
        return kind.train(training);
    }
    let fit = training.shared_fit(&format!("prompts by {}", features.name()), |training| {
        let block = training.text_block();
        let other = training.otherwise(seen(features, &block, &training.data().prompts));
        (block, other)
    });
    let (block, other): &(Arc<TextBlock>, Otherwise) = &fit;
    let Trained { router, notes } = training.on(other, |training| kind.train(training))?;
    let Policy::Direct(router) = router else {
        return Err(Error::Usage("`features` is for routers that choose before any model is called".into()));
    };
    let router = Reading { features, block: Arc::clone(block), router };
    Ok(Trained { router: Policy::Direct(Box::new(router)), notes })
}

/// The prompts with these features for embeddings.
fn seen(features: Features, block: &TextBlock, prompts: &Prompts) -> Prompts {
    let n_of_embedding = if features == Features::Both { prompts.embeddings.n_columns() } else { 0 };
    let mut rows = Matrix::zeros(prompts.len(), n_of_embedding + block.width());
    let of_texts = block.of(&prompts.texts);
    for prompt in 0..prompts.len() {
        let row = rows.row_mut(prompt);
        let (embedding, text) = row.split_at_mut(n_of_embedding);
        embedding.copy_from_slice(&prompts.embeddings.row(prompt)[..n_of_embedding]);
        text.copy_from_slice(of_texts.row(prompt));
        let length = dot(row, row).sqrt();
        if length > 0.0 {
            row.iter_mut().for_each(|value| *value /= length);
        }
    }
    let is_known = |prompt: usize| {
        !prompts.texts[prompt].is_empty() || (n_of_embedding > 0 && prompts.has_embedding[prompt])
    };
    let has_embedding = (0..prompts.len()).map(is_known).collect();
    prompts.embedded(rows, has_embedding)
}

/// A router behind the features that it sees.
pub(super) struct Reading {
    features: Features,
    block: Arc<TextBlock>,
    router: Box<dyn Router>,
}

impl Reading {
    fn seen(&self, prompts: &Prompts) -> Prompts {
        seen(self.features, &self.block, prompts)
    }
}

impl Kept for Reading {
    fn keep(&self, parts: &mut Parts) {
        parts.keep("features", &self.features);
        parts.keep("block", &self.block);
        parts.keep("router", &self.router);
    }

    fn restore(parts: &mut Parts) -> Result<Self> {
        let (features, block): (Features, Arc<TextBlock>) = (parts.take("features")?, parts.take("block")?);
        let Shape { n_models, width } = parts.shape();
        let n_of_embedding = if features == Features::Both { width } else { 0 };
        let shape = Shape { n_models, width: n_of_embedding + block.width() };
        let router = parts.of_shape(shape, |parts| parts.take("router"))?;
        Ok(Reading { features, block, router })
    }
}

impl Router for Reading {
    fn route(&self, prompts: &Prompts, preferences: &[Preference]) -> Choices {
        self.router.route(&self.seen(prompts), preferences)
    }

    fn route_by_scores(&self, prompts: &Prompts, preferences: &[Preference]) -> (Choices, Option<Matrix>) {
        self.router.route_by_scores(&self.seen(prompts), preferences)
    }

    fn decide(&self, prompts: &Prompts, preferences: &[Preference]) -> Vec<Routed> {
        self.router.decide(&self.seen(prompts), preferences)
    }

    fn believed_mean(&self, prompts: &Prompts, model: usize) -> Option<[f64; 2]> {
        self.router.believed_mean(&self.seen(prompts), model)
    }

    fn reads_texts(&self) -> bool {
        true
    }
}
