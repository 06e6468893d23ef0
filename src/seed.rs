//! Random streams by name: whoever needs chance asks for its own stream, so that nobody shifts anybody else's numbers.
//!
//! A stream is named by its path from the root, for example root seed 7, `replicate` 2, `router` "knn", `training`.
//! Its 256-bit key is the SHA-256 of the parent's key and the name; the generator is ChaCha with 8 rounds.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use sha2::{Digest, Sha256};

/// A place in the tree of random streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream([u8; 32]);

impl Stream {
    /// The root of a run.
    pub fn root(seed: u64) -> Self {
        Stream(Sha256::new().chain_update(b"llm-bandit").chain_update(seed.to_le_bytes()).finalize().into())
    }

    /// The stream of that name below this one.
    pub fn named(&self, name: &str) -> Self {
        // The length closes the name off, so that no two different paths hash the same bytes.
        let digest = Sha256::new()
            .chain_update(self.0)
            .chain_update((name.len() as u64).to_le_bytes())
            .chain_update(name.as_bytes())
            .finalize();
        Stream(digest.into())
    }

    /// The stream with that number below this one.
    pub fn numbered(&self, number: usize) -> Self {
        self.named(&number.to_string())
    }

    /// A fresh generator at the start of this stream.
    pub fn generator(&self) -> ChaCha8Rng {
        ChaCha8Rng::from_seed(self.0)
    }

    /// The key, by which the stream can be found again.
    pub(crate) fn words(&self) -> [u64; 4] {
        let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| self.0[8 * at + byte]));
        std::array::from_fn(word)
    }

    /// The stream of that key.
    pub(crate) fn of_words(words: [u64; 4]) -> Self {
        Stream(std::array::from_fn(|byte| words[byte / 8].to_le_bytes()[byte % 8]))
    }

    /// 64 bits of the key: a seed for something that wants a plain number.
    pub fn word(&self) -> u64 {
        u64::from_le_bytes([0, 1, 2, 3, 4, 5, 6, 7].map(|i| self.0[i]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::rand_core::Rng;

    #[test]
    fn the_same_path_gives_the_same_numbers_and_another_path_others() {
        let draw = |stream: &Stream| stream.generator().next_u64();
        let root = Stream::root(7);
        assert_eq!(draw(&root.named("split")), draw(&Stream::root(7).named("split")));
        assert_ne!(draw(&root.named("split")), draw(&root.named("train")));
        assert_ne!(draw(&root.named("split")), draw(&Stream::root(8).named("split")));
        assert_ne!(draw(&root.named("ab").named("c")), draw(&root.named("a").named("bc")));
    }

    #[test]
    fn the_numbers_are_pinned() {
        assert_eq!(Stream::root(0).named("split").generator().next_u64(), 1_104_568_814_538_118_638);
    }
}
