//! One shift: its name, where it is applied, and what it does.

use std::borrow::Cow;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{candidates, learning, money};
use crate::error::{Error, Result};
use crate::preference::PreferenceDistribution;
use crate::prices::{Date, PriceBook, price_suite};
use crate::scenario::Scenario;
use crate::seed::Stream;
use crate::split::Split;
use crate::suite::Suite;
use crate::unseen::{TestPool, UnseenChoice, UnseenSettings};

/// A shift by name; no two of a scenario share one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shift {
    /// Its column in the stress matrix.
    pub name: String,
    /// What it does.
    pub change: Change,
}

/// Where a shift is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// To what trained routers meet; they are not trained anew.
    Test,
    /// To what they are trained from.
    Training,
}

/// What a shift does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Change {
    /// Multiplies a model's costs.
    Price {
        /// Whose.
        model: String,
        /// By this.
        factor: f64,
    },
    /// Costs by another price book.
    PriceBook {
        /// A file or `built-in`.
        prices: String,
        /// The day.
        prices_date: Option<Date>,
    },
    /// Takes models out of the pool.
    Remove {
        /// Who.
        models: Vec<String>,
    },
    /// Keeps models out of training; they join by the quiz.
    Add {
        /// Who.
        models: Vec<String>,
    },
    /// Takes the unseen models out of the pool.
    SeenOnly,
    /// Takes the seen models out of the pool.
    UnseenOnly,
    /// Shows the unseen models in training.
    Retrained,
    /// Adds a copy of a model.
    Clone {
        /// Of whom.
        model: String,
        /// The copy's costs over the original's.
        factor: f64,
    },
    /// Turns the order of the candidates around.
    ModelOrder,
    /// Turns scores that are learned from around: s becomes 1 - s.
    LabelNoise {
        /// The chance of each.
        share: f64,
    },
    /// Leaves so many development prompts.
    TrainSize {
        /// How many, validation prompts among them.
        size: usize,
    },
    /// Learns from the other benchmarks, routes this one.
    LeaveOut {
        /// Which.
        benchmark: String,
    },
    /// Adds noise to embeddings of prompts that are routed.
    EmbeddingNoise {
        /// The length of the noise over that of the embedding, root mean square.
        deviation: f64,
    },
    /// Takes the embeddings of prompts that are routed away.
    NoEmbeddings,
    /// Asks each prompt at another preference than its user has.
    PreferenceNoise {
        /// The standard deviation of ln w as stated around ln w as meant.
        deviation: f64,
    },
    /// Trains for another distribution of preferences.
    PreferenceShift {
        /// This.
        trained_for: PreferenceDistribution,
    },
    /// Leaves random members of the pool, drawn anew in every replicate.
    PoolSize {
        /// How many.
        size: usize,
    },
    /// Multiplies all costs and list prices.
    CostUnit {
        /// By this.
        factor: f64,
    },
}

impl Shift {
    /// What it does, in words for a report.
    pub fn words(&self) -> String {
        match &self.change {
            Change::Price { model, factor } => {
                format!("{model} costs {factor} of what it did; whoever reckons with prices is told")
            }
            Change::PriceBook { prices, prices_date } => {
                let day = prices_date.map_or_else(String::new, |date| format!(" of {date}"));
                format!("prices{day} from the book `{prices}`; whoever reckons with prices is told")
            }
            Change::Remove { models } => format!("{} out of the pool", models.join(", ")),
            Change::Add { models } => {
                format!("{} absent from training, joined by the quiz", models.join(", "))
            }
            Change::SeenOnly => "only seen models may be chosen".into(),
            Change::UnseenOnly => "only unseen models may be chosen".into(),
            Change::Retrained => {
                "trained anew with full answers of the unseen models: the ceiling of every quiz".into()
            }
            Change::Clone { model, factor } if *factor == 1.0 => format!("{model} stands in the pool twice"),
            Change::Clone { model, factor } => {
                format!("a copy of {model} in the pool at {factor} of its price")
            }
            Change::ModelOrder => "the candidates in the opposite order".into(),
            Change::LabelNoise { share } => {
                format!("of the scores learned from a share of {share} turned around")
            }
            Change::TrainSize { size } => format!("{size} development prompts"),
            Change::LeaveOut { benchmark } => {
                format!("test prompts of {benchmark}, of which nothing was learned from")
            }
            Change::EmbeddingNoise { deviation } => {
                format!("noise of {deviation} of their length on the embeddings of routed prompts")
            }
            Change::NoEmbeddings => "no embeddings of routed prompts".into(),
            Change::PreferenceNoise { deviation } => {
                format!("w stated with an error of {deviation} in ln w (standard deviation)")
            }
            Change::PreferenceShift { trained_for: PreferenceDistribution { kind: _, low, high } } => {
                format!("trained for w from {low} to {high}")
            }
            Change::PoolSize { size } => format!("{size} random models of the pool"),
            Change::CostUnit { factor } => format!("all costs times {factor}"),
        }
    }

    /// The name with what no file's name should hold replaced.
    pub(crate) fn file_name(&self) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
        self.name.chars().map(plain).collect()
    }
}

impl Change {
    /// Where it is applied.
    pub fn stage(&self) -> Stage {
        match self {
            Change::Price { .. }
            | Change::PriceBook { .. }
            | Change::Remove { .. }
            | Change::SeenOnly
            | Change::UnseenOnly
            | Change::EmbeddingNoise { .. }
            | Change::NoEmbeddings
            | Change::PreferenceNoise { .. }
            | Change::PoolSize { .. } => Stage::Test,
            Change::Add { .. }
            | Change::Retrained
            | Change::Clone { .. }
            | Change::ModelOrder
            | Change::LabelNoise { .. }
            | Change::TrainSize { .. }
            | Change::LeaveOut { .. }
            | Change::PreferenceShift { .. }
            | Change::CostUnit { .. } => Stage::Training,
        }
    }

    /// Whether w means the same as in the twin: so many dollars of the twin's cost unit. Without this a router that is shown
    /// a dearer model in training would be asked for other trades than its twin.
    pub(crate) fn keeps_cost_unit(&self) -> bool {
        !matches!(self, Change::CostUnit { .. })
    }

    /// Whether it changes what models cost.
    pub(crate) fn is_of_prices(&self) -> bool {
        matches!(self, Change::Price { .. } | Change::PriceBook { .. })
    }

    /// The suite whose prompts are routed and whose outcomes the choices come to.
    ///
    /// # Errors
    /// A price book that cannot be read, does not know a candidate, or leaves an answer without a cost.
    pub(crate) fn test_suite<'a>(&self, suite: &'a Suite, stream: &Stream) -> Result<Cow<'a, Suite>> {
        Ok(match self {
            Change::Price { model, factor } => Cow::Owned(money::one_price(suite, model, *factor)),
            Change::PriceBook { prices, prices_date } => {
                let mut priced = suite.clone();
                let book = PriceBook::read(Path::new(prices))?;
                price_suite(&mut priced, &vec![true; suite.models.len()], &book, *prices_date)?;
                money::check_costs(&priced, prices)?;
                Cow::Owned(priced)
            }
            Change::Clone { model, factor } => Cow::Owned(candidates::with_clone(suite, model, *factor)),
            Change::ModelOrder => Cow::Owned(candidates::in_opposite_order(suite)),
            Change::EmbeddingNoise { deviation } => Cow::Owned(learning::noisy(suite, *deviation, stream)),
            Change::NoEmbeddings => Cow::Owned(learning::without_embeddings(suite)),
            Change::CostUnit { factor } => Cow::Owned(money::in_unit(suite, *factor)),
            _ => Cow::Borrowed(suite),
        })
    }

    /// The suite that is learned from, of a shift of the training.
    ///
    /// # Errors
    /// As [`test_suite`](Self::test_suite).
    pub(crate) fn training_suite<'a>(&self, suite: &'a Suite, stream: &Stream) -> Result<Cow<'a, Suite>> {
        match self {
            Change::LabelNoise { share } => Ok(Cow::Owned(learning::mislabelled(suite, *share, stream))),
            _ => self.test_suite(suite, stream),
        }
    }

    /// The split of one replicate, of a shift of the training.
    ///
    /// # Errors
    /// A part that is left empty.
    pub(crate) fn split(&self, suite: &Suite, split: &Split, stream: &Stream) -> Result<Split> {
        match self {
            Change::TrainSize { size } => Ok(learning::smaller(split, *size, stream)),
            Change::LeaveOut { benchmark } => learning::without_benchmark(suite, split, benchmark),
            _ => Ok(split.clone()),
        }
    }

    /// The scenario, of a shift of the training.
    ///
    /// # Errors
    /// A shift that needs unseen models where there are none, or the other way round.
    pub(crate) fn scenario(&self, scenario: &Scenario) -> Result<Scenario> {
        let mut changed = scenario.clone();
        match self {
            Change::Add { models } => {
                if scenario.unseen.is_some() {
                    let problem =
                        "[[shift]] `add` is for a scenario without `[unseen]`: there the unseen models join";
                    return Err(Error::Usage(problem.into()));
                }
                let choice = UnseenChoice::Models(models.clone());
                let released = std::collections::BTreeMap::new();
                changed.unseen = Some(UnseenSettings { choice, pool: TestPool::Mixed, released });
                changed.quiz = Some(crate::quiz::QuizSettings::default());
            }
            Change::Retrained => {
                (changed.unseen, changed.quiz) = (None, None);
                changed.routers.iter_mut().for_each(|entry| entry.quiz = None);
            }
            _ => {}
        }
        Ok(changed)
    }

    /// Checks that a scenario has what the shift needs.
    ///
    /// # Errors
    /// A shift of unseen models where there are none, or where their pool leaves it nothing to do.
    pub(crate) fn check(&self, scenario: &Scenario) -> Result<()> {
        let is_of_unseen = matches!(self, Change::SeenOnly | Change::UnseenOnly | Change::Retrained);
        let is_mixed = scenario.unseen.as_ref().is_some_and(|unseen| unseen.pool == TestPool::Mixed);
        if is_of_unseen && !is_mixed {
            let problem = "[[shift]] `seen-only`, `unseen-only`, and `retrained` need `[unseen]` with `pool = \"mixed\"`";
            return Err(Error::Usage(problem.into()));
        }
        self.scenario(scenario).map(|_| ())
    }
}
