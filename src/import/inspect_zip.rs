//! `.eval` logs: a zip archive with `header.json`, and `samples/ID_epoch_N.json` packed by deflate or Zstandard.

use std::io::{BufReader, Read};
use std::path::Path;

use flate2::CrcReader;
use zip::{CompressionMethod, ZipArchive};

use super::bounds::limited;
use super::inspect_log::{Eval, LogFacts, Results, Sample};
use super::json::whole;
use super::source::{Input, Progress, Sources};
use super::zstandard::Zstandard;
use crate::error::{Error, Result};

/// Both name the task and the model; the second stands alone in the log of a run that was stopped.
const HEADERS: [&str; 2] = ["header.json", "_journal/start.json"];

/// Calls `each` with every sample.
///
/// # Errors
/// A file that is no such archive, is damaged, or unpacks to far more than its size; whatever `each` finds.
pub(super) fn each_of_zip(
    path: &Path,
    sources: &Sources<'_>,
    each: &mut dyn FnMut(&LogFacts, &str, Sample) -> Result<()>,
) -> Result<()> {
    let file = sources.open_raw(path)?;
    let n_bytes = file.metadata().map_err(Error::io(path, "read"))?.len();
    let mut archive = ZipArchive::new(BufReader::new(file))
        .map_err(|error| Error::file(path, format!("is no whole zip archive: {error}")))?;
    // A name in no known encoding is nobody's sample.
    let names: Vec<String> = archive.file_names().filter_map(|name| Some(name.ok()?.into_owned())).collect();
    let Some(header) = HEADERS.iter().find(|header| names.iter().any(|name| name == *header)) else {
        return Err(Error::file(path, "holds no `header.json`: not an Inspect log"));
    };
    let header: Header = member(path, &mut archive, header)?;
    let facts = LogFacts::new(header.eval, header.results);
    let mut samples: Vec<&String> =
        names.iter().filter(|name| name.starts_with("samples/") && name.ends_with(".json")).collect();
    samples.sort();
    samples.dedup();
    for name in samples {
        each(&facts, name, member(path, &mut archive, name)?)?;
    }
    sources.say(Progress::Bytes(n_bytes));
    Ok(())
}

#[derive(serde::Deserialize)]
struct Header {
    eval: Eval,
    #[serde(default)]
    results: Option<Results>,
}

/// Reads a member as JSON. The archive hands over its bytes as they lie, and they are unpacked here, since its crate brings
/// Zstandard only as a C library.
fn member<T: serde::de::DeserializeOwned>(
    path: &Path,
    archive: &mut ZipArchive<BufReader<std::fs::File>>,
    name: &str,
) -> Result<T> {
    let inner = path.join(name);
    let index = archive.index_for_name(name).ok_or_else(|| Error::file(&inner, "is not there"))?;
    let packed =
        archive.by_index_raw(index).map_err(|error| Error::file(&inner, format!("is damaged: {error}")))?;
    let (n_packed, checksum, method) = (packed.compressed_size(), packed.crc32(), packed.compression());
    let unpacked: Box<dyn Read> = match method {
        CompressionMethod::Stored => Box::new(packed),
        CompressionMethod::DEFLATE => Box::new(flate2::read::DeflateDecoder::new(packed)),
        CompressionMethod::ZSTD => Box::new(Zstandard::new(packed)),
        other => return Err(Error::file(&inner, format!("is packed by {other}, which is not known here"))),
    };
    let mut stream = CrcReader::new(limited(unpacked, n_packed));
    let value = whole(Input::new(&inner, &mut stream)?.of_long_records())?;
    if stream.crc().sum() != checksum {
        return Err(Error::file(&inner, "is damaged: its checksum differs"));
    }
    Ok(value)
}
