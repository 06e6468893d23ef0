//! GraphRouter's idea (arXiv 2410.03834) at this scale: prompts and models are the nodes of a graph, recorded answers its
//! edges, and a network that passes messages along them predicts the score on an edge that is not there yet.
//!
//! ```text
//! p_i = relu(P x_i + p_0)                                  prompt node; x_i: embedding along its longest directions, scaled
//! u_k = attention over the prompts j that k answered       messages (2 s_jk - 1) v(p_j), weights e^a(p_j), 16 heads
//! m_k = W u_k + w_0                                        model node
//! z_i = p_i + U attention of p_i over all models           values and keys linear in m_k
//! s_ik = sigmoid(z_i . m_k + w . u_k)
//! ```
//!
//! A model is nothing but what it hears from the prompts it answered and a prior that all models hear: it has no vector of
//! its own. So an unseen model joins with the edges of its quiz and no further training, as in GraphRouter's few-shot setting.
//! In every step of training the edges of a batch of prompts are hidden and predicted from those of other, random training
//! prompts, of which each model keeps all or a random share: so the network learns how far few edges are to be believed.
//!
//! Where this departs from GraphRouter: no task nodes (a routed prompt's benchmark is not known) and no text about models; its
//! nodes start from a language model's embeddings of both. Costs are not predicted on edges but are those that all our routers
//! share, under the plug-in rule. The directions of the embeddings are fixed before training; once trained, model nodes are
//! computed from all development prompts and kept. Tuned by validation loss: the noise on x, the step of Adam, and the epochs,
//! with training prompts as the graph; then the network is trained anew on all development prompts. Any preference, any pool.

use std::collections::BTreeMap;
use std::sync::Arc;

use dfdx::prelude::*;

use super::cost_model::CostModelKind;
use super::epochs::{Learner, Tried, Tuning, train};
use super::pair_network::{Output, Targets, mean_loss, noisy, score_targets};
use super::plug_in::{PlugIn, ScorePredictor};
use super::{RouterKind, Trained, Training};
use crate::error::Result;
use crate::linalg::{Matrix, kernels, multiply, principal_directions};
use crate::network::{
    Activation, Adam, Edges, Kept, Linear, Offset, Owned, ParameterId, Parameters, Parts, Tensor2,
    all_to_all_attention, back_propagate, bilinear, edge_attention, untaped, view,
};
use crate::random::{ChaCha8Rng, bernoulli, index_below, shuffle, uniform};
use crate::router::prompts::Prompts;
use crate::seed::Stream;

/// Directions of the embeddings that are looked at.
const DIRECTIONS: usize = 96;
/// Width of nodes.
const WIDTH: usize = 64;
const HEADS: usize = 16;
/// Width of a head's value.
const HEAD_WIDTH: usize = 8;
/// Prompts whose edges are hidden in a step, and others whose edges are seen.
const BATCH: usize = 64;
const SUPPORT: usize = 512;
/// Deviations of the noise on x, whose elements have unit spread.
const NOISES: [f64; 2] = [0.4, 1.0];
const LEARNING_RATES: [f64; 2] = [1e-3, 3e-3];
/// The learning rate is multiplied by this after each epoch.
const DECAY: f32 = 0.95;
const MOST_EPOCHS: usize = 40;
/// Epochs without a lower validation loss after which training stops.
const PATIENCE: usize = 8;
/// Prompts that are served at once.
const SERVING_BLOCK: usize = 256;

/// Settings of `kind = "graph-attention"`.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct GraphAttentionSettings {
    /// How costs are estimated; the scenario's choice where absent.
    pub(crate) cost: Option<CostModelKind>,
}

/// The layers.
#[derive(Clone)]
struct Graph {
    parameters: Parameters,
    prompt: Linear,
    /// Logits and values of what a prompt tells models.
    message: Linear,
    /// The same row of the model's own.
    prior: ParameterId,
    /// m_k and, in the last column, w . u_k.
    model: Linear,
    query: Linear,
    /// Keys and values of what a model tells prompts.
    answer: Linear,
    update: Linear,
}

/// A trained graph with the nodes of all candidates.
pub(super) struct GraphAttention {
    graph: Graph,
    directions: Matrix,
    scale: f32,
    /// Candidates x (WIDTH + 1).
    models: Matrix,
}

impl Kept for GraphAttention {
    fn keep(&self, parts: &mut Parts) {
        parts.keep("directions", &self.directions);
        parts.keep("scale", &self.scale);
        parts.keep("models", &self.models);
        self.graph.parameters.keep(parts, |_| true);
    }

    fn restore(parts: &mut Parts) -> Result<Self> {
        let (directions, models): (Matrix, Matrix) = (parts.take("directions")?, parts.take("models")?);
        let shape = parts.shape();
        parts.check(
            directions.n_rows() == shape.width
                && (models.n_rows(), models.n_columns()) == (shape.n_models, WIDTH + 1),
        )?;
        let mut graph = Graph::new(directions.n_columns(), &mut Stream::root(0).generator());
        graph.parameters.fill(parts)?;
        Ok(GraphAttention { graph, directions, scale: parts.take("scale")?, models })
    }
}

/// How one network is trained.
#[derive(Clone, Copy)]
struct Trial {
    noise: f64,
    learning_rate: f64,
}

/// What is learned from.
struct Material<'a> {
    /// Embeddings along the directions, and scores.
    targets: Targets<'a>,
    seen: Vec<usize>,
}

impl RouterKind for GraphAttentionSettings {
    fn train(&self, training: &Training<'_>) -> Result<Trained> {
        let data = training.data();
        let stream = training.stream();
        let directions = principal_directions(
            &data.prompts.embeddings,
            DIRECTIONS,
            &mut stream.named("directions").generator(),
        );
        let scale = scale(&along(&directions, 1.0, &data.prompts.embeddings));
        let along = along(&directions, scale, &data.prompts.embeddings);
        let material = Material {
            targets: Targets { embeddings: &along, ..score_targets("graph-attention", training) },
            seen: (0..data.n_models()).filter(|&model| !data.unseen[model]).collect(),
        };
        let trials: Vec<Trial> = NOISES
            .iter()
            .flat_map(|&noise| LEARNING_RATES.map(|learning_rate| Trial { noise, learning_rate }))
            .collect();
        let all: Vec<usize> = (0..data.prompts.len()).collect();
        let (rows, watched) = all.split_at(data.n_training);
        let learners = trials.iter().enumerate().map(|(at, &trial)| {
            Fitting::new(&material, trial, [rows, watched], &stream.named("trial").numbered(at))
        });
        let tuning = Tuning { name: material.targets.name, patience: PATIENCE, most_epochs: MOST_EPOCHS };
        let Tried { design: chosen, epochs, loss, .. } = tuning.best(learners)?;
        let fitting = Fitting::new(&material, trials[chosen], [&all, &[]], &stream.named("development"));
        let graph = train(material.targets.name, fitting, epochs)?.graph;
        let everyone: Vec<usize> = (0..data.n_models()).collect();
        let models = graph.models::<NoneTape>(
            graph.prompts(&material.tensor(&graph, &all)),
            &material.edges(&all, &everyone, |_, _| true),
        );
        let models = Matrix::new(view(&models).to_vec(), everyone.len(), WIDTH + 1);
        let notes = BTreeMap::from([
            ("noise".to_owned(), trials[chosen].noise.to_string()),
            ("learning-rate".to_owned(), trials[chosen].learning_rate.to_string()),
            ("epochs".to_owned(), epochs.to_string()),
            ("validation-loss".to_owned(), format!("{loss:.4}")),
            ("settings-tried".to_owned(), trials.len().to_string()),
        ]);
        let predictor = Box::new(GraphAttention { graph, directions, scale, models });
        Ok(Trained { router: PlugIn::policy(predictor, training.costs(self.cost)), notes })
    }
}

impl ScorePredictor for GraphAttention {
    fn predict(&self, prompts: &Prompts) -> Matrix {
        let (device, n_models) = (self.graph.parameters.device(), self.models.n_rows());
        let models = untaped(device, self.models.values().to_vec(), n_models, WIDTH + 1);
        let mut scores = Vec::with_capacity(prompts.len() * n_models);
        let rows: Vec<usize> = (0..prompts.len()).collect();
        for rows in rows.chunks(SERVING_BLOCK) {
            let block = along(&self.directions, self.scale, &prompts.embeddings.rows_at(rows));
            let block = untaped(device, block.values().to_vec(), rows.len(), block.n_columns());
            let logits = self.graph.logits(self.graph.prompts::<NoneTape>(&block), models.clone());
            scores.extend(view(&logits).iter().map(|logit| kernels::sigmoid(*logit)));
        }
        Matrix::new(scores, prompts.len(), n_models)
    }
}

/// Embeddings along the directions, times the scale.
fn along(directions: &Matrix, scale: f32, embeddings: &Matrix) -> Matrix {
    let mut values = vec![0.0; embeddings.n_rows() * directions.n_columns()];
    multiply(embeddings.as_strided(), directions.as_strided(), &mut values);
    values.iter_mut().for_each(|value| *value *= scale);
    Matrix::new(values, embeddings.n_rows(), directions.n_columns())
}

/// One over the root mean square.
fn scale(rows: &Matrix) -> f32 {
    let mean_square = kernels::dot(rows.values(), rows.values()) / rows.values().len().max(1) as f32;
    if mean_square > 0.0 { 1.0 / mean_square.sqrt() } else { 1.0 }
}

impl Graph {
    fn new(n_in: usize, rng: &mut ChaCha8Rng) -> Self {
        let mut parameters = Parameters::new();
        let n_message = HEADS * (1 + HEAD_WIDTH);
        Graph {
            prompt: parameters.add_linear("prompt", n_in, WIDTH, rng),
            message: parameters.add_linear("message", WIDTH, n_message, rng),
            prior: parameters.add("prior", vec![0.0; n_message], 1, n_message),
            model: parameters.add_linear("model", HEADS * HEAD_WIDTH, WIDTH + 1, rng),
            query: parameters.add_linear("query", WIDTH, WIDTH, rng),
            answer: parameters.add_linear("answer", WIDTH + 1, 2 * WIDTH, rng),
            update: parameters.add_linear("update", WIDTH, WIDTH, rng),
            parameters,
        }
    }

    /// Prompt nodes.
    fn prompts<T: Tape<f32, Cpu>>(&self, along: &Tensor2) -> Tensor2<T> {
        self.prompt.of_data(&self.parameters, along, Activation::Relu)
    }

    /// Model nodes, from the nodes of prompts and the edges to them.
    fn models<T: Tape<f32, Cpu>>(&self, prompts: Tensor2<T>, edges: &Arc<Edges>) -> Tensor2<T> {
        let messages = self.message.forward(&self.parameters, prompts, Activation::None);
        let prior = self.parameters.get(self.prior);
        let heard = edge_attention(messages, prior, HEADS, Arc::clone(edges));
        self.model.forward(&self.parameters, heard, Activation::None)
    }

    /// The logit of the score on the edge between every prompt and every model.
    fn logits<T: Tape<f32, Cpu>>(&self, prompts: Tensor2<T>, models: Tensor2<T>) -> Tensor2<T> {
        let parameters = &self.parameters;
        let query = self.query.forward(parameters, prompts.retaped::<T>(), Activation::None);
        let answer = self.answer.forward(parameters, models.retaped::<T>(), Activation::None);
        let heard = all_to_all_attention(query, answer);
        let prompts = self.update.forward(parameters, heard, Activation::None) + prompts;
        let (models, tape) = models.split_tape();
        let (prompts, of_prompts) = prompts.split_tape();
        bilinear(prompts.put_tape(of_prompts.merge(tape)), &models, Offset::Model)
    }
}

impl Material<'_> {
    fn tensor(&self, graph: &Graph, rows: &[usize]) -> Tensor2 {
        let along = self.targets.embeddings.rows_at(rows);
        untaped(graph.parameters.device(), along.values().to_vec(), rows.len(), along.n_columns())
    }

    /// The answers of these models to these prompts, as far as they are seen.
    fn edges(
        &self,
        rows: &[usize],
        models: &[usize],
        mut is_seen: impl FnMut(usize, usize) -> bool,
    ) -> Arc<Edges> {
        let mut worth = Vec::with_capacity(rows.len() * models.len());
        for &row in rows {
            for (at, &model) in models.iter().enumerate() {
                let score = self.targets.values.row(row)[model];
                worth.push(if is_seen(row, at) { 2.0 * score - 1.0 } else { f32::NAN });
            }
        }
        Arc::new(Edges::new(Matrix::new(worth, rows.len(), models.len())))
    }

    fn labels<'b>(&'b self, rows: &'b [usize]) -> impl Iterator<Item = f32> + 'b {
        rows.iter()
            .flat_map(move |&row| self.seen.iter().map(move |&model| self.targets.values.row(row)[model]))
    }
}

/// A network in training.
struct Fitting<'a> {
    material: &'a Material<'a>,
    trial: Trial,
    rows: &'a [usize],
    watched: &'a [usize],
    graph: Graph,
    adam: Adam,
    order: Vec<usize>,
    rng: ChaCha8Rng,
}

impl<'a> Fitting<'a> {
    fn new(
        material: &'a Material<'a>,
        trial: Trial,
        [rows, watched]: [&'a [usize]; 2],
        stream: &Stream,
    ) -> Self {
        let mut rng = stream.generator();
        let graph = Graph::new(material.targets.embeddings.n_columns(), &mut rng);
        let adam = Adam::new(&graph.parameters, trial.learning_rate as f32, 0.0);
        Fitting { material, trial, rows, watched, graph, adam, order: rows.to_vec(), rng }
    }

    /// Predicts the hidden edges of a run of the order from edges of another run that does not meet it.
    fn step(&mut self, run: std::ops::Range<usize>) -> Option<()> {
        let Fitting { material, graph, order, rng, .. } = self;
        let embeddings = material.targets.embeddings;
        let (hidden, n_others) = (&order[run.clone()], order.len() - run.len());
        let n_support = SUPPORT.min(n_others);
        if n_support == 0 {
            return Some(());
        }
        let first = index_below(rng, n_others);
        let other = |at: usize| order[(run.end + (first + at) % n_others) % order.len()];
        let support: Vec<usize> = (0..n_support).map(other).collect();
        let shares: Vec<f64> = material.seen.iter().map(|_| visible_share(n_support, rng)).collect();
        let edges = material.edges(&support, &material.seen, |_, model| bernoulli(rng, shares[model]));
        let rows = [hidden, &support].concat();
        let along = noisy(embeddings, &rows, self.trial.noise as f32, rng);
        let (asked, told) = along.split_at(hidden.len() * embeddings.n_columns());
        let tensor = |values: &[f32], n: usize| {
            untaped(graph.parameters.device(), values.to_vec(), n, embeddings.n_columns())
        };
        let models = graph.models::<Owned>(graph.prompts(&tensor(told, support.len())), &edges);
        let logits = graph.logits(graph.prompts(&tensor(asked, hidden.len())), models);
        let (loss, slopes) = mean_loss(view(&logits), material.labels(hidden), Output::Logit);
        let gradients = back_propagate(logits, slopes);
        if !loss.is_finite() {
            return None;
        }
        self.adam.update(&mut graph.parameters, gradients)?;
        Some(())
    }
}

impl Learner for Fitting<'_> {
    fn epoch(&mut self) -> Option<()> {
        shuffle(&mut self.rng, &mut self.order);
        for start in (0..self.order.len()).step_by(BATCH) {
            self.step(start..self.order.len().min(start + BATCH))?;
        }
        self.adam.learning_rate *= DECAY;
        Some(())
    }

    fn watched_loss(&self) -> f64 {
        let (material, graph) = (self.material, &self.graph);
        let edges = material.edges(self.rows, &material.seen, |_, _| true);
        let models = graph.models::<NoneTape>(graph.prompts(&material.tensor(graph, self.rows)), &edges);
        let logits = graph.logits(graph.prompts(&material.tensor(graph, self.watched)), models);
        mean_loss(view(&logits), material.labels(self.watched), Output::Logit).0
    }
}

/// Half of the time all edges, else a share that leaves one to all, evenly in the logarithm.
fn visible_share(n_edges: usize, rng: &mut ChaCha8Rng) -> f64 {
    if bernoulli(rng, 0.5) { 1.0 } else { (-uniform(rng) * (n_edges as f64).ln()).exp() }
}
