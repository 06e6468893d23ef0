//! Changes to good files that the same number always makes again: of bytes, of words, of numbers, of lines, of whole files.

use crate::files::File;

/// SplitMix64: the inputs of a seed are the same on any machine.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64, name: &str, number: u64) -> Self {
        let mix = |state: u64, byte: u8| (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let mut random = Random(name.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, mix));
        random.0 = random.word() ^ number;
        random
    }

    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let word = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// Below `n`; 0 where that is 0.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        if n == 0 { 0 } else { (self.word() % n as u64) as usize }
    }

    pub(crate) fn is_one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn of<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T {
        list[self.below(list.len())]
    }
}

/// In the place of numbers.
const NUMBERS: [&str; 29] = [
    "0",
    "-0",
    "1",
    "-1",
    "2",
    "0.5",
    "1.5",
    "1e308",
    "-1e308",
    "1e-320",
    "1e39",
    "3e38",
    "1e12",
    "1e13",
    "1e999",
    "NaN",
    "inf",
    "-inf",
    "",
    "-",
    "18446744073709551615",
    "18446744073709551616",
    "9223372036854775807",
    "-9223372036854775808",
    "4294967296",
    "1000000000000",
    "65536",
    "0.1000000000000000055",
    "1_0",
];

/// In the place of texts.
const TEXTS: [&str; 20] = [
    "",
    " ",
    "..",
    "../../x",
    "/etc/passwd",
    "\u{202e}x",
    "\u{1b}[2J",
    "\\u0000",
    "\\ud800",
    "::error::x",
    "\\n",
    "null",
    "true",
    "NULL",
    "nan",
    "e\u{301}",
    "\u{1f468}\u{200d}\u{1f469}",
    "a\\\"b",
    "2024-02-30",
    "-",
];

/// What belongs to the shapes of files.
const SIGNS: [&str; 22] = [
    "\"",
    ",",
    "\n",
    "\r\n",
    "\r",
    "{",
    "}",
    "[",
    "]",
    ":",
    "\t",
    "\u{feff}",
    "\0",
    "=",
    "[[router]]\n",
    "#",
    "'",
    "\\",
    "{}",
    "[]",
    "null",
    "\"\"",
];

/// Longer than this no file becomes.
const LONGEST: usize = 1 << 18;

/// Words of good files.
pub(crate) fn dictionary(seeds: &[Vec<File>]) -> Vec<Vec<u8>> {
    let is_inside = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte);
    let contents = seeds.iter().flatten().map(|file| file.content.as_slice());
    let words = contents.flat_map(|content| content.split(|&byte| !is_inside(byte)));
    let mut words: Vec<Vec<u8>> =
        words.filter(|word| (2..40).contains(&word.len())).map(<[u8]>::to_vec).collect();
    words.sort();
    words.dedup();
    // Of many numbered names some will do.
    let step = words.len().div_ceil(2000).max(1);
    words.into_iter().step_by(step).collect()
}

/// Changes a content one to eight times; `other` is a good content to take pieces from.
pub(crate) fn mutate(random: &mut Random, bytes: &mut Vec<u8>, other: &[u8], words: &[Vec<u8>]) {
    loop {
        change(random, bytes, other, words);
        bytes.truncate(LONGEST);
        if random.is_one_in(2) {
            return;
        }
    }
}

fn change(random: &mut Random, bytes: &mut Vec<u8>, other: &[u8], words: &[Vec<u8>]) {
    let at = random.below(bytes.len() + 1);
    match random.below(16) {
        0 => flip(random, bytes, at),
        1 => put_binary(random, bytes, at),
        2 => bytes.truncate(at),
        3 => drop(bytes.drain(stretch(random, at, bytes.len()))),
        4 => {
            let stretch = bytes[stretch(random, at, bytes.len())].to_vec();
            let times = if random.is_one_in(8) { 1 + random.below(200) } else { 1 };
            insert(bytes, at, &stretch.repeat(times));
        }
        5 => {
            let from = random.below(other.len() + 1);
            let piece = &other[stretch(random, from, other.len())];
            let end = if random.is_one_in(2) { at } else { (at + piece.len()).min(bytes.len()) };
            bytes.splice(at..end, piece.iter().copied());
        }
        6..=8 => replace(bytes, number(bytes, at), random.of(&NUMBERS).as_bytes()),
        9 => replace(bytes, quoted(bytes, at), random.of(&TEXTS).as_bytes()),
        10 if !words.is_empty() => {
            let word = &words[random.below(words.len())];
            let place = if random.is_one_in(2) { quoted(bytes, at) } else { word_at(bytes, at) };
            replace(bytes, place, word);
        }
        11 => insert(bytes, at, random.of(&SIGNS).as_bytes()),
        12 => {
            let line = line(bytes, at);
            drop(bytes.drain(line));
        }
        13 => {
            let copied = bytes[line(bytes, at)].to_vec();
            let to = random.below(bytes.len() + 1);
            let start = line(bytes, to).start;
            insert(bytes, start, &copied);
        }
        14 if random.is_one_in(16) => {
            let deep = random.of(&["[", "{\"a\":", "(", "[[", "a.", "{a="]);
            insert(bytes, at, deep.repeat(1 + random.below(30_000)).as_bytes());
        }
        _ => {
            let start = line(bytes, at).start;
            let end = line(bytes, random.below(bytes.len() + 1)).end;
            if start < end {
                let middle = line(bytes, start).end.min(end);
                bytes[start..end].rotate_left(middle - start);
            }
        }
    }
}

fn flip(random: &mut Random, bytes: &mut [u8], at: usize) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= if random.is_one_in(2) { 1 << random.below(8) } else { random.below(256) as u8 };
    }
}

/// Numbers as they lie in arrays and in headers.
fn put_binary(random: &mut Random, bytes: &mut [u8], at: usize) {
    let number: [u8; 8] = match random.below(9) {
        0 => u64::MAX.to_le_bytes(),
        1 => (i64::MAX as u64).to_le_bytes(),
        2 => (1_u64 << random.below(64)).to_le_bytes(),
        3 => f64::NAN.to_le_bytes(),
        4 => f64::INFINITY.to_le_bytes(),
        5 => 1e308_f64.to_le_bytes(),
        6 => [f32::NAN.to_le_bytes(), 3e38_f32.to_le_bytes()].concat().try_into().expect("eight bytes"),
        7 => (-1.0_f64).to_le_bytes(),
        _ => 0_u64.to_le_bytes(),
    };
    let width = 1 << random.below(4);
    let end = (at + width).min(bytes.len());
    let number = &number[8 - width..][..end.saturating_sub(at)];
    bytes[at..end].copy_from_slice(number);
}

/// A stretch from `at` on, rather short.
fn stretch(random: &mut Random, at: usize, n: usize) -> std::ops::Range<usize> {
    let longest = 1 << random.below(12);
    at..(at + random.below(longest + 1)).min(n)
}

fn insert(bytes: &mut Vec<u8>, at: usize, piece: &[u8]) {
    bytes.splice(at..at, piece.iter().copied());
}

fn replace(bytes: &mut Vec<u8>, place: std::ops::Range<usize>, piece: &[u8]) {
    bytes.splice(place, piece.iter().copied());
}

/// The first number from `at` on; the end where there is none.
fn number(bytes: &[u8], at: usize) -> std::ops::Range<usize> {
    let is_inside = |byte: &u8| byte.is_ascii_digit() || b".eE+-".contains(byte);
    let start = bytes[at..].iter().position(u8::is_ascii_digit).map_or(bytes.len(), |first| at + first);
    let end =
        bytes[start..].iter().position(|byte| !is_inside(byte)).map_or(bytes.len(), |length| start + length);
    start..end
}

/// The inside of the next quotes; the end where there are none.
fn quoted(bytes: &[u8], at: usize) -> std::ops::Range<usize> {
    let quote = |from: usize| bytes[from..].iter().position(|&byte| byte == b'"').map(|first| from + first);
    let start = quote(at).map_or(bytes.len(), |start| start + 1);
    start..quote(start).unwrap_or(start)
}

/// The next field between separators.
fn word_at(bytes: &[u8], at: usize) -> std::ops::Range<usize> {
    let ends = |byte: &u8| b",\n \t\"=:".contains(byte);
    let start = bytes[at..].iter().position(ends).map_or(bytes.len(), |first| at + first + 1);
    let end = bytes[start..].iter().position(ends).map_or(bytes.len(), |length| start + length);
    start..end
}

/// The line around `at` with its end.
fn line(bytes: &[u8], at: usize) -> std::ops::Range<usize> {
    let start = bytes[..at].iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
    let end =
        bytes[at..].iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |newline| at + newline + 1);
    start..end
}
