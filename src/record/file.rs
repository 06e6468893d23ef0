//! The record of either mode: one format of folder, whose manifest says which body it has.

use std::path::Path;

use super::Record;
use super::online::OnlineRecord;
use super::store::mode_of;
use crate::error::Result;
use crate::scenario::Mode;

/// A finished run of either mode.
#[derive(Clone, Debug, PartialEq)]
pub enum Recorded {
    /// Of routers trained on recorded outcomes.
    Offline(Box<Record>),
    /// Of learners that saw the outcomes of their own choices.
    Online(Box<OnlineRecord>),
}

impl Recorded {
    /// Reads a record.
    ///
    /// # Errors
    /// A folder that is no record, one of another format, or parts that do not fit together.
    pub fn read(folder: &Path) -> Result<Recorded> {
        Ok(match mode_of(folder)? {
            Mode::Offline => Recorded::Offline(Box::new(Record::read(folder)?)),
            Mode::Online => Recorded::Online(Box::new(OnlineRecord::read(folder)?)),
        })
    }

    /// The scenario's name.
    pub fn name(&self) -> &str {
        match self {
            Recorded::Offline(record) => &record.manifest.scenario.name,
            Recorded::Online(record) => &record.manifest.scenario.name,
        }
    }
}
