//! What is there to win? A router that is told, of every prompt, the true scores of models that it may not choose.
//!
//! Whatever of a prompt's difficulty models have in common shows in their answers: if even these scores do not say which of the
//! others is right, no description of the prompt will. The candidates are parted in two (`[unseen]` with `pool = "seen-only"`); the unseen
//! ones are the peers. With q_p their scores on a prompt and m_p their means over development prompts, the prompt is the row
//!
//! ```text
//! x = [e, (q_p - m_p) / s for every peer p],   s^2 = sum over peers of the variance of q_p
//! ```
//!
//! a score that is not known counting as m_p, and the embedding e left out where `prompt = false`. On these rows `linear` is trained:
//! ridge regression of the other models' scores and costs, its penalties tuned as there, and the plug-in rule.
//! It is linear and knows few peers, so that it is a lower bound on what a router could win and no router: out of competition.

use super::predictor::{PredictorModel, PredictorSettings};
use super::{Choices, Policy, Prompts, Router, RouterKind, Trained, Training, Traits};
use crate::error::{Error, Result};
use crate::linalg::Matrix;
use crate::preference::Preference;
use crate::statistics::mean;

/// Settings of `kind = "peers"`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct PeersSettings {
    /// Whether it sees the prompt's embedding too.
    pub(crate) prompt: bool,
}

impl Default for PeersSettings {
    fn default() -> Self {
        PeersSettings { prompt: true }
    }
}

/// The scores on some prompts of models that may not be chosen for them.
pub struct Peers<'a> {
    /// By position and model.
    score: &'a dyn Fn(usize, usize) -> Option<f64>,
    prompts: &'a Prompts,
}

impl<'a> Peers<'a> {
    /// Of these prompts; `score` knows them by position and model.
    pub fn new(prompts: &'a Prompts, score: &'a dyn Fn(usize, usize) -> Option<f64>) -> Self {
        Peers { score, prompts }
    }

    /// The score of a model on the prompt at a position; nothing of a model that may be chosen for it.
    pub fn score(&self, prompt: usize, model: usize) -> Option<f64> {
        if self.prompts.is_available(prompt, model) { None } else { (self.score)(prompt, model) }
    }
}

/// A trained router of rows that hold peers' scores.
pub struct ToldByPeers {
    peers: Vec<Peer>,
    /// s above.
    spread: f64,
    sees_prompt: bool,
    router: Box<dyn Router>,
}

struct Peer {
    model: usize,
    mean: f64,
}

impl RouterKind for PeersSettings {
    fn traits(&self) -> Traits {
        Traits {
            label: Some(if self.prompt { "peers" } else { "peers-alone" }),
            needs_embeddings: self.prompt,
            sees_peers: true,
            // Models that it may not choose are what it learns from; it chooses among the others.
            takes_unseen: true,
            ..Traits::default()
        }
    }

    fn train(&self, training: &Training<'_>) -> Result<Trained> {
        let (data, outcomes) = (training.data(), training.outcomes());
        let known =
            |model: usize| (0..data.prompts.len()).filter_map(move |at| outcomes.score.get(at, model));
        let peers: Vec<Peer> = (0..data.n_models())
            .filter(|&model| data.unseen[model])
            .map(|model| Peer { model, mean: mean(&known(model).collect::<Vec<f64>>()) })
            .filter(|peer| peer.mean.is_finite())
            .collect();
        let variance = |peer: &Peer| {
            mean(&known(peer.model).map(|score| (score - peer.mean).powi(2)).collect::<Vec<f64>>())
        };
        let spread = peers.iter().map(variance).sum::<f64>().sqrt();
        if spread == 0.0 {
            let problem = "`peers` is told nothing: no unseen model has scores that differ; ask them `[quiz] strategy = \"all\"`";
            return Err(Error::Usage(problem.into()));
        }
        let rows =
            rows((&peers, spread, self.prompt), &data.prompts, |at, model| outcomes.score.get(at, model));
        let other = training.otherwise(rows);
        let linear = PredictorSettings::of(PredictorModel::Linear);
        let Trained { router, notes } = training.on(&other, |training| linear.train(training))?;
        let Policy::Direct(router) = router else { unreachable!("a predictor chooses directly") };
        let router = ToldByPeers { peers, spread, sees_prompt: self.prompt, router };
        Ok(Trained { router: Policy::Told(router), notes })
    }
}

impl ToldByPeers {
    /// As [`Router::route_by_scores`], told the peers' scores.
    pub fn route(
        &self,
        prompts: &Prompts,
        preferences: &[Preference],
        peers: &Peers<'_>,
    ) -> (Choices, Option<Matrix>) {
        let known = (&self.peers[..], self.spread, self.sees_prompt);
        let rows = rows(known, prompts, |at, model| peers.score(at, model));
        self.router.route_by_scores(&rows, preferences)
    }
}

/// The prompts with x above for embeddings.
fn rows(
    (peers, spread, sees_prompt): (&[Peer], f64, bool),
    prompts: &Prompts,
    score: impl Fn(usize, usize) -> Option<f64>,
) -> Prompts {
    let n_of_prompt = if sees_prompt { prompts.embeddings.n_columns() } else { 0 };
    let mut rows = Matrix::zeros(prompts.len(), n_of_prompt + peers.len());
    for at in 0..prompts.len() {
        let (of_prompt, of_peers) = rows.row_mut(at).split_at_mut(n_of_prompt);
        of_prompt.copy_from_slice(&prompts.embeddings.row(at)[..n_of_prompt]);
        for (value, peer) in of_peers.iter_mut().zip(peers) {
            *value = score(at, peer.model).map_or(0.0, |score| (score - peer.mean) / spread) as f32;
        }
    }
    prompts.embedded(rows, vec![true; prompts.len()])
}
