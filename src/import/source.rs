//! Opens the files of an import: packed or plain, UTF-8 alone, and bounded, so that no input grows memory or time without
//! end.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use crate::error::{Error, Result};
use crate::fs;

/// Bytes between two messages of progress.
const STEP: u64 = 4 << 20;

/// What an import is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress<'a> {
    /// So many files with so many bytes are to be read.
    Found {
        /// Files.
        n_files: usize,
        /// Bytes, as they lie on the disk.
        n_bytes: u64,
    },
    /// A file is being read.
    File(&'a Path),
    /// So many further bytes were read.
    Bytes(u64),
}

/// How a zip archive begins.
pub(super) const ZIP: &[u8] = b"PK\x03\x04";

/// Opens files and keeps which.
pub(super) struct Sources<'a> {
    progress: &'a dyn Fn(Progress<'_>),
    opened: RefCell<Vec<PathBuf>>,
}

/// An open file, read record by record.
pub(super) struct Input<'a> {
    reader: BufReader<Bounded<Box<dyn Read + 'a>>>,
    path: PathBuf,
}

impl<'a> Sources<'a> {
    pub(super) fn new(progress: &'a dyn Fn(Progress<'_>)) -> Self {
        Sources { progress, opened: RefCell::new(Vec::new()) }
    }

    /// Tells how far things are.
    pub(super) fn say(&self, progress: Progress<'_>) {
        (self.progress)(progress);
    }

    /// The files opened, in the order in which they first were.
    pub(super) fn opened(&self) -> Vec<PathBuf> {
        self.opened.borrow().clone()
    }

    /// Opens a file of text, unpacked where it is gzip or Zstandard.
    ///
    /// # Errors
    /// A file that cannot be read, that is not text, or that is text in another encoding than UTF-8.
    pub(super) fn open(&self, path: &Path) -> Result<Input<'a>> {
        let file = self.open_raw(path)?;
        let n_bytes = file.n_bytes().map_err(Error::io(path, "read"))?;
        let counted = Counted { file, progress: self.progress, unsaid: 0 };
        let (head, rest) = peeked(counted).map_err(Error::io(path, "read"))?;
        refuse_other_formats(path, &head)?;
        let all = Cursor::new(head.clone()).chain(rest);
        match head.as_slice() {
            [0x1f, 0x8b, ..] => Input::new(path, limited(flate2::read::MultiGzDecoder::new(all), n_bytes)),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Input::new(path, limited(Zstandard::new(all), n_bytes)),
            _ => Input::new(path, all),
        }
    }

    /// Opens a file as it is, which should begin like this.
    ///
    /// # Errors
    /// A file that cannot be read; one of another known kind.
    pub(super) fn open_binary(&self, path: &Path, magic: &[u8]) -> Result<fs::Input> {
        let mut file = self.open_raw(path)?;
        let (head, _) = peeked(&mut file).map_err(Error::io(path, "read"))?;
        if !head.starts_with(magic) {
            refuse_other_formats(path, &head)?;
        }
        file.rewind().map_err(Error::io(path, "read"))?;
        Ok(file)
    }

    fn open_raw(&self, path: &Path) -> Result<fs::Input> {
        if !self.opened.borrow().iter().any(|known| known == path) {
            self.opened.borrow_mut().push(path.to_owned());
        }
        fs::open(path)
    }
}

impl<'a> Input<'a> {
    /// A stream of text; `path` names it in messages.
    pub(super) fn new(path: &Path, stream: impl Read + 'a) -> Result<Self> {
        let (mut head, rest) = peeked(stream).map_err(|error| io_fault(path, &error))?;
        if matches!(head.as_slice(), [0xff, 0xfe, ..] | [0xfe, 0xff, ..]) {
            return Err(Error::file(path, "is UTF-16; save it as UTF-8"));
        }
        if head.starts_with(&[0xef, 0xbb, 0xbf]) {
            head.drain(..3);
        }
        refuse_other_formats(path, &head)?;
        let stream: Box<dyn Read + 'a> = Box::new(Cursor::new(head).chain(rest));
        let bounded = Bounded::new(stream);
        Ok(Input { reader: BufReader::with_capacity(1 << 16, bounded), path: path.to_owned() })
    }

    /// Allows records of many more bytes, for readers that keep few of them.
    pub(super) fn of_long_records(mut self) -> Self {
        self.reader.get_mut().allow_long_records();
        self
    }

    /// For messages.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What a record may still cost; to be renewed after each.
    pub(super) fn budget(&self) -> Budget {
        self.reader.get_ref().budget()
    }

    /// The stream itself.
    pub(super) fn into_reader(self) -> BufReader<Bounded<Box<dyn Read + 'a>>> {
        self.reader
    }
}

/// A file that says how far it was read.
struct Counted<'a> {
    file: fs::Input,
    progress: &'a dyn Fn(Progress<'_>),
    unsaid: u64,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n_bytes = self.file.read(buffer)?;
        self.unsaid += n_bytes as u64;
        if STEP <= self.unsaid || n_bytes == 0 {
            (self.progress)(Progress::Bytes(std::mem::take(&mut self.unsaid)));
        }
        Ok(n_bytes)
    }
}

/// The first bytes, and the rest.
fn peeked<R: Read>(mut stream: R) -> io::Result<(Vec<u8>, R)> {
    let mut head = Vec::new();
    stream.by_ref().take(fs::N_HEAD_BYTES as u64).read_to_end(&mut head)?;
    Ok((head, stream))
}

/// What is no text is refused with the way out.
fn refuse_other_formats(path: &Path, head: &[u8]) -> Result<()> {
    fs::stand_in(path, head).map_or(Ok(()), |problem| Err(Error::file(path, problem)))
}

/// Where in a file something stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum At {
    /// Nowhere in particular.
    #[default]
    File,
    /// On a line, counted from 1.
    Line(u64),
    /// In an element of an array, counted from 0.
    Record(usize),
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) path: PathBuf,
    pub(super) at: At,
}

impl Spot {
    /// A fault there.
    pub(super) fn fault(&self, problem: impl Into<String>) -> Error {
        match self.at {
            At::File => Error::file(&self.path, problem),
            At::Line(line) => Error::line(&self.path, line, problem),
            At::Record(number) => {
                Error::file(&self.path, format!("record {number} (from 0): {}", problem.into()))
            }
        }
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        match self.at {
            At::File => Ok(()),
            At::Line(line) => write!(f, ":{line}"),
            At::Record(number) => write!(f, ", record {number} (from 0)"),
        }
    }
}

/// What went wrong with a stream, as one line.
pub(super) fn io_fault(path: &Path, error: &io::Error) -> Error {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return Error::file(path, "ends too early; the file is truncated");
    }
    Error::file(path, format!("cannot be read: {error}"))
}

/// All files below these paths for which `is_wanted` says yes, in the order of the arguments and, within a folder, by path;
/// each once.
///
/// # Errors
/// A path that does not exist; one below which there is no such file.
pub(super) fn files(
    paths: &[PathBuf],
    wanted: &str,
    is_wanted: &dyn Fn(&Path) -> bool,
) -> Result<Vec<PathBuf>> {
    let mut found: Vec<PathBuf> = Vec::new();
    for path in paths {
        let before = found.len();
        if path.is_dir() {
            walk(path, is_wanted, &mut found)?;
            if found.len() == before {
                return Err(Error::file(path, format!("holds no {wanted}")));
            }
        } else {
            found.push(path.clone());
        }
    }
    let mut unique: Vec<PathBuf> = Vec::with_capacity(found.len());
    let mut seen = std::collections::BTreeSet::new();
    for path in found {
        if seen.insert(fs::canonical(&path)?) {
            unique.push(path);
        }
    }
    Ok(unique)
}

/// Links to folders are not followed: they could lead in circles.
fn walk(folder: &Path, is_wanted: &dyn Fn(&Path) -> bool, found: &mut Vec<PathBuf>) -> Result<()> {
    for path in fs::entries(folder)? {
        let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let is_folder = path.is_dir() && !path.is_symlink();
        if is_folder && !is_hidden {
            walk(&path, is_wanted, found)?;
        } else if !is_folder && !is_hidden && is_wanted(&path) {
            found.push(path);
        }
    }
    Ok(())
}

/// Whether a file's name begins and ends like this, packed or not.
pub(super) fn is_named(path: &Path, start: &str, endings: &[&str]) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return false };
    let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(name);
    name.starts_with(start) && endings.iter().any(|ending| name.ends_with(ending))
}

/// A file's name without folder and without these endings.
pub(super) fn stem(path: &Path) -> String {
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_owned()
}

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

/// Memory that a frame may ask for: what `zstd` itself allows by default.
const LARGEST_WINDOW: u64 = 128 << 20;

/// Unpacks one frame after another; a frame's checksum, where it has one, is compared with its content.
pub(super) struct Zstandard<R> {
    stream: BufReader<R>,
    /// The frame at hand; none between frames.
    frame: Option<Box<FrameDecoder>>,
}

impl<R: Read> Zstandard<R> {
    /// Reads nothing yet.
    pub(super) fn new(stream: R) -> Self {
        Zstandard { stream: BufReader::new(stream), frame: None }
    }

    /// Goes to the next frame with content; false at the end.
    fn next_frame(&mut self) -> io::Result<bool> {
        loop {
            if self.stream.fill_buf()?.is_empty() {
                return Ok(false);
            }
            let mut frame = FrameDecoder::new();
            frame.set_max_window_size(LARGEST_WINDOW);
            match frame.init(&mut self.stream) {
                Ok(()) => {
                    self.frame = Some(Box::new(frame));
                    return Ok(true);
                }
                // A frame that is meant to be passed over.
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let length = u64::from(length);
                    if io::copy(&mut self.stream.by_ref().take(length), &mut io::sink())? < length {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(fault(error)),
            }
        }
    }
}

impl<R: Read> Read for Zstandard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let Some(frame) = &mut self.frame else {
                if self.next_frame()? {
                    continue;
                }
                return Ok(0);
            };
            while frame.can_collect() == 0 && !frame.is_finished() {
                frame.decode_blocks(&mut self.stream, BlockDecodingStrategy::UptoBlocks(1)).map_err(fault)?;
            }
            let n_bytes = frame.read(buffer)?;
            if 0 < n_bytes {
                return Ok(n_bytes);
            }
            let stated = frame.get_checksum_from_data();
            if stated.is_some() && stated != frame.get_calculated_checksum() {
                return Err(fault("its checksum differs"));
            }
            self.frame = None;
        }
    }
}

fn fault(error: impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("is not a whole Zstandard stream: {error}"))
}

#[cfg(test)]
mod tests {
    use super::Zstandard;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};
    use std::io::Read;

    fn unpacked(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut unpacked = Vec::new();
        Zstandard::new(bytes).read_to_end(&mut unpacked).map(|_| unpacked)
    }

    #[test]
    fn every_frame_is_read_and_frames_to_skip_are_skipped() {
        let pack = |text: &str| compress_to_vec(text.as_bytes(), CompressionLevel::Fastest);
        let skipped = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3].to_vec();
        let bytes = [pack("one "), skipped, pack(""), pack("two")].concat();
        assert_eq!(unpacked(&bytes).unwrap(), b"one two");
        assert!(unpacked(&bytes[..bytes.len() - 2]).is_err());
    }
}
