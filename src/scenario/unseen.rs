//! Unseen models: candidates that are absent from all training and join the pool through a quiz; and the `quiz` of a scenario, of one
//! strategy and size or, as a sweep, of several.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::date::Date;
use crate::error::{Error, Result, counted, suggestion};
use crate::random::sample_indices;
use crate::router::quiz::{DEFAULT_SIZE, QuizSettings, QuizStrategy};
use crate::seed::Stream;
use crate::suite::{Model, Suite};

/// The `[unseen]` of a scenario.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct UnseenSettings {
    /// Which candidates are unseen.
    pub choice: UnseenChoice,
    /// Who may be chosen on test prompts.
    pub pool: TestPool,
    /// Release days of models of which `models.csv` names none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub released: BTreeMap<String, Date>,
}

/// Which candidates are unseen. Names are those of `models.csv`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnseenChoice {
    /// These models.
    Models(Vec<String>),
    /// All candidates of these families.
    Families(Vec<String>),
    /// All candidates of these vendors.
    Vendors(Vec<String>),
    /// So many of the candidates (rounded), drawn anew in every replicate.
    Share(f64),
    /// So many of the candidates that were released last; of those of one day the first.
    Newest(usize),
}

/// Who may be chosen on test prompts.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum TestPool {
    /// Seen and unseen models.
    #[default]
    Mixed,
    /// Unseen models alone.
    UnseenOnly,
    /// Seen models alone: the others are the peers of `kind = "peers"`.
    SeenOnly,
}

/// The `[unseen]` as written, before it is known that it makes one choice.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct WrittenUnseen {
    /// These models.
    models: Option<Vec<String>>,
    /// All models of these families, as named in `models.csv`.
    families: Option<Vec<String>>,
    /// All models of these vendors.
    vendors: Option<Vec<String>>,
    /// This share of the models, drawn anew in every replicate.
    share: Option<f64>,
    /// So many, the last by the column `released` or the table `released`.
    newest: Option<usize>,
    /// Who may be chosen for test prompts.
    #[serde(default)]
    pool: TestPool,
    /// Days by model, where `models.csv` has none.
    #[serde(default)]
    released: BTreeMap<String, Date>,
}

impl WrittenUnseen {
    /// The settings, or what is wrong with them.
    pub(crate) fn settings(self) -> std::result::Result<UnseenSettings, String> {
        let choices = [
            self.models.map(UnseenChoice::Models),
            self.families.map(UnseenChoice::Families),
            self.vendors.map(UnseenChoice::Vendors),
            self.share.map(UnseenChoice::Share),
            self.newest.map(UnseenChoice::Newest),
        ];
        let mut choices = choices.into_iter().flatten();
        let (Some(choice), None) = (choices.next(), choices.next()) else {
            let all = "`models`, `families`, `vendors`, `share`, and `newest`";
            return Err(format!("[unseen] needs exactly one of {all}"));
        };
        if let UnseenChoice::Share(share) = choice
            && !(0.0 < share && share < 1.0)
        {
            return Err(format!("[unseen]: `share` {share} is not between 0 and 1"));
        }
        if !self.released.is_empty() && !matches!(choice, UnseenChoice::Newest(_)) {
            return Err("[unseen]: `released` needs `newest`: no other choice goes by release days".into());
        }
        Ok(UnseenSettings { choice, pool: self.pool, released: self.released })
    }
}

impl UnseenSettings {
    /// Whether each candidate of a suite is unseen in one replicate; only a share is drawn from the stream.
    ///
    /// # Errors
    /// A name that no candidate has, a release day that is needed and not known, no unseen model at all, fewer than two seen
    /// ones, or fewer than two unseen ones where only they may be chosen.
    pub fn choose(&self, suite: &Suite, stream: &Stream) -> Result<Vec<bool>> {
        let models = &suite.models;
        let unseen: Vec<bool> = match &self.choice {
            UnseenChoice::Models(names) => named("model", names, models, |model| &model.id)?,
            UnseenChoice::Families(names) => named("family", names, models, |model| &model.family)?,
            UnseenChoice::Vendors(names) => named("vendor", names, models, |model| &model.vendor)?,
            UnseenChoice::Share(share) => {
                let n_unseen = (share * models.len() as f64).round() as usize;
                let drawn = sample_indices(&mut stream.generator(), models.len(), n_unseen);
                (0..models.len()).map(|model| drawn.contains(&model)).collect()
            }
            UnseenChoice::Newest(n_unseen) => {
                let newest = newest_first(models, &self.released)?;
                let newest: Vec<usize> = newest.into_iter().take(*n_unseen).collect();
                (0..models.len()).map(|model| newest.contains(&model)).collect()
            }
        };
        let n_unseen = unseen.iter().filter(|&&is_unseen| is_unseen).count();
        let n_seen = unseen.len() - n_unseen;
        let fault = |problem: String| Err(Error::setting("unseen", format!("[unseen] {problem}")));
        if n_unseen == 0 {
            return fault(format!("leaves none of {} candidates unseen", unseen.len()));
        }
        if n_seen < 2 {
            return fault(format!(
                "leaves {} of {}; training needs at least two",
                counted(n_seen, "seen model"),
                unseen.len()
            ));
        }
        if self.pool == TestPool::UnseenOnly && n_unseen < 2 {
            return fault("with `pool = \"unseen-only\"` needs at least two unseen models".into());
        }
        Ok(unseen)
    }

    /// Whether each candidate may be chosen on test prompts.
    pub fn test_pool(&self, unseen: &[bool]) -> Vec<bool> {
        let is_in_pool = |&is_unseen: &bool| match self.pool {
            TestPool::Mixed => true,
            TestPool::UnseenOnly => is_unseen,
            TestPool::SeenOnly => !is_unseen,
        };
        unseen.iter().map(is_in_pool).collect()
    }
}

/// All models, the latest first; of those of one day the first.
fn newest_first(models: &[Model], released: &BTreeMap<String, Date>) -> Result<Vec<usize>> {
    let day = |model: &Model| {
        model.released.or_else(|| released.get(&model.id).copied()).ok_or_else(|| {
            let near = suggestion(&model.id, released.keys().map(String::as_str));
            let where_to = "a column `released` of `models.csv` or a table `[unseen.released]`";
            let id = &model.id;
            Error::setting(
                "unseen.newest",
                format!("[unseen] `newest`: model `{id}` has no release day in {where_to}{near}"),
            )
        })
    };
    let days: Vec<Date> = models.iter().map(day).collect::<Result<_>>()?;
    let mut order: Vec<usize> = (0..models.len()).collect();
    order.sort_by(|&a, &b| days[b].cmp(&days[a]));
    Ok(order)
}

/// Flags of the models that have one of the names; every name must be some model's.
fn named(
    what: &str,
    names: &[String],
    models: &[Model],
    name_of: impl Fn(&Model) -> &String,
) -> Result<Vec<bool>> {
    for (at, name) in names.iter().enumerate() {
        if name.is_empty() || !models.iter().any(|model| name_of(model) == name) {
            let known = models.iter().map(|model| name_of(model).as_str()).filter(|known| !known.is_empty());
            let near = suggestion(name, known);
            let key = if what == "family" { "families".into() } else { format!("{what}s") };
            return Err(Error::setting(
                format!("unseen.{key}[{at}]"),
                format!("[unseen] names {what} `{name}`, which no candidate has{near}"),
            ));
        }
    }
    Ok(models.iter().map(|model| names.contains(name_of(model))).collect())
}

/// Every quiz that all routers are asked, beside the one that the scenario's own report goes by: all strategies at all
/// sizes, and the ends of the scale.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct QuizSweep {
    /// Without `none` and `all`, which are always asked.
    pub strategies: Vec<QuizStrategy>,
    /// Ascending.
    pub sizes: Vec<usize>,
}

impl QuizSweep {
    /// The quizzes: none, each strategy at each size, and all training prompts.
    pub fn quizzes(&self) -> Vec<QuizSettings> {
        let end = |strategy| QuizSettings { strategy, size: None };
        let mut quizzes = vec![end(QuizStrategy::None)];
        for &strategy in &self.strategies {
            quizzes.extend(self.sizes.iter().map(|&size| QuizSettings { strategy, size: Some(size) }));
        }
        quizzes.push(end(QuizStrategy::All));
        quizzes
    }
}

/// A quiz as written; what is absent comes from elsewhere.
#[derive(Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct WrittenQuiz {
    /// How its prompts are chosen.
    strategy: Option<QuizStrategy>,
    /// How many prompts.
    size: Option<usize>,
}

impl WrittenQuiz {
    /// The settings, or what is wrong with them.
    pub(crate) fn settings(self, default: &QuizSettings) -> std::result::Result<QuizSettings, String> {
        let strategy = self.strategy.unwrap_or(default.strategy);
        if matches!(strategy, QuizStrategy::None | QuizStrategy::All) {
            return match self.size {
                Some(_) => Err(format!("a quiz of strategy `{}` has no `size`", strategy.name())),
                None => Ok(QuizSettings { strategy, size: None }),
            };
        }
        let size = self.size.or(default.size).unwrap_or(DEFAULT_SIZE);
        Ok(QuizSettings::of(strategy, size))
    }
}

/// The `[quiz]` as written: each key one value or a list.
#[derive(Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct WrittenSweep {
    /// How its prompts are chosen; a list makes a sweep.
    #[serde(default, deserialize_with = "one_or_many")]
    strategy: Option<Many<QuizStrategy>>,
    /// How many prompts, or `all`; a list makes a sweep.
    #[serde(default, deserialize_with = "one_or_many")]
    size: Option<Many<Size>>,
}

/// One value, or several in a list.
struct Many<T> {
    values: Vec<T>,
    is_list: bool,
}

impl<T: JsonSchema> JsonSchema for Many<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Many_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [generator.subschema_for::<T>(), generator.subschema_for::<Vec<T>>()] })
    }
}

/// The size of a quiz as written: a number, or `all`.
#[derive(Clone, Copy)]
enum Size {
    Prompts(usize),
    All,
}

impl JsonSchema for Size {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "integer", "minimum": 0 }, { "const": "all" }] })
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        match toml::Value::deserialize(deserializer)? {
            toml::Value::Integer(n) => {
                let negative = |_| D::Error::custom(format!("`size` {n} is negative"));
                usize::try_from(n).map(Size::Prompts).map_err(negative)
            }
            toml::Value::String(text) if text == "all" => Ok(Size::All),
            other => Err(D::Error::custom(format!("a `size` is a number or \"all\", not {other}"))),
        }
    }
}

fn one_or_many<'de, T: serde::de::DeserializeOwned, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<Many<T>>, D::Error> {
    let value = toml::Value::deserialize(deserializer)?;
    let read = |value: toml::Value| value.try_into::<T>().map_err(|error| D::Error::custom(error.message()));
    Ok(Some(match value {
        toml::Value::Array(values) => {
            let values = values.into_iter().map(read).collect::<std::result::Result<Vec<T>, _>>()?;
            Many { values, is_list: true }
        }
        other => Many { values: vec![read(other)?], is_list: false },
    }))
}

impl WrittenSweep {
    /// The quiz of the scenario's own report, and the sweep where a list is given. The former is the first strategy with the
    /// size nearest to the usual one.
    ///
    /// # Errors
    /// What is wrong with them, in words.
    pub(crate) fn settings(self) -> std::result::Result<(QuizSettings, Option<QuizSweep>), String> {
        let is_sweep = self.strategy.as_ref().is_some_and(|many| many.is_list)
            || self.size.as_ref().is_some_and(|many| many.is_list);
        let mut strategies: Vec<QuizStrategy> =
            self.strategy.map_or(vec![QuizStrategy::Random], |m| m.values);
        let written = self.size.map(|many| many.values);
        let mut sizes: Vec<usize> = (written.iter().flatten())
            .filter_map(|size| if let Size::Prompts(n) = size { Some(*n) } else { None })
            .collect();
        if !is_sweep {
            let strategy = strategies[0];
            if matches!(strategy, QuizStrategy::None | QuizStrategy::All) {
                return match written {
                    Some(_) => Err(format!("a quiz of strategy `{}` has no `size`", strategy.name())),
                    None => Ok((QuizSettings { strategy, size: None }, None)),
                };
            }
            let size = match written.as_deref() {
                Some([Size::All]) => {
                    return Ok((QuizSettings { strategy: QuizStrategy::All, size: None }, None));
                }
                _ => sizes.first().copied().unwrap_or(DEFAULT_SIZE),
            };
            return Ok((QuizSettings::of(strategy, size), None));
        }
        strategies.retain(|strategy| !matches!(strategy, QuizStrategy::None | QuizStrategy::All));
        sizes.retain(|size| *size > 0);
        sizes.sort_unstable();
        sizes.dedup();
        if sizes.is_empty() {
            sizes.push(DEFAULT_SIZE);
        }
        let repeated = (1..strategies.len()).find(|&at| strategies[..at].contains(&strategies[at]));
        if let Some(at) = repeated {
            return Err(format!("`strategy` names `{}` twice", strategies[at].name()));
        }
        let Some(&strategy) = strategies.first() else {
            return Err("`strategy` needs one beside `none` and `all`, which are always asked".into());
        };
        let usual = sizes.iter().min_by_key(|size| size.abs_diff(DEFAULT_SIZE)).copied();
        Ok((QuizSettings { strategy, size: usual }, Some(QuizSweep { strategies, sizes })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::synthetic::SyntheticSettings;

    fn suite() -> Suite {
        let settings = SyntheticSettings { n_prompts: 10, n_models: 6, ..SyntheticSettings::default() };
        let mut suite = settings.generate().unwrap().suite;
        for (at, model) in suite.models.iter_mut().enumerate() {
            model.id = format!("model-{at}");
            model.family = ["llama-3", "llama-3", "gemma", "gemma", "", ""][at].into();
            model.vendor = ["meta", "meta", "google", "google", "openai", "meta"][at].into();
        }
        suite
    }

    fn share(share: f64, pool: TestPool) -> UnseenSettings {
        UnseenSettings { choice: UnseenChoice::Share(share), pool, released: BTreeMap::new() }
    }

    fn choose(choice: UnseenChoice) -> std::result::Result<Vec<bool>, String> {
        let settings = UnseenSettings { choice, pool: TestPool::Mixed, released: BTreeMap::new() };
        settings.choose(&suite(), &Stream::root(1)).map_err(|error| error.to_string())
    }

    #[test]
    fn names_are_those_of_models_families_and_vendors() {
        let names = |name: &str| vec![name.to_owned()];
        let flags = |positions: &[usize]| Ok((0..6).map(|model| positions.contains(&model)).collect());
        assert_eq!(choose(UnseenChoice::Models(names("model-4"))), flags(&[4]));
        assert_eq!(choose(UnseenChoice::Families(names("llama-3"))), flags(&[0, 1]));
        assert_eq!(choose(UnseenChoice::Vendors(names("meta"))), flags(&[0, 1, 5]));
        assert_eq!(
            choose(UnseenChoice::Vendors(names("gogle"))),
            Err("[unseen] names vendor `gogle`, which no candidate has; did you mean `google`?".into())
        );
        assert_eq!(
            choose(UnseenChoice::Families(names(""))),
            Err("[unseen] names family ``, which no candidate has".into())
        );
    }

    #[test]
    fn the_newest_are_those_released_last_and_every_day_must_be_known() {
        let mut suite = suite();
        let days = ["2023-01-01", "2024-06-01", "2024-05-01", "2024-06-01", "2022-01-01"];
        for (model, day) in suite.models.iter_mut().zip(days) {
            model.released = Some(day.parse().unwrap());
        }
        let choose = |n, released| {
            let choice = UnseenChoice::Newest(n);
            let settings = UnseenSettings { choice, pool: TestPool::Mixed, released };
            settings.choose(&suite, &Stream::root(1)).map_err(|error| error.to_string())
        };
        let of_the_last = |day: &str| BTreeMap::from([("model-5".to_owned(), day.parse().unwrap())]);
        let flags = |positions: &[usize]| Ok((0..6).map(|model| positions.contains(&model)).collect());
        assert_eq!(choose(1, of_the_last("2024-05-13")), flags(&[1]));
        assert_eq!(choose(3, of_the_last("2024-05-13")), flags(&[1, 3, 5]));
        assert_eq!(choose(3, of_the_last("2020-05-13")), flags(&[1, 3, 2]));
        assert_eq!(
            choose(3, BTreeMap::new()),
            Err("[unseen] `newest`: model `model-5` has no release day in a column `released` of `models.csv` or a table \
                 `[unseen.released]`"
                .into())
        );
        assert_eq!(
            choose(0, of_the_last("2020-05-13")),
            Err("[unseen] leaves none of 6 candidates unseen".into())
        );
    }

    #[test]
    fn a_share_is_drawn_from_the_stream_and_enough_models_stay_seen() {
        let settings = share(0.33, TestPool::UnseenOnly);
        let drawn: Vec<Vec<bool>> =
            (0..20).map(|n| settings.choose(&suite(), &Stream::root(n)).unwrap()).collect();
        assert!(drawn.iter().all(|flags| flags.iter().filter(|&&flag| flag).count() == 2));
        assert!(drawn.iter().any(|flags| *flags != drawn[0]));
        assert_eq!(settings.test_pool(&drawn[0]), drawn[0]);
        assert_eq!(
            choose(UnseenChoice::Share(0.9)),
            Err("[unseen] leaves 1 seen model of 6; training needs at least two".into())
        );
        assert_eq!(
            choose(UnseenChoice::Share(0.05)),
            Err("[unseen] leaves none of 6 candidates unseen".into())
        );
        let lonely = share(0.17, TestPool::UnseenOnly);
        assert_eq!(
            lonely.choose(&suite(), &Stream::root(0)).unwrap_err().to_string(),
            "[unseen] with `pool = \"unseen-only\"` needs at least two unseen models"
        );
    }

    fn settings(text: &str) -> std::result::Result<(String, Option<Vec<String>>), String> {
        let written: WrittenSweep = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        let (quiz, sweep) = written.settings()?;
        let names = |sweep: QuizSweep| sweep.quizzes().iter().map(QuizSettings::to_string).collect();
        Ok((quiz.to_string(), sweep.map(names)))
    }

    #[test]
    fn one_value_is_a_quiz_and_a_list_is_a_sweep() {
        assert_eq!(settings("size = 7"), Ok(("random 7".into(), None)));
        assert_eq!(settings("strategy = \"anchor\""), Ok(("anchor 20".into(), None)));
        assert_eq!(settings("strategy = \"none\""), Ok(("none".into(), None)));
        assert_eq!(settings("size = 0"), Ok(("none".into(), None)));
        let all =
            ["none", "random 5", "random 50", "fisher 5", "fisher 50", "all"].map(str::to_owned).to_vec();
        assert_eq!(
            settings("strategy = [\"random\", \"fisher\"]\nsize = [0, 50, 5, \"all\"]"),
            Ok(("random 5".into(), Some(all)))
        );
        let sizes = ["none", "random 10", "all"].map(str::to_owned).to_vec();
        assert_eq!(settings("size = [10]"), Ok(("random 10".into(), Some(sizes))));
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert_eq!(settings("size = -1"), Err("`size` -1 is negative".into()));
        assert_eq!(
            settings("size = [\"most\"]"),
            Err("a `size` is a number or \"all\", not \"most\"".into())
        );
        assert_eq!(
            settings("strategy = [\"none\"]"),
            Err("`strategy` needs one beside `none` and `all`, which are always asked".into())
        );
        assert_eq!(
            settings("strategy = [\"random\", \"random\"]"),
            Err("`strategy` names `random` twice".into())
        );
    }
}
