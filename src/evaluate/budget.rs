//! What a router earns where a whole stream of prompts has a fixed budget: of dollars, of seconds that users wait, or of calls of a
//! model.
//!
//! The test prompts come in random orders. Nobody knows what an answer takes before it is there; a controller moves the router's
//! preference so that the budget lasts: with B the budget, n prompts, and what is left after t of them, less as much as the largest
//! amount so far, so that one more of that kind does not end above B,
//!
//! ```text
//! rho_t = left_t / (n - t)                       what may be taken for the next prompt
//! p_t+1 = p_t + s (c_t / rho_t - 1)              c_t what it took; dollars and seconds: at most 3 for the bracket
//! ```
//!
//! where p is a place on the declared grid of preferences, ascending, so that ln w moves evenly, and s = m / (2 sqrt(n)), m the number of
//! preferences. This is dual mirror descent on the Lagrangian max score - w (cost - B) with the entropy of w for its distance (Balseiro, Lu,
//! and Mirrokni 2020), on what is left instead of B / n. Between two preferences one is drawn by the fraction. The stream starts in the middle of the
//! grid. A call is taken or not, which a cap of 3 on the bracket would bias where few calls are left: there the bracket is multiplied by
//! min(1, 3 rho_t) instead. When nothing is left, the rest is asked at the highest preference, so that a router whose highest preference takes more
//! than the budget ends above it; how often and how far is part of the result.
//!
//! Beside it stands the best in hindsight: the height of the hull of the router's operating points at B / n, what the best constant
//! mixture of two preferences scores in expectation; in the long run no rule that moves w without a look at the prompt does better.

use super::outcomes::{Resource, TestTable, mean as mean_point};
use super::policy::Evaluated;
use super::summary::Summary;
use crate::metrics::curve::{Point, hull, score_at};
use crate::metrics::{Bound, PolicyId};
use crate::random::{bernoulli, shuffle};
use crate::record::Record;
use crate::router::Choices;
use crate::seed::Stream;
use crate::statistics::mean;

/// One budget and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct AtBudget {
    /// Of what.
    pub resource: Resource,
    /// So much a prompt: US dollars, seconds, or the share of prompts.
    pub per_prompt: f64,
    /// By router, then by replicate.
    pub routers: Vec<Vec<Streamed>>,
    /// By bound that follows preferences: its name, and by replicate its best score in hindsight, `None` where it cannot be so cheap. Of
    /// dollars alone, and where nothing but dollars counts as cost.
    pub bounds: Vec<(Bound, Vec<Option<f64>>)>,
}

/// What a router came to in one replicate; means over orders.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Streamed {
    /// Mean score of a prompt.
    pub score: f64,
    /// The best in hindsight; `None` where no preference of the router takes so little.
    pub hindsight: Option<f64>,
    /// What was taken over the budget.
    pub spent: f64,
    /// The share of orders that ended above the budget.
    pub over: f64,
    /// By how much of the budget the worst of them did.
    pub most_over: f64,
}

/// Whose best mixture stands beside the routers'.
const BOUNDS: [Bound; 2] = [Bound::UtilityOracle, Bound::ZeroRouter];
/// The most that one prompt's amount counts for, over what might be taken for it, less 1: costs and latencies have long tails.
const MOST_SURPRISE: f64 = 3.0;

/// By budget of the scenario: dollars, then seconds, then calls.
pub fn budgets(record: &Record, summary: &Summary) -> Vec<AtBudget> {
    let scenario = &record.manifest.scenario;
    let Some(settings) = &scenario.budget else { return Vec::new() };
    let tables: Vec<TestTable> =
        (0..record.choices.len()).map(|replicate| TestTable::new(record, replicate)).collect();
    let of = |resource: Resource, per_prompt: f64| {
        let streamed = |router: usize| {
            let each = |(replicate, table): (usize, &TestTable)| {
                let stream = Stream::root(scenario.seed).named("budget").numbered(replicate);
                let choices = &record.choices[replicate][router];
                streams((table, choices), (resource, per_prompt), settings.orders, &stream)
            };
            tables.iter().enumerate().map(each).collect()
        };
        let bound = |bound: Bound| {
            let each = |evaluated| of_bound(evaluated, bound, per_prompt);
            (bound, summary.replicates.iter().map(each).collect())
        };
        let has_bounds = resource == Resource::Dollars && !scenario.weighs_waiting();
        AtBudget {
            resource,
            per_prompt,
            routers: (0..scenario.routers.len()).map(streamed).collect(),
            bounds: BOUNDS.into_iter().filter(|_| has_bounds).map(bound).collect(),
        }
    };
    let dollars = settings.usd_per_1000.iter().map(|usd| (Resource::Dollars, usd / 1000.0));
    let seconds = settings.seconds.iter().map(|&seconds| (Resource::Seconds, seconds));
    let calls = settings.calls.iter().flat_map(|limits| {
        let model = record.manifest.suite.models.iter().position(|name| *name == limits.model);
        let resource = Resource::CallsOf(model.expect("a limit is of a candidate"));
        limits.shares.iter().map(move |&share| (resource, share))
    });
    dollars.chain(seconds).chain(calls).map(|(resource, per_prompt)| of(resource, per_prompt)).collect()
}

/// What the best mixture of two operating points of a bound scores at this cost.
fn of_bound(evaluated: &Evaluated, bound: Bound, budget_usd: f64) -> Option<f64> {
    let policy = evaluated.policy(PolicyId::Bound(bound))?;
    score_at(&hull(&policy.curve()), budget_usd)
}

/// A router's choices under a budget, in so many random orders of the prompts.
fn streams(
    (table, choices): (&TestTable, &Choices),
    (resource, per_prompt): (Resource, f64),
    n_orders: usize,
    stream: &Stream,
) -> Streamed {
    let n = choices.n_prompts();
    let outcome = |preference: usize, prompt: usize| table.taking(resource, choices, preference, prompt);
    let points: Vec<Point> = (0..choices.n_preferences())
        .map(|preference| mean_point((0..n).map(|prompt| outcome(preference, prompt))))
        .collect();
    let is_counted = matches!(resource, Resource::CallsOf(_));
    // The same orders for every router.
    let in_order = |number: usize| {
        let mut rng = stream.numbered(number).generator();
        let mut order: Vec<usize> = (0..n).collect();
        shuffle(&mut rng, &mut order);
        let draw = &mut |chance| bernoulli(&mut rng, chance);
        paced(&order, choices.n_preferences(), (per_prompt, is_counted), outcome, draw)
    };
    let totals: Vec<Point> = (0..n_orders).map(in_order).collect();
    let spent: Vec<f64> = totals.iter().map(|total| total.cost_usd / (per_prompt * n as f64)).collect();
    Streamed {
        score: mean(&totals.iter().map(|total| total.score / n as f64).collect::<Vec<f64>>()),
        hindsight: score_at(&hull(&points), per_prompt),
        spent: mean(&spent),
        over: spent.iter().filter(|&&spent| spent > 1.0).count() as f64 / n_orders as f64,
        most_over: spent.iter().fold(0.0, |most, spent| most.max(spent - 1.0)),
    }
}

/// The sums of score and of what was taken over a stream whose preference is moved as the head of this file says; `outcome` knows
/// preference and prompt. What is counted is 0 or 1 a prompt.
fn paced(
    order: &[usize],
    n_preferences: usize,
    (per_prompt, is_counted): (f64, bool),
    outcome: impl Fn(usize, usize) -> Point,
    draw: &mut dyn FnMut(f64) -> bool,
) -> Point {
    let n = order.len() as f64;
    let last = (n_preferences - 1) as f64;
    let step = n_preferences as f64 / (2.0 * n.sqrt());
    let (mut place, mut total, mut most) = (0.5 * last, Point { cost_usd: 0.0, score: 0.0 }, 0.0_f64);
    for (at, &prompt) in order.iter().enumerate() {
        let left = per_prompt * n - total.cost_usd - most;
        let preference = if left <= 0.0 {
            n_preferences - 1
        } else {
            (place as usize + usize::from(draw(place.fract()))).min(n_preferences - 1)
        };
        let point = outcome(preference, prompt);
        total.cost_usd += point.cost_usd;
        total.score += point.score;
        most = most.max(point.cost_usd);
        if left > 0.0 {
            let may_take = left / (n - at as f64);
            let surprise = point.cost_usd / may_take - 1.0;
            let surprise = if is_counted {
                surprise * (MOST_SURPRISE * may_take).min(1.0)
            } else {
                surprise.min(MOST_SURPRISE)
            };
            place = (place + step * surprise).clamp(0.0, last);
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 2,000 prompts, of which the weak model at 1 dollar answers a half right; the strong one costs 10 and gains as much as the prompt's
    /// place says. At preference j of 41 the prompts with a gain from j / 40 on are sent to the strong one.
    fn world() -> (Vec<usize>, impl Fn(usize, usize) -> Point) {
        let gain = |prompt: usize| 0.5 * prompt as f64 / 2000.0;
        let outcome = move |preference: usize, prompt: usize| {
            let is_strong = gain(prompt) >= 0.5 * preference as f64 / 40.0;
            let (cost_usd, score) = if is_strong { (10.0, 0.5 + gain(prompt)) } else { (1.0, 0.5) };
            Point { cost_usd, score }
        };
        let mut order: Vec<usize> = (0..2000).collect();
        shuffle(&mut Stream::root(3).generator(), &mut order);
        (order, outcome)
    }

    fn run(budget_usd: f64) -> Point {
        let (order, outcome) = world();
        let mut rng = Stream::root(4).generator();
        paced(&order, 41, (budget_usd, false), outcome, &mut |chance| bernoulli(&mut rng, chance))
    }

    #[test]
    fn a_stream_spends_its_budget_and_comes_close_to_the_optimum_that_is_known() {
        // A share x of the prompts can be sent to the strong model, 1 + 9 x = budget: best are those of the highest gains, which add
        // the integral of g / 2 from 1 - x to 1.
        for budget in [1.9_f64, 3.7, 5.5, 8.2] {
            let x = (budget - 1.0) / 9.0;
            let best = 0.5 + 0.25 * (1.0 - (1.0 - x).powi(2));
            let total = run(budget);
            let (score, spent) = (total.score / 2000.0, total.cost_usd / (2000.0 * budget));
            assert!(spent > 0.97 && spent < 1.01, "{budget}: spent {spent}");
            assert!(score > best - 0.012 && score < best + 0.005, "{budget}: {score} of {best}");
        }
    }

    #[test]
    fn few_calls_of_a_model_are_spent_where_they_gain_most() {
        // A share x of calls is best spent on the highest gains, as above.
        for share in [0.02_f64, 0.1, 0.25, 0.6] {
            let best = 0.5 + 0.25 * (1.0 - (1.0 - share).powi(2));
            let (order, outcome) = world();
            let called = |preference, prompt| {
                let point = outcome(preference, prompt);
                Point { cost_usd: f64::from(u8::from(point.cost_usd > 1.0)), ..point }
            };
            let mut rng = Stream::root(6).generator();
            let total = paced(&order, 41, (share, true), called, &mut |chance| bernoulli(&mut rng, chance));
            let (score, calls) = (total.score / 2000.0, total.cost_usd / 2000.0);
            assert!(calls <= share && calls > 0.93 * share, "{share}: {calls} of the prompts");
            assert!(score > best - 0.012, "{share}: {score} of {best}");
        }
    }

    #[test]
    fn more_than_anything_costs_buys_the_best_of_everything_and_nothing_the_cheapest() {
        let rich = run(1000.0);
        // All but the start is asked at the lowest preference.
        assert!(rich.score > 0.99 * (0..2000).map(|prompt| 0.5 + 0.25 * prompt as f64 / 1000.0).sum::<f64>());
        let poor = run(0.5);
        assert!(poor.cost_usd < 1.1 * 2000.0, "{}", poor.cost_usd);
    }

    proptest! {
        /// Whatever prompts cost, a stream ends above its budget by no more than the call that used it up and what the cheapest
        /// setting costs from there on.
        #[test]
        fn nothing_but_the_cheapest_is_asked_once_the_money_is_spent(
            costs in prop::collection::vec((0.01..10.0_f64, 0.0..0.01_f64), 1..60),
            budget in 0.001..5.0_f64,
        ) {
            let order: Vec<usize> = (0..costs.len()).collect();
            let outcome = |preference: usize, prompt: usize| {
                let (high, low) = costs[prompt];
                Point { cost_usd: if preference == 4 { low } else { high }, score: 0.0 }
            };
            let mut rng = Stream::root(5).generator();
            let total = paced(&order, 5, (budget, false), outcome, &mut |chance| bernoulli(&mut rng, chance));
            let (high, low) = costs.iter().fold((0.0_f64, 0.0), |(high, low), cost| (high.max(cost.0), low + cost.1));
            prop_assert!(total.cost_usd <= budget * costs.len() as f64 + high + low + 1e-9);
        }
    }
}
