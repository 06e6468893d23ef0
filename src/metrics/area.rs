//! A whole sweep as one number: areas under deferral curves and hulls.

use super::curve::{Point, height_between, hull, pareto_front, score_at, sorted_by_cost};

/// AIQ: the mean height of the hull over a cost range common to all routers compared.
///
/// AIQ = 1 / (c_high - c_floor) * integral from c_floor to c_high of the hull (RouterBench, arXiv 2403.12031),
/// in units of score.
///
/// `floor` is the cheapest single model. Everybody can call it without a router, so it joins the points before
/// the hull is built. This is what makes the range common: without it a router whose cheapest point lies right
/// of the range's start would have no height there, and dropping that part (as RouterBench's code does, see
/// [`aiq_routerbench`]) rewards a router for being unable to be cheap. `high_usd` is usually the cost of the
/// dearest single model.
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
/// The area under the hull from the router's own cheapest point to its dearest, divided by the cost of the
/// dearest point (not by the width of the range, unlike the formula of the paper). Numbers of two routers are
/// therefore not over one range; compare routers by [`aiq`]. The hull is taken flat up to the dearest point
/// where that point is beaten. `None` without points, or if the dearest costs nothing.
pub fn aiq_routerbench(points: &[Point]) -> Option<f64> {
    let hull = hull(points);
    let cheapest_usd = hull.first()?.cost_usd;
    let dearest_usd = points.iter().map(|point| point.cost_usd).max_by(f64::total_cmp)?;
    if dearest_usd <= 0.0 {
        return None;
    }
    Some(area_under(&hull, cheapest_usd, dearest_usd) / dearest_usd)
}

/// AUDC: the area under the deferral curve, score against cost as a share of the dearest single model's.
///
/// AUDC = integral from 0 to 1 of Q(C / C_max) (as in UniRoute, arXiv 2502.08773), in units of score. The curve
/// joins the points themselves in order of cost, not their hull, so a sweep that loses score while it spends
/// more is charged for it. Flat right of the last point; left of the first point its score; of points at one
/// cost the best counts; beyond `dearest_usd` nothing counts. `None` without points or if `dearest_usd <= 0`.
pub fn audc(points: &[Point], dearest_usd: f64) -> Option<f64> {
    if points.is_empty() || dearest_usd <= 0.0 {
        return None;
    }
    let mut curve = sorted_by_cost(points);
    curve.dedup_by(|next, kept| next.cost_usd == kept.cost_usd);
    Some(area_under(&curve, 0.0, dearest_usd) / dearest_usd)
}

/// Hypervolume: the area that the points beat, up to a reference point that is dear and bad.
///
/// The union of the rectangles between each point and `reference` (Zitzler and Thiele 1999, with cost minimised
/// and score maximised), in dollars times score. A step measure: nothing is interpolated. The reference is
/// usually (the dearest single model's cost, random's score) and must be stated beside the number. Points that
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
        let dear_only = curve(&[(0.5, 0.8)]);
        assert_close(aiq(&dear_only, CHEAPEST, 0.5), 0.6);
        assert_close(aiq_routerbench(&dear_only).unwrap(), 0.0);
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
    }
}
