//! How a router that predicts scores comes to those of unseen models: by difference, each in its own way, or by factors, one way for all.
//!
//! By difference ([`difference_estimator`](super::difference_estimator)) the predictor is fitted to how the few answers of an unseen
//! model differ from the seen models' mean. By factors it is fitted to seen models alone in effect: what it predicts of them on a
//! prompt tells the prompt's factors (a ridge regression, fitted to predictions out of fold), and a new model's weights on the factors are
//! those of a hierarchical empirical Bayes model:
//!
//! 1. `factor_analysis` finds weights of the seen models and factors of the development prompts from all their scores;
//! 2. `metadata` says how alike models are in price, vendor, family, and what their names tell;
//! 3. `hierarchy` makes of both what is expected of a new model, and of its answers the posterior of its weights in closed form.
//!
//! The more answers there are, the less a model of few factors adds to them: after m answers the score is
//! [`FACTOR_ANSWERS`] / (`FACTOR_ANSWERS` + m) that of the factors, the rest the predictor's own.

mod factor_analysis;
mod hierarchy;
mod metadata;

use self::factor_analysis::FactorAnalysis;
use self::hierarchy::{Answers, Prior};
pub(crate) use self::metadata::ModelMetadata;
use super::cross_validation::{LAMBDAS, Moments, Ridge, best, folds, squared_errors};
use super::plug_in::ScorePredictor;
use super::prompts::Prompts;
use super::quiz::ItemInformation;
use super::training::Training;
use super::training_data::TrainingData;
use crate::linalg::{Cholesky, Matrix};
use crate::network::kept;
use crate::suite::CellTable;

/// How a predictor scores a model that it was not trained on.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Placement {
    /// Its answers less the seen models' mean are fitted, and that mean is added.
    #[default]
    Difference,
    /// By its weights on a few factors, expected from what is known of it and corrected by its answers.
    Factor,
}

/// Where there are more seen models than that.
const FACTORS: usize = 4;
/// m_0: after so many answers half of a score is that of the factors. Our choice (`docs/src/few-answers.md`).
const FACTOR_ANSWERS: f64 = 300.0;

/// What is known of the models of a training set in terms of factors.
struct Fitted {
    /// 1 and the factors of every development prompt.
    regressors: Vec<Vec<f64>>,
    prior: Prior,
}

/// Scores of unseen models from those predicted of seen ones.
#[derive(Clone)]
pub(crate) struct FactorPlacement {
    seen: Vec<usize>,
    unseen: Vec<usize>,
    /// From predicted scores of the seen models and 1 to the factors.
    factors: Ridge,
    /// Unseen models x (1 + factors).
    weights: Matrix,
    /// Of the weights, by unseen model.
    covariances: Vec<Vec<f64>>,
    /// The share of the factors in the score, by unseen model.
    shares: Vec<f32>,
    /// The variance of an answer around what the weights say.
    noise: f64,
}

kept!(FactorPlacement { seen, unseen, factors, weights, covariances, shares, noise }, |it, shape| {
    let (n_unseen, size) = (it.unseen.len(), it.weights.n_columns());
    shape.is_order(&[&it.seen[..], &it.unseen].concat())
        && it.weights.n_rows() == n_unseen
        && it.factors.shape() == (it.seen.len() + 1, size - 1)
        && (it.covariances.len(), it.shares.len()) == (n_unseen, n_unseen)
        && it.covariances.iter().all(|covariance| covariance.len() == size * size)
});

/// A predictor whose scores of unseen models are placed by factors.
pub(crate) struct Placed {
    scores: Box<dyn ScorePredictor>,
    placement: FactorPlacement,
}

kept!(Placed { scores, placement });

impl Placement {
    /// The predictor with unseen models placed in this way; `out_of_fold` is what it predicts of development prompts it was not fitted on.
    pub(super) fn of(
        self,
        training: &Training<'_>,
        scores: Box<dyn ScorePredictor>,
        out_of_fold: &Matrix,
    ) -> Box<dyn ScorePredictor> {
        if self == Placement::Difference || !training.data().unseen.contains(&true) {
            return scores;
        }
        Box::new(Placed { scores, placement: FactorPlacement::fit(training, out_of_fold) })
    }
}

/// Analyses the seen models' scores on the development prompts, and expects new models of them.
fn fit(data: &TrainingData, training: &Training<'_>) -> Fitted {
    let seen = models(data, false);
    let rows: Vec<usize> = (0..data.prompts.len()).collect();
    let scores = training.outcomes().score.select(&rows, &seen);
    let analysis = FactorAnalysis::fit(&scores, FACTORS, &mut training.stream().generator());
    let likeness = metadata::likeness(&data.metadata, &data.unseen);
    let noise = analysis.residual_variance(&scores);
    Fitted {
        prior: Prior::fit(&analysis.weights, &likeness, &data.unseen, noise),
        regressors: analysis.regressors(&scores),
    }
}

/// What an answer to each training prompt says of a new model's weights, in the coordinates in which their prior is standard normal:
/// L' (1, z) with S0 = L L', at the noise of an answer. It rests on the seen models' own answers and needs no embedding.
pub(crate) fn item_information(training: &Training<'_>) -> ItemInformation {
    let data = training.data();
    let Fitted { regressors, prior } = fit(data, training);
    let size = regressors[0].len();
    let factor = Cholesky::factor(prior.covariance, size).expect("a covariance whose diagonal was raised");
    let lower = factor.lower();
    let gradients = regressors[..data.n_training].iter().flat_map(|x| {
        (0..size).map(move |j| (j..size).map(|i| lower[i * size + j] * x[i]).sum::<f64>() as f32)
    });
    ItemInformation {
        gradients: Matrix::new(gradients.collect(), data.n_training, size),
        weights: vec![(1.0 / prior.noise) as f32; data.n_training],
        prior_precision: 1.0,
    }
}

fn models(data: &TrainingData, unseen: bool) -> Vec<usize> {
    (0..data.n_models()).filter(|&model| data.unseen[model] == unseen).collect()
}

impl FactorPlacement {
    /// Places the unseen models, of which there is at least one, for a predictor of which this is predicted out of fold.
    pub(super) fn fit(training: &Training<'_>, out_of_fold: &Matrix) -> Self {
        let data = training.data();
        let fitted = training.shared_fit("factors of the seen models", |training| fit(data, training));
        let [seen, unseen] = [false, true].map(|unseen| models(data, unseen));
        let score = &training.outcomes().score;
        let answers = |&model: &usize| {
            let mut answers = Answers::default();
            for (prompt, x) in fitted.regressors.iter().enumerate() {
                if let Some(score) = score.get(prompt, model) {
                    answers.regressors.push(x.clone());
                    answers.scores.push(score);
                }
            }
            answers
        };
        let answers: Vec<Answers> = unseen.iter().map(answers).collect();
        let posteriors = fitted.prior.posteriors(&answers);
        let share = |answers: &Answers| FACTOR_ANSWERS / (FACTOR_ANSWERS + answers.scores.len() as f64);
        let size = fitted.regressors[0].len();
        let weights = posteriors.iter().flat_map(|posterior| posterior.mean.iter().map(|&w| w as f32));
        FactorPlacement {
            factors: factors_of(training, &fitted.regressors, &known(out_of_fold, &seen)),
            weights: Matrix::new(weights.collect(), unseen.len(), size),
            shares: answers.iter().map(|answers| share(answers) as f32).collect(),
            covariances: posteriors.into_iter().map(|posterior| posterior.covariance).collect(),
            noise: fitted.prior.noise,
            seen,
            unseen,
        }
    }

    /// Replaces the scores of unseen models, prompts x models, by those that their weights give.
    pub(super) fn place(&self, scores: &mut Matrix) {
        let factors = self.factors.predict(&known(scores, &self.seen));
        for row in 0..scores.n_rows() {
            let (row, factors) = (scores.row_mut(row), factors.row(row));
            for ((&model, weights), share) in self.unseen.iter().zip(self.weights.rows()).zip(&self.shares) {
                let of_factors: f32 = weights[1..].iter().zip(factors).map(|(weight, z)| weight * z).sum();
                row[model] += share * (weights[0] + of_factors - row[model]);
            }
        }
    }

    /// Gives the unseen models of one matrix the scores that they have in another.
    pub(super) fn copy_unseen(&self, from: &Matrix, to: &mut Matrix) {
        for row in 0..from.n_rows() {
            let (from, to) = (from.row(row), to.row_mut(row));
            self.unseen.iter().for_each(|&model| to[model] = from[model]);
        }
    }

    /// The mean of a model's scores as they are placed, and the variance of the mean of its answers: x' V x + s2 / n for n prompts
    /// with x the mean of (1, z). `None` of a seen model.
    pub(super) fn believed_mean(&self, placed: &Matrix, model: usize) -> Option<[f64; 2]> {
        let at = self.unseen.iter().position(|&unseen| unseen == model).filter(|_| placed.n_rows() > 0)?;
        let n = placed.n_rows() as f64;
        let factors = self.factors.predict(&known(placed, &self.seen));
        let column_mean =
            |matrix: &Matrix, column: usize| matrix.rows().map(|row| f64::from(row[column])).sum::<f64>() / n;
        let of_factors = (0..factors.n_columns()).map(|factor| column_mean(&factors, factor));
        let x: Vec<f64> = std::iter::once(1.0).chain(of_factors).collect();
        let variance = factor_analysis::quadratic_form(&self.covariances[at], &x);
        Some([column_mean(placed, model), variance + self.noise / n])
    }
}

impl ScorePredictor for Placed {
    fn predict(&self, prompts: &Prompts) -> Matrix {
        let mut scores = self.scores.predict(prompts);
        self.placement.place(&mut scores);
        scores
    }

    fn predicts_probabilities(&self) -> bool {
        self.scores.predicts_probabilities()
    }

    fn believed_mean(&self, prompts: &Prompts, model: usize) -> Option<[f64; 2]> {
        self.placement.believed_mean(&self.predict(prompts), model)
    }
}

/// The columns of the seen models and 1.
fn known(scores: &Matrix, seen: &[usize]) -> Matrix {
    let values = scores.rows().flat_map(|row| seen.iter().map(|&model| row[model]).chain([1.0]));
    Matrix::new(values.collect(), scores.n_rows(), seen.len() + 1)
}

/// The ridge regression of the factors on predicted scores of least error out of fold.
fn factors_of(training: &Training<'_>, regressors: &[Vec<f64>], predicted: &Matrix) -> Ridge {
    let n_factors = regressors[0].len() - 1;
    let mut factors = CellTable::missing(regressors.len(), n_factors);
    for (prompt, x) in regressors.iter().enumerate() {
        x[1..].iter().enumerate().for_each(|(factor, z)| factors.set(prompt, factor, Some(*z)));
    }
    let folds = folds(&training.data().prompts.text_groups, &training.stream().named("factors"));
    let zeros = vec![0.0; n_factors];
    let moments = Moments::new(predicted, &factors, &folds, &zeros);
    let worth = |z: Matrix| -squared_errors(&factors, &z).iter().sum::<f64>();
    let worths: Vec<f64> = moments.out_of_fold(&LAMBDAS).into_iter().map(worth).collect();
    moments.fit(LAMBDAS[best(&worths)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::standard_normal;
    use crate::seed::Stream;
    use crate::suite::Model;

    const N_MODELS: usize = 36;
    const N_PROMPTS: usize = 400;

    fn is_new(model: usize) -> bool {
        model.is_multiple_of(3)
    }

    /// Scores by two factors. Larger models are better, and so much again by chance.
    struct Simulated {
        scores: CellTable,
        metadata: Vec<ModelMetadata>,
        /// Of every model over all prompts.
        means: Vec<f64>,
        analysis: FactorAnalysis,
        regressors: Vec<Vec<f64>>,
        noise: f64,
    }

    impl Simulated {
        fn new(seed: u64) -> Self {
            let mut rng = Stream::root(seed).generator();
            let mut normal = || standard_normal(&mut rng);
            let mut scores = CellTable::missing(N_PROMPTS, N_MODELS);
            let mut means = vec![0.0; N_MODELS];
            let factors: Vec<[f64; 2]> = (0..N_PROMPTS).map(|_| [normal(), normal()]).collect();
            for (model, mean) in means.iter_mut().enumerate() {
                let w = [
                    0.2 + 0.08 * (model % 7) as f64 + 0.04 * normal(),
                    0.2 + 0.03 * normal(),
                    0.1 * normal(),
                ];
                for (prompt, z) in factors.iter().enumerate() {
                    let score = w[0] + w[1] * z[0] + w[2] * z[1] + 0.3 * normal();
                    *mean += score / N_PROMPTS as f64;
                    scores.set(prompt, model, Some(score));
                }
            }
            let of_seen = Simulated::of(&scores, false);
            let analysis = FactorAnalysis::fit(&of_seen, FACTORS, &mut Stream::root(1).generator());
            let name = |model: usize| Model::named(format!("m-{}b", 1 << (model % 7)));
            Simulated {
                metadata: (0..N_MODELS).map(|model| ModelMetadata::of(&name(model))).collect(),
                regressors: analysis.regressors(&of_seen),
                noise: analysis.residual_variance(&of_seen),
                analysis,
                scores,
                means,
            }
        }

        fn of(scores: &CellTable, new: bool) -> CellTable {
            let models: Vec<usize> = (0..N_MODELS).filter(|&model| is_new(model) == new).collect();
            scores.select(&(0..N_PROMPTS).collect::<Vec<_>>(), &models)
        }

        /// The error of the mean scores of new models after so many answers, and the share that lies in their intervals of 95 %.
        fn error(&self, n_answers: usize, metadata: &[ModelMetadata]) -> [f64; 2] {
            let unseen: Vec<bool> = (0..N_MODELS).map(is_new).collect();
            let prior = Prior::fit(
                &self.analysis.weights,
                &metadata::likeness(metadata, &unseen),
                &unseen,
                self.noise,
            );
            let new: Vec<usize> = (0..N_MODELS).filter(|&model| is_new(model)).collect();
            let answers = |&model: &usize| Answers {
                regressors: self.regressors[..n_answers].to_vec(),
                scores: (0..n_answers).filter_map(|prompt| self.scores.get(prompt, model)).collect(),
            };
            let posteriors = prior.posteriors(&new.iter().map(answers).collect::<Vec<_>>());
            let mean = |at: usize| self.regressors.iter().map(|x| x[at]).sum::<f64>() / N_PROMPTS as f64;
            let x: Vec<f64> = (0..self.regressors[0].len()).map(mean).collect();
            let mut sums = [0.0; 2];
            for (posterior, &model) in posteriors.iter().zip(&new) {
                let found: f64 = posterior.mean.iter().zip(&x).map(|(w, x)| w * x).sum();
                let variance = factor_analysis::quadratic_form(&posterior.covariance, &x)
                    + self.noise / N_PROMPTS as f64;
                let error = (found - self.means[model]).abs();
                sums[0] += error;
                sums[1] += f64::from(u8::from(error < 1.96 * variance.sqrt()));
            }
            sums.map(|sum| sum / new.len() as f64)
        }
    }

    /// Mean over several worlds of the error and the coverage, for each number of answers.
    fn errors(n_answers: &[usize], knows: bool) -> Vec<[f64; 2]> {
        let worlds: Vec<Simulated> = (0..4).map(Simulated::new).collect();
        let blank = vec![ModelMetadata::default(); N_MODELS];
        let mean = |&n: &usize| {
            let of = |world: &Simulated| world.error(n, if knows { &world.metadata } else { &blank });
            worlds.iter().map(of).fold([0.0; 2], |sum, it| [sum[0] + it[0] / 4.0, sum[1] + it[1] / 4.0])
        };
        n_answers.iter().map(mean).collect()
    }

    #[test]
    fn the_error_of_a_new_models_mean_shrinks_with_its_answers() {
        let errors = errors(&[0, 5, 20, 100, 400], false);
        assert!(errors.windows(2).all(|pair| pair[1][0] < 0.9 * pair[0][0]), "{errors:?}");
        assert!(errors[0][0] > 0.12 && errors[4][0] < 0.005, "{errors:?}");
        // Of 48 models; 0.85 lies three standard errors below 0.95.
        assert!(errors.iter().all(|[_, covered]| *covered > 0.85), "{errors:?}");
    }

    #[test]
    fn what_is_known_of_a_model_is_worth_most_before_its_first_answer() {
        let [plain, known] = [false, true].map(|knows| errors(&[0, 20], knows));
        assert!(known[0][0] < 0.5 * plain[0][0], "{known:?} {plain:?}");
        assert!(known[1][0] < plain[1][0], "{known:?} {plain:?}");
    }
}
