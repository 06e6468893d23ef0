//! A program that runs beside this one and answers lines with lines.
//!
//! Writing, reading, and listening to what it complains about each have a thread, so that a program may answer line by line
//! or whole batches, and one that does neither is noticed.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::error::{Error, Result};

/// How many lines of its complaints are kept.
const N_LAST_WORDS: usize = 5;

/// Characters of a line that are shown.
const LONGEST_SHOWN: usize = 200;

/// Bytes of an answer; a longer one is no answer.
const LONGEST_ANSWER: u64 = 16 << 20;

/// How long a program may take to end once nothing more is asked, and its last complaints to arrive.
const PATIENCE: Duration = Duration::from_secs(2);
const GLANCE: Duration = Duration::from_millis(10);

/// A running program.
pub(super) struct Process {
    /// As it was started, for messages.
    command: String,
    child: Child,
    requests: Option<Sender<Vec<u8>>>,
    answers: Receiver<Vec<u8>>,
    last_words: Arc<Mutex<VecDeque<String>>>,
    /// Ends when nothing more will be said.
    silence: Receiver<()>,
}

impl Process {
    /// Starts a program with its arguments.
    ///
    /// # Errors
    /// A program that cannot be started.
    pub(super) fn start(command: &[String]) -> Result<Process> {
        let words = command.join(" ");
        let started = Command::new(&command[0])
            .args(&command[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child =
            started.map_err(|error| Error::Usage(format!("cannot start `{}`: {error}", shown(&words))))?;
        let piped = "the pipes were asked for";
        let (requests, to_write) = channel();
        let (read, answers) = channel();
        let (quiet, silence) = channel();
        let last_words = Arc::new(Mutex::new(VecDeque::new()));
        let stdin = child.stdin.take().expect(piped);
        let stdout = child.stdout.take().expect(piped);
        let stderr = child.stderr.take().expect(piped);
        thread::spawn(move || write_all(stdin, &to_write));
        thread::spawn(move || read_lines(stdout, &read));
        let heard = Arc::clone(&last_words);
        thread::spawn(move || {
            listen(stderr, &heard);
            drop(quiet);
        });
        Ok(Process { command: words, child, requests: Some(requests), answers, last_words, silence })
    }

    /// Hands over lines, which are written while answers are awaited. A program that has ended is noticed then.
    pub(super) fn send(&self, lines: Vec<u8>) {
        if let Some(requests) = &self.requests {
            let _ = requests.send(lines);
        }
    }

    /// The next line of the program, without its end.
    ///
    /// # Errors
    /// A program that ended, or said nothing for that long, or goes on without end.
    pub(super) fn receive(&mut self, limit: Duration) -> Result<Vec<u8>> {
        match self.answers.recv_timeout(limit) {
            Ok(line) if line.len() as u64 >= LONGEST_ANSWER => {
                Err(self.fail(&format!("answers with a line of more than {LONGEST_ANSWER} bytes")))
            }
            Ok(line) => Ok(line),
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

    /// Ends the program; what was wrong with it, and the last it said of it.
    pub(super) fn fail(&mut self, problem: &str) -> Error {
        self.requests = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
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

impl Drop for Process {
    /// Nothing more is asked: the program may end by itself, or else is ended.
    fn drop(&mut self) {
        self.requests = None;
        if self.ended().is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Text of a stranger on one line and of bearable length.
pub(super) fn shown(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let clean = clean.trim();
    match clean.char_indices().nth(LONGEST_SHOWN) {
        Some((end, _)) => format!("{} ...", &clean[..end]),
        None => clean.to_owned(),
    }
}

fn write_all(mut stdin: ChildStdin, to_write: &Receiver<Vec<u8>>) {
    for lines in to_write {
        if stdin.write_all(&lines).and_then(|()| stdin.flush()).is_err() {
            return;
        }
    }
}

fn read_lines(stdout: ChildStdout, read: &Sender<Vec<u8>>) {
    let mut stdout = BufReader::with_capacity(1 << 16, stdout);
    loop {
        let mut line = Vec::new();
        let n_read = stdout.by_ref().take(LONGEST_ANSWER).read_until(b'\n', &mut line).unwrap_or(0);
        if n_read == 0 || read.send(line).is_err() {
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
