//! The `[feedback]` of a scenario: which outcomes of the development prompts routers get to see. All, or those that a log shows, one
//! model a prompt; and the shift `feedback`, which sets logs of several kinds and sizes beside full feedback on the same splits.
//!
//! What is drawn is drawn by prompt from streams named by it, so that a prompt shows the same model whatever the number of
//! prompts, and a smaller number is a part of a larger one.

use serde::{Deserialize, Serialize};

use super::{Effect, Settings, Shift, Stage, check, check_models, each, plain};
use crate::error::Result;
use crate::index::SuitePrompt;
use crate::scenario::Scenario;
use crate::scenario::split::Split;
use crate::seed::Stream;
use crate::suite::Suite;

/// Settings `[feedback]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct FeedbackSettings {
    /// Who decided which model's outcome on a development prompt is known.
    pub logging: Logging,
    /// The model that `mostly` logs; where absent the one with the highest mean score on the `warm` prompts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The share of the prompts that `mostly` logs of its model, above 0 and below 1; the others share the rest alike. 0.9 where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// On so many training prompts, at most half of them, the logging policy of `router`, and of `mostly` without `model`, has seen all
    /// outcomes; 100 where absent. Routers see of them what they see of others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warm: Option<usize>,
    /// How often `router` takes any model of the pool alike, above 0 and at most 1; 0.1 where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exploration: Option<f64>,
}

/// Who decided which outcomes are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Logging {
    /// Nobody: those of all models are.
    #[default]
    Full,
    /// Chance: every model of the pool alike.
    Uniform,
    /// One model on most prompts, the others alike on the rest.
    Mostly,
    /// A router with exploration: ridge regression on the embedding under the plug-in rule, fitted to the `warm` prompts, at a
    /// preference drawn from the declared distribution; of the `warm` prompts themselves it logs any model alike.
    Router,
}

impl Logging {
    /// As in scenarios.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Logging::Full => "full",
            Logging::Uniform => "uniform",
            Logging::Mostly => "mostly",
            Logging::Router => "router",
        }
    }
}

impl FeedbackSettings {
    pub(in crate::scenario) fn is_default(&self) -> bool {
        *self == FeedbackSettings::default()
    }

    /// Whether one outcome a prompt is known.
    pub fn is_logged(&self) -> bool {
        self.logging != Logging::Full
    }

    /// `share`, with its default.
    pub(crate) fn share(&self) -> f64 {
        self.share.unwrap_or(0.9)
    }

    /// `warm`, with its default.
    pub(crate) fn warm(&self) -> usize {
        self.warm.unwrap_or(100)
    }

    /// `exploration`, with its default.
    pub(crate) fn exploration(&self) -> f64 {
        self.exploration.unwrap_or(0.1)
    }

    /// In words, after "Routers learn from"; `None` where all outcomes are known.
    pub(crate) fn words(&self) -> Option<String> {
        let how = match (self.logging, &self.model) {
            (Logging::Full, _) => return None,
            (Logging::Uniform, _) => "any model alike".to_owned(),
            (Logging::Mostly, Some(model)) => format!("`{model}` on {:.0} % of them", 100.0 * self.share()),
            (Logging::Mostly, None) => {
                format!(
                    "one model on {:.0} % of them, the best of {} prompts",
                    100.0 * self.share(),
                    self.warm()
                )
            }
            (Logging::Router, _) => format!(
                "what a router fitted to {} prompts chose, any model alike on {:.0} % of them",
                self.warm(),
                100.0 * self.exploration()
            ),
        };
        Some(format!("one model's outcome a prompt, logged with known propensities: {how}"))
    }

    /// The key of a value that is out of its range or of no use, and what is wrong with it.
    fn fault(&self) -> Option<(&'static str, String)> {
        let of = |name: &'static str, wanted: &str, is_used: bool| {
            (!is_used).then(|| (name, format!("`{name}` is a setting of logging = {wanted} alone")))
        };
        let (is_mostly, is_router) = (self.logging == Logging::Mostly, self.logging == Logging::Router);
        let range = |name: &'static str, value: Option<f64>, words: &str, is_in: &dyn Fn(f64) -> bool| {
            let value = value.filter(|value| !is_in(*value))?;
            Some((name, format!("`{name}` is {value}, and it must be {words}: every model needs a chance")))
        };
        let is_warm = is_router || (is_mostly && self.model.is_none());
        let warm = self.warm.map(|n| n as f64);
        None.or_else(|| self.model.as_ref().and_then(|_| of("model", "\"mostly\"", is_mostly)))
            .or_else(|| self.share.and_then(|_| of("share", "\"mostly\"", is_mostly)))
            .or_else(|| self.exploration.and_then(|_| of("exploration", "\"router\"", is_router)))
            .or_else(|| {
                self.warm.and_then(|_| of("warm", "\"router\", and of \"mostly\" without `model`,", is_warm))
            })
            .or_else(|| range("share", self.share, "above 0 and below 1", &|it| 0.0 < it && it < 1.0))
            .or_else(|| {
                range("exploration", self.exploration, "above 0 and at most 1", &|it| 0.0 < it && it <= 1.0)
            })
            .or_else(|| range("warm", warm, "from 2 to 1000000", &|it| (2.0..=1e6).contains(&it)))
    }
}

impl Scenario {
    /// Why it cannot be run on logged feedback: the key, and what is wrong.
    pub(crate) fn feedback_fault(&self) -> Option<(String, String)> {
        if let Some((key, problem)) = self.feedback.fault() {
            return Some((format!("feedback.{key}"), problem));
        }
        if !self.feedback.is_logged() {
            return None;
        }
        let key = || "feedback".to_owned();
        if self.unseen.is_some() {
            let problem = "a log shows one model a prompt, and a quiz asks new models the same prompts: leave out `[unseen]` or \
                           `[feedback]`";
            return Some((key(), problem.to_owned()));
        }
        if self.session.is_some() {
            let problem = "what caches save depends on the answers of all turns, of which a log shows one model's: leave out `[session]` \
                           or `[feedback]`";
            return Some((key(), problem.to_owned()));
        }
        self.routers.iter().enumerate().find_map(|(at, entry)| {
            let why = entry.settings.as_kind().needs_full_feedback()?;
            let problem = format!(
                "router `{}` cannot learn from a log that shows one model a prompt: {why}; leave it out",
                entry.label
            );
            Some((format!("router[{at}].kind"), problem))
        })
    }
}

/// Prompts in an order that chance alone decides, the same for any selection of them.
pub(crate) fn in_order(prompts: &[SuitePrompt], suite: &Suite, stream: &Stream) -> Vec<SuitePrompt> {
    let stream = stream.named("feedback").named("order");
    let mut ordered = prompts.to_vec();
    ordered.sort_by_cached_key(|&prompt| (stream.named(&suite.prompts[prompt.at()].id).word(), prompt));
    ordered
}

plain! {
    /// `feedback`: every log at every number of development prompts, a shift each; numbers that the suite does not reach are left out.
    Feedbacks {
        /// Who decides which outcomes are known.
        logging: Vec<Logging>,
        /// Numbers of development prompts, each at least 4; all where absent, and beside them where `all-sizes` says so.
        sizes: Option<Vec<usize>>,
        /// Whether all development prompts are a number too, beside `sizes`; not where absent.
        all_sizes: Option<bool>,
        /// As in `[feedback]`.
        model: Option<String>,
        /// As in `[feedback]`.
        share: Option<f64>,
        /// As in `[feedback]`.
        warm: Option<usize>,
        /// As in `[feedback]`.
        exploration: Option<f64>
    }
    /// Shows what a log shows of so many development prompts.
    Feedback {
        /// The log.
        feedback: FeedbackSettings,
        /// How many; all where absent.
        size: Option<usize>
    }
}

impl Settings for Feedbacks {
    fn shifts(&self, suite: &Suite) -> Result<Vec<Shift>> {
        if let Some(model) = &self.model {
            check_models(suite, std::slice::from_ref(model))?;
        }
        let of = |logging: Logging| {
            let (is_mostly, is_router) = (logging == Logging::Mostly, logging == Logging::Router);
            FeedbackSettings {
                logging,
                model: self.model.clone().filter(|_| is_mostly),
                share: self.share.filter(|_| is_mostly),
                warm: self.warm.filter(|_| is_router || (is_mostly && self.model.is_none())),
                exploration: self.exploration.filter(|_| is_router),
            }
        };
        let sizes = self.sizes.iter().flatten().map(|&size| Some(size));
        let all = (self.sizes.is_none() || self.all_sizes == Some(true)).then_some(None);
        let sizes: Vec<Option<usize>> = sizes.chain(all).collect();
        let crossed: Vec<(Logging, Option<usize>)> =
            sizes.iter().flat_map(|&size| self.logging.iter().map(move |&logging| (logging, size))).collect();
        each(&crossed, |&(logging, size)| {
            if let Some(size) = size {
                check("sizes", size as f64, 4.0..=1e9)?;
            }
            // All outcomes of all prompts are the twin.
            let is_shift = size.map_or(logging != Logging::Full, |size| size < suite.prompts.len());
            let name = match (logging, size) {
                (Logging::Full, Some(size)) => format!("full-{size}"),
                (_, Some(size)) => format!("log-{}-{size}", logging.name()),
                (_, None) => format!("log-{}", logging.name()),
            };
            Ok(is_shift.then(|| (name, Feedback { feedback: of(logging), size })))
        })
    }
}

impl Effect for Feedback {
    fn words(&self) -> String {
        let prompts =
            self.size.map_or("all development prompts".to_owned(), |n| format!("{n} development prompts"));
        match self.feedback.words() {
            Some(words) => format!("{prompts}; {words}"),
            None => format!("{prompts}; all outcomes of them"),
        }
    }

    fn stage(&self) -> Stage {
        Stage::Training
    }

    /// The first prompts of each part in an order of chance, so that a smaller number is a part of a larger one. Validation keeps its
    /// share, and at least one prompt.
    fn split(&self, suite: &Suite, split: &Split, stream: &Stream) -> Result<Split> {
        let n_before = split.training.len() + split.validation.len();
        let Some(size) = self.size.filter(|size| *size < n_before) else { return Ok(split.clone()) };
        let share = split.validation.len() as f64 / n_before as f64;
        let n_validation = ((share * size as f64).round() as usize).max(1);
        let first = |part: &[SuitePrompt], n: usize| -> Vec<SuitePrompt> {
            let mut first = in_order(part, suite, stream);
            first.truncate(n);
            first.sort_unstable();
            first
        };
        Ok(Split {
            training: first(&split.training, size - n_validation),
            validation: first(&split.validation, n_validation),
            test: split.test.clone(),
        })
    }

    fn scenario(&self, scenario: &Scenario) -> Result<Scenario> {
        Ok(Scenario { feedback: self.feedback.clone(), ..scenario.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::synthetic::SyntheticSettings;

    #[test]
    fn a_block_is_every_log_at_every_size_that_the_suite_reaches_but_not_the_twin() {
        let settings = SyntheticSettings { n_prompts: 200, n_models: 5, ..SyntheticSettings::default() };
        let suite = settings.generate().unwrap().suite;
        let names = |text: &str| -> Vec<String> {
            let settings: Feedbacks = toml::from_str(text).unwrap();
            settings.shifts(&suite).unwrap().into_iter().map(|shift| shift.name).collect()
        };
        let sized = names("logging = [\"full\", \"router\"]\nsizes = [50, 300]\nall-sizes = true");
        assert_eq!(sized, ["full-50", "log-router-50", "log-router"]);
        assert_eq!(names("logging = [\"full\", \"uniform\", \"mostly\"]"), ["log-uniform", "log-mostly"]);
        let split = Split {
            training: SuitePrompt::of(0..100),
            validation: SuitePrompt::of(100..120),
            test: SuitePrompt::of(120..200),
        };
        let of_size = |size| {
            let effect = Feedback { feedback: FeedbackSettings::default(), size };
            effect.split(&suite, &split, &Stream::root(5)).unwrap()
        };
        let [small, large] = [Some(30), Some(60)].map(of_size);
        assert_eq!((small.training.len(), small.validation.len()), (25, 5));
        assert!(small.training.iter().all(|prompt| large.training.contains(prompt)));
        assert!(small.test == split.test && of_size(None) == split && of_size(Some(150)) == split);
        // Which are first does not depend on how many there are.
        let first = in_order(&small.training, &suite, &Stream::root(5));
        assert_eq!(first[..10], in_order(&large.training, &suite, &Stream::root(5))[..10]);
    }
}
