//! Routers that take a preference: how well they serve each one, and whether the dial does what it says.
//!
//! A preference is the weight w >= 0 of cost against score, utility U(w) = Q(w) - w C(w).

use super::curve::{Point, pareto_front};
use crate::statistics::ranks::mean_ranks;

/// What a router did at one preference. No value is NaN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SweepPoint {
    /// The preference w: the weight of cost against score.
    pub preference: f64,
    /// The operating point that the router reached with it.
    pub point: Point,
}

/// A value and how much it counts, e.g. the utility at a preference and how common that preference is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weighted {
    /// The value to average.
    pub value: f64,
    /// Its weight, at least 0; weights need not sum to 1.
    pub weight: f64,
}

/// The place of a utility between random and the utility oracle at one w: (U - U_random) / (U_oracle - U_random).
///
/// 0 is random, 1 the oracle, negative is worse than random. It makes preferences comparable, whose utilities
/// have different scales. `None` if the oracle is no better than random: there is nothing to win by routing.
pub fn normalised_utility(utility: f64, random_utility: f64, oracle_utility: f64) -> Option<f64> {
    let to_win = oracle_utility - random_utility;
    (0.0 < to_win).then(|| (utility - random_utility) / to_win)
}

/// What the utility oracle has and the router has not, at one w: U_oracle - U, in units of score.
///
/// Never negative when both are measured on the same prompts.
pub fn utility_regret(utility: f64, oracle_utility: f64) -> f64 {
    oracle_utility - utility
}

/// Maximum utility loss: the largest regret over all preferences, the worst a user can be served.
///
/// Source: Zintgraf et al. 2015, against the oracle of each preference. `None` without preferences.
pub fn maximum_utility_loss(regrets: &[f64]) -> Option<f64> {
    regrets.iter().copied().max_by(f64::total_cmp)
}

/// The mean over a distribution of preferences: sum of weight * value / sum of weight.
///
/// Of utilities this is the expected utility (Zintgraf et al. 2015). `None` if the weights do not sum to more
/// than 0, as without values.
pub fn weighted_mean(values: &[Weighted]) -> Option<f64> {
    let total: f64 = values.iter().map(|value| value.weight).sum();
    (0.0 < total).then(|| values.iter().map(|value| value.weight * value.value).sum::<f64>() / total)
}

/// Whether turning the preference moves the cost as it should: less cost for more weight on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Controllability {
    /// Spearman's rho between w and cost; -1 is perfect control. `None` as in [`spearman`].
    pub rho: Option<f64>,
    /// Pairs of preferences of which the larger one costs strictly more; 0 is perfect control.
    pub n_inversions: usize,
    /// Operating points on the sweep's own Pareto front, equal ones counted once: what there is to choose from.
    pub n_distinct_non_dominated: usize,
}

/// Measures a sweep's controllability. The points may come in any order; counts pairs in O(n^2).
///
/// Preferences that are equal are not compared with each other. A sweep without points has no rho and counts 0.
pub fn controllability(sweep: &[SweepPoint]) -> Controllability {
    let preferences: Vec<f64> = sweep.iter().map(|at| at.preference).collect();
    let costs: Vec<f64> = sweep.iter().map(|at| at.point.cost_usd).collect();
    let points: Vec<Point> = sweep.iter().map(|at| at.point).collect();
    let is_inversion =
        |a: &SweepPoint, b: &SweepPoint| a.preference < b.preference && a.point.cost_usd < b.point.cost_usd;
    Controllability {
        rho: spearman(&preferences, &costs),
        n_inversions: sweep.iter().map(|a| sweep.iter().filter(|b| is_inversion(a, b)).count()).sum(),
        n_distinct_non_dominated: pareto_front(&points).len(),
    }
}

/// Spearman's rank correlation of paired values, tied values sharing their mean rank.
///
/// The Pearson correlation of the ranks, in [-1, 1]. `None` for fewer than two pairs or if one side is constant,
/// where there is no order to agree with. The slices are of one length; beyond the shorter one nothing is read.
pub fn spearman(xs: &[f64], ys: &[f64]) -> Option<f64> {
    debug_assert_eq!(xs.len(), ys.len(), "values come in pairs");
    let n_pairs = xs.len().min(ys.len());
    let (x_ranks, y_ranks) = (mean_ranks(&xs[..n_pairs]), mean_ranks(&ys[..n_pairs]));
    // The mean of the ranks 1..=n, which ties leave as it is.
    let mean_rank = (n_pairs as f64 + 1.0) / 2.0;
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (x_rank, y_rank) in x_ranks.iter().zip(&y_ranks) {
        let (x, y) = (x_rank - mean_rank, y_rank - mean_rank);
        xx += x * x;
        yy += y * y;
        xy += x * y;
    }
    // Ranks are multiples of one half, so the sums are exact and a constant side is exactly 0.
    (0.0 < xx && 0.0 < yy).then(|| (xy / (xx * yy).sqrt()).clamp(-1.0, 1.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::metrics::testing::assert_close;

    fn sweep(triples: &[(f64, f64, f64)]) -> Vec<SweepPoint> {
        triples
            .iter()
            .map(|&(preference, cost_usd, score)| SweepPoint { preference, point: Point { cost_usd, score } })
            .collect()
    }

    #[test]
    fn utility_is_placed_between_random_and_the_oracle() {
        assert_close(normalised_utility(0.7, 0.5, 0.9).unwrap(), 0.5);
        assert_close(normalised_utility(0.4, 0.5, 0.9).unwrap(), -0.25);
        assert_eq!(normalised_utility(0.5, 0.5, 0.5), None);
    }

    #[test]
    fn the_maximum_utility_loss_is_the_largest_regret() {
        let regrets = [utility_regret(0.7, 0.75), utility_regret(0.5, 0.75), utility_regret(0.6, 0.6)];
        assert_eq!(maximum_utility_loss(&regrets), Some(0.25));
        assert_eq!(maximum_utility_loss(&[]), None);
    }

    #[test]
    fn a_mean_over_preferences_needs_weight() {
        let values = [Weighted { value: 0.5, weight: 1.0 }, Weighted { value: 0.9, weight: 3.0 }];
        assert_close(weighted_mean(&values).unwrap(), 0.8);
        assert_eq!(weighted_mean(&[]), None);
        assert_eq!(weighted_mean(&[Weighted { value: 0.5, weight: 0.0 }]), None);
    }

    #[test]
    fn a_dial_that_works_has_rho_minus_one_and_no_inversions() {
        let sweep = sweep(&[(4.0, 0.1, 0.4), (0.0, 0.5, 0.8), (1.0, 0.3, 0.7)]);
        let expected = Controllability { rho: Some(-1.0), n_inversions: 0, n_distinct_non_dominated: 3 };
        assert_eq!(controllability(&sweep), expected);
    }

    #[test]
    fn a_dial_that_sometimes_goes_the_wrong_way_is_counted() {
        // The third point costs more than the second and is beaten by the first.
        let sweep = sweep(&[(0.0, 0.5, 0.8), (1.0, 0.2, 0.5), (2.0, 0.6, 0.6), (3.0, 0.1, 0.4)]);
        let measured = controllability(&sweep);
        // Ranks 1 2 3 4 against 3 2 4 1: 1 - 6 * (4 + 0 + 1 + 9) / 60.
        assert_close(measured.rho.unwrap(), -0.4);
        assert_eq!((measured.n_inversions, measured.n_distinct_non_dominated), (2, 3));
    }

    #[test]
    fn a_router_deaf_to_preference_has_one_point_and_no_rho() {
        let sweep = sweep(&[(0.0, 0.5, 0.8), (1.0, 0.5, 0.8), (2.0, 0.5, 0.8)]);
        let expected = Controllability { rho: None, n_inversions: 0, n_distinct_non_dominated: 1 };
        assert_eq!(controllability(&sweep), expected);
        let nothing = Controllability { rho: None, n_inversions: 0, n_distinct_non_dominated: 0 };
        assert_eq!(controllability(&[]), nothing);
    }

    #[test]
    fn equal_preferences_are_never_an_inversion() {
        assert_eq!(controllability(&sweep(&[(1.0, 0.1, 0.4), (1.0, 0.5, 0.8)])).n_inversions, 0);
    }

    #[test]
    fn ties_share_their_mean_rank_in_the_correlation_too() {
        // Ranks 1 2 3 against 1.5 1.5 3.
        assert_close(spearman(&[1.0, 2.0, 3.0], &[5.0, 5.0, 9.0]).unwrap(), 0.75_f64.sqrt());
        assert_eq!(spearman(&[1.0], &[2.0]), None);
        assert_eq!(spearman(&[], &[]), None);
    }

    proptest! {
        #[test]
        fn rho_depends_on_order_alone(pairs in prop::collection::vec((0..6_i8, 0..6_i8), 0..30)) {
            let (xs, ys): (Vec<f64>, Vec<f64>) = pairs.iter().map(|&(x, y)| (f64::from(x), f64::from(y))).unzip();
            let stretched: Vec<f64> = ys.iter().map(|y| y.exp()).collect();
            let mirrored: Vec<f64> = ys.iter().map(|y| -y).collect();
            prop_assert_eq!(spearman(&xs, &ys), spearman(&xs, &stretched));
            prop_assert_eq!(spearman(&xs, &ys), spearman(&xs, &mirrored).map(|rho| -rho));
            prop_assert_eq!(spearman(&xs, &ys), spearman(&ys, &xs));
        }
    }
}
