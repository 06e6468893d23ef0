//! Routing between one weak and one strong model: how much of the gap is recovered for how many strong calls.
//!
//! For suites of two models only. Source of all three metrics: RouteLLM, arXiv 2406.18665.

/// One setting of a two-model router. Neither value is NaN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairPoint {
    /// The share of prompts sent to the strong model, in [0, 1].
    pub strong_share: f64,
    /// The router's mean score over all prompts.
    pub score: f64,
}

/// The mean scores of the two models themselves, on the same prompts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// Mean score of the weak model.
    pub weak_score: f64,
    /// Mean score of the strong model.
    pub strong_score: f64,
}

/// PGR: the share of the gap between weak and strong that a score recovers, (r - r_w) / (r_s - r_w).
///
/// 0 is as good as the weak model, 1 as good as the strong one; outside [0, 1] if the router is worse than the
/// one or better than the other. `None` if the two models score the same, where there is no gap to recover.
/// If the "weak" model is the better one the formula holds, but recovering the gap is then a loss.
pub fn performance_gap_recovered(score: f64, pair: Pair) -> Option<f64> {
    let gap = pair.strong_score - pair.weak_score;
    (gap != 0.0).then(|| (score - pair.weak_score) / gap)
}

/// APGR: the mean PGR over the share of strong calls from 0 to 1, by trapezoids between the points.
///
/// Random routing has 0.5. The points may come in any order; of points at one share the best counts, and
/// points whose share is outside [0, 1] are ignored. Where the ends are missing they are added as the models
/// themselves: no strong call is the weak model, nothing else than strong calls is the strong one. Hence it
/// exists without points as well (0.5). `None` if the two models score the same.
pub fn average_performance_gap_recovered(points: &[PairPoint], pair: Pair) -> Option<f64> {
    let curve = completed(points, pair);
    let trapezoid = |ends: &[PairPoint]| {
        0.5 * (ends[0].score + ends[1].score) * (ends[1].strong_share - ends[0].strong_share)
    };
    performance_gap_recovered(curve.windows(2).map(trapezoid).sum(), pair)
}

/// CPT(x): the least share of strong calls at which PGR reaches `target` (0.8 for CPT(80 %)).
///
/// The curve that joins the points is searched from left to right for its first crossing. It is never read
/// with score as the abscissa: score need not rise with the share, and interpolating over values that are out
/// of order gives an arbitrary share (a fault of the reference code). The curve is completed as for
/// [`average_performance_gap_recovered`]; targets up to 1 are therefore always reached. `None` if the target
/// is not reached or if the two models score the same.
pub fn call_performance_threshold(points: &[PairPoint], pair: Pair, target: f64) -> Option<f64> {
    let curve = completed(points, pair);
    let mut previous: Option<(f64, f64)> = None;
    for point in curve {
        let recovered = performance_gap_recovered(point.score, pair)?;
        if target <= recovered {
            let Some((share_before, recovered_before)) = previous else { return Some(point.strong_share) };
            let along = (target - recovered_before) / (recovered - recovered_before);
            let share = share_before + along * (point.strong_share - share_before);
            // Rounding must not carry the crossing past the point that lies behind it.
            return Some(share.min(point.strong_share));
        }
        previous = Some((point.strong_share, recovered));
    }
    None
}

/// The points by increasing share, one per share, with both ends.
fn completed(points: &[PairPoint], pair: Pair) -> Vec<PairPoint> {
    debug_assert!(
        points.iter().all(|point| !point.strong_share.is_nan() && !point.score.is_nan()),
        "a point of a pair is two numbers"
    );
    let mut curve = Vec::with_capacity(points.len() + 2);
    // Adding zero turns -0.0 into 0.0, which `total_cmp` would otherwise tell apart.
    curve.extend(
        points
            .iter()
            .filter(|point| (0.0..=1.0).contains(&point.strong_share))
            .map(|point| PairPoint { strong_share: point.strong_share + 0.0, ..*point }),
    );
    for (strong_share, score) in [(0.0, pair.weak_score), (1.0, pair.strong_score)] {
        if !curve.iter().any(|point| point.strong_share == strong_share) {
            curve.push(PairPoint { strong_share, score });
        }
    }
    curve
        .sort_unstable_by(|a, b| a.strong_share.total_cmp(&b.strong_share).then(b.score.total_cmp(&a.score)));
    curve.dedup_by(|next, kept| next.strong_share == kept.strong_share);
    curve
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::metrics::testing::assert_close;

    const PAIR: Pair = Pair { weak_score: 0.70, strong_score: 0.86 };

    fn curve(pairs: &[(f64, f64)]) -> Vec<PairPoint> {
        pairs.iter().map(|&(strong_share, score)| PairPoint { strong_share, score }).collect()
    }

    fn example() -> Vec<PairPoint> {
        curve(&[(0.0, 0.70), (0.2, 0.76), (0.4, 0.80), (0.6, 0.83), (0.8, 0.85), (1.0, 0.86)])
    }

    #[test]
    fn the_gap_is_recovered_in_proportion() {
        assert_close(performance_gap_recovered(0.70, PAIR).unwrap(), 0.0);
        assert_close(performance_gap_recovered(0.78, PAIR).unwrap(), 0.5);
        assert_close(performance_gap_recovered(0.94, PAIR).unwrap(), 1.5);
        assert_eq!(performance_gap_recovered(0.7, Pair { weak_score: 0.7, strong_score: 0.7 }), None);
    }

    #[test]
    fn apgr_of_the_example_is_065() {
        // Area 0.804 under the scores.
        assert_close(average_performance_gap_recovered(&example(), PAIR).unwrap(), 0.65);
    }

    #[test]
    fn cpt_of_the_example_lies_between_its_points() {
        assert_close(call_performance_threshold(&example(), PAIR, 0.2).unwrap(), 0.032 / 0.06 * 0.2);
        assert_close(call_performance_threshold(&example(), PAIR, 0.5).unwrap(), 0.30);
        assert_close(call_performance_threshold(&example(), PAIR, 0.8).unwrap(), 0.4 + 0.028 / 0.03 * 0.2);
        let in_percent = |target| 100.0 * call_performance_threshold(&example(), PAIR, target).unwrap();
        assert!((in_percent(0.2) - 10.667).abs() < 5e-4);
        assert!((in_percent(0.8) - 58.667).abs() < 5e-4);
    }

    #[test]
    fn missing_ends_are_the_models_themselves() {
        let inner = &example()[1..5];
        assert_close(average_performance_gap_recovered(inner, PAIR).unwrap(), 0.65);
        assert_close(average_performance_gap_recovered(&[], PAIR).unwrap(), 0.5);
        assert_close(call_performance_threshold(&[], PAIR, 0.8).unwrap(), 0.8);
    }

    #[test]
    fn cpt_is_the_first_crossing_of_a_curve_that_falls_again() {
        let wavy = curve(&[(0.0, 0.0), (0.2, 0.6), (0.4, 0.2), (0.6, 0.9), (1.0, 1.0)]);
        let pair = Pair { weak_score: 0.0, strong_score: 1.0 };
        assert_close(call_performance_threshold(&wavy, pair, 0.5).unwrap(), 0.5 / 0.6 * 0.2);
        assert_close(call_performance_threshold(&wavy, pair, 0.9).unwrap(), 0.6);
    }

    #[test]
    fn cpt_may_need_no_strong_call_or_not_be_reached() {
        assert_eq!(call_performance_threshold(&example(), PAIR, 0.0), Some(0.0));
        assert_eq!(call_performance_threshold(&example(), PAIR, -1.0), Some(0.0));
        assert_eq!(call_performance_threshold(&example(), PAIR, 1.01), None);
        assert_eq!(call_performance_threshold(&[], Pair { weak_score: 0.5, strong_score: 0.5 }, 0.5), None);
    }

    #[test]
    fn what_is_not_a_share_is_ignored_and_the_best_of_one_share_counts() {
        let messy = [example(), curve(&[(-0.5, 9.0), (1.5, 9.0), (0.4, 0.1), (-0.0, 0.70)])].concat();
        assert_close(average_performance_gap_recovered(&messy, PAIR).unwrap(), 0.65);
    }

    proptest! {
        #[test]
        fn the_order_of_the_points_does_not_matter(shuffled in Just(example()).prop_shuffle(), target in -0.5..1.5) {
            prop_assert_eq!(
                average_performance_gap_recovered(&shuffled, PAIR),
                average_performance_gap_recovered(&example(), PAIR)
            );
            prop_assert_eq!(
                call_performance_threshold(&shuffled, PAIR, target),
                call_performance_threshold(&example(), PAIR, target)
            );
        }

        #[test]
        fn cpt_is_a_share_and_rises_with_the_target(
            scores in prop::collection::vec((0.0..=1.0, 0.0..1.0), 0..20), low in 0.0..1.0, more in 0.0..0.5,
        ) {
            let points = curve(&scores);
            let share = |target| call_performance_threshold(&points, PAIR, target);
            if let (Some(at_low), Some(at_high)) = (share(low), share(low + more)) {
                prop_assert!((0.0..=1.0).contains(&at_low) && at_low <= at_high + 1e-12);
            }
        }
    }
}
