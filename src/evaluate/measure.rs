//! Every metric of one policy in one replicate; names are those of `summary.csv`.

use super::policy::{Evaluated, Policy};
use crate::metrics::area::{aiq, aiq_routerbench, audc, hypervolume, hypervolume_log_cost};
use crate::metrics::curve::{Point, cost_at, hull};
use crate::metrics::pair::{
    Pair, PairPoint, average_performance_gap_recovered, call_performance_threshold, performance_gap_recovered,
};
use crate::metrics::preference::{
    SweepPoint, Weighted, controllability, maximum_utility_loss, normalised_utility, utility_regret,
    weighted_mean,
};
use crate::metrics::quality_neutral::{cost_saving, quality_neutral_cost, quality_neutral_cost_step};

/// The metrics of one policy, by name; `None` where it is not defined or not reached.
pub(super) fn measure(
    evaluated: &Evaluated,
    position: usize,
    weights: &[f64],
    has_cost: bool,
) -> Vec<(&'static str, Option<f64>)> {
    let policy = &evaluated.policies[position];
    let points: Vec<Point> = policy.points.iter().map(|point| point.point()).collect();
    let most = points.iter().map(|point| point.score).fold(f64::NEG_INFINITY, f64::max);
    let mut metrics = vec![("score-at-w0", Some(points[0].score)), ("best-score", Some(most))];
    if !has_cost {
        return metrics;
    }
    metrics.push(("cost-at-w0-usd", Some(points[0].cost_usd)));
    areas(evaluated, &points, &mut metrics);
    quality_neutral(evaluated, &points, &mut metrics);
    if policy.points.len() == weights.len() {
        utilities(evaluated, policy, weights, &mut metrics);
    }
    if policy.kind.is_router() && evaluated.models.len() == 2 {
        pair(evaluated, &points, &evaluated.strong_share[position], &mut metrics);
    }
    metrics
}

type Metrics = Vec<(&'static str, Option<f64>)>;

fn areas(evaluated: &Evaluated, points: &[Point], metrics: &mut Metrics) {
    let by_cost = |a: &Point, b: &Point| a.cost_usd.total_cmp(&b.cost_usd);
    let pool = || evaluated.models.iter().zip(&evaluated.in_pool).filter(|(_, in_pool)| **in_pool);
    let cheapest = pool().map(|(model, _)| *model).min_by(by_cost).expect("a pool is never empty");
    let dearest = pool().map(|(model, _)| *model).max_by(by_cost).expect("a pool is never empty");
    let reference = Point { cost_usd: dearest.cost_usd, score: evaluated.random.score };
    metrics.push(("aiq", Some(aiq(points, cheapest, dearest.cost_usd))));
    metrics.push(("aiq-routerbench", aiq_routerbench(points)));
    metrics.push(("audc", audc(points, dearest.cost_usd)));
    metrics.push(("hypervolume-usd", Some(hypervolume(points, reference))));
    metrics.push(("hypervolume-log-cost", hypervolume_log_cost(points, reference)));
}

fn quality_neutral(evaluated: &Evaluated, points: &[Point], metrics: &mut Metrics) {
    let best_single = evaluated.models[evaluated.best_single];
    metrics.push(("qnc", quality_neutral_cost(points, best_single)));
    metrics.push(("qnc-step", quality_neutral_cost_step(points, best_single)));
    let own = hull(points);
    let zero_router = evaluated.policies.iter().find(|policy| policy.name == "zero-router");
    let zero: Vec<Point> =
        zero_router.map_or(Vec::new(), |policy| policy.points.iter().map(|p| p.point()).collect());
    let zero = hull(&zero);
    for (share, cost_name, saving_name) in [
        (0.95, "cost-share-at-95", "saving-at-95"),
        (0.99, "cost-share-at-99", "saving-at-99"),
        (1.0, "cost-share-at-100", "saving-at-100"),
    ] {
        let score = share * best_single.score;
        let cost_share = cost_at(&own, score).filter(|_| best_single.cost_usd > 0.0);
        metrics.push((cost_name, cost_share.map(|cost| cost / best_single.cost_usd)));
        metrics.push((saving_name, cost_saving(&own, &zero, score)));
    }
}

fn utilities(evaluated: &Evaluated, policy: &Policy, weights: &[f64], metrics: &mut Metrics) {
    let utility =
        |preference: f64, point: Point| point.score - preference * point.cost_usd / evaluated.cost_unit_usd;
    let mut sweep = Vec::new();
    let (mut expected, mut normalised, mut regrets) = (Vec::new(), Vec::new(), Vec::new());
    for ((point, oracle), &weight) in policy.points.iter().zip(&evaluated.utility_oracle).zip(weights) {
        let Some(preference) = point.preference else { return };
        sweep.push(SweepPoint { preference, point: point.point() });
        let (own, best) = (utility(preference, point.point()), utility(preference, *oracle));
        let random = utility(preference, evaluated.random);
        expected.push(Weighted { value: own, weight });
        if weight > 0.0 {
            normalised.extend(normalised_utility(own, random, best).map(|value| Weighted { value, weight }));
            regrets.push(utility_regret(own, best));
        }
    }
    let control = controllability(&sweep);
    metrics.push(("expected-utility", weighted_mean(&expected)));
    metrics.push(("normalised-utility", weighted_mean(&normalised)));
    metrics.push(("maximum-utility-loss", maximum_utility_loss(&regrets)));
    metrics.push(("cost-preference-rho", control.rho));
    metrics.push(("cost-inversions", Some(control.n_inversions as f64)));
    metrics.push(("distinct-points", Some(control.n_distinct_non_dominated as f64)));
}

fn pair(evaluated: &Evaluated, points: &[Point], strong_share: &[f64], metrics: &mut Metrics) {
    let strong = evaluated.models[evaluated.best_single].score;
    let pair = Pair { weak_score: evaluated.models[1 - evaluated.best_single].score, strong_score: strong };
    let shares = points.iter().zip(strong_share);
    let points: Vec<PairPoint> =
        shares.map(|(point, &strong_share)| PairPoint { strong_share, score: point.score }).collect();
    metrics.push(("pgr-at-w0", performance_gap_recovered(points[0].score, pair)));
    metrics.push(("apgr", average_performance_gap_recovered(&points, pair)));
    metrics.push(("cpt-20", call_performance_threshold(&points, pair, 0.2)));
    metrics.push(("cpt-50", call_performance_threshold(&points, pair, 0.5)));
    metrics.push(("cpt-80", call_performance_threshold(&points, pair, 0.8)));
}
