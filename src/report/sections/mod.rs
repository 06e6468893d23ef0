//! The sections of a report. Each file holds one: its words and tables, built once, and what Markdown, HTML, and LaTeX show of
//! them.

pub(super) mod charts;
pub(super) mod evidence;
pub(super) mod headline;
pub(super) mod mixes;
pub(super) mod parts;
pub(super) mod routers;
pub(super) mod setting;
pub(super) mod unseen;
