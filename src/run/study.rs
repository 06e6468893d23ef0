//! A scenario on its suite and the parts that it is trained in: as it is, under each shift of the training, and at every quiz of its
//! sweep. There is one list of them, and one way from a part to its plan, whoever asks: a run, a share of it, or a look at what is kept.

use std::borrow::Cow;

use super::cells::Volume;
use super::prepare::{Prepared, RunPlan, prepare, replicate_stream, shifts_of};
use super::replicate::{RunInputs, TestShift, cost_unit_usd};
use crate::error::Result;
use crate::metrics::Bound;
use crate::preference::{PreferenceGrid, PreferenceSettings};
use crate::scenario::shift::{Shift, Stage};
use crate::scenario::unseen::QuizSweep;
use crate::scenario::{RouterEntry, Scenario};
use crate::seed::Stream;
use crate::suite::Suite;

/// A scenario that fits its suite.
pub(crate) struct Study<'a> {
    scenario: &'a Scenario,
    pub(crate) prepared: Prepared,
    /// In the order of the scenario.
    pub(crate) shifts: Vec<Shift>,
    /// US dollars in one cost unit by replicate of the scenario as it is; empty where no shift of the training keeps to them.
    cost_units_usd: Vec<f64>,
}

/// What comes to records of its own.
pub(crate) enum Part {
    /// The scenario, and under each shift of the test.
    AsItIs,
    /// Under a shift of the training.
    Shifted(Shift),
    /// Every router that takes a new model, at every quiz.
    Quizzes,
}

impl Part {
    /// Names it among those of the same scenario and suite; empty for the scenario as it is.
    pub(crate) fn name(&self) -> &str {
        match self {
            Part::AsItIs => "",
            Part::Shifted(shift) => &shift.name,
            Part::Quizzes => "quiz",
        }
    }
}

impl<'a> Study<'a> {
    /// Makes the suite ready and checks that everything fits it.
    ///
    /// # Errors
    /// A scenario or a shift that does not fit the suite.
    pub(crate) fn new(scenario: &'a Scenario, suite: Suite) -> Result<Study<'a>> {
        let prepared = prepare(scenario, suite)?;
        let shifts = shifts_of(scenario, &prepared.suite)?;
        let mut study = Study { scenario, prepared, shifts, cost_units_usd: Vec::new() };
        let keeps =
            |shift: &Shift| shift.stage() == Stage::Training && shift.change.effect().keeps_cost_unit();
        if study.shifts.iter().any(keeps) {
            let inputs = study.prepared.inputs(scenario, &[]);
            let splits = study.prepared.splits(scenario)?.into_iter().enumerate();
            let unit =
                |(replicate, split)| cost_unit_usd(inputs, &replicate_stream(scenario, replicate), split);
            study.cost_units_usd = splits.map(unit).collect::<Result<_>>()?;
        }
        Ok(study)
    }

    /// The parts, in the order in which they are trained.
    pub(crate) fn parts(&self) -> Vec<Part> {
        let of_training = self.shifts.iter().filter(|shift| shift.stage() == Stage::Training);
        let shifted = of_training.cloned().map(Part::Shifted);
        let quizzes = self.scenario.sweep.iter().map(|_| Part::Quizzes);
        std::iter::once(Part::AsItIs).chain(shifted).chain(quizzes).collect()
    }

    /// What is trained in a part.
    ///
    /// # Errors
    /// A shift that does not fit the scenario.
    pub(crate) fn scenario_of(&self, part: &Part) -> Result<Cow<'a, Scenario>> {
        Ok(match part {
            Part::AsItIs => Cow::Borrowed(self.scenario),
            Part::Shifted(shift) => Cow::Owned(shift.change.effect().scenario(self.scenario)?),
            Part::Quizzes => Cow::Owned(swept(self.scenario)),
        })
    }

    /// Does something with the plan of a part, which lasts as long: a shift may make a suite of its own.
    ///
    /// # Errors
    /// A shift that does not fit the suite, and those of `act`.
    pub(crate) fn with_plan<T>(&self, part: &Part, act: impl FnOnce(&RunPlan<'_>) -> Result<T>) -> Result<T> {
        let (scenario, prepared) = (self.scenario_of(part)?, &self.prepared);
        let splits = prepared.splits(self.scenario)?;
        match part {
            Part::AsItIs => act(&RunPlan::new(&scenario, prepared, splits, &self.shifts_of_test()?)),
            Part::Quizzes => {
                let plan = RunPlan::new(&scenario, prepared, splits, &[]);
                act(&RunPlan { name: part.name().to_owned(), ..plan })
            }
            Part::Shifted(shift) => {
                let change = shift.change.effect();
                let (stream, suite) = (self.shift_stream(), &prepared.suite);
                let tested = or_as_it_was(change.test_suite(suite, &stream)?, suite);
                let learned = or_as_it_was(change.training_suite(suite, &stream)?, suite);
                let grid = match change.trained_for() {
                    Some(distribution) => {
                        PreferenceGrid::new(&PreferenceSettings { distribution, ..scenario.preferences })?
                    }
                    None => prepared.grid.clone(),
                };
                let split = |(replicate, split)| {
                    let stream = replicate_stream(&scenario, replicate).named("shift");
                    change.split(suite, &split, &stream)
                };
                let inputs = RunInputs {
                    scenario: &scenario,
                    copied: change.copied().map(|(model, _)| model),
                    suite: &learned,
                    tested: &tested,
                    grid: &grid,
                    ..prepared.inputs(&scenario, &[])
                };
                act(&RunPlan {
                    inputs,
                    facts: &prepared.facts,
                    splits: splits.into_iter().enumerate().map(split).collect::<Result<_>>()?,
                    cost_units_usd: change.keeps_cost_unit().then(|| self.cost_units_usd.clone()),
                    shift: Some(shift.clone()),
                    name: part.name().to_owned(),
                })
            }
        }
    }

    /// What routers meet besides once they are trained.
    fn shifts_of_test(&self) -> Result<Vec<TestShift<'_>>> {
        let (stream, before) = (self.shift_stream(), &self.prepared.suite);
        let met = self.shifts.iter().filter(|shift| shift.stage() == Stage::Test);
        let shifted = met.map(|shift| {
            let suite = or_as_it_was(shift.change.effect().test_suite(before, &stream)?, before);
            Ok(TestShift { shift: shift.clone(), suite })
        });
        shifted.collect()
    }

    fn shift_stream(&self) -> Stream {
        Stream::root(self.scenario.seed).named("shift")
    }

    /// How much a run writes; a sweep counts as routers.
    ///
    /// # Errors
    /// A split that leaves a part empty.
    pub(crate) fn volume(&self) -> Result<Volume> {
        let Study { scenario, prepared, .. } = self;
        let n_quizzes = scenario.sweep.as_ref().map_or(0, |sweep| sweep.quizzes().len());
        let n_routers = scenario.routers.len() * (1 + n_quizzes);
        let (n_models, n_points) = (prepared.suite.models.len(), prepared.grid.preferences().len());
        let splits = prepared.splits(scenario)?;
        let n_tested: usize = splits.iter().map(|split| split.test.len()).sum();
        Ok(Volume {
            n_records: 1 + self.shifts.len(),
            n_routers,
            n_policies: n_routers + n_models + Bound::NAMES.len(),
            n_outcomes: n_models * prepared.suite.prompts.len(),
            n_replicates: splits.len(),
            n_points,
            n_bytes_of_router: n_tested * (2 * n_points + n_models),
        })
    }
}

/// The suite that a shift makes, or the one before where it leaves that.
fn or_as_it_was(shifted: Option<Suite>, before: &Suite) -> Cow<'_, Suite> {
    shifted.map_or(Cow::Borrowed(before), Cow::Owned)
}

/// Every router at every quiz; those that cannot take a new model stand aside.
fn swept(scenario: &Scenario) -> Scenario {
    let quizzes = scenario.sweep.as_ref().map_or_else(Vec::new, QuizSweep::quizzes);
    let mut swept = scenario.clone();
    swept.expect.clear();
    swept.evidence.against = None;
    swept.routers.clear();
    for entry in scenario.routers.iter().filter(|entry| entry.settings.traits().takes_unseen) {
        swept.routers.extend(quizzes.iter().map(|quiz| RouterEntry {
            // No label in a scenario holds an `@`.
            label: format!("{}@{}", entry.label, quiz.to_string().replace(' ', "-")),
            settings: entry.settings.clone(),
            quiz: Some(quiz.clone()),
            stick: entry.stick.clone(),
            features: entry.features,
            twin: entry.twin.clone(),
            swept_from: Some(entry.label.clone()),
        }));
    }
    swept
}
