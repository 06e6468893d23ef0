//! What a text is made of: words, pairs of words, and pieces of words, each hashed to a number.

/// Numbers that n-grams are hashed to; two that meet in one number are taken for the same.
pub(super) const N_BUCKETS: usize = 1 << 17;
/// Characters of a text that are read; what a prompt is about shows at its beginning, and time stays bounded.
pub(super) const LONGEST_TEXT_CHARS: usize = 4000;
/// Lengths in characters of the pieces of a word, whose ends are marked.
pub(super) const PIECES: std::ops::RangeInclusive<usize> = 3..=5;

/// Words and pieces are kept separate before they are hashed, and weighed separately.
#[derive(Clone, Copy)]
enum Kind {
    Words = 1,
    Pieces = 2,
}

/// How often each bucket occurs in a text, in the order of buckets.
pub(super) struct Counts {
    /// Of words and of pairs of neighbouring words.
    pub(super) words: Vec<(u32, u32)>,
    /// Of pieces of words.
    pub(super) pieces: Vec<(u32, u32)>,
}

impl Counts {
    /// Counts the n-grams of a text.
    pub(super) fn new(text: &str) -> Self {
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
        Counts { words: counted(of_words), pieces: counted(of_pieces) }
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
    (hash.wrapping_mul(GOLDEN) >> (64 - N_BUCKETS.trailing_zeros())) as u32
}

fn counted(mut buckets: Vec<u32>) -> Vec<(u32, u32)> {
    buckets.sort_unstable();
    buckets.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as u32)).collect()
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
        let total = |counts: &[(u32, u32)]| counts.iter().map(|(_, count)| count).sum::<u32>();
        let counts = Counts::new("abc ABC d");
        // `abc` twice, `d`, and the pairs `abc abc` and `abc d`.
        assert_eq!((counts.words.len(), total(&counts.words)), (4, 5));
        // Of `<abc>` three of length 3, two of 4, one of 5, each twice; of `<d>` one.
        assert_eq!((counts.pieces.len(), total(&counts.pieces)), (7, 13));
        assert!(counts.pieces.is_sorted());
    }

    #[test]
    fn buckets_are_pinned() {
        assert_eq!(Counts::new("a").words, [(65925, 1)]);
    }
}
