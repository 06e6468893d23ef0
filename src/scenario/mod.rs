//! A scenario: one experiment as a value, read from TOML and checked before anything is trained.

pub mod feedback;
pub mod file;
mod keys;
mod objectives;
pub mod online;
mod paths;
pub mod pool;
mod schema;
pub(crate) mod settings;
pub mod shift;
pub mod split;
mod starter;
pub mod unseen;
mod written;

pub use schema::price_book_schema;
pub use starter::starter;

use std::path::Path;

use self::unseen::QuizSweep;
use crate::error::{Error, Result, suggestion};
use crate::metrics::table::headline_names;
use crate::metrics::{Bound, METRICS, metric};
use crate::preference::{PreferenceGrid, PreferenceSettings};
use crate::router::Registry;
use crate::router::quiz::QuizSettings;
use crate::scenario::feedback::FeedbackSettings;
use crate::scenario::pool::PoolSettings;
use crate::scenario::shift::ShiftSettings;
use crate::scenario::split::SplitSettings;
use crate::scenario::unseen::UnseenSettings;
use crate::suite::CacheSettings;
use crate::{fs, toml_file};
pub use objectives::{BudgetSettings, CallLimits, ObjectivesSettings};
pub use settings::{CostSettings, EvidenceSettings, Expectation, Mode, RouterEntry, StickSettings};

/// The quickstart scenario, inside the program.
pub(crate) const QUICKSTART: &str = include_str!("../../scenarios/quickstart.toml");

/// More replicates than this are a slip: their splits alone would fill the memory.
pub const MOST_REPLICATES: usize = 1000;

/// Fewer resamples tell nothing, more than these nothing new.
pub(crate) const RESAMPLES: std::ops::RangeInclusive<usize> = 200..=1_000_000;

/// One experiment.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Scenario {
    /// Its file's name without ending.
    pub name: String,
    /// What it asks, in a sentence or two.
    pub description: String,
    /// The suite's folder name.
    pub suite: String,
    /// Prompt embeddings in the place of the suite's own: a file of the suite's folder, a path, or `built-in` for those that the
    /// encoder inside the program makes of the prompts' texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embeddings: Option<String>,
    /// The licence of the suite's data, where the suite itself does not state one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// The root seed.
    pub seed: u64,
    /// How often everything is repeated with another split and other training seeds.
    pub replicates: usize,
    /// Candidates and gaps.
    pub pool: PoolSettings,
    /// Training, validation, and test prompts.
    pub split: SplitSettings,
    /// Which preferences are asked.
    pub preferences: PreferenceSettings,
    /// Costs.
    pub cost: CostSettings,
    /// Which outcomes of development prompts are known.
    #[serde(default, skip_serializing_if = "FeedbackSettings::is_default")]
    pub feedback: FeedbackSettings,
    /// What waiting counts for; without it nothing is said of latency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objectives: Option<ObjectivesSettings>,
    /// What a stream of prompts may take; without it no stream is limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetSettings>,
    /// When prompt caches save anything; without it every prompt is asked alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<CacheSettings>,
    /// Candidates absent from training; without it every candidate is seen.
    pub unseen: Option<UnseenSettings>,
    /// The unseen models' quiz for every router that names none of its own; present exactly where `unseen` is.
    pub quiz: Option<QuizSettings>,
    /// Further quizzes of every router, beside this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep: Option<QuizSweep>,
    /// What is changed, one at a time, to see how the routers fare.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shifts: Vec<ShiftSettings>,
    /// How sure the report is to be, and of what.
    #[serde(default, skip_serializing_if = "EvidenceSettings::is_default")]
    pub evidence: EvidenceSettings,
    /// The routers, in the order of the report.
    pub routers: Vec<RouterEntry>,
    /// What must come out.
    pub expect: Vec<Expectation>,
}

impl Scenario {
    /// Reads a scenario file of built-in routers. `quickstart` without a file of that name is the one inside the program.
    ///
    /// # Errors
    /// Whatever is wrong with it, with path and line.
    pub fn read(path: &Path) -> Result<Scenario> {
        if path == Path::new("quickstart") && !path.exists() {
            return Scenario::parse(Path::new("scenarios/quickstart.toml"), QUICKSTART);
        }
        let text = fs::read_text(path)?;
        Scenario::parse(path, &text)
    }

    /// Parses the text of a scenario file of built-in routers; `path` names it.
    ///
    /// # Errors
    /// Whatever is wrong with it, with path and line.
    pub fn parse(path: &Path, text: &str) -> Result<Scenario> {
        Scenario::parse_with(path, text, &Registry::built_in())
    }

    /// As [`parse`](Self::parse), with routers of these kinds.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_with(path: &Path, text: &str, registry: &Registry) -> Result<Scenario> {
        let parsed =
            written::read(path, text, registry).and_then(|scenario| scenario.check().map(|()| scenario));
        parsed.map_err(|error| toml_file::located(path, text, error))
    }

    /// The quiz whose answers a router gets to see, where there are unseen models.
    pub fn quiz_of<'a>(&'a self, entry: &'a RouterEntry) -> Option<&'a QuizSettings> {
        entry.quiz.as_ref().or(self.quiz.as_ref())
    }

    /// Names the file and, where it is of a setting, the line of a fault that showed only when the scenario met its suite.
    pub fn place(path: &Path, error: Error) -> Error {
        toml_file::located(path, &fs::read_text(path).unwrap_or_default(), error)
    }

    fn check_evidence(&self) -> Result<()> {
        let EvidenceSettings { primary, against, resamples } = &self.evidence;
        let fault = |key: &str, problem: String| Err(Error::setting(format!("evidence.{key}"), problem));
        if !RESAMPLES.contains(resamples) {
            let (least, most) = (RESAMPLES.start(), RESAMPLES.end());
            return fault("resamples", format!("`resamples` must be from {least} to {most}"));
        }
        if let Some(primary) =
            primary.as_ref().filter(|primary| headline_names().all(|known| known != primary.as_str()))
        {
            let (near, all) =
                (suggestion(primary, headline_names()), headline_names().collect::<Vec<_>>().join(", "));
            return fault(
                "primary",
                format!("`primary` names `{primary}`, which is no headline metric{near} (they are {all})"),
            );
        }
        let known = || self.routers.iter().map(|entry| entry.label.as_str()).chain(Bound::NAMES);
        if let Some(against) = against.as_ref().filter(|against| !known().any(|name| name == *against)) {
            let near = suggestion(against, known());
            return fault("against", format!("`against` names unknown router `{against}`{near}"));
        }
        Ok(())
    }

    fn check(&self) -> Result<()> {
        let fault = |key: &str, problem: String| Err(Error::setting(key, problem));
        if !(1..=MOST_REPLICATES).contains(&self.replicates) {
            return fault("replicates", format!("`replicates` must be from 1 to {MOST_REPLICATES}"));
        }
        if self.routers.is_empty() {
            return fault(
                "router",
                "names no router; the simplest is `[[router]]` with `kind = \"random\"` below it".into(),
            );
        }
        self.cost.check()?;
        self.session.as_ref().map_or(Ok(()), CacheSettings::check)?;
        self.objectives.as_ref().map_or(Ok(()), |objectives| objectives.check(self))?;
        self.budget.as_ref().map_or(Ok(()), |budget| budget.check(self.objectives.is_some()))?;
        if self.budget.is_some() && self.session.is_some() {
            let problem = "[budget] takes prompts in random orders, which would tear the sessions of `[session]` apart: leave one out";
            return fault("budget", problem.into());
        }
        PreferenceGrid::new(&self.preferences)?;
        self.check_evidence()?;
        if let Some((key, problem)) = self.feedback_fault() {
            return fault(&key, problem);
        }
        for (at, expectation) in self.expect.iter().enumerate() {
            let key = format!("expect[{at}]");
            if metric(&expectation.metric).is_none() {
                let names = || METRICS.iter().map(|metric| metric.name);
                let mut way_out = suggestion(&expectation.metric, names());
                if way_out.is_empty() {
                    way_out = format!("; the metrics are {}", names().collect::<Vec<_>>().join(", "));
                }
                let problem =
                    format!("an expectation names unknown metric `{}`{way_out}", expectation.metric);
                return fault(&format!("{key}.metric"), problem);
            }
            expectation.check(&key)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = "description = \"d\"\nsuite = \"s\"\n\n[[router]]\nkind = \"random\"\n\n[[router]]\nkind = \"predictor\"\nmodel = \"knn\"\n";

    fn parse(text: &str) -> Result<Scenario> {
        Scenario::parse(Path::new("x/s.toml"), text)
    }

    fn fault(from: &str, to: &str) -> String {
        assert!(GOOD.contains(from));
        parse(&GOOD.replace(from, to)).unwrap_err().to_string()
    }

    #[test]
    fn a_scenario_has_its_files_name_and_its_routers_default_labels() {
        let scenario = parse(GOOD).unwrap();
        assert_eq!(scenario.name, "s");
        assert_eq!(scenario.routers.iter().map(|entry| &entry.label).collect::<Vec<_>>(), ["random", "knn"]);
    }

    #[test]
    fn what_a_router_sees_is_in_its_label_and_refused_where_it_looks_at_no_prompt() {
        let with = |features: &str| parse(&format!("{GOOD}features = \"{features}\"\n"));
        let labels = |features: &str| with(features).unwrap().routers[1].label.clone();
        assert_eq!(["embedding", "text", "both"].map(labels), ["knn", "knn-text", "knn-both"]);
        // What is given a label for what it sees draws as the router without; what is given one by hand, as itself.
        let labelled = parse(&format!("{GOOD}features = \"both\"\nlabel = \"all-both\"\n")).unwrap();
        let draws_as = [with("both").unwrap(), labelled].map(|it| it.routers[1].draws_as().to_owned());
        assert_eq!(draws_as, ["knn", "all-both"]);
        let json = |features: &str| serde_json::to_string(&with(features).unwrap().routers[1]).unwrap();
        assert!(json("both").contains("\"features\":\"both\"") && !json("embedding").contains("features"));
        assert_eq!(
            fault("kind = \"random\"", "kind = \"random\"\nfeatures = \"both\""),
            "x/s.toml:6: `features` is for routers that learn from prompts alone and choose one model, which `random` does not: leave it out"
        );
    }

    #[test]
    fn each_fault_names_its_line_and_the_near_miss() {
        assert_eq!(fault("suite =", "siute ="), "x/s.toml:2: unknown field `siute`; did you mean `suite`?");
        assert_eq!(
            fault("\"predictor\"", "\"predictr\""),
            "x/s.toml:8: unknown variant `predictr`; did you mean `predictor`?"
        );
        assert_eq!(fault("\"knn\"", "\"kn\""), "x/s.toml:9: unknown variant `kn`; did you mean `knn`?");
        assert_eq!(
            fault("model = \"knn\"", "model = \"knn\"\nneighbors = 3"),
            "x/s.toml:10: unknown field `neighbors`; did you mean `neighbours`?"
        );
        assert_eq!(
            fault("kind = \"random\"", "kid = \"random\""),
            "x/s.toml:4: a `[[router]]` needs a `kind`; did you mean `kid`?"
        );
        assert_eq!(
            fault("kind = \"random\"", "kind = \"random\"\nlabel = \"knn\""),
            "x/s.toml:8: two routers are labelled `knn`; give one another `label`"
        );
        assert_eq!(
            fault("suite = \"s\"", "suite = \"s\"\nreplicates = 0"),
            "x/s.toml:3: `replicates` must be from 1 to 1000"
        );
        assert_eq!(
            fault("model = \"knn\"", "model = \"linear\"\nridge = -1.0"),
            "x/s.toml:10: `ridge` must be a number from 0.001 up"
        );
        assert_eq!(
            fault("model = \"knn\"", "model = \"linear\"\nneighbours = 3"),
            "x/s.toml:10: `neighbours` is a setting of `knn` alone"
        );
    }

    #[test]
    fn a_router_takes_from_the_scenario_what_its_quiz_leaves_open() {
        let text =
            GOOD.replacen("[[router]]", "[unseen]\nvendors = [\"v\"]\n[quiz]\nsize = 7\n[[router]]", 1);
        let scenario = parse(&format!("{text}quiz = {{ strategy = \"anchor\" }}\n")).unwrap();
        let quizzes: Vec<String> = scenario
            .routers
            .iter()
            .filter_map(|entry| scenario.quiz_of(entry).map(|quiz| quiz.to_string()))
            .collect();
        assert_eq!(quizzes, ["random 7", "anchor 7"]);
        let all = parse(&format!("{text}quiz = {{ strategy = \"all\" }}\n")).unwrap();
        assert_eq!(all.quiz_of(&all.routers[1]).unwrap().to_string(), "all");
        assert_eq!(parse(GOOD).unwrap().quiz, None);
    }

    #[test]
    fn faults_of_unseen_models_and_quizzes_name_their_line() {
        let fault = |head: &str, tail: &str| {
            let text = GOOD.replacen("[[router]]", &format!("{head}\n[[router]]"), 1);
            parse(&format!("{text}{tail}\n")).unwrap_err().to_string()
        };
        let unseen = "[unseen]\nshare = 0.3";
        for (head, tail, expected) in [
            (
                "[unseen]",
                "",
                "x/s.toml:4: [unseen] needs exactly one of `models`, `families`, `vendors`, `share`, and `newest`",
            ),
            (
                "[unseen]\nshare = 0.3\nmodels = [\"a\"]",
                "",
                "x/s.toml:4: [unseen] needs exactly one of `models`, `families`, `vendors`, `share`, and `newest`",
            ),
            ("[unseen]\nshare = 1.0", "", "x/s.toml:4: [unseen]: `share` 1 is not between 0 and 1"),
            ("[unseen]\nmodel = [\"a\"]", "", "x/s.toml:5: unknown field `model`; did you mean `models`?"),
            (
                "[unseen]\nshare = 0.3\npool = \"unseen-onl\"",
                "",
                "x/s.toml:6: unknown variant `unseen-onl`; did you mean `unseen-only`?",
            ),
            ("[quiz]\nsize = 5", "", "x/s.toml:4: [quiz] needs `[unseen]`: nobody is asked"),
            ("", "quiz = { size = 5 }", "x/s.toml:11: a `quiz` needs `[unseen]`: nobody is asked"),
            (
                "[cost]\nprices-date = \"2024-05-13\"",
                "",
                "x/s.toml:5: `prices-date` needs `prices`: the suite's own prices have no date",
            ),
            (
                "[cost]\nprices = \"built-in\"\nprices-date = \"May 2024\"",
                "",
                "x/s.toml:6: `May 2024` is no date; write it as in `2024-05-13`",
            ),
            (
                &format!("{unseen}\n[quiz]\nstrategy = \"fischer\""),
                "",
                "x/s.toml:7: unknown variant `fischer`; did you mean `fisher`?",
            ),
            (unseen, "quiz = { siz = 5 }", "x/s.toml:12: unknown field `siz`; did you mean `size`?"),
            (
                unseen,
                "quiz = { strategy = \"all\", size = 5 }",
                "x/s.toml:12: a quiz of strategy `all` has no `size`",
            ),
        ] {
            assert_eq!(fault(head, tail), expected);
        }
    }

    #[test]
    fn a_share_is_of_something() {
        let expect =
            |bounds: &str| parse(&format!("{GOOD}[[expect]]\nrouter = \"knn\"\nmetric = \"aiq\"\n{bounds}"));
        assert_eq!(expect("above = \"random\"\nshare = 0.95").unwrap().expect[0].share, Some(0.95));
        assert_eq!(
            expect("at-least = 0.1\nshare = 0.95").unwrap_err().to_string(),
            "x/s.toml:14: the expectation on `aiq` of `knn` has a `share` but no `above` to take it of"
        );
    }

    #[test]
    fn an_expectation_of_a_metric_that_there_is_not_lists_those_that_there_are() {
        let typo = format!("{GOOD}[[expect]]\nrouter = \"knn\"\nmetric = \"aiqq\"\nat-least = 0.1\n");
        let problem = parse(&typo).unwrap_err().to_string();
        assert_eq!(problem, "x/s.toml:12: an expectation names unknown metric `aiqq`; did you mean `aiq`?");
        let problem = parse(&typo.replace("aiqq", "zzzzzz")).unwrap_err().to_string();
        assert!(
            problem.contains("`zzzzzz`; the metrics are score-at-w0, ") && !problem.contains('\n'),
            "{problem}"
        );
    }

    #[test]
    fn the_scenario_inside_the_program_is_sound() {
        assert_eq!(Scenario::read(Path::new("quickstart")).unwrap().name, "quickstart");
    }

    proptest! {
        #[test]
        fn no_damage_makes_the_reader_panic(at in 0..GOOD.len(), length in 0_usize..12, insert in "[a-z\\[\\]=\"\n0-9.é-]{0,8}") {
            let end = (at + length).min(GOOD.len());
            let damaged = format!("{}{insert}{}", &GOOD[..at], &GOOD[end..]);
            if let Err(error) = parse(&damaged) {
                prop_assert!(!error.to_string().contains('\n'));
            }
        }
    }
}
