//! How large an experiment must be to see a difference of a given size.

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
