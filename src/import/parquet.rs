//! Rows of Parquet files, as any type that serde fills; what is nested stays nested, and integers stay integers.
//!
//! Pages packed by Snappy and LZ4 are unpacked by the crate, those packed by gzip and Zstandard here, within the bounds of
//! every other packed file. Columns of types that hold no text, number, or list of such (intervals, variants) are left out.

use std::cell::Cell;
use std::fmt::Display;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use parquet::basic::ConvertedType as Kind;
use parquet::basic::{Compression, Repetition, Type as Physical};
use parquet::bloom_filter::Sbbf;
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{
    ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData,
};
use parquet::file::reader::{ChunkReader, Length, RowGroupReader};
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::record::reader::{RowIter, TreeBuilder};
use parquet::record::{Field, Row};
use parquet::schema::types::{SchemaDescPtr, SchemaDescriptor, Type, TypePtr};
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::source::{Progress, Sources, Zstandard, limited};
use crate::error::{Error, Result};
use crate::fs;

/// Values that are decoded ahead in each column; texts may be long.
const N_AHEAD: usize = 64;

/// How Parquet begins.
const MAGIC: &[u8] = b"PAR1";

/// Whether a file begins as Parquet does, whatever its name.
pub(super) fn is_parquet(path: &Path) -> bool {
    let mut head = [0; 4];
    fs::open(path).is_ok_and(|mut file| file.read_exact(&mut head).is_ok()) && head == *MAGIC
}

/// The names of the outermost columns.
///
/// # Errors
/// A damaged file.
pub(super) fn columns(sources: &Sources<'_>, path: &Path) -> Result<Vec<String>> {
    let (_, metadata) = opened(sources, path)?;
    Ok(metadata.file_metadata().schema().get_fields().iter().map(|field| field.name().to_owned()).collect())
}

/// The file, and what its end says of it.
fn opened(sources: &Sources<'_>, path: &Path) -> Result<(Arc<Chunks>, ParquetMetaData)> {
    let file = Arc::new(Chunks::of(sources.open_binary(path, MAGIC)?).map_err(Error::io(path, "read"))?);
    let metadata = guarded(|| ParquetMetaDataReader::new().parse_and_finish(&*file));
    Ok((file, metadata.map_err(|error| damaged(path, &error))?))
}

fn damaged(path: &Path, problem: &dyn Display) -> Error {
    Error::file(path, format!("is no whole Parquet file: {problem}"))
}

/// Calls `each` with every row and its number, counted from 0.
///
/// # Errors
/// A damaged file; pages packed in a way that is not known; rows of another shape; whatever `each` finds.
pub(super) fn rows<T: DeserializeOwned>(
    sources: &Sources<'_>,
    path: &Path,
    mut each: impl FnMut(usize, T) -> Result<()>,
) -> Result<()> {
    let (file, metadata) = opened(sources, path)?;
    let damaged = |problem: &dyn Display| damaged(path, problem);
    check_packing(path, &metadata)?;
    let schema = readable(&metadata).map_err(|problem| damaged(&problem))?;
    let mut number = 0;
    for row_group in metadata.row_groups() {
        let group = RowGroup { file: &file, metadata: row_group };
        let tree = TreeBuilder::new().with_batch_size(N_AHEAD);
        let mut rows =
            guarded(|| tree.as_iter(Arc::clone(&schema), &group)).map_err(|error| damaged(&error))?;
        while let Some(row) = guarded(|| rows.next().transpose()).map_err(|error| damaged(&error))? {
            let value = T::deserialize(RowValue(&row)).map_err(|error| {
                Error::file(path, format!("record {number} (from 0): is not what it should be: {error}"))
            })?;
            each(number, value)?;
            number += 1;
        }
        sources.say(Progress::Bytes(row_group.compressed_size().try_into().unwrap_or(0)));
    }
    Ok(())
}

thread_local! {
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic of this thread becomes an error about a damaged file, so that no hook need speak of it.
pub fn panics_are_faults() -> bool {
    IS_GUARDED.get()
}

/// Calls the crate, which panics at levels that do not fit their column, as a damaged page has them.
fn guarded<T>(call: impl FnOnce() -> ParquetResult<T>) -> ParquetResult<T> {
    IS_GUARDED.set(true);
    let called = catch_unwind(AssertUnwindSafe(call));
    IS_GUARDED.set(false);
    called.unwrap_or_else(|_| Err(ParquetError::General("a page does not fit its column".into())))
}

/// Refuses pages that nothing here unpacks, before anything is read.
fn check_packing(path: &Path, metadata: &ParquetMetaData) -> Result<()> {
    let mut chunks = metadata.row_groups().iter().flat_map(RowGroupMetaData::columns);
    let unknown =
        chunks.find(|chunk| matches!(chunk.compression(), Compression::BROTLI(_) | Compression::LZO));
    let Some(chunk) = unknown else { return Ok(()) };
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    Err(Error::file(
        path,
        format!(
            "is packed by {}, which is not read here; pack it otherwise: python3 -c \"import pandas; pandas.read_parquet('{name}').to_parquet('snappy-{name}', compression='snappy')\"",
            chunk.compression()
        ),
    ))
}

/// The schema without columns that cannot be read.
fn readable(metadata: &ParquetMetaData) -> std::result::Result<SchemaDescPtr, String> {
    let root = metadata.file_metadata().schema();
    let fields: Vec<TypePtr> = root.get_fields().iter().filter(|field| is_readable(field)).cloned().collect();
    if fields.is_empty() {
        return Err("it has no column of texts or numbers".into());
    }
    let root = Type::group_type_builder(root.name()).with_fields(fields).build();
    Ok(Arc::new(SchemaDescriptor::new(Arc::new(root.map_err(|error| error.to_string())?))))
}

/// Whether the crate makes rows of a column; it panics at those that it does not.
fn is_readable(field: &Type) -> bool {
    let info = field.get_basic_info();
    if !info.has_repetition() {
        return false;
    }
    let converted = info.converted_type();
    if field.is_primitive() {
        return matches!(
            (field.get_physical_type(), converted),
            (Physical::INT32 | Physical::INT64 | Physical::BYTE_ARRAY, Kind::NONE | Kind::DECIMAL)
                | (Physical::FIXED_LEN_BYTE_ARRAY, Kind::NONE | Kind::DECIMAL)
                | (Physical::BYTE_ARRAY, Kind::UTF8 | Kind::ENUM | Kind::JSON | Kind::BSON)
                | (
                    Physical::INT32,
                    Kind::INT_8 | Kind::INT_16 | Kind::INT_32 | Kind::DATE | Kind::TIME_MILLIS
                )
                | (Physical::INT32, Kind::UINT_8 | Kind::UINT_16 | Kind::UINT_32)
                | (Physical::INT64, Kind::INT_64 | Kind::UINT_64 | Kind::TIME_MICROS)
                | (Physical::INT64, Kind::TIMESTAMP_MILLIS | Kind::TIMESTAMP_MICROS)
                | (Physical::BOOLEAN | Physical::FLOAT | Physical::DOUBLE | Physical::INT96, _)
        );
    }
    let fields = field.get_fields();
    let is_of = |field: &Type, repetition| {
        field.get_basic_info().has_repetition() && field.get_basic_info().repetition() == repetition
    };
    let is_shaped = match converted {
        Kind::LIST => fields.len() == 1 && is_of(&fields[0], Repetition::REPEATED),
        Kind::MAP | Kind::MAP_KEY_VALUE => {
            let entry = fields.first().filter(|entry| fields.len() == 1 && !entry.is_primitive());
            entry.is_some_and(|entry| {
                is_of(entry, Repetition::REPEATED) && (1..=2).contains(&entry.get_fields().len())
            })
        }
        _ => !fields.is_empty(),
    };
    is_shaped && fields.iter().all(|field| is_readable(field))
}

/// A file of which any part can be read.
struct Chunks {
    file: Arc<Mutex<fs::Input>>,
    n_bytes: u64,
}

/// A file from a place on.
struct FileFrom {
    file: Arc<Mutex<fs::Input>>,
    at: u64,
}

impl Chunks {
    fn of(file: fs::Input) -> io::Result<Self> {
        let n_bytes = file.n_bytes()?;
        Ok(Chunks { file: Arc::new(Mutex::new(file)), n_bytes })
    }
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.n_bytes
    }
}

impl ChunkReader for Chunks {
    type T = BufReader<FileFrom>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(BufReader::new(FileFrom { file: Arc::clone(&self.file), at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        if self.n_bytes < start.saturating_add(length as u64) {
            return Err(ParquetError::EOF("a page ends behind the file".into()));
        }
        let mut bytes = vec![0; length];
        FileFrom { file: Arc::clone(&self.file), at: start }.read_exact(&mut bytes)?;
        Ok(bytes.into())
    }
}

impl Read for FileFrom {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(self.at))?;
        let n_bytes = file.read(buffer)?;
        self.at += n_bytes as u64;
        Ok(n_bytes)
    }
}

/// Columns of some neighbouring rows.
struct RowGroup<'a> {
    file: &'a Arc<Chunks>,
    metadata: &'a RowGroupMetaData,
}

impl RowGroupReader for RowGroup<'_> {
    fn metadata(&self) -> &RowGroupMetaData {
        self.metadata
    }

    fn num_columns(&self) -> usize {
        self.metadata.num_columns()
    }

    fn get_column_page_reader(&self, column: usize) -> ParquetResult<Box<dyn PageReader>> {
        let (chunk, n_rows) = (self.metadata.column(column), self.metadata.num_rows().try_into()?);
        let pages = |chunk: &ColumnChunkMetaData| {
            SerializedPageReader::new(Arc::clone(self.file), chunk, n_rows, None)
        };
        match chunk.compression() {
            packing @ (Compression::GZIP(_) | Compression::ZSTD(_)) => {
                // Read as if they were not packed, pages come as they lie in the file.
                let plain =
                    chunk.clone().into_builder().set_compression(Compression::UNCOMPRESSED).build()?;
                let is_gzip = matches!(packing, Compression::GZIP(_));
                Ok(Box::new(PackedPages { pages: pages(&plain)?, is_gzip }))
            }
            _ => Ok(Box::new(pages(chunk)?)),
        }
    }

    fn get_column_bloom_filter(&self, _column: usize) -> Option<&Sbbf> {
        None
    }

    fn get_row_iter(&self, projection: Option<Type>) -> ParquetResult<RowIter<'_>> {
        RowIter::from_row_group(projection, self)
    }
}

/// Unpacks pages; gzip, else Zstandard.
struct PackedPages {
    pages: SerializedPageReader<Chunks>,
    is_gzip: bool,
}

impl PackedPages {
    /// What follows the first `n_plain` bytes is packed.
    fn unpacked(&self, bytes: &[u8], n_plain: usize) -> ParquetResult<Vec<u8>> {
        let (plain, packed) = bytes
            .split_at_checked(n_plain)
            .ok_or_else(|| ParquetError::General("a page is shorter than its levels".into()))?;
        let mut unpacked = plain.to_vec();
        let n_bytes = packed.len() as u64;
        if packed.is_empty() {
            return Ok(unpacked);
        }
        let read = if self.is_gzip {
            limited(flate2::read::MultiGzDecoder::new(packed), n_bytes).read_to_end(&mut unpacked)
        } else {
            limited(Zstandard::new(packed), n_bytes).read_to_end(&mut unpacked)
        };
        read.map(|_| unpacked).map_err(|error| ParquetError::General(error.to_string()))
    }
}

impl PageReader for PackedPages {
    fn get_next_page(&mut self) -> ParquetResult<Option<Page>> {
        let Some(mut page) = self.pages.get_next_page()? else { return Ok(None) };
        match &mut page {
            Page::DataPage { buf, .. } | Page::DictionaryPage { buf, .. } => {
                *buf = self.unpacked(buf, 0)?.into();
            }
            Page::DataPageV2 {
                buf, def_levels_byte_len, rep_levels_byte_len, is_compressed: true, ..
            } => {
                let n_plain = (*def_levels_byte_len as usize).saturating_add(*rep_levels_byte_len as usize);
                *buf = self.unpacked(buf, n_plain)?.into();
            }
            Page::DataPageV2 { .. } => {}
        }
        Ok(Some(page))
    }

    fn peek_next_page(&mut self) -> ParquetResult<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> ParquetResult<()> {
        self.pages.skip_next_page()
    }
}

impl Iterator for PackedPages {
    type Item = ParquetResult<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

type Fault = serde::de::value::Error;

/// A row, or a nested one, for serde.
struct RowValue<'a>(&'a Row);

impl<'de> Deserializer<'de> for RowValue<'_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> std::result::Result<V::Value, Fault> {
        let columns = self.0.get_column_iter().map(|(name, field)| (name.as_str(), FieldValue(field)));
        visitor.visit_map(MapDeserializer::new(columns))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// A field, for serde.
#[derive(Clone, Copy)]
struct FieldValue<'a>(&'a Field);

impl<'de> IntoDeserializer<'de, Fault> for FieldValue<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for FieldValue<'_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> std::result::Result<V::Value, Fault> {
        match self.0 {
            Field::Null => visitor.visit_unit(),
            Field::Bool(value) => visitor.visit_bool(*value),
            Field::Byte(value) => visitor.visit_i64((*value).into()),
            Field::Short(value) => visitor.visit_i64((*value).into()),
            Field::Int(value) | Field::Date(value) | Field::TimeMillis(value) => {
                visitor.visit_i64((*value).into())
            }
            Field::Long(value)
            | Field::TimeMicros(value)
            | Field::TimestampMillis(value)
            | Field::TimestampMicros(value) => visitor.visit_i64(*value),
            Field::UByte(value) => visitor.visit_u64((*value).into()),
            Field::UShort(value) => visitor.visit_u64((*value).into()),
            Field::UInt(value) => visitor.visit_u64((*value).into()),
            Field::ULong(value) => visitor.visit_u64(*value),
            Field::Float16(value) => visitor.visit_f64(value.to_f64()),
            Field::Float(value) => visitor.visit_f64((*value).into()),
            Field::Double(value) => visitor.visit_f64(*value),
            Field::Decimal(value) => match decimal(value.data(), value.scale()) {
                Some(number) => visitor.visit_f64(number),
                None => visitor.visit_unit(),
            },
            Field::Str(text) => visitor.visit_str(text),
            // Writers that know no types call texts bytes; pictures are none.
            Field::Bytes(bytes) => match std::str::from_utf8(bytes.data()) {
                Ok(text) => visitor.visit_str(text),
                Err(_) => visitor.visit_unit(),
            },
            Field::Group(row) => RowValue(row).deserialize_any(visitor),
            Field::ListInternal(list) => {
                visitor.visit_seq(SeqDeserializer::new(list.elements().iter().map(FieldValue)))
            }
            Field::MapInternal(map) => {
                let entries = map.entries().iter().map(|(key, value)| (FieldValue(key), FieldValue(value)));
                visitor.visit_map(MapDeserializer::new(entries))
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> std::result::Result<V::Value, Fault> {
        if matches!(self.0, Field::Null) { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> std::result::Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier
    }
}

/// The number of a big-endian two's complement integer over a power of ten; none beyond 128 bits.
fn decimal(bytes: &[u8], scale: i32) -> Option<f64> {
    let first = bytes.first()?;
    let filler = if first & 0x80 == 0 { 0 } else { 0xff };
    let mut wide = [filler; 16];
    wide.get_mut(16_usize.checked_sub(bytes.len())?..)?.copy_from_slice(bytes);
    Some(i128::from_be_bytes(wide) as f64 / 10_f64.powi(scale))
}
