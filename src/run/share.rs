//! A run on several machines: which cells there are, how far each is, and the training of some of them. The cells of a scenario
//! have one order, which all three keep to: part by part, and within each replicate by replicate and router by router; of an online
//! scenario learner by learner and order by order.

use rayon::prelude::*;

use super::balance::{Cell, Expected, MATERIAL, Material, Size, expected};
use super::cells::{CellCache, CellState};
use super::offline::{Event, is_cached, taken_up};
use super::online::OnlineStudy;
use super::prepare::{RunPlan, cut};
use super::study::{Part, Study};
use super::training::quiz_groups;
use crate::error::Result;
use crate::scenario::Scenario;
use crate::scenario::file::Experiment;
use crate::scenario::online::OnlineScenario;
use crate::scenario::shift::{Shift, Stage};
use crate::suite::Suite;

/// The cells of a scenario on its suite; `known` says what a router cost in an earlier run, by its label.
///
/// # Errors
/// A scenario that does not fit the suite.
pub fn list(
    experiment: &Experiment,
    suite: Suite,
    known: &dyn Fn(&str) -> Option<Expected>,
) -> Result<Vec<Cell>> {
    match experiment {
        Experiment::Offline(scenario) => list_offline(scenario, &Study::new(scenario, suite)?, known),
        Experiment::Online(scenario) => list_online(scenario, suite, known),
    }
}

fn list_offline(
    scenario: &Scenario,
    study: &Study<'_>,
    known: &dyn Fn(&str) -> Option<Expected>,
) -> Result<Vec<Cell>> {
    let suite = &study.prepared.suite;
    let splits = study.prepared.splits(scenario)?;
    let size = Size::of(&splits, study.prepared.grid.preferences().len(), suite.models.len());
    let is_of_test = |shift: &&Shift| shift.stage() == Stage::Test;
    let n_of_test = study.shifts.iter().filter(is_of_test).count();
    let mut cells = Vec::new();
    for part in study.parts() {
        let trained = study.scenario_of(&part)?;
        let n_routings = if matches!(part, Part::AsItIs) { 1 + n_of_test } else { 1 };
        for number in 0..scenario.replicates {
            for entry in &trained.routers {
                let cost = known(entry.in_scenario()).unwrap_or_else(|| expected(&entry.settings));
                // What a router learns of seen models is the same at every quiz of a sweep.
                let material = entry.swept_from.clone();
                cells.push(Cell {
                    scenario: scenario.name.clone(),
                    shift: part.name().to_owned(),
                    number,
                    router: entry.label.clone(),
                    is_shareable: is_cached(entry),
                    seconds: cost.seconds(&size, n_routings),
                    material: Material {
                        name: format!("{number} {}", material.unwrap_or_default()),
                        seconds: MATERIAL.seconds(&size, 0),
                    },
                });
            }
        }
    }
    Ok(cells)
}

fn list_online(
    scenario: &OnlineScenario,
    suite: Suite,
    known: &dyn Fn(&str) -> Option<Expected>,
) -> Result<Vec<Cell>> {
    let (_, pooled) = cut(&scenario.cost, &scenario.pool, suite.in_order_of_ids())?;
    let (n_prompts, n_models) = (pooled.suite.prompts.len(), pooled.suite.models.len());
    let n_warm = (n_prompts as f64 * scenario.online.warm_start) as usize;
    let n_decisions = scenario.online.steps.unwrap_or(usize::MAX).min(n_prompts - n_warm);
    let size = Size { n_development: n_warm, n_decisions, n_models };
    let mut cells = Vec::new();
    let conditions = scenario.conditions.iter().map(|condition| condition.name.clone());
    for shift in std::iter::once(String::new()).chain(conditions) {
        for entry in &scenario.routers {
            let cost = known(&entry.label).unwrap_or_else(|| expected(&entry.settings));
            let cell = |number: usize| Cell {
                scenario: scenario.name.clone(),
                shift: shift.clone(),
                number,
                router: entry.label.clone(),
                is_shareable: true,
                seconds: cost.routing_seconds(&size),
                // A learner is trained on the warm start once for all orders.
                material: Material { name: entry.label.clone(), seconds: cost.seconds(&size, 0) },
            };
            cells.extend((0..scenario.online.orders).map(cell));
        }
    }
    Ok(cells)
}

/// The key of each cell of a scenario, and how far it is; `None` for a cell that is never kept.
///
/// # Errors
/// A scenario that does not fit the suite.
pub fn states(
    experiment: &Experiment,
    suite: Suite,
    cache: &CellCache,
) -> Result<Vec<Option<(String, CellState)>>> {
    let mut states = Vec::new();
    match experiment {
        Experiment::Offline(scenario) => {
            let study = Study::new(scenario, suite)?;
            for part in study.parts() {
                study.with_plan(&part, |plan| {
                    let (cells, routers) = (plan.cells(cache), &plan.inputs.scenario.routers);
                    let places =
                        (0..scenario.replicates).flat_map(|n| routers.iter().map(move |entry| (n, entry)));
                    states.extend(places.map(|(number, entry)| {
                        let key = is_cached(entry).then(|| cells.key(number, entry))?;
                        Some((key.clone(), cells.state(&key)))
                    }));
                    Ok(())
                })?;
            }
        }
        Experiment::Online(scenario) => {
            let study = OnlineStudy::new(scenario, suite)?;
            let cells = study.cells(cache);
            states.extend((0..study.n_cells()).map(|cell| {
                let place = study.place(cell);
                let key = cells.key(place.order, &place.kept_under());
                Some((key.clone(), cells.state(&key)))
            }));
        }
    }
    Ok(states)
}

/// Trains those cells of a scenario that `is_mine` flags and that are not kept, and keeps them.
///
/// # Errors
/// A scenario that does not fit the suite, training that diverges, and cells that cannot be written.
///
/// # Panics
/// If there is not a flag for each cell of the [`list`].
pub fn train_cells(
    experiment: &Experiment,
    suite: Suite,
    cache: &CellCache,
    is_mine: &[bool],
    progress: &(dyn Fn(Event) + Sync),
) -> Result<()> {
    let places = |flags: &[bool]| (0..flags.len()).filter(|&at| flags[at]).collect::<Vec<usize>>();
    match experiment {
        Experiment::Offline(scenario) => {
            let study = Study::new(scenario, suite)?;
            let mut rest = is_mine;
            for part in study.parts() {
                let n_cells = scenario.replicates * study.scenario_of(&part)?.routers.len();
                let (own, after) = rest.split_at(n_cells);
                rest = after;
                let own = places(own);
                if !own.is_empty() {
                    study.with_plan(&part, |plan| train_some(plan, cache, &own, progress))?;
                }
            }
            assert!(rest.is_empty(), "a flag for each cell");
            Ok(())
        }
        Experiment::Online(scenario) => {
            let study = OnlineStudy::new(scenario, suite)?;
            assert_eq!(is_mine.len(), study.n_cells(), "a flag for each cell");
            study.replay_missing(&places(is_mine), &study.cells(cache), progress)
        }
    }
}

/// Trains the cells at these places of a plan, ascending, as far as they are not kept.
fn train_some(
    plan: &RunPlan<'_>,
    cache: &CellCache,
    some: &[usize],
    progress: &(dyn Fn(Event) + Sync),
) -> Result<()> {
    let routers = &plan.inputs.scenario.routers;
    let (left_out, expected_seconds) = (String::new(), plan.expected_seconds());
    progress(Event::Started { n_cells: some.len(), left_out, expected_seconds });
    let cells = plan.cells(cache);
    let place = |cell: usize| (cell / routers.len(), cell % routers.len());
    let is_missing = |cell: &usize| {
        let (number, router) = place(*cell);
        plan.finished(Some(&cells), number, &routers[router]).is_none()
    };
    let (missing, finished): (Vec<usize>, Vec<usize>) = some.iter().copied().partition(is_missing);
    taken_up(finished.into_iter().map(|cell| (routers[place(cell).1].label.clone(), 1)), progress);
    let of_replicate = missing.chunk_by(|a, b| place(*a).0 == place(*b).0);
    let of_replicate: Vec<(usize, Vec<usize>)> = of_replicate
        .map(|cells| (place(cells[0]).0, cells.iter().map(|&cell| place(cell).1).collect()))
        .collect();
    let ready = |(number, own): &(usize, Vec<usize>)| {
        let entries = || own.iter().map(|&router| &routers[router]);
        let replicate = plan.replicate(*number, entries())?;
        replicate.precheck(plan.inputs, entries())?;
        Ok(replicate)
    };
    let replicates = of_replicate.par_iter().map(ready).collect::<Result<Vec<_>>>()?;
    let groups = quiz_groups(plan.inputs.scenario);
    let train = |at: usize| {
        let (number, own) = &of_replicate[at / groups.len()];
        let group = &groups[at % groups.len()];
        let own: Vec<usize> = group.routers.iter().copied().filter(|router| own.contains(router)).collect();
        plan.observed(*number, Some(&cells), progress, |observer| {
            replicates[at / groups.len()].train_some(plan.inputs, group, &own, observer).map(drop)
        })
    };
    (0..replicates.len() * groups.len()).into_par_iter().try_for_each(train)
}
