//! Training and routing in one replicate: the routers of one quiz after another.
//!
//! Routers that see the same quiz are a group and learn from the same training set. It is made when the group is trained and
//! dropped afterwards, so that a sweep over many quizzes needs no more memory than a few of them.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::cells::TrainedCell;
use super::replicate::{self, ShiftedCell};
use super::replicate::{Replicate, RunInputs, TrainingSet};
use crate::error::{Error, Result};
use crate::index::SuitePrompt;
use crate::linalg::Matrix;
use crate::record::{
    PredictionErrors, Predictions, RecordedQuiz, RecordedTraining, RecordedUnseen, commitment,
};
use crate::router;
use crate::router::quiz::{QuizSettings, QuizStrategy};
use crate::router::stick::{CostAware, Following};
use crate::router::{
    Asked, Choices, EncoderOf, Judge, Meter, Names, Origin, Peers, Policy, Prompts, RIGHT, Router,
    SavedRouter, Stick, Training,
};
use crate::scenario::{RouterEntry, Scenario};
use crate::statistics::mean;
use crate::suite::{CellTable, Suite};

/// The normal quantile of a two-sided interval of 95 %.
const TWO_SIDED_95: f64 = 1.959_964;

/// The routers that see the same quiz.
pub(crate) struct QuizGroup {
    /// `None` where every model is seen.
    quiz: Option<QuizSettings>,
    /// Their places among the scenario's routers, ascending.
    pub(crate) routers: Vec<usize>,
}

/// What is done with the cells of one replicate while they are made.
pub(crate) struct Observer<'a> {
    /// Is told of each step of a router.
    pub(crate) tell: &'a (dyn Fn(Step, &RouterEntry) -> Result<()> + Sync),
    /// Writes a finished cell to the cache.
    pub(crate) keep: &'a (dyn Fn(&RouterEntry, &TrainedCell) -> Result<()> + Sync),
}

/// A trained policy, and what is around it where it sticks by cost.
#[derive(Clone, Copy)]
struct Sticking<'a> {
    policy: &'a Policy,
    cost_aware: Option<&'a CostAware>,
}

/// A step of a router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Training begins.
    Started,
    /// It is trained, and routing begins.
    Trained,
    /// It has routed.
    Routed,
}

/// What one router chose on the test prompts, what it expected, and what its training found out and paid.
pub(crate) type Routed = (Choices, Option<Predictions>, RecordedTraining);

/// What came of training a group in one replicate.
pub(crate) struct TrainedGroup {
    /// US dollars in one cost unit; the same for every group of a replicate.
    pub(crate) cost_unit_usd: f64,
    /// Where there are unseen models.
    quiz: Option<RecordedQuiz>,
    /// By router of the group.
    pub(crate) routers: Vec<Routed>,
    /// What each chose under each shift of the test.
    pub(crate) shifted: Vec<Vec<ShiftedCell>>,
}

impl TrainedGroup {
    /// From the cells of a group, which has at least one.
    fn new(cells: Vec<TrainedCell>) -> Self {
        let (cost_unit_usd, quiz) = (cells[0].cost_unit_usd, cells[0].quiz.clone());
        let parts =
            cells.into_iter().map(|cell| ((cell.choices, cell.predictions, cell.training), cell.shifted));
        let (routers, shifted) = parts.unzip();
        TrainedGroup { cost_unit_usd, quiz, routers, shifted }
    }
}

/// The quiz groups of a scenario, in the order of their first routers.
pub(crate) fn quiz_groups(scenario: &Scenario) -> Vec<QuizGroup> {
    let mut groups: Vec<QuizGroup> = Vec::new();
    for (router, entry) in scenario.routers.iter().enumerate() {
        let quiz = scenario.quiz_of(entry);
        match groups.iter_mut().find(|group| group.quiz.as_ref() == quiz) {
            Some(group) => group.routers.push(router),
            None => groups.push(QuizGroup { quiz: quiz.cloned(), routers: vec![router] }),
        }
    }
    groups
}

impl Replicate {
    /// Trains the routers of a group that have no finished cell.
    ///
    /// # Errors
    /// As [`train_some`](Self::train_some).
    pub(crate) fn train_group(
        &self,
        inputs: RunInputs<'_>,
        group: &QuizGroup,
        finished: &[Option<TrainedCell>],
        observer: &Observer<'_>,
    ) -> Result<TrainedGroup> {
        let is_missing = |router: &usize| finished[*router].is_none();
        let missing: Vec<usize> = group.routers.iter().copied().filter(is_missing).collect();
        let mut new = self.train_some(inputs, group, &missing, observer)?.into_iter();
        let cell = |router: &usize| finished[*router].clone().or_else(|| new.next());
        let cells = group.routers.iter().map(cell).collect::<Option<_>>();
        Ok(TrainedGroup::new(cells.expect("what is missing is trained")))
    }

    /// Asks the unseen models the quiz of a group, trains these of its routers, and lets them route the test prompts. Nothing is
    /// asked where there are none.
    ///
    /// # Errors
    /// Training that diverges; a cell or a mark that cannot be written.
    pub(crate) fn train_some(
        &self,
        inputs: RunInputs<'_>,
        group: &QuizGroup,
        routers: &[usize],
        observer: &Observer<'_>,
    ) -> Result<Vec<TrainedCell>> {
        if routers.is_empty() {
            return Ok(Vec::new());
        }
        let set = self.training_set(inputs, group.quiz.as_ref())?;
        let record = |settings: &QuizSettings| self.record_quiz(inputs.suite, settings, &set);
        let quiz = group.quiz.as_ref().map(record);
        let train = |router: &usize| {
            self.train_one(inputs, &inputs.scenario.routers[*router], &set, quiz.as_ref(), observer)
        };
        routers.par_iter().map(train).collect()
    }

    fn train_one(
        &self,
        inputs: RunInputs<'_>,
        entry: &RouterEntry,
        set: &TrainingSet,
        quiz: Option<&RecordedQuiz>,
        observer: &Observer<'_>,
    ) -> Result<TrainedCell> {
        let of_training = |error| self.of_training(entry, error);
        let training = Training::new(&set.data, &set.cost_models, self.stream_of(entry));
        let training =
            training.within(Names::of(inputs.suite)).remembering(self.memo.as_ref()).sharing(&set.fits);
        (observer.tell)(Step::Started, entry)?;
        let kind = entry.settings.as_kind();
        let trained = router::train(kind, entry.features, &training).map_err(of_training)?;
        let (cost_aware, paid) = self.cost_aware(inputs, entry, set).unzip();
        let policy = Sticking { policy: &trained.router, cost_aware };
        (observer.tell)(Step::Trained, entry)?;
        let asked = self.replay(inputs, entry, policy, (&self.test, &self.split.test));
        let Asked { choices, scores, mut notes } = asked.map_err(of_training)?;
        if let Some(stick) = &entry.stick {
            let ahead = cost_aware.map_or(String::new(), |it| format!(", {} turns at a time", it.horizon));
            notes.insert("stick".to_owned(), format!("{}{ahead}", stick.how.name()));
        }
        (observer.tell)(Step::Routed, entry)?;
        let mut notes: BTreeMap<String, String> = trained.notes.into_iter().chain(notes).collect();
        if self.unseen.contains(&true) && !entry.settings.traits().takes_unseen {
            notes.insert("unseen-models".to_owned(), "not taken without training anew".to_owned());
        }
        // From here on the choices are bound: whatever is compared with outcomes later must have this hash.
        let choices_hash = commitment(&entry.label, &choices);
        let recorded = RecordedTraining {
            notes,
            // The wrapper has seen every development outcome, the router some of them.
            paid: paid.unwrap_or_else(|| training.meter()),
            choices_hash,
            prediction_errors: self.prediction_errors(inputs, &trained.router, scores.as_ref()),
            not_applied: None,
            calling_orders: choices.orders().map(<[_]>::to_vec),
            learning_curves: training.curves(),
        };
        let shifted = self.shifted(inputs, (entry, &choices), policy).map_err(of_training)?;
        if let Policy::External(router) = &trained.router {
            router.finish().map_err(of_training)?;
        }
        let cell = TrainedCell {
            cost_unit_usd: set.data.cost_unit_usd,
            quiz: quiz.cloned(),
            choices,
            predictions: scores.as_ref().map(Predictions::new),
            training: recorded,
            shifted,
        };
        (observer.keep)(entry, &cell)?;
        Ok(cell)
    }

    /// What is around a router that sticks by cost, and what its training paid.
    fn cost_aware<'s>(
        &self,
        RunInputs { suite, .. }: RunInputs<'_>,
        entry: &RouterEntry,
        set: &'s TrainingSet,
    ) -> Option<(&'s CostAware, Meter)> {
        let stick = entry.stick.as_ref().filter(|stick| stick.how == Stick::CostAware)?;
        let training =
            Training::new(&set.data, &set.cost_models, self.stream.named("stick")).sharing(&set.fits);
        let development = [&self.split.training[..], &self.split.validation].concat();
        let fit = || CostAware::fit(&training, suite, &development, &stick.caches);
        let cost_aware = set.cost_aware.get_or_init(fit);
        training.outcomes();
        Some((cost_aware, training.meter()))
    }

    /// Says of a fault in training whose it is.
    fn of_training(&self, entry: &RouterEntry, error: Error) -> Error {
        match error {
            Error::Usage(problem) | Error::Setting { problem, .. } => {
                Error::Training { router: entry.label.clone(), replicate: self.number, problem }
            }
            other => other,
        }
    }

    /// Lets a policy route prompts, whose numbers in the suite are known too, and stick to models where it is to. Only a cascade learns
    /// anything of their outcomes, through its judge, and a router that is told what models outside of the pool scored.
    ///
    /// # Errors
    /// A router made elsewhere that does not answer.
    fn replay(
        &self,
        RunInputs { tested, asked, .. }: RunInputs<'_>,
        entry: &RouterEntry,
        Sticking { policy, cost_aware }: Sticking<'_>,
        (prompts, numbers): (&Prompts, &[SuitePrompt]),
    ) -> Result<Asked> {
        let with = |(choices, scores)| Asked { choices, scores, notes: BTreeMap::new() };
        let mut found = match policy {
            Policy::Direct(router) => with(router.route_by_scores(prompts, asked.preferences())),
            Policy::Cascade(cascade) => {
                let score = |at: usize, model: usize| tested.outcomes.score.get(numbers[at].at(), model);
                let is_right = |at, model| score(at, model).is_some_and(|score| score >= RIGHT);
                let stream = self.stream_of(entry).named("judge");
                let judge = Judge::new(&prompts.ids, &is_right, cascade.judge_error(), stream);
                with((cascade.route(prompts, asked.preferences(), &judge), None))
            }
            Policy::External(router) => router.ask(prompts, asked.preferences())?,
            Policy::Told(router) => {
                let score = |at: usize, model: usize| tested.outcomes.score.get(numbers[at].at(), model);
                with(router.route(prompts, asked.preferences(), &Peers::new(prompts, &score)))
            }
        };
        if let Some(stick) = &entry.stick {
            let following = Following::new(tested, numbers, &stick.caches);
            found.choices = match cost_aware {
                Some(wrapper) => wrapper.stick(prompts, &following, asked.preferences(), &found.choices),
                None => following.always(prompts, &found.choices),
            };
        }
        Ok(found)
    }

    /// What a trained router chooses under each shift of the test.
    fn shifted(
        &self,
        inputs: RunInputs<'_>,
        (entry, base): (&RouterEntry, &Choices),
        policy: Sticking<'_>,
    ) -> Result<Vec<ShiftedCell>> {
        let view = self.view(inputs);
        let ask = |prompts: &Prompts, numbers: &[SuitePrompt]| {
            self.replay(inputs, entry, policy, (prompts, numbers))
        };
        inputs.shifts.iter().map(|shift| replicate::replay(shift, &view, (entry, base), ask)).collect()
    }

    /// How well the unseen models' scores are predicted, where a sweep asks for it and the router predicts any.
    fn prediction_errors(
        &self,
        inputs: RunInputs<'_>,
        policy: &Policy,
        predicted: Option<&Matrix>,
    ) -> Option<PredictionErrors> {
        let Policy::Direct(router) = policy else { return None };
        if inputs.scenario.sweep.is_none() || !self.unseen.contains(&true) {
            return None;
        }
        let scores = inputs
            .tested
            .outcomes
            .score
            .select(&SuitePrompt::places(&self.split.test), &(0..self.unseen.len()).collect::<Vec<_>>());
        let mut errors = prediction_errors(predicted?, &scores, &self.unseen)?;
        errors.coverage = self.coverage(router.as_ref(), &scores);
        Some(errors)
    }

    /// The share of unseen models whose mean score lies in the 95 % interval that the router believes in.
    fn coverage(&self, router: &dyn Router, scores: &CellTable) -> Option<f64> {
        let is_covered = |model: usize| -> Option<bool> {
            let is_answered = |&prompt: &usize| scores.get(prompt, model).is_some();
            let answered: Vec<usize> = (0..scores.n_prompts()).filter(is_answered).collect();
            let [believed, variance] = router.believed_mean(&self.test.select(&answered), model)?;
            let found: Vec<f64> = answered.iter().filter_map(|&prompt| scores.get(prompt, model)).collect();
            Some((mean(&found) - believed).abs() <= TWO_SIDED_95 * variance.sqrt())
        };
        let unseen = (0..self.unseen.len()).filter(|&model| self.unseen[model]);
        let covered: Vec<bool> = unseen.filter_map(is_covered).collect();
        let n_covered = covered.iter().filter(|&&is_covered| is_covered).count();
        (!covered.is_empty()).then(|| n_covered as f64 / covered.len() as f64)
    }

    /// Trains one router as [`train_group`](Self::train_group) would, to be saved.
    ///
    /// # Errors
    /// Training that diverges.
    pub(crate) fn train_to_save(
        &self,
        inputs: RunInputs<'_>,
        entry: &RouterEntry,
        origin: Origin,
        encoder: EncoderOf,
    ) -> Result<SavedRouter> {
        let set = self.training_set(inputs, inputs.scenario.quiz_of(entry))?;
        let training = Training::new(&set.data, &set.cost_models, self.stream_of(entry)).sharing(&set.fits);
        let models = inputs.suite.models.iter().map(|model| model.id.clone()).collect();
        SavedRouter::train((&entry.settings, entry.features), &training, models, origin, encoder)
            .map_err(|error| self.of_training(entry, error))
    }

    fn record_quiz(
        &self,
        suite: &Suite,
        settings: &QuizSettings,
        TrainingSet { quizzed, data, .. }: &TrainingSet,
    ) -> RecordedQuiz {
        let mut asked: Vec<SuitePrompt> = Vec::new();
        if settings.strategy != QuizStrategy::All {
            asked = quizzed.asked.iter().flatten().map(|row| self.split.training[row.at()]).collect();
            asked.sort_unstable();
            asked.dedup();
        }
        let prompts = asked.into_iter().map(|prompt| suite.prompts[prompt.at()].id.clone()).collect();
        RecordedQuiz { settings: settings.clone(), prompts, price: data.price_of_quiz }
    }

    /// The unseen models and their quizzes, where there are any.
    pub(crate) fn unseen(&self, suite: &Suite, trained: &[TrainedGroup]) -> Option<RecordedUnseen> {
        let quizzes = trained.iter().map(|trained| trained.quiz.clone()).collect::<Option<Vec<_>>>()?;
        let models = suite.models.iter().zip(&self.unseen).filter(|(_, is_unseen)| **is_unseen);
        Some(RecordedUnseen {
            models: models.map(|(model, _)| model.id.clone()).collect(),
            quizzes,
            prompts_left_out: self.n_left_out,
        })
    }
}

/// Errors over the cells of unseen models; `None` where there is none.
fn prediction_errors(predicted: &Matrix, scores: &CellTable, unseen: &[bool]) -> Option<PredictionErrors> {
    let (mut squares, mut n_cells, mut mean_errors) = (0.0, 0_usize, Vec::new());
    for model in (0..unseen.len()).filter(|&model| unseen[model]) {
        let answered = (0..scores.n_prompts()).filter_map(|prompt| {
            scores.get(prompt, model).map(|score| f64::from(predicted.row(prompt)[model]) - score)
        });
        let errors: Vec<f64> = answered.collect();
        if errors.is_empty() {
            continue;
        }
        squares += errors.iter().map(|error| error * error).sum::<f64>();
        n_cells += errors.len();
        mean_errors.push(mean(&errors).abs());
    }
    (n_cells > 0).then(|| PredictionErrors {
        rmse: (squares / n_cells as f64).sqrt(),
        mean_error: mean(&mean_errors),
        coverage: None,
    })
}
