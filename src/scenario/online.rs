//! An online scenario: one experiment with learners under bandit feedback, read from TOML and checked. On the way prices,
//! quality, and the pool may change.

use std::fmt;
use std::path::Path;

use serde::Deserialize;

use crate::error::{Error, Result, suggestion};
use crate::preference::{DistributionKind, Preference, PreferenceGrid, PreferenceSettings};
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
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Written {
    #[serde(rename = "mode")]
    _mode: Mode,
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
            online: OnlineSettings { orders, warm_start, preference, dimensions, steps },
            changes,
            routers,
            expect: written.expect,
        };
        scenario.check()?;
        Ok(scenario)
    }

    /// A weight of cost against score, drawn as the scenario asks for it.
    pub(crate) fn draw_preference(&self, rng: &mut ChaCha8Rng) -> f64 {
        if let Some(weights) = &self.online.preference {
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

/// Something that happens on the way. Nobody is told, but that the pool shows who can be chosen.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Change {
    /// The share of the steps that are done by then.
    pub at: f64,
    /// What happens.
    pub what: ChangeKind,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum ChangeKind {
    /// Every later answer of the model costs this many times its recorded cost.
    Price(Factor),
    /// Every later answer keeps its score with this probability and is worth 0 otherwise, drawn once a prompt, so that the
    /// same answers fail in every order and for every learner.
    Quality(Factor),
    /// The model can be chosen from now on, and not before.
    Arrive(Who),
    /// The model cannot be chosen any more.
    Leave(Who),
    /// The model's answers are those recorded for another one, which is no candidate of its own.
    Replace(Replacement),
}

/// A model and a factor.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Factor {
    /// The model.
    pub model: String,
    /// The factor.
    pub factor: f64,
}

/// A model.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Who {
    /// The model.
    pub model: String,
}

/// A model and whose answers it gives.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Replacement {
    /// The model.
    pub model: String,
    /// Whose answers it gives from now on.
    pub by: String,
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChangeKind::Price(Factor { model, factor }) => {
                write!(f, "`{model}` costs {factor} times as much")
            }
            ChangeKind::Quality(Factor { model, factor }) => {
                write!(f, "`{model}` keeps {factor} of its right answers")
            }
            ChangeKind::Arrive(Who { model }) => write!(f, "`{model}` arrives"),
            ChangeKind::Leave(Who { model }) => write!(f, "`{model}` leaves"),
            ChangeKind::Replace(Replacement { model, by }) => {
                write!(f, "`{model}` answers as `{by}`")
            }
        }
    }
}

impl ChangeKind {
    /// The model it happens to.
    pub fn model(&self) -> &str {
        match self {
            ChangeKind::Price(Factor { model, .. }) | ChangeKind::Quality(Factor { model, .. }) => model,
            ChangeKind::Arrive(Who { model }) | ChangeKind::Leave(Who { model }) => model,
            ChangeKind::Replace(Replacement { model, .. }) => model,
        }
    }
}

/// An `[[online.change]]` as written, before it is known that it is one change.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WrittenChange {
    at: f64,
    price: Option<Factor>,
    quality: Option<Factor>,
    arrive: Option<Who>,
    leave: Option<Who>,
    replace: Option<Replacement>,
}

impl WrittenChange {
    /// The change, or what is wrong with it.
    fn change(self) -> std::result::Result<Change, String> {
        let WrittenChange { at, price, quality, arrive, leave, replace } = self;
        let kinds = [
            price.map(ChangeKind::Price),
            quality.map(ChangeKind::Quality),
            arrive.map(ChangeKind::Arrive),
            leave.map(ChangeKind::Leave),
            replace.map(ChangeKind::Replace),
        ];
        let mut kinds = kinds.into_iter().flatten();
        let (Some(what), None) = (kinds.next(), kinds.next()) else {
            return Err(
                "a change needs exactly one of `price`, `quality`, `arrive`, `leave`, and `replace`".into()
            );
        };
        if !(0.0 < at && at < 1.0) {
            return Err(format!("`at` {at} is not between 0 and 1"));
        }
        match &what {
            ChangeKind::Price(Factor { factor, .. }) if !(0.0..=1e6).contains(factor) => {
                Err(format!("`factor` {factor} of a price is not a number from 0 to a million"))
            }
            ChangeKind::Quality(Factor { factor, .. }) if !(0.0..=1.0).contains(factor) => {
                Err(format!("`factor` {factor} of a quality is not between 0 and 1"))
            }
            _ => Ok(Change { at, what }),
        }
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
