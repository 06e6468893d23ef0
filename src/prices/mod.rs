//! Price books: what a million tokens of a model cost, and since when.
//!
//! `date` holds calendar days, `book` reads books and looks prices up, `plausibility` catches prices in the wrong scale,
//! `tokenizer` counts tokens that nobody recorded, `apply` puts a book in the place of a suite's list prices, and `reprice` in the place of those of a finished record.
//! `datasets/README.md` is the reference of the format.

mod apply;
mod book;
mod date;
mod plausibility;
mod reprice;
mod tokenizer;

pub use apply::{PricedBy, price_suite};
pub use book::{BUILT_IN, ModelPrices, Price, PriceBook};
pub use date::Date;
pub use reprice::{Repriced, reprice};
pub(crate) use tokenizer::count_tokens;
