//! Unseen models estimated beside the seen ones: by how much they did better or worse on the prompts of their quizzes.
//!
//! A quiz is short and often no random sample: prompts that tell models apart are harder than others, and the plain mean of
//! the answers says so of the model. What the seen models did on the same prompts says by how much: [`SeenMeans`] estimates
//! means by it. For every prompt alone, with s_i the mean score of the seen models on prompt i, a smoother fits
//! y_iu - s_i for an unseen model u, fits s_i as one target more on every prompt, and predicts the sum of both (the
//! difference estimator of sampling, Cochran 1977, chapter 7): [`BesideSeen`]. The smoothers here are linear in what they fit,
//! so that with answers to all prompts this is what they predict from y_iu. Where every model is seen nothing changes.

use crate::linalg::Matrix;
use crate::network::kept;
use crate::suite::CellTable;

/// The mean of the seen models' outcomes on each prompt, and over all prompts.
pub(crate) struct SeenMeans {
    /// By prompt; `None` where no seen model answered.
    pub(crate) of_prompts: Vec<Option<f64>>,
    /// The mean over the prompts that have one.
    pub(crate) overall: f64,
}

impl SeenMeans {
    /// From the outcomes of all models.
    pub(crate) fn new(outcomes: &CellTable, unseen: &[bool]) -> Self {
        let of_prompt = |prompt: usize| {
            let seen = outcomes.row(prompt).zip(unseen).filter(|(_, is_unseen)| !**is_unseen);
            mean(&seen.filter_map(|(outcome, _)| outcome).collect::<Vec<f64>>())
        };
        let of_prompts: Vec<Option<f64>> = (0..outcomes.n_prompts()).map(of_prompt).collect();
        let known: Vec<f64> = of_prompts.iter().copied().flatten().collect();
        SeenMeans { overall: mean(&known).unwrap_or(0.0), of_prompts }
    }

    /// The overall mean plus the mean difference of a model from the seen ones (the difference estimator; Cochran 1977,
    /// chapter 7); the overall mean where the model answered nothing.
    pub(crate) fn by_difference(&self, outcomes: &CellTable, model: usize) -> f64 {
        let differences: Vec<f64> = self.pairs(outcomes, model).map(|(own, seen)| own - seen).collect();
        self.overall + mean(&differences).unwrap_or(0.0)
    }

    /// The overall mean times the ratio of a model's sum to that of the seen ones (the ratio estimator; Cochran 1977,
    /// chapter 6); `None` where the model answered nothing, or what the seen ones did there sums to 0.
    pub(crate) fn by_ratio(&self, outcomes: &CellTable, model: usize) -> Option<f64> {
        let sums =
            self.pairs(outcomes, model).fold((0.0, 0.0), |sums, pair| (sums.0 + pair.0, sums.1 + pair.1));
        (sums.1 > 0.0).then(|| self.overall * sums.0 / sums.1)
    }

    /// A model's outcomes with the seen models' means.
    fn pairs<'a>(&'a self, outcomes: &'a CellTable, model: usize) -> impl Iterator<Item = (f64, f64)> + 'a {
        let pair = move |(prompt, of_seen): (usize, &Option<f64>)| outcomes.get(prompt, model).zip(*of_seen);
        self.of_prompts.iter().enumerate().filter_map(pair)
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// What a smoother fits in the place of scores.
#[derive(Clone)]
pub(super) struct BesideSeen {
    /// Prompts x models, of unseen ones less the mean of the seen; then, where there are unseen models, a column of that mean.
    pub(super) table: CellTable,
    /// The mean of each column over the development prompts, of an unseen model as it is estimated from its quiz.
    pub(super) means: Vec<f64>,
    unseen: Vec<bool>,
}

kept!(BesideSeen { table, means, unseen }, |it, shape| {
    let n_columns = shape.n_models + usize::from(!it.unseen.is_empty());
    (it.unseen.is_empty() || it.unseen.len() == shape.n_models)
        && it.table.n_models() == n_columns
        && it.means.len() == n_columns
});

impl BesideSeen {
    /// From the scores of all models on development prompts and their means.
    pub(super) fn new(scores: &CellTable, means: &[f64], unseen: &[bool]) -> Self {
        if !unseen.contains(&true) {
            return BesideSeen::plain(scores, means);
        }
        let SeenMeans { of_prompts, overall } = SeenMeans::new(scores, unseen);
        let (n_prompts, n_models) = (scores.n_prompts(), scores.n_models());
        let mut beside = CellTable::missing(n_prompts, n_models + 1);
        for (prompt, of_seen) in of_prompts.iter().enumerate() {
            for (model, score) in scores.row(prompt).enumerate() {
                let less = if unseen[model] { *of_seen } else { Some(0.0) };
                beside.set(prompt, model, score.zip(less).map(|(score, less)| score - less));
            }
            beside.set(prompt, n_models, *of_seen);
        }
        let less = |(mean, is_unseen): (&f64, &bool)| if *is_unseen { mean - overall } else { *mean };
        let means = means.iter().zip(unseen).map(less).chain([overall]).collect();
        BesideSeen { table: beside, means, unseen: unseen.to_vec() }
    }

    /// Every column as it is: of costs, which differ by a factor, or where all models are seen.
    pub(super) fn plain(outcomes: &CellTable, means: &[f64]) -> Self {
        BesideSeen { table: outcomes.clone(), means: means.to_vec(), unseen: Vec::new() }
    }

    /// The unseen models; empty where there are none.
    pub(super) fn unseen(&self) -> &[bool] {
        &self.unseen
    }

    /// Scores from what was predicted of the columns, or coefficients from theirs: rows x models.
    pub(super) fn scores_of(&self, columns: Matrix) -> Matrix {
        scores_of(columns, &self.unseen)
    }
}

/// Adds the last column to those of unseen models and takes it away; nothing where `unseen` is empty.
pub(super) fn scores_of(columns: Matrix, unseen: &[bool]) -> Matrix {
    if unseen.is_empty() {
        return columns;
    }
    let mut scores = Matrix::zeros(columns.n_rows(), unseen.len());
    for row in 0..columns.n_rows() {
        let (of_models, of_seen) = columns.row(row).split_at(unseen.len());
        for ((score, value), is_unseen) in scores.row_mut(row).iter_mut().zip(of_models).zip(unseen) {
            *score = if *is_unseen { value + of_seen[0] } else { *value };
        }
    }
    scores
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// A model that is always so much better than the seen ones, or always so much more expensive, is known from any quiz.
        #[test]
        fn what_is_common_to_all_prompts_is_found_by_any_quiz(
            seen in proptest::collection::vec((0.0..0.5_f64, 0.0..0.5_f64), 1..20),
            asked in proptest::collection::vec(any::<bool>(), 20),
            by in 0.1..0.4_f64,
        ) {
            let n = seen.len();
            let (mut better, mut costlier) = (CellTable::missing(n, 3), CellTable::missing(n, 3));
            let (mut mean_of_seen, mut n_asked) = (0.0, 0);
            for (prompt, &(a, b)) in seen.iter().enumerate() {
                let mean = (a + b) / 2.0;
                mean_of_seen += mean / n as f64;
                for table in [&mut better, &mut costlier] {
                    table.set(prompt, 0, Some(a));
                    table.set(prompt, 1, Some(b));
                }
                if asked[prompt] {
                    n_asked += 1;
                    better.set(prompt, 2, Some(mean + by));
                    costlier.set(prompt, 2, Some(mean * by));
                }
            }
            let unseen = [false, false, true];
            let by_difference = SeenMeans::new(&better, &unseen).by_difference(&better, 2);
            let expected = if n_asked > 0 { mean_of_seen + by } else { mean_of_seen };
            prop_assert!((by_difference - expected).abs() < 1e-12);
            if let Some(by_ratio) = SeenMeans::new(&costlier, &unseen).by_ratio(&costlier, 2) {
                prop_assert!((by_ratio - mean_of_seen * by).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn an_unseen_model_stands_beside_the_seen_ones() {
        // Models 0 and 2 are seen; 1 answered one prompt, on which they have 0.25 in the mean.
        let mut scores = CellTable::missing(2, 3);
        for (prompt, row) in
            [[Some(0.5), Some(0.75), Some(0.0)], [Some(1.0), None, Some(0.5)]].iter().enumerate()
        {
            row.iter().enumerate().for_each(|(model, score)| scores.set(prompt, model, *score));
        }
        let beside = BesideSeen::new(&scores, &[0.75, 1.0, 0.25], &[false, true, false]);
        let rows: Vec<Vec<Option<f64>>> = (0..2).map(|prompt| beside.table.row(prompt).collect()).collect();
        assert_eq!(rows[0], [Some(0.5), Some(0.5), Some(0.0), Some(0.25)]);
        assert_eq!(rows[1], [Some(1.0), None, Some(0.5), Some(0.75)]);
        assert_eq!(beside.means, [0.75, 0.5, 0.25, 0.5]);
        let predicted = beside.scores_of(Matrix::new(vec![0.5, 0.5, 0.125, 0.25], 1, 4));
        assert_eq!(predicted.row(0), [0.5, 0.75, 0.125]);
    }

    #[test]
    fn where_all_are_seen_nothing_changes() {
        let mut scores = CellTable::missing(1, 2);
        scores.set(0, 1, Some(0.5));
        let beside = BesideSeen::new(&scores, &[0.0, 0.5], &[false, false]);
        assert_eq!(
            (beside.table.row(0).collect::<Vec<_>>(), &beside.means[..]),
            (vec![None, Some(0.5)], &[0.0, 0.5][..])
        );
        let predicted = Matrix::new(vec![0.25, 0.75], 1, 2);
        assert_eq!(beside.scores_of(predicted.clone()).row(0), predicted.row(0));
    }
}
