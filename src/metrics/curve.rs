//! Cost and score as points in the plane: the Pareto front, its hull, and what can be read off them.
//!
//! A router swept over its preferences gives one operating point per preference. Everything the other
//! files say about such a sweep starts from the two curves built here.

use std::cmp::Ordering;

/// An operating point: what a policy costs and how well it answers, both as means over the same prompts.
///
/// No function of this module accepts NaN: it is a broken invariant of the caller, asserted in debug builds;
/// in release builds the result is then unspecified, but nothing panics. Every finite value is accepted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Mean cost in dollars per prompt, or in any other unit that the caller uses throughout.
    pub cost_usd: f64,
    /// Mean score, usually in [0, 1].
    pub score: f64,
}

impl Point {
    /// The utility at a preference w: score - w * cost / unit, with the cost unit in the unit of the cost.
    pub fn utility(self, preference: f64, cost_unit_usd: f64) -> f64 {
        self.score - preference * self.cost_usd / cost_unit_usd
    }
}

/// The points that no other point beats: sorted by cost, with strictly increasing cost and score.
///
/// A point is kept if and only if no other costs at most as much and scores at least as well with one of the
/// two strict; of equal points one is kept. Takes O(n log n). No points give an empty front.
pub fn pareto_front(points: &[Point]) -> Vec<Point> {
    let mut front = sorted_by_cost(points);
    let mut best_score = f64::NEG_INFINITY;
    // The best of each cost comes first, so a point survives exactly if it improves on all cheaper ones.
    front.retain(|point| {
        let improves = best_score < point.score;
        if improves {
            best_score = point.score;
        }
        improves
    });
    front
}

/// The non-decreasing concave envelope of the points, as its corners from the cheapest to the best.
///
/// Every height of it can be had: tossing a coin between the routers at the two ends of a segment reaches any
/// point between them (RouterBench, arXiv 2403.12031). The corners are a subset of
/// [`pareto_front`], with strictly increasing cost and score and strictly decreasing slope; points on a
/// segment are not corners. Takes O(n log n). No points give an empty hull, one point gives itself.
pub fn hull(points: &[Point]) -> Vec<Point> {
    let mut corners = pareto_front(points);
    // A stack at the front of the same vector: corners[..n_kept].
    let mut n_kept = 0;
    for next in 0..corners.len() {
        let point = corners[next];
        while 2 <= n_kept
            && slope(corners[n_kept - 2], corners[n_kept - 1]) <= slope(corners[n_kept - 1], point)
        {
            n_kept -= 1;
        }
        corners[n_kept] = point;
        n_kept += 1;
    }
    corners.truncate(n_kept);
    corners
}

/// The height of a curve at a cost, interpolated between its points.
///
/// `curve` has strictly increasing costs, as [`hull`] and [`pareto_front`] return them. Right of the last
/// point the curve is flat, since nobody has to spend more; left of the first it is `None`, since no policy
/// of the curve is that cheap. An empty curve is `None` everywhere.
pub fn score_at(curve: &[Point], cost_usd: f64) -> Option<f64> {
    debug_assert!(!cost_usd.is_nan(), "a cost is a number");
    let n_at_most = curve.partition_point(|point| point.cost_usd <= cost_usd);
    let left = *curve.get(n_at_most.checked_sub(1)?)?;
    let Some(&right) = curve.get(n_at_most) else { return Some(left.score) };
    Some(height_between(left, right, cost_usd))
}

/// The least cost at which a curve reaches a score, interpolated between its points.
///
/// `curve` has strictly increasing costs and scores, as [`hull`] and [`pareto_front`] return them. A score
/// at or below that of the first point costs as much as the first point; `None` if the curve stays below.
pub fn cost_at(curve: &[Point], score: f64) -> Option<f64> {
    debug_assert!(!score.is_nan(), "a score is a number");
    let n_below = curve.partition_point(|point| point.score < score);
    let right = *curve.get(n_below)?;
    let Some(&left) = n_below.checked_sub(1).and_then(|index| curve.get(index)) else {
        return Some(right.cost_usd);
    };
    let share = (score - left.score) / (right.score - left.score);
    let cost_usd = left.cost_usd + share * (right.cost_usd - left.cost_usd);
    Some(clamp_between(cost_usd, left.cost_usd, right.cost_usd))
}

/// The least cost among the points that reach a score themselves: [`cost_at`] without mixing.
///
/// The points may come in any order. `None` if none of them reaches the score.
pub fn cost_at_step(points: &[Point], score: f64) -> Option<f64> {
    debug_assert!(!score.is_nan(), "a score is a number");
    points.iter().filter(|point| score <= point.score).map(|point| point.cost_usd).min_by(f64::total_cmp)
}

/// The points by increasing cost and, at one cost, by decreasing score.
pub(super) fn sorted_by_cost(points: &[Point]) -> Vec<Point> {
    debug_assert!(
        points.iter().all(|point| !point.cost_usd.is_nan() && !point.score.is_nan()),
        "an operating point is two numbers"
    );
    // Adding zero turns -0.0 into 0.0, which `total_cmp` would otherwise tell apart.
    let mut sorted: Vec<Point> = points
        .iter()
        .map(|point| Point { cost_usd: point.cost_usd + 0.0, score: point.score + 0.0 })
        .collect();
    sorted.sort_unstable_by(by_cost_then_best);
    sorted
}

/// The height at a cost of the segment between two points of increasing cost.
pub(super) fn height_between(left: Point, right: Point, cost_usd: f64) -> f64 {
    let share = (cost_usd - left.cost_usd) / (right.cost_usd - left.cost_usd);
    let score = left.score + share * (right.score - left.score);
    clamp_between(score, left.score, right.score)
}

fn by_cost_then_best(a: &Point, b: &Point) -> Ordering {
    a.cost_usd.total_cmp(&b.cost_usd).then(b.score.total_cmp(&a.score))
}

fn slope(left: Point, right: Point) -> f64 {
    (right.score - left.score) / (right.cost_usd - left.cost_usd)
}

/// Rounding may carry an interpolated value past the end of its segment, where it would break monotonicity.
fn clamp_between(value: f64, one_end: f64, other_end: f64) -> f64 {
    // Unlike `f64::clamp` this cannot panic, and a difference that overflowed ends up inside as well.
    value.min(one_end.max(other_end)).max(one_end.min(other_end))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::metrics::testing::{any_points, assert_close, curve};

    fn example() -> Vec<Point> {
        curve(&[(0.1, 0.4), (0.2, 0.7), (0.3, 0.65), (0.5, 0.8)])
    }

    #[test]
    fn the_front_drops_what_is_more_expensive_and_worse() {
        assert_eq!(pareto_front(&example()), curve(&[(0.1, 0.4), (0.2, 0.7), (0.5, 0.8)]));
    }

    #[test]
    fn the_front_keeps_one_of_equal_points_and_the_best_of_one_cost() {
        let points = curve(&[(0.2, 0.5), (0.2, 0.5), (0.2, 0.3), (0.3, 0.5), (-0.0, 0.1), (0.0, 0.2)]);
        assert_eq!(pareto_front(&points), curve(&[(0.0, 0.2), (0.2, 0.5)]));
    }

    #[test]
    fn the_hull_has_only_corners() {
        assert_eq!(hull(&example()), curve(&[(0.1, 0.4), (0.2, 0.7), (0.5, 0.8)]));
        let dent = curve(&[(0.0, 0.0), (1.0, 0.1), (2.0, 1.0)]);
        assert_eq!(hull(&dent), curve(&[(0.0, 0.0), (2.0, 1.0)]));
        let straight = curve(&[(0.0, 0.0), (1.0, 0.5), (2.0, 1.0)]);
        assert_eq!(hull(&straight), curve(&[(0.0, 0.0), (2.0, 1.0)]));
    }

    #[test]
    fn no_points_and_one_point_are_curves_too() {
        assert_eq!(hull(&[]), []);
        assert_eq!(score_at(&[], 1.0), None);
        assert_eq!(cost_at(&[], 0.5), None);
        assert_eq!(cost_at_step(&[], 0.5), None);
        let one = curve(&[(0.2, 0.5)]);
        assert_eq!(hull(&one), one);
        assert_eq!(score_at(&one, 0.1), None);
        assert_eq!(score_at(&one, 9.0), Some(0.5));
        assert_eq!(cost_at(&one, 0.4), Some(0.2));
        assert_eq!(cost_at(&one, 0.6), None);
    }

    #[test]
    fn a_curve_is_read_between_its_points() {
        let hull = hull(&example());
        assert_eq!(score_at(&hull, 0.05), None);
        assert_eq!(score_at(&hull, 0.1), Some(0.4));
        assert_close(score_at(&hull, 0.35).unwrap(), 0.75);
        assert_eq!(score_at(&hull, 0.5), Some(0.8));
        assert_eq!(score_at(&hull, 2.0), Some(0.8));
        assert_eq!(cost_at(&hull, 0.1), Some(0.1));
        assert_close(cost_at(&hull, 0.75).unwrap(), 0.35);
        assert_eq!(cost_at(&hull, 0.8), Some(0.5));
        assert_eq!(cost_at(&hull, 0.81), None);
    }

    #[test]
    fn a_step_reaches_a_score_only_at_a_point() {
        assert_eq!(cost_at_step(&example(), 0.65), Some(0.2));
        assert_eq!(cost_at_step(&example(), 0.75), Some(0.5));
        assert_eq!(cost_at_step(&example(), 0.81), None);
    }

    #[test]
    fn extreme_numbers_do_not_panic() {
        let points =
            curve(&[(f64::MIN, f64::MIN), (0.0, 0.0), (f64::MIN_POSITIVE, 1e-300), (f64::MAX, f64::MAX)]);
        let hull = hull(&points);
        for cost in [f64::MIN, 0.0, 1.0, f64::MAX] {
            assert!(!score_at(&hull, cost).unwrap().is_nan());
            assert!(!cost_at(&hull, cost).unwrap().is_nan());
        }
    }

    fn beats(a: &Point, b: &Point) -> bool {
        a.cost_usd <= b.cost_usd && b.score <= a.score && (a.cost_usd < b.cost_usd || b.score < a.score)
    }

    proptest! {
        #[test]
        fn the_front_is_exactly_the_points_that_none_beats(points in any_points(0..40)) {
            let front = pareto_front(&points);
            for point in &points {
                let beaten = points.iter().any(|other| beats(other, point));
                prop_assert_eq!(front.contains(point), !beaten);
            }
            for (index, point) in front.iter().enumerate() {
                prop_assert!(points.contains(point));
                prop_assert!(!front[..index].contains(point));
            }
        }

        #[test]
        fn the_hull_lies_on_or_above_the_front(points in any_points(1..40)) {
            let hull = hull(&points);
            for point in pareto_front(&points) {
                prop_assert!(point.score <= score_at(&hull, point.cost_usd).unwrap() + 1e-12);
            }
        }

        #[test]
        fn the_hull_is_concave_and_increasing(points in any_points(0..40)) {
            let hull = hull(&points);
            for pair in hull.windows(2) {
                prop_assert!(pair[0].cost_usd < pair[1].cost_usd && pair[0].score < pair[1].score);
            }
            for triple in hull.windows(3) {
                prop_assert!(slope(triple[1], triple[2]) < slope(triple[0], triple[1]));
            }
        }

        #[test]
        fn the_hull_of_a_hull_is_itself(points in any_points(0..40)) {
            let once = hull(&points);
            prop_assert_eq!(hull(&once), once);
        }

        #[test]
        fn the_order_of_the_points_does_not_matter(
            (points, shuffled) in any_points(0..40).prop_flat_map(|points| (Just(points.clone()), Just(points).prop_shuffle())),
            score in 0.0..1.0,
        ) {
            prop_assert_eq!(pareto_front(&points), pareto_front(&shuffled));
            prop_assert_eq!(hull(&points), hull(&shuffled));
            prop_assert_eq!(cost_at_step(&points, score), cost_at_step(&shuffled, score));
        }

        #[test]
        fn cost_and_score_are_inverse_along_the_hull(points in any_points(1..40), share in 0.0..=1.0) {
            let hull = hull(&points);
            let (first, last) = (hull[0], hull[hull.len() - 1]);
            let score = first.score + share * (last.score - first.score);
            if let Some(cost) = cost_at(&hull, score) {
                let back = score_at(&hull, cost).unwrap();
                // One rounding of the cost is worth one slope of score.
                let steepest = hull.windows(2).map(|pair| slope(pair[0], pair[1])).fold(1.0, f64::max);
                prop_assert!((back - score).abs() <= 1e-14 * steepest + 1e-12);
            }
        }
    }
}
