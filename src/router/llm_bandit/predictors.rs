//! The scores and costs that the policy is told of: several predictors, their mixture, and a cost model.

use std::collections::BTreeMap;

use super::learned::{IdentityPlacement, LearnFrom, Learned, learn};
use super::settings::{Resolved, Source, UnseenPlacement};
use crate::error::Result;
use crate::linalg::Matrix;
use crate::linalg::kernels::axpy;
use crate::random::index_below;
use crate::router::Training;
use crate::router::cost_model::CostModel;
use crate::router::cross_validation::best;
use crate::router::placement::FactorPlacement;
use crate::router::plug_in::{FittedScores, ScorePredictor, prompt_utilities};
use crate::router::predictor::clusters::{self, ClusterRidge};
use crate::router::predictor::kernel::{self, KernelSmoother};
use crate::router::predictor::text::{self, TextRidge};
use crate::router::prompts::Prompts;

/// Mixture weights are multiples of one over this.
const WEIGHT_STEPS: usize = 4;
const BOOTSTRAP_SAMPLES: usize = 50;

/// m_0: after so many answers half of an unseen model's score is that of its identity. Our choice: of 0 to 400 the one that
/// predicted unseen models of four other suites best on the whole (`docs/src/experiments.md`).
const IDENTITY_ANSWERS: f32 = 40.0;

/// Everything that is predicted, fitted.
pub(crate) struct Predictors {
    pub(crate) learned: Learned,
    pub(crate) clusters: Option<ClusterRidge>,
    pub(crate) kernel: Option<KernelSmoother>,
    pub(crate) text: Option<TextRidge>,
    /// The sources in use, each with its weight in the mixture; weights sum to 1.
    pub(crate) mixture: Vec<(Source, f32)>,
    pub(crate) costs: CostModel,
    /// Where unseen models are placed by factors: from the mixture, for every source.
    pub(crate) placement: Option<FactorPlacement>,
    /// How much of an unseen model's score is that of its identity, whatever the source; 0 for seen models, and where factors place unseen
    /// ones.
    pub(crate) identity_share: Vec<f32>,
    pub(crate) uncertainty: bool,
}

/// Prompts as the policy sees them; matrices are prompts x candidates.
pub(crate) struct Situations {
    pub(crate) embeddings: Matrix,
    /// The mixture.
    pub(crate) scores: Matrix,
    /// What each source says.
    pub(crate) sources: Vec<Matrix>,
    /// The variance of the response network's score under the posterior of the identity; `None` where it is not asked for.
    pub(crate) variance: Option<Matrix>,
    /// In cost units.
    pub(crate) costs: Matrix,
}

/// Candidates as the policy sees them, whatever the prompt.
pub(crate) struct Candidates {
    /// Candidates x dimensions.
    pub(crate) identities: Matrix,
    /// Mean predicted cost in cost units over development prompts.
    pub(crate) cost: Vec<f32>,
    /// Mean predicted score over development prompts.
    pub(crate) score: Vec<f32>,
    /// Mean variance over development prompts; zeros where it is not asked for.
    pub(crate) variance: Vec<f32>,
}

/// Fits the predictors and shows the development prompts as the policy is to learn from them.
///
/// # Errors
/// Training that diverges.
pub(crate) fn fit(
    training: &Training<'_>,
    settings: &Resolved,
) -> Result<(Predictors, Situations, BTreeMap<String, String>)> {
    let costs = training.costs(settings.cost);
    let (from, placement) = if settings.out_of_fold {
        (LearnFrom::Development, IdentityPlacement::Average)
    } else {
        (LearnFrom::Training, IdentityPlacement::Mode)
    };
    let learned = learn(training, &settings.identity, from, placement)?;
    let mut notes = BTreeMap::from([
        ("identity-epochs".to_owned(), learned.epochs.to_string()),
        ("comparisons".to_owned(), learned.comparisons_in_words().to_owned()),
    ]);
    let prompts = &training.data().prompts;
    let (mut predictors, mut sources) = (
        Predictors {
            learned,
            clusters: None,
            kernel: None,
            text: None,
            mixture: Vec::new(),
            costs: costs.model.clone(),
            placement: None,
            identity_share: match settings.placement {
                UnseenPlacement::Identity => identity_share(training),
                UnseenPlacement::Factor => vec![0.0; training.data().n_models()],
            },
            uncertainty: settings.policy.uncertainty,
        },
        Vec::new(),
    );
    for &source in &settings.sources {
        let out_of_fold = match source {
            Source::Irt if settings.out_of_fold => {
                predictors.learned.out_of_fold(training, &settings.identity)?
            }
            Source::Irt => predictors.learned.scores(&prompts.embeddings),
            Source::Clusters => {
                let fitted = clusters::fit(training, settings.cost);
                notes.insert("ridge".to_owned(), fitted.notes["ridge"].clone());
                predictors.clusters = Some(fitted.predictor.clone());
                seen(&fitted, settings, prompts)
            }
            Source::Kernel => {
                let fitted = kernel::fit(training, settings.cost);
                notes.insert("bandwidth".to_owned(), fitted.notes["bandwidth"].clone());
                predictors.kernel = Some(fitted.predictor.clone());
                seen(&fitted, settings, prompts)
            }
            Source::Text => {
                let fitted = text::fit(training, settings.cost);
                notes.extend(fitted.notes.clone());
                predictors.text = Some(fitted.predictor.clone());
                seen(&fitted, settings, prompts)
            }
        };
        sources.push(out_of_fold);
    }
    let weights = mixture(training, &sources, &costs.out_of_fold);
    if settings.placement == UnseenPlacement::Factor && training.data().unseen.contains(&true) {
        predictors.placement = Some(FactorPlacement::fit(training, &mix(&sources, &weights)));
    }
    predictors.mixture = settings.sources.iter().copied().zip(weights).collect();
    let words: Vec<String> =
        predictors.mixture.iter().map(|(source, weight)| format!("{} {weight:.2}", source.name())).collect();
    notes.insert("mixture".to_owned(), words.join(", "));
    let situations = predictors.assemble(prompts, sources, costs.out_of_fold.clone());
    Ok((predictors, situations, notes))
}

/// What the policy learns of a source from: predictions of prompts that it was not fitted on, or else its own.
fn seen<P: ScorePredictor>(fitted: &FittedScores<P>, settings: &Resolved, prompts: &Prompts) -> Matrix {
    if settings.out_of_fold { fitted.out_of_fold.clone() } else { fitted.predictor.predict(prompts) }
}

/// The weights of the sources: the mean over bootstrap samples of the development prompts of the weights under which the
/// plug-in rule earns most there, of all multiples of a quarter and of equal weights. A single choice would follow the
/// luck of few prompts; bagging (Breiman 1996) lets sources that nothing tells apart share.
fn mixture(training: &Training<'_>, sources: &[Matrix], costs: &Matrix) -> Vec<f32> {
    let n = sources.len();
    let mut candidates = vec![vec![1.0 / n as f32; n]];
    if n == 1 {
        return candidates.swap_remove(0);
    }
    candidates.extend(simplex(n, WEIGHT_STEPS));
    let utilities: Vec<Vec<f64>> =
        candidates.iter().map(|weights| prompt_utilities(training, &mix(sources, weights), costs)).collect();
    let n_prompts = training.data().prompts.len();
    let mut rng = training.stream().named("mixture").generator();
    let mut mean = vec![0.0; n];
    for _ in 0..BOOTSTRAP_SAMPLES {
        let sample: Vec<usize> = (0..n_prompts).map(|_| index_below(&mut rng, n_prompts)).collect();
        let totals: Vec<f64> =
            utilities.iter().map(|utilities| sample.iter().map(|&prompt| utilities[prompt]).sum()).collect();
        axpy(1.0 / BOOTSTRAP_SAMPLES as f32, &candidates[best(&totals)], &mut mean);
    }
    mean
}

/// All vectors of `n` multiples of 1 / `steps` that sum to 1.
fn simplex(n: usize, steps: usize) -> Vec<Vec<f32>> {
    let mut partial = vec![(Vec::new(), steps)];
    for _ in 1..n {
        let extend = |(parts, left): (Vec<usize>, usize)| {
            (0..=left).map(move |part| ([&parts[..], &[part]].concat(), left - part))
        };
        partial = partial.into_iter().flat_map(extend).collect();
    }
    let finish = |(mut parts, left): (Vec<usize>, usize)| {
        parts.push(left);
        parts.iter().map(|&part| part as f32 / steps as f32).collect()
    };
    partial.into_iter().map(finish).collect()
}

fn mix(sources: &[Matrix], weights: &[f32]) -> Matrix {
    let mut mixed = Matrix::zeros(sources[0].n_rows(), sources[0].n_columns());
    for (source, &weight) in sources.iter().zip(weights) {
        axpy(weight, source.values(), mixed.values_mut());
    }
    mixed
}

impl Predictors {
    /// Prompts that are to be routed, as the policy sees them.
    pub(crate) fn situations(&self, prompts: &Prompts) -> Situations {
        let scores = |(source, _): &(Source, f32)| match source {
            Source::Irt => self.learned.scores(&prompts.embeddings),
            Source::Clusters => self.clusters.as_ref().expect("a source in use is fitted").predict(prompts),
            Source::Kernel => self.kernel.as_ref().expect("a source in use is fitted").predict(prompts),
            Source::Text => self.text.as_ref().expect("a source in use is fitted").predict(prompts),
        };
        let sources = self.mixture.iter().map(scores).collect();
        self.assemble(prompts, sources, self.costs.predict(prompts))
    }

    fn assemble(&self, prompts: &Prompts, mut sources: Vec<Matrix>, costs: Matrix) -> Situations {
        if self.identity_share.iter().any(|share| *share > 0.0) {
            let irt = self.mixture.iter().position(|(source, _)| *source == Source::Irt);
            let identity = match irt {
                Some(at) => sources[at].clone(),
                None => self.learned.scores(&prompts.embeddings),
            };
            for source in &mut sources {
                for row in 0..identity.n_rows() {
                    let cells =
                        source.row_mut(row).iter_mut().zip(identity.row(row)).zip(&self.identity_share);
                    cells.for_each(|((score, identity), share)| *score += share * (identity - *score));
                }
            }
        }
        let weights: Vec<f32> = self.mixture.iter().map(|(_, weight)| *weight).collect();
        let mut scores = mix(&sources, &weights);
        if let Some(placement) = &self.placement {
            placement.place(&mut scores);
            sources.iter_mut().for_each(|source| placement.copy_unseen(&scores, source));
        }
        Situations {
            scores,
            sources,
            variance: self.uncertainty.then(|| self.learned.score_variance(&prompts.embeddings)),
            embeddings: prompts.embeddings.clone(),
            costs,
        }
    }

    /// The candidates, from what is predicted of them on development prompts.
    pub(crate) fn candidates(&self, development: &Situations) -> Candidates {
        let n_models = self.identity_share.len();
        Candidates {
            identities: self.learned.identities.mean.clone(),
            cost: column_means(&development.costs),
            score: column_means(&development.scores),
            variance: development.variance.as_ref().map_or(vec![0.0; n_models], column_means),
        }
    }
}

/// The share m_0 / (m_0 + m) of an unseen model's identity in its score after m answers, 0 for seen models. A source
/// knows of a model only how its answers differ from the seen models', which are few; the identity gains little from many.
fn identity_share(training: &Training<'_>) -> Vec<f32> {
    let (data, outcomes) = (training.data(), training.outcomes());
    let share = |model: usize| {
        let is_answered = |prompt: &usize| outcomes.score.get(*prompt, model).is_some();
        let n_answers = (0..data.prompts.len()).filter(is_answered).count() as f32;
        if data.unseen[model] { IDENTITY_ANSWERS / (IDENTITY_ANSWERS + n_answers) } else { 0.0 }
    };
    (0..data.n_models()).map(share).collect()
}

fn column_means(matrix: &Matrix) -> Vec<f32> {
    let mut sums = vec![0.0_f64; matrix.n_columns()];
    for row in matrix.rows() {
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    sums.iter().map(|sum| (sum / matrix.n_rows().max(1) as f64) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simplex_has_every_split_of_the_whole() {
        assert_eq!(simplex(2, 2), [[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]]);
        let three = simplex(3, 4);
        assert_eq!(three.len(), 15);
        assert!(three.iter().all(|weights| weights.iter().sum::<f32>() == 1.0));
    }
}
