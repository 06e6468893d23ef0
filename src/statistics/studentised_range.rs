//! The range of k independent standard normal values: the studentised range with infinitely many degrees of freedom.

use statrs::distribution::{Continuous, ContinuousCDF, Normal};

/// Intervals of Simpson's rule.
const N_STEPS: usize = 400;

/// The chance that the range of `k` standard normal values is at most `range`:
/// k * integral of phi(z) (Phi(z) - Phi(z - range))^(k - 1) over z, the greatest value (Hartley 1942).
///
/// Computed by Simpson's rule from -8 to 8, with an error below 1e-9. 0 for a range that is not positive, 1 for
/// fewer than two values.
pub fn range_cdf(range: f64, k: usize) -> f64 {
    if k < 2 {
        return 1.0;
    }
    if range <= 0.0 {
        return 0.0;
    }
    let normal = Normal::standard();
    let power = i32::try_from(k - 1).unwrap_or(i32::MAX);
    let density = |z: f64| normal.pdf(z) * (normal.cdf(z) - normal.cdf(z - range)).powi(power);
    // Beyond 8 the density of the greatest value is below 1e-14.
    let (low, high) = (-8.0, 8.0);
    let step = (high - low) / N_STEPS as f64;
    let weight = |at: usize| match at {
        0 | N_STEPS => 1.0,
        _ if at % 2 == 1 => 4.0,
        _ => 2.0,
    };
    let sum: f64 = (0..=N_STEPS).map(|at| weight(at) * density(low + step * at as f64)).sum();
    (k as f64 * sum * step / 3.0).min(1.0)
}

/// The range that `k` standard normal values exceed with chance `alpha`, by bisection to 1e-9. `None` for fewer than two
/// values or a chance outside (0, 1).
pub fn range_quantile(alpha: f64, k: usize) -> Option<f64> {
    if k < 2 || !(0.0 < alpha && alpha < 1.0) {
        return None;
    }
    let (mut low, mut high) = (0.0, 20.0);
    while high - low > 1e-9 {
        let middle = 0.5 * (low + high);
        if range_cdf(middle, k) < 1.0 - alpha { low = middle } else { high = middle }
    }
    Some(0.5 * (low + high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_of_two_is_a_normal_difference() {
        let normal = Normal::standard();
        for range in [0.1, 1.0, 2.771_808, 5.0] {
            let expected = 2.0 * normal.cdf(range / 2.0_f64.sqrt()) - 1.0;
            assert!((range_cdf(range, 2) - expected).abs() < 1e-9);
        }
    }

    #[test]
    fn the_quantiles_are_those_of_the_tables() {
        // Demsar 2006, table 5: quantiles over the square root of two, for 2 to 10 classifiers.
        let at_5 = [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164];
        let at_10 = [1.645, 2.052, 2.291, 2.459, 2.589, 2.693, 2.780, 2.855, 2.920];
        for (at, (five, ten)) in at_5.into_iter().zip(at_10).enumerate() {
            let found = |alpha| range_quantile(alpha, at + 2).unwrap() / 2.0_f64.sqrt();
            assert!((found(0.05) - five).abs() < 0.001, "{} is not {five}", found(0.05));
            assert!((found(0.10) - ten).abs() < 0.001, "{} is not {ten}", found(0.10));
        }
        // Tables of the studentised range, infinite degrees of freedom: 20 groups.
        assert!((range_quantile(0.05, 20).unwrap() - 5.012).abs() < 0.003);
    }

    #[test]
    fn nothing_to_compare_has_no_quantile() {
        assert_eq!(range_quantile(0.05, 1), None);
        assert_eq!(range_quantile(0.0, 3), None);
        assert_eq!(range_cdf(0.0, 3), 0.0);
        assert_eq!(range_cdf(1.0, 1), 1.0);
    }
}
