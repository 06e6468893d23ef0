//! An offline scenario as it stands in a file, and how it becomes a [`Scenario`]: defaults are filled in, labels are given, and tables whose
//! `kind` says how they are read are read.

use std::path::Path;

use serde::Deserialize;

use super::feedback::FeedbackSettings;
use super::paths::Base;
use super::pool::PoolSettings;
use super::settings::{check_label, take_label};
use super::shift::ShiftSettings;
use super::split::SplitSettings;
use super::unseen::{WrittenQuiz, WrittenSweep, WrittenUnseen};
use super::{
    BudgetSettings, CostSettings, EvidenceSettings, Expectation, Mode, ObjectivesSettings, RouterEntry,
    Scenario, StickSettings, schema,
};
use crate::error::{Error, Result, suggestion};
use crate::metrics::Bound;
use crate::preference::PreferenceSettings;
use crate::router::quiz::QuizSettings;
use crate::router::{Features, Registry, Stick};
use crate::suite::CacheSettings;
use crate::toml_file;

/// The file as written, before labels are given and names of routers are made unlike.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Written {
    /// Whether routers are trained on recorded outcomes or learn on the way.
    #[serde(default)]
    mode: Mode,
    /// What the experiment asks, in a sentence or two.
    #[serde(default)]
    description: String,
    /// The suite's name, or a path to its folder.
    suite: String,
    /// A file of the suite's folder, a path, or `built-in`: made when the scenario is run; the suite's own where absent.
    embeddings: Option<String>,
    /// The licence of the data, where the suite states none.
    licence: Option<String>,
    /// The root of all random numbers.
    #[serde(default)]
    seed: u64,
    /// How often everything is repeated with another split and other training seeds, up to 1,000; tables show means and deviations.
    #[serde(default = "one")]
    replicates: usize,
    /// The candidates, and the prompts that count.
    #[serde(default)]
    pool: PoolSettings,
    /// Which prompts are learned from and which are tested. Prompts with the same text are on one side.
    #[serde(default)]
    split: SplitSettings,
    /// The weights of cost against score that are asked: utility = score - w * cost / unit, the unit being the mean development cost
    /// of the most expensive candidate. w = 0 is always asked, and beside it a grid.
    #[serde(default)]
    preferences: PreferenceSettings,
    /// Where costs come from.
    #[serde(default)]
    cost: CostSettings,
    /// Which outcomes of development prompts routers learn from: those of all models, or those of one model a prompt, as a log of what
    /// was asked shows them.
    #[serde(default)]
    feedback: FeedbackSettings,
    /// What waiting for an answer counts for, beside what it costs. Needs a suite whose outcomes have latencies.
    objectives: Option<ObjectivesSettings>,
    /// What a whole stream of prompts may take, in dollars, seconds, or calls of a model: the report shows what each router scores within
    /// it.
    budget: Option<BudgetSettings>,
    /// Replays the sessions of the suite turn by turn, where a turn on the same model as the one before reads what it has in common
    /// with it at the cached rate. Needs a suite with sessions, costs from list prices, and cached rates.
    session: Option<CacheSettings>,
    /// Models that are absent from training and join by a quiz: exactly one of `models`, `families`, `vendors`, `share`, and `newest`.
    unseen: Option<WrittenUnseen>,
    /// What is asked of a new model; a list of values makes a sweep.
    quiz: Option<WrittenSweep>,
    /// What changes between training and use.
    #[serde(default)]
    #[schemars(with = "Vec<ShiftSettings>")]
    shift: Vec<toml::Table>,
    /// How sure the numbers are.
    #[serde(default)]
    evidence: EvidenceSettings,
    /// The routers that are compared.
    #[serde(default)]
    #[schemars(with = "Vec<schema::RouterTable>")]
    router: Vec<toml::Table>,
    /// What must come out; else the run ends with exit code 1.
    #[serde(default)]
    expect: Vec<Expectation>,
}

fn one() -> usize {
    1
}

/// Reads the text of a scenario file; what its values may be together is for [`Scenario::check`](super::Scenario).
///
/// # Errors
/// What is wrong with a value, at its key.
pub(super) fn read(path: &Path, text: &str, registry: &Registry) -> Result<Scenario> {
    let mut written: Written = toml_file::parse(path, text)?;
    if written.mode == Mode::Online {
        return Err(Error::file(path, "has `mode = \"online\"`, and this reads offline scenarios"));
    }
    let base = Base::of(path);
    base.suite(&mut written.suite, &mut written.embeddings);
    base.cost(&mut written.cost);
    written.router.iter_mut().chain(&mut written.shift).for_each(|table| base.table(table));
    let of = |key: &'static str| move |problem: String| Error::setting(key, problem);
    let unseen = written.unseen.map(WrittenUnseen::settings).transpose().map_err(of("unseen"))?;
    let (quiz, sweep) = match (written.quiz, &unseen) {
        (None, None) => (None, None),
        (None, Some(_)) => (Some(QuizSettings::default()), None),
        (Some(quiz), Some(_)) => {
            let (quiz, sweep) = quiz.settings().map_err(of("quiz"))?;
            (Some(quiz), sweep)
        }
        (Some(_), None) => {
            return Err(Error::setting("quiz", "[quiz] needs `[unseen]`: nobody is asked"));
        }
    };
    let mut routers: Vec<RouterEntry> = Vec::new();
    for (at, table) in written.router.into_iter().enumerate() {
        let key = format!("router[{at}]");
        let (quiz, caches) = (quiz.as_ref(), written.session.as_ref());
        let entry = router(table, registry, quiz, caches).map_err(|error| error.at(path, text, &key))?;
        let earlier = routers.iter().map(|router| router.label.as_str());
        check_label(&entry.label, earlier, &Bound::NAMES, "bound")
            .map_err(|problem| Error::setting(format!("{key}.label"), problem))?;
        entry.settings.as_kind().check().map_err(|error| error.within(&key))?;
        routers.push(entry);
    }
    let shifts = written.shift.into_iter().enumerate().map(|(at, table)| {
        let key = format!("shift[{at}]");
        shift(table).map_err(|error| error.at(path, text, &key))
    });
    Ok(Scenario {
        name: path.file_stem().map_or_else(|| "scenario".into(), |stem| stem.to_string_lossy().into_owned()),
        description: written.description,
        suite: written.suite,
        embeddings: written.embeddings,
        licence: written.licence,
        seed: written.seed,
        replicates: written.replicates,
        pool: written.pool,
        split: written.split,
        preferences: written.preferences,
        cost: written.cost,
        feedback: written.feedback,
        objectives: written.objectives,
        budget: written.budget,
        session: written.session,
        unseen,
        quiz,
        sweep,
        shifts: shifts.collect::<Result<_>>()?,
        evidence: written.evidence,
        routers,
        expect: written.expect,
    })
}

/// What is wrong with a table whose `kind` says how it is read.
enum Misread {
    /// In its own terms.
    Problem(Error),
    /// What the parser says.
    Toml(Box<toml::de::Error>),
}

impl Misread {
    fn problem(problem: String) -> Self {
        Misread::Problem(Error::Usage(problem))
    }

    fn toml(error: toml::de::Error) -> Self {
        Misread::Toml(Box::new(error))
    }

    /// The fault in the table of that key.
    fn at(self, path: &Path, text: &str, key: &str) -> Error {
        match self {
            Misread::Problem(error) => error.within(key),
            Misread::Toml(error) => toml_file::fault(path, text, &error, key),
        }
    }
}

fn shift(table: toml::Table) -> std::result::Result<ShiftSettings, Misread> {
    if !table.contains_key("kind") {
        let near = suggestion("kind", table.keys().map(String::as_str));
        return Err(Misread::problem(format!("a `[[shift]]` needs a `kind`{near}")));
    }
    table.try_into().map_err(Misread::toml)
}

fn router(
    mut table: toml::Table,
    registry: &Registry,
    scenario_quiz: Option<&QuizSettings>,
    caches: Option<&CacheSettings>,
) -> std::result::Result<RouterEntry, Misread> {
    let label = take_label(&mut table).map_err(Misread::problem)?;
    let quiz =
        table.remove("quiz").map(toml::Value::try_into::<WrittenQuiz>).transpose().map_err(Misread::toml)?;
    let in_quiz = |problem: String| Misread::Problem(Error::setting("quiz", problem));
    let quiz = match (quiz, scenario_quiz) {
        (None, _) => None,
        (Some(quiz), Some(default)) => Some(quiz.settings(default).map_err(in_quiz)?),
        (Some(_), None) => return Err(in_quiz("a `quiz` needs `[unseen]`: nobody is asked".into())),
    };
    let how = table.remove("stick").map(toml::Value::try_into::<Stick>).transpose().map_err(Misread::toml)?;
    let features = table.remove("features").map(toml::Value::try_into::<Features>).transpose();
    let features = features.map_err(Misread::toml)?.unwrap_or_default();
    let settings = registry.parse(table).map_err(Misread::toml)?;
    let traits = settings.traits();
    if !features.is_default() && (!traits.needs_embeddings || traits.asks_judge || traits.sees_peers) {
        let problem = format!(
            "`features` is for routers that learn from prompts alone and choose one model, which `{}` does not: leave it out",
            settings.kind()
        );
        return Err(Misread::Problem(Error::setting("features", problem)));
    }
    let in_stick = |problem: &str| Misread::Problem(Error::setting("stick", problem));
    let stick = match (how, caches) {
        (None, _) => None,
        (Some(_), None) => return Err(in_stick("`stick` needs `[session]`: else no prompt follows another")),
        (Some(_), _) if traits.asks_judge => {
            return Err(in_stick(
                "`stick` is for routers that choose one model: this one calls several for a prompt",
            ));
        }
        (Some(how), Some(caches)) => Some(StickSettings { how, caches: caches.clone() }),
    };
    let is_plain = how.is_none() && features.is_default();
    let twin = (label.is_none() && !is_plain).then(|| settings.default_label().to_owned());
    let label = label.unwrap_or_else(|| {
        let how = how.map_or(String::new(), |how| format!("-{}", how.name()));
        let seen = if features.is_default() { String::new() } else { format!("-{}", features.name()) };
        format!("{}{seen}{how}", settings.default_label())
    });
    Ok(RouterEntry { label, settings, quiz, stick, features, twin, swept_from: None })
}
