//! The `[feedback]` of a scenario: which outcomes of the development prompts routers get to see. All, or those that a log shows, one
//! model a prompt.
//!
//! What is drawn is drawn by prompt from streams named by it, so that a prompt shows the same model whatever the number of
//! prompts, and a smaller number is a part of a larger one.

use serde::{Deserialize, Serialize};

use super::Scenario;
use crate::index::SuitePrompt;
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
