//! Runs a scenario on recorded outcomes: pool, split, train, route; the result is a record.

use rayon::prelude::*;

use super::assemble::{assemble, under_shift};
use super::cells::{CellCache, RunCells, TrainedCell};
use super::prepare::{RunPlan, prepare, replicate_stream, split_of};
use super::replicate::{Replicate, RunInputs};
use super::shifted::test_of;
use super::training::{Observer, Step, TrainedGroup, quiz_groups};
use crate::embed::BUILT_IN;
use crate::error::{Error, Result, suggestion};
use crate::record::Record;
use crate::router::{LlmBanditSettings, Origin, SavedRouter};
use crate::scenario::split::Split;
use crate::scenario::{RouterEntry, Scenario};
use crate::suite::Suite;

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
    /// The finished cells of an interrupted run, by replicate and router.
    fn finished(&self, cells: Option<&RunCells<'_>>) -> Vec<Vec<Option<TrainedCell>>> {
        let RunInputs { scenario, shifts, .. } = self.inputs;
        let find = |replicate: usize, entry: &RouterEntry| {
            let cell = cells.filter(|_| is_cached(entry)).and_then(|cells| cells.find(replicate, entry));
            cell.filter(|cell| cell.shifted.len() == shifts.len())
        };
        let find_all = |replicate| scenario.routers.iter().map(|entry| find(replicate, entry)).collect();
        (0..scenario.replicates).map(find_all).collect()
    }

    /// The replicates, ready to train the routers that have no finished cell.
    fn replicates(&self, finished: &[Vec<Option<TrainedCell>>]) -> Result<Vec<Replicate>> {
        let scenario = self.inputs.scenario;
        let replicate = |(number, split): (usize, &Split)| {
            let to_train = scenario.routers.iter().zip(&finished[number]);
            let to_train = to_train.filter(|(_, cell)| cell.is_none()).map(|(entry, _)| entry);
            let unit = self.cost_units_usd.as_ref().map(|units| units[number]);
            let stream = replicate_stream(scenario, number);
            Replicate::new(self.inputs, (number, stream), split.clone(), unit, to_train)
        };
        self.splits.par_iter().enumerate().map(replicate).collect()
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
    let RunInputs { scenario, suite, shifts, .. } = plan.inputs;
    let n_cells = scenario.replicates * scenario.routers.len();
    // Said once, by the scenario as it is.
    let left_out = if plan.name.is_empty() { plan.facts.left_out.in_words() } else { String::new() };
    progress(Event::Started { n_cells, left_out });
    let cells = cache.map(|cache| cache.of(scenario, suite, &plan.name));
    let finished = plan.finished(cells.as_ref());
    let n_finished = finished.iter().flatten().flatten().count();
    if n_finished > 0 {
        progress(Event::TakenUp { n_cells: n_finished });
    }
    let replicates = plan.replicates(&finished)?;
    replicates.iter().try_for_each(|replicate| replicate.precheck(plan.inputs))?;
    let groups = quiz_groups(scenario);
    let label = |entry: &RouterEntry| match plan.name.as_str() {
        "" => entry.label.clone(),
        name => format!("{name}: {}", entry.label),
    };
    let train = |at: usize| {
        let (number, group) = (at / groups.len(), &groups[at % groups.len()]);
        let observer = Observer {
            tell: &|step, entry| progress(event(step, number, label(entry))),
            keep: &|entry, cell| {
                let cells = cells.as_ref().filter(|_| is_cached(entry));
                cells.map_or(Ok(()), |cells| cells.keep(number, entry, cell))
            },
        };
        replicates[number].train_group(plan.inputs, group, &finished[number], &observer)
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
fn is_cached(entry: &RouterEntry) -> bool {
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
    if scenario.embeddings.as_deref() == Some(BUILT_IN) {
        let problem = "`embeddings` is \"built-in\", fitted to this suite: a saved router could not be asked about other prompts";
        return Err(Error::setting("embeddings", problem));
    }
    let entry = &scenario.routers[at];
    let Some(settings) = entry.settings.get::<LlmBanditSettings>() else {
        let problem = format!(
            "router `{label}` is of kind `{}`; only `llm-bandit` can be saved",
            entry.settings.kind()
        );
        return Err(Error::setting(format!("router[{at}].kind"), problem));
    };
    if replicate >= scenario.replicates {
        let problem =
            format!("replicate {replicate} is not among the {} of the scenario", scenario.replicates);
        return Err(Error::Usage(problem));
    }
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
    trained.train_to_save(inputs, entry, settings, origin)
}

fn event(step: Step, replicate: usize, router: String) -> Event {
    match step {
        Step::Started => Event::CellStarted { replicate, router },
        Step::Trained => Event::CellTrained { replicate, router },
        Step::Routed => Event::CellDone { replicate, router },
    }
}
