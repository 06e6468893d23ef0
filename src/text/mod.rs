//! Texts of prompts, and what is counted in them: [`statistics`] says what a text looks like, [`NGrams`] what stands in it.
//!
//! Both are facts of one text alone: nothing is learned here, so that they are counted once a suite, whoever asks first.

mod ngrams;
mod statistics;

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

pub(crate) use ngrams::{Count, LONGEST_TEXT_CHARS, N_BUCKETS, NGrams, PIECES};

/// The text of a prompt, or an empty one where it is not known. Copies share what is counted in it.
#[derive(Clone, Default)]
pub struct Text(Arc<Counting>);

#[derive(Default)]
struct Counting {
    text: String,
    counted: OnceLock<Counted>,
}

/// What is counted in a text.
pub(crate) struct Counted {
    /// As [`statistics::statistics`] lists them.
    pub(crate) statistics: Vec<f32>,
    /// Words and pieces of words.
    pub(crate) ngrams: NGrams,
}

impl Text {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// What is counted in it, by the first that asks.
    pub(crate) fn counted(&self) -> &Counted {
        self.0.counted.get_or_init(|| Counted {
            statistics: statistics::statistics(self).into_iter().map(|(_, value)| value as f32).collect(),
            ngrams: NGrams::new(self),
        })
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Text(Arc::new(Counting { text, counted: OnceLock::new() }))
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        **self == **other
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
