//! Unseen models: candidates that are absent from all training and join the pool through a quiz.

use std::collections::BTreeMap;

use crate::date::Date;
use crate::error::{Error, Result, suggestion};
use crate::random::sample_indices;
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TestPool {
    /// Seen and unseen models.
    #[default]
    Mixed,
    /// Unseen models alone.
    UnseenOnly,
}

/// The `[unseen]` as written, before it is known that it makes one choice.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct WrittenUnseen {
    models: Option<Vec<String>>,
    families: Option<Vec<String>>,
    vendors: Option<Vec<String>>,
    share: Option<f64>,
    newest: Option<usize>,
    #[serde(default)]
    pool: TestPool,
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
                "leaves {n_seen} seen models of {}; training needs at least two",
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
        unseen.iter().map(|&is_unseen| is_unseen || self.pool == TestPool::Mixed).collect()
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
            Err("[unseen] leaves 1 seen models of 6; training needs at least two".into())
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
}
