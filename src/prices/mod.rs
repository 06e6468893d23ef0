//! Price books: what a million tokens of a model cost, and since when.
//!
//! `date` holds calendar days, `book` reads books and looks prices up, `plausibility` catches prices in the wrong scale.
//! `datasets/README.md` is the reference of the format.

mod book;
mod date;
mod plausibility;

pub use book::{BUILT_IN, ModelPrices, Price, PriceBook};
pub use date::Date;
