//! Bounds on what a stream may cost: in memory by record, and in time by how far it unpacks.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// A record (a line, an array's element, a row) may be this long; a chat of a million tokens is a tenth of it.
const LONGEST_RECORD: u64 = 64 << 20;

/// A record of which little is kept, such as the transcript of an agent, may be this long.
const LONGEST_SPARSE_RECORD: u64 = 1 << 30;

/// A packed file may unpack to this many times its size, and a little more. Logs of language models pack to a tenth or so,
/// repetitive ones to a hundredth; what packs better is a bomb.
const LARGEST_RATIO: u64 = 250;
const FREE_BYTES: u64 = 16 << 20;

/// Bytes that the record at hand may still take, and those that a new one may.
#[derive(Clone)]
pub(super) struct Budget {
    left: Rc<Cell<u64>>,
    longest: u64,
}

impl Budget {
    fn new(longest: u64) -> Self {
        Budget { left: Rc::new(Cell::new(longest)), longest }
    }

    /// A new record begins.
    pub(super) fn renew(&self) {
        self.left.set(self.longest);
    }
}

/// A stream that fails where a record takes more than its budget.
pub(super) struct Bounded<R> {
    stream: R,
    budget: Budget,
}

impl<R> Bounded<R> {
    /// Nothing is read yet.
    pub(super) fn new(stream: R) -> Self {
        Bounded { stream, budget: Budget::new(LONGEST_RECORD) }
    }

    /// For readers that keep little of a record.
    pub(super) fn allow_long_records(&mut self) {
        self.budget = Budget::new(LONGEST_SPARSE_RECORD);
    }

    /// To be renewed after each record.
    pub(super) fn budget(&self) -> Budget {
        self.budget.clone()
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n_bytes = self.stream.read(buffer)?;
        match self.budget.left.get().checked_sub(n_bytes as u64) {
            Some(left) => self.budget.left.set(left),
            None => {
                return Err(io::Error::other(format!(
                    "one record is longer than {} MiB",
                    self.budget.longest >> 20
                )));
            }
        }
        Ok(n_bytes)
    }
}

/// A stream that fails where it unpacks to far more than it was packed to.
pub(super) fn limited<R: Read>(stream: R, n_packed: u64) -> impl Read {
    Limited { stream, left: n_packed.saturating_mul(LARGEST_RATIO).saturating_add(FREE_BYTES) }
}

struct Limited<R> {
    stream: R,
    left: u64,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n_bytes = self.stream.read(buffer)?;
        self.left = self.left.checked_sub(n_bytes as u64).ok_or_else(|| {
            io::Error::other(format!("unpacks to more than {LARGEST_RATIO} times its size; not read further"))
        })?;
        Ok(n_bytes)
    }
}
