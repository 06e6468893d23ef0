//! The judge of a cascade: tells right answers from wrong ones, and errs now and then.
//!
//! RouterBench's judge (arXiv 2403.12031, section 5): it gives a right answer its due with probability 1 - e and the
//! opposite with probability e. It stands for whatever looks at an answer in practice, and is the single exception to the
//! rule that a router never sees a test outcome: the replay step makes it, a cascade can ask it for verdicts and for
//! nothing else.

use std::collections::BTreeMap;

use crate::random::bernoulli;
use crate::seed::Stream;

/// Gives verdicts on the answers to some prompts.
pub struct Judge<'a> {
    places: BTreeMap<&'a str, usize>,
    is_right: &'a (dyn Fn(usize, usize) -> bool + Sync),
    error: f64,
    stream: Stream,
}

impl<'a> Judge<'a> {
    /// A judge of the answers to the prompts with these ids; `is_right` knows them by the prompt's position and the model.
    ///
    /// Each answer has a stream of its own, named by the prompt's id and the model, so that a verdict stays the same
    /// whoever asks, at which preference, and how often.
    pub fn new(
        ids: &'a [String],
        is_right: &'a (dyn Fn(usize, usize) -> bool + Sync),
        error: f64,
        stream: Stream,
    ) -> Self {
        let places = ids.iter().enumerate().map(|(at, id)| (id.as_str(), at)).collect();
        Judge { places, is_right, error, stream }
    }

    /// Whether the judge takes a model's answer to a prompt to be right.
    ///
    /// # Panics
    /// If the judge does not know the prompt.
    pub fn accepts(&self, prompt_id: &str, model: usize) -> bool {
        let place = self.places.get(prompt_id).expect("a judge is asked about the prompts it was made for");
        let errs = bernoulli(&mut self.stream.named(prompt_id).numbered(model).generator(), self.error);
        (self.is_right)(*place, model) != errs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_judge_errs_as_often_as_it_is_told_to_and_never_changes_its_mind() {
        let ids: Vec<String> = (0..2000).map(|prompt| prompt.to_string()).collect();
        let is_right = |prompt: usize, model: usize| (prompt + model).is_multiple_of(3);
        for (error, low, high) in [(0.0, 0, 0), (0.1, 160, 240), (1.0, 2000, 2000)] {
            let judge = Judge::new(&ids, &is_right, error, Stream::root(1));
            let wrong = |at: &usize| judge.accepts(&ids[*at], 1) != is_right(*at, 1);
            let n_wrong = (0..2000).filter(wrong).count();
            assert!((low..=high).contains(&n_wrong), "{n_wrong} of 2000 at {error}");
            assert_eq!((0..2000).filter(wrong).count(), n_wrong);
        }
    }
}
