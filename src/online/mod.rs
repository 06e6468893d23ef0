//! Learning online: prompts come one at a time, a router chooses, and sees what its choice was worth, nothing else.
//!
//! ```text
//! scenario (mode = "online") ─▶ world ─▶ orders ─▶ replay with feedback ─▶ ONLINE RECORD ─▶ regrets · estimates ─▶ tables · plots
//! ```
//!
//! `scenario` is what is written, `world` the outcomes phase by `phase` and the `contexts`, `replay` hands out one outcome a
//! prompt to the learners in `router`, `run` does this for every learner and order. Behind the `record`, `evaluate` sums up
//! regrets, `off_policy` estimates what other policies would have earned, and `report` writes it down.

mod change;
mod contexts;
mod evaluate;
mod feedback;
pub mod off_policy;
mod phase;
mod record;
mod report;
pub mod router;
mod run;
mod scenario;
mod store;
mod targets;
mod world;

pub use change::{Change, ChangeKind};
pub use evaluate::{OnlineSummary, Series, Value, judge, summarise};
pub use feedback::{Outcome, Replay, Situation};
pub use record::{Log, OnlineManifest, OnlineRecord, Order, RecordedPhase};
pub use report::{overview, read_record_if_online, rebuild, verify_report, write_run};
pub use run::{check, run};
pub use scenario::{OnlineRouterEntry, OnlineScenario, OnlineSettings, is_online};
