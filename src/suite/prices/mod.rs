//! Price books: what a million tokens of a model cost, and since when.
//!
//! `book` reads books and looks prices up, `price` catches prices in the wrong scale, `tokenizer` counts tokens that nobody
//! recorded, and `apply` puts a book in the place of a suite's list prices. `datasets/README.md` is the reference of the format.

mod apply;
mod book;
mod price;
mod tokenizer;

pub use apply::price_suite;
pub use book::{BUILT_IN, ModelPrices, PriceBook, PricedBy};
pub use price::Price;
pub(crate) use tokenizer::count_tokens;
