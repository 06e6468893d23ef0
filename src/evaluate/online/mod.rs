//! From an online record to numbers: regrets of routers and references, step by step and in windows around changes.
//!
//! The regret of a step is the utility of the utility oracle, which knows all outcomes of the prompt, less that of the arm
//! chosen; with w the step's preference, utility = score - w cost. `references` holds what regrets are against, `conditions` what
//! becomes of learners under each condition.

mod conditions;
pub mod off_policy;
mod references;
mod targets;

pub use conditions::{Effect, Survival, UnderCondition};
pub use targets::{CLIP, OffPolicyRow};

use crate::error::{Error, Result, suggestion};
use crate::evaluate::Verdict;
use crate::evaluate::evidence::factor_of;
use crate::metrics::online::{ONLINE_METRICS, Steps, regret};
use crate::record::online::OnlineRecord;
use crate::scenario::Expectation;
use crate::statistics::{self, Interval, interval::Spread};
use conditions::survival;
use references::{Track, tracks};
use targets::off_policy;

/// Places at which curves are kept.
const CHECKPOINTS: usize = 100;
/// Share of the steps in a window around a change.
const WINDOW: f64 = 0.1;

/// One metric of one policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// A router's label or a reference's name.
    pub policy: String,
    /// The metric's name.
    pub metric: String,
    /// Its value in each order.
    pub values: Vec<f64>,
    /// Where its values lie.
    pub range: Interval,
}

/// Cumulative regrets of one policy at the checkpoints.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// A router's label or a reference's name.
    pub policy: String,
    /// Whether it is a reference.
    pub is_reference: bool,
    /// Against the oracle.
    pub regret: Vec<Spread>,
    /// Against the best single arm; `None` where no arm is there at every step.
    pub to_best_single: Option<Vec<Spread>>,
    /// Against the zero router.
    pub to_zero_router: Vec<Spread>,
}

/// Everything that tables and plots show.
#[derive(Clone, Debug, PartialEq)]
pub struct OnlineSummary {
    /// How many steps are done at each checkpoint.
    pub checkpoints: Vec<usize>,
    /// Routers in scenario order, then references.
    pub series: Vec<Series>,
    /// By policy, then by metric.
    pub values: Vec<Value>,
    /// Estimates of other policies from the logs of those that explore by chance.
    pub off_policy: Vec<OffPolicyRow>,
    /// What conditions did to the learners.
    pub survival: Survival,
}

impl Value {
    /// Mean and interval over orders.
    pub fn spread(&self) -> Spread {
        Spread::of(&self.values).within(self.range)
    }
}

impl OnlineSummary {
    /// One metric of one policy.
    pub fn find(&self, policy: &str, metric: &str) -> Option<&Value> {
        self.values.iter().find(|value| value.policy == policy && value.metric == metric)
    }

    /// Whether every value is a number.
    ///
    /// # Errors
    /// The first that is none: nothing can be concluded from it.
    pub fn check(&self) -> Result<()> {
        let is_number = |value: &&Value| value.values.iter().all(|value| value.is_finite());
        match self.values.iter().find(|value| !is_number(value)) {
            Some(Value { policy, metric, .. }) => {
                Err(Error::Usage(format!("`{metric}` of `{policy}` is no finite number")))
            }
            None => Ok(()),
        }
    }
}

/// Computes everything.
pub fn summarise(record: &OnlineRecord) -> OnlineSummary {
    let by_order: Vec<Vec<(String, Track)>> =
        (0..record.orders.len()).map(|order| tracks(record, order)).collect();
    let checkpoints = checkpoints(record);
    let mut series = Vec::new();
    let mut values = Vec::new();
    for (at, (policy, _)) in by_order[0].iter().enumerate() {
        let policy_tracks: Vec<&Track> = by_order.iter().map(|tracks| &tracks[at].1).collect();
        let against = |name: &str| -> Option<Vec<&Track>> {
            by_order
                .iter()
                .map(|tracks| tracks.iter().find(|(known, _)| known == name).map(|(_, track)| track))
                .collect()
        };
        let known = |name: &str| against(name).expect("this reference is always there");
        let (oracle, zero_router) = (known("oracle"), known("zero-router"));
        let best_single = against("best-single");
        let curve = |reference: &[&Track], range: Interval| -> Vec<Spread> {
            let cumulative: Vec<Vec<f64>> = reference
                .iter()
                .zip(&policy_tracks)
                .map(|(r, own)| cumulative(r, own, &checkpoints))
                .collect();
            let at = |place: usize| cumulative.iter().map(|order| order[place]).collect::<Vec<f64>>();
            (0..checkpoints.len()).map(|place| Spread::of(&at(place)).within(range)).collect()
        };
        series.push(Series {
            policy: policy.clone(),
            is_reference: at >= record.manifest.scenario.routers.len(),
            regret: curve(&oracle, Interval::FROM_ZERO),
            to_best_single: best_single.as_deref().map(|best| curve(best, Interval::ANY)),
            to_zero_router: curve(&zero_router, Interval::ANY),
        });
        let mut push = |metric: &str, values_of_orders: Vec<f64>, range: Interval| {
            values.push(Value {
                policy: policy.clone(),
                metric: metric.to_owned(),
                values: values_of_orders,
                range,
            });
        };
        for online in ONLINE_METRICS {
            let of = |order: usize| {
                let own = policy_tracks[order];
                (online.of)(&Steps {
                    utility: &own.utility,
                    score: own.score,
                    cost_usd: own.cost_usd,
                    oracle: &oracle[order].utility,
                    best_single: best_single.as_ref().map(|tracks| &tracks[order].utility[..]),
                    zero_router: &zero_router[order].utility,
                })
            };
            if let Some(all) = (0..by_order.len()).map(of).collect() {
                push(online.metric.name, all, online.metric.range);
            }
        }
        for (name, (from, to)) in windows(record) {
            let window = |order: usize| {
                let [oracle, own] =
                    [oracle[order], policy_tracks[order]].map(|track| &track.utility[from..to]);
                regret(oracle, own) / (to - from).max(1) as f64
            };
            push(&name, (0..by_order.len()).map(window).collect(), Interval::FROM_ZERO);
        }
    }
    OnlineSummary { checkpoints, series, values, off_policy: off_policy(record), survival: survival(record) }
}

/// The metrics of the windows just before and just after each change, and at the end, with their steps.
pub(crate) fn windows(record: &OnlineRecord) -> Vec<(String, (usize, usize))> {
    let n_steps = record.manifest.n_steps;
    let width = ((WINDOW * n_steps as f64) as usize).max(1);
    let phases = &record.phases;
    let mut windows = Vec::new();
    for phase in 1..phases.len() {
        let (before, from) = (phases[phase - 1].from, phases[phase].from);
        let end = phases.get(phase + 1).map_or(n_steps, |next| next.from);
        windows
            .push((format!("regret-before-change-{phase}"), (from.saturating_sub(width).max(before), from)));
        windows.push((format!("regret-after-change-{phase}"), (from, (from + width).min(end))));
        if phase + 1 == phases.len() {
            windows.push(("regret-at-end".to_owned(), (end.saturating_sub(width).max(from), end)));
        }
    }
    windows
}

/// Judges every expectation of a record's scenario, on means over orders.
///
/// # Errors
/// An expectation that names an unknown router or metric; a value that is no finite number.
pub fn judge(record: &OnlineRecord, summary: &OnlineSummary) -> Result<Vec<Verdict>> {
    summary.check()?;
    record.manifest.scenario.expect.iter().map(|expectation| judge_one(expectation, summary)).collect()
}

pub(crate) fn judge_one(expectation: &Expectation, summary: &OnlineSummary) -> Result<Verdict> {
    let Expectation { router, metric, at_least, at_most, above, share } = expectation;
    let value = mean(summary, router, metric)?;
    let mut holds = true;
    let mut bounds = Vec::new();
    if let Some(bound) = at_least {
        holds &= value >= *bound;
        bounds.push(format!("at least {bound}"));
    }
    if let Some(bound) = at_most {
        holds &= value <= *bound;
        bounds.push(format!("at most {bound}"));
    }
    if let Some(other) = above {
        let bound = mean(summary, other, metric)?;
        holds &= value > share.unwrap_or(1.0) * bound;
        let of = share.map_or_else(String::new, |share| format!("{share} of "));
        bounds.push(format!("above {of}that of `{other}` ({bound:.4})"));
    }
    let words = format!("`{metric}` of `{router}` is {value:.4}; expected {}", bounds.join(" and "));
    Ok(Verdict { holds, words })
}

fn mean(summary: &OnlineSummary, policy: &str, metric: &str) -> Result<f64> {
    if let Some(value) = summary.find(policy, metric) {
        return Ok(value.spread().mean);
    }
    let policies = summary.values.iter().map(|value| value.policy.as_str());
    if !policies.clone().any(|known| known == policy) {
        let near = suggestion(policy, policies);
        return Err(Error::setting(
            "expect",
            format!("an expectation names unknown router `{policy}`{near}"),
        ));
    }
    let of_policy = summary.values.iter().filter(|value| value.policy == policy);
    let near = suggestion(metric, of_policy.map(|value| value.metric.as_str()));
    Err(Error::setting(
        "expect",
        format!("an expectation names metric `{metric}`, which `{policy}` does not have{near}"),
    ))
}

/// How many orders it takes to find a difference between learners, by the orders of a pilot.
#[derive(Clone, Debug, PartialEq)]
pub struct OnlinePlan {
    /// The metric.
    pub metric: String,
    /// Against whom.
    pub against: String,
    /// The true difference that is to be found.
    pub difference: f64,
    /// With which probability, by a two-sided test at 5 %.
    pub power: f64,
    /// Orders of the pilot.
    pub n_orders: usize,
    /// Steps of each.
    pub n_steps: usize,
    /// One line for every other learner: its label, its mean difference over the pilot's orders, the standard error of
    /// that, and the orders needed.
    pub lines: Vec<(String, f64, f64, usize)>,
}

/// Plans by the paired differences of a metric over a pilot's orders: n orders have the standard error s / sqrt(n), and a
/// two-sided test at 5 % finds a true difference d with probability `power` where d is (z(0.975) + z(power)) such errors.
///
/// # Errors
/// As [`Plan::new`](crate::evaluate::Plan::new); a pilot with one learner.
pub fn plan_orders(record: &OnlineRecord, metric: &str, difference: f64, power: f64) -> Result<OnlinePlan> {
    let factor = factor_of(difference, power)?;
    let summary = summarise(record);
    summary.check()?;
    let values = |policy: &str| match summary.find(policy, metric) {
        Some(value) => Ok(&value.values),
        None => {
            let of_policy = summary.values.iter().filter(|value| value.policy == policy);
            let near = suggestion(metric, of_policy.map(|value| value.metric.as_str()));
            Err(Error::Usage(format!("has no metric `{metric}` of `{policy}`{near}")))
        }
    };
    let labels: Vec<&str> =
        record.manifest.scenario.routers.iter().map(|entry| entry.label.as_str()).collect();
    let [against, others @ ..] = &labels[..] else { unreachable!("a scenario has a router") };
    if others.is_empty() {
        return Err(Error::Usage("has one learner: there is no difference to find".into()));
    }
    let reference = values(against)?;
    let line = |label: &&str| {
        let own = values(label)?;
        let differences: Vec<f64> = own.iter().zip(reference).map(|(own, other)| own - other).collect();
        let (n, variance) = (differences.len() as f64, statistics::variance(&differences));
        let needed = variance * (factor / difference).powi(2);
        let needed = (needed.ceil() as usize).max(2);
        Ok(((*label).to_owned(), statistics::mean(&differences), (variance / n).sqrt(), needed))
    };
    let lines = others.iter().map(line).collect::<Result<_>>()?;
    Ok(OnlinePlan {
        metric: metric.to_owned(),
        against: (*against).to_owned(),
        difference,
        power,
        n_orders: record.orders.len(),
        n_steps: record.manifest.n_steps,
        lines,
    })
}

/// Evenly spaced, with the first step of every phase and the end.
fn checkpoints(record: &OnlineRecord) -> Vec<usize> {
    let n_steps = record.manifest.n_steps;
    let even = (0..=CHECKPOINTS).map(|at| at * n_steps / CHECKPOINTS);
    let mut all: Vec<usize> = even.chain(record.phases.iter().map(|phase| phase.from)).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn cumulative(reference: &Track, own: &Track, checkpoints: &[usize]) -> Vec<f64> {
    let (mut total, mut done) = (0.0, 0);
    let until = |&checkpoint: &usize| {
        for step in done..checkpoint {
            total += reference.utility[step] - own.utility[step];
        }
        done = checkpoint;
        total
    };
    checkpoints.iter().map(until).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_no_number_is_found_in_whatever_order_it_stands() {
        let summary = |values: Vec<f64>| {
            let value = Value { policy: "p".into(), metric: "score".into(), values, range: Interval::SHARES };
            let (series, off_policy) = (Vec::new(), Vec::new());
            let survival = Survival::default();
            OnlineSummary { checkpoints: Vec::new(), series, values: vec![value], off_policy, survival }
        };
        assert!(summary(vec![0.5, 1.0]).check().is_ok());
        let fault = summary(vec![0.5, f64::NAN]).check().unwrap_err().to_string();
        assert_eq!(fault, "`score` of `p` is no finite number");
        // Two orders that differ much: no score lies above 1.
        assert_eq!(summary(vec![0.5, 1.0]).values[0].spread().high, 1.0);
    }
}
