//! What equal quality costs: against the best single model, and against any rival.

use super::curve::{Point, cost_at, cost_at_step, hull};

/// QNC: the share of the best single model's cost at which the router answers as well, without mixing.
///
/// QNC = min { C(w) : Q(w) >= Q of best single } / C of best single (as in UniRoute, arXiv 2502.08773): 0.4
/// means the same score for 40 % of the money. The best single model is chosen on the training prompts and
/// measured on the test prompts. `None` means that no point reaches its score, a result of its own that is
/// never to be replaced by 1; it is also `None` if the best single model costs nothing, where there is no
/// share to take.
pub fn quality_neutral_cost_step(points: &[Point], best_single: Point) -> Option<f64> {
    share_of(cost_at_step(points, best_single.score)?, best_single.cost_usd)
}

/// QNC with mixing: [`quality_neutral_cost_step`] on the hull of the points instead of the points themselves.
///
/// Never above the step version, and it does not jump when the sweep has one preference more or less.
pub fn quality_neutral_cost(points: &[Point], best_single: Point) -> Option<f64> {
    share_of(cost_at(&hull(points), best_single.score)?, best_single.cost_usd)
}

/// The share of a rival's cost that a router saves at a given score: 1 - C_router(Q) / C_rival(Q).
///
/// Both arguments are hulls (see [`hull`]), so that many levels of quality cost one sort. 0.25 is a quarter
/// cheaper, a negative value dearer. `None` if either does not reach the score, or if the rival costs nothing.
pub fn cost_saving(router_hull: &[Point], rival_hull: &[Point], score: f64) -> Option<f64> {
    Some(1.0 - share_of(cost_at(router_hull, score)?, cost_at(rival_hull, score)?)?)
}

fn share_of(cost_usd: f64, whole_usd: f64) -> Option<f64> {
    (0.0 < whole_usd).then(|| cost_usd / whole_usd)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::metrics::testing::{any_points, assert_close, curve};

    const BEST_SINGLE: Point = Point { cost_usd: 0.5, score: 0.80 };

    fn example() -> Vec<Point> {
        curve(&[(0.05, 0.55), (0.12, 0.70), (0.30, 0.79), (0.45, 0.82)])
    }

    #[test]
    fn quality_neutral_cost_of_the_example_is_70_percent_mixed_and_90_in_steps() {
        assert_close(quality_neutral_cost(&example(), BEST_SINGLE).unwrap(), 0.70);
        assert_close(quality_neutral_cost_step(&example(), BEST_SINGLE).unwrap(), 0.90);
    }

    #[test]
    fn quality_that_is_not_reached_has_no_cost() {
        let too_good = Point { cost_usd: 0.5, score: 0.83 };
        assert_eq!(quality_neutral_cost(&example(), too_good), None);
        assert_eq!(quality_neutral_cost_step(&example(), too_good), None);
        assert_eq!(quality_neutral_cost(&[], BEST_SINGLE), None);
    }

    #[test]
    fn a_free_best_single_has_no_share() {
        let free = Point { cost_usd: 0.0, score: 0.5 };
        assert_eq!(quality_neutral_cost(&example(), free), None);
        assert_eq!(quality_neutral_cost_step(&example(), free), None);
    }

    #[test]
    fn a_router_that_only_calls_the_best_single_costs_all_of_it() {
        assert_eq!(quality_neutral_cost(&[BEST_SINGLE], BEST_SINGLE), Some(1.0));
        assert_eq!(quality_neutral_cost_step(&[BEST_SINGLE], BEST_SINGLE), Some(1.0));
    }

    #[test]
    fn saving_is_measured_at_one_score() {
        let router = hull(&example());
        let rival = hull(&curve(&[(0.10, 0.55), (0.50, 0.80)]));
        assert_close(cost_saving(&router, &rival, 0.80).unwrap(), 0.30);
        assert_close(cost_saving(&rival, &router, 0.80).unwrap(), 1.0 - 0.5 / 0.35);
        assert_close(cost_saving(&router, &rival, 0.55).unwrap(), 0.50);
        assert_eq!(cost_saving(&router, &rival, 0.81), None);
        assert_eq!(cost_saving(&router, &hull(&curve(&[(0.0, 0.9)])), 0.8), None);
    }

    proptest! {
        #[test]
        fn mixing_never_costs_more_than_a_step(points in any_points(0..40), score in 0.0..1.0) {
            let best_single = Point { cost_usd: 1.0, score };
            let mixed = quality_neutral_cost(&points, best_single);
            let step = quality_neutral_cost_step(&points, best_single);
            prop_assert_eq!(mixed.is_some(), step.is_some());
            if let (Some(mixed), Some(step)) = (mixed, step) {
                prop_assert!(mixed <= step + 1e-12);
            }
        }
    }
}
