//! Progress: a bar on a terminal, plain lines elsewhere, nothing when quiet; and `timings.csv`, how long each cell took, outside the
//! record and outside the promise of equal bytes.
//!
//! Routers of several threads share cores, and one thread may begin another cell while it waits for a part of the first: only with
//! `--threads 1` is a time that of one router alone. What all routers of a quiz share (cost models) counts for the one that asks first.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};

use super::output::say_aside;
use llm_bandit::error::Result;
use llm_bandit::fs;
use llm_bandit::run::Event;

/// Shows the events of one run.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    quiet: bool,
    scenario: String,
    /// What a router is trained or replayed in.
    unit: &'static str,
    n_cells: AtomicUsize,
}

impl Progress {
    /// For one scenario.
    pub(super) fn new(scenario: &str, unit: &'static str, quiet: bool) -> Self {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let style = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} {msg}");
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(0).with_style(style).with_prefix(scenario.to_owned())
        });
        Progress { bar, quiet, scenario: scenario.to_owned(), unit, n_cells: AtomicUsize::new(0) }
    }

    /// Shows one event.
    pub(super) fn show(&self, event: &Event) {
        if self.quiet {
            return;
        }
        match (event, &self.bar) {
            (Event::Started { n_cells, left_out }, bar) => {
                if !left_out.is_empty() {
                    self.line(left_out);
                }
                self.n_cells.store(*n_cells, Ordering::Relaxed);
                match bar {
                    Some(bar) => bar.inc_length(*n_cells as u64),
                    None => self.line(&format!("training and routing {n_cells} cells")),
                }
            }
            (Event::TakenUp { n_cells }, bar) => {
                let all = self.n_cells.load(Ordering::Relaxed);
                self.line(&format!("taking up {n_cells} of {all} cells from an interrupted run"));
                if let Some(bar) = bar {
                    bar.inc(*n_cells as u64);
                }
            }
            (
                Event::CellStarted { .. }
                | Event::CellTrained { .. }
                | Event::LearnerStarted { .. }
                | Event::LearnerReady { .. },
                _,
            ) => {}
            (Event::CellDone { router, .. }, Some(bar)) => {
                bar.set_message(router.clone());
                bar.inc(1);
            }
            (Event::CellDone { replicate, router }, None) => {
                self.line(&format!("{} {replicate}: {router}", self.unit))
            }
        }
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn line(&self, text: &str) {
        let text = format!("{}: {text}", self.scenario);
        match &self.bar {
            Some(bar) => bar.println(text),
            None => say_aside(&text),
        }
    }
}

/// When each cell reached each step, by replicate or order and label; and when each online learner was made ready.
#[derive(Default)]
pub(super) struct Timings {
    cells: Mutex<BTreeMap<(usize, String), Vec<Instant>>>,
    learners: Mutex<BTreeMap<String, Vec<Instant>>>,
}

/// A cell to be timed.
pub(super) struct TimedCell<'a> {
    /// The replicate or order.
    pub(super) number: usize,
    /// The router's label.
    pub(super) router: &'a str,
    /// Prompts at preferences that were decided on.
    pub(super) n_decisions: usize,
}

impl Timings {
    /// Looks at the clock where an event is a step of a cell or of a learner.
    pub(super) fn note(&self, event: &Event) {
        #[expect(clippy::disallowed_methods, reason = "times are no results")]
        let now = Instant::now();
        match event {
            Event::CellStarted { replicate, router }
            | Event::CellTrained { replicate, router }
            | Event::CellDone { replicate, router } => {
                let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
                cells.entry((*replicate, router.clone())).or_default().push(now);
            }
            Event::LearnerStarted { router } | Event::LearnerReady { router } => {
                let mut learners = self.learners.lock().unwrap_or_else(PoisonError::into_inner);
                learners.entry(router.clone()).or_default().push(now);
            }
            Event::Started { .. } | Event::TakenUp { .. } => {}
        }
    }

    /// Writes seconds of training and microseconds of routing a decision: a prompt at a preference. An online learner is
    /// trained once for all orders. Cells taken up from an interrupted run have no times. `unit` heads the first column.
    pub(super) fn write<'a>(
        &self,
        folder: &Path,
        unit: &str,
        cells: impl Iterator<Item = TimedCell<'a>>,
    ) -> Result<()> {
        let known = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let learners = self.learners.lock().unwrap_or_else(PoisonError::into_inner);
        let header = format!("{unit},router,training_seconds,routing_microseconds_per_decision,note\n");
        let (mut text, mut n_untimed) = (header, 0);
        for TimedCell { number, router, n_decisions } in cells {
            let own = known.get(&(number, router.to_owned())).map_or(&[][..], Vec::as_slice);
            let learner = learners.get(router).map_or(&[][..], Vec::as_slice);
            let (training, routing) = match (own, learner) {
                ([started, trained, routed], _) => (*trained - *started, *routed - *trained),
                ([begun, done], [started, ready]) => (*ready - *started, *done - *begun),
                _ => {
                    n_untimed += 1;
                    text.push_str(&format!("{number},{router},,,taken up from an interrupted run\n"));
                    continue;
                }
            };
            let routing = routing.as_secs_f64() * 1e6 / n_decisions as f64;
            text.push_str(&format!("{number},{router},{:.6},{routing:.6},\n", training.as_secs_f64()));
        }
        if n_untimed > 0 {
            say_aside(&format!("{n_untimed} cells were taken up and have no times; `--fresh` measures all"));
        }
        fs::put_files(&[(folder.join("timings.csv"), text.into_bytes())])
    }
}
