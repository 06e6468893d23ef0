//! A table as Parquet, for other programs: texts are UTF-8, numbers doubles or whole, and an empty cell is null.

use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::Result;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::{Type, TypePtr};

use super::{Row, Table};

/// Rows that lie together.
const N_ROWS: usize = 1 << 17;

/// What the columns of a table hold where it is not text. A column's type goes by its name, never by the values that it
/// happens to have: the same column of two files is of one type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Types<'a> {
    /// The columns of numbers.
    pub(crate) numbers: &'a [&'a str],
    /// Those of whole numbers.
    pub(crate) wholes: &'a [&'a str],
}

impl Table {
    /// The rows as a Parquet file, with facts about all of them in its footer. Equal tables give equal bytes.
    ///
    /// # Panics
    /// If a column of numbers holds something else.
    pub(crate) fn parquet(&self, types: Types<'_>, facts: &[(&str, String)]) -> Vec<u8> {
        self.try_parquet(types, facts)
            .expect("writing into memory does not fail, and cells are of their types")
    }

    fn try_parquet(&self, types: Types<'_>, facts: &[(&str, String)]) -> Result<Vec<u8>> {
        let names = || self.columns.iter().map(|column| column.title.as_str());
        let physical = |name: &str| {
            let is_in = |known: &[&str]| known.contains(&name);
            match name {
                _ if is_in(types.numbers) => Physical::DOUBLE,
                _ if is_in(types.wholes) => Physical::INT64,
                _ => Physical::BYTE_ARRAY,
            }
        };
        let field = |name: &str| -> Result<TypePtr> {
            let logical = (physical(name) == Physical::BYTE_ARRAY).then_some(LogicalType::String);
            let builder = Type::primitive_type_builder(name, physical(name)).with_logical_type(logical);
            Ok(Arc::new(builder.with_repetition(Repetition::OPTIONAL).build()?))
        };
        let fields = names().map(field).collect::<Result<Vec<TypePtr>>>()?;
        let schema = Arc::new(Type::group_type_builder("table").with_fields(fields).build()?);
        let facts = facts.iter().map(|(name, fact)| KeyValue::new((*name).to_owned(), fact.clone()));
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by(concat!("llm-bandit ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_key_value_metadata(Some(facts.collect()))
            .build();
        let mut file = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?;
        let rows: Vec<&Row> = self.rows().collect();
        for rows in rows.chunks(N_ROWS) {
            let mut group = file.next_row_group()?;
            for (at, name) in names().enumerate() {
                let Some(column) = group.next_column()? else { break };
                let texts = rows.iter().map(|row| row.cells[at].text.as_str());
                match physical(name) {
                    Physical::DOUBLE => write::<DoubleType>(column, texts, |text| text.parse().ok())?,
                    Physical::INT64 => write::<Int64Type>(column, texts, |text| text.parse().ok())?,
                    _ => write::<ByteArrayType>(column, texts, |text| Some(text.into()))?,
                }
            }
            group.close()?;
        }
        file.into_inner()
    }
}

/// Writes the cells of a column, of which empty ones are null.
fn write<'a, T: DataType>(
    mut column: SerializedColumnWriter<'_>,
    texts: impl Iterator<Item = &'a str> + Clone,
    value: impl Fn(&str) -> Option<T::T>,
) -> Result<()> {
    let levels: Vec<i16> = texts.clone().map(|text| i16::from(!text.is_empty())).collect();
    let written = texts.filter(|text| !text.is_empty());
    let values: Vec<T::T> =
        written.map(|text| value(text).expect("a number where one is said to be")).collect();
    column.typed::<T>().write_batch(&values, Some(&levels), None)?;
    column.close()
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::{Field, RowAccessor};

    use super::super::cells;
    use super::*;

    #[test]
    fn a_table_reads_back_with_its_types_and_facts() {
        let table = || {
            let mut table = Table::of_names(&["name", "value", "count"]);
            table.row(cells!["a,\"b\"\n\u{e9}", 0.1 + 0.2, 7]);
            table.row(cells!["", None::<f64>, ""]);
            table.row(cells!["1", f64::INFINITY, 0]);
            table
        };
        let types = Types { numbers: &["value"], wholes: &["count"] };
        let bytes = table().parquet(types, &[("suite", "s".into())]);
        assert_eq!(bytes, table().parquet(types, &[("suite", "s".into())]), "equal tables give equal bytes");
        let file = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
        let facts = file.metadata().file_metadata().key_value_metadata().unwrap();
        assert_eq!((facts[0].key.as_str(), facts[0].value.as_deref()), ("suite", Some("s")));
        let rows: Vec<_> = file.get_row_iter(None).unwrap().map(Result::unwrap).collect();
        assert_eq!((rows.len(), rows[0].get_string(0).unwrap().as_str()), (3, "a,\"b\"\n\u{e9}"));
        assert_eq!((rows[0].get_double(1).unwrap(), rows[0].get_long(2).unwrap()), (0.1 + 0.2, 7));
        assert!(rows[1].get_column_iter().all(|(_, field)| *field == Field::Null));
        assert_eq!(rows[2].get_string(0).unwrap(), "1", "a column of texts stays one");
        assert_eq!((rows[2].get_double(1).unwrap(), rows[2].get_long(2).unwrap()), (f64::INFINITY, 0));
    }

    #[test]
    fn a_table_without_rows_is_a_file() {
        let types = Types { numbers: &[], wholes: &[] };
        let bytes = Table::of_names(&["name"]).parquet(types, &[]);
        let file = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
        assert_eq!(file.metadata().file_metadata().num_rows(), 0);
    }
}
