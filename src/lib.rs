//! A deterministic benchmark and simulation harness for routers that choose among large language models.

pub mod error;
pub mod linalg;
pub mod random;
pub mod seed;
pub mod suite;
mod toml_file;
