//! A t-test over replicates whose training prompts overlap.

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::{mean, variance};

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
