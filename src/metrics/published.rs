//! Metrics of other benchmarks, to stand beside their published tables.
//!
//! PGR, APGR, and CPT come from RouteLLM (arXiv 2406.18665), for suites of two models only: how much of the gap between a weak and a
//! strong one is recovered for how many strong calls. Relative gains, PerfGain, CostSave, ParetoDist, and ParetoRatio come from
//! LLMRouterBench (arXiv 2601.07206); V_R, V_B, and E_p from RouterEval (arXiv 2503.10657); the Arena score, Opt.Sel, Opt.Cost, and Opt.Acc
//! from RouterArena (arXiv 2510.00202). Where a source leaves a detail open, the
//! function says which reading it takes. None but APGR and CPT is a headline metric here: AIQ and QNC say the same on one scale.

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

/// The Arena score of one setting: a harmonic mean of score and cheapness, in which cheapness counts a tenth of the score.
///
/// (1 + b) A C / (b A + C), with A the mean score, b = 0.1, and C = (log2 200 - log2 c) / (log2 200 - log2 0.0044) for a mean cost of c US dollars
/// per 1,000 prompts (RouterArena, arXiv 2510.00202, and its `compute_scores.py`). Their code leaves C unbounded: above 200 dollars the score is
/// negative, and at zero dollars it fails. Here C is 0 from 200 dollars on, and free models have no Arena score: `None`. Their mean leaves out prompts
/// without a grade; here every test prompt has one.
pub fn arena_score(point: Point) -> Option<f64> {
    const BETA: f64 = 0.1;
    const MOST_USD: f64 = 200.0;
    const LEAST_USD: f64 = 0.0044;
    if point.cost_usd <= 0.0 {
        return None;
    }
    let cheapness = ((MOST_USD / (1000.0 * point.cost_usd)).log2() / (MOST_USD / LEAST_USD).log2()).max(0.0);
    let weighted = BETA * point.score + cheapness;
    Some(if weighted > 0.0 { (1.0 + BETA) * point.score * cheapness / weighted } else { 0.0 })
}

/// The setting with the highest Arena score, the first of equals: the one that would be submitted.
pub fn arena_setting(points: &[Point]) -> Option<usize> {
    let scores = points.iter().enumerate().filter_map(|(at, point)| Some((at, arena_score(*point)?)));
    crate::statistics::argmax(scores)
}

/// What one setting of a router made of the prompts that some model of their pool answers right.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Optimality {
    /// These prompts.
    pub n_recoverable: usize,
    /// Those of them that the cheapest right answer was chosen for.
    pub n_optimal: usize,
    /// The sum of the router's scores on them.
    pub score: f64,
    /// The sum of the best scores of their pools.
    pub best_score: f64,
    /// What was paid where the router was right, in US dollars.
    pub paid_usd: f64,
    /// What the cheapest right answers cost there, in US dollars.
    pub cheapest_usd: f64,
}

impl Optimality {
    /// Opt.Sel: the share of the recoverable prompts for which the cheapest right answer was chosen; `None` where there is none.
    ///
    /// Until May 2026 RouterArena's code left out of all three every prompt that the router answered wrong, against its paper
    /// (issue 95, mended in pull request 97 of its repository): Opt.Acc was then 1 for everybody. Read here as mended.
    pub fn selection(&self) -> Option<f64> {
        (self.n_recoverable > 0).then(|| self.n_optimal as f64 / self.n_recoverable as f64)
    }

    /// Opt.Cost: the cost of the cheapest right answers over what was paid, on prompts that the router answered right; `None` where nothing
    /// was paid.
    pub fn cost(&self) -> Option<f64> {
        (self.paid_usd > 0.0).then(|| self.cheapest_usd / self.paid_usd)
    }

    /// Opt.Acc: the router's score over the best of the pool on the recoverable prompts; `None` where there is none.
    pub fn accuracy(&self) -> Option<f64> {
        (self.best_score > 0.0).then(|| self.score / self.best_score)
    }
}

fn range(values: impl Iterator<Item = f64>) -> f64 {
    let (low, high) = values
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (value.min(low), value.max(high)));
    high - low
}

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
    use super::*;
    use crate::metrics::testing::{assert_close, curve};
    use proptest::prelude::*;

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

    /// The first row is one of the public leaderboard: accuracy 0.7523 at 0.1738 dollars, Arena score 0.7425.
    #[test]
    fn arena_scores_are_those_of_the_leaderboard() {
        let score = |usd_per_1000: f64, score| arena_score(Point { cost_usd: usd_per_1000 / 1000.0, score });
        assert!((score(0.1738, 0.7523).unwrap() - 0.7425).abs() < 5e-5);
        // C = 1: 1.1 * 0.5 / 1.05; C = 0; and free.
        assert_close(score(0.0044, 0.5).unwrap(), 0.55 / 1.05);
        assert_eq!([score(200.0, 0.5), score(900.0, 0.5), score(0.0, 0.5)], [Some(0.0), Some(0.0), None]);
        let points = curve(&[(0.2, 0.9), (0.000_01, 0.6), (0.0, 1.0)]);
        assert_eq!(arena_setting(&points), Some(1));
    }

    /// Four prompts that can be answered right; the router is right on three, once with the cheapest model, at 1 + 4 + 5 for 1 + 2 + 1.
    #[test]
    fn optimality_counts_what_could_be_recovered() {
        let found = Optimality {
            n_recoverable: 4,
            n_optimal: 1,
            score: 3.0,
            best_score: 4.0,
            paid_usd: 10.0,
            cheapest_usd: 4.0,
        };
        assert_eq!([found.selection(), found.cost(), found.accuracy()], [Some(0.25), Some(0.4), Some(0.75)]);
        let nothing = Optimality::default();
        assert_eq!([nothing.selection(), nothing.cost(), nothing.accuracy()], [None; 3]);
    }

    const PAIR: Pair = Pair { weak_score: 0.70, strong_score: 0.86 };

    fn shares(pairs: &[(f64, f64)]) -> Vec<PairPoint> {
        pairs.iter().map(|&(strong_share, score)| PairPoint { strong_share, score }).collect()
    }

    fn example() -> Vec<PairPoint> {
        shares(&[(0.0, 0.70), (0.2, 0.76), (0.4, 0.80), (0.6, 0.83), (0.8, 0.85), (1.0, 0.86)])
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
        let wavy = shares(&[(0.0, 0.0), (0.2, 0.6), (0.4, 0.2), (0.6, 0.9), (1.0, 1.0)]);
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
        let messy = [example(), shares(&[(-0.5, 9.0), (1.5, 9.0), (0.4, 0.1), (-0.0, 0.70)])].concat();
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
            let points = shares(&scores);
            let share = |target| call_performance_threshold(&points, PAIR, target);
            if let (Some(at_low), Some(at_high)) = (share(low), share(low + more)) {
                prop_assert!((0.0..=1.0).contains(&at_low) && at_low <= at_high + 1e-12);
            }
        }
    }
}
