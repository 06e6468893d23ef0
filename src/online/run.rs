//! Runs an online scenario: every router replays every order; the result is a record.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::feedback::Replay;
use super::record::{
    Log, ONLINE_FORMAT, OnlineManifest, OnlineRecord, Order, RecordedLearner, RecordedPhase,
    RecordedWarmStart,
};
use super::router::Ready;
use super::scenario::OnlineScenario;
use super::world::World;
use crate::error::{Error, Result};
use crate::record::RecordedSuite;
use crate::router::Meter;
use crate::run::Event;
use crate::scenario::Mode;
use crate::seed::Stream;
use crate::suite::Suite;

/// Runs a scenario on its suite. The result depends on the arguments alone, not on the number of threads.
///
/// # Errors
/// A scenario that does not fit the suite; training on the warm start that diverges.
pub fn run(
    scenario: &OnlineScenario,
    suite: Suite,
    progress: &(dyn Fn(Event) + Sync),
) -> Result<OnlineRecord> {
    let world = World::new(scenario, suite)?;
    let orders = world.orders(scenario);
    let n_routers = scenario.routers.len();
    progress(Event::Started { n_cells: n_routers, left_out: world.suite.left_out.in_words() });
    let stream =
        |router: usize| Stream::root(scenario.seed).named("router").named(&scenario.routers[router].label);
    let ready = (0..n_routers)
        .into_par_iter()
        .map(|router| {
            let entry = &scenario.routers[router];
            entry.settings.ready(scenario, &world, &stream(router)).map_err(|error| match error {
                Error::Usage(problem) | Error::Setting { problem, .. } => {
                    Error::Training { router: entry.label.clone(), replicate: 0, problem }
                }
                other => other,
            })
        })
        .collect::<Result<Vec<Ready<'_>>>>()?;
    let left: Vec<AtomicUsize> = (0..n_routers).map(|_| AtomicUsize::new(orders.len())).collect();
    let mut replayed: Vec<(Log, Meter)> = (0..n_routers * orders.len())
        .into_par_iter()
        .map(|cell| {
            let (router, order) = (cell / orders.len(), cell % orders.len());
            let done = replay(&ready[router], &world, &orders[order], &stream(router).numbered(order));
            if left[router].fetch_sub(1, Ordering::Relaxed) == 1 {
                progress(Event::CellDone { replicate: 0, router: scenario.routers[router].label.clone() });
            }
            done
        })
        .collect();
    let mut learners = Vec::new();
    let mut logs = Vec::new();
    for Ready { notes, paid, .. } in ready {
        let (of_router, revealed) = replayed.drain(..orders.len()).unzip();
        logs.push(of_router);
        learners.push(RecordedLearner { notes, paid, revealed });
    }
    Ok(assemble(scenario, world, orders, learners, logs))
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
        let arms = || 0..world.arms.len();
        RecordedWarmStart {
            n_prompts: warm.contexts.n_rows(),
            score: arms().map(|arm| known(arm, outcomes.mean_score[arm])).collect(),
            cost_usd: arms()
                .map(|arm| known(arm, outcomes.mean_cost_units[arm] * warm.data.cost_unit_usd))
                .collect(),
        }
    });
    let facts = world.suite;
    OnlineRecord {
        manifest: OnlineManifest {
            mode: Mode::Online,
            online_format: ONLINE_FORMAT,
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
            scenario: scenario.clone(),
            suite: RecordedSuite {
                info: facts.info,
                content_hash: facts.content_hash,
                models: world.arms,
                has_cost: facts.has_cost,
                cost_basis: facts.cost_basis,
                priced_by: facts.priced_by,
                repriced: None,
                list_prices: facts.list_prices,
                cells_with_assumed_tokens: facts.uncounted.assumed,
                cells_with_estimated_tokens: facts.uncounted.estimated,
                tokens_estimated_by: facts.uncounted.estimated_by,
                encoded_by: facts.encoded_by,
                left_out: facts.left_out,
            },
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
