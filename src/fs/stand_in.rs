//! What stands where a file of text should: known by its first bytes, whatever its name, and told with the way out.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;

/// Bytes by which [`stand_in`] knows a file.
pub const N_HEAD_BYTES: usize = 64;

/// What to say of bytes that are no text in UTF-8.
pub const NOT_UTF8: &str = "is not UTF-8 (perhaps Latin-1, as older spreadsheets write); save it as UTF-8";

/// What the text is that a checkout without Git LFS has in the place of a large file.
const LFS_POINTER: &[u8] = b"version https://git-lfs";

/// Why a file that begins with `head` is no file of text; `None` where nothing speaks against it.
pub fn stand_in(path: &Path, head: &[u8]) -> Option<String> {
    let head = &head[..head.len().min(N_HEAD_BYTES)];
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    match head {
        [0x80, 2..=5, ..] => Some(format!(
            "is a pickle, which is a program and is never run here; if you trust it: python3 -c \"import pandas; pandas.read_pickle('{name}').to_csv('{stem}.csv', index=False)\""
        )),
        [b'P', b'A', b'R', b'1', ..] => Some(format!(
            "is Parquet, which `import` reads for `table`, `pairs`, `lm-eval`, `lighteval`, and `logs`; as lines of JSON: python3 -c \"import pandas; pandas.read_parquet('{name}').to_json('{stem}.jsonl', orient='records', lines=True)\""
        )),
        [0xd0, 0xcf, 0x11, 0xe0, ..] => {
            Some("is an old Excel workbook; save its sheet as CSV (UTF-8)".into())
        }
        [b'P', b'K', 3, 4, ..] => Some(of_archive(path)),
        _ if head.starts_with(LFS_POINTER) => Some(lfs_pointer()),
        _ if is_web_page(head) => {
            Some("is a web page and no data: the download failed or asks for a login; fetch it again".into())
        }
        _ => None,
    }
}

/// What the fields of a header really end with, where it is one field and so was meant to end with something else.
pub fn other_delimiter<'a>(mut header: impl Iterator<Item = &'a [u8]>, delimiter: u8) -> Option<char> {
    let only = header.next()?;
    if header.next().is_some() {
        return None;
    }
    let used =
        [b';', b'\t', b'|', b','].into_iter().find(|used| *used != delimiter && only.contains(used))?;
    Some(char::from(used))
}

/// What to say of a table whose fields end with `used`.
pub fn used_instead(path: &Path, used: char) -> String {
    let shown = if used == '\t' { "\\t".to_owned() } else { used.to_string() };
    let decimal = if used == ';' { ", decimal=','" } else { "" };
    let (name, stem) = (path.file_name().unwrap_or_default(), path.file_stem().unwrap_or_default());
    let (name, stem) = (name.to_string_lossy(), stem.to_string_lossy());
    format!(
        "its fields are divided by `{shown}`, not by what its name says; rewrite it: python3 -c \"import pandas; \
         pandas.read_csv('{name}', sep='{shown}'{decimal}).to_csv('{stem}-commas.csv', index=False)\""
    )
}

/// Refuses a file that Git LFS has not yet fetched; leaves the file at its start.
pub(super) fn check(mut file: &File) -> Result<(), String> {
    let mut head = [0; LFS_POINTER.len()];
    let is_pointer = file.read_exact(&mut head).is_ok() && head == *LFS_POINTER;
    let back = file.rewind().map_err(|error| format!("cannot be read: {error}"));
    if is_pointer { Err(lfs_pointer()) } else { back }
}

fn lfs_pointer() -> String {
    "is a Git LFS pointer in the place of the data; run `git lfs pull` in its checkout".into()
}

/// A zip archive is a workbook by what it holds; a path that leads nowhere names the member of another archive.
fn of_archive(path: &Path) -> String {
    let archive = File::open(path).ok().and_then(|file| zip::ZipArchive::new(BufReader::new(file)).ok());
    let names = archive.iter().flat_map(|archive| archive.file_names()).filter_map(Result::ok);
    let is_workbook = |name: &str| name.starts_with("xl/") || name == "content.xml";
    if names.into_iter().any(|name| is_workbook(&name)) {
        "is an Excel or OpenDocument workbook; save its sheet as CSV (UTF-8)".into()
    } else {
        "is a zip archive: unpack it (`import` reads archives as they are for `inspect` and `npz` only)"
            .into()
    }
}

fn is_web_page(head: &[u8]) -> bool {
    let start = String::from_utf8_lossy(head).trim_start().to_lowercase();
    ["<!doctype", "<html", "<?xml", "<head"].iter().any(|tag| start.starts_with(tag))
}
