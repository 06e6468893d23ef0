//! What can happen on the way of an online scenario: prices, quality, and the pool change.

use std::fmt;

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
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Factor {
    /// The model.
    pub model: String,
    /// The factor.
    pub factor: f64,
}

/// A model.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Who {
    /// The model.
    pub model: String,
}

/// A model and whose answers it gives.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
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
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct WrittenChange {
    at: f64,
    price: Option<Factor>,
    quality: Option<Factor>,
    arrive: Option<Who>,
    leave: Option<Who>,
    replace: Option<Replacement>,
}

impl WrittenChange {
    /// The change, or what is wrong with it.
    pub(super) fn change(self) -> std::result::Result<Change, String> {
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
