//! `timings.csv`: how long each cell took. Outside the record and outside the promise of equal bytes.
//!
//! Routers of several threads share cores, and one thread may begin another cell while it waits for a part of the first:
//! only with `--threads 1` is a time that of one router alone. What all routers of a class share (cost models) counts for
//! the one that asks first.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use llm_bandit::error::Result;
use llm_bandit::fs;
use llm_bandit::record::Record;
use llm_bandit::run::Event;

use super::output::say_aside;

/// When each cell reached each step, by replicate and label.
#[derive(Default)]
pub(super) struct Timings {
    cells: Mutex<BTreeMap<(usize, String), Vec<Instant>>>,
}

impl Timings {
    /// Looks at the clock where an event is a step of a cell.
    pub(super) fn note(&self, event: &Event) {
        let (Event::CellStarted { replicate, router }
        | Event::CellTrained { replicate, router }
        | Event::CellDone { replicate, router }) = event
        else {
            return;
        };
        #[expect(clippy::disallowed_methods, reason = "times are no results")]
        let now = Instant::now();
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        cells.entry((*replicate, router.clone())).or_default().push(now);
    }

    /// Writes seconds of training and microseconds of routing a decision: a prompt at a preference. Cells taken up from an
    /// interrupted run have no times.
    pub(super) fn write(&self, folder: &Path, record: &Record) -> Result<()> {
        let cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let header = "replicate,router,training_seconds,routing_microseconds_per_decision,note\n";
        let (mut text, mut n_untimed) = (header.to_owned(), 0);
        for (replicate, choices) in record.choices.iter().enumerate() {
            for (entry, choices) in record.manifest.scenario.routers.iter().zip(choices) {
                let label = &entry.label;
                let Some([started, trained, routed]) =
                    cells.get(&(replicate, label.clone())).map(Vec::as_slice)
                else {
                    n_untimed += 1;
                    text.push_str(&format!("{replicate},{label},,,taken up from an interrupted run\n"));
                    continue;
                };
                let training = trained.duration_since(*started).as_secs_f64();
                let n_decisions = choices.n_prompts() * choices.n_preferences();
                let routing = routed.duration_since(*trained).as_secs_f64() * 1e6 / n_decisions as f64;
                text.push_str(&format!("{replicate},{label},{training:.6},{routing:.6},\n"));
            }
        }
        if n_untimed > 0 {
            say_aside(&format!("{n_untimed} cells were taken up and have no times; `--fresh` measures all"));
        }
        fs::put_files(&[(folder.join("timings.csv"), text.into_bytes())])
    }
}
