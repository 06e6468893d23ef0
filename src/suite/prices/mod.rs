//! Price books: what a million tokens of a model cost, and since when.
//!
//! `book` reads books and looks prices up, `price` catches prices in the wrong scale, and `apply` puts a
//! book in the place of a suite's list prices and counts tokens that nobody recorded. `datasets/README.md` is the reference of the format.

mod apply;
mod book;
mod price;

pub(crate) use apply::count_tokens;
pub use apply::price_suite;
pub use book::{BUILT_IN, ModelPrices, PriceBook, PricedBy};
pub use price::Price;
