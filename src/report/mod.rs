//! What a reader sees of a record.

pub mod plot;
