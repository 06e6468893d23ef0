//! Gaussian process regression of every model's score, by random features of its kernel (Rahimi and Recht 2007).
//!
//! The kernel is the sum of a linear and a squared-exponential one on the 64 leading directions z of the embedding,
//!
//! ```text
//! k(z, z') = z . z' + exp(-|z - z'|^2 / (2 l^2)) + c,
//! phi(z) = (sqrt(2 / W) cos(Omega z / l + b), z, 1),      Omega normal, b uniform on [0, 2 pi)
//! m_k(z) = phi . A^-1 Phi^T y_k,      v_k(z) = s_k^2 N / n_k phi . A^-1 phi,      A = Phi^T Phi + lambda I
//! ```
//!
//! with W = 320 waves, or a quarter of the development prompts where that is less, y_k the model's scores and s_k^2 their squared error out of fold. A is that of all development prompts: one posterior covariance
//! serves all models, widened by N / n_k for a model that has answered n_k of the N. The plug-in rule takes
//!
//! ```text
//! bound = "mean"      m
//! bound = "lower"     m - beta sqrt(v): what is not known is not counted on
//! bound = "upper"     m + beta sqrt(v): what is not known is hoped for
//! ```
//!
//! The length scale l and the noise lambda are chosen together by the utility out of fold, as the ridge of every regression here: leaving
//! one prompt out in closed form would leave its like in. Then beta, 0 among its values, by the same utility, with variances of each prompt
//! left out, h / (1 - h) for the leverage h = phi . A^-1 phi. Omega and b come from a stream of their own and know no outcome. A length costs
//! N D^2 + 65 D^3 / 3 operations (D = W + 65), a prompt D (64 + D + K).

use std::collections::BTreeMap;

use super::cost_model::CostModelKind;
use super::cross_validation::{LAMBDAS, Moments, Ridge, best, folds, squared_errors};
use super::difference_estimator::BesideSeen;
use super::plug_in::{PlugIn, ScorePredictor, utility};
use super::principal::Principal;
use super::{RouterKind, Trained, Training, Traits};
use crate::error::Result;
use crate::linalg::{Cholesky, Matrix, Strided, kernels, multiply};
use crate::network::{kept, kept_as_word};
use crate::random::{standard_normal, uniform};
use crate::router::prompts::Prompts;
use crate::seed::Stream;

/// Settings of `kind = "gp"`.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct GaussianProcessSettings {
    /// What of the posterior the plug-in rule takes for a score.
    pub(crate) bound: PosteriorBound,
    /// How costs are estimated; the scenario's choice where absent.
    pub(crate) cost: Option<CostModelKind>,
}

/// What of a posterior is taken for a score.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PosteriorBound {
    /// Its mean.
    Mean,
    /// Some deviations less.
    #[default]
    Lower,
    /// Some deviations more.
    Upper,
}

const DIRECTIONS: usize = 64;
const WAVES: usize = 320;
const LENGTHS: [f32; 3] = [0.4, 0.8, 1.6];
const MULTIPLES: [f32; 5] = [0.0, 0.5, 1.0, 2.0, 4.0];

/// phi: waves over the leading directions, these themselves, and the constant.
#[derive(Clone)]
struct Waves {
    /// Directions x waves.
    frequencies: Matrix,
    phases: Vec<f32>,
}

pub(super) struct GaussianProcess {
    principal: Principal,
    waves: Waves,
    length: f32,
    ridge: Ridge,
    /// beta with its sign.
    multiple: f32,
    /// A^-1, features x features.
    inverse: Matrix,
    /// s_k sqrt(N / n_k).
    deviations: Vec<f32>,
}

kept_as_word!(PosteriorBound);
kept!(Waves { frequencies, phases }, |it, _| it.frequencies.n_columns() == it.phases.len());
kept!(GaussianProcess { principal, waves, length, ridge, multiple, inverse, deviations }, |it, shape| {
    let width = it.waves.phases.len() + it.principal.width();
    it.waves.frequencies.n_rows() + 1 == it.principal.width()
        && it.length > 0.0
        && it.ridge.fits(width, shape)
        && it.multiple.is_finite()
        && (it.inverse.n_rows(), it.inverse.n_columns()) == (width, width)
        && it.deviations.len() == shape.n_models
});

impl RouterKind for GaussianProcessSettings {
    fn traits(&self) -> Traits {
        let label = match self.bound {
            PosteriorBound::Mean => "gp-mean",
            PosteriorBound::Lower => "gp",
            PosteriorBound::Upper => "gp-upper",
        };
        Traits { label: Some(label), ..Traits::default() }
    }

    fn train(&self, training: &Training<'_>) -> Result<Trained> {
        let costs = training.costs(self.cost);
        let (process, notes) = fit(self.bound, training, &costs.out_of_fold);
        Ok(Trained { router: PlugIn::policy(Box::new(process), costs), notes })
    }
}

impl ScorePredictor for GaussianProcess {
    fn predict(&self, prompts: &Prompts) -> Matrix {
        let features = self.waves.of(&self.principal.of(prompts), self.length);
        let mut scores = self.ridge.predict(&features);
        if self.multiple != 0.0 {
            add_deviations(
                &mut scores,
                &leverages(&features, &self.inverse),
                self.multiple,
                &self.deviations,
            );
        }
        scores
    }

    fn predicts_probabilities(&self) -> bool {
        self.multiple == 0.0
    }
}

impl Waves {
    fn new(n_directions: usize, n_waves: usize, stream: &Stream) -> Self {
        let mut rng = stream.generator();
        let frequencies = (0..n_directions * n_waves).map(|_| standard_normal(&mut rng) as f32).collect();
        let phases = (0..n_waves).map(|_| (std::f64::consts::TAU * uniform(&mut rng)) as f32).collect();
        Waves { frequencies: Matrix::new(frequencies, n_directions, n_waves), phases }
    }

    /// phi of coordinates and constant, prompts x features.
    fn of(&self, coordinates: &Matrix, length: f32) -> Matrix {
        let (n, n_directions, n_waves) = (coordinates.n_rows(), self.frequencies.n_rows(), self.phases.len());
        let mut angles = vec![0.0; n * n_waves];
        let along = Strided::new(coordinates.values(), (n, n_directions), (n_directions + 1, 1));
        multiply(along, self.frequencies.as_strided(), &mut angles);
        let (scale, height) = (1.0 / length, (2.0 / n_waves.max(1) as f32).sqrt());
        let mut values = Vec::with_capacity(n * (n_waves + n_directions + 1));
        for (angles, coordinates) in angles.chunks_exact(n_waves.max(1)).zip(coordinates.rows()) {
            values.extend(
                angles.iter().zip(&self.phases).map(|(angle, phase)| height * (angle * scale + phase).cos()),
            );
            values.extend_from_slice(coordinates);
        }
        Matrix::new(values, n, n_waves + n_directions + 1)
    }
}

fn fit(
    bound: PosteriorBound,
    training: &Training<'_>,
    costs: &Matrix,
) -> (GaussianProcess, BTreeMap<String, String>) {
    let (data, outcomes, stream) = (training.data(), training.outcomes(), training.stream());
    let principal = Principal::new(&data.prompts, DIRECTIONS, &stream.named("directions"));
    let coordinates = principal.of(&data.prompts);
    // More waves than a fourth of the prompts cost time and tell nothing.
    let n_waves = (coordinates.n_rows() / 4).min(WAVES);
    let waves = Waves::new(principal.width() - 1, n_waves, &stream.named("waves"));
    let folds = folds(&data.prompts.text_groups, &stream.named("folds"));
    let beside = BesideSeen::new(&outcomes.score, &outcomes.mean_score, &data.unseen);
    let mut fits = Vec::new();
    for length in LENGTHS {
        let features = waves.of(&coordinates, length);
        let moments = Moments::new(&features, &beside.table, &folds, &beside.means);
        let mut candidates: Vec<Matrix> =
            moments.out_of_fold(&LAMBDAS).into_iter().map(|columns| beside.scores_of(columns)).collect();
        let utilities: Vec<f64> = candidates.iter().map(|scores| utility(training, scores, costs)).collect();
        let chosen = best(&utilities);
        let ridge = moments.fit(LAMBDAS[chosen]).of_scores(&beside);
        fits.push((utilities[chosen], length, LAMBDAS[chosen], ridge, candidates.swap_remove(chosen)));
    }
    let chosen = best(&fits.iter().map(|(utility, ..)| *utility).collect::<Vec<_>>());
    let (_, length, lambda, ridge, out_of_fold) = fits.swap_remove(chosen);
    let features = waves.of(&coordinates, length);
    let inverse = inverse(&features, lambda);
    let deviations = deviations(&squared_errors(&outcomes.score, &out_of_fold), training);
    let left_out: Vec<f32> =
        leverages(&features, &inverse).into_iter().map(|h| h / (1.0 - h).max(1e-3)).collect();
    let sign = match bound {
        PosteriorBound::Mean => 0.0,
        PosteriorBound::Lower => -1.0,
        PosteriorBound::Upper => 1.0,
    };
    let multiples = if sign == 0.0 { &MULTIPLES[..1] } else { &MULTIPLES };
    let earned = |multiple: &f32| {
        let mut scores = out_of_fold.clone();
        add_deviations(&mut scores, &left_out, sign * multiple, &deviations);
        utility(training, &scores, costs)
    };
    let multiple = multiples[best(&multiples.iter().map(earned).collect::<Vec<_>>())];
    let notes = BTreeMap::from([
        ("length-scale".to_owned(), length.to_string()),
        ("noise".to_owned(), lambda.to_string()),
        ("deviations".to_owned(), multiple.to_string()),
        ("settings-tried".to_owned(), (LENGTHS.len() * LAMBDAS.len() + multiples.len() - 1).to_string()),
    ]);
    let multiple = sign * multiple;
    (GaussianProcess { principal, waves, length, ridge, multiple, inverse, deviations }, notes)
}

/// (Phi^T Phi + lambda I)^-1, the constant all but free.
fn inverse(features: &Matrix, lambda: f64) -> Matrix {
    let (n, width) = (features.n_rows(), features.n_columns());
    let values: Vec<f64> = features.values().iter().map(|&value| f64::from(value)).collect();
    let rows = Strided::row_major(&values, n, width);
    let mut gram = vec![0.0; width * width];
    multiply(rows.transposed(), rows, &mut gram);
    (0..width - 1).for_each(|i| gram[i * width + i] += lambda);
    gram[width * width - 1] += 1e-9;
    let factor = Cholesky::factor(gram, width).expect("a Gram matrix plus a ridge is positive definite");
    Matrix::new(factor.inverse().into_iter().map(|value| value as f32).collect(), width, width)
}

/// phi . A^-1 phi of each row.
fn leverages(features: &Matrix, inverse: &Matrix) -> Vec<f32> {
    let mut products = vec![0.0; features.values().len()];
    multiply(features.as_strided(), inverse.as_strided(), &mut products);
    let rows = features.rows().zip(products.chunks_exact(features.n_columns()));
    rows.map(|(row, product)| kernels::dot(row, product).clamp(0.0, 1.0)).collect()
}

/// s_k sqrt(N / n_k); of a model that answered nothing, as of one that was wrong by half on one prompt.
fn deviations(errors: &[f64], training: &Training<'_>) -> Vec<f32> {
    let scores = &training.outcomes().score;
    let n = scores.n_prompts() as f64;
    let of_model = |(model, error): (usize, &f64)| {
        let n_known = (0..scores.n_prompts()).filter(|&prompt| scores.get(prompt, model).is_some()).count();
        let variance = if n_known > 0 { error / n_known as f64 } else { 0.25 };
        (variance * n / n_known.max(1) as f64).sqrt() as f32
    };
    errors.iter().enumerate().map(of_model).collect()
}

fn add_deviations(scores: &mut Matrix, variances: &[f32], multiple: f32, deviations: &[f32]) {
    for (row, variance) in variances.iter().enumerate() {
        kernels::axpy(multiple * variance.sqrt(), deviations, scores.row_mut(row));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_waves_are_near_the_kernel() {
        let waves = Waves::new(2, WAVES, &Stream::root(1));
        let points = [[0.0, 0.0], [0.3, -0.4], [1.0, 1.0]];
        let values = points.iter().flat_map(|point| [point[0], point[1], 1.0]).collect();
        let features = waves.of(&Matrix::new(values, 3, 3), 0.8);
        for (i, a) in points.iter().enumerate() {
            for (j, b) in points.iter().enumerate() {
                let squares = (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2);
                let exact = a[0] * b[0] + a[1] * b[1] + (-squares / (2.0 * 0.64)).exp() + 1.0;
                assert!((kernels::dot(features.row(i), features.row(j)) - exact).abs() < 0.15, "{i} {j}");
            }
        }
    }

    /// One feature that is 1 on four rows: A = 4 + lambda in the constant's place is 4.
    #[test]
    fn leverage_is_the_share_of_a_row() {
        let features = Matrix::new(vec![1.0, 1.0, -1.0, 1.0, 1.0, 1.0, -1.0, 1.0], 4, 2);
        let leverages = leverages(&features, &inverse(&features, 4.0));
        leverages.iter().for_each(|h| assert!((h - (1.0 / 8.0 + 1.0 / 4.0)).abs() < 1e-5, "{h}"));
    }
}
