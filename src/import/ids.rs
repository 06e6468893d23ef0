//! Prompt ids that are the same in every run: made of the content where a source has none, and never of the row's position.

use std::collections::BTreeMap;

use crate::hash::sha256_of_texts;

/// Positions by name. Only looked up, never iterated, so its order cannot reach any output.
#[expect(clippy::disallowed_types, reason = "lookups only; ids are long and many")]
pub(super) type Index<T> = std::collections::HashMap<String, T>;

/// Hexadecimal digits of a hash: 64 bits, by which a million prompts collide with probability 3e-8.
const N_DIGITS: usize = 16;

/// The id of a prompt of which only the text is known.
pub(super) fn text_id(benchmark: &str, text: &str) -> String {
    format!("{benchmark}/{:.N_DIGITS$}", sha256_of_texts([benchmark, text]))
}

/// The id of a prompt by the hash that its source made.
pub(super) fn hash_id(benchmark: &str, hash: &str) -> String {
    format!("{benchmark}/{hash:.N_DIGITS$}")
}

/// Tells rows of equal id within a file apart: the second is `x-2`, and so on. Which of equal texts is the second does not
/// matter where a row holds the answers of all models.
#[derive(Default)]
pub(super) struct Occurrences(BTreeMap<String, usize>);

impl Occurrences {
    /// The id of the next row with this one.
    pub(super) fn name(&mut self, id: String) -> String {
        let count = self.0.entry(id.clone()).or_default();
        *count += 1;
        if *count == 1 { id } else { format!("{id}-{count}") }
    }
}
