//! What new models' weights are likely to be, before and after their answers: an empirical Bayes model in closed form.
//!
//! ```text
//! y_iu = w_u . x_i + e_iu,   e ~ N(0, s2),   x_i = (1, z_i)        answer of new model u to prompt i of known factors
//! w_u = M(metadata of u) + delta (1, 0, ..., 0) + v_u,   v ~ N(0, S0)
//! delta ~ N(0, tau2),   tau2 = S0[0, 0]                             common to all new models
//! ```
//!
//! M is a Gaussian process over what is known of a model, fitted to the weights of the seen models; S0 is the covariance of what it
//! leaves of them when each is left out in turn. The shift delta is there because new models are not drawn from the old ones: the newest
//! are better than all before. Given m answers of each of n new models that it is judged by alone, its mean is the mean residual times
//! tau2 / (tau2 + (tau2 + s2 / m) / n). All is jointly normal, so that the posterior is exact.

use super::factor_analysis::add_outer_product;
use crate::linalg::Cholesky;

/// What is believed of new models before their answers.
#[derive(Clone, Debug)]
pub(super) struct Prior {
    /// By new model, the expected weights.
    pub(super) means: Vec<Vec<f64>>,
    /// S0, row-major.
    pub(super) covariance: Vec<f64>,
    /// s2.
    pub(super) noise: f64,
}

/// The answers of one new model.
#[derive(Clone, Debug, Default)]
pub(super) struct Answers {
    /// x of every prompt it answered.
    pub(super) regressors: Vec<Vec<f64>>,
    pub(super) scores: Vec<f64>,
}

/// The normal distribution of a new model's weights given the answers of all new models.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Posterior {
    pub(super) mean: Vec<f64>,
    /// Row-major.
    pub(super) covariance: Vec<f64>,
}

/// How far a model's weights may lie from those of its likes, beside the spread along [`super::metadata::likeness`]: the penalties tried.
const PENALTIES: [f64; 9] = [0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 1e6];
/// The variance of the constant of M, far above any spread of weights.
const CONSTANT: f64 = 1e4;
/// The least variance of a weight.
const LEAST_VARIANCE: f64 = 1e-5;

impl Prior {
    /// Fits M and S0 to the weights of the seen models; `likeness` is that of all models, and `is_new` tells who is new.
    pub(super) fn fit(seen: &[Vec<f64>], likeness: &[Vec<f64>], is_new: &[bool], noise: f64) -> Self {
        let (new, old): (Vec<usize>, Vec<usize>) = (0..is_new.len()).partition(|&model| is_new[model]);
        let (n, size) = (old.len(), seen[0].len());
        let mut best: Option<(f64, Vec<f64>, Vec<f64>)> = None;
        let weights: Vec<f64> = seen.concat();
        for penalty in PENALTIES {
            let kernel = old.iter().flat_map(|&a| old.iter().map(move |&b| (a, b)));
            let scale = CONSTANT * penalty;
            let kernel =
                kernel.map(|(a, b)| likeness[a][b] + scale + if a == b { penalty } else { 0.0 }).collect();
            let factor = Cholesky::factor(kernel, n).expect("a Gram matrix plus a ridge");
            let inverse = factor.inverse();
            let mut dual = weights.clone();
            factor.solve_in_place(&mut dual, size);
            let left_out: Vec<f64> =
                dual.iter().enumerate().map(|(at, value)| value / inverse[at / size * (n + 1)]).collect();
            let error = left_out.iter().map(|residual| residual * residual).sum();
            if best.as_ref().is_none_or(|(least, ..)| error < *least) {
                let means = new.iter().flat_map(|&model| {
                    let row: Vec<f64> = old.iter().map(|&other| likeness[model][other] + scale).collect();
                    (0..size)
                        .map(|j| row.iter().enumerate().map(|(at, k)| k * dual[at * size + j]).sum())
                        .collect::<Vec<f64>>()
                });
                best = Some((error, means.collect(), left_out));
            }
        }
        let (_, means, left_out) = best.expect("at least one penalty is tried");
        Prior {
            means: means.chunks_exact(size).map(<[f64]>::to_vec).collect(),
            covariance: shrunk_covariance(&left_out, size),
            noise,
        }
    }

    /// Every new model's weights given all answers.
    pub(super) fn posteriors(&self, answers: &[Answers]) -> Vec<Posterior> {
        let size = self.means[0].len();
        let fits: Vec<Fit> =
            self.means.iter().zip(answers).map(|(mean, it)| self.fit_alone(mean, it)).collect();
        // The answers of a model, its weights integrated out, tell of the shift with precision 1' C^-1 1, C the covariance of the answers.
        let precision = 1.0 / self.covariance[0] + fits.iter().map(|fit| fit.of_shift).sum::<f64>();
        let shift = fits.iter().map(|fit| fit.for_shift).sum::<f64>() / precision;
        fits.into_iter()
            .zip(&self.means)
            .map(|(fit, mean)| {
                // w = M + delta c + V X' r / s2 with c = (1, 0, ...) - V X' 1 / s2.
                let mut covariance = fit.covariance;
                add_outer_product(&mut covariance, &fit.along_shift, 1.0 / precision);
                let moved = |at: usize| mean[at] + fit.step[at] + shift * fit.along_shift[at];
                Posterior { mean: (0..size).map(moved).collect(), covariance }
            })
            .collect()
    }

    /// One model's weights if there were no shift, and what its answers say of the shift.
    fn fit_alone(&self, mean: &[f64], answers: &Answers) -> Fit {
        let size = mean.len();
        let mut precision = Cholesky::factor(self.covariance.clone(), size)
            .expect("a covariance whose diagonal was raised")
            .inverse();
        let (mut information, mut products) = (vec![0.0; size * size], vec![0.0; size]);
        for (x, score) in answers.regressors.iter().zip(&answers.scores) {
            add_outer_product(&mut information, x, 1.0 / self.noise);
            let residual = score - x.iter().zip(mean).map(|(x, w)| x * w).sum::<f64>();
            products.iter_mut().zip(x).for_each(|(sum, x)| *sum += x * residual / self.noise);
        }
        precision.iter_mut().zip(&information).for_each(|(cell, added)| *cell += added);
        let factor = Cholesky::factor(precision, size).expect("a precision plus squares");
        let step = factor.solve(&products);
        // x_i starts with 1, so that X' 1 / s2 is the first column of the information.
        let ones = information[..size].to_vec();
        let taken_up = factor.solve(&ones);
        let along_shift =
            taken_up.iter().enumerate().map(|(at, t)| f64::from(u8::from(at == 0)) - t).collect();
        let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
        Fit {
            of_shift: (ones[0] - dot(&ones, &taken_up)).max(0.0),
            for_shift: products[0] - dot(&ones, &step),
            covariance: factor.inverse(),
            step,
            along_shift,
        }
    }
}

/// What one model's answers say.
struct Fit {
    /// From M to the posterior mean without a shift.
    step: Vec<f64>,
    covariance: Vec<f64>,
    /// How the posterior mean moves with the shift.
    along_shift: Vec<f64>,
    /// The precision with which the answers tell the shift, and that times their estimate of it.
    of_shift: f64,
    for_shift: f64,
}

/// The second moments of the rows, the products of different columns shrunk by p / (n + p) for n rows of p columns.
fn shrunk_covariance(rows: &[f64], size: usize) -> Vec<f64> {
    let n = (rows.len() / size) as f64;
    let mut covariance = vec![0.0; size * size];
    rows.chunks_exact(size).for_each(|row| add_outer_product(&mut covariance, row, 1.0 / n));
    let kept = n / (n + size as f64);
    for (at, cell) in covariance.iter_mut().enumerate() {
        if at / size == at % size {
            *cell += LEAST_VARIANCE;
        } else {
            *cell *= kept;
        }
    }
    covariance
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::random::{ChaCha8Rng, standard_normal};
    use crate::seed::Stream;

    fn normals(rng: &mut ChaCha8Rng, n: usize) -> Vec<f64> {
        (0..n).map(|_| standard_normal(rng)).collect()
    }

    fn prior(rng: &mut ChaCha8Rng, n_new: usize, size: usize) -> Prior {
        let rows = normals(rng, 9 * size);
        Prior {
            means: (0..n_new).map(|_| normals(rng, size)).collect(),
            covariance: shrunk_covariance(&rows, size),
            noise: 0.5,
        }
    }

    fn answers(rng: &mut ChaCha8Rng, n: usize, size: usize) -> Answers {
        let x = |rng: &mut ChaCha8Rng| [vec![1.0], normals(rng, size - 1)].concat();
        Answers { regressors: (0..n).map(|_| x(rng)).collect(), scores: normals(rng, n) }
    }

    /// The posterior by conditioning the joint normal distribution of all weights and answers.
    fn by_conditioning(prior: &Prior, answers: &[Answers]) -> Vec<Posterior> {
        let size = prior.means[0].len();
        let of_weights = |u: usize, v: usize, i: usize, j: usize| {
            let own = if u == v { prior.covariance[i * size + j] } else { 0.0 };
            own + if i == 0 && j == 0 { prior.covariance[0] } else { 0.0 }
        };
        let cells: Vec<(usize, &Vec<f64>, f64)> = (0..answers.len())
            .flat_map(|u| answers[u].regressors.iter().zip(&answers[u].scores).map(move |(x, y)| (u, x, *y)))
            .collect();
        let with_weight = |v: usize, i: usize, (u, x, _): &(usize, &Vec<f64>, f64)| -> f64 {
            (0..size).map(|j| of_weights(v, *u, i, j) * x[j]).sum()
        };
        let n = cells.len();
        let mut covariance = vec![0.0; n * n];
        for (a, (u, x, _)) in cells.iter().enumerate() {
            for (b, cell) in cells.iter().enumerate() {
                covariance[a * n + b] = (0..size).map(|i| x[i] * with_weight(*u, i, cell)).sum::<f64>()
                    + if a == b { prior.noise } else { 0.0 };
            }
        }
        let factor = Cholesky::factor(covariance, n).unwrap();
        let residuals: Vec<f64> = cells
            .iter()
            .map(|(u, x, y)| y - x.iter().zip(&prior.means[*u]).map(|(x, w)| x * w).sum::<f64>())
            .collect();
        let solved = factor.solve(&residuals);
        let posterior = |v: usize| {
            let rows: Vec<Vec<f64>> =
                (0..size).map(|i| cells.iter().map(|cell| with_weight(v, i, cell)).collect()).collect();
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            let mean = (0..size).map(|i| prior.means[v][i] + dot(&rows[i], &solved)).collect();
            let pairs = (0..size).flat_map(|i| (0..size).map(move |j| (i, j)));
            let covariance =
                pairs.map(|(i, j)| of_weights(v, v, i, j) - dot(&rows[i], &factor.solve(&rows[j])));
            Posterior { mean, covariance: covariance.collect() }
        };
        (0..answers.len()).map(posterior).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn the_closed_form_is_what_conditioning_gives(
            seed in 0_u64..1000,
            lengths in proptest::collection::vec(0_usize..7, 1..5),
            size in 1_usize..5,
        ) {
            let mut rng = Stream::root(seed).generator();
            let prior = prior(&mut rng, lengths.len(), size);
            let answers: Vec<Answers> = lengths.iter().map(|&n| answers(&mut rng, n, size)).collect();
            let expected = by_conditioning(&prior, &answers);
            for (found, expected) in prior.posteriors(&answers).iter().zip(&expected) {
                let pairs = found.mean.iter().zip(&expected.mean);
                for (a, b) in pairs.chain(found.covariance.iter().zip(&expected.covariance)) {
                    prop_assert!((a - b).abs() < 1e-8, "{a} is not {b}");
                }
            }
        }

        #[test]
        fn neither_the_order_of_answers_nor_that_of_new_models_matters(seed in 0_u64..1000) {
            let mut rng = Stream::root(seed).generator();
            let mut prior = prior(&mut rng, 3, 3);
            let mut all: Vec<Answers> = [4, 2, 6].map(|n| answers(&mut rng, n, 3)).to_vec();
            let straight = prior.posteriors(&all);
            prior.means.reverse();
            all.reverse();
            for answers in &mut all {
                answers.regressors.reverse();
                answers.scores.reverse();
            }
            for (a, b) in straight.iter().zip(prior.posteriors(&all).iter().rev()) {
                for (a, b) in a.mean.iter().chain(&a.covariance).zip(b.mean.iter().chain(&b.covariance)) {
                    prop_assert!((a - b).abs() < 1e-9);
                }
            }
        }
    }

    #[test]
    fn the_shift_is_the_mean_residual_drawn_towards_zero() {
        // One weight, two new models that both answer 0.3 above what is expected of them, four times.
        let prior = Prior { means: vec![vec![0.5]; 2], covariance: vec![0.04], noise: 0.16 };
        let answers = Answers { regressors: vec![vec![1.0]; 4], scores: vec![0.8; 4] };
        let [a, b] = prior.posteriors(&[answers.clone(), answers]).try_into().unwrap();
        let shift: f64 = 0.3 * 0.04 / (0.04 + (0.04 + 0.16 / 4.0) / 2.0);
        // What is left of the residual is the model's own, half of which its answers show.
        let expected = 0.5 + shift + (0.3 - shift) * 0.04 / (0.04 + 0.16 / 4.0);
        assert!((a.mean[0] - expected).abs() < 1e-12 && a == b, "{} is not {expected}", a.mean[0]);
        // A model without answers moves by the shift that the others show.
        let asked = Answers { regressors: vec![vec![1.0]; 4], scores: vec![0.8; 4] };
        let moved = prior.posteriors(&[asked, Answers::default()])[1].mean[0];
        assert!(0.5 < moved && moved < 0.8);
    }

    /// 12 seen models whose mean score rises with their likeness to a good one, and two new ones at both ends.
    #[test]
    fn before_any_answer_a_model_is_like_its_likes() {
        let x: Vec<f64> = (0..14).map(|at| f64::from(at) / 4.0 - 1.5).collect();
        let likeness: Vec<Vec<f64>> = x.iter().map(|a| x.iter().map(|b| a * b).collect()).collect();
        let is_new: Vec<bool> = (0..14).map(|at| at == 0 || at == 13).collect();
        let mut rng = Stream::root(3).generator();
        let seen: Vec<Vec<f64>> =
            (1..13).map(|at| vec![0.5 + 0.15 * x[at] + 0.02 * standard_normal(&mut rng), 0.1]).collect();
        let prior = Prior::fit(&seen, &likeness, &is_new, 0.2);
        for (mean, x) in prior.means.iter().zip([x[0], x[13]]) {
            assert!((mean[0] - 0.5 - 0.15 * x).abs() < 0.04, "{mean:?}");
            assert!((mean[1] - 0.1).abs() < 1e-3);
        }
        // Where nothing distinguishes models, the mean of the seen ones is expected.
        let plain = Prior::fit(&seen, &vec![vec![0.0; 14]; 14], &is_new, 0.2);
        let mean = seen.iter().map(|weights| weights[0]).sum::<f64>() / 12.0;
        assert!((plain.means[0][0] - mean).abs() < 1e-3, "{:?}", plain.means);
        assert!(plain.covariance[0] > 10.0 * prior.covariance[0]);
    }
}
