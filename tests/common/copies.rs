//! Copies of a folder that is made once for several tests.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// A folder of a test's own with everything that is in another.
pub(crate) fn copy_of(folder: &Path) -> tempfile::TempDir {
    let own = tempfile::tempdir().unwrap();
    copy(folder, own.path());
    own
}

/// Copies what is in a folder into another that is there.
pub(crate) fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()) {
        let target = to.join(entry.file_name().unwrap());
        if entry.is_symlink() {
            symlink(fs::read_link(&entry).unwrap(), target).unwrap();
        } else if entry.is_dir() {
            fs::create_dir(&target).unwrap();
            copy(&entry, &target);
        } else {
            fs::copy(&entry, &target).unwrap();
        }
    }
}
