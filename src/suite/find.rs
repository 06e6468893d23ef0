//! Where suites are looked for: the folders given, then `datasets`, then the suites inside the program.

use std::fmt;
use std::path::{Path, PathBuf};

use super::Suite;
use super::files::Source;
use crate::error::{Error, Result, suggestion};
use crate::fs;

/// The folder of suites that is searched after those given, relative to the working directory.
pub const DEFAULT_FOLDER: &str = "datasets";

/// The simulated suite inside the program.
pub const EMBEDDED_NAME: &str = "simulated-open-suite";

/// A folder of the repository as it is when the program is built: the files that every suite inside has, and those named besides.
macro_rules! embedded {
    ($name:literal $(, $more:literal)*) => {
        embedded!(@ $name, "suite.toml", "prompts.csv.gz", "models.csv", "outcomes.csv.gz", "embeddings.npy" $(, $more)*)
    };
    (@ $name:literal, $($file:literal),+) => {
        Source::Embedded(
            concat!("datasets/", $name),
            &[$(($file, include_bytes!(concat!("../../datasets/", $name, "/", $file)))),+],
        )
    };
}

/// The suites inside the program: two recorded ones and the simulated one.
const EMBEDDED: [Source; 3] = [
    embedded!("mmlu-pro-part", "embeddings.toml"),
    embedded!("routellm-part", "embeddings.toml"),
    embedded!("simulated-open-suite"),
];

/// The name of a suite inside the program.
fn embedded_name(source: &Source) -> &str {
    source.path().file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// Where a suite lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SuitePlace {
    /// In this folder.
    Folder(PathBuf),
    /// Inside the program.
    Embedded,
}

impl fmt::Display for SuitePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SuitePlace::Folder(path) => write!(f, "{}", path.display()),
            SuitePlace::Embedded => f.write_str("built in"),
        }
    }
}

/// Reads the suite of that name: a folder in one of `folders`, in their order, else in `datasets`, else the embedded
/// suite, else the folder of that name here. A name with a path separator is the suite's folder itself.
///
/// # Errors
/// No suite of that name, one of `folders` that is no folder, or a suite that cannot be used.
pub fn find(name: &str, folders: &[PathBuf]) -> Result<Suite> {
    match locate(name, folders)? {
        SuitePlace::Folder(folder) => Suite::read(&folder),
        SuitePlace::Embedded => {
            let source = EMBEDDED.iter().find(|source| embedded_name(source) == name);
            Suite::from_source(source.expect("it was located"))
        }
    }
}

/// Where [`find`] finds the suite of that name.
///
/// # Errors
/// No suite of that name, or one of `folders` that is no folder.
pub fn locate(name: &str, folders: &[PathBuf]) -> Result<SuitePlace> {
    if is_path(name) {
        return Ok(SuitePlace::Folder(name.into()));
    }
    let all = list(folders)?;
    if let Some((_, place)) = all.iter().find(|(known, _)| known == name) {
        return Ok(place.clone());
    }
    // As `import --out NAME` makes one.
    if is_suite(Path::new(name)) {
        return Ok(SuitePlace::Folder(name.into()));
    }
    let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
    let near = suggestion(name, names.iter().copied());
    let known = if near.is_empty() {
        let hint = "`--datasets DIR` names a folder of suites, and datasets/README.md says where recorded ones come from";
        format!("; there is {}; {hint}", quoted(&names))
    } else {
        near
    };
    Err(Error::Usage(format!("unknown suite `{name}`{known}")))
}

/// As [`find`], with the embeddings of another file: of the suite's own folder or, where the name has a path separator, of
/// that path.
///
/// # Errors
/// As [`find`]; a file that is not there or cannot be used.
pub fn find_with_embeddings(name: &str, folders: &[PathBuf], file: &str) -> Result<Suite> {
    let mut suite = find(name, folders)?;
    let folder = match locate(name, folders)? {
        _ if is_path(file) => PathBuf::new(),
        SuitePlace::Folder(folder) => folder,
        SuitePlace::Embedded => Path::new(DEFAULT_FOLDER).join(name),
    };
    suite.read_embeddings(&folder.join(file))?;
    Ok(suite)
}

/// Every suite by name and place, in the order of the search, each folder's in alphabetical order; of two with one name
/// only the first, which is the one that `find` reads.
///
/// # Errors
/// One of `folders` that is no folder or cannot be read.
pub fn list(folders: &[PathBuf]) -> Result<Vec<(String, SuitePlace)>> {
    let mut all: Vec<(String, SuitePlace)> = Vec::new();
    let default = PathBuf::from(DEFAULT_FOLDER);
    let default = Some(&default).filter(|folder| folder.is_dir());
    for folder in folders.iter().chain(default) {
        for suite in suites_in(folder)? {
            let name = suite.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if all.iter().all(|(known, _)| *known != name) {
                all.push((name, SuitePlace::Folder(suite)));
            }
        }
    }
    for name in EMBEDDED.iter().map(embedded_name) {
        if all.iter().all(|(known, _)| known != name) {
            all.push((name.to_owned(), SuitePlace::Embedded));
        }
    }
    Ok(all)
}

/// The folders in `folder` that hold prompts, in alphabetical order.
fn suites_in(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Err(Error::file(folder, "is not a folder"));
    }
    let mut suites = fs::entries(folder)?;
    suites.retain(|path| is_suite(path));
    Ok(suites)
}

/// Whether a folder holds a suite.
pub fn is_suite(folder: &Path) -> bool {
    ["prompts.csv", "prompts.csv.gz"].iter().any(|file| folder.join(file).is_file())
}

fn is_path(name: &str) -> bool {
    name.contains(['/', std::path::MAIN_SEPARATOR])
}

fn quoted(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_folder_wins_and_the_embedded_suite_comes_last() {
        let [first, second] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let folders = [first.path().to_owned(), second.path().to_owned()];
        for (folder, name) in [(&first, "b"), (&first, "a"), (&second, "a"), (&second, "c")] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
            std::fs::write(folder.path().join(name).join("prompts.csv"), "").unwrap();
        }
        std::fs::create_dir(first.path().join("no-suite")).unwrap();
        let all = list(&folders).unwrap();
        let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names[..3], ["a", "b", "c"]);
        assert_eq!(all[0].1, SuitePlace::Folder(first.path().join("a")));
        assert_eq!(*names.last().unwrap(), EMBEDDED_NAME);
    }

    #[test]
    fn an_unknown_suite_is_answered_with_the_near_miss_or_with_all_names() {
        let message = |name: &str| find(name, &[]).unwrap_err().to_string();
        assert_eq!(
            message("simulated-open-suit"),
            "unknown suite `simulated-open-suit`; did you mean `simulated-open-suite`?"
        );
        assert!(message("zebra").starts_with("unknown suite `zebra`; there is `"), "{}", message("zebra"));
        assert_eq!(message("./zebra"), "./zebra: is not a folder");
        let missing = find("a", &[PathBuf::from("no/such")]).unwrap_err().to_string();
        assert_eq!(missing, "no/such: is not a folder");
    }

    #[test]
    fn embedded_suites_equal_the_folders_they_were_made_from() {
        for source in &EMBEDDED {
            let embedded = Suite::from_source(source).unwrap();
            assert_eq!(embedded, Suite::read(source.path()).unwrap());
            assert_eq!(embedded.info.simulated, embedded_name(source) == EMBEDDED_NAME);
        }
    }
}
