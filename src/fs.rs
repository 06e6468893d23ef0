//! The only door to the file system: everything is read with the path in the error, and written whole or not at all.
//!
//! A [`Claim`] is the right to replace a file or a folder: a lock beside it that one process holds at a time. What takes its
//! place grows under a name that nobody else uses, is brought to the disk, and takes it by renaming. A process that dies
//! leaves hidden files beside its target; whoever claims the target next puts the earlier content back, if it had been
//! moved aside, and removes the rest. The standard library's own functions are banned elsewhere by `clippy.toml`.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "this is the door")]

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use crate::error::{Error, Result};

#[cfg(test)]
pub(crate) mod faults;
mod stand_in;

pub use stand_in::{N_HEAD_BYTES, NOT_UTF8, other_delimiter, stand_in, used_instead};

#[cfg(test)]
use faults::{step, transfer};

/// Where tests put faults in: before anything that may fail.
#[cfg(not(test))]
fn step() -> io::Result<()> {
    Ok(())
}

/// As [`step`], of reading or writing so many bytes: how many of them are passed on.
#[cfg(not(test))]
fn transfer(n_bytes: usize) -> (usize, io::Result<()>) {
    (n_bytes, Ok(()))
}

/// A regular file, open for reading.
#[derive(Debug)]
pub struct Input(fs::File);

impl Input {
    /// Its length.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn n_bytes(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (n_bytes, allowed) = transfer(buffer.len());
        allowed?;
        self.0.read(&mut buffer[..n_bytes])
    }
}

impl Seek for Input {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.0.seek(position)
    }
}

/// A new file.
struct Output(fs::File);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (n_bytes, allowed) = transfer(bytes.len());
        let n_written = self.0.write(&bytes[..n_bytes])?;
        allowed.map(|()| n_written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Opens a file for reading.
///
/// # Errors
/// A file that is not there, or anything but a regular one: reading a pipe or a device may never end. A pointer that Git LFS
/// left in the place of a file.
pub fn open(path: &Path) -> Result<Input> {
    let kind = step().and_then(|()| fs::metadata(path)).map_err(Error::io(path, "read"))?;
    if kind.is_dir() {
        return Err(Error::file(path, "is a folder where a file is needed"));
    }
    if !kind.is_file() {
        return Err(Error::file(path, "is a device or a pipe; save what it gives as a file"));
    }
    let file = fs::File::open(path).map_err(Error::io(path, "read"))?;
    stand_in::check(&file).map_err(|problem| Error::file(path, problem))?;
    Ok(Input(file))
}

/// Reads a whole file.
///
/// # Errors
/// As [`open`]; a file that is larger than the memory.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let mut file = open(path)?;
    let mut bytes = Vec::new();
    let n_bytes = file.n_bytes().map_err(Error::io(path, "read"))?;
    let is_room = usize::try_from(n_bytes).is_ok_and(|n_bytes| bytes.try_reserve_exact(n_bytes).is_ok());
    if !is_room {
        return Err(Error::file(path, format!("has {n_bytes} bytes, more than the memory takes")));
    }
    file.read_to_end(&mut bytes).map_err(Error::io(path, "read"))?;
    Ok(bytes)
}

/// Reads a whole file of UTF-8.
///
/// # Errors
/// As [`read`]; the line of what is no UTF-8.
pub fn read_text(path: &Path) -> Result<String> {
    String::from_utf8(read(path)?).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + good.iter().filter(|&&byte| byte == b'\n').count();
        Error::line(path, line as u64, NOT_UTF8)
    })
}

/// What lies in a folder, by name.
///
/// # Errors
/// A folder that cannot be read.
pub fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = step().and_then(|()| fs::read_dir(folder)).map_err(Error::io(folder, "read"))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>();
    let mut paths = paths.map_err(Error::io(folder, "read"))?;
    paths.sort();
    Ok(paths)
}

/// How long a file is; 0 where it is not there.
pub fn n_bytes(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |file| file.len())
}

/// How many seconds ago a file was written, by the clock of this machine; `None` where it is not there. For people alone:
/// no result depends on it.
pub fn age_seconds(path: &Path) -> Option<u64> {
    let written = fs::metadata(path).and_then(|file| file.modified()).ok()?;
    Some(written.elapsed().map_or(0, |age| age.as_secs()))
}

/// The one name of a file or folder, whatever links lead to it.
///
/// # Errors
/// A path that leads nowhere.
pub fn canonical(path: &Path) -> Result<PathBuf> {
    step().and_then(|()| fs::canonicalize(path)).map_err(Error::io(path, "find"))
}

/// Makes a folder and those around it, where they are not there.
///
/// # Errors
/// A folder that cannot be made.
pub fn create_folder(folder: &Path) -> Result<()> {
    step().and_then(|()| fs::create_dir_all(folder)).map_err(Error::io(folder, "create"))
}

/// Whether so many bytes have room where a folder is or will be. Fine where the system does not say how many there are.
///
/// # Errors
/// Less room than that.
pub fn check_room(folder: &Path, n_bytes: u64) -> Result<()> {
    let there = folder.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("."));
    let Some(n_free) = n_free_bytes(there).filter(|n_free| *n_free < n_bytes) else { return Ok(()) };
    let problem = format!(
        "has {} MB of free room, and this may write {} MB; make room, or choose another `--out`",
        n_free / 1_000_000,
        n_bytes.div_ceil(1_000_000)
    );
    Err(Error::file(there, problem))
}

/// The free bytes of the file system that a folder lies on, as far as this user may fill them.
fn n_free_bytes(folder: &Path) -> Option<u64> {
    #[cfg(test)]
    if let Some(n_free) = faults::n_free_bytes() {
        return Some(n_free);
    }
    fs4::available_space(folder).ok()
}

/// Removes a file or a folder with all that is in it; a link alone, not what it leads to. Fine where nothing is there.
///
/// # Errors
/// Whatever cannot be removed.
pub fn remove(path: &Path) -> Result<()> {
    let Ok(kind) = fs::symlink_metadata(path) else { return Ok(()) };
    let removed = step().and_then(|()| match kind.is_dir() {
        true => fs::remove_dir_all(path),
        // Somebody else may have been quicker.
        false => fs::remove_file(path).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        }),
    });
    removed.map_err(Error::io(path, "remove"))
}

/// Writes a file into a folder that nobody else looks into, such as one that is being filled: a file that is there goes
/// first, so that no link and no second name of it is written through.
///
/// # Errors
/// A file that cannot be written.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    remove(path)?;
    let new = step().and_then(|()| fs::OpenOptions::new().write(true).create_new(true).open(path));
    new.and_then(|file| Output(file).write_all(bytes)).map_err(Error::io(path, "write"))
}

/// Writes files, by name, into a folder that is being filled, as [`write`] does.
///
/// # Errors
/// The first file that cannot be written.
pub(crate) fn write_all<N: AsRef<str>>(folder: &Path, files: Vec<(N, Vec<u8>)>) -> Result<()> {
    files.into_iter().try_for_each(|(name, bytes)| write(&folder.join(name.as_ref()), &bytes))
}

/// Writes a file in one step, in a folder that may be lost: nothing is brought to the disk.
///
/// # Errors
/// A file that cannot be written.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let staged = sibling(path, &unique())?;
    let written = write(&staged, bytes).and_then(|()| rename(&staged, path));
    if written.is_err() {
        let _ = remove(&staged);
    }
    written.map_err(|error| error.at_path(&staged, path))
}

/// Adds to the end of a file, which may be a pipe or a device.
///
/// # Errors
/// A file that cannot be written.
pub fn append(path: &Path, text: &str) -> Result<()> {
    let file = step().and_then(|()| fs::OpenOptions::new().create(true).append(true).open(path));
    file.and_then(|file| Output(file).write_all(text.as_bytes())).map_err(Error::io(path, "write"))
}

/// The right to replace a file or a folder, held until it is dropped.
#[derive(Debug)]
pub struct Claim {
    /// As it was named.
    shown: PathBuf,
    /// Where it is, whatever links lead there.
    target: PathBuf,
    /// `None` on a file system without locks.
    lock: Option<fs::File>,
}

impl Claim {
    /// Claims a target, which need not be there; the folders around it are made. The target is then as its last whole
    /// writing left it.
    ///
    /// # Errors
    /// Another process holds it, or it lies where nothing can be written.
    pub fn new(target: &Path) -> Result<Claim> {
        Claim::taken(target, false)
    }

    /// As [`new`](Self::new), but waits for another process: for what is written in a moment.
    ///
    /// # Errors
    /// It lies where nothing can be written.
    pub fn wait(target: &Path) -> Result<Claim> {
        Claim::taken(target, true)
    }

    fn taken(shown: &Path, is_waiting: bool) -> Result<Claim> {
        let target = resolved(shown)?;
        let lock = lock(&sibling(&target, "lock")?, shown, is_waiting)?;
        let claim = Claim { shown: shown.to_owned(), target, lock };
        claim.restore()?;
        if claim.lock.is_some() {
            claim.remove_leftovers()?;
        }
        Ok(claim)
    }

    /// The target, as it was named.
    pub fn path(&self) -> &Path {
        &self.shown
    }

    /// A hidden file or folder beside the target.
    ///
    /// # Panics
    /// Never: a claimed target has a name.
    pub fn beside(&self, what: &str) -> PathBuf {
        sibling(&self.target, what).expect("a claimed target has a name")
    }

    /// Puts a folder in the place of the target: `fill` writes into an empty one, or, with `keep`, into one that holds
    /// already what the target holds under the names that `keep` takes.
    ///
    /// # Errors
    /// Those of `fill`, and whatever cannot be written. The target is then as before.
    pub fn replace_folder(
        &self,
        keep: impl Fn(&str) -> bool,
        fill: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<()> {
        let staged = self.beside(&unique());
        let made = step().and_then(|()| fs::create_dir(&staged)).map_err(Error::io(&self.shown, "write"));
        let replaced = made
            .and_then(|()| if self.target.is_dir() { link_all(&self.target, &staged, &keep) } else { Ok(()) })
            .and_then(|()| fill(&staged))
            .and_then(|()| sync_all(&staged))
            .and_then(|()| self.swap(&staged));
        if replaced.is_err() {
            let _ = remove(&staged);
        }
        replaced.map_err(|error| error.at_path(&staged, &self.shown))
    }

    /// Puts the staged folder in the place of the target.
    fn swap(&self, staged: &Path) -> Result<()> {
        let (target, old) = (&self.target, self.beside("old"));
        let is_there = fs::symlink_metadata(target).is_ok();
        if is_there {
            rename(target, &old)?;
        }
        if let Err(error) = rename(staged, target) {
            if is_there {
                let _ = rename(&old, target);
            }
            return Err(error);
        }
        let synced = sync_folder_of(target);
        // What cannot be removed now goes when the target is claimed next.
        let _ = remove(&old);
        synced
    }

    /// Puts back what had been moved aside by a process that died before the new was in its place.
    fn restore(&self) -> Result<()> {
        let old = self.beside("old");
        if self.target.exists() || !old.is_dir() {
            return Ok(());
        }
        rename(&old, &self.target)
    }

    /// Removes what processes left that died.
    fn remove_leftovers(&self) -> Result<()> {
        if self.beside("old").is_dir() {
            remove(&self.beside("old"))?;
        }
        let name = self.target.file_name().unwrap_or_default().to_string_lossy();
        let folder = folder_of(&self.target);
        for path in entries(folder)? {
            let other = path.file_name().unwrap_or_default().to_string_lossy();
            let middle = other.strip_prefix('.').and_then(|rest| rest.strip_prefix(&*name));
            let middle = middle.and_then(|rest| rest.strip_suffix(".staged"));
            if middle.is_some_and(|middle| {
                middle.starts_with('.') && middle.bytes().all(|b| b".-0123456789".contains(&b))
            }) {
                remove(&path)?;
            }
        }
        Ok(())
    }
}

impl Drop for Claim {
    /// The lock's file goes while the lock is held: who opens it meanwhile sees that it has gone.
    fn drop(&mut self) {
        if cfg!(unix) && self.lock.is_some() && step().is_ok() {
            let _ = fs::remove_file(self.beside("lock"));
        }
    }
}

/// Puts files in the places of claimed ones: all are brought to the disk before the first takes its place, in this order.
///
/// # Errors
/// Whatever cannot be written; unless a renaming fails, all are then as before.
pub fn replace_files(files: &[(&Claim, &[u8])]) -> Result<()> {
    let staged: Vec<PathBuf> = files.iter().map(|(claim, _)| claim.beside(&unique())).collect();
    let stage = |((claim, bytes), staged): (&(&Claim, &[u8]), &PathBuf)| {
        write(staged, bytes).and_then(|()| sync(staged)).map_err(|error| error.at_path(staged, &claim.shown))
    };
    let put = |((claim, _), staged): (&(&Claim, &[u8]), &PathBuf)| {
        rename(staged, &claim.target).and_then(|()| sync_folder_of(&claim.target))
    };
    let all = || files.iter().zip(&staged);
    let replaced = all().try_for_each(stage).and_then(|()| all().try_for_each(put));
    if replaced.is_err() {
        staged.iter().for_each(|staged| drop(remove(staged)));
    }
    replaced
}

/// Replaces files, each of which is claimed for the moment.
///
/// # Errors
/// As [`replace_files`].
pub fn put_files<P: AsRef<Path>>(files: &[(P, Vec<u8>)]) -> Result<()> {
    let claims = files.iter().map(|(path, _)| Claim::wait(path.as_ref())).collect::<Result<Vec<_>>>()?;
    let files: Vec<(&Claim, &[u8])> =
        claims.iter().zip(files).map(|(claim, (_, bytes))| (claim, &bytes[..])).collect();
    replace_files(&files)
}

/// Puts a folder back that a process had moved aside to replace it, and died; elsewhere does nothing.
///
/// # Errors
/// Another process is replacing the folder now, or it cannot be put back.
pub(crate) fn restore(folder: &Path) -> Result<()> {
    if folder.exists() || sibling(folder, "old").is_ok_and(|old| !old.is_dir()) {
        return Ok(());
    }
    Claim::new(folder).map(drop)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Where a target is or will be; the folders around it are made.
fn resolved(target: &Path) -> Result<PathBuf> {
    if let Ok(found) = fs::canonicalize(target) {
        return Ok(found);
    }
    let name = target.file_name().ok_or_else(|| Error::file(target, "is no name for a file or a folder"))?;
    let folder = folder_of(target);
    step().and_then(|()| fs::create_dir_all(folder)).map_err(Error::io(target, "write"))?;
    Ok(canonical(folder)?.join(name))
}

/// A hidden file or folder beside a target, which need not be there, whatever links lead to it.
pub fn beside(target: &Path, what: &str) -> PathBuf {
    let target = fs::canonicalize(target).unwrap_or_else(|_| target.to_owned());
    sibling(&target, what).unwrap_or_else(|_| target.join(what))
}

/// A hidden file or folder beside another one, on the same file system.
fn sibling(path: &Path, what: &str) -> Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| Error::file(path, "is no name for a file or a folder"))?;
    Ok(path.with_file_name(format!(".{}.{what}", name.to_string_lossy())))
}

/// A name that no other process, on this machine or on another one with the same folder, and no other thread of this one gives at
/// the same time. Numbers of processes are not enough: in containers all are 1.
fn unique() -> String {
    static N_GIVEN: AtomicUsize = AtomicUsize::new(0);
    static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(std::process::id()));
    let (process, number) = (std::process::id(), N_GIVEN.fetch_add(1, Ordering::Relaxed));
    format!("{process}-{}-{number}.staged", *PROCESS)
}

/// Locks a target by the file at `path`, which is made where it is not there; `None` on a file system without locks.
fn lock(path: &Path, target: &Path, is_waiting: bool) -> Result<Option<fs::File>> {
    let fault = || Error::io(target, "write");
    loop {
        let file = step()
            .and_then(|()| fs::OpenOptions::new().write(true).create(true).truncate(false).open(path))
            .map_err(fault())?;
        let locked = match is_waiting {
            true => file.lock().map_err(fs::TryLockError::Error),
            false => file.try_lock(),
        };
        match locked {
            // Its last holder may have removed it since it was opened.
            Ok(()) if is_at(&file, path) => return Ok(Some(file)),
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                let problem = "is being written by another run; wait for its end, or choose another `--out`";
                return Err(Error::file(target, problem));
            }
            Err(fs::TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                let _ = fs::remove_file(path);
                return Ok(None);
            }
            Err(fs::TryLockError::Error(error)) => return Err(fault()(error)),
        }
    }
}

#[cfg(unix)]
fn is_at(file: &fs::File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let known = |file: fs::Metadata| (file.dev(), file.ino());
    file.metadata().is_ok_and(|own| fs::metadata(path).is_ok_and(|there| known(own) == known(there)))
}

#[cfg(not(unix))]
fn is_at(_: &fs::File, _: &Path) -> bool {
    true
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    step().and_then(|()| fs::rename(from, to)).map_err(Error::io(to, "replace"))
}

/// Gives the files of a folder a second name in another one, or copies them where there are no second names.
fn link_all(from: &Path, to: &Path, keep: &dyn Fn(&str) -> bool) -> Result<()> {
    for path in entries(from)? {
        let name = path.file_name().unwrap_or_default();
        let new = to.join(name);
        if !keep(&name.to_string_lossy()) {
            continue;
        }
        if path.is_dir() && !path.is_symlink() {
            create_folder(&new)?;
            link_all(&path, &new, &|_| true)?;
        } else {
            let linked =
                step().and_then(|()| fs::hard_link(&path, &new).or_else(|_| fs::copy(&path, &new).map(drop)));
            linked.map_err(Error::io(&new, "write"))?;
        }
    }
    Ok(())
}

/// Brings a folder with all that is in it to the disk. Several files at a time, which a disk takes as one.
fn sync_all(folder: &Path) -> Result<()> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    let mut at = 0;
    while let Some(folder) = folders.get(at).cloned() {
        for path in entries(&folder)?.into_iter().filter(|path| !path.is_symlink()) {
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
        at += 1;
    }
    files.par_iter().try_for_each(|path| sync(path))?;
    folders.iter().try_for_each(|folder| sync_folder(folder))
}

fn sync(path: &Path) -> Result<()> {
    let file = step().and_then(|()| fs::OpenOptions::new().write(true).open(path));
    file.and_then(|file| file.sync_all()).map_err(Error::io(path, "write"))
}

/// Folders cannot be opened everywhere; where they can, a renaming is not sure before its folder is on the disk.
fn sync_folder(folder: &Path) -> Result<()> {
    let synced = step().and_then(|()| if cfg!(unix) { fs::File::open(folder)?.sync_all() } else { Ok(()) });
    synced.map_err(Error::io(folder, "write"))
}

fn sync_folder_of(path: &Path) -> Result<()> {
    let folder = folder_of(path);
    sync_folder(folder).map_err(|error| error.at_path(folder, path))
}
