//! Indices by what they count, where two that count different things meet. Loops over one kind of thing use plain numbers.

/// A position among the training prompts of a replicate, by which a quiz names its prompts; not the number that a prompt has
/// in its suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TrainingRow(usize);

impl TrainingRow {
    /// The row at a position.
    pub fn new(at: usize) -> Self {
        TrainingRow(at)
    }

    /// Its position.
    #[inline]
    pub fn at(self) -> usize {
        self.0
    }
}
