//! Which router and which weight of cost to take for a budget, for a score, or to save without losing score.

use super::outcomes::RecordStrata;
use super::outcomes::TestTable;
use super::policy::PolicyKind;
use super::summary::Summary;
use crate::index::RecordPrompt;
use crate::metrics::PolicyId;
use crate::metrics::curve::Point;
use crate::record::Record;
use crate::seed::Stream;
use crate::statistics::bootstrap::estimate;
use crate::statistics::{Interval, LEVEL, mean};

/// Resamples of the prompts behind the intervals.
const N_RESAMPLES: usize = 2000;

/// The share of the best single model's score that counts as its score, as in the metric `cost-share-at-99`.
const NEARLY: f64 = 0.99;

/// What score, cost, score gained, and share of cost saved can be.
const RANGES: [[f64; 2]; 4] = [[0.0, 1.0], [0.0, f64::MAX], [-1.0, 1.0], [f64::MIN, 1.0]];

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// The highest score at a mean cost of at most so many US dollars per 1,000 prompts.
    Budget(f64),
    /// The lowest cost at a mean score of at least this.
    Score(f64),
    /// The lowest cost at a mean score of at least 99 % of that of the best single model.
    Save,
}

/// A mean over replicates and its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expected {
    /// The mean.
    pub mean: f64,
    /// Over new test prompts and training splits; `None` where resamples do not give one.
    pub interval: Option<Interval>,
}

/// A router at a weight of cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Advice {
    /// Whether it does what was asked for; if not, it is what comes nearest.
    pub is_met: bool,
    /// The router's label.
    pub router: String,
    /// The weight of cost against score to ask it with.
    pub preference: f64,
    /// Its score.
    pub score: Expected,
    /// What it costs and saves; `None` where the suite has no costs.
    pub costs: Option<AdvisedCosts>,
    /// The best single model of each replicate, named where all agree.
    pub best_single: Option<String>,
    /// Its score minus that of the best single model, on the same prompts.
    pub score_gained: Expected,
}

/// What a router that is advised costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdvisedCosts {
    /// Its cost in US dollars per 1,000 prompts.
    pub usd_per_1000: Expected,
    /// The share of the best single model's cost that it saves, on the same prompts; negative where it costs more.
    pub saved: Expected,
}

/// The advice of a record; `None` without a router that competes, and for a budget where there are no costs. Without costs the highest
/// score is advised, whatever else was asked for.
///
/// The choice is made by means over replicates of the test prompts, among all routers and preferences of the record: the more
/// there are, the more of what is promised is luck. The intervals are those of the chosen one, as if it had been named before.
pub fn advise(record: &Record, summary: &Summary, goal: Goal) -> Option<Advice> {
    let has_cost = record.manifest.suite.has_cost;
    if !has_cost && matches!(goal, Goal::Budget(_)) {
        return None;
    }
    let first = &summary.replicates[0];
    let average = |point: &dyn Fn(usize) -> Point| {
        let points: Vec<Point> = (0..summary.replicates.len()).map(point).collect();
        let of = |value: fn(&Point) -> f64| mean(&points.iter().map(value).collect::<Vec<f64>>());
        Point { score: of(|point| point.score), cost_usd: of(|point| point.cost_usd) }
    };
    let best_single = average(&|replicate| {
        let evaluated = &summary.replicates[replicate];
        evaluated.models[evaluated.best_single]
    });
    let offers = first.policies.iter().enumerate().filter(|(_, policy)| policy.kind == PolicyKind::Router);
    let offers: Vec<(usize, usize, Point)> = offers
        .flat_map(|(position, policy)| {
            // Without costs there is nothing to weigh: score alone counts.
            let n_weights = if has_cost { policy.points.len() } else { 1 };
            (0..n_weights).map(move |at| (position, at))
        })
        .map(|(position, at)| {
            let point =
                |replicate: usize| summary.replicates[replicate].policies[position].points[at].point();
            (position, at, average(&point))
        })
        .collect();
    let is_met = |point: &Point| match goal {
        Goal::Budget(usd_per_1000) => point.cost_usd * 1000.0 <= usd_per_1000,
        Goal::Score(least) => least <= point.score,
        Goal::Save => NEARLY * best_single.score <= point.score,
    };
    // What is better comes first; of equals, the first router of the scenario at its lowest weight of cost.
    let by_cost = |a: &Point, b: &Point| a.cost_usd.total_cmp(&b.cost_usd).then(b.score.total_cmp(&a.score));
    let by_score = |a: &Point, b: &Point| b.score.total_cmp(&a.score).then(a.cost_usd.total_cmp(&b.cost_usd));
    let has_budget = matches!(goal, Goal::Budget(_));
    let met = offers.iter().filter(|(_, _, point)| is_met(point));
    let best =
        met.min_by(|a, b| if has_budget || !has_cost { by_score(&a.2, &b.2) } else { by_cost(&a.2, &b.2) });
    let nearest =
        || offers.iter().min_by(|a, b| if has_budget { by_cost(&a.2, &b.2) } else { by_score(&a.2, &b.2) });
    let &(position, at, _) = best.or_else(nearest)?;
    let policy = &first.policies[position];
    let PolicyId::Router(router) = policy.id else { return None };
    let [score, usd_per_1000, score_gained, saved] = expected(record, summary, router, at);
    let names = summary.replicates.iter().map(|evaluated| evaluated.best_single);
    let is_one = names.clone().all(|model| model == first.best_single);
    Some(Advice {
        is_met: best.is_some(),
        router: policy.name.clone(),
        preference: policy.points[at].preference?,
        score,
        costs: has_cost.then_some(AdvisedCosts { usd_per_1000, saved }),
        best_single: is_one.then(|| record.manifest.suite.models[first.best_single].clone()),
        score_gained,
    })
}

/// Score, cost in US dollars per 1,000 prompts, score gained, and share of cost saved over the best single model, which counts
/// on the prompts that it answered; by the hierarchical bootstrap.
fn expected(record: &Record, summary: &Summary, router: usize, at: usize) -> [Expected; 4] {
    let tested: Vec<&[RecordPrompt]> = record.test_prompts.iter().map(Vec::as_slice).collect();
    let outcomes: Vec<Vec<(Point, Option<Point>)>> = (0..tested.len())
        .map(|replicate| {
            let table = TestTable::new(record, replicate);
            let best = summary.replicates[replicate].best_single;
            let choices = &record.choices[replicate][router];
            let outcome = |prompt| (table.realised(choices, at, prompt), table.staying(prompt, best));
            (0..tested[replicate].len()).map(outcome).collect()
        })
        .collect();
    let measured = |outcomes: &[(Point, Option<Point>)], weights: &[f32]| {
        // Weight, score, cost; of the router, then of the best single model.
        let (mut own, mut best) = ([0.0; 3], [0.0; 3]);
        for ((point, single), weight) in outcomes.iter().zip(weights) {
            let add = |sums: &mut [f64; 3], point: &Point| {
                let weight = f64::from(*weight);
                let values = [1.0, point.score, point.cost_usd];
                sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += weight * value);
            };
            add(&mut own, point);
            single.iter().for_each(|single| add(&mut best, single));
        }
        let [score, cost] = [own[1] / own[0], own[2] / own[0]];
        [score, 1000.0 * cost, score - best[1] / best[0], 1.0 - cost / (best[2] / best[0])]
    };
    let observed: Vec<[f64; 4]> =
        outcomes.iter().map(|outcomes| measured(outcomes, &vec![1.0; outcomes.len()])).collect();
    let strata = RecordStrata::new(record, &tested);
    let stream = Stream::root(record.manifest.scenario.seed).named("advice");
    let mut rng = stream.named("resamples").generator();
    let mut whole = vec![0.0; record.prompts.len()];
    let mut resampled: [Vec<f64>; 4] = Default::default();
    for _ in 0..N_RESAMPLES {
        strata.resample(&mut rng, &mut whole);
        for ((prompts, outcomes), strata) in tested.iter().zip(&outcomes).zip(&strata.parts) {
            let mut weights: Vec<f32> = prompts.iter().map(|prompt| whole[prompt.at()]).collect();
            if tested.len() > 1 {
                strata.rescale(&mut weights);
            }
            let values = measured(outcomes, &weights);
            resampled.iter_mut().zip(values).for_each(|(column, value)| column.push(value));
        }
    }
    [0, 1, 2, 3].map(|measure| {
        let observed: Vec<f64> = observed.iter().map(|values| values[measure]).collect();
        let mut rng = stream.named("replicates").numbered(measure).generator();
        let estimated = estimate(&observed, &resampled[measure], LEVEL, &mut rng);
        let is_finite = |interval: &Interval| interval.low.is_finite() && interval.high.is_finite();
        let [least, most] = RANGES[measure];
        // Few replicates stretch an interval beyond what a mean can be.
        let within = |interval: Interval| Interval {
            low: interval.low.clamp(least, most),
            high: interval.high.clamp(least, most),
        };
        Expected {
            mean: mean(&observed),
            interval: estimated.map(|it| it.interval).filter(is_finite).map(within),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::evaluate::summarise_without_evidence;
    use crate::scenario::Scenario;
    use crate::suite::synthetic::SyntheticSettings;

    fn record() -> (Record, Summary) {
        let settings =
            SyntheticSettings { n_prompts: 600, n_models: 4, n_dimensions: 8, ..Default::default() };
        let text = "description = \"d\"\nsuite = \"s\"\nreplicates = 2\n[[router]]\nkind = \"random\"\n\
            [[router]]\nkind = \"predictor\"\nmodel = \"linear\"\n[[router]]\nkind = \"cascade\"\n";
        let scenario = Scenario::parse(Path::new("s.toml"), text).unwrap();
        let record = crate::run::run(&scenario, settings.generate().unwrap().suite, &|_| {}).unwrap();
        let summary = summarise_without_evidence(&record);
        (record, summary)
    }

    fn usd(advice: &Advice) -> f64 {
        advice.costs.unwrap().usd_per_1000.mean
    }

    #[test]
    fn what_is_advised_does_what_was_asked_and_nothing_does_it_better() {
        let (record, summary) = record();
        let routers = || {
            summary.replicates[0].policies.iter().enumerate().filter(|(_, p)| p.kind == PolicyKind::Router)
        };
        let of = |position: usize, at: usize, value: fn(Point) -> f64| {
            let each = |e: &crate::evaluate::Evaluated| value(e.policies[position].points[at].point());
            summary.replicates.iter().map(each).sum::<f64>() / 2.0
        };
        let budget = 1000.0 * of(1, 10, |point| point.cost_usd);
        let advice = advise(&record, &summary, Goal::Budget(budget)).unwrap();
        assert!(advice.is_met && usd(&advice) <= budget + 1e-12);
        for (position, policy) in routers() {
            for at in 0..policy.points.len() {
                if 1000.0 * of(position, at, |point| point.cost_usd) <= budget {
                    assert!(of(position, at, |point| point.score) <= advice.score.mean + 1e-12);
                }
            }
        }
        let interval = advice.score.interval.unwrap();
        assert!(interval.low < advice.score.mean && advice.score.mean < interval.high);
        let saved = advise(&record, &summary, Goal::Save).unwrap();
        if saved.is_met {
            assert!(saved.score_gained.mean >= -0.01);
        }
        let score = advise(&record, &summary, Goal::Score(advice.score.mean)).unwrap();
        assert!(score.is_met && usd(&score) <= usd(&advice) + 1e-12);
    }

    #[test]
    fn what_nothing_does_is_said_so_with_what_comes_nearest() {
        let (record, summary) = record();
        let advice = advise(&record, &summary, Goal::Score(1.5)).unwrap();
        assert!(!advice.is_met && advice.router == "linear");
        let cheapest = advise(&record, &summary, Goal::Budget(0.0)).unwrap();
        assert!(!cheapest.is_met);
        assert!(usd(&cheapest) <= usd(&advice));
    }
    #[test]
    fn without_costs_the_highest_score_is_advised() {
        let (mut record, _) = record();
        record.manifest.suite.has_cost = false;
        let summary = summarise_without_evidence(&record);
        assert_eq!(advise(&record, &summary, Goal::Budget(1.0)), None);
        let advice = advise(&record, &summary, Goal::Save).unwrap();
        let score = |position: usize| {
            let of = |e: &crate::evaluate::Evaluated| e.policies[position].points[0].score;
            summary.replicates.iter().map(of).sum::<f64>() / 2.0
        };
        let routers = summary.replicates[0].policies.iter().enumerate();
        let routers = routers.filter(|(_, policy)| policy.kind == PolicyKind::Router);
        let highest = routers.map(|(position, _)| score(position)).fold(0.0, f64::max);
        assert!((advice.score.mean - highest).abs() < 1e-12 && advice.costs.is_none(), "{advice:?}");
    }
}
