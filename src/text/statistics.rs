//! Statistics of a text: its length, signs, digits, code, mathematics, options, the form of its question, language, and repetition.
//!
//! They tell kinds of prompts apart that an embedding of meaning blurs: how long, how formal, how many steps, what the answer is to
//! look like. Each is a share from 0 to 1, ln(1 + a count or length), or 0 and 1; a text without words has zeros.

/// A statistic by its name.
type Statistic = (&'static str, f64);

/// All statistics of a text, always the same in the same order.
pub(super) fn statistics(text: &str) -> Vec<Statistic> {
    let view = View::new(text);
    let groups = [length, signs, digits, code, mathematics, options, form, language, repetition];
    groups.iter().flat_map(|group| group(&view)).collect()
}

/// A text in lower case, its words, lines, and counts of signs.
struct View<'a> {
    text: &'a str,
    lower: String,
    /// Runs of letters, digits, and underscores, as written.
    words: Vec<&'a str>,
    /// The same in lower case.
    lower_words: Vec<String>,
    /// Lines that are not blank.
    lines: Vec<&'a str>,
    n_chars: f64,
}

impl<'a> View<'a> {
    fn new(text: &'a str) -> Self {
        let is_word = |word: &&str| !word.is_empty();
        let words: Vec<&str> =
            text.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(is_word).collect();
        View {
            text,
            lower: text.to_lowercase(),
            lower_words: words.iter().map(|word| word.to_lowercase()).collect(),
            words,
            lines: text.lines().filter(|line| !line.trim().is_empty()).collect(),
            n_chars: text.chars().count() as f64,
        }
    }

    /// The share of characters like this.
    fn chars(&self, is_such: impl Fn(char) -> bool) -> f64 {
        share(self.text.chars().filter(|c| is_such(*c)).count(), self.n_chars)
    }

    /// The share of words like this.
    fn words(&self, is_such: impl Fn(&str) -> bool) -> f64 {
        share(self.words.iter().filter(|word| is_such(word)).count(), self.words.len() as f64)
    }

    /// The share of words in this list.
    fn among(&self, list: &[&str]) -> f64 {
        let n = self.lower_words.iter().filter(|word| list.contains(&word.as_str())).count();
        share(n, self.words.len() as f64)
    }

    /// The share of lines like this.
    fn lines(&self, is_such: impl Fn(&str) -> bool) -> f64 {
        share(self.lines.iter().filter(|line| is_such(line.trim())).count(), self.lines.len() as f64)
    }

    /// How often any of these stands in the text in lower case.
    fn times(&self, needles: &[&str]) -> f64 {
        many(needles.iter().map(|needle| self.lower.matches(needle).count()).sum())
    }

    /// Whether any of these stands in the text in lower case.
    fn has(&self, needles: &[&str]) -> f64 {
        flag(needles.iter().any(|needle| self.lower.contains(needle)))
    }

    /// Whether the first word, or that of the last line, is one of these.
    fn asks(&self, first: &[&str]) -> f64 {
        let starts = |line: Option<&&str>| {
            let word = line.and_then(|line| line.split_whitespace().next()).unwrap_or_default();
            let word = word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
            first.contains(&word.as_str())
        };
        flag(starts(self.lines.first()) || starts(self.lines.last()))
    }
}

fn share(n: usize, of: f64) -> f64 {
    n as f64 / of.max(1.0)
}

fn many(n: usize) -> f64 {
    (n as f64).ln_1p()
}

fn flag(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}

fn length(view: &View<'_>) -> Vec<Statistic> {
    let n_words = view.words.len();
    let sentences = view.text.split(['.', '?', '!', '\n']);
    let n_sentences = sentences.filter(|sentence| sentence.split_whitespace().nth(1).is_some()).count();
    let in_words: usize = view.words.iter().map(|word| word.chars().count()).sum();
    let longest = |lengths: &mut dyn Iterator<Item = usize>| many(lengths.max().unwrap_or(0));
    vec![
        ("characters", view.n_chars.ln_1p()),
        ("words", many(n_words)),
        ("lines", many(view.lines.len())),
        ("paragraphs", many(view.text.split("\n\n").filter(|part| !part.trim().is_empty()).count())),
        ("sentences", many(n_sentences)),
        ("words a sentence", share(n_words, n_sentences as f64).ln_1p()),
        ("characters a word", share(in_words, n_words as f64)),
        ("longest word", longest(&mut view.words.iter().map(|word| word.chars().count()))),
        ("longest line", longest(&mut view.lines.iter().map(|line| line.chars().count()))),
        ("last line", many(view.lines.last().map_or(0, |line| line.chars().count()))),
        ("long words", view.words(|word| word.chars().count() >= 8)),
    ]
}

fn signs(view: &View<'_>) -> Vec<Statistic> {
    let of = |signs: &'static str| view.chars(|c| signs.contains(c));
    vec![
        ("capitals", view.chars(char::is_uppercase)),
        ("words in capitals", view.words(|word| word.len() > 1 && word.chars().all(char::is_uppercase))),
        ("capitalised words", view.words(|word| word.starts_with(char::is_uppercase))),
        ("blanks", view.chars(char::is_whitespace)),
        ("commas", of(",")),
        ("full stops", of(".")),
        ("colons", of(":;")),
        ("quotation marks", of("\"'`\u{201c}\u{201d}\u{2018}\u{2019}")),
        ("round brackets", of("()")),
        ("hyphens", of("-\u{2013}\u{2014}")),
        ("other signs", view.chars(|c| c.is_ascii_punctuation() && !",.:;\"'`()-".contains(c))),
    ]
}

fn digits(view: &View<'_>) -> Vec<Statistic> {
    let is_number = |word: &str| word.chars().all(|c| c.is_ascii_digit());
    let numbers = || view.words.iter().filter(|word| is_number(word));
    let is_year =
        |word: &str| word.len() == 4 && is_number(word) && (word.starts_with("19") || word.starts_with("20"));
    let is_decimal = |around: &[u8]| {
        around[0].is_ascii_digit() && matches!(around[1], b'.' | b',') && around[2].is_ascii_digit()
    };
    vec![
        ("digits", view.chars(|c| c.is_ascii_digit())),
        ("numbers", many(numbers().count())),
        ("numbers among words", view.words(is_number)),
        ("longest number", many(numbers().map(|word| word.len()).max().unwrap_or(0))),
        ("decimals", many(view.text.as_bytes().windows(3).filter(|around| is_decimal(around)).count())),
        ("years", many(view.words.iter().filter(|word| is_year(word)).count())),
        ("money and percent", view.times(&["$", "%", "\u{20ac}", "\u{a3}", "percent", "dollars"])),
    ]
}

const KEYWORDS: [&str; 24] = [
    "def", "return", "import", "class", "void", "int", "str", "const", "var", "elif", "else", "null", "none",
    "true", "false", "print", "lambda", "self", "public", "struct", "select", "printf", "assert", "bool",
];

fn code(view: &View<'_>) -> Vec<Statistic> {
    let is_camel = |word: &str| {
        let mut pairs = word.chars().zip(word.chars().skip(1));
        pairs.any(|(a, b)| a.is_lowercase() && b.is_uppercase())
    };
    let is_call =
        |around: &[u8]| (around[0].is_ascii_alphanumeric() || around[0] == b'_') && around[1] == b'(';
    let is_indented = |line: &&&str| line.starts_with("  ") || line.starts_with('\t');
    vec![
        ("fences", view.times(&["```"])),
        ("braces", view.chars(|c| "{}[]<>".contains(c))),
        ("indented lines", share(view.lines.iter().filter(is_indented).count(), view.lines.len() as f64)),
        ("lines that end as code", view.lines(|line| line.ends_with([';', '{', '}', ')']))),
        ("names with underscores", view.words(|word| word.len() > 1 && word.contains('_'))),
        ("names with humps", view.words(is_camel)),
        ("calls", many(view.text.as_bytes().windows(2).filter(|around| is_call(around)).count())),
        ("operators", view.times(&["==", "!=", "->", "=>", "::", "&&", "||", "+=", "<=", ">="])),
        ("keywords", view.among(&KEYWORDS)),
        (
            "comments",
            view.lines(|line| ["//", "# ", "/*", "--", "\"\"\""].iter().any(|it| line.starts_with(it))),
        ),
        (
            "words on code",
            view.among(&[
                "function",
                "code",
                "python",
                "program",
                "array",
                "string",
                "algorithm",
                "java",
                "javascript",
                "sql",
            ]),
        ),
    ]
}

fn mathematics(view: &View<'_>) -> Vec<Statistic> {
    let is_command = |around: &[u8]| around[0] == b'\\' && around[1].is_ascii_alphabetic();
    let is_symbol = |c: char| {
        matches!(c, '\u{2200}'..='\u{22ff}' | '\u{b1}' | '\u{d7}' | '\u{f7}' | '\u{b0}' | '\u{b2}' | '\u{b3}')
    };
    vec![
        (
            "typeset commands",
            many(view.text.as_bytes().windows(2).filter(|around| is_command(around)).count()),
        ),
        ("signs of arithmetic", view.chars(|c| "=+*/^<>".contains(c))),
        ("symbols", view.chars(is_symbol)),
        (
            "single letters",
            view.words(|word| word.len() == 1 && word.chars().all(|c| c.is_ascii_alphabetic())),
        ),
        (
            "words on mathematics",
            view.among(&[
                "equation",
                "integer",
                "triangle",
                "probability",
                "polynomial",
                "sum",
                "product",
                "angle",
                "matrix",
                "vector",
                "function",
                "prime",
                "square",
                "root",
                "ratio",
                "average",
                "graph",
                "theorem",
            ]),
        ),
        (
            "words on amounts",
            view.among(&[
                "many", "much", "total", "each", "per", "half", "twice", "times", "left", "more", "less",
                "cost", "hours",
            ]),
        ),
        ("proofs", view.has(&["prove ", "show that", "proof"])),
    ]
}

/// What marks an option: a letter or number at the start of a line, alone or in brackets, and a sign behind it.
fn is_option(line: &str) -> bool {
    let rest = line.strip_prefix('(').unwrap_or(line);
    let mut chars = rest.chars();
    let is_marked = |c: Option<char>| matches!(c, Some(')' | '.' | ':'));
    chars.next().is_some_and(|c| c.is_ascii_uppercase() || c.is_ascii_digit()) && is_marked(chars.next())
}

fn options(view: &View<'_>) -> Vec<Statistic> {
    let options: Vec<usize> =
        view.lines.iter().filter(|line| is_option(line.trim())).map(|line| line.chars().count()).collect();
    let in_line = |around: &[u8]| around[0] == b'(' && around[1].is_ascii_alphabetic() && around[2] == b')';
    vec![
        ("options", many(options.len())),
        ("characters an option", share(options.iter().sum(), options.len() as f64).ln_1p()),
        (
            "options within lines",
            many(view.text.as_bytes().windows(3).filter(|around| in_line(around)).count()),
        ),
        ("which of these", view.has(&["which of the", "which one of", "options", "choices", "choose the"])),
        ("true or false", view.has(&["true or false", "yes or no", "is it true"])),
        ("all or none of them", view.has(&["all of the above", "none of the above", "not the answer"])),
        ("gaps", view.times(&["__", "[blank]", "..."])),
    ]
}

fn form(view: &View<'_>) -> Vec<Statistic> {
    vec![
        ("ends as a question", flag(view.text.trim_end().ends_with('?'))),
        ("question marks", view.times(&["?"])),
        ("exclamation marks", view.times(&["!"])),
        ("asks what or who", view.asks(&["what", "who", "whom", "whose", "what's"])),
        ("asks when or where", view.asks(&["when", "where"])),
        ("asks why or how", view.asks(&["why", "how"])),
        ("asks which", view.asks(&["which"])),
        (
            "asks yes or no",
            view.asks(&["is", "are", "do", "does", "did", "can", "could", "should", "will", "was"]),
        ),
        (
            "tells to write",
            view.asks(&["write", "create", "compose", "generate", "make", "design", "draft", "tell"]),
        ),
        (
            "tells to explain",
            view.asks(&["explain", "describe", "discuss", "compare", "define", "analyze", "analyse"]),
        ),
        (
            "tells to list",
            view.asks(&["list", "name", "give", "provide", "identify", "suggest", "recommend"]),
        ),
        (
            "tells to compute",
            view.asks(&[
                "calculate",
                "compute",
                "find",
                "solve",
                "evaluate",
                "determine",
                "simplify",
                "let",
                "if",
            ]),
        ),
        (
            "tells to rewrite",
            view.asks(&["translate", "summarize", "summarise", "rewrite", "convert", "edit", "correct"]),
        ),
        ("asks for steps", view.has(&["step by step", "step-by-step", "show your work", "reasoning"])),
        ("asks for a format", view.has(&["json", "table", "bullet", "markdown", "csv", "format"])),
        (
            "limits length",
            view.has(&["words or less", "in one sentence", "no more than", "at most", "briefly", "short "]),
        ),
        ("gives a role", view.has(&["you are ", "act as ", "imagine you", "as an "])),
        ("shows examples", view.times(&["question:", "answer:", "q:", "a:", "input:", "output:", "example"])),
        ("speaks of itself", view.among(&["i", "my", "me", "we", "our", "i'm"])),
        ("speaks to the model", view.among(&["you", "your", "please"])),
    ]
}

fn language(view: &View<'_>) -> Vec<Statistic> {
    let is_latin = |c: char| c.is_alphabetic() && !c.is_ascii() && c < '\u{250}';
    let is_east_asian =
        |c: char| matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}');
    vec![
        ("English", view.among(&["the", "of", "and", "to", "in", "a", "is", "that", "for", "with"])),
        (
            "German or Dutch",
            view.among(&["der", "die", "das", "und", "ist", "nicht", "een", "het", "van", "ein"]),
        ),
        (
            "Romance",
            view.among(&["el", "la", "los", "que", "en", "le", "les", "des", "est", "il", "um", "uma", "di"]),
        ),
        ("letters with accents", view.chars(is_latin)),
        ("East Asian letters", view.chars(is_east_asian)),
        ("other letters", view.chars(|c| c.is_alphabetic() && c >= '\u{250}' && !is_east_asian(c))),
        (
            "negations",
            view.among(&["not", "no", "never", "except", "without", "cannot", "don't", "false", "least"]),
        ),
        (
            "conditions",
            view.among(&["if", "then", "when", "because", "therefore", "suppose", "assume", "since"]),
        ),
        ("links", view.times(&["http://", "https://", "www."])),
    ]
}

fn repetition(view: &View<'_>) -> Vec<Statistic> {
    let distinct = |mut all: Vec<&str>| {
        let n = all.len() as f64;
        all.sort_unstable();
        let longest_run = all.chunk_by(|a, b| a == b).map(<[&str]>::len).max().unwrap_or(0);
        all.dedup();
        (share(all.len(), n), share(longest_run, n))
    };
    let (of_words, most) = distinct(view.lower_words.iter().map(String::as_str).collect());
    let pairs: Vec<String> = view.lower_words.windows(2).map(|pair| pair.join(" ")).collect();
    let (of_pairs, _) = distinct(pairs.iter().map(String::as_str).collect());
    let (of_lines, _) = distinct(view.lines.clone());
    let mut run = (0, None);
    let runs = view.text.chars().map(|c| {
        run = (if run.1 == Some(c) { run.0 + 1 } else { 1 }, Some(c));
        run.0
    });
    vec![
        ("distinct words", of_words),
        ("most frequent word", most),
        ("distinct pairs of words", of_pairs),
        ("distinct lines", of_lines),
        ("longest run of a sign", many(runs.max().unwrap_or(0))),
    ]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(text: &str, name: &str) -> f64 {
        let found = statistics(text).into_iter().find(|(known, _)| *known == name);
        found.unwrap_or_else(|| panic!("a statistic `{name}`")).1
    }

    #[test]
    fn names_are_distinct_and_none_depends_on_the_text() {
        let names = |text: &str| statistics(text).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        let mut known = names("");
        assert_eq!(known, names("What is 2 + 2?\n(A) 3\n(B) 4"));
        let n = known.len();
        known.sort_unstable();
        known.dedup();
        assert_eq!((known.len(), n), (88, 88));
        assert!(statistics("").iter().all(|(_, value)| *value == 0.0));
    }

    /// Each text has more of what it is named for than all others.
    #[test]
    fn kinds_of_prompts_are_told_apart() {
        let long = "word ".repeat(300);
        let texts = [
            ("words", long.as_str()),
            ("capitals", "PLEASE HELP ME NOW"),
            ("decimals", "Add 1.5, 2.25, and 3.75."),
            ("years", "Between 1914 and 1918, or 1939 and 1945?"),
            ("keywords", "def f(x):\n    return x if x else None\n"),
            ("calls", "f(1) + g(2) + h(3)"),
            ("names with underscores", "rename my_value to your_value"),
            ("typeset commands", r"Simplify \frac{\sqrt{2}}{\pi} for \alpha."),
            ("words on amounts", "How many more hours are left in total?"),
            ("options", "Pick.\nA. one\nB. two\nC. three"),
            ("options within lines", "Pick (a) one (b) two (c) three (d) four"),
            ("gaps", "The ___ ran up the ____."),
            ("asks which", "Which is it?"),
            ("tells to write", "Write a poem."),
            ("tells to rewrite", "Translate this: good morning."),
            ("asks for steps", "Think step by step."),
            ("German or Dutch", "Was ist der Sinn und das Ziel?"),
            ("letters with accents", "\u{e9}t\u{e9} \u{e0} No\u{eb}l"),
            ("East Asian letters", "\u{6c34}\u{306f}\u{4f55}"),
            ("longest run of a sign", "no!!!!!!!!!!!!"),
        ];
        for (name, text) in texts {
            let own = of(text, name);
            for (_, other) in texts.iter().filter(|(_, other)| *other != text) {
                assert!(own > of(other, name), "{name}: {own} of {text:?}, {other:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn every_text_has_finite_statistics(text in "\\PC{0,60}|[ -~\n]{0,60}") {
            for (name, value) in statistics(&text) {
                prop_assert!(value.is_finite() && value >= 0.0, "{name}: {value}");
            }
        }
    }
}
