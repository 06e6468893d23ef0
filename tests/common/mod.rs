//! What several tests share.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

pub(crate) mod copies;
pub(crate) mod folder;
pub(crate) mod kinds;
pub(crate) mod program;
pub(crate) mod snapshot;
