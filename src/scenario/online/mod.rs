//! An online scenario: one experiment with learners under bandit feedback, read from TOML and checked. On the way prices,
//! quality, and the pool may change.

mod change;
pub(crate) mod feedback;

use std::path::Path;

pub use change::{Change, ChangeKind, Factor, Outage, Replacement, Who};
use change::{WrittenChange, check_weights, read_changes};
use feedback::WrittenCondition;
pub use feedback::{Condition, Delay, Feedback, Poison, Quota};
use serde::Deserialize;

use crate::error::{Error, Result, suggestion};
use crate::preference::{DistributionKind, PreferenceGrid, PreferenceSettings};
use crate::random::{ChaCha8Rng, index_below, uniform};
use crate::router::online::OnlineRouterSettings;
use crate::scenario::paths::Base;
use crate::scenario::pool::PoolSettings;
use crate::scenario::settings::{check_label, take_label};
use crate::scenario::{CostSettings, Expectation, Mode};
use crate::toml_file;

/// The names of the references, in the order of the report. No router may be labelled so.
pub(crate) const REFERENCE_NAMES: [&str; 5] =
    ["oracle", "best-single", "best-single-warm", "zero-router", "uniform"];

/// More orders than this are a slip.
pub(crate) const MOST_ORDERS: usize = 1000;
/// Rank-one updates of more dimensions than this take longer than the answer of a model.
const MOST_DIMENSIONS: usize = 512;

/// One online experiment.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct OnlineScenario {
    /// Its file's name without ending.
    pub name: String,
    /// What it asks, in a sentence or two.
    pub description: String,
    /// The suite's folder name.
    pub suite: String,
    /// Prompt embeddings in the place of the suite's own, as in offline scenarios.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embeddings: Option<String>,
    /// The licence of the suite's data, where the suite itself does not state one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// The root seed.
    pub seed: u64,
    /// Candidates and gaps.
    pub pool: PoolSettings,
    /// The distribution that preferences are drawn from.
    pub preferences: PreferenceSettings,
    /// Costs.
    pub cost: CostSettings,
    /// Orders, warm start, and contexts.
    pub online: OnlineSettings,
    /// What happens on the way; in order, but that of a condition stands after what happens anyway.
    pub changes: Vec<Change>,
    /// What it is run under besides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The learners, in the order of the report.
    pub routers: Vec<OnlineRouterEntry>,
    /// What must come out.
    pub expect: Vec<Expectation>,
}

/// The `[online]` of a scenario, without its changes.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct OnlineSettings {
    /// How often the prompts are replayed, each time in another order.
    pub orders: usize,
    /// Share of the prompts whose outcomes of all candidates the learners may look at before the first step; they are not
    /// replayed. 0 is a cold start.
    pub warm_start: f64,
    /// The weights w that prompts are asked at, drawn evenly from this list; without one, w is drawn anew for every
    /// prompt from the declared distribution.
    pub preference: Option<Vec<f64>>,
    /// Principal directions of the embeddings that linear learners see, beside the constant.
    pub dimensions: usize,
    /// At most so many prompts of each order are replayed.
    pub steps: Option<usize>,
    /// How outcomes are told.
    #[serde(default, skip_serializing_if = "Feedback::is_plain")]
    pub feedback: Feedback,
    /// The model that cannot be called as often as one likes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<Quota>,
}

/// A learner and its label.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnlineRouterEntry {
    /// Its name in tables and plots.
    pub label: String,
    /// Kind and settings.
    pub settings: OnlineRouterSettings,
}

/// The file as written.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Written {
    #[serde(rename = "mode")]
    _mode: Mode,
    #[serde(default)]
    description: String,
    suite: String,
    embeddings: Option<String>,
    licence: Option<String>,
    #[serde(default)]
    seed: u64,
    #[serde(default)]
    pool: PoolSettings,
    #[serde(default)]
    preferences: PreferenceSettings,
    #[serde(default)]
    cost: CostSettings,
    #[serde(default)]
    online: WrittenOnline,
    #[serde(default)]
    #[schemars(with = "Vec<super::schema::OnlineRouterTable>")]
    router: Vec<toml::Table>,
    #[serde(default)]
    expect: Vec<Expectation>,
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct WrittenOnline {
    /// The prompts are replayed in so many orders; from 2.
    orders: usize,
    /// Share of the prompts whose outcomes learners may look at before the first step; they are not replayed.
    warm_start: f64,
    /// Weights of cost, drawn evenly; without a list w is drawn anew for every prompt from the declared distribution.
    preference: Option<Vec<f64>>,
    /// Principal directions of the embeddings that learners see.
    dimensions: usize,
    /// At most so many prompts of each order.
    steps: Option<usize>,
    /// How outcomes are told.
    feedback: Feedback,
    /// A bound on the calls of a model.
    quota: Option<Quota>,
    /// What happens on the way; each is one change.
    change: Vec<WrittenChange>,
    /// The scenario once more under other feedback, another quota, or more changes.
    condition: Vec<WrittenCondition>,
}

impl Default for WrittenOnline {
    fn default() -> Self {
        WrittenOnline {
            orders: 20,
            warm_start: 0.0,
            preference: None,
            dimensions: 25,
            steps: None,
            feedback: Feedback::default(),
            quota: None,
            change: Vec::new(),
            condition: Vec::new(),
        }
    }
}

impl OnlineScenario {
    /// Parses the text of a scenario file; `path` names it.
    ///
    /// # Errors
    /// Whatever is wrong with it, with path and line.
    pub fn parse(path: &Path, text: &str) -> Result<OnlineScenario> {
        OnlineScenario::parsed(path, text).map_err(|error| toml_file::located(path, text, error))
    }

    fn parsed(path: &Path, text: &str) -> Result<OnlineScenario> {
        let mut written: Written = toml_file::parse(path, text)?;
        let base = Base::of(path);
        base.suite(&mut written.suite, &mut written.embeddings);
        base.cost(&mut written.cost);
        let WrittenOnline {
            orders,
            warm_start,
            preference,
            dimensions,
            steps,
            feedback,
            quota,
            change,
            condition,
        } = written.online;
        let changes = read_changes(change, "online.change")?;
        let numbered = condition.into_iter().enumerate();
        let conditions = numbered
            .map(|(at, condition)| condition.read(&format!("online.condition[{at}]")))
            .collect::<Result<_>>()?;
        let mut routers: Vec<OnlineRouterEntry> = Vec::new();
        for (at, table) in written.router.into_iter().enumerate() {
            let key = format!("router[{at}]");
            let entry = router(path, text, &key, table)?;
            let fault = |problem: String| Error::setting(&key, problem);
            let earlier = routers.iter().map(|router| router.label.as_str());
            check_label(&entry.label, earlier, &REFERENCE_NAMES, "reference").map_err(fault)?;
            entry.settings.check(warm_start > 0.0).map_err(fault)?;
            routers.push(entry);
        }
        let scenario = OnlineScenario {
            name: path
                .file_stem()
                .map_or_else(|| "scenario".into(), |stem| stem.to_string_lossy().into_owned()),
            description: written.description,
            suite: written.suite,
            embeddings: written.embeddings,
            licence: written.licence,
            seed: written.seed,
            pool: written.pool,
            preferences: written.preferences,
            cost: written.cost,
            online: OnlineSettings { orders, warm_start, preference, dimensions, steps, feedback, quota },
            changes,
            conditions,
            routers,
            expect: written.expect,
        };
        scenario.check()?;
        Ok(scenario)
    }

    /// The scenario under one of its conditions: a scenario of its own.
    pub(crate) fn under(&self, condition: &Condition) -> OnlineScenario {
        let mut scenario = OnlineScenario { conditions: Vec::new(), ..self.clone() };
        scenario.online.feedback = condition.feedback.or(&self.online.feedback);
        scenario.online.quota = condition.quota.clone().or_else(|| self.online.quota.clone());
        scenario.changes.extend_from_slice(&condition.changes);
        scenario
    }

    /// The changes in the order in which they happen, each with its place in the list.
    pub(crate) fn changes_by_time(&self) -> Vec<(usize, &Change)> {
        let mut changes: Vec<(usize, &Change)> = self.changes.iter().enumerate().collect();
        changes.sort_by(|(_, a), (_, b)| a.at.total_cmp(&b.at));
        changes
    }

    /// A weight of cost against score, drawn as the scenario asks for it before any change.
    pub(crate) fn draw_preference(&self, rng: &mut ChaCha8Rng) -> f64 {
        self.draw_from(self.online.preference.as_deref(), rng)
    }

    /// A weight from a list or, without one, from the declared distribution.
    pub(crate) fn draw_from(&self, weights: Option<&[f64]>, rng: &mut ChaCha8Rng) -> f64 {
        if let Some(weights) = weights {
            return weights[index_below(rng, weights.len())];
        }
        let distribution = self.preferences.distribution;
        let (low, high, share) = (distribution.low, distribution.high, uniform(rng));
        match distribution.kind {
            DistributionKind::Uniform => low + share * (high - low),
            DistributionKind::LogUniform => low * (share * (high / low).ln()).exp(),
        }
    }

    fn check(&self) -> Result<()> {
        let OnlineSettings { orders, warm_start, preference, dimensions, steps, feedback, quota } =
            &self.online;
        let fault = |key: &str, problem: String| Err(Error::setting(key, problem));
        if !(2..=MOST_ORDERS).contains(orders) {
            return fault(
                "online.orders",
                format!("`orders` must be from 2 to {MOST_ORDERS}: one order has no interval"),
            );
        }
        if !(0.0..=0.9).contains(warm_start) {
            return fault(
                "online.warm-start",
                format!("`warm-start` {warm_start} is not a share from 0 to 0.9"),
            );
        }
        if !(1..=MOST_DIMENSIONS).contains(dimensions) {
            return fault("online.dimensions", format!("`dimensions` must be from 1 to {MOST_DIMENSIONS}"));
        }
        if steps.is_some_and(|steps| steps == 0) {
            return fault("online.steps", "`steps` must be at least 1".into());
        }
        if let Some(weights) = preference {
            check_weights(weights).or_else(|problem| fault("online.preference", problem))?;
        }
        feedback.check("online.feedback")?;
        quota.as_ref().map_or(Ok(()), |quota| quota.check("online.quota"))?;
        for (at, Condition { name, .. }) in self.conditions.iter().enumerate() {
            let is_taken = self.conditions[..at].iter().any(|earlier| earlier.name == *name);
            let is_plain = name.chars().all(|c| c.is_alphanumeric() || " -_.,:%+".contains(c));
            if name.trim().is_empty() || is_taken || !is_plain {
                let problem =
                    format!("`{name}` is no name of its own of letters, digits, blanks, and `-_.,:%+`");
                return fault(&format!("online.condition[{at}].name"), problem);
            }
        }
        if self.routers.is_empty() {
            return fault(
                "router",
                "names no router; the simplest is `[[router]]` with `kind = \"random\"` below it".into(),
            );
        }
        self.cost.check()?;
        let known = || self.routers.iter().map(|entry| entry.label.as_str()).chain(REFERENCE_NAMES);
        for (at, expectation) in self.expect.iter().enumerate() {
            let key = format!("expect[{at}]");
            expectation.check(&key)?;
            let named = std::iter::once(&expectation.router).chain(&expectation.above);
            if let Some(name) = named.into_iter().find(|name| !known().any(|known| known == *name)) {
                let near = suggestion(name, known());
                return fault(&key, format!("an expectation names unknown router `{name}`{near}"));
            }
        }
        PreferenceGrid::new(&self.preferences).map(|_| ())
    }
}

fn router(path: &Path, text: &str, key: &str, mut table: toml::Table) -> Result<OnlineRouterEntry> {
    let line = |problem: String| Error::setting(key, problem);
    let label = take_label(&mut table).map_err(line)?;
    let settings: OnlineRouterSettings =
        table.try_into().map_err(|error| toml_file::fault(path, text, &error, key))?;
    Ok(OnlineRouterEntry { label: label.unwrap_or_else(|| settings.kind().to_owned()), settings })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "mode = \"online\"\ndescription = \"d\"\nsuite = \"s\"\n[online]\norders = 3\n[[online.change]]\nat = 0.5\nprice = { model = \"a\", factor = 0.5 }\n[[router]]\nkind = \"linucb\"\nalpha = 0.5\n";

    fn fault(from: &str, to: &str) -> String {
        assert!(GOOD.contains(from));
        OnlineScenario::parse(Path::new("s.toml"), &GOOD.replacen(from, to, 1)).unwrap_err().to_string()
    }

    #[test]
    fn what_is_left_open_has_its_default() {
        let scenario = OnlineScenario::parse(Path::new("s.toml"), GOOD).unwrap();
        assert_eq!(scenario.online.warm_start, 0.0);
        assert_eq!(scenario.online.dimensions, 25);
        assert_eq!(scenario.changes[0].what.to_string(), "`a` costs 0.5 times as much");
        assert_eq!(scenario.routers[0].label, "linucb");
    }

    #[test]
    fn each_fault_names_its_line_and_the_near_miss() {
        assert_eq!(fault("orders", "ordres"), "s.toml:5: unknown field `ordres`; did you mean `orders`?");
        assert_eq!(
            fault("= 3", "= 1"),
            "s.toml:5: `orders` must be from 2 to 1000: one order has no interval"
        );
        assert_eq!(fault("price", "prise"), "s.toml:8: unknown field `prise`; did you mean `price`?");
        assert_eq!(
            fault("at = 0.5\nprice", "at = 0.5\nleave = { model = \"a\" }\nprice"),
            "s.toml:6: a change needs exactly one of `price`, `quality`, `arrive`, `leave`, `outage`, `replace`, and `preference`"
        );
        assert_eq!(fault("at = 0.5", "at = 1.5"), "s.toml:6: `at` 1.5 is not between 0 and 1");
        assert_eq!(fault("linucb", "linucp"), "s.toml:10: unknown variant `linucp`; did you mean `linucb`?");
        assert_eq!(fault("alpha", "alhpa"), "s.toml:11: unknown field `alhpa`; did you mean `alpha`?");
        assert_eq!(
            fault("linucb\"\nalpha", "pilot\"\nalpha"),
            "s.toml:9: `pilot` learns before the first step and needs a `warm-start` in `[online]`"
        );
    }
}
