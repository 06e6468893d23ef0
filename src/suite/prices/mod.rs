//! Price books: what a million tokens of a model cost, and since when.
//!
//! `book` reads books and looks prices up, `price` catches prices in the wrong scale. Here a book takes the place of a suite's list
//! prices, and tokens of prompts are counted by a tokenizer where a suite does not tell them: an estimate, since every model has its
//! own. `datasets/README.md` is the reference of the format.

mod book;
mod price;

use std::path::Path;

use super::{CostBasis, Prompt, Suite};
use crate::date::Date;
use crate::error::{Error, Result};
pub(crate) use book::WrittenBook;
pub use book::{BUILT_IN, ModelPrices, PriceBook, PricedBy};
pub use price::Price;

/// Gives the flagged models the list prices of a book, and all their answers the cost that these make of their tokens, in
/// the place of costs from other prices and of recorded ones. Other models lose their prices and costs.
///
/// # Errors
/// A flagged model that the book has no price of on that day, or one with recorded costs of answers whose tokens are not
/// known.
pub fn price_suite(suite: &mut Suite, is_asked: &[bool], book: &PriceBook, date: Option<Date>) -> Result<()> {
    let mut basis = CostBasis::default();
    for (model, card) in suite.models.iter_mut().enumerate() {
        let price = if is_asked[model] { Some(book.price(&card.id, date)?) } else { None };
        card.price_in_usd_per_1m = price.map(|price| price.input);
        card.price_out_usd_per_1m = price.map(|price| price.output);
        card.price_cached_in_usd_per_1m = price.and_then(|price| price.cached_input);
        card.price_source =
            price.map_or(String::new(), |price| format!("{}, from {}", price.source, price.from));
        let outcomes = &mut suite.outcomes;
        let mut n_without_tokens = 0;
        for prompt in 0..suite.prompts.len() {
            let tokens =
                outcomes.input_tokens.get(prompt, model).zip(outcomes.output_tokens.get(prompt, model));
            let cost = tokens.and_then(|(input, output)| card.list_cost_usd(input, output));
            if price.is_some() && tokens.is_none() && outcomes.cost_usd.get(prompt, model).is_some() {
                n_without_tokens += 1;
            }
            if outcomes.score.get(prompt, model).is_some() {
                *(if cost.is_some() { &mut basis.list_price } else { &mut basis.unknown }) += 1;
            }
            outcomes.cost_usd.set(prompt, model, cost);
        }
        if n_without_tokens > 0 {
            return Err(Error::Usage(format!(
                "no prices can be put on model `{}`: {n_without_tokens} of its answers have a recorded cost but no token counts",
                card.id
            )));
        }
    }
    suite.cost_basis = basis;
    suite.priced_by = Some(PricedBy::new(book, date));
    Ok(())
}

/// The tokens of every prompt's text by a `tokenizer.json`, without the marks that a model puts around it, and the file's name
/// and hash for the report.
///
/// # Errors
/// A file that is no tokenizer.
#[cfg(feature = "encoder")]
pub(crate) fn count_tokens(file: &Path, prompts: &[Prompt]) -> Result<(Vec<f64>, String)> {
    use rayon::prelude::*;
    use tokenizers::Tokenizer;

    let unusable = |error: tokenizers::Error| Error::file(file, format!("cannot be used: {error}"));
    let bytes = crate::fs::read(file)?;
    let hash = crate::hash::sha256(&bytes);
    let mut tokenizer = Tokenizer::from_bytes(bytes).map_err(unusable)?;
    tokenizer.with_padding(None).with_truncation(None).map_err(unusable)?;
    let count = |prompt: &Prompt| {
        let tokens = tokenizer.encode_fast(prompt.text.as_str(), false).map_err(unusable)?;
        Ok(tokens.len() as f64)
    };
    let counts = prompts.par_iter().map(count).collect::<Result<Vec<f64>>>()?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    Ok((counts, format!("the tokenizer `{name}` (SHA-256 {})", &hash[..12])))
}

/// Without the feature there is no tokenizer.
#[cfg(not(feature = "encoder"))]
pub(crate) fn count_tokens(file: &Path, _: &[Prompt]) -> Result<(Vec<f64>, String)> {
    Err(Error::file(
        file,
        "tokenizers need the cargo feature `encoder`; without `tokenizer` tokens are a quarter of the text's bytes",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::synthetic::SyntheticSettings;
    use std::path::Path;

    fn suite() -> Suite {
        let settings = SyntheticSettings { n_prompts: 20, n_models: 3, ..SyntheticSettings::default() };
        let mut suite = settings.generate().unwrap().suite;
        for prompt in 0..20 {
            for model in 0..3 {
                suite.outcomes.input_tokens.set(prompt, model, Some(1000.0));
                suite.outcomes.output_tokens.set(prompt, model, Some(500.0 * model as f64));
                suite.outcomes.cost_usd.set(prompt, model, Some(7.0));
            }
        }
        suite
    }

    fn book(suite: &Suite) -> PriceBook {
        let model = |at: usize| {
            let (name, input) = (&suite.models[at].id, at + 1);
            format!(
                "[[model]]\nname = \"{name}\"\nvendor = \"v\"\nprice = [{{ from = \"2024-01-01\", input = {input}, \
                 output = {}, source = \"s\" }}]\n",
                2 * input
            )
        };
        let text = format!("unit = \"USD per 1M tokens\"\n{}{}", model(0), model(2));
        PriceBook::parse(Path::new("p.toml"), &text).unwrap()
    }

    #[test]
    fn a_books_prices_make_the_cost_of_every_answer_of_the_models_asked_for() {
        let mut suite = suite();
        let book = book(&suite);
        price_suite(&mut suite, &[true, false, true], &book, None).unwrap();
        let costs: Vec<Option<f64>> = suite.outcomes.cost_usd.row(4).collect();
        // 1,000 tokens at 1 dollar a million; 1,000 at 3 dollars and 1,000 at 6.
        assert_eq!(costs, [Some(0.001), None, Some(0.009)]);
        assert_eq!(suite.cost_basis, CostBasis { recorded: 0, list_price: 40, unknown: 20 });
        assert_eq!(suite.models[2].price_source, "s, from 2024-01-01");
        assert_eq!(
            suite.priced_by.unwrap().to_string(),
            format!("price book `p.toml`, SHA-256 {}, each model's latest price", &book.hash()[..16])
        );
    }

    #[test]
    fn an_unknown_price_and_unknown_tokens_are_errors_and_never_zero() {
        let mut suite = suite();
        let book = book(&suite);
        let fault = |suite: &mut Suite, asked: [bool; 3]| {
            price_suite(suite, &asked, &book, None).unwrap_err().to_string()
        };
        let unknown = fault(&mut suite.clone(), [true, true, true]);
        assert!(
            unknown.starts_with(&format!(
                "p.toml: has no price of `{}`; the nearest names are",
                suite.models[1].id
            )),
            "{unknown}"
        );
        suite.outcomes.output_tokens.set(3, 0, None);
        assert_eq!(
            fault(&mut suite, [true, false, true]),
            format!(
                "no prices can be put on model `{}`: 1 of its answers have a recorded cost but no token counts",
                suite.models[0].id
            )
        );
    }
}
