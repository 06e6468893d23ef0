//! One replicate of a run: who is unseen, what is learned from at each quiz, and what is routed.
//!
//! Routers that see the same quiz are a class and learn from the same material. It is made when a class is taught and
//! dropped afterwards, so that a sweep over many quizzes needs no more memory than a few of them.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::shift;
use super::shifted::{self, ShiftedCell, TestShift, Venue};
use crate::error::{Error, Result};
use crate::linalg::Matrix;
use crate::preference::PreferenceGrid;
use crate::record::{
    PredictionErrors, Predictions, RecordedQuiz, RecordedTraining, RecordedUnseen, commitment,
    tokens::mean_tokens,
};
use crate::router::quiz::{self, ItemBank, ItemInformation, QuizSettings, QuizStrategy};
use crate::router::{
    Asked, Choices, CostModels, Judge, LlmBanditSettings, Memo, Origin, Policy, Router, SavedRouter,
    Surroundings, Training, item_information,
};
use crate::router::{Meter, Prompts, Quizzed, RIGHT, TrainingData};
use crate::run::cells::Cell;
use crate::scenario::quiz::AT_QUIZ;
use crate::scenario::split::Split;
use crate::scenario::{RouterEntry, Scenario};
use crate::seed::Stream;
use crate::statistics::mean;
use crate::suite::{CellTable, Suite};

/// The normal quantile of a two-sided interval of 95 %.
const TWO_SIDED_95: f64 = 1.959_964;

/// What all replicates share.
#[derive(Clone, Copy)]
pub(crate) struct School<'a> {
    pub(crate) scenario: &'a Scenario,
    /// The suite as the scenario has it, by which unseen models are chosen whatever a shift makes of the candidates.
    pub(crate) original: &'a Suite,
    /// The suite that is learned from, cut down to the candidate pool.
    pub(crate) suite: &'a Suite,
    /// The suite that is routed: the same unless a shift says otherwise.
    pub(crate) tested: &'a Suite,
    /// The text group of each prompt.
    pub(crate) groups: &'a [usize],
    /// The preferences that routers are trained for.
    pub(crate) grid: &'a PreferenceGrid,
    /// The preferences that they are asked.
    pub(crate) asked: &'a PreferenceGrid,
    /// What routers meet besides once they are trained.
    pub(crate) shifts: &'a [TestShift<'a>],
}

/// One replicate.
pub(crate) struct Lesson {
    /// The prompts, without those that nobody in question answered.
    pub(crate) split: Split,
    /// What single models are known for.
    pub(crate) reference: Reference,
    /// Whether each model is unseen.
    unseen: Vec<bool>,
    /// Whether each model may be chosen on test prompts.
    test_pool: Vec<bool>,
    /// What is learned once for all quizzes, in a sweep.
    memo: Option<Memo>,
    /// What answers to the training prompts would say, where a quiz asks for it.
    information: Option<ItemInformation>,
    n_left_out: usize,
    /// US dollars in one cost unit, where they are not found out from the development prompts.
    cost_unit_usd: Option<f64>,
    test: Prompts,
    stream: Stream,
}

/// Means over all development outcomes of every candidate, unseen ones too: reference points for the report, out of
/// reach of any router.
pub(crate) struct Reference {
    /// Mean score by model.
    pub(crate) score: Vec<f64>,
    /// Mean cost in US dollars by model.
    pub(crate) cost_usd: Vec<f64>,
    /// Mean input and output tokens by model, where all are known; empty where none are.
    pub(crate) tokens: Vec<Option<[f64; 2]>>,
}

/// The routers that see the same quiz.
pub(crate) struct Class {
    /// `None` where every model is seen.
    quiz: Option<QuizSettings>,
    /// Their places among the scenario's routers, ascending.
    pub(crate) routers: Vec<usize>,
}

/// What a class learns from.
struct Material {
    quizzed: Quizzed,
    data: TrainingData,
    cost_models: CostModels,
}

/// What is done with the cells of one replicate while they are made.
pub(crate) struct Attendant<'a> {
    /// Is told of each step of a router.
    pub(crate) tell: &'a (dyn Fn(Step, &RouterEntry) + Sync),
    /// Keeps a finished cell.
    pub(crate) keep: &'a (dyn Fn(&RouterEntry, &Cell) -> Result<()> + Sync),
    /// Says whose error it is.
    pub(crate) blame: &'a (dyn Fn(&RouterEntry, Error) -> Error + Sync),
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

/// What came of teaching a class in one replicate.
pub(crate) struct Taught {
    /// US dollars in one cost unit; the same for every class of a replicate.
    pub(crate) cost_unit_usd: f64,
    /// Where there are unseen models.
    quiz: Option<RecordedQuiz>,
    /// By router of the class.
    pub(crate) routers: Vec<Routed>,
    /// What each chose under each shift of the test.
    pub(crate) shifted: Vec<Vec<ShiftedCell>>,
}

impl Taught {
    /// From the cells of a class, which has at least one.
    fn new(cells: Vec<Cell>) -> Self {
        let (cost_unit_usd, quiz) = (cells[0].cost_unit_usd, cells[0].quiz.clone());
        let parts =
            cells.into_iter().map(|cell| ((cell.choices, cell.predictions, cell.training), cell.shifted));
        let (routers, shifted) = parts.unzip();
        Taught { cost_unit_usd, quiz, routers, shifted }
    }
}

/// The classes of a scenario, in the order of their first routers.
pub(crate) fn classes(scenario: &Scenario) -> Vec<Class> {
    let mut classes: Vec<Class> = Vec::new();
    for (router, entry) in scenario.routers.iter().enumerate() {
        let quiz = scenario.quiz_of(entry);
        match classes.iter_mut().find(|class| class.quiz.as_ref() == quiz) {
            Some(class) => class.routers.push(router),
            None => classes.push(Class { quiz: quiz.cloned(), routers: vec![router] }),
        }
    }
    classes
}

impl Lesson {
    /// Draws the unseen models, leaves out the prompts that nobody in question answered, and learns from the seen models
    /// what the quizzes of these routers need to know.
    ///
    /// # Errors
    /// As [`UnseenSettings::choose`](crate::scenario::unseen::UnseenSettings::choose); a part of the split in which nobody
    /// answered anything; identity vectors that diverge.
    pub(crate) fn new<'e>(
        school: School<'_>,
        split: Split,
        cost_unit_usd: Option<f64>,
        stream: Stream,
        mut to_teach: impl Iterator<Item = &'e RouterEntry>,
    ) -> Result<Self> {
        let School { scenario, suite, tested, groups, grid, .. } = school;
        let n_models = suite.models.len();
        let unseen = match &scenario.unseen {
            Some(settings) => {
                let chosen = settings.choose(school.original, &stream.named("unseen"))?;
                shift::by_original(school.original, suite, &chosen)
            }
            None => vec![false; n_models],
        };
        let test_pool = scenario.unseen.as_ref().map_or(vec![true; n_models], |s| s.test_pool(&unseen));
        let seen: Vec<bool> = unseen.iter().map(|is_unseen| !is_unseen).collect();
        let n_before = split.n_prompts();
        let split = Split {
            training: answered(suite, split.training, &seen, "training")?,
            validation: answered(suite, split.validation, &seen, "validation")?,
            test: answered(tested, split.test, &test_pool, "test")?,
        };
        let mut tokens = mean_tokens(suite, &[&split.training[..], &split.validation[..]].concat());
        if tokens.iter().all(Option::is_none) {
            tokens.clear();
        }
        let all = TrainingData::new(suite, groups, (&split.training, &split.validation), grid.clone());
        let reference = Reference {
            cost_usd: all.outcomes.mean_cost_units.iter().map(|units| units * all.cost_unit_usd).collect(),
            score: all.outcomes.mean_score,
            tokens,
        };
        let asks_by_identity = to_teach
            .any(|entry| scenario.quiz_of(entry).is_some_and(|quiz| quiz.strategy == QuizStrategy::Fisher));
        let information =
            if asks_by_identity { Some(inform(school, &split, &unseen, &stream)?) } else { None };
        Ok(Lesson {
            reference,
            n_left_out: n_before - split.n_prompts(),
            cost_unit_usd,
            test: Prompts::among(tested, groups, &split.test, &test_pool),
            split,
            unseen,
            test_pool,
            information,
            memo: scenario.routers.iter().any(|entry| entry.label.contains(AT_QUIZ)).then(Memo::default),
            stream,
        })
    }

    /// Asks the unseen models the quiz of a class, trains its routers, and lets them route the test prompts. Routers with
    /// a finished cell are not trained, and nothing is asked where all have one.
    ///
    /// # Errors
    /// Training that diverges; a cell that cannot be kept.
    pub(crate) fn teach(
        &self,
        school: School<'_>,
        class: &Class,
        finished: &[Option<Cell>],
        attendant: &Attendant<'_>,
    ) -> Result<Taught> {
        let School { scenario, suite, .. } = school;
        let finished_of = |router: &usize| finished[*router].clone();
        if let Some(cells) = class.routers.iter().map(finished_of).collect::<Option<Vec<Cell>>>() {
            return Ok(Taught::new(cells));
        }
        let Material { quizzed, data, cost_models } = self.material(school, class.quiz.as_ref());
        let record =
            |settings: &QuizSettings| self.record_quiz(suite, settings, &quizzed, data.price_of_quiz);
        let quiz = class.quiz.as_ref().map(record);
        let teach_one = |router: &usize| {
            if let Some(cell) = finished_of(router) {
                return Ok(cell);
            }
            let entry = &scenario.routers[*router];
            let training = Training::new(&data, &cost_models, self.stream_of(entry));
            let training = training.within(Surroundings::of(suite)).remembering(self.memo.as_ref());
            (attendant.tell)(Step::Started, entry);
            let trained = entry.settings.train(&training).map_err(|error| (attendant.blame)(entry, error))?;
            (attendant.tell)(Step::Trained, entry);
            let blame = |error| (attendant.blame)(entry, error);
            let asked = self.replay(school, entry, &trained.router, (&self.test, &self.split.test));
            let Asked { choices, scores, notes } = asked.map_err(blame)?;
            (attendant.tell)(Step::Routed, entry);
            let mut notes: BTreeMap<String, String> = trained.notes.into_iter().chain(notes).collect();
            if self.unseen.contains(&true) && !entry.settings.as_kind().takes_unseen() {
                notes.insert("unseen-models".to_owned(), "not taken without training anew".to_owned());
            }
            // From here on the choices are bound: whatever is compared with outcomes later must have this hash.
            let choices_hash = commitment(&entry.label, &choices);
            let calling_orders = choices.orders().map(<[_]>::to_vec);
            let training = RecordedTraining {
                notes,
                paid: training.meter(),
                choices_hash,
                prediction_errors: self.prediction_errors(school, &trained.router, scores.as_ref()),
                unheard: None,
                calling_orders,
                learning_curves: training.curves(),
            };
            let shifted = self.shifted(school, (entry, &choices), &trained.router).map_err(blame)?;
            let cell = Cell {
                cost_unit_usd: data.cost_unit_usd,
                quiz: quiz.clone(),
                choices,
                predictions: scores.as_ref().map(Predictions::new),
                training,
                shifted,
            };
            (attendant.keep)(entry, &cell)?;
            Ok(cell)
        };
        Ok(Taught::new(class.routers.par_iter().map(teach_one).collect::<Result<Vec<Cell>>>()?))
    }

    /// Checks what can be checked of the scenario's routers before anything is trained.
    ///
    /// # Errors
    /// A router made elsewhere that cannot route the test prompts.
    pub(crate) fn rehearse(&self, School { scenario, suite, asked, .. }: School<'_>) -> Result<()> {
        let test = Some((&self.test, asked.preferences()));
        let check = |entry: &RouterEntry| entry.settings.as_kind().rehearse(Surroundings::of(suite), test);
        scenario.routers.iter().try_for_each(check)
    }

    /// Lets a policy route prompts, of which the numbers are known too. Only a cascade learns anything of their outcomes,
    /// through its judge.
    ///
    /// # Errors
    /// A router made elsewhere that does not answer.
    fn replay(
        &self,
        School { tested, asked, .. }: School<'_>,
        entry: &RouterEntry,
        policy: &Policy,
        (prompts, numbers): (&Prompts, &[usize]),
    ) -> Result<Asked> {
        let (choices, scores) = match policy {
            Policy::Direct(router) => router.route_by_scores(prompts, asked.preferences()),
            Policy::Cascade(cascade) => {
                let score = |at: usize, model: usize| tested.outcomes.score.get(numbers[at], model);
                let is_right = |at, model| score(at, model).is_some_and(|score| score >= RIGHT);
                let stream = self.stream_of(entry).named("judge");
                let judge = Judge::new(&prompts.ids, &is_right, cascade.judge_error(), stream);
                (cascade.route(prompts, asked.preferences(), &judge), None)
            }
            Policy::Elsewhere(router) => return router.ask(prompts, asked.preferences()),
        };
        Ok(Asked { choices, scores, notes: BTreeMap::new() })
    }

    /// What a trained router chooses under each shift of the test.
    fn shifted(
        &self,
        school: School<'_>,
        (entry, base): (&RouterEntry, &Choices),
        policy: &Policy,
    ) -> Result<Vec<ShiftedCell>> {
        let venue = self.venue(school);
        let ask =
            |prompts: &Prompts, numbers: &[usize]| self.replay(school, entry, policy, (prompts, numbers));
        school.shifts.iter().map(|shift| shifted::replay(shift, &venue, (entry, base), ask)).collect()
    }

    /// What a shift of the test needs to know.
    pub(crate) fn venue<'a>(&'a self, school: School<'a>) -> Venue<'a> {
        Venue {
            suite: school.tested,
            groups: school.groups,
            split: &self.split,
            unseen: &self.unseen,
            test_pool: &self.test_pool,
            grid: school.asked,
            stream: &self.stream,
        }
    }

    /// How well the unseen models' scores are predicted, where a sweep asks for it and the router predicts any.
    fn prediction_errors(
        &self,
        school: School<'_>,
        policy: &Policy,
        predicted: Option<&Matrix>,
    ) -> Option<PredictionErrors> {
        let Policy::Direct(router) = policy else { return None };
        if school.scenario.sweep.is_none() || !self.unseen.contains(&true) {
            return None;
        }
        let scores = school
            .tested
            .outcomes
            .score
            .select(&self.split.test, &(0..self.unseen.len()).collect::<Vec<_>>());
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

    /// Trains one router as [`teach`](Self::teach) would, to be kept.
    ///
    /// # Errors
    /// Training that diverges.
    pub(crate) fn train_to_keep(
        &self,
        school: School<'_>,
        entry: &RouterEntry,
        settings: &LlmBanditSettings,
        origin: Origin,
    ) -> Result<SavedRouter> {
        let Material { data, cost_models, .. } = self.material(school, school.scenario.quiz_of(entry));
        let training = Training::new(&data, &cost_models, self.stream_of(entry));
        let models = school.suite.models.iter().map(|model| model.id.clone()).collect();
        SavedRouter::train(settings, &training, models, origin)
    }

    /// What the routers that see a quiz learn from.
    fn material(&self, school: School<'_>, quiz: Option<&QuizSettings>) -> Material {
        let School { scenario, suite, groups, grid, .. } = school;
        let Split { training, validation, .. } = &self.split;
        let asked = quiz.map_or(vec![Vec::new(); self.unseen.len()], |quiz| self.ask(school, quiz));
        let quizzed = Quizzed { unseen: self.unseen.clone(), asked };
        let parts = (&training[..], &validation[..]);
        let data =
            TrainingData::with_unseen(suite, groups, parts, grid.clone(), &quizzed, self.cost_unit_usd);
        let cost_models = CostModels::new(scenario.cost.model, self.stream.named("cost-model"));
        Material { quizzed, data, cost_models }
    }

    fn stream_of(&self, entry: &RouterEntry) -> Stream {
        // In a sweep over quizzes a router draws the same numbers at every quiz.
        let label = entry.label.split(AT_QUIZ).next().unwrap_or_default();
        self.stream.named("router").named(label)
    }

    /// The unseen models and their quizzes, where there are any.
    pub(crate) fn unseen(&self, suite: &Suite, taught: &[Taught]) -> Option<RecordedUnseen> {
        let quizzes = taught.iter().map(|taught| taught.quiz.clone()).collect::<Option<Vec<_>>>()?;
        let models = suite.models.iter().zip(&self.unseen).filter(|(_, is_unseen)| **is_unseen);
        Some(RecordedUnseen {
            models: models.map(|(model, _)| model.id.clone()).collect(),
            quizzes,
            prompts_left_out: self.n_left_out,
        })
    }

    /// What every model is asked, as positions among the training prompts; nothing of seen models.
    fn ask(&self, School { suite, groups, .. }: School<'_>, settings: &QuizSettings) -> Vec<Vec<usize>> {
        let training = &self.split.training;
        let [seen_models, unseen_models] = [false, true].map(|wanted| {
            (0..self.unseen.len()).filter(|&model| self.unseen[model] == wanted).collect::<Vec<usize>>()
        });
        let prompts = Prompts::new(suite, groups, training);
        let scores = suite.outcomes.score.select(training, &seen_models);
        let bank = ItemBank {
            embeddings: &prompts.embeddings,
            has_embedding: &prompts.has_embedding,
            scores: &scores,
            information: self.information.as_ref(),
        };
        let can_answer = |&model: &usize| -> Vec<bool> {
            (0..training.len()).map(|at| prompts.is_available(at, model)).collect()
        };
        let can_answer: Vec<Vec<bool>> = unseen_models.iter().map(can_answer).collect();
        let mut asked = vec![Vec::new(); self.unseen.len()];
        let quizzes = quiz::select(settings, bank, &can_answer, &self.stream.named("quiz"));
        for (model, quiz) in unseen_models.into_iter().zip(quizzes) {
            asked[model] = quiz;
        }
        asked
    }

    fn record_quiz(
        &self,
        suite: &Suite,
        settings: &QuizSettings,
        quizzed: &Quizzed,
        price: Meter,
    ) -> RecordedQuiz {
        let mut asked: Vec<usize> = Vec::new();
        if settings.strategy != QuizStrategy::All {
            asked = quizzed.asked.iter().flatten().map(|&at| self.split.training[at]).collect();
            asked.sort_unstable();
            asked.dedup();
        }
        let prompts = asked.into_iter().map(|prompt| suite.prompts[prompt].id.clone()).collect();
        RecordedQuiz { settings: settings.clone(), prompts, price }
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

/// The prompts that a flagged model answered.
fn answered(suite: &Suite, prompts: Vec<usize>, models: &[bool], part: &str) -> Result<Vec<usize>> {
    let is_answered = |&prompt: &usize| {
        let scores = suite.outcomes.score.row(prompt);
        scores.zip(models).any(|(score, &counts)| counts && score.is_some())
    };
    let n_before = prompts.len();
    let kept: Vec<usize> = prompts.into_iter().filter(is_answered).collect();
    if kept.is_empty() {
        let who = if part == "test" { "model of the test pool" } else { "seen model" };
        return Err(Error::Usage(format!("[unseen]: no {who} answered any of {n_before} {part} prompts")));
    }
    Ok(kept)
}

/// What answers would say about an identity, from the seen models' outcomes alone: no quiz has been asked yet.
fn inform(school: School<'_>, split: &Split, unseen: &[bool], stream: &Stream) -> Result<ItemInformation> {
    let School { scenario, suite, groups, grid, .. } = school;
    let nothing = Quizzed { unseen: unseen.to_vec(), asked: vec![Vec::new(); unseen.len()] };
    let parts = (&split.training[..], &split.validation[..]);
    let data = TrainingData::with_unseen(suite, groups, parts, grid.clone(), &nothing, None);
    let stream = stream.named("item-information");
    let cost_models = CostModels::new(scenario.cost.model, stream.named("cost-model"));
    item_information(&Training::new(&data, &cost_models, stream))
}
