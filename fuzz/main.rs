//! Changed files for every reader and every importer: what is read is used or refused in one line, and nothing panics, aborts,
//! hangs, or asks for memory without end. `fuzz/README.md` says how to run it for long and how to repeat a finding.
//!
//! Each target runs in a child process, which it may bring down; the child writes down which input it is at.

#![expect(clippy::print_stdout, reason = "a child reports to its parent so, and the parent to the user")]

mod files;
mod memory;
mod mutate;
mod targets;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};

use files::{File, Input, Laid};
use mutate::{Random, dictionary};
use targets::{names, scratch, target};

#[global_allocator]
static MEMORY: memory::Bounded = memory::Bounded;

/// What a child may allocate.
const MOST_BYTES: usize = 1 << 30;

/// An execution that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// Inputs of a target where nothing else is asked for.
const N_INPUTS: u64 = 100;

/// After so many findings a target is given up.
const MOST_FINDINGS: usize = 20;

/// Names the task of a child: its lines are the target, the folder, the seed, the first number, the number to stop at, and the
/// seconds to stop after.
const TASK: &str = "LLM_BANDIT_FUZZ_TASK";

fn main() -> ExitCode {
    if let Ok(task) = std::env::var(TASK) {
        run(&task.lines().collect::<Vec<_>>());
        return ExitCode::SUCCESS;
    }
    let trials = names().into_iter().map(|name| Trial::test(name.clone(), move || tried(&name)));
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

fn asked<T: std::str::FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(format!("LLM_BANDIT_FUZZ_{name}")).ok()?;
    Some(text.parse().ok().unwrap_or_else(|| panic!("LLM_BANDIT_FUZZ_{name} is no number")))
}

/// What came of the inputs of a target.
#[derive(Default)]
struct Tally {
    n_executed: u64,
    n_accepted: u64,
    findings: Vec<String>,
}

/// Runs a target in children until its time is over.
fn tried(name: &str) -> Result<(), Failed> {
    let seed: u64 = asked("SEED").unwrap_or(0);
    let only: Option<u64> = asked("ONLY");
    let seconds = asked::<f64>("SECONDS").map(|seconds| seconds / names().len() as f64);
    let start = Instant::now();
    let mut tally = Tally::default();
    let mut first = only.unwrap_or(0);
    let last = match (only, seconds) {
        (Some(only), _) => only + 1,
        (None, Some(_)) => u64::MAX,
        (None, None) => asked("INPUTS").unwrap_or(N_INPUTS),
    };
    while first < last && tally.findings.len() < MOST_FINDINGS {
        let left = seconds.map_or(f64::MAX, |seconds| seconds - start.elapsed().as_secs_f64());
        if left <= 0.0 {
            break;
        }
        let folder = scratch();
        let task = [name, &folder.path().to_string_lossy(), &seed.to_string(), &first.to_string()];
        let task = [&task[..], &[&last.to_string(), &left.to_string()]].concat().join("\n");
        let mut child = Command::new(std::env::current_exe()?)
            .env(TASK, task)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let end = waited(&mut child, &folder.path().join("at"))?;
        let mut said = String::new();
        child.stdout.take().expect("it is piped").read_to_string(&mut said)?;
        let (next, n_accepted, found) = reported(&said);
        tally.findings.extend(found);
        tally.n_accepted += n_accepted;
        let Some(problem) = end else {
            tally.n_executed += next.unwrap_or(first) - first;
            break;
        };
        let at = current(&folder.path().join("at")).unwrap_or(first);
        tally.n_executed += at + 1 - first;
        tally.findings.push(kept(name, seed, at, &problem));
        first = at + 1;
    }
    println!(
        "{name}: {} executions, {} of them read, {} findings",
        tally.n_executed,
        tally.n_accepted,
        tally.findings.len()
    );
    if tally.findings.is_empty() { Ok(()) } else { Err(tally.findings.join("\n").into()) }
}

/// The number that a child went on to, how many inputs it read, and its findings.
fn reported(said: &str) -> (Option<u64>, u64, Vec<String>) {
    let end = said.lines().find_map(|line| line.strip_prefix("end ")).unwrap_or_default();
    let mut numbers = end.split(' ').map(|number| number.parse().ok());
    let findings = said.lines().filter_map(|line| line.strip_prefix("finding "));
    let (next, n_accepted) = (numbers.next().flatten(), numbers.next().flatten());
    (next, n_accepted.unwrap_or(0), findings.map(str::to_owned).collect())
}

/// Waits for a child; what was wrong where it did not end by itself.
fn waited(child: &mut Child, at: &Path) -> std::io::Result<Option<String>> {
    let mut last = (None, Instant::now());
    loop {
        if let Some(status) = child.try_wait()? {
            let mut said = String::new();
            child.stderr.take().expect("it is piped").read_to_string(&mut said)?;
            let said = said.lines().last().unwrap_or_default().to_owned();
            return Ok((!status.success()).then(|| format!("{status}: {said}")));
        }
        let now = current(at);
        if now != last.0 {
            last = (now, Instant::now());
        }
        // Before the first number good files are made, which takes a while.
        if now.is_some() && PATIENCE < last.1.elapsed() {
            child.kill()?;
            child.wait()?;
            return Ok(Some(format!("no end after {} s", PATIENCE.as_secs())));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn current(at: &Path) -> Option<u64> {
    let bytes = std::fs::read(at).ok()?;
    bytes.try_into().ok().map(u64::from_le_bytes)
}

/// Keeps the input of a finding and says how it is repeated.
fn kept(name: &str, seed: u64, number: u64, problem: &str) -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz/{name}-{seed}-{number}"));
    let seeds = target(name).seeds;
    let words = dictionary(&seeds);
    let input = Input::new(&seeds, &words, &mut Random::new(seed, name, number));
    let _ = std::fs::remove_dir_all(&folder);
    Laid::new(folder.clone(), &seeds[input.seed]).change(&input.changed);
    format!(
        "{problem}\n  input: {}\n  again: LLM_BANDIT_FUZZ_SEED={seed} LLM_BANDIT_FUZZ_ONLY={number} cargo test --test fuzz -- --exact {name}",
        folder.display()
    )
}

thread_local! { static PANIC: RefCell<String> = const { RefCell::new(String::new()) }; }

/// What a child does.
fn run(task: &[&str]) {
    let [name, folder, seed, first, last, seconds] = task else { panic!("a task has six lines") };
    let [seed, first, last]: [u64; 3] = [seed, first, last].map(|number| number.parse().expect("a number"));
    let seconds: f64 = seconds.parse().expect("a number");
    let target = target(name);
    let words = dictionary(&target.seeds);
    let mut laid: Vec<Option<Laid<'_>>> = target.seeds.iter().map(|_| None).collect();
    let mut at = std::fs::File::create(Path::new(folder).join("at")).expect("room for a number");
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map_or_else(String::new, ToString::to_string);
        PANIC.set(format!("panics at {place}: {}", info.payload_as_str().unwrap_or_default()));
    }));
    memory::limit(MOST_BYTES);
    let (start, mut n_accepted, mut number) = (Instant::now(), 0_u64, first);
    // Of what goes wrong at one place the first input says enough.
    let mut findings: BTreeMap<String, u64> = BTreeMap::new();
    while number < last && start.elapsed().as_secs_f64() < seconds && findings.len() < MOST_FINDINGS {
        at.seek(SeekFrom::Start(0))
            .and_then(|_| at.write_all(&number.to_le_bytes()))
            .expect("room for a number");
        let input = Input::new(&target.seeds, &words, &mut Random::new(seed, name, number));
        let files: &[File] = &target.seeds[input.seed];
        let laid = laid[input.seed]
            .get_or_insert_with(|| Laid::new(PathBuf::from(folder).join(input.seed.to_string()), files));
        laid.change(&input.changed);
        let began = Instant::now();
        match catch_unwind(AssertUnwindSafe(|| (target.read)(laid.folder(), number))) {
            Ok(Ok(())) => n_accepted += 1,
            Ok(Err(error)) => {
                let message = error.to_string();
                if last == first + 1 {
                    println!("{message}");
                }
                if let Some(problem) = problem(&message) {
                    findings.entry(problem).or_insert(number);
                }
            }
            Err(_) => drop(findings.entry(PANIC.take()).or_insert(number)),
        }
        if PATIENCE < began.elapsed() {
            findings.entry(format!("takes {:?}", began.elapsed())).or_insert(number);
        }
        number += 1;
    }
    memory::limit(usize::MAX);
    for (problem, number) in &findings {
        println!("finding {}", kept(name, seed, *number, problem).replace('\n', " "));
    }
    println!("end {number} {n_accepted}");
}

/// What is wrong with the message of an error.
fn problem(message: &str) -> Option<String> {
    let is_long = 3000 < message.chars().count();
    let is_bad = message.trim().is_empty() || message.chars().any(char::is_control) || is_long;
    is_bad.then(|| format!("says {:?}", message.chars().take(300).collect::<String>()))
}
