//! Indices by what they count, where two that count different things meet: the number of a prompt in its suite, in a record, and among the
//! prompts that are learned from; that of a model in a suite of which only some models are candidates or arms.
//!
//! Loops over one kind of thing use plain numbers, and so do tables, whose rows may be of any kind. Once a suite is cut down to its
//! candidates a model keeps its number to the end of the record, and so does an arm: from there on these are plain numbers too.

macro_rules! index {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(usize);

        impl $name {
            /// The one at a place.
            #[inline]
            pub fn new(at: usize) -> Self {
                $name(at)
            }

            /// Its place.
            #[inline]
            pub fn at(self) -> usize {
                self.0
            }

            /// Those at these places.
            pub fn of(places: impl IntoIterator<Item = usize>) -> Vec<Self> {
                places.into_iter().map($name).collect()
            }

            /// The places of some.
            pub fn places(some: &[Self]) -> Vec<usize> {
                some.iter().map(|one| one.0).collect()
            }
        }
    };
}

index! {
    /// The number of a prompt in its suite: what a split deals out, and what cuts prompts out of a suite.
    SuitePrompt
}

index! {
    /// The number of a prompt among those of a record, which are the suite's that were routed in any replicate, or that are replayed online.
    RecordPrompt
}

index! {
    /// A position among the training prompts of a replicate, by which a quiz names its prompts.
    TrainingRow
}

index! {
    /// The number of a model in its suite, where only some of them are candidates or arms.
    SuiteModel
}
