//! Metrics of other benchmarks, to stand beside their published tables.
//!
//! Relative gains, PerfGain, CostSave, ParetoDist, and ParetoRatio come from LLMRouterBench (arXiv 2601.07206);
//! V_R, V_B, and E_p from RouterEval (arXiv 2503.10657). Where a source leaves a detail open, the function says
//! which reading it takes. None of these is a headline metric here: AIQ and QNC say the same on one scale.

use super::curve::{Point, cost_at_step, pareto_front};
use crate::statistics::mean;

/// The relative gain of a score over a baseline's: score / baseline - 1.
///
/// Gain@R against random and Gain@B against the best single model in LLMRouterBench; an earlier version of its
/// tables compares with the best model of each benchmark instead (Max Expert). Scores may be in [0, 1] or in
/// percent. `None` if the baseline scores 0.
pub fn relative_gain(score: f64, baseline_score: f64) -> Option<f64> {
    relative_value(score, baseline_score).map(|value| value - 1.0)
}

/// The share of the oracle's score that is missing: 1 - score / oracle. Gap@O in LLMRouterBench.
///
/// `None` if the oracle scores 0.
pub fn gap_to_oracle(score: f64, oracle_score: f64) -> Option<f64> {
    relative_value(score, oracle_score).map(|value| 1.0 - value)
}

/// PerfGain: the relative gain of the router's best setting over the best single model, whatever it costs.
///
/// (max Q(w) - Q_best) / Q_best, negative if no setting is as good. LLMRouterBench reports it at the setting of
/// highest accuracy; how it averages over benchmarks could not be confirmed, so the caller chooses by what is in
/// the points. `None` without points or if the best single model scores 0.
pub fn performance_gain(points: &[Point], best_single: Point) -> Option<f64> {
    let best_score = points.iter().map(|point| point.score).max_by(f64::total_cmp)?;
    relative_gain(best_score, best_single.score)
}

/// CostSave: the largest relative saving among the settings that are as good as the best single model.
///
/// 1 - min { C(w) : Q(w) >= Q_best } / C_best, which is 1 - QNC in steps; negative if it only gets there at a higher cost.
/// `None` if no setting is as good (what LLMRouterBench prints then could not be confirmed), or if the best
/// single model costs nothing.
pub fn cost_save(points: &[Point], best_single: Point) -> Option<f64> {
    relative_value(cost_at_step(points, best_single.score)?, best_single.cost_usd).map(|share| 1.0 - share)
}

/// ParetoDist: the mean distance from a router's points to the nearest member of a Pareto front, 0 is best.
///
/// `all` are the points of all methods compared, the router's own among them or not: the front is that of both
/// together. Distances are Euclidean with cost and score each divided by its range over both together. The
/// source says "average distance to the Pareto frontier" and leaves the scaling open, so this is comparable
/// within one table only. An axis without a range counts 0. `None` without points of the router.
pub fn pareto_distance(router: &[Point], all: &[Point]) -> Option<f64> {
    let pooled = [router, all].concat();
    let front = pareto_front(&pooled);
    let cost_range = range(pooled.iter().map(|point| point.cost_usd));
    let score_range = range(pooled.iter().map(|point| point.score));
    let scaled = |difference: f64, range: f64| if 0.0 < range { difference / range } else { 0.0 };
    let distance = |a: Point, b: Point| {
        scaled(a.cost_usd - b.cost_usd, cost_range).hypot(scaled(a.score - b.score, score_range))
    };
    let nearest =
        |&point: &Point| front.iter().map(|&member| distance(point, member)).fold(f64::INFINITY, f64::min);
    (!router.is_empty()).then(|| mean(&router.iter().map(nearest).collect::<Vec<_>>()))
}

/// ParetoRatio: the share of a router's points that no point of any method beats, 1 is best.
///
/// `all` as for [`pareto_distance`]. The source says "how often a method dominates competing methods"; this
/// reading counts membership of the common front, with ties on it. `None` without points of the router.
pub fn pareto_ratio(router: &[Point], all: &[Point]) -> Option<f64> {
    let front = pareto_front(&[router, all].concat());
    let n_members = router.iter().filter(|point| front.contains(point)).count();
    (!router.is_empty()).then(|| n_members as f64 / router.len() as f64)
}

/// The ratio of a score to another's. V_R against a fixed reference model, V_B against the best single model.
///
/// RouterEval: V_R = Perf(router) / Perf(reference), V_B = Perf(router) / Perf(best single); above 1 the router
/// is better. `None` if the other scores 0.
pub fn relative_value(score: f64, other_score: f64) -> Option<f64> {
    (other_score != 0.0).then(|| score / other_score)
}

/// E_p: the entropy of a router's choices over the candidate pool, in bits.
///
/// E_p = -sum over models of p_k log2 p_k with p_k the share of prompts sent to model k (RouterEval, there the
/// classification bias): 0 if one model gets all prompts, log2 K if all K get as many. It says how varied the
/// choices are, not how good. The base of the logarithm in the source could not be confirmed; divide by log2 K
/// to compare pools of different size. No prompts give 0.
pub fn choice_entropy_bits(n_prompts_by_model: &[usize]) -> f64 {
    let n_prompts: f64 = n_prompts_by_model.iter().map(|&n| n as f64).sum();
    n_prompts_by_model
        .iter()
        .filter(|&&n| 0 < n)
        .map(|&n| {
            let share = n as f64 / n_prompts;
            share * (1.0 / share).log2()
        })
        .sum()
}

fn range(values: impl Iterator<Item = f64>) -> f64 {
    let (low, high) = values
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (value.min(low), value.max(high)));
    high - low
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::testing::{assert_close, curve};

    const BEST_SINGLE: Point = Point { cost_usd: 0.5, score: 0.80 };

    #[test]
    fn gains_and_gap_of_a_published_row() {
        let rounded = |value: Option<f64>| (value.unwrap() * 1000.0).round() / 1000.0;
        assert_eq!(rounded(relative_gain(71.94, 48.79)), 0.474);
        assert_eq!(rounded(relative_gain(71.94, 73.10)), -0.016);
        assert_eq!(rounded(gap_to_oracle(71.94, 91.64)), 0.215);
        assert_eq!(relative_gain(0.5, 0.0), None);
        assert_eq!(gap_to_oracle(0.0, 0.0), None);
    }

    #[test]
    fn performance_gain_ignores_cost() {
        let points = curve(&[(0.1, 0.7), (9.0, 0.84), (10.0, 0.6)]);
        assert_close(performance_gain(&points, BEST_SINGLE).unwrap(), 0.05);
        assert_eq!(performance_gain(&[], BEST_SINGLE), None);
    }

    #[test]
    fn cost_save_is_taken_at_the_cheapest_setting_that_is_as_good() {
        let points = curve(&[(0.05, 0.55), (0.12, 0.70), (0.30, 0.79), (0.45, 0.82)]);
        assert_close(cost_save(&points, BEST_SINGLE).unwrap(), 0.10);
        assert_close(cost_save(&curve(&[(0.75, 0.9)]), BEST_SINGLE).unwrap(), -0.5);
        assert_eq!(cost_save(&points[..3], BEST_SINGLE), None);
        assert_eq!(cost_save(&points, Point { cost_usd: 0.0, score: 0.1 }), None);
    }

    #[test]
    fn a_router_on_the_front_is_at_no_distance() {
        let router = curve(&[(0.0, 0.0), (1.0, 1.0)]);
        let rival = curve(&[(1.0, 0.5)]);
        assert_eq!(pareto_distance(&router, &rival), Some(0.0));
        assert_eq!(pareto_ratio(&router, &rival), Some(1.0));
        // The ranges are 1 and 1; the nearest member is (1, 1).
        assert_close(pareto_distance(&rival, &router).unwrap(), 0.5);
        assert_eq!(pareto_ratio(&rival, &router), Some(0.0));
        assert_eq!(pareto_ratio(&[router, rival].concat(), &[]), Some(2.0 / 3.0));
    }

    #[test]
    fn distances_without_a_range_or_without_points() {
        assert_eq!(pareto_distance(&[BEST_SINGLE], &[BEST_SINGLE]), Some(0.0));
        assert_eq!(pareto_ratio(&[BEST_SINGLE], &[BEST_SINGLE]), Some(1.0));
        assert_eq!(pareto_distance(&[], &[BEST_SINGLE]), None);
        assert_eq!(pareto_ratio(&[], &[]), None);
    }

    #[test]
    fn choices_have_the_entropy_of_their_shares() {
        assert_close(choice_entropy_bits(&[5, 5]), 1.0);
        assert_close(choice_entropy_bits(&[1, 1, 1]), 1.584_962_500_721_156);
        assert_close(choice_entropy_bits(&[2, 1, 1, 0]), 1.5);
        assert_eq!(choice_entropy_bits(&[7, 0, 0]), 0.0);
        assert_eq!(choice_entropy_bits(&[0, 0]), 0.0);
        assert_eq!(choice_entropy_bits(&[]), 0.0);
    }
}
