//! Pareto figures: samples to look at, and what must hold for any data.

mod pools;
mod promises;
mod samples;
