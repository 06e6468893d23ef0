//! A scenario file of either mode: what all files share, and a body that is offline or online.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use toml::Spanned;

use super::schema::{finished, generator};
use crate::date::Date;
use crate::error::{Error, Result};
use crate::scenario::online::{MOST_ORDERS, OnlineScenario};
use crate::scenario::{MOST_REPLICATES, Mode, QUICKSTART, Scenario};
use crate::suite::is_suite;
use crate::{fs, toml_file};

/// Keys that only the files of one mode have, with that mode.
const OF_ONE_MODE: [(&str, Mode); 11] = [
    ("replicates", Mode::Offline),
    ("split", Mode::Offline),
    ("unseen", Mode::Offline),
    ("quiz", Mode::Offline),
    ("feedback", Mode::Offline),
    ("budget", Mode::Offline),
    ("objectives", Mode::Offline),
    ("session", Mode::Offline),
    ("shift", Mode::Offline),
    ("evidence", Mode::Offline),
    ("online", Mode::Online),
];

/// What a scenario file asks for, by its `mode`.
#[derive(Clone, Debug, PartialEq)]
pub enum Experiment {
    /// Routers are trained on recorded outcomes, then judged on other prompts.
    Offline(Box<Scenario>),
    /// Learners see the outcomes of their own choices, one prompt after another.
    Online(Box<OnlineScenario>),
}

/// The part of a file that says which body it has.
#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    mode: Mode,
}

impl Experiment {
    /// Reads a scenario file. `quickstart` without a file of that name is the one inside the program.
    ///
    /// # Errors
    /// Whatever is wrong with it, with path and line.
    pub fn read(path: &Path) -> Result<Experiment> {
        let (path, text) = if path == Path::new("quickstart") && !path.exists() {
            (Path::new("scenarios/quickstart.toml"), Cow::Borrowed(QUICKSTART))
        } else {
            (path, Cow::Owned(scenario_text(path)?))
        };
        Experiment::parse(path, &text)
    }

    /// Parses the text of a scenario file; `path` names it.
    ///
    /// # Errors
    /// Whatever is wrong with it, with path and line.
    pub fn parse(path: &Path, text: &str) -> Result<Experiment> {
        let Head { mode } = toml_file::parse(path, text)?;
        check_keys(path, text, mode)?;
        Ok(match mode {
            Mode::Offline => Experiment::Offline(Box::new(Scenario::parse(path, text)?)),
            Mode::Online => Experiment::Online(Box::new(OnlineScenario::parse(path, text)?)),
        })
    }

    /// The file's name without ending.
    pub fn name(&self) -> &str {
        match self {
            Experiment::Offline(scenario) => &scenario.name,
            Experiment::Online(scenario) => &scenario.name,
        }
    }

    /// The suite's name and the embeddings asked for in the place of its own.
    pub fn suite(&self) -> (&str, Option<&str>) {
        match self {
            Experiment::Offline(scenario) => (&scenario.suite, scenario.embeddings.as_deref()),
            Experiment::Online(scenario) => (&scenario.suite, scenario.embeddings.as_deref()),
        }
    }

    /// What a router is trained or replayed in, several times over.
    pub fn unit(&self) -> &'static str {
        match self {
            Experiment::Offline(_) => "replicate",
            Experiment::Online(_) => "order",
        }
    }

    /// Puts another root seed, number of replicates or orders, and price book with its day in the place of the file's.
    ///
    /// # Errors
    /// A number of replicates or orders that no run can have.
    pub fn put(
        &mut self,
        seed: Option<u64>,
        repetitions: Option<usize>,
        prices: Option<(&str, Option<Date>)>,
    ) -> Result<()> {
        let (own_seed, n, limits, cost) = match self {
            Experiment::Offline(scenario) => {
                let Scenario { seed, replicates, cost, .. } = &mut **scenario;
                (seed, replicates, 1..=MOST_REPLICATES, cost)
            }
            Experiment::Online(scenario) => {
                let OnlineScenario { seed, online, cost, .. } = &mut **scenario;
                (seed, &mut online.orders, 2..=MOST_ORDERS, cost)
            }
        };
        *own_seed = seed.unwrap_or(*own_seed);
        *n = repetitions.unwrap_or(*n);
        if !limits.contains(n) {
            let (low, high) = (limits.start(), limits.end());
            return Err(Error::Usage(format!("`--replicates` must be from {low} to {high}")));
        }
        if let Some((book, date)) = prices {
            (cost.prices, cost.prices_date) = (Some(book.to_owned()), date);
        }
        Ok(())
    }

    /// What it asks, in a sentence or two.
    pub fn description(&self) -> &str {
        match self {
            Experiment::Offline(scenario) => &scenario.description,
            Experiment::Online(scenario) => &scenario.description,
        }
    }
}

/// The page of all keys of a scenario, in Markdown.
pub fn keys() -> String {
    super::keys::page(&schema())
}

/// The schema of scenario files.
pub fn schema() -> Value {
    let mut generator = generator();
    let [offline, online] = [
        generator.subschema_for::<super::written::Written>(),
        generator.subschema_for::<super::online::Written>(),
    ];
    finished(
        generator,
        "A scenario of llm-bandit",
        json!({
            "if": { "properties": { "mode": { "const": "online" } }, "required": ["mode"] },
            "then": online,
            "else": offline,
        }),
    )
}

/// The text of a scenario's file.
fn scenario_text(path: &Path) -> Result<String> {
    // Of a pattern that fits no file, the error of reading it says more.
    if !path.exists() && !path.to_string_lossy().contains(['*', '?', '[']) {
        let problem = "there is no such file; `llm-bandit init SUITE` prints a scenario to begin with";
        return Err(Error::file(path, problem));
    }
    if path.is_dir() && is_suite(path) {
        let shown = path.display();
        let problem = format!(
            "is a suite and no scenario; `llm-bandit init {shown} > my.toml` writes one to begin with, and `llm-bandit run {shown}` runs it"
        );
        return Err(Error::file(path, problem));
    }
    if path.is_dir() {
        return Err(Error::file(path, "is a folder where the file of a scenario (`*.toml`) is needed"));
    }
    if path.file_name().is_some_and(|name| name == "suite.toml") {
        let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
        let problem = format!(
            "describes a suite and is no scenario; give its folder: `llm-bandit run {}`",
            folder.display()
        );
        return Err(Error::file(path, problem));
    }
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    if ["csv", "tsv", "jsonl", "json", "parquet", "gz"].contains(&ending.as_str()) {
        let problem = format!(
            "is no scenario (`*.toml`); from results to a decision: `llm-bandit try {}`",
            path.display()
        );
        return Err(Error::file(path, problem));
    }
    fs::read_text(path)
}

/// Refuses keys of the other mode at their line.
fn check_keys(path: &Path, text: &str, mode: Mode) -> Result<()> {
    let keys: BTreeMap<Spanned<String>, IgnoredAny> = toml_file::parse(path, text)?;
    let misplaced =
        |key: &Spanned<String>| OF_ONE_MODE.iter().any(|(name, of)| name == key.get_ref() && *of != mode);
    let Some(key) = keys.keys().filter(|key| misplaced(key)).min_by_key(|key| key.span().start) else {
        return Ok(());
    };
    let problem = match mode {
        Mode::Offline => format!("`{}` needs `mode = \"online\"` at the top of the file", key.get_ref()),
        Mode::Online => format!(
            "`{}` is a setting of offline scenarios, and this one has `mode = \"online\"`; its settings are in `[online]`",
            key.get_ref()
        ),
    };
    Err(Error::line(path, toml_file::line_of(text, key.span().start), problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONLINE: &str =
        "description = \"d\"\nsuite = \"s\"\n[online]\norders = 3\n[[router]]\nkind = \"linucb\"\n";

    fn parse(text: &str) -> Result<Experiment> {
        Experiment::parse(Path::new("s.toml"), text)
    }

    #[test]
    fn the_mode_is_what_toml_says_however_it_is_written() {
        for mode in [
            "mode = \"online\"\n",
            "mode = 'online'\n",
            "\"mode\"=\"\"\"online\"\"\" # learns\n",
            "licence = \"\"\"\n[x]\nmode = \"offline\"\n\"\"\"\nmode = \"online\"\n",
        ] {
            assert!(matches!(parse(&format!("{mode}{ONLINE}")), Ok(Experiment::Online(_))), "{mode}");
        }
        let offline =
            "description = \"\"\"\nmode = \"online\"\n\"\"\"\nsuite = \"s\"\n[[router]]\nkind = \"random\"\n";
        assert!(matches!(parse(offline), Ok(Experiment::Offline(_))));
        assert!(matches!(parse(&format!("mode = 'offline'\n{offline}")), Ok(Experiment::Offline(_))));
    }

    #[test]
    fn an_unknown_mode_and_a_key_of_the_other_mode_are_refused_at_their_line() {
        let fault = |text: &str| parse(text).unwrap_err().to_string();
        assert_eq!(
            fault(&format!("mode = \"onlin\"\n{ONLINE}")),
            "s.toml:1: unknown variant `onlin`; did you mean `online`?"
        );
        assert_eq!(fault(ONLINE), "s.toml:3: `online` needs `mode = \"online\"` at the top of the file");
        assert_eq!(
            fault(&format!("mode = \"online\"\nreplicates = 3\n{ONLINE}")),
            "s.toml:2: `replicates` is a setting of offline scenarios, and this one has `mode = \"online\"`; its settings are in `[online]`"
        );
    }
}
