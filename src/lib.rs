//! A deterministic benchmark and simulation harness for routers that choose among large language models.

pub mod data;
pub mod error;
pub mod evaluate;
mod gzip;
mod hash;
pub mod kept;
mod lesson;
pub mod linalg;
pub mod metrics;
mod network;
mod npy;
pub mod online;
pub mod pool;
pub mod preference;
pub mod quiz;
pub mod random;
pub mod record;
pub mod report;
pub mod router;
pub mod run;
pub mod scenario;
pub mod seed;
pub mod split;
pub mod statistics;
pub mod suite;
mod toml_file;
pub mod unseen;
