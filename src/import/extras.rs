//! What few sources say of prompts: embeddings and a given split.

use std::collections::BTreeMap;

use crate::suite::{Embeddings, Part, Suite};

/// Values of embeddings beyond this are no embeddings; the reader of suites asks the same.
const LARGEST_VALUE: f32 = 1000.0;

/// Facts by the positions of prompts as they were gathered.
#[derive(Default)]
pub(super) struct Extras {
    parts: BTreeMap<usize, Part>,
    embeddings: BTreeMap<usize, Vec<f32>>,
    width: Option<usize>,
}

impl Extras {
    /// Puts a prompt in a part of a split, where its source does; the first that does counts.
    pub(super) fn give(&mut self, prompt: usize, part: Option<Part>) {
        if let Some(part) = part {
            self.parts.entry(prompt).or_insert(part);
        }
    }

    /// Keeps the embedding of a prompt.
    ///
    /// # Errors
    /// Another width than before; a value that is not finite or is too large.
    pub(super) fn embed(&mut self, prompt: usize, values: &[f64]) -> Result<(), String> {
        let width = *self.width.get_or_insert(values.len());
        if values.len() != width || width == 0 {
            return Err(format!("an embedding of {} numbers; others have {width}", values.len()));
        }
        let row: Vec<f32> = values.iter().map(|&value| value as f32).collect();
        if let Some(value) = row.iter().find(|value| !value.is_finite() || LARGEST_VALUE < value.abs()) {
            return Err(format!("an embedding with {value}; values lie within {LARGEST_VALUE}"));
        }
        self.embeddings.insert(prompt, row);
        Ok(())
    }

    /// Forgets what was said of prompts from this position on.
    pub(super) fn truncate(&mut self, n_prompts: usize) {
        self.parts.split_off(&n_prompts);
        self.embeddings.split_off(&n_prompts);
    }

    /// Puts everything into a suite, given the new positions of the prompts that it keeps.
    pub(super) fn put_into(self, suite: &mut Suite, new_prompt: &[Option<usize>]) {
        for (prompt, part) in self.parts {
            if let Some(prompt) = new_prompt[prompt] {
                suite.prompts[prompt].given_part = Some(part);
            }
        }
        let n_prompts = suite.prompts.len();
        if let Some(width) = self.width {
            let mut values = vec![0.0; n_prompts * width];
            for (prompt, row) in self.embeddings {
                if let Some(prompt) = new_prompt[prompt] {
                    values[prompt * width..][..width].copy_from_slice(&row);
                }
            }
            suite.embeddings = Some(Embeddings::new(width, values));
        }
    }
}
