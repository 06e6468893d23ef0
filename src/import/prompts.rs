//! Prompts as gathered: an id within a benchmark and task, whatever the position. Ids are the same in every run: made of the content where a
//! source has none.

use std::collections::{BTreeMap, BTreeSet};

use super::slips::shortened;
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

/// What a source says of a prompt; what is unknown is empty.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PromptFacts<'a> {
    pub(super) id: &'a str,
    pub(super) benchmark: &'a str,
    pub(super) task: &'a str,
    pub(super) text: &'a str,
    /// The id stands for the content, and the text is what one model was sent: others may have been sent another one.
    pub(super) is_sent_text: bool,
}

/// A prompt as gathered.
pub(super) struct GatheredPrompt {
    pub(super) id: String,
    pub(super) benchmark: String,
    pub(super) task: String,
    pub(super) text: String,
    /// Whether another source gave another text; counted once.
    differs: bool,
}

/// All prompts, each once.
#[derive(Default)]
pub(super) struct Prompts {
    all: Vec<GatheredPrompt>,
    /// By id: several where benchmarks or tasks use the same ids.
    index: Index<Vec<usize>>,
}

/// A prompt that was looked up.
pub(super) struct FoundPrompt {
    pub(super) at: usize,
    /// Whether its text is another one than before, for the first time.
    pub(super) differs_now: bool,
}

/// Why there is no such prompt.
pub(super) enum PromptFault {
    /// What the source says cannot be.
    Facts(String),
    /// One id stands for two texts, and the user has to tell them apart.
    TwoTexts(String),
}

impl Prompts {
    /// A prompt that is new or known. An unknown task is that of the known prompt.
    ///
    /// # Errors
    /// An empty id; another text than before, where the text does not depend on the model; an id of several tasks where none
    /// is named.
    pub(super) fn at(&mut self, facts: PromptFacts<'_>) -> Result<FoundPrompt, PromptFault> {
        if facts.id.is_empty() {
            return Err(PromptFault::Facts("a prompt without an id".into()));
        }
        let known = self.index.get(facts.id).map_or(&[][..], Vec::as_slice);
        let task = |at: usize| self.all[at].task.as_str();
        let is_same = |&at: &usize| {
            self.all[at].benchmark == facts.benchmark
                && (task(at) == facts.task || task(at).is_empty() || facts.task.is_empty())
        };
        let same: Vec<usize> = known.iter().copied().filter(is_same).collect();
        let Some(&at) = same.iter().find(|&&at| task(at) == facts.task).or(same.first()) else {
            let at = self.all.len();
            self.index.entry(facts.id.to_owned()).or_default().push(at);
            let [id, benchmark, task, text] =
                [facts.id, facts.benchmark, facts.task, facts.text].map(str::to_owned);
            self.all.push(GatheredPrompt { id, benchmark, task, text, differs: false });
            return Ok(FoundPrompt { at, differs_now: false });
        };
        if 1 < same.len() && task(at) != facts.task {
            return Err(PromptFault::Facts(format!(
                "prompt `{}` of `{}` belongs to several tasks, and none is named here",
                facts.id, facts.benchmark
            )));
        }
        let known = &mut self.all[at];
        if known.task.is_empty() {
            facts.task.clone_into(&mut known.task);
        }
        if known.text.is_empty() {
            facts.text.clone_into(&mut known.text);
        }
        let is_same_text = facts.text.is_empty()
            || known.text == facts.text
            || known.text.split_whitespace().eq(facts.text.split_whitespace());
        if is_same_text {
            return Ok(FoundPrompt { at, differs_now: false });
        }
        if facts.is_sent_text {
            return Ok(FoundPrompt { at, differs_now: !std::mem::replace(&mut known.differs, true) });
        }
        let [old, new] = [known.text.as_str(), facts.text].map(shortened);
        Err(PromptFault::TwoTexts(format!(
            "id `{}` stands for two prompts: `{old}` before, `{new}` here",
            facts.id
        )))
    }

    /// A prompt by its position.
    pub(super) fn get(&self, at: usize) -> &GatheredPrompt {
        &self.all[at]
    }

    /// All, in the order in which they came.
    pub(super) fn iter(&self) -> std::slice::Iter<'_, GatheredPrompt> {
        self.all.iter()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Forgets those from this position on.
    pub(super) fn truncate(&mut self, n_prompts: usize) {
        self.all.truncate(n_prompts);
        self.index.values_mut().for_each(|known| known.retain(|&at| at < n_prompts));
    }

    /// The prompts, of which those that share an id, and all others of their benchmarks, have ids with their benchmark and
    /// task; and what to say of it.
    pub(super) fn qualified(self, is_kept: &[bool]) -> (Vec<GatheredPrompt>, Option<String>) {
        let mut prompts = self.all;
        let mut by_id: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (prompt, _) in prompts.iter().zip(is_kept).filter(|(_, kept)| **kept) {
            by_id.entry(&prompt.id).or_default().push(&prompt.benchmark);
        }
        let shared = by_id.values().filter(|benchmarks| 1 < benchmarks.len());
        let n_shared = shared.clone().count();
        if n_shared == 0 {
            return (prompts, None);
        }
        let benchmarks: BTreeSet<String> = shared.flatten().map(|name| (*name).to_owned()).collect();
        for prompt in prompts.iter_mut().filter(|prompt| benchmarks.contains(&prompt.benchmark)) {
            let own = prompt.id.strip_prefix(&format!("{}/", prompt.benchmark)).unwrap_or(&prompt.id);
            let parts = [prompt.benchmark.as_str(), prompt.task.as_str(), own];
            prompt.id = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
        }
        let example = prompts.iter().find(|prompt| benchmarks.contains(&prompt.benchmark));
        let example = example.map_or("", |prompt| prompt.id.as_str());
        let note = format!(
            "{n_shared} ids stand for prompts of several benchmarks or tasks; ids name both now, as in `{example}`"
        );
        (prompts, Some(note))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_stands_for_one_prompt_of_a_benchmark_and_task() {
        let mut prompts = Prompts::default();
        let mut at = |task, text| {
            let found = prompts.at(PromptFacts { id: "0", benchmark: "b", task, text, is_sent_text: false });
            match found {
                Ok(found) => found.at.to_string(),
                Err(PromptFault::Facts(problem) | PromptFault::TwoTexts(problem)) => problem,
            }
        };
        assert_eq!([at("law", "A?"), at("algebra", "B?"), at("law", " A? ")], ["0", "1", "0"]);
        assert_eq!(at("law", "C?"), "id `0` stands for two prompts: `A?` before, `C?` here");
        assert!(at("", "A?").contains("several tasks"));
    }
}
