//! One replicate of a run: what is learned from, once for every quiz, and what is routed.

use crate::data::{Prompts, Quizzed, TrainingData};
use crate::error::{Error, Result};
use crate::preference::{Preference, PreferenceGrid};
use crate::quiz::{self, ItemBank, QuizSettings, QuizStrategy};
use crate::record::{RecordedQuiz, RecordedTraining, RecordedUnseen};
use crate::router::{Choices, CostModels, Training, train};
use crate::scenario::{RouterEntry, Scenario};
use crate::seed::Stream;
use crate::split::Split;
use crate::suite::Suite;

/// One replicate.
pub(crate) struct Lesson {
    /// The prompts, without those that nobody in question answered.
    pub(crate) split: Split,
    /// What single models are known for.
    pub(crate) reference: Reference,
    /// Whether each model is unseen.
    unseen: Vec<bool>,
    n_left_out: usize,
    materials: Vec<Material>,
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
}

/// What routers that see the same quiz learn from.
struct Material {
    /// `None` where every model is seen.
    quiz: Option<QuizSettings>,
    /// The training prompts that any unseen model was asked, ascending.
    asked: Vec<usize>,
    data: TrainingData,
    cost_models: CostModels,
}

/// One router in one replicate.
pub(crate) struct Taught {
    /// What it chose on the test prompts.
    pub(crate) choices: Choices,
    /// What its training found out and paid.
    pub(crate) training: RecordedTraining,
}

impl Lesson {
    /// Draws the unseen models, asks them every quiz of the scenario, and gathers what can be learned from.
    ///
    /// # Errors
    /// As [`UnseenSettings::choose`](crate::unseen::UnseenSettings::choose); a part of the split in which nobody
    /// answered anything.
    pub(crate) fn new(
        suite: &Suite,
        groups: &[usize],
        split: Split,
        grid: &PreferenceGrid,
        scenario: &Scenario,
        stream: Stream,
    ) -> Result<Self> {
        let n_models = suite.models.len();
        let unseen = match &scenario.unseen {
            Some(settings) => settings.choose(suite, &stream.named("unseen"))?,
            None => vec![false; n_models],
        };
        let test_pool = scenario.unseen.as_ref().map_or(vec![true; n_models], |s| s.test_pool(&unseen));
        let seen: Vec<bool> = unseen.iter().map(|is_unseen| !is_unseen).collect();
        let n_before = split.n_prompts();
        let split = Split {
            training: answered(suite, split.training, &seen, "training")?,
            validation: answered(suite, split.validation, &seen, "validation")?,
            test: answered(suite, split.test, &test_pool, "test")?,
        };
        let parts = (&split.training[..], &split.validation[..]);
        let material = |quiz: Option<QuizSettings>| {
            let asked = quiz.as_ref().map_or(vec![Vec::new(); n_models], |quiz| {
                ask(quiz, suite, groups, &split.training, &unseen, &stream.named("quiz"))
            });
            let mut prompts: Vec<usize> = asked.iter().flatten().map(|&at| split.training[at]).collect();
            prompts.sort_unstable();
            prompts.dedup();
            let quizzed = Quizzed { unseen: unseen.clone(), asked };
            Material {
                quiz,
                asked: prompts,
                data: TrainingData::with_unseen(suite, groups, parts, grid.clone(), &quizzed),
                cost_models: CostModels::new(scenario.cost.model, stream.named("cost-model")),
            }
        };
        let all = TrainingData::new(suite, groups, parts, grid.clone());
        let reference = Reference {
            cost_usd: all.outcomes.mean_cost_units.iter().map(|units| units * all.cost_unit_usd).collect(),
            score: all.outcomes.mean_score,
        };
        Ok(Lesson {
            materials: quizzes(scenario).into_iter().map(material).collect(),
            reference,
            n_left_out: n_before - split.n_prompts(),
            test: Prompts::among(suite, groups, &split.test, &test_pool),
            split,
            unseen,
            stream,
        })
    }

    /// US dollars in one cost unit.
    pub(crate) fn cost_unit_usd(&self) -> f64 {
        self.materials[0].data.cost_unit_usd
    }

    /// The unseen models and their quizzes, where there are any.
    pub(crate) fn unseen(&self, suite: &Suite) -> Option<RecordedUnseen> {
        let quiz = |material: &Material| {
            let settings = material.quiz.clone()?;
            let is_listed = settings.strategy != QuizStrategy::All;
            let asked = material.asked.iter().filter(|_| is_listed);
            let prompts = asked.map(|&prompt| suite.prompts[prompt].id.clone()).collect();
            Some(RecordedQuiz { settings, prompts, price: material.data.price_of_quiz })
        };
        let quizzes = self.materials.iter().map(quiz).collect::<Option<Vec<_>>>()?;
        let models = suite.models.iter().zip(&self.unseen).filter(|(_, is_unseen)| **is_unseen);
        Some(RecordedUnseen {
            models: models.map(|(model, _)| model.id.clone()).collect(),
            quizzes,
            prompts_left_out: self.n_left_out,
        })
    }

    /// Trains a router and lets it route the test prompts.
    ///
    /// # Errors
    /// Training that diverges.
    pub(crate) fn teach(
        &self,
        entry: &RouterEntry,
        quiz: Option<&QuizSettings>,
        preferences: &[Preference],
    ) -> Result<Taught> {
        let material = self.materials.iter().find(|material| material.quiz.as_ref() == quiz);
        let Material { data, cost_models, .. } =
            material.expect("every quiz of the scenario has its material");
        let training = Training::new(data, cost_models, self.stream.named("router").named(&entry.label));
        let trained = train(&entry.settings, &training)?;
        let choices = trained.router.route(&self.test, preferences);
        Ok(Taught { choices, training: RecordedTraining { notes: trained.notes, paid: training.meter() } })
    }
}

/// The distinct quizzes of a scenario, in the order of its routers; one `None` where every model is seen.
fn quizzes(scenario: &Scenario) -> Vec<Option<QuizSettings>> {
    let mut quizzes: Vec<Option<QuizSettings>> = Vec::new();
    for entry in &scenario.routers {
        let quiz = scenario.quiz_of(entry).cloned();
        if !quizzes.contains(&quiz) {
            quizzes.push(quiz);
        }
    }
    quizzes
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

/// What every model is asked, as positions among the training prompts; nothing of seen models.
fn ask(
    settings: &QuizSettings,
    suite: &Suite,
    groups: &[usize],
    training: &[usize],
    unseen: &[bool],
    stream: &Stream,
) -> Vec<Vec<usize>> {
    let [seen_models, unseen_models] = [false, true]
        .map(|wanted| (0..unseen.len()).filter(|&model| unseen[model] == wanted).collect::<Vec<usize>>());
    let prompts = Prompts::new(suite, groups, training);
    let scores = suite.outcomes.score.select(training, &seen_models);
    let bank = ItemBank {
        embeddings: &prompts.embeddings,
        has_embedding: &prompts.has_embedding,
        scores: &scores,
        information: None,
    };
    let can_answer = |&model: &usize| -> Vec<bool> {
        (0..training.len()).map(|at| prompts.is_available(at, model)).collect()
    };
    let can_answer: Vec<Vec<bool>> = unseen_models.iter().map(can_answer).collect();
    let mut asked = vec![Vec::new(); unseen.len()];
    for (model, quiz) in unseen_models.into_iter().zip(quiz::select(settings, bank, &can_answer, stream)) {
        asked[model] = quiz;
    }
    asked
}
