//! A price book: reading it, checking it, and looking a price up by any of a model's names and by date.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde::Deserialize;
use sha2::{Digest, Sha256};
use toml::Spanned;

use super::price::{self, Price};
use crate::date::Date;
use crate::error::{Error, Result};
use crate::{fs, toml_file};

/// The name of the book that is part of the program.
pub const BUILT_IN: &str = "built-in";

const BUILT_IN_PATH: &str = "datasets/prices.toml";
const BUILT_IN_TEXT: &str = include_str!("../../../datasets/prices.toml");

/// How many near names an unknown one is answered with.
const N_NEAR: usize = 3;

/// Names less alike than this (normalised Damerau-Levenshtein) are not near.
const LEAST_LIKENESS: f64 = 0.5;

/// Bytes of the longest names that are compared letter by letter.
const LONGEST_COMPARED: usize = 200;

/// Dated prices of models. Every price is plausible, and no two models share a name.
#[derive(Clone, Debug, PartialEq)]
pub struct PriceBook {
    path: PathBuf,
    name: String,
    hash: String,
    is_hypothetical: bool,
    note: String,
    models: Vec<ModelPrices>,
    /// Positions in `models` by every name, folded.
    index: BTreeMap<String, usize>,
}

/// The book that costs come from, as a record names it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PricedBy {
    /// The book's file name, or `built-in`.
    pub book: String,
    /// SHA-256 of its text.
    pub sha256: String,
    /// The day whose prices were taken; each model's latest where none was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<Date>,
    /// Whether the book says that nobody ever asked its prices.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hypothetical: bool,
    /// What else the book says of its prices as a whole.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

impl PricedBy {
    /// Names a book and the day it was asked about.
    pub fn new(book: &PriceBook, date: Option<Date>) -> Self {
        PricedBy {
            book: book.name().to_owned(),
            sha256: book.hash().to_owned(),
            date,
            hypothetical: book.is_hypothetical(),
            note: book.note().to_owned(),
        }
    }
}

impl fmt::Display for PricedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "price book `{}`, SHA-256 {}, ", self.book, &self.sha256[..16.min(self.sha256.len())])?;
        match self.date {
            Some(date) => write!(f, "prices of {date}")?,
            None => f.write_str("each model's latest price")?,
        }
        if self.hypothetical {
            f.write_str(", hypothetical")?;
        }
        if self.note.is_empty() { Ok(()) } else { write!(f, "; it says of itself: {}", self.note) }
    }
}

/// One model and its prices through time.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelPrices {
    /// Its name.
    pub name: String,
    /// Who made it.
    pub vendor: String,
    /// Its other names.
    pub aliases: Vec<String>,
    /// Never empty; by ascending date.
    pub prices: Vec<Price>,
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct WrittenBook {
    /// Written out in every book, so that nobody has to guess it.
    #[serde(rename = "unit")]
    _unit: Unit,
    #[serde(default)]
    hypothetical: bool,
    #[serde(default)]
    note: String,
    #[schemars(with = "Vec<WrittenModel>")]
    model: Vec<Spanned<WrittenModel>>,
}

#[derive(Deserialize, schemars::JsonSchema)]
enum Unit {
    #[serde(rename = "USD per 1M tokens")]
    UsdPerMillion,
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WrittenModel {
    name: String,
    vendor: String,
    #[serde(default)]
    aliases: Vec<String>,
    #[schemars(with = "Vec<Price>")]
    price: Vec<Spanned<Price>>,
}

impl PriceBook {
    /// The book inside the program, which is read once.
    ///
    /// # Panics
    /// Never: a test reads it.
    pub fn built_in() -> &'static PriceBook {
        static BOOK: LazyLock<PriceBook> = LazyLock::new(|| {
            let book = PriceBook::parse_beside(Path::new(BUILT_IN_PATH), BUILT_IN_TEXT, None);
            PriceBook { name: BUILT_IN.to_owned(), ..book.expect("the book inside the program is in order") }
        });
        &BOOK
    }

    /// Reads a book; the path `built-in` is the one inside the program.
    ///
    /// # Errors
    /// Whatever is wrong with it, with path and line.
    pub fn read(path: &Path) -> Result<PriceBook> {
        if path == Path::new(BUILT_IN) {
            return Ok(PriceBook::built_in().clone());
        }
        PriceBook::parse(path, &fs::read_text(path)?)
    }

    /// Parses the text of a book; `path` names it. Prices are compared with those of the built-in book.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn parse(path: &Path, text: &str) -> Result<PriceBook> {
        PriceBook::parse_beside(path, text, Some(PriceBook::built_in()))
    }

    /// The file's name, or `built-in`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256 of its text, in hexadecimal.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Whether it says of itself that nobody ever asked these prices.
    pub fn is_hypothetical(&self) -> bool {
        self.is_hypothetical
    }

    /// What the book says of its prices as a whole, or empty.
    pub fn note(&self) -> &str {
        &self.note
    }

    /// The models, in file order.
    pub fn models(&self) -> &[ModelPrices] {
        &self.models
    }

    /// The model of that name. Case does not count, and `_`, `.`, and blanks are as good as `-`.
    ///
    /// # Errors
    /// No such model; the nearest names are told.
    pub fn model(&self, name: &str) -> Result<&ModelPrices> {
        self.find(name)
            .ok_or_else(|| Error::file(&self.path, format!("has no price of `{name}`{}", self.near(name))))
    }

    /// The price of a model that held on a day; the latest where no day is given.
    ///
    /// # Errors
    /// No such model, or none yet on that day.
    pub fn price(&self, name: &str, date: Option<Date>) -> Result<&Price> {
        let model = self.model(name)?;
        model.price(date).ok_or_else(|| {
            let on = date.map_or(String::new(), |date| format!(" on {date}"));
            let first = model.prices[0].from;
            Error::file(&self.path, format!("has no price of `{name}`{on}; the first is from {first}"))
        })
    }

    fn find(&self, name: &str) -> Option<&ModelPrices> {
        self.index.get(&fold(name)).map(|&at| &self.models[at])
    }

    fn parse_beside(path: &Path, text: &str, known: Option<&PriceBook>) -> Result<PriceBook> {
        let written: WrittenBook = toml_file::parse(path, text)?;
        let mut book = PriceBook {
            path: path.to_owned(),
            name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            hash: Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect(),
            is_hypothetical: written.hypothetical,
            note: written.note,
            models: Vec::new(),
            index: BTreeMap::new(),
        };
        if written.model.is_empty() {
            return Err(Error::file(path, "holds no model"));
        }
        let known = known.filter(|_| !written.hypothetical);
        for model in written.model {
            let line = toml_file::line_of(text, model.span().start);
            book.add(model.into_inner(), line, text, known)?;
        }
        Ok(book)
    }

    /// Takes a model in whose prices are plausible, in themselves and beside a known book.
    fn add(&mut self, written: WrittenModel, line: u64, text: &str, known: Option<&PriceBook>) -> Result<()> {
        let WrittenModel { name, vendor, aliases, price: prices } = written;
        let path = self.path.clone();
        let fault = |line, problem: String| Err(Error::line(&path, line, problem));
        for known_as in std::iter::once(&name).chain(&aliases) {
            if fold(known_as).is_empty() {
                return fault(line, format!("a model or an alias without a name (`{name}`)"));
            }
            if let Some(other) = self.index.insert(fold(known_as), self.models.len()) {
                return fault(
                    line,
                    match self.models.get(other) {
                        Some(other) => {
                            format!("`{known_as}` names two models, `{}` and `{name}`", other.name)
                        }
                        None => format!("`{known_as}` stands twice among the names of `{name}`"),
                    },
                );
            }
        }
        if prices.is_empty() {
            return fault(line, format!("`{name}` has no price"));
        }
        let mut model = ModelPrices { name, vendor, aliases, prices: Vec::new() };
        let names = || std::iter::once(&model.name).chain(&model.aliases);
        let known = known.and_then(|book| names().find_map(|name| book.find(name)));
        for price in prices {
            let line = toml_file::line_of(text, price.span().start);
            let price = price.into_inner();
            let beside = || price::beside(&price, &known?.prices);
            if let Some(problem) = price::alone(&price).or_else(beside) {
                return fault(line, format!("`{}`: {problem}", model.name));
            }
            if price.source.trim().is_empty() {
                return fault(line, format!("`{}`: the price from {} has no source", model.name, price.from));
            }
            if let Some(earlier) = model.prices.last().filter(|earlier| price.from <= earlier.from) {
                let problem = format!("{} does not come after {}", price.from, earlier.from);
                return fault(
                    line,
                    format!("`{}`: prices are in the order of their days: {problem}", model.name),
                );
            }
            model.prices.push(price);
        }
        self.models.push(model);
        Ok(())
    }

    /// The names nearest to one that is not there, or how many there are.
    fn near(&self, name: &str) -> String {
        let folded = fold(name);
        let names = self.models.iter().flat_map(|model| std::iter::once(&model.name).chain(&model.aliases));
        // The time grows with the product of the lengths, and what is so long is no slip of a key.
        let names = names.filter(|other| folded.len().max(other.len()) <= LONGEST_COMPARED);
        let mut near: Vec<(f64, &String)> = names
            .map(|other| (strsim::normalized_damerau_levenshtein(&folded, &fold(other)), other))
            .filter(|(likeness, _)| *likeness >= LEAST_LIKENESS)
            .collect();
        near.sort_by(|a, b| b.0.total_cmp(&a.0));
        let near: Vec<String> =
            near.into_iter().take(N_NEAR).map(|(_, other)| format!("`{other}`")).collect();
        match near.len() {
            0 => format!(" or of any name like it, among {} models", self.models.len()),
            _ => format!("; the nearest names are {}", near.join(", ")),
        }
    }
}

impl ModelPrices {
    /// The price that held on a day, the latest where no day is given; `None` before the first.
    pub fn price(&self, date: Option<Date>) -> Option<&Price> {
        self.prices.iter().rev().find(|price| date.is_none_or(|date| price.from <= date))
    }
}

/// What names are compared by.
fn fold(name: &str) -> String {
    let part = |c: char| if "_. ".contains(c) { '-' } else { c };
    name.trim().to_lowercase().chars().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = r#"unit = "USD per 1M tokens"

[[model]]
name = "gpt-4o"
vendor = "OpenAI"
aliases = ["openai/gpt-4o", "house model"]
price = [
    { from = "2024-05-13", input = 5.0, output = 15.0, source = "page" },
    { from = "2024-10-02", input = 2.5, output = 10.0, cached-input = 1.25, source = "page" },
]

[[model]]
name = "our-own-7b"
vendor = "us"
price = [{ from = "2024-01-01", input = 1, output = 2, source = "our bill" }]
"#;

    fn parse(text: &str) -> Result<PriceBook> {
        PriceBook::parse(Path::new("p.toml"), text)
    }

    fn fault(from: &str, to: &str) -> String {
        assert!(GOOD.contains(from), "{from}");
        parse(&GOOD.replacen(from, to, 1)).unwrap_err().to_string()
    }

    fn day(text: &str) -> Option<Date> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn a_name_of_a_million_letters_is_compared_with_none() {
        let error = PriceBook::built_in().model(&"[".repeat(1_000_000)).unwrap_err().to_string();
        assert!(error.contains("or of any name like it"));
    }

    #[test]
    fn a_price_is_found_by_any_name_and_by_its_day() {
        let book = parse(GOOD).unwrap();
        let price = |name: &str, date| book.price(name, date).map(|p| [p.input, p.output]);
        assert_eq!(price("gpt-4o", None).unwrap(), [2.5, 10.0]);
        assert_eq!(price("OpenAI/GPT-4o", day("2024-10-02")).unwrap(), [2.5, 10.0]);
        assert_eq!(price("house_model", day("2024-10-01")).unwrap(), [5.0, 15.0]);
        assert_eq!(
            price("gpt-4o", day("2024-05-12")).unwrap_err().to_string(),
            "p.toml: has no price of `gpt-4o` on 2024-05-12; the first is from 2024-05-13"
        );
    }

    #[test]
    fn an_unknown_model_is_answered_with_the_nearest_names() {
        let book = parse(GOOD).unwrap();
        let message = |name: &str| book.price(name, None).unwrap_err().to_string();
        assert_eq!(message("gpt-4"), "p.toml: has no price of `gpt-4`; the nearest names are `gpt-4o`");
        assert_eq!(
            message("our-own-8b"),
            "p.toml: has no price of `our-own-8b`; the nearest names are `our-own-7b`"
        );
        assert_eq!(
            message("zebra"),
            "p.toml: has no price of `zebra` or of any name like it, among 2 models"
        );
    }

    #[test]
    fn each_fault_of_a_book_names_its_line() {
        for (from, to, expected) in [
            ("unit = \"USD per 1M tokens\"\n", "", "p.toml:1: missing field `unit`"),
            (
                "1M tokens",
                "1k tokens",
                "p.toml:1: unknown variant `USD per 1k tokens`; did you mean `USD per 1M tokens`?",
            ),
            (
                "vendor = \"OpenAI\"",
                "vendro = \"OpenAI\"",
                "p.toml:5: unknown field `vendro`; did you mean `vendor`?",
            ),
            ("2024-05-13", "2024-05-32", "p.toml:8: `2024-05-32` is no date; write it as in `2024-05-13`"),
            (
                "2024-10-02",
                "2024-05-13",
                "p.toml:9: `gpt-4o`: prices are in the order of their days: 2024-05-13 does not come after 2024-05-13",
            ),
            (
                "house model",
                "OPENAI/gpt_4o",
                "p.toml:3: `OPENAI/gpt_4o` stands twice among the names of `gpt-4o`",
            ),
            ("our-own-7b", "GPT-4o", "p.toml:12: `GPT-4o` names two models, `gpt-4o` and `GPT-4o`"),
            ("\"our-own-7b\"", "\" \"", "p.toml:12: a model or an alias without a name (` `)"),
            ("\"our bill\"", "\" \"", "p.toml:15: `our-own-7b`: the price from 2024-01-01 has no source"),
            (
                "[{ from = \"2024-01-01\", input = 1, output = 2, source = \"our bill\" }]",
                "[]",
                "p.toml:12: `our-own-7b` has no price",
            ),
            (
                "input = 1,",
                "input = 1e-4,",
                "p.toml:15: `our-own-7b`: `input` 0.0001 is no price in USD per 1M tokens; per 1k tokens it would be 0.1 \
                 per 1M, per token it would be 100 per 1M",
            ),
            (
                "input = 1,",
                "input = 9,",
                "p.toml:15: `our-own-7b`: `output` 2 is far below `input` 9; are the two swapped?",
            ),
            (
                "input = 5.0, output = 15.0",
                "input = 0.005, output = 0.015",
                "p.toml:8: `gpt-4o`: `input` 0.005 and `output` 0.015 are 1000 times below the 5 and 15 known from \
                 2024-05-13: are they per 1k tokens? Per 1M tokens they are 5 and 15; if that is meant, say \
                 `hypothetical = true` at the top",
            ),
        ] {
            assert_eq!(fault(from, to), expected);
        }
        assert_eq!(
            parse("unit = \"USD per 1M tokens\"\nmodel = []").unwrap_err().to_string(),
            "p.toml: holds no model"
        );
        assert_eq!(
            PriceBook::read(Path::new("no/such.toml")).unwrap_err().to_string(),
            "no/such.toml: cannot read: No such file or directory (os error 2)"
        );
    }

    #[test]
    fn a_hypothetical_book_may_say_what_nobody_ever_asked() {
        let text = GOOD.replace("input = 5.0, output = 15.0", "input = 0.005, output = 0.015");
        assert!(parse(&text).is_err());
        assert!(parse(&format!("hypothetical = true\n{text}")).unwrap().is_hypothetical());
    }

    #[test]
    fn the_built_in_book_is_sound_and_knows_what_routing_suites_are_made_of() {
        let book = PriceBook::built_in();
        assert!(book.models().len() >= 60);
        for (name, date, input, output) in [
            ("gpt-4-1106-preview", None, 10.0, 30.0),
            ("gpt-4o", day("2024-06-01"), 5.0, 15.0),
            ("GPT-4O-2024-08-06", None, 2.5, 10.0),
            ("Claude-3.5-Sonnet-20240620", None, 3.0, 15.0),
            ("claude-v2", day("2023-08-01"), 11.02, 32.68),
            ("gemini-1.5-flash-002", None, 0.075, 0.3),
            ("mistralai/Mixtral-8x7B-Instruct-v0.1", None, 0.6, 0.6),
            ("Meta-Llama-3_1-70B-Instruct", None, 0.88, 0.88),
            ("deepseek-v3", day("2025-01-01"), 0.14, 0.28),
            ("o3", day("2025-05-01"), 10.0, 40.0),
            ("dbrx", None, 2.25, 6.75),
        ] {
            let price = book.price(name, date).unwrap();
            assert_eq!((price.input, price.output), (input, output), "{name}");
        }
        // It is read beside itself as any other book is.
        assert_eq!(PriceBook::parse(Path::new(BUILT_IN_PATH), BUILT_IN_TEXT).unwrap().hash(), book.hash());
    }

    proptest! {
        #[test]
        fn no_damage_makes_the_reader_panic(at in 0..GOOD.len(), length in 0_usize..20, insert in "[a-z\\[\\]{}=\"\n0-9.,é-]{0,10}") {
            let end = (at + length).min(GOOD.len());
            if let Err(error) = parse(&format!("{}{insert}{}", &GOOD[..at], &GOOD[end..])) {
                prop_assert!(!error.to_string().contains('\n'));
            }
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in any::<String>(), name in any::<String>()) {
            let _ = parse(&text);
            let _ = parse(GOOD).map(|book| book.price(&name, None).is_ok());
        }
    }
}
