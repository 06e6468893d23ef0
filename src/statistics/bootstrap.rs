//! The hierarchical bootstrap: prompts within strata, common to all models and replicates, and the replicates above them.
//!
//! Replicates are splits of the same prompts, so their test sets overlap. A prompt therefore counts the same number of
//! times in every replicate that tests it; drawing anew in each would take noise that they share for noise that averages
//! out. Between replicates there is, beside that shared noise, what another training split changes.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};
use statrs::function::gamma::digamma;

use super::{Interval, mean, variance};
use crate::random::{ChaCha8Rng, index_below};

/// The prompts of each stratum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strata {
    members: Vec<Vec<usize>>,
    n_prompts: usize,
}

impl Strata {
    /// Strata from a label for each prompt; labels are numbers from 0, of which some may not occur.
    pub fn new(labels: &[usize]) -> Self {
        let n_labels = labels.iter().max().map_or(0, |most| most + 1);
        let mut members = vec![Vec::new(); n_labels];
        labels.iter().enumerate().for_each(|(prompt, &label)| members[label].push(prompt));
        members.retain(|prompts| !prompts.is_empty());
        Strata { members, n_prompts: labels.len() }
    }

    /// Number of prompts.
    pub fn n_prompts(&self) -> usize {
        self.n_prompts
    }

    /// Draws one resample: how much each prompt counts, written to `weights`.
    ///
    /// A stratum of m prompts gives m - 1 draws with replacement, each of weight m / (m - 1), so that a weighted mean has
    /// the variance s^2 / m rather than the slightly too small (m - 1) s^2 / m^2 (Rao and Wu 1988). The weights of a
    /// stratum sum to m. A prompt alone in its stratum always counts once.
    ///
    /// # Panics
    /// If `weights` is not one number a prompt.
    pub fn resample(&self, rng: &mut ChaCha8Rng, weights: &mut [f32]) {
        assert_eq!(weights.len(), self.n_prompts, "every prompt has a weight");
        for prompts in &self.members {
            let n = prompts.len();
            if n == 1 {
                weights[prompts[0]] = 1.0;
                continue;
            }
            prompts.iter().for_each(|&prompt| weights[prompt] = 0.0);
            for _ in 1..n {
                weights[prompts[index_below(rng, n)]] += 1.0;
            }
            let scale = n as f32 / (n - 1) as f32;
            prompts.iter().for_each(|&prompt| weights[prompt] *= scale);
        }
    }

    /// Scales the weights of each stratum so that they sum to its size (post-stratification), for a replicate that tests
    /// only some of the prompts that were drawn. A stratum of which nothing was drawn counts as it is.
    ///
    /// # Panics
    /// If `weights` is not one number a prompt.
    pub fn rescale(&self, weights: &mut [f32]) {
        assert_eq!(weights.len(), self.n_prompts, "every prompt has a weight");
        for prompts in &self.members {
            let total: f64 = prompts.iter().map(|&prompt| f64::from(weights[prompt])).sum();
            if total > 0.0 {
                let scale = (prompts.len() as f64 / total) as f32;
                prompts.iter().for_each(|&prompt| weights[prompt] *= scale);
            } else {
                prompts.iter().for_each(|&prompt| weights[prompt] = 1.0);
            }
        }
    }
}

/// Merges strata that are too small to be resampled on their own: labels of which some replicate tests fewer than `least`
/// prompts become one label, and all become one if that is still too small. `replicates` holds the tested prompts.
pub fn merge_small(labels: &[usize], replicates: &[&[usize]], least: usize) -> Vec<usize> {
    let n_labels = labels.iter().max().map_or(0, |most| most + 1);
    let fewest = |label_of: &dyn Fn(usize) -> usize| {
        let mut fewest = vec![usize::MAX; n_labels];
        for tested in replicates {
            let mut n = vec![0_usize; n_labels];
            tested.iter().for_each(|&prompt| n[label_of(prompt)] += 1);
            // A label that a replicate does not test at all (a left-out benchmark) is not a small one.
            let present = fewest.iter_mut().zip(n).filter(|(_, n)| *n > 0);
            present.for_each(|(fewest, n)| *fewest = n.min(*fewest));
        }
        fewest
    };
    let own = fewest(&|prompt| labels[prompt]);
    let Some(rest) = own.iter().position(|n| *n < least) else { return labels.to_vec() };
    let merged: Vec<usize> =
        labels.iter().map(|&label| if own[label] < least { rest } else { label }).collect();
    if fewest(&|prompt| merged[prompt])[rest] < least { vec![0; labels.len()] } else { merged }
}

/// With fewer resamples than this beyond a value, how many there are says little: the share of 10 is known to a third.
pub const FEW: usize = 10;

/// What resampling says about the mean of one metric over replicates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The interval.
    pub interval: Interval,
    /// The standard error; infinite where resamples have no value.
    pub standard_error: f64,
    /// The part of the variance between replicates that is not noise of test prompts: another training split, another
    /// training seed. 0 for one replicate, which cannot tell.
    pub training_variance: f64,
    /// The two-sided p-value that the resamples give for a true value of 0: twice the share of them on the lesser side of
    /// it, counting the observed one (Davison and Hinkley 1997, section 4.4.1), corrected for bias like the interval. Where
    /// fewer than [`FEW`] lie there, their share is too coarse for many comparisons, and the tail is Student's t fitted to them.
    pub p_of_zero: f64,
}

/// What many routers, each compared with the same rival in the same replicates, say together of how much their differences vary
/// between replicates: with three replicates a variance of one difference alone has two degrees of freedom, and next to
/// nothing is beyond its tail (moderated t: Smyth 2004, section 6).
///
/// The variance s^2 between replicates is taken over the part v that test prompts alone cause, so that routers that often agree
/// with the rival and those that seldom do are alike. These ratios are taken to be r0 F(d, d0), with d = replicates - 1; r0 and
/// d0 follow from the mean and variance of their logarithms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prior {
    /// r0, in units of v.
    pub ratio: f64,
    /// d0, the degrees of freedom that it is worth.
    pub freedom: f64,
}

impl Prior {
    /// The differences share the rival and the splits, so that they are not independent, and some may vary more than others.
    /// Simulated with thirty routers, of which one in six varies three times, or one ten times as much, errors stay at their level up to here.
    const MOST_FREEDOM: f64 = 4.0;

    /// From the ratios of several routers with so many degrees of freedom each; `None` for fewer than three of them, or one replicate.
    pub fn of(ratios: &[f64], freedom: f64) -> Option<Prior> {
        let logarithms: Vec<f64> =
            ratios.iter().filter(|ratio| **ratio > 0.0).map(|ratio| ratio.ln()).collect();
        if logarithms.len() < 3 || freedom < 1.0 {
            return None;
        }
        let half = freedom / 2.0;
        let centre = mean(&logarithms) - digamma(half) + half.ln();
        let excess = variance(&logarithms) - trigamma(half);
        // No more than half of what the other routers have.
        let most = Self::MOST_FREEDOM.min((logarithms.len() - 1) as f64 * half);
        let own = if excess > 0.0 { inverse_trigamma(excess) } else { f64::INFINITY };
        // The mean of logarithms goes with the freedom that was found, not with the one that is used.
        let shift = if own.is_finite() { digamma(own) - own.ln() } else { 0.0 };
        Some(Prior { ratio: (centre + shift).exp(), freedom: most.min(2.0 * own) })
    }
}

/// The variance between replicates over that which prompts alone cause: what [`Prior::of`] takes. `None` where either is 0 or a
/// value is not finite.
pub fn variance_ratio(observed: &[f64], resampled: &[f64]) -> Option<f64> {
    let ratio = variance(observed) / between_from_prompts(observed, resampled);
    (observed.len() > 1 && ratio.is_finite() && ratio > 0.0).then_some(ratio)
}

/// As [`estimate_among`], by its own replicates alone.
pub fn estimate(observed: &[f64], resampled: &[f64], level: f64, rng: &mut ChaCha8Rng) -> Option<Estimate> {
    estimate_among(observed, resampled, level, None, rng)
}

/// The interval for the mean over replicates: over new test prompts and, with several replicates, new training splits.
///
/// `observed` holds the value of each replicate; `resampled` its value in each resample of prompts, resample-major.
/// Infinite values are values that a resample does not reach.
///
/// For each resample the mean over replicates is taken. To it the mean of as many residuals of replicates is added, drawn
/// with replacement. A residual is the replicate's observed value minus the mean of all, shrunk to the variance that
/// training adds: the variance s^2 between replicates less that part v which test prompts alone cause between them, as the
/// resamples show it (residuals scaled to the estimated component: Carpenter, Goldstein, and Rasbash 2003). Drawing whole
/// replicates instead would count the noise of prompts twice. The interval is the bias-corrected percentile interval of
/// these sums (Efron 1987): with z the normal quantile of the share of sums below the observed value, their quantiles at
/// Phi(2 z -+ 1.96). A hull over noisy points lies above the hull of their means, and that of resamples lies higher still
/// by as much; without the correction intervals of AIQ would miss the truth below them. The sums are first stretched by the quantile of Student's t over that of the normal, since s^2 comes of few replicates: with V the
/// variance of the sums, R replicates, and V^2 R^2 (R - 1) / s^4 degrees of freedom (Satterthwaite 1946).
///
/// With a prior, s^2 is the mean of itself and v r0, weighed by their degrees of freedom, which add up; it is never taken to be
/// less than it is, so that a router that varies more than the others gains nothing by them but their freedom.
///
/// One replicate gives the plain percentile interval. `None` without replicates, without resamples, or if an observed
/// value is not finite.
pub fn estimate_among(
    observed: &[f64],
    resampled: &[f64],
    level: f64,
    prior: Option<Prior>,
    rng: &mut ChaCha8Rng,
) -> Option<Estimate> {
    let n_replicates = observed.len();
    if resampled.is_empty() || n_replicates == 0 || observed.iter().any(|value| !value.is_finite()) {
        return None;
    }
    debug_assert!(resampled.len().is_multiple_of(n_replicates), "every resample has a value a replicate");
    let centre = mean(observed);
    let own = variance(observed);
    let of_prompts = between_from_prompts(observed, resampled);
    let n = n_replicates as f64;
    let (between, between_freedom) = moderated(own, n - 1.0, of_prompts, prior);
    let of_training = if own > 0.0 { (between - of_prompts).max(0.0) } else { 0.0 };
    // The residuals have divisor n, the variance they are to have has divisor n - 1.
    let shrink = if of_training > 0.0 { (of_training / own * n / (n - 1.0)).sqrt() } else { 0.0 };
    let residuals: Vec<f64> = observed.iter().map(|value| (value - centre) * shrink).collect();
    let draw = |values: &[f64]| {
        let mut added = 0.0;
        if of_training > 0.0 {
            (0..n_replicates).for_each(|_| added += residuals[index_below(rng, n_replicates)]);
        }
        mean(values) + added / n
    };
    let mut means: Vec<f64> = resampled.chunks_exact(n_replicates).map(draw).collect();
    let spread = variance(&means);
    let standard_error = if spread.is_finite() { spread.sqrt() } else { f64::INFINITY };
    let mut freedom = f64::INFINITY;
    // The bias-corrected bound reaches 0 where the fitted distribution, mirrored at the observed value, does.
    let in_errors = (2.0 * centre - mean(&means)).abs() / standard_error;
    if of_training > 0.0 && spread.is_finite() && spread > 0.0 {
        freedom = (spread * n / between).powi(2) * between_freedom;
        let stretch = student_over_normal(freedom, level);
        means.iter_mut().for_each(|value| *value = centre + stretch * (*value - centre));
    }
    let bias = bias(&means, centre);
    let at = |share: f64| normal_share(2.0 * bias + normal_quantile(share));
    let interval = Interval::between(&means, at((1.0 - level) / 2.0), at((1.0 + level) / 2.0))?;
    let n_beyond = |is_beyond: &dyn Fn(f64) -> bool| {
        means.iter().filter(|value| value.is_nan() || is_beyond(**value)).count()
    };
    let sides = [n_beyond(&|value| value <= 0.0), n_beyond(&|value| value >= 0.0)];
    let share = |n: usize| (1 + n).min(means.len()) as f64 / (1 + means.len()) as f64;
    let below = normal_share(normal_quantile(share(sides[0])) - 2.0 * bias);
    let above = normal_share(normal_quantile(share(sides[1])) + 2.0 * bias);
    let p_of_zero = if sides[0].min(sides[1]) < FEW && in_errors.is_finite() {
        2.0 * student_beyond(in_errors, freedom)
    } else {
        (2.0 * below.min(above)).min(1.0)
    };
    Some(Estimate { interval, standard_error, training_variance: of_training, p_of_zero })
}

/// The variance between replicates and its degrees of freedom, with what the prior says of them.
fn moderated(own: f64, freedom: f64, of_prompts: f64, prior: Option<Prior>) -> (f64, f64) {
    let Some(prior) = prior.filter(|_| freedom > 0.0) else { return (own, freedom) };
    let all = prior.freedom + freedom;
    let mixed = (prior.freedom * prior.ratio * of_prompts + freedom * own) / all;
    (mixed.max(own), all)
}

/// The variance between replicates that resampling prompts alone causes; resamples that are not reached are left out.
fn between_from_prompts(observed: &[f64], resampled: &[f64]) -> f64 {
    let (mut sum, mut n) = (0.0, 0_usize);
    let mut moved = vec![0.0; observed.len()];
    for values in resampled.chunks_exact(observed.len()).filter(|values| values.iter().all(|v| v.is_finite()))
    {
        moved.iter_mut().zip(values).zip(observed).for_each(|((moved, value), at)| *moved = value - at);
        sum += variance(&moved);
        n += 1;
    }
    sum / n.max(1) as f64
}

/// The normal quantile of the share of values below `centre`, those equal to it counting half: 0 without bias.
fn bias(values: &[f64], centre: f64) -> f64 {
    // Digits lost in sums are no bias: without a tolerance a metric that is the same in nearly all resamples would get the
    // most extreme of them for an interval.
    let tolerance = 1e-6 * centre.abs().max(1e-12);
    let n_below = values.iter().filter(|value| **value < centre - tolerance).count();
    let n_above = values.iter().filter(|value| **value > centre + tolerance).count();
    let n = values.len() as f64;
    let below = (n - n_above as f64 + n_below as f64) / 2.0;
    normal_quantile(((below + 0.5) / (n + 1.0)).clamp(0.5 / (n + 1.0), 1.0))
}

/// The second derivative of the logarithm of the gamma function, for arguments above 0: by its recurrence up to 6, from there by
/// its asymptotic series (Abramowitz and Stegun 1964, 6.4.6 and 6.4.12).
fn trigamma(mut argument: f64) -> f64 {
    let mut sum = 0.0;
    while argument < 6.0 {
        sum += 1.0 / (argument * argument);
        argument += 1.0;
    }
    let square = 1.0 / (argument * argument);
    let series = 1.0 / 6.0 - square * (1.0 / 30.0 - square * (1.0 / 42.0 - square / 30.0));
    sum + 1.0 / argument + square / 2.0 + square / argument * series
}

/// Where [`trigamma`], which falls from infinity to 0, has this value above 0: by bisection of its logarithm.
fn inverse_trigamma(value: f64) -> f64 {
    let (mut low, mut high) = (1e-9_f64, 1e9_f64);
    for _ in 0..100 {
        let middle = (low * high).sqrt();
        if trigamma(middle) > value { low = middle } else { high = middle }
    }
    (low * high).sqrt()
}

fn normal_quantile(share: f64) -> f64 {
    Normal::standard().inverse_cdf(share)
}

fn normal_share(quantile: f64) -> f64 {
    Normal::standard().cdf(quantile)
}

/// The share of Student's t above a value; of the normal for many degrees of freedom.
fn student_beyond(value: f64, freedom: f64) -> f64 {
    if freedom > MANY_DEGREES {
        return Normal::standard().sf(value);
    }
    StudentsT::new(0.0, 1.0, freedom.max(1.0)).map_or(1.0, |student| student.sf(value))
}

/// From here on Student's t and the normal differ by less than 0.01 % at the usual levels, and the incomplete beta function
/// behind t loses its digits.
const MANY_DEGREES: f64 = 1e4;

/// The quantile of Student's t over that of the normal, both two-sided at `level`; 1 for many degrees of freedom.
fn student_over_normal(freedom: f64, level: f64) -> f64 {
    if freedom > MANY_DEGREES {
        return 1.0;
    }
    let share = (1.0 + level) / 2.0;
    let student = StudentsT::new(0.0, 1.0, freedom.max(1.0)).map(|student| student.inverse_cdf(share));
    student.map_or(1.0, |student| student / Normal::standard().inverse_cdf(share))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{SeedableRng, standard_normal};
    use proptest::prelude::*;

    fn rng() -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(1)
    }

    #[test]
    fn every_stratum_keeps_its_weight() {
        let strata = Strata::new(&[0, 2, 0, 2, 0, 5]);
        let mut weights = [0.0; 6];
        let mut rng = rng();
        for _ in 0..20 {
            strata.resample(&mut rng, &mut weights);
            assert!((weights[0] + weights[2] + weights[4] - 3.0).abs() < 1e-6);
            assert_eq!(weights[1] + weights[3], 2.0);
            assert_eq!(weights[5], 1.0);
        }
    }

    #[test]
    fn a_resampled_mean_has_the_variance_of_a_mean() {
        let values = [0.0, 1.0, 5.0, 2.0];
        let strata = Strata::new(&[0; 4]);
        let (mut rng, mut weights) = (rng(), [0.0; 4]);
        let means: Vec<f64> = (0..50_000)
            .map(|_| {
                strata.resample(&mut rng, &mut weights);
                values.iter().zip(weights).map(|(value, weight)| value * f64::from(weight)).sum::<f64>() / 4.0
            })
            .collect();
        assert!((mean(&means) - 2.0).abs() < 0.02);
        assert!((variance(&means) / (variance(&values) / 4.0) - 1.0).abs() < 0.03);
    }

    #[test]
    fn weights_of_a_part_are_scaled_to_its_strata() {
        let strata = Strata::new(&[0, 0, 1, 2]);
        let mut weights = [3.0, 1.0, 0.0, 0.5];
        strata.rescale(&mut weights);
        assert_eq!(weights, [1.5, 0.5, 1.0, 1.0]);
    }

    #[test]
    fn small_strata_are_merged_and_left_out_ones_are_not_small() {
        let labels = [0, 0, 0, 1, 2, 2, 2, 3];
        let all: Vec<usize> = (0..8).collect();
        assert_eq!(merge_small(&labels, &[&all], 1), labels);
        assert_eq!(merge_small(&labels, &[&all], 2), [0, 0, 0, 1, 2, 2, 2, 1]);
        assert_eq!(merge_small(&labels, &[&all], 3), [0; 8]);
        assert_eq!(merge_small(&[0, 0, 1, 1], &[&[0, 1], &[2, 3]], 2), [0, 0, 1, 1]);
    }

    #[test]
    fn one_replicate_gives_the_percentile_interval() {
        let resampled: Vec<f64> = (1..=39).map(f64::from).collect();
        let estimate = estimate(&[20.0], &resampled, 0.95, &mut rng()).unwrap();
        assert_eq!(estimate.interval, Interval { low: 1.0, high: 39.0 });
        assert_eq!(estimate.training_variance, 0.0);
    }

    #[test]
    fn rounding_is_no_bias() {
        let mut resampled = vec![0.5 - 1e-9; 999];
        resampled.push(0.2);
        let interval = estimate(&[0.5], &resampled, 0.95, &mut rng()).unwrap().interval;
        assert!((interval.low - 0.5).abs() < 1e-6 && (interval.high - 0.5).abs() < 1e-6, "{interval:?}");
    }

    #[test]
    fn values_that_do_not_exist_have_no_interval_and_those_not_reached_no_bound() {
        assert_eq!(estimate(&[], &[], 0.95, &mut rng()), None);
        assert_eq!(estimate(&[f64::INFINITY], &[1.0], 0.95, &mut rng()), None);
        let mut resampled = vec![0.5; 90];
        resampled.extend(vec![f64::INFINITY; 10]);
        let estimate = estimate(&[0.5], &resampled, 0.95, &mut rng()).unwrap();
        assert_eq!(estimate.interval, Interval { low: 0.5, high: f64::INFINITY });
    }

    #[test]
    fn noise_of_prompts_between_replicates_is_not_counted_as_training() {
        // Four replicates on prompts of their own, no training noise: the variance of the mean is that of the mean.
        let mut rng = rng();
        let mut error = Vec::new();
        for _ in 0..100 {
            let observed: Vec<f64> = (0..4).map(|_| standard_normal(&mut rng)).collect();
            let resampled: Vec<f64> =
                (0..4000).map(|at| observed[at % 4] + standard_normal(&mut rng)).collect();
            error.push(estimate(&observed, &resampled, 0.95, &mut rng).unwrap().standard_error);
        }
        // 0.5, and a little more as a variance is never taken to be negative.
        assert!((0.5..0.6).contains(&mean(&error)), "{}", mean(&error));
    }

    /// With 2,000 resamples a share cannot be below 0.0005, which Holm over 23 routers lifts above 5 % after a correction
    /// for bias: clear losers would pass for as good as the best.
    #[test]
    fn a_difference_of_many_standard_errors_has_the_p_value_of_its_tail() {
        let mut rng = rng();
        for (in_errors, expected) in [(2.0, 0.0455), (4.0, 6.33e-5), (8.0, 1.24e-15)] {
            let resampled: Vec<f64> = (0..2000).map(|_| in_errors + standard_normal(&mut rng)).collect();
            let p = estimate(&[in_errors], &resampled, 0.95, &mut rng).unwrap().p_of_zero;
            // A mean of resamples that is off by 0.05 standard errors counts the more the further out.
            assert!((p / expected).ln().abs() < 0.1 + 0.2 * in_errors, "{in_errors}: {p}");
        }
        // Three replicates that differ by training alone: two degrees of freedom, t(2) = 9.925 at 1 %.
        let observed = [9.925 - 3.0_f64.sqrt(), 9.925, 9.925 + 3.0_f64.sqrt()];
        let resampled: Vec<f64> = (0..6000).map(|at| observed[at % 3]).collect();
        let p = estimate(&observed, &resampled, 0.95, &mut rng).unwrap().p_of_zero;
        // Some 2 % of error in the spread of 2,000 sums are 20 % of this tail.
        assert!((0.007..0.014).contains(&p), "{p}");
    }

    #[test]
    fn trigamma_has_its_known_values_and_its_inverse_finds_them() {
        let pi_square = std::f64::consts::PI.powi(2);
        // trigamma(1) = pi^2 / 6, trigamma(1/2) = pi^2 / 2.
        assert!(
            (trigamma(1.0) - pi_square / 6.0).abs() < 1e-9 && (trigamma(0.5) - pi_square / 2.0).abs() < 1e-9
        );
        for argument in [0.1, 1.0, 7.5, 400.0] {
            assert!((inverse_trigamma(trigamma(argument)) / argument - 1.0).abs() < 1e-6, "{argument}");
        }
    }

    /// Variances of two degrees of freedom each, of routers that vary alike or not.
    #[test]
    fn a_prior_is_worth_much_where_routers_vary_alike_and_little_where_they_do_not() {
        let mut rng = rng();
        let mut ratios = |spread: f64| -> Vec<f64> {
            let mut one = || {
                let scale = 3.0 * (spread * standard_normal(&mut rng)).exp();
                scale * (standard_normal(&mut rng).powi(2) + standard_normal(&mut rng).powi(2)) / 2.0
            };
            (0..200).map(|_| one()).collect()
        };
        let alike = Prior::of(&ratios(0.0), 2.0).unwrap();
        assert!(alike.freedom == Prior::MOST_FREEDOM && (2.4..3.6).contains(&alike.ratio), "{alike:?}");
        let unlike = Prior::of(&ratios(2.0), 2.0).unwrap();
        // Logarithms with a variance of 4 beside that of two degrees of freedom: trigamma(0.57) = 4.
        assert!((0.9..1.5).contains(&unlike.freedom), "{unlike:?}");
        assert_eq!(Prior::of(&[1.0, 2.0], 2.0), None);
        assert_eq!(Prior::of(&[1.0, 2.0, 3.0], 0.0), None);
        assert!(Prior::of(&[1.0, 1.0, 1.0], 2.0).unwrap().freedom <= 2.0);
    }

    #[test]
    fn three_replicates_have_more_than_two_degrees_of_freedom_among_others_that_vary_alike() {
        let prior = Some(Prior { ratio: 4.0, freedom: 4.0 });
        // Twenty standard errors: with two degrees of freedom p is 0.25 %, which Holm over 29 lifts above 5 %.
        let observed = [0.98, 1.0, 1.02];
        let mut noise = rng();
        let resampled: Vec<f64> =
            (0..6000).map(|at| observed[at % 3] + 0.01 * standard_normal(&mut noise)).collect();
        let p = |prior| estimate_among(&observed, &resampled, 0.95, prior, &mut rng()).unwrap().p_of_zero;
        assert!(p(prior) < 1e-5 && p(prior) < p(None), "{} {}", p(prior), p(None));
        // What varies more than the others is not taken to vary less.
        let wild = [-1.0, 1.0, 3.0];
        let resampled: Vec<f64> =
            (0..6000).map(|at| wild[at % 3] + 0.01 * standard_normal(&mut noise)).collect();
        let [with, without] = [prior, None].map(|prior| {
            estimate_among(&wild, &resampled, 0.95, prior, &mut rng()).unwrap().training_variance
        });
        assert_eq!(with, without);
    }

    proptest! {
        /// Student's tails fall at least as 1 / x: where zero is k half widths of the interval away, p is at most 5 % / k, so that of m
        /// routers none whose interval of the difference leaves out zero by m half widths is ever marked as good as the best.
        #[test]
        fn what_excludes_zero_by_far_is_distinguished_however_many_are_compared(
            (n_replicates, away, training) in (1..7_usize, 1.2..60.0_f64, 0.0..3.0_f64),
            (freedom, ratio, seed) in (0.1..4.0_f64, 0.1..9.0_f64, 0..1000_u64),
        ) {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let mut observed: Vec<f64> = (0..n_replicates).map(|_| training * standard_normal(&mut rng)).collect();
            let resampled = |observed: &[f64], rng: &mut ChaCha8Rng| -> Vec<f64> {
                (0..400 * n_replicates).map(|at| observed[at % n_replicates] + standard_normal(rng)).collect()
            };
            let of = |observed: &[f64]| {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                let resampled = resampled(observed, &mut rng);
                estimate_among(observed, &resampled, 0.95, Some(Prior { ratio, freedom }), &mut rng).unwrap()
            };
            // All are moved so that zero is that many half widths beyond the nearer bound of the interval.
            let interval = of(&observed).interval;
            let half = (interval.high - interval.low) / 2.0;
            observed.iter_mut().for_each(|value| *value += away * half - interval.low);
            let moved = of(&observed);
            let k = 1.0 + moved.interval.low / half;
            prop_assert!(moved.p_of_zero * 0.8 * k < 0.05, "{} at {k} half widths", moved.p_of_zero);
        }
    }

    #[test]
    fn a_t_quantile_is_wider_for_few_degrees_of_freedom() {
        // Tables: t(4) = 2.776, t(1) = 12.706, normal 1.960.
        assert!((student_over_normal(4.0, 0.95) - 2.776_445 / 1.959_964).abs() < 1e-5);
        assert!((student_over_normal(1.0, 0.95) - 12.706_205 / 1.959_964).abs() < 1e-5);
        assert!((student_over_normal(1e6, 0.95) - 1.0).abs() < 1e-5);
    }
}
