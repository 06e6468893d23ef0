//! Paths of a scenario: those that are relative lie in the folder of the scenario's file. What is not there but in the working
//! directory is taken from there, so that a scenario may also name what its user has at hand.

use std::path::Path;

use super::settings::CostSettings;
use crate::embed::BUILT_IN as BUILT_IN_ENCODER;
use crate::suite::is_suite;
use crate::suite::prices::BUILT_IN as BUILT_IN_BOOK;

/// The folder of a scenario's file.
pub(super) struct Base<'a>(&'a Path);

impl<'a> Base<'a> {
    pub(super) fn of(scenario: &'a Path) -> Base<'a> {
        Base(scenario.parent().unwrap_or(Path::new("")))
    }

    /// The path as it is opened. One that leads nowhere is the one beside the scenario, which an error then names.
    fn resolve(&self, written: &mut String) {
        let beside = self.0.join(&*written);
        if beside.exists() || !Path::new(&*written).exists() {
            *written = beside.to_string_lossy().into_owned();
        }
    }

    /// The suite, where it is a path or beside the scenario, and a file of embeddings that is not in its folder.
    pub(super) fn suite(&self, name: &mut String, embeddings: &mut Option<String>) {
        if is_path(name) || (self.0 != Path::new("") && is_suite(&self.0.join(&*name))) {
            self.resolve(name);
        }
        if let Some(file) = embeddings.as_mut().filter(|file| *file != BUILT_IN_ENCODER && is_path(file)) {
            self.resolve(file);
        }
    }

    /// The price book and the tokenizer.
    pub(super) fn cost(&self, cost: &mut CostSettings) {
        if let Some(book) = cost.prices.as_mut().filter(|book| *book != BUILT_IN_BOOK) {
            self.resolve(book);
        }
        if let Some(file) = &mut cost.tokenizer {
            self.resolve(file);
        }
    }

    /// A `[[router]]` or `[[shift]]`: files of decisions and of prices, and those words of a command that name a file beside the
    /// scenario.
    pub(super) fn table(&self, table: &mut toml::Table) {
        for key in ["file", "prices"] {
            if let Some(toml::Value::String(file)) = table.get_mut(key)
                && file != BUILT_IN_BOOK
            {
                self.resolve(file);
            }
        }
        let Some(toml::Value::Array(words)) = table.get_mut("command") else { return };
        for (at, word) in words.iter_mut().enumerate() {
            // A program without a slash is one of the search path.
            if let toml::Value::String(word) = word
                && (at > 0 || is_path(word))
                && self.0.join(&*word).is_file()
            {
                self.resolve(word);
            }
        }
    }
}

fn is_path(name: &str) -> bool {
    name.contains(['/', std::path::MAIN_SEPARATOR])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_beside_the_scenario_is_meant_and_what_lies_here_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let beside = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        crate::fs::write(&folder.path().join("route.py"), b"").unwrap();
        let scenario = folder.path().join("s.toml");
        let base = Base::of(&scenario);
        let resolved = |written: &str| {
            let mut path = written.to_owned();
            base.resolve(&mut path);
            path
        };
        assert_eq!(resolved("route.py"), beside("route.py"));
        assert_eq!(resolved("Cargo.toml"), "Cargo.toml");
        assert_eq!(resolved("no/such"), beside("no/such"));
        let mut table: toml::Table =
            toml::from_str("command = [\"route.py\", \"route.py\", \"--x\"]\nprices = \"built-in\"").unwrap();
        base.table(&mut table);
        let words = ["route.py".to_owned(), beside("route.py"), "--x".to_owned()];
        assert_eq!(table["command"], toml::Value::from(words.to_vec()));
        assert_eq!(table["prices"].as_str(), Some("built-in"));
        let (mut name, mut embeddings) = ("mine".to_owned(), Some("built-in".to_owned()));
        base.suite(&mut name, &mut embeddings);
        assert_eq!((name.as_str(), embeddings.as_deref()), ("mine", Some("built-in")));
    }
}
