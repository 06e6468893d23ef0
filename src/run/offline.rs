//! Runs a scenario on recorded outcomes: pool, split, train, route. What the replicates did becomes a record.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::cells::{CellCache, RunCells, TrainedCell};
use super::prepare::{RunPlan, SuiteFacts, prepare, replicate_stream, split_of};
use super::replicate::{Replicate, RunInputs};
use super::replicate::{ShiftedCell, Test, TestShift, test_of};
use super::training::{Observer, QuizGroup, Step, TrainedGroup, quiz_groups};
use crate::embed;
use crate::error::{Error, Result, suggestion};
use crate::index::{RecordPrompt, SuitePrompt};
use crate::record::{
    FORMAT, Manifest, Predictions, Record, RecordedPrompt, RecordedReplicate, RecordedSuite,
    RecordedTraining, Tokens, commitment, list_prices, list_prices_hash, scenario_hash,
};
use crate::router::{Choices, EncoderOf, Origin, SavedRouter};
use crate::scenario::split::Split;
use crate::scenario::{RouterEntry, Scenario};
use crate::suite::sessions::sessions;
use crate::suite::{CellTable, Embeddings, Suite, SuiteInfo};

/// What happens while a scenario runs; events of different cells come in any order.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Everything is checked and so many (replicate, router) cells will follow.
    Started {
        /// How many cells.
        n_cells: usize,
        /// What was left out of the suite, in words; empty where nothing was.
        left_out: String,
        /// The expected seconds of a cell by its router; those of other routers count as one.
        expected_seconds: BTreeMap<String, f64>,
    },
    /// So many of the cells were finished by an earlier run and are taken up; no other event names them.
    TakenUp {
        /// The cells of each router.
        n_cells: BTreeMap<String, usize>,
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
    /// An online learner begins to learn from the warm start.
    LearnerStarted {
        /// Its label.
        router: String,
    },
    /// An online learner is ready to begin any order. What follows of it are cells, one an order, which begin as trained.
    LearnerReady {
        /// Its label.
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

/// As [`run`], with the same result; takes up the cells that an interrupted run of the same has finished, and caches those
/// that it finishes itself.
///
/// # Errors
/// As [`run`]; cells that cannot be written.
pub fn resume(
    scenario: &Scenario,
    suite: Suite,
    cache: Option<&CellCache>,
    progress: &(dyn Fn(Event) + Sync),
) -> Result<Record> {
    let prepared = prepare(scenario, suite)?;
    let plan = RunPlan::new(scenario, &prepared, prepared.splits(scenario)?, &[]);
    Ok(execute(&plan, cache, progress)?.record)
}

impl RunPlan<'_> {
    /// The cells that are kept.
    pub(crate) fn cells<'c>(&self, cache: &'c CellCache) -> RunCells<'c> {
        cache.of(self.inputs.scenario, self.inputs.suite, &self.name)
    }

    /// The finished cell of a router in a replicate, where it is kept.
    pub(crate) fn finished(
        &self,
        cells: Option<&RunCells<'_>>,
        replicate: usize,
        entry: &RouterEntry,
    ) -> Option<TrainedCell> {
        let cell = cells.filter(|_| is_cached(entry)).and_then(|cells| cells.find(replicate, entry));
        cell.filter(|cell| cell.shifted.len() == self.inputs.shifts.len())
    }

    /// A replicate, ready to train these routers.
    ///
    /// # Errors
    /// As [`Replicate::new`].
    pub(crate) fn replicate<'e>(
        &self,
        number: usize,
        to_train: impl Iterator<Item = &'e RouterEntry>,
    ) -> Result<Replicate> {
        let unit = self.cost_units_usd.as_ref().map(|units| units[number]);
        let stream = replicate_stream(self.inputs.scenario, number);
        Replicate::new(self.inputs, (number, stream), self.splits[number].clone(), unit, to_train)
    }

    /// Does something with an observer that passes on what happens in a replicate, and keeps its cells.
    pub(crate) fn observed<T>(
        &self,
        number: usize,
        cells: Option<&RunCells<'_>>,
        progress: &(dyn Fn(Event) + Sync),
        act: impl FnOnce(&Observer<'_>) -> Result<T>,
    ) -> Result<T> {
        let label = |entry: &RouterEntry| match self.name.as_str() {
            "" => entry.label.clone(),
            name => format!("{name}: {}", entry.label),
        };
        let cells_of = |entry: &RouterEntry| cells.filter(|_| is_cached(entry));
        act(&Observer {
            tell: &|step, entry| {
                progress(event(step, number, label(entry)));
                let cells = cells_of(entry).filter(|_| step == Step::Started);
                cells.map_or(Ok(()), |cells| cells.begin(number, entry))
            },
            keep: &|entry, cell| cells_of(entry).map_or(Ok(()), |cells| cells.keep(number, entry, cell)),
        })
    }
}

/// What came of a plan.
pub(crate) struct RunRecords {
    pub(crate) record: Record,
    /// One a shift of the test, in their order.
    pub(crate) shifted: Vec<Record>,
}

/// Trains and routes everything of a plan, and records it.
///
/// # Errors
/// As [`resume`].
pub(crate) fn execute(
    plan: &RunPlan<'_>,
    cache: Option<&CellCache>,
    progress: &(dyn Fn(Event) + Sync),
) -> Result<RunRecords> {
    let RunInputs { scenario, shifts, .. } = plan.inputs;
    let n_cells = scenario.replicates * scenario.routers.len();
    // Said once, by the scenario as it is.
    let left_out = if plan.name.is_empty() { plan.facts.left_out.in_words() } else { String::new() };
    progress(Event::Started { n_cells, left_out, expected_seconds: plan.expected_seconds() });
    let cells = cache.map(|cache| plan.cells(cache));
    let find = |replicate, entry| plan.finished(cells.as_ref(), replicate, entry);
    let find_all = |replicate| scenario.routers.iter().map(|entry| find(replicate, entry)).collect();
    let finished: Vec<Vec<Option<TrainedCell>>> = (0..scenario.replicates).map(find_all).collect();
    let is_taken_up = |at: usize| finished.iter().filter(|of_replicate| of_replicate[at].is_some()).count();
    let routers = scenario.routers.iter().enumerate();
    taken_up(routers.map(|(at, entry)| (entry.label.clone(), is_taken_up(at))), progress);
    let replicate = |number: usize| {
        let routers = scenario.routers.iter().zip(&finished[number]);
        plan.replicate(number, routers.filter(|(_, cell)| cell.is_none()).map(|(entry, _)| entry))
    };
    let replicates = (0..scenario.replicates).into_par_iter().map(replicate).collect::<Result<Vec<_>>>()?;
    let all = || scenario.routers.iter();
    replicates.iter().try_for_each(|replicate| replicate.precheck(plan.inputs, all()))?;
    let groups = quiz_groups(scenario);
    let train = |at: usize| {
        let (number, group) = (at / groups.len(), &groups[at % groups.len()]);
        plan.observed(number, cells.as_ref(), progress, |observer| {
            replicates[number].train_group(plan.inputs, group, &finished[number], observer)
        })
    };
    let trained = (0..replicates.len() * groups.len()).into_par_iter().map(train);
    let trained = trained.collect::<Result<Vec<TrainedGroup>>>()?;
    let (record, cells) = assemble(plan, &replicates, &groups, trained);
    let shifted = shifts.iter().zip(cells).map(|(shift, cells)| {
        let tests = replicates.iter().map(|replicate| test_of(shift, &replicate.view(plan.inputs)));
        Ok(under_shift(&record, scenario, shift, &tests.collect::<Result<Vec<_>>>()?, cells))
    });
    let shifted = shifted.collect::<Result<_>>()?;
    Ok(RunRecords { record, shifted })
}

/// Whether what a router chooses depends on nothing outside of its cell's key.
pub(crate) fn is_cached(entry: &RouterEntry) -> bool {
    entry.settings.traits().is_self_contained
}

/// Trains one router of a scenario on the development prompts of one replicate, exactly as [`run`] does, to be saved.
///
/// # Errors
/// A label or replicate that the scenario does not have, a router that cannot be saved, and as [`run`].
pub fn train(scenario: &Scenario, suite: Suite, label: &str, replicate: usize) -> Result<SavedRouter> {
    let labels = || scenario.routers.iter().map(|entry| entry.label.as_str());
    let Some(at) = scenario.routers.iter().position(|entry| entry.label == label) else {
        let near = suggestion(label, labels());
        let all: Vec<String> = labels().map(|label| format!("`{label}`")).collect();
        let near = if near.is_empty() { format!("; there is {}", all.join(", ")) } else { near };
        return Err(Error::Usage(format!("no router is labelled `{label}`{near}")));
    };
    let entry = &scenario.routers[at];
    if !SavedRouter::keeps(&entry.settings) {
        let kind = entry.settings.kind();
        let problem = if entry.settings.traits().sees_peers {
            format!(
                "router `{label}` is a bound (`kind = \"{kind}\"`): it routes by outcomes, which no question has"
            )
        } else {
            format!(
                "router `{label}` is made elsewhere (`kind = \"{kind}\"`): this program trains nothing of it that could be kept"
            )
        };
        return Err(Error::setting(format!("router[{at}].kind"), problem));
    }
    if let Some(stick) = &entry.stick {
        let problem = format!(
            "router `{label}` sticks to the model of the turn before (`stick = \"{}\"`), which no single question tells; keep the one \
             without `stick`",
            stick.how.name()
        );
        return Err(Error::setting(format!("router[{at}].stick"), problem));
    }
    if replicate >= scenario.replicates {
        let problem =
            format!("replicate {replicate} is not among the {} of the scenario", scenario.replicates);
        return Err(Error::Usage(problem));
    }
    let embeddings = suite.embeddings.as_ref();
    let encoder = EncoderOf {
        encoder: embeddings.and_then(Embeddings::encoder).cloned(),
        fitted: embeddings.and_then(|embeddings| embed::refitted(&suite.prompts, embeddings)),
    };
    let prepared = prepare(scenario, suite)?;
    let inputs = prepared.inputs(scenario, &[]);
    let (suite, facts) = (&prepared.suite, &prepared.facts);
    let split = split_of(scenario, suite, replicate)?;
    let stream = replicate_stream(scenario, replicate);
    let trained = Replicate::new(inputs, (replicate, stream), split, None, std::iter::once(entry))?;
    let origin = Origin {
        suite: suite.info.name.clone(),
        suite_content_hash: facts.content_hash.clone(),
        scenario: scenario.name.clone(),
        label: label.to_owned(),
        seed: scenario.seed.to_string(),
        replicate,
    };
    trained.train_to_save(inputs, entry, origin, encoder)
}

/// Says how many cells of each router are taken up, where any are.
pub(super) fn taken_up(by_router: impl Iterator<Item = (String, usize)>, progress: &(dyn Fn(Event) + Sync)) {
    let mut n_cells = BTreeMap::<String, usize>::new();
    for (router, n) in by_router.filter(|(_, n)| *n > 0) {
        *n_cells.entry(router).or_default() += n;
    }
    if !n_cells.is_empty() {
        progress(Event::TakenUp { n_cells });
    }
}

fn event(step: Step, replicate: usize, router: String) -> Event {
    match step {
        Step::Started => Event::CellStarted { replicate, router },
        Step::Trained => Event::CellTrained { replicate, router },
        Step::Routed => Event::CellDone { replicate, router },
    }
}

/// The prompts of a record: those that were a test prompt at least once, ascending.
struct Tested(Vec<SuitePrompt>);

impl Tested {
    fn new<'a>(tests: impl Iterator<Item = &'a Vec<SuitePrompt>>) -> Self {
        let mut prompts: Vec<SuitePrompt> = tests.flatten().copied().collect();
        prompts.sort_unstable();
        prompts.dedup();
        Tested(prompts)
    }

    /// Some of them as prompts of the record.
    fn positions(&self, prompts: &[SuitePrompt]) -> Vec<RecordPrompt> {
        RecordPrompt::of(prompts.iter().map(|prompt| self.0.partition_point(|other| other < prompt)))
    }

    /// They; where sessions are replayed with their turns, counted over those that the suite has.
    fn recorded(&self, suite: &Suite, has_sessions: bool) -> Vec<RecordedPrompt> {
        let mut places = vec![None; suite.prompts.len()];
        if has_sessions {
            let sessions = sessions(&suite.prompts);
            let places_of = |turns: &Vec<usize>| turns.clone().into_iter().zip(1..);
            sessions.iter().flat_map(places_of).for_each(|(turn, place)| places[turn] = Some(place));
        }
        let recorded = self.0.iter().map(|prompt| prompt.at()).map(|at| {
            let prompt = &suite.prompts[at];
            let session = prompt.turn.as_ref().map(|turn| turn.session.clone());
            RecordedPrompt {
                id: prompt.id.clone(),
                benchmark: suite.benchmarks[prompt.benchmark].clone(),
                turn: session.zip(places[at]),
                variant_of: prompt.variant_of.clone(),
            }
        });
        recorded.collect()
    }

    /// What prompt caches save of them, where sessions are replayed.
    fn savings(&self, scenario: &Scenario, suite: &Suite) -> Option<CellTable> {
        scenario.session.as_ref().map(|caches| self.select(&caches.savings(suite)))
    }

    fn latencies(&self, scenario: &Scenario, suite: &Suite) -> Option<CellTable> {
        let column = &scenario.objectives.as_ref()?.latency;
        suite.outcomes.extra.get(column).map(|table| self.select(table))
    }

    fn select(&self, table: &CellTable) -> CellTable {
        table.select(&SuitePrompt::places(&self.0), &(0..table.n_models()).collect::<Vec<usize>>())
    }
}

/// The record of a plan, and what its routers chose under each shift of the test, by shift, replicate, and router.
pub(crate) fn assemble(
    plan: &RunPlan<'_>,
    replicates: &[Replicate],
    groups: &[QuizGroup],
    trained: Vec<TrainedGroup>,
) -> (Record, Vec<Vec<Vec<ShiftedCell>>>) {
    let RunInputs { scenario, suite: learned_from, tested: suite, asked: grid, shifts, .. } = plan.inputs;
    let tested = Tested::new(replicates.iter().map(|replicate| &replicate.split.test));
    let outcomes = &suite.outcomes;
    let [input, output] = [&outcomes.input_tokens, &outcomes.output_tokens].map(|table| tested.select(table));
    let tokens = Tokens { input, output };
    let (mut choices, mut predictions, mut recorded) = (Vec::new(), Vec::new(), Vec::new());
    let mut shifted: Vec<Vec<Vec<ShiftedCell>>> = vec![Vec::new(); shifts.len()];
    let mut trained = trained.into_iter();
    for replicate in replicates {
        let trained: Vec<TrainedGroup> = trained.by_ref().take(groups.len()).collect();
        let (cost_unit_usd, unseen) = (trained[0].cost_unit_usd, replicate.unseen(learned_from, &trained));
        let InOrder { choices: routed, predictions: predicted, trained: routers, shifted: under_shifts } =
            in_scenario_order(groups, trained);
        for (at, shifted) in shifted.iter_mut().enumerate() {
            shifted.push(under_shifts.iter().map(|cells| cells[at].clone()).collect());
        }
        choices.push(routed);
        predictions.push(predicted);
        let Split { training, validation, test } = &replicate.split;
        recorded.push(RecordedReplicate {
            n_training: training.len(),
            n_validation: validation.len(),
            n_test: test.len(),
            cost_unit_usd,
            development_score: replicate.reference.score.clone(),
            development_cost_usd: replicate.reference.cost_usd.clone(),
            development_tokens: replicate.reference.tokens.clone(),
            unseen,
            pool: None,
            routers,
        });
    }
    let recorded_suite = recorded_suite(suite, plan.facts, scenario.session.is_some());
    let record = Record {
        manifest: Manifest {
            format: FORMAT,
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
            scenario: scenario.clone(),
            scenario_hash: scenario_hash(scenario),
            list_prices_hash: list_prices_hash(&recorded_suite.models, &recorded_suite.list_prices),
            suite: recorded_suite,
            shift: plan.shift.clone(),
            shifts: Vec::new(),
            preferences: grid.preferences().iter().map(|preference| preference.weight()).collect(),
            preference_weights: grid.weights().to_vec(),
            replicates: recorded,
        },
        prompts: tested.recorded(suite, scenario.session.is_some()),
        savings_usd: tested.savings(scenario, suite),
        score: tested.select(&outcomes.score),
        cost_usd: tested.select(&outcomes.cost_usd),
        latency_s: tested.latencies(scenario, suite),
        tokens: (tokens.input.n_known() + tokens.output.n_known() > 0).then_some(tokens),
        test_prompts: replicates.iter().map(|replicate| tested.positions(&replicate.split.test)).collect(),
        choices,
        predictions,
    };
    (record, shifted)
}

fn recorded_suite(suite: &Suite, facts: &SuiteFacts, has_caches: bool) -> RecordedSuite {
    RecordedSuite {
        // The content hash says which suite it was; a list of thousands of files would say no more.
        info: SuiteInfo { import: None, ..suite.info.clone() },
        content_hash: facts.content_hash.clone(),
        models: suite.models.iter().map(|model| model.id.clone()).collect(),
        has_cost: facts.has_cost,
        cost_basis: suite.cost_basis,
        priced_by: suite.priced_by.clone(),
        repriced: None,
        list_prices: list_prices(suite, has_caches),
        cells_with_assumed_tokens: facts.uncounted.assumed,
        cells_with_estimated_tokens: facts.uncounted.estimated,
        tokens_estimated_by: facts.uncounted.estimated_by.clone(),
        encoded_by: suite.embeddings.as_ref().and_then(|all| all.encoder()).cloned(),
        left_out: facts.left_out.clone(),
    }
}

/// The record of a run under a shift of its test, from the twin's: another suite, other pools, other choices.
pub(crate) fn under_shift(
    twin: &Record,
    scenario: &Scenario,
    TestShift { shift, suite }: &TestShift<'_>,
    tests: &[Test],
    cells: Vec<Vec<ShiftedCell>>,
) -> Record {
    let tested = Tested::new(tests.iter().map(|test| &test.prompts));
    let mut manifest = twin.manifest.clone();
    manifest.shift = Some(shift.clone());
    manifest.suite.priced_by.clone_from(&suite.priced_by);
    manifest.suite.list_prices = list_prices(suite, scenario.session.is_some());
    manifest.list_prices_hash = list_prices_hash(&manifest.suite.models, &manifest.suite.list_prices);
    let mut choices = Vec::new();
    for ((replicate, test), cells) in manifest.replicates.iter_mut().zip(tests).zip(cells) {
        let names = manifest.suite.models.iter().zip(&test.pool).filter(|(_, in_pool)| **in_pool);
        replicate.pool = Some(names.map(|(name, _)| name.clone()).collect());
        replicate.n_test = test.prompts.len();
        let routers = scenario.routers.iter().zip(&mut replicate.routers);
        for ((entry, training), cell) in routers.zip(&cells) {
            training.choices_hash = commitment(&entry.label, &cell.choices);
            training.calling_orders = cell.choices.orders().map(<[_]>::to_vec);
            training.not_applied.clone_from(&cell.not_applied);
        }
        choices.push(cells.into_iter().map(|cell| cell.choices).collect());
    }
    Record {
        prompts: tested.recorded(suite, scenario.session.is_some()),
        savings_usd: tested.savings(scenario, suite),
        score: tested.select(&suite.outcomes.score),
        cost_usd: tested.select(&suite.outcomes.cost_usd),
        latency_s: tested.latencies(scenario, suite),
        tokens: None,
        test_prompts: tests.iter().map(|test| tested.positions(&test.prompts)).collect(),
        // What was expected of answers is told of the twin.
        predictions: vec![vec![None; scenario.routers.len()]; choices.len()],
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

/// What the groups of one replicate did, router by router.
fn in_scenario_order(groups: &[QuizGroup], trained: Vec<TrainedGroup>) -> InOrder {
    let places = groups.iter().flat_map(|group| group.routers.iter().copied());
    let each = |trained: TrainedGroup| trained.routers.into_iter().zip(trained.shifted);
    let mut placed: Vec<_> = places.zip(trained.into_iter().flat_map(each)).collect();
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
