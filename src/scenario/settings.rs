//! What offline and online scenarios have in common: costs, evidence, expectations, routers, and their labels.

use crate::date::Date;
use crate::error::{Error, Result, suggestion};
use crate::router::quiz::QuizSettings;
use crate::router::{CostModelKind, Features, RouterSettings, Stick};
use crate::suite::CacheSettings;

/// The `[cost]` of a scenario.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct CostSettings {
    /// How routers estimate costs unless they say otherwise.
    pub model: CostModelKind,
    /// Where a suite has no output tokens: so many are assumed for every answer, so that list prices give a cost. The
    /// report says so.
    pub assume_output_tokens: Option<f64>,
    /// The price book whose list prices make all costs, in the place of the suite's own prices and costs: a file or
    /// `built-in`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prices: Option<String>,
    /// The day whose prices are taken from the book; each model's latest where none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prices_date: Option<Date>,
    /// Whether the input tokens of answers whose cost is not known are estimated from the prompt's text where the suite does
    /// not tell them. The report says so.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub estimate_tokens: bool,
    /// The `tokenizer.json` that they are counted by; without it they are a quarter of the text's bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<String>,
}

impl Default for CostSettings {
    fn default() -> Self {
        CostSettings {
            model: CostModelKind::PerPrompt,
            assume_output_tokens: None,
            prices: None,
            prices_date: None,
            estimate_tokens: false,
            tokenizer: None,
        }
    }
}

impl CostSettings {
    pub(super) fn check(&self) -> Result<()> {
        let fault = |key: &str, problem: &str| Err(Error::setting(format!("cost.{key}"), problem));
        if self.assume_output_tokens.is_some_and(|tokens| !(0.0..=1e9).contains(&tokens)) {
            return fault("assume-output-tokens", "`assume-output-tokens` must be a number of tokens");
        }
        if self.prices_date.is_some() && self.prices.is_none() {
            return fault("prices-date", "`prices-date` needs `prices`: the suite's own prices have no date");
        }
        if self.tokenizer.is_some() && !self.estimate_tokens {
            return fault(
                "tokenizer",
                "`tokenizer` needs `estimate-tokens = true`: recorded tokens are not counted anew",
            );
        }
        Ok(())
    }
}

/// The `[evidence]` of a scenario: what is compared with what, declared before the run.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct EvidenceSettings {
    /// The headline metric that decides; without one the expected utility.
    pub primary: Option<String>,
    /// Whom every router is compared with: a router's label or a bound's name. Without one the first predictor, and without
    /// any predictor the zero router.
    pub against: Option<String>,
    /// Resamples behind every interval and exchanges behind every p-value.
    pub resamples: usize,
}

impl Default for EvidenceSettings {
    fn default() -> Self {
        EvidenceSettings { primary: None, against: None, resamples: 2000 }
    }
}

impl EvidenceSettings {
    pub(super) fn is_default(&self) -> bool {
        *self == EvidenceSettings::default()
    }
}

/// A router and its label.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouterEntry {
    /// Its name in tables and plots.
    pub label: String,
    /// Kind and settings.
    pub settings: RouterSettings,
    /// The quiz this router gets to see, where it is not the scenario's.
    pub quiz: Option<QuizSettings>,
    /// Whether it stays on the model of the turn before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stick: Option<StickSettings>,
    /// What it sees of a prompt.
    #[serde(default, skip_serializing_if = "Features::is_default")]
    pub features: Features,
    /// Of a router that sticks to models or sees other features under the label that it is given for that, the label of the same router
    /// without: it draws the same random numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub twin: Option<String>,
    /// Of a router at a quiz of a sweep, its label in the scenario.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swept_from: Option<String>,
}

impl RouterEntry {
    /// Its label in the scenario, whatever quiz of a sweep it is asked.
    pub fn in_scenario(&self) -> &str {
        self.swept_from.as_ref().unwrap_or(&self.label)
    }

    /// Whose random numbers it draws: its twin's, or those of its label in the scenario, so that they are the same at every quiz.
    pub(crate) fn draws_as(&self) -> &str {
        self.twin.as_deref().unwrap_or_else(|| self.in_scenario())
    }
}

/// How a router stays on the model of the turn before, with all that its choices depend on.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StickSettings {
    /// How.
    pub how: Stick,
    /// When caches save anything, as the scenario's `[session]` has it.
    pub caches: CacheSettings,
}

/// A bound on a mean over replicates, checked by `run` and `report`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Expectation {
    /// A router's label or a reference's name.
    pub router: String,
    /// A metric of `summary.csv`.
    pub metric: String,
    /// The value is at least this.
    pub at_least: Option<f64>,
    /// The value is at most this.
    pub at_most: Option<f64>,
    /// The value is above that of another router or reference.
    pub above: Option<String>,
    /// With `above`: the value is above this share of the other's, say 0.95 or 1.02.
    pub share: Option<f64>,
}

impl Expectation {
    /// Whether it asks for something; `key` is its place in the scenario.
    pub(super) fn check(&self, key: &str) -> Result<()> {
        let Expectation { router, metric, at_least, at_most, above, share } = self;
        if share.is_some() && above.is_none() {
            let problem = format!(
                "the expectation on `{metric}` of `{router}` has a `share` but no `above` to take it of"
            );
            return Err(Error::setting(format!("{key}.share"), problem));
        }
        if at_least.is_none() && at_most.is_none() && above.is_none() {
            let problem = format!(
                "the expectation on `{metric}` of `{router}` states no bound: `at-least`, `at-most`, or `above`"
            );
            return Err(Error::setting(key, problem));
        }
        Ok(())
    }
}

/// How routers are judged.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Trained on recorded outcomes, then judged on other prompts.
    #[default]
    Offline,
    /// Learning on the way from the outcomes of its own choices: [`online`](super::online).
    Online,
}

/// The most characters of a label: what comes before and after it in the name of a file must have room.
const LONGEST_LABEL: usize = 100;

/// The most bytes of a file's name without what is put around it.
const LONGEST_FILE_NAME: usize = 200;

/// Whether a text can be a part of a file's name and of nothing but that: no path, nothing that a terminal obeys.
pub(crate) fn is_file_name(text: &str) -> bool {
    let is_fine = |c: char| !c.is_control() && !"/\\:".contains(c);
    !text.is_empty()
        && text.len() <= LONGEST_FILE_NAME
        && ![".", ".."].contains(&text)
        && text.chars().all(is_fine)
}

/// Takes the label out of a `[[router]]`, where it has one, and sees that it has a kind.
///
/// # Errors
/// What is wrong with the table, in words.
pub(super) fn take_label(table: &mut toml::Table) -> std::result::Result<Option<String>, String> {
    let label = match table.remove("label") {
        Some(toml::Value::String(label)) => Some(label),
        Some(other) => return Err(format!("`label` is a string, not {other}")),
        None => None,
    };
    if !table.contains_key("kind") {
        let near = suggestion("kind", table.keys().map(String::as_str));
        return Err(format!("a `[[router]]` needs a `kind`{near}"));
    }
    Ok(label)
}

/// Whether a router may have that label beside earlier ones; `taken` are names of policies that are no routers, each a
/// `what`.
///
/// # Errors
/// Why not, in words.
pub(super) fn check_label<'a>(
    label: &str,
    mut earlier: impl Iterator<Item = &'a str>,
    taken: &[&str],
    what: &str,
) -> std::result::Result<(), String> {
    if label.is_empty() || !label.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
        return Err(format!("label `{label}`: letters, digits, `-`, `_`, and `.` only"));
    }
    if label.len() > LONGEST_LABEL {
        return Err(format!("label `{label}` is longer than {LONGEST_LABEL} characters"));
    }
    if [".", ".."].contains(&label) {
        return Err(format!("label `{label}` is the name of a folder"));
    }
    if taken.contains(&label) {
        return Err(format!("`{label}` is the name of a {what}; give the router another `label`"));
    }
    if earlier.any(|other| other == label) {
        return Err(format!("two routers are labelled `{label}`; give one another `label`"));
    }
    Ok(())
}
