//! The shift `feedback`: logs of several kinds and sizes beside full feedback on the same splits.

use super::{Effect, Settings, Shift, Stage, check, check_models, each, plain};
use crate::error::Result;
use crate::index::SuitePrompt;
use crate::scenario::Scenario;
use crate::scenario::feedback::{FeedbackSettings, Logging, in_order};
use crate::scenario::split::Split;
use crate::seed::Stream;
use crate::suite::Suite;

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
