//! Runs an online scenario: every router replays every order; the result is a record.
//!
//! `world` holds every outcome; [`Replay`] is the only way to them. It shows a prompt, takes a choice, and reveals one outcome.

mod world;

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::preference::Preference;
use crate::random::ChaCha8Rng;
use crate::record::online::{
    Log, OnlineManifest, OnlineRecord, Order, RecordedLearner, RecordedPhase, RecordedWarmStart, phase_at,
};
use crate::record::{FORMAT, list_prices_hash, log_commitment, scenario_hash};
use crate::router::Meter;
use crate::router::online::{Outcome, Ready, Situation};
use crate::run::cells::{RunCells, Volume};
use crate::run::{CellCache, Event};
use crate::scenario::Mode;
use crate::scenario::online::{OnlineRouterEntry, OnlineScenario};
use crate::seed::Stream;
use crate::suite::Suite;
use world::World;

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
    progress(Event::Started { n_cells, left_out: study.world.suite.left_out.in_words() });
    let finished: Vec<Option<OnlineCell>> =
        (0..n_cells).map(|at| study.finished(cells.as_ref()?, at)).collect();
    let n_finished = finished.iter().flatten().count();
    if n_finished > 0 {
        progress(Event::TakenUp { n_cells: n_finished });
    }
    let missing: Vec<usize> = (0..n_cells).filter(|&at| finished[at].is_none()).collect();
    let mut new = study.replay_some(&missing, cells.as_ref(), progress)?.into_iter();
    let done = finished.into_iter().map(|cell| cell.or_else(|| new.next())).collect::<Option<Vec<_>>>();
    let mut done = done.expect("what is missing is replayed");
    let OnlineStudy { world, orders, .. } = study;
    let (mut learners, mut logs) = (Vec::new(), Vec::new());
    for entry in &scenario.routers {
        let of_router: Vec<OnlineCell> = done.drain(..orders.len()).collect();
        let (notes, paid) = (of_router[0].notes.clone(), of_router[0].paid);
        let choices_hashes = of_router.iter().map(|cell| log_commitment(&entry.label, &cell.log)).collect();
        let (of_router, revealed) = of_router.into_iter().map(|cell| (cell.log, cell.revealed)).unzip();
        logs.push(of_router);
        learners.push(RecordedLearner { notes, paid, revealed, choices_hashes });
    }
    Ok(assemble(scenario, world, orders, learners, logs))
}

/// An online scenario on its suite; its cells are numbered learner by learner, and order by order of each.
pub(crate) struct OnlineStudy<'a> {
    scenario: &'a OnlineScenario,
    world: World,
    orders: Vec<Order>,
}

impl<'a> OnlineStudy<'a> {
    /// Plays the changes of a scenario on its suite.
    ///
    /// # Errors
    /// A scenario that does not fit the suite.
    pub(crate) fn new(scenario: &'a OnlineScenario, suite: Suite) -> Result<OnlineStudy<'a>> {
        let world = World::new(scenario, suite)?;
        Ok(OnlineStudy { scenario, orders: world.orders(scenario), world })
    }

    pub(crate) fn n_cells(&self) -> usize {
        self.scenario.routers.len() * self.orders.len()
    }

    /// The cells that are kept.
    pub(crate) fn cells<'c>(&self, cache: &'c CellCache) -> RunCells<'c> {
        cache.of_online(self.scenario, &self.world.cut_hash)
    }

    /// The order and the learner of a cell.
    pub(crate) fn place(&self, cell: usize) -> (usize, &'a OnlineRouterEntry) {
        (cell % self.orders.len(), &self.scenario.routers[cell / self.orders.len()])
    }

    /// How much a run writes.
    fn volume(&self) -> Volume {
        let (n_routers, world) = (self.scenario.routers.len(), &self.world);
        Volume {
            n_records: 1,
            n_routers,
            n_policies: n_routers + world.n_arms(),
            n_outcomes: world.phases.len() * world.n_arms() * world.prompts.len(),
            n_replicates: self.orders.len(),
            n_points: 100,
            // An arm and its propensity.
            n_bytes_of_router: self.orders.len() * world.n_steps * (2 + 8),
        }
    }

    fn finished(&self, cells: &RunCells<'_>, cell: usize) -> Option<OnlineCell> {
        let (order, entry) = self.place(cell);
        let found: OnlineCell = cells.read(order, entry)?;
        let n_steps = self.world.n_steps;
        (found.log.arms.len() == n_steps && found.log.propensities.len() == n_steps).then_some(found)
    }

    /// Replays some cells, ascending, and keeps them; a learner is made ready once for all its orders.
    ///
    /// # Errors
    /// Training on the warm start that diverges; cells that cannot be kept.
    fn replay_some(
        &self,
        some: &[usize],
        cells: Option<&RunCells<'_>>,
        progress: &(dyn Fn(Event) + Sync),
    ) -> Result<Vec<OnlineCell>> {
        let OnlineStudy { scenario, world, orders } = self;
        let stream =
            |entry: &OnlineRouterEntry| Stream::root(scenario.seed).named("router").named(&entry.label);
        let draw_preference = |rng: &mut ChaCha8Rng| scenario.draw_preference(rng);
        let inputs = world.learner_inputs(&draw_preference);
        let make_ready = |(at, entry): (usize, &'a OnlineRouterEntry)| {
            let own: Vec<usize> = some.iter().copied().filter(|cell| cell / orders.len() == at).collect();
            if own.is_empty() {
                return Ok(None);
            }
            let begin = |&cell: &usize| cells.map_or(Ok(()), |cells| cells.begin(self.place(cell).0, entry));
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
            let (order, entry) = self.place(at);
            let ready = ready[at / orders.len()].as_ref().expect("a learner of a cell is made ready");
            progress(Event::CellTrained { replicate: order, router: entry.label.clone() });
            let (log, revealed) = replay(ready, world, &orders[order], &stream(entry).numbered(order));
            let cell = OnlineCell { notes: ready.notes.clone(), paid: ready.paid, log, revealed };
            cells.map_or(Ok(()), |cells| cells.keep(order, entry, &cell))?;
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
        progress(Event::Started { n_cells: some.len(), left_out: String::new() });
        let missing = some.iter().copied().filter(|&cell| self.finished(cells, cell).is_none());
        let missing: Vec<usize> = missing.collect();
        if missing.len() < some.len() {
            progress(Event::TakenUp { n_cells: some.len() - missing.len() });
        }
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
    Ok(format!("{} arms, {} steps, {} phases{rest}", world.n_arms(), world.n_steps, world.phases.len()))
}

fn replay(ready: &Ready<'_>, world: &World, order: &Order, stream: &Stream) -> (Log, Meter) {
    let mut learner = (ready.start)(stream);
    let mut rng = stream.named("choices").generator();
    let mut replay = Replay::new(world, order);
    let mut log = Log::default();
    while replay.advance() {
        let (arm, propensity) = learner.choose(&replay.situation(), &mut rng);
        let outcome = replay.reveal(arm);
        learner.learn(&replay.situation(), arm, outcome);
        log.arms.push(u16::try_from(arm).expect("a pool has fewer than 65,536 models"));
        log.propensities.push(propensity);
    }
    (log, replay.meter())
}

fn assemble(
    scenario: &OnlineScenario,
    world: World,
    orders: Vec<Order>,
    routers: Vec<RecordedLearner>,
    logs: Vec<Vec<Log>>,
) -> OnlineRecord {
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
    OnlineRecord {
        manifest: OnlineManifest {
            mode: Mode::Online,
            format: FORMAT,
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
            scenario: scenario.clone(),
            scenario_hash: scenario_hash(scenario),
            list_prices_hash: list_prices_hash(&world.suite.models, &world.suite.list_prices),
            suite: world.suite,
            phases: world
                .phases
                .iter()
                .map(|phase| RecordedPhase { from: phase.from, words: phase.words.clone() })
                .collect(),
            cost_unit_usd: world.cost_unit_usd,
            n_steps: world.n_steps,
            warm_start,
            routers,
        },
        prompts: world.prompts,
        contexts: world.contexts,
        phases: world.phases,
        orders,
        logs,
    }
}

/// One order under way.
pub struct Replay<'a> {
    world: &'a World,
    order: &'a Order,
    /// The step that is under way; steps before the first one count as revealed.
    step: Option<usize>,
    is_revealed: bool,
    pool: Vec<usize>,
    meter: Meter,
}

impl<'a> Replay<'a> {
    pub(crate) fn new(world: &'a World, order: &'a Order) -> Self {
        let pool = Vec::with_capacity(world.n_arms());
        Replay { world, order, step: None, is_revealed: true, pool, meter: Meter::default() }
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
        let (phase, prompt) =
            (&self.world.phases[phase_at(&self.world.phases, step)], self.order.prompts[step]);
        self.pool.clear();
        self.pool.extend((0..self.world.n_arms()).filter(|&arm| phase.score.get(prompt, arm).is_some()));
        true
    }

    /// The prompt under way.
    ///
    /// # Panics
    /// Before the first one.
    pub fn situation(&self) -> Situation<'_> {
        let step = self.step.expect("a replay has advanced to a prompt");
        let prompt = self.order.prompts[step];
        Situation {
            prompt,
            context: self.world.contexts.row(prompt),
            pool: &self.pool,
            preference: Preference::new(self.order.preferences[step]).expect("an order holds preferences"),
        }
    }

    /// The outcome of one arm on the prompt under way.
    ///
    /// # Panics
    /// If the prompt's outcome has been revealed already, or the arm is not in its pool.
    pub fn reveal(&mut self, arm: usize) -> Outcome {
        assert!(!self.is_revealed, "a prompt reveals one outcome");
        self.is_revealed = true;
        let step = self.step.expect("a replay has advanced to a prompt");
        let (phase, prompt) =
            (&self.world.phases[phase_at(&self.world.phases, step)], self.order.prompts[step]);
        let score = phase.score.get(prompt, arm).expect("a chosen arm is in the pool of its prompt");
        let cost_usd = phase.cost_usd.get(prompt, arm).unwrap_or(0.0);
        self.meter.outcomes_seen += 1;
        self.meter.dollars += cost_usd;
        Outcome { score, cost_units: cost_usd / self.world.cost_unit_usd }
    }

    /// What was revealed so far, and what producing it cost.
    pub fn meter(&self) -> Meter {
        self.meter
    }
}

#[cfg(test)]
mod tests {
    use super::world::testing::world;
    use super::*;

    #[test]
    #[should_panic(expected = "a prompt reveals one outcome")]
    fn a_second_look_at_a_prompt_is_refused() {
        let (world, order) = world();
        let mut replay = Replay::new(&world, &order);
        assert!(replay.advance());
        replay.reveal(0);
        replay.reveal(1);
    }

    #[test]
    #[should_panic(expected = "every prompt is answered by somebody")]
    fn no_prompt_is_skipped() {
        let (world, order) = world();
        let mut replay = Replay::new(&world, &order);
        replay.advance();
        replay.advance();
    }

    #[test]
    fn the_meter_counts_one_outcome_a_prompt() {
        let (world, order) = world();
        let mut replay = Replay::new(&world, &order);
        let mut n = 0;
        while replay.advance() {
            let arm = replay.situation().pool[0];
            replay.reveal(arm);
            n += 1;
        }
        assert_eq!((n, replay.meter().outcomes_seen), (order.prompts.len(), order.prompts.len()));
    }
}
