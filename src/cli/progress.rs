//! Progress: a bar on a terminal, plain lines elsewhere, nothing when quiet.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicUsize, Ordering};

use indicatif::{ProgressBar, ProgressStyle};
use llm_bandit::run::Event;

use super::output::say_aside;

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
