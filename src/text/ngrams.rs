//! Words, pairs of neighbouring words, and pieces of words of 3 to 5 characters, hashed to numbers and counted.

use std::ops::RangeInclusive;

/// Numbers that n-grams are hashed to; two that meet in one number are taken for the same.
pub(crate) const N_BUCKETS: usize = 1 << BUCKET_BITS;
const BUCKET_BITS: u32 = 17;
/// Characters of a text that are read; what a prompt is about shows at its beginning, and time stays bounded.
pub(crate) const LONGEST_TEXT_CHARS: usize = 4000;
/// Lengths in characters of the pieces of a word, whose ends are marked.
pub(crate) const PIECES: RangeInclusive<usize> = 3..=5;

/// Words and pieces are kept separate before they are hashed, and weighed separately.
#[derive(Clone, Copy)]
enum Kind {
    Words = 1,
    Pieces = 2,
}

/// How often each bucket occurs in a text, in the order of buckets.
pub(crate) struct NGrams {
    /// Of words and of pairs of neighbouring words.
    pub(crate) words: Vec<Count>,
    /// Of pieces of words.
    pub(crate) pieces: Vec<Count>,
}

/// A bucket and how often it occurs, in one number: a suite has many of them.
#[derive(Clone, Copy)]
pub(crate) struct Count(u32);

impl Count {
    /// The number of the bucket.
    pub(crate) fn bucket(self) -> u32 {
        self.0 & (N_BUCKETS as u32 - 1)
    }

    /// How often it occurs; no text that is read has room for more than fits.
    pub(crate) fn times(self) -> u32 {
        self.0 >> BUCKET_BITS
    }
}

impl NGrams {
    /// Counts the n-grams of a text.
    pub(crate) fn new(text: &str) -> Self {
        let words = words(text);
        let (mut of_words, mut of_pieces) = (Vec::new(), Vec::new());
        for (at, word) in words.iter().enumerate() {
            of_words.push(bucket(Kind::Words, word.bytes()));
            if let Some(next) = words.get(at + 1) {
                let pair = word.bytes().chain([b' ']).chain(next.bytes());
                of_words.push(bucket(Kind::Words, pair));
            }
            let marked = format!("<{word}>");
            let mut ends: Vec<usize> = marked.char_indices().map(|(end, _)| end).collect();
            ends.push(marked.len());
            for length in PIECES {
                for ends in ends.windows(length + 1) {
                    of_pieces.push(bucket(Kind::Pieces, marked[ends[0]..ends[length]].bytes()));
                }
            }
        }
        NGrams { words: counted(of_words), pieces: counted(of_pieces) }
    }
}

/// Runs of letters and digits in lower case, and every other character that is no blank by itself.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut is_open = false;
    for char in text.chars().take(LONGEST_TEXT_CHARS) {
        let is_letter = char.is_alphanumeric();
        match words.last_mut().filter(|_| is_open && is_letter) {
            Some(word) => word.extend(char.to_lowercase()),
            None if char.is_whitespace() => {}
            None => words.push(char.to_lowercase().collect()),
        }
        is_open = is_letter;
    }
    words
}

/// FNV-1a of 64 bits, whose high bits are mixed by a product with the golden ratio.
fn bucket(kind: Kind, bytes: impl Iterator<Item = u8>) -> u32 {
    const PRIME: u64 = 0x0100_0000_01b3;
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(PRIME);
    let hash = std::iter::once(kind as u8).chain(bytes).fold(0xcbf2_9ce4_8422_2325, mix);
    (hash.wrapping_mul(GOLDEN) >> (64 - BUCKET_BITS)) as u32
}

fn counted(mut buckets: Vec<u32>) -> Vec<Count> {
    buckets.sort_unstable();
    let count = |same: &[u32]| Count((same.len() as u32) << BUCKET_BITS | same[0]);
    buckets.chunk_by(|a, b| a == b).map(count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_runs_of_letters_and_digits_and_signs_stand_alone() {
        assert_eq!(words("Is  x2+1=\u{c9}?\n"), ["is", "x2", "+", "1", "=", "\u{e9}", "?"]);
        assert!(words(" \n").is_empty());
    }

    #[test]
    fn words_pairs_and_pieces_are_counted() {
        let total = |counts: &[Count]| counts.iter().map(|count| count.times()).sum::<u32>();
        let ngrams = NGrams::new("abc ABC d");
        // `abc` twice, `d`, and the pairs `abc abc` and `abc d`.
        assert_eq!((ngrams.words.len(), total(&ngrams.words)), (4, 5));
        // Of `<abc>` three of length 3, two of 4, one of 5, each twice; of `<d>` one.
        assert_eq!((ngrams.pieces.len(), total(&ngrams.pieces)), (7, 13));
        assert!(ngrams.pieces.is_sorted_by_key(|count| count.bucket()));
    }

    #[test]
    fn buckets_are_pinned_and_counts_fit() {
        let only = |text: &str| NGrams::new(text).words.iter().map(|it| (it.bucket(), it.times())).collect();
        let found: Vec<(u32, u32)> = only("a");
        assert_eq!(found, [(65925, 1)]);
        let repeated: Vec<(u32, u32)> = only(&"+".repeat(2 * LONGEST_TEXT_CHARS));
        assert!(repeated.iter().any(|(_, times)| *times == LONGEST_TEXT_CHARS as u32));
    }
}
