//! What few sources say of prompts and cells: embeddings, a given split, and numbers of any name.

use std::collections::BTreeMap;

use crate::suite::{CellTable, Embeddings, Part, Suite, Turn, sessions};

/// Values of embeddings beyond this are no embeddings; the reader of suites asks the same.
const LARGEST_VALUE: f32 = 1000.0;

/// By prompt and model the sum of a number, and of how many.
type Sums = BTreeMap<(usize, usize), (f64, u32)>;

/// Facts by the positions of prompts and models as they were gathered.
#[derive(Default)]
pub(super) struct Extras {
    parts: BTreeMap<usize, Part>,
    turns: BTreeMap<usize, Turn>,
    n_other_turns: usize,
    embeddings: BTreeMap<usize, Vec<f32>>,
    width: Option<usize>,
    numbers: BTreeMap<&'static str, Sums>,
}

impl Extras {
    /// Puts a prompt in a part of a split, where its source does; the first that does counts.
    pub(super) fn give(&mut self, prompt: usize, part: Option<Part>) {
        if let Some(part) = part {
            self.parts.entry(prompt).or_insert(part);
        }
    }

    /// Puts a prompt in its place in a session; the first that is said of it counts.
    pub(super) fn follow(&mut self, prompt: usize, turn: Turn) {
        let known = self.turns.entry(prompt).or_insert_with(|| turn.clone());
        self.n_other_turns += usize::from(*known != turn);
    }

    /// The part that a prompt is in.
    pub(super) fn part(&self, prompt: usize) -> Option<Part> {
        self.parts.get(&prompt).copied()
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

    /// Forgets what was said of prompts and cells from this position on.
    pub(super) fn truncate(&mut self, n_prompts: usize) {
        self.parts.split_off(&n_prompts);
        self.turns.split_off(&n_prompts);
        self.embeddings.split_off(&n_prompts);
        self.numbers.values_mut().for_each(|cells| cells.retain(|(prompt, _), _| *prompt < n_prompts));
    }

    /// Keeps a number of a cell under a name of its own; of several the mean, as of everything else that is repeated.
    pub(super) fn number(&mut self, name: &'static str, prompt: usize, model: usize, value: f64) {
        let (sum, n) = self.numbers.entry(name).or_default().entry((prompt, model)).or_default();
        *sum += value;
        *n += 1;
    }

    /// The mean of a number over all cells that have it.
    pub(super) fn mean(&self, name: &str) -> Option<f64> {
        let cells = self.numbers.get(name)?;
        let sum: f64 = cells.values().map(|(sum, n)| sum / f64::from(*n)).sum();
        (!cells.is_empty()).then(|| sum / cells.len() as f64)
    }

    /// Puts everything into a suite, given the new positions of prompts and models that it keeps; says what could not be kept.
    pub(super) fn put_into(
        self,
        suite: &mut Suite,
        new_prompt: &[Option<usize>],
        new_model: &[Option<usize>],
    ) -> Option<String> {
        for (prompt, part) in self.parts {
            if let Some(prompt) = new_prompt[prompt] {
                suite.prompts[prompt].given_part = Some(part);
            }
        }
        let (n_prompts, n_models) = (suite.prompts.len(), suite.models.len());
        if let Some(width) = self.width {
            let mut values = vec![0.0; n_prompts * width];
            for (prompt, row) in self.embeddings {
                if let Some(prompt) = new_prompt[prompt] {
                    values[prompt * width..][..width].copy_from_slice(&row);
                }
            }
            suite.embeddings = Some(Embeddings::new(width, values));
        }
        for (name, cells) in self.numbers {
            let mut table = CellTable::missing(n_prompts, n_models);
            for ((prompt, model), (sum, n)) in cells {
                if let (Some(prompt), Some(model)) = (new_prompt[prompt], new_model[model]) {
                    table.set(prompt, model, Some(sum / f64::from(n)));
                }
            }
            suite.outcomes.extra.insert(name.to_owned(), table);
        }
        for (prompt, turn) in self.turns {
            if let Some(prompt) = new_prompt[prompt] {
                suite.prompts[prompt].turn = Some(turn);
            }
        }
        let several = (self.n_other_turns > 0).then(|| {
            format!("{} rows put their prompt at another turn than a row before", self.n_other_turns)
        });
        let problem = several.or_else(|| sessions::problem(&suite.prompts))?;
        suite.prompts.iter_mut().for_each(|prompt| prompt.turn = None);
        Some(format!("sessions are left out: {problem}"))
    }
}
