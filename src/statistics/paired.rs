//! Two routers on the same prompts: is the difference real, over replicates whose training prompts overlap too; how large is it; could it
//! have been seen; and how large an experiment must be to see one of a given size.

use rand_chacha::rand_core::Rng;
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

use super::{mean, variance};
use crate::random::ChaCha8Rng;

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

/// A t statistic and its two-sided p-value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TTest {
    /// The statistic; infinite where the replicates do not differ and their mean is not 0.
    pub statistic: f64,
    /// Degrees of freedom.
    pub freedom: f64,
    /// The two-sided p-value.
    pub p: f64,
}

/// The corrected resampled t-test of Nadeau and Bengio (2003) on the differences of replicates:
/// t = mean / sqrt((1 / R + n_test / n_training) s^2), with R - 1 degrees of freedom.
///
/// Replicates are splits of the same prompts, so their training sets overlap and the plain t-test, with 1 / R alone, finds
/// differences that are not there. `test_per_training` is n_test / n_training. `None` for fewer than two replicates. If all
/// differences are 0, p is 1; if all are equal and not 0, p is 0.
pub fn corrected_t_test(differences: &[f64], test_per_training: f64) -> Option<TTest> {
    let n = differences.len() as f64;
    if n < 2.0 {
        return None;
    }
    let (mean, spread) = (mean(differences), variance(differences));
    let freedom = n - 1.0;
    if spread == 0.0 {
        let (statistic, p) = if mean == 0.0 { (0.0, 1.0) } else { (mean.signum() * f64::INFINITY, 0.0) };
        return Some(TTest { statistic, freedom, p });
    }
    let statistic = mean / ((1.0 / n + test_per_training) * spread).sqrt();
    let student = StudentsT::new(0.0, 1.0, freedom).expect("there are degrees of freedom");
    Some(TTest { statistic, freedom, p: (2.0 * student.cdf(-statistic.abs())).min(1.0) })
}

/// Where the variance of a mean difference comes from, as a pilot of R replicates on n distinct test prompts shows it:
/// V = p + t / R, with p falling as 1 / n and t the variance that training adds to one replicate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Components {
    /// The part p that test prompts cause in the mean.
    pub of_prompts: f64,
    /// The variance t of one replicate.
    pub of_training: f64,
    /// Distinct test prompts of the pilot.
    pub n_prompts: usize,
}

impl Components {
    /// From the variance of the mean over `n_replicates`.
    pub fn new(variance: f64, of_training: f64, n_replicates: usize, n_prompts: usize) -> Self {
        let of_prompts = (variance - of_training / n_replicates as f64).max(0.0);
        Components { of_prompts, of_training, n_prompts }
    }

    /// The standard error of the mean difference with so many distinct test prompts and replicates.
    pub fn standard_error(self, n_prompts: usize, n_replicates: usize) -> f64 {
        let of_prompts = self.of_prompts * self.n_prompts as f64 / n_prompts as f64;
        (of_prompts + self.of_training / n_replicates as f64).sqrt()
    }

    /// The least number of distinct test prompts at which so many replicates have this standard error or less; `None`
    /// where what training adds is too much for any number.
    pub fn prompts_for(self, standard_error: f64, n_replicates: usize) -> Option<usize> {
        let room = standard_error * standard_error - self.of_training / n_replicates as f64;
        (room > 0.0).then(|| whole(self.of_prompts * self.n_prompts as f64 / room))
    }

    /// The least number of replicates at which the pilot's number of prompts has this standard error or less; `None` where
    /// the noise of prompts is too much for any number.
    pub fn replicates_for(self, standard_error: f64) -> Option<usize> {
        let room = standard_error * standard_error - self.of_prompts;
        (room > 0.0).then(|| whole(self.of_training / room))
    }
}

/// Rounded up to at least 1; a rounding error is no reason for one more.
fn whole(number: f64) -> usize {
    (number * (1.0 - 1e-12)).ceil().max(1.0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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

    #[test]
    fn without_overlap_it_is_the_plain_t_test() {
        // Student 1908, extra hours of sleep: t = 4.0621, p = 0.002833.
        let sleep = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4];
        let test = corrected_t_test(&sleep, 0.0).unwrap();
        assert!((test.statistic - 4.062_128).abs() < 1e-6 && test.freedom == 9.0);
        assert!((test.p - 0.002_832_89).abs() < 1e-7);
    }

    #[test]
    fn overlap_makes_it_less_sure() {
        let differences = [0.01, 0.02, 0.03];
        let plain = corrected_t_test(&differences, 0.0).unwrap();
        let corrected = corrected_t_test(&differences, 0.5).unwrap();
        assert!((corrected.statistic - 0.02 / (5.0 / 6.0 * 1e-4_f64).sqrt()).abs() < 1e-12);
        assert!(plain.p < corrected.p);
    }

    #[test]
    fn replicates_that_agree_entirely_are_certain() {
        assert_eq!(corrected_t_test(&[0.0, 0.0], 0.5).unwrap().p, 1.0);
        assert_eq!(corrected_t_test(&[0.5, 0.5], 0.5).unwrap().p, 0.0);
        assert_eq!(corrected_t_test(&[0.5], 0.5), None);
    }

    #[test]
    fn half_the_error_needs_four_times_the_prompts() {
        let pilot = Components::new(0.01 * 0.01, 0.0, 3, 500);
        assert_eq!(pilot.standard_error(500, 3), 0.01);
        assert_eq!(pilot.prompts_for(0.005, 3), Some(2000));
        assert_eq!(pilot.replicates_for(0.005), None);
        assert_eq!(pilot.replicates_for(0.011), Some(1));
    }

    #[test]
    fn prompts_do_not_help_against_the_noise_of_training() {
        let pilot = Components::new(4e-4, 9e-4, 3, 100);
        assert!((pilot.of_prompts - 1e-4).abs() < 1e-12);
        assert_eq!(pilot.prompts_for(0.02, 2), None);
        assert_eq!(pilot.prompts_for(0.02, 3), Some(100));
        assert_eq!(pilot.replicates_for(0.02), Some(3));
    }

    proptest! {
        #[test]
        fn the_plan_is_enough_and_one_prompt_less_is_not(
            (variance, share) in (1e-8..1e-2_f64, 0.0..1.0_f64),
            (n, replicates, wanted) in (20..5000_usize, 1..9_usize, 1e-4..1e-1_f64),
        ) {
            let pilot = Components::new(variance, variance * share, replicates, n);
            if let Some(needed) = pilot.prompts_for(wanted, replicates) {
                prop_assert!(pilot.standard_error(needed, replicates) <= wanted * (1.0 + 1e-9));
                if needed > 1 {
                    prop_assert!(pilot.standard_error(needed - 1, replicates) >= wanted * (1.0 - 1e-9));
                }
            }
            if let Some(needed) = pilot.replicates_for(wanted) {
                prop_assert!(pilot.standard_error(n, needed) <= wanted * (1.0 + 1e-9));
            }
        }
    }
}
