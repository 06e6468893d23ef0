//! Dense linear algebra in plain slices, with the same bits for every number of threads and vector width.
//!
//! `Strided` and `multiply` for products, `kernels` for one-dimensional loops, [`Cholesky`] for symmetric systems
//! in f64, and [`Matrix`] for rows of f32 features. Everything here is single-threaded: parallelism lives across
//! replicates and routers, where it is free and keeps the order of every sum.

mod cholesky;
mod gemm;
pub(crate) mod kernels;
mod matrix;

pub use cholesky::{Cholesky, NotPositiveDefinite};
pub(crate) use gemm::{Strided, multiply, multiply_add};
pub use matrix::Matrix;
pub(crate) use matrix::{orthonormalise, principal_directions};
