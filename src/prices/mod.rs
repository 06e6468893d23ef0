//! Price books: what a million tokens of a model cost, and since when.
//!
//! `date` holds calendar days, `book` reads books and looks prices up, `plausibility` catches prices in the wrong scale,
//! `apply` puts a book in the place of a suite's list prices, and `reprice` in the place of those of a finished record.
//! `datasets/README.md` is the reference of the format.

mod apply;
mod book;
mod date;
mod plausibility;
mod reprice;

pub use apply::{PricedBy, price_suite};
pub use book::{BUILT_IN, ModelPrices, Price, PriceBook};
pub use date::Date;
pub use reprice::{Repriced, reprice};
