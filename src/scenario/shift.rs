//! The `[[shift]]` of a scenario: what changes between training and use, one thing at a time, each beside its unshifted twin.
//!
//! One block may ask for several shifts of a kind. A shift's [`Stage`] says where it is applied.

use serde::{Deserialize, Serialize};

use crate::date::Date;
use crate::error::{Error, Result, suggestion};
use crate::preference::{DistributionKind, PreferenceDistribution};
use crate::suite::Suite;

/// What the name of a copy ends in.
pub(crate) const COPY: &str = " (copy)";

/// One `[[shift]]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ShiftSettings {
    /// A model's price is multiplied, and routers that reckon with prices are told.
    Price(PriceShift),
    /// Another price book; routers that reckon with prices are told.
    PriceBook(PriceBookShift),
    /// Models leave the pool.
    Remove(ModelsShift),
    /// Models are absent from training and join by the quiz.
    Add(ModelsShift),
    /// Of a scenario with unseen models the seen ones alone may be chosen.
    SeenOnly(Plain),
    /// Of a scenario with unseen models the unseen ones alone may be chosen.
    UnseenOnly(Plain),
    /// Routers are trained anew with full answers of the unseen models: the ceiling of every quiz.
    Retrained(Plain),
    /// A model stands in the pool twice.
    Duplicate(ModelShift),
    /// A model stands in the pool twice, once cheaper.
    CloneCheaper(CloneShift),
    /// The candidates in the opposite order.
    ModelOrder(Plain),
    /// A share of the scores that are learned from is turned around.
    LabelNoise(SharesShift),
    /// Fewer development prompts.
    TrainSize(SizesShift),
    /// No development prompts of one benchmark, whose test prompts are routed; every benchmark in turn.
    LeaveOutBenchmark(BenchmarksShift),
    /// Noise on the embeddings of the prompts that are routed.
    EmbeddingNoise(DeviationsShift),
    /// No embeddings of the prompts that are routed.
    NoEmbeddings(Plain),
    /// Users state their preference with error.
    PreferenceNoise(DeviationsShift),
    /// Trained for another distribution of preferences.
    PreferenceShift(PreferencesShift),
    /// Random members of the pool.
    PoolSize(SizesShift),
    /// Another unit of money.
    CostUnit(FactorShift),
}

macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty),* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, rename_all = "kebab-case")]
        pub struct $name { $($(#[$field_doc])* pub $field: $kind),* }
    )*};
}

settings! {
    /// No settings.
    Plain {}
    /// One model.
    ModelShift {
        /// Its id.
        model: String
    }
    /// Several models at once.
    ModelsShift {
        /// Their ids.
        models: Vec<String>
    }
    /// A price.
    PriceShift {
        /// Whose.
        model: String,
        /// The new price over the old one.
        factor: f64
    }
    /// A price book.
    PriceBookShift {
        /// A file, relative to the working directory, or `built-in`.
        prices: String,
        /// The day whose prices are taken; each model's latest where none is given.
        prices_date: Option<Date>
    }
    /// A cheaper copy.
    CloneShift {
        /// Of whom.
        model: String,
        /// Its price over that of the model; one half where absent.
        factor: Option<f64>
    }
    /// Shares, a shift each.
    SharesShift {
        /// Each between 0 and 1.
        shares: Vec<f64>
    }
    /// Numbers of models or prompts, a shift each; those that the suite does not reach are left out.
    SizesShift {
        /// Each at least 2.
        sizes: Vec<usize>
    }
    /// Standard deviations, a shift each.
    DeviationsShift {
        /// Each above 0.
        deviations: Vec<f64>
    }
    /// Benchmarks, a shift each.
    BenchmarksShift {
        /// Only these; all where absent.
        benchmarks: Option<Vec<String>>
    }
    /// The preferences that routers are trained for.
    PreferencesShift {
        /// The shape of their density.
        density: DistributionKind,
        /// Its lower end.
        low: f64,
        /// Its upper end.
        high: f64
    }
    /// A unit of money.
    FactorShift {
        /// The new costs over the old ones.
        factor: f64
    }
}

impl ShiftSettings {
    /// The shifts that a block asks for on a suite, which is already cut down to the candidates.
    ///
    /// # Errors
    /// A model or benchmark that is not there, a number out of its range, or nothing to shift at all.
    pub fn shifts(&self, suite: &Suite) -> Result<Vec<Shift>> {
        let one = |name: String, change: Change| Ok(vec![Shift { name, change }]);
        let plain = |name: &str, change: Change| one(name.to_owned(), change);
        match self {
            ShiftSettings::Price(PriceShift { model, factor }) => {
                check_models(suite, std::slice::from_ref(model))?;
                check("factor", *factor, 0.0..=1e6)?;
                one(
                    format!("price-{model}-x{factor}"),
                    Change::Price { model: model.clone(), factor: *factor },
                )
            }
            ShiftSettings::PriceBook(PriceBookShift { prices, prices_date }) => {
                let date = prices_date.map_or_else(String::new, |date| format!("-{date}"));
                let change = Change::PriceBook { prices: prices.clone(), prices_date: *prices_date };
                one(format!("prices-{prices}{date}"), change)
            }
            ShiftSettings::Remove(ModelsShift { models }) => {
                check_models(suite, models)?;
                one(format!("without-{}", models.join("-")), Change::Remove { models: models.clone() })
            }
            ShiftSettings::Add(ModelsShift { models }) => {
                check_models(suite, models)?;
                one(format!("add-{}", models.join("-")), Change::Add { models: models.clone() })
            }
            ShiftSettings::SeenOnly(_) => plain("seen-only", Change::SeenOnly),
            ShiftSettings::UnseenOnly(_) => plain("unseen-only", Change::UnseenOnly),
            ShiftSettings::Retrained(_) => plain("retrained", Change::Retrained),
            ShiftSettings::Duplicate(ModelShift { model }) => {
                check_models(suite, std::slice::from_ref(model))?;
                let change = Change::Clone { model: model.clone(), factor: 1.0 };
                one(format!("duplicate-{model}"), change)
            }
            ShiftSettings::CloneCheaper(CloneShift { model, factor }) => {
                check_models(suite, std::slice::from_ref(model))?;
                let factor = factor.unwrap_or(0.5);
                check("factor", factor, 0.0..=1.0)?;
                one(format!("clone-{model}-x{factor}"), Change::Clone { model: model.clone(), factor })
            }
            ShiftSettings::ModelOrder(_) => plain("model-order", Change::ModelOrder),
            ShiftSettings::LabelNoise(SharesShift { shares }) => each(shares, |&share| {
                check("shares", share, 0.0..=1.0)?;
                Ok(Some((format!("label-noise-{share}"), Change::LabelNoise { share })))
            }),
            ShiftSettings::TrainSize(SizesShift { sizes }) => each(sizes, |&size| {
                check("sizes", size as f64, 2.0..=1e9)?;
                let is_less = size < suite.prompts.len();
                Ok(is_less.then(|| (format!("train-{size}"), Change::TrainSize { size })))
            }),
            ShiftSettings::LeaveOutBenchmark(BenchmarksShift { benchmarks }) => {
                let known = present(suite);
                if known.len() < 2 {
                    let name = &suite.info.name;
                    return fault(format!("`leave-out-benchmark`: suite `{name}` has one benchmark"));
                }
                let asked: Vec<String> = benchmarks.clone().unwrap_or_else(|| known.clone());
                each(&asked, |name| {
                    check_known("benchmark", name, known.iter().map(String::as_str))?;
                    Ok(Some((format!("new-{name}"), Change::LeaveOut { benchmark: name.clone() })))
                })
            }
            ShiftSettings::EmbeddingNoise(DeviationsShift { deviations }) => {
                check_embeddings(suite, "embedding-noise")?;
                each(deviations, |&deviation| {
                    check("deviations", deviation, 0.0..=1e3)?;
                    Ok(Some((format!("embedding-noise-{deviation}"), Change::EmbeddingNoise { deviation })))
                })
            }
            ShiftSettings::NoEmbeddings(_) => {
                check_embeddings(suite, "no-embeddings")?;
                plain("no-embeddings", Change::NoEmbeddings)
            }
            ShiftSettings::PreferenceNoise(DeviationsShift { deviations }) => {
                each(deviations, |&deviation| {
                    check("deviations", deviation, 0.0..=1e3)?;
                    Ok(Some((format!("stated-w-{deviation}"), Change::PreferenceNoise { deviation })))
                })
            }
            ShiftSettings::PreferenceShift(PreferencesShift { density, low, high }) => {
                let trained_for = PreferenceDistribution { kind: *density, low: *low, high: *high };
                one(format!("trained-for-w-{low}-{high}"), Change::PreferenceShift { trained_for })
            }
            ShiftSettings::PoolSize(SizesShift { sizes }) => each(sizes, |&size| {
                check("sizes", size as f64, 2.0..=1e9)?;
                let is_less = size < suite.models.len();
                Ok(is_less.then(|| (format!("pool-{size}"), Change::PoolSize { size })))
            }),
            ShiftSettings::CostUnit(FactorShift { factor }) => {
                check("factor", *factor, 1e-9..=1e9)?;
                one(format!("cost-x{factor}"), Change::CostUnit { factor: *factor })
            }
        }
    }
}

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
        file_name(&self.name)
    }
}

/// The part of a file's name that stands for a shift.
pub(crate) fn file_name(shift: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    shift.chars().map(plain).collect()
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
    /// a more expensive model in training would be asked for other trades than its twin.
    pub(crate) fn keeps_cost_unit(&self) -> bool {
        !matches!(self, Change::CostUnit { .. })
    }

    /// Whether it changes what models cost.
    pub(crate) fn is_of_prices(&self) -> bool {
        matches!(self, Change::Price { .. } | Change::PriceBook { .. })
    }
}

fn each<T>(values: &[T], change: impl Fn(&T) -> Result<Option<(String, Change)>>) -> Result<Vec<Shift>> {
    if values.is_empty() {
        return fault("asks for nothing: its list is empty".into());
    }
    let changes = values.iter().map(change).collect::<Result<Vec<_>>>()?;
    Ok(changes.into_iter().flatten().map(|(name, change)| Shift { name, change }).collect())
}

fn fault<T>(problem: String) -> Result<T> {
    Err(Error::Usage(format!("[[shift]] {problem}")))
}

fn check(name: &str, value: f64, range: std::ops::RangeInclusive<f64>) -> Result<()> {
    if range.contains(&value) {
        return Ok(());
    }
    fault(format!("`{name}`: {value} is not from {} to {}", range.start(), range.end()))
}

fn check_models(suite: &Suite, names: &[String]) -> Result<()> {
    let known = || suite.models.iter().map(|model| model.id.as_str());
    if names.is_empty() {
        return fault("names no model".into());
    }
    names.iter().try_for_each(|name| check_known("model", name, known()))
}

fn check_known<'a>(what: &str, name: &str, mut known: impl Iterator<Item = &'a str> + Clone) -> Result<()> {
    let near = suggestion(name, known.clone());
    if known.any(|other| other == name) {
        return Ok(());
    }
    fault(format!("names {what} `{name}`, which the scenario's suite does not have{near}"))
}

fn check_embeddings(suite: &Suite, kind: &str) -> Result<()> {
    if suite.embeddings.is_some() {
        return Ok(());
    }
    fault(format!("`{kind}` needs prompt embeddings, which suite `{}` does not have", suite.info.name))
}

/// The benchmarks of which the suite holds prompts; cutting it down may leave none of some.
fn present(suite: &Suite) -> Vec<String> {
    let is_present = |(at, _): &(usize, &String)| suite.prompts.iter().any(|prompt| prompt.benchmark == *at);
    suite.benchmarks.iter().enumerate().filter(is_present).map(|(_, name)| name.clone()).collect()
}
