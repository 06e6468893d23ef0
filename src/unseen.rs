//! Unseen models: candidates that are absent from all training and join the pool through a quiz.

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
    #[serde(default)]
    pool: TestPool,
}

impl WrittenUnseen {
    /// The settings, or what is wrong with them.
    pub(crate) fn settings(self) -> std::result::Result<UnseenSettings, String> {
        let choices = [
            self.models.map(UnseenChoice::Models),
            self.families.map(UnseenChoice::Families),
            self.vendors.map(UnseenChoice::Vendors),
            self.share.map(UnseenChoice::Share),
        ];
        let mut choices = choices.into_iter().flatten();
        let (Some(choice), None) = (choices.next(), choices.next()) else {
            return Err("[unseen] needs exactly one of `models`, `families`, `vendors`, and `share`".into());
        };
        if let UnseenChoice::Share(share) = choice
            && !(0.0 < share && share < 1.0)
        {
            return Err(format!("[unseen]: `share` {share} is not between 0 and 1"));
        }
        Ok(UnseenSettings { choice, pool: self.pool })
    }
}

impl UnseenSettings {
    /// Whether each candidate of a suite is unseen in one replicate; only a share is drawn from the stream.
    ///
    /// # Errors
    /// A name that no candidate has, no unseen model at all, fewer than two seen ones, or fewer than two unseen ones
    /// where only they may be chosen.
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
        };
        let n_unseen = unseen.iter().filter(|&&is_unseen| is_unseen).count();
        let n_seen = unseen.len() - n_unseen;
        let fault = |problem: String| Err(Error::Usage(format!("[unseen] {problem}")));
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

/// Flags of the models that have one of the names; every name must be some model's.
fn named(
    what: &str,
    names: &[String],
    models: &[Model],
    name_of: impl Fn(&Model) -> &String,
) -> Result<Vec<bool>> {
    for name in names {
        if name.is_empty() || !models.iter().any(|model| name_of(model) == name) {
            let known = models.iter().map(|model| name_of(model).as_str()).filter(|known| !known.is_empty());
            let near = suggestion(name, known);
            return Err(Error::Usage(format!(
                "[unseen] names {what} `{name}`, which no candidate has{near}"
            )));
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

    fn choose(choice: UnseenChoice) -> std::result::Result<Vec<bool>, String> {
        let settings = UnseenSettings { choice, pool: TestPool::Mixed };
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
    fn a_share_is_drawn_from_the_stream_and_enough_models_stay_seen() {
        let settings = UnseenSettings { choice: UnseenChoice::Share(0.33), pool: TestPool::UnseenOnly };
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
        let lonely = UnseenSettings { choice: UnseenChoice::Share(0.17), pool: TestPool::UnseenOnly };
        assert_eq!(
            lonely.choose(&suite(), &Stream::root(0)).unwrap_err().to_string(),
            "[unseen] with `pool = \"unseen-only\"` needs at least two unseen models"
        );
    }
}
