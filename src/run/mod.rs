//! Runs a scenario: pool, split, train, route; the result is a record.

pub(crate) mod cells;
pub(crate) mod costing;
pub(crate) mod replicate;
mod shift;
mod shifted;
pub(crate) mod stress;

use rayon::prelude::*;

pub use cells::KeptCells;
pub use costing::suite_of;
pub use stress::{Stressed, stress};

use crate::embed::BUILT_IN;
use crate::error::{Error, Result, suggestion};
use crate::metrics::Bound;
use crate::preference::PreferenceGrid;
use crate::record::{
    FORMAT, Manifest, Predictions, Record, RecordedPrompt, RecordedReplicate, RecordedSuite,
    RecordedTraining, Tokens, commitment, list_prices_hash, scenario_hash, tokens::list_prices,
};
use crate::router::quiz::QuizStrategy;
use crate::router::{Choices, Origin, RouterSettings, SavedRouter, Surroundings};
use crate::run::costing::{UncountedTokens, cut};
use crate::run::replicate::{Attendant, Class, Lesson, School, Step, Taught, classes};
use crate::run::shifted::{ShiftedCell, Test, TestShift, test_of};
use crate::run::stress::shifts_of;
use crate::scenario::pool::Pooled;
use crate::scenario::shift::Shift;
use crate::scenario::split::{Split, split, text_groups};
use crate::scenario::unseen::TestPool;
use crate::scenario::{RouterEntry, Scenario};
use crate::seed::Stream;
use crate::suite::{CellTable, Suite, SuiteInfo};
use cells::Cell;

/// What happens while a scenario runs; events of different cells come in any order.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Everything is checked and so many (replicate, router) cells will follow.
    Started {
        /// How many cells.
        n_cells: usize,
        /// What was left out of the suite, in words; empty where nothing was.
        left_out: String,
    },
    /// So many of the cells were finished by an earlier run and are taken up; no other event names them.
    TakenUp {
        /// How many cells.
        n_cells: usize,
    },
    /// The training of a router begins.
    CellStarted {
        /// The replicate.
        replicate: usize,
        /// The router's label.
        router: String,
    },
    /// A router is trained and begins to route its test prompts.
    CellTrained {
        /// The replicate.
        replicate: usize,
        /// The router's label.
        router: String,
    },
    /// A router was trained and has routed its test prompts.
    CellDone {
        /// The replicate.
        replicate: usize,
        /// The router's label.
        router: String,
    },
}

/// Runs a scenario on its suite. The result depends on the arguments alone, not on the number of threads.
///
/// # Errors
/// A scenario that does not fit the suite, found before anything is trained; training that diverges.
pub fn run(scenario: &Scenario, suite: Suite, progress: &(dyn Fn(Event) + Sync)) -> Result<Record> {
    resume(scenario, suite, None, progress)
}

/// As [`run`], with the same result; takes up the cells that an interrupted run of the same has finished, and keeps those
/// that it finishes itself.
///
/// # Errors
/// As [`run`]; cells that cannot be kept.
pub fn resume(
    scenario: &Scenario,
    suite: Suite,
    kept: Option<&KeptCells>,
    progress: &(dyn Fn(Event) + Sync),
) -> Result<Record> {
    let prepared = prepare(scenario, suite)?;
    let splits = prepared.splits(scenario)?;
    Ok(take(&prepared.course(scenario, splits, &[]), kept, progress)?.record)
}

/// What is run: a scenario on a suite, as it is or under a shift.
pub(crate) struct Course<'a> {
    /// What routers are trained for and asked.
    pub(crate) school: School<'a>,
    pub(crate) facts: &'a SuiteFacts,
    /// By replicate.
    pub(crate) splits: Vec<Split>,
    /// US dollars in one cost unit by replicate, where they are those of another run; else found out from the suite.
    pub(crate) cost_units_usd: Option<Vec<f64>>,
    /// What it is run under.
    pub(crate) shift: Option<Shift>,
    /// Names it among others of the same scenario and suite; empty for the scenario as it is.
    pub(crate) name: String,
}

/// What came of a course.
pub(crate) struct Taken {
    pub(crate) record: Record,
    /// One a shift of the test, in their order.
    pub(crate) shifted: Vec<Record>,
}

/// Trains and routes everything of a course, and records it.
///
/// # Errors
/// As [`resume`].
pub(crate) fn take(
    course: &Course<'_>,
    kept: Option<&KeptCells>,
    progress: &(dyn Fn(Event) + Sync),
) -> Result<Taken> {
    let Course { school, facts, splits, name, .. } = course;
    let School { scenario, suite, shifts, .. } = *school;
    let n_cells = scenario.replicates * scenario.routers.len();
    // Said once, by the scenario as it is.
    let left_out = if name.is_empty() { facts.left_out.in_words() } else { String::new() };
    progress(Event::Started { n_cells, left_out });
    let kept = kept.map(|kept| kept.of(scenario, suite, name));
    let is_kept = |entry: &RouterEntry| entry.settings.as_kind().is_self_contained();
    let find = |replicate: usize, entry: &RouterEntry| {
        let cell = kept.as_ref().filter(|_| is_kept(entry)).and_then(|kept| kept.find(replicate, entry));
        cell.filter(|cell| cell.shifted.len() == shifts.len())
    };
    let find_all = |replicate| scenario.routers.iter().map(|entry| find(replicate, entry)).collect();
    let finished: Vec<Vec<Option<Cell>>> = (0..scenario.replicates).map(find_all).collect();
    let n_finished = finished.iter().flatten().flatten().count();
    if n_finished > 0 {
        progress(Event::TakenUp { n_cells: n_finished });
    }
    let school = *school;
    let lessons = splits
        .par_iter()
        .enumerate()
        .map(|(replicate, split)| {
            let to_teach = scenario.routers.iter().zip(&finished[replicate]);
            let to_teach = to_teach.filter(|(_, cell)| cell.is_none()).map(|(entry, _)| entry);
            let unit = course.cost_units_usd.as_ref().map(|units| units[replicate]);
            Lesson::new(school, split.clone(), unit, replicate_stream(scenario, replicate), to_teach)
        })
        .collect::<Result<Vec<Lesson>>>()?;
    lessons.iter().try_for_each(|lesson| lesson.rehearse(school))?;
    let classes = classes(scenario);
    let label = |entry: &RouterEntry| match name.as_str() {
        "" => entry.label.clone(),
        name => format!("{name}: {}", entry.label),
    };
    let taught = (0..lessons.len() * classes.len())
        .into_par_iter()
        .map(|at| {
            let (replicate, class) = (at / classes.len(), &classes[at % classes.len()]);
            let attendant = Attendant {
                tell: &|step, entry| progress(event(step, replicate, label(entry))),
                keep: &|entry, cell| {
                    let kept = kept.as_ref().filter(|_| is_kept(entry));
                    kept.map_or(Ok(()), |kept| kept.keep(replicate, entry, cell))
                },
                blame: &|entry, error| blamed(entry, replicate, error),
            };
            lessons[replicate].teach(school, class, &finished[replicate], &attendant)
        })
        .collect::<Result<Vec<Taught>>>()?;
    let (record, cells) = assemble(course, (&lessons, &classes, taught));
    let shifted = cells.into_iter().enumerate().map(|(at, cells)| {
        let tests = lessons.iter().map(|lesson| test_of(&shifts[at], &lesson.venue(school)));
        Ok(under(&record, school, &shifts[at], tests.collect::<Result<_>>()?, cells))
    });
    let shifted = shifted.collect::<Result<_>>()?;
    Ok(Taken { record, shifted })
}

/// Trains one router of a scenario on the development prompts of one replicate, exactly as [`run`] does, to be kept.
///
/// # Errors
/// A label or replicate that the scenario does not have, a router that cannot be kept, and as [`run`].
pub fn train(scenario: &Scenario, suite: Suite, label: &str, replicate: usize) -> Result<SavedRouter> {
    let labels = || scenario.routers.iter().map(|entry| entry.label.as_str());
    let Some(entry) = scenario.routers.iter().find(|entry| entry.label == label) else {
        let near = suggestion(label, labels());
        let all: Vec<String> = labels().map(|label| format!("`{label}`")).collect();
        let near = if near.is_empty() { format!("; there is {}", all.join(", ")) } else { near };
        return Err(Error::Usage(format!("no router is labelled `{label}`{near}")));
    };
    if scenario.embeddings.as_deref() == Some(BUILT_IN) {
        let problem = "`embeddings` is \"built-in\", fitted to this suite: a saved router could not be asked about other prompts";
        return Err(Error::Usage(problem.into()));
    }
    let RouterSettings::LlmBandit(settings) = &entry.settings else {
        let problem = format!(
            "router `{label}` is of kind `{}`; only `llm-bandit` can be saved",
            entry.settings.kind()
        );
        return Err(Error::Usage(problem));
    };
    if replicate >= scenario.replicates {
        let problem =
            format!("replicate {replicate} is not among the {} of the scenario", scenario.replicates);
        return Err(Error::Usage(problem));
    }
    let prepared = prepare(scenario, suite)?;
    let school = prepared.school(scenario, &[]);
    let (suite, facts) = (&prepared.suite, &prepared.facts);
    let split = split_of(scenario, suite, replicate)?;
    let stream = replicate_stream(scenario, replicate);
    let lesson = Lesson::new(school, split, None, stream, std::iter::once(entry))?;
    let origin = Origin {
        suite: suite.info.name.clone(),
        suite_content_hash: facts.content_hash.clone(),
        scenario: scenario.name.clone(),
        label: label.to_owned(),
        seed: scenario.seed.to_string(),
        replicate,
    };
    lesson.train_to_keep(school, entry, settings, origin).map_err(|error| blamed(entry, replicate, error))
}

/// A suite, ready to be learned from.
pub(crate) struct Prepared {
    pub(crate) suite: Suite,
    pub(crate) facts: SuiteFacts,
    pub(crate) groups: Vec<usize>,
    pub(crate) grid: PreferenceGrid,
}

impl Prepared {
    /// The split of every replicate.
    ///
    /// # Errors
    /// A part that is left empty.
    pub(crate) fn splits(&self, scenario: &Scenario) -> Result<Vec<Split>> {
        (0..scenario.replicates).map(|replicate| split_of(scenario, &self.suite, replicate)).collect()
    }

    /// What all replicates share; `shifts` is what routers meet besides.
    pub(crate) fn school<'a>(&'a self, scenario: &'a Scenario, shifts: &'a [TestShift<'a>]) -> School<'a> {
        School {
            scenario,
            original: &self.suite,
            suite: &self.suite,
            tested: &self.suite,
            groups: &self.groups,
            grid: &self.grid,
            asked: &self.grid,
            shifts,
        }
    }

    /// The scenario as it is.
    pub(crate) fn course<'a>(
        &'a self,
        scenario: &'a Scenario,
        splits: Vec<Split>,
        shifts: &'a [TestShift<'a>],
    ) -> Course<'a> {
        let (school, facts) = (self.school(scenario, shifts), &self.facts);
        Course { school, facts, splits, cost_units_usd: None, shift: None, name: String::new() }
    }
}

/// What is said of a suite in the record.
pub(crate) struct SuiteFacts {
    has_cost: bool,
    left_out: crate::scenario::pool::LeftOut,
    uncounted: UncountedTokens,
    content_hash: String,
}

/// Cuts a suite down to the candidates of a scenario that fits it.
pub(crate) fn prepare(scenario: &Scenario, mut suite: Suite) -> Result<Prepared> {
    let content_hash = suite.content_hash();
    if suite.info.licence.is_empty() {
        suite.info.licence = scenario.licence.clone().unwrap_or_default();
    }
    let (uncounted, Pooled { suite, has_cost, left_out }) = cut(&scenario.cost, &scenario.pool, suite)?;
    check_fit(scenario, &suite)?;
    Ok(Prepared {
        groups: text_groups(&suite),
        grid: PreferenceGrid::new(&scenario.preferences)?,
        facts: SuiteFacts { has_cost, left_out, uncounted, content_hash },
        suite,
    })
}

pub(crate) fn replicate_stream(scenario: &Scenario, replicate: usize) -> Stream {
    Stream::root(scenario.seed).named("replicate").numbered(replicate)
}

fn split_of(scenario: &Scenario, suite: &Suite, replicate: usize) -> Result<Split> {
    split(suite, &scenario.split, replicate, &replicate_stream(scenario, replicate).named("split"))
}

fn event(step: Step, replicate: usize, router: String) -> Event {
    match step {
        Step::Started => Event::CellStarted { replicate, router },
        Step::Trained => Event::CellTrained { replicate, router },
        Step::Routed => Event::CellDone { replicate, router },
    }
}

fn blamed(entry: &RouterEntry, replicate: usize, error: Error) -> Error {
    match error {
        Error::Usage(problem) => Error::Training { router: entry.label.clone(), replicate, problem },
        other => other,
    }
}

/// Checks that a scenario fits its suite, without training anything; says what is left out.
///
/// # Errors
/// As [`run`], before training.
pub fn check(scenario: &Scenario, suite: Suite) -> Result<String> {
    let (_, Pooled { suite, left_out, .. }) = cut(&scenario.cost, &scenario.pool, suite)?;
    check_fit(scenario, &suite)?;
    let (n_models, n_prompts) = (suite.models.len(), suite.prompts.len());
    let left_out = left_out.in_words();
    let rest = if left_out.is_empty() { String::new() } else { format!("; {left_out}") };
    let unseen = unseen_of(scenario, &suite)?
        .map_or_else(String::new, |n_unseen| format!(", {n_unseen} of them unseen"));
    Ok(format!("{n_models} candidates{unseen}, {n_prompts} prompts{rest}"))
}

/// What the scenario asks of the suite.
fn check_fit(scenario: &Scenario, suite: &Suite) -> Result<()> {
    if suite.models.len() > usize::from(u16::MAX) {
        return Err(Error::Usage(format!("{} candidates are more than {}", suite.models.len(), u16::MAX)));
    }
    let models = suite.models.iter().map(|model| model.id.as_str());
    let labels = scenario.routers.iter().map(|entry| entry.label.as_str());
    let known: Vec<&str> = labels.chain(Bound::NAMES).chain(models).collect();
    for name in
        scenario.expect.iter().flat_map(|expectation| [Some(&expectation.router), expectation.above.as_ref()])
    {
        if let Some(name) = name.filter(|name| !known.contains(&name.as_str())) {
            let near = suggestion(name, known.iter().copied());
            return Err(Error::Usage(format!("an expectation names unknown router `{name}`{near}")));
        }
    }
    let stated = &suite.info.licence;
    if let Some(licence) = scenario.licence.as_ref().filter(|given| !stated.is_empty() && *given != stated) {
        let problem =
            format!("`licence` is \"{licence}\", but suite `{}` says \"{stated}\"", suite.info.name);
        return Err(Error::Usage(problem));
    }
    unseen_of(scenario, suite)?;
    shifts_of(scenario, suite)?;
    for entry in &scenario.routers {
        entry.settings.as_kind().rehearse(Surroundings::of(suite), None)?;
        let is_unseen_only =
            scenario.unseen.as_ref().is_some_and(|unseen| unseen.pool == TestPool::UnseenOnly);
        if is_unseen_only && !entry.settings.as_kind().takes_unseen() {
            return Err(Error::Usage(format!(
                "router `{}` cannot take a new model without training anew: with `pool = \"unseen-only\"` it has nobody to choose",
                entry.label
            )));
        }
        let asks_by_identity =
            scenario.quiz_of(entry).is_some_and(|quiz| quiz.strategy == QuizStrategy::Fisher);
        if asks_by_identity && suite.embeddings.is_none() {
            return Err(Error::Usage(format!(
                "quiz strategy `fisher` of router `{}` needs prompt embeddings, which suite `{}` does not have",
                entry.label, suite.info.name
            )));
        }
        if entry.settings.as_kind().needs_embeddings() && suite.embeddings.is_none() {
            return Err(Error::Usage(format!(
                "router `{}` needs prompt embeddings, which suite `{}` does not have",
                entry.label, suite.info.name
            )));
        }
        if let Some(needed) = entry.settings.as_kind().needs_pool_of()
            && needed != suite.models.len()
        {
            return Err(Error::Usage(format!(
                "router `{}` chooses between {needed} models, but the pool holds {}",
                entry.label,
                suite.models.len()
            )));
        }
    }
    Ok(())
}

/// How many candidates are unseen, where any are. Which a share draws is a matter of the stream; how many is not.
fn unseen_of(scenario: &Scenario, suite: &Suite) -> Result<Option<usize>> {
    let Some(settings) = &scenario.unseen else { return Ok(None) };
    let unseen = settings.choose(suite, &Stream::root(scenario.seed))?;
    Ok(Some(unseen.into_iter().filter(|is_unseen| *is_unseen).count()))
}

/// The record of a course, and what its routers chose under each shift of the test, by shift, replicate, and router.
fn assemble(
    course: &Course<'_>,
    (lessons, classes, taught): (&[Lesson], &[Class], Vec<Taught>),
) -> (Record, Vec<Vec<Vec<ShiftedCell>>>) {
    let School { scenario, suite: learned_from, tested: suite, asked: grid, shifts, .. } = course.school;
    let SuiteFacts { has_cost, left_out, uncounted, content_hash } = course.facts;
    let mut tested: Vec<usize> =
        lessons.iter().flat_map(|lesson| lesson.split.test.iter().copied()).collect();
    tested.sort_unstable();
    tested.dedup();
    let position = |prompt: &usize| tested.partition_point(|other| other < prompt);
    let models: Vec<usize> = (0..suite.models.len()).collect();
    let select = |table: &CellTable| table.select(&tested, &models);
    let tokens =
        Tokens { input: select(&suite.outcomes.input_tokens), output: select(&suite.outcomes.output_tokens) };
    let (mut choices, mut predictions) = (Vec::new(), Vec::new());
    let mut replicates = Vec::new();
    let mut shifted: Vec<Vec<Vec<ShiftedCell>>> = vec![Vec::new(); shifts.len()];
    let mut taught = taught.into_iter();
    for lesson in lessons {
        let taught: Vec<Taught> = taught.by_ref().take(classes.len()).collect();
        let (cost_unit_usd, unseen) = (taught[0].cost_unit_usd, lesson.unseen(learned_from, &taught));
        let InOrder { choices: routed, predictions: predicted, trained: routers, shifted: under_shifts } =
            in_scenario_order(classes, taught);
        for (at, shifted) in shifted.iter_mut().enumerate() {
            shifted.push(under_shifts.iter().map(|cells| cells[at].clone()).collect());
        }
        choices.push(routed);
        predictions.push(predicted);
        let Split { training, validation, test } = &lesson.split;
        replicates.push(RecordedReplicate {
            n_training: training.len(),
            n_validation: validation.len(),
            n_test: test.len(),
            cost_unit_usd,
            development_score: lesson.reference.score.clone(),
            development_cost_usd: lesson.reference.cost_usd.clone(),
            development_tokens: lesson.reference.tokens.clone(),
            unseen,
            pool: None,
            routers,
        });
    }
    let names: Vec<String> = suite.models.iter().map(|model| model.id.clone()).collect();
    let prompt = |&prompt: &usize| RecordedPrompt {
        id: suite.prompts[prompt].id.clone(),
        benchmark: suite.benchmarks[suite.prompts[prompt].benchmark].clone(),
    };
    let record = Record {
        manifest: Manifest {
            format: FORMAT,
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
            scenario: scenario.clone(),
            scenario_hash: scenario_hash(scenario),
            list_prices_hash: list_prices_hash(&names, &list_prices(suite)),
            suite: RecordedSuite {
                // The content hash says which suite it was; a list of thousands of files would say no more.
                info: SuiteInfo { import: None, ..suite.info.clone() },
                content_hash: content_hash.clone(),
                models: names,
                has_cost: *has_cost,
                cost_basis: suite.cost_basis,
                priced_by: suite.priced_by.clone(),
                repriced: None,
                list_prices: list_prices(suite),
                cells_with_assumed_tokens: uncounted.assumed,
                cells_with_estimated_tokens: uncounted.estimated,
                tokens_estimated_by: uncounted.estimated_by.clone(),
                encoded_by: suite.embeddings.as_ref().and_then(|all| all.encoder()).cloned(),
                left_out: left_out.clone(),
            },
            shift: course.shift.clone(),
            preferences: grid.preferences().iter().map(|preference| preference.weight()).collect(),
            preference_weights: grid.weights().to_vec(),
            replicates,
        },
        prompts: tested.iter().map(prompt).collect(),
        score: select(&suite.outcomes.score),
        cost_usd: select(&suite.outcomes.cost_usd),
        tokens: (tokens.input.n_known() + tokens.output.n_known() > 0).then_some(tokens),
        test_prompts: lessons.iter().map(|lesson| lesson.split.test.iter().map(position).collect()).collect(),
        choices,
        predictions,
    };
    (record, shifted)
}

/// The record of a run under a shift of its test, from the twin's: another suite, other pools, other choices.
fn under(
    twin: &Record,
    school: School<'_>,
    TestShift { shift, suite }: &TestShift<'_>,
    tests: Vec<Test>,
    cells: Vec<Vec<ShiftedCell>>,
) -> Record {
    let mut tested: Vec<usize> = tests.iter().flat_map(|test| test.prompts.iter().copied()).collect();
    tested.sort_unstable();
    tested.dedup();
    let position = |prompt: &usize| tested.partition_point(|other| other < prompt);
    let models: Vec<usize> = (0..suite.models.len()).collect();
    let prompt = |&prompt: &usize| RecordedPrompt {
        id: suite.prompts[prompt].id.clone(),
        benchmark: suite.benchmarks[suite.prompts[prompt].benchmark].clone(),
    };
    let mut manifest = twin.manifest.clone();
    manifest.shift = Some(shift.clone());
    manifest.suite.priced_by.clone_from(&suite.priced_by);
    manifest.suite.list_prices = list_prices(suite);
    manifest.list_prices_hash = list_prices_hash(&manifest.suite.models, &manifest.suite.list_prices);
    let mut choices = Vec::new();
    for ((replicate, test), cells) in manifest.replicates.iter_mut().zip(&tests).zip(cells) {
        let names = manifest.suite.models.iter().zip(&test.pool).filter(|(_, in_pool)| **in_pool);
        replicate.pool = Some(names.map(|(name, _)| name.clone()).collect());
        replicate.n_test = test.prompts.len();
        let routers = school.scenario.routers.iter().zip(&mut replicate.routers);
        for ((entry, training), cell) in routers.zip(&cells) {
            training.choices_hash = commitment(&entry.label, &cell.choices);
            training.calling_orders = cell.choices.orders().map(<[_]>::to_vec);
            training.unheard.clone_from(&cell.unheard);
        }
        choices.push(cells.into_iter().map(|cell| cell.choices).collect());
    }
    Record {
        prompts: tested.iter().map(prompt).collect(),
        score: suite.outcomes.score.select(&tested, &models),
        cost_usd: suite.outcomes.cost_usd.select(&tested, &models),
        tokens: None,
        test_prompts: tests.iter().map(|test| test.prompts.iter().map(position).collect()).collect(),
        // What was expected of answers is told of the twin.
        predictions: vec![vec![None; school.scenario.routers.len()]; choices.len()],
        choices,
        manifest,
    }
}

/// What came of one replicate, by router in scenario order.
#[derive(Default)]
struct InOrder {
    choices: Vec<Choices>,
    predictions: Vec<Option<Predictions>>,
    trained: Vec<RecordedTraining>,
    shifted: Vec<Vec<ShiftedCell>>,
}

/// What the classes of one replicate did, router by router.
fn in_scenario_order(classes: &[Class], taught: Vec<Taught>) -> InOrder {
    let places = classes.iter().flat_map(|class| class.routers.iter().copied());
    let each = |taught: Taught| taught.routers.into_iter().zip(taught.shifted);
    let mut placed: Vec<_> = places.zip(taught.into_iter().flat_map(each)).collect();
    placed.sort_by_key(|(place, _)| *place);
    let mut all = InOrder::default();
    for (_, ((choices, predictions, training), shifted)) in placed {
        all.choices.push(choices);
        all.predictions.push(predictions);
        all.trained.push(training);
        all.shifted.push(shifted);
    }
    all
}
