//! An online scenario: one experiment with learners under bandit feedback, read from TOML and checked.

use std::path::Path;

use serde::Deserialize;

use super::change::{Change, WrittenChange};
use super::evaluate::REFERENCE_NAMES;
use super::router::OnlineRouterSettings;
use crate::error::{Error, Result};
use crate::preference::{Preference, PreferenceGrid, PreferenceSettings};
use crate::scenario::label;
use crate::scenario::pool::PoolSettings;
use crate::scenario::{CostSettings, Expectation, Mode};
use crate::{fs, toml_file};

/// More orders than this are a slip.
const MOST_ORDERS: usize = 1000;
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
    /// What happens on the way, in order.
    pub changes: Vec<Change>,
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
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    #[serde(rename = "mode")]
    _mode: Mode,
    description: String,
    suite: String,
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
    router: Vec<toml::Table>,
    #[serde(default)]
    expect: Vec<Expectation>,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct WrittenOnline {
    orders: usize,
    warm_start: f64,
    preference: Option<Vec<f64>>,
    dimensions: usize,
    steps: Option<usize>,
    change: Vec<WrittenChange>,
}

impl Default for WrittenOnline {
    fn default() -> Self {
        WrittenOnline {
            orders: 20,
            warm_start: 0.0,
            preference: None,
            dimensions: 25,
            steps: None,
            change: Vec::new(),
        }
    }
}

impl OnlineScenario {
    /// Reads a scenario file, or nothing where it is none with `mode = "online"`.
    ///
    /// # Errors
    /// Whatever is wrong with it, with path and line.
    pub fn read_if_online(path: &Path) -> Result<Option<OnlineScenario>> {
        let Ok(text) = fs::read_text(path) else { return Ok(None) };
        if is_online(&text) { OnlineScenario::parse(path, &text).map(Some) } else { Ok(None) }
    }

    /// Parses the text of a scenario file; `path` names it.
    ///
    /// # Errors
    /// Whatever is wrong with it, with path and line.
    pub fn parse(path: &Path, text: &str) -> Result<OnlineScenario> {
        OnlineScenario::parsed(path, text).map_err(|error| toml_file::located(path, text, error))
    }

    fn parsed(path: &Path, text: &str) -> Result<OnlineScenario> {
        let written: Written = toml_file::parse(path, text)?;
        let WrittenOnline { orders, warm_start, preference, dimensions, steps, change } = written.online;
        let mut changes: Vec<Change> = Vec::new();
        for (at, change) in change.into_iter().enumerate() {
            let fault = |problem: String| Error::setting(format!("online.change[{at}]"), problem);
            let change = change.change().map_err(fault)?;
            if changes.last().is_some_and(|before| before.at > change.at) {
                return Err(fault("changes are written in the order in which they happen".into()));
            }
            changes.push(change);
        }
        let mut routers: Vec<OnlineRouterEntry> = Vec::new();
        for (at, table) in written.router.into_iter().enumerate() {
            let key = format!("router[{at}]");
            let entry = router(path, text, &key, table)?;
            let fault = |problem: String| Error::setting(&key, problem);
            let earlier = routers.iter().map(|router| router.label.as_str());
            label::check(&entry.label, earlier, &REFERENCE_NAMES, "reference").map_err(fault)?;
            entry.settings.check(warm_start > 0.0).map_err(fault)?;
            routers.push(entry);
        }
        let scenario = OnlineScenario {
            name: path
                .file_stem()
                .map_or_else(|| "scenario".into(), |stem| stem.to_string_lossy().into_owned()),
            description: written.description,
            suite: written.suite,
            licence: written.licence,
            seed: written.seed,
            pool: written.pool,
            preferences: written.preferences,
            cost: written.cost,
            online: OnlineSettings { orders, warm_start, preference, dimensions, steps },
            changes,
            routers,
            expect: written.expect,
        };
        scenario.check()?;
        Ok(scenario)
    }

    fn check(&self) -> Result<()> {
        let OnlineSettings { orders, warm_start, preference, dimensions, steps } = &self.online;
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
        if let Some(weights) = preference
            && (weights.is_empty() || weights.iter().any(|weight| Preference::new(*weight).is_none()))
        {
            return fault("online.preference", "`preference` is a list of weights from 0 up".into());
        }
        if self.routers.is_empty() {
            return fault("router", "names no `[[router]]`".into());
        }
        for (at, expectation) in self.expect.iter().enumerate() {
            if expectation.at_least.is_none() && expectation.at_most.is_none() && expectation.above.is_none()
            {
                return fault(
                    &format!("expect[{at}]"),
                    format!(
                        "the expectation on `{}` of `{}` states no bound: `at-least`, `at-most`, or `above`",
                        expectation.metric, expectation.router
                    ),
                );
            }
        }
        PreferenceGrid::new(&self.preferences).map(|_| ())
    }
}

/// Whether a scenario's text says `mode = "online"` before its first table.
pub fn is_online(text: &str) -> bool {
    let top = text.lines().map(str::trim).take_while(|line| !line.starts_with('['));
    let mut modes = top.filter_map(|line| line.split_once('=')).filter(|(key, _)| key.trim() == "mode");
    modes.any(|(_, value)| value.split('#').next().is_some_and(|value| value.trim() == "\"online\""))
}

fn router(path: &Path, text: &str, key: &str, mut table: toml::Table) -> Result<OnlineRouterEntry> {
    let line = |problem: String| Error::setting(key, problem);
    let label = label::take(&mut table).map_err(line)?;
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
        assert!(is_online(GOOD) && !is_online("suite = \"s\"\n[online]\nmode = \"online\"\n"));
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
            "s.toml:6: a change needs exactly one of `price`, `quality`, `arrive`, `leave`, and `replace`"
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
