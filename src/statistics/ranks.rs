//! Many routers on many suites: mean ranks, whether they differ at all, and which differ from which (Demsar 2006).

use std::ops::Range;

use statrs::distribution::{ChiSquared, Continuous, ContinuousCDF, FisherSnedecor, Normal};

/// Ranks of routers over suites.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranks {
    /// The mean rank of each router; 1 is best, ties share their mean rank.
    pub mean: Vec<f64>,
    /// Number of suites.
    pub n_suites: usize,
    /// Sum over suites and tied groups of t^3 - t.
    ties: f64,
}

/// Whether the routers differ at all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Friedman {
    /// Friedman's statistic, corrected for ties.
    pub chi_squared: f64,
    /// Its p-value by the chi-squared distribution with k - 1 degrees of freedom.
    pub p: f64,
    /// The F statistic of Iman and Davenport, less conservative; infinite where all suites agree entirely.
    pub f: f64,
    /// Its p-value with k - 1 and (k - 1)(n - 1) degrees of freedom.
    pub f_p: f64,
}

impl Ranks {
    /// Ranks the values of each suite (one row a suite, one value a router). `None` without suites, for fewer than two
    /// routers, or if a row is shorter than another: a router that is missing from a suite cannot be ranked there.
    pub fn new(suites: &[Vec<f64>], larger_is_better: bool) -> Option<Ranks> {
        let n_routers = suites.first()?.len();
        if n_routers < 2 || suites.iter().any(|row| row.len() != n_routers) {
            return None;
        }
        let mut mean = vec![0.0; n_routers];
        let mut ties = 0.0;
        for row in suites {
            let sign = if larger_is_better { -1.0 } else { 1.0 };
            let signed: Vec<f64> = row.iter().map(|value| sign * value + 0.0).collect();
            let ranks = mean_ranks(&signed);
            mean.iter_mut().zip(&ranks).for_each(|(mean, rank)| *mean += rank / suites.len() as f64);
            let mut sorted = signed;
            sorted.sort_unstable_by(f64::total_cmp);
            ties += sorted
                .chunk_by(|a, b| a == b)
                .map(|tied| (tied.len() as f64).powi(3) - tied.len() as f64)
                .sum::<f64>();
        }
        Some(Ranks { mean, n_suites: suites.len(), ties })
    }

    /// Friedman's test that all routers have the same mean rank:
    /// chi^2 = 12 n / (k (k + 1)) * sum (R_j - (k + 1) / 2)^2, over 1 - sum (t^3 - t) / (n (k^3 - k)) for ties;
    /// F = (n - 1) chi^2 / (n (k - 1) - chi^2) (Iman and Davenport 1980). `None` if all routers are tied everywhere, or on
    /// fewer than two suites.
    pub fn friedman(&self) -> Option<Friedman> {
        let (k, n) = (self.mean.len() as f64, self.n_suites as f64);
        let correction = 1.0 - self.ties / (n * (k.powi(3) - k));
        if n < 2.0 || correction <= 0.0 {
            return None;
        }
        let spread: f64 = self.mean.iter().map(|rank| (rank - (k + 1.0) / 2.0).powi(2)).sum();
        let chi_squared = 12.0 * n / (k * (k + 1.0)) * spread / correction;
        let p = ChiSquared::new(k - 1.0).ok()?.sf(chi_squared);
        let left = n * (k - 1.0) - chi_squared;
        let f = if left > 1e-9 { (n - 1.0) * chi_squared / left } else { f64::INFINITY };
        let f_p =
            if f.is_finite() { FisherSnedecor::new(k - 1.0, (k - 1.0) * (n - 1.0)).ok()?.sf(f) } else { 0.0 };
        Some(Friedman { chi_squared, p, f, f_p })
    }

    /// Nemenyi's critical difference: two routers whose mean ranks differ by more differ with chance of error `alpha` over
    /// all pairs, q sqrt(k (k + 1) / (6 n)) with q the quantile of the studentised range over sqrt 2. `None` for an `alpha`
    /// outside (0, 1).
    pub fn critical_difference(&self, alpha: f64) -> Option<f64> {
        Some(range_quantile(alpha, self.mean.len())? / 2.0_f64.sqrt() * self.standard_error())
    }

    /// The bars of a critical-difference diagram: the largest groups of routers, best first, of which no two differ by more
    /// than `difference`. Groups of one, and those inside another, are left out.
    pub fn cliques(&self, difference: f64) -> Vec<Vec<usize>> {
        let mut order: Vec<usize> = (0..self.mean.len()).collect();
        order.sort_by(|&a, &b| self.mean[a].total_cmp(&self.mean[b]));
        let mut cliques: Vec<Vec<usize>> = Vec::new();
        let mut furthest = 0;
        for start in 0..order.len() {
            let within = |router: &&usize| self.mean[**router] - self.mean[order[start]] <= difference;
            let end = start + order[start..].iter().take_while(within).count();
            if end > furthest && end - start > 1 {
                cliques.push(order[start..end].to_vec());
            }
            furthest = furthest.max(end);
        }
        cliques
    }

    fn standard_error(&self) -> f64 {
        let (k, n) = (self.mean.len() as f64, self.n_suites as f64);
        (k * (k + 1.0) / (6.0 * n)).sqrt()
    }
}

/// The rank of each value from 1, tied values sharing the mean of their ranks.
pub(crate) fn mean_ranks(values: &[f64]) -> Vec<f64> {
    debug_assert!(values.iter().all(|value| !value.is_nan()), "a value to rank is a number");
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    for ties in runs(order.len(), |a, b| values[order[a]] == values[order[b]]) {
        let rank = (ties.start + 1 + ties.end) as f64 / 2.0;
        order[ties].iter().for_each(|&index| ranks[index] = rank);
    }
    ranks
}

/// The longest runs of neighbours that are the same, in order.
fn runs(n_values: usize, same: impl Fn(usize, usize) -> bool) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let run = start..(start + 1..n_values).find(|&end| !same(start, end)).unwrap_or(n_values);
        start = run.end;
        (!run.is_empty()).then_some(run)
    })
}

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
    fn ties_share_their_mean_rank() {
        assert_eq!(mean_ranks(&[2.0, 1.0, 2.0, 3.0, -0.0, 0.0]), [4.5, 3.0, 4.5, 6.0, 1.5, 1.5]);
        assert!(mean_ranks(&[]).is_empty());
    }

    /// Demsar 2006, table 6: AUC of four decision trees on fourteen data sets.
    fn demsar() -> Vec<Vec<f64>> {
        [
            [0.763, 0.768, 0.771, 0.798],
            [0.599, 0.591, 0.590, 0.569],
            [0.954, 0.971, 0.968, 0.967],
            [0.628, 0.661, 0.654, 0.657],
            [0.882, 0.888, 0.886, 0.898],
            [0.936, 0.931, 0.916, 0.931],
            [0.661, 0.668, 0.609, 0.685],
            [0.583, 0.583, 0.563, 0.625],
            [0.775, 0.838, 0.866, 0.875],
            [1.000, 1.000, 1.000, 1.000],
            [0.940, 0.962, 0.965, 0.962],
            [0.619, 0.666, 0.614, 0.669],
            [0.972, 0.981, 0.9751, 0.975],
            [0.957, 0.978, 0.946, 0.970],
        ]
        .map(|row| row.to_vec())
        .to_vec()
    }

    #[test]
    fn the_example_of_demsar_comes_out() {
        let ranks = Ranks::new(&demsar(), true).unwrap();
        for (found, expected) in ranks.mean.iter().zip([3.143, 2.000, 2.893, 1.964]) {
            assert!((found - expected).abs() < 0.001, "{:?}", ranks.mean);
        }
        // Without the correction for ties, as printed there: 9.28.
        let uncorrected = Ranks { ties: 0.0, ..ranks.clone() }.friedman().unwrap();
        assert!((uncorrected.chi_squared - 9.28).abs() < 0.01);
        assert!((uncorrected.f - 3.69).abs() < 0.01);
        assert!((0.01..0.05).contains(&uncorrected.p) && (0.01..0.05).contains(&uncorrected.f_p));
        assert!(ranks.friedman().unwrap().chi_squared > uncorrected.chi_squared);
        assert!((ranks.critical_difference(0.05).unwrap() - 1.25).abs() < 0.01);
        assert!((ranks.critical_difference(0.10).unwrap() - 1.12).abs() < 0.01);
    }

    #[test]
    fn cliques_are_the_largest_groups_within_the_difference() {
        let ranks = Ranks { mean: vec![4.0, 1.0, 1.5, 2.4, 6.0], n_suites: 10, ties: 0.0 };
        assert_eq!(ranks.cliques(1.0), [vec![1, 2], vec![2, 3]]);
        assert_eq!(ranks.cliques(1.6), [vec![1, 2, 3], vec![3, 0]]);
        assert_eq!(ranks.cliques(0.1), Vec::<Vec<usize>>::new());
        assert_eq!(ranks.cliques(9.0), [vec![1, 2, 3, 0, 4]]);
    }

    #[test]
    fn suites_that_all_agree_are_certain_and_ties_everywhere_say_nothing() {
        let agree = Ranks::new(&[vec![1.0, 2.0, 3.0], vec![0.0, 5.0, 9.0]], false).unwrap();
        assert_eq!(agree.mean, [1.0, 2.0, 3.0]);
        assert_eq!(agree.friedman().unwrap().f_p, 0.0);
        let tied = Ranks::new(&[vec![1.0, 1.0], vec![2.0, 2.0]], false).unwrap();
        assert_eq!(tied.mean, [1.5, 1.5]);
        assert_eq!(tied.friedman(), None);
        assert_eq!(Ranks::new(&[vec![1.0, 2.0], vec![1.0]], true), None);
        assert_eq!(Ranks::new(&[], true), None);
    }

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
