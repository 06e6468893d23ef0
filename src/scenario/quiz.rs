//! The `quiz` of a scenario with several strategies and sizes: a sweep.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::router::quiz::{DEFAULT_SIZE, QuizSettings, QuizStrategy};

/// The label of a router at one quiz of a sweep, written `router@quiz`. No label in a scenario holds an `@`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuizLabel<'a> {
    /// The router's label in the scenario.
    pub router: &'a str,
    /// The quiz, in one word.
    pub quiz: &'a str,
}

impl<'a> QuizLabel<'a> {
    /// Takes a label apart; `None` where it is of no sweep.
    pub fn parse(label: &'a str) -> Option<Self> {
        label.split_once('@').map(|(router, quiz)| QuizLabel { router, quiz })
    }
}

impl std::fmt::Display for QuizLabel<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.router, self.quiz)
    }
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
#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct WrittenQuiz {
    strategy: Option<QuizStrategy>,
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
        if size == 0 {
            return Err("the `size` of a quiz is at least 1; strategy `none` asks nothing".into());
        }
        Ok(QuizSettings { strategy, size: Some(size) })
    }
}

/// The `[quiz]` as written: each key one value or a list.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct WrittenSweep {
    #[serde(default, deserialize_with = "one_or_many")]
    strategy: Option<Many<QuizStrategy>>,
    #[serde(default, deserialize_with = "one_or_many")]
    size: Option<Many<Size>>,
}

/// One value, or several in a list.
struct Many<T> {
    values: Vec<T>,
    is_list: bool,
}

/// The size of a quiz as written: a number, or `all`.
#[derive(Clone, Copy)]
enum Size {
    Prompts(usize),
    All,
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
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
) -> Result<Option<Many<T>>, D::Error> {
    let value = toml::Value::deserialize(deserializer)?;
    let read = |value: toml::Value| value.try_into::<T>().map_err(|error| D::Error::custom(error.message()));
    Ok(Some(match value {
        toml::Value::Array(values) => {
            let values = values.into_iter().map(read).collect::<Result<Vec<T>, _>>()?;
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
    pub(crate) fn settings(self) -> Result<(QuizSettings, Option<QuizSweep>), String> {
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
            if size == 0 {
                return Err("the `size` of a quiz is at least 1; strategy `none` asks nothing".into());
            }
            return Ok((QuizSettings { strategy, size: Some(size) }, None));
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

    fn settings(text: &str) -> Result<(String, Option<Vec<String>>), String> {
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
