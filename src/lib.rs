//! A deterministic benchmark and simulation harness for routers that choose among large language models.
#![cfg_attr(not(test), warn(clippy::disallowed_methods, clippy::disallowed_types))]

pub mod date;
pub mod decisions;
pub mod embed;
pub mod error;
pub mod evaluate;
#[cfg(test)]
mod fault_walk;
pub mod fs;
pub mod gate;
mod gzip;
mod hash;
pub mod import;
pub mod linalg;
pub mod metrics;
mod network;
mod npy;
pub mod online;
pub mod preference;
pub mod random;
pub mod record;
pub mod report;
pub mod router;
pub mod run;
pub mod scenario;
pub mod seed;
pub mod statistics;
pub mod suite;
mod toml_file;
