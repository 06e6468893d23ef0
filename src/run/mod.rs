//! From a scenario and a suite to a record; and a scenario with all its shifts and quizzes, the unshifted twin first, then whatever has
//! to be trained anew.
//!
//! `prepare` makes the suite ready and checks that the scenario fits it, `replicate` and `training` train and route one replicate,
//! `offline` runs them all and makes their record, and `cells` resumes an interrupted run. `online` runs an online scenario.

mod cells;
mod offline;
pub mod online;
mod prepare;
mod replicate;
mod training;

use std::borrow::Cow;

use crate::error::Result;
use crate::metrics::Bound;
use crate::preference::{PreferenceGrid, PreferenceSettings};
use crate::record::Record;
use crate::scenario::shift::{Shift, Stage};
use crate::scenario::split::Split;
use crate::scenario::unseen::{QuizLabel, QuizSweep};
use crate::scenario::{RouterEntry, Scenario};
use crate::seed::Stream;
use crate::suite::Suite;
pub use cells::CellCache;

use cells::Volume;
use offline::execute;
pub use offline::{Event, resume, run, train};
use prepare::{Prepared, RunPlan, prepare, replicate_stream, shifts_of};
pub use prepare::{check, suite_of};
pub(crate) use prepare::{cut, put_licence};

use replicate::{RunInputs, TestShift};

/// A run and everything beside it.
pub struct Stressed {
    /// The run as the scenario is.
    pub twin: Record,
    /// One record a shift, in the order of the scenario; each says in its manifest which.
    pub shifted: Vec<Record>,
    /// Every router at every quiz of the sweep; the label of each is a [`QuizLabel`].
    pub sweep: Option<Record>,
}

/// Runs a scenario as [`resume`] does, and under each of its shifts and quizzes. The twin's record is
/// the one that `resume` gives.
///
/// # Errors
/// As `resume`; a shift that does not fit the suite, found before anything is trained.
pub fn stress(
    scenario: &Scenario,
    suite: Suite,
    cache: Option<&CellCache>,
    progress: &(dyn Fn(Event) + Sync),
) -> Result<Stressed> {
    let prepared = prepare(scenario, suite)?;
    let shifts = shifts_of(scenario, &prepared.suite)?;
    let stream = Stream::root(scenario.seed).named("shift");
    let meet = |shift: &&Shift| shift.stage() == Stage::Test;
    let met: Vec<TestShift<'_>> = shifts
        .iter()
        .filter(meet)
        .map(|shift| {
            let suite =
                or_as_it_was(shift.change.effect().test_suite(&prepared.suite, &stream)?, &prepared.suite);
            Ok(TestShift { shift: shift.clone(), suite })
        })
        .collect::<Result<_>>()?;
    let splits = prepared.splits(scenario)?;
    if let Some(cache) = cache {
        cache.check_room(&volume(scenario, &prepared, &splits, 1 + shifts.len()))?;
    }
    let mut unshifted = execute(&RunPlan::new(scenario, &prepared, splits, &met), cache, progress)?;
    drop(met);
    unshifted.record.manifest.shifts = shifts.iter().map(|shift| shift.name.clone()).collect();
    let mut from_test = unshifted.shifted.into_iter();
    let mut shifted = Vec::new();
    for shift in &shifts {
        shifted.push(match shift.stage() {
            Stage::Test => from_test.next().expect("a record a shift of the test"),
            Stage::Training => {
                trained_anew(scenario, (&prepared, &unshifted.record), shift, cache, progress)?
            }
        });
    }
    let sweep = scenario.sweep.as_ref().map(|_| sweep(scenario, &prepared, cache, progress)).transpose()?;
    Ok(Stressed { twin: unshifted.record, shifted, sweep })
}

/// How much a run writes; a sweep counts as routers.
fn volume(scenario: &Scenario, prepared: &Prepared, splits: &[Split], n_records: usize) -> Volume {
    let n_quizzes = scenario.sweep.as_ref().map_or(0, |sweep| sweep.quizzes().len());
    let n_routers = scenario.routers.len() * (1 + n_quizzes);
    let (n_models, n_points) = (prepared.suite.models.len(), prepared.grid.preferences().len());
    let n_tested: usize = splits.iter().map(|split| split.test.len()).sum();
    Volume {
        n_records,
        n_routers,
        n_policies: n_routers + n_models + Bound::NAMES.len(),
        n_outcomes: n_models * prepared.suite.prompts.len(),
        n_replicates: splits.len(),
        n_points,
        n_bytes_of_router: n_tested * (2 * n_points + n_models),
    }
}

/// The suite that a shift makes, or the one before where it leaves that.
fn or_as_it_was(shifted: Option<Suite>, before: &Suite) -> Cow<'_, Suite> {
    shifted.map_or(Cow::Borrowed(before), Cow::Owned)
}

fn trained_anew(
    scenario: &Scenario,
    (prepared, twin): (&Prepared, &Record),
    shift: &Shift,
    cache: Option<&CellCache>,
    progress: &(dyn Fn(Event) + Sync),
) -> Result<Record> {
    let change = shift.change.effect();
    let stream = Stream::root(scenario.seed).named("shift");
    let tested = or_as_it_was(change.test_suite(&prepared.suite, &stream)?, &prepared.suite);
    let learned = or_as_it_was(change.training_suite(&prepared.suite, &stream)?, &prepared.suite);
    let changed = change.scenario(scenario)?;
    let grid = match change.trained_for() {
        Some(distribution) => {
            PreferenceGrid::new(&PreferenceSettings { distribution, ..scenario.preferences })?
        }
        None => prepared.grid.clone(),
    };
    let split = |(replicate, split)| {
        change.split(&prepared.suite, &split, &replicate_stream(scenario, replicate).named("shift"))
    };
    let splits = prepared.splits(scenario)?.into_iter().enumerate().map(split).collect::<Result<_>>()?;
    let inputs = RunInputs {
        scenario: &changed,
        original: &prepared.suite,
        copied: change.copied().map(|(model, _)| model),
        suite: &learned,
        tested: &tested,
        groups: &prepared.groups,
        grid: &grid,
        asked: &prepared.grid,
        shifts: &[],
    };
    let (facts, name) = (&prepared.facts, shift.name.clone());
    let units = twin.manifest.replicates.iter().map(|replicate| replicate.cost_unit_usd);
    let cost_units_usd = change.keeps_cost_unit().then(|| units.collect());
    let plan = RunPlan { inputs, facts, splits, cost_units_usd, shift: Some(shift.clone()), name };
    Ok(execute(&plan, cache, progress)?.record)
}

/// Every router at every quiz; those that cannot take a new model stand aside.
fn sweep(
    scenario: &Scenario,
    prepared: &Prepared,
    cache: Option<&CellCache>,
    progress: &(dyn Fn(Event) + Sync),
) -> Result<Record> {
    let quizzes = scenario.sweep.as_ref().map_or_else(Vec::new, QuizSweep::quizzes);
    let mut swept = scenario.clone();
    swept.expect.clear();
    swept.evidence.against = None;
    swept.routers.clear();
    for entry in scenario.routers.iter().filter(|entry| entry.settings.traits().takes_unseen) {
        swept.routers.extend(quizzes.iter().map(|quiz| RouterEntry {
            label: QuizLabel { router: &entry.label, quiz: &quiz.to_string().replace(' ', "-") }.to_string(),
            settings: entry.settings.clone(),
            quiz: Some(quiz.clone()),
        }));
    }
    let splits = prepared.splits(scenario)?;
    let mut plan = RunPlan::new(&swept, prepared, splits, &[]);
    plan.name = "quiz".into();
    Ok(execute(&plan, cache, progress)?.record)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Mutex;

    use super::*;
    use crate::fs::faults::with_room;
    use crate::suite::synthetic::SyntheticSettings;

    #[test]
    fn a_disk_without_room_is_refused_before_anything_is_trained() {
        let text = "description = \"d\"\nsuite = \"s\"\n[[router]]\nkind = \"random\"\n\
            [[router]]\nkind = \"predictor\"\nmodel = \"knn\"\n[[shift]]\nkind = \"model-order\"\n";
        let scenario = Scenario::parse(Path::new("s.toml"), text).unwrap();
        let settings = SyntheticSettings { n_prompts: 60, n_models: 3, ..SyntheticSettings::default() };
        let suite = settings.generate().unwrap().suite;
        let folder = tempfile::tempdir().unwrap();
        let cells = folder.path().join("cells");
        let cache = CellCache::new(cells.clone(), "program".into());
        let events = Mutex::new(0);
        let run = |n_free: u64| {
            let count = |_| *events.lock().unwrap() += 1;
            with_room(n_free, || stress(&scenario, suite.clone(), Some(&cache), &count))
        };
        let fault = run(3_000_000).err().unwrap().to_string();
        let expected = format!("{}: has 3 MB of free room, and this may write ", folder.path().display());
        assert!(fault.starts_with(&expected) && fault.lines().count() == 1, "{fault}");
        assert_eq!((*events.lock().unwrap(), cells.exists()), (0, false));
        assert!(run(1 << 40).is_ok() && *events.lock().unwrap() > 0);
    }
}
