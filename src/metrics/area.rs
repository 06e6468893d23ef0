//! A whole sweep as one number: areas under deferral curves and hulls, and what equal quality costs against the best single
//! model or any rival.

use super::curve::{
    Point, cost_at, cost_at_step, height_between, hull, pareto_front, score_at, sorted_by_cost,
};

/// AIQ: the mean height of the hull over a cost range common to all routers compared.
///
/// AIQ = 1 / (c_high - c_floor) * integral from c_floor to c_high of the hull (RouterBench, arXiv 2403.12031),
/// in units of score.
///
/// `floor` is the cheapest single model. Everybody can call it without a router, so it joins the points before
/// the hull is built. This is what makes the range common: without it a router whose cheapest point lies right
/// of the range's start would have no height there, and dropping that part (as RouterBench's code does, see
/// [`aiq_routerbench`]) rewards a router for being unable to be cheap. `high_usd` is usually the cost of the
/// most expensive single model.
///
/// Points left of the floor count through the hull; right of the last point the hull is flat; a segment that
/// crosses `high_usd` counts up to it. Without points this is the floor's score, and for an empty range
/// (`high_usd` at or left of the floor) the height of the hull at the floor, the limit of a shrinking range.
pub fn aiq(points: &[Point], floor: Point, high_usd: f64) -> f64 {
    let mut with_floor = Vec::with_capacity(points.len() + 1);
    with_floor.extend_from_slice(points);
    with_floor.push(floor);
    let hull = hull(&with_floor);
    let width_usd = high_usd - floor.cost_usd;
    if width_usd <= 0.0 {
        // The floor is one of the points, so the hull has a height there.
        return score_at(&hull, floor.cost_usd).unwrap_or(floor.score);
    }
    area_under(&hull, floor.cost_usd, high_usd) / width_usd
}

/// AIQ as RouterBench's own code computes it, to stand beside published tables only.
///
/// The area under the hull from the router's own cheapest point to its most expensive, divided by the cost of the
/// most expensive point (not by the width of the range, unlike the formula of the paper). Numbers of two routers are
/// therefore not over one range; compare routers by [`aiq`]. The hull is taken flat up to the most expensive point
/// where that point is beaten. `None` without points, or if the most expensive costs nothing.
pub fn aiq_routerbench(points: &[Point]) -> Option<f64> {
    let hull = hull(points);
    let cheapest_usd = hull.first()?.cost_usd;
    let most_expensive_usd = points.iter().map(|point| point.cost_usd).max_by(f64::total_cmp)?;
    if most_expensive_usd <= 0.0 {
        return None;
    }
    Some(area_under(&hull, cheapest_usd, most_expensive_usd) / most_expensive_usd)
}

/// AUDC: the area under the deferral curve, score against cost as a share of the most expensive single model's.
///
/// AUDC = integral from 0 to 1 of Q(C / C_max) (as in UniRoute, arXiv 2502.08773), in units of score. The curve
/// joins the points themselves in order of cost, not their hull, so a sweep that loses score while it spends
/// more is charged for it. Flat right of the last point; left of the first point its score; of points at one
/// cost the best counts; beyond `most_expensive_usd` nothing counts. `None` without points or if `most_expensive_usd <= 0`.
pub fn audc(points: &[Point], most_expensive_usd: f64) -> Option<f64> {
    if points.is_empty() || most_expensive_usd <= 0.0 {
        return None;
    }
    let mut curve = sorted_by_cost(points);
    curve.dedup_by(|next, kept| next.cost_usd == kept.cost_usd);
    Some(area_under(&curve, 0.0, most_expensive_usd) / most_expensive_usd)
}

/// Hypervolume: the area that the points beat, up to a reference point that is expensive and bad.
///
/// The union of the rectangles between each point and `reference` (Zitzler and Thiele 1999, with cost minimised
/// and score maximised), in dollars times score. A step measure: nothing is interpolated. The reference is
/// usually (the most expensive single model's cost, random's score) and must be stated beside the number. Points that
/// do not beat the reference in both add nothing; no points give 0.
pub fn hypervolume(points: &[Point], reference: Point) -> f64 {
    let front = pareto_front(points);
    let mut area = 0.0;
    for (point, next_usd) in beating(&front, reference) {
        area += (next_usd - point.cost_usd) * (point.score - reference.score);
    }
    area
}

/// [`hypervolume`] with cost on a logarithmic scale, in powers of ten times score.
///
/// Prices of models span several powers of ten; on the plain scale the cheap end of a sweep is invisible.
/// `None` if the reference or a point that counts costs nothing, which lies infinitely far left.
pub fn hypervolume_log_cost(points: &[Point], reference: Point) -> Option<f64> {
    if reference.cost_usd <= 0.0 {
        return None;
    }
    let front = pareto_front(points);
    let mut area = 0.0;
    for (point, next_usd) in beating(&front, reference) {
        if point.cost_usd <= 0.0 {
            return None;
        }
        area += (next_usd.log10() - point.cost_usd.log10()) * (point.score - reference.score);
    }
    Some(area)
}

/// The members of a front that beat the reference, each with the cost up to which it is the best.
fn beating(front: &[Point], reference: Point) -> impl Iterator<Item = (Point, f64)> {
    front.iter().enumerate().filter_map(move |(index, &point)| {
        let next_usd =
            front.get(index + 1).map_or(reference.cost_usd, |next| next.cost_usd.min(reference.cost_usd));
        (point.cost_usd < next_usd && reference.score < point.score).then_some((point, next_usd))
    })
}

/// The area from `low_usd` to `high_usd` under the lines that join the points of a curve.
///
/// The curve has strictly increasing costs; it is extended flat to both sides.
fn area_under(curve: &[Point], low_usd: f64, high_usd: f64) -> f64 {
    let (Some(&first), Some(&last)) = (curve.first(), curve.last()) else { return 0.0 };
    let mut area = first.score * (high_usd.min(first.cost_usd) - low_usd).max(0.0);
    for pair in curve.windows(2) {
        let (left, right) = (pair[0], pair[1]);
        let from_usd = left.cost_usd.max(low_usd);
        let to_usd = right.cost_usd.min(high_usd);
        if from_usd < to_usd {
            let mean_score =
                0.5 * (height_between(left, right, from_usd) + height_between(left, right, to_usd));
            area += mean_score * (to_usd - from_usd);
        }
    }
    area + last.score * (high_usd - low_usd.max(last.cost_usd)).max(0.0)
}

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
/// cheaper, a negative value more expensive. `None` if either does not reach the score, or if the rival costs nothing.
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

    const CHEAPEST: Point = Point { cost_usd: 0.1, score: 0.4 };

    fn example() -> Vec<Point> {
        curve(&[(0.1, 0.4), (0.2, 0.7), (0.3, 0.65), (0.5, 0.8)])
    }

    #[test]
    fn aiq_of_the_example_is_its_hull_area_over_the_range() {
        assert_close(area_under(&hull(&example()), 0.1, 0.5), 0.28);
        assert_close(aiq(&example(), CHEAPEST, 0.5), 0.70);
        assert_close(aiq_routerbench(&example()).unwrap(), 0.56);
    }

    #[test]
    fn a_router_without_a_cheap_point_starts_at_the_floor() {
        let expensive_only = curve(&[(0.5, 0.8)]);
        assert_close(aiq(&expensive_only, CHEAPEST, 0.5), 0.6);
        assert_close(aiq_routerbench(&expensive_only).unwrap(), 0.0);
    }

    #[test]
    fn aiq_counts_points_outside_the_range_only_inside_it() {
        // Half of the segment from (0, 0.4) to (2, 0.8) lies left of 1.
        assert_close(aiq(&curve(&[(2.0, 0.8)]), Point { cost_usd: 0.0, score: 0.4 }, 1.0), 0.5);
        // Cheaper and better than the floor: flat over the whole range.
        assert_close(aiq(&curve(&[(0.05, 0.6)]), CHEAPEST, 0.5), 0.6);
        // Flat beyond the last point.
        assert_close(aiq(&curve(&[(0.1, 0.5)]), CHEAPEST, 100.0), 0.5);
    }

    #[test]
    fn aiq_exists_without_points_and_without_a_range() {
        assert_close(aiq(&[], CHEAPEST, 0.5), 0.4);
        assert_eq!(aiq(&example(), CHEAPEST, 0.1), 0.4);
        assert_eq!(aiq(&example(), CHEAPEST, 0.0), 0.4);
        assert_eq!(aiq(&curve(&[(0.05, 0.6)]), CHEAPEST, 0.1), 0.6);
    }

    #[test]
    fn aiq_of_routerbench_needs_a_price() {
        assert_eq!(aiq_routerbench(&[]), None);
        assert_eq!(aiq_routerbench(&curve(&[(0.0, 0.5)])), None);
    }

    #[test]
    fn audc_is_the_area_under_the_sweep_itself() {
        // Rectangle 0.04, then trapezoids 0.055, 0.0675, 0.145, over 0.5.
        assert_close(audc(&example(), 0.5).unwrap(), 0.615);
        // Twice the width, flat at 0.8 over the second half.
        assert_close(audc(&example(), 1.0).unwrap(), 0.7075);
        // Cut at 0.2.
        assert_close(audc(&example(), 0.2).unwrap(), 0.475);
        assert_close(audc(&curve(&[(0.5, 0.3), (0.5, 0.7)]), 1.0).unwrap(), 0.7);
        assert_eq!(audc(&[], 1.0), None);
        assert_eq!(audc(&example(), 0.0), None);
    }

    #[test]
    fn hypervolume_of_the_example_is_its_staircase() {
        let reference = Point { cost_usd: 1.0, score: 0.0 };
        assert_close(hypervolume(&example(), reference), 0.65);
        assert_eq!(hypervolume(&[], reference), 0.0);
    }

    #[test]
    fn hypervolume_ignores_what_does_not_beat_the_reference() {
        let reference = Point { cost_usd: 0.4, score: 0.5 };
        assert_close(hypervolume(&example(), reference), 0.2 * 0.2);
        assert_eq!(hypervolume(&example(), Point { cost_usd: 0.1, score: 0.0 }), 0.0);
        assert_eq!(hypervolume(&example(), Point { cost_usd: 1.0, score: 0.8 }), 0.0);
    }

    #[test]
    fn hypervolume_on_log_cost_counts_powers_of_ten() {
        let points = curve(&[(0.01, 0.5), (0.1, 0.8)]);
        let reference = Point { cost_usd: 1.0, score: 0.0 };
        assert_close(hypervolume_log_cost(&points, reference).unwrap(), 0.5 + 0.8);
        assert_eq!(hypervolume_log_cost(&[], reference), Some(0.0));
        assert_eq!(hypervolume_log_cost(&curve(&[(0.0, 0.5)]), reference), None);
        assert_eq!(hypervolume_log_cost(&points, Point { cost_usd: 0.0, score: 0.0 }), None);
    }

    const BEST_SINGLE: Point = Point { cost_usd: 0.5, score: 0.80 };

    fn reaching() -> Vec<Point> {
        curve(&[(0.05, 0.55), (0.12, 0.70), (0.30, 0.79), (0.45, 0.82)])
    }

    #[test]
    fn quality_neutral_cost_of_the_example_is_70_percent_mixed_and_90_in_steps() {
        assert_close(quality_neutral_cost(&reaching(), BEST_SINGLE).unwrap(), 0.70);
        assert_close(quality_neutral_cost_step(&reaching(), BEST_SINGLE).unwrap(), 0.90);
    }

    #[test]
    fn quality_that_is_not_reached_has_no_cost() {
        let too_good = Point { cost_usd: 0.5, score: 0.83 };
        assert_eq!(quality_neutral_cost(&reaching(), too_good), None);
        assert_eq!(quality_neutral_cost_step(&reaching(), too_good), None);
        assert_eq!(quality_neutral_cost(&[], BEST_SINGLE), None);
    }

    #[test]
    fn a_free_best_single_has_no_share() {
        let free = Point { cost_usd: 0.0, score: 0.5 };
        assert_eq!(quality_neutral_cost(&reaching(), free), None);
        assert_eq!(quality_neutral_cost_step(&reaching(), free), None);
    }

    #[test]
    fn a_router_that_only_calls_the_best_single_costs_all_of_it() {
        assert_eq!(quality_neutral_cost(&[BEST_SINGLE], BEST_SINGLE), Some(1.0));
        assert_eq!(quality_neutral_cost_step(&[BEST_SINGLE], BEST_SINGLE), Some(1.0));
    }

    #[test]
    fn saving_is_measured_at_one_score() {
        let router = hull(&reaching());
        let rival = hull(&curve(&[(0.10, 0.55), (0.50, 0.80)]));
        assert_close(cost_saving(&router, &rival, 0.80).unwrap(), 0.30);
        assert_close(cost_saving(&rival, &router, 0.80).unwrap(), 1.0 - 0.5 / 0.35);
        assert_close(cost_saving(&router, &rival, 0.55).unwrap(), 0.50);
        assert_eq!(cost_saving(&router, &rival, 0.81), None);
        assert_eq!(cost_saving(&router, &hull(&curve(&[(0.0, 0.9)])), 0.8), None);
    }

    proptest! {
        #[test]
        fn aiq_lies_between_the_least_and_the_greatest_score(
            points in any_points(0..40), floor in any_points(1..2), high_usd in -1.0..3.0,
        ) {
            let scores = || points.iter().chain(&floor).map(|point| point.score);
            let aiq = aiq(&points, floor[0], high_usd);
            prop_assert!(scores().fold(f64::INFINITY, f64::min) <= aiq + 1e-12);
            prop_assert!(aiq <= scores().fold(f64::NEG_INFINITY, f64::max) + 1e-12);
        }

        #[test]
        fn areas_do_not_depend_on_the_order_of_the_points(
            (points, shuffled) in any_points(0..40).prop_flat_map(|points| (Just(points.clone()), Just(points).prop_shuffle())),
        ) {
            let reference = Point { cost_usd: 1.5, score: 0.1 };
            prop_assert_eq!(aiq(&points, CHEAPEST, 1.5), aiq(&shuffled, CHEAPEST, 1.5));
            prop_assert_eq!(aiq_routerbench(&points), aiq_routerbench(&shuffled));
            prop_assert_eq!(audc(&points, 1.5), audc(&shuffled, 1.5));
            prop_assert_eq!(hypervolume(&points, reference), hypervolume(&shuffled, reference));
        }

        #[test]
        fn aiq_does_not_depend_on_the_unit_of_cost(points in any_points(0..40), unit in 1e-6..1e6) {
            let scaled: Vec<Point> =
                points.iter().map(|point| Point { cost_usd: point.cost_usd * unit, ..*point }).collect();
            let scaled_floor = Point { cost_usd: CHEAPEST.cost_usd * unit, ..CHEAPEST };
            let difference = aiq(&scaled, scaled_floor, 1.5 * unit) - aiq(&points, CHEAPEST, 1.5);
            prop_assert!(difference.abs() <= 1e-9);
        }

        #[test]
        fn another_point_never_shrinks_a_hull_or_a_hypervolume(
            points in any_points(0..40), added in any_points(1..2),
        ) {
            let reference = Point { cost_usd: 1.5, score: 0.1 };
            let more = [points.clone(), added].concat();
            prop_assert!(hypervolume(&points, reference) <= hypervolume(&more, reference) + 1e-12);
            prop_assert!(aiq(&points, CHEAPEST, 1.5) <= aiq(&more, CHEAPEST, 1.5) + 1e-12);
        }

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
