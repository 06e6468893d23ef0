//! RouteLLM's classifier for a strong and a weak model (arXiv 2406.18665, section 4.2): which of the two wins on a prompt,
//! or neither, in dfdx.
//!
//! ```text
//! P(win), P(tie), P(lose) = softmax(U relu(W e + b) + c)
//! ```
//!
//! The paper fine-tunes BERT on the prompt's text. Here there is no text model: a network with one hidden layer over the
//! suite's embedding e, that every router gets, stands in its place. A win or loss is a difference in recorded score, a tie
//! is none. Cross-entropy, Adam, and normal noise on the embeddings; of hidden widths and noises the pair with the least
//! loss on validation prompts is kept with the epochs after which it was least, then the network is trained anew on all
//! development prompts for as many epochs.
//!
//! RouteLLM calls the strong model from a threshold of P(win) on. The plug-in rule needs a gain in score,
//! P(win) g_win - P(lose) g_lose, with the mean gain of wins and the mean loss of losses on development prompts, which are
//! 1 where answers are right or wrong.

use std::collections::BTreeMap;

use dfdx::prelude::*;

use super::cost_model::CostModelKind;
use super::epochs::{Learner, Tried, Tuning, train};
use super::plug_in::{PlugIn, ScorePredictor};
use super::routellm_mf::{Pair, scores};
use super::{RouterKind, Trained, Training, Traits};
use crate::error::{Error, Result};
use crate::linalg::{Matrix, add_normals, kernels};
use crate::network::{
    Activation, Adam, Kept, Linear, Owned, Parameters, Parts, Tensor2, back_propagate, kept, untaped, view,
};
use crate::random::{ChaCha8Rng, shuffle};
use crate::router::prompts::Prompts;
use crate::seed::Stream;

/// Whose training is to blame if it diverges.
const NAME: &str = "routellm-classifier";
const WIDTHS: [usize; 2] = [64, 192];
/// A kept network that is wider is damaged.
const MOST_WIDTH: usize = 1 << 12;
const NOISES: [f32; 2] = [0.04, 0.08];
const LEARNING_RATE: f32 = 2e-3;
/// The learning rate is multiplied by this after each epoch.
const DECAY: f32 = 0.95;
const MOST_EPOCHS: usize = 40;
/// Epochs without a lower validation loss after which training stops.
const PATIENCE: usize = 5;
const BATCH: usize = 64;
/// Prompts that are served at once.
const SERVING_BLOCK: usize = 256;

/// Settings of `kind = "routellm-classifier"`.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RoutellmClassifierSettings {
    /// How costs are estimated; the scenario's choice where absent.
    pub(crate) cost: Option<CostModelKind>,
}

/// What the strong model does, as a column of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Win,
    Tie,
    Lose,
}

const N_CLASSES: usize = 3;

struct Classifier {
    parameters: Parameters,
    layers: [Linear; 2],
}

pub(super) struct PairClassifier {
    classifier: Classifier,
    /// Mean gain of wins and mean loss of losses.
    stakes: [f32; 2],
    strong: usize,
}

kept!(PairClassifier { classifier, stakes, strong }, |it, shape| it.strong < 2 && shape.n_models == 2);

impl Kept for Classifier {
    fn keep(&self, parts: &mut Parts) {
        parts.keep("width", &self.parameters.get(self.layers[0].bias).shape().1);
        self.parameters.keep(parts, |_| true);
    }

    fn restore(parts: &mut Parts) -> Result<Self> {
        let n_hidden: usize = parts.take("width")?;
        parts.check((1..=MOST_WIDTH).contains(&n_hidden))?;
        let mut classifier = Classifier::new(parts.shape().width, n_hidden, &mut Stream::root(0).generator());
        classifier.parameters.fill(parts)?;
        Ok(classifier)
    }
}

/// Prompts, as rows of the embeddings, with their classes.
type Examples = Vec<(usize, Class)>;

impl RouterKind for RoutellmClassifierSettings {
    fn traits(&self) -> Traits {
        Traits { needs_pool_of: Some(2), ..Traits::default() }
    }

    fn needs_full_feedback(&self) -> Option<&'static str> {
        Some("it learns from two answers to one prompt")
    }

    fn train(&self, training: &Training<'_>) -> Result<Trained> {
        let data = training.data();
        let pair = Pair::new(training.outcomes());
        let gains: Vec<(usize, f64)> = (0..data.prompts.len())
            .filter_map(|prompt| pair.gain(prompt).map(|gain| (prompt, gain)))
            .collect();
        let examples: Examples = gains.iter().map(|(prompt, gain)| (*prompt, Class::of(*gain))).collect();
        let (learned, watched): (Examples, Examples) =
            examples.iter().partition(|(prompt, _)| *prompt < data.n_training);
        if learned.is_empty() || watched.is_empty() {
            return Err(Error::Usage("no prompt that both models answered".into()));
        }
        let embeddings = &data.prompts.embeddings;
        let trials: Vec<(usize, f32)> =
            WIDTHS.iter().flat_map(|&width| NOISES.map(|noise| (width, noise))).collect();
        let learners = trials.iter().enumerate().map(|(at, &trial)| {
            Fitting::new(
                embeddings,
                [&learned, &watched],
                trial,
                &training.stream().named("trial").numbered(at),
            )
        });
        let tuning = Tuning { name: NAME, patience: PATIENCE, most_epochs: MOST_EPOCHS };
        let Tried { design: chosen, epochs, loss, .. } = tuning.best(learners)?;
        let stream = training.stream().named("development");
        let fitting = Fitting::new(embeddings, [&examples, &[]], trials[chosen], &stream);
        let classifier = train(NAME, fitting, epochs)?.classifier;
        let stake = |class: Class| -> f32 {
            let of_class = || gains.iter().map(|(_, gain)| *gain).filter(|gain| Class::of(*gain) == class);
            (of_class().map(f64::abs).sum::<f64>() / of_class().count().max(1) as f64) as f32
        };
        let stakes = [stake(Class::Win), stake(Class::Lose)];
        let notes = BTreeMap::from([
            ("hidden-width".to_owned(), trials[chosen].0.to_string()),
            ("noise".to_owned(), trials[chosen].1.to_string()),
            ("epochs".to_owned(), epochs.to_string()),
            ("validation-loss".to_owned(), format!("{loss:.4}")),
            ("settings-tried".to_owned(), trials.len().to_string()),
            ("comparisons".to_owned(), "derived from scores".to_owned()),
        ]);
        let predictor = PairClassifier { classifier, stakes, strong: pair.strong };
        Ok(Trained { router: PlugIn::policy(Box::new(predictor), training.costs(self.cost)), notes })
    }
}

impl ScorePredictor for PairClassifier {
    fn predicts_probabilities(&self) -> bool {
        false
    }

    fn predict(&self, prompts: &Prompts) -> Matrix {
        let rows: Vec<usize> = (0..prompts.len()).collect();
        let mut gains = Vec::with_capacity(prompts.len());
        for rows in rows.chunks(SERVING_BLOCK) {
            let logits = self.classifier.logits::<NoneTape>(prompts.embeddings.rows_at(rows));
            for logits in view(&logits).chunks_exact(N_CLASSES) {
                let mut p = [logits[0], logits[1], logits[2]];
                kernels::softmax(&mut p);
                gains.push(p[0] * self.stakes[0] - p[2] * self.stakes[1]);
            }
        }
        scores(&gains, self.strong)
    }
}

impl Class {
    fn of(gain: f64) -> Self {
        match gain {
            gain if gain > 0.0 => Class::Win,
            gain if gain < 0.0 => Class::Lose,
            _ => Class::Tie,
        }
    }
}

impl Classifier {
    fn new(n_in: usize, n_hidden: usize, rng: &mut ChaCha8Rng) -> Self {
        let mut parameters = Parameters::new();
        let layers = [
            parameters.add_linear("hidden", n_in, n_hidden, rng),
            parameters.add_linear("classes", n_hidden, N_CLASSES, rng),
        ];
        Classifier { parameters, layers }
    }

    fn logits<T: Tape<f32, Cpu>>(&self, embeddings: Matrix) -> Tensor2<T> {
        let (n_rows, n_columns) = (embeddings.n_rows(), embeddings.n_columns());
        let embeddings = untaped(self.parameters.device(), embeddings.values().to_vec(), n_rows, n_columns);
        let hidden = self.layers[0].of_data::<T>(&self.parameters, &embeddings, Activation::Relu);
        self.layers[1].forward(&self.parameters, hidden, Activation::None)
    }

    /// The mean cross-entropy of examples.
    fn loss(&self, embeddings: &Matrix, examples: &[(usize, Class)]) -> f64 {
        let mut total = 0.0;
        for block in examples.chunks(SERVING_BLOCK) {
            let rows: Vec<usize> = block.iter().map(|(row, _)| *row).collect();
            let logits = self.logits::<NoneTape>(embeddings.rows_at(&rows));
            total += block.len() as f64 * cross_entropy(view(&logits), block).0;
        }
        total / examples.len() as f64
    }
}

/// A classifier in training.
struct Fitting<'a> {
    embeddings: &'a Matrix,
    classifier: Classifier,
    examples: Examples,
    watched: &'a [(usize, Class)],
    noise: f32,
    adam: Adam,
    rng: ChaCha8Rng,
}

impl<'a> Fitting<'a> {
    fn new(
        embeddings: &'a Matrix,
        [examples, watched]: [&'a [(usize, Class)]; 2],
        (n_hidden, noise): (usize, f32),
        stream: &Stream,
    ) -> Self {
        let mut rng = stream.generator();
        let classifier = Classifier::new(embeddings.n_columns(), n_hidden, &mut rng);
        let adam = Adam::new(&classifier.parameters, LEARNING_RATE, 0.0);
        Fitting { embeddings, classifier, examples: examples.to_vec(), watched, noise, adam, rng }
    }
}

impl Learner for Fitting<'_> {
    fn epoch(&mut self) -> Option<()> {
        shuffle(&mut self.rng, &mut self.examples);
        for batch in self.examples.chunks(BATCH) {
            let rows: Vec<usize> = batch.iter().map(|(row, _)| *row).collect();
            let mut noisy = self.embeddings.rows_at(&rows);
            add_normals(&mut self.rng, self.noise, noisy.values_mut());
            let logits = self.classifier.logits::<Owned>(noisy);
            let (loss, slopes) = cross_entropy(view(&logits), batch);
            let gradients = back_propagate(logits, slopes);
            if !loss.is_finite() {
                return None;
            }
            self.adam.update(&mut self.classifier.parameters, gradients)?;
        }
        self.adam.learning_rate *= DECAY;
        Some(())
    }

    fn watched_loss(&self) -> f64 {
        self.classifier.loss(self.embeddings, self.watched)
    }
}

/// The mean cross-entropy of a batch and its gradient in the logits.
fn cross_entropy(logits: &[f32], examples: &[(usize, Class)]) -> (f64, Vec<f32>) {
    let n = examples.len() as f32;
    let (mut total, mut slopes) = (0.0, Vec::with_capacity(logits.len()));
    for (logits, (_, class)) in logits.chunks_exact(N_CLASSES).zip(examples) {
        let log_total = kernels::log_sum_exp(logits);
        total += f64::from(log_total - logits[*class as usize]);
        slopes.extend(logits.iter().map(|logit| kernels::exp(logit - log_total) / n));
        let at = slopes.len() - N_CLASSES + *class as usize;
        slopes[at] -= 1.0 / n;
    }
    (total / f64::from(n), slopes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::uniform_f32;

    #[test]
    fn the_slopes_of_the_loss_agree_with_finite_differences() {
        let logits = [0.3, -0.2, 1.1, 0.0, 0.7, -0.4];
        let examples = [(0, Class::Win), (1, Class::Lose)];
        let (_, slopes) = cross_entropy(&logits, &examples);
        for at in 0..logits.len() {
            let moved = |step: f32| {
                let mut logits = logits;
                logits[at] += step;
                cross_entropy(&logits, &examples).0
            };
            let expected = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            assert!((f64::from(slopes[at]) - expected).abs() < 1e-3, "{at}: {} {expected}", slopes[at]);
        }
    }

    #[test]
    fn it_learns_who_wins_and_where_neither_does() {
        let mut rng = Stream::root(5).generator();
        let values = (0..2400 * 3).map(|_| uniform_f32(&mut rng, -1.0, 1.0)).collect();
        let embeddings = Matrix::new(values, 2400, 3);
        let class = |row: usize| match embeddings.row(row)[1] {
            x if x > 0.3 => Class::Win,
            x if x < -0.3 => Class::Lose,
            _ => Class::Tie,
        };
        let examples: Examples = (0..2400).map(|row| (row, class(row))).collect();
        let (learned, held_out) = examples.split_at(2000);
        let fitting = Fitting::new(&embeddings, [learned, held_out], (16, 0.01), &Stream::root(6));
        let fitting = train(NAME, fitting, 40).unwrap();
        let loss = fitting.watched_loss();
        assert!(loss < 0.75 * 3_f64.ln(), "{loss}");
        let classifier = fitting.classifier;
        let rows = Matrix::new(vec![0.0, 0.9, 0.0, 0.0, -0.9, 0.0, 0.0, 0.0, 0.0], 3, 3);
        let logits = classifier.logits::<NoneTape>(rows);
        let most = |row: &[f32]| (0..3).fold(0, |best, at| if row[at] > row[best] { at } else { best });
        let found: Vec<usize> = view(&logits).chunks_exact(3).map(most).collect();
        assert_eq!(found, [Class::Win, Class::Lose, Class::Tie].map(|class| class as usize));
    }
}
