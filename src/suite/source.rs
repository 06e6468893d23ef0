//! Where a suite's files lie: in a folder, or inside the program.

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::fs;

/// A place that holds files by name.
pub(super) enum Source {
    /// A folder of the file system.
    Folder(PathBuf),
    /// Files compiled into the program, under the path they have in the repository.
    Embedded(&'static str, &'static [(&'static str, &'static [u8])]),
}

impl Source {
    /// The folder's path, for messages and as the default name.
    pub(super) fn path(&self) -> &Path {
        match self {
            Source::Folder(path) => path,
            Source::Embedded(path, _) => Path::new(path),
        }
    }

    /// Whether there is a file of that name.
    pub(super) fn holds(&self, name: &str) -> bool {
        match self {
            Source::Folder(path) => path.join(name).exists(),
            Source::Embedded(_, files) => files.iter().any(|(file, _)| *file == name),
        }
    }

    /// Opens a file that is there.
    pub(super) fn open(&self, name: &str) -> Result<Box<dyn Read>> {
        match self {
            Source::Folder(folder) => {
                let path = folder.join(name);
                Ok(Box::new(fs::open(&path)?))
            }
            Source::Embedded(_, files) => {
                let bytes = files.iter().find(|(file, _)| *file == name).map_or(&[][..], |(_, bytes)| bytes);
                Ok(Box::new(bytes))
            }
        }
    }

    /// The whole file, or `None` where it is not there.
    pub(super) fn bytes(&self, name: &str) -> Result<Option<Vec<u8>>> {
        if !self.holds(name) {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        self.open(name)?.read_to_end(&mut bytes).map_err(Error::io(&self.path().join(name), "read"))?;
        Ok(Some(bytes))
    }
}
