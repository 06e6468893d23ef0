//! The only place that prints. What people read is escaped: no name, no text of a suite moves the cursor, turns the direction
//! of writing, or gives a command to the program that runs this one. What other programs read is printed as it is.
//!
//! Progress is a bar on a terminal, plain lines elsewhere, nothing when quiet. `timings.csv` says how long each cell took, outside the
//! record and outside the promise of equal bytes: routers of several threads share cores, and one thread may begin another cell while it
//! waits for a part of the first, so that only with `--threads 1` is a time that of one router alone. What all routers of a quiz share
//! (cost models) counts for the one that asks first.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use clap::builder::styling::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};

use llm_bandit::error::{Error, Result, escaped};
use llm_bandit::fs;
use llm_bandit::run::{Event, machine_kind};

/// Prints what was asked for, for people.
pub(super) fn say(text: &str) -> Result<()> {
    print(&shown(text))
}

/// Prints what was asked for as it is, for other programs.
pub(super) fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    is_read(out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()))
        .map(drop)
}

/// Prints a binary file.
///
/// # Errors
/// A terminal, which would take it for commands.
pub(super) fn print_bytes(bytes: &[u8]) -> Result<()> {
    let mut out = io::stdout().lock();
    if out.is_terminal() {
        return Err(Error::Usage("this is no text for a terminal; send it to a file with `> FILE`".into()));
    }
    is_read(out.write_all(bytes).and_then(|()| out.flush())).map(drop)
}

/// Prints everything else.
pub(super) fn say_aside(text: &str) {
    let _ = writeln!(io::stderr(), "{}", shown(text));
}

/// Prints a table whose rows begin with a mark: on a terminal the best row stands out, and what does not compete stands back.
/// `NO_COLOR` and `CLICOLOR` are heeded.
pub(super) fn say_table(text: &str) {
    let mut out = anstream::AutoStream::auto(io::stderr());
    for line in text.lines() {
        let style = match line.as_bytes() {
            [b'>', b' ', ..] => Style::new().bold().fg_color(Some(AnsiColor::Green.into())),
            [b'*' | b'+', b' ', ..] => Style::new().dimmed(),
            _ => Style::new(),
        };
        let _ = writeln!(out, "{style}{}{style:#}", shown(line));
    }
}

/// What came of writing to standard output: false where nobody reads it any more, which is no error.
pub(super) fn is_read(written: io::Result<()>) -> Result<bool> {
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Error::io(Path::new("standard output"), "write")(error)),
    }
}

/// A text as people see it. CI systems take a line that begins with `::`, and `##[` anywhere, for a command.
pub(super) fn shown(text: &str) -> Cow<'_, str> {
    let is_command = |line: &str| line.trim_start().starts_with("::") || line.contains("##[");
    if !text.lines().any(is_command) {
        return escaped(text);
    }
    let line = |line: &str| match line.trim_start().strip_prefix("::") {
        Some(rest) => format!("{}\\u{{3a}}:{rest}", &line[..line.len() - rest.len() - 2]),
        None => line.to_owned(),
    };
    let lines: Vec<String> = text.split('\n').map(line).collect();
    Cow::Owned(escaped(&lines.join("\n").replace("##[", "#\\u{23}[")).into_owned())
}

/// Shows the events of one run.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    quiet: bool,
    scenario: String,
    /// What a router is trained or replayed in.
    unit: &'static str,
    notice: Mutex<String>,
    n_cells: AtomicUsize,
    n_done: Arc<AtomicUsize>,
    /// What a cell of each router counts for on the bar, so that what is left is told by what it costs.
    weights: Mutex<BTreeMap<String, f64>>,
    started: Instant,
}

impl Progress {
    /// For one scenario. The notice is said once everything is checked, so that what is wrong stands alone.
    pub(super) fn new(scenario: &str, unit: &'static str, notice: String, quiet: bool) -> Self {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let style = ProgressStyle::with_template(
                "{prefix} {wide_bar} {percent} % {elapsed}, about {eta} left {msg}",
            );
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(0).with_style(style).with_prefix(scenario.to_owned())
        });
        #[expect(clippy::disallowed_methods, reason = "times are no results")]
        let started = Instant::now();
        let (n_cells, n_done, weights) =
            (AtomicUsize::new(0), on_interrupt(scenario, quiet), Mutex::default());
        let notice = Mutex::new(notice);
        Progress {
            bar,
            quiet,
            scenario: scenario.to_owned(),
            unit,
            notice,
            n_cells,
            n_done,
            weights,
            started,
        }
    }

    /// The milliseconds that a cell of a router counts for.
    fn weight(&self, router: &str) -> u64 {
        let weights = self.weights.lock().unwrap_or_else(PoisonError::into_inner);
        (1e3 * weights.get(router).unwrap_or(&1.0)) as u64 + 1
    }

    /// Shows one event.
    pub(super) fn show(&self, event: &Event) {
        if self.quiet {
            return;
        }
        match (event, &self.bar) {
            (Event::Started { n_cells, left_out, expected_seconds }, bar) => {
                let notice = std::mem::take(&mut *self.notice.lock().unwrap_or_else(PoisonError::into_inner));
                if !notice.is_empty() {
                    self.print(notice);
                }
                if !left_out.is_empty() {
                    self.line(left_out);
                }
                self.n_cells.fetch_add(*n_cells, Ordering::Relaxed);
                *self.weights.lock().unwrap_or_else(PoisonError::into_inner) = expected_seconds.clone();
                match bar {
                    Some(bar) => {
                        let n_routers = expected_seconds.len().max(1);
                        let all: u64 = expected_seconds.keys().map(|router| self.weight(router)).sum();
                        bar.inc_length(all.max(self.weight("")) * *n_cells as u64 / n_routers as u64);
                    }
                    None => self.line(&format!("training and routing {n_cells} cells")),
                }
            }
            (Event::TakenUp { n_cells }, bar) => {
                let (all, taken) = (self.n_cells.load(Ordering::Relaxed), n_cells.values().sum());
                self.n_done.fetch_add(taken, Ordering::Relaxed);
                self.line(&format!("taking up {taken} of {all} cells from an interrupted run"));
                if let Some(bar) = bar {
                    bar.inc(n_cells.iter().map(|(router, n)| self.weight(router) * *n as u64).sum());
                    // Only what is trained now tells how long the rest takes.
                    bar.reset_eta();
                }
            }
            (
                Event::CellStarted { .. }
                | Event::CellTrained { .. }
                | Event::LearnerStarted { .. }
                | Event::LearnerReady { .. },
                _,
            ) => {}
            (Event::CellDone { replicate, router }, bar) => {
                let n_done = 1 + self.n_done.fetch_add(1, Ordering::Relaxed);
                let all = self.n_cells.load(Ordering::Relaxed);
                match bar {
                    Some(bar) => {
                        bar.set_message(format!("{n_done}/{all} {router}"));
                        bar.inc(self.weight(router));
                    }
                    None => self.line(&format!("{n_done}/{all} {} {replicate}: {router}", self.unit)),
                }
            }
        }
    }

    /// How long it has been going on, in words.
    pub(super) fn elapsed(&self) -> String {
        let seconds = self.started.elapsed().as_secs();
        match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
            (0, 0, seconds) => format!("{seconds} s"),
            (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
            (hours, minutes, _) => format!("{hours} h {minutes} min"),
        }
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn line(&self, text: &str) {
        self.print(format!("{}: {text}", self.scenario));
    }

    fn print(&self, text: String) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => say_aside(&text),
        }
    }
}

/// The count of cells that are done; who interrupts the program is told it, and how to go on.
fn on_interrupt(scenario: &str, quiet: bool) -> Arc<AtomicUsize> {
    /// The scenario that is running, and its count.
    static RUNNING: Mutex<Option<(String, Arc<AtomicUsize>)>> = Mutex::new(None);
    let n_done = Arc::<AtomicUsize>::default();
    let now = Some((scenario.to_owned(), Arc::clone(&n_done)));
    let before = std::mem::replace(&mut *RUNNING.lock().unwrap_or_else(PoisonError::into_inner), now);
    if before.is_none() && !quiet {
        // Where there can be no handler, an interrupt ends the program without a word, which loses nothing either.
        let _ = ctrlc::set_handler(|| {
            if let Some((scenario, n_done)) = &*RUNNING.lock().unwrap_or_else(PoisonError::into_inner) {
                let n_done = n_done.load(Ordering::Relaxed);
                say_aside(&format!(
                    "\n{scenario}: stopped; {n_done} cells are kept, and the same command goes on from there"
                ));
            }
            std::process::exit(130)
        });
    }
    n_done
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
    /// trained once for all orders. The kind of machine stands beside them. Cells taken up from an interrupted run have no
    /// times. `unit` heads the first column.
    pub(super) fn write<'a>(
        &self,
        folder: &Path,
        unit: &str,
        cells: impl Iterator<Item = TimedCell<'a>>,
    ) -> Result<()> {
        let known = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let learners = self.learners.lock().unwrap_or_else(PoisonError::into_inner);
        let header =
            format!("{unit},router,training_seconds,routing_microseconds_per_decision,machine,note\n");
        let (mut text, mut n_untimed, machine) = (header, 0, machine_kind());
        for TimedCell { number, router, n_decisions } in cells {
            let own = known.get(&(number, router.to_owned())).map_or(&[][..], Vec::as_slice);
            let learner = learners.get(router).map_or(&[][..], Vec::as_slice);
            let (training, routing) = match (own, learner) {
                ([started, trained, routed], _) => (*trained - *started, *routed - *trained),
                ([begun, done], [started, ready]) => (*ready - *started, *done - *begun),
                _ => {
                    n_untimed += 1;
                    text.push_str(&format!("{number},{router},,,,taken up from an interrupted run\n"));
                    continue;
                }
            };
            let routing = routing.as_secs_f64() * 1e6 / n_decisions as f64;
            text.push_str(&format!(
                "{number},{router},{:.6},{routing:.6},{machine},\n",
                training.as_secs_f64()
            ));
        }
        if n_untimed > 0 {
            say_aside(&format!("{n_untimed} cells were taken up and have no times; `--fresh` measures all"));
        }
        fs::put_files(&[(folder.join("timings.csv"), text.into_bytes())])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_a_command_of_a_terminal_or_of_a_ci_system() {
        assert_eq!(shown("a\tb\nc\u{e9}"), "a\tb\nc\u{e9}");
        assert_eq!(shown("\u{1b}[2J \u{202e}x\r"), "\\u{1b}[2J \\u{202e}x\\u{d}");
        assert_eq!(shown("  ::error::x\na::b"), "  \\u{3a}:error::x\na::b");
        assert_eq!(shown("a ##[group]"), "a #\\u{23}[group]");
    }

    #[test]
    fn only_a_closed_pipe_is_no_error() {
        assert!(is_read(Ok(())).unwrap());
        assert!(!is_read(Err(io::ErrorKind::BrokenPipe.into())).unwrap());
        let full = is_read(Err(io::Error::from_raw_os_error(28))).unwrap_err().to_string();
        assert!(full.starts_with("standard output: cannot write: "), "{full}");
    }
}
