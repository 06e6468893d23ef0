//! Two routers on the same prompts: is the difference real, how large is it, and could it have been seen.

use statrs::distribution::{ContinuousCDF, Normal};

use super::{mean, variance};
use crate::random::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

/// On how many prompts the first of two routers is better, equal, and worse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct WinTieLoss {
    /// Prompts on which it is better.
    pub wins: usize,
    /// Prompts on which both are equal.
    pub ties: usize,
    /// Prompts on which it is worse.
    pub losses: usize,
}

impl WinTieLoss {
    /// Counts differences; those of at most 1e-12 are ties, which rounding cannot tell from 0.
    pub fn count(differences: &[f64]) -> Self {
        let mut counts = WinTieLoss::default();
        for difference in differences {
            let place = if difference.abs() <= 1e-12 {
                &mut counts.ties
            } else if *difference > 0.0 {
                &mut counts.wins
            } else {
                &mut counts.losses
            };
            *place += 1;
        }
        counts
    }
}

/// The standardised effect of paired differences, their mean over their standard deviation (Cohen's d_z). `None` for fewer
/// than two differences or if all are equal.
pub fn standardised_effect(differences: &[f64]) -> Option<f64> {
    let deviation = variance(differences).sqrt();
    (deviation > 0.0).then(|| mean(differences) / deviation)
}

/// The p-value of a paired permutation test: how often flipping the sign of each difference by a fair coin gives a mean at
/// least as far from 0, in `n_flips` trials.
///
/// p = (1 + number as far) / (1 + trials), never 0 (Phipson and Smyth 2010). Under the hypothesis that the two routers
/// may be exchanged on every prompt the chance of p <= x is at most x. Differences of one prompt in several replicates
/// share their noise and must be summed before. All differences 0, or none: 1.
pub fn sign_flip_p(differences: &[f64], n_flips: usize, rng: &mut ChaCha8Rng) -> f64 {
    let observed = differences.iter().sum::<f64>();
    let mut signs = vec![0.0; differences.len()];
    let mut flipped = |_| {
        draw_signs(rng, &mut signs);
        differences.iter().zip(&signs).map(|(difference, sign)| difference * f64::from(*sign)).sum()
    };
    let trials: Vec<f64> = (0..n_flips).map(&mut flipped).collect();
    two_sided_p(observed, &trials)
}

/// A fair sign for each place.
pub fn draw_signs(rng: &mut ChaCha8Rng, signs: &mut [f32]) {
    for places in signs.chunks_mut(64) {
        let mut bits = rng.next_u64();
        for place in places {
            *place = if bits & 1 == 1 { 1.0 } else { -1.0 };
            bits >>= 1;
        }
    }
}

/// The share of permuted statistics that are at least as far from 0 as the observed one, which counts as one of them. A
/// statistic that is no number counts as far. What differs in rounding only is equally far.
///
/// Where none is as far, the share says no more than how many were tried; then a sum of signed differences is bounded by
/// 2 exp(-z^2 / 2), with z the observed one in root mean squares of the permuted ones (Hoeffding 1963, theorem 2), and the lesser counts.
pub fn two_sided_p(observed: f64, permuted: &[f64]) -> f64 {
    let threshold = observed.abs() * (1.0 - 1e-9) - 1e-15;
    let n_far = permuted.iter().filter(|value| value.is_nan() || value.abs() >= threshold).count();
    let share = (1 + n_far) as f64 / (1 + permuted.len()) as f64;
    if n_far > 0 || permuted.is_empty() {
        return share;
    }
    let square = permuted.iter().map(|value| value * value).sum::<f64>() / permuted.len() as f64;
    share.min(2.0 * (-observed * observed / (2.0 * square)).exp())
}

/// How many standard errors a true difference must be for a two-sided test at 5 % to find it with probability `power`.
/// `None` for a power outside (0.025, 1).
pub fn detection_factor(power: f64) -> Option<f64> {
    let normal = Normal::standard();
    (0.025 < power && power < 1.0).then(|| normal.inverse_cdf(0.975) + normal.inverse_cdf(power))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{SeedableRng, standard_normal};

    fn rng() -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(3)
    }

    #[test]
    fn tiny_differences_are_ties() {
        let counts = WinTieLoss::count(&[0.5, -0.1, 0.0, 1e-15, 2.0, 1.0]);
        assert_eq!(counts, WinTieLoss { wins: 3, ties: 2, losses: 1 });
    }

    #[test]
    fn the_effect_is_the_mean_in_standard_deviations() {
        assert_eq!(standardised_effect(&[1.0, 2.0, 3.0]), Some(2.0));
        assert_eq!(standardised_effect(&[1.0, 1.0]), None);
        assert_eq!(standardised_effect(&[1.0]), None);
    }

    #[test]
    fn the_sign_flip_test_agrees_with_all_flips_of_fishers_darwin_data() {
        // Darwin's maize, Fisher 1935: of 32,768 flips 1,726 give a sum at least as far from 0 (p = 0.05267).
        let darwin =
            [49.0, -67.0, 8.0, 16.0, 6.0, 23.0, 28.0, 41.0, 14.0, 29.0, 56.0, 24.0, 75.0, 60.0, -48.0];
        let observed: f64 = darwin.iter().sum();
        let all: Vec<f64> = (1_u32..1 << 15)
            .map(|flips| (0..15).map(|i| if flips >> i & 1 == 1 { -darwin[i] } else { darwin[i] }).sum())
            .collect();
        assert_eq!(two_sided_p(observed, &all), 1726.0 / 32768.0);
        assert!((sign_flip_p(&darwin, 40_000, &mut rng()) - 0.05267).abs() < 0.004);
    }

    #[test]
    fn no_difference_has_p_one_and_a_clear_one_the_smallest() {
        assert_eq!(sign_flip_p(&[], 99, &mut rng()), 1.0);
        assert_eq!(sign_flip_p(&[0.0; 5], 99, &mut rng()), 1.0);
        // All of 60 the same way: at most 2 exp(-60 / 2), not the 1 % of 99 flips.
        let p = sign_flip_p(&[1.0; 60], 99, &mut rng());
        assert!(0.0 < p && p < 1e-9, "{p}");
        assert_eq!(two_sided_p(2.0, &[f64::NAN, 1.0, -2.0]), 0.75);
    }

    #[test]
    fn signs_are_fair() {
        let mut signs = [0.0; 10_000];
        draw_signs(&mut rng(), &mut signs);
        assert!(signs.iter().sum::<f32>().abs() < 400.0);
        assert!(signs.iter().all(|sign| sign.abs() == 1.0));
    }

    #[test]
    fn eighty_percent_power_needs_two_point_eight_standard_errors() {
        assert!((detection_factor(0.8).unwrap() - 2.801_585).abs() < 1e-6);
        assert_eq!(detection_factor(1.0), None);
        let mut rng = rng();
        let found =
            (0..20_000).filter(|_| (standard_normal(&mut rng) + detection_factor(0.8).unwrap()).abs() > 1.96);
        assert!((found.count() as f64 / 20_000.0 - 0.8).abs() < 0.01);
    }
}
