//! Quizzes: the few training prompts that an unseen model answers before it joins the pool, and how they are chosen.
//!
//! One file a strategy; [`select`] is the entry. A choice may look at the prompts, at the seen models' scores on them,
//! and at which of them the new model can answer, never at what the new model answered, nor at any validation or test
//! prompt: none of these is in an [`ItemBank`].

mod random;

use crate::linalg::Matrix;
use crate::seed::Stream;
use crate::suite::CellTable;

/// How many prompts a quiz has where nothing else is said.
pub const DEFAULT_SIZE: usize = 20;

/// Which prompts an unseen model is asked.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct QuizSettings {
    /// How they are chosen.
    pub strategy: QuizStrategy,
    /// At most how many; absent for `none` and `all`.
    pub size: Option<usize>,
}

/// How the prompts of a quiz are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuizStrategy {
    /// No prompt: the model is known by its price alone.
    None,
    /// Uniformly; a smaller quiz is the beginning of a larger one.
    #[default]
    Random,
    /// Over the whole range of difficulty, in each part the prompt that tells models apart best.
    Stratified,
    /// Typical prompts: medoids of clusters.
    Anchor,
    /// The prompts that together say most about an identity vector.
    Fisher,
    /// Every training prompt.
    All,
}

/// A quiz as written; what is absent comes from elsewhere.
#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct WrittenQuiz {
    strategy: Option<QuizStrategy>,
    size: Option<usize>,
}

impl WrittenQuiz {
    /// The settings, or what is wrong with them.
    pub(crate) fn settings(self, default: &QuizSettings) -> std::result::Result<QuizSettings, String> {
        let strategy = self.strategy.unwrap_or(default.strategy);
        if matches!(strategy, QuizStrategy::None | QuizStrategy::All) {
            return match self.size {
                Some(_) => Err(format!("a quiz of strategy `{}` has no `size`", strategy.name())),
                None => Ok(QuizSettings { strategy, size: None }),
            };
        }
        let size = self.size.or(default.size).unwrap_or(DEFAULT_SIZE);
        if size == 0 {
            return Err("the `size` of a quiz is at least 1; strategy `none` asks nothing".into());
        }
        if strategy == QuizStrategy::Fisher {
            return Err(
                "quiz strategy `fisher` needs the identity vectors of a router that has none yet".into()
            );
        }
        Ok(QuizSettings { strategy, size: Some(size) })
    }
}

impl Default for QuizSettings {
    fn default() -> Self {
        QuizSettings { strategy: QuizStrategy::default(), size: Some(DEFAULT_SIZE) }
    }
}

impl QuizStrategy {
    /// Its name in a scenario.
    pub fn name(self) -> &'static str {
        match self {
            QuizStrategy::None => "none",
            QuizStrategy::Random => "random",
            QuizStrategy::Stratified => "stratified",
            QuizStrategy::Anchor => "anchor",
            QuizStrategy::Fisher => "fisher",
            QuizStrategy::All => "all",
        }
    }
}

impl std::fmt::Display for QuizSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.size {
            Some(size) => write!(f, "{} {size}", self.strategy.name()),
            None => f.write_str(self.strategy.name()),
        }
    }
}

/// What a choice may look at: the training prompts and how the seen models did on them.
#[derive(Clone, Copy, Debug)]
pub struct ItemBank<'a> {
    /// One row a training prompt; no columns where the suite has no embeddings.
    pub embeddings: &'a Matrix,
    /// Whether each prompt has an embedding.
    pub has_embedding: &'a [bool],
    /// Scores, training prompts x seen models.
    pub scores: &'a CellTable,
}

/// The prompts that each unseen model is asked, in the order they were chosen, as rows of the bank: at most as many as
/// the quiz has, each once, and only such as the model can answer. Models that can answer the same prompts are asked
/// the same.
///
/// `can_answer` flags the rows of the bank, model by model.
pub fn select(
    settings: &QuizSettings,
    bank: ItemBank<'_>,
    can_answer: &[Vec<bool>],
    stream: &Stream,
) -> Vec<Vec<usize>> {
    let mut quizzes: Vec<Vec<usize>> = Vec::new();
    for (model, flags) in can_answer.iter().enumerate() {
        let quiz = match can_answer[..model].iter().position(|earlier| earlier == flags) {
            Some(earlier) => quizzes[earlier].clone(),
            None => select_one(settings, bank, flags, stream),
        };
        quizzes.push(quiz);
    }
    quizzes
}

fn select_one(
    settings: &QuizSettings,
    bank: ItemBank<'_>,
    can_answer: &[bool],
    stream: &Stream,
) -> Vec<usize> {
    assert_eq!(can_answer.len(), bank.scores.n_prompts(), "every prompt of the bank is flagged");
    let candidates: Vec<usize> = (0..can_answer.len()).filter(|&prompt| can_answer[prompt]).collect();
    let size = settings.size.map_or(candidates.len(), |size| size.min(candidates.len()));
    match settings.strategy {
        QuizStrategy::None => Vec::new(),
        QuizStrategy::All => candidates,
        QuizStrategy::Random => random::select(&candidates, can_answer.len(), size, stream),
        QuizStrategy::Stratified | QuizStrategy::Anchor | QuizStrategy::Fisher => {
            unreachable!("a scenario with this strategy is refused")
        }
    }
}
