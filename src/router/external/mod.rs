//! External routers: their choices come from a file or from a program, and stand under the same split, prices, and
//! intervals as all others.
//!
//! `decisions` reads choices that were made before; `command` asks a program, for which it writes the training data into a folder. Here
//! is that program while it runs, and answers lines with lines.
//!
//! Writing, reading, and listening to what it complains about each have a thread, so that a program may answer line by line
//! or whole batches, and one that does neither is noticed. Answers are counted: each line that is asked for is answered by one
//! line, and not before it is asked.
//!
//! The program and whatever it starts are one process group, led by a [`Guard`] that ends the group when the run lets go of it
//! and when the run itself is ended, be it by a signal that no process can catch.

mod command;
mod decisions;

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::{External, Names, Prompts};
use crate::error::{Error, Result};
use crate::index::SuitePrompt;
use crate::preference::Preference;
use crate::suite::Suite;
pub(crate) use command::CommandSettings;
use command::{Protocol, Tally};
use decisions::Decisions;
pub(crate) use decisions::DecisionsSettings;

/// Takes the lines of a program that is asked for the first prompts of a suite, without any program: for `fuzz/`.
///
/// # Errors
/// The first line that is no answer.
pub(crate) fn take_answers(suite: &Suite, settings: CommandSettings, lines: &[u8]) -> Result<()> {
    let (prompts, preferences) = asked(suite);
    let names = suite.models.iter().map(|model| model.id.clone()).collect();
    let (at_once, protocol) = (settings.at_once, Protocol { settings, names });
    let mut tally = Tally::new(prompts.len() * preferences.len());
    let costs = vec![0.5; suite.models.len()];
    for (prompt, line) in (0..prompts.len()).zip(lines.split(|&byte| byte == b'\n')) {
        let asked = if at_once { 0..preferences.len() } else { 0..1 };
        protocol
            .take(line, (&prompts, prompt), (&preferences, asked), &costs, &mut tally)
            .map_err(Error::Usage)?;
    }
    Ok(())
}

/// Reads a file of decisions and takes those on the first prompts of a suite: for `fuzz/`.
///
/// # Errors
/// A file that is none, or lacks one of them.
pub(crate) fn take_decisions(suite: &Suite, file: &Path) -> Result<()> {
    let (prompts, preferences) = asked(suite);
    Decisions::read(file, Names::of(suite))?.ask(&prompts, &preferences).map(drop)
}

fn asked(suite: &Suite) -> (Prompts, [Preference; 2]) {
    let groups: Vec<usize> = (0..suite.prompts.len()).collect();
    let first = SuitePrompt::of(0..groups.len().min(4));
    let preferences = [0.0, 0.5].map(|weight| Preference::new(weight).expect("a weight from 0 up"));
    (Prompts::new(suite, &groups, &first), preferences)
}

/// How many lines of its complaints are kept.
const N_LAST_WORDS: usize = 5;

/// Characters of a line that are shown.
const LONGEST_SHOWN: usize = 200;

/// Bytes of an answer; a longer one is no answer.
const LONGEST_ANSWER: u64 = 16 << 20;

/// So many answers wait to be taken before a program that goes on is held up.
const MOST_WAITING: usize = 64;

/// How long a program may take to end once nothing more is asked, and its last complaints to arrive.
const PATIENCE: Duration = Duration::from_secs(2);
const GLANCE: Duration = Duration::from_millis(10);

/// A running program.
struct Process {
    /// As it was started, for messages.
    command: String,
    child: Child,
    guard: Guard,
    requests: Option<Sender<Request>>,
    answers: Receiver<Answer>,
    last_words: Arc<Mutex<VecDeque<String>>>,
    /// Ends when nothing more will be said.
    silence: Receiver<()>,
}

/// Lines for the program, and how many answers they ask for.
struct Request {
    lines: Vec<u8>,
    n_asked: u64,
}

/// A line of the program.
enum Answer {
    Asked(Vec<u8>),
    /// More lines than were asked for.
    Unasked(Vec<u8>),
}

impl Process {
    /// Starts a program with its arguments.
    ///
    /// # Errors
    /// A program that cannot be started.
    fn start(command: &[String]) -> Result<Process> {
        let words = command.join(" ");
        let unstarted = |error| Error::Usage(format!("cannot start `{}`: {error}", shown(&words)));
        let guard = Guard::new().map_err(unstarted)?;
        let mut program = Command::new(&command[0]);
        program.args(&command[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = guard.watch(&mut program).spawn().map_err(unstarted)?;
        let piped = "the pipes were asked for";
        // A program may say at once that it is ready: one answer is asked for from the start.
        let n_asked = Arc::new(AtomicU64::new(1));
        let (requests, to_write) = channel();
        let (read, answers) = sync_channel(MOST_WAITING);
        let (quiet, silence) = channel();
        let last_words = Arc::new(Mutex::new(VecDeque::new()));
        let stdin = child.stdin.take().expect(piped);
        let stdout = child.stdout.take().expect(piped);
        let stderr = child.stderr.take().expect(piped);
        let so_far = Arc::clone(&n_asked);
        thread::spawn(move || write_all(stdin, &to_write, &so_far));
        thread::spawn(move || read_lines(stdout, &read, &n_asked));
        let heard = Arc::clone(&last_words);
        thread::spawn(move || {
            listen(stderr, &heard);
            drop(quiet);
        });
        Ok(Process { command: words, child, guard, requests: Some(requests), answers, last_words, silence })
    }

    /// Hands over lines, which are written while so many more answers are awaited. A program that has ended is noticed then.
    fn send(&self, lines: Vec<u8>, n_asked: usize) {
        if let Some(requests) = &self.requests {
            let _ = requests.send(Request { lines, n_asked: n_asked as u64 });
        }
    }

    /// The next line of the program, without its end.
    ///
    /// # Errors
    /// A program that ended, or said nothing for that long, or goes on without end.
    fn receive(&mut self, limit: Duration) -> Result<Vec<u8>> {
        match self.answers.recv_timeout(limit) {
            Ok(Answer::Asked(line)) if line.len() as u64 >= LONGEST_ANSWER => {
                Err(self.fail(&format!("answers with a line of more than {LONGEST_ANSWER} bytes")))
            }
            Ok(Answer::Asked(line)) => Ok(line),
            Ok(Answer::Unasked(line)) => Err(self.fail_unasked(&line)),
            Err(RecvTimeoutError::Timeout) => {
                Err(self.fail(&format!("has not answered for {} s", limit.as_secs_f64())))
            }
            Err(RecvTimeoutError::Disconnected) => {
                let how = self
                    .ended()
                    .map_or_else(|| "closed its output".into(), |status| format!("ended ({status})"));
                Err(self.fail(&format!("{how} before it answered")))
            }
        }
    }

    /// Asks nothing more, and lets the program end by itself for a while.
    ///
    /// # Errors
    /// A program that has said more than it was asked.
    fn finish(&mut self) -> Result<()> {
        self.requests = None;
        match self.answers.recv_timeout(PATIENCE) {
            Ok(Answer::Asked(line) | Answer::Unasked(line)) => Err(self.fail_unasked(&line)),
            Err(_) => Ok(()),
        }
    }

    fn fail_unasked(&mut self, line: &[u8]) -> Error {
        let said = shown(&String::from_utf8_lossy(line));
        self.fail(&format!("says `{said}` unasked: every question has one answer"))
    }

    /// Ends the program; what was wrong with it, and the last it said of it.
    fn fail(&mut self, problem: &str) -> Error {
        self.requests = None;
        self.end();
        let _ = self.silence.recv_timeout(PATIENCE);
        let heard = self.last_words.lock().map(|words| words.iter().cloned().collect::<Vec<_>>());
        let heard = heard.unwrap_or_default().join(" | ");
        let words = if heard.is_empty() {
            "it wrote nothing to stderr".to_owned()
        } else {
            format!("the last lines of its stderr: {heard}")
        };
        Error::Usage(format!("program `{}` {problem}; {words}", shown(&self.command)))
    }

    /// How it ended, if it does so soon.
    fn ended(&mut self) -> Option<ExitStatus> {
        for _ in 0..PATIENCE.as_millis() / GLANCE.as_millis() {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            thread::sleep(GLANCE);
        }
        None
    }
}

impl Process {
    /// Ends the program and all that it started.
    fn end(&mut self) {
        self.guard.end_all();
        // For systems without process groups, and for a program that left its own.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    /// Nothing more is asked: the program may end by itself, or else is ended, and in any case what it leaves running.
    fn drop(&mut self) {
        self.requests = None;
        self.ended();
        self.end();
    }
}

/// The leader of a process group: a shell that waits for the end of its input and then ends the group, itself included. Nobody
/// but this process holds the other end, so that the input ends when this process drops it, and also when this process dies.
struct Guard(Option<Child>);

#[cfg(unix)]
impl Guard {
    fn new() -> std::io::Result<Guard> {
        use std::os::unix::process::CommandExt;
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "read -r _; kill -KILL 0"]).process_group(0);
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Guard(Some(shell.spawn()?)))
    }

    /// Puts a program that is about to start into the group.
    fn watch<'a>(&self, program: &'a mut Command) -> &'a mut Command {
        use std::os::unix::process::CommandExt;
        let leader = self.0.as_ref().and_then(|shell| i32::try_from(shell.id()).ok());
        match leader {
            Some(leader) => program.process_group(leader),
            None => program,
        }
    }
}

#[cfg(not(unix))]
impl Guard {
    fn new() -> std::io::Result<Guard> {
        Ok(Guard(None))
    }

    fn watch<'a>(&self, program: &'a mut Command) -> &'a mut Command {
        program
    }
}

impl Guard {
    fn end_all(&mut self) {
        if let Some(mut shell) = self.0.take() {
            drop(shell.stdin.take());
            let _ = shell.wait();
        }
    }
}

/// A program that could not be started has a guard that would wait for ever.
impl Drop for Guard {
    fn drop(&mut self) {
        self.end_all();
    }
}

/// Text of a stranger on one line and of bearable length.
fn shown(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let clean = clean.trim();
    match clean.char_indices().nth(LONGEST_SHOWN) {
        Some((end, _)) => format!("{} ...", &clean[..end]),
        None => clean.to_owned(),
    }
}

fn write_all(mut stdin: ChildStdin, to_write: &Receiver<Request>, so_far: &AtomicU64) {
    for Request { lines, n_asked } in to_write {
        // Before the question is out: no answer can come earlier.
        so_far.fetch_add(n_asked, Ordering::SeqCst);
        if stdin.write_all(&lines).and_then(|()| stdin.flush()).is_err() {
            return;
        }
    }
}

fn read_lines(stdout: ChildStdout, read: &SyncSender<Answer>, n_asked: &AtomicU64) {
    let mut stdout = BufReader::with_capacity(1 << 16, stdout);
    for n_before in 0.. {
        let mut line = Vec::new();
        let n_read = stdout.by_ref().take(LONGEST_ANSWER).read_until(b'\n', &mut line).unwrap_or(0);
        let is_asked = n_before < n_asked.load(Ordering::SeqCst);
        let answer = if is_asked { Answer::Asked(line) } else { Answer::Unasked(line) };
        if n_read == 0 || read.send(answer).is_err() {
            return;
        }
    }
}

fn listen(stderr: ChildStderr, heard: &Mutex<VecDeque<String>>) {
    let mut stderr = BufReader::new(stderr);
    loop {
        let mut line = Vec::new();
        if stderr.by_ref().take(1 << 16).read_until(b'\n', &mut line).unwrap_or(0) == 0 {
            return;
        }
        let words = shown(&String::from_utf8_lossy(&line));
        if let Ok(mut heard) = heard.lock()
            && !words.is_empty()
        {
            if heard.len() == N_LAST_WORDS {
                heard.pop_front();
            }
            heard.push_back(words);
        }
    }
}
