//! Faults that tests put into reading and writing, on their own thread alone: an error of the system, a transfer cut short,
//! or the death of the process, after which nothing more reaches the disk.

use std::cell::Cell;
use std::io;

/// What happens at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The system refuses, with this number; a transfer of bytes has passed on half of them.
    Refused(i32),
    /// A transfer of bytes passes on half of them.
    Short,
    /// A transfer of bytes is interrupted before the first.
    Interrupted,
    /// The process dies; a transfer of bytes has passed on half of them.
    Crash,
}

#[derive(Clone, Copy)]
struct Plan {
    at: usize,
    fault: Fault,
    n_steps: usize,
    is_dead: bool,
}

thread_local! { static PLAN: Cell<Option<Plan>> = const { Cell::new(None) }; }
thread_local! { static N_FREE: Cell<Option<u64>> = const { Cell::new(None) }; }

/// Does something on a file system that says it has so many free bytes.
pub(crate) fn with_room<T>(n_bytes: u64, action: impl FnOnce() -> T) -> T {
    N_FREE.set(Some(n_bytes));
    let result = action();
    N_FREE.set(None);
    result
}

pub(super) fn n_free_bytes() -> Option<u64> {
    N_FREE.get()
}

/// Does something with a fault at a step, counted from 0; also returns how many steps there were. What is done on other
/// threads has no faults.
pub(crate) fn with_fault<T>(at: usize, fault: Fault, action: impl FnOnce() -> T) -> (T, usize) {
    PLAN.set(Some(Plan { at, fault, n_steps: 0, is_dead: false }));
    let result = action();
    (result, PLAN.take().map_or(0, |plan| plan.n_steps))
}

/// Whether the fault is due.
fn due() -> Option<Fault> {
    let mut plan = PLAN.get()?;
    let is_due = plan.n_steps == plan.at;
    plan.n_steps += 1;
    let fault = (is_due || plan.is_dead).then_some(plan.fault);
    plan.is_dead |= fault == Some(Fault::Crash);
    PLAN.set(Some(plan));
    fault
}

fn refused(fault: Fault) -> io::Error {
    match fault {
        Fault::Refused(number) => io::Error::from_raw_os_error(number),
        _ => io::Error::other("the process is dead"),
    }
}

pub(super) fn step() -> io::Result<()> {
    match due() {
        Some(fault @ (Fault::Refused(_) | Fault::Crash)) => Err(refused(fault)),
        _ => Ok(()),
    }
}

pub(super) fn transfer(n_bytes: usize) -> (usize, io::Result<()>) {
    let was_dead = PLAN.get().is_some_and(|plan| plan.is_dead);
    let some = if was_dead { 0 } else { n_bytes.div_ceil(2) };
    match due() {
        None => (n_bytes, Ok(())),
        Some(Fault::Short) => (some, Ok(())),
        Some(Fault::Interrupted) => (0, Err(io::ErrorKind::Interrupted.into())),
        Some(fault) => (some, Err(refused(fault))),
    }
}
