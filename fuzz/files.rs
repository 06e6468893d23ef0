//! Good files to start from. What is packed or under a digest is changed inside and packed again, or no change would get far.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use llm_bandit::fuzzing::sealed_router;

use crate::mutate::{Random, mutate};

/// What lies around a content.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Packing {
    Plain,
    Gzip,
    /// Members one after another, each behind a line with [`MEMBER`] and its name.
    Zip,
    /// A router's file, whose digest is that of its content.
    Router,
}

/// Before the name of a member.
const MEMBER: &str = "\n--- ";

/// A file of a seed.
#[derive(Clone)]
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) content: Vec<u8>,
    pub(crate) packing: Packing,
}

impl File {
    pub(crate) fn new(name: &str, content: impl Into<Vec<u8>>) -> File {
        File { name: name.to_owned(), content: content.into(), packing: Packing::Plain }
    }

    /// A file as it lies on the disk, unpacked where it is gzip or a zip archive.
    fn read(name: String, bytes: Vec<u8>) -> File {
        let unpacked = |stream: &mut dyn std::io::Read| {
            let mut content = Vec::new();
            stream.read_to_end(&mut content).expect("a seed is whole");
            content
        };
        let (content, packing) = match bytes.as_slice() {
            [0x1f, 0x8b, ..] => (unpacked(&mut flate2::read::GzDecoder::new(&bytes[..])), Packing::Gzip),
            [b'P', b'K', 3, 4, ..] => match members(&bytes) {
                Some(content) => (content, Packing::Zip),
                None => (bytes, Packing::Plain),
            },
            _ => (bytes, Packing::Plain),
        };
        File { name, content, packing }
    }

    fn packed(&self, content: Vec<u8>) -> Vec<u8> {
        match self.packing {
            Packing::Plain => content,
            Packing::Gzip => gzip(&content),
            Packing::Zip => archive(&content),
            Packing::Router => sealed_router(&content).unwrap_or(content),
        }
    }
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
    encoder.write_all(content).and_then(|()| encoder.finish()).expect("writing into memory does not fail")
}

/// The members of an archive as one content; none where one is packed in a way that is not read here.
fn members(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).ok()?;
    let mut content = Vec::new();
    for at in 0..archive.len() {
        let mut member = archive.by_index(at).ok()?;
        content.extend(format!("{MEMBER}{}\n", member.name().ok()?).into_bytes());
        std::io::Read::read_to_end(&mut member, &mut content).ok()?;
    }
    Some(content)
}

fn archive(content: &[u8]) -> Vec<u8> {
    let mark = MEMBER.as_bytes();
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut rest = content;
    while let Some(at) = rest.windows(mark.len()).position(|window| window == mark) {
        rest = &rest[at + mark.len()..];
        let end = rest.windows(mark.len()).position(|window| window == mark).unwrap_or(rest.len());
        let member = &rest[..end];
        let newline = member.iter().position(|&byte| byte == b'\n').unwrap_or(member.len());
        let name = String::from_utf8_lossy(&member[..newline]).into_owned();
        // A name that stands twice is refused by the writer, not by the reader.
        if writer.start_file(name, options).is_ok() {
            writer
                .write_all(member.get(newline + 1..).unwrap_or_default())
                .expect("writing into memory does not fail");
        }
    }
    writer.finish().map(Cursor::into_inner).unwrap_or_default()
}

/// The files below a folder, by path.
pub(crate) fn read_folder(folder: &Path) -> Vec<File> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).expect("a folder of seeds") {
            let path: PathBuf = entry.expect("a seed").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).expect("it lies below").to_string_lossy().into_owned();
            found.push(File::read(name, std::fs::read(&path).expect("a seed")));
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// One input: a seed, and what is there in the place of some of its files; nothing where a file is gone.
pub(crate) struct Input {
    pub(crate) seed: usize,
    pub(crate) changed: Vec<(usize, Option<Vec<u8>>)>,
}

impl Input {
    /// The input of that number.
    pub(crate) fn new(seeds: &[Vec<File>], words: &[Vec<u8>], random: &mut Random) -> Input {
        let seed = random.below(seeds.len());
        let files = &seeds[seed];
        let n_changed = if random.is_one_in(8) { 2 } else { 1 };
        let mut changed: Vec<(usize, Option<Vec<u8>>)> = Vec::new();
        for _ in 0..n_changed {
            let at = random.below(files.len());
            if changed.iter().all(|(other, _)| *other != at) {
                changed.push((at, changed_file(files, at, seeds, words, random)));
            }
        }
        Input { seed, changed }
    }
}

fn changed_file(
    files: &[File],
    at: usize,
    seeds: &[Vec<File>],
    words: &[Vec<u8>],
    random: &mut Random,
) -> Option<Vec<u8>> {
    if files.len() > 1 && random.is_one_in(50) {
        return None;
    }
    let file = &files[at];
    let others = &seeds[random.below(seeds.len())];
    let other = &others[random.below(others.len())].content;
    if random.is_one_in(100) {
        return Some(other.clone());
    }
    let mut content = file.content.clone();
    if file.packing != Packing::Plain && random.is_one_in(16) {
        content = file.packed(content);
        mutate(random, &mut content, other, words);
        return Some(content);
    }
    mutate(random, &mut content, other, words);
    let bytes = file.packed(content);
    Some(if file.packing == Packing::Plain && random.is_one_in(64) { gzip(&bytes) } else { bytes })
}

/// The folder of a seed as it lies on the disk.
pub(crate) struct Laid<'a> {
    folder: PathBuf,
    files: &'a [File],
    /// What is not as in the seed.
    changed: Vec<usize>,
}

impl<'a> Laid<'a> {
    pub(crate) fn new(folder: PathBuf, files: &'a [File]) -> Laid<'a> {
        let mut laid = Laid { folder, files, changed: (0..files.len()).collect() };
        laid.change(&[]);
        laid
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Puts files in the place of those of the seed, and those back that were changed before.
    pub(crate) fn change(&mut self, changed: &[(usize, Option<Vec<u8>>)]) {
        for at in std::mem::take(&mut self.changed) {
            if changed.iter().all(|(other, _)| *other != at) {
                self.put(at, Some(&self.files[at].packed(self.files[at].content.clone())));
            }
        }
        for (at, bytes) in changed {
            self.put(*at, bytes.as_deref());
            self.changed.push(*at);
        }
    }

    fn put(&self, at: usize, bytes: Option<&[u8]>) {
        let path = self.folder.join(&self.files[at].name);
        match bytes {
            Some(bytes) => {
                std::fs::create_dir_all(path.parent().expect("a folder")).expect("room for inputs");
                std::fs::write(path, bytes).expect("room for inputs");
            }
            None => drop(std::fs::remove_file(path)),
        }
    }
}
