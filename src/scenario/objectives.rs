//! What is asked of a router beside score for money: answers that do not make users wait, and limits on what a whole stream may take.
//!
//! A second of waiting counts for so many US dollars. Costs are then what an answer cost and what waiting for it counts for, for
//! routers, preferences, and metrics alike: the weighted sum of three objectives, whose weights are this price and the preference. What is
//! best by it is on the front of all three, and every point of that front that a mixture of choices can reach is best for some weights.

use super::Scenario;
use crate::error::{Error, Result, suggestion};
use crate::router::quiz::QuizStrategy;
use crate::suite::{CellTable, LATENCY, Outcomes, Suite};

/// Nobody waits longer for an answer: about eleven days.
const LONGEST_S: f64 = 1e6;

/// The `[objectives]` of a scenario: what waiting for an answer counts for.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ObjectivesSettings {
    /// US dollars that a second of waiting counts for: routers, preferences, and metrics weigh the cost of an answer and this
    /// much for each second of its latency together against its score. 0 shows latency and weighs it not at all.
    pub usd_per_second: f64,
    /// The numeric column of the suite's outcomes with the seconds from question to answer.
    #[serde(default = "latency")]
    pub latency: String,
}

fn latency() -> String {
    LATENCY.to_owned()
}

impl Scenario {
    /// Whether what waiting counts for is part of every cost.
    pub(crate) fn weighs_waiting(&self) -> bool {
        self.objectives.as_ref().is_some_and(|objectives| objectives.usd_per_second > 0.0)
    }
}

impl ObjectivesSettings {
    /// Whether the numbers can be, and whether every model that routers choose among has been waited for.
    pub(super) fn check(&self, scenario: &Scenario) -> Result<()> {
        if !(0.0..=1000.0).contains(&self.usd_per_second) {
            let problem = "`usd-per-second` must be from 0 to 1000 US dollars";
            return Err(Error::setting("objectives.usd-per-second", problem));
        }
        if !scenario.weighs_waiting() {
            return Ok(());
        }
        let asks_nothing =
            |entry| scenario.quiz_of(entry).is_some_and(|quiz| quiz.strategy == QuizStrategy::None);
        if scenario.sweep.is_some() || scenario.routers.iter().any(asks_nothing) {
            let problem = "[objectives] needs answers of every model, or nobody knows how long it takes: a quiz must ask something, and a \
                           sweep has one that asks nothing";
            return Err(Error::setting("quiz", problem));
        }
        Ok(())
    }

    /// Adds what waiting counts for to the cost of every answer; says whether there are costs then.
    ///
    /// # Errors
    /// As [`latencies`](Self::latencies).
    pub(crate) fn weigh(&self, suite: &mut Suite, has_cost: bool) -> Result<bool> {
        let seconds = self.latencies(suite)?.clone();
        if self.usd_per_second > 0.0 {
            let Outcomes { score, cost_usd, .. } = &mut suite.outcomes;
            for prompt in 0..score.n_prompts() {
                for model in (0..score.n_models()).filter(|&model| score.get(prompt, model).is_some()) {
                    let waited = seconds.get(prompt, model).map(|seconds| self.usd_per_second * seconds);
                    let usd = waited.map(|waited| cost_usd.get(prompt, model).unwrap_or(0.0) + waited);
                    cost_usd.set(prompt, model, usd);
                }
            }
        }
        Ok(has_cost || self.usd_per_second > 0.0)
    }

    /// The latencies of a suite's answers, in seconds.
    ///
    /// # Errors
    /// A column that the suite does not have, or that lacks a number of 0 or more for an answer.
    fn latencies<'a>(&self, suite: &'a Suite) -> Result<&'a CellTable> {
        let fault = |problem: String| Error::setting("objectives.latency", problem);
        let (column, name, outcomes) = (&self.latency, &suite.info.name, &suite.outcomes);
        let known = || outcomes.extra.keys().map(String::as_str);
        let table = outcomes.extra.get(column).ok_or_else(|| {
            let others = known().collect::<Vec<_>>().join("`, `");
            let way_out = match suggestion(column, known()) {
                near if !near.is_empty() => near,
                _ if others.is_empty() => {
                    "; a column of that name in outcomes.csv holds the seconds of each answer".to_owned()
                }
                _ => format!("; its further columns are `{others}`, and `latency` names the one in seconds"),
            };
            fault(format!("[objectives] needs a column `{column}`, which the outcomes of suite `{name}` do not have{way_out}"))
        })?;
        for (model, card) in suite.models.iter().enumerate() {
            let is_answered = |&prompt: &usize| outcomes.score.get(prompt, model).is_some();
            let is_told = |&prompt: &usize| {
                table.get(prompt, model).is_some_and(|seconds| (0.0..=LONGEST_S).contains(&seconds))
            };
            let (n, mut without) = (
                (0..suite.prompts.len()).filter(is_answered).count(),
                (0..suite.prompts.len()).filter(is_answered).filter(|prompt| !is_told(prompt)).peekable(),
            );
            if let Some(&first) = without.peek() {
                return Err(fault(format!(
                    "[objectives] needs the latency of every answer: {} of {n} of `{}` have none from 0 to {LONGEST_S} in `{column}`, the first to \
                     prompt `{}`; `[pool]` can leave the model out",
                    without.count(),
                    card.id,
                    suite.prompts[first].id
                )));
            }
        }
        Ok(table)
    }
}

/// The `[budget]` of a scenario: what a whole stream of prompts may take. Each limit is looked at by itself.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BudgetSettings {
    /// US dollars per 1,000 prompts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub usd_per_1000: Vec<f64>,
    /// Mean seconds of waiting per prompt. Needs `[objectives]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seconds: Vec<f64>,
    /// Shares of prompts for which a model may be called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<CallLimits>,
    /// In how many random orders the test prompts of a replicate come.
    #[serde(default = "orders")]
    pub orders: usize,
}

/// How often a model may be called.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CallLimits {
    /// The candidate.
    pub model: String,
    /// Shares of the prompts, each above 0 and below 1.
    pub shares: Vec<f64>,
}

fn orders() -> usize {
    20
}

/// More limits of one kind than these fill a report and say nothing new.
const MOST_LIMITS: usize = 20;

impl BudgetSettings {
    pub(super) fn check(&self, has_latency: bool) -> Result<()> {
        let fault = |key: &str, problem: &str| Err(Error::setting(format!("budget.{key}"), problem));
        let fits = |limits: &[f64]| {
            limits.len() <= MOST_LIMITS && limits.iter().all(|&limit| limit.is_finite() && limit > 0.0)
        };
        if self.usd_per_1000.is_empty() && self.seconds.is_empty() && self.calls.is_empty() {
            let problem = "[budget] names no limit: `usd-per-1000`, `seconds`, or `[[budget.calls]]`";
            return Err(Error::setting("budget", problem));
        }
        if !fits(&self.usd_per_1000) {
            return fault("usd-per-1000", "`usd-per-1000` lists 1 to 20 budgets in US dollars, each above 0");
        }
        if !fits(&self.seconds) {
            return fault("seconds", "`seconds` lists 1 to 20 mean latencies, each above 0");
        }
        if !self.seconds.is_empty() && !has_latency {
            return fault(
                "seconds",
                "`seconds` needs `[objectives]`, which says where latencies are and what a second counts for",
            );
        }
        for (at, limits) in self.calls.iter().enumerate() {
            let is_share = |&share: &f64| 0.0 < share && share < 1.0;
            if !(1..=MOST_LIMITS).contains(&limits.shares.len()) || !limits.shares.iter().all(is_share) {
                return fault(
                    &format!("calls[{at}].shares"),
                    "`shares` lists 1 to 20 shares of prompts, each above 0 and below 1",
                );
            }
        }
        if !(1..=1000).contains(&self.orders) {
            return fault("orders", "`orders` must be from 1 to 1000");
        }
        Ok(())
    }

    /// Whether the suite has what the limits count.
    ///
    /// # Errors
    /// Dollars where there are no costs, or calls of a model that is no candidate.
    pub(crate) fn check_fit(&self, suite: &Suite, has_cost: bool) -> Result<()> {
        if !has_cost {
            let problem = format!("[budget] needs costs, which suite `{}` does not have", suite.info.name);
            return Err(Error::setting("budget", problem));
        }
        let known = || suite.models.iter().map(|model| model.id.as_str());
        for (at, CallLimits { model, .. }) in self.calls.iter().enumerate() {
            if known().all(|id| id != model) {
                let problem = format!(
                    "[budget] limits calls of `{model}`, which is no candidate{}",
                    suggestion(model, known())
                );
                return Err(Error::setting(format!("budget.calls[{at}].model"), problem));
            }
        }
        Ok(())
    }
}
