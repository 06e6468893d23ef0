//! The two shapes of Inspect's logs: `.json`, one object whose samples are an array that may be large, and `.eval`, a zip
//! archive with `header.json` and `samples/ID_epoch_N.json`, packed by deflate or Zstandard.

use std::fmt;
use std::io::{BufReader, Read};
use std::marker::PhantomData;
use std::path::Path;

use flate2::CrcReader;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use zip::{CompressionMethod, ZipArchive};

use super::inspect::{Eval, LogFacts, Results, Sample, is_void};
use super::json::{Elements, Scalar, deserializer, fault, whole};
use super::source::{At, Budget, Input, Progress, Sources, Zstandard, limited};
use crate::error::{Error, Result};
use crate::fs;

/// What is called with every sample, where it stands, and what its log says of all.
type EachSample<'a> = dyn FnMut(&LogFacts, At, Result<Sample>) -> Result<()> + 'a;

/// Calls `each` with every sample.
///
/// # Errors
/// A file that is no such log; whatever `each` finds.
pub(super) fn each_of_json(path: &Path, sources: &Sources<'_>, each: &mut EachSample<'_>) -> Result<()> {
    let input = sources.open(path)?.of_long_records();
    let budget = input.budget();
    let mut found = None;
    let mut deserializer = deserializer(input);
    let visitor = LogVisitor { path, each, budget: &budget, found: &mut found };
    let read = deserializer.deserialize_map(visitor).and_then(|()| deserializer.end());
    match (found, read) {
        (Some(error), _) => Err(error),
        (None, Err(error)) => Err(fault(path, &error)),
        (None, Ok(())) => Ok(()),
    }
}

struct LogVisitor<'a> {
    path: &'a Path,
    each: &'a mut EachSample<'a>,
    budget: &'a Budget,
    found: &'a mut Option<Error>,
}

impl LogVisitor<'_> {
    /// Leaves a fault to be found, and what ends the reading.
    fn refused<E: serde::de::Error>(self, problem: impl Into<String>) -> E {
        *self.found = Some(Error::file(self.path, problem));
        E::custom("stopped")
    }
}

impl<'de> Visitor<'de> for LogVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an Inspect log")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<(), A::Error> {
        let (mut eval, mut results, mut has_samples) = (None, None, false);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "status" => {
                    if let Some(problem) = is_void(map.next_value::<Scalar>()?.text().as_deref()) {
                        return Err(self.refused(problem));
                    }
                }
                "eval" => eval = Some(map.next_value::<Eval>()?),
                "results" => results = map.next_value::<Option<Results>>()?,
                "samples" => {
                    // Inspect writes them last.
                    let Some(eval) = eval.take() else {
                        return Err(self.refused("has `samples` before `eval`"));
                    };
                    let facts = LogFacts::new(eval, results.take());
                    let each = &mut *self.each;
                    let mut of_element =
                        |number: usize, sample: Sample| each(&facts, At::Record(number), Ok(sample));
                    map.next_value_seed(Elements {
                        each: &mut of_element,
                        budget: self.budget,
                        found: self.found,
                        kind: PhantomData,
                    })?;
                    has_samples = true;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            self.budget.renew();
        }
        if has_samples {
            Ok(())
        } else {
            Err(self.refused("has no `samples`: not the log of a finished run of Inspect"))
        }
    }
}

/// Both name the task and the model; the second stands alone in the log of a run that was stopped.
const HEADERS: [&str; 2] = ["header.json", "_journal/start.json"];

/// Calls `each` with every sample.
///
/// # Errors
/// A file that is no such archive, is damaged, or unpacks to far more than its size; whatever `each` finds.
pub(super) fn each_of_zip(path: &Path, sources: &Sources<'_>, each: &mut EachSample<'_>) -> Result<()> {
    let file = sources.open_raw(path)?;
    let n_bytes = file.n_bytes().map_err(Error::io(path, "read"))?;
    let mut archive = ZipArchive::new(BufReader::new(file))
        .map_err(|error| Error::file(path, format!("is no whole zip archive: {error}")))?;
    // A name in no known encoding is nobody's sample.
    let names: Vec<String> = archive.file_names().filter_map(|name| Some(name.ok()?.into_owned())).collect();
    let Some(header) = HEADERS.iter().find(|header| names.iter().any(|name| name == *header)) else {
        return Err(Error::file(path, "holds no `header.json`: not an Inspect log"));
    };
    let header: Header = member(path, &mut archive, header)?;
    if let Some(problem) = is_void(header.status.as_deref()) {
        return Err(Error::file(path, problem));
    }
    let facts = LogFacts::new(header.eval, header.results);
    let mut samples: Vec<&String> =
        names.iter().filter(|name| name.starts_with("samples/") && name.ends_with(".json")).collect();
    samples.sort();
    samples.dedup();
    for name in samples {
        each(&facts, At::File, member(path, &mut archive, name))?;
    }
    sources.say(Progress::Bytes(n_bytes));
    Ok(())
}

#[derive(serde::Deserialize)]
struct Header {
    eval: Eval,
    #[serde(default)]
    results: Option<Results>,
    #[serde(default)]
    status: Option<String>,
}

/// Reads a member as JSON.
fn member<T: serde::de::DeserializeOwned>(
    path: &Path,
    archive: &mut ZipArchive<BufReader<fs::Input>>,
    name: &str,
) -> Result<T> {
    let inner = path.join(name);
    let (mut stream, checksum) = open_member(path, archive, name)?;
    let value = whole(Input::new(&inner, &mut stream)?.of_long_records())?;
    if stream.crc().sum() != checksum {
        return Err(Error::file(&inner, "is damaged: its checksum differs"));
    }
    Ok(value)
}

/// The unpacked bytes of a member and the checksum that they should have. The archive hands over its bytes as they lie, and
/// they are unpacked here, since its crate brings Zstandard only as a C library.
///
/// # Errors
/// A member that is not there, or is packed in a way that is not known.
pub(super) fn open_member<'a>(
    path: &Path,
    archive: &'a mut ZipArchive<BufReader<fs::Input>>,
    name: &str,
) -> Result<(CrcReader<Box<dyn Read + 'a>>, u32)> {
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
    Ok((CrcReader::new(Box::new(limited(unpacked, n_packed))), checksum))
}
