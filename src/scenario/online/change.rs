//! What can happen on the way through an online scenario: prices, quality, the pool, and what users prefer change.

use std::fmt;

use crate::error::{Error, Result};
use crate::preference::Preference;

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
    /// Prompts are asked at these weights w from now on, drawn evenly from the list.
    Preference(Vec<f64>),
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

/// A model that is out for a while.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Outage {
    /// The model.
    pub model: String,
    /// The share of the steps that are done when it can be chosen again.
    pub until: f64,
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
            ChangeKind::Preference(weights) if weights.len() == 1 => write!(f, "w becomes {}", weights[0]),
            ChangeKind::Preference(weights) => write!(f, "w is drawn from {weights:?}"),
        }
    }
}

impl ChangeKind {
    /// The model it happens to, where it happens to one.
    pub fn model(&self) -> Option<&str> {
        match self {
            ChangeKind::Price(Factor { model, .. }) | ChangeKind::Quality(Factor { model, .. }) => {
                Some(model)
            }
            ChangeKind::Arrive(Who { model }) | ChangeKind::Leave(Who { model }) => Some(model),
            ChangeKind::Replace(Replacement { model, .. }) => Some(model),
            ChangeKind::Preference(_) => None,
        }
    }
}

/// An `[[online.change]]` as written, before it is known that it is one change.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct WrittenChange {
    /// When, as a share of the steps.
    at: f64,
    /// A model's later answers cost so many times what they did.
    price: Option<Factor>,
    /// A model's later answers keep their scores with this probability and are worth 0 otherwise.
    quality: Option<Factor>,
    /// A model can be chosen from now on, and not before.
    arrive: Option<Who>,
    /// A model cannot be chosen any more.
    leave: Option<Who>,
    /// A model cannot be chosen for a while.
    outage: Option<Outage>,
    /// A model's answers are those recorded for another one, which is no candidate of its own.
    replace: Option<Replacement>,
    /// The weights of cost that are drawn from now on.
    preference: Option<Vec<f64>>,
}

impl WrittenChange {
    /// The change, or for an outage both, or what is wrong with it.
    fn changes(self) -> std::result::Result<Vec<Change>, String> {
        let WrittenChange { at, price, quality, arrive, leave, outage, replace, preference } = self;
        let until = outage.as_ref().map(|outage| outage.until);
        let kinds = [
            price.map(ChangeKind::Price),
            quality.map(ChangeKind::Quality),
            arrive.map(ChangeKind::Arrive),
            leave.map(ChangeKind::Leave),
            outage.map(|Outage { model, .. }| ChangeKind::Leave(Who { model })),
            replace.map(ChangeKind::Replace),
            preference.map(ChangeKind::Preference),
        ];
        let mut kinds = kinds.into_iter().flatten();
        let (Some(what), None) = (kinds.next(), kinds.next()) else {
            let names = "`price`, `quality`, `arrive`, `leave`, `outage`, `replace`, and `preference`";
            return Err(format!("a change needs exactly one of {names}"));
        };
        if !(0.0 < at && at < 1.0) {
            return Err(format!("`at` {at} is not between 0 and 1"));
        }
        match &what {
            ChangeKind::Price(Factor { factor, .. }) if !(0.0..=1e6).contains(factor) => {
                return Err(format!("`factor` {factor} of a price is not a number from 0 to a million"));
            }
            ChangeKind::Quality(Factor { factor, .. }) if !(0.0..=1.0).contains(factor) => {
                return Err(format!("`factor` {factor} of a quality is not between 0 and 1"));
            }
            ChangeKind::Preference(weights) => check_weights(weights)?,
            _ => {}
        }
        let back = match (until, &what) {
            (Some(until), _) if !(at < until && until < 1.0) => {
                return Err(format!(
                    "an outage from {at} `until` {until} does not end after it begins, and before 1"
                ));
            }
            (Some(at), ChangeKind::Leave(who)) => Some(Change { at, what: ChangeKind::Arrive(who.clone()) }),
            _ => None,
        };
        Ok(std::iter::once(Change { at, what }).chain(back).collect())
    }
}

/// Whether these are weights that prompts can be asked at.
pub(super) fn check_weights(weights: &[f64]) -> std::result::Result<(), String> {
    if weights.is_empty() || weights.iter().any(|weight| Preference::new(*weight).is_none()) {
        return Err("`preference` is a list of weights from 0 up".into());
    }
    Ok(())
}

/// The changes of a list in the order in which they happen, an outage as two.
pub(super) fn read_changes(written: Vec<WrittenChange>, key: &str) -> Result<Vec<Change>> {
    let mut changes: Vec<Change> = Vec::new();
    let mut latest = 0.0;
    for (at, change) in written.into_iter().enumerate() {
        let fault = |problem: String| Error::setting(format!("{key}[{at}]"), problem);
        let change = change.changes().map_err(fault)?;
        if change[0].at < latest {
            return Err(fault("changes are written in the order in which they happen".into()));
        }
        latest = change[0].at;
        changes.extend(change);
    }
    changes.sort_by(|a, b| a.at.total_cmp(&b.at));
    Ok(changes)
}

/// A share as it is written.
pub(super) fn percent(share: f64) -> String {
    format!("{} %", (1e6 * share).round() / 1e4)
}

/// Each change with when it happens.
pub(super) fn changes_in_words(changes: &[Change]) -> impl Iterator<Item = String> {
    changes.iter().map(|change| format!("after {} of the steps {}", percent(change.at), change.what))
}
