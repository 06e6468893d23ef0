//! Ridge regression on all that is known of a prompt: soft memberships in clusters, embedding, input tokens (as `clusters`), and
//! the text features beside them.
//!
//! What models have in common, how hard a prompt is, is predicted better than how they differ, so one penalty does not fit both:
//! scores are turned to the directions in which models differ most over prompts (principal components of the columns of
//! models known on every prompt), each direction with the penalty that leaves the least squared error out of fold; what the
//! directions leave has one penalty in common, and so have models with gaps, whose scores are not turned.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::clusters;
use crate::embed::TextBlock;
use crate::linalg::kernels::dot;
use crate::linalg::{Matrix, Strided, multiply, principal_directions};
use crate::network::kept;
use crate::router::Training;
use crate::router::cost_model::CostModelKind;
use crate::router::cross_validation::{LAMBDAS, Moments, Ridge, best, folds, squared_errors};
use crate::router::difference_estimator::BesideSeen;
use crate::router::plug_in::{FittedScores, ScorePredictor, shared};
use crate::router::prompts::Prompts;
use crate::seed::Stream;
use crate::suite::CellTable;

/// Directions with a penalty of their own.
const MOST_DIRECTIONS: usize = 12;

/// The fitted predictor.
#[derive(Clone)]
pub(crate) struct TextRidge {
    features: clusters::Features,
    block: Arc<TextBlock>,
    ridge: Ridge,
}

kept!(TextRidge { features, block, ridge }, |it, shape| {
    it.ridge.fits(it.block.width() + it.features.n_features(shape.width), shape)
});

impl ScorePredictor for TextRidge {
    fn predict(&self, prompts: &Prompts) -> Matrix {
        self.ridge.predict(&features(&self.features, &self.block, prompts))
    }
}

/// Fits on all development prompts, once for all routers, with the clusters of `clusters`.
pub(crate) fn fit(training: &Training<'_>, cost: Option<CostModelKind>) -> Arc<FittedScores<TextRidge>> {
    let clusters = clusters::fit(training, cost);
    shared("text", training, cost, |training, _| fit_to(training, &clusters.predictor.features))
}

fn fit_to(training: &Training<'_>, clusters: &clusters::Features) -> FittedScores<TextRidge> {
    let data = training.data();
    let block = training.text_block();
    let values = features(clusters, &block, &data.prompts);
    let folds = folds(&data.prompts.text_groups, &training.stream().named("folds"));
    let outcomes = training.outcomes();
    let beside = BesideSeen::new(&outcomes.score, &outcomes.mean_score, &data.unseen);
    let turned = Turned::new(&beside.table, &training.stream().named("directions"));
    let targets = turned.targets(&beside.table);
    let without_rows = turned.without_rows(&beside.means);
    let moments = Moments::new(&values, &targets, &folds, &without_rows);
    let candidates = moments.out_of_fold(&LAMBDAS);
    let errors: Vec<Vec<f64>> =
        candidates.iter().map(|predicted| squared_errors(&targets, predicted)).collect();
    let chosen = turned.penalties(&errors);
    let mut out_of_fold = Matrix::zeros(values.n_rows(), targets.n_models());
    for row in 0..values.n_rows() {
        for (target, &penalty) in chosen.iter().enumerate() {
            out_of_fold.row_mut(row)[target] = candidates[penalty].row(row)[target];
        }
    }
    let penalties: Vec<f64> = chosen.iter().map(|&penalty| LAMBDAS[penalty]).collect();
    let words: Vec<String> = penalties.iter().map(f64::to_string).collect();
    let back = |columns: Matrix| beside.scores_of(turned.back(&columns));
    FittedScores {
        out_of_fold: back(out_of_fold),
        predictor: TextRidge {
            features: clusters.clone(),
            block,
            ridge: moments.fit_each(&penalties).map(back),
        },
        notes: BTreeMap::from([("text-ridge".to_owned(), words.join(", "))]),
    }
}

/// The text block, then the features of `clusters`, the constant last.
fn features(clusters: &clusters::Features, block: &TextBlock, prompts: &Prompts) -> Matrix {
    let (texts, others) = (block.of(&prompts.texts), clusters.of(prompts));
    let rows = texts.rows().zip(others.rows());
    let values = rows.flat_map(|(text, other)| text.iter().chain(other).copied()).collect();
    Matrix::new(values, prompts.len(), texts.n_columns() + others.n_columns())
}

/// How columns of scores are turned: first the directions, then what they leave of the columns without gaps, and those with
/// gaps as they are.
struct Turned {
    /// Of each column, whether it has no gap.
    is_whole: Vec<bool>,
    /// Whole columns x directions.
    directions: Matrix,
}

impl Turned {
    /// The directions know the scores of all folds: a rotation by itself predicts nothing.
    fn new(table: &CellTable, stream: &Stream) -> Self {
        let is_whole: Vec<bool> = (0..table.n_models())
            .map(|column| (0..table.n_prompts()).all(|prompt| table.get(prompt, column).is_some()))
            .collect();
        let n_whole = is_whole.iter().filter(|is_whole| **is_whole).count();
        let n_directions = MOST_DIRECTIONS.min(n_whole.saturating_sub(1));
        let mut turned = Turned { is_whole, directions: Matrix::zeros(n_whole, n_directions) };
        if n_directions > 0 {
            let values = (0..table.n_prompts()).flat_map(|prompt| turned.whole(table, prompt)).collect();
            let mut rows = Matrix::new(values, table.n_prompts(), n_whole);
            for column in 0..n_whole {
                let mean = rows.rows().map(|row| f64::from(row[column])).sum::<f64>() / rows.n_rows() as f64;
                (0..rows.n_rows()).for_each(|row| rows.row_mut(row)[column] -= mean as f32);
            }
            turned.directions = principal_directions(&rows, n_directions, &mut stream.generator());
        }
        turned
    }

    /// The scores of a prompt in the columns without gaps.
    fn whole(&self, table: &CellTable, prompt: usize) -> Vec<f32> {
        let cells = table.row(prompt).zip(&self.is_whole).filter(|(_, is_whole)| **is_whole);
        cells.filter_map(|(cell, _)| cell).map(|score| score as f32).collect()
    }

    fn targets(&self, table: &CellTable) -> CellTable {
        let n_directions = self.directions.n_columns();
        let mut targets = CellTable::missing(table.n_prompts(), n_directions + table.n_models());
        for prompt in 0..table.n_prompts() {
            let mut left = self.whole(table, prompt);
            let along = times(&left, &self.directions);
            for (direction, value) in along.iter().enumerate() {
                targets.set(prompt, direction, Some(f64::from(*value)));
            }
            for (left, directions) in left.iter_mut().zip(self.directions.rows()) {
                *left -= dot(&along, directions);
            }
            let mut left = left.into_iter();
            for (column, cell) in table.row(prompt).enumerate() {
                let cell = if self.is_whole[column] { left.next().map(f64::from) } else { cell };
                targets.set(prompt, n_directions + column, cell);
            }
        }
        targets
    }

    /// What is predicted of a target without any row, from that of its column.
    fn without_rows(&self, means: &[f64]) -> Vec<f64> {
        vec![0.0; self.directions.n_columns()].into_iter().chain(means.iter().copied()).collect()
    }

    /// The place of each target's penalty, from its squared errors under each.
    fn penalties(&self, errors: &[Vec<f64>]) -> Vec<usize> {
        let n_directions = self.directions.n_columns();
        let least = |targets: &[usize]| {
            let gain = |errors: &Vec<f64>| -targets.iter().map(|&target| errors[target]).sum::<f64>();
            best(&errors.iter().map(gain).collect::<Vec<_>>())
        };
        let mut chosen: Vec<usize> = (0..n_directions).map(|direction| least(&[direction])).collect();
        let [whole, others] = [true, false].map(|wanted| {
            let columns = (0..self.is_whole.len()).filter(|&column| self.is_whole[column] == wanted);
            least(&columns.map(|column| n_directions + column).collect::<Vec<_>>())
        });
        chosen.extend(self.is_whole.iter().map(|is_whole| if *is_whole { whole } else { others }));
        chosen
    }

    /// Columns of scores from what was predicted of the targets, or coefficients from theirs.
    fn back(&self, targets: &Matrix) -> Matrix {
        let n_directions = self.directions.n_columns();
        let mut columns = Matrix::zeros(targets.n_rows(), self.is_whole.len());
        for (row, found) in targets.rows().enumerate() {
            let (along, left) = found.split_at(n_directions);
            let mut directions = self.directions.rows();
            for (column, value) in columns.row_mut(row).iter_mut().enumerate() {
                let turned = self.is_whole[column].then(|| directions.next()).flatten();
                *value = left[column] + turned.map_or(0.0, |turned| dot(along, turned));
            }
        }
        columns
    }
}

/// The product of a row with a matrix.
fn times(row: &[f32], matrix: &Matrix) -> Vec<f32> {
    let mut product = vec![0.0; matrix.n_columns()];
    multiply(Strided::row_major(row, 1, row.len()), matrix.as_strided(), &mut product);
    product
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{SeedableRng, uniform_f32};

    /// Scores of three models and one with gaps; what the three have in common is most of them.
    fn table() -> CellTable {
        let mut rng = crate::random::ChaCha8Rng::seed_from_u64(3);
        let mut table = CellTable::missing(40, 4);
        for prompt in 0..40 {
            let hardness = uniform_f32(&mut rng, 0.0, 1.0);
            for model in 0..4 {
                let score = hardness + uniform_f32(&mut rng, 0.0, 0.1);
                table.set(prompt, model, (model != 2 || prompt % 3 > 0).then_some(f64::from(score)));
            }
        }
        table
    }

    #[test]
    fn turned_scores_turn_back_and_gaps_stay() {
        let table = table();
        let turned = Turned::new(&table, &Stream::root(1));
        let targets = turned.targets(&table);
        assert_eq!(targets.n_models(), 2 + 4);
        let known = |row: usize| targets.row(row).map(|cell| cell.unwrap_or(0.0) as f32).collect::<Vec<_>>();
        let back = turned.back(&Matrix::new((0..40).flat_map(known).collect(), 40, 6));
        for prompt in 0..40 {
            assert_eq!(targets.get(prompt, 2 + 2), table.get(prompt, 2));
            for (score, found) in table.row(prompt).zip(back.row(prompt)) {
                assert!(score.is_none_or(|score| (score - f64::from(*found)).abs() < 1e-5));
            }
        }
        // The first direction is what the three have in common.
        let first: Vec<f32> = turned.directions.rows().map(|row| row[0].abs()).collect();
        assert!(first.iter().all(|share| (share - 3_f32.sqrt().recip()).abs() < 0.05), "{first:?}");
    }

    #[test]
    fn each_direction_has_the_penalty_of_least_error_and_the_rest_share_theirs() {
        let turned = Turned::new(&table(), &Stream::root(1));
        // Directions, models 0 and 1, the one with gaps, and model 3.
        let errors = [vec![1.0, 5.0, 1.0, 9.0, 2.0, 9.0], vec![2.0, 4.0, 3.0, 3.0, 3.0, 3.0]];
        assert_eq!(turned.penalties(&errors), [0, 1, 1, 1, 0, 1]);
    }
}
