//! Quizzes: the few training prompts that an unseen model answers before it joins the pool, and how they are chosen.
//!
//! One file a strategy of some length; [`select`] is the entry. A choice may look at the prompts, at the seen models' scores on them,
//! and at which of them the new model can answer, never at what the new model answered, nor at any test prompt: none of
//! these is in an [`ItemBank`]. `fisher` needs weights and factors, found from the seen models' answers to development prompts.
//!
//! `stratified` asks prompts over the whole range of difficulty, in each part of it the one that tells models apart best. Difficulty of
//! a prompt: 1 - mean score of the seen models on it. Discrimination: the item-rest correlation, that of the seen models' scores on the
//! prompt with their mean scores on all other prompts of the bank (Pearson; 0 where either does not vary).

mod anchor;
mod fisher;

use crate::index::TrainingRow;
use crate::linalg::Matrix;
use crate::random::shuffle;
use crate::seed::Stream;
use crate::suite::CellTable;
pub use fisher::c_optimal;

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
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
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
    /// The prompts that together say most about the mean score, by factor analysis of the seen models.
    Fisher,
    /// Every training prompt.
    All,
}

impl Default for QuizSettings {
    fn default() -> Self {
        QuizSettings { strategy: QuizStrategy::default(), size: Some(DEFAULT_SIZE) }
    }
}

impl QuizSettings {
    /// So many prompts chosen in this way; none at all is the quiz `none`.
    pub fn of(strategy: QuizStrategy, size: usize) -> Self {
        match size {
            0 => QuizSettings { strategy: QuizStrategy::None, size: None },
            _ => QuizSettings { strategy, size: Some(size) },
        }
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
) -> Vec<Vec<TrainingRow>> {
    let mut quizzes: Vec<Vec<TrainingRow>> = Vec::new();
    for (model, flags) in can_answer.iter().enumerate() {
        let quiz = match can_answer[..model].iter().position(|earlier| earlier == flags) {
            Some(earlier) => quizzes[earlier].clone(),
            None => {
                let rows = select_one(settings, bank, flags, stream);
                rows.into_iter().map(TrainingRow::new).collect()
            }
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
        QuizStrategy::Random => random(&candidates, can_answer.len(), size, stream),
        QuizStrategy::Stratified => select_stratified(&candidates, bank.scores, size),
        QuizStrategy::Anchor => anchor::select(&candidates, bank, size, stream),
        QuizStrategy::Fisher => {
            let information = bank.information.expect("a scenario with `fisher` has factors");
            let weights: Vec<f32> = candidates.iter().map(|&prompt| information.weights[prompt]).collect();
            let gradients = information.gradients.rows_at(&candidates);
            let mean_score = information.of_mean_score();
            let picked = c_optimal(&gradients, &weights, &mean_score, information.prior_precision, size);
            picked.into_iter().map(|at| candidates[at]).collect()
        }
    }
}

/// The first `size` candidates of a random order of all `n_prompts`. The order is the same for every size and every
/// model, so a smaller quiz is the beginning of a larger one, and all models are asked the same as far as they can answer.
fn random(candidates: &[usize], n_prompts: usize, size: usize, stream: &Stream) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n_prompts).collect();
    shuffle(&mut stream.generator(), &mut order);
    let is_candidate = |prompt: &usize| candidates.binary_search(prompt).is_ok();
    order.into_iter().filter(is_candidate).take(size).collect()
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
    /// What an answer to each prompt would say about a new model; only `fisher` needs it.
    pub information: Option<&'a ItemInformation>,
}

/// What answers would say about the weights of a new model, whose prior is normal.
#[derive(Clone, Debug, PartialEq)]
pub struct ItemInformation {
    /// Gradients of what is predicted in the weights, prompts x weights, for a typical new model.
    pub gradients: Matrix,
    /// 1 over the variance of an answer to each prompt.
    pub weights: Vec<f32>,
    /// The precision of the prior of each weight; 1 for N(0, I).
    pub prior_precision: f32,
}

impl ItemInformation {
    /// The gradient of the mean score over all prompts: the mean of w g.
    pub fn of_mean_score(&self) -> Vec<f32> {
        let n_prompts = self.gradients.n_rows().max(1) as f64;
        let mut sums = vec![0.0; self.gradients.n_columns()];
        for (row, &weight) in self.gradients.rows().zip(&self.weights) {
            sums.iter_mut().zip(row).for_each(|(sum, &g)| *sum += f64::from(weight * g));
        }
        sums.into_iter().map(|sum| (sum / n_prompts) as f32).collect()
    }
}

/// One prompt out of each of `size` bins of equally many candidates, from the easiest bin to the hardest. Ties in
/// difficulty and in discrimination go to the lowest number.
fn select_stratified(candidates: &[usize], scores: &CellTable, size: usize) -> Vec<usize> {
    let mut by_difficulty: Vec<(f64, usize)> =
        candidates.iter().map(|&prompt| (difficulty(scores, prompt), prompt)).collect();
    by_difficulty.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let totals = totals(scores);
    let best_of_bin = |bin: usize| {
        let bounds = [bin, bin + 1].map(|edge| edge * by_difficulty.len() / size);
        let mut members: Vec<usize> =
            by_difficulty[bounds[0]..bounds[1]].iter().map(|(_, prompt)| *prompt).collect();
        members.sort_unstable();
        let mut best = (f64::NEG_INFINITY, usize::MAX);
        for prompt in members {
            let discrimination = item_rest_correlation(scores, &totals, prompt);
            if discrimination > best.0 {
                best = (discrimination, prompt);
            }
        }
        best.1
    };
    (0..size).map(best_of_bin).collect()
}

/// 1 - mean score; of a prompt that no model of the bank answered one half.
fn difficulty(scores: &CellTable, prompt: usize) -> f64 {
    let (sum, n) = scores.row(prompt).flatten().fold((0.0, 0), |(sum, n), score| (sum + score, n + 1));
    if n > 0 { 1.0 - sum / f64::from(n) } else { 0.5 }
}

/// Sum and number of each model's scores.
fn totals(scores: &CellTable) -> Vec<(f64, usize)> {
    let mut totals = vec![(0.0, 0); scores.n_models()];
    for prompt in 0..scores.n_prompts() {
        for (score, (sum, n)) in scores.row(prompt).zip(&mut totals) {
            *sum += score.unwrap_or(0.0);
            *n += usize::from(score.is_some());
        }
    }
    totals
}

fn item_rest_correlation(scores: &CellTable, totals: &[(f64, usize)], prompt: usize) -> f64 {
    let pairs = scores.row(prompt).zip(totals).filter_map(|(score, &(sum, n))| {
        let score = score?;
        (n > 1).then(|| (score, (sum - score) / (n - 1) as f64))
    });
    let pairs: Vec<(f64, f64)> = pairs.collect();
    let n = pairs.len().max(1) as f64;
    let mean = |of: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / n;
    let (item, rest) = (mean(&|pair| pair.0), mean(&|pair| pair.1));
    let covariance = mean(&|pair| (pair.0 - item) * (pair.1 - rest));
    let variances = mean(&|pair| (pair.0 - item).powi(2)) * mean(&|pair| (pair.1 - rest).powi(2));
    if variances > 0.0 { covariance / variances.sqrt() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::Matrix;
    use crate::random::{bernoulli, uniform_f32};
    use crate::suite::CellTable;

    const STRATEGIES: [QuizStrategy; 5] = [
        QuizStrategy::None,
        QuizStrategy::Random,
        QuizStrategy::Stratified,
        QuizStrategy::Anchor,
        QuizStrategy::Fisher,
    ];

    /// Embeddings and seen scores of 60 prompts, and what answers would say.
    fn bank() -> (Matrix, CellTable, ItemInformation) {
        let mut rng = Stream::root(9).generator();
        let mut uniform =
            |n: usize| Matrix::new((0..60 * n).map(|_| uniform_f32(&mut rng, -1.0, 1.0)).collect(), 60, n);
        let (embeddings, gradients) = (uniform(6), uniform(3));
        let mut scores = CellTable::missing(60, 4);
        for prompt in 0..60 {
            for model in 0..4 {
                scores.set(prompt, model, Some(f64::from(u8::from(bernoulli(&mut rng, 0.6)))));
            }
        }
        let information = ItemInformation { gradients, weights: vec![0.2; 60], prior_precision: 1.0 };
        (embeddings, scores, information)
    }

    fn quiz(
        strategy: QuizStrategy,
        size: usize,
        can_answer: &[Vec<bool>],
        seed: u64,
    ) -> Vec<Vec<TrainingRow>> {
        let (embeddings, scores, information) = bank();
        let bank = ItemBank {
            embeddings: &embeddings,
            has_embedding: &[true; 60],
            scores: &scores,
            information: Some(&information),
        };
        select(&QuizSettings { strategy, size: Some(size) }, bank, can_answer, &Stream::root(seed))
    }

    #[test]
    fn a_quiz_has_different_prompts_that_the_model_can_answer_and_never_more_than_its_size() {
        let can_answer = [vec![true; 60], (0..60).map(|prompt| prompt % 7 == 0).collect(), vec![false; 60]];
        for strategy in STRATEGIES {
            for size in [1, 5, 20, 200] {
                for (quiz, flags) in quiz(strategy, size, &can_answer, 1).iter().zip(&can_answer) {
                    let n_answerable = flags.iter().filter(|&&flag| flag).count();
                    let expected = if strategy == QuizStrategy::None { 0 } else { size.min(n_answerable) };
                    let mut different = quiz.clone();
                    different.sort_unstable();
                    different.dedup();
                    assert_eq!((quiz.len(), different.len()), (expected, expected), "{strategy:?} {size}");
                    assert!(quiz.iter().all(|row| flags[row.at()]));
                }
            }
        }
    }

    #[test]
    fn a_smaller_random_quiz_begins_a_larger_one_and_models_are_asked_the_same() {
        let can_answer = [vec![true; 60], (0..60).map(|prompt| prompt != 3).collect()];
        let large = quiz(QuizStrategy::Random, 30, &can_answer, 4);
        let small = quiz(QuizStrategy::Random, 10, &can_answer, 4);
        assert!((0..2).all(|model| large[model][..10] == small[model]));
        let shared = large[0].iter().filter(|prompt| large[1].contains(prompt)).count();
        assert!(shared >= 29, "{shared}");
        assert_ne!(large, quiz(QuizStrategy::Random, 30, &can_answer, 5));
    }

    fn table(rows: &[&[f64]]) -> CellTable {
        let mut table = CellTable::missing(rows.len(), rows[0].len());
        for (prompt, row) in rows.iter().enumerate() {
            row.iter().enumerate().for_each(|(model, &score)| table.set(prompt, model, Some(score)));
        }
        table
    }

    #[test]
    fn discrimination_leaves_the_prompt_itself_out() {
        // Rests of prompt 0: (0 + 1) / 2, 1, 0; scores 0, 1, 0. Pearson: 0.866025.
        let scores = table(&[&[0.0, 1.0, 0.0], &[0.0, 1.0, 0.0], &[1.0, 1.0, 0.0]]);
        let found = item_rest_correlation(&scores, &totals(&scores), 0);
        assert!((found - 0.75_f64.sqrt()).abs() < 1e-12, "{found}");
        // Everybody answers it: it distinguishes nobody.
        let scores = table(&[&[1.0, 1.0, 1.0], &[0.0, 1.0, 0.0]]);
        assert_eq!(item_rest_correlation(&scores, &totals(&scores), 0), 0.0);
    }

    #[test]
    fn each_bin_of_difficulty_gives_its_most_discriminating_prompt() {
        // Models 2 and 3 are the good ones, by prompts that are no candidates. Of the easy and of the hard prompts, 1 and 5
        // agree with this, 0 and 3 go against it, and the others say nothing.
        let easy: [&[f64]; 3] = [&[1.0, 1.0, 1.0, 0.0], &[0.0, 1.0, 1.0, 1.0], &[1.0, 1.0, 1.0, 1.0]];
        let hard: [&[f64]; 3] = [&[1.0, 0.0, 0.0, 0.0], &[0.0, 0.0, 0.0, 0.0], &[0.0, 0.0, 0.0, 1.0]];
        let others: [&[f64]; 3] = [&[0.0, 0.0, 1.0, 1.0]; 3];
        let scores = table(&[easy, hard, others].concat());
        assert_eq!(select_stratified(&[0, 1, 2, 3, 4, 5], &scores, 2), [1, 5]);
        assert_eq!(select_stratified(&[0, 2, 3, 4, 5], &scores, 1), [5]);
        let all = select_stratified(&[0, 1, 2, 3, 4, 5], &scores, 6);
        assert!(all.windows(2).all(|pair| difficulty(&scores, pair[0]) <= difficulty(&scores, pair[1])));
    }
}
