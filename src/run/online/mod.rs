//! Runs an online scenario: every router replays every order; the result is a record.
//!
//! `world` holds every outcome; [`Replay`] is the only way to them. It shows a prompt, takes a choice, and tells its outcome
//! when it is due.

mod world;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::preference::Preference;
use crate::random::ChaCha8Rng;
use crate::record::online::{
    Log, OnlineManifest, OnlineRecord, Order, Phase, RecordedLearner, RecordedPhase, RecordedWarmStart,
    phase_at,
};
use crate::record::{FORMAT, list_prices_hash, log_commitment, scenario_hash};
use crate::router::Meter;
use crate::router::online::{Outcome, Ready, Situation};
use crate::run::cells::{RunCells, Volume};
use crate::run::offline::taken_up;
use crate::run::{CellCache, Event};
use crate::scenario::Mode;
use crate::scenario::online::feedback::{Calls, Deliveries};
use crate::scenario::online::{Condition, OnlineRouterEntry, OnlineScenario, OnlineSettings};
use crate::seed::Stream;
use crate::suite::Suite;
use world::{Course, World};

/// Runs a scenario on its suite. The result depends on the arguments alone, not on the number of threads.
///
/// # Errors
/// A scenario that does not fit the suite; training on the warm start that diverges.
pub fn run(
    scenario: &OnlineScenario,
    suite: Suite,
    progress: &(dyn Fn(Event) + Sync),
) -> Result<OnlineRecord> {
    resume(scenario, suite, None, progress)
}

/// What came of one learner in one order.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct OnlineCell {
    /// What the warm start told it, which every order shares.
    notes: BTreeMap<String, String>,
    paid: Meter,
    log: Log,
    revealed: Meter,
}

/// As [`run`], with the same result; takes up the cells, one learner in one order each, that an interrupted run of the same
/// has finished, and keeps those that it finishes itself.
///
/// # Errors
/// As [`run`]; cells that cannot be kept.
pub fn resume(
    scenario: &OnlineScenario,
    suite: Suite,
    cache: Option<&CellCache>,
    progress: &(dyn Fn(Event) + Sync),
) -> Result<OnlineRecord> {
    let study = OnlineStudy::new(scenario, suite)?;
    if let Some(cache) = cache {
        cache.check_room(&study.volume())?;
    }
    let cells = cache.map(|cache| study.cells(cache));
    let n_cells = study.n_cells();
    let left_out = study.world.suite.left_out.in_words();
    progress(Event::Started { n_cells, left_out, expected_seconds: BTreeMap::new() });
    let finished: Vec<Option<OnlineCell>> =
        (0..n_cells).map(|at| study.finished(cells.as_ref()?, at)).collect();
    let is_finished = |&at: &usize| finished[at].is_some();
    study.say_taken_up((0..n_cells).filter(is_finished), progress);
    let missing: Vec<usize> = (0..n_cells).filter(|&at| finished[at].is_none()).collect();
    let mut new = study.replay_some(&missing, cells.as_ref(), progress)?.into_iter();
    let done = finished.into_iter().map(|cell| cell.or_else(|| new.next())).collect::<Option<Vec<_>>>();
    let mut done = done.expect("what is missing is replayed");
    let mut world = study.world;
    let runs: Vec<Run> = std::mem::take(&mut world.courses)
        .into_iter()
        .map(|course| {
            let of_router = |entry: &OnlineRouterEntry| {
                let cells: Vec<OnlineCell> = done.drain(..course.orders.len()).collect();
                let (notes, paid) = (cells[0].notes.clone(), cells[0].paid);
                let choices_hashes =
                    cells.iter().map(|cell| log_commitment(&entry.label, &cell.log)).collect();
                let (logs, revealed) = cells.into_iter().map(|cell| (cell.log, cell.revealed)).unzip();
                (RecordedLearner { notes, paid, revealed, choices_hashes }, logs)
            };
            let (learners, logs) = scenario.routers.iter().map(of_router).unzip();
            (course, learners, logs)
        })
        .collect();
    Ok(assemble(world, runs))
}

/// A course, what is recorded of its learners, and their logs.
type Run = (Course, Vec<RecordedLearner>, Vec<Vec<Log>>);

/// An online scenario on its suite; its cells are numbered course by course, learner by learner of each, and order by order.
pub(crate) struct OnlineStudy<'a> {
    scenario: &'a OnlineScenario,
    world: World,
}

/// Which cell it is.
pub(crate) struct Place<'a> {
    pub(crate) order: usize,
    pub(crate) entry: &'a OnlineRouterEntry,
    /// The router's position.
    router: usize,
    /// The course's position: 0 is the run as it is.
    course: usize,
    condition: Option<&'a Condition>,
}

/// What a cell is kept under: a condition of it only where it has one.
#[derive(serde::Serialize)]
#[serde(untagged)]
pub(crate) enum CellEntry<'a> {
    AsItIs(&'a OnlineRouterEntry),
    Under(&'a OnlineRouterEntry, &'a Condition),
}

impl<'a> Place<'a> {
    pub(crate) fn kept_under(&self) -> CellEntry<'a> {
        match self.condition {
            None => CellEntry::AsItIs(self.entry),
            Some(condition) => CellEntry::Under(self.entry, condition),
        }
    }
}

impl<'a> OnlineStudy<'a> {
    /// Plays the changes of a scenario on its suite.
    ///
    /// # Errors
    /// A scenario that does not fit the suite.
    pub(crate) fn new(scenario: &'a OnlineScenario, suite: Suite) -> Result<OnlineStudy<'a>> {
        Ok(OnlineStudy { scenario, world: World::new(scenario, suite)? })
    }

    pub(crate) fn n_cells(&self) -> usize {
        self.world.courses.len() * self.scenario.routers.len() * self.scenario.online.orders
    }

    /// The cells that are kept.
    pub(crate) fn cells<'c>(&self, cache: &'c CellCache) -> RunCells<'c> {
        cache.of_online(self.scenario, &self.world.cut_hash)
    }

    fn say_taken_up(&self, cells: impl Iterator<Item = usize>, progress: &(dyn Fn(Event) + Sync)) {
        taken_up(cells.map(|cell| (self.place(cell).entry.label.clone(), 1)), progress);
    }

    /// Which cell has a number.
    pub(crate) fn place(&self, cell: usize) -> Place<'a> {
        let (n_orders, n_routers) = (self.scenario.online.orders, self.scenario.routers.len());
        let (router, course) = (cell / n_orders % n_routers, cell / n_orders / n_routers);
        let condition = course.checked_sub(1).map(|at| &self.scenario.conditions[at]);
        Place { order: cell % n_orders, entry: &self.scenario.routers[router], router, course, condition }
    }

    /// How much a run writes.
    fn volume(&self) -> Volume {
        let (n_routers, n_orders, world) =
            (self.scenario.routers.len(), self.scenario.online.orders, &self.world);
        Volume {
            n_records: world.courses.len(),
            n_routers,
            n_policies: n_routers + world.n_arms(),
            n_outcomes: world.courses[0].phases.len() * world.n_arms() * world.prompts.len(),
            n_replicates: n_orders,
            n_points: 100,
            // An arm and its propensity.
            n_bytes_of_router: n_orders * world.n_steps * (2 + 8),
        }
    }

    fn finished(&self, cells: &RunCells<'_>, cell: usize) -> Option<OnlineCell> {
        let place = self.place(cell);
        let found: OnlineCell = cells.read(place.order, &place.kept_under())?;
        let n_steps = self.world.n_steps;
        (found.log.arms.len() == n_steps && found.log.propensities.len() == n_steps).then_some(found)
    }

    /// Replays some cells, ascending, and keeps them; a learner is made ready once for all its orders under all conditions.
    ///
    /// # Errors
    /// Training on the warm start that diverges; cells that cannot be kept.
    fn replay_some(
        &self,
        some: &[usize],
        cells: Option<&RunCells<'_>>,
        progress: &(dyn Fn(Event) + Sync),
    ) -> Result<Vec<OnlineCell>> {
        let OnlineStudy { scenario, world } = self;
        let stream =
            |entry: &OnlineRouterEntry| Stream::root(scenario.seed).named("router").named(&entry.label);
        let draw_preference = |rng: &mut ChaCha8Rng| scenario.draw_preference(rng);
        let inputs = world.learner_inputs(&draw_preference);
        let make_ready = |(at, entry): (usize, &'a OnlineRouterEntry)| {
            let own: Vec<Place<'_>> =
                some.iter().map(|&cell| self.place(cell)).filter(|place| place.router == at).collect();
            if own.is_empty() {
                return Ok(None);
            }
            let begin = |place: &Place<'_>| {
                cells.map_or(Ok(()), |cells| cells.begin(place.order, &place.kept_under()))
            };
            own.iter().try_for_each(begin)?;
            progress(Event::LearnerStarted { router: entry.label.clone() });
            let ready = entry.settings.ready(inputs, &stream(entry)).map_err(|error| match error {
                Error::Usage(problem) | Error::Setting { problem, .. } => {
                    Error::Training { router: entry.label.clone(), replicate: 0, problem }
                }
                other => other,
            })?;
            progress(Event::LearnerReady { router: entry.label.clone() });
            Ok(Some(ready))
        };
        let ready = scenario.routers.par_iter().enumerate().map(make_ready);
        let ready = ready.collect::<Result<Vec<Option<Ready<'_>>>>>()?;
        let replay_one = |&at: &usize| {
            let place = self.place(at);
            let Place { order, entry, .. } = place;
            let ready = ready[place.router].as_ref().expect("a learner of a cell is made ready");
            progress(Event::CellTrained { replicate: order, router: entry.label.clone() });
            let replay = Replay::new(world, place.course, order);
            let (log, revealed) = replay.through(ready, &stream(entry).numbered(order));
            let cell = OnlineCell { notes: ready.notes.clone(), paid: ready.paid, log, revealed };
            cells.map_or(Ok(()), |cells| cells.keep(order, &place.kept_under(), &cell))?;
            progress(Event::CellDone { replicate: order, router: entry.label.clone() });
            Ok(cell)
        };
        some.par_iter().map(replay_one).collect()
    }

    /// As [`replay_some`](Self::replay_some), of those cells that are not kept; tells how many those are.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn replay_missing(
        &self,
        some: &[usize],
        cells: &RunCells<'_>,
        progress: &(dyn Fn(Event) + Sync),
    ) -> Result<()> {
        let (left_out, expected_seconds) = (String::new(), BTreeMap::new());
        progress(Event::Started { n_cells: some.len(), left_out, expected_seconds });
        let is_missing = |&cell: &usize| self.finished(cells, cell).is_none();
        let (missing, finished): (Vec<usize>, Vec<usize>) = some.iter().copied().partition(is_missing);
        self.say_taken_up(finished.into_iter(), progress);
        self.replay_some(&missing, Some(cells), progress).map(drop)
    }
}

/// Checks that a scenario fits its suite, without training anything; says what is left out.
///
/// # Errors
/// As [`run`], before training.
pub fn check(scenario: &OnlineScenario, suite: Suite) -> Result<String> {
    let world = World::new(scenario, suite)?;
    let left_out = world.suite.left_out.in_words();
    let rest = if left_out.is_empty() { String::new() } else { format!("; {left_out}") };
    let n_conditions = scenario.conditions.len();
    let conditions = if n_conditions > 0 { format!(", {n_conditions} conditions") } else { String::new() };
    let (n_arms, n_phases) = (world.n_arms(), world.courses[0].phases.len());
    Ok(format!("{n_arms} arms, {} steps, {n_phases} phases{conditions}{rest}", world.n_steps))
}

fn assemble(world: World, runs: Vec<Run>) -> OnlineRecord {
    let warm_start = world.warm.as_ref().map(|warm| {
        let outcomes = &warm.data.outcomes;
        let known = |arm: usize, value: f64| (!warm.data.unseen[arm]).then_some(value);
        let arms = || 0..world.n_arms();
        RecordedWarmStart {
            n_prompts: warm.contexts.n_rows(),
            score: arms().map(|arm| known(arm, outcomes.mean_score[arm])).collect(),
            cost_usd: arms()
                .map(|arm| known(arm, outcomes.mean_cost_units[arm] * warm.data.cost_unit_usd))
                .collect(),
        }
    });
    let (prompts, contexts) = (Arc::new(world.prompts), Arc::new(world.contexts));
    let of_run = |(course, routers, logs): Run| {
        let phase = |phase: &Phase| RecordedPhase { from: phase.from, words: phase.words.clone() };
        let manifest = OnlineManifest {
            mode: Mode::Online,
            format: FORMAT,
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
            scenario_hash: scenario_hash(&course.scenario),
            scenario: course.scenario,
            list_prices_hash: list_prices_hash(&world.suite.models, &world.suite.list_prices),
            suite: world.suite.clone(),
            phases: course.phases.iter().map(phase).collect(),
            cost_unit_usd: world.cost_unit_usd,
            n_steps: world.n_steps,
            warm_start: warm_start.clone(),
            routers,
            conditions: Vec::new(),
        };
        let (prompts, contexts) = (Arc::clone(&prompts), Arc::clone(&contexts));
        let (phases, orders) = (course.phases, course.orders);
        OnlineRecord { manifest, prompts, contexts, phases, orders, logs, conditions: Vec::new() }
    };
    let mut records = runs.into_iter().map(of_run);
    let plain = records.next().expect("a scenario is run as it is");
    plain.with_conditions(records.collect())
}

/// One order under way.
pub struct Replay<'a> {
    world: &'a World,
    phases: &'a [Phase],
    order: &'a Order,
    deliveries: Deliveries,
    calls: Calls,
    /// The step that is under way; steps before the first one count as revealed.
    step: Option<usize>,
    is_revealed: bool,
    pool: Vec<usize>,
    /// What is still to be told: when, of which step and arm, and whether the pool of that step was without the arm of the quota.
    pending: BinaryHeap<Reverse<(usize, usize, usize, bool)>>,
    /// The pool of a step of which is told.
    pool_then: Vec<usize>,
    meter: Meter,
}

impl<'a> Replay<'a> {
    pub(crate) fn new(world: &'a World, course: usize, number: usize) -> Self {
        let Course { scenario, phases, orders } = &world.courses[course];
        let OnlineSettings { feedback, quota, .. } = &scenario.online;
        let models = &world.suite.models;
        Replay {
            world,
            phases,
            order: &orders[number],
            deliveries: Deliveries::new(feedback, models, world.n_steps, (scenario.seed, number)),
            calls: Calls::new(quota.as_ref(), models),
            step: None,
            is_revealed: true,
            pool: Vec::with_capacity(world.n_arms()),
            pending: BinaryHeap::new(),
            pool_then: Vec::new(),
            meter: Meter::default(),
        }
    }

    /// Lets a learner choose and learn through the whole order.
    fn through(mut self, ready: &Ready<'_>, stream: &Stream) -> (Log, Meter) {
        let mut learner = (ready.start)(stream);
        let mut rng = stream.named("choices").generator();
        let mut log = Log::default();
        while self.advance() {
            let (arm, propensity) = learner.choose(&self.situation(), &mut rng);
            self.reveal(arm);
            while let Some((situation, arm, outcome)) = self.next_told() {
                learner.learn(&situation, arm, outcome);
            }
            log.arms.push(u16::try_from(arm).expect("a pool has fewer than 65,536 models"));
            log.propensities.push(propensity);
        }
        (log, self.meter)
    }

    /// Goes on to the next prompt; false where there is none.
    ///
    /// # Panics
    /// If nothing was chosen for the prompt under way.
    pub fn advance(&mut self) -> bool {
        assert!(self.is_revealed, "every prompt is answered by somebody");
        let step = self.step.map_or(0, |step| step + 1);
        if step == self.order.prompts.len() {
            return false;
        }
        (self.step, self.is_revealed) = (Some(step), false);
        fill_pool(&mut self.pool, self.phases, self.order, step);
        self.calls.close(step, &mut self.pool);
        true
    }

    /// The prompt under way.
    ///
    /// # Panics
    /// Before the first one.
    pub fn situation(&self) -> Situation<'_> {
        self.situation_of(self.step.expect("a replay has advanced to a prompt"), &self.pool)
    }

    fn situation_of<'s>(&'s self, step: usize, pool: &'s [usize]) -> Situation<'s> {
        let prompt = self.order.prompts[step].at();
        let preference = Preference::new(self.order.preferences[step]).expect("an order holds preferences");
        Situation { prompt, context: self.world.contexts.row(prompt), pool, preference }
    }

    /// Asks one arm of the prompt under way; its outcome is told when it is due, if ever.
    ///
    /// # Panics
    /// If the prompt's outcome has been revealed already, or the arm is not in its pool.
    pub fn reveal(&mut self, arm: usize) {
        assert!(!self.is_revealed, "a prompt reveals one outcome");
        assert!(self.pool.contains(&arm), "a chosen arm is in the pool of its prompt");
        self.is_revealed = true;
        let step = self.step.expect("a replay has advanced to a prompt");
        self.calls.count(arm, &self.pool);
        let Some(due) = self.deliveries.due(step) else { return };
        let is_closed = self.calls.quota().is_some_and(|(arm, ..)| !self.pool.contains(&arm));
        self.pending.push(Reverse((due, step, arm, is_closed)));
        self.meter.outcomes_seen += 1;
        self.meter.dollars += self.outcome(step, arm).1;
    }

    /// The next outcome that is due after the choice under way: of which prompt and arm, and what is said of it.
    pub fn next_told(&mut self) -> Option<(Situation<'_>, usize, Outcome)> {
        let &Reverse((due, step, arm, is_closed)) = self.pending.peek()?;
        if Some(due) > self.step {
            return None;
        }
        self.pending.pop();
        fill_pool(&mut self.pool_then, self.phases, self.order, step);
        if let Some((closed, ..)) = self.calls.quota().filter(|_| is_closed) {
            self.pool_then.retain(|&arm| arm != closed);
        }
        let (score, cost_usd) = self.outcome(step, arm);
        let score = self.deliveries.told(step, arm, score);
        let outcome = Outcome { score, cost_units: cost_usd / self.world.cost_unit_usd };
        Some((self.situation_of(step, &self.pool_then), arm, outcome))
    }

    /// Score and cost in US dollars of an arm at a step.
    fn outcome(&self, step: usize, arm: usize) -> (f64, f64) {
        let (phase, prompt) = (&self.phases[phase_at(self.phases, step)], self.order.prompts[step].at());
        let score = phase.score.get(prompt, arm).expect("a chosen arm is in the pool of its prompt");
        (score, phase.cost_usd.get(prompt, arm).unwrap_or(0.0))
    }

    /// What was or will be told of the choices so far, and what producing it cost.
    pub fn meter(&self) -> Meter {
        self.meter
    }
}

/// The arms that answer the prompt of a step.
fn fill_pool(pool: &mut Vec<usize>, phases: &[Phase], order: &Order, step: usize) {
    let (phase, prompt) = (&phases[phase_at(phases, step)], order.prompts[step].at());
    pool.clear();
    pool.extend((0..phase.score.n_models()).filter(|&arm| phase.score.get(prompt, arm).is_some()));
}

#[cfg(test)]
mod tests {
    use super::world::testing::world;
    use super::*;

    #[test]
    #[should_panic(expected = "a prompt reveals one outcome")]
    fn a_second_look_at_a_prompt_is_refused() {
        let (world, _) = world();
        let mut replay = Replay::new(&world, 0, 0);
        assert!(replay.advance());
        replay.reveal(0);
        replay.reveal(1);
    }

    #[test]
    #[should_panic(expected = "every prompt is answered by somebody")]
    fn no_prompt_is_skipped() {
        let (world, _) = world();
        let mut replay = Replay::new(&world, 0, 0);
        replay.advance();
        replay.advance();
    }

    #[test]
    fn the_meter_counts_one_outcome_a_prompt() {
        let (world, order) = world();
        let mut replay = Replay::new(&world, 0, 0);
        let mut n = 0;
        while replay.advance() {
            let arm = replay.situation().pool[0];
            replay.reveal(arm);
            n += 1;
        }
        assert_eq!((n, replay.meter().outcomes_seen), (order.prompts.len(), order.prompts.len()));
    }
}
