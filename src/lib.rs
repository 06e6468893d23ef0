//! A deterministic benchmark and simulation harness for routers that choose among large language models.

pub mod data;
pub mod error;
pub mod linalg;
pub mod pool;
pub mod preference;
pub mod random;
pub mod router;
pub mod seed;
pub mod split;
pub mod suite;
mod toml_file;
